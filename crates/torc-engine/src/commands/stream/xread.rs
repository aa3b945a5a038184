//! XREAD [COUNT count] [BLOCK ms] STREAMS key .. id ..: the entries of several streams behind ids that the client knows.

use torc_resp::{Args, Reply};
use torc_store::{IdText, Stream, StreamId};

use super::reading::{self, Request};
use super::{ids, lookup, replies};
use crate::command::blocking::{AwaitedKey, Serves, Timeout, take_or_nothing};
use crate::command::{Blocking, Flags, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xread",
    arity: -4,
    flags: Flags::READONLY.and(Flags::BLOCKING),
    keys: &[reading::streams(1)],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&Blocking {
        timeout,
        is_ready,
        reads: true,
        take,
        serves: Serves::AllKeys(reading::head),
        pin: Some(pin),
        ..Blocking::DEFAULT
    }),
    summary: "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message is \
              available otherwise.",
    complexity: "For each stream mentioned: O(N) with N being the number of elements being returned, it means that \
                 XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time \
                 in order to serve the M clients blocked on the stream getting new data.",
    syntax: "[COUNT count] [BLOCK milliseconds] STREAMS streams:<key [key ...] id [id ...]>",
    ..super::ROW_DEFAULT
};

fn timeout(args: Args<'_>) -> Result<Timeout, CommandError> {
    let request = Request::parse(args, false)?;
    request.check_ids(args, |id| match id {
        b">" => Err(CommandError::fixed(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => Ok(matches!(id, b"$" | b"+")),
    })?;
    request.timeout()
}

fn request(args: Args<'_>) -> Request<'_> {
    Request::parse(args, false).expect("the timeout was read first")
}

/// The id behind which a request reads a stream. `None`: behind the last.
fn position(id: &[u8], stream: &Stream) -> Option<StreamId> {
    match id {
        b"$" => None,
        b"+" => stream.top_id().previous(),
        text => Some(ids::parse_exact(text).expect("the timeout checked it")),
    }
}

fn is_ready(context: &ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) -> Result<bool, CommandError> {
    let id = args.get(request(args).id_at(key.number));
    let stream = lookup::glance(context, key.name)?.filter(|stream| !stream.is_empty());
    Ok(stream.is_some_and(|stream| position(id, stream).is_some_and(|behind| stream.top_id() > behind)))
}

fn take(context: &mut ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = request(args);
    let id = args.get(request.id_at(key.number));
    let stream = lookup::glance(context, key.name)?.expect("the stream was ready");
    let start = position(id, stream).and_then(StreamId::next).expect("there was an entry behind it");
    reading::key(reply, key.name);
    replies::entries(reply, stream.range(start, StreamId::MAX), request.count, stream.len());
    Ok(())
}

/// `$` means the last id at the moment the wait begins.
fn pin(context: &ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) -> Option<(usize, Vec<u8>)> {
    let at = request(args).id_at(key.number);
    if args.get(at) != b"$" {
        return None;
    }
    let stream = lookup::glance(context, key.name).ok().flatten();
    let last_id = stream.map_or(StreamId::MIN, Stream::last_id);
    Some((at, IdText::new(last_id).as_bytes().to_vec()))
}
