//! What scripts return, and the texts of their errors, beside what Redis 8.2.3 has replied to the same scripts.

mod common;

use common::Server;

/// A script, and Redis's reply with `|` between its lines.
const CASES: &[(&str, &str)] = include!("replies.in");

#[test]
fn replies_are_those_of_redis() {
    let mut server = Server::new();
    let mut wrong = Vec::new();
    for (script, expected) in CASES {
        let reply = server.eval(script);
        if reply != *expected {
            wrong.push(format!("{script}\n  expected {expected}\n  but was  {reply}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}
