//! Units of more than one drawn command: transactions, watched keys, keys that expire, big values, settings that change, nonsense.

use torc_engine::random::Random;
use torc_sim::borders::{Values, text};

use crate::compare::Compare;
use crate::generate::Selection;
use crate::request::{Request, Unit};
use crate::settings;

/// A list nobody pushes to: who waits for it lets time pass on both sides.
const PAUSE: [&[u8]; 3] = [b"BLPOP", b"pause", b"0.012"];

impl Selection {
    /// The next units, mostly one, for a connection; another of so many may take part.
    pub fn units(&self, connection: usize, connections: u64, values: &mut Values, random: &mut Random) -> Vec<Unit> {
        values.is_queued = false;
        let requests = match random.below(800) {
            0..20 => self.transaction(values, random),
            20..40 => self.watched(values, random),
            40..50 => return self.watched_by_another(connection, connections, values, random),
            50..52 => self.expiring(values, random),
            52..56 => big(random),
            56..60 => {
                let (name, value) = settings::one(random);
                let value = value.to_string().into_bytes();
                let words: [&[u8]; 4] = [b"CONFIG", b"SET", name.as_bytes(), &value];
                vec![Request::exact("config|set", &words)]
            }
            60..70 => vec![self.nonsense(random)],
            _ => self.requests(values, random),
        };
        vec![Unit { connection, requests }]
    }

    /// Commands with a key that is not the empty one, and is theirs, where they are not random: those may change a key on one side alone.
    fn commands_on_key(&self, values: &mut Values, random: &mut Random) -> (Vec<Request>, Option<Vec<u8>>) {
        let commands = self.requests(values, random);
        let key = commands.iter().find_map(|command| command.arguments.get(1)).filter(|key| !key.is_empty()).cloned();
        let is_random = commands.iter().any(|command| matches!(command.name, "spop" | "look"));
        (commands, key.filter(|_| !is_random))
    }

    /// A command on a key that is watched: whether it counts as a change.
    fn watched(&self, values: &mut Values, random: &mut Random) -> Vec<Request> {
        let (mut commands, Some(key)) = self.commands_on_key(values, random) else {
            return self.requests(values, random);
        };
        commands.insert(0, Request::exact("watch", &[b"WATCH", &key]));
        commands.extend(probe());
        commands
    }

    /// A watched transaction whose key another connection changes, in units of their own.
    fn watched_by_another(
        &self,
        connection: usize,
        connections: u64,
        values: &mut Values,
        random: &mut Random,
    ) -> Vec<Unit> {
        let (commands, key) = self.commands_on_key(values, random);
        let other = (connection + 1 + random.below(connections - 1) as usize) % connections as usize;
        let mut units = vec![Unit { connection: other, requests: commands }];
        if let Some(key) = key {
            units.insert(0, Unit { connection, requests: vec![Request::exact("watch", &[b"WATCH", &key])] });
            units.push(Unit { connection, requests: probe() });
        }
        units
    }

    /// A command on a key that has expired a moment ago and is still there.
    fn expiring(&self, values: &mut Values, random: &mut Random) -> Vec<Request> {
        let (commands, Some(key)) = self.commands_on_key(values, random) else {
            return self.requests(values, random);
        };
        let mut requests = vec![match random.below(3) {
            0 => Request::exact("set", &[b"SET", &key, b"1", b"PX", b"1"]),
            _ => Request::exact("pexpire", &[b"PEXPIRE", &key, b"1"]),
        }];
        requests.push(Request::exact("blpop", &PAUSE));
        requests.extend(commands);
        // If the command was refused before it looked, it goes now.
        requests.push(Request::exact("exists", &[b"EXISTS", &key]));
        requests
    }

    fn transaction(&self, values: &mut Values, random: &mut Random) -> Vec<Request> {
        values.is_queued = true;
        let mut requests = vec![Request::exact("multi", &[b"MULTI"])];
        for _ in 0..random.below(6) {
            requests.extend(self.requests(values, random));
        }
        if random.below(20) == 0 {
            requests.push(self.nonsense(random));
        }
        if random.below(12) == 0 {
            requests.push(Request::exact("discard", &[b"DISCARD"]));
        } else {
            // WATCH is refused without an end of the transaction.
            let queued = requests[1..].iter().filter(|request| request.name != "watch");
            let parts = queued.map(|request| request.compare.clone()).collect();
            let exec = Request { compare: Compare::Transaction(parts), ..Request::exact("exec", &[b"EXEC"]) };
            requests.push(exec);
        }
        // They are all answered with QUEUED, or an error.
        let last = requests.len() - 1;
        requests[..last].iter_mut().for_each(|request| request.compare = Compare::Exact);
        requests
    }

    /// Something that is refused: no command, no subcommand, or too few arguments.
    fn nonsense(&self, random: &mut Random) -> Request {
        let mut words = match random.below(3) {
            0 => vec![[b"no", &text(random)[..]].concat()],
            1 => {
                let container: &[u8] = [&b"object"[..], b"xgroup", b"XINFO"][random.below(3) as usize];
                vec![container.to_vec(), [b"no", &text(random)[..]].concat()]
            }
            _ => return self.without_arguments(random),
        };
        for _ in 0..random.below(7) {
            words.push(text(random));
        }
        Request { name: "nonsense", arguments: words, compare: Compare::Exact }
    }
}

/// A transaction that tells whether something watched has changed.
fn probe() -> Vec<Request> {
    vec![
        Request::exact("multi", &[b"MULTI"]),
        Request::exact("echo", &[b"ECHO", b"unchanged"]),
        Request::exact("exec", &[b"EXEC"]),
    ]
}

/// A value that crosses the usual thresholds.
fn big(random: &mut Random) -> Vec<Request> {
    let number = random.below(3);
    let key = |letter: &str| format!("{letter}{number}").into_bytes();
    let count = 100 + random.below(500);
    let (name, mut words, width) = match random.below(8) {
        0 => {
            let value = vec![b'a' + number as u8; 10_000 + random.below(100_000) as usize];
            let word: &[u8] = if random.below(2) == 0 { b"SET" } else { b"APPEND" };
            return vec![Request::exact("set", &[word, &key("k"), &value])];
        }
        1 => {
            let offset = random.below(300_000).to_string().into_bytes();
            return vec![Request::exact("setrange", &[b"SETRANGE", &key("k"), &offset, &text(random)])];
        }
        2 => {
            let entry = |at: u64| {
                let words: [&[u8]; 5] = [b"XADD", &key("x"), &format!("{}-*", 300 + at).into_bytes(), b"f", b"v"];
                Request::exact("xadd", &words)
            };
            return (0..count / 4).map(entry).collect();
        }
        3 => ("rpush", vec![b"RPUSH".to_vec(), key("l")], 1),
        4 => ("hset", vec![b"HSET".to_vec(), key("h")], 2),
        5 => ("sadd", vec![b"SADD".to_vec(), key("s")], 1),
        6 => ("zadd", vec![b"ZADD".to_vec(), key("z")], 2),
        _ => ("pfadd", vec![b"PFADD".to_vec(), key("p")], 1),
    };
    let is_text = random.below(2) == 0;
    for at in 0..count {
        if width == 2 {
            words.push(if name == "zadd" {
                random.below(50).to_string().into_bytes()
            } else {
                format!("f{at}").into_bytes()
            });
        }
        words.push(if is_text { format!("element{at}").into_bytes() } else { (at * 3).to_string().into_bytes() });
    }
    vec![Request { name, arguments: words, compare: Compare::Exact }]
}
