//! Lists: element by element, as one ziplist, or as a row of nodes.

use super::not_empty;
use crate::error::DecodeError;
use crate::input::Input;
use crate::listpack::{Element, Listpack};
use crate::value::Value;
use crate::ziplist::Ziplist;

const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

pub(super) fn plain(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let (count, capacity) = input.count()?;
    let mut elements = Vec::with_capacity(capacity);
    for _ in 0..count {
        elements.push(input.owned_string()?);
    }
    not_empty(elements).map(Value::List)
}

pub(super) fn ziplist(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let bytes = input.string()?;
    let mut elements = Vec::new();
    extend(&mut elements, Ziplist::new(&bytes)?)?;
    not_empty(elements).map(Value::List)
}

pub(super) fn quicklist(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let (nodes, _) = input.count()?;
    let mut elements = Vec::new();
    for _ in 0..nodes {
        let bytes = input.string()?;
        extend(&mut elements, Ziplist::new(&bytes)?)?;
    }
    not_empty(elements).map(Value::List)
}

pub(super) fn quicklist_2(input: &mut Input<'_>) -> Result<Value, DecodeError> {
    let (nodes, _) = input.count()?;
    let mut elements = Vec::new();
    for _ in 0..nodes {
        match input.number()? {
            NODE_PLAIN => {
                let element = input.owned_string()?;
                if element.is_empty() {
                    return Err(DecodeError::Malformed("list node"));
                }
                elements.push(element);
            }
            NODE_PACKED => {
                let bytes = input.string()?;
                extend(&mut elements, Listpack::new(&bytes)?)?;
            }
            _ => return Err(DecodeError::Malformed("list node")),
        }
    }
    not_empty(elements).map(Value::List)
}

fn extend<'a>(
    elements: &mut Vec<Vec<u8>>,
    packed: impl Iterator<Item = Result<Element<'a>, DecodeError>>,
) -> Result<(), DecodeError> {
    for element in packed {
        elements.push(element?.into_vec());
    }
    Ok(())
}
