//! What DEBUG DIGEST and DEBUG DIGEST-VALUE compute: a number of 160 bits that two datasets share if and, one may
//! trust, only if they are equal, whatever the order of their keys, members and fields in memory. Redis's numbers.
//!
//! ```text
//!   add(x)     sum ^= SHA1(x)             order does not matter
//!   mix(x)     sum = SHA1(sum ^ SHA1(x))  order matters
//! ```

use sha1_smol::Sha1;
use torc_rdb::{HashField, Input, StreamValue, VERSION_FIELD_EXPIRY, Value, decode_value};
use torc_store::{UnixMillis, ValueRef};

use crate::config::Config;
use crate::snapshot::{self, Writing};

/// A sum of things, in order or not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub [u8; 20]);

impl Checksum {
    /// Puts in something whose place does not matter.
    pub fn add(&mut self, bytes: &[u8]) {
        self.combine(Checksum(Sha1::from(bytes).digest().bytes()));
    }

    /// Puts in something that comes after all that was mixed in before.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::from(self.0).digest().bytes();
    }

    /// Puts in a sum that is made already; its place does not matter.
    pub fn combine(&mut self, other: Checksum) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
    }

    /// As 40 hex digits.
    pub fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Mixes in a value and whether it expires.
    pub fn mix_value(&mut self, value: ValueRef<'_>, config: &Config, now_ms: UnixMillis) {
        let mut encoded = Vec::new();
        let writing = Writing { config, version: VERSION_FIELD_EXPIRY, compress: false, now_ms };
        if snapshot::encode(value, writing, &mut encoded).is_none() {
            return;
        }
        let (kind, body) = encoded.split_first().expect("an encoded value begins with its type");
        let decoded = decode_value(&mut Input::new(body), *kind, VERSION_FIELD_EXPIRY);
        self.mix_decoded(&decoded.expect("what was just encoded can be decoded"));
        if value.expire_at().is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn mix_decoded(&mut self, value: &Value) {
        self.mix(&type_number(value).to_be_bytes());
        match value {
            Value::String(bytes) => self.mix(bytes),
            Value::List(elements) => elements.iter().for_each(|element| self.mix(element)),
            Value::Set(members) => members.iter().for_each(|member| self.add(member)),
            Value::SortedSet(members) => {
                for (member, score) in members {
                    self.add(&ordered(&[member, c_double(*score).as_bytes()]).0);
                }
            }
            Value::Hash(fields) => fields.iter().for_each(|field| self.add_field(field)),
            Value::Stream(stream) => self.mix_stream(stream),
        }
    }

    fn add_field(&mut self, field: &HashField) {
        let mut sum = ordered(&[&field.name, &field.value]);
        if field.expire_at.is_some() {
            sum.add(b"!!hexpire!!");
        }
        self.add(&sum.0);
    }

    fn mix_stream(&mut self, stream: &StreamValue) {
        for entry in &stream.entries {
            self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for (name, value) in &entry.fields {
                self.mix(name);
                self.mix(value);
            }
        }
    }
}

/// The sum of a few things in order.
fn ordered(parts: &[&[u8]]) -> Checksum {
    let mut sum = Checksum::default();
    parts.iter().for_each(|part| sum.mix(part));
    sum
}

/// Redis's numbers of types.
fn type_number(value: &Value) -> u32 {
    match value {
        Value::String(_) => 0,
        Value::List(_) => 1,
        Value::Set(_) => 2,
        Value::SortedSet(_) => 3,
        Value::Hash(_) => 4,
        Value::Stream(_) => 6,
    }
}

/// A number as C prints it with `%.17g`: 17 digits that count, without zeros at the end.
fn c_double(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:.16e}");
    let (digits, exponent) = scientific.split_once('e').expect("scientific notation has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..17).contains(&exponent) {
        let decimals = (16 - exponent) as usize;
        return trimmed(&format!("{value:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use torc_rdb::{StreamEntry, StreamId};

    #[test]
    fn order_matters_where_it_is_to() {
        let sum = |work: &dyn Fn(&mut Checksum)| {
            let mut sum = Checksum::default();
            work(&mut sum);
            sum.hex()
        };
        let added = sum(&|sum| ["a", "b"].iter().for_each(|text| sum.add(text.as_bytes())));
        assert_eq!(added, sum(&|sum| ["b", "a"].iter().for_each(|text| sum.add(text.as_bytes()))));
        let mixed = sum(&|sum| ["a", "b"].iter().for_each(|text| sum.mix(text.as_bytes())));
        assert_ne!(mixed, sum(&|sum| ["b", "a"].iter().for_each(|text| sum.mix(text.as_bytes()))));
        assert_eq!(sum(&|sum| sum.add(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    // The numbers are those of a redis-server.
    #[test]
    fn every_type_has_its_sum() {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let field = |name: &str, value: &str| HashField { name: bytes(name), value: bytes(value), expire_at: None };
        let entry = StreamEntry {
            id: StreamId { ms: 1, seq: 1 },
            fields: vec![(b"f"[..].into(), bytes("v")), (b"g"[..].into(), bytes("w"))],
        };
        let stream = StreamValue { entries: vec![entry], ..StreamValue::default() };
        for (value, hex) in [
            (Value::List(vec![bytes("a"), bytes("b"), bytes("3")]), "09eb1fc9381ee92790d59930ab462945f8cd948b"),
            (
                Value::SortedSet(vec![(bytes("a"), 1.5), (bytes("b"), 0.1)]),
                "09248147a8d667e310816b5412a4796dae07d20c",
            ),
            (Value::Hash(vec![field("g", "1"), field("f", "v")]), "6679ee22f89ed8001eeb5309d0900265ea56c03a"),
            (Value::Stream(Box::new(stream)), "02a6cc6f9620c93c4a87ca6697dad2078434368e"),
        ] {
            let mut sum = Checksum::default();
            sum.mix_decoded(&value);
            assert_eq!(sum.hex(), hex, "{value:?}");
        }
    }

    #[test]
    fn numbers_are_printed_as_c_does() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.10000000000000001"),
            (2.625, "2.625"),
            (1e17, "1e+17"),
            (12345678901234567.0, "12345678901234568"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e300, "1.0000000000000001e+300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(c_double(value), text);
        }
    }
}
