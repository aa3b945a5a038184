//! LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]: the indexes of elements that equal this one.

use torc_resp::{Args, Reply};
use torc_store::End;
use torc_store::pack::Packed;

use super::access::read;
use crate::command::{Flags, KeySpec, Route, Row, Run, integer_argument};
use crate::commands::arguments::signed_count;
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lpos",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(lpos),
    since: "6.0.6",
    group: "list",
    summary: "Returns the index of matching elements in a list.",
    complexity: "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
    syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
    ..Row::DEFAULT
};

/// The words behind the element.
struct Options {
    /// The match to begin with, from 1, or from -1 backwards.
    rank: i64,
    /// How many to give; 0: all. `None`: one, which is no array.
    count: Option<usize>,
    /// How many elements to compare; 0: all.
    compared_max: usize,
}

fn lpos(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args)?;
    let wanted_max = match options.count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let mut found = Vec::new();
    if let Some(list) = read(context, args.get(1))? {
        let from = if options.rank < 0 { End::Back } else { End::Front };
        let compared_max = if options.compared_max == 0 { usize::MAX } else { options.compared_max };
        let mut skipped = options.rank.unsigned_abs() - 1;
        list.find_each(Packed::of(args.get(2)), from, compared_max, |index| {
            if skipped > 0 {
                skipped -= 1;
                return true;
            }
            found.push(index as i64);
            found.len() < wanted_max
        });
    }
    match (options.count, found.first()) {
        (None, Some(&index)) => reply.integer(index),
        (None, None) => reply.null(),
        (Some(_), _) => {
            reply.array(found.len());
            found.into_iter().for_each(|index| reply.integer(index));
        }
    }
    Ok(())
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options { rank: 1, count: None, compared_max: 0 };
        let mut rest = args.from(3).iter();
        while let Some(word) = rest.next() {
            let value = rest.next().ok_or(CommandError::Syntax)?;
            if word.eq_ignore_ascii_case(b"rank") {
                options.rank = signed_count(value)?;
                if options.rank == 0 {
                    return Err(CommandError::fixed(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
                         start from the end of the list",
                    ));
                }
            } else if word.eq_ignore_ascii_case(b"count") {
                options.count = Some(not_negative(value, "ERR COUNT can't be negative")?);
            } else if word.eq_ignore_ascii_case(b"maxlen") {
                options.compared_max = not_negative(value, "ERR MAXLEN can't be negative")?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn not_negative(argument: &[u8], text: &'static str) -> Result<usize, CommandError> {
    let value = integer_argument(argument).ok().and_then(|value| usize::try_from(value).ok());
    value.ok_or(CommandError::fixed(text))
}
