//! From bytes to a value: which layout a type number stands for. The layouts are in the modules, one for each kind.

mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use std::borrow::Cow;

use crate::error::DecodeError;
use crate::input::Input;
use crate::payload::VERSION_VALKEY_MIN;
use crate::types;
use crate::value::Value;
use stream::StreamFormat;

/// Reads the value of type `kind` at the front of `input`. `version` is that of the whole: it decides where two servers gave
/// one number to different layouts.
///
/// # Errors
/// The bytes are damaged or end too early, or the type is not read. Where `input` then stands is not defined.
pub fn decode_value(input: &mut Input<'_>, kind: u8, version: u16) -> Result<Value, DecodeError> {
    let is_valkey = version >= VERSION_VALKEY_MIN;
    let unsupported = DecodeError::UnsupportedType { kind, version };
    match kind {
        types::STRING => input.owned_string().map(Value::String),
        types::LIST => list::plain(input),
        types::LIST_ZIPLIST => list::ziplist(input),
        types::LIST_QUICKLIST => list::quicklist(input),
        types::LIST_QUICKLIST_2 => list::quicklist_2(input),
        types::SET => set::plain(input),
        types::SET_INTSET => set::intset(input),
        types::SET_LISTPACK => set::listpack(input),
        types::ZSET => sorted_set::plain(input, sorted_set::text_score),
        types::ZSET_2 => sorted_set::plain(input, sorted_set::binary_score),
        types::ZSET_ZIPLIST => sorted_set::ziplist(input),
        types::ZSET_LISTPACK => sorted_set::listpack(input),
        types::HASH => hash::plain(input),
        types::HASH_ZIPMAP => hash::zipmap(input),
        types::HASH_ZIPLIST => hash::ziplist(input),
        types::HASH_LISTPACK => hash::listpack(input),
        types::HASH_22 if is_valkey => hash::valkey_expiring(input),
        types::HASH_22 if version >= crate::VERSION_FIELD_EXPIRY => hash::expiring(input, None),
        types::HASH_LISTPACK_EX_PRE_GA if !is_valkey && version >= crate::VERSION_FIELD_EXPIRY => {
            hash::expiring_listpack(input)
        }
        types::HASH_METADATA if !is_valkey => {
            let earliest = input.millis()?;
            hash::expiring(input, Some(earliest))
        }
        types::HASH_LISTPACK_EX if !is_valkey => {
            // The earliest expiry, which the fields tell anyway.
            input.millis()?;
            hash::expiring_listpack(input)
        }
        types::STREAM_LISTPACKS => stream::stream(input, StreamFormat::First),
        types::STREAM_LISTPACKS_2 => stream::stream(input, StreamFormat::Second),
        types::STREAM_LISTPACKS_3 => stream::stream(input, StreamFormat::Third),
        types::STREAM_LISTPACKS_4 if !is_valkey => stream::stream(input, StreamFormat::Fourth),
        types::STREAM_LISTPACKS_5 if !is_valkey => stream::stream(input, StreamFormat::Fifth),
        _ => Err(unsupported),
    }
}

/// Reads a value of type `kind` that takes up all of `body`, as a file's reader gives it; otherwise as [`decode_value`].
///
/// # Errors
/// Something is wrong with the value, or bytes follow it.
pub fn decode_whole(body: &[u8], kind: u8, version: u16) -> Result<Value, DecodeError> {
    let mut input = Input::new(body);
    let value = decode_value(&mut input, kind, version)?;
    if input.rest().is_empty() { Ok(value) } else { Err(DecodeError::Trailing) }
}

/// Reads a value of type [`STRING`](types::STRING) that takes up all of `body`, without a copy where it is not compressed.
///
/// # Errors
/// As [`decode_whole`].
pub fn decode_string(body: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let mut input = Input::new(body);
    let string = input.string()?;
    if input.rest().is_empty() { Ok(string) } else { Err(DecodeError::Trailing) }
}

/// The elements, if there are any.
fn not_empty<T>(elements: Vec<T>) -> Result<Vec<T>, DecodeError> {
    if elements.is_empty() { Err(DecodeError::Empty) } else { Ok(elements) }
}

/// Refuses what occurs twice; `what` names it in the error. By sorted hashes: a set of a million names in a table would cost a
/// cache miss for each.
fn distinct<'a>(names: impl Iterator<Item = &'a [u8]> + Clone, what: &'static str) -> Result<(), DecodeError> {
    let state = RandomState::new();
    let mut hashes: Vec<u64> = names.clone().map(|name| state.hash_one(name)).collect();
    hashes.sort_unstable();
    if hashes.is_sorted_by(|low, high| low < high) {
        return Ok(());
    }
    // Two are alike, or by a rare chance only their hashes.
    let mut seen = HashSet::new();
    if names.into_iter().all(|name| seen.insert(name)) { Ok(()) } else { Err(DecodeError::Duplicate(what)) }
}
