//! What tests of the append-only log have in common: how servers are started, when a base counts, and what keys are.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Client, Directory, Launch, Server, wait_until};

/// The directory of the log's files.
pub const LOGS: &str = "appendonlydir";

/// A server without a log, which saves only when it is asked to.
pub fn without_log(cores: usize, directory: &Directory) -> Launch {
    Launch::cores(cores).with("--save", "").with("--enable-debug-command", "yes").in_directory(directory)
}

/// The same with a log.
pub fn appending(cores: usize, directory: &Directory) -> Launch {
    without_log(cores, directory).with("--appendonly", "yes")
}

/// What the keys are, as Redis tells it too.
pub fn digest(server: &Server) -> String {
    server.connect().command("DEBUG DIGEST").text()
}

/// Waits until no base is being written, and none is to be.
pub fn wait_until_based(client: &mut Client) {
    wait_until("the base is written", || {
        client.info("aof_rewrite_in_progress") == "0" && client.info("aof_rewrite_scheduled") == "0"
    });
}

/// Waits until the log has all that was written.
pub fn wait_until_written(client: &mut Client) {
    wait_until("the log is written", || client.info("aof_buffer_length") == "0");
}

/// Fills so many keys, each of which a save takes a while for.
pub fn slow_saves(client: &mut Client) {
    (0..50).for_each(|number| client.ok(&format!("SET key:{number} v")));
    client.ok("CONFIG SET rdb-key-save-delay 10000000");
}

/// The manifest of the log.
pub fn manifest(directory: &Directory) -> String {
    String::from_utf8(directory.read(&format!("{LOGS}/appendonly.aof.manifest"))).expect("it is text")
}

/// Tells others to stop when it goes, also when a test fails: they would go on for ever.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
