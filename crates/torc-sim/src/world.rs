//! The world of own keys: clients around a cluster, and one random step after another.

use torc_engine::random::Random;
use torc_engine::route::CoreId;
use torc_engine::session::Session;
use torc_engine::{ConnectionId, Message, Want};

use crate::client::{Client, Life};
use crate::cluster::{Cluster, Surroundings};
use crate::compare::Way;
use crate::ledger::Judgement;
use crate::network::{FAULT_ODDS, Mutation};
use crate::shared::{SHARED_LETTER, Shared};
use crate::swarm::{Step, Swarm, weighted};
use crate::trace::{self, note, shown};
use crate::workload::next_request;

/// Requests of a client that wait to be sent, in bytes: it makes no more of them beyond this.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests made.
    pub requests: u64,
    /// Messages between cores.
    pub messages: u64,
    /// Connections.
    pub connections: u64,
    /// Most messages that were in one mailbox.
    pub mailbox_messages_max: usize,
    /// Most replies that other cores owed one connection.
    pub replies_owed_max: usize,
    /// Clients that died with replies outstanding.
    pub deaths: u64,
    /// A number that depends on every event of the run.
    pub digest: u64,
}

impl Summary {
    /// Adds another run's; the digest is of both.
    pub fn add(&mut self, other: &Summary) {
        self.requests += other.requests;
        self.messages += other.messages;
        self.connections += other.connections;
        self.deaths += other.deaths;
        self.mailbox_messages_max = self.mailbox_messages_max.max(other.mailbox_messages_max);
        self.replies_owed_max = self.replies_owed_max.max(other.replies_owed_max);
        self.digest = self.digest.rotate_left(1) ^ other.digest;
    }
}

/// Everything of one run.
pub(crate) struct World {
    pub cluster: Cluster,
    pub clients: Vec<Client>,
    pub shared: Shared,
    pub swarm: Swarm,
    pub random: Random,
    pub mutation: Option<Mutation>,
    pub summary: Summary,
    /// Whether sockets take everything and nobody is slow: the way to rest.
    pub settling: bool,
}

impl World {
    /// The world of a seed, with its first clients connected.
    pub fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let swarm = Swarm::new(&mut random);
        note(format_args!("{} cores, {} clients, {} phases", swarm.cores, swarm.clients, swarm.phases));
        let mut world = World {
            cluster: Cluster::new(swarm.cores, seed, false, mutation),
            clients: Vec::new(),
            shared: Shared::default(),
            swarm,
            random,
            mutation,
            summary: Summary::default(),
            settling: false,
        };
        for letter in b'a'..b'a' + world.swarm.clients as u8 {
            assert_ne!(letter, SHARED_LETTER, "clients have small letters");
            let (core, connection) = world.connect();
            world.clients.push(Client::new(letter, core, connection));
        }
        world
    }

    /// All phases and the end.
    pub fn run(mut self) -> Summary {
        for phase in 0..self.swarm.phases {
            self.cluster.network.slow_core = match self.random.below(3) {
                0 => Some(self.any_core()),
                _ => None,
            };
            for _ in 0..self.swarm.steps_per_phase {
                self.step();
            }
            self.rest();
            note(format_args!("rest after phase {phase}"));
            self.pass_time();
        }
        self.end();
        let Cluster { messages, mailbox_messages_max, .. } = self.cluster;
        Summary { digest: trace::digest(), messages, mailbox_messages_max, ..self.summary }
    }

    /// A new connection to any core.
    pub fn connect(&mut self) -> (CoreId, ConnectionId) {
        let core = self.any_core();
        self.summary.connections += 1;
        (core, self.cluster.connect(core))
    }

    fn any_core(&mut self) -> CoreId {
        self.cluster.any_core(&mut self.random)
    }

    fn step(&mut self) {
        let client = self.random.below(self.clients.len() as u64) as usize;
        let core = self.any_core();
        let step = weighted(&mut self.random, &self.swarm.steps);
        // Whether there was something to do only matters on the way to rest.
        let _progress = match step {
            Step::Bytes => self.bytes(client),
            Step::Message => self.message(),
            Step::Output => self.output(core),
            Step::Take => self.take(client),
            _ => self.other_step(step, client, core),
        };
    }

    fn other_step(&mut self, step: Step, client: usize, core: CoreId) -> bool {
        match step {
            Step::Request => self.request(client),
            Step::Resume => self.resume(core),
            Step::Flush => self.flush(core),
            Step::Upkeep => {
                let engine = self.cluster.engine(core);
                engine.upkeep(1 + self.random.below(2000) as u32);
                engine.sweep_sessions();
            }
            Step::HalfClose if self.random.below(8) == 0 => self.half_close(client),
            Step::Death if self.random.below(12) == 0 => self.die(client),
            _ => {}
        }
        true
    }

    /// A client makes a burst of requests.
    fn request(&mut self, client: usize) {
        let burst = 1 + self.random.below(self.swarm.burst_max);
        for _ in 0..burst {
            let client = &mut self.clients[client];
            // Some go on although the server has promised to close: that must have no effect.
            let closing = client.oracle.session().is_closing() && self.random.below(2) == 0;
            if closing || client.life != Life::Open || client.waiting().len() > WAITING_BYTES_MAX {
                return;
            }
            let Client { letter, oracle, .. } = client;
            let now_ms = self.cluster.now_us / 1000;
            let made = next_request(&self.swarm, *letter, now_ms, oracle, &mut self.shared, &mut self.random);
            note(format_args!("client {}: {}", char::from(*letter), shown(&made.bytes)));
            client.make(&made.bytes, made.judgement, made.known);
            self.summary.requests += 1;
        }
    }

    /// A fragment of what a client has made arrives, or the end of it. True when something did.
    pub fn bytes(&mut self, place: usize) -> bool {
        let client = &mut self.clients[place];
        if !client.is_connected() || !client.socket.receiving {
            return false;
        }
        if !client.waiting().is_empty() {
            let len = (1 + self.random.below(self.swarm.fragment_max) as usize).min(client.waiting().len());
            self.arrive(place, len);
            return true;
        }
        let ends = client.life == Life::Ending && !client.socket.ended;
        if ends {
            note(format_args!("end of input of {}", char::from(client.letter)));
            client.socket.ended = true;
            client.socket.receiving = false;
            self.cluster.engine(client.core).on_end_of_input(client.connection);
        }
        ends
    }

    fn arrive(&mut self, place: usize, len: usize) {
        let client = &mut self.clients[place];
        note(format_args!("{len} bytes of {} at core {}", char::from(client.letter), client.core));
        let engine = self.cluster.engine(client.core);
        engine.on_bytes(client.connection, &client.waiting()[..len]);
        if self.mutation == Some(Mutation::RepeatBytes) && self.random.below(FAULT_ODDS) == 0 {
            engine.on_bytes(client.connection, &client.waiting()[..len]);
        }
        client.arrive(len);
    }

    /// The socket takes the session's output, or a part of it.
    fn send(&mut self, client: usize) {
        let partial = !self.settling && self.swarm.partial_odds > 0 && self.random.below(self.swarm.partial_odds) == 0;
        let client = &mut self.clients[client];
        let engine = self.cluster.engine(client.core);
        // Output that is held back is taken too: sooner or later makes no difference to what it says.
        let output = engine.inspect_session(client.connection).expect("a connected client has a session").output();
        if client.socket.is_full || output.is_empty() {
            return;
        }
        let all = output.len();
        let len = if partial { self.random.below(all as u64) as usize } else { all };
        note(format_args!("{} takes {len} of {all} bytes", char::from(client.letter)));
        client.socket.is_full = len < all;
        client.ledger.receive(&output.range(0..len), &mut self.shared);
        engine.output_sent(client.connection, len);
    }

    /// A client takes more of what did not fit into its socket. False when there was nothing.
    pub fn take(&mut self, client: usize) -> bool {
        let client = &mut self.clients[client];
        if !client.is_connected() || !client.socket.is_full {
            return false;
        }
        let engine = self.cluster.engine(client.core);
        let output = engine.inspect_session(client.connection).expect("a connected client has a session").output();
        let left = output.len();
        let len = if self.settling { left } else { 1 + self.random.below(left as u64) as usize };
        note(format_args!("{} takes {len} of {left} bytes held back", char::from(client.letter)));
        client.socket.is_full = len < left;
        client.ledger.receive(&output.range(0..len), &mut self.shared);
        engine.output_sent(client.connection, len);
        // As the ring loop does when there is room in the socket.
        engine.mark_dirty(client.connection);
        true
    }

    /// Brings receiving and closing in line with what the engine wants, as the ring loop does after each send.
    fn settle(&mut self, place: usize) {
        let client = &mut self.clients[place];
        let engine = self.cluster.engine(client.core);
        match engine.wants(client.connection) {
            Want::Nothing => unreachable!("a connected client has a session"),
            Want::Close => self.closed_by_server(place),
            Want::Input => client.socket.receiving = true,
            Want::NoInput if client.socket.receiving => {
                client.socket.receiving = false;
                engine.mark_dirty(client.connection);
            }
            Want::NoInput => {}
        }
    }

    /// The server closes: only when the oracle does too, and with nothing owed.
    fn closed_by_server(&mut self, place: usize) {
        let client = &mut self.clients[place];
        let letter = char::from(client.letter);
        note(format_args!("the server closes {letter}"));
        self.cluster.engine(client.core).disconnected(client.connection);
        assert!(client.oracle.session().is_finished(), "the server closes {letter} for no reason");
        assert!(client.ledger.is_settled(), "the server closes {letter} and owes {}", client.ledger.first_owed());
        client.oracle.disconnect();
        client.life = Life::Closed;
        if !self.settling {
            let (core, connection) = self.connect();
            self.clients[place].reconnect(core, connection);
        }
    }

    /// A client will send no more than it has made, the last request perhaps cut off.
    pub fn half_close(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if client.life != Life::Open {
            return;
        }
        note(format_args!("{} ends", char::from(client.letter)));
        if self.random.below(3) == 0 {
            client.make(b"*2\r\n$3\r\nGE", Judgement::As(Way::Exact), None);
        }
        client.life = Life::Ending;
        client.oracle.end_of_input();
    }

    /// A client is gone at once, with whatever is under way.
    pub fn die(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if !client.is_connected() {
            return;
        }
        note(format_args!("{} dies", char::from(client.letter)));
        self.summary.deaths += u64::from(!client.ledger.is_settled());
        client.life = Life::Dead;
        self.cluster.engine(client.core).disconnected(client.connection);
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
            progress |= self.take(client);
        }
        progress
    }

    fn resume(&mut self, core: CoreId) {
        // The time of the world passes only at rest.
        self.cluster.begin_turn(core);
        self.cluster.engine(core).run_stalled();
    }

    fn flush(&mut self, core: CoreId) {
        let owed = self.cluster.engine(core).inspect_sessions().map(Session::replies_owed).max();
        self.summary.replies_owed_max = self.summary.replies_owed_max.max(owed.unwrap_or(0));
        self.cluster.flush(core, &mut self.random, |to, message| {
            note(format_args!("{} from core {core} to core {to}", kind(message)));
        });
    }

    /// A core sends what its sessions have for their clients, and closes those that are done.
    fn output(&mut self, core: CoreId) -> bool {
        let mut dirty = Vec::new();
        self.cluster.engine(core).take_dirty(&mut dirty);
        for &connection in &dirty {
            if self.mutation == Some(Mutation::ForgetOutput) && self.random.below(FAULT_ODDS) == 0 {
                continue;
            }
            if let Some(client) = self.clients.iter().position(|client| client.is_at(core, connection)) {
                self.send(client);
                self.settle(client);
            }
        }
        !dirty.is_empty()
    }

    fn message(&mut self) -> bool {
        let Some((from, to, message)) = self.cluster.network.receive(&mut self.random) else { return false };
        note(format_args!("core {to} gets {} of core {from}", kind(&message)));
        self.cluster.engine(to).on_message(from, message);
        true
    }
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Requests(_) => "requests",
        Message::Replies(_) => "replies",
    }
}
