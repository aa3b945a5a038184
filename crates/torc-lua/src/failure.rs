//! Errors: the tables that scripts see, and the texts that clients get.
//!
//! An error is a table `{err=, source=, line=, ignore_error_stats_update=}`. What a script raises otherwise becomes one in [`handler`], which Lua
//! calls where the error is raised, so that it can tell the place.

use std::ffi::c_int;

use crate::desk::{Desk, Task};
use crate::lua::{Lua, Outcome, Raised, exported};
use crate::sandbox;

/// Pushes `{err=text}`.
pub(crate) fn push_error(lua: Lua, text: &[u8]) {
    lua.new_table(0, 2);
    lua.push_bytes(text);
    lua.set_field(-2, c"err");
}

/// Pushes `{err=}` with `code` and a message, which loses the line ends around it.
pub(crate) fn push_error_of(lua: Lua, text: &[u8]) {
    let (code, message) = match text.iter().position(|byte| *byte == b' ') {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => (&b"ERR"[..], text),
    };
    lua.new_table(0, 2);
    lua.push_bytes(code);
    lua.push_bytes(b" ");
    lua.push_bytes(trim_line_ends(message));
    lua.concat(3);
    lua.set_field(-2, c"err");
}

/// Pushes the error of a command, given without its dash: one that the command has counted already.
pub(crate) fn push_command_error(lua: Lua, text: &[u8]) {
    push_error_of(lua, text);
    lua.push_boolean(true);
    lua.set_field(-2, c"ignore_error_stats_update");
}

/// Pushes `{err=text}` and has it raised.
#[cold]
pub(crate) fn raise(lua: Lua, text: &[u8]) -> Raised {
    push_error(lua, text);
    Raised
}

fn trim_line_ends(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = text.iter().position(|byte| !is_end(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_end(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

exported! {
    /// The handler of what scripts do not catch.
    handler = handler_inner;
}

/// Makes an error table of the error, and notes where it was raised: in the Lua function nearest, if a C function raised it.
fn handler_inner(lua: Lua) -> Outcome {
    let place = match lua.place(1) {
        Some((what, ..)) if what == c"C" => lua.place(2),
        place => place,
    };
    if sandbox::is_proxy(lua, 1) {
        // Where Redis fails too: there the handler itself cannot write into the table.
        push_error(lua, b"ERR Attempt to modify a readonly table");
    } else if !lua.is_table(1) {
        push_text(lua, 1);
        push_error(lua, b"");
        lua.push_bytes(b"ERR ");
        lua.push_value(-3);
        lua.concat(2);
        lua.set_field(-2, c"err");
    } else {
        lua.push_value(1);
    }
    if let Some((_, source, line)) = place {
        lua.push_bytes(b"source");
        lua.push_bytes(source.to_bytes());
        lua.raw_set(-3);
        lua.push_bytes(b"line");
        lua.push_number(f64::from(line));
        lua.raw_set(-3);
    }
    Ok(1)
}

/// Pushes what `tostring` makes of the value at `index`.
fn push_text(lua: Lua, index: c_int) {
    lua.raw_get_int(crate::lua::REGISTRY, lua.shared().roots.get().to_text);
    lua.push_value(index);
    lua.call(1, 1);
}

/// Makes the reply of the error on top of the stack, with what the error table says.
pub(crate) fn reply_of(lua: Lua) {
    if !lua.is_table(-1) {
        reply_of_raw(lua);
        return;
    }
    let table = lua.top();
    note_counted(lua, table);
    let desk = lua.desk();
    desk.is_failed = true;
    desk.reply.clear();
    desk.reply.push(b'-');
    for field in [b"err".as_slice(), b"source", b"line"] {
        lua.raw_get_field(table, field);
    }
    let texts = [-3, -2, -1].map(|index| if lua.is_text(index) { lua.bytes(index) } else { None });
    let load = if desk.task == Task::Load { b"ERR Error registering functions: ".as_slice() } else { b"" };
    desk.reply.extend_from_slice(load);
    add_line(desk, texts[0].unwrap_or(b"ERR unknown error"));
    if let (Some(source), Some(line)) = (texts[1], texts[2])
        && desk.task != Task::Load
    {
        desk.reply.extend_from_slice(b" script: ");
        desk.reply.extend_from_slice(&desk.sha);
        desk.reply.extend_from_slice(b", on ");
        add_line(desk, source);
        desk.reply.push(b':');
        add_line(desk, line);
        desk.reply.push(b'.');
    }
    desk.reply.extend_from_slice(b"\r\n");
    lua.set_top(table - 1);
}

/// Notes whether the error of a table was counted by the command that it comes from.
pub(crate) fn note_counted(lua: Lua, table: c_int) {
    lua.raw_get_field(table, b"ignore_error_stats_update");
    lua.desk().is_counted = lua.boolean(-1);
    lua.pop(1);
}

/// Makes the reply of an error that no handler has seen, such as one of memory.
pub(crate) fn reply_of_raw(lua: Lua) {
    let text = lua.string(-1).unwrap_or(b"execution failure");
    let desk = lua.desk();
    desk.is_failed = true;
    desk.reply.clear();
    if desk.task == Task::Load {
        desk.reply.extend_from_slice(b"-ERR Error registering functions: ERR ");
        add_line(desk, text);
    } else {
        desk.reply.extend_from_slice(b"-ERR Error running script ");
        desk.reply.extend_from_slice(&desk.sha);
        desk.reply.extend_from_slice(b", ");
        add_line(desk, &text[..text.len().min(100)]);
    }
    desk.reply.extend_from_slice(b"\r\n");
    lua.pop(1);
}

/// Appends `text` to the reply as part of one line.
pub(crate) fn add_line(desk: &mut Desk, text: &[u8]) {
    let line = trim_line_ends(until_nul(text));
    desk.reply.extend(line.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
}

/// What C's string functions see of `text`.
pub(crate) fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(text)
}
