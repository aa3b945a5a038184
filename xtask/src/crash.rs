//! `cargo xtask crash`: the server is killed under load, again and again, and started again: what it has answered must be there, and
//! transactions whole. The ordinary tests do the same a few times.

use clap::Args;

use crate::tools::{Outcome, command, run as run_program};

/// How often.
#[derive(Args)]
pub struct Options {
    /// Crashes for each of `appendfsync always` and `everysec`.
    #[arg(long, default_value_t = 300)]
    cycles: u32,
}

/// Kills and starts it so often.
///
/// # Errors
/// Something was lost, or did not build.
pub fn run(options: &Options) -> Outcome<()> {
    let words = ["cargo", "test", "--profile", "quick", "-p", "torc-server", "--test", "appended"];
    let mut test = command(&[&words[..], &["what_is_answered_under", "--", "--nocapture"]].concat());
    test.env("TORC_CRASHES", options.cycles.to_string());
    run_program(&mut test)
}
