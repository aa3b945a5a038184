//! Nanoseconds per request and per reply, on one core and with everything in cache:
//! `cargo run -p torc-resp --profile quick --example timing`.

use std::hint::black_box;
use std::time::Instant;

use torc_resp::{Limits, OutputBuffer, Parsed, Parser, Protocol, Reply, write_request};

fn main() {
    let key = "key:000000012345";
    time_parser("GET", &["GET", key]);
    time_parser("SET, 3 bytes", &["SET", key, "abc"]);
    time_parser("SET, 64 bytes", &["SET", key, &"v".repeat(64)]);
    time_parser(
        "MSET, 10 pairs",
        &["MSET"].into_iter().chain([key, "value"].into_iter().cycle().take(20)).collect::<Vec<_>>(),
    );
    time_reply("integer 1", |reply| reply.integer(black_box(1)));
    time_reply("integer 1234567", |reply| reply.integer(black_box(1_234_567)));
    time_reply("bulk, 3 bytes", |reply| reply.bulk(black_box(b"abc")));
    time_reply("bulk, 64 bytes", |reply| reply.bulk(black_box(&[b'v'; 64])));
    time_reply("bulk, 1000 bytes", |reply| reply.bulk(black_box(&[b'v'; 1000])));
    time_reply("double 1.5", |reply| reply.double(black_box(1.5)));
}

/// A pipeline of 16 equal requests, as the hot path sees it.
fn time_parser(name: &str, request: &[&str]) {
    let mut pipeline = Vec::new();
    for _ in 0..16 {
        write_request(&mut pipeline, request);
    }
    let limits = Limits::default();
    let mut parser = Parser::default();
    let mut best_ns = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REPETITIONS {
            let mut rest = black_box(&pipeline[..]);
            while let Parsed::Complete { consumed } = parser.parse(rest, &limits) {
                black_box(parser.args(rest).len());
                rest = &rest[consumed..];
            }
        }
        best_ns = best_ns.min(start.elapsed().as_nanos() as f64 / f64::from(REPETITIONS * 16));
    }
    println!("parse {name:<16} {best_ns:6.1} ns");
}

fn time_reply(name: &str, write: impl Fn(&mut Reply)) {
    let mut out = OutputBuffer::new();
    let mut best_ns = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REPETITIONS {
            out.clear();
            for _ in 0..16 {
                write(&mut Reply::new(&mut out, Protocol::Resp3));
            }
            black_box(&out);
        }
        best_ns = best_ns.min(start.elapsed().as_nanos() as f64 / f64::from(REPETITIONS * 16));
    }
    println!("reply {name:<16} {best_ns:6.1} ns");
}

const ROUNDS: u32 = 20;
const REPETITIONS: u32 = 10_000;
