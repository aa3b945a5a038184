//! A turn ends by time: whatever may take long waits for the next turn when this one has lasted long enough, and nothing else does.
//! See docs/architecture.md, "A turn ends".

mod common;

use common::{Client, TestCore, clock_ns, encode, key_of_each_core, let_long_commands_take, words};
use torc_engine::route::CoreId;
use torc_engine::{Engine, Message};

/// Longer than a turn.
const LONG_NS: u64 = 2_000_000;

fn bytes_of(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| encode(&words(line))).collect()
}

fn feed(server: &TestCore, client: &Client, lines: &[String]) {
    server.engine(0, |engine| engine.on_bytes(client.connection(), &bytes_of(lines)));
}

/// What a client of core 0 has got since the last time.
fn taken(server: &TestCore, client: &Client) -> String {
    let out = server.engine(0, |engine| engine.drain_output(client.connection()));
    String::from_utf8(out).expect("the replies of these tests are text")
}

fn begin_turn(engine: &mut Engine) {
    engine.begin_turn(0, clock_ns());
}

fn bitcounts(key: &str, count: usize) -> Vec<String> {
    vec![format!("BITCOUNT {key}"); count]
}

#[test]
fn what_may_take_long_waits_and_the_rest_does_not() {
    let server = TestCore::new(1);
    let (slow, other, third) = (server.client(), server.client(), server.client());
    let_long_commands_take(LONG_NS);
    server.engine(0, begin_turn);
    feed(&server, &slow, &[bitcounts("k", 3), vec!["PING".to_owned()]].concat());
    assert_eq!(taken(&server, &slow), ":0\r\n", "one of them uses up the turn");
    feed(&server, &other, &["PING".to_owned(), "SET a 1".to_owned(), "BITCOUNT a".to_owned(), "GET a".to_owned()]);
    assert_eq!(taken(&server, &other), "+PONG\r\n+OK\r\n");
    let many: Vec<String> = (0..200).map(|number| format!("k{number} {number}")).collect();
    feed(&server, &third, &[format!("MSET {}", many.join(" "))]);
    assert_eq!(taken(&server, &third), "", "many arguments may take long as well");
    assert!(server.engine(0, |engine| engine.has_work()));
    // Whoever has waited longest comes first, and then those who come again.
    let mut order = Vec::new();
    for _ in 0..4 {
        server.engine(0, |engine| {
            begin_turn(engine);
            engine.run_stalled();
        });
        order.push([&slow, &other, &third].map(|client| taken(&server, client)));
    }
    let expected =
        [[":0\r\n", "", ""], ["", ":3\r\n$1\r\n1\r\n", ""], ["", "", "+OK\r\n"], [":0\r\n+PONG\r\n", "", ""]];
    assert_eq!(order, expected);
    assert!(!server.engine(0, |engine| engine.has_work()));
}

#[test]
fn sessions_that_have_stalled_take_turns() {
    let server = TestCore::new(1);
    let (first, second) = (server.client(), server.client());
    // 256 commands are one turn of a session, and one of all that have stalled.
    let pings = vec!["PING".to_owned(); 2000];
    feed(&server, &first, &pings);
    feed(&server, &second, &pings);
    let (_, _) = (taken(&server, &first), taken(&server, &second));
    server.engine(0, |engine| (0..4).for_each(|_| engine.run_stalled()));
    let lens = [taken(&server, &first).len(), taken(&server, &second).len()];
    assert_eq!(lens[0], lens[1], "each has had as many turns");
}

/// A core works through the requests of others by the same rule, whosever they are.
#[test]
fn requests_of_another_core_wait_as_well() {
    let server = TestCore::new(2);
    let (first, second, third) = (server.client(), server.client(), server.client());
    let key = &key_of_each_core(2, "k")[1];
    let_long_commands_take(LONG_NS);
    feed(&server, &first, &[bitcounts(key, 2), vec![format!("GET {key}")]].concat());
    feed(&server, &second, &bitcounts(key, 1));
    feed(&server, &third, &[format!("SET {key} 1")]);
    let mut messages = messages_from(&server, 0);
    let requests = messages.pop().expect("one batch");
    server.engine(1, |engine| {
        begin_turn(engine);
        engine.on_message(0, requests);
        assert!(engine.has_work(), "two of them wait, and what is behind them");
    });
    let batches = messages_from(&server, 1);
    batches.into_iter().for_each(|message| server.engine(0, |engine| engine.on_message(1, message)));
    assert_eq!([&first, &second, &third].map(|client| taken(&server, client)), [":0\r\n", "", "+OK\r\n"]);
    let mut turns = 0;
    while server.engine(1, |engine| engine.has_work()) {
        server.engine(1, begin_turn);
        let batches = messages_from(&server, 1);
        batches.into_iter().for_each(|message| server.engine(0, |engine| engine.on_message(1, message)));
        turns += 1;
    }
    assert_eq!(turns, 3, "one for each, and one for what is behind the last");
    // Not the order of two clients, but that of each.
    let mut replies = [&first, &second].map(|client| taken(&server, client));
    replies.sort();
    assert_eq!(replies, [":3\r\n", ":3\r\n$1\r\n1\r\n"]);
}

/// One step of a transaction in each turn, if it takes long; what else comes is done meanwhile.
#[test]
fn steps_of_transactions_wait_as_well() {
    let server = TestCore::new(2);
    let clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    let keys = key_of_each_core(2, "k");
    for number in 0..20 {
        keys.iter().for_each(|key| assert_eq!(clients[0].send(&format!("SADD {key} a{number}")), ":1"));
    }
    let_long_commands_take(LONG_NS);
    for (number, client) in clients.iter().enumerate() {
        feed(&server, client, &[format!("SINTERSTORE {{{}}}{number} {} {}", keys[1], keys[0], keys[1])]);
    }
    let mut answered_per_turn = Vec::new();
    for _ in 0..200 {
        for core in 0..2 {
            server.engine(core, |engine| {
                begin_turn(engine);
                engine.run_stalled();
            });
            for message in messages_from(&server, core) {
                server.engine(1 - core, |engine| engine.on_message(core, message));
            }
        }
        let replies: Vec<String> = clients.iter().map(|client| taken(&server, client)).collect();
        assert!(replies.iter().all(|reply| reply.is_empty() || reply == ":20\r\n"), "{replies:?}");
        answered_per_turn.push(replies.iter().filter(|reply| !reply.is_empty()).count());
    }
    assert_eq!(answered_per_turn.iter().sum::<usize>(), clients.len());
    assert_eq!(answered_per_turn.iter().max(), Some(&1), "no two of them fit into one turn");
    assert!((0..2).all(|core| server.engine(core, |engine| engine.claims_are_idle() && !engine.has_work())));
}

fn messages_from(server: &TestCore, core: CoreId) -> Vec<Message> {
    let mut messages = Vec::new();
    server.engine(core, |engine| engine.flush(|_, message| messages.push(message)));
    messages
}
