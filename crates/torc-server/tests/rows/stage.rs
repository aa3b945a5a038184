//! Runs scenarios against a server, each with keys of its own, so that all of them leave what they have made.

use std::time::{Duration, Instant};

use torc_engine::command::registry;
use torc_resp::{Args, Span};

use crate::common::resp::{self, Reply};
use crate::common::{Client, Server, wait_until};
use crate::scenario::{Scenario, Step, Words, request};

/// A server with a client that asks, and those that wait.
pub struct Stage<'a> {
    server: &'a Server,
    client: Client,
    waiting: Vec<Client>,
}

impl<'a> Stage<'a> {
    /// On this server.
    pub fn new(server: &'a Server) -> Self {
        Stage { server, client: server.connect(), waiting: Vec::new() }
    }

    /// Runs a scenario whose keys begin with `prefix`; whoever waits in it must be served.
    pub fn run(&mut self, scenario: &Scenario, prefix: &str) {
        // Libraries belong to no key, so those of another scenario would be in the way.
        self.client.ok("FUNCTION FLUSH");
        for step in scenario.given.iter().chain(&scenario.run) {
            match step {
                Step::Request(line) => {
                    let reply = self.client.call(&with_keys(request(line), prefix));
                    assert!(!matches!(reply, Reply::Error(_)), "line {}: {line}: {reply:?}", scenario.line);
                }
                Step::Wait(line) => self.wait(&with_keys(request(line), prefix)),
                Step::After(span_ms) => {
                    let (since, span) = (Instant::now(), Duration::from_millis(*span_ms));
                    wait_until("time has passed", || since.elapsed() >= span);
                }
            }
        }
        for mut client in self.waiting.drain(..) {
            let reply = client.reply();
            assert!(!matches!(reply, Reply::Error(_) | Reply::Null), "line {}: {reply:?}", scenario.line);
        }
        self.client.ok("CONFIG SET stream-node-max-entries 100");
    }

    fn wait(&mut self, request: &Words) {
        let mut client = self.server.connect();
        client.send(&resp::request(request));
        self.waiting.push(client);
        let count = self.waiting.len().to_string();
        wait_until("the client waits", || self.client.info("blocked_clients") == count);
    }
}

/// A request with this in front of each of its keys.
fn with_keys(mut request: Words, prefix: &str) -> Words {
    let (mut spans, mut start) = (Vec::new(), 0);
    for word in &request {
        spans.push(Span { start, len: word.len() as u32 });
        start += word.len() as u32;
    }
    let bytes = request.concat();
    let args = Args::new(&bytes, &spans);
    let command = registry().find(args).unwrap_or_else(|error| panic!("{}: {error:?}", bytes.escape_ascii()));
    for index in command.row.key_indexes(args) {
        request[index].splice(0..0, prefix.bytes());
    }
    request
}
