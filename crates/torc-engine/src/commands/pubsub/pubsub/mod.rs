//! PUBSUB: what is subscribed to, by anybody.

mod channels;
mod help;
mod numpat;
mod numsub;
mod shardchannels;
mod shardnumsub;

use torc_resp::{Args, Reply, reader};

use crate::command::{Flags, Row};
use crate::error::CommandResult;
use crate::glob::{self, Case};
use crate::pubsub::{Home, TopicKind};
use crate::session::{CoreContext, SessionContext};

pub(super) static ROW: Row = Row {
    name: "pubsub",
    arity: -2,
    since: "2.8.0",
    group: "pubsub",
    summary: "A container for Pub/Sub commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &channels::ROW,
        &help::ROW,
        &numpat::ROW,
        &numsub::ROW,
        &shardchannels::ROW,
        &shardnumsub::ROW,
    ],
    ..Row::DEFAULT
};

/// The flags of the subcommands.
const PLAIN: Flags = super::PLAIN;

/// One core's part: the channels with subscribers that are published on here, as far as they match.
fn list(context: &mut CoreContext<'_>, kind: TopicKind, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (facts, pattern) = (context.facts(), (args.len() > 2).then(|| args.get(2)));
    let is_wanted = |name: &[u8]| {
        Home::publisher(kind, name, facts.slots) == facts.core
            && pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive))
    };
    let names: Vec<_> = context.routes().names(kind).filter(|name| is_wanted(name)).cloned().collect();
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(())
}

/// One core's part: for each channel how many subscribers it has, where it is published on here.
fn count(context: &mut CoreContext<'_>, kind: TopicKind, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let facts = context.facts();
    let counts: Vec<u64> = args
        .from(2)
        .iter()
        .map(|name| match Home::publisher(kind, name, facts.slots) == facts.core {
            true => context.routes().subscribers_by_name(kind, name),
            false => 0,
        })
        .collect();
    reply.array(counts.len());
    counts.iter().for_each(|&count| reply.integer(count as i64));
    Ok(())
}

/// Names and counts in turn: one core has counted each.
fn merge_counts(
    _: &mut SessionContext<'_>,
    args: Args<'_>,
    parts: &[&[u8]],
    reply: &mut Reply<'_>,
) -> CommandResult {
    let mut parts: Vec<_> = parts.iter().map(|part| reader::Elements::new(part).expect("a part is an array")).collect();
    reply.array((args.len() - 2) * 2);
    for name in args.from(2).iter() {
        let counts = parts.iter_mut().map(|part| {
            let count = part.next().expect("a part holds a count for each name");
            reader::integer(count).expect("a count is a number")
        });
        reply.bulk(name);
        reply.integer(counts.sum());
    }
    Ok(())
}
