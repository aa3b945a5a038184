//! How well and how fast a server evicts: hit rates on traces, CPU and latency of writes, and what is resident while sizes change.
//!
//! ```text
//! eviction hits  --server <binary> [--policy allkeys-lru]     traces of 1 M keys with room for a fifth of them
//! eviction cost  --server <binary> [--policy allkeys-lru]     SETs of new keys at the limit
//! eviction churn --server <binary> [--policy allkeys-lru]     values from 16 B to 64 KiB, of which the usual size changes
//! eviction best                                               what is possible on the traces: Belady's optimum, LRU, W-TinyLFU
//! ```
//! The server is any that speaks RESP and takes Redis's options; it is started here on a free port, and ended. A miss is answered by a SET,
//! as a cache in front of a database does.

mod client;
mod ideal;
mod trace;

use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};

use client::{Connection, Server};
use trace::{KEYS, Kind, Trace};

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Hit rates.
    Hits(Run),
    /// CPU time and latency of SETs at the limit.
    Cost(Run),
    /// What is resident while sizes change.
    Churn(Run),
    /// What is possible.
    Best {
        /// Requests of a trace.
        #[arg(long, default_value_t = 3_000_000)]
        requests: usize,
    },
}

#[derive(clap::Args)]
struct Run {
    /// The server's binary.
    #[arg(long)]
    server: String,
    /// `maxmemory-policy`.
    #[arg(long, default_value = "allkeys-lru")]
    policy: String,
    /// `maxmemory-samples`.
    #[arg(long, default_value_t = 10)]
    samples: u32,
    /// Further options of the server, one word each.
    #[arg(long)]
    option: Vec<String>,
    /// Requests of a trace.
    #[arg(long, default_value_t = 3_000_000)]
    requests: usize,
    /// Seconds of `churn`.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// `maxmemory` of `churn`, MiB.
    #[arg(long, default_value_t = 512)]
    mebibytes: u64,
}

const VALUE: [u8; 100] = [b'v'; 100];
/// Requests sent at once.
const DEPTH: usize = 64;

fn main() {
    match Options::parse().what {
        What::Hits(run) => Kind::ALL.into_iter().for_each(|kind| hits(&run, kind)),
        What::Cost(run) => cost(&run),
        What::Churn(run) => churn(&run),
        What::Best { requests } => Kind::ALL.into_iter().for_each(|kind| ideal::report(kind, requests)),
    }
}

/// A server whose limit is what a fifth of all keys take.
fn limited(run: &Run) -> (Server, Connection) {
    let server = Server::start(&run.server, &run.option);
    let mut connection = server.connect();
    let room: Vec<u32> = (0..KEYS as u32 / 5).collect();
    let before = connection.info("used_memory");
    room.chunks(DEPTH).for_each(|keys| connection.set_all(keys, &VALUE));
    let bytes = connection.info("used_memory") - before;
    connection.ask(&["FLUSHALL"]);
    // It may be freed little by little.
    std::thread::sleep(Duration::from_millis(500));
    let limit = connection.info("used_memory") + bytes;
    connection.ask(&["CONFIG", "SET", "maxmemory-policy", &run.policy]);
    connection.ask(&["CONFIG", "SET", "maxmemory-samples", &run.samples.to_string()]);
    connection.ask(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    (server, connection)
}

fn hits(run: &Run, kind: Kind) {
    let (server, mut connection) = limited(run);
    let trace: Vec<u32> = Trace::new(kind).take(run.requests).collect();
    let began = Instant::now();
    let (mut hits, mut counted) = (0, 0);
    for (number, keys) in trace.chunks(DEPTH).enumerate() {
        let found = connection.get_all(keys);
        let missed: Vec<u32> = keys.iter().zip(&found).filter(|(_, found)| !**found).map(|(key, _)| *key).collect();
        connection.set_all(&missed, &VALUE);
        // The first third fills the cache.
        if number * DEPTH >= run.requests / 3 {
            hits += found.iter().filter(|found| **found).count();
            counted += found.len();
        }
    }
    println!(
        "{} {} {}: hit rate {:.2} %, {} keys, {} evicted, {:.1} s, {:.2} us of CPU a request",
        run.server.rsplit('/').next().unwrap_or_default(),
        run.policy,
        kind.name(),
        hits as f64 * 100.0 / counted as f64,
        connection.number(&["DBSIZE"]),
        connection.info("evicted_keys"),
        began.elapsed().as_secs_f64(),
        server.cpu().as_secs_f64() * 1e6 / run.requests as f64,
    );
}

fn cost(run: &Run) {
    let (server, mut connection) = limited(run);
    let all: Vec<u32> = (0..KEYS as u32).collect();
    all[..KEYS / 5 * 2].chunks(DEPTH).for_each(|keys| connection.set_all(keys, &VALUE));
    let (cpu, evicted) = (server.cpu(), connection.info("evicted_keys"));
    all[KEYS / 5 * 2..].chunks(DEPTH).for_each(|keys| connection.set_all(keys, &VALUE));
    let sets = (KEYS - KEYS / 5 * 2) as f64;
    let cpu_us = (server.cpu() - cpu).as_secs_f64() * 1e6 / sets;
    let evicted = connection.info("evicted_keys") - evicted;
    // The same into keys that are there, without eviction.
    connection.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    let there = &all[KEYS - 100_000..];
    let cpu = server.cpu();
    for _ in 0..6 {
        there.chunks(DEPTH).for_each(|keys| connection.set_all(keys, &VALUE));
    }
    let plain_us = (server.cpu() - cpu).as_secs_f64() * 1e6 / 600_000.0;
    let limit = connection.info("used_memory");
    connection.ask(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    let mut times: Vec<Duration> = Vec::new();
    for key in 0..100_000 {
        let began = Instant::now();
        connection.set_all(&[KEYS as u32 + key], &VALUE);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize - 1].as_secs_f64() * 1e6;
    println!(
        "{} {}: {cpu_us:.2} us of CPU a SET with {:.2} evictions, {plain_us:.2} us without any; latency p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us",
        run.server.rsplit('/').next().unwrap_or_default(),
        run.policy,
        evicted as f64 / sets,
        at(0.5),
        at(0.99),
        at(0.999),
    );
}

fn churn(run: &Run) {
    let server = Server::start(&run.server, &run.option);
    let mut connection = server.connect();
    let limit = run.mebibytes << 20;
    connection.ask(&["CONFIG", "SET", "maxmemory-policy", &run.policy]);
    connection.ask(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    let idle = server.resident();
    let value = vec![b'v'; 64 << 10];
    let (mut random, mut most, mut sets) = (trace::Random(7), 0, 0u64);
    let (began, mut looked) = (Instant::now(), Instant::now());
    let mut at_limit = false;
    while began.elapsed() < Duration::from_secs(run.seconds) {
        // What is usual changes every two seconds between 16 B and 64 KiB; a quarter is of any size.
        let usual = 16usize << (began.elapsed().as_secs() / 2 * 5 % 13);
        let keys: Vec<u32> = (0..DEPTH).map(|_| random.below(20_000_000) as u32).collect();
        for key in keys {
            let bytes = if random.below(4) == 0 { 16 << random.below(13) } else { usual };
            let len = (bytes + random.below(bytes)).min(value.len());
            connection.queue_set(key, &value[..len]);
            sets += 1;
        }
        connection.flush_sets();
        if looked.elapsed() > Duration::from_millis(50) {
            looked = Instant::now();
            most = most.max(server.resident());
            at_limit |= connection.info("evicted_keys") > 0;
        }
    }
    assert!(at_limit, "the limit was never reached: run it for longer");
    println!(
        "{} {}: resident {:.3} of maxmemory at most ({} MiB; {} MiB before), at the end {:.3}, used {:.3}; {sets} SETs",
        run.server.rsplit('/').next().unwrap_or_default(),
        run.policy,
        most as f64 / limit as f64,
        run.mebibytes,
        idle >> 20,
        server.resident() as f64 / limit as f64,
        connection.info("used_memory") as f64 / limit as f64,
    );
}
