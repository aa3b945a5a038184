//! Single commands that ask for memory or time by a number, not by what they send.
//!
//! ```text
//!   offsets, lengths, counts: within proto-max-bulk-len they are served, beyond it they are refused, and what is refused
//!   has taken nothing
//!   payloads: nothing is made for a length that is only announced
//! ```

use super::connection::{Connection, Reply, request, shorten, text};
use super::hosts::skip_checksums;
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] =
    &[&FAR_OFFSETS, &APPEND_LOOP, &LONG_LCS, &BIG_MSET, &RESTORE_BOMBS, &RESTORE_LIES, &COUNTS];

const FAR_OFFSETS: Attack = Attack::new(
    "far-offsets",
    "SETRANGE, SETBIT, BITFIELD far out, within the limit and beyond it",
    // Memory that is cleared and copied, at some gigabytes a second.
    Bounds::new(32, 200, 300),
    far_offsets,
);

fn far_offsets(scene: &mut Scene) -> Outcome<()> {
    let length = scene.size(64 << 20, 400 << 20);
    let mut client = scene.connect()?;
    scene.begin()?;
    // The longest value, and its successor while it is copied.
    scene.allow(length + 1 + length);
    client.expect(&format!("SETRANGE a {} x", length - 1), &length.to_string())?;
    client.expect("DEL a", "1")?;
    client.expect(&format!("SETBIT a {} 1", length * 8 - 1), "0")?;
    client.expect("DEL a", "1")?;
    client.expect(&format!("BITFIELD a SET u8 {} 255", length * 8 - 8), "[0]")?;
    client.expect("DEL a", "1")?;
    client.expect_start("SETRANGE b 536870912 x", "ERR string exceeds maximum allowed size")?;
    client.expect_start("SETRANGE b 9223372036854775807 x", "ERR string exceeds maximum allowed size")?;
    client.expect_start("SETRANGE b -1 x", "ERR offset is out of range")?;
    client.expect_start("SETBIT b 4294967296 1", "ERR bit offset is not an integer or out of range")?;
    client.expect_start("BITFIELD b SET u8 #536870912 1", "ERR bit offset is not an integer or out of range")?;
    client.expect("EXISTS b", "0")
}

const APPEND_LOOP: Attack = Attack::new(
    "append-loop",
    "APPEND of a megabyte and of a byte to one string, over and over, and SETRANGE at its end",
    Bounds::new(32, 50, 100),
    append_loop,
);

fn append_loop(scene: &mut Scene) -> Outcome<()> {
    let megabytes = scene.size(64, 300);
    let mut client = scene.connect()?;
    let piece = vec![b'x'; 1 << 20];
    scene.begin()?;
    // A string that grows has room for as much again, and there are two while it moves.
    scene.allow((megabytes << 20) * 3);
    let append = request(&[b"APPEND".as_slice(), b"a", &piece]);
    for count in 1..=megabytes {
        let reply = client.exchange(&append)?;
        if reply != Reply::Integer((count << 20) as i64) {
            return Err(format!("APPEND: {reply} instead of {}", count << 20));
        }
    }
    client.pipeline((0..5000).map(|_| text("APPEND a y")))?;
    client.expect("STRLEN a", &((megabytes << 20) + 5000).to_string())
}

const LONG_LCS: Attack = Attack::new(
    "long-lcs",
    "LCS of two strings of ten thousands of bytes, whose table would have their product",
    // It computes, in Redis too.
    Bounds::new(64, 3000, 3000),
    long_lcs,
);

fn long_lcs(scene: &mut Scene) -> Outcome<()> {
    let length = scene.size(8_000, 11_000);
    let mut client = scene.connect()?;
    let (one, other) = ("ab".repeat(length as usize / 2), "ba".repeat(length as usize / 2));
    client.expect(&format!("MSET {{a}}1 {one} {{a}}2 {other}"), "OK")?;
    scene.begin()?;
    // The table of the command: four bytes for each pair.
    scene.allow(4 * (length + 1) * (length + 1));
    client.expect("LCS {a}1 {a}2 LEN", &(length - 1).to_string())?;
    // Strings whose table could not be had at all: an error, or a server that needs no table.
    let big = vec![b'x'; 2 << 20];
    client.exchange(&request(&[b"SET".as_slice(), b"{a}1", &big]))?;
    client.exchange(&request(&[b"SET".as_slice(), b"{a}2", &big]))?;
    client.expect_start("LCS {a}1 {a}2", "ERR")
}

const BIG_MSET: Attack = Attack::new(
    "big-mset",
    "MSET, RPUSH, SADD of many megabytes in one request, several clients at once",
    Bounds::new(64, 100, 200),
    big_mset,
);

fn big_mset(scene: &mut Scene) -> Outcome<()> {
    let (clients, values, length) = (scene.size(3, 6), scene.size(16, 40), 1 << 20);
    scene.begin()?;
    // The request, in a buffer that may be half as long again, what goes to other cores, and what is stored.
    scene.allow(clients * values * length / 10 * 35);
    let value = vec![b'x'; length as usize];
    let mut connections = scene.connect_many(clients as usize)?;
    for (client, connection) in connections.iter_mut().enumerate() {
        let mut words = vec![b"MSET".to_vec()];
        for index in 0..values {
            words.push(format!("key:{client}:{index}").into_bytes());
            words.push(value.clone());
        }
        connection.send(&request(&words))?;
    }
    for connection in &mut connections {
        let reply = connection.reply()?.to_string();
        if reply != "OK" {
            return Err(format!("MSET: {reply}"));
        }
    }
    scene.observer.expect("STRLEN key:0:1", &length.to_string())?;
    scene.observer.expect("DBSIZE", &(clients * values).to_string())
}

const RESTORE_BOMBS: Attack = Attack::new(
    "restore-bombs",
    "RESTORE of payloads that are hundred times as long when uncompressed",
    Bounds::new(48, 200, 300),
    restore_bombs,
);

fn restore_bombs(scene: &mut Scene) -> Outcome<()> {
    let (clients, megabytes) = (scene.size(3, 6), scene.size(16, 60));
    skip_checksums(scene)?;
    scene.begin()?;
    let length = megabytes << 20;
    scene.allow(clients * length * 2);
    let bomb = payload(&[&[0][..], &compressed(length as usize)].concat());
    let mut connections = scene.connect_many(clients as usize)?;
    for (client, connection) in connections.iter_mut().enumerate() {
        restore(connection, &format!("key:{client}"), &bomb)?;
    }
    for connection in &mut connections {
        let reply = connection.reply()?.to_string();
        if reply != "OK" {
            return Err(format!("RESTORE of {} bytes of a string: {reply}", bomb.len()));
        }
    }
    scene.observer.expect("STRLEN key:1", &length.to_string())
}

const RESTORE_LIES: Attack = Attack::new(
    "restore-lies",
    "RESTORE of payloads that announce lengths and counts of gigabytes, also nested, and have a few bytes",
    Bounds::new(24, 10, 20),
    restore_lies,
);

fn restore_lies(scene: &mut Scene) -> Outcome<()> {
    skip_checksums(scene)?;
    scene.begin()?;
    let mut client = scene.connect()?;
    // Lengths of 32 and of 64 bits.
    let lengths: [&[u8]; 3] =
        [b"\x80\x7f\xff\xff\xff", b"\x81\x00\x00\x00\xff\xff\xff\xff\xff", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"];
    let lie = [&b"\xc3\x05"[..], lengths[0], b"\x00x\xe0\xff\x00"].concat();
    let nested = [&[0x01][..], &lie].concat();
    for _ in 0..scene.size(40, 500) {
        for kind in 0..=27_u8 {
            for length in lengths {
                let bytes = [&[kind], length, b"\x03abc"].concat();
                refuse(&mut client, &bytes)?;
            }
            // A collection of one element, or a whole one, that is compressed and announces gigabytes.
            refuse(&mut client, &[&[kind], &lie[..]].concat())?;
            // As a string it would be one of one byte, and something behind it.
            if kind != 0 {
                refuse(&mut client, &[&[kind], &nested[..]].concat())?;
            }
        }
    }
    Ok(())
}

fn refuse(client: &mut Connection, bytes: &[u8]) -> Outcome<()> {
    restore(client, "lie", &payload(bytes))?;
    let reply = client.reply()?;
    match reply {
        Reply::Error(_) => Ok(()),
        _ => Err(format!("RESTORE of {:?}: {}", bytes, shorten(&reply.to_string()))),
    }
}

const COUNTS: Attack = Attack::new(
    "far-counts",
    "SRANDMEMBER, HRANDFIELD, ZRANDMEMBER with counts of thousand millions, SCAN COUNT, GETRANGE, LPOP, XRANGE",
    Bounds::new(48, 10, 20),
    far_counts,
);

fn far_counts(scene: &mut Scene) -> Outcome<()> {
    const MOST: &str = "9223372036854775807";
    let mut client = scene.connect()?;
    for words in ["SADD s a b c", "HSET h a 1 b 2", "ZADD z 1 a 2 b", "RPUSH l a b c", "SET v abc", "XADD x 1-1 a b"] {
        client.ask(words)?;
    }
    scene.begin()?;
    for _ in 0..scene.size(50, 500) {
        // Which cursor it returns is another matter.
        client.expect_start(&format!("SCAN 0 MATCH nothing COUNT {MOST}"), "[")?;
        client.expect(&format!("GETRANGE v 0 {MOST}"), "abc")?;
        client.expect(&format!("LRANGE l -3 {MOST}"), "[a b c]")?;
        client.expect(&format!("LPOP none {MOST}"), "nil")?;
        client.expect(&format!("LPOS l a COUNT 0 MAXLEN {MOST}"), "[0]")?;
        client.expect(&format!("XRANGE x - + COUNT {MOST}"), "[[1-1 [a b]]]")?;
        client.expect(&format!("ZRANGEBYSCORE z -inf +inf LIMIT 0 {MOST}"), "[a b]")?;
        let some = client.ask(&format!("SRANDMEMBER s {MOST}"))?;
        if some.elements().len() != 3 {
            return Err(format!("SRANDMEMBER s {MOST}: {some}"));
        }
        for words in ["SRANDMEMBER s", "HRANDFIELD h", "ZRANDMEMBER z"] {
            // Least of all numbers: it cannot be negated.
            client.expect_start(&format!("{words} -9223372036854775808"), "ERR value is out of range")?;
        }
    }
    Ok(())
}

/// What DUMP would return for these bytes: version 10, which all servers take, and a checksum that is not looked at.
fn payload(bytes: &[u8]) -> Vec<u8> {
    [bytes, b"\x0a\x00", &[0; 8]].concat()
}

fn restore(client: &mut Connection, key: &str, payload: &[u8]) -> Outcome<()> {
    client.send(&request(&[b"RESTORE".as_slice(), key.as_bytes(), b"0", payload, b"REPLACE"]))
}

/// A string of `length` times `x`, compressed: a literal, then copies of 264 bytes from one byte back.
fn compressed(length: usize) -> Vec<u8> {
    const COPIED: usize = 264;
    let mut bytes = Vec::new();
    // Literals for what copies of that length leave over, up to 32 a run.
    let literals = (length - 1) % COPIED + 1;
    for run in vec![b'x'; literals].chunks(32) {
        bytes.push(run.len() as u8 - 1);
        bytes.extend_from_slice(run);
    }
    bytes.extend(b"\xe0\xff\x00".repeat((length - literals) / COPIED));
    let mut head = vec![0xc3, 0x80];
    head.extend((bytes.len() as u32).to_be_bytes());
    head.push(0x80);
    head.extend((length as u32).to_be_bytes());
    [head, bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_much_shorter_than_its_value() {
        let bytes = compressed(10 << 20);
        assert!(bytes.len() < 130_000);
        assert_eq!(&bytes[..2], [0xc3, 0x80]);
        assert_eq!(compressed(1)[11..], [0, b'x']);
        assert_eq!(compressed(265)[11..], [0, b'x', 0xe0, 0xff, 0]);
    }
}
