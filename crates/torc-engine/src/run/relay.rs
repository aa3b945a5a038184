//! The steps of a command whose keys lie on several cores: fetch, follow, hand over, apply; and the comparison of watched keys.

use super::{Call, Outcome, shard_context};
use crate::command::blocking;
use crate::command::{Fetched, Relay, Route, Serves};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::session::Session;
use crate::shard::ShardContext;
use crate::state::CoreState;
use crate::task::{Fetch, Found};
use torc_resp::{Args, OutputBuffer, Protocol, Reply};

/// The relay of a command whose keys lie on several cores; of one that waits and moves, that of the command that does not wait.
fn relay_of(call: &Call<'_>) -> &'static Relay {
    match (call.command.row.route, call.command.row.blocking.map(|blocking| blocking.serves)) {
        (_, Some(Serves::Move(relay))) | (Route::Relay(relay), _) => relay,
        _ => unreachable!("{} carries no data between cores", call.command.full_name),
    }
}

/// Reads for a relay what each key of this core holds.
pub(super) fn fetch(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let relay = relay_of(call);
    // What others have met is none of this fetch's business.
    state.keyspace.take_met_hidden();
    let own = |state: &CoreState, index| state.owner(call.args.get(index)) == state.core;
    let mut found = Vec::new();
    for (number, index) in call.command.row.key_indexes(call.args).enumerate() {
        if own(state, index) {
            let context = &mut shard_context(state, call);
            found.push(match call.command.row.blocking {
                Some(_) => blocking::find(context, call.args, number),
                None => fetch_value(relay, context, call.args, number),
            });
        }
    }
    Outcome::Fetched(Fetch { found: found.into(), met_hidden: state.keyspace.take_met_hidden() })
}

/// Reads for a relay what the key with this number holds.
pub fn fetch_value(
    relay: &Relay,
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key_number: usize,
) -> Result<Found, CommandError> {
    let mut value = OutputBuffer::new();
    (relay.fetch)(context, args, key_number, &mut Reply::new(&mut value, Protocol::Resp2))?;
    Ok(Found::Value(value.into_vec()))
}

/// Reads keys of this core that follow from what a relay has fetched.
pub(super) fn follow(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let follow = call.command.row.follow.expect("only a row that says how follows keys");
    let wanted = call.behind_args();
    state.keyspace.take_met_hidden();
    let read = |index| {
        let mut value = OutputBuffer::new();
        let reply = &mut Reply::new(&mut value, Protocol::Resp2);
        (follow.read)(&mut shard_context(state, call), wanted.get(index), wanted.get(index + 1), reply);
        Ok(Found::Value(value.into_vec()))
    };
    let found = (0..wanted.len()).step_by(2).map(read).collect();
    Outcome::Fetched(Fetch { found, met_hidden: state.keyspace.take_met_hidden() })
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
    let mut done = OutputBuffer::new();
    Reply::new(&mut done, Protocol::Resp2).ok();
    Outcome::Fetched(Fetch { found: [Ok(Found::Value(done.into_vec()))].into(), met_hidden: false })
}

/// Does this core's share of a relay, with what was fetched behind the command's own arguments.
pub(super) fn apply(state: &mut CoreState, call: &Call<'_>, out: &mut OutputBuffer) -> Result<Outcome, CommandError> {
    let (own, fetched) = (call.own_args(), Fetched(call.behind_args()));
    let reply = &mut Reply::new(out, call.asker.protocol);
    (relay_of(call).apply)(&mut shard_context(state, call), own, fetched, reply)?;
    Ok(Outcome::Replied)
}

/// Whether any watched key has changed: one of those of the session, or of another core's, which are arguments: keys and versions
/// in turn.
pub(super) fn compare_versions(state: &mut CoreState, session: Option<&Session>, call: &Call<'_>) -> Outcome {
    let (args, now_ms) = (call.args, state.now_ms);
    let sent = (0..args.len()).step_by(2).map(|index| {
        let version = args.get(index + 1).try_into().expect("a version is eight bytes");
        (call.asker.db, args.get(index), u64::from_le_bytes(version))
    });
    let own = session.into_iter().flat_map(|session| &session.watches);
    let mut changed = false;
    for (db, key, version) in own.map(|watch| (watch.db, &watch.key[..], watch.version)).chain(sent) {
        changed |= state.keyspace.has_changed(db, key, version, now_ms);
    }
    state.recorder.compared(&call.asker, changed, state.now_us);
    Outcome::Compared { changed }
}
