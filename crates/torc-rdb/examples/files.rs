//! What files cost: megabytes per second of CPU time for the checksum, for writing, for framing and for decoding.
//!
//! `cargo run --release -p torc-rdb --example files [thousands of keys]`
//!
//! ```text
//!   small strings   16-byte keys, 32-byte values        lists       100 elements of 10 bytes, packed
//!   hashes          10 fields, packed                   big set     one set of a million members, in pieces
//! ```

use torc_rdb::crc64::crc64;
use torc_rdb::file::{self, Assembly, Frame, KeyHead, MAGIC_BYTES, ReadOptions, Reader, VersionRule};
use torc_rdb::{EncodeOptions, Encoder, decode_whole};

/// As much as is read from a disk at once.
const CHUNK_BYTES: usize = 256 << 10;
const BIG_SET_MEMBERS: u64 = 1_000_000;
/// The best of so many runs counts: others share the machine.
const RUNS: usize = 3;
/// A run repeats its work for so long: the system counts CPU time in ticks.
const RUN_NS_MIN: u64 = 300_000_000;

fn main() {
    let thousands: u64 = std::env::args().nth(1).map_or(1000, |text| text.parse().expect("a number"));
    let bytes: Vec<u8> = (0..64_u32 << 20).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    report("checksum, 256 KiB at a time", bytes.len(), || {
        bytes.chunks(CHUNK_BYTES).fold(0, crc64);
    });
    report("checksum, 100 bytes at a time", bytes.len(), || {
        bytes.chunks(100).fold(0, crc64);
    });
    measure("small strings", &|out| {
        write_keys(out, thousands * 1000, |encoder, number| encoder.string(&text::<32>(b'v', number)));
    });
    measure("hashes", &|out| {
        write_keys(out, thousands * 50, |encoder, number| {
            let field =
                move |field: u64| (text::<6>(b'f', field), text::<10>(b'x', number * 7919 + field * 104_729), None);
            encoder.hash(|| (0..10).map(field));
        });
    });
    measure("lists", &|out| {
        write_keys(out, thousands * 10, |encoder, number| {
            encoder.list((0..100).map(|element| text::<10>(b'x', number * 100 + element)));
        });
    });
    measure("big set", &|out| {
        let set = |encoder: &mut Encoder<'_>| encoder.begin_set(BIG_SET_MEMBERS);
        let mut pieces = write_key(out, 0, set);
        (0..BIG_SET_MEMBERS).for_each(|number| pieces.add(out, &text::<17>(b'm', number)));
        pieces.finish();
    });
}

/// A letter and as many digits as there is room for, without the cost of formatting.
fn text<const LEN: usize>(letter: u8, mut number: u64) -> [u8; LEN] {
    let mut text = [b'0'; LEN];
    text[0] = letter;
    for digit in text[1..].iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text
}

/// Writes keys into one buffer, frames them, decodes them.
fn measure(what: &str, write: &dyn Fn(&mut Vec<u8>)) {
    let mut body = Vec::new();
    write(&mut body);
    let len = body.len();
    report(&format!("{what}: encode"), len, || {
        body.clear();
        write(&mut body);
    });
    let mut assembly = Assembly::new(VersionRule::Lowest, true);
    let mut file = assembly.magic().to_vec();
    file.append(&mut body);
    assembly.add(&file[MAGIC_BYTES..]);
    assembly.finish(&mut file);
    report(&format!("{what}: frame"), len, || assert!(frames(&file, false, |_, _| {}) > 0));
    report(&format!("{what}: frame, without checksum"), len, || assert!(frames(&file, true, |_, _| {}) > 0));
    let mut values = Vec::new();
    frames(&file, true, |kind, value| values.push((kind, value.to_vec())));
    report(&format!("{what}: decode"), len, || {
        values.iter().for_each(|(kind, value)| drop(decode_whole(value, *kind, 10).expect("a value")));
    });
}

/// How many frames the file has.
fn frames(bytes: &[u8], ignores_checksum: bool, mut each: impl FnMut(u8, &[u8])) -> usize {
    let mut reader = Reader::new(ReadOptions { ignores_checksum, ..ReadOptions::default() });
    let mut count = 0;
    for chunk in bytes.chunks(CHUNK_BYTES) {
        reader.feed(chunk);
        while let Some(frame) = reader.next_frame().expect("a sound file") {
            count += 1;
            if let Frame::Key(key) = frame {
                each(key.kind, key.value);
            }
        }
    }
    reader.close().expect("a whole file");
    count
}

fn write_keys(out: &mut Vec<u8>, count: u64, value: impl Fn(&mut Encoder<'_>, u64)) {
    (0..count).for_each(|number| write_key(out, number, |encoder| value(encoder, number)));
}

fn write_key<R>(out: &mut Vec<u8>, number: u64, value: impl FnOnce(&mut Encoder<'_>) -> R) -> R {
    let (head, options) = (KeyHead::default(), EncodeOptions::default());
    let written = file::write_key(out, &text::<16>(b'k', number), &head, &options, VersionRule::Lowest, value);
    written.expect("version 10 holds it").0
}

fn report(what: &str, bytes: usize, mut work: impl FnMut()) {
    let mut rate = || {
        let (start, mut times) = (cpu_ns(), 0);
        loop {
            work();
            times += 1;
            let took = cpu_ns() - start;
            if took >= RUN_NS_MIN {
                return bytes as f64 * f64::from(times) * 1000.0 / took as f64;
            }
        }
    };
    let best = (0..RUNS).map(|_| rate()).fold(0.0, f64::max);
    println!("{what:40} {best:8.0} MB/s of CPU time");
}

/// Nanoseconds of CPU time that this thread has used.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says so");
    text.split_whitespace().next().and_then(|number| number.parse().ok()).expect("the first number is the time")
}
