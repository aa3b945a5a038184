//! What a command costs as engines are added: 1 to 64 engines on one thread, no sockets, no kernel.
//!
//! `cargo run --release -p torc-sim --example scale -- [connections] [depth] [keys] [turns] [engines] [writes] [order]`
//! (50 16 100000 10000 1,2,4,8,16,64 91 writes); connections are those of each engine, turns those of all engines together in
//! one run, engines a list with commas, writes those among 1,000 commands, order what `pipeline-order` says.
//!
//! ```text
//!   clients --depth requests--> engine --messages--> mailbox of each pair --> engine
//!      ^                          |  a turn: mail, bytes, stalled, overdue, upkeep, flush
//!      +------ all replies -------+  turns go round: engine 0, 1, 2, ...
//! ```
//! A turn has the order and the limits of the server's (`torc-server/src/core`), and the same allocator. Each client sends its next requests
//! when it has all replies: GET and SET (10 to 1, if nothing is said), values of 64 bytes, keys by chance, so of N engines the fraction (N-1)/N of all commands is for another
//! engine's keys. Time moves by 50 us with each round of turns, so that the counts depend on the arguments alone.
//!
//! The time is CPU time of the thread, of all engines together, of five runs: the best, and what the others were. So it shows what commands cost besides the
//! kernel, the caches that real cores share, and waking up. On a machine that others use, instructions tell more: the difference between two numbers of turns under
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null`, divided by that of the commands (of all runs; one more warms up).
//!
//! In this crate an engine is built with its recorder, which is off here: each command runs 0.9 % more instructions than in a server's engine (the mean of 1
//! and 8 engines).

use std::collections::VecDeque;

use torc_engine::config::{Config, PipelineOrder};
use torc_engine::random::Random;
use torc_engine::route::{CoreId, SlotMap, key_slot};
use torc_engine::state::{CoreState, Identity};
use torc_engine::{ConnectionId, ConnectionInfo, Engine, Message, Output};
use torc_store::{Keyspace, KeyspaceOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The limits of one turn, as in the server.
const COMPLETIONS_PER_TURN_MAX: usize = 64;
const COMMANDS_PER_TURN_MAX: u64 = 256;
const MAIL_PER_TURN_MAX: usize = 16;
const UNITS_PER_TURN: u32 = 1000;
/// What a turn of as many commands as it may have takes, about.
const ROUND_US: i64 = 50;
/// Rounds between two looks at what expires: 10 ms.
const UPKEEP_ROUNDS: usize = 200;
const START_US: i64 = 1_700_000_000_000_000;
const RUNS: usize = 5;
/// Different pipelines; a client takes the next one.
const PIPELINES: usize = 997;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| {
        arguments.get(index).map_or(default, |text: &String| text.parse::<u64>().expect("a number"))
    };
    let (connections, depth, keys, turns) = (number(0, 50), number(1, 16), number(2, 100_000), number(3, 10_000));
    let engines = arguments.get(4).map_or("1,2,4,8,16,64", String::as_str);
    let order = match arguments.get(6).map_or("writes", String::as_str) {
        "writes" => PipelineOrder::Writes,
        "relaxed" => PipelineOrder::Relaxed,
        other => panic!("writes or relaxed, not {other}"),
    };
    let pipelines = pipelines(depth, keys, number(5, 91));
    println!(
        "| engines | ns per command | median and worst run | messages per command | hops per command | requests per batch | commands |"
    );
    println!("|---:|---:|---|---:|---:|---:|---:|");
    for cores in engines.split(',').map(|text| text.parse::<u16>().expect("a number of engines")) {
        let mut world = World::new(cores, connections, keys, order);
        let rounds = turns.div_ceil(u64::from(cores)) as usize;
        // The first run warms up buffers and caches.
        let mut all = world.run(rounds, &pipelines);
        let mut times: Vec<f64> = (0..RUNS)
            .map(|_| {
                let run = world.run(rounds, &pipelines);
                all.add(&run);
                run.cpu_ns as f64 / run.commands as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        all.print(cores, &times);
    }
}

/// Requests of one client at once, and the bytes of all their replies.
struct Pipeline {
    requests: Vec<u8>,
    commands: u64,
    reply_bytes: usize,
}

fn pipelines(depth: u64, keys: u64, writes_per_1000: u64) -> Vec<Pipeline> {
    let mut random = Random::new(7);
    let mut pipeline = || {
        let mut pipeline = Pipeline { requests: Vec::new(), commands: depth, reply_bytes: 0 };
        for _ in 0..depth {
            let (key, writes) = (random.below(keys), random.below(1000) < writes_per_1000);
            pipeline.requests.extend(request(key, writes));
            pipeline.reply_bytes += if writes { "+OK\r\n".len() } else { "$64\r\n\r\n".len() + 64 };
        }
        pipeline
    };
    (0..PIPELINES).map(|_| pipeline()).collect()
}

fn name(key: u64) -> String {
    format!("key:{key:012}")
}

fn request(key: u64, writes: bool) -> Vec<u8> {
    let key = name(key);
    match writes {
        true => format!("*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$64\r\n{}\r\n", "x".repeat(64)).into_bytes(),
        false => format!("*2\r\n$3\r\nGET\r\n$16\r\n{key}\r\n").into_bytes(),
    }
}

/// What one run has shown, or several.
#[derive(Default)]
struct Figures {
    cpu_ns: u64,
    commands: u64,
    messages: u64,
    hops: u64,
    batches: u64,
}

impl Figures {
    fn add(&mut self, run: &Figures) {
        self.cpu_ns += run.cpu_ns;
        self.commands += run.commands;
        self.messages += run.messages;
        self.hops += run.hops;
        self.batches += run.batches;
    }

    /// One line; `times` are the nanoseconds per command of each run, rising.
    fn print(&self, cores: u16, times: &[f64]) {
        let per_command = |count: u64| count as f64 / self.commands as f64;
        println!(
            "| {cores} | {:.1} | {:.1}, {:.1} | {:.4} | {:.4} | {:.1} | {} |",
            times[0],
            times[times.len() / 2],
            times[times.len() - 1],
            per_command(self.messages),
            per_command(self.hops),
            self.hops as f64 / self.batches.max(1) as f64,
            self.commands
        );
    }
}

/// One engine with its clients.
struct Core {
    engine: Engine,
    clients: Vec<Client>,
    /// Clients whose requests have arrived and are not read.
    arrived: VecDeque<usize>,
    /// From each other engine.
    mailboxes: Vec<VecDeque<Message>>,
    /// Whose mail comes first in this turn.
    first_sender: usize,
    dirty: Vec<ConnectionId>,
}

struct Client {
    connection: ConnectionId,
    owed_bytes: usize,
}

/// All engines.
struct World {
    cores: Vec<Core>,
    now_us: i64,
    next_pipeline: usize,
    /// Commands that engines have read, in this run.
    commands: u64,
    /// Messages between engines, in this run.
    messages: u64,
}

impl World {
    fn new(cores: u16, connections: u64, keys: u64, order: PipelineOrder) -> World {
        let slots = SlotMap::even(cores);
        let cores = (0..cores).map(|core| Core::new(core, cores, connections as usize, order)).collect();
        let mut world = World { cores, now_us: START_US, next_pipeline: 0, commands: 0, messages: 0 };
        for key in 0..keys {
            let owner = slots.slot_owner(key_slot(name(key).as_bytes()));
            world.cores[usize::from(owner)].fill(&request(key, true));
        }
        world
    }

    /// So many rounds of turns, from where the run before has stopped.
    fn run(&mut self, rounds: usize, pipelines: &[Pipeline]) -> Figures {
        let count =
            |world: &World, of: fn(&Engine) -> u64| world.cores.iter().map(|core| of(&core.engine)).sum::<u64>();
        let (hops, batches) = (|engine: &Engine| engine.figures().hops, |engine: &Engine| engine.figures().batches);
        let (hops_before, batches_before) = (count(self, hops), count(self, batches));
        (self.commands, self.messages) = (0, 0);
        let start_ns = cpu_ns();
        for round in 0..rounds {
            self.now_us += ROUND_US;
            for core in 0..self.cores.len() {
                self.turn(core, round % UPKEEP_ROUNDS == 0, pipelines);
            }
        }
        let cpu_ns = cpu_ns() - start_ns;
        Figures {
            cpu_ns,
            commands: self.commands,
            messages: self.messages,
            hops: count(self, hops) - hops_before,
            batches: count(self, batches) - batches_before,
        }
    }

    /// One turn of one engine.
    fn turn(&mut self, place: usize, upkeep: bool, pipelines: &[Pipeline]) {
        let core = &mut self.cores[place];
        core.engine.set_time(self.now_us);
        let commands_before = core.engine.commands_processed();
        core.take_mail(place, commands_before);
        for _ in 0..COMPLETIONS_PER_TURN_MAX {
            let Some(client) = core.arrived.pop_front() else { break };
            let pipeline = &pipelines[self.next_pipeline];
            self.next_pipeline = (self.next_pipeline + 1) % pipelines.len();
            self.commands += pipeline.commands;
            core.clients[client].owed_bytes = pipeline.reply_bytes;
            core.engine.on_bytes(core.clients[client].connection, &pipeline.requests);
            if core.is_over(commands_before) {
                break;
            }
        }
        core.engine.run_stalled();
        core.engine.end_overdue_waits();
        if upkeep {
            core.engine.upkeep(UNITS_PER_TURN);
        }
        let mut outgoing = Vec::new();
        core.engine.flush(|to, message| outgoing.push((to, message)));
        core.flush_clients();
        self.messages += outgoing.len() as u64;
        for (to, message) in outgoing {
            self.cores[usize::from(to)].mailboxes[place].push_back(message);
        }
    }
}

impl Core {
    fn new(core: CoreId, cores: u16, connections: usize, order: PipelineOrder) -> Core {
        let config = Config { cores: u32::from(cores), pipeline_order: order, ..Config::default() };
        let keyspace = Keyspace::new(KeyspaceOptions { databases: 16, hash_seed: [1, 2, 3, 4] });
        let mut engine = Engine::new(CoreState::new(core, cores, config, keyspace, Identity::default(), 1));
        engine.set_time(START_US);
        let info = ConnectionInfo { local_peer: true, ..Default::default() };
        let client = |_| Client { connection: engine.connect(info.clone()), owed_bytes: 0 };
        let clients: Vec<Client> = (0..connections).map(client).collect();
        // By their place in the table of sessions, clients are found without a search.
        assert!(clients.iter().enumerate().all(|(place, client)| client.connection.index as usize == place));
        let arrived = (0..connections).collect();
        let mailboxes = (0..cores).map(|_| VecDeque::new()).collect();
        Core { engine, clients, arrived, mailboxes, first_sender: 0, dirty: Vec::new() }
    }

    /// Runs a request for a key of this core.
    fn fill(&mut self, request: &[u8]) {
        let connection = self.clients[0].connection;
        self.engine.on_bytes(connection, request);
        assert_eq!(self.engine.drain_output(connection), b"+OK\r\n");
        self.engine.take_dirty(&mut self.dirty);
        self.dirty.clear();
    }

    /// Whether this turn has run as many commands as one turn may.
    fn is_over(&self, commands_before: u64) -> bool {
        self.engine.commands_processed() - commands_before >= COMMANDS_PER_TURN_MAX
    }

    fn take_mail(&mut self, place: usize, commands_before: u64) {
        let cores = self.mailboxes.len();
        self.first_sender = (self.first_sender + 1) % cores;
        for from in (self.first_sender..cores).chain(0..self.first_sender).filter(|&from| from != place) {
            for _ in 0..MAIL_PER_TURN_MAX {
                if self.is_over(commands_before) {
                    return;
                }
                let Some(message) = self.mailboxes[from].pop_front() else { break };
                self.engine.on_message(from as CoreId, message);
            }
        }
    }

    /// Gives clients what the engine lets go; who has all replies sends again.
    fn flush_clients(&mut self) {
        self.engine.take_dirty(&mut self.dirty);
        for connection in self.dirty.drain(..) {
            if self.engine.holds_output(connection) {
                continue;
            }
            let Output::Bytes(output) = self.engine.output(connection) else { continue };
            let client = connection.index as usize;
            let owed = &mut self.clients[client].owed_bytes;
            *owed = owed.checked_sub(output.len()).expect("no more is answered than was asked");
            if *owed == 0 {
                self.arrived.push_back(client);
            }
            let sent = output.len();
            self.engine.output_sent(connection, sent);
        }
    }
}

fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes to the timespec, which lives across the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "Linux has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
