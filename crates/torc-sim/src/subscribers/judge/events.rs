//! Events of keys: a subscriber hears those of one key without a gap, in the order of the key's writes.
//!
//! Each write makes a list longer by one and is answered with the length, so the answers say which write was which. What a
//! subscription has heard of a key must be a part of that row: from a place that fits its beginning to one that fits its end.

use std::collections::{BTreeMap, BTreeSet};

use super::Interval;
use crate::subscribers::history::{History, Kind, NEVER, Write};

const KEYSPACE: &str = "__keyspace@0__:";
const KEYEVENT: &str = "__keyevent@0__:";

/// The writes of one key.
struct Row<'h> {
    by_version: BTreeMap<u64, &'h Write>,
    all: Vec<&'h Write>,
    /// The last one that is known; behind it may be those whose writers have left before they were answered.
    last: u64,
    unknown: u64,
}

/// See the head of the file.
pub(super) fn check(history: &History, intervals: &[Interval]) -> Result<(), String> {
    let keys: BTreeSet<&str> = history.writes.iter().map(|write| &write.key[..]).collect();
    for key in keys {
        let row = Row::new(history, key);
        for interval in intervals.iter().filter(|interval| interval.confirmed_at != NEVER) {
            row.check(interval, key)?;
        }
    }
    Ok(())
}

impl<'h> Row<'h> {
    fn new(history: &'h History, key: &str) -> Self {
        let is_write = |write: &&Write| write.key == key && write.sent_at != NEVER && write.version != Some(0);
        let all: Vec<&Write> = history.writes.iter().filter(is_write).collect();
        let by_version: BTreeMap<u64, &Write> = all.iter().filter_map(|&write| Some((write.version?, write))).collect();
        let last = by_version.last_key_value().map_or(0, |(&version, _)| version);
        Row { unknown: all.iter().filter(|write| write.version.is_none()).count() as u64, by_version, all, last }
    }

    fn check(&self, interval: &Interval, key: &str) -> Result<(), String> {
        let topic = &interval.topic;
        if topic.kind == Kind::Shard {
            return Ok(());
        }
        let by_key = format!("{KEYSPACE}{key}");
        if topic.hears(false, &by_key) {
            let heard = interval.messages.iter().filter(|(channel, _)| *channel == by_key);
            self.check_part(interval, key, &heard.map(|(_, event)| &event[..]).collect::<Vec<_>>())?;
        }
        let by_event = |write: &&&Write| topic.hears(false, &format!("{KEYEVENT}{}", write.event));
        let hears_all = topic.hears(false, &format!("{KEYEVENT}any"));
        let of_key =
            interval.messages.iter().filter(|(channel, payload)| channel.starts_with(KEYEVENT) && payload == key);
        let heard: Vec<&str> = of_key.map(|(channel, _)| &channel[KEYEVENT.len()..]).collect();
        if hears_all {
            self.check_part(interval, key, &heard)?;
        }
        let concerned: Vec<&Write> = self.all.iter().filter(by_event).copied().collect();
        let least = concerned.iter().filter(|write| must_hear(interval, write)).count();
        let most = concerned.iter().filter(|write| may_hear(interval, write)).count();
        if (least..=most).contains(&heard.len()) {
            return Ok(());
        }
        Err(format!("{} of {key}: {} events instead of {least} to {most}", who(interval), heard.len()))
    }

    /// What was heard is a part of the row.
    fn check_part(&self, interval: &Interval, key: &str, heard: &[&str]) -> Result<(), String> {
        let len = heard.len() as u64;
        let versions = |is_wanted: &dyn Fn(&Write) -> bool| -> Vec<u64> {
            self.by_version.iter().filter(|(_, write)| is_wanted(write)).map(|(&version, _)| version).collect()
        };
        // The number of writes before the part, and up to its end.
        let before_min = versions(&|write| write.answered_at < interval.asked_at).pop().unwrap_or(0);
        let before_max =
            versions(&|write| write.sent_at > interval.confirmed_at).first().map_or(NEVER, |first| first - 1);
        let end_min = versions(&|write| must_hear(interval, write)).pop().unwrap_or(0);
        let end_max = versions(&|write| write.sent_at > interval.ended_at).first().map_or(NEVER, |first| first - 1);
        let is_event =
            |version: u64, event: &str| self.by_version.get(&version).is_none_or(|write| write.event == event);
        let fits = |before: &u64| heard.iter().zip(before + 1..).all(|(event, version)| is_event(version, event));
        let end_max = end_max.min(self.last + self.unknown);
        let is_end = |before: &u64| (end_min..=end_max).contains(&(before + len));
        let places = before_min..=before_max.min(end_max.saturating_sub(len));
        if places.clone().any(|before| is_end(&before) && fits(&before)) {
            return Ok(());
        }
        let row: Vec<(u64, &str)> = self.by_version.iter().map(|(&version, write)| (version, write.event)).collect();
        Err(format!(
            "{} of {key}: {heard:?} is no part of its writes that begins behind {places:?} of them and ends behind {end_min} to {end_max}: {row:?}",
            who(interval)
        ))
    }
}

/// It was confirmed before the write was sent, and its end was asked for after the answer.
fn must_hear(interval: &Interval, write: &Write) -> bool {
    interval.confirmed_at < write.sent_at
        && interval.gone_at == NEVER
        && write.answered_at != NEVER
        && write.answered_at < interval.end_asked_at
}

/// The write was not over before it was asked for, and not begun after its end.
fn may_hear(interval: &Interval, write: &Write) -> bool {
    write.answered_at >= interval.asked_at && write.sent_at <= interval.ended_at
}

fn who(interval: &Interval) -> String {
    format!("connection {} by {:?}", interval.connection, interval.topic)
}
