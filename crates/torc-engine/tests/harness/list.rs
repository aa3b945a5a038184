//! Lists beside a deque.

use std::collections::VecDeque;

use super::{Input, array, quoted, range, request};
use crate::common::Client;

/// The list's elements.
#[derive(Default)]
pub struct Model(VecDeque<Vec<u8>>);

impl super::Model for Model {
    fn step(&mut self, client: &Client, number: u8, input: &mut Input<'_>) {
        match number % 10 {
            0..=2 => self.push(client, number & 16 == 0, &input.texts()),
            3 => self.pop(client, number & 16 == 0, usize::from(input.byte() % 8)),
            4 => self.set(client, input.index(), &input.text()),
            5 => self.insert(client, number & 16 == 0, &input.text(), &input.text()),
            6 => self.remove(client, input.index().clamp(-100, 100), &input.text()),
            7 => {
                let (start, stop) = (input.index(), input.index());
                let kept = range(start, stop, self.0.len());
                self.0.truncate(kept.end);
                self.0.drain(..kept.start);
                assert_eq!(client.send(&format!("LTRIM k {start} {stop}")), "+OK");
            }
            8 => {
                let (start, stop) = (input.index(), input.index());
                let wanted = array(self.0.range(range(start, stop, self.0.len())));
                assert_eq!(client.send(&format!("LRANGE k {start} {stop}")), wanted);
            }
            _ => {
                let Some(element) = self.0.pop_back() else { return };
                assert_eq!(client.send("LMOVE k k RIGHT LEFT"), quoted(&element));
                self.0.push_front(element);
            }
        }
    }

    fn check(&self, client: &Client) {
        assert_eq!(client.send("LLEN k"), format!(":{}", self.0.len()));
        assert_eq!(client.send("LRANGE k 0 -1"), array(&self.0));
    }

    fn is_there(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Model {
    fn push(&mut self, client: &Client, left: bool, texts: &[Vec<u8>]) {
        for text in texts {
            if left { self.0.push_front(text.clone()) } else { self.0.push_back(text.clone()) }
        }
        let words: [&[u8]; 2] = [if left { b"LPUSH" } else { b"RPUSH" }, b"k"];
        assert_eq!(client.call(&request(&words, texts)), format!(":{}", self.0.len()));
    }

    fn pop(&mut self, client: &Client, left: bool, count: usize) {
        let reply = client.send(&format!("{} k {count}", if left { "LPOP" } else { "RPOP" }));
        if self.0.is_empty() {
            return assert_eq!(reply, "nil");
        }
        let count = count.min(self.0.len());
        let taken: Vec<Vec<u8>> = if left {
            self.0.drain(..count).collect()
        } else {
            let start = self.0.len() - count;
            self.0.drain(start..).rev().collect()
        };
        assert_eq!(reply, array(&taken));
    }

    fn set(&mut self, client: &Client, index: i64, text: &[u8]) {
        let place = if index < 0 { index.saturating_add(self.0.len() as i64) } else { index };
        let element = usize::try_from(place).ok().and_then(|place| self.0.get_mut(place));
        let reply = client.call(&[b"LSET", &b"k"[..], index.to_string().as_bytes(), text]);
        match element {
            Some(element) => {
                *element = text.to_vec();
                assert_eq!(reply, "+OK");
            }
            None => assert!(reply.starts_with("-ERR "), "{reply}"),
        }
    }

    fn insert(&mut self, client: &Client, before: bool, pivot: &[u8], text: &[u8]) {
        let place = self.0.iter().position(|element| element == pivot);
        let word: &[u8] = if before { b"BEFORE" } else { b"AFTER" };
        let reply = client.call(&[b"LINSERT", &b"k"[..], word, pivot, text]);
        let wanted = match place {
            Some(place) => {
                self.0.insert(place + usize::from(!before), text.to_vec());
                self.0.len() as i64
            }
            None if self.0.is_empty() => 0,
            None => -1,
        };
        assert_eq!(reply, format!(":{wanted}"));
    }

    fn remove(&mut self, client: &Client, count: i64, text: &[u8]) {
        let mut places: Vec<usize> = (0..self.0.len()).filter(|&place| self.0[place] == text).collect();
        if count < 0 {
            places.reverse();
        }
        if count != 0 {
            places.truncate(count.unsigned_abs() as usize);
        }
        places.sort_unstable();
        places.iter().rev().for_each(|&place| {
            self.0.remove(place);
        });
        let reply = client.call(&[b"LREM", &b"k"[..], count.to_string().as_bytes(), text]);
        assert_eq!(reply, format!(":{}", places.len()));
    }
}
