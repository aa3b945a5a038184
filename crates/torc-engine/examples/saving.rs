//! How long a core is held while a big value is saved and written to all the time: the cut, every slice, and every command.
//!
//! `cargo run --release -p torc-engine --example saving -- [thousands of elements] [runs] [types]` (1000 3, all); types are the beginnings of names,
//! with commas.
//!
//! One engine, no sockets, the server's allocator. A value is built; then it is caught, and slices as the server takes them come in turn with
//! commands that change it at the ends and everywhere. All times are CPU time of the thread; all of it runs several times in the same way,
//! and every single step keeps its best time, as in `big_values`.

#[path = "big/core.rs"]
mod one_core;
#[path = "big/times.rs"]
mod times;
#[path = "big/types.rs"]
mod types;

use std::ops::ControlFlow;

use one_core::Core;
use times::Times;
use torc_engine::saving::SaveForm;
use types::{Selection, TYPES, Type, cpu_ns, request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As in the server's loop.
const SLICE_BYTES: usize = 8 << 10;
const PART_BYTES: usize = 256 << 10;

/// Beginnings of names of types that are measured, with what changes such a value; NUMBER is another one each time,
/// below the number of elements, and PADDED the same with six digits.
const CHANGES: [(&str, &[&str]); 5] = [
    ("list", &["RPUSH big new", "LPOP big", "RPOP big", "LSET big NUMBER later", "LPUSH big new"]),
    ("set", &["SADD big el-0000000PADDED", "SREM big el-0000000PADDED", "SADD big new-PADDED"]),
    ("hash", &["HSET big el-0000000PADDED later", "HDEL big el-0000000PADDED", "HSET big new-PADDED value"]),
    (
        "sorted set",
        &["ZINCRBY big 5 el-0000000PADDED", "ZREM big el-0000000PADDED", "ZADD big 7 new-PADDED", "ZPOPMIN big"],
    ),
    (
        "stream",
        &[
            "XADD big * field later",
            "XDEL big NUMBER-1",
            "XADD big MAXLEN 999000 * field later",
            "XREADGROUP GROUP group two COUNT 2 STREAMS big >",
            "XACK big group NUMBER-1",
            "XCLAIM big group three 0 NUMBER-1",
        ],
    ),
];
/// Commands that take much away, each done once in the middle.
const CUTS: [(&str, &[&str]); 3] = [
    ("list", &["LTRIM big 100000 -100001"]),
    ("sorted set", &["ZREMRANGEBYRANK big 1000 2000", "ZREMRANGEBYRANK big 100000 299999"]),
    ("stream", &["XTRIM big MAXLEN 500000", "XGROUP DESTROY big gone"]),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let thousands: u64 = arguments.next().map_or(1000, |text| text.parse().expect("a number of thousands"));
    let runs: usize = arguments.next().map_or(3, |text| text.parse().expect("a number of runs"));
    let types = Selection(arguments.next());
    println!("| value | step | longest, us | over 100 us | of |\n|---|---|--:|--:|--:|");
    for kind in TYPES.iter().filter(|kind| types.has(kind.name) && kind.per_million == 1_000_000) {
        for (form, name) in [(SaveForm::Rdb, "RDB"), (SaveForm::Commands, "commands")] {
            let mut times = Times::default();
            for _ in 0..runs {
                measure(kind, thousands * 1000, form, &mut times);
            }
            times.print(&format!("{}, {name}", kind.name));
        }
    }
}

/// What belongs to the type in a list like [`CHANGES`].
fn of_type(all: &[(&str, &'static [&'static str])], kind: &Type) -> &'static [&'static str] {
    let own = |(name, _): &&(&str, &[&str])| kind.name.starts_with(name);
    // "set" is a beginning of no other name.
    all.iter().find(own).map_or(&[], |(_, lines)| lines)
}

/// One run.
fn measure(kind: &Type, count: u64, form: SaveForm, times: &mut Times) {
    let mut core = Core::new();
    (0..count).for_each(|number| _ = core.call(&(kind.add)(number)));
    if kind.name == "stream" {
        for group in ["group", "gone"] {
            core.line(&format!("XGROUP CREATE big {group} 0"));
            let line = format!("XREADGROUP GROUP {group} one COUNT 1000 STREAMS big >");
            (0..count / 2000).for_each(|_| _ = core.line(&line));
        }
    }
    let changes = of_type(&CHANGES, kind);
    for (at, line) in changes.iter().enumerate() {
        times.series(&format!("{line}, idle")).add(core.call(&change(line, at as u64, count)));
    }
    let start = cpu_ns();
    core.engine.begin_cut(1, form, false);
    times.series("the cut").add(cpu_ns() - start);
    assert!(core.engine.is_saving() && !core.engine.take_host_requests().is_empty());
    save(&mut core, kind, count, times);
}

fn save(core: &mut Core, kind: &Type, count: u64, times: &mut Times) {
    let changes = of_type(&CHANGES, kind);
    let mut cuts = of_type(&CUTS, kind).iter();
    let (mut turn, mut bytes, mut memory) = (0, 0, Vec::with_capacity(PART_BYTES + PART_BYTES / 8));
    loop {
        let wanted = (core.engine.part_bytes() + SLICE_BYTES).min(PART_BYTES);
        let start = cpu_ns();
        let is_through = core.engine.save_slice(wanted) == ControlFlow::Break(());
        if is_through || core.engine.part_bytes() >= PART_BYTES || core.engine.is_part_complete() {
            // As in the server, whose writer sends them back.
            memory = core.engine.take_part(memory).bytes;
            bytes += memory.len();
        }
        times.row("a slice", turn).add(cpu_ns() - start);
        if is_through {
            break;
        }
        let line = changes[turn % changes.len()];
        times.row(line, turn / changes.len()).add(core.call(&change(line, turn as u64 * 7919, count)));
        turn += 1;
        if turn.is_multiple_of(200)
            && let Some(line) = cuts.next()
        {
            times.series(line).add(core.line(line));
        }
    }
    assert!(bytes as u64 > count, "{bytes}");
    let start = cpu_ns();
    core.engine.end_saving();
    times.series("the end").add(cpu_ns() - start);
    // Of streams the same is nothing the second time.
    for line in of_type(&CUTS, kind).iter().filter(|_| kind.name != "stream") {
        times.series(&format!("{line}, idle")).add(core.line(line));
    }
}

fn change(line: &str, number: u64, count: u64) -> Vec<Vec<u8>> {
    // Some have gone meanwhile.
    let number = number % (count / 2) + 1;
    request(&line.replace("NUMBER", &number.to_string()).replace("PADDED", &format!("{number:06}")), &[])
}
