//! What a transaction changes is told before anybody can see it, when units are to be put in order: docs/durability.md, "The stream".

mod common;

use common::{Client, TestCore, key_of_each_core};
use torc_engine::effect::{Effect, Reads};
use torc_engine::route::CoreId;
use torc_engine::{Message, Taken};

fn feed(server: &TestCore, core: CoreId, client: &Client, line: &str) {
    server.engine(core, |engine| engine.on_bytes(client.connection(), format!("{line}\r\n").as_bytes()));
}

/// What leaves a core; `arrive` hands it to the other one.
fn messages_of(server: &TestCore, core: CoreId) -> Vec<Message> {
    let mut messages = Vec::new();
    server.engine(core, |engine| engine.flush(|_, message| messages.push(message)));
    messages
}

fn arrive(server: &TestCore, from: CoreId, messages: Vec<Message>) {
    messages.into_iter().for_each(|message| server.engine(1 - from, |engine| engine.on_message(from, message)));
}

fn propagated(server: &TestCore, core: CoreId) -> usize {
    let Taken::Units(units) = server.engine(core, |engine| engine.take_units()) else {
        panic!("they are taken in time")
    };
    units.into_effects().iter().filter(|effect| matches!(effect, Effect::Propagated(_))).count()
}

#[test]
fn claims_end_when_the_coordinator_has_told_what_was_changed() {
    for is_ordered in [false, true] {
        let server = TestCore::new(2);
        (0..2).for_each(|core| {
            server.engine(core, |engine| {
                engine.read_effects(Reads::All);
                engine.order_records(is_ordered);
            });
        });
        let (writer, observer) = (server.client(), server.client_on(1));
        let keys = key_of_each_core(2, "k");
        feed(&server, 0, &writer, &format!("MSET {} 1 {} 1", keys[0], keys[1]));
        // The schedule and the hop are one message.
        arrive(&server, 0, messages_of(&server, 0));
        feed(&server, 1, &observer, &format!("GET {}", keys[1]));
        let seen = server.engine(1, |engine| engine.drain_output(observer.connection()));
        assert_eq!(seen.is_empty(), is_ordered, "the value is seen before it is told, unless units are in order");
        assert_eq!(propagated(&server, 1), 0, "the coordinator tells it");
        arrive(&server, 1, messages_of(&server, 1));
        assert!(propagated(&server, 0) > 0, "before anything of it leaves core 0");
        assert_eq!(server.engine(0, |engine| engine.drain_output(writer.connection())), b"+OK\r\n");
        arrive(&server, 0, messages_of(&server, 0));
        let late = server.engine(1, |engine| engine.drain_output(observer.connection()));
        assert_eq!([seen, late].concat(), b"$1\r\n1\r\n");
        server.settle();
        assert!((0..2).all(|core| server.engine(core, |engine| engine.claims_are_idle())));
    }
}

#[test]
fn who_only_reads_releases_at_once() {
    let server = TestCore::new(2);
    (0..2).for_each(|core| server.engine(core, |engine| engine.order_records(true)));
    let reader = server.client();
    let keys = key_of_each_core(2, "k");
    feed(&server, 0, &reader, &format!("MGET {} {}", keys[0], keys[1]));
    arrive(&server, 0, messages_of(&server, 0));
    assert!(server.engine(1, |engine| engine.claims_are_idle()), "nothing of it is told");
    server.settle();
}
