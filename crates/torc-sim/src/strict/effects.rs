//! What the engines propagate, replayed on an empty engine of one core on which nothing expires by itself: the keys must be the
//! same at the end, with their values and times.
//!
//! ```text
//!   serial order of the actions   [a] [b]      [c] ..        each with what it propagates; then what waiters it has served propagate
//!   removals of expired keys            \ DEL k /            in front of the first action that has run on the core of k after the
//!                                                            removal, touches k and propagates something
//! ```

use std::collections::HashMap;

use torc_engine::effect::{Effect, Propagated};
use torc_engine::loading::LoadBatch;
use torc_engine::route::CoreId;
use torc_engine::{ConnectionId, Engine};
use torc_resp::reader;

use super::history::{Action, History, Item};
use super::order::line;
use super::stream::Told;
use crate::peers::{self, Dump};
use crate::trace::note;

/// The removal of an expired key or of expired fields, which no request has asked for.
#[derive(Debug)]
pub(crate) struct Removal {
    pub core: CoreId,
    /// Place among all events.
    pub at: u64,
    pub item: Item,
    pub told: Propagated,
}

impl Removal {
    /// The removals that a unit without a request consists of.
    pub fn of(core: CoreId, at: u64, effects: Vec<Effect>) -> Vec<Removal> {
        let mut told = None;
        let mut removals = Vec::new();
        for effect in effects {
            match effect {
                Effect::Propagated(propagated) => told = Some(propagated),
                Effect::Changed(change) => {
                    // A hash without fields goes with the last of them.
                    let Some(told) = told.take() else { continue };
                    let item = Item::Key(change.db, change.key.to_vec());
                    removals.push(Removal { core, at, item, told });
                }
                Effect::Event(_) | Effect::Published(..) | Effect::Invalidated(_) => {}
            }
        }
        removals
    }
}

/// Replays what the actions have propagated; gives the keys that are there at the end, at the given time. `show`: notes each
/// of it for the reader of a failure.
pub(crate) fn replay_effects(history: &History, order: &[usize], now_us: i64, show: bool) -> Dump {
    let mut replay = Replay::new(history.small_packs, show);
    let mut removals = placed(history, order);
    for &number in order {
        let action = &history.actions[number];
        for removal in removals.remove(&Some(number)).unwrap_or_default() {
            replay.run(removal, || format!("a removal before {}", line(number, action)));
        }
        for told in action.propagated.iter().chain(&action.propagated_for_served) {
            replay.run(told, || line(number, action));
        }
    }
    for removal in removals.remove(&None).unwrap_or_default() {
        replay.run(removal, || "a removal at the end".to_owned());
    }
    assert!(removals.is_empty(), "removals stand before actions that took effect");
    replay.dump(now_us)
}

/// Replays the ordered stream, or what of it follows a snapshot; gives the keys that are there at the end, at the given time. `show`: as
/// above.
pub(crate) fn replay_stream<'a>(
    snapshot: Option<&LoadBatch>,
    stream: impl Iterator<Item = &'a Told>,
    small_packs: bool,
    now_us: i64,
    show: bool,
) -> Dump {
    let mut replay = Replay::new(small_packs, show);
    if let Some(snapshot) = snapshot {
        replay.engine.load(snapshot).expect("what was saved can be loaded");
    }
    stream.for_each(|told| replay.run(&told.propagated, || format!("core {} in the stream", told.core)));
    replay.dump(now_us)
}

/// The removals by the action that they precede; `None`: at the end.
fn placed<'h>(history: &'h History, order: &[usize]) -> HashMap<Option<usize>, Vec<&'h Propagated>> {
    let mut placed: HashMap<Option<usize>, Vec<&Propagated>> = HashMap::new();
    for removal in &history.removals {
        let follows = |action: &Action| {
            let ran_at = action.pieces.iter().filter(|piece| piece.core == removal.core).map(|piece| piece.at).max();
            let acts = !action.propagated.is_empty() || !action.propagated_for_served.is_empty();
            acts && ran_at.is_some_and(|at| at > removal.at) && touches(action, &removal.item)
        };
        let next = order.iter().copied().find(|&number| follows(&history.actions[number]));
        placed.entry(next).or_default().push(&removal.told);
    }
    placed
}

fn touches(action: &Action, item: &Item) -> bool {
    let sets = [&action.touches.reads, &action.touches.writes, &action.moved];
    sets.iter().any(|set| set.contains(item) || set.contains(&Item::Whole))
}

/// The engine that is told.
struct Replay {
    engine: Engine,
    connection: ConnectionId,
    show: bool,
}

impl Replay {
    fn new(small_packs: bool, show: bool) -> Replay {
        let mut engine = peers::engine(0, 1, 1, small_packs);
        engine.inspect_mut().obey(true);
        let connection = engine.connect(peers::connection_info());
        Replay { engine, connection, show }
    }

    fn dump(mut self, now_us: i64) -> Dump {
        // What was told sees no time, and whoever looks does.
        self.engine.inspect_mut().obey(false);
        self.engine.set_time(now_us);
        let mut dump = Dump::new();
        peers::dump_into(&mut dump, &self.engine, |_| true);
        dump
    }

    fn run(&mut self, told: &Propagated, by: impl Fn() -> String) {
        if self.show {
            note(format_args!("{:.60} .. propagates in db {} {}", by(), told.db, told.request.escape_ascii()));
        }
        self.engine.select_db(self.connection, told.db);
        self.engine.on_bytes(self.connection, &told.request);
        let reply = self.engine.drain_output(self.connection);
        let request = told.request.escape_ascii();
        assert!(!reply.is_empty(), "{request} waits, propagated by {}", by());
        assert!(!reader::is_error(&reply), "{request} answers {}, propagated by {}", reply.escape_ascii(), by());
    }
}
