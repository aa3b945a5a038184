//! GEOHASH key [member [member ...]]: the positions of members as common geohash texts.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use super::grid::Position;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "geohash",
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(geohash),
    since: "3.2.0",
    summary: "Returns members from a geospatial index as geohash strings.",
    complexity: "O(1) for each member requested.",
    syntax: "key [member [member ...]]",
    ..super::ROW_DEFAULT
};

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Characters of a text. The hash has bits for ten; the eleventh is always the first of the alphabet.
const TEXT_LEN: usize = 11;
const HASH_BITS: usize = 52;

fn geohash(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = context.read_kind(args.get(1), Kind::SortedSet)?.map(SortedSetRef::of);
    let members = args.from(2);
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.bulk(&text(Position::of_score(score))),
            None => reply.null(),
        }
    }
    Ok(())
}

fn text(position: Position) -> [u8; TEXT_LEN] {
    let hash = position.common_hash();
    let mut text = [ALPHABET[0]; TEXT_LEN];
    for (number, byte) in text[..TEXT_LEN - 1].iter_mut().enumerate() {
        *byte = ALPHABET[(hash >> (HASH_BITS - 5 * (number + 1))) as usize & 31];
    }
    text
}
