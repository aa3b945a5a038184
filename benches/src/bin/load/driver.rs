//! The loop that sends batches and takes replies.
//!
//! ```text
//!   start: every connection sends a batch
//!   turn:  wait once -> per receive: check replies; batch complete and more to send? send the next batch
//!   end:   limit reached -> nothing is sent any more; replies in flight are awaited, checked, but not counted
//! ```
//! Time is taken once per receive, not per reply: replies of one receive arrived together. An operation may have
//! several replies (a transaction has); what is counted and timed is its last one.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use torc_benches::resp::{Reply, scan_reply};
use torc_benches::ring::{Completion, ReceiveRing, send};

use crate::plan::{Expected, Mix, Plan, Workload};
use crate::tally::Tally;
use crate::targets::{Keys, Target};

const RING_ENTRIES: u32 = 1024;
/// A server that says nothing for so long is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const WRITABLE_FLAG: u64 = 1 << 63;

/// When a stretch of load ends.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// After this many operations.
    Operations(u64),
    /// After this much time.
    Time(Duration),
}

impl Limit {
    /// After this number of seconds.
    pub fn seconds(seconds: f64) -> Self {
        Self::Time(Duration::from_secs_f64(seconds))
    }
}

/// All connections of this process.
pub struct Driver<'a> {
    ring: ReceiveRing,
    targets: &'a [Target],
    connections: Vec<Connection>,
    random: Random,
    completions: Vec<Completion>,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    target: usize,
    requests: Vec<u8>,
    /// How much of `requests` the socket took.
    sent: usize,
    expected: VecDeque<Expected>,
    /// The start of a reply whose end has not arrived.
    unfinished: Vec<u8>,
    batch_sent_at: Instant,
}

/// What a connection sends next, and the replies that it must get.
struct Batch<'a> {
    requests: &'a mut Vec<u8>,
    expected: &'a mut VecDeque<Expected>,
}

/// One stretch of load while it lasts.
struct Stretch<'a> {
    workload: &'a Workload,
    plan: &'a Plan,
    pipeline: usize,
    limit: Limit,
    /// Where the prefill of each target has come to.
    filled: Vec<u32>,
    /// Operations not yet sent, when the limit is a count.
    operations_left: u64,
    /// Replies that are still to come.
    in_flight: u64,
    started_at: Instant,
    is_over: bool,
    tally: Tally,
}

impl<'a> Driver<'a> {
    /// Opens `count` connections, one target after the other in turn.
    ///
    /// # Errors
    /// A target does not accept, or there is no ring to be had.
    pub fn connect(targets: &'a [Target], count: usize, seed: u64) -> io::Result<Self> {
        let mut ring = ReceiveRing::new(RING_ENTRIES)?;
        let mut connections = Vec::with_capacity(count);
        for place in 0..count.max(targets.len()) {
            let target = place % targets.len();
            let stream = TcpStream::connect(targets[target].address)?;
            stream.set_nodelay(true)?;
            ring.receive(stream.as_raw_fd(), place as u64);
            connections.push(Connection {
                stream,
                target,
                requests: Vec::new(),
                sent: 0,
                expected: VecDeque::new(),
                unfinished: Vec::new(),
                batch_sent_at: Instant::now(),
            });
        }
        let completions = Vec::with_capacity(RING_ENTRIES as usize);
        Ok(Self { ring, targets, connections, random: Random::new(seed), completions, scratch: Vec::new() })
    }

    /// Runs one stretch of load to its limit; all its replies have arrived when it returns.
    ///
    /// # Errors
    /// A connection breaks, a reply is no RESP, or the server falls silent.
    pub fn run(&mut self, workload: &Workload, plan: &Plan, pipeline: usize, limit: Limit) -> io::Result<Tally> {
        let operations_left = match limit {
            Limit::Operations(count) => count,
            Limit::Time(_) => u64::MAX,
        };
        let mut stretch = Stretch {
            workload,
            plan,
            pipeline,
            limit,
            filled: vec![0; self.targets.len()],
            operations_left,
            in_flight: 0,
            started_at: Instant::now(),
            is_over: false,
            tally: Tally::new(),
        };
        for place in 0..self.connections.len() {
            self.send_batch(&mut stretch, place)?;
        }
        while stretch.in_flight > 0 {
            self.turn(&mut stretch)?;
        }
        stretch.end();
        Ok(stretch.tally)
    }

    fn turn(&mut self, stretch: &mut Stretch<'_>) -> io::Result<()> {
        let mut completions = std::mem::take(&mut self.completions);
        let waits_since = Instant::now();
        self.ring.turn(&mut completions, Some(SILENCE_MAX))?;
        // A signal ends a turn early too.
        if completions.is_empty() && waits_since.elapsed() >= SILENCE_MAX {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server has stopped answering"));
        }
        for completion in completions.drain(..) {
            let place = (completion.token & !WRITABLE_FLAG) as usize;
            if completion.token & WRITABLE_FLAG != 0 {
                self.flush(place)?;
            } else {
                self.on_receive(stretch, place, completion)?;
            }
        }
        self.completions = completions;
        Ok(())
    }

    fn on_receive(&mut self, stretch: &mut Stretch<'_>, place: usize, completion: Completion) -> io::Result<()> {
        let connection = &mut self.connections[place];
        let bytes = self.ring.bytes(&completion);
        stretch.check_time();
        connection.on_bytes(bytes, stretch)?;
        self.ring.release(completion);
        if !completion.more {
            match completion.result {
                0 => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed a connection"));
                }
                error if error < 0 && error != -libc::ENOBUFS => {
                    return Err(io::Error::from_raw_os_error(-error));
                }
                _ => self.ring.receive(connection.fd(), completion.token),
            }
        }
        if connection.expected.is_empty() {
            self.send_batch(stretch, place)?;
        }
        Ok(())
    }

    fn send_batch(&mut self, stretch: &mut Stretch<'_>, place: usize) -> io::Result<()> {
        let connection = &mut self.connections[place];
        let keys = &self.targets[connection.target].keys;
        assert!(connection.expected.is_empty(), "a batch is sent when the one before is answered");
        assert_eq!(connection.sent, connection.requests.len(), "an answered batch was sent to its end");
        connection.requests.clear();
        connection.sent = 0;
        for _ in 0..stretch.pipeline {
            let batch = Batch { requests: &mut connection.requests, expected: &mut connection.expected };
            if !stretch.push_next(connection.target, keys, &mut self.random, &mut self.scratch, batch) {
                break;
            }
        }
        if connection.expected.is_empty() {
            return Ok(());
        }
        stretch.in_flight += connection.expected.len() as u64;
        connection.batch_sent_at = Instant::now();
        self.flush(place)
    }

    fn flush(&mut self, place: usize) -> io::Result<()> {
        let connection = &mut self.connections[place];
        connection.sent += send(connection.fd(), &connection.requests[connection.sent..])?;
        if connection.sent < connection.requests.len() {
            self.ring.poll_writable(connection.fd(), place as u64 | WRITABLE_FLAG);
        }
        Ok(())
    }
}

impl Connection {
    fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    fn on_bytes(&mut self, bytes: &[u8], stretch: &mut Stretch<'_>) -> io::Result<()> {
        let latency_ns = u64::try_from(self.batch_sent_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if self.unfinished.is_empty() {
            let used = take_replies(bytes, &mut self.expected, stretch, latency_ns)?;
            self.unfinished.extend_from_slice(&bytes[used..]);
        } else {
            self.unfinished.extend_from_slice(bytes);
            let used = take_replies(&self.unfinished, &mut self.expected, stretch, latency_ns)?;
            self.unfinished.drain(..used);
        }
        Ok(())
    }
}

/// Checks every whole reply in `bytes` and says how many bytes they took.
fn take_replies(
    bytes: &[u8],
    expected: &mut VecDeque<Expected>,
    stretch: &mut Stretch<'_>,
    latency_ns: u64,
) -> io::Result<usize> {
    let mut used = 0;
    loop {
        let scanned = scan_reply(&bytes[used..]).map_err(|_| invalid("a reply is not RESP"))?;
        let Some((length, reply)) = scanned else {
            return Ok(used);
        };
        let wanted = expected.pop_front().ok_or_else(|| invalid("a reply came that nothing was asked for"))?;
        stretch.on_reply(wanted, reply, latency_ns);
        used += length;
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl Stretch<'_> {
    /// Appends the next operation for a target; whether there was one to send.
    fn push_next(
        &mut self,
        target: usize,
        keys: &Keys,
        random: &mut Random,
        scratch: &mut Vec<u8>,
        batch: Batch<'_>,
    ) -> bool {
        if self.is_over || self.operations_left == 0 {
            return false;
        }
        let Batch { requests: out, expected } = batch;
        let single = match self.plan {
            Plan::Fill | Plan::Sequence(_) => {
                let index = self.filled[target];
                if index == keys.len() {
                    return false;
                }
                self.filled[target] += 1;
                match self.plan {
                    Plan::Sequence(template) => template.push(self.workload, keys.at(index), scratch, out),
                    _ => self.workload.push_set(keys.at(index), out),
                }
            }
            Plan::Mix(Mix { ratio, expects_value }) => {
                let key = keys.at(random.below(keys.len()));
                if random.below(ratio.sets + ratio.gets) < ratio.sets {
                    self.workload.push_set(key, out)
                } else {
                    self.workload.push_get(key, *expects_value, out)
                }
            }
            Plan::Template(template) => template.push(self.workload, keys.at(random.below(keys.len())), scratch, out),
            Plan::Group(group) => {
                self.workload.push_group(*group, || keys.at(random.below(keys.len())), out, expected);
                self.operations_left -= 1;
                return true;
            }
        };
        expected.push_back(single);
        self.operations_left -= 1;
        true
    }

    fn on_reply(&mut self, expected: Expected, reply: Reply<'_>, latency_ns: u64) {
        self.in_flight -= 1;
        if !self.workload.accepts(expected, reply) {
            self.tally.errors += 1;
            self.tally.first_error.get_or_insert_with(|| format!("expected {expected:?}, got {}", shorten(reply)));
        }
        if self.is_over || !expected.ends_operation() {
            return;
        }
        self.tally.operations += 1;
        self.tally.latency_ns.saturating_record(latency_ns);
    }

    fn check_time(&mut self) {
        if let Limit::Time(limit) = self.limit
            && !self.is_over
            && self.started_at.elapsed() >= limit
        {
            self.end();
        }
    }

    fn end(&mut self) {
        if !self.is_over {
            self.is_over = true;
            self.tally.elapsed = self.started_at.elapsed();
        }
    }
}

fn shorten(reply: Reply<'_>) -> String {
    let text = match reply {
        Reply::Status(text) | Reply::Error(text) | Reply::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    };
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}

/// A small, fast random sequence (xorshift64*); keys need spread, not secrecy.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // The state must not be zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`, which is not 0.
    #[inline]
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((high * u64::from(limit)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Group, Ratio};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers each connection's bytes through `answer`, until the peer closes.
    fn serve(answer: fn(&[u8]) -> Vec<u8>) -> Vec<Target> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut buffer = [0; 65_536];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&answer(&buffer[..length])).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        vec![Target { address, keys: Keys::All(10) }]
    }

    fn ok_for_each_request(bytes: &[u8]) -> Vec<u8> {
        b"+OK\r\n".repeat(bytes.iter().filter(|&&byte| byte == b'*').count())
    }

    #[test]
    fn a_fill_sends_every_key_once() {
        let targets = serve(ok_for_each_request);
        let mut driver = Driver::connect(&targets, 3, 1).unwrap();
        let tally = driver.run(&Workload::new("k", 4, 1), &Plan::Fill, 2, Limit::Operations(10)).unwrap();
        assert_eq!((tally.operations, tally.errors), (10, 0));
    }

    #[test]
    fn wrong_replies_are_counted() {
        let targets = serve(ok_for_each_request);
        let mut driver = Driver::connect(&targets, 2, 1).unwrap();
        let gets = Plan::Mix(Mix { ratio: Ratio { sets: 0, gets: 1 }, expects_value: false });
        let tally = driver.run(&Workload::new("k", 4, 1), &gets, 4, Limit::Operations(100)).unwrap();
        assert_eq!((tally.operations, tally.errors), (100, 100));
        assert!(tally.first_error.unwrap().contains("OK"));
    }

    #[test]
    fn an_operation_counts_once_however_many_replies_it_has() {
        let whole_transaction = |bytes: &[u8]| {
            let count = bytes.windows(4).filter(|it| *it == b"EXEC").count();
            b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n".repeat(count)
        };
        let targets = serve(whole_transaction);
        let mut driver = Driver::connect(&targets, 2, 1).unwrap();
        let plan = Plan::Group(Group::Transaction(2));
        let tally = driver.run(&Workload::new("k", 4, 1), &plan, 3, Limit::Operations(20)).unwrap();
        assert_eq!((tally.operations, tally.errors, tally.latency_ns.len()), (20, 0, 20));
    }

    #[test]
    fn a_transaction_that_did_not_run_is_an_error() {
        let aborted = |bytes: &[u8]| {
            let count = bytes.windows(4).filter(|it| *it == b"EXEC").count();
            b"+OK\r\n-CROSSCORE no\r\n-EXECABORT no\r\n".repeat(count)
        };
        let targets = serve(aborted);
        let mut driver = Driver::connect(&targets, 2, 1).unwrap();
        let plan = Plan::Group(Group::Transaction(1));
        let tally = driver.run(&Workload::new("k", 4, 1), &plan, 1, Limit::Operations(10)).unwrap();
        assert_eq!((tally.operations, tally.errors), (10, 20));
        assert!(tally.first_error.unwrap().contains("CROSSCORE"));
    }

    #[test]
    fn a_time_limit_ends_a_stretch() {
        let targets = serve(ok_for_each_request);
        let mut driver = Driver::connect(&targets, 2, 1).unwrap();
        let sets = Plan::Mix(Mix { ratio: Ratio { sets: 1, gets: 0 }, expects_value: false });
        let tally = driver.run(&Workload::new("k", 4, 1), &sets, 4, Limit::seconds(0.05)).unwrap();
        assert!(tally.operations > 0 && tally.errors == 0);
        assert!(tally.elapsed >= Duration::from_millis(50) && tally.elapsed < Duration::from_secs(5));
    }

    #[test]
    fn a_server_that_hangs_up_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let targets = vec![Target { address: listener.local_addr().unwrap(), keys: Keys::All(10) }];
        std::thread::spawn(move || drop(listener.accept().unwrap()));
        let mut driver = Driver::connect(&targets, 1, 1).unwrap();
        assert!(driver.run(&Workload::new("k", 4, 1), &Plan::Fill, 1, Limit::Operations(10)).is_err());
    }

    #[test]
    fn random_numbers_stay_below_their_limit_and_reach_it() {
        let mut random = Random::new(7);
        let mut seen = [0_u32; 11];
        for _ in 0..11_000 {
            seen[random.below(11) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 800), "{seen:?}");
    }
}
