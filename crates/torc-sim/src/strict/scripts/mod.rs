//! Scripts of clients: what they are made of, who runs them again, and what of it the judges need to know.
//!
//! ```text
//!   requests of the workload --text--> Script: Lua, and its calls as words --request--> EVAL, EVALSHA, EVAL_RO .. with KEYS and ARGV
//!                                         |                                                    |
//!                                      Library, by text and sha <--what does it touch?---------+
//! ```
//! A run has a few scripts that come again and again, with other keys each time. Chance of its own draws them, so that runs without
//! scripts stay as they are.

mod known;
mod text;

use std::collections::HashMap;
use std::rc::Rc;

use torc_engine::command::registry;
use torc_engine::random::Random;
use torc_engine::route::SlotMap;
use torc_resp::Args;

use super::history::{Touches, flat, touches_of};
use super::workload::{Made, Workload, account, alone, words};
use crate::compare::{Way, way_of};
use crate::grammar::{chooses, names_keys};
use crate::peers::is_impatient;
use crate::swarm::pick;

pub(crate) use known::judge_known;
use text::{Text, Word};

/// Scripts that a run has at a time.
const SCRIPTS_MAX: usize = 8;

/// The sha of no script.
pub(crate) const NO_SHA: &[u8] = b"0000000000000000000000000000000000000000";

/// A script.
pub(crate) struct Script {
    pub source: Vec<u8>,
    pub sha: Vec<u8>,
    calls: Vec<Vec<Word>>,
    /// Its keys when it was made: each time it runs, it gets others of their kinds.
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
    /// Every key of its calls is one of KEYS.
    is_closed: bool,
    only_reads: bool,
}

/// All scripts of a run.
#[derive(Default)]
pub(crate) struct Library {
    by_source: HashMap<Vec<u8>, Rc<Script>>,
    by_sha: HashMap<Vec<u8>, Rc<Script>>,
}

/// A request that runs a script.
pub(crate) struct Runs<'a> {
    pub script: &'a Script,
    pub by_sha: bool,
    is_read_only: bool,
    keys: &'a [Vec<u8>],
    arguments: &'a [Vec<u8>],
}

/// Whether a request is to run a script; by its sha, or by its text.
pub(crate) fn runs_script(request: &[Vec<u8>]) -> Option<bool> {
    match &request[0].to_ascii_uppercase()[..] {
        b"EVAL" | b"EVAL_RO" => Some(false),
        b"EVALSHA" | b"EVALSHA_RO" => Some(true),
        _ => None,
    }
}

impl Library {
    fn add(&mut self, script: &Rc<Script>) {
        self.by_source.insert(script.source.clone(), Rc::clone(script));
        self.by_sha.insert(script.sha.clone(), Rc::clone(script));
    }

    /// The script that a request runs; `None`: it runs none that there is.
    pub fn runs<'a>(&'a self, request: &'a [Vec<u8>]) -> Option<Runs<'a>> {
        let by_sha = runs_script(request)?;
        let scripts = if by_sha { &self.by_sha } else { &self.by_source };
        let script = scripts.get(&request[1])?;
        let count: usize = std::str::from_utf8(&request[2]).ok()?.parse().ok()?;
        let (keys, arguments) = request[3..].split_at_checked(count)?;
        Some(Runs { script, by_sha, is_read_only: request[0].ends_with(b"_RO"), keys, arguments })
    }

    /// The sha of the script that a request makes known, if it does.
    fn introduces<'a>(&'a self, request: &'a [Vec<u8>]) -> Option<&'a [u8]> {
        match request {
            [name, load, source] if name == b"SCRIPT" && load == b"LOAD" => {
                self.by_source.get(source).map(|script| &script.sha[..])
            }
            _ => self.runs(request).filter(|runs| !runs.by_sha).map(|runs| &runs.script.sha[..]),
        }
    }

    /// What a request reads and writes; a script, at most.
    pub fn touches_of(&self, request: &[Vec<u8>], mut db: u16, touches: &mut Touches) {
        let Some(runs) = self.runs(request) else { return touches_of(request, db, touches) };
        let mut own = Touches::default();
        for call in runs.calls() {
            touches_of(&call, db, &mut own);
            if call[0] == b"SELECT" {
                db = std::str::from_utf8(&call[1]).ok().and_then(|text| text.parse().ok()).unwrap_or(db);
            }
        }
        if runs.only_reads() {
            own.reads.append(&mut own.writes);
        }
        touches.reads.append(&mut own.reads);
        touches.writes.append(&mut own.writes);
    }

    /// Whether a request that runs a script may be one for one core, so that others of its connection may overtake it.
    pub fn is_for_one_core(&self, request: &[Vec<u8>], cores: u16) -> bool {
        let Some(runs) = self.runs(request) else { return true };
        let slots = SlotMap::even(cores);
        let mut owners = runs.keys.iter().map(|key| slots.owner(key));
        let first = owners.next();
        cores == 1 || (runs.script.is_closed && owners.all(|owner| Some(owner) == first))
    }
}

impl Runs<'_> {
    /// The commands that it calls, if it comes so far.
    fn calls(&self) -> impl Iterator<Item = Vec<Vec<u8>>> {
        let given = |word: &Word| match word {
            Word::Text(text) => text.clone(),
            Word::Key(at) => self.keys[*at].clone(),
            Word::Argument(at) => self.arguments[*at].clone(),
        };
        self.script.calls.iter().map(move |call| call.iter().map(given).collect())
    }

    /// Whether it may write nothing, so that its claims are shared.
    fn only_reads(&self) -> bool {
        self.is_read_only || self.script.only_reads
    }
}

/// What makes scripts in a run.
pub(crate) struct Scripts {
    random: Random,
    /// Once in so many requests.
    odds: u64,
    /// Scripts make their core busy soon, and are killed.
    pub is_impatient: bool,
    /// Clients die, so that nobody learns what they were answered.
    is_deadly: bool,
    scripts: Vec<Rc<Script>>,
}

/// Whether a run has scripts.
fn has_scripts(random: &mut Random) -> bool {
    random.below(5) < 2
}

impl Scripts {
    /// What makes the scripts of the run of this seed, if it has any.
    pub fn new(seed: u64, is_deadly: bool) -> Option<Scripts> {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x005c_2197);
        if !has_scripts(&mut random) {
            return None;
        }
        let odds = pick(&mut random, &[2, 3, 6, 12]);
        Some(Scripts { random, odds, is_impatient: is_impatient(seed), is_deadly, scripts: Vec::new() })
    }

    /// What a client does next, if it is about a script.
    pub fn next(&mut self, workload: &Workload, library: &mut Library, client: usize, now_ms: i64) -> Option<Made> {
        if self.random.below(self.odds) > 0 {
            return None;
        }
        let made = match self.random.below(24) {
            0 | 1 if self.is_impatient => alone(words(&["SCRIPT", "KILL"])),
            0 => alone(words(&["SCRIPT", if self.random.below(3) == 0 { "KILL" } else { "FLUSH" }])),
            1 | 2 => {
                let script = self.script(workload, library, client, now_ms);
                alone(vec![b"SCRIPT".to_vec(), b"LOAD".to_vec(), script.source.clone()])
            }
            3..=6 if !self.is_impatient && workload.has_transactions() => self.multi(workload, library, client, now_ms),
            _ => {
                let by_sha = self.random.below(3) == 0;
                alone(self.run(workload, library, client, now_ms, by_sha))
            }
        };
        Some(made)
    }

    /// Scripts among the commands of a transaction.
    fn multi(&mut self, workload: &Workload, library: &mut Library, client: usize, now_ms: i64) -> Made {
        let mut made = workload.multi(now_ms, &mut self.random);
        for _ in 0..1 + self.random.below(2) {
            // Of a transaction without an answer nobody knows whether a script was known.
            let by_sha = !self.is_deadly && self.random.below(3) == 0;
            let request = self.run(workload, library, client, now_ms, by_sha);
            let at = 1 + self.random.below(made.requests.len() as u64 - 1) as usize;
            made.requests.insert(at, request);
        }
        made
    }

    /// A request that runs a script with keys and arguments.
    fn run(
        &mut self,
        workload: &Workload,
        library: &mut Library,
        client: usize,
        now_ms: i64,
        by_sha: bool,
    ) -> Vec<Vec<u8>> {
        let script = self.script(workload, library, client, now_ms);
        let is_read_only = self.random.below(if script.only_reads { 2 } else { 8 }) == 0;
        let (name, which) = match (by_sha, is_read_only) {
            (true, _) if self.random.below(20) == 0 => ("EVALSHA", NO_SHA.to_vec()),
            (true, true) => ("EVALSHA_RO", script.sha.clone()),
            (true, false) => ("EVALSHA", script.sha.clone()),
            (false, true) => ("EVAL_RO", script.source.clone()),
            (false, false) => ("EVAL", script.source.clone()),
        };
        let keys: Vec<Vec<u8>> = script.keys.iter().map(|key| self.other_key(workload, key)).collect();
        let mut request = vec![name.as_bytes().to_vec(), which, keys.len().to_string().into_bytes()];
        request.extend(keys);
        request.extend(script.arguments.iter().cloned());
        request
    }

    /// A key of the same kind.
    fn other_key(&mut self, workload: &Workload, key: &[u8]) -> Vec<u8> {
        if self.random.below(3) == 0 {
            return key.to_vec();
        }
        match key {
            [b'a', b'c', b'c', b't', ..] => account(self.random.below(super::workload::ACCOUNTS)),
            [b'k', _, b'.', ..] | [b'{', b'k', ..] => workload.key_like(key, &mut self.random),
            [b'k', _] => format!("k{}", self.random.below(4)).into_bytes(),
            [b'q', ..] | [b'{', b'q', _, b'}'] => pick_key(&mut self.random, &["q0", "q1", "q2", "{q0}"]),
            _ => key.to_vec(),
        }
    }

    /// One of the scripts of the run, or a new one.
    fn script(&mut self, workload: &Workload, library: &mut Library, client: usize, now_ms: i64) -> Rc<Script> {
        let place = self.random.below(SCRIPTS_MAX as u64) as usize;
        if self.random.below(4) > 0 && place < self.scripts.len() {
            return Rc::clone(&self.scripts[place]);
        }
        let script = Rc::new(self.made(workload, client, now_ms));
        library.add(&script);
        if place < self.scripts.len() {
            self.scripts[place] = Rc::clone(&script);
        } else {
            self.scripts.push(Rc::clone(&script));
        }
        script
    }

    /// A script put together from commands.
    fn made(&mut self, workload: &Workload, client: usize, now_ms: i64) -> Script {
        let mut text = Text::new(self.is_impatient, &mut self.random);
        if workload.has_bank() && self.random.below(3) == 0 {
            let amount = (1 + self.random.below(50)).to_string();
            for name in ["DECRBY", "INCRBY"] {
                let at = account(self.random.below(super::workload::ACCOUNTS));
                text.call(&[name.as_bytes().to_vec(), at, amount.clone().into_bytes()], &mut self.random);
            }
            return text.script_without_errors();
        }
        for _ in 0..pick(&mut self.random, &[0, 1, 1, 2, 2, 3, 3, 5]) {
            let request = self.called(workload, client, now_ms);
            let is_exact = way_of(&request) == Way::Exact;
            text.call_at_times(&request, is_exact, &mut self.random);
        }
        text.script(&mut self.random)
    }

    /// A command that a script calls, whose answer on one core is that on several.
    fn called(&mut self, workload: &Workload, client: usize, now_ms: i64) -> Vec<Vec<u8>> {
        loop {
            let request = workload.called(client, now_ms, &mut self.random);
            let (bytes, spans) = flat(&request);
            let Ok(command) = registry().find(Args::new(&bytes, &spans)) else { continue };
            let counts_expired = request[0] == b"DBSIZE" && !workload.timeless();
            let is_about_server = request[0] == b"CLIENT" || (chooses(command) && !names_keys(command));
            if !counts_expired && !is_about_server {
                return request;
            }
        }
    }
}

fn pick_key(random: &mut Random, from: &[&str]) -> Vec<u8> {
    from[random.below(from.len() as u64) as usize].as_bytes().to_vec()
}
