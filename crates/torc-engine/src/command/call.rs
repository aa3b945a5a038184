//! A command that is to be run: for whom, with which arguments, and how much of it.

use torc_resp::Args;

use super::Command;
use crate::asker::Asker;
use crate::task::Task;

/// One call of [`run`](crate::run::run).
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// How much of the command.
    pub task: Task,
    /// The client that asks.
    pub asker: Asker,
    /// The command.
    pub command: &'static Command,
    /// Its arguments, name included.
    pub args: Args<'a>,
}

impl<'a> Call<'a> {
    /// The arguments of the command itself, without what was fetched for it.
    pub fn own_args(&self) -> Args<'a> {
        let behind = match self.task {
            Task::Narrow { count } | Task::Follow { count } => count,
            Task::Apply { fetched, .. } => fetched,
            _ => 0,
        };
        self.args.range(0..self.args.len() - behind as usize)
    }

    /// What was fetched for it.
    pub fn behind_args(&self) -> Args<'a> {
        self.args.from(self.own_args().len())
    }
}
