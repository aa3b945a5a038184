//! HELLO [protover [AUTH username password] [SETNAME clientname]]: chooses the protocol and tells about the server.

use torc_resp::{Args, Protocol, Reply};

use super::{HANDSHAKE, name, password};
use crate::command::{Row, Run, Secrets};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;
use crate::version::REDIS_VERSION;

pub(super) static ROW: Row = Row {
    name: "hello",
    arity: -1,
    flags: HANDSHAKE,
    run: Run::Session(hello),
    secrets: Secrets::Some(is_secret),
    logs_in: Some(|args| parse(args).is_ok_and(|options| options.login.is_some())),
    categories: &["connection"],
    since: "6.0.0",
    group: "connection",
    summary: "Handshakes with the Redis server.",
    complexity: "O(1)",
    syntax: "arguments:[protover [AUTH username password] [SETNAME clientname]]",
    history: &[
        ("6.2.0", "`protover` made optional; when called without arguments the command reports the current connection's context."),
    ],
    ..Row::DEFAULT
};

/// What the options ask for.
#[derive(Default)]
struct Options<'a> {
    protocol: Option<Protocol>,
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn hello(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = parse(args)?;
    if let Some((user, word)) = options.login {
        password::log_in(context, user, word, args.name())?;
    }
    let (session, _) = context.session_and_config();
    if !session.authenticated {
        return Err(CommandError::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = options.name {
        session.name = name.to_vec();
    }
    if let Some(protocol) = options.protocol {
        session.protocol = protocol;
    }
    describe(context, &mut Reply::new(reply.buffer(), context.session.protocol));
    Ok(())
}

/// Names and passwords behind AUTH, in whatever request.
fn is_secret(args: Args<'_>, index: usize) -> bool {
    (index.saturating_sub(2)..index).any(|at| at >= 2 && args.get(at).eq_ignore_ascii_case(b"auth"))
}

fn parse(args: Args<'_>) -> Result<Options<'_>, CommandError> {
    let mut options = Options::default();
    let mut rest = args.from(1).iter();
    let Some(version) = rest.next() else { return Ok(options) };
    options.protocol = Some(match torc_resp::number::parse_i64(version) {
        Some(2) => Protocol::Resp2,
        Some(3) => Protocol::Resp3,
        Some(_) => return Err(CommandError::fixed("NOPROTO unsupported protocol version")),
        None => return Err(CommandError::fixed("ERR Protocol version is not an integer or out of range")),
    });
    while let Some(option) = rest.next() {
        let known = match rest.len() {
            2.. if option.eq_ignore_ascii_case(b"auth") => {
                options.login = rest.next().zip(rest.next());
                true
            }
            1.. if option.eq_ignore_ascii_case(b"setname") => {
                options.name = rest.next();
                true
            }
            _ => false,
        };
        if !known {
            return Err(CommandError::quoting("ERR Syntax error in HELLO option '{}'", &[option]));
        }
    }
    options.name.map_or(Ok(()), name::check)?;
    Ok(options)
}

fn describe(context: &SessionContext<'_>, reply: &mut Reply<'_>) {
    let is_cluster = !context.facts().identity.core_ports.is_empty();
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(if context.session.protocol == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(context.session.id as i64);
    reply.bulk(b"mode");
    reply.bulk(if is_cluster { b"cluster" } else { b"standalone" });
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}
