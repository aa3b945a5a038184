//! The next request of a client: a command of the swarm, a transaction, a malformed one, or one on shared keys.

use torc_engine::random::Random;
use torc_engine::session::ReplyMode;
use torc_resp::write_request;

use crate::grammar::{Source, Template};
use crate::ledger::Judgement;
use crate::oracle::Oracle;
use crate::shared::Shared;
use crate::swarm::{Swarm, pick, weighted};

/// The keys a request may use, and what its other arguments are like.
pub(crate) struct Scope<'a> {
    pub letter: u8,
    pub now_ms: i64,
    pub swarm: &'a Swarm,
}

/// A request that is to be sent.
pub(crate) struct Made {
    pub bytes: Vec<u8>,
    pub judgement: Judgement,
    /// The answer, where it is not the oracle's.
    pub known: Option<Vec<u8>>,
}

/// Makes a client's next request.
pub(crate) fn next_request(
    swarm: &Swarm,
    letter: u8,
    now_ms: i64,
    oracle: &mut Oracle,
    shared: &mut Shared,
    random: &mut Random,
) -> Made {
    let once_in = |random: &mut Random, odds: u64| odds > 0 && random.below(odds) == 0;
    if once_in(random, swarm.malformed_odds) {
        return exact(malformed(random));
    }
    let session = oracle.session();
    let (queueing, silent, db) = (session.transaction.is_some(), session.reply_mode == ReplyMode::Off, session.db);
    // After a swallowed beginning, the rest of a request is read as requests of its own.
    let alone = !queueing && session.input.is_empty();
    if silent && random.below(3) == 0 {
        return exact(encode(&["CLIENT", "REPLY", "ON"], random));
    }
    if queueing {
        match random.below(12) {
            0 => return exact(encode(&["DISCARD"], random)),
            1..=3 => return exact(encode(&["EXEC"], random)),
            4 if random.below(3) == 0 => return exact(encode(&["MULTI"], random)),
            _ => {}
        }
    } else if once_in(random, swarm.transaction_odds) {
        let name = ["MULTI", "EXEC", "DISCARD"][pick(random, &[0, 0, 0, 0, 0, 0, 1, 2]) as usize];
        return exact(encode(&[name], random));
    }
    if db == 0 && oracle.is_plain() && once_in(random, swarm.shared_odds) {
        let (request, bytes) = shared.request(random, letter);
        return Made { bytes, judgement: Judgement::Shared(request), known: Some(Vec::new()) };
    }
    let template = loop {
        let template = weighted(random, &swarm.commands);
        if alone || is_exact(template) {
            break template;
        }
    };
    let arguments = template.request(&Scope { letter, now_ms, swarm }, random);
    let judgement = match template.command.full_name {
        "keys" => Judgement::Unordered,
        "hello" => Judgement::Hello,
        _ => Judgement::Exact,
    };
    Made { bytes: encode(&arguments, random), judgement, known: None }
}

/// Whether the oracle's answer is the answer: not with the client's id in it, or keys in the order of cores.
fn is_exact(template: &Template) -> bool {
    !matches!(template.command.full_name, "hello" | "keys")
}

fn exact(bytes: Vec<u8>) -> Made {
    Made { bytes, judgement: Judgement::Exact, known: None }
}

/// As an array, or at times as a line where that can say it.
fn encode(arguments: &[impl AsRef<[u8]>], random: &mut Random) -> Vec<u8> {
    let is_bare = |argument: &[u8]| !argument.is_empty() && argument.iter().all(|byte| byte.is_ascii_alphanumeric());
    let mut bytes = Vec::new();
    if random.below(10) == 0 && arguments.iter().all(|argument| is_bare(argument.as_ref())) {
        for argument in arguments {
            bytes.extend_from_slice(argument.as_ref());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(b"\r\n");
    } else {
        write_request(&mut bytes, arguments);
    }
    bytes
}

/// Unknown commands, wrong numbers of arguments, empty requests; less often what ends the connection, or a request
/// that swallows the next ones.
fn malformed(random: &mut Random) -> Vec<u8> {
    let mild: [&[u8]; 9] = [
        b"*0\r\n",
        b"*-1\r\n",
        b"\r\n",
        b"*1\r\n$6\r\nNOSUCH\r\n",
        b"NOSUCH with some arguments\r\n",
        b"*1\r\n$3\r\nGET\r\n",
        b"*2\r\n$6\r\nCLIENT\r\n$6\r\nNOSUCH\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"PING \"a quoted \\x41 word\"\r\n",
    ];
    let fatal: [&[u8]; 7] = [
        b"*x\r\n",
        b"*2\r\n$3\r\nGET\r\n:5\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$99999999999\r\n",
        b"*99999999999\r\n",
        b"GET \"open\r\n",
        b"*2\r\n$3\r\nGET\r\n$300\r\n",
    ];
    let list: &[&[u8]] = if random.below(6) == 0 { &fatal } else { &mild };
    list[random.below(list.len() as u64) as usize].to_vec()
}

impl Scope<'_> {
    /// A key of this client: `{a0}1` with a hash tag, `a0.1` without.
    pub fn key(&self, random: &mut Random) -> Vec<u8> {
        let (letter, key) = (char::from(self.letter), random.below(self.swarm.keys));
        let tag = random.below(self.swarm.tags);
        match random.below(2) == 0 {
            true => format!("{letter}{tag}.{key}"),
            false => format!("{{{letter}{tag}}}{key}"),
        }
        .into_bytes()
    }

    /// One that no other client's keys match.
    fn pattern(&self, random: &mut Random) -> Vec<u8> {
        let letter = char::from(self.letter);
        match random.below(4) {
            0 => format!("{letter}*"),
            1 => format!("{{{letter}*"),
            2 => format!("*{letter}?[.}}]*"),
            _ => format!("*{letter}[0-1]*"),
        }
        .into_bytes()
    }

    fn value(&self, random: &mut Random) -> Vec<u8> {
        let len_max = self.swarm.value_len_max;
        match random.below(10) {
            0..=3 => (random.below(200) as i64 - 50).to_string().into_bytes(),
            4 => float(random),
            5 => b"same".to_vec(),
            _ => {
                let len =
                    if random.below(3) == 0 { random.below(len_max + 1) } else { random.below(len_max.min(60) + 1) };
                let first = random.below(26) as u8;
                (0..len).map(|place| b'a' + (first + (place % 7) as u8) % 26).collect()
            }
        }
    }
}

impl Source for Scope<'_> {
    fn value_of(&self, name: &str, command: &str, random: &mut Random) -> Vec<u8> {
        if random.below(50) == 0
            && !name.contains("key")
            && !["source", "destination"].contains(&name)
            && name != "pattern"
        {
            return odd_value(random);
        }
        let number = match name {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" => return self.key(random),
            "pattern" => return self.pattern(random),
            "increment" if command == "incrbyfloat" => return float(random),
            "increment" | "decrement" => random.below(100) as i64 - 20,
            "seconds" => 1 + random.below(100) as i64,
            "milliseconds" => 1 + random.below(5000) as i64,
            "unix-time-seconds" => self.now_ms / 1000 + random.below(60) as i64 - 5,
            "unix-time-milliseconds" => self.now_ms + random.below(5000) as i64 - 300,
            "numkeys" => 1 + random.below(3) as i64,
            "offset" => random.below(150) as i64,
            "start" | "end" => random.below(40) as i64 - 15,
            "min-match-len" => random.below(4) as i64,
            "index" | "db" | "destination-db" | "index1" | "index2" => random.below(3) as i64,
            "protover" => 2 + random.below(2) as i64,
            "connection-name" | "clientname" | "libname" | "libver" => {
                return format!("name{}", random.below(9)).into_bytes();
            }
            _ => return self.value(random),
        };
        number.to_string().into_bytes()
    }

    fn surplus(&self, random: &mut Random) -> Vec<u8> {
        self.key(random)
    }
}

fn float(random: &mut Random) -> Vec<u8> {
    let whole = random.below(2000) as i64 - 500;
    match random.below(4) {
        0 => format!("{whole}"),
        1 => format!("{whole}.{}", random.below(1000)),
        2 => format!("{}e{}", whole % 10, random.below(6)),
        _ => format!("0.{:02}", random.below(100)),
    }
    .into_bytes()
}

/// What seldom suits.
fn odd_value(random: &mut Random) -> Vec<u8> {
    let odd: [&[u8]; 10] = [
        b"",
        b"0",
        b"-1",
        b"abc",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"99999999999999999999",
        b" 5",
        b"1.5",
        b"line\r\nend",
    ];
    odd[random.below(odd.len() as u64) as usize].to_vec()
}
