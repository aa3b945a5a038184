//! Queues that clients wait for: lists, sorted sets, streams with groups that come and go, or all of them under the same few keys.

use torc_engine::random::Random;

use super::workload::words;

/// What the queues of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queues {
    /// BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.
    Lists,
    /// BZPOPMIN, BZPOPMAX, BZMPOP.
    SortedSets,
    /// XREAD and XREADGROUP, with groups that come and go.
    Streams,
    /// Each request of one of these kinds, so that many meet a key of another type.
    Mixed,
}

/// Something that is done with queues, whatever they are.
#[derive(Clone, Copy)]
pub(crate) enum Ask<'a> {
    /// Adds so many elements to a key.
    Push(&'a str, u64),
    /// Takes from the first key that has something, or waits so many seconds.
    Pop(&'a [&'a str], &'a str),
    /// Takes from the first key and adds to the second.
    Move(&'a str, &'a str, &'a str),
    /// Makes the second key from what is in the first.
    Store(&'a str, &'a str),
    /// Looks at two keys.
    Read(&'a str, &'a str),
    /// Takes from one of two keys without waiting; of streams, also whole groups and consumers.
    Drain(&'a str, &'a str),
}

impl Queues {
    /// What the queues of a run are to be.
    pub fn drawn(random: &mut Random) -> Queues {
        use Queues::{Lists, Mixed, SortedSets, Streams};
        [Lists, Lists, Lists, SortedSets, SortedSets, Streams, Streams, Streams, Mixed][random.below(9) as usize]
    }

    /// The request.
    pub fn request(self, ask: Ask<'_>, random: &mut Random) -> Vec<Vec<u8>> {
        let kind = match self {
            Queues::Mixed => [Queues::Lists, Queues::SortedSets, Queues::Streams][random.below(3) as usize],
            kind => kind,
        };
        let text = match kind {
            Queues::Lists => lists(ask, random),
            Queues::SortedSets => sorted_sets(ask, random),
            Queues::Streams | Queues::Mixed => streams(ask, random),
        };
        words(&text.split_ascii_whitespace().collect::<Vec<_>>())
    }
}

fn choose<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[random.below(from.len() as u64) as usize]
}

/// So many elements that hardly come twice.
fn elements(count: u64, before_each: impl Fn(&mut Random) -> String, random: &mut Random) -> String {
    let each = |random: &mut Random| format!("{} e{} ", before_each(random), random.below(1 << 32));
    (0..count).map(|_| each(random)).collect()
}

fn lists(ask: Ask<'_>, random: &mut Random) -> String {
    let (side, other) = (choose(random, &["LEFT", "RIGHT"]), choose(random, &["LEFT", "RIGHT"]));
    match ask {
        Ask::Push(key, count) => {
            format!(
                "{} {key} {}",
                choose(random, &["RPUSH", "RPUSH", "LPUSH"]),
                elements(count, |_| String::new(), random)
            )
        }
        Ask::Pop(keys, timeout) => {
            let (count, keys) = (keys.len(), keys.join(" "));
            match random.below(4) {
                0 => format!("BRPOP {keys} {timeout}"),
                1 => format!("BLMPOP {timeout} {count} {keys} {side} COUNT {}", 1 + random.below(2)),
                _ => format!("BLPOP {keys} {timeout}"),
            }
        }
        Ask::Move(source, destination, timeout) if random.below(4) == 0 => {
            format!("BRPOPLPUSH {source} {destination} {timeout}")
        }
        Ask::Move(source, destination, timeout) => format!("BLMOVE {source} {destination} {side} {other} {timeout}"),
        Ask::Store(source, destination) => match random.below(3) {
            0 => format!("SORT {source} ALPHA STORE {destination}"),
            1 => format!("LMOVE {source} {destination} {side} {other}"),
            _ => format!("RPOPLPUSH {source} {destination}"),
        },
        Ask::Read(key, _) => format!("LRANGE {key} 0 -1"),
        Ask::Drain(key, second) => format!("LMPOP 2 {key} {second} {side} COUNT 3"),
    }
}

fn sorted_sets(ask: Ask<'_>, random: &mut Random) -> String {
    let end = choose(random, &["MIN", "MAX"]);
    match ask {
        Ask::Push(key, 1) if random.below(4) == 0 => format!("ZINCRBY {key} 1 e{}", random.below(4)),
        Ask::Push(key, count) => {
            format!("ZADD {key} {}", elements(count, |random| random.below(9).to_string(), random))
        }
        Ask::Pop(keys, timeout) => {
            let (count, keys) = (keys.len(), keys.join(" "));
            match random.below(3) {
                0 => format!("BZMPOP {timeout} {count} {keys} {end} COUNT {}", 1 + random.below(2)),
                _ => format!("BZPOP{end} {keys} {timeout}"),
            }
        }
        // Sorted sets have no such move.
        Ask::Move(source, destination, timeout) => format!("BZPOP{end} {source} {destination} {timeout}"),
        Ask::Store(source, destination) => match random.below(3) {
            0 => format!("ZRANGESTORE {destination} {source} 0 -1"),
            1 => format!("ZINTERSTORE {destination} 1 {source}"),
            _ => format!("ZUNIONSTORE {destination} 2 {source} {destination}"),
        },
        Ask::Read(key, _) => format!("ZRANGE {key} 0 -1 WITHSCORES"),
        Ask::Drain(key, second) => format!("ZMPOP 2 {key} {second} {end} COUNT 3"),
    }
}

fn streams(ask: Ask<'_>, random: &mut Random) -> String {
    let consumer = choose(random, &["c0", "c1"]);
    let milliseconds = |timeout: &str| match timeout {
        "0" => "0",
        "0.001" => "1",
        "0.5" => "500",
        _ => "3000",
    };
    match ask {
        Ask::Push(key, count) if random.below(3) > 0 => {
            let options = choose(random, &["", "MAXLEN 3", "", "MAXLEN 3", "IDMP p i0", "IDMPAUTO p"]);
            format!("XADD {key} {options} * {}", elements(count, |_| "f".to_owned(), random))
        }
        Ask::Push(key, _) => format!("XGROUP CREATE {key} g {} MKSTREAM", choose(random, &["$", "0"])),
        Ask::Pop(keys, timeout) => {
            let block = milliseconds(timeout);
            match random.below(3) {
                0 => {
                    let ids: Vec<&str> = keys.iter().map(|_| choose(random, &["$", "$", "0"])).collect();
                    let ids = ids.join(" ");
                    format!("XREAD COUNT 1 BLOCK {block} STREAMS {} {ids}", keys.join(" "))
                }
                // Each key needs the group.
                _ => {
                    let keys = if random.below(4) > 0 { &keys[..1] } else { keys };
                    let ids = vec![">"; keys.len()].join(" ");
                    format!("XREADGROUP GROUP g {consumer} COUNT 2 BLOCK {block} STREAMS {} {ids}", keys.join(" "))
                }
            }
        }
        // Streams have no such move.
        Ask::Move(source, _, timeout) => {
            format!("XREADGROUP GROUP g {consumer} BLOCK {} NOACK STREAMS {source} >", milliseconds(timeout))
        }
        Ask::Store(source, _) => match random.below(2) {
            0 => format!("XSETID {source} 9999999999999-0"),
            _ => format!("XGROUP SETID {source} g {}", choose(random, &["0", "$"])),
        },
        Ask::Read(key, second) => match random.below(3) {
            0 => {
                let idle = choose(random, &["0", "1000"]);
                format!("XREADGROUP GROUP g {consumer} COUNT 2 CLAIM {idle} STREAMS {key} {second} > >")
            }
            _ => format!("XREAD STREAMS {key} {second} 0 $"),
        },
        Ask::Drain(key, _) => match random.below(6) {
            0..=2 => format!("XGROUP DESTROY {key} g"),
            3 => format!("XGROUP DELCONSUMER {key} g {consumer}"),
            4 => format!("XTRIM {key} MAXLEN 0"),
            _ => format!("XINFO STREAM {key} FULL"),
        },
    }
}
