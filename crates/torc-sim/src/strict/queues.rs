//! Queues that clients wait for: the requests of the workload, which are made for the simulator's own queues in strings, in the
//! words of a type.

use torc_engine::random::Random;

use super::workload::words;

/// What the queues of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queues {
    /// `DEBUG QUEUE-*`: as the requests are made.
    Strings,
    /// BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.
    Lists,
    /// BZPOPMIN, BZPOPMAX, BZMPOP.
    SortedSets,
    /// XREAD and XREADGROUP, with groups that come and go.
    Streams,
}

/// Requests on queues of strings, taken apart.
enum Asked<'a> {
    Push(&'a [u8], &'a [Vec<u8>]),
    /// Keys and the timeout.
    Pop(&'a [Vec<u8>], &'a [u8]),
    Move(&'a [u8], &'a [u8], &'a [u8]),
    Read(&'a [u8], &'a [u8]),
    Drain(&'a [u8], &'a [u8]),
}

impl Queues {
    /// The request for these queues.
    pub fn translate(self, request: Vec<Vec<u8>>, random: &mut Random) -> Vec<Vec<u8>> {
        if self == Queues::Strings || request[0] != b"DEBUG" {
            return request;
        }
        let asked = match (request[1].as_slice(), &request[2..]) {
            (b"QUEUE-PUSH", [key, elements @ ..]) => Asked::Push(key, elements),
            (b"QUEUE-POP", [keys @ .., timeout]) => Asked::Pop(keys, timeout),
            (b"QUEUE-MOVE", [source, destination, timeout]) => Asked::Move(source, destination, timeout),
            (b"QUEUE-READ", [_, key, _, other, ..]) => Asked::Read(key, other),
            (b"QUEUE-DRAIN", [_, key, other]) => Asked::Drain(key, other),
            _ => unreachable!("the workload has no other requests on queues"),
        };
        match self {
            Queues::Strings => unreachable!("they stay as they are"),
            Queues::Lists => lists(&asked, random),
            Queues::SortedSets => sorted_sets(&asked, random),
            Queues::Streams => streams(&asked, random),
        }
    }
}

/// Words of a request; each may be several, separated by spaces, or one argument as it is.
fn request(start: &str, arguments: &[&[u8]], end: &str) -> Vec<Vec<u8>> {
    let split = |text: &str| words(&text.split_ascii_whitespace().collect::<Vec<_>>());
    [split(start), arguments.iter().map(|argument| argument.to_vec()).collect(), split(end)].concat()
}

fn lists(asked: &Asked<'_>, random: &mut Random) -> Vec<Vec<u8>> {
    let side = ["LEFT", "RIGHT"][random.below(2) as usize];
    match *asked {
        Asked::Push(key, elements) => {
            let elements = elements.iter().map(Vec::as_slice);
            request("RPUSH", &std::iter::once(key).chain(elements).collect::<Vec<_>>(), "")
        }
        Asked::Pop(keys, timeout) => {
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let count = keys.len().to_string();
            match random.below(4) {
                0 => request("BRPOP", &[&keys[..], &[timeout]].concat(), ""),
                1 => request(
                    "BLMPOP",
                    &[&[timeout, count.as_bytes()], &keys[..]].concat(),
                    &format!("{side} COUNT {}", 1 + random.below(2)),
                ),
                _ => request("BLPOP", &[&keys[..], &[timeout]].concat(), ""),
            }
        }
        Asked::Move(source, destination, timeout) if random.below(4) == 0 => {
            request("BRPOPLPUSH", &[source, destination, timeout], "")
        }
        Asked::Move(source, destination, timeout) => {
            request("BLMOVE", &[source, destination, b"LEFT", side.as_bytes(), timeout], "")
        }
        Asked::Read(key, _) => request("LRANGE", &[key], "0 -1"),
        Asked::Drain(key, other) => request("LMPOP 2", &[key, other], "LEFT COUNT 3"),
    }
}

fn sorted_sets(asked: &Asked<'_>, random: &mut Random) -> Vec<Vec<u8>> {
    let end = ["MIN", "MAX"][random.below(2) as usize];
    match *asked {
        Asked::Push(key, elements) => {
            let scores: Vec<String> = elements.iter().map(|_| random.below(9).to_string()).collect();
            let pairs = scores.iter().zip(elements).flat_map(|(score, element)| [score.as_bytes(), element]);
            request("ZADD", &std::iter::once(key).chain(pairs).collect::<Vec<_>>(), "")
        }
        Asked::Pop(keys, timeout) => {
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let count = keys.len().to_string();
            match random.below(3) {
                0 => request(
                    "BZMPOP",
                    &[&[timeout, count.as_bytes()], &keys[..]].concat(),
                    &format!("{end} COUNT {}", 1 + random.below(2)),
                ),
                _ => request(&format!("BZPOP{end}"), &[&keys[..], &[timeout]].concat(), ""),
            }
        }
        // Sorted sets have no such move: what is stored elsewhere wakes, too.
        Asked::Move(source, destination, _) if random.below(2) == 0 => {
            request("ZUNIONSTORE", &[destination, b"2", source, destination], "")
        }
        Asked::Move(source, destination, timeout) => {
            request(&format!("BZPOP{end}"), &[source, destination, timeout], "")
        }
        Asked::Read(key, _) => request("ZRANGE", &[key], "0 -1 WITHSCORES"),
        Asked::Drain(key, other) => request("ZMPOP 2", &[key, other], &format!("{end} COUNT 3")),
    }
}

fn streams(asked: &Asked<'_>, random: &mut Random) -> Vec<Vec<u8>> {
    let consumer = ["c0", "c1"][random.below(2) as usize];
    let milliseconds = |timeout: &[u8]| match timeout {
        b"0" => "0".to_owned(),
        b"0.001" => "1".to_owned(),
        b"0.5" => "500".to_owned(),
        _ => "3000".to_owned(),
    };
    match *asked {
        Asked::Push(key, elements) if random.below(6) > 0 => {
            let trim = ["", "MAXLEN 3"][random.below(2) as usize];
            let fields = elements.iter().flat_map(|element| [&b"f"[..], element]);
            let fields: Vec<&[u8]> = std::iter::once(&b"*"[..]).chain(fields).collect();
            let mut made = request("XADD", &[key], trim);
            made.extend(fields.iter().map(|field| field.to_vec()));
            made
        }
        Asked::Push(key, _) => {
            request("XGROUP CREATE", &[key, b"g", [&b"$"[..], b"0"][random.below(2) as usize]], "MKSTREAM")
        }
        Asked::Pop(keys, timeout) => {
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let block = milliseconds(timeout);
            match random.below(3) {
                0 => {
                    let ids: Vec<&str> = keys.iter().map(|_| ["$", "$", "0"][random.below(3) as usize]).collect();
                    request(&format!("XREAD COUNT 1 BLOCK {block} STREAMS"), &keys, &ids.join(" "))
                }
                _ => {
                    let ids = vec![">"; keys.len()].join(" ");
                    let start = format!("XREADGROUP GROUP g {consumer} COUNT 2 BLOCK {block} STREAMS");
                    request(&start, &keys, &ids)
                }
            }
        }
        // Streams have no such move.
        Asked::Move(source, _, timeout) => {
            let block = milliseconds(timeout);
            request(&format!("XREADGROUP GROUP g {consumer} BLOCK {block} NOACK STREAMS"), &[source], ">")
        }
        Asked::Read(key, other) => request("XREAD STREAMS", &[key, other], "0 $"),
        Asked::Drain(key, _) => match random.below(4) {
            0 => request("XGROUP DESTROY", &[key, b"g"], ""),
            1 => request("XGROUP DELCONSUMER", &[key, b"g", consumer.as_bytes()], ""),
            2 => request("XTRIM", &[key], "MAXLEN 0"),
            _ => request("XINFO STREAM", &[key], "FULL"),
        },
    }
}
