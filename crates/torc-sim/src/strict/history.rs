//! What happened: every request with what it touched, when it was sent, where it ran, and what was answered.

use std::collections::{BTreeSet, HashMap};

use torc_engine::command::{ApplyOn, Flags, ProgramOrder, Route, Serves, registry};
use torc_engine::effect::{Effect, Propagated};
use torc_engine::recorder::journal::{Event, EventKind, RequestId};
use torc_engine::route::CoreId;
use torc_resp::{Args, Span};
use torc_store::RecordedChange;

use super::effects::Removal;
use super::order::line;
use super::scans::Scan;
use super::scripts::{Library, runs_script};
use super::shown::Shows;

/// Something that can be read and written: a key of a database, or all keys of a core.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Item {
    Key(u16, Vec<u8>),
    Whole,
}

/// What a unit of the replay is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touches {
    pub reads: BTreeSet<Item>,
    pub writes: BTreeSet<Item>,
}

/// A part of an action that ran on a core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub core: CoreId,
    /// Place among all events.
    pub at: u64,
    pub now_us: i64,
}

/// What is replayed as one: a request, or a MULTI with all up to its EXEC.
#[derive(Debug)]
pub(crate) struct Action {
    /// Number of the connection among all of the run.
    pub connection: usize,
    /// Database at its beginning.
    pub db: u16,
    /// Requests, each with its arguments.
    pub requests: Vec<Vec<Vec<u8>>>,
    pub touches: Touches,
    /// What waiting requests have moved on when it served them: written like its own, though it does not name it.
    pub moved: BTreeSet<Item>,
    /// When the last of that happened, by event: later than its pieces, since those who wait are asked before.
    pub moved_at: u64,
    /// What an EXEC watches, and so reads.
    pub watched: BTreeSet<Item>,
    /// For one core, so that others of its connection may overtake it.
    pub is_plain: bool,
    /// What it waits for of those of its connection before it, if it is plain.
    pub order: ProgramOrder,
    /// When the first byte of it arrived, by event.
    pub sent_at: Option<u64>,
    /// When the client had the whole answer.
    pub replied_at: Option<u64>,
    pub replies: Vec<Vec<u8>>,
    pub pieces: Vec<Piece>,
    /// What it has propagated.
    pub propagated: Vec<Propagated>,
    /// What it has changed, each by which unit of which core.
    pub changed: Vec<(CoreId, u64, RecordedChange)>,
    /// What its answer shows of the stream, and what of that was durable when it was sent.
    pub shows: Option<Shows>,
    /// What the waiting requests have propagated that it has served.
    pub propagated_for_served: Vec<Propagated>,
    /// What its commands that choose at random have answered: their arguments, each with the answer.
    pub chosen: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
    /// The scan that it is a call of.
    pub scan: Option<usize>,
    /// It stands for what a core did for a call of a scan before the last core of that call: each core's part is atomic, not the call.
    pub is_part: bool,
    /// Times that it ran again.
    pub retries: u64,
    /// Of a request that waited: the action that served it, or the end of its wait, an action of its own.
    pub ended_by: Option<usize>,
    /// An action without requests: the wait of this one ends without an element.
    pub ends: Option<usize>,
}

impl Action {
    /// Something that ran on a core and is no request of a client.
    fn at(connection: usize, db: u16, piece: Piece) -> Self {
        Action {
            connection,
            db,
            requests: Vec::new(),
            touches: Touches::default(),
            moved: BTreeSet::new(),
            moved_at: 0,
            watched: BTreeSet::new(),
            is_plain: false,
            order: ProgramOrder::Overlaps,
            sent_at: None,
            replied_at: None,
            replies: Vec::new(),
            pieces: vec![piece],
            propagated: Vec::new(),
            changed: Vec::new(),
            shows: None,
            propagated_for_served: Vec::new(),
            chosen: Vec::new(),
            scan: None,
            is_part: false,
            retries: 0,
            ended_by: None,
            ends: None,
        }
    }
}

/// The history of a run.
#[derive(Default)]
pub(crate) struct History {
    pub actions: Vec<Action>,
    /// By the id of the engine: the action that a request belongs to.
    pub by_request: HashMap<RequestId, usize>,
    /// Waits that had ended when the second action made their key ready.
    pub declined: Vec<(usize, usize)>,
    /// Waits that were over, with the core that learned of it and when.
    pub forgotten: Vec<(usize, CoreId, u64)>,
    /// Waits that ended with an element, those of them that moved it on, and times that a request ran again.
    pub served: u64,
    pub moved: u64,
    pub retried: u64,
    /// Scans of clients.
    pub scans: Vec<Scan>,
    /// Clients by their ids, with the numbers of their connections.
    pub clients: HashMap<u64, usize>,
    /// Removals of what had expired, in the order of events.
    pub removals: Vec<Removal>,
    /// Nothing expires.
    pub timeless: bool,
    /// The scripts of clients.
    pub library: Library,
    /// Scripts that have written nothing may be killed, also those whose answer nobody got.
    pub kills_scripts: bool,
    /// Small collections become tables early, here and in the oracle.
    pub small_packs: bool,
    events: u64,
    /// Units of each core so far.
    units: HashMap<CoreId, u64>,
}

impl History {
    /// An empty one.
    pub fn new(small_packs: bool, timeless: bool) -> Self {
        History { small_packs, timeless, ..History::default() }
    }

    /// The number of the connection of the client with this id.
    pub fn connection_of(&self, id: &[u8]) -> Option<usize> {
        let id = std::str::from_utf8(id).ok()?.parse().ok()?;
        self.clients.get(&id).copied()
    }

    /// The number of the next event.
    pub fn tick(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    /// Takes over what an engine has noted.
    pub fn record(&mut self, core: CoreId, journal: &mut Vec<Event>) {
        let mut last_run = None;
        for event in journal.drain(..) {
            let at = self.tick();
            let action_of = |request: RequestId| *self.by_request.get(&request).expect("what runs was sent");
            let (request, changed) = match event.kind {
                EventKind::Ran(request) => (request, false),
                EventKind::Compared { request, changed } => (request, changed),
                EventKind::Served { waiter, by } => {
                    let (waiter, by) = (action_of(waiter), action_of(by));
                    self.serve(waiter, by, at);
                    continue;
                }
                EventKind::Retried(waiter) => {
                    let waiter = action_of(waiter);
                    self.retried += 1;
                    self.actions[waiter].pieces.clear();
                    self.actions[waiter].retries += 1;
                    continue;
                }
                EventKind::Declined { waiter, by } => {
                    self.declined.push((action_of(waiter), action_of(by)));
                    continue;
                }
                EventKind::Forgotten(waiter) => {
                    self.forgotten.push((action_of(waiter), core, at));
                    continue;
                }
                EventKind::Ended(waiter) => {
                    let waiter = action_of(waiter);
                    let piece = Piece { core, at, now_us: event.now_us };
                    // CLIENT UNBLOCK has ended it before.
                    if self.actions[waiter].ended_by.is_none() {
                        self.end_wait(waiter, piece);
                    }
                    continue;
                }
                EventKind::Unblocked(waiter) => {
                    let by = last_run.expect("it was noted just before");
                    self.actions[action_of(waiter)].ended_by = Some(by);
                    continue;
                }
                EventKind::Effects { by, effects } => {
                    self.note_unit(core, at, by, effects);
                    continue;
                }
                EventKind::Chose { request, arguments, answer } => {
                    let request = action_of(request);
                    self.actions[request].chosen.push((arguments, answer));
                    continue;
                }
            };
            if request.client_id == HOST {
                continue;
            }
            let &action = self.by_request.get(&request).expect("what runs was sent");
            last_run = Some(action);
            let action = &mut self.actions[action];
            if action.requests[0][0] == b"SCRIPT" {
                // It is about no key, and each core does it at a moment of its own.
                continue;
            }
            action.pieces.push(Piece { core, at, now_us: event.now_us });
            if changed {
                // It has looked at the watched keys and done nothing.
                action.touches = Touches { reads: action.watched.clone(), ..Touches::default() };
            }
        }
    }
}

impl History {
    /// A unit has ended, with these effects: of a request, or keys have expired.
    fn note_unit(&mut self, core: CoreId, at: u64, by: Option<RequestId>, effects: Vec<Effect>) {
        let units = self.units.entry(core).or_default();
        let unit = *units;
        *units += 1;
        let Some(request) = by else { return self.removals.extend(Removal::of(core, at, effects)) };
        let action = *self.by_request.get(&request).expect("what runs was sent");
        let changed = effects.iter().filter_map(|effect| match effect {
            Effect::Changed(change) => Some((core, unit, change.clone())),
            _ => None,
        });
        self.actions[action].changed.extend(changed);
        if self.actions[action].scan.is_some() {
            // A scan only removes what has expired, and each core's part of it has a place of its own in the order.
            self.removals.extend(Removal::of(core, at, effects));
        } else {
            self.note_effects(action, effects);
        }
    }

    /// An action has propagated something. Of one that had to wait it belongs to what has served it.
    fn note_effects(&mut self, action: usize, effects: Vec<Effect>) {
        let told = effects.into_iter().filter_map(|effect| match effect {
            Effect::Propagated(told) => Some(told),
            _ => None,
        });
        let told: Vec<Propagated> = told.collect();
        match self.actions[action].ended_by {
            Some(by) => self.actions[by].propagated_for_served.extend(told),
            None => {
                let action = &mut self.actions[action];
                assert!(action.propagated_for_served.is_empty(), "what serves waiters is told before what they take");
                let is_unit = runs_script(&action.requests[0]).is_some() && !action.touches.writes.is_empty();
                let goes_on = !told.is_empty() && !action.propagated.is_empty();
                assert!(!is_unit || !goes_on, "what a script changes is one unit: {:?}", action.requests);
                action.propagated.extend(told);
            }
        }
    }

    /// A wait has ended with an element.
    fn serve(&mut self, waiter: usize, by: usize, at: u64) {
        assert!(
            self.actions[waiter].ended_by.is_none(),
            "served after its end: {}",
            line(waiter, &self.actions[waiter])
        );
        self.actions[waiter].ended_by = Some(by);
        self.served += 1;
        if moves(&self.actions[waiter].requests) {
            // What served it has changed the destination, too, under the same claim.
            self.moved += 1;
            let writes = self.actions[waiter].touches.writes.clone();
            self.actions[by].moved.extend(writes);
            self.actions[by].moved_at = at;
        }
    }

    /// Calls of scans that went from core to core become one action for each core. Done once, when all has run.
    pub fn split_walks(&mut self) {
        for scan in 0..self.scans.len() {
            let calls = std::mem::take(&mut self.scans[scan].calls);
            for call in calls {
                let ends_at = self.actions[call].pieces.len().saturating_sub(1);
                for piece in self.actions[call].pieces.drain(..ends_at).collect::<Vec<_>>() {
                    let whole = &self.actions[call];
                    let part = Action {
                        requests: whole.requests.clone(),
                        touches: whole.touches.clone(),
                        sent_at: whole.sent_at,
                        scan: Some(scan),
                        is_part: true,
                        ..Action::at(whole.connection, whole.db, piece)
                    };
                    self.scans[scan].calls.push(self.actions.len());
                    self.actions.push(part);
                }
                self.scans[scan].calls.push(call);
            }
        }
    }

    fn end_wait(&mut self, waiter: usize, piece: Piece) {
        let (connection, db) = (self.actions[waiter].connection, self.actions[waiter].db);
        self.actions[waiter].ended_by = Some(self.actions.len());
        self.actions.push(Action { ends: Some(waiter), ..Action::at(connection, db, piece) });
    }
}

/// The id of the client that stands for the host, which has keys caught for a snapshot.
const HOST: u64 = 0;

/// Whether a request that waited takes from one key and puts into another.
fn moves(requests: &[Vec<Vec<u8>>]) -> bool {
    requests.iter().any(|request| {
        let (bytes, spans) = flat(request);
        let command = registry().find(Args::new(&bytes, &spans)).ok();
        command
            .and_then(|command| command.row.blocking)
            .is_some_and(|blocking| matches!(blocking.serves, Serves::Move(_)))
    })
}

/// What a request reads and writes. `db` is its database.
pub(crate) fn touches_of(request: &[Vec<u8>], db: u16, touches: &mut Touches) {
    let (bytes, spans) = flat(request);
    let args = Args::new(&bytes, &spans);
    let Ok(command) = registry().find(args) else { return };
    let row = command.row;
    if !row.arity_fits(args.len()) {
        return;
    }
    let writes = row.flags.has(Flags::WRITE);
    if row.follow.is_some_and(|follow| (follow.applies)(args)) {
        // It may read any key.
        let set = if writes { &mut touches.writes } else { &mut touches.reads };
        set.insert(Item::Whole);
    }
    match row.route {
        Route::Session => {}
        // It may call with any key.
        Route::Script => _ = touches.writes.insert(Item::Whole),
        // A key lacks its value: it fails wherever it runs.
        Route::Split { stride, .. } if !(args.len() - command.first_key).is_multiple_of(stride) => {}
        Route::Every(_) | Route::Pick(_) | Route::Walk(_) => {
            let set = if writes { &mut touches.writes } else { &mut touches.reads };
            if row.concerns_keys() {
                set.insert(Item::Whole);
            }
        }
        Route::Owner | Route::Split { .. } | Route::Relay(_) => {
            for (number, index) in row.key_indexes(args).enumerate() {
                let only_reads = match row.route {
                    Route::Relay(relay) => matches!(relay.apply_on, ApplyOn::OwnerOf(written) if written != number),
                    _ => false,
                };
                for db in databases_of(command.full_name, args, number, db) {
                    let item = Item::Key(db, args.get(index).to_vec());
                    if writes && !only_reads {
                        touches.writes.insert(item)
                    } else {
                        touches.reads.insert(item)
                    };
                }
            }
        }
    }
}

/// The databases in which a command touches its key with this number.
fn databases_of(name: &str, args: Args<'_>, number: usize, db: u16) -> Vec<u16> {
    let parse = |argument: &[u8]| std::str::from_utf8(argument).ok().and_then(|text| text.parse::<u16>().ok());
    match name {
        "move" => [Some(db), parse(args.get(2))].into_iter().flatten().collect(),
        "copy" if number == 1 => {
            let words = args.from(3).iter().zip(args.from(3).iter().skip(1));
            let other = words.rev().find(|(word, _)| word.eq_ignore_ascii_case(b"db")).and_then(|(_, n)| parse(n));
            vec![other.unwrap_or(db)]
        }
        _ => vec![db],
    }
}

/// A request as the engine sees it.
pub(crate) fn flat(request: &[Vec<u8>]) -> (Vec<u8>, Vec<Span>) {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for argument in request {
        spans.push(Span { start: bytes.len() as u32, len: argument.len() as u32 });
        bytes.extend_from_slice(argument);
    }
    (bytes, spans)
}

/// A request as text.
pub(crate) fn text_of(request: &[Vec<u8>]) -> String {
    request.iter().map(|argument| argument.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}
