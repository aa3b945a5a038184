//! No command works in proportion to a big value where it need not: what it allocates, frees and leaves to the background is counted, not timed.
//!
//! `examples/big_values.rs` has the times.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{Client, TestCore, key_of_each_core};
use torc_store::{KeyspaceStats, MemoryUse};

/// Counts what each thread asks of the system's allocator.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    CALLS.set(CALLS.get() + 1);
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: hands everything on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(if layout.align() == HEAP_ALIGN { 0 } else { layout.size() });
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ELEMENTS: usize = 12_000;

/// What adds the element `{}` to the key `big`; of the string, 100 bytes; more than a mebibyte in all.
const TYPES: [&str; 7] = [
    "RPUSH big element-{}",
    "SADD big element-{}",
    "HSET big field-{} value-{}",
    "HSETEX big EX 1000 FIELDS 1 field-{} value-{}",
    "ZADD big {} element-{}",
    "XADD big 1-{} field value-{}",
    "APPEND big 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
];

/// Most calls of the allocator by one command, the client's own few dozen included. A value has thousands of allocations, or tens of thousands.
const CALLS_MAX: usize = 150;
/// Most bytes allocated by a command that adds one element, the client's included: nothing doubles as a whole.
const GROWTH_BYTES_MAX: usize = 200 << 10;
/// Memory with this alignment is a part of a heap, of which nothing is touched before it is used: its size says nothing about the work.
const HEAP_ALIGN: usize = 64 << 10;

struct Server {
    core: TestCore,
    client: Client,
}

impl Server {
    fn new() -> Server {
        Server::of_cores(1)
    }

    fn of_cores(cores: u16) -> Server {
        let core = TestCore::new(cores);
        let client = core.client();
        // What the process makes once, whichever command is the first.
        client.send("PING");
        Server { core, client }
    }

    /// Builds the value element by element; gives the most bytes that one command allocated.
    fn build(&self, line: &str) -> usize {
        let mut most = 0;
        for number in 1..=ELEMENTS {
            let line = line.replace("{}", &number.to_string());
            let (_, bytes) = self.counted(&line);
            most = most.max(bytes);
        }
        // What the growth itself has left to the background.
        self.core.upkeep();
        most
    }

    /// Sends a command that must succeed; gives the allocator's calls and bytes.
    fn counted(&self, line: &str) -> (usize, usize) {
        CALLS.set(0);
        BYTES.set(0);
        let reply = self.client.send(line);
        let counts = (CALLS.get(), BYTES.get());
        assert!(!reply.starts_with('-') && reply != ":0", "{line}: {reply}");
        counts
    }

    fn stats(&self) -> KeyspaceStats {
        self.core.engine(0, |engine| engine.inspect().keyspace().stats())
    }

    fn memory(&self, core: u16) -> MemoryUse {
        self.core.engine(core, |engine| engine.inspect().keyspace().memory())
    }

    /// Bytes of elements and their containers.
    fn value_bytes(&self) -> usize {
        self.value_bytes_of(0)
    }

    fn value_bytes_of(&self, core: u16) -> usize {
        let memory = self.memory(core);
        memory.entries_bytes + memory.large_bytes
    }
}

#[test]
fn an_element_more_never_moves_the_whole_value() {
    for line in TYPES {
        let most = Server::new().build(line);
        // A string doubles up to 1 MiB; from then on it grows by moving its pages.
        let allowed = if line.starts_with("APPEND") { 2 << 20 } else { GROWTH_BYTES_MAX };
        assert!(most < allowed, "{line}: {most} bytes");
    }
}

#[test]
fn what_concerns_the_key_does_not_look_at_the_elements() {
    for line in TYPES {
        let server = Server::new();
        server.build(line);
        let before = server.value_bytes();
        for command in [
            "TYPE big",
            "OBJECT ENCODING big",
            "MEMORY USAGE big",
            "EXPIRE big 1000",
            "EXPIRE big 2000",
            "PERSIST big",
            "RENAME big large",
            "RENAMENX large big",
            "MOVE big 1",
            "SWAPDB 0 1",
        ] {
            let (calls, bytes) = server.counted(command);
            assert!(calls < CALLS_MAX && bytes < 64 << 10, "{command} after {line}: {calls} calls, {bytes} bytes");
            assert!(server.value_bytes().abs_diff(before) < 1000, "{command} after {line}");
        }
        assert_eq!(server.stats().lazyfree_pending_objects, 0, "{line}");
    }
}

#[test]
fn a_value_goes_to_another_core_without_a_look_at_its_elements() {
    let keys = key_of_each_core(2, "away");
    for line in TYPES {
        let server = Server::of_cores(2);
        server.build(line);
        let (here, there) = if server.value_bytes_of(0) > 1000 { (0, 1) } else { (1, 0) };
        let full = server.value_bytes_of(here);
        let away = &keys[usize::from(there)];
        for command in [format!("RENAME big {away}"), format!("RENAMENX {away} big"), format!("RENAME big {away}")] {
            let (calls, bytes) = server.counted(&command);
            // Most of it is the transaction's.
            assert!(calls < 2 * CALLS_MAX && bytes < 64 << 10, "{command} after {line}: {calls} calls, {bytes} bytes");
        }
        assert!(server.value_bytes_of(here) < 1000, "{line}: {}", server.value_bytes_of(here));
        assert!(server.value_bytes_of(there).abs_diff(full) < 1000, "{line}");
        let (calls, _) = server.counted(&format!("DEL {away}"));
        assert!(calls < CALLS_MAX && server.value_bytes_of(there) + 2000 > full, "{line}: {calls} calls");
        server.core.upkeep();
        assert!(server.value_bytes_of(there) < 1000, "{line}: {}", server.value_bytes_of(there));
    }
}

#[test]
fn whatever_ends_a_big_value_leaves_it_to_the_background() {
    for line in TYPES {
        for command in [
            "DEL big",
            "UNLINK big",
            "SET big short",
            "RENAME other big",
            "SUNIONSTORE big few",
            "EXPIRE big -1",
            "RESTORE big 0 {dump} REPLACE",
            "FLUSHDB",
            "FLUSHALL",
            "FLUSHALL SYNC",
            "expired EXISTS short",
        ] {
            ends_later(line, command);
        }
    }
}

/// Builds a value, ends it by a command, and checks that the command freed nothing and that the background frees all in steps of limited size.
fn ends_later(line: &str, command: &str) {
    let server = Server::new();
    server.build(line);
    server.client.check(&[("SADD few 1 2 3", ":3"), ("SET other value", "+OK"), ("SET short x", "+OK")]);
    let full = server.value_bytes();
    if let Some(command) = command.strip_prefix("expired ") {
        server.client.check(&[("PEXPIRE big 1", ":1")]);
        server.core.advance_ms(10);
        server.client.check(&[(command, ":1"), ("EXISTS big", ":0")]);
    } else if command.contains("{dump}") {
        let dump = server.client.send("DUMP short");
        let (calls, _) = server.counted(&command.replace("{dump}", &dump));
        assert!(calls < CALLS_MAX, "{command} after {line}: {calls} calls");
    } else {
        let (calls, bytes) = server.counted(command);
        assert!(calls < CALLS_MAX && bytes < 64 << 10, "{command} after {line}: {calls} calls, {bytes} bytes");
    }
    assert!(server.value_bytes() + 2000 > full, "{command} after {line} has freed much at once");
    assert!(server.stats().lazyfree_pending_objects > 0, "{command} after {line}");
    free_in_steps(&server, &format!("{command} after {line}"));
    assert_eq!(server.stats().lazyfree_pending_objects, 0, "{command} after {line}");
    assert!(server.value_bytes() < 4000, "{command} after {line}: {}", server.value_bytes());
}

/// Lets the background free what `command` left, in steps of limited size.
fn free_in_steps(server: &Server, command: &str) {
    loop {
        let before = server.value_bytes();
        CALLS.set(0);
        let more = server.core.engine(0, |engine| engine.upkeep(1)).more;
        let (calls, bytes) = (CALLS.get(), before - server.value_bytes());
        assert!(calls < 2500 && bytes < 1200 << 10, "a step after {command}: {calls} calls, {bytes} bytes");
        if !more {
            break;
        }
    }
    assert_eq!(server.stats().lazyfree_pending_objects, 0, "{command}");
}

#[test]
fn trimming_a_stream_leaves_its_nodes_to_the_background() {
    for (command, left) in [
        ("XTRIM big MAXLEN 0", 0),
        ("XTRIM big MAXLEN 5", 5),
        ("XTRIM big MAXLEN 3001", 3001),
        ("XTRIM big MINID 1-11990", 11),
        ("XTRIM big MAXLEN ~ 10 LIMIT 0", 100),
        ("XTRIM big MAXLEN 7 DELREF", 7),
        ("XTRIM big MAXLEN 7 ACKED", 7),
        ("XADD big MAXLEN 1 * field value", 1),
    ] {
        for group in [None, Some("XGROUP CREATE big done $")] {
            let server = Server::new();
            server.build("XADD big 1-{} field value-{}");
            group.into_iter().for_each(|line| assert_eq!(server.client.send(line), "+OK"));
            let full = server.value_bytes();
            let (calls, bytes) = server.counted(command);
            assert!(calls < CALLS_MAX && bytes < 64 << 10, "{command}: {calls} calls, {bytes} bytes");
            assert_eq!(server.client.send("XLEN big"), format!(":{left}"), "{command}");
            assert!(server.value_bytes() > full / 2, "{command} has freed much at once");
            assert!(server.stats().lazyfree_pending_objects > 0, "{command}");
            free_in_steps(&server, command);
            let expected = full * left / ELEMENTS;
            assert!(server.value_bytes() < expected + 6000, "{command}: {} of {full}", server.value_bytes());
        }
    }
}
