//! The judgement at rest: one order explains all replies, and the keys at the end are those that it makes, those that what was propagated
//! makes, and those that each snapshot makes with the stream above it.

use std::collections::BTreeSet;

use torc_engine::route::CoreId;
use torc_resp::reader;

use super::coverage::Coverage;
use super::effects::{replay_effects, replay_stream};
use super::history::History;
use super::order::serial_order;
use super::replay::replay;
use super::saving::Save;
use super::scripts::judge_known;
use super::shown::judge_shown;
use super::shrink::Cut;
use super::stream::Told;
use super::world::World;
use crate::peers::{self, Dump};
use crate::trace::note;

impl World {
    pub(super) fn judge(&mut self) {
        let now_us = self.cluster.now_us;
        self.cluster.engines.iter_mut().for_each(|engine| engine.set_time(now_us));
        if self.cut != Cut::default() {
            // Few are left: all are shown.
            let lines = self.history.actions.iter().enumerate();
            lines.for_each(|(number, action)| note(format_args!("{}", super::order::line(number, action))));
            note(format_args!("declined {:?}, forgotten {:?}", self.history.declined, self.history.forgotten));
        }
        self.history.split_walks();
        judge_known(&self.history);
        let order = serial_order(&self.history, self.cluster.cores());
        let expected = replay(&self.history, &order, &self.resp3, now_us);
        let mut actual = Dump::new();
        self.cluster.engines.iter().for_each(|engine| peers::dump_into(&mut actual, engine, |_| true));
        // PFCOUNT reads, so that no order follows from it; but whoever copies the value sees whether it has cached the count.
        let difference = peers::difference(&without_cached_counts(&actual), &without_cached_counts(&expected));
        assert!(difference.is_empty(), "keys at the end: {difference}");
        let (show, actual) = (self.cut != Cut::default(), as_propagated(actual));
        if !self.switching.is_wanted() {
            // Else it was not told all the time.
            let told = replay_effects(&self.history, &order.0, now_us, show);
            let difference = peers::difference(&actual, &as_propagated(told));
            assert!(difference.is_empty(), "keys made of what was propagated: {difference}");
        }
        if self.judges_shown() {
            judge_shown(&self.history, &order.0, &self.stream, self.cluster.cores());
        }
        self.judge_stream(&actual, now_us, show);
        for action in &self.history.actions {
            let cores: BTreeSet<CoreId> = action.pieces.iter().map(|piece| piece.core).collect();
            self.summary.spread += u64::from(cores.len() > 1);
            let nil = action.replies.last().is_some_and(|reply| reader::is_null(reply));
            self.summary.aborted += u64::from(action.requests.len() > 1 && nil);
        }
        let &History { served, moved, retried, .. } = &self.history;
        (self.summary.served, self.summary.moved, self.summary.retried) = (served, moved, retried);
        self.summary.coverage = Coverage::of(&self.history);
        for stats in self.cluster.engines.iter().map(|engine| engine.inspect().stats()) {
            self.summary.refused += stats.refused_transactions;
            self.summary.withdrawn += stats.cuts_withdrawn;
        }
    }

    /// The keys at the end, and at the end of each log, are those that the stream makes, alone and above each snapshot.
    fn judge_stream(&mut self, actual: &Dump, now_us: i64, show: bool) {
        let Some(stream) = self.stream.all() else { return };
        let small_packs = self.history.small_packs;
        let judge = |save: Option<&Save>, stream: &[Told], now_us: i64, keys: &Dump| {
            let restored = match save {
                None => replay_stream(None, stream.iter(), small_packs, now_us, show),
                Some(save) => replay_stream(save.keys().as_ref(), save.above(stream), small_packs, now_us, show),
            };
            let difference = peers::difference(&as_saved(keys), &as_saved(&as_propagated(restored)));
            let from = save.map_or("the stream", |_| "a snapshot and of the stream above it");
            assert!(difference.is_empty(), "keys made of {from}: {difference}");
        };
        let is_whole = !self.switching.is_wanted();
        let judge_all = |saves: &[Save], stream: &[Told], now_us: i64, keys: &Dump| {
            is_whole.then(|| judge(None, stream, now_us, keys));
            saves.iter().for_each(|save| judge(Some(save), stream, now_us, keys));
        };
        let saves = &self.saves.done;
        judge_all(&saves[self.switching.saves_of_log(saves.len())], stream, now_us, actual);
        for held in &self.switching.held {
            let keys = as_propagated(held.keys.clone());
            judge_all(&saves[held.saves.clone()], &stream[..held.stream_end], held.now_us, &keys);
            self.summary.logs += u64::from(!is_whole && !held.saves.is_empty());
        }
    }
}

/// Figures of a stream that stay where they arose, as in Redis: when consumers were last heard of, and how many duplicates were refused.
const LOCAL_FIGURES: [&str; 3] = ["duplicates: ", "seen_at: ", "active_at: Some("];

/// Keys as what is propagated must make them: not always by the same way to their form, and without local figures.
fn as_propagated(dump: Dump) -> Dump {
    let settle = |value: Vec<u8>| match String::from_utf8(value) {
        Ok(text) => {
            without_cached_count(LOCAL_FIGURES.iter().fold(text, |text, name| without_number(&text, name)).into_bytes())
        }
        Err(other) => without_cached_count(other.into_bytes()),
    };
    dump.into_iter().map(|(key, (value, expire_at, _))| (key, (settle(value), expire_at, ""))).collect()
}

/// Keys as version 10 of the format has them: it does not say whether a consumer has ever been active.
fn as_saved(dump: &Dump) -> Dump {
    let settle = |value: &Vec<u8>| match String::from_utf8(value.clone()) {
        Ok(text) => text.replace("active_at: None", "active_at: Some()").into_bytes(),
        Err(other) => other.into_bytes(),
    };
    dump.iter().map(|(key, (value, expire_at, form))| (key.clone(), (settle(value), *expire_at, *form))).collect()
}

/// The text without the number behind each `name`.
fn without_number(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |so_far, part| so_far + name + part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

/// Keys without the counts that PFCOUNT has cached.
fn without_cached_counts(dump: &Dump) -> Dump {
    let settle = |value: &Vec<u8>| without_cached_count(value.clone());
    dump.iter().map(|(key, (value, expire_at, form))| (key.clone(), (settle(value), *expire_at, *form))).collect()
}

/// A HyperLogLog without the count that PFCOUNT has cached in it: bytes 8 to 15 (`torc-engine/src/commands/hyperloglog`).
fn without_cached_count(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"HYLL") && bytes.len() >= 16 {
        bytes[8..16].fill(0);
    }
    bytes
}
