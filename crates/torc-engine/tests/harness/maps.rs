//! Sets, sorted sets and hashes beside the ordered collections of std.

use std::collections::{BTreeMap, BTreeSet};

use super::{Input, array, quoted, range, request};
use crate::common::Client;

/// The members of a set.
#[derive(Default)]
pub struct Set(BTreeSet<Vec<u8>>);

impl super::Model for Set {
    fn step(&mut self, client: &Client, number: u8, input: &mut Input<'_>) {
        let texts = input.texts();
        let (command, changed): (&[u8], usize) = match number % 4 {
            0 | 1 => (b"SADD", texts.iter().filter(|text| self.0.insert(text.to_vec())).count()),
            2 => (b"SREM", texts.iter().filter(|text| self.0.remove(*text)).count()),
            _ => {
                let is_in = usize::from(self.0.contains(&texts[0]));
                return assert_eq!(client.call(&[b"SISMEMBER", &b"k"[..], &texts[0]]), format!(":{is_in}"));
            }
        };
        assert_eq!(client.call(&request(&[command, b"k"], &texts)), format!(":{changed}"));
    }

    fn check(&self, client: &Client) {
        assert_eq!(client.send("SCARD k"), format!(":{}", self.0.len()));
        let wanted: BTreeSet<String> = self.0.iter().map(|member| quoted(member)).collect();
        assert_eq!(parts(&client.send("SMEMBERS k")).into_iter().collect::<BTreeSet<_>>(), wanted);
        assert_eq!(scanned(client, "SSCAN").into_iter().collect::<BTreeSet<_>>(), wanted);
    }

    fn is_there(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Members with their scores.
#[derive(Default)]
pub struct SortedSet(BTreeMap<Vec<u8>, i32>);

impl super::Model for SortedSet {
    fn step(&mut self, client: &Client, number: u8, input: &mut Input<'_>) {
        match number % 8 {
            0..=2 => {
                let (member, score) = (input.text(), i32::from(input.byte() as i8) / 8);
                let added = u8::from(self.0.insert(member.clone(), score).is_none());
                let reply = client.call(&[b"ZADD", &b"k"[..], score.to_string().as_bytes(), &member]);
                assert_eq!(reply, format!(":{added}"));
            }
            3 => {
                let texts = input.texts();
                let removed = texts.iter().filter(|text| self.0.remove(*text).is_some()).count();
                assert_eq!(client.call(&request(&[b"ZREM", b"k"], &texts)), format!(":{removed}"));
            }
            4 => {
                let (member, more) = (input.text(), i32::from(input.byte() as i8));
                let score = self.0.entry(member.clone()).or_default();
                *score += more;
                let wanted = quoted(score.to_string().as_bytes());
                assert_eq!(client.call(&[b"ZINCRBY", &b"k"[..], more.to_string().as_bytes(), &member]), wanted);
            }
            5 => {
                let (start, stop) = (input.index(), input.index());
                let gone: Vec<Vec<u8>> = self.sorted()[range(start, stop, self.0.len())].to_vec();
                gone.iter().for_each(|member| assert!(self.0.remove(member).is_some()));
                assert_eq!(client.send(&format!("ZREMRANGEBYRANK k {start} {stop}")), format!(":{}", gone.len()));
            }
            6 => {
                let (min, max) = (i32::from(input.byte() as i8) / 8, i32::from(input.byte() as i8) / 8);
                let before = self.0.len();
                if number & 64 == 0 {
                    let count = self.0.values().filter(|score| (min..=max).contains(*score)).count();
                    return assert_eq!(client.send(&format!("ZCOUNT k {min} {max}")), format!(":{count}"));
                }
                self.0.retain(|_, score| !(min..=max).contains(score));
                let removed = before - self.0.len();
                assert_eq!(client.send(&format!("ZREMRANGEBYSCORE k {min} {max}")), format!(":{removed}"));
            }
            _ => {
                let member = input.text();
                let rank = self.sorted().iter().position(|other| *other == member);
                let wanted = rank.map_or("nil".to_owned(), |rank| format!(":{rank}"));
                assert_eq!(client.call(&[b"ZRANK", &b"k"[..], &member]), wanted);
            }
        }
    }

    fn check(&self, client: &Client) {
        assert_eq!(client.send("ZCARD k"), format!(":{}", self.0.len()));
        let sorted = self.sorted();
        let flat: Vec<Vec<u8>> =
            sorted.iter().flat_map(|member| [member.clone(), self.0[member].to_string().into_bytes()]).collect();
        assert_eq!(client.send("ZRANGE k 0 -1 WITHSCORES"), array(&flat));
        assert_eq!(client.send("ZRANGE k 0 -1 REV"), array(sorted.iter().rev()));
        assert_eq!(pairs(scanned(client, "ZSCAN")), pairs(flat.iter().map(|text| quoted(text)).collect()));
    }

    fn is_there(&self) -> bool {
        !self.0.is_empty()
    }
}

impl SortedSet {
    fn sorted(&self) -> Vec<Vec<u8>> {
        let mut members: Vec<_> = self.0.iter().collect();
        members.sort_by_key(|(_, score)| **score);
        members.into_iter().map(|(member, _)| member.clone()).collect()
    }
}

/// Fields with their values.
#[derive(Default)]
pub struct Hash(BTreeMap<Vec<u8>, Vec<u8>>);

impl super::Model for Hash {
    fn step(&mut self, client: &Client, number: u8, input: &mut Input<'_>) {
        match number % 6 {
            0..=2 => {
                let (field, value) = (input.text(), input.text());
                let added = u8::from(self.0.insert(field.clone(), value.clone()).is_none());
                assert_eq!(client.call(&[b"HSET", &b"k"[..], &field, &value]), format!(":{added}"));
            }
            3 => {
                let texts = input.texts();
                let removed = texts.iter().filter(|text| self.0.remove(*text).is_some()).count();
                assert_eq!(client.call(&request(&[b"HDEL", b"k"], &texts)), format!(":{removed}"));
            }
            4 => {
                let field = input.text();
                let wanted = self.0.get(&field).map_or("nil".to_owned(), |value| quoted(value));
                assert_eq!(client.call(&[b"HGET", &b"k"[..], &field]), wanted);
            }
            // A time far away: the hash gets another form, and the field stays.
            _ => {
                let field = input.text();
                let word: &[u8] = if number & 64 == 0 { b"HPERSIST" } else { b"HEXPIRE" };
                let mut request = vec![word, b"k"];
                if number & 64 != 0 {
                    request.push(b"100000");
                }
                request.extend([&b"FIELDS"[..], b"1", &field]);
                client.call(&request);
            }
        }
    }

    fn check(&self, client: &Client) {
        assert_eq!(client.send("HLEN k"), format!(":{}", self.0.len()));
        let wanted: Vec<String> = self.0.iter().flat_map(|(field, value)| [quoted(field), quoted(value)]).collect();
        let wanted = pairs(wanted);
        assert_eq!(pairs(parts(&client.send("HGETALL k"))), wanted);
        assert_eq!(pairs(scanned(client, "HSCAN")), wanted);
    }

    fn is_there(&self) -> bool {
        !self.0.is_empty()
    }
}

/// All elements that a scan gives.
fn scanned(client: &Client, command: &str) -> Vec<String> {
    let mut cursor = "0".to_owned();
    let mut all = Vec::new();
    loop {
        let reply = client.send(&format!("{command} k {cursor} COUNT 7"));
        let (head, rest) = reply[1..reply.len() - 1].split_once(", ").expect("a cursor and elements");
        all.extend(parts(rest));
        cursor = head.trim_matches('"').to_owned();
        if cursor == "0" {
            return all;
        }
    }
}

/// The strings of an array. None of the texts here holds a comma, a quote or a space.
fn parts(reply: &str) -> Vec<String> {
    let inner = reply.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).expect("an array");
    if inner.is_empty() { Vec::new() } else { inner.split(", ").map(str::to_owned).collect() }
}

/// Strings in turn as a map; one that a scan gave twice must be the same both times.
fn pairs(texts: Vec<String>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for pair in texts.chunks_exact(2) {
        let old = map.insert(pair[0].clone(), pair[1].clone());
        assert!(old.is_none_or(|old| old == pair[1]));
    }
    map
}
