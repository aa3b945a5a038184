//! The command line: read, and written again for the processes that make the runs.

use clap::{Parser, ValueEnum};
use torc_sim::Mutation;
use torc_sim::strict::Cut;

/// Which of the worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorldKind {
    /// Each client has keys and an oracle of its own.
    Own,
    /// All clients share keys; the order of commits is replayed.
    Shared,
    /// Publishers and subscribers, judged by what all of them see.
    Subscribers,
}

/// Runs the worlds for N seeds from S on.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
pub struct Options {
    /// Number of runs.
    #[arg(long, default_value_t = 1)]
    pub runs: u64,
    /// Seed of the first.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// One world only; else they alternate, since the shared one is what most depends on chance.
    #[arg(long)]
    pub world: Option<WorldKind>,
    /// A fault in the world of own keys.
    #[arg(long, value_parser = mutation)]
    pub mutation: Option<Mutation>,
    /// What was covered of waiting is shown at the end.
    #[arg(long)]
    pub coverage: bool,
    /// The runs are made in this process.
    #[arg(long)]
    pub worker: bool,
    /// Of each run in the shared world so many steps, at most.
    #[arg(long)]
    steps: Option<usize>,
    /// So many clients, at most.
    #[arg(long)]
    clients: Option<usize>,
    /// Actions that are not sent, by number.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<u64>,
}

impl Options {
    /// What is left out of each run.
    pub fn cut(&self) -> Cut {
        Cut { steps_max: self.steps, clients_max: self.clients, skipped: self.skip.iter().copied().collect() }
    }

    /// The arguments for a process that makes the run of one seed with this left out.
    pub fn one_run(&self, seed: u64, cut: &Cut) -> Vec<String> {
        let skip = cut.skipped.iter().copied().collect();
        Options { runs: 1, seed, steps: cut.steps_max, clients: cut.clients_max, skip, ..self.clone() }.arguments()
    }

    /// The same as arguments, but for `worker`.
    pub fn arguments(&self) -> Vec<String> {
        let world = |world: WorldKind| match world {
            WorldKind::Own => "own",
            WorldKind::Shared => "shared",
            WorldKind::Subscribers => "subscribers",
        };
        let skip: Vec<String> = self.skip.iter().map(u64::to_string).collect();
        let valued = [
            ("runs", Some(self.runs.to_string())),
            ("seed", Some(self.seed.to_string())),
            ("world", self.world.map(|kind| world(kind).to_owned())),
            ("mutation", self.mutation.map(|mutation| name_of(mutation).to_owned())),
            ("steps", self.steps.map(|steps| steps.to_string())),
            ("clients", self.clients.map(|clients| clients.to_string())),
            ("skip", (!skip.is_empty()).then(|| skip.join(","))),
        ];
        let valued = valued.into_iter().filter_map(|(name, value)| value.map(|value| format!("--{name}={value}")));
        valued.chain(self.coverage.then(|| "--coverage".to_owned())).collect()
    }

    /// The world of a seed: of eight, six are shared.
    pub fn world_of(&self, seed: u64) -> WorldKind {
        self.world.unwrap_or(match seed % 8 {
            0 => WorldKind::Own,
            4 => WorldKind::Subscribers,
            _ => WorldKind::Shared,
        })
    }
}

fn mutation(name: &str) -> Result<Mutation, String> {
    let found = Mutation::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, mutation)| *mutation).ok_or(format!("no mutation is named {name}"))
}

fn name_of(mutation: Mutation) -> &'static str {
    Mutation::ALL.iter().find(|(_, known)| *known == mutation).expect("all mutations have names").0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let words = "torc-sim --runs 3 --seed 7 --world shared --mutation skew-clock --coverage --steps 9 --clients 2 --skip 4,5";
        let options = Options::parse_from(words.split(' '));
        let cut = options.cut();
        assert_eq!((cut.steps_max, cut.clients_max, cut.skipped.len()), (Some(9), Some(2), 2));
        let again = options.arguments();
        assert_eq!(Options::parse_from(["torc-sim".to_owned()].into_iter().chain(again)), options);
        let one = Options::parse_from(["torc-sim".to_owned()].into_iter().chain(options.one_run(8, &Cut::default())));
        assert_eq!((one.runs, one.seed, one.cut()), (1, 8, Cut::default()));
    }
}
