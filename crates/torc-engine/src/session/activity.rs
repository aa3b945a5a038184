//! What a session is doing, and the states of a request that waits for a key.
//!
//! ```text
//!   Idle --> Gathering ----------> Idle          parts of one reply come from several cores, or from a unit
//!    |          |  ^
//!    |   transact  |
//!    |          v  |
//!    |     Transacting ----------> Idle          the same, made by a transaction over several cores
//!    |          |  |
//!    |         block  (a trial that found nothing: all cores of its keys know now that it waits)
//!    |          v  v
//!    |        Blocked --served, timed out, unblocked--> Gathering, with its last part there --> Idle
//!    |           \-----runs again, or its client is gone---> Idle
//!  register
//!    v
//!   Registering ---all homes of the topics have answered---> Idle
//!
//!   a trial    Open --offer accepted--> Promised --Served--> Served(reply)
//!                                          \--the offer was to try again--> RunsAgain
//!   blocked    Open --offer accepted--> Promised --Served--> end
//!                 |                     \--its other try waits for the end of a pause--> Held --> runs again
//!                 \--CLIENT UNBLOCK--> Unblocked --carried out--> end
//! ```
//! An offer may come while some cores of the keys have registered the waiter and others have not said so yet: that is the trial's
//! part. A session that has accepted an offer accepts no other.

use torc_resp::OutputBuffer;

use crate::gather::Gather;
use crate::pubsub::Change;
use crate::route::CoreId;
use crate::task::ServedReply;

/// What a session is doing.
#[derive(Default)]
pub(crate) enum Activity {
    /// Its next request may run.
    #[default]
    Idle,
    /// Several replies are awaited, which become one.
    Gathering(Box<Gather>, Option<Box<Trial>>),
    /// The same; a transaction over several cores makes them, whose coordination takes so many bytes.
    Transacting(Box<Gather>, Option<Box<Trial>>, usize),
    /// Its request waits for a key, and all cores of the keys know that.
    Blocked(Box<Blocked>),
    /// What it has subscribed to is being registered, and its reply waits for that.
    Registering(Box<Registering>),
}

/// Homes of topics are being told of a change.
pub(crate) struct Registering {
    /// Answers that have not come.
    pub(crate) missing: usize,
    /// The place of the reply among those that are owed.
    pub(crate) sequence: u64,
    /// The reply.
    pub(crate) reply: OutputBuffer,
    /// Subscriptions end: messages that come before that precede the reply.
    pub(crate) lets_pass: bool,
    /// What begins when that is over: a transaction may end some subscriptions and begin others.
    pub(crate) next: Vec<Change>,
}

/// What a wait is known by, and when it ends.
#[derive(Debug)]
pub(crate) struct Wait {
    /// Among the waits of this connection: what is still under way about an earlier one does not concern it.
    pub(crate) number: u32,
    /// The cores with its keys.
    pub(crate) cores: Vec<CoreId>,
    /// When it gives up, Unix milliseconds; `None`: never.
    pub(crate) deadline_ms: Option<i64>,
}

/// A request that takes what is there, or else is going to wait.
#[derive(Debug)]
pub(crate) struct Trial {
    wait: Wait,
    state: TrialState,
}

#[derive(Debug)]
enum TrialState {
    /// It would accept an offer.
    Open,
    /// It has accepted an offer.
    Promised,
    /// It has been served.
    Served(ServedReply),
    /// It has accepted to run again.
    RunsAgain,
}

/// A request that waits.
pub(crate) struct Blocked {
    gather: Box<Gather>,
    wait: Wait,
    /// The part of the gather that will be its reply.
    part: u32,
    state: BlockedState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockedState {
    Open,
    Promised,
    /// It was promised another try, and that waits for the end of a pause.
    Held,
    Unblocked(Unblock),
}

/// How CLIENT UNBLOCK ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unblock {
    /// As if the request were refused, to which the user has no right any more.
    NoPermission,
    /// As if its time were over.
    Timeout,
    /// With an error.
    Error,
}

/// What has become of a trial that found nothing.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing else: it waits.
    Nothing,
    /// It was promised an element, which is on its way.
    Promise,
    /// It has been served meanwhile.
    Reply(ServedReply),
    /// It has been told to run again meanwhile.
    AnotherTry,
}

impl Activity {
    /// Whether the next request may run.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Activity::Idle)
    }

    /// Whether messages to subscribers precede the reply that is owed.
    pub(crate) fn lets_pass(&self) -> bool {
        matches!(self, Activity::Registering(registering) if registering.lets_pass)
    }

    /// One of the homes has answered. Gives the reply with its place, if it was the last.
    pub(crate) fn note_registered(&mut self) -> Option<Box<Registering>> {
        let registering = self.registering();
        registering.missing = registering.missing.checked_sub(1).expect("each home answers once");
        (registering.missing == 0).then(|| self.end_registering())
    }

    /// What is being registered.
    pub(crate) fn registering(&mut self) -> &mut Registering {
        let Activity::Registering(registering) = self else { unreachable!("it registers what it has subscribed to") };
        registering
    }

    /// All of it is registered.
    pub(crate) fn end_registering(&mut self) -> Box<Registering> {
        let Activity::Registering(registering) = std::mem::take(self) else { unreachable!("it was registering") };
        registering
    }

    /// Whether the request waits for a key, or may have to.
    pub(crate) fn may_wait(&self) -> bool {
        match self {
            Activity::Idle | Activity::Registering(_) => false,
            Activity::Gathering(_, trial) | Activity::Transacting(_, trial, _) => trial.is_some(),
            Activity::Blocked(_) => true,
        }
    }

    /// Whether the request waits, and has accepted no offer.
    pub(crate) fn is_blocked_unpromised(&self) -> bool {
        matches!(self, Activity::Blocked(blocked) if !matches!(blocked.state, BlockedState::Promised | BlockedState::Held))
    }

    /// Whether the request waits, has accepted no offer, and CLIENT UNBLOCK has not chosen it.
    pub(crate) fn is_blocked_open(&self) -> bool {
        matches!(self, Activity::Blocked(blocked) if blocked.state == BlockedState::Open)
    }

    /// What is gathered, to be looked at.
    pub(crate) fn gather(&self) -> Option<&Gather> {
        match self {
            Activity::Idle | Activity::Registering(_) => None,
            Activity::Gathering(gather, _) | Activity::Transacting(gather, _, _) => Some(gather),
            Activity::Blocked(blocked) => Some(&blocked.gather),
        }
    }

    /// What is gathered.
    pub(crate) fn gather_mut(&mut self) -> Option<&mut Gather> {
        match self {
            Activity::Idle | Activity::Registering(_) => None,
            Activity::Gathering(gather, _) | Activity::Transacting(gather, _, _) => Some(gather),
            Activity::Blocked(blocked) => Some(&mut blocked.gather),
        }
    }

    /// A request begins of which more than one reply is awaited, or whose reply is made later. `wait`: it waits if it finds nothing.
    pub(crate) fn begin(&mut self, gather: Gather, wait: Option<Wait>) {
        assert!(self.is_idle(), "a session gathers for one request at a time");
        assert_eq!(gather.may_wait, wait.as_ref().map(|wait| wait.number), "a gather knows of its wait");
        let trial = wait.map(|wait| Box::new(Trial { wait, state: TrialState::Open }));
        *self = Activity::Gathering(Box::new(gather), trial);
    }

    /// The request runs as a transaction over several cores, whose coordination takes so many bytes.
    pub(crate) fn transact(&mut self, coordination_bytes: usize) {
        let Activity::Gathering(gather, trial) = std::mem::take(self) else {
            unreachable!("a transaction begins with its gather")
        };
        *self = Activity::Transacting(gather, trial, coordination_bytes);
    }

    /// Bytes that the coordinator holds for it.
    pub(crate) fn coordination_bytes(&self) -> usize {
        if let Activity::Transacting(_, _, bytes) = self { *bytes } else { 0 }
    }

    /// Bytes that its gather holds of replies.
    pub(crate) fn gathered_bytes(&self) -> usize {
        match self {
            Activity::Gathering(gather, _) | Activity::Transacting(gather, ..) => gather.memory_bytes(),
            _ => 0,
        }
    }

    /// All parts are there: gives them, and is idle.
    pub(crate) fn finish(&mut self) -> Box<Gather> {
        let (Activity::Gathering(gather, trial) | Activity::Transacting(gather, trial, _)) = std::mem::take(self)
        else {
            unreachable!("a gather that ends is open, and its request does not wait")
        };
        assert!(!gather.waits, "a request that is to wait is not finished");
        let is_open = trial.is_none_or(|trial| matches!(trial.state, TrialState::Open));
        assert!(is_open, "who takes something at once has accepted no offer");
        gather
    }

    /// All cores of its keys know that the request waits.
    pub(crate) fn block(&mut self) -> Found {
        let (Activity::Gathering(mut gather, Some(trial)) | Activity::Transacting(mut gather, Some(trial), _)) =
            std::mem::take(self)
        else {
            unreachable!("only a request that was told so waits")
        };
        let part = gather.wait();
        let Trial { wait, state } = *trial;
        let (state, found) = match state {
            TrialState::Open => (BlockedState::Open, Found::Nothing),
            TrialState::Promised => (BlockedState::Promised, Found::Promise),
            TrialState::Served(reply) => (BlockedState::Promised, Found::Reply(reply)),
            TrialState::RunsAgain => (BlockedState::Promised, Found::AnotherTry),
        };
        *self = Activity::Blocked(Box::new(Blocked { gather, wait, part, state }));
        found
    }

    /// Whether the wait with this number would accept an offer.
    pub(crate) fn awaits_offer(&self, number: u32) -> bool {
        match self {
            Activity::Gathering(_, Some(trial)) | Activity::Transacting(_, Some(trial), _) => {
                trial.wait.number == number && matches!(trial.state, TrialState::Open)
            }
            Activity::Blocked(blocked) => blocked.wait.number == number && blocked.state == BlockedState::Open,
            _ => false,
        }
    }

    /// A key is ready for the wait with this number. Whether it is accepted.
    pub(crate) fn accept_offer(&mut self, number: u32) -> bool {
        if !self.awaits_offer(number) {
            return false;
        }
        match self {
            Activity::Gathering(_, Some(trial)) | Activity::Transacting(_, Some(trial), _) => {
                trial.state = TrialState::Promised;
            }
            Activity::Blocked(blocked) => blocked.state = BlockedState::Promised,
            _ => unreachable!("who awaits an offer waits"),
        }
        true
    }

    /// The offer that was accepted is to try again. Whether that can be done now; otherwise when all cores know that it waits.
    pub(crate) fn promise_another_try(&mut self) -> bool {
        match self {
            Activity::Gathering(_, Some(trial)) | Activity::Transacting(_, Some(trial), _) => {
                assert!(matches!(trial.state, TrialState::Promised), "who tries again has accepted that");
                trial.state = TrialState::RunsAgain;
                false
            }
            Activity::Blocked(blocked) => {
                assert_eq!(blocked.state, BlockedState::Promised, "who tries again has accepted that");
                true
            }
            _ => unreachable!("who accepts an offer waits"),
        }
    }

    /// The reply that was promised is here. It is given back if it can be delivered now.
    pub(crate) fn serve(&mut self, reply: ServedReply) -> Option<ServedReply> {
        match self {
            Activity::Gathering(_, Some(trial)) | Activity::Transacting(_, Some(trial), _) => {
                assert!(matches!(trial.state, TrialState::Promised), "who is served has accepted an offer");
                trial.state = TrialState::Served(reply);
                None
            }
            Activity::Blocked(blocked) => {
                assert_eq!(blocked.state, BlockedState::Promised, "who is served has accepted an offer");
                Some(reply)
            }
            _ => unreachable!("who was promised an element waits for it"),
        }
    }

    /// CLIENT UNBLOCK has chosen this session; the engine carries it out later.
    pub(crate) fn unblock(&mut self, how: Unblock) {
        let Activity::Blocked(blocked) = self else { unreachable!("only who waits is unblocked") };
        assert_eq!(blocked.state, BlockedState::Open, "a wait ends once");
        blocked.state = BlockedState::Unblocked(how);
    }

    /// How CLIENT UNBLOCK ends the wait, if it has chosen this session.
    pub(crate) fn take_unblock(&mut self) -> Option<Unblock> {
        match self {
            Activity::Blocked(blocked) => match blocked.state {
                BlockedState::Unblocked(how) => {
                    blocked.state = BlockedState::Open;
                    Some(how)
                }
                BlockedState::Open | BlockedState::Promised | BlockedState::Held => None,
            },
            _ => None,
        }
    }

    /// The other try that was promised waits for the end of a pause.
    pub(crate) fn hold(&mut self) {
        let Activity::Blocked(blocked) = self else { unreachable!("who tries again waits") };
        assert_eq!(blocked.state, BlockedState::Promised, "who tries again was promised that");
        blocked.state = BlockedState::Held;
    }

    /// Whether another try waits for the end of a pause.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Activity::Blocked(blocked) if blocked.state == BlockedState::Held)
    }

    /// What it has begun and not ended. Who waits for a key has done all that it can do by itself.
    pub(crate) fn under_way(&self) -> Option<&Gather> {
        match self {
            Activity::Gathering(gather, _) | Activity::Transacting(gather, ..) => Some(gather),
            Activity::Idle | Activity::Blocked(_) | Activity::Registering(_) => None,
        }
    }

    /// Whether its reply is being made: parts of it are awaited, or what a wait was promised.
    pub(crate) fn makes_reply(&self) -> bool {
        let was_promised = matches!(self, Activity::Blocked(blocked) if blocked.state == BlockedState::Promised);
        was_promised || self.under_way().is_some()
    }

    /// When the wait ends without an element, Unix milliseconds.
    pub(crate) fn deadline_ms(&self) -> Option<i64> {
        let Activity::Blocked(blocked) = self else { unreachable!("only who waits has a deadline") };
        blocked.wait.deadline_ms
    }

    /// The wait is over, and its reply will be this part of the gather.
    pub(crate) fn end_wait(&mut self) -> (Wait, u32) {
        let Activity::Blocked(blocked) = std::mem::take(self) else { unreachable!("the wait has begun") };
        let Blocked { gather, wait, part, .. } = *blocked;
        *self = Activity::Gathering(gather, None);
        (wait, part)
    }

    /// The wait is over without a reply: its request runs again, or nobody is left to hear it.
    pub(crate) fn abandon_wait(&mut self) -> (Wait, Box<Gather>) {
        let Activity::Blocked(blocked) = std::mem::take(self) else { unreachable!("the wait has begun") };
        let Blocked { gather, wait, .. } = *blocked;
        (wait, gather)
    }
}

#[cfg(test)]
mod tests {
    use torc_resp::{Args, CompleteReply, OutputBuffer, Span};

    use super::*;
    use crate::command::registry;
    use crate::session::CommandQueue;
    use crate::task::{Answered, Outcome};

    /// A session that tries BLPOP, as its wait number 7.
    fn trying() -> Activity {
        let command = registry().find_name(b"blpop").expect("it is a command");
        let spans = [Span { start: 0, len: 5 }, Span { start: 5, len: 1 }, Span { start: 6, len: 1 }];
        let queue = CommandQueue::of(command, Args::new(b"blpopk0", &spans));
        let mut gather = Gather::new(command, queue, false, false);
        gather.may_wait = Some(7);
        let mut activity = Activity::default();
        activity.begin(gather, Some(Wait { number: 7, cores: vec![0], deadline_ms: Some(1000) }));
        activity
    }

    /// All cores have said that the request waits.
    fn block(activity: &mut Activity) -> Found {
        let gather = activity.gather_mut().expect("it gathers");
        gather.open_element(None);
        let part = gather.expect(Vec::new());
        assert!(gather.deliver(part, Answered::Ran(Outcome::Waits), CompleteReply::Short(b"")));
        activity.block()
    }

    fn reply() -> ServedReply {
        ServedReply { outcome: Outcome::Replied, bytes: OutputBuffer::new() }
    }

    #[test]
    fn one_offer_is_accepted_and_only_for_this_wait() {
        let mut activity = trying();
        assert!(!activity.accept_offer(6), "an earlier wait is over");
        assert!(matches!(block(&mut activity), Found::Nothing));
        assert!(activity.is_blocked_open());
        assert!(activity.accept_offer(7));
        assert!(!activity.accept_offer(7));
        assert!(!activity.is_blocked_unpromised());
        assert!(activity.serve(reply()).is_some(), "who waits can be served at once");
        assert_eq!(activity.end_wait().0.number, 7);
        activity.finish();
        assert!(activity.is_idle());
    }

    #[test]
    fn what_comes_before_all_cores_know_of_the_wait_is_kept() {
        let mut served = trying();
        assert!(served.accept_offer(7));
        assert!(served.serve(reply()).is_none());
        assert!(matches!(block(&mut served), Found::Reply(_)));
        let mut promised = trying();
        assert!(promised.accept_offer(7));
        assert!(matches!(block(&mut promised), Found::Promise));
        let mut told_to_try = trying();
        assert!(told_to_try.accept_offer(7) && !told_to_try.promise_another_try());
        assert!(matches!(block(&mut told_to_try), Found::AnotherTry));
        assert_eq!(told_to_try.abandon_wait().0.deadline_ms, Some(1000));
    }

    #[test]
    fn who_is_unblocked_accepts_no_offer() {
        let mut activity = trying();
        assert!(activity.take_unblock().is_none());
        block(&mut activity);
        activity.unblock(Unblock::Error);
        assert!(!activity.accept_offer(7) && !activity.is_blocked_open() && activity.is_blocked_unpromised());
        assert_eq!(activity.take_unblock(), Some(Unblock::Error));
        assert_eq!(activity.take_unblock(), None);
    }

    #[test]
    #[should_panic(expected = "who takes something at once has accepted no offer")]
    fn a_promise_is_not_forgotten() {
        let mut activity = trying();
        assert!(activity.accept_offer(7));
        activity.finish();
    }
}
