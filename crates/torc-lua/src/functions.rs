//! What a library registers: `redis.register_function`, in both of its forms.

use std::ffi::c_int;

use crate::desk::Task;
use crate::failure::{raise, until_nul};
use crate::interpreter::Callback;
use crate::lua::{Lua, Outcome, REGISTRY, Raised, ffi};

/// A function that a library has registered.
#[derive(Debug)]
pub struct Function {
    /// The name that FCALL has; letters, digits and underscores alone.
    pub name: Vec<u8>,
    /// What the library says about it.
    pub description: Option<Vec<u8>>,
    /// What it may do.
    pub flags: Flags,
    /// What [`Interpreter::begin_function`](crate::Interpreter::begin_function) runs.
    pub callback: Callback,
}

/// What a function may do, as its library has declared; the same words as those of a script's `#!lua flags=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// It writes nothing.
    pub const NO_WRITES: Self = Self(1);
    /// It may run when the memory is full.
    pub const ALLOW_OOM: Self = Self(2);
    /// It may run on a replica whose data is stale.
    pub const ALLOW_STALE: Self = Self(4);
    /// It may not run in a cluster.
    pub const NO_CLUSTER: Self = Self(8);
    /// It may use keys of several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: Self = Self(16);

    /// Every flag and its word, in the order in which FUNCTION LIST shows them.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::NO_WRITES, "no-writes"),
        (Self::ALLOW_OOM, "allow-oom"),
        (Self::ALLOW_STALE, "allow-stale"),
        (Self::NO_CLUSTER, "no-cluster"),
        (Self::ALLOW_CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
    ];

    /// The flag that `word` names.
    pub fn of_word(word: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(flag, _)| *flag)
    }

    /// Whether all of `other` are among these.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and those.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What has been read of the arguments. Borrows, and so may be left by an error of Lua.
#[derive(Default)]
struct Named<'a> {
    name: Option<&'a [u8]>,
    description: Option<&'a [u8]>,
    flags: Flags,
    /// Slot of the callback.
    callback: Option<c_int>,
}

/// `redis.register_function(name, callback)`, or with a table of named arguments.
pub(crate) fn register(lua: Lua) -> Outcome {
    if lua.desk().task != Task::Load {
        return Err(raise(lua, b"ERR redis.register_function can only be called on FUNCTION LOAD command"));
    }
    let named = match lua.top() {
        1 => by_name(lua)?,
        2 => by_place(lua)?,
        _ => return Err(raise(lua, b"ERR wrong number of arguments to redis.register_function")),
    };
    let Some(name) = named.name else {
        return Err(raise(lua, b"ERR redis.register_function must get a function name argument"));
    };
    let Some(callback) = named.callback else {
        return Err(raise(lua, b"ERR redis.register_function must get a callback argument"));
    };
    if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return Err(raise(
            lua,
            b"ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ));
    }
    if lua.desk().functions.iter().any(|function| function.name == name) {
        return Err(raise(lua, b"ERR Function already exists in the library"));
    }
    lua.push_value(callback);
    let callback = Callback(lua.reference(REGISTRY));
    // Nothing of Lua is called from here on, so what is owned reaches the desk.
    let description = named.description.map(<[u8]>::to_vec);
    lua.desk().functions.push(Function { name: name.to_vec(), description, flags: named.flags, callback });
    Ok(0)
}

fn by_place<'a>(lua: Lua) -> Result<Named<'a>, Raised> {
    let Some(name) = lua.bytes(1) else {
        return Err(raise(lua, b"ERR first argument to redis.register_function must be a string"));
    };
    if !lua.is_function(2) {
        return Err(raise(lua, b"ERR second argument to redis.register_function must be a function"));
    }
    Ok(Named { name: Some(name), callback: Some(2), ..Named::default() })
}

fn by_name<'a>(lua: Lua) -> Result<Named<'a>, Raised> {
    if !lua.is_table(1) {
        return Err(raise(
            lua,
            b"ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ));
    }
    // Slots 2 to 4 keep the name, the description and the callback: what they are borrowed from.
    lua.set_top(4);
    let mut named = Named::default();
    lua.push_nil();
    while lua.next(1) {
        // A number becomes a string in its slot, which `next` would not find again: but no argument is named by one, so it is an error anyway.
        if !lua.is_text(-2) {
            return Err(raise(lua, b"ERR named argument key given to redis.register_function is not a string"));
        }
        let key = until_nul(lua.bytes(-2).unwrap_or_default());
        if let Err(text) = named.take(lua, key) {
            return Err(raise(lua, text));
        }
        lua.set_top(5);
    }
    Ok(named)
}

impl Named<'_> {
    /// Takes the argument `key`, whose value is on top of the stack.
    fn take(&mut self, lua: Lua, key: &[u8]) -> Result<(), &'static [u8]> {
        if key.eq_ignore_ascii_case(b"function_name") {
            self.name = lua.bytes(-1);
            self.name.ok_or(&b"ERR function_name argument given to redis.register_function must be a string"[..])?;
            lua.push_value(-1);
            lua.replace(2);
        } else if key.eq_ignore_ascii_case(b"description") {
            self.description = lua.bytes(-1);
            self.description
                .ok_or(&b"ERR description argument given to redis.register_function must be a string"[..])?;
            lua.push_value(-1);
            lua.replace(3);
        } else if key.eq_ignore_ascii_case(b"callback") {
            if !lua.is_function(-1) {
                return Err(b"ERR callback argument given to redis.register_function must be a function");
            }
            self.callback = Some(4);
            lua.push_value(-1);
            lua.replace(4);
        } else if key.eq_ignore_ascii_case(b"flags") {
            if !lua.is_table(-1) {
                return Err(
                    b"ERR flags argument to redis.register_function must be a table representing function flags",
                );
            }
            self.flags = flags(lua).ok_or(&b"ERR unknown flag given"[..])?;
        } else {
            return Err(b"ERR unknown argument given to redis.register_function");
        }
        Ok(())
    }
}

/// The flags that the table on top of the stack lists.
fn flags(lua: Lua) -> Option<Flags> {
    let mut flags = Flags::default();
    for index in 1.. {
        lua.raw_get_int(-1, index);
        if lua.kind(-1) == ffi::LUA_TNIL {
            break;
        }
        flags = flags.with(Flags::of_word(until_nul(lua.bytes(-1)?))?);
        lua.pop(1);
    }
    lua.pop(1);
    Some(flags)
}
