//! Values of Lua to replies.
//!
//! | Lua | RESP2 | RESP3 |
//! |---|---|---|
//! | string | bulk | bulk |
//! | number | integer, without its fraction | the same |
//! | true, false | 1, null | the same; `#t`, `#f` after `redis.setresp(3)` |
//! | `{err=}`, `{ok=}` | error, status | the same |
//! | `{double=}`, `{big_number=}`, `{verbatim_string=}` | bulk | their own types |
//! | `{map=}`, `{set=}` | array | map, set |
//! | other table | array until the first nil | the same |
//! | nil and the rest | null | null |
//!
//! Numbers of elements are counted before they are written, so that everything goes once to where it stays.

use std::ffi::c_int;

use torc_resp::Protocol;
use torc_resp::number::{F64Text, write_i64};

use crate::desk::Desk;
use crate::failure::{add_line, note_counted, until_nul};
use crate::interpreter::Field;
use crate::lua::{Lua, REGISTRY, ffi};

/// Tables in tables: a deeper one is replaced by an error. Its frames fit on a script's stack many times.
const DEPTH_MAX: usize = 2_048;

/// Encodes the value on top of the stack as the reply of the run, and takes it away.
#[inline]
pub(crate) fn encode(lua: Lua) {
    value(lua, 0);
}

fn value(lua: Lua, depth: usize) {
    let desk = lua.desk();
    match lua.kind(-1) {
        ffi::LUA_TSTRING => bulk(desk, lua.bytes(-1).unwrap_or_default()),
        ffi::LUA_TNUMBER => length(desk, b':', to_integer(lua.number(-1))),
        ffi::LUA_TBOOLEAN => boolean(desk, lua.boolean(-1)),
        ffi::LUA_TTABLE => {
            if depth < DEPTH_MAX && lua.check_stack(16) {
                table(lua, depth);
            } else {
                desk.reply.extend_from_slice(b"-ERR reached lua stack limit\r\n");
            }
        }
        _ => null(desk),
    }
    lua.pop(1);
}

/// A number as C casts it to 64 bits; what does not fit becomes the least of them.
fn to_integer(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

fn boolean(desk: &mut Desk, value: bool) {
    match (desk.script_protocol, desk.protocol, value) {
        (Protocol::Resp2, _, false) => null(desk),
        (Protocol::Resp2, _, true) | (_, Protocol::Resp2, true) => desk.reply.extend_from_slice(b":1\r\n"),
        (_, Protocol::Resp2, false) => desk.reply.extend_from_slice(b":0\r\n"),
        (_, Protocol::Resp3, true) => desk.reply.extend_from_slice(b"#t\r\n"),
        (_, Protocol::Resp3, false) => desk.reply.extend_from_slice(b"#f\r\n"),
    }
}

fn null(desk: &mut Desk) {
    let null: &[u8] = if desk.protocol == Protocol::Resp3 { b"_\r\n" } else { b"$-1\r\n" };
    desk.reply.extend_from_slice(null);
}

fn length(desk: &mut Desk, kind: u8, number: i64) {
    desk.reply.push(kind);
    write_i64(&mut desk.reply, number);
    desk.reply.extend_from_slice(b"\r\n");
}

fn bulk(desk: &mut Desk, bytes: &[u8]) {
    length(desk, b'$', bytes.len() as i64);
    desk.reply.extend_from_slice(bytes);
    desk.reply.extend_from_slice(b"\r\n");
}

/// Encodes the table on top of the stack, which stays there.
fn table(lua: Lua, depth: usize) {
    let top = lua.top();
    let count = match count_plain(lua, top) {
        Some(count) => count,
        None => {
            let is_special = special(lua, top, depth);
            lua.set_top(top);
            if is_special {
                return;
            }
            count_elements(lua, top)
        }
    };
    length(lua.desk(), b'*', i64::from(count));
    for index in 1..=count {
        lua.raw_get_int(top, index);
        value(lua, depth + 1);
    }
}

/// How many elements a short table has that has nothing else in it: found by one walk over it, and not by asking for each field that would make
/// it something else.
fn count_plain(lua: Lua, table: c_int) -> Option<c_int> {
    const PLAIN_MAX: usize = 16;
    let len = lua.length(table);
    if len > PLAIN_MAX {
        return None;
    }
    let mut count = 0;
    lua.push_nil();
    while lua.next(table) {
        lua.pop(1);
        count += 1;
        if lua.kind(-1) != ffi::LUA_TNUMBER || lua.number(-1) != f64::from(count) {
            lua.pop(1);
            return None;
        }
    }
    Some(count)
}

fn count_elements(lua: Lua, table: c_int) -> c_int {
    let mut count = 0;
    loop {
        lua.raw_get_int(table, count + 1);
        let is_end = lua.kind(-1) == ffi::LUA_TNIL;
        lua.pop(1);
        if is_end {
            return count;
        }
        count += 1;
    }
}

/// Encodes a table that one of its fields makes something else than an array. False if there is no such field.
fn special(lua: Lua, table: c_int, depth: usize) -> bool {
    let names = lua.shared().roots.get().fields;
    let field = |name: Field, kind: c_int| {
        lua.raw_get_int(REGISTRY, names[name as usize]);
        lua.raw_get(table);
        lua.kind(-1) == kind
    };
    let desk = lua.desk();
    if field(Field::Err, ffi::LUA_TSTRING) {
        line(desk, b'-', lua.bytes(-1));
        note_counted(lua, table);
    } else if field(Field::Ok, ffi::LUA_TSTRING) {
        line(desk, b'+', lua.bytes(-1).map(until_nul));
    } else if field(Field::Double, ffi::LUA_TNUMBER) {
        double(desk, lua.number(-1));
    } else if field(Field::BigNumber, ffi::LUA_TSTRING) {
        let digits = lua.bytes(-1).unwrap_or_default();
        match desk.protocol {
            Protocol::Resp3 => line(desk, b'(', Some(digits)),
            Protocol::Resp2 => bulk(desk, &digits.iter().map(|&byte| without_line_end(byte)).collect::<Vec<u8>>()),
        }
    } else if field(Field::VerbatimString, ffi::LUA_TTABLE) && verbatim(lua) {
    } else if field(Field::Map, ffi::LUA_TTABLE) {
        pairs(lua, true, depth);
    } else if field(Field::Set, ffi::LUA_TTABLE) {
        pairs(lua, false, depth);
    } else {
        return false;
    }
    true
}

/// What stands in a line instead of this byte.
fn without_line_end(byte: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }
}

fn line(desk: &mut Desk, kind: u8, text: Option<&[u8]>) {
    desk.reply.push(kind);
    let text = text.unwrap_or_default();
    if kind == b'-' {
        add_line(desk, text);
    } else {
        desk.reply.extend(text.iter().map(|&byte| without_line_end(byte)));
    }
    desk.reply.extend_from_slice(b"\r\n");
}

fn double(desk: &mut Desk, value: f64) {
    let mut text = F64Text::new();
    text.set(value);
    if desk.protocol == Protocol::Resp3 {
        desk.reply.push(b',');
        desk.reply.extend_from_slice(text.as_bytes());
        desk.reply.extend_from_slice(b"\r\n");
    } else {
        bulk(desk, text.as_bytes());
    }
}

/// Encodes the description of a verbatim string that is on top of the stack, unless it is incomplete.
fn verbatim(lua: Lua) -> bool {
    let description = lua.top();
    lua.raw_get_field(description, b"format");
    lua.raw_get_field(description, b"string");
    let (Some(format), Some(text)) = (lua.string(-2), lua.string(-1)) else { return false };
    let desk = lua.desk();
    if desk.protocol == Protocol::Resp2 {
        bulk(desk, text);
        return true;
    }
    // Three bytes name a format; Redis copies them out of a string that ends by a zero byte, and pads what is shorter by it.
    let mut name = [b' '; 3];
    let named = format.len().min(3);
    name[..named].copy_from_slice(&format[..named]);
    length(desk, b'=', text.len() as i64 + 4);
    desk.reply.extend_from_slice(&name.map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    desk.reply.push(b':');
    desk.reply.extend_from_slice(text);
    desk.reply.extend_from_slice(b"\r\n");
    true
}

/// Encodes the table on top of the stack as a map, or its keys as a set.
fn pairs(lua: Lua, is_map: bool, depth: usize) {
    let table = lua.top();
    let mut count = 0;
    lua.push_nil();
    while lua.next(table) {
        lua.pop(1);
        count += 1;
    }
    let desk = lua.desk();
    match (desk.protocol, is_map) {
        (Protocol::Resp3, true) => length(desk, b'%', count),
        (Protocol::Resp3, false) => length(desk, b'~', count),
        (Protocol::Resp2, true) => length(desk, b'*', count * 2),
        (Protocol::Resp2, false) => length(desk, b'*', count),
    }
    lua.push_nil();
    while lua.next(table) {
        lua.push_value(-2);
        value(lua, depth + 1);
        if is_map {
            value(lua, depth + 1);
        } else {
            lua.pop(1);
        }
    }
}
