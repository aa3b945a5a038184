//! From commands to the hops of a stage: what each participant runs next, given the replies so far.
//!
//! ```text
//!   next_stage --> [check]   watched keys of several cores are compared, and nothing else
//!              --> commands up to a relay, whose fetch is the last of the stage, or up to one in which the host has a part
//!              --> [host]    the host does its part of the next command, and nothing else
//!              --> [narrow, narrow | follow | hand-over] --> apply, and the commands behind it up to the next relay
//!              --> ... until all commands are in: is_last
//!              --> [script]  what a script calls, command by command (`script`)
//! ```
//! A [`Program`] is asked for the next stage when all hops of the one before have come back. It does not send anything.

mod script;

use script::{Progress, ScriptProgram};
use torc_resp::{Args, CompleteReply, OutputBuffer, Span, reader};

use super::host::{HostPart, ask_host_first};
use crate::command::blocking::ready_numbers;
use crate::command::{ApplyOn, Blocking, Command, Fetched, Fetching, Lead, Merge, Relay, Run, Serves};
use crate::extract::TOO_LARGE;
use crate::gather::Gather;
use crate::mesh::Outbox;
use crate::message::{Address, Batch};
use crate::plan::{Plan, plan};
use crate::route::CoreId;
use crate::run::{Call, Reach, Task, run};
use crate::session::{CommandQueue, Session, Watch};
use crate::state::CoreState;
use crate::task::Answered;
use crate::task::Found;

/// What a transaction runs, stage by stage.
pub trait Program {
    /// What the participants run next, given what the gather has collected so far.
    fn next_stage(&mut self, context: &mut StageContext<'_>) -> NextStage;

    /// Whether the first stage may be put together only when all claims are granted.
    fn needs_claims(&self) -> bool;
}

/// What a program sees when it is asked for a stage.
pub struct StageContext<'a> {
    /// The coordinator's core.
    pub(crate) state: &'a mut CoreState,
    /// The connection whose transaction it is.
    pub(crate) session: &'a mut Session,
    /// Its replies so far, and where those of the stage will be collected.
    pub(crate) gather: &'a mut Gather,
    /// Where empty batches come from.
    pub(crate) outbox: &'a mut Outbox,
    /// The participants.
    pub(crate) cores: &'a [CoreId],
}

/// What a program has left to do, given the replies so far.
pub enum NextStage {
    /// These hops, which may run side by side.
    Hops {
        /// One for each participant that has something to run.
        hops: Vec<StageHop>,
        /// No stage follows.
        is_last: bool,
    },
    /// The host has been asked for its part of the next command; its answer ends the stage.
    Host,
    /// A script has had its slice, and goes on later.
    Pause,
    /// Nothing more: what the last stage has found ends the transaction.
    CalledOff,
}

/// A participant's share of a stage.
pub struct StageHop {
    /// The participant.
    pub core: CoreId,
    /// What it runs.
    pub batch: Box<Batch>,
}

/// The commands of the gather's queue, one behind another: a MULTI, or one command.
pub struct QueueProgram {
    /// Watched keys are compared before all else.
    compares: bool,
    /// The next command of the queue.
    next: usize,
    /// Where the command before it stands.
    relay: RelayStep,
    /// The host may have a part in one of the commands.
    asks_host: bool,
    /// One of the commands tells the time.
    tells_time: bool,
    /// Some commands are scripts, which may tell the time, too: what they have claimed.
    scripts: Option<ScriptClaims>,
    /// The one that runs.
    script: Option<Box<ScriptProgram>>,
}

/// What the scripts of a queue have claimed, by the indexes of their commands. What their names stand for may be another when they run.
#[derive(Default)]
pub struct ScriptClaims {
    /// Nothing: the script was not known, or not to be run. They fail, whatever has become of that.
    pub refused: Vec<usize>,
    /// Keys to read, but not to write, for a function that wrote nothing.
    pub shared: Vec<usize>,
}

/// Where the relay stands that was put into hops last.
enum RelayStep {
    /// There is none, or it has been applied.
    None,
    /// It has fetched, and is to be applied.
    Fetched,
    /// It has fetched these values. The owners of those with these indexes have been asked again, given what others have sent.
    Narrowed(Vec<Vec<u8>>, Vec<usize>),
    /// It has fetched these values, and is to be applied when it has followed keys or handed over a value.
    Continued(Vec<Vec<u8>>),
}

/// What a stage was put together from.
#[must_use]
enum Composed {
    /// Commands, if any.
    Commands,
    /// The host has been asked for its part of the next command.
    HostAsked,
    /// A script goes on later.
    Paused,
}

impl QueueProgram {
    /// At the first command. `compares`: the session's watched keys are compared before it; `asks_host`: the host may have a part in one
    /// of the commands; `tells_time`: one of them tells the time, and that of the transaction is not known yet.
    pub fn new(compares: bool, asks_host: bool, tells_time: bool) -> Self {
        QueueProgram { compares, next: 0, relay: RelayStep::None, asks_host, tells_time, scripts: None, script: None }
    }

    /// The same with scripts among the commands.
    #[must_use]
    pub fn with_scripts(self, scripts: ScriptClaims) -> Self {
        QueueProgram { scripts: Some(scripts), ..self }
    }

    /// All of it in one stage for one core: a unit. `None`: nothing of it runs on a shard.
    pub fn into_unit(mut self, context: &mut StageContext<'_>) -> Option<Box<Batch>> {
        assert_eq!(context.cores.len(), 1, "a unit runs on one core");
        let mut stage = Stage::new(context.cores);
        if std::mem::take(&mut self.compares) {
            push_checks(context, &mut stage);
        }
        let composed = self.compose(context, &mut stage);
        assert!(matches!(composed, Composed::Commands), "what asks the host is a transaction");
        assert!(self.is_done(context.gather), "a unit has one stage");
        assert!(stage.hops.len() <= 1, "a unit has one hop");
        stage.hops.pop().map(|hop| hop.batch)
    }

    /// Whether all commands have been put into hops.
    fn is_done(&self, gather: &Gather) -> bool {
        self.script.is_none()
            && !self.compares
            && self.next == gather.queue.len()
            && matches!(self.relay, RelayStep::None)
    }
}

impl Program for QueueProgram {
    fn next_stage(&mut self, context: &mut StageContext<'_>) -> NextStage {
        if context.gather.is_aborted() {
            assert!(!self.compares, "watched keys have been compared");
            return NextStage::CalledOff;
        }
        assert!(!self.is_done(context.gather) || self.next == 0, "no stage follows the last");
        let mut stage = Stage::new(context.cores);
        if std::mem::take(&mut self.compares) {
            push_checks(context, &mut stage);
        } else {
            match self.compose(context, &mut stage) {
                Composed::Commands => {}
                Composed::HostAsked => {
                    assert!(self.asks_host && stage.hops.is_empty(), "what stands before has run");
                    return NextStage::Host;
                }
                Composed::Paused => {
                    assert!(stage.hops.is_empty(), "a script calls one command at a time");
                    return NextStage::Pause;
                }
            }
        }
        let is_last = self.is_done(context.gather);
        assert!(is_last || !stage.hops.is_empty(), "only the last stage can have nothing to run");
        NextStage::Hops { hops: stage.hops, is_last }
    }

    fn needs_claims(&self) -> bool {
        self.compares || self.asks_host || self.tells_time || self.scripts.is_some()
    }
}

impl QueueProgram {
    /// Puts commands into batches from where the program is, until all are in, or one must wait for what is in.
    fn compose(&mut self, context: &mut StageContext<'_>, stage: &mut Stage<'_>) -> Composed {
        loop {
            if let Some(mut script) = self.script.take() {
                match script.go_on(context, stage) {
                    Progress::Ended => self.next += 1,
                    Progress::Awaits => {
                        self.script = Some(script);
                        return Composed::Commands;
                    }
                    Progress::Pauses => {
                        self.script = Some(script);
                        return Composed::Paused;
                    }
                }
            }
            let composed = self.compose_commands(context, stage);
            let may_begin = matches!(composed, Composed::Commands)
                && stage.hops.is_empty()
                && matches!(self.relay, RelayStep::None)
                && self.next < context.gather.queue.len();
            if !may_begin || !self.begin_script(context) {
                return composed;
            }
        }
    }

    /// The next command, if it runs a script, begins. False: it runs none.
    fn begin_script(&mut self, context: &mut StageContext<'_>) -> bool {
        let (command, args) = context.gather.queue.get(self.next);
        let Run::Script(kind) = command.row.run else { return false };
        let request = CommandQueue::of(command, args);
        let claims = self.scripts.as_ref().expect("it is known which commands are scripts");
        let begun = match claims.refused.contains(&self.next) {
            true => Err(context.state.scripts.refusal(kind, args)),
            false => ScriptProgram::begin(context, kind, request, !claims.shared.contains(&self.next)),
        };
        match begun {
            Ok(script) => self.script = Some(script),
            Err(error) => {
                context.gather.open_made_element(Err(error));
                self.next += 1;
            }
        }
        true
    }

    /// The same up to a script. A command may have to fetch, or to ask the host, first. Commands about the session run here and now.
    fn compose_commands(&mut self, context: &mut StageContext<'_>, stage: &mut Stage<'_>) -> Composed {
        let mut composed = Composed::Commands;
        let mut queue = std::mem::take(&mut context.gather.queue);
        match std::mem::replace(&mut self.relay, RelayStep::None) {
            RelayStep::None => {}
            step => self.go_on_with_relay(context, queue.get(self.next - 1), step, stage),
        }
        while self.next < queue.len() && matches!(self.relay, RelayStep::None) {
            if let Some(refusal) = queue.refusal(self.next) {
                context.gather.open_made_element(Err(refusal.clone()));
                self.next += 1;
                continue;
            }
            let (command, args) = queue.get(self.next);
            if matches!(command.row.run, Run::Script(_)) {
                break;
            }
            if command.row.host_step.is_some() && !stage.hops.is_empty() {
                // What the host is to do may follow from what the commands before this one do.
                break;
            }
            let part = match self.asks_host {
                true => ask_host_first(context.state, context.session, command, args, true),
                // It has been asked before all of this began.
                false => HostPart::Done,
            };
            match part {
                HostPart::Awaited => {
                    composed = Composed::HostAsked;
                    break;
                }
                HostPart::Replied(reply) => context.gather.open_made_element(reply),
                HostPart::Gave(bytes) => {
                    queue.add_argument(self.next, &bytes);
                    let (command, args) = queue.get(self.next);
                    let fetches = push_element(context, command, args, stage);
                    assert!(!fetches, "no relay asks the host");
                }
                HostPart::Done if push_element(context, command, args, stage) => self.relay = RelayStep::Fetched,
                HostPart::Done => {}
            }
            self.next += 1;
            if command.row.host_step.is_some() && !stage.hops.is_empty() {
                // What stands behind may show what it has set, and commands about the session run while a stage is put together.
                break;
            }
        }
        context.gather.queue = queue;
        composed
    }

    /// A relay has fetched, or has been continued after that: it is continued or applied.
    fn go_on_with_relay(
        &mut self,
        context: &mut StageContext<'_>,
        request: (&'static Command, Args<'_>),
        step: RelayStep,
        stage: &mut Stage<'_>,
    ) {
        // None: an error, which is the reply.
        let blocking = request.0.row.blocking;
        let Some(found) = context.gather.take_fetched(blocking) else { return };
        if let Some(blocking) = blocking
            && push_take(context, request, (blocking, &found), stage)
        {
            return;
        }
        let found: Vec<Vec<u8>> = found.into_iter().map(Found::into_value).collect();
        context.state.stats.relayed_bytes += found.iter().map(Vec::len).sum::<usize>() as u64;
        let (mut values, is_continued) = match step {
            RelayStep::None => unreachable!("a relay is under way"),
            RelayStep::Fetched => (found, false),
            RelayStep::Narrowed(mut values, asked) => {
                asked.into_iter().zip(found).for_each(|(at, value)| values[at] = value);
                (values, false)
            }
            RelayStep::Continued(mut earlier) => {
                earlier.extend(found);
                (earlier, true)
            }
        };
        if values.iter().map(Vec::len).sum::<usize>() > context.state.config.relay_max_bytes as usize {
            assert!(context.gather.detached.is_none(), "what tells of a big value is small");
            return context.gather.fail(TOO_LARGE);
        }
        if let Some(asked) = push_narrow(context, request, &mut values, stage) {
            self.relay = RelayStep::Narrowed(values, asked);
            return;
        }
        let goes_on = !is_continued
            && (push_follow(context, request, &values, stage) || push_hand_over(context, request, &values, stage));
        if goes_on {
            self.relay = RelayStep::Continued(values);
        } else {
            push_apply(context, request, &values, stage);
        }
    }
}

/// The hops of one stage while they are put together.
struct Stage<'a> {
    cores: &'a [CoreId],
    hops: Vec<StageHop>,
}

impl<'a> Stage<'a> {
    fn new(cores: &'a [CoreId]) -> Self {
        assert!(!cores.is_empty(), "somebody takes part");
        Stage { cores, hops: Vec::new() }
    }

    /// The batch of a core. What has no keys and could run anywhere runs on a participant.
    fn batch(&mut self, outbox: &mut Outbox, core: CoreId) -> &mut Batch {
        let core = if self.cores.contains(&core) { core } else { self.cores[0] };
        let index = self.hops.iter().position(|hop| hop.core == core).unwrap_or_else(|| {
            self.hops.push(StageHop { core, batch: outbox.spare_batch() });
            self.hops.len() - 1
        });
        &mut self.hops[index].batch
    }
}

/// One comparison for each core and database with watched keys.
fn push_checks(context: &mut StageContext<'_>, stage: &mut Stage<'_>) {
    let StageContext { session, gather, outbox, .. } = context;
    let command = gather.command;
    let mut watches: Vec<&Watch> = session.watches.iter().collect();
    watches.sort_unstable_by_key(|watch| (watch.owner, watch.db));
    for group in watches.chunk_by(|a, b| (a.owner, a.db) == (b.owner, b.db)) {
        let mut asker = session.asker();
        asker.db = group[0].db;
        let versions: Vec<[u8; 8]> = group.iter().map(|watch| watch.version.to_le_bytes()).collect();
        let words = group.iter().zip(&versions).flat_map(|(watch, version)| [&watch.key[..], &version[..]]);
        let part = gather.expect_check();
        stage.batch(outbox, group[0].owner).push_words(asker, Address::Part(part), Task::Check, command, words);
    }
}

/// Puts one command into the batches of the cores it concerns. True: it has to be applied in another stage.
fn push_element(
    context: &mut StageContext<'_>,
    command: &'static Command,
    args: Args<'_>,
    stage: &mut Stage<'_>,
) -> bool {
    let StageContext { state, session, gather, outbox, .. } = context;
    let asker = session.asker();
    match plan(state, session.scope(), command, args) {
        Plan::Session => {
            gather.open_whole_element();
            let (address, mut reply) = (gather.expect(Vec::new()), Box::new(OutputBuffer::new()));
            let call = Call { task: Task::Whole, asker, command, args };
            let outcome = run(state, Reach::Session(session), call, &mut reply);
            session.note_shows(state.shown.take());
            gather.deliver(address, Answered::Ran(outcome), CompleteReply::Long(reply));
        }
        Plan::One(core) => {
            // EXEC's commands are counted where they run; a command by itself where it began.
            let task = match (gather.is_exec, gather.may_wait) {
                (true, _) => Task::Whole,
                (false, Some(_)) => Task::TakeOrWait,
                (false, None) => Task::Share,
            };
            if gather.is_exec {
                gather.open_whole_element();
            } else {
                gather.open_element(None);
            }
            let address = Address::Part(gather.expect(Vec::new()));
            let batch = stage.batch(outbox, core);
            batch.push(asker, address, task, command, args);
            batch.set_wait(gather.may_wait.unwrap_or_default());
        }
        Plan::Split { stride, merge } => {
            gather.open_element(Some(merge));
            push_shares(context, command, args, stride, stage);
        }
        Plan::Walk(core, walk) => {
            gather.open_element(Some(Merge::Custom(walk.merge)));
            let address = Address::Part(gather.expect(Vec::new()));
            stage.batch(outbox, core).push(asker, address, Task::Share, command, args);
        }
        Plan::Every(cores, merge) => {
            gather.open_element(Some(merge));
            for core in cores {
                let address = Address::Part(gather.expect(Vec::new()));
                stage.batch(outbox, core).push(asker, address, Task::Share, command, args);
            }
        }
        Plan::Script => unreachable!("a script is a program of its own"),
        Plan::Relay(_) => {
            gather.open_element(None);
            for (core, numbers) in shares(state, command, args) {
                let address = Address::Part(gather.expect(numbers));
                stage.batch(outbox, core).push(asker, address, Task::Fetch, command, args);
            }
            return true;
        }
    }
    false
}

/// The numbers of a request's keys by the core that owns them.
fn shares(state: &CoreState, command: &Command, args: Args<'_>) -> Vec<(CoreId, Vec<u32>)> {
    by_owner(state, command.row.key_indexes(args).map(|index| args.get(index)))
}

/// The numbers of keys by the core that owns them.
fn by_owner<'k>(state: &CoreState, keys: impl Iterator<Item = &'k [u8]>) -> Vec<(CoreId, Vec<u32>)> {
    let mut shares: Vec<(CoreId, Vec<u32>)> = Vec::new();
    for (number, key) in keys.enumerate() {
        let owner = state.owner(key);
        match shares.iter_mut().find(|(core, _)| *core == owner) {
            Some((_, numbers)) => numbers.push(number as u32),
            None => shares.push((owner, vec![number as u32])),
        }
    }
    shares
}

/// Each core gets the command with the keys it owns.
fn push_shares(
    context: &mut StageContext<'_>,
    command: &'static Command,
    args: Args<'_>,
    stride: usize,
    stage: &mut Stage<'_>,
) {
    let StageContext { state, session, gather, outbox, .. } = context;
    let asker = session.asker();
    let first = command.first_key;
    for (core, numbers) in shares(state, command, args) {
        let mut spans = args.spans()[..first].to_vec();
        for &number in &numbers {
            let start = first + number as usize * stride;
            spans.extend_from_slice(&args.spans()[start..start + stride]);
        }
        let address = Address::Part(gather.expect(numbers));
        stage.batch(outbox, core).push(asker, address, Task::Share, command, Args::new(args.bytes(), &spans));
    }
}

/// Between the halves of a relay by owner: the owners that have not sent their members yet, but how many they may be, are asked for those
/// among the members of one owner, or first that one for its own. The indexes of those asked; `None`: all have sent what there is to be
/// sent.
fn push_narrow(
    context: &mut StageContext<'_>,
    (command, args): (&'static Command, Args<'_>),
    values: &mut [Vec<u8>],
    stage: &mut Stage<'_>,
) -> Option<Vec<usize>> {
    let StageContext { state, session, gather, outbox, .. } = context;
    let Plan::Relay(Relay { fetch: Fetching::ByOwner { lead: Some(lead), .. }, apply_on, .. }) =
        plan(state, session.scope(), command, args)
    else {
        return None;
    };
    let shares = shares(state, command, args);
    let applier = shares_to_apply(state, (command, args), *apply_on)[0].0;
    let number_in = |value: &Vec<u8>| reader::integer(value).map(|number| number as usize);
    let is_awaited = |at: usize| shares[at].0 != applier && number_in(&values[at]).is_some();
    let awaited: Vec<usize> = (0..values.len()).filter(|&at| is_awaited(at)).collect();
    if awaited.is_empty() {
        // The core that applies has its own members. It was asked how many they are, and for them if they were to lead.
        shares.iter().zip(values).filter(|((core, _), _)| *core == applier).for_each(|(_, value)| value.clear());
        return None;
    }
    let first_owner = command.row.sources(args).next().map(|source| state.owner(source.key));
    let lead = match lead {
        Lead::First => shares.iter().position(|(core, _)| Some(*core) == first_owner),
        // Those that have been sent are fewer than those that are awaited.
        Lead::Smallest => {
            let candidates = (0..values.len()).filter(|&at| !values[at].is_empty());
            candidates.min_by_key(|&at| {
                (number_in(&values[at]).is_some(), number_in(&values[at]).unwrap_or(values[at].len()))
            })
        }
    };
    let lead = lead.expect("an owner of sources leads");
    let (asked, candidates) = match number_in(&values[lead]) {
        Some(_) => (vec![lead], None),
        None => (awaited, Some(&values[lead][..])),
    };
    for &at in &asked {
        let (core, numbers) = shares[at].clone();
        let address = Address::Part(gather.expect(numbers));
        let words = args.iter().chain(candidates);
        let count = u32::from(candidates.is_some());
        stage.batch(outbox, core).push_words(session.asker(), address, Task::Narrow { count }, command, words);
        state.stats.relayed_bytes += candidates.map_or(0, <[u8]>::len) as u64;
    }
    Some(asked)
}

/// Between the halves of a relay: the keys that follow from what it has fetched. False: there is nothing to be read.
fn push_follow(
    context: &mut StageContext<'_>,
    (command, args): (&'static Command, Args<'_>),
    values: &[Vec<u8>],
    stage: &mut Stage<'_>,
) -> bool {
    let StageContext { state, session, gather, outbox, .. } = context;
    let asker = session.asker();
    let Some(follow) = command.row.follow.filter(|_| command.row.reaches_all(state.cores, args)) else { return false };
    let (bytes, spans) = laid_together(values);
    let wanted = (follow.keys)(args, Fetched(Args::new(&bytes, &spans)));
    for (core, numbers) in by_owner(state, wanted.iter().map(|[key, _]| &key[..])) {
        let own = numbers.iter().flat_map(|&number| wanted[number as usize].iter().map(Vec::as_slice));
        let words: Vec<&[u8]> = args.iter().chain(own).collect();
        let count = 2 * numbers.len() as u32;
        let address = Address::Part(gather.expect(numbers));
        stage.batch(outbox, core).push_words(asker, address, Task::Follow { count }, command, words.into_iter());
    }
    !wanted.is_empty()
}

/// Between the halves of a relay: a big value is taken out of the first key. False: there is none, or it stays where it is.
fn push_hand_over(
    context: &mut StageContext<'_>,
    (command, args): (&'static Command, Args<'_>),
    values: &[Vec<u8>],
    stage: &mut Stage<'_>,
) -> bool {
    let StageContext { state, session, gather, outbox, .. } = context;
    let asker = session.asker();
    let Some(hand_over) = command.row.hand_over else { return false };
    let (bytes, spans) = laid_together(values);
    let fetched = Fetched(Args::new(&bytes, &spans));
    if (hand_over.refuses)(fetched) || !(hand_over.is_big)(fetched) {
        return false;
    }
    let index = command.row.key_indexes(args).next().expect("a relay has keys");
    let owner = state.owner(args.get(index));
    let address = Address::Part(gather.expect(vec![0]));
    stage.batch(outbox, owner).push(asker, address, Task::HandOver, command, args);
    true
}

/// Values one behind another, as arguments are.
fn laid_together(values: &[Vec<u8>]) -> (Vec<u8>, Vec<Span>) {
    let mut bytes = Vec::new();
    let spans = values
        .iter()
        .map(|value| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(value);
            Span { start, len: value.len() as u32 }
        })
        .collect();
    (bytes, spans)
}

/// The second half of a command that may wait: the cores take, or all of them hear that nothing is there. False: something is there to
/// be moved, which is applied as a relay is.
fn push_take(
    context: &mut StageContext<'_>,
    (command, args): (&'static Command, Args<'_>),
    (blocking, found): (&Blocking, &[Found]),
    stage: &mut Stage<'_>,
) -> bool {
    let StageContext { state, session, gather, outbox, .. } = context;
    let mut shares = shares(state, command, args);
    let task = match (blocking.first_ready(found), blocking.serves) {
        (None, _) => Task::TakeNothing { waits: gather.may_wait.is_some() },
        (Some(_), Serves::Move(_)) => return false,
        (Some(first), Serves::FirstKey) => {
            shares.retain(|(_, numbers)| numbers.contains(&first));
            Task::Take { first }
        }
        (Some(first), Serves::AllKeys(_)) => {
            // Each core adds what it has; those without anything have no part in it, unless asking alone changes their keys.
            let ready: Vec<u32> = ready_numbers(found).collect();
            shares.iter_mut().for_each(|(_, numbers)| numbers.retain(|number| ready.contains(number)));
            shares.retain(|(_, numbers)| blocking.asks.is_some() || !numbers.is_empty());
            Task::Take { first }
        }
    };
    for (core, numbers) in shares {
        let address = Address::Part(gather.expect(numbers));
        let batch = stage.batch(outbox, core);
        batch.push(session.asker(), address, task, command, args);
        batch.set_wait(gather.may_wait.unwrap_or_default());
    }
    true
}

/// The second half of a relay, which is the gather's last element: applied with what was fetched, or its error.
fn push_apply(
    context: &mut StageContext<'_>,
    (command, args): (&'static Command, Args<'_>),
    values: &[Vec<u8>],
    stage: &mut Stage<'_>,
) {
    let StageContext { state, session, gather, outbox, .. } = context;
    let Plan::Relay(relay) = plan(state, session.scope(), command, args) else { unreachable!("it was relayed before") };
    let mut shares = shares_to_apply(state, (command, args), relay.apply_on);
    let mut detached = gather.detached.take();
    if detached.is_some() {
        // The owner of the first key has done its share.
        shares.retain(|(_, numbers)| !numbers.contains(&0));
        assert!(shares.len() == 1, "a value is handed over to one other core");
    }
    for (core, numbers) in shares {
        let address = Address::Part(gather.expect(numbers));
        let fetched = values.len() as u32;
        let task = Task::Apply { fetched, by_result: gather.has_met_hidden() };
        let words = args.iter().chain(values.iter().map(Vec::as_slice));
        let batch = stage.batch(outbox, core);
        batch.push_words(session.asker(), address, task, command, words);
        batch.detached = detached.take().map(|value| (batch.len() - 1, value));
    }
}

/// The numbers of a relay's keys by the core that owns them, where it is applied.
fn shares_to_apply(
    state: &CoreState,
    (command, args): (&'static Command, Args<'_>),
    apply_on: ApplyOn,
) -> Vec<(CoreId, Vec<u32>)> {
    let mut shares = shares(state, command, args);
    if let ApplyOn::OwnerOf(number) = apply_on {
        shares.retain(|(_, numbers)| numbers.contains(&(number as u32)));
        assert!(!shares.is_empty(), "the key is one of the request's");
    }
    if apply_on == ApplyOn::LastOwner {
        let last = shares.iter().flat_map(|(_, numbers)| numbers).copied().max();
        shares.retain(|(_, numbers)| numbers.iter().any(|&number| Some(number) == last));
    }
    shares
}
