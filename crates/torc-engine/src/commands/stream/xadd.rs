//! XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value ..: adds an entry.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, NodeLimits, Object, STREAM_ENTRY_BYTES_MAX, Stream, StreamId};

use super::ids::NewId;
use super::trimming::{self, Options};
use super::{lookup, replies};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of XADD.
pub static ROW: Row = Row {
    name: "xadd",
    arity: -5,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    keys: &[KeySpec { notes: "UPDATE instead of INSERT because of the optional trimming feature", ..KeySpec::at(1, "RW update") }],
    run: Run::Shard(xadd),
    summary: "Appends a new message to a stream. Creates the key if it doesn't exist.",
    complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
    syntax: "key [NOMKSTREAM@6.2.0] condition:[KEEPREF | DELREF | ACKED] trim:[strategy:<MAXLEN | MINID@6.2.0> operator:[equal:= | approximately:~] threshold [LIMIT count@6.2.0]] id-selector:<auto-id:* | id> field value data:[field value ...]",
    tips: &["nondeterministic_output"],
    history: &[
        ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
        ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ],
    ..super::ROW_DEFAULT
};

fn xadd(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limits = lookup::node_limits(context.state);
    let options = trimming::parse(args, 2, true, limits.entries_max)?;
    let arity = CommandError::Arity(context.command.full_name);
    let Some((new_id, fields_at)) = options.new_id else { return Err(arity) };
    let fields = args.from(fields_at);
    if fields.len() < 2 || fields.len() % 2 == 1 {
        return Err(arity);
    }
    if let NewId::Given(id) = new_id {
        trimming::check_not_zero(id)?;
    }
    if fields.bytes().len() > STREAM_ENTRY_BYTES_MAX
        && fields.iter().map(<[u8]>::len).sum::<usize>() > STREAM_ENTRY_BYTES_MAX
    {
        return Err(CommandError::fixed("ERR Elements are too large to be stored"));
    }
    let now_ms = context.now_ms();
    let id = match context.entry_of_kind(args.get(1), Kind::Stream)? {
        Entry::Vacant(_) if options.keep_absent => {
            reply.null();
            return Ok(());
        }
        Entry::Vacant(vacant) => {
            let mut stream = Stream::default();
            let id = id_for(&stream, new_id, now_ms)?;
            add(&mut stream, id, fields, options, limits);
            vacant.insert_object(Object::Stream(stream), None);
            id
        }
        Entry::Occupied(mut occupied) => {
            let id = id_for(occupied.value().as_stream().expect("the kind says so"), new_id, now_ms)?;
            occupied.edit_stream(|stream| add(stream, id, fields, options, limits));
            id
        }
    };
    replies::id(reply, id);
    Ok(())
}

fn add(stream: &mut Stream, id: StreamId, fields: Args<'_>, options: Options, limits: NodeLimits) {
    stream.append(id, Fields { args: fields, at: 0 }, limits);
    if let Some(trim) = options.trim {
        stream.trim(trim);
    }
}

/// Fields and values in turn.
#[derive(Clone)]
struct Fields<'a> {
    args: Args<'a>,
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        self.at += 2;
        (at + 1 < self.args.len()).then(|| (self.args.get(at), self.args.get(at + 1)))
    }
}

/// The id that a new entry gets.
fn id_for(stream: &Stream, new_id: NewId, now_ms: i64) -> Result<StreamId, CommandError> {
    const NOT_ABOVE: CommandError =
        CommandError::fixed("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    let last = stream.last_id();
    if last == StreamId::MAX {
        return Err(CommandError::fixed(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = match new_id {
        NewId::Auto => stream.next_id(now_ms.max(0) as u64),
        NewId::AutoSequence(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| StreamId::new(ms, seq)),
        NewId::AutoSequence(ms) => Some(StreamId::new(ms, 0)),
        NewId::Given(id) => Some(id),
    };
    id.filter(|&id| id > last).ok_or(NOT_ABOVE)
}
