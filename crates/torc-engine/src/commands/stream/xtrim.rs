//! XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]: takes the oldest entries away.

use std::borrow::Cow;

use torc_resp::{Args, Reply};
use torc_store::{Bound, Entry, Kind, References, StreamPart};

use super::{lookup, trimming};
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xtrim",
    arity: -4,
    flags: Flags::WRITE.and(Flags::LONG),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(1, "RW delete")],
    run: Run::Shard(xtrim),
    summary: "Deletes messages from the beginning of a stream.",
    complexity: "O(N), with N being the number of evicted entries. Constant times are very small however, since entries \
                 are organized in macro nodes containing multiple entries that can be released with a single deallocation.",
    syntax: "key trim:<strategy:<MAXLEN | MINID@6.2.0> operator:[equal:= | approximately:~] threshold [LIMIT count@6.2.0] condition:[KEEPREF | DELREF | ACKED]>",
    tips: &["nondeterministic_output"],
    history: &[
        ("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ],
    ..super::ROW_DEFAULT
};

fn xtrim(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let entries_max = lookup::node_limits(context.config()).entries_max;
    let trim = trimming::parse(args, 2, false, entries_max)?.trim.expect("XTRIM says how");
    let deleted = match context.entry_of_kind(args.get(1), Kind::Stream)? {
        Entry::Vacant(_) => 0,
        Entry::Occupied(mut occupied) => {
            let deleted = occupied.use_stream(StreamPart::Ends, |stream| stream.trim(trim));
            // Who watches the key hears of changes only.
            occupied.count_changes(deleted as usize);
            if deleted > 0 {
                occupied.note_change();
            }
            if deleted > 0 && trim.approximate {
                let bound = trimming::exact_bound(lookup::stream(&occupied), trim);
                propagate(context, args.get(1), bound, trim.references);
            }
            deleted
        }
    };
    if deleted > 0 {
        context.event(EventClass::Stream, "xtrim", args.get(1));
    }
    reply.integer(deleted as i64);
    Ok(())
}

/// As exact trimming to what is left.
fn propagate(context: &mut ShardContext<'_>, key: &[u8], bound: Bound, references: References) {
    if context.propagates() {
        let mut words = vec![Cow::Borrowed(&b"XTRIM"[..]), Cow::Borrowed(key)];
        trimming::push_words(&mut words, bound, references);
        let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        context.propagate(&words);
    }
}
