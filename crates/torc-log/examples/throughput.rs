//! What the log itself costs: groups of one SET of 64 bytes, a host whose operations end after so many pushes, no disk.
//!
//! `cargo run --release -p torc-log --example throughput`

use std::collections::VecDeque;
use std::time::Instant;

use torc_log::{
    Encoder, Fsync, Group, Log, Manifest, Names, Now, Operation, Outcome, Passage, Reader, Settings, Start,
    StartContent,
};

const GROUPS: u64 = 4_000_000;

fn main() {
    for fsync in [Fsync::Always, Fsync::EverySecond] {
        for pushes in [1, 16, 256] {
            write(fsync, pushes);
        }
    }
    read();
}

fn open(fsync: Fsync) -> Log {
    let start = Start {
        names: Names::new("a").expect("a good name"),
        manifest: Manifest::default(),
        files: Vec::new(),
        content: StartContent::InFiles,
        tail: None,
        empty_base: bytes::Bytes::new(),
        single_file_bytes: None,
        number: 0,
    };
    Log::open(start, Settings { fsync, rewrite_percentage: 0, ..Settings::default() }, Now::default())
}

fn request() -> Vec<u8> {
    let mut out = Vec::new();
    torc_resp::write_request(&mut out, &[&b"SET"[..], b"key:000000000001", &[b'x'; 64]]);
    out
}

/// An operation ends when so many groups have been pushed after it began.
fn write(fsync: Fsync, pushes: u64) {
    let mut log = open(fsync);
    let (mut encoder, request) = (Encoder::default(), request());
    let mut in_flight: VecDeque<Operation> = VecDeque::new();
    let begun = Instant::now();
    for number in 1..=GROUPS {
        encoder.record([(0, &request[..])]);
        log.push(Group::new(number, encoder.take()));
        in_flight.extend(std::iter::from_fn(|| log.next_operation()));
        if number % pushes == 0 {
            let now = Now { monotonic_ms: number / 1000, unix_ms: 0 };
            for operation in std::mem::take(&mut in_flight) {
                log.complete(operation.id, Outcome::Done, now);
            }
        }
        while log.next_event().is_some() {}
    }
    let statistics = log.statistics();
    println!(
        "{fsync:?}, an operation lasts {pushes} pushes: {:.0} ns a group, {:.1} groups a write, {:.1} a fsync",
        begun.elapsed().as_nanos() as f64 / GROUPS as f64,
        GROUPS as f64 / statistics.writes as f64,
        statistics.groups_synced as f64 / statistics.syncs.max(1) as f64
    );
}

fn read() {
    let bytes = request().repeat(1_000_000);
    let begun = Instant::now();
    let mut reader = Reader::new(0);
    let mut records = 0_u64;
    for chunk in bytes.chunks(256 << 10) {
        reader.feed(chunk);
        while let Some(Passage::Record(record)) = reader.next() {
            records += record.requests().map(|request| request.arguments.iter().len() as u64 / 3).sum::<u64>();
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("read: {:.0} ns a record, {:.2} GB/s", seconds * 1e9 / records as f64, bytes.len() as f64 / seconds / 1e9);
}
