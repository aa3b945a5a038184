//! Streams beside an ordered map.

use std::collections::BTreeMap;

use super::{Input, array};
use crate::common::Client;

/// Entries by id, and the highest id there ever was.
#[derive(Default)]
pub struct Model {
    entries: BTreeMap<(u64, u64), Vec<Vec<u8>>>,
    last: (u64, u64),
    is_there: bool,
}

impl super::Model for Model {
    fn step(&mut self, client: &Client, number: u8, input: &mut Input<'_>) {
        match number % 6 {
            0..=2 => self.add(client, input),
            3 => {
                let count = 1 + input.byte() % 4;
                let ids: Vec<(u64, u64)> = (0..count).map(|_| self.some_id(input)).collect();
                let removed = ids.iter().filter(|id| self.entries.remove(id).is_some()).count();
                let ids: Vec<String> = ids.iter().map(text).collect();
                assert_eq!(client.send(&format!("XDEL k {}", ids.join(" "))), format!(":{removed}"));
            }
            4 => {
                let len = usize::from(input.byte() % 64);
                let gone = self.entries.len().saturating_sub(len);
                (0..gone).for_each(|_| assert!(self.entries.pop_first().is_some()));
                assert_eq!(client.send(&format!("XTRIM k MAXLEN = {len}")), format!(":{gone}"));
            }
            _ => {
                let (mut low, mut high) = (self.some_id(input), self.some_id(input));
                if low > high {
                    (low, high) = (high, low);
                }
                let entries: Vec<String> = self.entries.range(low..=high).map(shown).collect();
                let reply = client.send(&format!("XRANGE k {} {}", text(&low), text(&high)));
                assert_eq!(reply, format!("[{}]", entries.join(", ")));
            }
        }
    }

    fn check(&self, client: &Client) {
        assert_eq!(client.send("XLEN k"), format!(":{}", self.entries.len()));
        let mut entries: Vec<String> = self.entries.iter().map(shown).collect();
        assert_eq!(client.send("XRANGE k - +"), format!("[{}]", entries.join(", ")));
        entries.reverse();
        assert_eq!(client.send("XREVRANGE k + -"), format!("[{}]", entries.join(", ")));
    }

    fn is_there(&self) -> bool {
        self.is_there
    }
}

impl Model {
    fn add(&mut self, client: &Client, input: &mut Input<'_>) {
        let step = input.byte();
        let id = match step {
            0..200 => (self.last.0, self.last.1 + 1),
            200..250 => (self.last.0 + u64::from(step - 199), u64::from(step % 3)),
            _ => (self.last.0 + (u64::from(step) << 20), 0),
        };
        let values = input.texts();
        let fields: Vec<Vec<u8>> = values
            .into_iter()
            .enumerate()
            .flat_map(|(at, value)| [vec![b'a' + (at as u8 + step / 90) % 4], value])
            .collect();
        let id_text = text(&id);
        let request = super::request(&[b"XADD", b"k", id_text.as_bytes()], &fields);
        assert_eq!(client.call(&request), super::quoted(id_text.as_bytes()));
        self.entries.insert(id, fields);
        self.last = id;
        self.is_there = true;
    }

    /// The id of an entry, mostly.
    fn some_id(&self, input: &mut Input<'_>) -> (u64, u64) {
        let (place, other) = (usize::from(input.byte()), input.byte());
        if other < 200 && !self.entries.is_empty() {
            return *self.entries.keys().nth(place % self.entries.len()).expect("inside");
        }
        (self.last.0.saturating_sub(place as u64), u64::from(other % 4))
    }
}

fn text(id: &(u64, u64)) -> String {
    format!("{}-{}", id.0, id.1)
}

fn shown((id, fields): (&(u64, u64), &Vec<Vec<u8>>)) -> String {
    format!("[\"{}\", {}]", text(id), array(fields))
}
