//! How often each command that may wait came to each end, and what it was that served those who waited.

use std::collections::BTreeMap;
use std::fmt;

use torc_engine::command::{Flags, registry};
use torc_resp::{Args, reader};

use super::history::{Action, History, flat};
use super::replay::{answer_to, is_busy, is_unknown_script, says_killed};
use super::scripts::runs_script;
use crate::workload::waits;

/// How requests that may wait have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// There was something at once.
    pub at_once: u64,
    /// It waited, and got something.
    pub served: u64,
    /// It waited, and its time ran out.
    pub timed_out: u64,
    /// It waited, and CLIENT UNBLOCK ended that.
    pub unblocked: u64,
    /// The request was answered with an error at once, without waiting.
    pub refused: u64,
    /// It waited until a change of its key made it fail.
    pub failed: u64,
    /// It waited when its connection died.
    pub died: u64,
    /// Times that it ran again, to move something to another core.
    pub retried: u64,
}

/// What runs have covered of waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By command.
    pub waits: BTreeMap<&'static str, Outcomes>,
    /// By the commands that made keys ready, or ended a wait with an error: how many waits they ended. Each command of a MULTI that writes
    /// counts.
    pub wakers: BTreeMap<&'static str, u64>,
    /// Scans that came to their end, by command, and their calls.
    pub scans: BTreeMap<&'static str, (u64, u64)>,
    /// What became of requests that run scripts.
    pub scripts: BTreeMap<&'static str, u64>,
    /// Answers of commands that choose at random, by command.
    pub choices: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// What a run has covered.
    pub(crate) fn of(history: &History) -> Coverage {
        let mut coverage = Coverage::default();
        for action in &history.actions {
            coverage.count(action, history);
            coverage.count_scripts(action);
            for (request, _) in &action.chosen {
                *coverage.choices.entry(name_of(request).unwrap_or_default()).or_default() += 1;
            }
        }
        for scan in history.scans.iter().filter(|scan| scan.is_complete) {
            let (scans, calls) = coverage.scans.entry(scan.walk.command).or_default();
            *scans += 1;
            *calls += scan.calls.len() as u64;
        }
        coverage
    }

    fn count(&mut self, action: &Action, history: &History) {
        let [request] = &action.requests[..] else { return };
        let (bytes, spans) = flat(request);
        let Ok(command) = registry().find(Args::new(&bytes, &spans)) else { return };
        if !command.row.flags.has(Flags::BLOCKING) {
            return;
        }
        let outcomes = self.waits.entry(command.full_name).or_default();
        outcomes.retried += action.retries;
        let reply = action.replies.first();
        let failed = reply.is_some_and(|reply| reader::is_error(reply));
        let by = action.ended_by.map(|by| &history.actions[by]);
        let count = match by {
            Some(by) if by.ends.is_some() && reply.is_none() => &mut outcomes.died,
            Some(by) if by.ends.is_some() => &mut outcomes.timed_out,
            Some(by) if by.requests[0][0] == b"CLIENT" => &mut outcomes.unblocked,
            Some(_) if failed => &mut outcomes.failed,
            // It ran again, and then failed.
            None if failed && action.retries > 0 => &mut outcomes.failed,
            None if failed => &mut outcomes.refused,
            Some(_) => &mut outcomes.served,
            None if reply.is_some() && waits(command, request) => &mut outcomes.at_once,
            None => return,
        };
        *count += 1;
        for request in by.iter().flat_map(|by| &by.requests) {
            if runs_script(request).is_some() {
                *self.scripts.entry("ended a wait").or_default() += 1;
            }
            if let Some(name) = name_of(request).filter(|name| writes(name)) {
                *self.wakers.entry(name).or_default() += 1;
            }
        }
    }

    fn count_scripts(&mut self, action: &Action) {
        let mut note = |what: &'static str| *self.scripts.entry(what).or_default() += 1;
        for (index, _) in action.requests.iter().enumerate().filter(|(_, request)| runs_script(request).is_some()) {
            let Some(answer) = answer_to(action, index) else { continue };
            note(match answer {
                answer if is_unknown_script(answer) => "unknown",
                answer if is_busy(answer) => "refused as busy",
                answer if says_killed(answer) => "killed",
                answer if reader::is_error(answer) => "failed",
                _ if action.requests.len() > 1 => "ran in a transaction",
                _ if action.pieces.iter().any(|piece| piece.core != action.pieces[0].core) => "ran on several cores",
                _ => "ran",
            });
        }
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Coverage) {
        for (name, more) in &other.waits {
            let sum = self.waits.entry(name).or_default();
            sum.at_once += more.at_once;
            sum.served += more.served;
            sum.timed_out += more.timed_out;
            sum.unblocked += more.unblocked;
            sum.refused += more.refused;
            sum.failed += more.failed;
            sum.died += more.died;
            sum.retried += more.retried;
        }
        other.wakers.iter().for_each(|(name, more)| *self.wakers.entry(name).or_default() += more);
        other.choices.iter().for_each(|(name, more)| *self.choices.entry(name).or_default() += more);
        other.scripts.iter().for_each(|(name, more)| *self.scripts.entry(name).or_default() += more);
        for (name, more) in &other.scans {
            let sum = self.scans.entry(name).or_default();
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }
}

/// The full name of a request's command.
fn name_of(request: &[Vec<u8>]) -> Option<&'static str> {
    let (bytes, spans) = flat(request);
    registry().find(Args::new(&bytes, &spans)).ok().map(|command| command.full_name)
}

fn writes(name: &str) -> bool {
    registry().all().any(|command| command.full_name == name && command.row.flags.has(Flags::WRITE))
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["at once", "served", "timed out", "unblocked", "refused", "failed", "died", "retried"];
        write!(formatter, "{:<12}", "waits")?;
        titles.iter().try_for_each(|title| write!(formatter, "{title:>10}"))?;
        writeln!(formatter)?;
        for (name, all) in &self.waits {
            let counts =
                [all.at_once, all.served, all.timed_out, all.unblocked, all.refused, all.failed, all.died, all.retried];
            write!(formatter, "{name:<12}")?;
            counts.iter().try_for_each(|count| write!(formatter, "{count:>10}"))?;
            writeln!(formatter)?;
        }
        writeln!(formatter, "ended by: {:?}", self.wakers)?;
        writeln!(formatter, "scripts: {:?}", self.scripts)?;
        writeln!(formatter, "scans, calls: {:?}", self.scans)?;
        writeln!(formatter, "choices: {:?}", self.choices)
    }
}
