//! The command line.

use torc_sim::Mutation;
use torc_sim::strict::Cut;

/// What is written when an option is wrong.
pub const USAGE: &str = "usage: torc-sim [--runs N] [--seed S] [--world own|shared] [--mutation NAME] [--coverage]";

/// Which of the two worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorldKind {
    /// Each client has keys and an oracle of its own.
    Own,
    /// All clients share keys; the order of commits is replayed.
    Shared,
}

/// The command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of runs.
    pub runs: u64,
    /// Seed of the first.
    pub seed: u64,
    /// One world only; else they alternate, since the shared one is what most depends on chance.
    pub world: Option<WorldKind>,
    /// A fault in the world of own keys.
    pub mutation: Option<Mutation>,
    /// What is left out of each run.
    pub cut: Cut,
    /// What was covered of waiting is shown at the end.
    pub coverage: bool,
    /// The runs are made in this process.
    pub worker: bool,
}

impl Options {
    /// From the arguments after the program's name.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            runs: 1,
            seed: 0,
            world: None,
            mutation: None,
            cut: Cut::default(),
            coverage: false,
            worker: false,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--runs" => options.runs = number(&value()?)?,
                "--seed" => options.seed = number(&value()?)?,
                "--world" => options.world = Some(world(&value()?)?),
                "--mutation" => options.mutation = Some(named(&value()?, &Mutation::ALL)?),
                "--steps" => options.cut.steps_max = Some(number(&value()?)? as usize),
                "--clients" => options.cut.clients_max = Some(number(&value()?)? as usize),
                "--skip" => {
                    options.cut.skipped = value()?.split(',').map(number).collect::<Result<_, _>>()?;
                }
                "--coverage" => options.coverage = true,
                "--worker" => options.worker = true,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(options)
    }

    /// The same as arguments, but for `worker`.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments =
            vec!["--runs".to_owned(), self.runs.to_string(), "--seed".to_owned(), self.seed.to_string()];
        let mut push = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                arguments.extend([name.to_owned(), value]);
            }
        };
        let world = self.world.map(|world| if world == WorldKind::Own { "own" } else { "shared" }.to_owned());
        push("--world", world);
        push("--mutation", self.mutation.map(|mutation| name_of(mutation, &Mutation::ALL)));
        push("--steps", self.cut.steps_max.map(|steps| steps.to_string()));
        push("--clients", self.cut.clients_max.map(|clients| clients.to_string()));
        let skipped: Vec<String> = self.cut.skipped.iter().map(u64::to_string).collect();
        push("--skip", (!skipped.is_empty()).then(|| skipped.join(",")));
        if self.coverage {
            arguments.push("--coverage".to_owned());
        }
        arguments
    }

    /// The world of a seed: of four, three are shared.
    pub fn world_of(&self, seed: u64) -> WorldKind {
        self.world.unwrap_or(if seed.is_multiple_of(4) { WorldKind::Own } else { WorldKind::Shared })
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn world(text: &str) -> Result<WorldKind, String> {
    match text {
        "own" => Ok(WorldKind::Own),
        "shared" => Ok(WorldKind::Shared),
        _ => Err(format!("no world is named {text}")),
    }
}

fn named<T: Copy>(name: &str, all: &[(&'static str, T)]) -> Result<T, String> {
    all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or(format!("nothing is named {name}"))
}

fn name_of<T: PartialEq + Copy>(value: T, all: &[(&'static str, T)]) -> String {
    all.iter().find(|(_, known)| *known == value).expect("all values have names").0.to_owned()
}
