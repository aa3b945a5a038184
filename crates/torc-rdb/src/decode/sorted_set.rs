//! Sorted sets: member by member with scores as text or binary, or members and scores in turn in something packed.

use torc_resp::number::parse_f64;

use super::{distinct, not_empty};
use crate::error::DecodeError;
use crate::input::Input;
use crate::listpack::{Element, Listpack};
use crate::value::Value;
use crate::ziplist::Ziplist;

const SCORE: DecodeError = DecodeError::Malformed("score");

pub(super) fn plain(
    input: &mut Input<'_>,
    score: fn(&mut Input<'_>) -> Result<f64, DecodeError>,
) -> Result<Value, DecodeError> {
    let (count, capacity) = input.count()?;
    let mut members = Vec::with_capacity(capacity);
    for _ in 0..count {
        members.push((input.owned_string()?, score(input)?));
    }
    checked(members)
}

pub(super) fn ziplist(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    packed(Ziplist::new(&bytes)?)
}

pub(super) fn listpack(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    packed(Listpack::new(&bytes)?)
}

/// A length and as many characters, or one of three lengths that stand for what has no digits.
pub(super) fn text_score(input: &mut Input<'_>) -> Result<f64, DecodeError> {
    match input.byte()? {
        253 => Err(DecodeError::NotANumber),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => input.bytes(usize::from(len)).and_then(parsed),
    }
}

pub(super) fn binary_score(input: &mut Input<'_>) -> Result<f64, DecodeError> {
    let score = f64::from_le_bytes(input.array()?);
    if score.is_nan() { Err(DecodeError::NotANumber) } else { Ok(score) }
}

fn packed<'a>(mut parts: impl Iterator<Item = Result<Element<'a>, DecodeError>>) -> Result<Value, DecodeError> {
    let mut members = Vec::new();
    while let Some(member) = parts.next() {
        let member = member?.into_vec();
        let score = match parts.next().ok_or(SCORE)?? {
            Element::Integer(integer) => integer as f64,
            Element::Text(text) => parsed(text)?,
        };
        members.push((member, score));
    }
    checked(members)
}

fn parsed(text: &[u8]) -> Result<f64, DecodeError> {
    if text.len() >= 3 && text[text.len() - 3..].eq_ignore_ascii_case(b"nan") {
        return Err(DecodeError::NotANumber);
    }
    parse_f64(text).ok_or(SCORE)
}

fn checked(members: Vec<(Vec<u8>, f64)>) -> Result<Value, DecodeError> {
    distinct(members.iter().map(|(member, _)| member.as_slice()), "sorted set member")?;
    not_empty(members).map(Value::SortedSet)
}
