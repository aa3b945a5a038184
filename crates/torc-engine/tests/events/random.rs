//! Random requests of all writing commands, on an engine of one core and on redis-server: as long as both reply alike, they tell alike.

use torc_engine::command::{Command, Flags};
use torc_engine::event::EventClasses;
use torc_engine::random::Random;
use torc_resp::{reader, write_request};

use crate::by_key;
use crate::heard::{Heard, Ours, Theirs, shown};
use crate::reference::{Reference, now_ms};
use crate::requests::commands;
use crate::scenario::{self, CORES};
use crate::small::{Times, random_request};

/// Requests that are drawn.
const REQUESTS: usize = 4000;
/// Most requests until both begin again with the same keys.
const ROUND: usize = 20;

/// Rounds on one core and on several.
const ROUNDS_OF_CORES: usize = 200;

/// What every round begins with.
const KEYS: [&str; 14] = [
    "RPUSH list0 a b c",
    "RPUSH list1 a",
    "SADD set0 a b c",
    "SADD set1 1",
    "HSET hash0 a 1 b 2",
    "HSET hash1 a 1",
    "ZADD sorted-set0 1 a 2 b 3 c",
    "ZADD sorted-set1 1 a",
    "SET string0 10",
    "SET string1 ab EX 1000",
    "XADD stream0 1-1 a b",
    "XADD stream0 1-2 a b",
    "XGROUP CREATE stream0 g 0",
    "XGROUP CREATE stream1 g 0 MKSTREAM",
];

/// Whether a request is known to be told otherwise; see `differences.txt`.
fn is_known(version: u8, request: &[Vec<u8>], ours: &[Heard], theirs: &[Heard]) -> bool {
    let count = |events: &[Heard], name: &str| events.iter().filter(|event| event.name == name).count();
    let has = |events: &[Heard], name: &str| count(events, name) > 0;
    let is_or_may_be = |name: &str| [name, "exec"].iter().any(|name| request[0].eq_ignore_ascii_case(name.as_bytes()));
    // A consumer is made when it gets an entry.
    version == 7 && count(ours, "xgroup-createconsumer") != count(theirs, "xgroup-createconsumer")
        // It does not know all operations, and looks at them before it looks for keys.
        || version == 7 && is_or_may_be("bitop") && has(ours, "keymiss") && !has(theirs, "keymiss")
        // What is over is made.
        || is_or_may_be("set") && has(theirs, "expire") && !has(ours, "expire")
        || version == 8 && is_or_may_be("hsetex") && has(theirs, "hset") && !has(ours, "hset")
}

struct Sides<'a> {
    ours: Ours,
    theirs: &'a mut Theirs,
}

impl Sides<'_> {
    /// Sends a request to both. Whether they have replied alike, and what they have told.
    fn send(&mut self, request: &[Vec<u8>]) -> (bool, Vec<Heard>, Vec<Heard>) {
        self.ours.core.advance_ms((now_ms() - self.ours.core.now_ms()).max(0));
        let mut bytes = Vec::new();
        write_request(&mut bytes, request);
        let (ours, theirs) = (self.ours.client.raw(&bytes), self.theirs.server.redis().call(request));
        // The texts of errors are compared elsewhere.
        let alike = ours == theirs || reader::is_error(&ours) && reader::is_error(&theirs);
        (alike, self.ours.heard(), self.theirs.heard())
    }
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// A request, framed by MULTI and EXEC if it might wait.
fn draw(random: &mut Random, writing: &[&'static Command]) -> Vec<Vec<Vec<u8>>> {
    let command = writing[random.below(writing.len() as u64) as usize];
    let request = random_request(random, command, now_ms(), Times::Far);
    if command.row.flags.has(Flags::BLOCKING) || random.below(12) == 0 {
        vec![words("MULTI"), request, words("EXEC")]
    } else {
        vec![request]
    }
}

/// One round; gives what was told otherwise without a known reason.
fn round(drawn: &[Vec<Vec<u8>>], theirs: &mut Theirs, compared: &mut usize) -> Option<String> {
    theirs.server.reset();
    let version = theirs.server.version;
    let mut sides = Sides { ours: Ours::new(1, EventClasses::ALL), theirs };
    KEYS.iter().for_each(|line| drop(sides.send(&words(line))));
    for (number, request) in drawn.iter().enumerate() {
        let (alike, mut ours, theirs) = sides.send(request);
        if version < 8 {
            ours.retain(|event| !["overwritten", "type_changed"].contains(&&*event.name));
        }
        if !alike {
            // What is random, new, or depends on the clock: from here on the keys may differ.
            return None;
        }
        *compared += 1;
        if ours != theirs && is_known(version, request, &ours, &theirs) {
            return None;
        }
        if ours != theirs {
            // A transaction tells with its EXEC.
            let asked = &drawn[number.saturating_sub(2)..=number];
            return Some(format!("{} | {} | {}", scenario::shown(asked), shown(&ours), shown(&theirs)));
        }
    }
    None
}

/// Whether a version has a command.
fn has(version: u8, command: &Command) -> bool {
    let newest = if version < 8 { [7, 0] } else { [8, 2] };
    let since: Vec<u8> = command.row.since.split('.').map(|number| number.parse().expect("a number")).collect();
    since[..2] <= newest[..]
}

fn check_rounds(reference: Reference) {
    let left_out = ["flushall", "flushdb", "swapdb", "debug|populate", "debug|reload", "spop", "function|flush"];
    let (mut theirs, mut compared) = (Theirs::new(reference), 0);
    let version = theirs.server.version;
    let writing = commands().filter(|command| command.row.flags.has(Flags::WRITE) && has(version, command));
    let writing: Vec<_> = writing.filter(|command| !left_out.contains(&command.full_name)).collect();
    let mut random = Random::new(u64::from(version));
    let mut wrong = Vec::new();
    let mut drawn = 0;
    while drawn < REQUESTS {
        let requests: Vec<_> = (0..ROUND).flat_map(|_| draw(&mut random, &writing)).collect();
        drawn += requests.len();
        wrong.extend(round(&requests, &mut theirs, &mut compared));
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > REQUESTS / 4, "only {compared} requests were replied to alike");
}

/// The same requests on one core and on three, as long as the replies are alike; gives the first that is told otherwise of a key.
fn compare_cores(drawn: &[Vec<Vec<u8>>], compared: &mut usize) -> Option<String> {
    let sides = [1, CORES].map(|cores| Ours::new(cores, EventClasses::ALL));
    let keys: Vec<Vec<Vec<u8>>> = KEYS.iter().map(|line| words(line)).collect();
    for request in keys.iter().chain(drawn) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, request);
        let [one, three] = sides.each_ref().map(|side| side.client.raw(&bytes));
        if one != three {
            // What is random.
            return None;
        }
        *compared += 1;
        // On several cores, keys behind the one that has an error are read as well.
        let has_error = one.starts_with(b"-") || one.windows(3).any(|bytes| bytes == b"\r\n-");
        let [one, three] = sides.each_ref().map(|side| {
            let mut heard = side.heard();
            heard.retain(|event| !has_error || event.name != "keymiss");
            by_key(heard)
        });
        if one != three {
            return Some(format!(
                "{}: {one:?}\non {CORES} cores: {three:?}",
                scenario::shown(std::slice::from_ref(request))
            ));
        }
    }
    None
}

#[test]
fn random_requests_on_several_cores() {
    let left_out = ["debug|populate", "debug|reload"];
    let writing = commands().filter(|command| command.row.flags.has(Flags::WRITE));
    let writing: Vec<_> = writing.filter(|command| !left_out.contains(&command.full_name)).collect();
    let (mut random, mut compared, mut wrong) = (Random::new(3), 0, Vec::new());
    for _ in 0..ROUNDS_OF_CORES {
        let requests: Vec<_> = (0..ROUND).flat_map(|_| draw(&mut random, &writing)).collect();
        wrong.extend(compare_cores(&requests, &mut compared));
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn random_requests_beside_redis() {
    check_rounds(Reference::installed());
}

#[test]
fn random_requests_beside_a_newer_redis() {
    if let Some(reference) = Reference::newer() {
        check_rounds(reference);
    }
}
