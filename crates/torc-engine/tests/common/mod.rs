//! A whole server of several cores on one thread, without sockets: bytes in, replies out, time by hand.
//!
//! ```text
//!   TestCore::new(3)          three engines; `settle` carries messages between them until all is quiet
//!   core.client()             a connection of core 0; `client_on(1)` one of core 1
//!   client.send("SET a 1")    one request, one reply in a short notation:
//!
//!     +OK   -ERR text   :1   "bulk"   nil   [1, 2]   {key: value}   ~[set]   >[push]   ,1.5   #t   (123   =txt:text
//! ```
//!
//! RESP2 and RESP3 nulls both read `nil`; a RESP2 map is an array. Bytes beyond ASCII and control
//! characters in a string are shown as `\xff`, and can be written so inside double quotes in a request.

#![allow(dead_code)] // Each test file uses its own part of this.

mod line;

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

#[allow(unused_imports, reason = "not every test file names keys")]
pub use line::{key_of_each_core, words};
use torc_engine::config::Config;
use torc_engine::route::{CoreId, SlotMap};
use torc_engine::state::{CoreState, HostFunctions, Identity};
use torc_engine::{ClientMemory, Clients, ConnectionId, ConnectionInfo, Engine, MemoryBudget, Message, Want};
use torc_store::{Keyspace, KeyspaceOptions};

/// The time at which every test starts, Unix milliseconds.
pub const START_MS: i64 = 1_700_000_000_000;

thread_local! {
    static CLOCK_NS: Cell<u64> = const { Cell::new(0) };
    static STEP_NS: Cell<u64> = const { Cell::new(0) };
}

/// From now on the clock of all engines of this test goes on by so much whenever it is looked at: so long takes whatever may take long.
pub fn let_long_commands_take(step_ns: u64) {
    STEP_NS.set(step_ns);
}

/// The clock of all engines.
pub fn clock_ns() -> u64 {
    CLOCK_NS.set(CLOCK_NS.get() + STEP_NS.get());
    CLOCK_NS.get()
}

/// Engines that are connected with each other.
#[derive(Clone)]
pub struct TestCore {
    inner: Rc<RefCell<Inner>>,
}

/// A connection to one of the engines.
pub struct Client {
    inner: Rc<RefCell<Inner>>,
    core: CoreId,
    connection: ConnectionId,
}

struct Inner {
    engines: Vec<Engine>,
    messages: VecDeque<(CoreId, CoreId, Message)>,
    now_ms: i64,
    left: Left,
    on_turn_end: Option<TurnEnd>,
}

/// What is done with an engine at the end of each of its turns, before anything leaves it.
type TurnEnd = Box<dyn FnMut(&mut Engine)>;

/// Clients that have left, of which the engines have not been told.
type Left = Rc<RefCell<HashSet<(CoreId, ConnectionId)>>>;

/// What one engine asks about its clients.
struct LeftClients {
    core: CoreId,
    left: Left,
}

impl Clients for LeftClients {
    fn has_left(&self, connection: ConnectionId, _info: &ConnectionInfo) -> bool {
        self.left.borrow().contains(&(self.core, connection))
    }
}

impl TestCore {
    /// A machine of so many cores with the default configuration.
    pub fn new(cores: u16) -> Self {
        Self::with_config(cores, |_| {})
    }

    /// A machine of so many cores whose configuration `change` has changed.
    pub fn with_config(cores: u16, change: impl FnOnce(&mut Config)) -> Self {
        Self::with_slots(&Arc::new(SlotMap::even(cores)), change)
    }

    /// The same where the slots lie as a map says, on the cores that it is for.
    pub fn with_slots(slots: &Arc<SlotMap>, change: impl FnOnce(&mut Config)) -> Self {
        Self::begin_at(START_MS, slots, change)
    }

    /// A machine whose time has not begun: for it nothing has expired, as while a log is loaded.
    pub fn before_time(cores: u16, change: impl FnOnce(&mut Config)) -> Self {
        Self::begin_at(0, &Arc::new(SlotMap::even(cores)), change)
    }

    fn begin_at(begins_ms: i64, slots: &Arc<SlotMap>, change: impl FnOnce(&mut Config)) -> Self {
        let cores = slots.cores();
        let mut config = Config { cores: u32::from(cores), ..Config::default() };
        change(&mut config);
        let left = Left::default();
        let shared = (ClientMemory::new(cores), MemoryBudget::new(cores));
        let made = |core| engine(core, slots, &config, &left, shared.clone());
        let engines: Vec<Engine> = (0..cores).map(made).collect();
        let inner = Inner { engines, messages: VecDeque::new(), now_ms: 0, left, on_turn_end: None };
        let core = TestCore { inner: Rc::new(RefCell::new(inner)) };
        if begins_ms > 0 {
            core.advance_ms(begins_ms);
        }
        core
    }

    /// A new connection to core 0.
    pub fn client(&self) -> Client {
        self.client_on(0)
    }

    /// A new connection to this core.
    pub fn client_on(&self, core: CoreId) -> Client {
        let info = ConnectionInfo {
            address: "127.0.0.1:50000".to_owned(),
            local_address: "127.0.0.1:6379".to_owned(),
            descriptor: 8,
            local_peer: true,
            ..ConnectionInfo::default()
        };
        self.client_with(core, info)
    }

    /// A new connection to this core, with addresses of its own.
    pub fn client_with(&self, core: CoreId, info: ConnectionInfo) -> Client {
        let connection = self.inner.borrow_mut().engines[usize::from(core)].connect(info);
        Client { inner: Rc::clone(&self.inner), core, connection }
    }

    /// Lets time pass on all cores. Nothing runs meanwhile; see [`TestCore::upkeep`].
    pub fn advance_ms(&self, span_ms: i64) {
        let mut inner = self.inner.borrow_mut();
        inner.now_ms += span_ms;
        let now_us = inner.now_ms * 1000;
        inner.engines.iter_mut().for_each(|engine| engine.set_time(now_us));
    }

    /// The time, Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.inner.borrow().now_ms
    }

    /// Runs the background work of all cores until there is none left.
    pub fn upkeep(&self) {
        for engine in &mut self.inner.borrow_mut().engines {
            while engine.upkeep(100_000).more {}
        }
    }

    /// Works on one engine directly.
    pub fn engine<T>(&self, core: CoreId, work: impl FnOnce(&mut Engine) -> T) -> T {
        work(&mut self.inner.borrow_mut().engines[usize::from(core)])
    }

    /// From now on does this with an engine at the end of each of its turns.
    pub fn on_turn_end(&self, action: impl FnMut(&mut Engine) + 'static) {
        self.inner.borrow_mut().on_turn_end = Some(Box::new(action));
    }

    /// Does one thing, as `choice` decides: a core has a turn, or the next message from one core to another comes. Whether more is to
    /// be done.
    pub fn step(&self, choice: usize) -> bool {
        self.inner.borrow_mut().step(choice)
    }

    /// Carries all messages; for tests that feed engines themselves.
    pub fn settle(&self) {
        self.inner.borrow_mut().settle();
    }
}

impl Client {
    /// Sends one request, written as on a command line, and gives its one reply in the short notation.
    pub fn send(&self, line: &str) -> String {
        self.call(&words(line))
    }

    /// Sends one request of these arguments and gives its one reply in the short notation.
    pub fn call(&self, arguments: &[impl AsRef<[u8]>]) -> String {
        let replies = self.exchange(&encode(arguments));
        assert_eq!(replies.len(), 1, "one request has one reply, not {replies:?}");
        replies.into_iter().next().expect("there is one")
    }

    /// Sends all requests at once and gives their replies.
    pub fn pipeline(&self, lines: &[&str]) -> Vec<String> {
        let bytes: Vec<u8> = lines.iter().flat_map(|line| encode(&words(line))).collect();
        self.exchange(&bytes)
    }

    /// Sends bytes as they are and gives the replies in the short notation.
    pub fn exchange(&self, bytes: &[u8]) -> Vec<String> {
        let out = self.raw(bytes);
        let (mut rest, mut replies) = (out.as_slice(), Vec::new());
        while !rest.is_empty() {
            replies.push(render(&mut rest));
        }
        replies
    }

    /// Sends bytes as they are and gives what came back, as it is.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut inner = self.inner.borrow_mut();
        inner.engine(self.core).on_bytes(self.connection, bytes);
        inner.settle();
        inner.take_output(self.core, self.connection)
    }

    /// Sends all requests at once; nothing is done with them yet beyond the core of the connection.
    pub fn begin(&self, lines: &[&str]) {
        let bytes: Vec<u8> = lines.iter().flat_map(|line| encode(&words(line))).collect();
        self.inner.borrow_mut().engine(self.core).on_bytes(self.connection, &bytes);
    }

    /// What there is for the client now, while nothing goes on.
    pub fn peek(&self) -> Vec<String> {
        let out = self.inner.borrow_mut().engine(self.core).drain_output(self.connection);
        let (mut rest, mut replies) = (out.as_slice(), Vec::new());
        while !rest.is_empty() {
            replies.push(render(&mut rest));
        }
        replies
    }

    /// What has come since, without another request.
    pub fn poll(&self) -> Vec<String> {
        self.exchange(b"")
    }

    /// Checks a table of requests and replies, in order.
    #[track_caller]
    pub fn check(&self, table: &[(&str, &str)]) {
        for (line, expected) in table {
            assert_eq!(self.send(line), *expected, "{line}");
        }
    }

    /// Whether the server has closed, or is about to close, this connection.
    pub fn is_closed(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        matches!(inner.engine(self.core).wants(self.connection), Want::Close | Want::Nothing)
    }

    /// The core that it is connected to.
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// Where this connection is in its core's table.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The peer goes away, and the engine hears of it only later, by [`Client::disconnect`].
    pub fn leave_unnoticed(&self) {
        self.inner.borrow().left.borrow_mut().insert((self.core, self.connection));
    }

    /// The peer goes away.
    pub fn disconnect(self) {
        let mut inner = self.inner.borrow_mut();
        inner.engine(self.core).disconnected(self.connection);
        inner.settle();
    }
}

/// Reads that found their key on a core, and reads that did not.
pub fn hits_and_misses(engine: &Engine) -> (u64, u64) {
    let stats = engine.inspect().stats();
    (stats.keyspace_hits, stats.keyspace_misses)
}

impl Inner {
    fn engine(&mut self, core: CoreId) -> &mut Engine {
        &mut self.engines[usize::from(core)]
    }

    fn step(&mut self, choice: usize) -> bool {
        let choice = choice % (self.engines.len() + self.messages.len());
        if choice < self.engines.len() {
            self.turn(choice);
        } else {
            // Messages from one core to another stay in order.
            let (from, to, _) = self.messages[choice - self.engines.len()];
            let first =
                self.messages.iter().position(|&(other_from, other_to, _)| (other_from, other_to) == (from, to));
            let (_, _, message) = self.messages.remove(first.expect("it is there")).expect("it is there");
            self.engine(to).on_message(from, message);
        }
        !self.messages.is_empty() || self.engines.iter().any(Engine::has_work)
    }

    fn turn(&mut self, core: usize) {
        let engine = &mut self.engines[core];
        // Nothing happens to the time: an earlier one is ignored.
        engine.begin_turn(0, clock_ns());
        engine.run_stalled();
        engine.end_overdue_waits();
        self.on_turn_end.iter_mut().for_each(|action| action(engine));
        engine.flush(|to, message| self.messages.push_back((core as CoreId, to, message)));
    }

    fn settle(&mut self) {
        for _ in 0..1_000_000 {
            (0..self.engines.len()).for_each(|core| self.turn(core));
            while let Some((from, to, message)) = self.messages.pop_front() {
                self.engine(to).on_message(from, message);
            }
            if !self.engines.iter().any(Engine::has_work) {
                return;
            }
        }
        panic!("the cores never come to rest");
    }

    fn take_output(&mut self, core: CoreId, connection: ConnectionId) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let engine = self.engine(core);
            engine.take_dirty(&mut Vec::new());
            let more = engine.drain_output(connection);
            if more.is_empty() {
                return out;
            }
            out.extend_from_slice(&more);
            self.settle();
        }
    }
}

fn engine(
    core: CoreId,
    slots: &Arc<SlotMap>,
    config: &Config,
    left: &Left,
    (client_memory, memory_budget): (Arc<ClientMemory>, Arc<MemoryBudget>),
) -> Engine {
    let databases = u16::try_from(config.databases).expect("tests use few databases");
    let keyspace = Keyspace::new(KeyspaceOptions { databases, hash_seed: [1, 2, 3, 4] });
    let identity = Identity { process_id: 1, run_id: "0".repeat(40), started_ms: START_MS, ..Identity::default() };
    let state = CoreState::new(core, slots.cores(), config.clone(), keyspace, identity, 7 + u64::from(core));
    let clients = LeftClients { core, left: Rc::clone(left) };
    let state = state.with_host_functions(HostFunctions { clock_ns, ..HostFunctions::STILL });
    let state = state.with_client_memory(client_memory).with_memory_budget(memory_budget);
    Engine::new(state.with_slots(Arc::clone(slots)).with_clients(Box::new(clients)))
}

/// A request as clients send it.
pub fn encode(arguments: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Takes one reply off `rest` and gives it in the short notation.
pub fn render(rest: &mut &[u8]) -> String {
    let marker = rest[0];
    let line = take_line(rest);
    let text = String::from_utf8_lossy(&line[1..]).into_owned();
    let count = || text.parse::<i64>().expect("a length is a number");
    match marker {
        b'$' | b'*' if text == "-1" => "nil".to_owned(),
        b'_' => "nil".to_owned(),
        b'$' => format!("\"{}\"", take_bytes(rest, count()).escape_ascii()),
        b'=' => format!("={}", take_bytes(rest, count()).escape_ascii()),
        b'*' => format!("[{}]", render_all(rest, count())),
        b'~' => format!("~[{}]", render_all(rest, count())),
        b'>' => format!(">[{}]", render_all(rest, count())),
        b'%' => {
            let pairs: Vec<String> = (0..count()).map(|_| format!("{}: {}", render(rest), render(rest))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        b'+' | b'-' | b':' | b',' | b'#' | b'(' => String::from_utf8_lossy(line).into_owned(),
        other => panic!("no reply begins with {:?}", other as char),
    }
}

fn render_all(rest: &mut &[u8], count: i64) -> String {
    let elements: Vec<String> = (0..count).map(|_| render(rest)).collect();
    elements.join(", ")
}

fn take_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line ends");
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    line
}

fn take_bytes<'a>(rest: &mut &'a [u8], len: i64) -> &'a [u8] {
    let len = usize::try_from(len).expect("a length is not negative");
    let bytes = &rest[..len];
    assert_eq!(&rest[len..len + 2], b"\r\n", "a string ends with a line end");
    *rest = &rest[len + 2..];
    bytes
}
