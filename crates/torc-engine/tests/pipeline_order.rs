//! What of a pipeline goes out together, and what waits: `docs/transactions.md`, "The order of a pipeline".

mod common;

use common::{Client, TestCore, key_of_each_core};
use torc_engine::config::PipelineOrder;
use torc_engine::route::CoreId;
use torc_engine::{Message, Output};

/// The messages that core 0 sends when a client of it has sent these inline requests at once.
fn messages_of(server: &TestCore, client: &Client, lines: &[String]) -> Vec<(CoreId, Message)> {
    let bytes: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let mut messages = Vec::new();
    server.engine(0, |engine| {
        engine.on_bytes(client.connection(), bytes.as_bytes());
        engine.flush(|to, message| messages.push((to, message)));
    });
    messages
}

fn receivers(messages: &[(CoreId, Message)]) -> Vec<CoreId> {
    let mut cores: Vec<CoreId> = messages.iter().map(|(to, _)| *to).collect();
    cores.sort_unstable();
    cores
}

/// The messages arrive after all, and whatever follows from them.
fn arrive(server: &TestCore, client: &Client, messages: Vec<(CoreId, Message)>) -> Vec<String> {
    for (to, message) in messages {
        server.engine(to, |engine| engine.on_message(0, message));
    }
    server.settle();
    client.poll()
}

#[test]
fn effects_are_owed_by_one_core_at_a_time() {
    let keys = key_of_each_core(3, "key");
    let lines = [format!("SET {} 1", keys[1]), format!("APPEND {} 2", keys[1]), format!("SET {} 3", keys[2])];
    for (order, expected) in [(PipelineOrder::Writes, vec![1]), (PipelineOrder::Relaxed, vec![1, 2])] {
        let server = TestCore::with_config(3, |config| config.pipeline_order = order);
        let client = server.client();
        let messages = messages_of(&server, &client, &lines);
        assert_eq!(receivers(&messages), expected, "{order:?}");
        assert_eq!(arrive(&server, &client, messages), ["+OK", ":2", "+OK"], "{order:?}");
    }
}

#[test]
fn an_effect_at_home_waits_for_one_elsewhere() {
    let server = TestCore::new(2);
    let (client, observer) = (server.client(), server.client());
    let keys = key_of_each_core(2, "key");
    let lines = [format!("SET {} 1", keys[1]), format!("SET {} 1", keys[0]), format!("GET {}", keys[0])];
    let messages = messages_of(&server, &client, &lines);
    assert_eq!(receivers(&messages), [1]);
    // The observer's own request goes no further than core 0.
    server.engine(0, |engine| engine.on_bytes(observer.connection(), format!("GET {}\r\n", keys[0]).as_bytes()));
    let seen = server.engine(0, |engine| engine.drain_output(observer.connection()));
    assert_eq!(seen, b"$-1\r\n", "the second write is not visible before the first");
    assert_eq!(arrive(&server, &client, messages), ["+OK", "+OK", "\"1\""]);
}

#[test]
fn reads_overlap_and_follow_the_writes_of_their_key() {
    let server = TestCore::new(3);
    let client = server.client();
    let keys = key_of_each_core(3, "key");
    let lines = [format!("SET {} 1", keys[1]), format!("GET {}", keys[2]), format!("GET {}", keys[1])];
    let messages = messages_of(&server, &client, &lines);
    assert_eq!(receivers(&messages), [1, 2], "a read waits for nobody");
    assert_eq!(arrive(&server, &client, messages), ["+OK", "nil", "\"1\""]);
}

#[test]
fn what_is_about_other_clients_comes_behind_what_was_sent_before() {
    let server = TestCore::new(2);
    let keys = key_of_each_core(2, "queue");
    // The waiter is on core 0, the queue on core 1.
    let (waiter, client) = (server.client(), server.client());
    let id = waiter.send("CLIENT ID")[1..].to_owned();
    assert!(waiter.raw(format!("BLPOP {} 0\r\n", keys[1]).as_bytes()).is_empty());
    let lines = [format!("RPUSH {} x", keys[1]), format!("CLIENT UNBLOCK {id} ERROR"), format!("LLEN {}", keys[1])];
    let messages = messages_of(&server, &client, &lines);
    assert_eq!(arrive(&server, &client, messages), [":1", ":0", ":0"]);
    assert_eq!(waiter.poll(), [format!("[\"{}\", \"x\"]", keys[1])]);
}

#[test]
fn a_client_that_does_not_stay_for_the_replies_gets_all_its_writes_done() {
    let server = TestCore::new(3);
    let client = server.client();
    let keys = key_of_each_core(3, "key");
    let lines = [format!("SET {} 1", keys[1]), format!("SET {} 2", keys[2]), format!("SET {} 3", keys[1])];
    let messages = messages_of(&server, &client, &lines);
    server.engine(0, |engine| engine.on_end_of_input(client.connection()));
    let mut answers = Vec::new();
    for (to, message) in messages {
        server.engine(to, |engine| {
            engine.on_message(0, message);
            engine.flush(|_, answer| answers.push((to, answer)));
        });
    }
    for (from, answer) in answers {
        server.engine(0, |engine| engine.on_message(from, answer));
    }
    let now_us = (common::START_MS + 5_000) * 1000;
    server.engine(0, |engine| engine.set_time(now_us));
    // The first reply is there. Sent to a client that is gone, it would bring a reset, and with that the end of the connection.
    server.engine(0, |engine| assert!(matches!(engine.output(client.connection()), Output::Held)));
    server.settle();
    let other = server.client();
    assert_eq!(other.send(&format!("MGET {} {}", keys[1], keys[2])), "[\"3\", \"2\"]");
    assert_eq!(client.poll(), ["+OK", "+OK", "+OK"]);
}

#[test]
fn the_order_is_a_directive() {
    let client = TestCore::new(1).client();
    client.check(&[
        ("CONFIG GET pipeline-order", "[\"pipeline-order\", \"writes\"]"),
        ("CONFIG SET pipeline-order relaxed", "+OK"),
        ("CONFIG GET pipeline-order", "[\"pipeline-order\", \"relaxed\"]"),
        (
            "CONFIG SET pipeline-order none",
            "-ERR CONFIG SET failed (possibly related to argument 'pipeline-order') - argument(s) must be one of the \
             following: writes, relaxed",
        ),
    ]);
}
