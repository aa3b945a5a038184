//! The binary `torc`: reads its options, looks at the machine, starts one thread per core, waits for the end.
//!
//! Two planes: the cores ([`core`]), each a loop on its own ring, and the service plane ([`service`]), an
//! executor for what may wait. Cores talk to each other through [`mesh`].
//!
//! Without a server: `torc check` looks at files and repairs them ([`check`]).
//!
//! Invariant: this crate knows no command by name; what a command does is torc-engine's.

mod check;
mod core;
mod crash;
mod listening;
mod logging;
mod mesh;
mod oom_score;
mod options;
mod probe;
mod progress;
mod service;
mod signals;
mod startup;
mod storage;
mod stream;
mod tls;
mod topology;

use std::ffi::OsString;
use std::process::ExitCode;

use options::Startup;

#[global_allocator]
static ALLOCATOR: crash::Allocator = crash::Allocator;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(status) = check::run(&arguments) {
        return status;
    }
    let options = match options::from_environment() {
        Ok(Startup::Serve(options)) => options,
        Ok(Startup::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&error.to_string()),
    };
    match startup::serve(*options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(text: &str) -> ExitCode {
    eprintln!("torc: {text}");
    ExitCode::FAILURE
}
