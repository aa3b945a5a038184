//! Values for the names in the rows' syntaxes as the differential test and the tests of RESTORE draw them: from a small world so that commands meet,
//! often at the borders of numbers and encodings, now and then odd. They depend on no client and no run, unlike those of the simulator (`values`).

use std::cell::RefCell;

use crate::grammar::Source;
use torc_engine::random::Random;

/// The borders of integers and of their encodings.
const BORDERS: [&str; 22] = [
    "-9223372036854775808",
    "-9223372036854775807",
    "9223372036854775807",
    "9223372036854775806",
    "9223372036854775808",
    "18446744073709551615",
    "2147483647",
    "-2147483648",
    "2147483648",
    "4294967295",
    "-129",
    "127",
    "128",
    "-1",
    "0",
    "12",
    "13",
    "32767",
    "-32769",
    "8388607",
    "8388608",
    "-8388609",
];

/// What is seldom an integer, a float or an id. None is out of the range of floats: after one of those, the reference takes
/// errors of SORT for granted, since it does not reset errno.
const ODD: [&str; 15] =
    ["", "abc", " 1", "1 ", "01", "+1", "-0", "1.0", "0x10", "nan", "inf", "-inf", "(", "[", "9223372036854775808"];

/// Floats in the notations there are.
const FLOATS: [&str; 19] = [
    "0",
    "-0",
    "1.5",
    "-2.25",
    "3.0e5",
    "1e-10",
    "0.1",
    "0.3",
    "inf",
    "-inf",
    "+inf",
    "1e300",
    "-1e300",
    "1.7976931348623157e308",
    "123456789012345678",
    "1e21",
    "9007199254740993",
    "3",
    "1e17",
];

/// Where values come from.
pub struct Values {
    /// Redis's name of the command's group.
    pub group: &'static str,
    /// Whether SORT and RESTORE are drawn: not in every episode, since the reference gives values another form by them.
    pub reforms: bool,
    /// Whether the request becomes part of a transaction: then nothing waits, whatever its timeout.
    pub is_queued: bool,
    /// The time, in Unix milliseconds.
    pub now_ms: i64,
    /// Payloads that DUMP gave.
    pub payloads: RefCell<Vec<Vec<u8>>>,
}

impl Source for Values {
    fn value_of(&self, name: &str, command: &str, random: &mut Random) -> Vec<u8> {
        match name {
            "key" | "key1" | "key2" | "destination" | "source" | "newkey" | "destkey" | "sourcekey" | "dst" | "src" => {
                self.key(random)
            }
            "element" | "member" | "field" | "value" | "pivot" | "message" => self.text_for(name, command, random),
            "pattern" if command.starts_with("sort") => {
                choose(random, &["nosort", "k*", "w*", "h*->field1", "h*->a", "*", "h*->", "l*", "abc", "#", "nokey"])
            }
            "pattern" => pattern(random),
            "type" => choose(random, &["string", "list", "set", "zset", "hash", "stream", "foo"]),
            "group" => choose(random, &["g0", "g0", "g1", "g2"]),
            "consumer" => choose(random, &["c0", "c0", "c1", "c2"]),
            "serialized-value" => self.payload(random),
            "encoding" => {
                choose(random, &["u8", "i8", "u1", "i64", "u63", "i5", "u16", "i33", "u64", "i65", "u0", "x8", "i"])
            }
            "score" | "weight" => score(random),
            "longitude" | "latitude" | "radius" | "width" | "height" => coordinate(name, random),
            _ => self.number_of(name, command, random).into_bytes(),
        }
    }

    fn surplus(&self, random: &mut Random) -> Vec<u8> {
        text(random)
    }
}

impl Values {
    /// A key, mostly of the group's own kind.
    pub fn key(&self, random: &mut Random) -> Vec<u8> {
        const LETTERS: [&str; 7] = ["k", "l", "h", "s", "z", "x", "p"];
        let own = match self.group {
            "list" => "l",
            "hash" => "h",
            "set" => "s",
            "sorted-set" => "z",
            "geo" => "g",
            "stream" => "x",
            "hyperloglog" => "p",
            "string" | "bitmap" => "k",
            _ => LETTERS[random.below(7) as usize],
        };
        let letter = if random.below(9) == 0 { LETTERS[random.below(7) as usize] } else { own };
        match random.below(60) {
            0 => format!("{letter}9"),
            1 => String::new(),
            13 => return [letter.as_bytes(), b"\x00\xff\r\n{"].concat(),
            14 => format!("{letter}{}", "long".repeat(80)),
            // One slot for all of these.
            2..=12 => format!("{{t}}{letter}"),
            number => format!("{letter}{}", number % 4),
        }
        .into_bytes()
    }

    fn text_for(&self, name: &str, command: &str, random: &mut Random) -> Vec<u8> {
        match (command, name) {
            ("setbit", "value") => choose(random, &["0", "1", "1", "1", "2", "-1", "x"]),
            ("bitfield", "value") => number(random, 300),
            _ => text(random),
        }
    }

    fn payload(&self, random: &mut Random) -> Vec<u8> {
        let payloads = self.payloads.borrow();
        if payloads.is_empty() {
            return text(random);
        }
        let mut payload = payloads[random.below(payloads.len() as u64) as usize].clone();
        if random.below(8) == 0 {
            let place = random.below(payload.len() as u64) as usize;
            payload[place] ^= 1 << random.below(8);
        }
        payload
    }

    fn number_of(&self, name: &str, command: &str, random: &mut Random) -> String {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("numbers are text");
        match (name, command) {
            // What 7.2 refuses and the reference overflows with.
            ("count", "lrem") | ("rank", "lpos") => {
                text(number(random, 9)).replace("-9223372036854775808", "-9223372036854775807")
            }
            ("timeout", _) => self.timeout(random),
            ("milliseconds", "xread" | "xreadgroup") => match self.is_queued {
                true => text(choose(random, &["0", "1", "100", "-1", "abc"])),
                false => text(choose(random, &["1", "1", "2", "-1", "abc"])),
            },
            ("count", "srandmember" | "hrandfield" | "zrandmember" | "spop") => match random.below(12) {
                0 => text(choose(random, &["-9223372036854775808", "abc", "", "9223372036854775808", "1.5"])),
                _ => (random.below(30) as i64 - 12).to_string(),
            },
            ("offset", "setrange") => {
                text(choose(random, &["0", "1", "5", "63", "200", "-1", "abc", "9223372036854775807"]))
            }
            ("offset", "setbit") => match random.below(12) {
                0 => text(choose(random, &["4294967296", "-1", "abc", "9223372036854775807", "18446744073709551616"])),
                _ => random.below(900).to_string(),
            },
            ("offset", "bitfield" | "bitfield_ro") => match random.below(12) {
                0 => text(choose(random, &["-1", "#-1", "#", "abc", "9223372036854775807", "#9223372036854775807"])),
                1..=4 => format!("#{}", random.below(20)),
                _ => random.below(300).to_string(),
            },
            ("min" | "max", _) if command.contains("lex") => lex_bound(random),
            ("min" | "max", _) => score_bound(random),
            ("increment", "incrbyfloat" | "hincrbyfloat" | "zincrby") => text(score(random)),
            ("db" | "destination-db" | "index1" | "index2", _) | ("index", "select") => match random.below(12) {
                0 => text(choose(random, &["16", "-1", "abc", "9223372036854775807", "15"])),
                _ => random.below(3).to_string(),
            },
            // The reference keeps a key that is over from the start until somebody looks.
            ("unix-time-seconds" | "unix-time-milliseconds", "set") => {
                (self.now_ms * 1000 + random.below(9) as i64).to_string()
            }
            // The reference overflows.
            ("ttl", "restore") => text(choose(random, &["0", "0", "0", "100000000", "-1", "abc", "5000000000", ""])),
            ("seconds" | "milliseconds" | "ttl" | "unix-time-seconds" | "unix-time-milliseconds", _) => {
                self.time(name, random)
            }
            ("min-idle-time" | "ms", _) => text(choose(random, &["0", "0", "0", "100000000", "-1", "abc", ""])),
            ("id" | "last-id" | "lastid" | "max-deleted-id", _) => stream_id(command, random),
            ("start" | "end", "xrange" | "xrevrange" | "xpending" | "xautoclaim") => range_id(random),
            ("threshold", _) if random.below(2) == 0 => stream_id("", random),
            ("bit", _) => text(choose(random, &["0", "1", "1", "0", "2", "-1", "x"])),
            _ => text(number(random, 9)),
        }
    }

    fn timeout(&self, random: &mut Random) -> String {
        const SHORT: [&str; 9] = ["0.001", "0.002", "1e-3", "-1", "abc", "", "99999999999999999999", "inf", "-0.5"];
        let odds = if self.is_queued { 2 } else { 0 };
        if random.below(4) < odds { "0".into() } else { SHORT[random.below(9) as usize].into() }
    }

    /// Far away, or over: never within the time a run takes.
    fn time(&self, name: &str, random: &mut Random) -> String {
        let far = 100_000 + random.below(1_000_000) as i64;
        let time = match (random.below(14), name) {
            (0, _) => -1,
            (1, _) => 0,
            (2, _) => 1_000,
            (3, _) => return choose_text(random, &BORDERS.map(|border| if border.len() < 12 { "-5" } else { border })),
            (4, _) => return choose_text(random, &ODD),
            (5, _) => i64::MAX / 1000 - 1000 - random.below(2) as i64 * (self.now_ms / 1000),
            (_, "seconds") => far,
            (_, "unix-time-seconds") => self.now_ms / 1000 + far,
            (_, "unix-time-milliseconds") => self.now_ms + far * 1000,
            _ => far * 1000,
        };
        // A second of 1970, or one that has begun long ago.
        if time == 1_000 && name != "unix-time-seconds" && name != "unix-time-milliseconds" {
            "500000".into()
        } else {
            time.to_string()
        }
    }
}

fn choose(random: &mut Random, from: &[&str]) -> Vec<u8> {
    choose_text(random, from).into_bytes()
}

fn choose_text(random: &mut Random, from: &[&str]) -> String {
    from[random.below(from.len() as u64) as usize].to_owned()
}

/// An integer around zero, now and then a border or something odd.
fn number(random: &mut Random, span: u64) -> Vec<u8> {
    match random.below(24) {
        0 | 1 => choose(random, &BORDERS),
        2 => choose(random, &ODD),
        _ => (random.below(span + 4) as i64 - 3).to_string().into_bytes(),
    }
}

/// An element, a member, a field, a value.
pub fn text(random: &mut Random) -> Vec<u8> {
    match random.below(26) {
        0..=7 => vec![b'a' + random.below(8) as u8],
        8..=11 => random.below(6).to_string().into_bytes(),
        12 => (random.below(2000) as i64 - 500).to_string().into_bytes(),
        13 => choose(random, &BORDERS),
        14 => choose(random, &FLOATS),
        15 => choose(random, &ODD),
        16 => vec![b'L'; 62 + random.below(5) as usize],
        17 => format!("{}{}", "long".repeat(30), random.below(4)).into_bytes(),
        18 => (0..random.below(12)).map(|_| random.below(256) as u8).collect(),
        19 if random.below(6) == 0 => vec![b'x'; 4000 + random.below(600) as usize],
        _ => format!("field{}", random.below(30)).into_bytes(),
    }
}

fn score(random: &mut Random) -> Vec<u8> {
    match random.below(14) {
        0 => choose(random, &ODD),
        1 => choose(random, &BORDERS),
        2..=4 => choose(random, &FLOATS),
        _ => (random.below(14) as i64 - 4).to_string().into_bytes(),
    }
}

/// A bound by score.
pub fn score_bound(random: &mut Random) -> String {
    let bound = match random.below(5) {
        0 => choose_text(random, &["-inf", "+inf", "inf"]),
        _ => String::from_utf8(score(random)).expect("scores are text"),
    };
    if random.below(4) == 0 { format!("({bound}") } else { bound }
}

/// A bound by name.
pub fn lex_bound(random: &mut Random) -> String {
    let letter = char::from(b'a' + random.below(8) as u8);
    match random.below(14) {
        0..=2 => "-".into(),
        3..=5 => "+".into(),
        6..=8 => format!("[{letter}"),
        9 | 10 => format!("({letter}"),
        11 => format!("[field{}", random.below(30)),
        12 => choose_text(random, &["[", "(", "[longz", "(L"]),
        _ => choose_text(random, &["", "a", "inf", "0", "-x", "+x"]),
    }
}

fn stream_id(command: &str, random: &mut Random) -> String {
    match (random.below(16), command) {
        (0, _) => choose_text(
            random,
            &[
                "0-0",
                "0",
                "18446744073709551615-18446744073709551615",
                "18446744073709551616-0",
                "abc",
                "1-",
                "-1",
                "1-1-1",
                "",
                "(1-1",
            ],
        ),
        // `+` is newer than the reference.
        (1, "xread" | "xreadgroup") => choose_text(random, &["-", "$", ">", "*", "0-1"]),
        (1, _) => choose_text(random, &["-", "+", "$", ">", "*", "0-1"]),
        (2..=7, "xread") => choose_text(random, &["0", "$", "0-0"]),
        (2..=10, "xreadgroup") => ">".into(),
        (2..=9, "xadd") => format!("{}-*", random.below(300)),
        (2, _) => random.below(300).to_string(),
        (3, "xgroup|create" | "xgroup|setid") => "0".into(),
        _ => format!("{}-{}", random.below(300), random.below(4)),
    }
}

fn range_id(random: &mut Random) -> String {
    let id = match random.below(3) {
        0 => choose_text(random, &["-", "+"]),
        _ => stream_id("", random),
    };
    if random.below(6) == 0 { format!("({id}") } else { id }
}

fn pattern(random: &mut Random) -> Vec<u8> {
    choose(
        random,
        &[
            "*",
            "*",
            "?0",
            "h*",
            "[a-f]*",
            "*1*",
            "\\*",
            "[^a]*",
            "",
            "field*",
            "[",
            "a\\",
            "f[!i]*",
            "[z-a]",
            "**d?",
            "field[1-3]",
            "\\[",
        ],
    )
}

fn coordinate(name: &str, random: &mut Random) -> Vec<u8> {
    let value = |span: i64, random: &mut Random| {
        let whole = random.below(2 * span as u64 + 1) as i64 - span;
        format!("{whole}.{}", random.below(1_000_000))
    };
    match (random.below(20), name) {
        (0, _) => choose(random, &ODD),
        (1, _) => choose(random, &["0", "180", "-180", "85.05112878", "-85.05112878", "181", "90", "-85.1"]),
        (_, "longitude") => value(180, random).into_bytes(),
        (_, "latitude") => value(85, random).into_bytes(),
        _ => random.below(9000).to_string().into_bytes(),
    }
}
