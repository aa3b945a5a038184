//! DEBUG ERROR text: an error reply with this text, to try clients with.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "error",
    arity: 3,
    flags: super::DEVELOPER,
    run: Run::Session(error),
    group: "server",
    summary: "Answers with an error of this text.",
    complexity: "O(1)",
    syntax: "text",
    ..Row::DEFAULT
};

fn error(_context: &mut SessionContext<'_>, args: Args<'_>, _reply: &mut Reply<'_>) -> CommandResult {
    // A reply is one line: Redis puts blanks in the place of line ends, too.
    let text = args.get(2).iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
    Err(CommandError::made(text.collect::<Vec<u8>>()))
}
