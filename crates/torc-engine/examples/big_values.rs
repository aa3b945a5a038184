//! How long one command can hold a core because a value is big: the growth of a value of many elements, what is done to it as a whole,
//! and every step of freeing it.
//!
//! `cargo run --release -p torc-engine --example big_values -- [millions of elements] [runs] [types] [removals]` (10 3, all, all); types and removals are
//! lists of the beginnings of their names, with commas (`list,stream DEL,wait`; `none` leaves `DEL big` alone, without copies).
//!
//! One engine, no sockets, the server's allocator. Each type is built with commands of one element; then come the commands on the whole value,
//! and for each way to get rid of it a copy is made, removed, and freed by the background in slices of 100 us, as the server asks for them. All times are CPU
//! time of the thread, so that who else uses the machine matters little. Still a page fault or an interrupt may be charged to us: all
//! of it runs several times in the same way, every single step keeps its best time, and the table shows the worst of these and how many are over 100 us.

#[path = "big/core.rs"]
mod one_core;
#[path = "big/times.rs"]
mod times;
#[path = "big/types.rs"]
mod types;

use one_core::Core;
use times::Times;
use types::{Selection, TYPES, Type, cpu_ns};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As in the server's loop.
const UNITS_PER_TURN: u32 = 1000;

/// Commands on the whole of any value.
const WHOLE: [&str; 13] = [
    "TYPE big",
    "OBJECT ENCODING big",
    "DEBUG OBJECT big",
    "MEMORY USAGE big",
    "MEMORY USAGE big SAMPLES 0",
    "EXPIRE big 1000",
    "EXPIRE big 2000",
    "PERSIST big",
    "RENAME big large",
    "RENAMENX large big",
    "MOVE big 1",
    "SWAPDB 0 1",
    "TOUCH big",
];

/// Ways for the copy to go, each one command; `wait` lets it expire.
const REMOVALS: [&str; 11] = [
    "DEL victim",
    "UNLINK victim",
    "SET victim over",
    "RENAME other victim",
    "COPY other victim REPLACE",
    "SUNIONSTORE victim few",
    "EXPIRE victim -1",
    "wait EXISTS victim",
    "wait",
    "FLUSHDB",
    "FLUSHALL ASYNC",
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let millions = arguments.next().map_or(10, |text| text.parse().expect("a number of millions"));
    let runs: usize = arguments.next().map_or(3, |text| text.parse().expect("a number of runs"));
    let mut selection = || Selection(arguments.next());
    let (types, removals) = (selection(), selection());
    println!("| value | command | longest, us | over 100 us | of |\n|---|---|--:|--:|--:|");
    for kind in TYPES.iter().filter(|kind| types.has(kind.name)) {
        let mut times = Times::default();
        for _ in 0..runs {
            measure(kind, kind.per_million * millions, &removals, &mut times);
        }
        times.print(kind.name);
    }
}

/// One run through everything with one type.
fn measure(kind: &Type, count: u64, removals: &Selection, times: &mut Times) {
    let mut core = Core::new();
    let mut growth = times.series("growth, by element");
    for number in 0..count {
        growth.add(core.call(&(kind.add)(number)));
    }
    for line in WHOLE.iter().chain(kind.whole) {
        times.series(line).add(core.line(line));
        // The commands that change places leave the value in database 0, under its name, in the end.
        if *line == "MOVE big 1" {
            assert_eq!(core.reply, b":1\r\n");
        }
    }
    for line in kind.cut.iter().chain(REMOVALS.iter().filter(|line| removals.has(line))) {
        core.line("DEL victim");
        core.line("SADD few 1 2 3");
        core.line("SET other value");
        times.series("COPY big victim (O(N))").add(core.line("COPY big victim"));
        assert_eq!(core.reply, b":1\r\n");
        remove(&mut core, line, times);
    }
    remove(&mut core, "DEL big", times);
}

/// Removes a value in one way, and lets the background free it.
fn remove(core: &mut Core, line: &str, times: &mut Times) {
    let command = match line.strip_prefix("wait") {
        Some(command) => {
            core.line("PEXPIRE victim 5");
            core.now_us += 10_000;
            core.engine.set_time(core.now_us);
            command.trim()
        }
        None => line,
    };
    if line.starts_with("FLUSH") {
        // Only the copy is to go, so that there is something left to copy.
        core.line("MOVE victim 2");
        core.line("SELECT 2");
    }
    if !command.is_empty() {
        times.series(line).add(core.line(command));
    }
    let mut slices = times.series(&format!("{line}: a step of the background"));
    loop {
        let start = cpu_ns();
        let more = core.engine.upkeep(UNITS_PER_TURN).more;
        slices.add(cpu_ns() - start);
        if !more {
            break;
        }
    }
    core.line("SELECT 0");
    let start = cpu_ns();
    // SAFETY: the allocator may be asked to tidy up at any time.
    unsafe { libmimalloc_sys::mi_collect(false) };
    times.series("what the allocator gives back, once a second").add(cpu_ns() - start);
}
