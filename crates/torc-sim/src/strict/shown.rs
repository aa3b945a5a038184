//! What each answer shows: under `appendfsync always` it leaves when that is durable, so no answer may say less than it has seen.
//!
//! ```text
//!   serial order   [SET a] in group 7    [GET a] shows 7 or more, or 7 was durable when its answer left
//! ```
//! The order of the actions is the judge's own, and so is what each has changed; the numbers are those of the stream.

use std::collections::HashMap;

use torc_engine::route::SlotMap;
use torc_store::{Change, RecordedChange};

use super::history::{Action, History, Item};
use super::order::line;
use super::scripts::runs_script;
use super::stream::Stream;

/// What an answer shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shows {
    /// All up to this number, at most: what the engine says.
    pub number: u64,
    /// All up to this number was durable when it left.
    pub durable: u64,
}

/// The numbers of the last changes, in the serial order.
struct Changes {
    of_keys: HashMap<Item, u64>,
    of_databases: HashMap<u16, u64>,
    slots: SlotMap,
}

impl Changes {
    fn note(&mut self, change: &RecordedChange, number: u64) {
        let raise = |last: &mut u64| *last = number.max(*last);
        match change.what {
            Change::Flushed => raise(self.of_databases.entry(change.db).or_default()),
            Change::Swapped { with } => {
                [change.db, with].iter().for_each(|&db| raise(self.of_databases.entry(db).or_default()));
            }
            _ => raise(self.of_keys.entry(Item::Key(change.db, change.key.to_vec())).or_default()),
        }
    }

    /// The last change that an action has seen: of its keys, or of all keys of the cores on which it ran.
    fn seen_by(&self, action: &Action) -> u64 {
        let ran_on = |name: &[u8]| action.pieces.iter().any(|piece| piece.core == self.slots.owner(name));
        let of = |item: &Item| match item {
            Item::Key(db, _) => self.of_keys.get(item).max(self.of_databases.get(db)).copied(),
            // It may read any key, and reads those that follow from what it has found.
            Item::Whole
                if action.requests.iter().any(|request| request[0].to_ascii_uppercase().starts_with(b"SORT")) =>
            {
                None
            }
            Item::Whole => {
                let keys = self.of_keys.iter().filter(|(item, _)| matches!(item, Item::Key(_, name) if ran_on(name)));
                keys.map(|(_, &number)| number).chain(self.of_databases.values().copied()).max()
            }
        };
        action.touches.reads.iter().chain(&action.touches.writes).filter_map(of).max().unwrap_or(0)
    }
}

/// Asserts that no answer was free to leave before what it shows is durable.
pub(crate) fn judge_shown(history: &History, order: &[usize], stream: &Stream, cores: u16) {
    let mut changes = Changes { of_keys: HashMap::new(), of_databases: HashMap::new(), slots: SlotMap::even(cores) };
    for &number in order {
        let action = &history.actions[number];
        let own = action.changed.iter().filter_map(|(core, unit, _)| stream.number_of(*core, *unit)).max().unwrap_or(0);
        // Of a script it is not known how far it came.
        let has_scripts = action.requests.iter().any(|request| runs_script(request).is_some());
        let seen = if action.pieces.is_empty() || has_scripts { 0 } else { changes.seen_by(action) };
        if let Some(shows) = action.shows {
            let needed = seen.max(own);
            assert!(
                shows.number >= needed || shows.durable >= needed,
                "its answer shows up to {}, and it has seen {seen} and made {own}; {} was durable: {}",
                shows.number,
                shows.durable,
                line(number, action)
            );
        }
        // Who waited stands where it began to, and has taken its element when this action has served it.
        let served = history.actions.iter().filter(|other| other.ended_by == Some(number));
        let own = action.ended_by.is_none().then_some(action);
        let mut before = None;
        for (core, unit, change) in own.into_iter().chain(served).flat_map(|action| &action.changed) {
            if !is_by_time(before.replace(change), change)
                && let Some(number) = stream.number_of(*core, *unit)
            {
                changes.note(change, number);
            }
        }
    }
}

/// Whether a change shows by itself, whatever is durable: the time of the key or of its fields is over, and with the last field goes the key.
fn is_by_time(before: Option<&RecordedChange>, change: &RecordedChange) -> bool {
    let lost_fields =
        |before: &RecordedChange| before.key == change.key && matches!(before.what, Change::FieldsExpired { .. });
    match change.what {
        Change::Expired { .. } | Change::FieldsExpired { .. } => true,
        Change::Removed { .. } => before.is_some_and(lost_fields),
        _ => false,
    }
}
