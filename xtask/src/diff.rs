//! `cargo xtask diff`: random commands to redis-server, Debian's or the one that is named, and to Torc side by side, on one core and on two.
//!
//! `torc-diff` does the work and owns the two servers, since it starts them anew when one ends under a command; here
//! everything is built and the ports are found.

use clap::Args;
use std::process::Command;

use crate::tools::{Outcome, absolute, built_program, command, free_ports, is_installed, run as run_program};

/// What to run.
#[derive(Args)]
pub struct Options {
    /// Number of requests, divided among the numbers of cores.
    #[arg(long, default_value_t = 200_000)]
    commands: u64,
    /// What determines all requests.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Numbers of cores, one run each.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    cores: Vec<u16>,
    /// Groups of commands as COMMAND DOCS names them (`list,sorted-set`), and `other`; all of them if none is named.
    #[arg(long)]
    group: Option<String>,
    /// The server to compare with; a newer one widens the choice of commands.
    #[arg(long, default_value = "redis-server")]
    redis: String,
}

/// Builds both programs and runs the comparison.
///
/// # Errors
/// A reply or a value differed, or something could not be started.
pub fn run(options: &Options) -> Outcome<()> {
    if !is_installed(&options.redis) {
        return Err(format!("{} is missing; redis-server is Debian's package of that name", options.redis));
    }
    let torc = build()?;
    let each = options.commands.div_ceil(options.cores.len().max(1) as u64);
    let mut outcome = Ok(());
    for cores in &options.cores {
        let mut program = Command::new(built_program("quick", "torc-diff"));
        program.arg("--torc").arg(&torc).args(["--redis", &options.redis]);
        program.args(["--port", &free_ports(2)?.to_string(), "--cores", &cores.to_string()]);
        program.args(["--commands", &each.to_string(), "--seed", &options.seed.to_string()]);
        if let Some(groups) = &options.group {
            program.args(["--group", groups]);
        }
        // All of them run, so that one call shows all that is wrong.
        outcome = run_program(&mut program).and(outcome);
    }
    outcome
}

/// Builds what is compared, unless it is given, and what compares it.
fn build() -> Outcome<std::path::PathBuf> {
    run_program(&mut command(&["cargo", "build", "--profile", "quick", "-p", "torc-diff"]))?;
    if let Some(given) = std::env::var_os("TORC_BIN") {
        return Ok(given.into());
    }
    run_program(&mut command(&["cargo", "build", "--profile", "quick", "-p", "torc-server", "--bin", "torc"]))?;
    Ok(absolute(built_program("quick", "torc")))
}
