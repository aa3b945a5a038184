//! The clients of a run: what they send, how it reaches their cores in pieces, and what they take for their replies.
//!
//! ```text
//!   next call of a scan | workload --made--> push --outbox, history--> bytes --a fragment--> engine
//!                                                       received --a whole reply--> history
//! ```

use std::collections::{BTreeSet, VecDeque};

use torc_engine::command::{Merge, ProgramOrder, Route, registry};
use torc_engine::config::PipelineOrder;
use torc_engine::recorder::journal::RequestId;
use torc_engine::route::{CoreId, SlotMap};
use torc_engine::{ConnectionId, Want};
use torc_resp::{Args, Protocol, reader, write_request};

use super::history::{Action, Touches, text_of};
use super::replay::{is_busy, reply_end};
use super::scans::Scan;
use super::scripts::runs_script;
use super::shown::Shows;
use super::shrink::Cut;
use super::workload::{ACCOUNTS, ANYBODY, Call, DEPOSIT, Made, Workload, words};
use super::world::World;
use crate::swarm::pick;
use crate::trace::note;
use crate::workload::waits;

/// Requests that a connection may have under way.
const UNANSWERED_MAX: usize = 40;

/// A connection, and what its client has under way.
pub(crate) struct Client {
    pub(super) core: CoreId,
    pub(super) id: ConnectionId,
    pub(super) client_id: u64,
    pub(super) connection: usize,
    pub(super) db: u16,
    pub(super) requests: u64,
    pub(super) outbox: Vec<u8>,
    pub(super) arrived: usize,
    /// Actions whose bytes have not all arrived: where each begins and ends in all that was made.
    pub(super) sending: VecDeque<(usize, usize, usize)>,
    pub(super) delivered_bytes: usize,
    /// Actions that are not answered.
    pub(super) unanswered: VecDeque<usize>,
    pub(super) received: Vec<u8>,
    /// Scans that can go on, each with its cursor.
    pub(super) scans: Vec<(usize, Vec<u8>)>,
}

impl World {
    pub(super) fn connect(&mut self) {
        let core = self.cluster.any_core(&mut self.random);
        let now_us = self.cluster.now_us;
        self.cluster.engine(core).set_time(now_us);
        let id = self.cluster.connect(core);
        let session = self.cluster.engine(core).inspect_session(id).expect("it is connected");
        let (connection, client_id) = (self.resp3.len(), session.client_id());
        self.history.clients.insert(client_id, connection);
        let resp3 = self.random.below(3) == 0;
        if resp3 {
            self.cluster.engine(core).set_protocol(id, Protocol::Resp3);
        }
        self.resp3.insert(connection, resp3);
        self.clients.push(Client {
            core,
            id,
            client_id,
            connection,
            db: 0,
            requests: 0,
            outbox: Vec::new(),
            arrived: 0,
            sending: VecDeque::new(),
            delivered_bytes: 0,
            unanswered: VecDeque::new(),
            received: Vec::new(),
            scans: Vec::new(),
        });
    }

    pub(super) fn request(&mut self, client: usize) {
        for _ in 0..1 + self.random.below(self.burst_max) {
            if self.clients[client].unanswered.len() >= UNANSWERED_MAX {
                return;
            }
            let mut made = match self.next_call(client) {
                Some(made) => made,
                None => self.next_made(client),
            };
            self.name_somebody(&mut made);
            let number = self.made;
            self.made += 1;
            if !self.cut.skipped.contains(&number) {
                self.send(client, made);
            }
        }
    }

    /// What a client does next, that is in no scan.
    fn next_made(&mut self, client: usize) -> Made {
        let now_ms = self.cluster.now_us / 1000;
        let made = self.workload.next(client, now_ms, &mut self.random);
        let Some(scripts) = &mut self.scripts else { return made };
        let made = scripts.next(&self.workload, &mut self.history.library, client, now_ms).unwrap_or(made);
        // A SELECT that a busy core refuses would be followed by what is meant for another database.
        if scripts.is_impatient { made.in_one_database() } else { made }
    }

    /// The next call of the scan that a client is in, as soon as the one before is answered.
    fn next_call(&mut self, client: usize) -> Option<Made> {
        let (scan, cursor) = self.clients[client].scans.pop()?;
        let count = pick(&mut self.random, &[0, 1, 2, 5, 20]);
        let walk = &self.history.scans[scan].walk;
        let requests = vec![walk.request(&cursor, count)];
        Some(Made { requests, db: Some(walk.db), selects: None, call: Some(Call::Next(scan)) })
    }

    /// Puts the id of a client, rather of one that waits, where a request wants one.
    fn name_somebody(&mut self, made: &mut Made) {
        let Some(place) = made.requests[0].iter().position(|word| word == ANYBODY.as_bytes()) else { return };
        let is_waiting = |client: &&Client| {
            let owed = client.unanswered.front().map(|&number| &self.history.actions[number].requests[0][0][0]);
            owed.is_some_and(|first| matches!(first, b'B' | b'X'))
        };
        let waiting: Vec<u64> = self.clients.iter().filter(is_waiting).map(|client| client.client_id).collect();
        let all: Vec<u64> = self.clients.iter().map(|client| client.client_id).collect();
        let from = if waiting.is_empty() || self.random.below(8) == 0 { all } else { waiting };
        let id = from[self.random.below(from.len() as u64) as usize];
        made.requests[0][place] = id.to_string().into_bytes();
    }

    /// A client makes an action, in its database or in another one that it selects for it.
    pub(super) fn send(&mut self, client: usize, made: Made) {
        let db = self.clients[client].db;
        if let Some(wanted) = made.db.filter(|&wanted| wanted != db) {
            self.push(client, vec![words(&["SELECT", &wanted.to_string()])]);
            self.clients[client].db = wanted;
        }
        let is_multi = made.requests.len() > 1;
        let number = self.history.actions.len();
        self.push(client, made.requests);
        if let Some(call) = made.call {
            let scan = match call {
                Call::Next(scan) => scan,
                Call::First(walk) => {
                    self.history.scans.push(Scan::new(walk));
                    self.history.scans.len() - 1
                }
            };
            self.history.scans[scan].calls.push(number);
            self.history.actions[number].scan = Some(scan);
        }
        if is_multi && made.selects.is_some() {
            // Whether the transaction ran is not known yet.
            let db = self.random.below(3);
            self.push(client, vec![words(&["SELECT", &db.to_string()])]);
            self.clients[client].db = db as u16;
        } else if let Some(db) = made.selects {
            self.clients[client].db = db;
        }
    }

    fn push(&mut self, place: usize, requests: Vec<Vec<Vec<u8>>>) {
        let client = &mut self.clients[place];
        let number = self.history.actions.len();
        if self.cut != Cut::default() {
            // Few are left; if the engines fail, there is nothing else to see.
            let texts: Vec<String> = requests.iter().map(|request| text_of(request)).collect();
            note(format_args!("#{number} connection {} makes {}", client.connection, texts.join("; ")));
        }
        let mut touches = Touches::default();
        let mut db = client.db;
        let begin = client.delivered_bytes + client.outbox.len() - client.arrived;
        for request in &requests {
            // Inside MULTI it is refused.
            if requests.len() == 1 || request[0] != b"WATCH" {
                self.history.library.touches_of(request, db, &mut touches);
            }
            if request[0].eq_ignore_ascii_case(b"SELECT") {
                db = std::str::from_utf8(&request[1]).ok().and_then(|text| text.parse().ok()).unwrap_or(db);
            }
            client.requests += 1;
            write_request(&mut client.outbox, request);
        }
        let end = client.delivered_bytes + client.outbox.len() - client.arrived;
        let id = RequestId { client_id: client.client_id, number: client.requests };
        self.history.by_request.insert(id, number);
        // The keys it watches are read by EXEC; WATCH itself reads them too.
        let watched = if requests.len() > 1 { self.watched_by(place) } else { BTreeSet::new() };
        touches.reads.extend(watched.iter().cloned());
        let order = self.program_order(&requests[0]);
        let client = &mut self.clients[place];
        client.sending.push_back((number, begin, end));
        client.unanswered.push_back(number);
        let cores = self.cluster.cores();
        let is_plain = requests.len() == 1
            && match runs_script(&requests[0]) {
                Some(_) => self.history.library.is_for_one_core(&requests[0], cores),
                None => is_for_one_core(&requests[0], cores),
            };
        self.history.actions.push(Action {
            connection: client.connection,
            db: client.db,
            requests,
            touches,
            moved: BTreeSet::new(),
            moved_at: 0,
            watched,
            is_plain,
            order,
            sent_at: None,
            replied_at: None,
            replies: Vec::new(),
            pieces: Vec::new(),
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
        });
        self.summary.actions += 1;
    }

    /// What the engines promise of a request's place in its pipeline.
    fn program_order(&self, request: &[Vec<u8>]) -> ProgramOrder {
        let (bytes, spans) = super::history::flat(request);
        let command = registry().find(Args::new(&bytes, &spans));
        let kept = self.cluster.engines[0].config().pipeline_order == PipelineOrder::Writes;
        command.ok().filter(|_| kept).map_or(ProgramOrder::Overlaps, |command| command.order)
    }

    /// The keys that the connection of a client may watch: of all WATCHes since its last EXEC or so.
    fn watched_by(&self, place: usize) -> BTreeSet<super::history::Item> {
        let connection = self.clients[place].connection;
        let own =
            self.history.actions.iter().rev().filter(|action| action.connection == connection && action.ends.is_none());
        let ends = |action: &&Action| action.requests.len() > 1 || action.requests[0][0] == b"UNWATCH";
        let watches = own.take_while(|action| !ends(action)).filter(|action| action.requests[0][0] == b"WATCH");
        watches.flat_map(|action| action.touches.reads.iter().cloned()).collect()
    }

    pub(super) fn bytes(&mut self, place: usize) -> bool {
        let client = &mut self.clients[place];
        let waiting = client.outbox.len() - client.arrived;
        let engine = self.cluster.engine(client.core);
        let wants = engine.wants(client.id) == Want::Input;
        if waiting == 0 || !wants {
            return false;
        }
        let len = (1 + self.random.below(self.fragment_max) as usize).min(waiting);
        let from = client.delivered_bytes;
        client.delivered_bytes += len;
        let at = self.history.tick();
        for &(action, begin, _) in &client.sending {
            if begin >= from && begin < client.delivered_bytes {
                self.history.actions[action].sent_at = Some(at);
            }
        }
        while client.sending.front().is_some_and(|&(_, _, end)| end <= client.delivered_bytes) {
            client.sending.pop_front();
        }
        let bytes = client.outbox[client.arrived..client.arrived + len].to_vec();
        client.arrived += len;
        if client.arrived == client.outbox.len() {
            client.outbox.clear();
            client.arrived = 0;
        }
        let (core, id, now_us) = (client.core, client.id, self.cluster.now_us);
        self.on_engine(core, |engine| {
            engine.set_time(now_us);
            engine.on_bytes(id, &bytes);
        });
        true
    }

    pub(super) fn take_replies(&mut self, place: usize, shows: Shows) {
        let client = &mut self.clients[place];
        while let Some(len) = reply_end(&client.received) {
            let reply: Vec<u8> = client.received.drain(..len).collect();
            let Some(&number) = client.unanswered.front() else { panic!("nothing is owed: {}", reply.escape_ascii()) };
            let action = &mut self.history.actions[number];
            action.replies.push(reply);
            if action.replies.len() == action.requests.len() {
                let at = self.history.tick();
                self.history.actions[number].replied_at = Some(at);
                self.history.actions[number].shows = Some(shows);
                client.unanswered.pop_front();
                check_sum(&self.history.actions[number]);
                if let Some(scan) = self.history.actions[number].scan {
                    let rest = self.history.scans[scan].take(&self.history.actions[number].replies[0]);
                    client.scans.extend(rest.map(|cursor| (scan, cursor)));
                }
            }
        }
    }

    pub(super) fn die(&mut self, place: usize) {
        let (core, id) = (self.clients[place].core, self.clients[place].id);
        note(format_args!("connection {} dies", self.clients[place].connection));
        self.cluster.left.borrow_mut().insert((core, id));
        if self.random.below(2) == 0 {
            self.hear_of_who_left();
        }
        self.summary.deaths += 1;
        self.connect();
        self.clients.swap_remove(place);
    }

    /// Cores are told of connections that have ended. They may have asked before.
    pub(super) fn hear_of_who_left(&mut self) {
        let left = self.cluster.left.take();
        for (core, id) in left {
            self.on_engine(core, |engine| engine.disconnected(id));
        }
    }

    /// At rest there is no doubt who waits: CLIENT UNBLOCK must end such a wait.
    pub(super) fn unblock_some(&mut self) {
        while self.random.below(3) > 0
            && let Some(waiting) = self.clients.iter().find(|client| !client.unanswered.is_empty())
            && self.cut == Cut::default()
        {
            let (id, number) = (waiting.client_id.to_string(), waiting.unanswered[0]);
            self.connect();
            let requests = vec![words(&["CLIENT", "UNBLOCK", &id, "ERROR"])];
            let by = self.history.actions.len();
            self.send(self.clients.len() - 1, Made { requests, db: None, selects: None, call: None });
            self.settle();
            assert_eq!(self.history.actions[by].replies, [b":1\r\n"], "a client that waits is unblocked");
            let answer = self.history.actions[number].replies.last();
            assert!(answer.is_some_and(|answer| reader::is_error(answer)), "who is unblocked is answered");
        }
    }
}

/// Transfers change no sum.
fn check_sum(action: &Action) {
    if action.requests[0] != Workload::read_all() || is_busy(&action.replies[0]) {
        return;
    }
    let elements = reader::Elements::new(&action.replies[0]).expect("MGET answers an array");
    let sum: i64 = elements
        .map(|element| {
            let text = reader::bulk(element).expect("an account is there");
            std::str::from_utf8(text).expect("digits").parse::<i64>().expect("a number")
        })
        .sum();
    assert_eq!(sum, ACCOUNTS as i64 * DEPOSIT, "the sum of all accounts: {}", action.replies[0].escape_ascii());
}

/// Whether a request is for one core, so that others of its connection may overtake it.
fn is_for_one_core(request: &[Vec<u8>], cores: u16) -> bool {
    let (bytes, spans) = super::history::flat(request);
    let args = Args::new(&bytes, &spans);
    let Ok(command) = registry().find(args) else { return false };
    if !command.row.arity_fits(args.len()) {
        return false;
    }
    if let Route::Split { stride, .. } = command.row.route
        && !(args.len() - command.first_key).is_multiple_of(stride)
    {
        return true;
    }
    let merges = matches!(command.row.route, Route::Split { merge: Merge::Custom(_), .. });
    let routed = match command.row.route {
        Route::Owner | Route::Split { .. } | Route::Relay(_) | Route::Pick(_) => true,
        // There are no others for it to go on to.
        Route::Walk(_) => cores == 1,
        _ => false,
    };
    let slots = SlotMap::even(cores);
    let mut owners = command.row.key_indexes(args).map(|index| slots.owner(args.get(index)));
    let first = owners.next();
    let is_wide = command.row.reaches_all(cores, args);
    routed && !merges && !is_wide && !waits(command, request) && owners.all(|owner| Some(owner) == first)
}
