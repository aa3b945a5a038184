//! What tests of saving have in common: how servers are started, and how long saves take.

use super::resp::Reply;
use super::{Client, Directory, Launch, wait_until};

/// A save that does not end by itself.
pub const ENDLESS: &str = "CONFIG SET rdb-key-save-delay 100000000";
/// A save as fast as it goes.
pub const AT_ONCE: &str = "CONFIG SET rdb-key-save-delay 0";
/// The reply to commands that write when the data cannot be saved.
pub const REFUSED: &str =
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.";

/// A server that saves at points, and whose configuration may change.
pub fn launch(cores: usize, directory: &Directory) -> Launch {
    let launch = Launch::cores(cores).in_directory(directory);
    launch.with("--enable-debug-command", "yes").with("--enable-protected-configs", "yes")
}

/// Saves only when it is asked to.
pub fn quiet(cores: usize, directory: &Directory) -> Launch {
    launch(cores, directory).with("--save", "")
}

/// Some keys of each core.
pub fn fill(client: &mut Client, keys: u32) {
    for number in 0..keys {
        client.ok(&format!("SET key:{number} value:{number}"));
    }
}

/// What the keys are, as Redis tells it too.
pub fn digest(client: &mut Client) -> (String, i64) {
    (client.command("DEBUG DIGEST").text(), client.command("DBSIZE").integer())
}

/// Whether keys are being saved in the background.
pub fn is_saving(client: &mut Client) -> bool {
    client.info("rdb_bgsave_in_progress") == "1"
}

/// Waits until none is.
pub fn wait_until_saved(client: &mut Client) {
    wait_until("the save has ended", || !is_saving(client));
}

/// The number in a key; 0: it is not there.
pub fn number_at(client: &mut Client, key: &str) -> i64 {
    match client.call(&["GET", key]) {
        Reply::Null => 0,
        reply => reply.text().parse().expect("a counter"),
    }
}
