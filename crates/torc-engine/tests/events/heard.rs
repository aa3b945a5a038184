//! Events as both sides tell them: an engine, and a redis-server with a subscriber.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use torc_engine::Taken;
use torc_engine::config::DebugAccess;
use torc_engine::effect::Effect;
use torc_engine::event::{Event, EventClasses, Notified};
use torc_resp::{reader, write_request};

use crate::by_key;
use crate::common::{Client, TestCore};
use crate::reference::Reference;
use crate::scenario::{Step, request};

/// An event: its name, the database and the key, for messages in this order too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heard {
    pub name: String,
    pub db: u16,
    pub key: Vec<u8>,
}

impl Heard {
    /// As a table of differences writes it: `set k`, and `set 1/k` in another database than 0.
    pub fn text(&self) -> String {
        let key = self.key.escape_ascii();
        if self.db == 0 { format!("{} {key}", self.name) } else { format!("{} {}/{key}", self.name, self.db) }
    }
}

/// Events for a message or a table.
pub fn shown(events: &[Heard]) -> String {
    events.iter().map(Heard::text).collect::<Vec<_>>().join(", ")
}

/// An engine whose events are heard.
pub struct Ours {
    pub core: TestCore,
    cores: u16,
    pub client: Client,
    /// A client on another core, where there is one.
    other: Client,
    /// Who is notified of events by their names, and by their keys.
    by_event: Client,
    by_key: Client,
}

impl Ours {
    /// With a listener to some classes.
    pub fn new(cores: u16, classes: EventClasses) -> Ours {
        let core = TestCore::with_config(cores, |config| {
            config.enable_debug_command = DebugAccess::Yes;
            config.notify_keyspace_events = Notified { keyspace: true, keyevent: true, classes };
        });
        (0..cores).for_each(|number| core.engine(number, |engine| engine.listen(classes)));
        let (client, other) = (core.client(), core.client_on(cores - 1));
        let [by_event, by_key] = ["__keyevent@*__:*", "__keyspace@*__:*"].map(|pattern| {
            let subscriber = core.client_on(cores / 2);
            subscriber.send(&format!("PSUBSCRIBE {pattern}"));
            subscriber
        });
        Ours { core, cores, client, other, by_event, by_key }
    }

    /// Does one step; gives what is told of it.
    pub fn step(&self, step: &Step) -> Vec<Heard> {
        self.run(step);
        self.heard()
    }

    /// Does one step.
    pub fn run(&self, step: &Step) {
        match step {
            Step::Request(line) => {
                let reply = self.client.call(&request(line));
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            Step::Wait(line) => {
                let mut bytes = Vec::new();
                write_request(&mut bytes, &request(line));
                assert!(self.other.raw(&bytes).is_empty(), "{line} waits");
            }
            Step::After(span_ms) => self.core.advance_ms(i64::try_from(*span_ms).expect("a short time")),
        }
    }

    /// What was told since the last call: to the host, and in the same order of each key to both subscribers. Gives what the first of these
    /// got.
    pub fn heard(&self) -> Vec<Heard> {
        let heard = |event: Event| Heard { name: event.name.to_owned(), db: event.db, key: event.key.into() };
        let told = by_key(self.events().into_iter().map(heard).collect());
        let by_event = messages(&self.by_event, "__keyevent@", |db, name, key| Heard { name: text(name), db, key });
        let of_keys = messages(&self.by_key, "__keyspace@", |db, key, name| Heard { name: text(name), db, key });
        assert_eq!(by_key(by_event.clone()), told, "subscribers to events are told the same");
        assert_eq!(by_key(of_keys), told, "subscribers to keys are told the same");
        by_event
    }

    /// The same as the engine has it.
    pub fn events(&self) -> Vec<Event> {
        let event = |effect| if let Effect::Event(event) = effect { Some(event) } else { None };
        self.effects().into_iter().filter_map(event).collect()
    }

    /// All effects since the last call.
    pub fn effects(&self) -> Vec<Effect> {
        let effects = (0..self.cores).flat_map(|number| match self.core.engine(number, |engine| engine.take_units()) {
            Taken::Units(units) => units.into_effects(),
            Taken::Lost => panic!("a test lets little wait"),
        });
        effects.collect()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("events have plain names")
}

/// What has come to a subscriber of a pattern: of each message the number of the database, the end of the channel, and the payload.
fn messages(subscriber: &Client, prefix: &str, heard: impl Fn(u16, Vec<u8>, Vec<u8>) -> Heard) -> Vec<Heard> {
    let bytes = subscriber.raw(b"");
    let mut rest = &bytes[..];
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let len = reader::reply_len(rest).expect("a message is whole").expect("a message is RESP");
        let (message, others) = rest.split_at(len);
        rest = others;
        let parts = reader::Elements::new(message).expect("a message is an array");
        let parts: Vec<Vec<u8>> = parts.map(|part| reader::bulk(part).unwrap_or_default().to_vec()).collect();
        let channel = parts[2].strip_prefix(prefix.as_bytes()).expect("it matches the pattern");
        let digits = channel.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let db = std::str::from_utf8(&channel[..digits]).expect("digits").parse().expect("a number");
        messages.push(heard(db, channel[digits + 3..].to_vec(), parts[3].clone()));
    }
    messages
}

/// A redis-server whose events are heard.
pub struct Theirs {
    pub server: Reference,
    subscriber: TcpStream,
    /// Sends marks, whatever the connection of the steps does.
    marker: TcpStream,
    input: Vec<u8>,
}

/// A message on this channel says that all events before it have come.
const MARK: &str = "__keyevent@0__:mark";

impl Theirs {
    /// Has a server tell all classes.
    pub fn new(mut server: Reference) -> Theirs {
        let letters = if server.version < 8 { "KEAmn" } else { "KEAmnoc" };
        server.redis().send(&format!("CONFIG SET notify-keyspace-events {letters}"));
        let mut subscriber = server.connect();
        subscriber.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
        let mut bytes = Vec::new();
        write_request(&mut bytes, &["PSUBSCRIBE", "__keyevent@*__:*"]);
        subscriber.write_all(&bytes).expect("it takes the request");
        let marker = server.connect();
        let mut theirs = Theirs { server, subscriber, marker, input: Vec::new() };
        theirs.message();
        theirs
    }

    /// Does one step; gives what is told of it.
    pub fn step(&mut self, step: &Step) -> Vec<Heard> {
        self.server.step(step);
        self.heard()
    }

    /// What was told since the last call.
    pub fn heard(&mut self) -> Vec<Heard> {
        let mut bytes = Vec::new();
        write_request(&mut bytes, &["PUBLISH", MARK, "x"]);
        self.marker.write_all(&bytes).expect("it takes the request");
        let mut events = Vec::new();
        loop {
            let [_, _, channel, key] = self.message().try_into().expect("a message has four parts");
            let channel = String::from_utf8(channel).expect("events have plain names");
            if channel == MARK {
                return events;
            }
            let (db, name) = channel.strip_prefix("__keyevent@").and_then(|rest| rest.split_once("__:")).expect(MARK);
            events.push(Heard { name: name.to_owned(), db: db.parse().expect("a number"), key });
        }
    }

    /// The parts of the next message; of a number: nothing.
    fn message(&mut self) -> Vec<Vec<u8>> {
        loop {
            if let Some(len) = reader::reply_len(&self.input) {
                let message: Vec<u8> = self.input.drain(..len.expect("a message is RESP")).collect();
                let parts = reader::Elements::new(&message).expect("a message is an array");
                return parts.map(|part| reader::bulk(part).unwrap_or_default().to_vec()).collect();
            }
            let mut buffer = [0; 65_536];
            let len = self.subscriber.read(&mut buffer).expect("messages come");
            assert!(len > 0, "redis-server closed the connection");
            self.input.extend_from_slice(&buffer[..len]);
        }
    }
}
