//! LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]: the longest common subsequence of two strings.

use torc_resp::{Args, Reply, reader};

use super::subsequence::{Match, Table};
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Relay, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::extract::Extract;
use crate::headroom;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lcs",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::range(1, 1, 1, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(lcs),
    since: "7.0.0",
    group: "string",
    summary: "Finds the longest common substring.",
    complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    ..Row::DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::OwnerOf(0) };

/// What is asked for.
#[derive(Clone, Copy, Default)]
struct Options {
    len: bool,
    indexes: bool,
    with_match_len: bool,
    match_len_min: usize,
}

fn lcs(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // Both are looked up, whatever the first one holds.
    let [a, b] = [1, 2].map(|index| read(context, args.get(index)));
    compare(context, args, &a?, &b?, reply)
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    extract.bulk(&read(context, args.get(1 + key_number))?);
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let [a, b] = [0, 1].map(|number| reader::bulk(fetched.get(number)).expect("a string was fetched"));
    compare(context, args, a, b, reply)
}

fn compare(context: &ShardContext<'_>, args: Args<'_>, a: &[u8], b: &[u8], reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args.from(3))?;
    if a.len() >= u32::MAX as usize - 1 || b.len() >= u32::MAX as usize - 1 {
        return Err(CommandError::fixed("ERR String too long for LCS"));
    }
    if Table::bytes(a.len(), b.len()).is_none_or(|bytes| bytes > context.string_len_max()) {
        return Err(CommandError::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    headroom::check(Table::bytes(a.len(), b.len()).unwrap_or(usize::MAX))?;
    let table = Table::new(a, b);
    if options.indexes {
        reply_indexes(&table, options, reply);
    } else if options.len {
        reply.integer(table.len() as i64);
    } else {
        let bytes: Vec<u8> =
            table.matches().iter().rev().flat_map(|found| &a[found.a..][..found.len]).copied().collect();
        reply.bulk(&bytes);
    }
    Ok(())
}

/// A copy of the string at `key`; absent counts as empty.
fn read(context: &mut ShardContext<'_>, key: &[u8]) -> Result<Vec<u8>, CommandError> {
    let Ok(value) = context.read_string(key) else {
        return Err(CommandError::fixed("ERR The specified keys must contain string values"));
    };
    Ok(value.unwrap_or_default().to_vec())
}

impl Options {
    fn parse(words: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("LEN") {
                options.len = true;
            } else if is("IDX") {
                options.indexes = true;
            } else if is("WITHMATCHLEN") {
                options.with_match_len = true;
            } else if is("MINMATCHLEN") {
                let len = integer_argument(rest.next().ok_or(CommandError::Syntax)?)?;
                options.match_len_min = len.max(0) as usize;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.len && options.indexes {
            return Err(CommandError::fixed("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

fn reply_indexes(table: &Table<'_>, options: Options, reply: &mut Reply<'_>) {
    let mut matches = table.matches();
    matches.retain(|found| found.len >= options.match_len_min);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.len());
    for Match { a, b, len } in matches {
        reply.array(2 + usize::from(options.with_match_len));
        for start in [a, b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + len - 1) as i64);
        }
        if options.with_match_len {
            reply.integer(len as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(table.len() as i64);
}
