//! Replies to values of Lua.
//!
//! | reply | Lua |
//! |---|---|
//! | integer | number |
//! | bulk | string |
//! | null of RESP2, null of RESP3 | false, nil |
//! | status, error | `{ok=}`, `{err=, ignore_error_stats_update=true}` |
//! | array, push | table |
//! | map, set | `{map={}}`, `{set={member=true}}` |
//! | double, big number, verbatim string | `{double=}`, `{big_number=}`, `{verbatim_string={format=, string=}}` |
//! | boolean | boolean |
//! | attribute | nothing: the value it belongs to |
//!
//! One pass: each value is pushed when its header has been read. The replies are this process's own, so what is malformed is a mistake of
//! the program, and ends it.

use std::ffi::c_int;

use crate::failure;
use crate::interpreter::Field;
use crate::lua::{Lua, REGISTRY};

/// Aggregates in aggregates. No command replies with as many; the frames of so many fit on a script's stack.
const DEPTH_MAX: usize = 1_024;

/// Pushes the value of one reply.
#[inline]
pub(crate) fn push(lua: Lua, reply: &[u8]) {
    let mut reader = Reader { rest: reply };
    reader.push(lua, 0);
    debug_assert!(reader.rest.is_empty(), "an answer is one reply");
}

/// A reply of which a part has been read. It owns nothing, so an error of Lua may leave its frames.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn push(&mut self, lua: Lua, depth: usize) {
        assert!(depth < DEPTH_MAX, "a reply of {DEPTH_MAX} levels");
        let (kind, line) = self.line();
        match kind {
            b':' => lua.push_number(integer(line) as f64),
            b'$' => match integer(line) {
                -1 => lua.push_boolean(false),
                len => lua.push_bytes(self.take(len as usize)),
            },
            b'+' => push_field(lua, Field::Ok, |lua| lua.push_bytes(line)),
            b'-' => failure::push_command_error(lua, line),
            b'*' | b'>' => match integer(line) {
                -1 => lua.push_boolean(false),
                len => self.push_array(lua, len as usize, depth),
            },
            _ => self.push_of_resp3(lua, kind, line, depth),
        }
    }

    fn push_array(&mut self, lua: Lua, len: usize, depth: usize) {
        make_room(lua);
        lua.new_table(len as c_int, 0);
        for index in 1..=len {
            self.push(lua, depth + 1);
            lua.raw_set_int(-2, index as c_int);
        }
    }

    fn push_of_resp3(&mut self, lua: Lua, kind: u8, line: &[u8], depth: usize) {
        match kind {
            b'_' => lua.push_nil(),
            b'#' => lua.push_boolean(line == b"t"),
            b',' => push_field(lua, Field::Double, |lua| lua.push_number(double(line))),
            b'(' => push_field(lua, Field::BigNumber, |lua| lua.push_bytes(line)),
            b'=' => self.push_verbatim(lua, integer(line) as usize),
            b'%' => self.push_pairs(lua, Field::Map, integer(line) as usize, depth),
            b'~' => self.push_pairs(lua, Field::Set, integer(line) as usize, depth),
            b'|' => {
                for _ in 0..integer(line) * 2 {
                    self.push(lua, depth + 1);
                    lua.pop(1);
                }
                self.push(lua, depth);
            }
            _ => panic!("a reply of kind {}", kind.escape_ascii()),
        }
    }

    /// A map, or a set: a table whose keys are the members.
    fn push_pairs(&mut self, lua: Lua, field: Field, len: usize, depth: usize) {
        make_room(lua);
        lua.new_table(0, 1);
        lua.raw_get_int(REGISTRY, lua.shared().roots.get().fields[field as usize]);
        lua.new_table(0, len as c_int);
        for _ in 0..len {
            self.push(lua, depth + 1);
            if field as usize == Field::Map as usize {
                self.push(lua, depth + 1);
            } else {
                lua.push_boolean(true);
            }
            lua.raw_set(-3);
        }
        lua.raw_set(-3);
    }

    fn push_verbatim(&mut self, lua: Lua, len: usize) {
        let text = self.take(len);
        make_room(lua);
        push_field(lua, Field::VerbatimString, |lua| {
            lua.new_table(0, 2);
            lua.push_bytes(&text[4..]);
            lua.set_field(-2, c"string");
            lua.push_bytes(&text[..3]);
            lua.set_field(-2, c"format");
        });
    }

    /// The kind of the next header, and the rest of its line.
    #[inline]
    fn line(&mut self) -> (u8, &'a [u8]) {
        let end = self.rest.iter().position(|byte| *byte == b'\r').expect("a reply is complete");
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 2..];
        (line[0], &line[1..])
    }

    /// The next `len` bytes, and the line's end behind them.
    #[inline]
    fn take(&mut self, len: usize) -> &'a [u8] {
        let bytes = &self.rest[..len];
        self.rest = &self.rest[len + 2..];
        bytes
    }
}

/// Slots for one level of values.
fn make_room(lua: Lua) {
    assert!(lua.check_stack(8), "{DEPTH_MAX} levels fit on a Lua stack");
}

/// Pushes a table of one field.
#[inline]
fn push_field(lua: Lua, field: Field, push_value: impl FnOnce(Lua)) {
    lua.new_table(0, 1);
    lua.raw_get_int(REGISTRY, lua.shared().roots.get().fields[field as usize]);
    push_value(lua);
    lua.raw_set(-3);
}

#[inline]
fn integer(line: &[u8]) -> i64 {
    torc_resp::number::parse_i64(line).expect("a header has a number")
}

fn double(line: &[u8]) -> f64 {
    torc_resp::number::parse_f64(line).unwrap_or(f64::NAN)
}
