//! Sets: member by member, as sorted integers, or as a listpack.

use torc_resp::number::I64Text;

use super::{distinct, not_empty};
use crate::error::DecodeError;
use crate::input::Input;
use crate::intset;
use crate::listpack::{Element, Listpack};
use crate::value::Value;

pub(super) fn plain(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let (count, capacity) = input.count()?;
    let mut members = Vec::with_capacity(capacity);
    for _ in 0..count {
        members.push(input.owned_string()?);
    }
    checked(members)
}

pub(super) fn intset(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    // Ascending, and so distinct.
    let integers = intset::read(&bytes)?;
    let members = integers.into_iter().map(|integer| I64Text::new(integer).as_bytes().to_vec()).collect();
    not_empty(members).map(Value::Set)
}

pub(super) fn listpack(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    let members: Result<_, _> = Listpack::new(&bytes)?.map(|member| member.map(Element::into_vec)).collect();
    checked(members?)
}

fn checked(members: Vec<Vec<u8>>) -> Result<Value, DecodeError> {
    distinct(members.iter().map(Vec::as_slice), "set member")?;
    not_empty(members).map(Value::Set)
}
