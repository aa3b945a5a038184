//! Clients around a cluster, and one random step after another; in between rest, at the end the judgement.

use torc_engine::random::Random;
use torc_engine::route::CoreId;
use torc_engine::{Want, session::Session};
use torc_resp::Protocol;

use super::Summary;
use super::clients::{Ask, Client};
use super::history::{Cached, History, Item, NEVER, publish_of};
use super::judge::judge;
use super::workload::{Wish, Workload};
use crate::cluster::{Cluster, Surroundings};
use crate::peers;
use crate::swarm::{pick, weighted};
use crate::trace::{self, note};

/// Messages that arrive in one round on the way to rest, at most, for each core.
const MESSAGES_PER_CORE: u64 = 2;

/// Requests that a connection may have under way.
const UNANSWERED_MAX: usize = 30;

/// One kind of step.
#[derive(Clone, Copy)]
enum Step {
    Request,
    Bytes,
    Message,
    Flush,
    Resume,
    Output,
    Time,
    Death,
}

/// Everything of one run.
pub(crate) struct World {
    cluster: Cluster,
    clients: Vec<Client>,
    history: History,
    workload: Workload,
    random: Random,
    steps: Vec<(Step, u64)>,
    steps_per_phase: u64,
    phases: u64,
    burst_max: u64,
    fragment_max: u64,
    summary: Summary,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x9b5b);
        let cores = 1 + random.below(5) as u16;
        // Of the kinds of engines those that keep a pipeline in order: the others promise less.
        let kind = random.below(1000) * 4 + pick(&mut random, &[0, 1, 3]);
        let mut world = World {
            cluster: Cluster::new(cores, kind, false, None),
            clients: Vec::new(),
            history: History::default(),
            workload: Workload::new(cores, &mut random),
            steps: steps(&mut random),
            steps_per_phase: pick(&mut random, &[100, 300, 600]),
            phases: 1 + random.below(3),
            burst_max: pick(&mut random, &[1, 3, 8]),
            fragment_max: pick(&mut random, &[15, 80, 2000]),
            random,
            summary: Summary::default(),
        };
        (0..3 + world.random.below(5)).for_each(|_| world.connect());
        world
    }

    /// All phases, the end of all clients, and the judgement.
    pub fn run(mut self) -> Summary {
        note(format_args!("{} cores, {} clients", self.cluster.cores(), self.clients.len()));
        self.clients[0].ask(Ask::Plain(b"+OK\r\n"), &["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
        self.settle();
        for _ in 0..self.phases {
            (0..self.steps_per_phase).for_each(|_| self.step());
            self.settle();
        }
        // Some of them in the middle of what they do.
        while !self.clients.is_empty() {
            let place = self.random.below(self.clients.len() as u64) as usize;
            self.die(place);
            for _ in 0..if self.clients.is_empty() { 0 } else { self.random.below(40) } {
                self.step();
            }
        }
        self.settle();
        self.publish_to_nobody();
        if let Err(problem) = judge(&self.history) {
            panic!("{problem}");
        }
        self.die(0);
        self.settle();
        self.cluster.assert_deserted();
        self.summarise()
    }

    /// When all are gone, nobody is counted any more.
    fn publish_to_nobody(&mut self) {
        self.connect();
        let published: Vec<(bool, String)> =
            self.workload.published().map(|(is_shard, channel)| (is_shard, channel.to_owned())).collect();
        for (is_shard, channel) in published {
            self.clients[0].wish(Wish::Publish { is_shard, channel }, &mut self.history);
        }
        self.settle();
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
            Step::Time => {
                let us = pick(&mut self.random, &[1, 50, 900, 20_000, 1_000_000]);
                self.cluster.now_us += us as i64;
                peers::let_clock_pass(us);
            }
            Step::Death if self.random.below(6) == 0 => {
                self.connect();
                self.die(client);
            }
            Step::Death => {}
        }
    }

    fn connect(&mut self) {
        let core = self.cluster.any_core(&mut self.random);
        let now_us = self.cluster.now_us;
        self.cluster.engine(core).set_time(now_us);
        let id = self.cluster.connect(core);
        let resp3 = self.random.below(2) == 0;
        if resp3 {
            self.cluster.engine(core).set_protocol(id, Protocol::Resp3);
        }
        let client = Client::new(core, id, resp3, &mut self.history);
        note(format_args!("connection {} to core {core}, {}", client.number, if resp3 { "RESP3" } else { "RESP2" }));
        self.clients.push(client);
    }

    fn die(&mut self, place: usize) {
        let client = self.clients.swap_remove(place);
        note(format_args!("{} connection {} dies", self.history.now, client.number));
        let (core, id) = (client.core, client.id);
        client.die(&mut self.history);
        self.cluster.engine(core).disconnected(id);
        self.summary.deaths += 1;
    }

    fn request(&mut self, place: usize) {
        for _ in 0..1 + self.random.below(self.burst_max) {
            let client = &mut self.clients[place];
            if client.asked.len() >= UNANSWERED_MAX {
                return;
            }
            let wish = self.workload.next(&client.topics, client.resp3, &mut self.random);
            note(format_args!("{} connection {} wishes {wish:?}", self.history.now, client.number));
            client.wish(wish, &mut self.history);
        }
    }

    /// Who has received an announcement reads the key, or has somebody else read it.
    fn read_announced(&mut self, place: usize) {
        for (key, at_least) in std::mem::take(&mut self.clients[place].to_read) {
            let any = self.random.below(self.clients.len() as u64) as usize;
            let reader = if self.clients[place].is_free() { place } else { any };
            if self.clients[reader].is_free() {
                self.clients[reader].read(key, at_least, &mut self.history);
            }
        }
    }

    fn bytes(&mut self, place: usize) -> bool {
        let client = &mut self.clients[place];
        let (core, id, now_us) = (client.core, client.id, self.cluster.now_us);
        let engine = self.cluster.engine(core);
        if client.outbox.is_empty() || engine.wants(id) != Want::Input {
            return false;
        }
        let len = (1 + self.random.below(self.fragment_max) as usize).min(client.outbox.len());
        let bytes = client.deliver(len, &mut self.history);
        note(format_args!("{} connection {} sends {len} bytes", self.history.now, client.number));
        engine.set_time(now_us);
        engine.on_bytes(id, &bytes);
        true
    }

    /// Everything is delivered and answered.
    fn settle(&mut self) {
        self.deliver_everything(MESSAGES_PER_CORE);
        self.cluster.assert_quiet();
        for client in &self.clients {
            let session = self.cluster.engines[usize::from(client.core)].inspect_session(client.id);
            assert!(!session.is_none_or(Session::is_finished), "the server closes connection {}", client.number);
            assert!(client.asked.is_empty(), "connection {} is not answered", client.number);
        }
        let at = self.history.tick();
        self.history.rests.push(at);
        for client in &self.clients {
            let cached = client.cache.iter().map(|(key, &version)| (key.clone(), version));
            let connection = client.number;
            self.history.cached.extend(cached.map(|(key, version)| Cached { connection, key, version, at }));
        }
        note(format_args!("{at} rest"));
    }

    fn summarise(mut self) -> Summary {
        let History { publishes, streams, reads, .. } = &self.history;
        let summary = &mut self.summary;
        summary.publishes = publishes.iter().filter(|publish| publish.answered_at != NEVER).count() as u64;
        summary.heard_publishes = publishes.iter().filter(|publish| publish.count > Some(0)).count() as u64;
        summary.cached = self.history.cached.len() as u64;
        summary.cache_hits = self.history.cache_hits;
        summary.invalidations = self.history.invalidations;
        summary.reads = reads.iter().filter(|read| read.found.is_some()).count() as u64;
        for (_, item) in streams.iter().flat_map(|stream| &stream.items) {
            match item {
                Item::Message { payload, .. } => {
                    summary.messages += 1;
                    summary.events += u64::from(publish_of(payload).is_none());
                }
                Item::Confirmed { added: true, .. } => summary.subscriptions += 1,
                Item::Confirmed { topic: Some(_), .. } => summary.ended += 1,
                _ => {}
            }
        }
        summary.digest = trace::digest();
        self.summary
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
        let engine = self.cluster.engine(core);
        // It may be behind the time of the world.
        engine.begin_turn(0, peers::clock_ns());
        engine.run_stalled();
    }

    fn flush(&mut self, core: CoreId) {
        self.cluster.flush(core, &mut self.random, |_, _| {});
    }

    fn output(&mut self, core: CoreId) -> bool {
        let mut dirty = Vec::new();
        self.cluster.engine(core).take_dirty(&mut dirty);
        for &id in &dirty {
            let Some(place) = self.clients.iter().position(|client| client.core == core && client.id == id) else {
                continue;
            };
            let out = self.cluster.engine(core).drain_output(id);
            self.clients[place].received.extend_from_slice(&out);
            self.clients[place].take(&mut self.history);
            self.read_announced(place);
        }
        !dirty.is_empty()
    }

    fn message(&mut self) -> bool {
        let Some((from, to, message)) = self.cluster.network.receive(&mut self.random) else { return false };
        // A turn looks at the clock before it looks into its mailboxes.
        if self.random.below(2) == 0 {
            self.cluster.begin_turn(to);
        }
        self.cluster.engine(to).on_message(from, message);
        true
    }
}

fn steps(random: &mut Random) -> Vec<(Step, u64)> {
    vec![
        (Step::Request, 4 + random.below(10)),
        (Step::Bytes, 8 + random.below(20)),
        (Step::Message, 4 + random.below(40)),
        (Step::Flush, 4 + random.below(30)),
        (Step::Resume, 1 + random.below(15)),
        (Step::Output, 2 + random.below(20)),
        (Step::Time, 1),
        (Step::Death, random.below(3)),
    ]
}
