//! What clients do in the shared world: commands of the swarm on few keys, MULTI with and without WATCH, transfers between
//! accounts, and readers of all of them.

use torc_engine::command::{Command, Flags, Route};
use torc_engine::random::Random;

use super::queues::{Ask, Queues};
use super::scans::{self, Walk};
use crate::compare::depends_on_open_order;
use crate::grammar::{Template, names_keys, templates};
use crate::swarm::{Swarm, pick, suits, weighted};
use crate::values::Scope;
use crate::workload::waits;

/// Accounts of the bank, and what each holds at first.
pub(crate) const ACCOUNTS: u64 = 6;
pub(crate) const DEPOSIT: i64 = 100;

/// Databases that clients use.
const DATABASES: u64 = 3;

/// In the place of a client's id, for the world to fill in.
pub(crate) const ANYBODY: &str = "@";

/// What all keys but the accounts begin with.
const LETTER: u8 = b'k';

/// Names in the syntax of commands that make something expire.
const TIMES: [&str; 4] = ["seconds", "milliseconds", "unix-time", "ttl"];

/// A list of requests that are replayed as one.
pub(crate) struct Made {
    pub requests: Vec<Vec<Vec<u8>>>,
    /// The database the requests run in, if it is not the client's.
    pub db: Option<u16>,
    /// What it makes the client's database.
    pub selects: Option<u16>,
    /// It is a call of a scan.
    pub call: Option<Call>,
}

impl Made {
    /// The same without a change of the database.
    pub fn in_one_database(mut self) -> Made {
        let selects = |request: &&mut Vec<Vec<u8>>| request[0] == b"SELECT";
        self.requests.iter_mut().filter(selects).for_each(|request| *request = words(&["PING"]));
        Made { db: None, selects: None, ..self }
    }
}

/// A call of a scan.
pub(crate) enum Call {
    First(Walk),
    /// Of the scan with this number.
    Next(usize),
}

/// What a run is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// All commands, MULTI, transfers, queues, in any proportion.
    Anything,
    /// Waiting for two queues and pushing several elements.
    Waits,
    /// Queues, whatever is done with them.
    Queues,
    /// Short-lived keys and readers of several.
    Expiry,
    /// Scans of what grows and shrinks.
    Scans,
}

impl Subject {
    fn drawn(random: &mut Random) -> Subject {
        match random.below(16) {
            0 => Subject::Scans,
            1 | 2 => Subject::Expiry,
            3..=5 => Subject::Queues,
            6..=8 => Subject::Waits,
            _ => Subject::Anything,
        }
    }
}

/// The odds of a run.
pub(crate) struct Workload {
    subject: Subject,
    commands: Vec<(&'static Template, u64)>,
    swarm: Swarm,
    multi_odds: u64,
    watch_odds: u64,
    bank_odds: u64,
    whole_odds: u64,
    session_odds: u64,
    queue_odds: u64,
    /// Among the waits for queues are moves from one to another.
    moves: bool,
    /// What queues are.
    queues: Queues,
    /// Nothing expires.
    timeless: bool,
}

impl Workload {
    pub fn new(mut swarm: Swarm, random: &mut Random) -> Self {
        let subject = Subject::drawn(random);
        let timeless = subject != Subject::Expiry && random.below(4) == 0;
        swarm.expires = !timeless;
        swarm.fields_expire = false;
        // Without an expiry, no result depends on when keys are removed.
        let expires = |template: &Template| TIMES.iter().any(|name| template.command.syntax.contains(name));
        let suits = |template: &Template| {
            names_keys(template.command) && suits(template, &swarm.kinds) && !(timeless && expires(template))
        };
        let mut commands: Vec<(&'static Template, u64)> = Vec::new();
        for template in templates().iter().filter(|template| suits(template)) {
            // Those over several keys are what this world is for, and those that fill keys are needed for the others.
            let row = template.command.row;
            let several = matches!(row.route, Route::Split { .. } | Route::Relay(_)) && row.blocking.is_none();
            let fills = row.flags.has(Flags::DENYOOM);
            let weight_max = if row.hand_over.is_some() {
                80
            } else if several {
                30
            } else if fills {
                16
            } else {
                8
            };
            let weight = if random.below(if fills { 6 } else { 3 }) == 0 { 0 } else { 1 + random.below(weight_max) };
            if weight > 0 {
                commands.push((template, weight));
            }
        }
        Workload {
            subject,
            commands,
            swarm,
            multi_odds: pick(random, &[0, 2, 4, 10]),
            watch_odds: pick(random, &[0, 2, 5]),
            bank_odds: pick(random, &[0, 0, 2, 5]),
            whole_odds: pick(random, &[0, 0, 10, 40]),
            session_odds: pick(random, &[0, 10, 30]),
            queue_odds: pick(random, &[0, 0, 2, 4, 10]),
            moves: random.below(3) == 0,
            queues: Queues::drawn(random),
            timeless,
        }
    }

    /// Whether nothing expires.
    pub fn timeless(&self) -> bool {
        self.timeless
    }

    /// Whether there is nothing but scans of what grows and shrinks.
    pub fn scans(&self) -> bool {
        self.subject == Subject::Scans
    }

    /// Whether accounts are used, so that nothing must touch them from the side.
    pub fn has_bank(&self) -> bool {
        self.bank_odds > 0 && self.subject == Subject::Anything
    }

    /// The accounts as they are at first.
    pub fn deposits() -> Vec<Vec<u8>> {
        let pairs = (0..ACCOUNTS).flat_map(|number| [account(number), DEPOSIT.to_string().into_bytes()]);
        std::iter::once(b"MSET".to_vec()).chain(pairs).collect()
    }

    /// A reader of all accounts.
    pub fn read_all() -> Vec<Vec<u8>> {
        std::iter::once(b"MGET".to_vec()).chain((0..ACCOUNTS).map(account)).collect()
    }

    /// What a client does next.
    pub fn next(&self, client: usize, now_ms: i64, random: &mut Random) -> Made {
        let once_in = |random: &mut Random, odds: u64| odds > 0 && random.below(odds) == 0;
        match self.subject {
            Subject::Scans => return scans::next(self.timeless, random),
            Subject::Waits => return alone(self.waits(client, random)),
            Subject::Queues => return self.queue_somewhere(client, random),
            Subject::Expiry => return alone(self.expiring(random)),
            Subject::Anything => {}
        }
        if once_in(random, self.bank_odds) {
            return self.bank(random);
        }
        if once_in(random, self.queue_odds) {
            return self.queue_somewhere(client, random);
        }
        if once_in(random, self.session_odds) {
            return session(random);
        }
        if once_in(random, self.whole_odds) {
            return alone(self.whole(random));
        }
        if once_in(random, self.watch_odds) {
            return alone(self.watch(now_ms, random));
        }
        if once_in(random, self.multi_odds) {
            return self.multi(now_ms, random);
        }
        alone(self.command(now_ms, random))
    }

    /// Whether some requests are transactions.
    pub fn has_transactions(&self) -> bool {
        self.subject == Subject::Anything && self.multi_odds > 0
    }

    /// What a script calls.
    pub fn called(&self, client: usize, now_ms: i64, random: &mut Random) -> Vec<Vec<u8>> {
        match self.subject {
            Subject::Waits => self.waits(client, random),
            Subject::Queues => self.queue(client, random),
            Subject::Expiry => self.expiring(random),
            Subject::Scans => unreachable!("runs of scans have no scripts"),
            Subject::Anything => match random.below(16) {
                0 => words(&["SELECT", &random.below(DATABASES).to_string()]),
                1 if self.whole_odds > 0 => self.whole(random),
                2..=4 if self.queue_odds > 0 => self.queue(client, random),
                _ => self.command(now_ms, random),
            },
        }
    }

    /// A key of the same kind as this one, which is one of [`Workload::called`].
    pub fn key_like(&self, key: &[u8], random: &mut Random) -> Vec<u8> {
        let kind = key.iter().rposition(|byte| !byte.is_ascii_alphabetic()).map_or(0, |last| last + 1);
        let kind = str::from_utf8(&key[kind..]).expect("kinds are letters");
        self.scope(0).key_of(kind, random)
    }

    fn command(&self, now_ms: i64, random: &mut Random) -> Vec<Vec<u8>> {
        let scope = self.scope(now_ms);
        loop {
            let template = weighted(random, &self.commands);
            let request = template.request(&scope, random);
            let is_own = scope.owns_keys_of(template.command, &request);
            let is_ordered = !ends_by_age(template.command, &request);
            if is_own && is_ordered && !depends_on_open_order(template.command.full_name, &request) {
                return request;
            }
        }
    }

    fn scope(&self, now_ms: i64) -> Scope<'_> {
        Scope { letter: LETTER, now_ms, swarm: &self.swarm }
    }

    fn watch(&self, now_ms: i64, random: &mut Random) -> Vec<Vec<u8>> {
        if random.below(5) == 0 {
            return vec![b"UNWATCH".to_vec()];
        }
        let keys = (0..1 + random.below(3)).map(|_| self.scope(now_ms).key(random)).collect::<Vec<_>>();
        std::iter::once(b"WATCH".to_vec()).chain(keys).collect()
    }

    pub(super) fn multi(&self, now_ms: i64, random: &mut Random) -> Made {
        let mut requests = vec![vec![b"MULTI".to_vec()]];
        let mut selects = None;
        for _ in 0..random.below(7) {
            requests.push(match random.below(16) {
                0 => {
                    let db = random.below(DATABASES) as u16;
                    selects = Some(db);
                    words(&["SELECT", &db.to_string()])
                }
                1 => words(&["PING"]),
                2 if random.below(4) == 0 => words(&["MULTI"]),
                3 if random.below(4) == 0 => words(&["WATCH", "k0.0"]),
                4 if random.below(4) == 0 => words(&["NOSUCH"]),
                5 if self.whole_odds > 0 => {
                    let request = self.whole(random);
                    // There it is compared, and must not count what has expired.
                    if request[0] == b"DBSIZE" && !self.timeless { words(&["KEYS", "*"]) } else { request }
                }
                6..=9 if self.queue_odds > 0 => {
                    let request = self.queue(0, random);
                    // That is a command about the server.
                    if request[0] == b"CLIENT" { words(&["PING"]) } else { request }
                }
                _ => self.command(now_ms, random),
            });
        }
        requests.push(words(&[if random.below(12) == 0 { "DISCARD" } else { "EXEC" }]));
        Made { requests, db: None, selects, call: None }
    }

    fn whole(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let db = |random: &mut Random| random.below(DATABASES).to_string();
        if self.has_bank() {
            return words(&["KEYS", "k*"]);
        }
        match random.below(10) {
            0 => words(&["FLUSHALL"]),
            1 => words(&["FLUSHDB"]),
            2 | 3 => words(&["SWAPDB", &db(random), &db(random)]),
            4 | 5 => words(&["DBSIZE"]),
            6 | 7 => words(&["RANDOMKEY"]),
            _ => words(&["KEYS", "*"]),
        }
    }

    /// Short-lived keys, and readers of one and of several.
    fn expiring(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let key = format!("k{}", random.below(4));
        match random.below(6) {
            0 => words(&["PSETEX", &key, &(1 + random.below(3000)).to_string(), "value"]),
            1 | 2 => words(&["GET", &key]),
            3 => words(&["EXISTS", "k0", "k1", "k2", "k3"]),
            _ => words(&["MGET", "k0", "k1", "k2", "k3"]),
        }
    }

    /// Nothing but waiting for two queues and pushing several elements.
    fn waits(&self, client: usize, random: &mut Random) -> Vec<Vec<u8>> {
        // `{q0}` is on the core of q0.
        let pairs = [["q0", "q1"], ["q1", "q0"], ["q0", "{q0}"], ["{q0}", "q0"]];
        let [first, second] = pairs[random.below(if self.moves { 4 } else { 2 }) as usize];
        if random.below(20) == 0 {
            return unblock(random);
        }
        // Some mostly push, so that not all wait.
        let pushes = random.below(8) < if client.is_multiple_of(3) { 7 } else { 2 };
        let both = [first, second];
        let ask = match random.below(4) {
            0 if pushes => Ask::Push(first, 1),
            _ if pushes => Ask::Push(first, 2),
            0 => Ask::Pop(&both, "3"),
            1 if self.moves => Ask::Move(first, second, "0"),
            _ => Ask::Pop(&both, "0"),
        };
        self.queues.request(ask, random)
    }

    /// Something with queues; elements of another database come with MOVE, COPY and SWAPDB.
    fn queue_somewhere(&self, client: usize, random: &mut Random) -> Made {
        let db = if random.below(6) == 0 { random.below(DATABASES) } else { 0 };
        Made { db: Some(db as u16), ..alone(self.queue(client, random)) }
    }

    /// Pushes, and takes that may wait; at times a queue moves or goes, or a wait is ended.
    fn queue(&self, client: usize, random: &mut Random) -> Vec<Vec<u8>> {
        let (first, second, third) = (queue(random), queue(random), queue(random));
        let spare = ["s0", "{q0}s"][random.below(2) as usize];
        let both = [first, second];
        let seconds = ["0", "0.5", "3", "0.001"][random.below(4) as usize];
        // Some hardly wait, so that not all do.
        let waits = !client.is_multiple_of(3) || random.below(4) == 0;
        let ask = match random.below(47) {
            12..=16 if !waits => Ask::Push(spare, 1 + random.below(3)),
            17..=22 if !waits => Ask::Push(third, 1),
            0..=5 => Ask::Push(third, 1),
            6 | 7 => Ask::Push(first, 2),
            8..=11 => Ask::Push(spare, 1 + random.below(3)),
            12..=15 => Ask::Pop(&both, seconds),
            16 | 17 => Ask::Pop(&both[..1], ["0", "2"][random.below(2) as usize]),
            // Elements for which there is no place.
            18 if random.below(2) == 0 => return words(&["SET", "t0", "text"]),
            18 => Ask::Move(first, "t0", seconds),
            19..=22 => Ask::Move(first, second, seconds),
            23 => Ask::Read(first, second),
            24 | 25 | 42..=44 => Ask::Drain(first, second),
            26 | 27 | 40 | 41 | 45 | 46 => Ask::Store(spare, second),
            28 => Ask::Store(first, second),
            29..=31 => return unblock(random),
            32..=35 => return self.upheaval([spare, second, third], random),
            _ => return self.upheaval([first, second, third], random),
        };
        self.queues.request(ask, random)
    }

    /// What happens to queues as it does to any key.
    fn upheaval(&self, [first, second, third]: [&str; 3], random: &mut Random) -> Vec<Vec<u8>> {
        let db = random.below(DATABASES).to_string();
        match random.below(17) {
            0 | 1 => words(&["RENAME", first, second]),
            2 => words(&["RENAMENX", first, second]),
            3 => words(&["DEL", second]),
            4 => words(&["UNLINK", first, second, third]),
            5 => words(&["COPY", first, second, "REPLACE"]),
            6 => words(&["COPY", second, second, "DB", &db]),
            7 | 8 => words(&["MOVE", second, &db]),
            9 | 10 => words(&["SET", second, "text"]),
            // An expired key ends waits for groups at a moment of its own, which has no place in the order.
            11 if !self.timeless && matches!(self.queues, Queues::Lists | Queues::SortedSets) => {
                words(&["PEXPIRE", second, &(1 + random.below(3000)).to_string()])
            }
            12 | 13 if !self.has_bank() => words(&["SWAPDB", "0", &db]),
            14 | 16 if !self.has_bank() => words(&[["FLUSHALL", "FLUSHDB"][random.below(2) as usize]]),
            _ => words(&["DEL", first, second]),
        }
    }

    /// A transfer between two accounts, or a look at all of them.
    fn bank(&self, random: &mut Random) -> Made {
        let made = |requests| Made { requests, db: Some(0), selects: None, call: None };
        if random.below(3) == 0 {
            return made(vec![Workload::read_all()]);
        }
        let (from, to) = (account(random.below(ACCOUNTS)), account(random.below(ACCOUNTS)));
        let amount = (1 + random.below(50)).to_string().into_bytes();
        made(vec![
            words(&["MULTI"]),
            vec![b"DECRBY".to_vec(), from, amount.clone()],
            vec![b"INCRBY".to_vec(), to, amount],
            words(&["EXEC"]),
        ])
    }
}

/// A key that clients wait for; the last is on the core of the first.
fn queue(random: &mut Random) -> &'static str {
    ["q0", "q1", "q2", "{q0}"][random.below(4) as usize]
}

fn unblock(random: &mut Random) -> Vec<Vec<u8>> {
    words(&["CLIENT", "UNBLOCK", ANYBODY, ["TIMEOUT", "ERROR"][random.below(2) as usize]])
}

fn session(random: &mut Random) -> Made {
    let db = random.below(DATABASES) as u16;
    match random.below(3) {
        0 => alone(words(&["PING"])),
        1 => alone(words(&["ECHO", "hello"])),
        _ => Made { requests: vec![words(&["SELECT", &db.to_string()])], db: None, selects: Some(db), call: None },
    }
}

pub(super) fn alone(request: Vec<Vec<u8>>) -> Made {
    Made { requests: vec![request], db: None, selects: None, call: None }
}

/// The name of an account.
pub(crate) fn account(number: u64) -> Vec<u8> {
    format!("acct{number}").into_bytes()
}

pub(crate) fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Whether time may end the wait of a request with a reply: no order of requests tells when.
fn ends_by_age(command: &Command, request: &[Vec<u8>]) -> bool {
    let claims = |argument: &Vec<u8>| argument.eq_ignore_ascii_case(b"CLAIM");
    command.row.blocking.is_some_and(|blocking| blocking.due.is_some())
        && request.iter().any(claims)
        && waits(command, request)
}
