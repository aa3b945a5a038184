//! What is possible on a trace with room for a number of keys: Belady's optimum, which knows the future; LRU; W-TinyLFU.

use std::collections::{BTreeSet, HashMap};

use super::trace::{KEYS, Kind, Trace};

/// Prints the hit rates behind the first third of a trace.
pub fn report(kind: Kind, requests: usize) {
    let trace: Vec<u32> = Trace::new(kind).take(requests).collect();
    let (room, from) = (KEYS / 5, requests / 3);
    println!(
        "{}: Belady {:.2} %, LRU {:.2} %, W-TinyLFU {:.2} %",
        kind.name(),
        belady(&trace, room, from),
        rate(&trace, from, Lru::new(room)),
        rate(&trace, from, TinyLfu::new(room)),
    );
}

/// A cache that is told of a key and says whether it has it; if not, it may take it.
trait Cache {
    fn ask(&mut self, key: u32) -> bool;
}

fn rate(trace: &[u32], from: usize, mut cache: impl Cache) -> f64 {
    let mut hits = 0;
    for (number, &key) in trace.iter().enumerate() {
        hits += usize::from(cache.ask(key) && number >= from);
    }
    hits as f64 * 100.0 / (trace.len() - from) as f64
}

fn belady(trace: &[u32], room: usize, from: usize) -> f64 {
    let mut next_of = vec![usize::MAX; trace.len()];
    let mut last_seen: HashMap<u32, usize> = HashMap::new();
    for (number, key) in trace.iter().enumerate().rev() {
        if let Some(next) = last_seen.insert(*key, number) {
            next_of[number] = next;
        }
    }
    let mut held: HashMap<u32, usize> = HashMap::new();
    let mut by_next: BTreeSet<(usize, u32)> = BTreeSet::new();
    let mut hits = 0;
    for (number, &key) in trace.iter().enumerate() {
        let next = next_of[number];
        if let Some(expected) = held.insert(key, next) {
            by_next.remove(&(expected, key));
            hits += usize::from(number >= from);
        }
        by_next.insert((next, key));
        if held.len() > room {
            let (_, furthest) = by_next.pop_last().expect("what is held has a next time");
            held.remove(&furthest);
        }
    }
    hits as f64 * 100.0 / (trace.len() - from) as f64
}

/// Keys in the order of their last use.
struct Lru {
    room: usize,
    now: usize,
    held: HashMap<u32, usize>,
    by_use: BTreeSet<(usize, u32)>,
}

impl Lru {
    fn new(room: usize) -> Lru {
        Lru { room, now: 0, held: HashMap::new(), by_use: BTreeSet::new() }
    }

    /// Whether it is there; then it counts as used.
    fn touch(&mut self, key: u32) -> bool {
        if !self.held.contains_key(&key) {
            return false;
        }
        self.add(key);
        true
    }

    fn add(&mut self, key: u32) {
        self.now += 1;
        if let Some(before) = self.held.insert(key, self.now) {
            self.by_use.remove(&(before, key));
        }
        self.by_use.insert((self.now, key));
    }

    fn oldest(&self) -> Option<u32> {
        self.by_use.first().map(|&(_, key)| key)
    }

    fn remove(&mut self, key: u32) {
        let at = self.held.remove(&key).expect("it is there");
        self.by_use.remove(&(at, key));
    }

    /// What is too much, if there is such a key.
    fn overflow(&mut self) -> Option<u32> {
        let oldest = if self.held.len() > self.room { self.oldest() } else { None };
        oldest.inspect(|&key| self.remove(key))
    }
}

impl Cache for Lru {
    fn ask(&mut self, key: u32) -> bool {
        let is_hit = self.touch(key);
        if !is_hit {
            self.add(key);
            self.overflow();
        }
        is_hit
    }
}

/// A window of a hundredth, and a main part of which a fifth is on probation; what leaves the window gets in if it was asked for more
/// often than what would have to go (Einziger, Friedman, Manes: TinyLFU, 2017).
struct TinyLfu {
    window: Lru,
    probation: Lru,
    protected: Lru,
    main_room: usize,
    counts: Vec<u8>,
    additions: usize,
}

impl TinyLfu {
    const COUNTERS: usize = 1 << 22;

    fn new(room: usize) -> TinyLfu {
        let window = room / 100;
        let main_room = room - window;
        let protected = main_room / 5 * 4;
        TinyLfu {
            window: Lru::new(window),
            probation: Lru::new(usize::MAX),
            protected: Lru::new(protected),
            main_room,
            counts: vec![0; Self::COUNTERS],
            additions: 0,
        }
    }

    fn places(key: u32) -> impl Iterator<Item = usize> {
        (1..5u64).map(move |seed| (super::trace::Random(u64::from(key) << 3 ^ seed).next() as usize) % Self::COUNTERS)
    }

    fn count(&self, key: u32) -> u8 {
        Self::places(key).map(|place| self.counts[place]).min().unwrap_or(0)
    }

    fn note(&mut self, key: u32) {
        let least = self.count(key);
        Self::places(key).filter(|_| least < 15).for_each(|place| {
            if self.counts[place] == least {
                self.counts[place] += 1;
            }
        });
        self.additions += 1;
        if self.additions == self.main_room * 10 {
            self.additions = 0;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }
}

impl Cache for TinyLfu {
    fn ask(&mut self, key: u32) -> bool {
        self.note(key);
        if self.window.touch(key) || self.protected.touch(key) {
            return true;
        }
        if self.probation.held.contains_key(&key) {
            self.probation.remove(key);
            self.protected.add(key);
            if let Some(demoted) = self.protected.overflow() {
                self.probation.add(demoted);
            }
            return true;
        }
        self.window.add(key);
        if let Some(candidate) = self.window.overflow() {
            if self.probation.held.len() + self.protected.held.len() < self.main_room {
                self.probation.add(candidate);
            } else if let Some(victim) = self.probation.oldest()
                && self.count(candidate) > self.count(victim)
            {
                self.probation.remove(victim);
                self.probation.add(candidate);
            }
        }
        false
    }
}
