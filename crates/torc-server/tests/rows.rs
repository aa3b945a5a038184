//! Every command that writes, in all of its forms, with the real binary: what a server holds that has run all scenarios of propagation is
//! there after each kind of restart.
//!
//! ```text
//!   2 cores: scenarios --crash--> 3 cores: the log --BGREWRITEAOF, end--> 1 core: base --SAVE, end--> 2 cores: the file, without a log
//! ```

mod common;
#[path = "rows/contents.rs"]
mod contents;
#[path = "../../torc-engine/tests/propagation/scenario.rs"]
#[allow(dead_code, reason = "what is propagated is compared where no sockets are")]
mod scenario;
#[path = "rows/stage.rs"]
mod stage;

use common::{Directory, Launch, Server, wait_until};
use contents::{contents_of, difference};
use scenario::Scenario;
use stage::Stage;

fn launch(cores: usize, directory: &Directory, appendonly: &str) -> Launch {
    Launch::cores(cores)
        .with("--save", "")
        .with("--appendonly", appendonly)
        .with("--enable-debug-command", "yes")
        .in_directory(directory)
}

/// Runs all scenarios; gives the beginnings of the keys of those of which a log forgets something.
fn run_all(server: &Server) -> Vec<String> {
    let mut scenarios = Scenario::all();
    // Those that empty databases come before what they would take away.
    let empties = |scenario: &Scenario| format!("{:?}", scenario.run).contains("FLUSH");
    scenarios.sort_by_key(|scenario| !empties(scenario));
    let mut stage = Stage::new(server);
    let mut forgotten = Vec::new();
    for (number, scenario) in scenarios.iter().enumerate() {
        let prefix = format!("{number}:");
        stage.run(scenario, &prefix);
        if scenario.forgets {
            forgotten.push(prefix);
        }
    }
    forgotten
}

#[test]
fn what_all_forms_of_all_rows_come_to_is_there_after_each_kind_of_restart() {
    let directory = Directory::new("rows");
    let server = launch(2, &directory, "yes").start();
    let forgotten = run_all(&server);
    let ours = contents_of(&server);
    assert!(ours.len() > Scenario::all().len() / 2, "most scenarios leave something: {}", ours.len());
    let check = |server: &Server, how: &str| {
        let differs = difference(&ours, &contents_of(server), &forgotten);
        assert!(differs.is_empty(), "{how}:\n{}", differs.join("\n"));
    };
    let mut client = server.connect();
    wait_until("the log is written", || client.info("aof_buffer_length") == "0");
    server.kill();
    let server = launch(3, &directory, "yes").start();
    check(&server, "the log");
    let mut client = server.connect();
    client.command("BGREWRITEAOF");
    wait_until("it is rewritten", || client.info("aof_rewrites") == "1");
    server.finish();
    let server = launch(1, &directory, "yes").start();
    check(&server, "the base of the log");
    // What a log forgets is forgotten; from here on nothing is.
    let ours = contents_of(&server);
    server.connect().ok("SAVE");
    server.finish();
    let server = launch(2, &directory, "no").start();
    let differs = difference(&ours, &contents_of(&server), &[]);
    assert!(differs.is_empty(), "the file:\n{}", differs.join("\n"));
    server.finish();
}
