//! DEBUG PROTOCOL type: a reply of each type that the protocol has, to try clients with.

use torc_resp::{Args, Protocol, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "protocol",
    arity: 3,
    flags: super::DEVELOPER,
    run: Run::Session(protocol),
    group: "server",
    summary: "Replies with a test value of the given type.",
    complexity: "O(1)",
    syntax: "<string | integer | double | bignum | null | array | set | map | attrib | push | verbatim | true | false>",
    ..Row::DEFAULT
};

const LEN: usize = 3;

fn protocol(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let is_resp3 = reply.protocol() == Protocol::Resp3;
    match args.get(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(LEN);
            (0..LEN).for_each(|number| reply.integer(number as i64));
        }
        b"set" => {
            reply.set(LEN);
            (0..LEN).for_each(|number| reply.integer(number as i64));
        }
        b"map" => {
            reply.map(LEN);
            for number in 0..LEN {
                reply.integer(number as i64);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if is_resp3 {
                attribute(reply);
            }
            // An attribute is no reply; one must follow.
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if is_resp3 => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"push" => return Err(CommandError::fixed("ERR RESP2 is not supported by this command")),
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(CommandError::fixed(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// Nothing else sends attributes, so the encoder has no word for them.
fn attribute(reply: &mut Reply<'_>) {
    reply.raw(b"|1\r\n");
    reply.bulk(b"key-popularity");
    reply.array(2);
    reply.bulk(b"key:123");
    reply.integer(90);
}
