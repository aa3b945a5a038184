//! ACL GENPASS [bits]: a password that nobody can guess, in hexadecimal digits.

use torc_resp::{Args, Reply};

use crate::acl::generate;
use crate::command::{Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

/// Bits of a password if nothing else is asked for, and at most.
const BITS: i64 = 256;
const BITS_MAX: i64 = 4096;

pub(super) static ROW: Row = Row {
    name: "genpass",
    arity: -2,
    flags: super::PLAIN,
    run: Run::Session(genpass),
    since: "6.0.0",
    group: "server",
    summary: "Generates a pseudorandom, secure password that can be used to identify ACL users.",
    complexity: "O(1)",
    syntax: "[bits/integer]",
    ..Row::DEFAULT
};

fn genpass(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let bits = match args.len() {
        2 => BITS,
        3 => integer_argument(args.get(2))?,
        _ => return Err(super::wrong_arguments(args)),
    };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(CommandError::fixed(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    // A second source, should the host give the same secret twice.
    let salt = context.random().next_u64();
    let password = generate(context.secret(), salt, (bits as usize).div_ceil(4));
    reply.bulk(password.as_bytes());
    Ok(())
}
