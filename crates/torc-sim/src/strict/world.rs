//! The world of shared keys: clients around a cluster, and one random step after another; then rest, and the judgement.

use std::collections::HashMap;

use torc_engine::random::Random;
use torc_engine::route::CoreId;
use torc_engine::session::Session;
use torc_engine::{Engine, Taken};

use super::clients::Client;
use super::history::History;
use super::saving::{Saves, Work};
use super::scripts::Scripts;
use super::shown::Shows;
use super::shrink::Cut;
use super::stream::Stream;
use super::summary::Summary;
use super::switching::Switching;
use super::workload::{Made, Workload};
use crate::cluster::{Cluster, Surroundings};
use crate::peers;
use crate::swarm::{Swarm, pick, weighted};
use crate::trace::note;

/// Messages that arrive in one round on the way to rest, at most, for each core.
const MESSAGES_PER_CORE: u64 = 2;

/// Steps within which a snapshot that has begun comes to its end.
const SAVE_STEPS_MAX: usize = 20_000;

/// Between two of these steps on the way to rest so much time passes on the clock that cuts go by, microseconds.
const SAVE_STEP_US: u64 = 1000;

/// In one of so many runs, all of which put their units into an order, the log goes on and off.
const SWITCHED_EVERY: u64 = 8;

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

/// Everything of one run.
pub(crate) struct World {
    pub(super) cluster: Cluster,
    pub(super) stream: Stream,
    pub(super) saves: Saves,
    pub(super) switching: Switching,
    pub(super) clients: Vec<Client>,
    pub(super) history: History,
    pub(super) workload: Workload,
    /// `None`: no client runs any.
    pub(super) scripts: Option<Scripts>,
    pub(super) resp3: HashMap<usize, bool>,
    pub(super) random: Random,
    /// Apart, so that runs whose stream has no order stay as they are.
    random_of_sync: Random,
    pub(super) cut: Cut,
    pub(super) made: u64,
    pub(super) burst_max: u64,
    pub(super) fragment_max: u64,
    steps: Vec<(Step, u64)>,
    step_count: usize,
    pub(super) summary: Summary,
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
        let switching = Switching::new(seed, seed % SWITCHED_EVERY == 7, &mut cluster.engines);
        let mut world = World {
            cluster,
            stream,
            saves,
            switching,
            clients: Vec::new(),
            history: History::new(small_packs, workload.timeless()),
            workload,
            scripts: None,
            resp3: HashMap::new(),
            burst_max: pick(&mut random, if scans { &[1, 3] } else { &[1, 3, 12] }),
            fragment_max: pick(&mut random, if scans { &[200, 2000] } else { &[10, 80, 2000] }),
            steps: steps(&mut random),
            step_count: pick(&mut random, if scans { &[1200, 2500] } else { &[100, 250, 600] }) as usize,
            random,
            random_of_sync: Random::new(seed ^ 0x5c_4e57),
            cut,
            made: 0,
            summary: Summary::default(),
        };
        let is_deadly = world.steps.iter().any(|&(step, weight)| matches!(step, Step::Death) && weight > 0);
        world.scripts = Scripts::new(seed, is_deadly).filter(|_| !scans);
        world.history.kills_scripts = peers::is_impatient(seed);
        let clients = 2 + world.random.below(if scans { 3 } else { 7 }) as usize;
        let clients = world.cut.clients_max.map_or(clients, |most| most.min(clients));
        (0..clients).for_each(|_| world.connect());
        if world.judges_shown() {
            world.cluster.engines.iter_mut().for_each(|engine| engine.note_durable(0));
        }
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
            self.switch_step();
            self.sync_step();
        }
        self.settle();
        self.end_waits();
        self.judge();
        self.leave();
        self.summary.steps = steps as u64;
        self.summary.messages = self.cluster.messages;
        self.summary
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
        let Some((core, work)) = self.saves.step(self.cluster.cores(), self.switching.streams()) else { return };
        if matches!(work, Work::Answer(_)) {
            self.note_held_for_save();
        }
        let now_us = self.cluster.now_us;
        let written = self.on_engine(core, |engine| {
            engine.set_time(now_us);
            work.run(engine)
        });
        written.into_iter().for_each(|part| self.saves.take_part(core, part));
        self.saves.end_if_through();
    }

    /// More of the stream is durable, and a core hears of it.
    fn sync_step(&mut self) {
        if self.judges_shown() && self.random_of_sync.below(20) == 0 {
            let durable = self.stream.sync(&mut self.random_of_sync);
            let core = self.cluster.any_core(&mut self.random_of_sync);
            self.cluster.engine(core).note_durable(durable);
        }
    }

    /// Whether answers say what they show: where the log stays on.
    pub(super) fn judges_shown(&self) -> bool {
        self.stream.is_ordered() && !self.switching.is_wanted()
    }

    /// What has changed on a core gets its number, before anything leaves that may show it.
    pub(super) fn number(&mut self, core: CoreId) {
        let number = self.stream.number(core);
        let last = self.stream.last();
        self.cluster.engine(core).settle_shown(number, || last);
    }

    /// A call of an engine; what it notes is put into the history.
    pub(super) fn on_engine<T>(&mut self, core: CoreId, call: impl FnOnce(&mut Engine) -> T) -> T {
        let engine = self.cluster.engine(core);
        let result = call(engine);
        match engine.take_units() {
            Taken::Units(units) => self.stream.add(core, &units),
            Taken::Lost => unreachable!("they are taken after each call"),
        }
        let cores = self.cluster.cores();
        for request in self.cluster.engine(core).take_host_requests() {
            self.saves.take_request(core, &request);
            self.switching.take_request(core, cores, &request);
        }
        let engine = self.cluster.engine(core);
        self.history.record(core, engine.journal());
        result
    }

    /// Everything is delivered.
    pub(super) fn settle(&mut self) {
        self.hear_of_who_left();
        self.deliver_everything(MESSAGES_PER_CORE);
        for _ in 0..SAVE_STEPS_MAX {
            if !self.is_cutting() {
                break;
            }
            // What it holds goes on when it is through, and a cut whose claims were withdrawn when its pause is over.
            self.save_step();
            self.switch_step();
            peers::let_clock_pass(SAVE_STEP_US);
            (0..self.cluster.cores()).for_each(|core| self.end_overdue_waits(core));
            self.deliver_everything(MESSAGES_PER_CORE);
        }
        assert!(!self.is_cutting(), "a snapshot or a log does not come to its end");
        self.assert_quiet();
    }

    /// Whether something has begun that holds writers for a while, or needs more than messages to come to its end.
    fn is_cutting(&self) -> bool {
        self.saves.is_under_way() || self.switching.is_under_way()
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
        self.number(core);
        self.cluster.flush(core, &mut self.random, |_, _| {});
    }

    fn output(&mut self, core: CoreId) -> bool {
        self.number(core);
        let mut dirty = Vec::new();
        self.cluster.engine(core).take_dirty(&mut dirty);
        for &id in &dirty {
            let Some(place) = self.clients.iter().position(|client| client.core == core && client.id == id) else {
                continue;
            };
            let (last, engine) = (self.stream.last(), self.cluster.engine(core));
            let shows = Shows { number: engine.shows(id, || last), durable: self.stream.durable() };
            let out = engine.drain_output(id);
            self.clients[place].received.extend_from_slice(&out);
            self.take_replies(place, shows);
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
