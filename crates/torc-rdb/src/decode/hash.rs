//! Hashes: field by field or packed; with or without the times at which fields expire, which three servers wrote in three ways.

use super::{distinct, not_empty};
use crate::error::DecodeError;
use crate::input::Input;
use crate::listpack::{Element, Listpack};
use crate::value::{HashField, Value};
use crate::ziplist::Ziplist;
use crate::zipmap::Zipmap;

/// The latest time at which a field of Redis can expire.
const EXPIRE_AT_MAX: u64 = 0xffff_ffff_fffe;
const EXPIRY: DecodeError = DecodeError::Malformed("field expiry");

pub(super) fn plain(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    fields(input, |input| Ok(HashField { name: input.owned_string()?, value: input.owned_string()?, expire_at: None }))
}

/// Redis: a length-encoded time before each field. `earliest`: times are relative to it, plus one; else they are absolute.
/// 0: the field stays.
pub(super) fn expiring(input: &mut Input<'_>, earliest: Option<i64>) -> Result<Value, DecodeError> {
    fields(input, |input| {
        let expire_at = match (input.number()?, earliest) {
            (0, _) => None,
            (time, None) => Some(time),
            (time, Some(earliest)) => {
                let earliest = u64::try_from(earliest).map_err(|_| EXPIRY)?;
                // Time 0 is no time in the other formats, and has passed as long ago as the next one.
                Some(earliest.checked_add(time - 1).ok_or(EXPIRY)?.max(1))
            }
        };
        Ok(HashField {
            name: input.owned_string()?,
            value: input.owned_string()?,
            expire_at: expire_at.map(time).transpose()?,
        })
    })
}

/// Valkey: the time behind each field, absolute; -1: the field stays.
pub(super) fn valkey_expiring(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    fields(input, |input| {
        let (name, value) = (input.owned_string()?, input.owned_string()?);
        let expire_at = match input.millis()? {
            -1 => None,
            at if at < 0 => return Err(EXPIRY),
            // Times that no format of Redis can say are as good as the nearest one that it can.
            at => Some(at.clamp(1, EXPIRE_AT_MAX as i64)),
        };
        Ok(HashField { name, value, expire_at })
    })
}

pub(super) fn zipmap(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    packed(Zipmap::new(&bytes)?, "zipmap", false)
}

pub(super) fn ziplist(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    packed(Ziplist::new(&bytes)?, "ziplist", false)
}

pub(super) fn listpack(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    packed(Listpack::new(&bytes)?, "listpack", false)
}

/// Redis: name, value and absolute time in turn; 0: the field stays.
pub(super) fn expiring_listpack(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    packed(Listpack::new(&bytes)?, "listpack", true)
}

fn fields(
    input: &mut Input<'_>,
    field: impl Fn(&mut Input<'_>) -> Result<HashField, DecodeError>,
) -> Result<Value, DecodeError> {
    let (count, _) = input.count()?;
    let mut fields = Vec::new();
    for _ in 0..count {
        fields.push(field(input)?);
    }
    checked(fields)
}

fn packed<'a>(
    mut parts: impl Iterator<Item = Result<Element<'a>, DecodeError>>,
    what: &'static str,
    has_expiry: bool,
) -> Result<Value, DecodeError> {
    let mut fields = Vec::new();
    while let Some(name) = parts.next() {
        let mut next = || parts.next().unwrap_or(Err(DecodeError::Malformed(what)));
        let (name, value) = (name?.into_vec(), next()?.into_vec());
        let expire_at = if has_expiry { next()?.as_integer().ok_or(EXPIRY)? } else { 0 };
        let expire_at = u64::try_from(expire_at).map_err(|_| EXPIRY)?;
        let expire_at = (expire_at != 0).then(|| time(expire_at)).transpose()?;
        fields.push(HashField { name, value, expire_at });
    }
    checked(fields)
}

fn time(expire_at: u64) -> Result<i64, DecodeError> {
    if expire_at > EXPIRE_AT_MAX { Err(EXPIRY) } else { Ok(expire_at as i64) }
}

fn checked(fields: Vec<HashField>) -> Result<Value, DecodeError> {
    distinct(fields.iter().map(|field| field.name.as_slice()), "hash field")?;
    not_empty(fields).map(Value::Hash)
}
