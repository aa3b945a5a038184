//! The command line.

/// How it is used.
pub const USAGE: &str = "torc-diff --torc PATH [--redis PATH] [--port N] [--commands N] [--seed S] [--cores N] [--group a,b] \
                         [--failures N] [--answers yes]";

/// What to run.
#[derive(Debug)]
pub struct Options {
    /// Torc's binary.
    pub torc: String,
    /// The reference's.
    pub redis: String,
    /// Two free ports begin here.
    pub port: u16,
    /// How many requests.
    pub commands: u64,
    /// What determines them.
    pub seed: u64,
    /// Torc's cores.
    pub cores: u16,
    /// Groups of commands; none: all.
    pub groups: Vec<String>,
    /// Kinds of differences after which the run ends.
    pub failures_max: usize,
    /// Whether to tell how often each command was answered.
    pub shows_answers: bool,
}

impl Options {
    /// Reads the arguments.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            torc: String::new(),
            redis: "redis-server".into(),
            port: 21_000,
            commands: 200_000,
            seed: 0,
            cores: 1,
            groups: Vec::new(),
            failures_max: 20,
            shows_answers: false,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} wants a value"))?;
            let unusable = || format!("{name} {value}: unusable");
            match name.as_str() {
                "--torc" => options.torc = value,
                "--redis" => options.redis = value,
                "--port" => options.port = value.parse().map_err(|_| unusable())?,
                "--commands" => options.commands = value.parse().map_err(|_| unusable())?,
                "--seed" => options.seed = value.parse().map_err(|_| unusable())?,
                "--cores" => options.cores = value.parse().map_err(|_| unusable())?,
                "--group" => options.groups = value.split(',').map(str::to_owned).collect(),
                "--answers" => options.shows_answers = value == "yes",
                "--failures" => options.failures_max = value.parse().map_err(|_| unusable())?,
                _ => return Err(format!("{name}: unknown")),
            }
        }
        if options.torc.is_empty() { Err("--torc is missing".into()) } else { Ok(options) }
    }
}
