//! What must hold of the streams of all clients, whatever has happened inside. Each rule stands for a point of docs/pubsub.md.
//!
//! ```text
//!   streams --> intervals: one subscription of one connection, with what it has heard
//!                  |--> counted    the answer to each PUBLISH is the number of those who got it, but for who left
//!                  |--> missed     who was confirmed before, and did not end before the answer, got it
//!                  |--> order      of the publishes on one channel: one order explains what all heard
//!                  +--> caches     what a client has cached, and was not told of, is the newest when nothing is under way
//!                  +--> events     those of a key come without a gap, in the order of its writes (`events`)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::history::{At, History, Item, Kind, NEVER, Publish, Stream, Topic, publish_of};

mod events;

/// One subscription of one connection.
#[derive(Debug)]
pub(super) struct Interval {
    connection: usize,
    topic: Topic,
    asked_at: At,
    confirmed_at: At,
    /// When its end was asked for, and when that was confirmed.
    end_asked_at: At,
    ended_at: At,
    /// The connection died, or was reset: it may have lost what was under way.
    gone_at: At,
    /// Channel and payload.
    messages: Vec<(String, String)>,
    /// The publishes among them, each with the moment.
    heard: BTreeMap<usize, At>,
}

/// What is wrong, if anything is.
pub(crate) fn judge(history: &History) -> Result<(), String> {
    let mut intervals = Vec::new();
    for (connection, stream) in history.streams.iter().enumerate() {
        intervals.append(&mut intervals_of(connection, stream)?);
    }
    check_payloads(history, &intervals)?;
    check_counts(history, &intervals)?;
    check_missed(history, &intervals)?;
    check_order(history, &intervals)?;
    check_reads(history)?;
    check_caches(history)?;
    events::check(history, &intervals)
}

/// The subscriptions of a connection: nothing comes before a confirmation or after that of the end, and nothing twice.
fn intervals_of(connection: usize, stream: &Stream) -> Result<Vec<Interval>, String> {
    let mut walk = Walk { connection, intervals: Vec::new(), open: BTreeMap::new() };
    for (at, item) in &stream.items {
        let at = *at;
        match item {
            Item::Confirmed { added: true, topic, count, asked_at } => {
                let topic = topic.as_ref().ok_or("a subscription is confirmed without a name")?;
                walk.begin(topic, *asked_at, at);
                walk.check_count(topic.kind, *count)?;
            }
            Item::Confirmed { added: false, topic: None, .. } => {}
            Item::Confirmed { added: false, topic: Some(topic), count, asked_at } => {
                if let Some(place) = walk.open.remove(topic) {
                    (walk.intervals[place].end_asked_at, walk.intervals[place].ended_at) = (*asked_at, at);
                }
                walk.check_count(topic.kind, *count)?;
            }
            Item::Message { topic, channel, payload } => walk.hear(topic, channel, payload, at)?,
            Item::Reset { asked_at } => walk.end_all(*asked_at, at),
            Item::Unanswered { added: true, topics, asked_at } => {
                topics.iter().for_each(|topic| walk.begin(topic, *asked_at, NEVER));
            }
            Item::Unanswered { added: false, topics, asked_at } => {
                for topic in topics {
                    let place = walk.open.remove(topic);
                    place.into_iter().for_each(|place| walk.end(place, *asked_at, stream.died_at));
                }
            }
        }
    }
    walk.end_all(stream.died_at, stream.died_at);
    Ok(walk.intervals)
}

/// On the way through a stream.
struct Walk {
    connection: usize,
    intervals: Vec<Interval>,
    /// Subscriptions that have not ended.
    open: BTreeMap<Topic, usize>,
}

impl Walk {
    fn begin(&mut self, topic: &Topic, asked_at: At, confirmed_at: At) {
        if self.open.contains_key(topic) {
            return;
        }
        self.open.insert(topic.clone(), self.intervals.len());
        self.intervals.push(Interval {
            connection: self.connection,
            topic: topic.clone(),
            asked_at,
            confirmed_at,
            end_asked_at: NEVER,
            ended_at: NEVER,
            gone_at: NEVER,
            messages: Vec::new(),
            heard: BTreeMap::new(),
        });
    }

    fn end(&mut self, place: usize, asked_at: At, gone_at: At) {
        let interval = &mut self.intervals[place];
        (interval.end_asked_at, interval.ended_at, interval.gone_at) = (asked_at, gone_at, gone_at);
    }

    fn end_all(&mut self, asked_at: At, gone_at: At) {
        for place in std::mem::take(&mut self.open).into_values() {
            self.end(place, asked_at, gone_at);
        }
    }

    fn check_count(&self, kind: Kind, count: u64) -> Result<(), String> {
        let is_counted = |topic: &&Topic| (topic.kind == Kind::Shard) == (kind == Kind::Shard);
        let wanted = self.open.keys().filter(is_counted).count() as u64;
        if count == wanted {
            return Ok(());
        }
        Err(format!("connection {} has {wanted} subscriptions, and is told of {count}", self.connection))
    }

    fn hear(&mut self, topic: &Topic, channel: &str, payload: &str, at: At) -> Result<(), String> {
        let connection = self.connection;
        let Some(&place) = self.open.get(topic) else {
            return Err(format!(
                "connection {connection} hears {payload} on {channel} without a confirmed subscription to {topic:?}"
            ));
        };
        if !topic.hears(topic.kind == Kind::Shard, channel) {
            return Err(format!("{topic:?} of connection {connection} hears {payload} on {channel}"));
        }
        let interval = &mut self.intervals[place];
        interval.messages.push((channel.to_owned(), payload.to_owned()));
        if let Some(publish) = publish_of(payload)
            && interval.heard.insert(publish, at).is_some()
        {
            return Err(format!("connection {connection} hears {payload} twice by {topic:?}"));
        }
        Ok(())
    }
}

/// What is heard was published, on that channel.
fn check_payloads(history: &History, intervals: &[Interval]) -> Result<(), String> {
    for interval in intervals {
        for (channel, payload) in &interval.messages {
            let is_known = match publish_of(payload) {
                Some(publish) => history.publishes.get(publish).is_some_and(|publish| {
                    publish.channel == *channel && publish.is_shard == (interval.topic.kind == Kind::Shard)
                }),
                None => channel.starts_with("__key"),
            };
            if !is_known {
                return Err(format!(
                    "connection {} hears {payload} on {channel}: it is not from there",
                    interval.connection
                ));
            }
        }
    }
    Ok(())
}

/// What is counted is delivered. Who was gone may have been counted and have got nothing, up to the next rest.
fn check_counts(history: &History, intervals: &[Interval]) -> Result<(), String> {
    for (number, publish) in history.publishes.iter().enumerate() {
        let Some(count) = publish.count else { continue };
        let got = intervals.iter().filter(|interval| interval.heard.contains_key(&number)).count() as u64;
        let may_have_lost = |interval: &&Interval| {
            let rested = history.rests.iter().any(|rest| (interval.gone_at..=publish.sent_at).contains(rest));
            interval.gone_at != NEVER
                && interval.asked_at < publish.answered_at
                && !rested
                && interval.is_concerned(publish)
                && !interval.heard.contains_key(&number)
        };
        let lost_max = intervals.iter().filter(may_have_lost).count() as u64;
        if !(got..=got + lost_max).contains(&count) {
            return Err(format!(
                "publish {number} counted {count} subscribers of {}; {got} got it, {lost_max} may have lost it",
                publish.channel
            ));
        }
    }
    Ok(())
}

/// A confirmed subscription misses nothing.
fn check_missed(history: &History, intervals: &[Interval]) -> Result<(), String> {
    for (number, publish) in history.publishes.iter().enumerate().filter(|(_, publish)| publish.answered_at != NEVER) {
        let misses = |interval: &&Interval| {
            interval.confirmed_at < publish.sent_at
                && interval.gone_at == NEVER
                && publish.answered_at < interval.end_asked_at
                && interval.is_concerned(publish)
                && !interval.heard.contains_key(&number)
        };
        if let Some(interval) = intervals.iter().find(misses) {
            return Err(format!("connection {} misses publish {number} by {:?}", interval.connection, interval.topic));
        }
    }
    Ok(())
}

/// One channel, one order: that of each subscriber, of each publisher, and of time.
fn check_order(history: &History, intervals: &[Interval]) -> Result<(), String> {
    let mut by_channel: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
    for (number, publish) in history.publishes.iter().enumerate() {
        by_channel.entry((publish.is_shard, &publish.channel)).or_default().push(number);
    }
    for ((_, channel), publishes) in by_channel {
        let before = precedences(history, intervals, &publishes);
        let left = without_cycles(&publishes, &before);
        if !left.is_empty() {
            return Err(format!("no one order explains what was heard on {channel} of the publishes {left:?}"));
        }
    }
    Ok(())
}

/// Which of these publishes on one channel must be before which. A connection hears them in one order, by whatever topics.
fn precedences(history: &History, intervals: &[Interval], publishes: &[usize]) -> BTreeSet<(usize, usize)> {
    let mut heard: BTreeMap<(usize, At), usize> = BTreeMap::new();
    for interval in intervals {
        let of_channel = interval.heard.iter().filter(|(publish, _)| publishes.binary_search(publish).is_ok());
        heard.extend(of_channel.map(|(&publish, &at)| ((interval.connection, at), publish)));
    }
    let heard: Vec<(usize, usize)> =
        heard.into_iter().map(|((connection, _), publish)| (connection, publish)).collect();
    let is_step = |pair: &&[(usize, usize)]| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1;
    let mut before: BTreeSet<(usize, usize)> =
        heard.windows(2).filter(is_step).map(|pair| (pair[0].1, pair[1].1)).collect();
    let done_at: Vec<At> = publishes.iter().map(|&number| done_at(history, intervals, number)).collect();
    for (&one, done_at) in publishes.iter().zip(done_at) {
        for &other in publishes {
            let (first, second) = (&history.publishes[one], &history.publishes[other]);
            let by_publisher = first.connection == second.connection && one < other;
            if by_publisher || done_at < second.sent_at && second.sent_at != NEVER {
                before.insert((one, other));
            }
        }
    }
    before
}

/// When a publish had certainly run.
fn done_at(history: &History, intervals: &[Interval], publish: usize) -> At {
    let heard_at = intervals.iter().filter_map(|interval| interval.heard.get(&publish)).min();
    history.publishes[publish].answered_at.min(heard_at.copied().unwrap_or(NEVER))
}

/// What is left when again and again those are taken away that nothing left is before.
fn without_cycles(all: &[usize], before: &BTreeSet<(usize, usize)>) -> BTreeSet<usize> {
    let mut waits_for: BTreeMap<usize, usize> = all.iter().map(|&number| (number, 0)).collect();
    before.iter().for_each(|(_, later)| *waits_for.get_mut(later).expect("all are known") += 1);
    let mut ready: Vec<usize> = all.iter().copied().filter(|number| waits_for[number] == 0).collect();
    let mut left: BTreeSet<usize> = all.iter().copied().collect();
    while let Some(number) = ready.pop() {
        left.remove(&number);
        for &(_, later) in before.range((number, 0)..=(number, usize::MAX)) {
            let waits = waits_for.get_mut(&later).expect("all are known");
            *waits -= 1;
            if *waits == 0 {
                ready.push(later);
            }
        }
    }
    left
}

/// After its own write: who has received the message finds what was written before it.
fn check_reads(history: &History) -> Result<(), String> {
    for read in &history.reads {
        if let Some(found) = read.found
            && found < read.at_least
        {
            return Err(format!("{} holds {found}, though {} was announced", read.key, read.at_least));
        }
    }
    Ok(())
}

/// What is in a cache is not older than the last write that was answered: docs/tracking.md.
fn check_caches(history: &History) -> Result<(), String> {
    for cached in &history.cached {
        let writes = history.writes.iter().filter(|write| write.key == cached.key && write.answered_at < cached.at);
        let sets = history.sets.iter().filter(|set| set.key == cached.key && set.answered_at < cached.at);
        let versions = writes.filter_map(|write| write.version).chain(sets.map(|set| set.version));
        let newest = versions.max().unwrap_or(0);
        if cached.version < newest {
            return Err(format!(
                "connection {} has version {} of {} in its cache at {}, which holds {newest}",
                cached.connection, cached.version, cached.key, cached.at
            ));
        }
    }
    Ok(())
}

impl Interval {
    fn is_concerned(&self, publish: &Publish) -> bool {
        self.topic.hears(publish.is_shard, &publish.channel)
    }
}
