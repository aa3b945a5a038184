//! What the groups do to a small keyspace, so that a state says which groups made it, each once and in order.
//!
//! ```text
//!   ADD key x pad   value = value * 31 + x      N number   the number of the record
//! ```
//! No two of these can change places, be left out or come twice without a trace.

use std::collections::BTreeMap;

use torc_resp::write_request;

use crate::random::Random;

/// Longest padding: less than a page, so that a page that was lost cannot lie within one argument.
const PAD_BYTES_MAX: u64 = 40;
const DATABASES: u64 = 3;
const KEYS: u64 = 3;

/// Values by database and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    values: BTreeMap<(u16, Vec<u8>), u64>,
    /// The last record that was applied.
    pub number: u64,
}

/// A command with its database.
pub(crate) type Command = (u16, Vec<u8>);

impl State {
    /// A command of a group: random, and applied.
    pub fn make_command(&mut self, random: &mut Random) -> Command {
        let db = random.below(DATABASES) as u16;
        let key = vec![b'a' + random.below(KEYS) as u8];
        let x = random.below(1000).to_string();
        let pad = vec![b'p'; random.below(PAD_BYTES_MAX) as usize];
        let arguments: [&[u8]; 4] = [b"ADD", &key, x.as_bytes(), &pad];
        self.apply(db, &arguments);
        (db, encode(&arguments))
    }

    /// The command that notes the number of a record, applied.
    pub fn note_number(&mut self, number: u64, random: &mut Random) -> Command {
        self.number = number;
        (random.below(DATABASES) as u16, encode(&[b"N", number.to_string().as_bytes()]))
    }

    /// Applies a command from a file.
    pub fn apply(&mut self, db: u16, arguments: &[&[u8]]) {
        match arguments {
            [b"ADD", key, x, _] => {
                let value = self.values.entry((db, key.to_vec())).or_default();
                *value = value.wrapping_mul(31).wrapping_add(number(x));
            }
            [b"PUT", key, value] => _ = self.values.insert((db, key.to_vec()), number(value)),
            [b"N", value] => self.number = number(value),
            _ => panic!("no such command was written: {arguments:?}"),
        }
    }

    /// Commands that make this state from none: a base.
    pub fn dump(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for ((db, key), value) in &self.values {
            out.extend(encode(&[b"SELECT", db.to_string().as_bytes()]));
            out.extend(encode(&[b"PUT", key, value.to_string().as_bytes()]));
        }
        out.extend(encode(&[b"N", self.number.to_string().as_bytes()]));
        out
    }
}

fn encode(arguments: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write_request(&mut out, arguments);
    out
}

pub(crate) fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("a number was written")
}
