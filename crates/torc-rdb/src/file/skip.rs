//! Where a value ends, without decoding it: each layout as a shape of items, and a machine that goes over the items and stops
//! wherever the bytes stop.
//!
//! ```text
//!   hash (4)     = [Repeat [Text, Text]]
//!   stream (21)  = [Repeat [Text, Text], Number * 8, Repeat [Text, ..., Repeat [Text, Bytes 16, Repeat [Bytes 16]]]]
//!
//!   levels:  hash, item 0 -> Repeat, 999,998 times left, item 1 -> a text of 70 bytes; 30 are there: stop, the rest is fed
//! ```
//! An item is passed as a whole or not at all, and what has been passed is never looked at again: a value of a gigabyte that
//! comes in a thousand parts costs as much as one that comes at once.

use super::error::{Family, FileVersion, Problem};
use crate::error::DecodeError;
use crate::input::Input;
use crate::{VERSION_FIELD_EXPIRY, types};

/// What stands where in a layout.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A number in the notation of lengths.
    Number,
    /// A string in whatever form.
    Text,
    /// So many bytes.
    Bytes(usize),
    /// A score as text.
    Score,
    /// A number, and then as often what is in here.
    Repeat(&'static [Shape]),
    /// An array's head: how many elements, then 0, or 1 and where the next is inserted. And then the elements.
    Array,
    /// An element of an array: index, what it is, and itself.
    ArrayElement,
    /// What a module wrote: opcodes, each before what it announces, up to an end mark.
    ModuleData,
}

use Shape::{Array, ArrayElement, Bytes, ModuleData, Number, Repeat, Score, Text};

const STREAM_ID: Shape = Bytes(16);
const TIME: Shape = Bytes(8);
const NODES: Shape = Repeat(&[Text, Text]);
const PENDING: Shape = Repeat(&[STREAM_ID, TIME, Number]);
/// Up to Redis 7.0 consumers have one time, later two.
const CONSUMERS_OLD: Shape = Repeat(&[Text, TIME, Repeat(&[STREAM_ID])]);
const CONSUMERS: Shape = Repeat(&[Text, TIME, TIME, Repeat(&[STREAM_ID])]);
const GROUPS_1: Shape = Repeat(&[Text, Number, Number, PENDING, CONSUMERS_OLD]);
const GROUPS_2: Shape = Repeat(&[Text, Number, Number, Number, PENDING, CONSUMERS_OLD]);
const GROUPS_3: Shape = Repeat(&[Text, Number, Number, Number, PENDING, CONSUMERS]);
const GROUPS_5: Shape = Repeat(&[Text, Number, Number, Number, PENDING, CONSUMERS, Repeat(&[STREAM_ID])]);
const PRODUCERS: Shape = Repeat(&[Text, Repeat(&[Text, Number, Number])]);

const STREAM_1: &[Shape] = &[NODES, Number, Number, Number, GROUPS_1];
const STREAM_2: &[Shape] = &[NODES, Number, Number, Number, Number, Number, Number, Number, Number, GROUPS_2];
const STREAM_3: &[Shape] = &[NODES, Number, Number, Number, Number, Number, Number, Number, Number, GROUPS_3];
const STREAM_4: &[Shape] = &[
    NODES, Number, Number, Number, Number, Number, Number, Number, Number, GROUPS_3, Number, Number, PRODUCERS, Number,
    Number,
];
const STREAM_5: &[Shape] = &[
    NODES, Number, Number, Number, Number, Number, Number, Number, Number, GROUPS_5, Number, Number, PRODUCERS, Number,
    Number,
];

/// The shape of a type's values in a file of this version.
///
/// # Errors
/// There is no such type in this version, or its values are not supported.
pub(super) fn shape_of(kind: u8, version: FileVersion) -> Result<&'static [Shape], Problem> {
    let is_redis = version.family == Family::Redis;
    let has_field_expiry = is_redis && version.number >= VERSION_FIELD_EXPIRY;
    Ok(match kind {
        types::STRING
        | types::HASH_ZIPMAP..=types::HASH_ZIPLIST
        | types::HASH_LISTPACK
        | types::ZSET_LISTPACK
        | types::SET_LISTPACK => &[Text],
        types::LIST | types::SET | types::LIST_QUICKLIST => &[Repeat(&[Text])],
        types::LIST_QUICKLIST_2 => &[Repeat(&[Number, Text])],
        types::ZSET => &[Repeat(&[Text, Score])],
        types::ZSET_2 => &[Repeat(&[Text, Bytes(8)])],
        types::HASH => &[Repeat(&[Text, Text])],
        types::STREAM_LISTPACKS => STREAM_1,
        types::STREAM_LISTPACKS_2 => STREAM_2,
        types::STREAM_LISTPACKS_3 => STREAM_3,
        types::STREAM_LISTPACKS_4 if is_redis => STREAM_4,
        types::STREAM_LISTPACKS_5 if is_redis => STREAM_5,
        types::HASH_22 if !is_redis => &[Repeat(&[Text, Text, TIME])],
        types::HASH_22 if has_field_expiry => &[Repeat(&[Number, Text, Text])],
        types::HASH_LISTPACK_EX_PRE_GA if has_field_expiry => &[Text],
        types::HASH_METADATA if is_redis => &[TIME, Repeat(&[Number, Text, Text])],
        types::HASH_LISTPACK_EX if is_redis => &[TIME, Text],
        types::ARRAY if is_redis => &[Array],
        6 => return Err(Problem::Unsupported(kind, "values of modules in their first form, which nobody can skip,")),
        29..=32 if is_redis => return Err(Problem::Unsupported(kind, "hashes with a template")),
        33 if is_redis => return Err(Problem::Unsupported(kind, "rate limiters")),
        _ => return Err(Problem::UnknownType(kind)),
    })
}

/// The machine: where in which shape it stands.
#[derive(Debug, Default)]
pub(super) struct Skipper {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    shapes: &'static [Shape],
    /// The next of them.
    at: usize,
    /// How often they are still to be passed, the time that it is in included. Never 0.
    times: u64,
}

/// What passing an item led to.
enum Passed {
    /// The next item is the next one.
    Item,
    /// The same item goes on.
    Part,
    /// Before the next item these are to be passed so often.
    Into(&'static [Shape], u64),
}

impl Skipper {
    /// Puts items before those that it has still to pass.
    pub(super) fn push(&mut self, shapes: &'static [Shape]) {
        self.levels.push(Level { shapes, at: 0, times: 1 });
    }

    /// Passes the items that are there; whether all have been passed. `input` then stands behind the last one.
    ///
    /// # Errors
    /// The bytes are damaged; `input` stands before the item.
    pub(super) fn run(&mut self, input: &mut Input<'_>) -> Result<bool, DecodeError> {
        while let Some(level) = self.levels.last_mut() {
            let Some(shape) = level.shapes.get(level.at) else {
                (level.at, level.times) = (0, level.times - 1);
                if level.times == 0 {
                    self.levels.pop();
                }
                continue;
            };
            let mut ahead = *input;
            match shape.pass(&mut ahead) {
                Ok(Passed::Item) => level.at += 1,
                Ok(Passed::Part) => {}
                Ok(Passed::Into(shapes, times)) => {
                    level.at += 1;
                    if times > 0 {
                        self.levels.push(Level { shapes, at: 0, times });
                    }
                }
                Err(DecodeError::Truncated) => return Ok(false),
                Err(error) => return Err(error),
            }
            *input = ahead;
        }
        Ok(true)
    }
}

impl Shape {
    fn pass(self, input: &mut Input<'_>) -> Result<Passed, DecodeError> {
        match self {
            Number => drop(input.number()?),
            Text => input.skip_string()?,
            Bytes(len) => drop(input.bytes(len)?),
            Score => pass_score(input)?,
            Repeat(shapes) => return Ok(Passed::Into(shapes, input.number()?)),
            Array => return pass_array_head(input),
            ArrayElement => pass_array_element(input)?,
            ModuleData => return pass_module_data(input),
        }
        Ok(Passed::Item)
    }
}

fn pass_score(input: &mut Input<'_>) -> Result<(), DecodeError> {
    // The three highest lengths stand for what has no digits.
    let len = match input.byte()? {
        253.. => 0,
        len => usize::from(len),
    };
    input.bytes(len).map(drop)
}

fn pass_array_head(input: &mut Input<'_>) -> Result<Passed, DecodeError> {
    let count = input.number()?;
    match input.number()? {
        0 => {}
        1 => drop(input.number()?),
        _ => return Err(DecodeError::Malformed("array")),
    }
    Ok(Passed::Into(&[ArrayElement], count))
}

fn pass_array_element(input: &mut Input<'_>) -> Result<(), DecodeError> {
    input.number()?;
    match input.number()? {
        // A string, or a short one.
        0 | 3 => input.skip_string(),
        // An integer, or a floating-point number.
        1 | 2 => input.bytes(8).map(drop),
        _ => Err(DecodeError::Malformed("array")),
    }
}

fn pass_module_data(input: &mut Input<'_>) -> Result<Passed, DecodeError> {
    match input.number()? {
        0 => return Ok(Passed::Item),
        // A signed and an unsigned number.
        1 | 2 => drop(input.number()?),
        // Floating-point numbers of both sizes.
        3 => drop(input.bytes(4)?),
        4 => drop(input.bytes(8)?),
        5 => input.skip_string()?,
        _ => return Err(DecodeError::Malformed("data of a module")),
    }
    Ok(Passed::Part)
}
