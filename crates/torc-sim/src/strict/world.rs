//! The world of shared keys: clients around a cluster, and one random step after another; then rest, and the judgement.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;

use torc_engine::command::{Merge, ProgramOrder, Route, registry};
use torc_engine::config::PipelineOrder;
use torc_engine::random::Random;
use torc_engine::recorder::journal::RequestId;
use torc_engine::route::{CoreId, SlotMap};
use torc_engine::session::Session;
use torc_engine::{ConnectionId, Engine, Taken, Want};
use torc_resp::{Args, Protocol, reader, write_request};

use super::coverage::Coverage;
use super::effects::{replay_effects, replay_stream};
use super::history::{Action, History, Touches, text_of, touches_of};
use super::order::serial_order;
use super::replay::{replay, reply_end};
use super::saving::Saves;
use super::scans::Scan;
use super::stream::Stream;
use super::workload::{ACCOUNTS, ANYBODY, Call, DEPOSIT, Made, Workload, words};
use crate::cluster::{Cluster, Surroundings};
use crate::peers::{self, Dump};
use crate::swarm::{Swarm, pick, weighted};
use crate::trace::note;
use crate::workload::waits;

/// Messages that arrive in one round on the way to rest, at most, for each core.
const MESSAGES_PER_CORE: u64 = 2;

/// Steps within which a snapshot that has begun comes to its end.
const SAVE_STEPS_MAX: usize = 20_000;

/// Between two of these steps on the way to rest so much time passes on the clock that cuts go by, microseconds.
const SAVE_STEP_US: u64 = 1000;

/// Requests that a connection may have under way.
const UNANSWERED_MAX: usize = 40;

/// What is left out of a run: for the search for a smaller failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Steps, at most.
    pub steps_max: Option<usize>,
    /// Actions that are not sent, by number.
    pub skipped: BTreeSet<u64>,
    /// Clients, at most.
    pub clients_max: Option<usize>,
}

impl fmt::Display for Cut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |limit: Option<usize>| limit.map_or("all".to_owned(), |limit| limit.to_string());
        write!(out, "{} steps, {} clients, without the actions", limit(self.steps_max), limit(self.clients_max))?;
        let mut left = self.skipped.iter().copied().peekable();
        while let Some(first) = left.next() {
            let mut last = first;
            while let Some(next) = left.next_if_eq(&(last + 1)) {
                last = next;
            }
            if first == last { write!(out, " {first}")? } else { write!(out, " {first}-{last}")? }
        }
        Ok(())
    }
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Actions that were made.
    pub actions: u64,
    /// Actions that ran on several cores.
    pub spread: u64,
    /// EXECs that a watched key made fail.
    pub aborted: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// Attempts of cuts that were withdrawn.
    pub withdrawn: u64,
    /// Messages between cores.
    pub messages: u64,
    /// Steps.
    pub steps: u64,
    /// Clients that died.
    pub deaths: u64,
    /// Waits that ended with an element.
    pub served: u64,
    /// Those of them that moved it on.
    pub moved: u64,
    /// Times that a waiting request ran again.
    pub retried: u64,
    /// What has been covered of waiting, scanning and choosing.
    pub coverage: Coverage,
}

impl Summary {
    /// Adds another run's.
    pub fn add(&mut self, other: &Summary) {
        self.actions += other.actions;
        self.spread += other.spread;
        self.aborted += other.aborted;
        self.refused += other.refused;
        self.withdrawn += other.withdrawn;
        self.messages += other.messages;
        self.steps += other.steps;
        self.deaths += other.deaths;
        self.served += other.served;
        self.moved += other.moved;
        self.retried += other.retried;
        self.coverage.add(&other.coverage);
    }
}

struct Client {
    core: CoreId,
    id: ConnectionId,
    client_id: u64,
    connection: usize,
    db: u16,
    requests: u64,
    outbox: Vec<u8>,
    arrived: usize,
    /// Actions whose bytes have not all arrived: where each begins and ends in all that was made.
    sending: VecDeque<(usize, usize, usize)>,
    delivered_bytes: usize,
    /// Actions that are not answered.
    unanswered: VecDeque<usize>,
    received: Vec<u8>,
    /// Scans that can go on, each with its cursor.
    scans: Vec<(usize, Vec<u8>)>,
}

/// One kind of step.
#[derive(Clone, Copy)]
enum Step {
    Request,
    Bytes,
    Message,
    Flush,
    Resume,
    Output,
    Upkeep,
    Time,
    Overdue,
    Death,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { actions, spread, aborted, refused, withdrawn, messages, steps, .. } = self;
        let Summary { deaths, served, moved, retried, .. } = self;
        write!(
            formatter,
            "{actions} actions, {spread} on several cores, {aborted} aborted, {refused} refused; {withdrawn} attempts of cuts withdrawn; \
             {messages} messages, {steps} steps, {deaths} deaths; waits: {served} served, {moved} moved on, {retried} tried again"
        )
    }
}

/// Everything of one run.
pub(crate) struct World {
    cluster: Cluster,
    stream: Stream,
    saves: Saves,
    clients: Vec<Client>,
    history: History,
    workload: Workload,
    resp3: HashMap<usize, bool>,
    random: Random,
    cut: Cut,
    made: u64,
    burst_max: u64,
    fragment_max: u64,
    steps: Vec<(Step, u64)>,
    step_count: usize,
    summary: Summary,
}

impl World {
    pub fn new(seed: u64, cut: Cut) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let mut swarm = Swarm::new(&mut random);
        swarm.value_len_max = swarm.value_len_max.min(40);
        let cores = if random.below(3) == 0 { 2 } else { 1 + random.below(6) as u16 };
        let cores = if random.below(20) == 0 { 16 } else { cores };
        let workload = Workload::new(swarm, &mut random);
        let scans = workload.scans();
        let small_packs = scans || random.below(3) == 0;
        let mut cluster = Cluster::new(cores, seed, small_packs, None);
        cluster.engines.iter_mut().for_each(|engine| engine.simulate());
        let stream = Stream::new(&mut cluster.engines, seed % 2 == 1);
        let saves = Saves::new(seed, stream.is_ordered());
        let mut world = World {
            cluster,
            stream,
            saves,
            clients: Vec::new(),
            history: History::new(small_packs, workload.timeless()),
            workload,
            resp3: HashMap::new(),
            burst_max: pick(&mut random, if scans { &[1, 3] } else { &[1, 3, 12] }),
            fragment_max: pick(&mut random, if scans { &[200, 2000] } else { &[10, 80, 2000] }),
            steps: steps(&mut random),
            step_count: pick(&mut random, if scans { &[1200, 2500] } else { &[100, 250, 600] }) as usize,
            random,
            cut,
            made: 0,
            summary: Summary::default(),
        };
        let clients = 2 + world.random.below(if scans { 3 } else { 7 }) as usize;
        let clients = world.cut.clients_max.map_or(clients, |most| most.min(clients));
        (0..clients).for_each(|_| world.connect());
        world
    }

    /// All steps, rest, and the judgement.
    pub fn run(mut self) -> Summary {
        note(format_args!("{} cores, {} clients", self.cluster.cores(), self.clients.len()));
        if self.workload.has_bank() {
            self.send(0, Made { requests: vec![Workload::deposits()], db: Some(0), selects: None, call: None });
            self.settle();
        }
        let steps = self.cut.steps_max.map_or(self.step_count, |most| most.min(self.step_count));
        for _ in 0..steps {
            self.step();
            self.save_step();
        }
        self.settle();
        self.end_waits();
        self.judge();
        self.leave();
        self.summary.steps = steps as u64;
        self.summary.messages = self.cluster.messages;
        self.summary
    }

    fn connect(&mut self) {
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

    fn step(&mut self) {
        let client = self.random.below(self.clients.len() as u64) as usize;
        let core = self.cluster.any_core(&mut self.random);
        match weighted(&mut self.random, &self.steps) {
            Step::Request => self.request(client),
            Step::Bytes => _ = self.bytes(client),
            Step::Message => _ = self.message(),
            Step::Flush => self.flush(core),
            Step::Resume => self.resume(core),
            Step::Output => _ = self.output(core),
            Step::Upkeep => {
                let units = 1 + self.random.below(300) as u32;
                self.on_engine(core, |engine| _ = engine.upkeep(units));
            }
            Step::Time => {
                let us = pick(&mut self.random, &[1, 50, 900, 1500, 20_000, 1_000_000, 7_000_000]);
                self.cluster.now_us += us as i64;
                peers::let_clock_pass(us);
            }
            Step::Overdue => self.end_overdue_waits(core),
            Step::Death => match self.random.below(8) {
                0 => self.die(client),
                1 => self.hear_of_who_left(),
                _ => {}
            },
        }
    }

    /// A snapshot begins, or goes on.
    fn save_step(&mut self) {
        let Some((core, work)) = self.saves.step(self.cluster.cores()) else { return };
        let now_us = self.cluster.now_us;
        let written = self.on_engine(core, |engine| {
            engine.set_time(now_us);
            work.run(engine)
        });
        written.into_iter().for_each(|part| self.saves.take_part(core, part));
        self.saves.end_if_through();
    }

    /// A call of an engine; what it notes is put into the history.
    fn on_engine<T>(&mut self, core: CoreId, call: impl FnOnce(&mut Engine) -> T) -> T {
        let engine = self.cluster.engine(core);
        let result = call(engine);
        match engine.take_units() {
            Taken::Units(units) => self.stream.add(core, &units),
            Taken::Lost => unreachable!("they are taken after each call"),
        }
        self.saves.take_requests(core, engine);
        self.history.record(core, engine.journal());
        result
    }

    fn request(&mut self, client: usize) {
        for _ in 0..1 + self.random.below(self.burst_max) {
            if self.clients[client].unanswered.len() >= UNANSWERED_MAX {
                return;
            }
            let mut made = match self.next_call(client) {
                Some(made) => made,
                None => self.workload.next(client, self.cluster.now_us / 1000, &mut self.random),
            };
            self.name_somebody(&mut made);
            let number = self.made;
            self.made += 1;
            if !self.cut.skipped.contains(&number) {
                self.send(client, made);
            }
        }
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
    fn send(&mut self, client: usize, made: Made) {
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
                touches_of(request, db, &mut touches);
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
        let is_plain = requests.len() == 1 && is_for_one_core(&requests[0], self.cluster.cores());
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

    fn bytes(&mut self, place: usize) -> bool {
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

    fn take_replies(&mut self, place: usize) {
        let client = &mut self.clients[place];
        while let Some(len) = reply_end(&client.received) {
            let reply: Vec<u8> = client.received.drain(..len).collect();
            let Some(&number) = client.unanswered.front() else { panic!("nothing is owed: {}", reply.escape_ascii()) };
            let action = &mut self.history.actions[number];
            action.replies.push(reply);
            if action.replies.len() == action.requests.len() {
                let at = self.history.tick();
                self.history.actions[number].replied_at = Some(at);
                client.unanswered.pop_front();
                check_sum(&self.history.actions[number]);
                if let Some(scan) = self.history.actions[number].scan {
                    let rest = self.history.scans[scan].take(&self.history.actions[number].replies[0]);
                    client.scans.extend(rest.map(|cursor| (scan, cursor)));
                }
            }
        }
    }

    fn die(&mut self, place: usize) {
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
    fn hear_of_who_left(&mut self) {
        let left = self.cluster.left.take();
        for (core, id) in left {
            self.on_engine(core, |engine| engine.disconnected(id));
        }
    }

    /// Everything is delivered.
    fn settle(&mut self) {
        self.hear_of_who_left();
        self.deliver_everything(MESSAGES_PER_CORE);
        for _ in 0..SAVE_STEPS_MAX {
            if !self.saves.is_under_way() {
                break;
            }
            // What it holds goes on when it is through, and a cut whose claims were withdrawn when its pause is over.
            self.save_step();
            peers::let_clock_pass(SAVE_STEP_US);
            (0..self.cluster.cores()).for_each(|core| self.end_overdue_waits(core));
            self.deliver_everything(MESSAGES_PER_CORE);
        }
        assert!(!self.saves.is_under_way(), "a snapshot does not come to its end");
        self.assert_quiet();
    }

    /// A core looks at the clock, and at the waits that are over.
    fn end_overdue_waits(&mut self, core: CoreId) {
        let now_us = self.cluster.now_us;
        self.on_engine(core, |engine| {
            engine.begin_turn(now_us, peers::clock_ns());
            engine.end_overdue_waits();
        });
    }

    /// Who waits yet gives up, one way or the other.
    fn end_waits(&mut self) {
        self.unblock_some();
        self.cluster.now_us += 60_000_000;
        (0..self.cluster.cores()).for_each(|core| self.end_overdue_waits(core));
        self.settle();
        while let Some(place) = self.clients.iter().position(|client| !client.unanswered.is_empty()) {
            self.die(place);
            self.settle();
        }
        for engine in &self.cluster.engines {
            assert!(engine.nobody_waits(), "somebody waits on core {}", engine.inspect().core());
        }
    }

    /// At rest there is no doubt who waits: CLIENT UNBLOCK must end such a wait.
    fn unblock_some(&mut self) {
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

    fn assert_quiet(&mut self) {
        self.cluster.assert_quiet();
        for client in &self.clients {
            let engine = self.cluster.engine(client.core);
            if engine.inspect_session(client.id).is_some_and(Session::is_blocked) {
                continue;
            }
            let owed =
                client.unanswered.front().map(|&number| super::order::line(number, &self.history.actions[number]));
            assert!(owed.is_none(), "not answered: {}", owed.unwrap_or_default());
        }
    }

    fn judge(&mut self) {
        let now_us = self.cluster.now_us;
        self.cluster.engines.iter_mut().for_each(|engine| engine.set_time(now_us));
        if self.cut != Cut::default() {
            // Few are left: all are shown.
            let lines = self.history.actions.iter().enumerate();
            lines.for_each(|(number, action)| note(format_args!("{}", super::order::line(number, action))));
            note(format_args!("declined {:?}, forgotten {:?}", self.history.declined, self.history.forgotten));
        }
        self.history.split_walks();
        let order = serial_order(&self.history, self.cluster.cores());
        let expected = replay(&self.history, &order, &self.resp3, now_us);
        let mut actual = Dump::new();
        self.cluster.engines.iter().for_each(|engine| peers::dump_into(&mut actual, engine, |_| true));
        let difference = peers::difference(&actual, &expected);
        assert!(difference.is_empty(), "keys at the end: {difference}");
        let (show, actual) = (self.cut != Cut::default(), as_propagated(actual));
        let told = replay_effects(&self.history, &order.0, now_us, show);
        let difference = peers::difference(&actual, &as_propagated(told));
        assert!(difference.is_empty(), "keys made of what was propagated: {difference}");
        if let Some(stream) = self.stream.all() {
            let small_packs = self.history.small_packs;
            let streamed = replay_stream(None, stream.iter(), small_packs, now_us, show);
            let difference = peers::difference(&actual, &as_propagated(streamed));
            assert!(difference.is_empty(), "keys made of the stream: {difference}");
            for save in &self.saves.done {
                let restored = replay_stream(save.keys().as_ref(), save.above(stream), small_packs, now_us, show);
                let difference = peers::difference(&as_saved(&actual), &as_saved(&as_propagated(restored)));
                assert!(difference.is_empty(), "keys made of a snapshot and of the stream above it: {difference}");
            }
        }
        for action in &self.history.actions {
            let cores: BTreeSet<CoreId> = action.pieces.iter().map(|piece| piece.core).collect();
            self.summary.spread += u64::from(cores.len() > 1);
            let nil = action.replies.last().is_some_and(|reply| reader::is_null(reply));
            self.summary.aborted += u64::from(action.requests.len() > 1 && nil);
        }
        let &History { served, moved, retried, .. } = &self.history;
        (self.summary.served, self.summary.moved, self.summary.retried) = (served, moved, retried);
        self.summary.coverage = Coverage::of(&self.history);
        for stats in self.cluster.engines.iter().map(|engine| engine.inspect().stats()) {
            self.summary.refused += stats.refused_transactions;
            self.summary.withdrawn += stats.cuts_withdrawn;
        }
    }

    /// All clients go; nothing may be left.
    fn leave(&mut self) {
        for client in std::mem::take(&mut self.clients) {
            self.cluster.engine(client.core).disconnected(client.id);
        }
        self.settle();
        self.cluster.assert_deserted();
    }
}

impl Surroundings for World {
    fn cluster(&mut self) -> (&mut Cluster, &mut Random) {
        (&mut self.cluster, &mut self.random)
    }

    fn move_clients(&mut self) -> bool {
        let mut progress = false;
        for client in 0..self.clients.len() {
            progress |= self.bytes(client);
        }
        progress
    }

    fn resume(&mut self, core: CoreId) {
        // It may be behind the time of the world.
        self.on_engine(core, |engine| {
            engine.begin_turn(0, peers::clock_ns());
            engine.run_stalled();
        });
    }

    fn flush(&mut self, core: CoreId) {
        self.stream.number(core);
        self.cluster.flush(core, &mut self.random, |_, _| {});
    }

    fn output(&mut self, core: CoreId) -> bool {
        self.stream.number(core);
        let mut dirty = Vec::new();
        self.cluster.engine(core).take_dirty(&mut dirty);
        for &id in &dirty {
            let Some(place) = self.clients.iter().position(|client| client.core == core && client.id == id) else {
                continue;
            };
            let engine = self.cluster.engine(core);
            let out = engine.drain_output(id);
            self.clients[place].received.extend_from_slice(&out);
            self.take_replies(place);
        }
        !dirty.is_empty()
    }

    fn message(&mut self) -> bool {
        let Some((from, to, message)) = self.cluster.network.receive(&mut self.random) else { return false };
        // A turn looks at the clock before it looks into its mailboxes.
        let begins_turn = self.random.below(2) == 0;
        let now_us = self.cluster.now_us;
        self.on_engine(to, |engine| {
            if begins_turn {
                engine.begin_turn(now_us, peers::clock_ns());
            }
            engine.on_message(from, message);
        });
        true
    }
}

/// Transfers change no sum.
fn check_sum(action: &Action) {
    if action.requests[0] != Workload::read_all() {
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
    let routed = matches!(command.row.route, Route::Owner | Route::Split { .. } | Route::Relay(_) | Route::Pick(_));
    let slots = SlotMap::even(cores);
    let mut owners = command.row.key_indexes(args).map(|index| slots.owner(args.get(index)));
    let first = owners.next();
    let is_wide = command.row.reaches_all(cores, args);
    routed && !merges && !is_wide && !waits(command, request) && owners.all(|owner| Some(owner) == first)
}

fn steps(random: &mut Random) -> Vec<(Step, u64)> {
    vec![
        (Step::Request, 4 + random.below(10)),
        (Step::Bytes, 8 + random.below(20)),
        (Step::Message, 4 + random.below(40)),
        (Step::Flush, 4 + random.below(30)),
        (Step::Resume, 2 + random.below(10)),
        (Step::Output, 2 + random.below(15)),
        (Step::Upkeep, random.below(4)),
        (Step::Time, random.below(6)),
        (Step::Overdue, random.below(6)),
        (Step::Death, random.below(2)),
    ]
}

/// Figures of a stream that stay where they arose, as in Redis: when consumers were last heard of, and how many duplicates were refused.
const LOCAL_FIGURES: [&str; 3] = ["duplicates: ", "seen_at: ", "active_at: Some("];

/// Keys as what is propagated must make them: not always by the same way to their form, and without local figures.
fn as_propagated(dump: Dump) -> Dump {
    let settle = |value: Vec<u8>| match String::from_utf8(value) {
        Ok(text) => {
            without_cached_count(LOCAL_FIGURES.iter().fold(text, |text, name| without_number(&text, name)).into_bytes())
        }
        Err(other) => without_cached_count(other.into_bytes()),
    };
    dump.into_iter().map(|(key, (value, expire_at, _))| (key, (settle(value), expire_at, ""))).collect()
}

/// Keys as version 10 of the format has them: it does not say whether a consumer has ever been active.
fn as_saved(dump: &Dump) -> Dump {
    let settle = |value: &Vec<u8>| match String::from_utf8(value.clone()) {
        Ok(text) => text.replace("active_at: None", "active_at: Some()").into_bytes(),
        Err(other) => other.into_bytes(),
    };
    dump.iter().map(|(key, (value, expire_at, form))| (key.clone(), (settle(value), *expire_at, *form))).collect()
}

/// The text without the number behind each `name`.
fn without_number(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |so_far, part| so_far + name + part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

/// A HyperLogLog without the count that PFCOUNT has cached in it: bytes 8 to 15 (`torc-engine/src/commands/hyperloglog`).
fn without_cached_count(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"HYLL") && bytes.len() >= 16 {
        bytes[8..16].fill(0);
    }
    bytes
}
