//! The world holds for many seeds; and the judge finds what is wrong with histories made by hand.

use super::history::{History, Item, Kind, NEVER, Publish, Read, Stream, Topic, Write, payload_of};
use super::judge::judge;
use super::{Summary, run};

/// Seeds of the test run; `cargo xtask sim --world subscribers` does more.
const SEEDS: u64 = 150;

#[test]
fn subscribers_get_what_is_promised() {
    let mut total = Summary::default();
    for seed in 0..SEEDS {
        match run(seed) {
            Ok(summary) => total.add(&summary),
            Err(failure) => panic!("{}\n{}\nseed {}", failure.trace, failure.message, failure.seed),
        }
    }
    println!("{total:?}");
    let [publishes, cached] = [total.heard_publishes, total.cached.min(total.cache_hits).min(total.invalidations)];
    let counts = [publishes, total.events, total.ended, total.reads, total.deaths, cached];
    assert!(counts.iter().all(|&count| count > SEEDS), "{total:?}");
}

#[test]
fn a_seed_determines_everything() {
    for seed in 1000..1005 {
        let runs = [0, 1].map(|_| run(seed).map_err(|failure| failure.message));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

/// A history in which connection 0 publishes on `a`, at moments from 100 on, and others have subscribed to it at 10.
struct Made(History);

impl Made {
    fn new(subscribers: usize) -> Self {
        let mut made = Made(History::default());
        made.0.streams = (0..=subscribers).map(|_| Stream { items: Vec::new(), died_at: NEVER }).collect();
        (1..=subscribers).for_each(|subscriber| made.confirm(subscriber, true, 10, 1));
        made
    }

    fn confirm(&mut self, subscriber: usize, added: bool, at: u64, count: u64) {
        self.confirm_topic(subscriber, added, at, count, Topic::new(Kind::Channel, "a"));
    }

    fn confirm_topic(&mut self, subscriber: usize, added: bool, at: u64, count: u64, topic: Topic) {
        let item = Item::Confirmed { added, topic: Some(topic), count, asked_at: at - 5 };
        self.0.streams[subscriber].items.push((at, item));
    }

    /// Sent at a moment, answered 10 later.
    fn publish(&mut self, connection: usize, sent_at: u64, count: u64) -> usize {
        let (channel, answered_at, count) = ("a".to_owned(), sent_at + 10, Some(count));
        self.0.publishes.push(Publish { connection, is_shard: false, channel, sent_at, answered_at, count });
        self.0.publishes.len() - 1
    }

    fn hear(&mut self, subscriber: usize, at: u64, publish: usize) {
        self.hear_on(subscriber, at, Topic::new(Kind::Channel, "a"), "a", &payload_of(publish));
    }

    fn hear_on(&mut self, subscriber: usize, at: u64, topic: Topic, channel: &str, payload: &str) {
        let item = Item::Message { topic, channel: channel.into(), payload: payload.into() };
        self.0.streams[subscriber].items.push((at, item));
    }

    fn problem(&self) -> String {
        judge(&self.0).err().unwrap_or_default()
    }
}

#[test]
fn what_is_as_promised_is_no_problem() {
    let mut made = Made::new(2);
    for (number, sent_at) in [(0, 100), (1, 120)] {
        made.publish(0, sent_at, 2);
        (1..=2).for_each(|subscriber| made.hear(subscriber, sent_at + 5, number));
    }
    made.confirm(1, false, 150, 0);
    made.publish(0, 160, 1);
    made.hear(2, 165, 2);
    assert_eq!(made.problem(), "");
}

#[test]
fn what_is_counted_must_be_delivered() {
    let mut made = Made::new(2);
    made.publish(0, 8, 2);
    made.hear(1, 20, 0);
    assert!(made.problem().contains("counted 2 subscribers"), "{}", made.problem());
    // Who dies may have lost it, but not when all has come to rest since.
    made.0.streams[2].died_at = 15;
    assert_eq!(made.problem(), "");
    made.publish(0, 50, 2);
    made.hear(1, 55, 1);
    assert_eq!(made.problem(), "");
    made.0.rests.push(40);
    assert!(made.problem().contains("publish 1 counted 2"), "{}", made.problem());
}

#[test]
fn a_confirmed_subscription_must_miss_nothing() {
    let mut made = Made::new(2);
    made.publish(0, 100, 1);
    made.hear(1, 105, 0);
    assert!(made.problem().contains("connection 2 misses publish 0"), "{}", made.problem());
    // Its end was asked for before the answer.
    made.confirm(2, false, 110, 0);
    assert_eq!(made.problem(), "");
}

#[test]
fn nothing_comes_before_or_after_or_twice() {
    let mut made = Made::new(1);
    made.publish(0, 8, 1);
    made.0.streams[1].items.insert(0, (9, Item::Reset { asked_at: 1 }));
    made.hear(1, 20, 0);
    assert_eq!(made.problem(), "");
    made.0.streams[1].items.swap(1, 2);
    assert!(made.problem().contains("without a confirmed subscription"), "{}", made.problem());

    let mut made = Made::new(1);
    made.publish(0, 100, 1);
    made.confirm(1, false, 104, 0);
    made.hear(1, 105, 0);
    assert!(made.problem().contains("without a confirmed subscription"), "{}", made.problem());

    let mut made = Made::new(1);
    made.publish(0, 100, 2);
    (0..2).for_each(|_| made.hear(1, 105, 0));
    assert!(made.problem().contains("twice"), "{}", made.problem());

    let mut made = Made::new(1);
    made.confirm(1, true, 20, 2);
    assert!(made.problem().contains("has 1 subscriptions, and is told of 2"), "{}", made.problem());
}

#[test]
fn a_channel_must_have_one_order() {
    for (publishers, sent) in [([0, 3], [100, 101]), ([0, 0], [100, 101]), ([0, 3], [100, 200])] {
        let mut made = Made::new(3);
        made.0.streams[3].items.clear();
        (0..2).for_each(|number| _ = made.publish(publishers[number], sent[number], 2));
        for (subscriber, first) in [(1, 1), (2, usize::from(publishers == [0, 3] && sent[1] > 101))] {
            made.hear(subscriber, 300, first);
            made.hear(subscriber, 301, 1 - first);
        }
        assert!(made.problem().contains("no one order"), "{publishers:?} {sent:?}: {}", made.problem());
    }
}

#[test]
fn a_connection_hears_one_order_by_all_its_topics() {
    let mut made = Made::new(1);
    let pattern = Topic::new(Kind::Pattern, "a*");
    made.confirm_topic(1, true, 20, 2, pattern.clone());
    (0..2).for_each(|number| _ = made.publish(number * 2, 100, 2));
    made.0.streams.push(Stream { items: Vec::new(), died_at: NEVER });
    let hear = |made: &mut Made, order: [usize; 4]| {
        made.0.streams[1].items.truncate(2);
        for (at, what) in (300..).zip(order) {
            let topic = if what < 2 { Topic::new(Kind::Channel, "a") } else { pattern.clone() };
            made.hear_on(1, at, topic, "a", &payload_of(what % 2));
        }
        made.problem()
    };
    assert_eq!(hear(&mut made, [0, 2, 1, 3]), "");
    assert!(hear(&mut made, [0, 1, 2, 3]).contains("no one order"));
}

#[test]
fn what_was_announced_must_be_found() {
    let mut made = Made::new(0);
    made.0.reads.push(Read { key: "k".into(), at_least: 2, found: Some(2) });
    assert_eq!(made.problem(), "");
    made.0.reads.push(Read { key: "k".into(), at_least: 2, found: Some(1) });
    assert!(made.problem().contains("k holds 1"), "{}", made.problem());
}

#[test]
fn events_must_come_without_a_gap() {
    let key = Topic::new(Kind::Channel, "__keyspace@0__:l");
    let heard = |events: &[&str]| {
        let mut made = Made::new(1);
        made.confirm_topic(1, true, 115, 2, key.clone());
        for (number, event) in ["rpush", "lpush", "linsert", "rpush"].into_iter().enumerate() {
            let sent_at = 100 + 10 * number as u64;
            let (answered_at, version) = (sent_at + 8, Some(number as u64 + 1));
            made.0.writes.push(Write { key: "l".into(), event, sent_at, answered_at, version });
        }
        events.iter().for_each(|event| made.hear_on(1, 150, key.clone(), "__keyspace@0__:l", event));
        made.problem()
    };
    // The second write was under way when the subscription was.
    assert_eq!(heard(&["linsert", "rpush"]), "");
    assert_eq!(heard(&["lpush", "linsert", "rpush"]), "");
    for bad in [&["linsert"][..], &["rpush"], &["rpush", "linsert"], &["linsert", "rpush", "rpush"], &[]] {
        assert!(heard(bad).contains("is no part of its writes"), "{bad:?}: {}", heard(bad));
    }
    assert!(heard(&["rpush", "lpush", "linsert", "rpush"]).contains("is no part"), "the first was over before");
}

#[test]
fn events_by_name_must_be_as_many_as_the_writes() {
    let mut made = Made::new(1);
    let topic = Topic::new(Kind::Channel, "__keyevent@0__:rpush");
    made.confirm_topic(1, true, 20, 2, topic.clone());
    made.0.writes.push(Write { key: "l".into(), event: "rpush", sent_at: 30, answered_at: 40, version: Some(1) });
    assert!(made.problem().contains("0 events instead of 1 to 1"), "{}", made.problem());
    made.hear_on(1, 35, topic, "__keyevent@0__:rpush", "l");
    assert_eq!(made.problem(), "");
}
