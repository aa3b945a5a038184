//! The steps of a command whose keys lie on several cores: fetch, follow, hand over, apply; and the comparison of watched keys.

use super::{Call, Outcome, shard_context};
use crate::command::{Fetched, Relay, Route};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::state::CoreState;
use torc_resp::{Protocol, Reply};

/// What a relay's fetch has read from one key, encoded as RESP2, or why it could not.
pub type FetchedValue = Result<Vec<u8>, CommandError>;

/// What a relay has fetched on one core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// A value for each key of this core, in the order of the keys.
    pub values: Box<[FetchedValue]>,
    /// One of the keys has expired and is only hidden, since others may still see it.
    pub met_hidden: bool,
}

/// The relay of a command whose keys lie on several cores.
fn relay_of(call: &Call<'_>) -> &'static Relay {
    match call.command.row.route {
        Route::Relay(relay) => relay,
        _ => unreachable!("{} carries no data between cores", call.command.full_name),
    }
}

/// Reads for a relay what each key of this core holds.
pub(super) fn fetch(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let relay = relay_of(call);
    // What others have met is none of this fetch's business.
    state.keyspace.take_met_hidden();
    let own = |state: &CoreState, index| state.owner(call.args.get(index)) == state.core;
    let mut values: Vec<FetchedValue> = Vec::new();
    for (number, index) in call.command.row.key_indexes(call.args).enumerate() {
        if own(state, index) {
            let mut value = Vec::new();
            let reply = &mut Reply::new(&mut value, Protocol::Resp2);
            let result = (relay.fetch)(&mut shard_context(state, call), call.args, number, reply);
            values.push(result.map(|()| value));
        }
    }
    Outcome::Fetched(Fetch { values: values.into(), met_hidden: state.keyspace.take_met_hidden() })
}

/// Reads keys of this core that follow from what a relay has fetched.
pub(super) fn follow(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let follow = call.command.row.follow.expect("only a row that says how follows keys");
    let wanted = call.behind_args();
    state.keyspace.take_met_hidden();
    let read = |index| {
        let mut value = Vec::new();
        let reply = &mut Reply::new(&mut value, Protocol::Resp2);
        (follow.read)(&mut shard_context(state, call), wanted.get(index), wanted.get(index + 1), reply);
        Ok(value)
    };
    let values = (0..wanted.len()).step_by(2).map(read).collect();
    Outcome::Fetched(Fetch { values, met_hidden: state.keyspace.take_met_hidden() })
}

/// Takes the value of a relay's first key, which was fetched before in the same transaction, out of it, to be sent.
pub(super) fn hand_over(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let index = call.command.row.key_indexes(call.args).next().expect("a relay has keys");
    let (key, now_ms) = (call.args.get(index), state.now_ms);
    state.detached_value = Some(state.keyspace.hand_over(call.asker.db, key, now_ms));
    let event = call.command.row.hand_over.expect("only a row that says so hands a value over").event;
    shard_context(state, call).event(EventClass::Generic, event, key);
    // It is one change, which the owner of the other key counts.
    state.keyspace.count_changes(0);
    let mut done = Vec::new();
    Reply::new(&mut done, Protocol::Resp2).ok();
    Outcome::Fetched(Fetch { values: [Ok(done)].into(), met_hidden: false })
}

/// Does this core's share of a relay, with what was fetched behind the command's own arguments.
pub(super) fn apply(state: &mut CoreState, call: &Call<'_>, out: &mut Vec<u8>) -> Result<Outcome, CommandError> {
    let (own, fetched) = (call.own_args(), Fetched(call.behind_args()));
    let reply = &mut Reply::new(out, call.asker.protocol);
    (relay_of(call).apply)(&mut shard_context(state, call), own, fetched, reply)?;
    Ok(Outcome::Replied)
}

/// Whether any of these watched keys has changed: keys and versions in turn.
pub(super) fn compare_versions(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let (args, now_ms) = (call.args, state.now_ms);
    let mut changed = false;
    for index in (0..args.len()).step_by(2) {
        let version = u64::from_le_bytes(args.get(index + 1).try_into().expect("a version is eight bytes"));
        changed |= state.keyspace.has_changed(call.asker.db, args.get(index), version, now_ms);
    }
    state.recorder.compared(&call.asker, changed, state.now_us);
    Outcome::Compared { changed }
}
