//! Requests of a small world, so that they meet what others have made.

use torc_engine::command::Command;
use torc_engine::random::Random;

use crate::common::START_MS;
use crate::requests::{Chooser, request};
use crate::scenario::{CORES, payload};

/// How far from now times are that requests name.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "no test needs both")]
pub enum Times {
    /// Some come within the test.
    Near,
    /// They are past or far away.
    Far,
}

/// Makes requests whose keys and elements come from a small world.
struct Small<'a> {
    random: &'a mut Random,
    command: &'static Command,
    now_ms: i64,
    times: Times,
    /// What each argument stands for: a count is known once what it counts is there.
    counts: Vec<(usize, &'static str)>,
    words: Vec<String>,
}

impl Small<'_> {
    fn below(&mut self, most: u64) -> u64 {
        self.random.below(most)
    }

    fn one_of(&mut self, texts: &[&str]) -> String {
        let number = self.below(texts.len() as u64) as usize;
        texts[number].to_owned()
    }

    /// A key that mostly holds what the command wants.
    fn key(&mut self) -> String {
        let group = self.command.row.group;
        let kind = match self.below(12) {
            0 => self.one_of(&["list", "set", "hash", "string", "stream", "sorted-set"]),
            _ if group == "bitmap" => "string".to_owned(),
            _ if group == "geo" => "sorted-set".to_owned(),
            _ if group == "generic" => self.one_of(&["list", "set", "hash", "string", "stream", "sorted-set"]),
            _ => group.to_owned(),
        };
        format!("{kind}{}", self.below(u64::from(CORES)))
    }

    fn element(&mut self) -> String {
        self.one_of(&["a", "b", "c", "d", "1", "2", "3", "10.5", "longer than what is short"])
    }

    fn text(&mut self, word: &str) -> String {
        match word {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" | "src" | "dst" => {
                self.key()
            }
            "group" => self.one_of(&["g", "g", "g", "h"]),
            "consumer" | "producer-id" | "idempotent-id" => self.one_of(&["c", "d"]),
            "id" | "last-id" | "lastid" | "max-deleted-id" if self.command.full_name.starts_with("xread") => {
                self.one_of(&[">", ">", ">", "0"])
            }
            "id" | "last-id" | "lastid" | "max-deleted-id" | "threshold" | "start" | "end"
                if self.command.row.group == "stream" =>
            {
                let id = format!("{START_MS}-{}", self.below(4));
                let small = self.below(30).to_string();
                match self.command.full_name {
                    "xadd" => self.one_of(&["*", "*", "*", &id, &small]),
                    _ => self.one_of(&["0", "$", "-", &id, &id, &id, &small]),
                }
            }
            "seconds" | "milliseconds" | "ttl" if self.times == Times::Far => {
                self.one_of(&["100000", "100000", "-1", "0"])
            }
            "unix-time-seconds" if self.times == Times::Far => self.one_of(&["1", "3000000000"]),
            "unix-time-milliseconds" if self.times == Times::Far => self.one_of(&["1", "3000000000000"]),
            "seconds" | "milliseconds" | "ttl" => self.one_of(&["1", "5", "50", "100000", "-1", "0"]),
            "unix-time-seconds" => (self.now_ms / 1000 + self.below(3) as i64).to_string(),
            "unix-time-milliseconds" => (self.now_ms + self.below(100) as i64 - 20).to_string(),
            "min" | "max" if self.command.full_name.contains("lex") => self.one_of(&["-", "+", "[b", "(c"]),
            "timeout" | "block" => "0".to_owned(),
            "db" | "destination-db" | "index1" | "index2" => self.below(2).to_string(),
            "longitude" | "latitude" => self.below(40).to_string(),
            "encoding" => "u8".to_owned(),
            "element" | "member" | "field" | "value" | "pivot" | "string" => self.element(),
            _ => self.below(6).to_string(),
        }
    }
}

impl Chooser for Small<'_> {
    fn choose(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    fn include(&mut self) -> bool {
        self.below(3) == 0
    }

    fn repeat(&mut self) -> usize {
        self.below(3) as usize
    }

    fn argument(&mut self, word: &str) -> Vec<u8> {
        self.words.push(word.to_owned());
        let counted = match word {
            "numkeys" => Some("key"),
            "numfields" => Some("field"),
            "numids" => Some("id"),
            _ => None,
        };
        if let Some(counted) = counted {
            self.counts.push((self.words.len(), counted));
            return format!("#{}", self.counts.len() - 1).into_bytes();
        }
        if word == "serialized-value" {
            return payload();
        }
        self.text(word).into_bytes()
    }
}

/// A request that is right more often than not.
pub fn random_request(random: &mut Random, command: &'static Command, now_ms: i64, times: Times) -> Vec<Vec<u8>> {
    let mut small = Small { random, command, now_ms, times, counts: Vec::new(), words: Vec::new() };
    let mut request = request(command, &mut small);
    for (number, &(from, counted)) in small.counts.iter().enumerate() {
        let count = small.words[from..].iter().filter(|word| *word == counted).count();
        for argument in &mut request {
            if *argument == format!("#{number}").into_bytes() {
                *argument = count.to_string().into_bytes();
            }
        }
    }
    request
}
