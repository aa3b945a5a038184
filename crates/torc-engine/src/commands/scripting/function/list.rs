//! FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]: the libraries, of which there are none.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "list",
    arity: -2,
    flags: Flags::NOSCRIPT,
    run: Run::Session(list),
    categories: &["scripting"],
    summary: "Returns information about all libraries.",
    complexity: "O(N) where N is the number of functions",
    syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
    tips: &["nondeterministic_output_order"],
    ..super::ROW_DEFAULT
};

fn list(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (mut has_code, mut has_name) = (false, false);
    let mut words = args.from(2).iter();
    while let Some(word) = words.next() {
        if !has_code && word.eq_ignore_ascii_case(b"withcode") {
            has_code = true;
        } else if !has_name && word.eq_ignore_ascii_case(b"libraryname") {
            words.next().ok_or(CommandError::fixed("ERR library name argument was not given"))?;
            has_name = true;
        } else {
            return Err(CommandError::quoting("ERR Unknown argument {}", &[word]));
        }
    }
    reply.array(0);
    Ok(())
}
