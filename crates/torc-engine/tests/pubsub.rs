//! Publish and subscribe, on one core and on several: what reaches whom, in which order, and what is counted.

mod common;

use common::{Client, TestCore, encode, key_of_each_core};
use torc_engine::random::Random;

/// What has come, a message each.
fn heard(client: &Client) -> String {
    client.poll().join(" ")
}

#[test]
fn a_message_reaches_who_has_subscribed() {
    for cores in [1, 2, 3] {
        let core = TestCore::new(cores);
        let (publisher, subscriber, modern) = (core.client(), core.client_on(cores - 1), core.client());
        assert_eq!(publisher.send("PUBLISH news nobody"), ":0");
        assert_eq!(
            subscriber.pipeline(&["SUBSCRIBE news sport", "PSUBSCRIBE n*"]),
            ["[\"subscribe\", \"news\", :1]", "[\"subscribe\", \"sport\", :2]", "[\"psubscribe\", \"n*\", :3]"]
        );
        modern.send("HELLO 3");
        assert_eq!(modern.pipeline(&["SUBSCRIBE news"]), [">[\"subscribe\", \"news\", :1]"]);
        assert_eq!(publisher.send("PUBLISH news hello"), ":3");
        assert_eq!(
            heard(&subscriber),
            "[\"message\", \"news\", \"hello\"] [\"pmessage\", \"n*\", \"news\", \"hello\"]"
        );
        assert_eq!(heard(&modern), ">[\"message\", \"news\", \"hello\"]");
        assert_eq!(publisher.send("PUBLISH nothing x"), ":1");
        assert_eq!(heard(&subscriber), "[\"pmessage\", \"n*\", \"nothing\", \"x\"]");
        assert_eq!(heard(&modern), "");
        assert_eq!(
            subscriber.pipeline(&["UNSUBSCRIBE news", "PUNSUBSCRIBE", "UNSUBSCRIBE other"]),
            ["[\"unsubscribe\", \"news\", :2]", "[\"punsubscribe\", \"n*\", :1]", "[\"unsubscribe\", \"other\", :1]"]
        );
        assert_eq!(publisher.send("PUBLISH news again"), ":1");
        assert_eq!(heard(&subscriber), "");
        // Under RESP3 a subscriber is a client like any other, and may publish to itself: the message precedes the reply or follows it.
        let mut both = modern.pipeline(&["PUBLISH news own", "GET k"]);
        both.sort_unstable();
        assert!(both.contains(&":1".to_owned()) && both.contains(&"nil".to_owned()), "{both:?}");
    }
}

#[test]
fn shard_channels_are_apart() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (publisher, subscriber) = (core.client(), core.client());
        assert_eq!(
            subscriber.pipeline(&["SSUBSCRIBE a b", "SUBSCRIBE a"]),
            ["[\"ssubscribe\", \"a\", :1]", "[\"ssubscribe\", \"b\", :2]", "[\"subscribe\", \"a\", :1]"]
        );
        assert_eq!(publisher.send("SPUBLISH a x"), ":1");
        assert_eq!(publisher.send("PUBLISH a y"), ":1");
        assert_eq!(heard(&subscriber), "[\"smessage\", \"a\", \"x\"] [\"message\", \"a\", \"y\"]");
        assert_eq!(publisher.send("PUBSUB SHARDCHANNELS a*"), "[\"a\"]");
        assert_eq!(publisher.send("PUBSUB SHARDNUMSUB a b c"), "[\"a\", :1, \"b\", :1, \"c\", :0]");
        let mut ends = subscriber.pipeline(&["SUNSUBSCRIBE"]);
        ends.sort_unstable();
        assert_eq!(ends.len(), 2);
        assert_eq!(subscriber.pipeline(&["SUNSUBSCRIBE"]), ["[\"sunsubscribe\", nil, :0]"]);
        assert_eq!(publisher.send("SPUBLISH a x"), ":0");
    }
}

#[test]
fn pubsub_tells_what_is_subscribed_to() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (one, two, asks) = (core.client(), core.client_on(cores - 1), core.client());
        one.pipeline(&["SUBSCRIBE a b __keyevent@0__:set", "PSUBSCRIBE x* y*"]);
        two.pipeline(&["SUBSCRIBE b c", "PSUBSCRIBE y* z*"]);
        let mut channels: Vec<String> =
            asks.send("PUBSUB CHANNELS").trim_matches(['[', ']']).split(", ").map(str::to_owned).collect();
        channels.sort_unstable();
        assert_eq!(channels, ["\"__keyevent@0__:set\"", "\"a\"", "\"b\"", "\"c\""]);
        asks.check(&[
            ("PUBSUB CHANNELS a*", "[\"a\"]"),
            ("PUBSUB CHANNELS nothing", "[]"),
            ("PUBSUB NUMSUB", "[]"),
            ("PUBSUB NUMSUB b a d", "[\"b\", :2, \"a\", :1, \"d\", :0]"),
            ("PUBSUB NUMPAT", ":3"),
            ("PUBSUB NOTHING", "-ERR unknown subcommand 'NOTHING'. Try PUBSUB HELP."),
        ]);
        let info = asks.send("INFO stats");
        for line in ["pubsub_channels:4", "pubsub_patterns:3", "pubsubshard_channels:0"] {
            assert!(info.contains(line), "{line} in {info}");
        }
        assert!(asks.send("INFO clients").contains("pubsub_clients:2"));
        let list = asks.send("CLIENT LIST TYPE pubsub");
        assert!(list.contains("flags=P") && list.contains("sub=3 psub=2 ssub=0") && !list.contains("sub=0 psub=0"));
        one.disconnect();
        two.disconnect();
        core.settle();
        asks.check(&[("PUBSUB CHANNELS", "[]"), ("PUBSUB NUMPAT", ":0"), ("PUBLISH b x", ":0")]);
    }
}

#[test]
fn under_resp2_a_subscriber_can_do_little_else() {
    let core = TestCore::new(2);
    let client = core.client();
    client.pipeline(&["SUBSCRIBE a"]);
    client.check(&[
        (
            "GET k",
            "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        ),
        (
            "CLIENT ID",
            "-ERR Can't execute 'client|id': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        ),
        ("PING", "[\"pong\", \"\"]"),
        ("PING hello", "[\"pong\", \"hello\"]"),
        ("UNSUBSCRIBE a", "[\"unsubscribe\", \"a\", :0]"),
        ("GET k", "nil"),
        ("PING", "+PONG"),
        ("SUBSCRIBE a", "[\"subscribe\", \"a\", :1]"),
        ("RESET", "+RESET"),
        ("GET k", "nil"),
        ("PUBLISH a x", ":0"),
        ("SUBSCRIBE", "-ERR wrong number of arguments for 'subscribe' command"),
        ("PUBLISH a", "-ERR wrong number of arguments for 'publish' command"),
    ]);
}

#[test]
fn in_a_transaction() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (client, other) = (core.client(), core.client_on(cores - 1));
        let keys = key_of_each_core(cores, "k");
        other.send("HELLO 3");
        other.send("SUBSCRIBE log");
        client.send("MULTI");
        for key in &keys {
            client.send(&format!("SET {key} v"));
            client.send(&format!("PUBLISH log {key}"));
        }
        let reply = client.send("EXEC");
        assert_eq!(reply.matches(":1").count(), keys.len(), "{reply}");
        let messages: Vec<String> = keys.iter().map(|key| format!(">[\"message\", \"log\", \"{key}\"]")).collect();
        assert_eq!(other.poll(), messages);
        assert_eq!(other.pipeline(&["MULTI", "SUBSCRIBE a b", "GET k", "EXEC"])[..3], ["+OK", "+QUEUED", "+QUEUED"]);
        assert_eq!(client.send("PUBLISH a x"), ":1");
        assert_eq!(client.send("PUBLISH b x"), ":1");
    }
}

/// A transaction ends one subscription and begins another while a message comes: it was counted, so it is delivered before the end.
#[test]
fn a_transaction_ends_some_and_begins_others() {
    let core = TestCore::new(2);
    let (subscriber, publisher) = (core.client_on(0), core.client_on(1));
    let [old, new] = ["a", "b"].map(|prefix| key_of_each_core(2, prefix).remove(1));
    subscriber.send("HELLO 3");
    subscriber.send(&format!("SUBSCRIBE {old}"));
    let lines = [format!("UNSUBSCRIBE {old}"), format!("SUBSCRIBE {new} {old}"), format!("UNSUBSCRIBE {old}")];
    let queued: Vec<u8> = ["MULTI", &lines[0], &lines[1], &lines[2], "EXEC"].map(request).concat();
    core.engine(0, |engine| engine.on_bytes(subscriber.connection(), &queued));
    core.engine(1, |engine| engine.on_bytes(publisher.connection(), &request(&format!("PUBLISH {old} x"))));
    core.settle();
    assert_eq!(publisher.poll(), [":1"]);
    let heard = subscriber.poll();
    let message = heard.iter().position(|part| part.contains("message")).expect("what is counted is delivered");
    let end = heard.iter().position(|part| part.contains("unsubscribe")).expect("the end is confirmed");
    assert!(message < end, "{heard:?}");
    assert_eq!(publisher.send(&format!("PUBLISH {old} x")), ":0");
    assert_eq!(publisher.send(&format!("PUBLISH {new} x")), ":1");
    assert_eq!(subscriber.poll(), [format!(">[\"message\", \"{new}\", \"x\"]")]);
}

#[test]
fn who_leaves_in_a_transaction_that_subscribes_is_forgotten() {
    let core = TestCore::new(2);
    let (subscriber, publisher) = (core.client_on(0), core.client_on(1));
    subscriber.send("HELLO 3");
    let [channels, keys] = ["c", "k"].map(|prefix| key_of_each_core(2, prefix));
    let lines = [
        format!("SET {} v", keys[0]),
        format!("SET {} v", keys[1]),
        format!("SUBSCRIBE {} {}", channels[0], channels[1]),
    ];
    let queued: Vec<u8> = ["MULTI", &lines[0], &lines[1], &lines[2], "EXEC"].map(request).concat();
    core.engine(0, |engine| engine.on_bytes(subscriber.connection(), &queued));
    subscriber.disconnect();
    for channel in channels {
        assert_eq!(publisher.send(&format!("PUBLISH {channel} x")), ":0");
    }
    core.engine(0, |engine| assert_eq!(engine.figures().connections, 0));
}

/// The words of a line as a request.
fn request(line: &str) -> Vec<u8> {
    encode(&line.split(' ').collect::<Vec<_>>())
}

#[test]
fn confirmations_come_though_replies_are_off() {
    let core = TestCore::new(2);
    let (client, other) = (core.client(), core.client());
    assert_eq!(client.pipeline(&["CLIENT REPLY OFF", "GET k", "SUBSCRIBE a b"]).len(), 2);
    assert_eq!(other.send("PUBLISH b x"), ":1");
    assert_eq!(heard(&client), "[\"message\", \"b\", \"x\"]");
    let skips = core.client();
    assert_eq!(
        skips
            .pipeline(&["CLIENT REPLY SKIP", "SUBSCRIBE a", "UNSUBSCRIBE a", "PING"])
            .last()
            .expect("PING is answered"),
        "+PONG"
    );
    assert!(skips.pipeline(&["CLIENT REPLY OFF", "PUBSUB NUMPAT", "PUBSUB HELP"]).is_empty());
}

#[test]
fn who_takes_nothing_is_dropped_and_the_others_get_all() {
    for cores in [1, 2] {
        let core = TestCore::with_config(cores, |config| {
            config.client_output_buffer_limit.pubsub.hard_bytes = 50_000;
        });
        let (publisher, lame, good) = (core.client(), core.client_on(cores - 1), core.client_on(cores - 1));
        for client in [&lame, &good] {
            client.pipeline(&["SUBSCRIBE a"]);
        }
        for number in 0..10 {
            let message = format!("{number}{}", "x".repeat(10_000 + number * 3000));
            // Who is closed counts until the host has seen to it.
            assert_eq!(publisher.send(&format!("PUBLISH a {message}")), ":2");
            assert_eq!(heard(&good), format!("[\"message\", \"a\", \"{message}\"]"));
        }
        assert!(lame.is_closed());
        assert!(publisher.send("INFO stats").contains("client_output_buffer_limit_disconnections:1"));
    }
}

#[test]
fn names_and_payloads_of_every_byte() {
    let core = TestCore::new(3);
    let (publisher, subscriber) = (core.client(), core.client_on(1));
    let mut random = Random::new(5);
    for len in [0, 1, 7, 300, 20_000, 40_000] {
        let name: Vec<u8> = (0..len.min(300)).map(|_| random.next_u64() as u8).collect();
        let payload: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        subscriber.raw(&encode(&[&b"SUBSCRIBE"[..], &name]));
        assert_eq!(publisher.call(&[&b"PUBLISH"[..], &name, &payload]), ":1");
        assert_eq!(subscriber.raw(b""), encode(&[&b"message"[..], &name, &payload]));
    }
}

/// Subscriptions come and go at random beside publishes; each publish is answered with the number of those that get it.
#[test]
fn what_is_counted_is_delivered() {
    for (seed, cores) in [(1, 1), (2, 2), (3, 3), (4, 5)] {
        let core = TestCore::new(cores);
        let mut random = Random::new(seed);
        let clients: Vec<Client> = (0..6).map(|number| core.client_on(number % cores)).collect();
        let publisher = core.client();
        clients.iter().for_each(|client| _ = client.send("HELLO 3"));
        let topics = ["a", "b", "ab", "__keyevent@0__:x", "__keyspace@0__:a"];
        let patterns = ["a*", "*b", "__key*", "?"];
        for _ in 0..400 {
            let client = &clients[random.below(6) as usize];
            let topic = topics[random.below(5) as usize];
            let pattern = patterns[random.below(4) as usize];
            match random.below(6) {
                0 => _ = client.send(&format!("SUBSCRIBE {topic}")),
                1 => _ = client.send(&format!("UNSUBSCRIBE {topic}")),
                2 => _ = client.send(&format!("PSUBSCRIBE {pattern}")),
                3 => _ = client.send(&format!("PUNSUBSCRIBE {pattern}")),
                _ => {
                    let counted = publisher.send(&format!("PUBLISH {topic} m"));
                    let got: usize = clients.iter().map(|client| client.poll().len()).sum();
                    assert_eq!(counted, format!(":{got}"), "{topic}");
                }
            }
        }
    }
}

#[test]
fn who_leaves_with_very_many_subscriptions_is_forgotten_little_by_little() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (gone, publisher) = (core.client(), core.client_on(cores - 1));
        let name = |number: usize| format!("channel:{number}");
        for first in (0..3500).step_by(500) {
            let words: Vec<String> =
                std::iter::once("SUBSCRIBE".to_owned()).chain((first..first + 500).map(name)).collect();
            assert_eq!(gone.exchange(&encode(&words)).len(), 500);
        }
        gone.send("PSUBSCRIBE channel:34*");
        assert_eq!(publisher.send("PUBLISH channel:3400 x"), ":2");
        core.engine(0, |engine| {
            engine.disconnected(gone.connection());
            assert!(engine.has_work(), "what is left waits for no event");
        });
        core.settle();
        assert_eq!(publisher.send("PUBSUB CHANNELS"), "[]");
        assert_eq!(publisher.send("PUBSUB NUMPAT"), ":0");
        assert_eq!(publisher.send("PUBLISH channel:3400 x"), ":0");
    }
}

#[test]
fn a_command_with_very_many_names_lets_others_have_their_turn() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (many, other) = (core.client(), core.client());
        let names: Vec<String> = (0..2500).map(|number| format!("channel:{number}")).collect();
        let words: Vec<&str> = std::iter::once("SUBSCRIBE").chain(names.iter().map(String::as_str)).collect();
        core.engine(0, |engine| engine.on_bytes(many.connection(), &encode(&words)));
        assert!(core.engine(0, |engine| engine.has_work()), "it is not done at once");
        let confirmed = many.poll();
        let wanted = |word: &str, number: usize, left: usize| format!("[\"{word}\", \"channel:{number}\", :{left}]");
        assert_eq!(confirmed.len(), 2500);
        (0..2500).for_each(|number| assert_eq!(confirmed[number], wanted("subscribe", number, number + 1)));
        assert_eq!(other.send("PUBLISH channel:2499 x"), ":1");
        heard(&many);
        // Named ones, twice named ones, and then all that are left; and nothing is answered twice.
        let words: Vec<&str> = std::iter::once("UNSUBSCRIBE").chain(names[..1200].iter().map(String::as_str)).collect();
        assert_eq!(many.exchange(&encode(&words)).len(), 1200);
        let mut ends = many.pipeline(&["UNSUBSCRIBE", "PING"]);
        assert_eq!((ends.len(), ends.pop()), (1301, Some("+PONG".to_owned())));
        assert!(ends[1299].ends_with(":0]"), "{}", ends[1299]);
        assert_eq!(other.send("PUBLISH channel:2499 x"), ":0");
        let calls = other.send("INFO COMMANDSTATS");
        assert!(!calls.contains("cmdstat_subscribe") || calls.contains("cmdstat_subscribe:calls=1,"), "{calls}");
        // In a transaction all of it is one.
        let words: Vec<&str> = std::iter::once("SUBSCRIBE").chain(names.iter().map(String::as_str)).collect();
        let mut lines = encode(&["MULTI"]);
        lines.extend(encode(&words));
        lines.extend(encode(&["EXEC"]));
        many.exchange(&lines);
        assert_eq!(other.send("PUBLISH channel:2499 x"), ":1");
    }
}
