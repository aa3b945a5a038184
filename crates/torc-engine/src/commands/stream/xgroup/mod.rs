//! XGROUP: groups of consumers, and the consumers.

mod create;
mod createconsumer;
mod delconsumer;
mod destroy;
mod help;
mod setid;

use torc_resp::Args;
use torc_store::Occupied;

use super::lookup;
use crate::command::{Flags, Route, Row, integer_argument};
use crate::error::CommandError;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xgroup",
    arity: -2,
    since: "5.0.0",
    group: "stream",
    summary: "A container for consumer groups commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &create::ROW,
        &createconsumer::ROW,
        &delconsumer::ROW,
        &destroy::ROW,
        &help::ROW,
        &setid::ROW,
    ],
    ..Row::DEFAULT
};

/// What the subcommands start from.
const ROW_DEFAULT: Row = Row {
    flags: Flags::WRITE,
    route: Route::Owner,
    since: "5.0.0",
    group: "stream",
    categories: &["stream"],
    ..Row::DEFAULT
};

/// The options of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(context: &ShardContext<'_>, args: Args<'_>, creates: bool) -> Result<Options, CommandError> {
        let mut options = Options { make_stream: false, entries_read: None };
        let words = args.from(5);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if creates && word.eq_ignore_ascii_case(b"MKSTREAM") {
                options.make_stream = true;
                continue;
            }
            let value = words.next().filter(|_| word.eq_ignore_ascii_case(b"ENTRIESREAD"));
            let value = value.ok_or_else(|| lookup::subcommand_syntax(context, args.get(1)))?;
            let read = integer_argument(value)?;
            if read < -1 {
                return Err(CommandError::fixed("ERR value for ENTRIESREAD must be positive or -1"));
            }
            options.entries_read = u64::try_from(read).ok();
        }
        Ok(options)
    }
}

const NO_KEY: CommandError = CommandError::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
     create an empty stream automatically.",
);

/// The stream of a request, which must be there, and the index of its group, which must be too.
fn find_group<'a>(
    context: &'a mut ShardContext<'_>,
    args: Args<'a>,
) -> Result<(Occupied<'a>, usize), CommandError> {
    let (key, name) = (args.get(2), args.get(3));
    let occupied = lookup::occupied(context, key)?.ok_or(NO_KEY)?;
    let group = lookup::stream(&occupied).groups().find(name).ok_or_else(|| lookup::no_group(key, name))?;
    Ok((occupied, group))
}
