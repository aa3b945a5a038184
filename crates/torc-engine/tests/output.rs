//! What replies may take while nobody takes them: how far cores go ahead, what is copied, what is cut, and what is shown of it.

mod common;

use common::{Client, TestCore, encode, key_of_each_core, words};
use torc_engine::state::ReplyBounds;
use torc_engine::{Output, Want};

const MIB: usize = 1 << 20;

/// Makes a list of so many KiB.
fn fill_list(client: &Client, key: &str, kib: usize) {
    let element = "x".repeat(1000);
    for _ in 0..kib {
        client.send(&format!("RPUSH {key} {element}"));
    }
}

/// Sends requests, and takes no replies.
fn send_unread(server: &TestCore, client: &Client, lines: &[String]) {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| encode(&words(line))).collect();
    server.engine(0, |engine| engine.on_bytes(client.connection(), &bytes));
    server.settle();
}

fn pending(server: &TestCore, client: &Client) -> usize {
    server.engine(0, |engine| engine.inspect_session(client.connection()).expect("it is there").output().len())
}

/// A field of the client's line in CLIENT LIST.
fn shown(observer: &Client, name: &str, field: &str) -> usize {
    let list = observer.send("CLIENT LIST");
    let line = list.split("\\n").find(|line| line.contains(&format!(" name={name} "))).expect("it is listed");
    let text = line.split(' ').find_map(|part| part.strip_prefix(&format!("{field}="))).expect("it is shown");
    text.parse().expect("a number")
}

#[test]
fn another_core_makes_replies_only_as_far_as_there_is_room() {
    let server = TestCore::new(2);
    let (client, other) = (server.client(), server.client());
    let key = &key_of_each_core(2, "k")[1];
    fill_list(&other, key, 500);
    let requests = vec![format!("LRANGE {key} 0 -1"); 80];
    send_unread(&server, &client, &requests);
    let first = pending(&server, &client);
    assert!(first > 4 * MIB && first < 6 * MIB, "{first} bytes were made ahead");
    // Each time there is room again, as much comes.
    let (mut taken, mut most) = (0, 0);
    while taken < 80 * 500 * 1000 {
        let now = pending(&server, &client);
        most = most.max(now);
        assert!(now > 0, "it goes on after {taken} bytes");
        server.engine(0, |engine| engine.output_sent(client.connection(), now));
        server.settle();
        taken += now;
    }
    assert!(most < 7 * MIB, "{most}");
    assert!(server.engine(1, |engine| engine.claims_are_idle()), "nothing is left");
}

#[test]
fn the_order_of_a_pipeline_stays_while_replies_wait_for_room() {
    let server = TestCore::new(2);
    let (client, other) = (server.client(), server.client());
    let key = &key_of_each_core(2, "k")[1];
    fill_list(&other, key, 1000);
    let mut requests: Vec<String> = vec![format!("LRANGE {key} 0 -1"); 20];
    requests.push(format!("DEL {key}"));
    requests.push(format!("LLEN {key}"));
    send_unread(&server, &client, &requests);
    assert_eq!(other.send(&format!("LLEN {key}")), ":1000", "what was sent before it comes first");
    let replies = client.poll();
    assert_eq!(replies.len(), 22);
    assert!(replies[..20].iter().all(|reply| reply.len() > 1_000_000), "each sees the list");
    assert_eq!(replies[20..], [":1", ":0"]);
}

#[test]
fn replies_of_one_core_do_not_pile_up_behind_one_that_waits_for_room() {
    let server = TestCore::new(3);
    let (client, other) = (server.client(), server.client());
    let keys = &key_of_each_core(3, "k")[1..];
    keys.iter().for_each(|key| fill_list(&other, key, 1000));
    let requests: Vec<String> = (0..60).map(|number| format!("LRANGE {} 0 -1", keys[number % 2])).collect();
    send_unread(&server, &client, &requests);
    let owed =
        server.engine(0, |engine| engine.inspect_session(client.connection()).expect("it is there").replies_owed());
    assert!(owed > 40, "they wait on their cores");
    let memory = server.engine(0, |engine| {
        engine.output_stays(client.connection());
        engine.sweep_sessions();
        engine.figures().sessions_bytes
    });
    assert!(memory < 24 * MIB as u64, "{memory}");
    let replies = client.poll();
    assert!(replies.len() == 60 && replies.iter().all(|reply| reply.len() > 1_000_000), "all come in the end");
}

#[test]
fn what_a_client_has_sent_is_done_when_it_leaves_while_replies_wait_for_room() {
    let server = TestCore::new(2);
    let (client, other) = (server.client(), server.client());
    let key = &key_of_each_core(2, "k")[1];
    fill_list(&other, key, 1000);
    let mut requests = vec![format!("LRANGE {key} 0 -1"); 30];
    requests.push(format!("RPUSH {key} last"));
    send_unread(&server, &client, &requests);
    assert_eq!(other.send(&format!("LLEN {key}")), ":1000");
    client.disconnect();
    server.settle();
    assert_eq!(other.send(&format!("LLEN {key}")), ":1001");
    assert!(server.engine(1, |engine| engine.claims_are_idle()), "nothing is left");
}

#[test]
fn a_turn_ends_by_the_bytes_of_its_replies() {
    let server = TestCore::new(1);
    let (client, other) = (server.client(), server.client());
    fill_list(&other, "k", 300);
    let bytes = "LRANGE k 0 -1\r\n".repeat(100);
    server.engine(0, |engine| engine.on_bytes(client.connection(), bytes.as_bytes()));
    let mut last = pending(&server, &client);
    assert!(last > MIB && last < MIB + 400_000, "{last} in the first turn");
    let mut turns = 1;
    while server.engine(0, |engine| engine.has_work()) {
        server.engine(0, |engine| engine.run_stalled());
        let now = pending(&server, &client);
        assert!(now - last < MIB + 400_000, "{} in turn {turns}", now - last);
        (last, turns) = (now, turns + 1);
    }
    assert!(turns > 20, "{turns}");
    assert_eq!(client.poll().len(), 100);
}

#[test]
fn what_is_beyond_the_limit_is_never_made() {
    for cores in [1, 2] {
        let limit = "client-output-buffer-limit";
        let server = TestCore::new(cores);
        let (client, other) = (server.client(), server.client());
        other.send(&format!("CONFIG SET {limit} \"normal 2000000 0 0\""));
        let key = key_of_each_core(cores, "k").pop().expect("there is a core");
        fill_list(&other, &key, 1000);
        // One reply of many times the limit, from one key and from all cores, copied and shared.
        let long = "y".repeat(100_000);
        other.send(&format!("SET {{{key}}}long {long}"));
        other.send(&format!("SET s {long}"));
        let many = |name: &str| format!(" {name}").repeat(100);
        for request in [
            format!("MGET{}", many(&format!("{{{key}}}long"))),
            format!("MGET{}{}", many("s"), many(&format!("{{{key}}}long"))),
            format!("SORT {key} BY nosort GET {{{key}}}long GET # GET # GET #"),
        ] {
            let client = server.client();
            send_unread(&server, &client, &[request]);
            assert!(pending(&server, &client) > 2_000_000, "its length is known");
            let memory = server.engine(0, |engine| {
                engine.output_stays(client.connection());
                engine.sweep_sessions();
                engine.figures().sessions_bytes
            });
            assert!(memory < 200_000, "{memory} bytes are kept of what nobody gets");
            let over = |output: Output<'_>| matches!(output, Output::OverLimit);
            assert!(server.engine(0, |engine| over(engine.output(client.connection()))));
            client.disconnect();
        }
        assert_eq!(client.send("PING"), "+PONG", "who is within the limit goes on");
    }
}

/// Requests for a key that a transaction has claimed are answered one after the other when it lets go, and not all at once.
#[test]
fn replies_that_waited_for_a_claim_are_bounded_as_well() {
    let server = TestCore::new(2);
    let (writer, far, near) = (server.client(), server.client(), server.client_on(1));
    let keys = key_of_each_core(2, "k");
    fill_list(&writer, &keys[1], 500);
    let claim = format!("LMOVE {} {} LEFT LEFT", keys[0], keys[1]);
    fill_list(&writer, &keys[0], 1);
    // Core 1 hears of the transaction, and core 0 does not hear that it has.
    server.engine(0, |engine| engine.on_bytes(writer.connection(), &encode(&words(&claim))));
    let mut held = Vec::new();
    let carry = |from: u16| {
        let mut messages = Vec::new();
        server.engine(from, |engine| engine.flush(|_, message| messages.push(message)));
        messages
    };
    carry(0).into_iter().for_each(|message| server.engine(1, |engine| engine.on_message(0, message)));
    held.extend(carry(1));
    assert!(!server.engine(1, |engine| engine.claims_are_idle()), "the list is claimed");
    let requests: Vec<u8> = (0..60).flat_map(|_| encode(&words(&format!("LRANGE {} 0 -1", keys[1])))).collect();
    server.engine(0, |engine| engine.on_bytes(far.connection(), &requests));
    server.engine(1, |engine| engine.on_bytes(near.connection(), &requests));
    let at_home =
        server.engine(1, |engine| engine.inspect_session(near.connection()).expect("it is there").replies_owed());
    assert_eq!(at_home, 1, "the others are not read yet");
    carry(0).into_iter().for_each(|message| server.engine(1, |engine| engine.on_message(0, message)));
    held.extend(carry(1));
    held.into_iter().for_each(|message| server.engine(0, |engine| engine.on_message(1, message)));
    server.settle();
    let made = pending(&server, &far);
    assert!(made > 4 * MIB && made < 6 * MIB, "{made}");
    for client in [&far, &near] {
        let replies = client.poll();
        assert!(replies.len() == 60 && replies.iter().all(|reply| reply.len() > 500_000), "all come in the end");
    }
    assert_eq!(writer.poll().len(), 1);
}

/// Replies that are owed hold back those behind them, but not the limit.
#[test]
fn the_limit_counts_what_waits_for_replies_that_are_owed() {
    let limit = 2 * MIB;
    let server = TestCore::with_config(2, |config| config.client_output_buffer_limit.normal.hard_bytes = limit as u64);
    let (client, observer) = (server.client(), server.client());
    let keys = key_of_each_core(2, "k");
    fill_list(&observer, &keys[0], 300);
    let mut lines = vec!["PING".to_owned(), format!("GET {}", keys[1])];
    lines.extend(vec![format!("LRANGE {} 0 -1", keys[0]); 20]);
    let bytes: Vec<u8> = lines.iter().flat_map(|line| encode(&words(line))).collect();
    server.engine(0, |engine| engine.on_bytes(client.connection(), &bytes));
    for _ in 0..5 {
        let bytes = server.engine(0, |engine| {
            engine.run_stalled();
            engine.inspect_session(client.connection()).expect("it is there").memory_bytes()
        });
        assert!(bytes < limit + MIB, "{bytes}");
    }
    let is_over = server.engine(0, |engine| matches!(engine.output(client.connection()), Output::OverLimit));
    assert!(is_over, "it is closed although a reply is owed");
    client.disconnect();
    server.settle();
    assert_eq!(observer.send("PING"), "+PONG");
}

#[test]
fn long_strings_are_sent_from_where_they_lie() {
    for cores in [1, 2] {
        let server = TestCore::new(cores);
        let unbounded = ReplyBounds { ahead_bytes: usize::MAX, ..ReplyBounds::DEFAULT };
        (0..cores).for_each(|core| server.engine(core, |engine| engine.inspect_mut().set_reply_bounds(unbounded)));
        let (client, other) = (server.client(), server.client());
        client.send("CLIENT SETNAME it");
        let key = &key_of_each_core(cores, "k").pop().expect("there is a core");
        let value = "v".repeat(2_000_000);
        other.send(&format!("SET {key} {value}"));
        let before: usize = shown(&other, "it", "tot-mem");
        let requests: Vec<String> = [
            format!("GET {key}"),
            format!("GETRANGE {key} 1 -2"),
            format!("MGET {key} a b {key} {key}"),
            format!("GETEX {key} PERSIST"),
            format!("SET {key} {value}2 GET"),
            format!("GETSET {key} {value}3"),
            format!("GETDEL {key}"),
        ]
        .into();
        send_unread(&server, &client, &requests);
        let owner = cores - 1;
        let lent = server.engine(owner, |engine| engine.inspect().keyspace().memory().lent_bytes);
        assert!(lent > 5_900_000 && lent < 6_100_000, "three values are gone and still to be sent: {lent}");
        let sent = 9 * 2_000_000;
        assert!(shown(&other, "it", "omem") > sent, "what the client has not taken is shown");
        assert!(shown(&other, "it", "tot-mem") > sent);
        let memory = server.engine(0, |engine| {
            engine.output_stays(client.connection());
            engine.sweep_sessions();
            engine.figures().sessions_bytes
        });
        assert!(memory < 300_000 + before as u64, "{memory} bytes are copies");
        let replies = client.poll();
        let quoted = |value: &str| format!("\"{value}\"");
        assert_eq!(replies.len(), 7);
        assert!(replies[0] == quoted(&value) && replies[1] == quoted(&value[2..]) && replies[3] == replies[0]);
        assert!(replies[2] == format!("[{0}, nil, nil, {0}, {0}]", quoted(&value)));
        assert!(replies[4] == replies[0] && replies[5] == quoted(&format!("{value}2")));
        assert!(replies[6] == quoted(&format!("{value}3")));
        let lent = server.engine(owner, |engine| engine.inspect().keyspace().memory().lent_bytes);
        assert_eq!(lent, 0, "it is freed when it is sent");
    }
}

#[test]
fn a_long_value_that_changes_while_it_is_sent_is_sent_as_it_was() {
    let server = TestCore::new(2);
    let (client, other) = (server.client(), server.client());
    let key = &key_of_each_core(2, "k")[1];
    let value = "v".repeat(100_000);
    other.send(&format!("SET {key} {value}"));
    send_unread(&server, &client, &[format!("GET {key}")]);
    for change in ["APPEND k x", "SETRANGE k 5 new", "SETBIT k 3 1", "BITFIELD k SET u8 0 255"] {
        other.send(&change.replace(" k ", &format!(" {key} ")));
    }
    assert_eq!(other.send(&format!("STRLEN {key}")), ":100001");
    assert!(client.poll() == [format!("\"{value}\"")]);
}

#[test]
fn who_has_not_logged_in_is_closed_when_it_reads_nothing() {
    let server = TestCore::with_config(1, |config| config.requirepass = "secret".to_owned());
    let client = server.client();
    send_unread(&server, &client, &vec!["PING".to_owned(); 100]);
    server.engine(0, |engine| engine.output_sent(client.connection(), 1));
    server.engine(0, |engine| {
        assert!(matches!(engine.output(client.connection()), Output::OverLimit));
        assert_ne!(engine.wants(client.connection()), Want::Nothing);
    });
}

#[test]
fn a_long_argument_takes_little_more_than_its_length_on_the_way() {
    let server = TestCore::new(1);
    let (client, other) = (server.client(), server.client());
    client.send("CLIENT SETNAME it");
    let bytes = encode(&[b"SET".to_vec(), b"k".to_vec(), vec![b'x'; 10_000_000]]);
    let mut most = 0;
    for (number, piece) in bytes.chunks(16 * 1024).enumerate() {
        server.engine(0, |engine| engine.on_bytes(client.connection(), piece));
        if number % 20 == 0 {
            let (held, taken) = (shown(&other, "it", "tot-mem"), (number + 1) * 16 * 1024);
            assert!(held <= 2 * taken + 100_000, "no memory for what has not come: {held} after {taken}");
            most = most.max(held);
        }
    }
    assert!(most <= 10_100_000, "{most}");
    assert_eq!(client.poll(), ["+OK"]);
}

/// What a turn makes and sends is no reason to evict; what is still there at its end is.
#[test]
fn output_counts_from_the_end_of_the_turn() {
    let server = TestCore::new(1);
    let (client, other) = (server.client(), server.client());
    fill_list(&other, "list", 500);
    let counted = || {
        server.engine(0, |engine| {
            engine.sweep_sessions();
            engine.figures().sessions_bytes
        })
    };
    let before = counted();
    send_unread(&server, &client, &["LRANGE list 0 -1".to_owned()]);
    assert!(counted() < before + 10_000, "it has not been offered to a socket");
    server.engine(0, |engine| engine.output_stays(client.connection()));
    assert!(counted() > before + 500_000);
    assert_eq!(client.poll().len(), 1);
    assert!(counted() < before + 10_000, "it has been taken");
}
