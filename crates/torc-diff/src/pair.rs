//! Both servers side by side: units are sent to each, and replies and keyspaces compared.

use std::collections::BTreeMap;

use torc_resp::reader::Elements;

use crate::compare::Compare;
use crate::generate::reforms_values;
use crate::known::{self, Reference};
use crate::request::{Request, Unit};
use crate::scans;
use crate::servers::{Connection, Server};
use crate::state;

/// Protocol versions of the connections.
const PROTOCOLS: [u8; 3] = [2, 3, 2];

/// The kind of failure that one side counts other changes; which command it was shows when the sequence is short.
pub const CHANGES: &str = "changes";

/// Requests in one pipeline.
const BATCH: usize = 64;

/// What went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What is wrong, without what varies between runs: the same mistake has the same.
    pub kind: String,
    /// The whole story.
    pub text: String,
    /// How many units had been sent.
    pub units: usize,
}

/// The two servers and the connections to them.
pub struct Pair {
    redis: Server,
    torc: Server,
    /// The last is for looking at the keyspace.
    connections: Vec<[Connection; 2]>,
    /// Whether SORT or RESTORE was sent.
    reforms: bool,
    /// Changes that both sides had counted when they were emptied.
    changes: [u64; 2],
    /// Payloads that DUMP gave.
    pub payloads: Vec<Vec<u8>>,
    /// What the reference is.
    reference: Reference,
    /// By command: how often it was answered, and how often with an error.
    pub answers: BTreeMap<&'static str, [u64; 2]>,
}

/// Streams that one XREADGROUP reads, at most.
const READ_KEYS_MAX: u64 = 5;

impl Pair {
    /// Connects to both.
    pub fn new(redis: Server, torc: Server) -> Result<Self, String> {
        let (connections, payloads, answers) = (Vec::new(), Vec::new(), BTreeMap::new());
        let reference = Reference::of(&redis.connect(2)?.call(&["INFO", "server"])?);
        let mut pair = Pair { redis, torc, connections, reforms: false, changes: [0; 2], payloads, reference, answers };
        pair.reset(&[])?;
        Ok(pair)
    }

    /// Empty servers with these settings, and fresh connections.
    pub fn reset(&mut self, settings: &[(&'static str, u64)]) -> Result<(), String> {
        self.redis.revive()?;
        self.torc.revive()?;
        self.connections.clear();
        for protocol in PROTOCOLS.into_iter().chain([2]) {
            self.connections.push([self.redis.connect(protocol)?, self.torc.connect(protocol)?]);
        }
        for connection in self.connections.last_mut().expect("they were just made") {
            connection.call(&["FLUSHALL"])?;
            for (name, value) in settings {
                let reply = connection.call(&["CONFIG", "SET", name, &value.to_string()])?;
                if reply != b"+OK\r\n" {
                    return Err(format!("CONFIG SET {name}: {}", reply.escape_ascii()));
                }
            }
        }
        let [redis, torc] = self.connections.last_mut().expect("they were just made");
        self.reforms = false;
        self.changes = [state::changes(redis)?, state::changes(torc)?];
        Ok(())
    }

    /// The reference's connection for questions.
    pub fn reference(&mut self) -> &mut Connection {
        &mut self.connections.last_mut().expect("there is always one")[0]
    }

    /// How many connections send units.
    pub fn connections(&self) -> usize {
        PROTOCOLS.len()
    }

    /// Sends units and compares the replies.
    pub fn run(&mut self, units: &[Unit]) -> Result<(), Failure> {
        let mut start = 0;
        while start < units.len() {
            let connection = units[start].connection;
            let mut requests = 0;
            let alike = units[start..].iter().take_while(|unit| {
                requests += unit.requests.len();
                unit.connection == connection && requests <= BATCH.max(unit.requests.len())
            });
            let end = start + alike.count();
            self.batch(&units[start..end]).map_err(|failure| Failure { units: failure.units + start, ..failure })?;
            self.compare_changes(&units[start..end], end)?;
            start = end;
        }
        Ok(())
    }

    fn batch(&mut self, units: &[Unit]) -> Result<(), Failure> {
        let [redis, torc] = &mut self.connections[units[0].connection];
        for connection in [&mut *redis, &mut *torc] {
            units.iter().flat_map(|unit| &unit.requests).for_each(|request| connection.push(&request.arguments));
        }
        let lines = || -> Vec<String> { units.iter().flat_map(|unit| &unit.requests).map(Request::line).collect() };
        let broken = |side: &str, units: usize, name: &str, error: String| Failure {
            // Which command it was is not always the same: others of its pipeline may have done it.
            kind: format!("{side}: {error}"),
            text: format!("{side} did not answer {name}: {error}; the pipeline:\n{}", lines().join("\n")),
            units,
        };
        redis.flush().map_err(|error| broken("redis", units.len(), "", error))?;
        torc.flush().map_err(|error| broken("torc", units.len(), "", error))?;
        for (number, unit) in units.iter().enumerate() {
            let mut before: Option<Vec<u8>> = None;
            for request in &unit.requests {
                self.reforms |= reforms_values(request.name);
                let one = redis.read().map_err(|error| broken("redis", number + 1, request.name, error))?;
                let other = torc.read().map_err(|error| broken("torc", number + 1, request.name, error))?;
                let different_part = difference(self.reference, unit, request, &one, &other, before.as_deref());
                if let Some((request, one, other)) = different_part {
                    return Err(different(request.name, &request.line(), one, other, number + 1));
                }
                let [all, errors] = self.answers.entry(request.name).or_default();
                *all += 1;
                *errors += u64::from(one.first() == Some(&b'-'));
                if request.name == "dump" && (12..5000).contains(&one.len()) && self.payloads.len() < 200 {
                    // 8 reads what Torc writes; 7.0 only what it wrote itself.
                    let is_torcs = self.reference == Reference::Eight && self.payloads.len() % 2 == 1;
                    let node = crate::node::Node::parse(if is_torcs { &other } else { &one });
                    self.payloads.extend(node.bulk().map(<[u8]>::to_vec));
                }
                before = Some(one);
            }
        }
        Ok(())
    }

    /// Compares how many changes both sides have counted.
    fn compare_changes(&mut self, batch: &[Unit], units: usize) -> Result<(), Failure> {
        let [redis, torc] = self.connections.last_mut().expect("there is always one");
        let counted = state::changes(redis).and_then(|redis| Ok([redis, state::changes(torc)?]));
        let [redis, torc] = counted.map_err(|error| Failure { kind: "changes".into(), text: error, units })?;
        let [redis, torc] = [redis - self.changes[0], torc - self.changes[1]];
        let text = format!("rdb_changes_since_last_save:\n  redis {redis}\n  torc  {torc}");
        // 8 counts no change where XREADGROUP only looks at what a consumer has; the next batch starts from there.
        let requests = || batch.iter().flat_map(|unit| &unit.requests).flat_map(|request| &request.arguments);
        let reads = requests().filter(|argument| argument.eq_ignore_ascii_case(b"xreadgroup")).count() as u64;
        if self.reference == Reference::Eight && redis < torc && torc - redis <= reads * READ_KEYS_MAX {
            self.changes[1] += torc - redis;
            return Ok(());
        }
        // It counts one where a result that is empty takes the place of a key that has expired.
        let stores = batch.iter().flat_map(|unit| &unit.requests).filter(|request| request.name.ends_with("store"));
        if self.reference == Reference::Eight && redis > torc && redis - torc <= stores.count() as u64 {
            self.changes[0] += redis - torc;
            return Ok(());
        }
        if redis == torc { Ok(()) } else { Err(Failure { kind: CHANGES.into(), text, units }) }
    }

    /// Compares the keyspaces.
    pub fn compare_state(&mut self, units: usize) -> Result<(), Failure> {
        let [redis, torc] = self.connections.last_mut().expect("there is always one");
        match state::difference(self.reference, redis, torc, self.reforms) {
            Ok(None) => Ok(()),
            Ok(Some(text)) => {
                let question = text.split(" of ").next().unwrap_or_default().to_owned();
                Err(Failure { kind: format!("state {question}"), text, units })
            }
            Err(error) => Err(Failure { kind: format!("state: {error}"), text: error, units }),
        }
    }
}

impl Pair {
    /// Whether iterations from cursor to cursor give all that is there, on both sides.
    pub fn compare_scans(&mut self, units: usize) -> Result<(), Failure> {
        for connection in self.connections.last_mut().expect("there is always one") {
            match scans::omission(connection) {
                Ok(None) => {}
                Ok(Some(text)) => return Err(Failure { kind: "scan".into(), text, units }),
                Err(error) => return Err(Failure { kind: format!("scan: {error}"), text: error, units }),
            }
        }
        Ok(())
    }
}

/// What differs between two replies that are not equal: of a transaction, the reply to one of its commands.
fn difference<'a>(
    reference: Reference,
    unit: &'a Unit,
    request: &'a Request,
    redis: &'a [u8],
    torc: &'a [u8],
    before: Option<&[u8]>,
) -> Option<(&'a Request, &'a [u8], &'a [u8])> {
    let queued = unit.requests.get(1..unit.requests.len() - 1).unwrap_or_default();
    if let (Compare::Transaction(parts), Some(ours), Some(theirs)) =
        (&request.compare, Elements::new(redis), Elements::new(torc))
        && ours.len() == parts.len()
        && theirs.len() == parts.len()
    {
        let queued = queued.iter().filter(|request| request.name != "watch");
        let each = parts.iter().zip(queued).zip(ours.zip(theirs));
        return each
            .filter(|((part, request), (one, other))| {
                // What was seen before, inside of the transaction, is not looked up.
                let is_drawn = matches!(part, Compare::DrawnFrom | Compare::DrawnScores);
                let part = if is_drawn { &Compare::Shape } else { part };
                !part.are_equal(one, other, None) && !known::is_meant(reference, request.name, part, one, other)
            })
            .map(|((_, request), (one, other))| (request, one, other))
            .next();
    }
    let is_equal = request.compare.are_equal(redis, torc, before)
        || known::is_meant(reference, request.name, &request.compare, redis, torc);
    (!is_equal).then_some((request, redis, torc))
}

fn different(name: &str, line: &str, redis: &[u8], torc: &[u8], units: usize) -> Failure {
    let brief = |reply: &[u8]| {
        let text = reply.escape_ascii().to_string();
        let letters = text.chars().filter(|letter| !letter.is_ascii_digit());
        match reply.first() {
            Some(b'-' | b'+') => letters.take(60).collect::<String>(),
            _ => letters.take(1).collect(),
        }
    };
    Failure {
        kind: format!("{name}: {} | {}", brief(redis), brief(torc)),
        text: format!("{}\n  redis {}\n  torc  {}", clipped(line.to_owned()), clip(redis), clip(torc)),
        units,
    }
}

fn clip(reply: &[u8]) -> String {
    clipped(reply.escape_ascii().to_string())
}

fn clipped(text: String) -> String {
    if text.len() > 1500 {
        format!("{}.. ({} bytes)", text.chars().take(1500).collect::<String>(), text.len())
    } else {
        text
    }
}
