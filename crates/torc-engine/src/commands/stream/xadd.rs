//! XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [IDMPAUTO producer|IDMP producer identifier] [MAXLEN|MINID [=|~] threshold
//! [LIMIT count]] *|id field value ..: adds an entry, unless the producer has added it before.

use std::borrow::Cow;

use sha1_smol::Sha1;
use torc_resp::{Args, Reply};
use torc_store::{Bound, Entry, IdText, Kind, NodeLimits, Object, ProducerLimits, STREAM_ENTRY_BYTES_MAX, Stream, StreamId, StreamPart};

use super::ids::NewId;
use super::trimming::{self, Options, Origin};
use super::{lookup, replies};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::commands::forms;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xadd",
    arity: -5,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec { notes: "UPDATE instead of INSERT because of the optional trimming feature", ..KeySpec::at(1, "RW update") }],
    run: Run::Shard(xadd),
    summary: "Appends a new message to a stream. Creates the key if it doesn't exist.",
    complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
    syntax: "key [NOMKSTREAM@6.2.0] condition:[KEEPREF | DELREF | ACKED] idmp:[IDMPAUTO pid:producer-id | IDMP idmp-with-pid-iid:<pid:producer-id iid:idempotent-id>] trim:[strategy:<MAXLEN | MINID@6.2.0> operator:[equal:= | approximately:~] threshold [LIMIT count@6.2.0]] id-selector:<auto-id:* | id> field value data:[field value ...]",
    tips: &["nondeterministic_output"],
    history: &[
        ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
        ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
        ("8.6.0", "Added the `IDMP` and `IDMPAUTO` options."),
    ],
    ..super::ROW_DEFAULT
};

fn xadd(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limits = lookup::node_limits(context.config());
    let options = trimming::parse(args, 2, true, limits.entries_max)?;
    let (new_id, fields) = check(context, args, &options)?;
    let now_ms = context.now_ms();
    let fields = Fields { args: fields, at: 0 };
    let entry = New { fields: &fields, options, limits, producer_limits: lookup::producer_limits(context.config()), now_ms };
    let exact = |stream: &Stream| {
        let trim = options.trim.filter(|trim| trim.approximate)?;
        Some(trimming::exact_bound(stream, trim))
    };
    let (id, bound, trims) = match context.entry_of_kind(args.get(1), Kind::Stream)? {
        Entry::Vacant(_) if options.keep_absent => {
            reply.null();
            return Ok(());
        }
        Entry::Vacant(vacant) => {
            let mut stream = Stream::default();
            let id = id_for(&stream, new_id, now_ms)?;
            let trims = entry.add(&mut stream, id);
            let bound = exact(&stream);
            vacant.insert_object(Object::Stream(stream), None);
            (id, bound, trims)
        }
        Entry::Occupied(mut occupied) => match occupied.use_stream(StreamPart::Head, |stream| entry.find(stream)) {
            // Nothing changes but a number that XINFO shows.
            Some(known) => {
                occupied.count_changes(0);
                replies::id(reply, known);
                return Ok(());
            }
            None => {
                let id = id_for(lookup::stream(&occupied), new_id, now_ms)?;
                let trims = occupied.edit_stream(StreamPart::Ends, |stream| entry.add(stream, id));
                (id, exact(lookup::stream(&occupied)), trims)
            }
        },
    };
    context.event(EventClass::Stream, "xadd", args.get(1));
    if trims {
        context.event(EventClass::Stream, "xtrim", args.get(1));
    }
    if context.propagates() {
        entry.propagate(context, args, id, bound);
    }
    replies::id(reply, id);
    Ok(())
}

/// The id and the fields of the new entry, if they can be used.
fn check<'a>(
    context: &ShardContext<'_>,
    args: Args<'a>,
    options: &trimming::Options<'_>,
) -> Result<(NewId, Args<'a>), CommandError> {
    // Propagated, it has the id that the entry was given.
    if options.origin.is_some() && options.has_id() && !context.obeys() {
        return Err(CommandError::fixed("ERR IDMP/IDMPAUTO can be used only with auto-generated IDs"));
    }
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
    Ok((new_id, fields))
}

/// An entry to be added.
struct New<'a> {
    fields: &'a Fields<'a>,
    options: Options<'a>,
    limits: NodeLimits,
    producer_limits: ProducerLimits,
    now_ms: i64,
}

impl New<'_> {
    /// The id that it was given when its producer added it before.
    #[inline]
    fn find(&self, stream: &mut Stream) -> Option<StreamId> {
        let is_asked = stream.producers().is_some() && !self.options.has_id();
        let origin = self.options.origin.filter(|_| is_asked)?;
        let producers = stream.producers_mut(self.producer_limits);
        producers.find(origin.producer, &self.identifier(origin), self.now_ms)
    }

    /// Adds it. Whether entries were trimmed.
    fn add(&self, stream: &mut Stream, id: StreamId) -> bool {
        stream.append(id, self.fields.clone(), self.limits);
        let trims = self.options.trim.is_some_and(|trim| stream.trim(trim) > 0);
        if let Some(origin) = self.options.origin {
            let producers = stream.producers_mut(self.producer_limits);
            producers.add(origin.producer, &self.identifier(origin), id, self.now_ms);
        }
        trims
    }

    /// With the id that it was given, and trimmed exactly.
    #[cold]
    fn propagate(&self, context: &mut ShardContext<'_>, args: Args<'_>, id: StreamId, bound: Option<Bound>) {
        let (new_id, fields_at) = self.options.new_id.expect("without an id nothing is added");
        let id = IdText::new(id);
        if bound.is_none() && self.options.origin.is_none() {
            if !matches!(new_id, NewId::Given(_)) {
                forms::with_replaced(context, args, &[(fields_at - 1, id.as_bytes())]);
            }
            return;
        }
        let mut words = vec![Cow::Borrowed(&b"XADD"[..]), Cow::Borrowed(args.get(1))];
        if self.options.keep_absent {
            words.push(Cow::Borrowed(b"NOMKSTREAM"));
        }
        if let Some(origin) = self.options.origin {
            let identifier = self.identifier(origin);
            words.extend([Cow::Borrowed(&b"IDMP"[..]), Cow::Borrowed(origin.producer), identifier]);
        }
        if let Some(trim) = self.options.trim {
            trimming::push_words(&mut words, bound.unwrap_or(trim.bound), trim.references);
        }
        words.push(Cow::Borrowed(id.as_bytes()));
        words.extend(args.from(fields_at).iter().map(Cow::Borrowed));
        let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        context.propagate(&words);
    }

    /// What identifies it among its producer's entries. Made of the content, the order of the fields does not matter.
    fn identifier<'o>(&self, origin: Origin<'o>) -> Cow<'o, [u8]> {
        if let Some(identifier) = origin.identifier {
            return Cow::Borrowed(identifier);
        }
        let sum = self.fields.clone().fold(0_u128, |sum, (name, value)| {
            let mut hash = Sha1::new();
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update(value);
            let digest = hash.digest().bytes();
            let part = digest.first_chunk::<16>().expect("a digest has 20 bytes");
            sum.wrapping_add(u128::from_le_bytes(*part))
        });
        Cow::Owned(sum.to_le_bytes().to_vec())
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
