//! The table `redis`, which is `server` too.
//!
//! What a function here asks of the server it asks for by suspending the script ([`worker::wait`]); the rest it settles itself. An
//! argument that is wrong raises a table without the place of the call, which the handler adds, as in Redis.

use std::ffi::{CStr, c_int};

use torc_resp::Protocol;
use torc_resp::number::{F64Text, I64Text};

use crate::desk::{Desk, Wake};
use crate::failure::{push_error, push_error_of, raise};
use crate::functions;
use crate::lua::{Lua, Outcome, Raised, exported, ffi};
use crate::run::{REPL_ALL, REPL_AOF, REPL_REPLICA, Step};
use crate::sandbox::set_functions;
use crate::{to_lua, worker};

exported! {
    call = call_inner;
    pcall = pcall_inner;
    error_reply = error_reply_inner;
    status_reply = status_reply_inner;
    sha1hex = sha1hex_inner;
    log = log_inner;
    setresp = setresp_inner;
    set_repl = set_repl_inner;
    replicate_commands = replicate_commands_inner;
    breakpoint = breakpoint_inner;
    debug = debug_inner;
    acl_check_cmd = acl_check_cmd_inner;
    register_function = functions::register;
}

/// What scripts and functions have.
const FUNCTIONS: &[(&CStr, ffi::lua_CFunction)] = &[
    (c"call", call),
    (c"pcall", pcall),
    (c"error_reply", error_reply),
    (c"status_reply", status_reply),
    (c"sha1hex", sha1hex),
    (c"log", log),
    (c"setresp", setresp),
    (c"set_repl", set_repl),
    (c"acl_check_cmd", acl_check_cmd),
];

/// What scripts of EVAL have besides.
const OF_SCRIPTS: &[(&CStr, ffi::lua_CFunction)] =
    &[(c"replicate_commands", replicate_commands), (c"breakpoint", breakpoint), (c"debug", debug)];

const LOG_LEVELS: [(&CStr, u8); 4] = [(c"LOG_DEBUG", 0), (c"LOG_VERBOSE", 1), (c"LOG_NOTICE", 2), (c"LOG_WARNING", 3)];

const REPLICATION: [(&CStr, u8); 5] = [
    (c"REPL_NONE", 0),
    (c"REPL_AOF", REPL_AOF),
    (c"REPL_SLAVE", REPL_REPLICA),
    (c"REPL_REPLICA", REPL_REPLICA),
    (c"REPL_ALL", REPL_ALL),
];

/// Pushes the table for scripts, or for functions; as `redis` or as `server`.
pub(crate) fn push(lua: Lua, is_script: bool, is_server: bool) {
    lua.new_table(0, 32);
    set_functions(lua, FUNCTIONS);
    if is_script {
        set_functions(lua, OF_SCRIPTS);
    }
    set_numbers(lua, &LOG_LEVELS);
    set_numbers(lua, &REPLICATION);
    set_version(lua, is_server);
}

/// Pushes the table that a library has while it is loaded.
pub(crate) fn push_for_loading(lua: Lua, is_server: bool) {
    lua.new_table(0, 16);
    set_functions(lua, &[(c"register_function", register_function), (c"log", log)]);
    set_numbers(lua, &LOG_LEVELS);
    set_version(lua, is_server);
}

fn set_numbers(lua: Lua, numbers: &[(&CStr, u8)]) {
    for (name, number) in numbers {
        lua.push_number(f64::from(*number));
        lua.set_field(-2, name);
    }
}

fn set_version(lua: Lua, is_server: bool) {
    let options = &lua.shared().options;
    let (texts, numbers): (&[&CStr], &[&CStr]) = if is_server {
        (&[c"REDIS_VERSION", c"SERVER_VERSION", c"VALKEY_VERSION"], &[c"REDIS_VERSION_NUM", c"VALKEY_VERSION_NUM"])
    } else {
        (&[c"REDIS_VERSION"], &[c"REDIS_VERSION_NUM"])
    };
    for name in texts {
        lua.push_bytes(options.version.as_bytes());
        lua.set_field(-2, name);
    }
    for name in numbers {
        lua.push_number(f64::from(options.version_num));
        lua.set_field(-2, name);
    }
    if is_server {
        lua.push_bytes(options.server_name.as_bytes());
        lua.set_field(-2, c"SERVER_NAME");
    }
}

fn call_inner(lua: Lua) -> Outcome {
    run_command(lua, true)
}

fn pcall_inner(lua: Lua) -> Outcome {
    run_command(lua, false)
}

/// Asks for a command, and pushes its reply. `raises`: an error is raised, and not returned.
#[inline]
fn run_command(lua: Lua, raises: bool) -> Outcome {
    if let Err(text) = gather(lua) {
        push_error(lua, text);
        return if raises { Err(Raised) } else { Ok(1) };
    }
    // So that there is room for the reply, whatever number of arguments there were.
    lua.set_top(0);
    let step = {
        let desk = lua.desk();
        Step::Call { protocol: desk.script_protocol, replication: desk.replication }
    };
    let Wake::Reply(reply) = worker::wait(lua, step)? else { panic!("a call is answered by a reply") };
    // SAFETY: the caller's bytes stay where they are until the script suspends again.
    let reply = unsafe { &*reply };
    to_lua::push(lua, reply);
    if raises && reply.first() == Some(&b'-') { Err(Raised) } else { Ok(1) }
}

/// Lays the arguments down as the words of a request.
fn gather(lua: Lua) -> Result<(), &'static [u8]> {
    let count = lua.top();
    if count == 0 {
        return Err(b"ERR Please specify at least one argument for this redis lib call");
    }
    let desk = lua.desk();
    desk.clear_words();
    desk.words.push(b'*');
    torc_resp::number::write_i64(&mut desk.words, i64::from(count));
    desk.words.extend_from_slice(b"\r\n");
    for argument in 1..=count {
        let is_added = match lua.kind(argument) {
            ffi::LUA_TSTRING => desk.add_word(lua.bytes(argument).unwrap_or_default()),
            ffi::LUA_TNUMBER => add_number(desk, lua.number(argument)),
            _ => return Err(b"ERR Lua redis lib command arguments must be strings or integers"),
        };
        if !is_added {
            return Err(b"ERR Lua redis lib command arguments are too long");
        }
    }
    Ok(())
}

/// Adds a number as an integer if it is one, otherwise with the fewest digits that are read as the same number.
fn add_number(desk: &mut Desk, value: f64) -> bool {
    const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;
    if value.abs() <= WHOLE_MAX && (value as i64) as f64 == value {
        desk.add_word(I64Text::new(value as i64).as_bytes())
    } else {
        let mut text = F64Text::new();
        text.set(value);
        desk.add_word(text.as_bytes())
    }
}

fn error_reply_inner(lua: Lua) -> Outcome {
    if lua.top() != 1 || lua.kind(1) != ffi::LUA_TSTRING {
        push_error(lua, b"ERR wrong number or type of arguments");
        return Ok(1);
    }
    let text = crate::failure::until_nul(lua.bytes(1).unwrap_or_default());
    push_error_of(lua, text.strip_prefix(b"-").unwrap_or(text));
    Ok(1)
}

fn status_reply_inner(lua: Lua) -> Outcome {
    if lua.top() != 1 || lua.kind(1) != ffi::LUA_TSTRING {
        push_error(lua, b"ERR wrong number or type of arguments");
        return Ok(1);
    }
    lua.new_table(0, 1);
    lua.push_value(1);
    lua.set_field(-2, c"ok");
    Ok(1)
}

fn sha1hex_inner(lua: Lua) -> Outcome {
    if lua.top() != 1 {
        return Err(raise(lua, b"ERR wrong number of arguments"));
    }
    let digest = sha1_smol::Sha1::from(lua.bytes(1).unwrap_or_default()).digest().bytes();
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    lua.push_bytes(&text);
    Ok(1)
}

fn log_inner(lua: Lua) -> Outcome {
    let count = lua.top();
    if count < 2 {
        return Err(raise(lua, b"ERR redis.log() requires two arguments or more."));
    }
    // Like `lua_isnumber`: a string that reads as a number will do.
    if !lua.is_number(1) {
        return Err(raise(lua, b"ERR First argument must be a number (log level)."));
    }
    let level = lua.number(1);
    if !(0.0..4.0).contains(&level) {
        return Err(raise(lua, b"ERR Invalid log level."));
    }
    let desk = lua.desk();
    desk.clear_words();
    for argument in 2..=count {
        if let Some(text) = lua.bytes(argument) {
            if argument != 2 {
                desk.words.push(b' ');
            }
            desk.words.extend_from_slice(text);
        }
    }
    worker::wait(lua, Step::Log { level: level as u8 })?;
    Ok(0)
}

/// The one argument of a function as a small integer, or `text` raised.
fn one_integer(lua: Lua, text: &[u8]) -> Result<c_int, Raised> {
    if lua.top() != 1 {
        return Err(raise(lua, text));
    }
    Ok(lua.number(1) as c_int)
}

fn setresp_inner(lua: Lua) -> Outcome {
    lua.desk().script_protocol = match one_integer(lua, b"ERR redis.setresp() requires one argument.")? {
        2 => Protocol::Resp2,
        3 => Protocol::Resp3,
        _ => return Err(raise(lua, b"ERR RESP version must be 2 or 3.")),
    };
    Ok(0)
}

fn set_repl_inner(lua: Lua) -> Outcome {
    let flags = one_integer(lua, b"ERR redis.set_repl() requires one argument.")?;
    if flags & !c_int::from(REPL_ALL) != 0 {
        return Err(raise(lua, b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."));
    }
    lua.desk().replication = flags as u8;
    Ok(0)
}

/// Effects are all that is ever replicated, so this has nothing to change.
fn replicate_commands_inner(lua: Lua) -> Outcome {
    lua.push_boolean(true);
    Ok(1)
}

/// There is no debugger, so no breakpoint is ever reached.
fn breakpoint_inner(lua: Lua) -> Outcome {
    lua.push_boolean(false);
    Ok(1)
}

fn debug_inner(_: Lua) -> Outcome {
    Ok(0)
}

fn acl_check_cmd_inner(lua: Lua) -> Outcome {
    if let Err(text) = gather(lua) {
        return Err(raise(lua, text));
    }
    match worker::wait(lua, Step::AclCheck)? {
        Wake::Bool(is_allowed) => lua.push_boolean(is_allowed),
        Wake::UnknownCommand => return Err(raise(lua, b"ERR Invalid command passed to redis.acl_check_cmd()")),
        _ => panic!("a question about a command is answered by yes or no"),
    }
    Ok(1)
}
