//! The steps of a command whose keys lie on several cores: fetch, follow, hand over, apply; and the comparison of watched keys.

use super::{Call, Outcome, shard_context};
use crate::command::blocking;
use crate::command::{ApplyOn, Fetched, Fetching, Lead, Relay, Route, Serves, Source};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::extract::Extract;
use crate::session::Session;
use crate::shard::ShardContext;
use crate::state::CoreState;
use crate::task::{Fetch, Findings, Found};
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
    let context = &mut shard_context(state, call);
    let found = match relay.fetch {
        Fetching::ByOwner { .. } => Findings::ByOwner(fetch_combined(relay, context, call.args)),
        Fetching::ByKey(_) => Findings::ByKey(fetch_values(relay, context, call.args)),
    };
    Outcome::Fetched(Fetch { found, met_hidden: state.keyspace.take_met_hidden() })
}

/// Reads what each key of this core holds, in order.
fn fetch_values(relay: &Relay, context: &mut ShardContext<'_>, args: Args<'_>) -> Box<[Result<Found, CommandError>]> {
    let row = context.command.row;
    let mut found = Vec::new();
    for (number, index) in row.key_indexes(args).enumerate() {
        if context.owns(args.get(index)) {
            found.push(match row.blocking {
                Some(_) => blocking::find(context, args, number),
                None => fetch_value(relay, context, args, number),
            });
        }
    }
    found.into()
}

/// Reads for a relay what the key with this number holds.
pub fn fetch_value(
    relay: &Relay,
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key_number: usize,
) -> Result<Found, CommandError> {
    let Fetching::ByKey(fetch) = relay.fetch else { unreachable!("it is fetched by key") };
    let mut extract = Extract::new(context.config().relay_max_bytes as usize);
    fetch(context, args, key_number, &mut extract)?;
    Ok(Found::Value(extract.finish()?))
}

/// Reads all sources of this core, and makes one extract of them; an error with the number of its source. An integer instead: how many
/// members may be asked for later.
fn fetch_combined(
    relay: &Relay,
    context: &mut ShardContext<'_>,
    args: Args<'_>,
) -> Result<Vec<u8>, (usize, CommandError)> {
    let (Fetching::ByOwner { read, combine, lead }, ApplyOn::OwnerOf(number)) = (relay.fetch, relay.apply_on) else {
        unreachable!("one core applies what others combine")
    };
    let row = context.command.row;
    let mut first_own = None;
    for Source { number, key } in row.sources(args) {
        if context.owns(key) {
            first_own.get_or_insert(number);
            read(context, args, key).map_err(|error| (number, error))?;
        }
    }
    let Some(first_own) = first_own else { return Ok(Vec::new()) };
    let applied_at = row.key_indexes(args).nth(number).expect("it is applied where one of the keys is");
    let applies = context.owns(args.get(applied_at));
    let mut extract = Extract::new(context.config().relay_max_bytes as usize);
    match lead {
        None if applies => {}
        None => combine(context, args, None, &mut extract),
        Some(lead) => {
            let own = context.weigh_sources(args, lead);
            let leads = lead == Lead::First && first_own == 0;
            if applies || own.is_big && !leads {
                extract.integer(own.members as i64);
            } else {
                combine(context, args, None, &mut extract);
            }
        }
    }
    extract.finish().map_err(|error| (first_own, error))
}

/// Combines the sources of this core, which were read before in the same transaction, with the candidates of another owner, if there are
/// any.
pub(super) fn narrow(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let Fetching::ByOwner { combine, .. } = relay_of(call).fetch else { unreachable!("one owner follows another") };
    let candidates = call.behind_args().iter().next();
    let mut extract = Extract::new(state.config.relay_max_bytes as usize);
    combine(&mut shard_context(state, call), call.own_args(), candidates, &mut extract);
    let found = Findings::ByOwner(extract.finish().map_err(|error| (0, error)));
    Outcome::Fetched(Fetch { found, met_hidden: false })
}

/// Reads keys of this core that follow from what a relay has fetched.
pub(super) fn follow(state: &mut CoreState, call: &Call<'_>) -> Outcome {
    let follow = call.command.row.follow.expect("only a row that says how follows keys");
    let wanted = call.behind_args();
    state.keyspace.take_met_hidden();
    let mut bytes_left = state.config.relay_max_bytes as usize;
    let read = |index| {
        let mut extract = Extract::new(bytes_left);
        (follow.read)(&mut shard_context(state, call), wanted.get(index), wanted.get(index + 1), &mut extract);
        let value = extract.finish()?;
        bytes_left -= value.len();
        Ok(Found::Value(value))
    };
    let found = (0..wanted.len()).step_by(2).map(read).collect();
    Outcome::Fetched(Fetch { found: Findings::ByKey(found), met_hidden: state.keyspace.take_met_hidden() })
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
    let found = Findings::ByKey([Ok(Found::Value(done.into_vec()))].into());
    Outcome::Fetched(Fetch { found, met_hidden: false })
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
