//! What a run did, for the line at its end and for the tests that ask whether runs do enough.

use std::fmt;

use super::coverage::Coverage;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Actions that were made.
    pub actions: u64,
    /// Actions that ran on several cores.
    pub spread: u64,
    /// EXECs that a watched key made fail.
    pub aborted: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// Attempts of cuts that were withdrawn.
    pub withdrawn: u64,
    /// Moments at which a log that was turned on and begun with a base was complete: writes were held, or it was turned off.
    pub logs: u64,
    /// Messages between cores.
    pub messages: u64,
    /// Steps.
    pub steps: u64,
    /// Clients that died.
    pub deaths: u64,
    /// Waits that ended with an element.
    pub served: u64,
    /// Those of them that moved it on.
    pub moved: u64,
    /// Times that a waiting request ran again.
    pub retried: u64,
    /// What has been covered of waiting, scanning and choosing.
    pub coverage: Coverage,
}

impl Summary {
    /// Adds another run's.
    pub fn add(&mut self, other: &Summary) {
        self.actions += other.actions;
        self.spread += other.spread;
        self.aborted += other.aborted;
        self.refused += other.refused;
        self.withdrawn += other.withdrawn;
        self.logs += other.logs;
        self.messages += other.messages;
        self.steps += other.steps;
        self.deaths += other.deaths;
        self.served += other.served;
        self.moved += other.moved;
        self.retried += other.retried;
        self.coverage.add(&other.coverage);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { actions, spread, aborted, refused, withdrawn, messages, steps, .. } = self;
        let Summary { logs, deaths, served, moved, retried, .. } = self;
        write!(
            formatter,
            "{actions} actions, {spread} on several cores, {aborted} aborted, {refused} refused; {withdrawn} attempts of cuts withdrawn; \
             {logs} logs on and off; {messages} messages, {steps} steps, {deaths} deaths; waits: {served} served, {moved} moved on, {retried} tried again"
        )
    }
}
