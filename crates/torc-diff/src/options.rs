//! The command line.

use clap::Parser;

/// Random commands to redis-server and to Torc side by side.
#[derive(Debug, Parser)]
pub struct Options {
    /// Torc's binary.
    #[arg(long)]
    pub torc: String,
    /// The reference's.
    #[arg(long, default_value = "redis-server")]
    pub redis: String,
    /// Two free ports begin here.
    #[arg(long, default_value_t = 21_000)]
    pub port: u16,
    /// How many requests.
    #[arg(long, default_value_t = 200_000)]
    pub commands: u64,
    /// What determines them.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Torc's cores.
    #[arg(long, default_value_t = 1)]
    pub cores: u16,
    /// Groups of commands; none: all.
    #[arg(long = "group", value_delimiter = ',')]
    pub groups: Vec<String>,
    /// Kinds of differences after which the run ends.
    #[arg(long = "failures", default_value_t = 20)]
    pub failures_max: usize,
    /// Tells how often each command was answered.
    #[arg(long = "answers")]
    pub shows_answers: bool,
}
