//! Events: what Redis calls keyspace notifications. They say by name what a command did to a key (`lpush`, `expired`), in one of a
//! few classes, to those who ask for the class.
//!
//! ```text
//!   a command     context.event(List, "lpop", key)      the store     created, replaced, removed, expired
//!        \________________________|_________________________/
//!                                 v
//!                Listening    puts both in the order in which Redis 7.2 tells them
//!                                 v
//!                Effects      Effect::Event, among all other effects
//! ```
//! Commands tell only of what they did by themselves. What follows from a change of the store is told here, for all of them:
//!
//! | the store says | event | class |
//! |---|---|---|
//! | a key has been made, or has come from another one | `new` | [`EventClass::New`] |
//! | a key has been removed | `del`, behind the command's own event on that key | [`EventClass::Generic`] |
//! | a key was evicted | `evicted` | [`EventClass::Evicted`] |
//! | a key or fields have expired | `expired`, `hexpired` | [`EventClass::Expired`], [`EventClass::Hash`] |
//! | a value has been overwritten | `overwritten`, and `type_changed` if it is of another type | Redis 8.2's classes of their own |
//!
//! While nobody listens, [`crate::shard::ShardContext::event`] is one comparison.

use torc_store::{Change, Kind, RecordedRef};

use crate::effect::Listed;

/// What an event is about. Redis gives each class a letter in `notify-keyspace-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventClass {
    /// `g`: what any key can undergo.
    Generic,
    /// `$`: strings, bitmaps and HyperLogLogs.
    String,
    /// `l`: lists.
    List,
    /// `s`: sets.
    Set,
    /// `h`: hashes.
    Hash,
    /// `z`: sorted sets, and coordinates.
    SortedSet,
    /// `t`: streams.
    Stream,
    /// `x`: keys that have expired.
    Expired,
    /// `e`: keys that were evicted.
    Evicted,
    /// `d`: what modules tell. Torc has none.
    Module,
    /// `m`: keys that were to be read and are not there.
    KeyMiss,
    /// `n`: keys that were made.
    New,
    /// `o`, since Redis 8.2: values that were overwritten as a whole.
    Overwritten,
    /// `c`, since Redis 8.2: values that were overwritten by one of another type.
    TypeChanged,
}

impl EventClass {
    /// All classes.
    pub const ALL: [EventClass; 14] = [
        EventClass::Generic,
        EventClass::String,
        EventClass::List,
        EventClass::Set,
        EventClass::Hash,
        EventClass::SortedSet,
        EventClass::Stream,
        EventClass::Expired,
        EventClass::Evicted,
        EventClass::Module,
        EventClass::KeyMiss,
        EventClass::New,
        EventClass::Overwritten,
        EventClass::TypeChanged,
    ];

    /// The letter in `notify-keyspace-events`.
    pub fn letter(self) -> char {
        match self {
            EventClass::Generic => 'g',
            EventClass::String => '$',
            EventClass::List => 'l',
            EventClass::Set => 's',
            EventClass::Hash => 'h',
            EventClass::SortedSet => 'z',
            EventClass::Stream => 't',
            EventClass::Expired => 'x',
            EventClass::Evicted => 'e',
            EventClass::Module => 'd',
            EventClass::KeyMiss => 'm',
            EventClass::New => 'n',
            EventClass::Overwritten => 'o',
            EventClass::TypeChanged => 'c',
        }
    }
}

/// A set of classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventClasses(u16);

impl EventClasses {
    /// No class.
    pub const NONE: EventClasses = EventClasses(0);
    /// Every class.
    pub const ALL: EventClasses = EventClasses((1 << EventClass::ALL.len()) - 1);

    /// Whether there is no class in it.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes of both.
    pub fn with(self, other: EventClasses) -> EventClasses {
        EventClasses(self.0 | other.0)
    }

    /// Whether a class is in it.
    #[inline]
    pub fn contains(self, class: EventClass) -> bool {
        self.0 & 1 << class as u16 != 0
    }
}

impl FromIterator<EventClass> for EventClasses {
    fn from_iter<I: IntoIterator<Item = EventClass>>(classes: I) -> Self {
        EventClasses(classes.into_iter().fold(0, |bits, class| bits | 1 << class as u16))
    }
}

/// Of which events clients are notified, and on which channels: `notify-keyspace-events`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notified {
    /// `K`: on `__keyspace@<db>__:<key>`.
    pub keyspace: bool,
    /// `E`: on `__keyevent@<db>__:<event>`.
    pub keyevent: bool,
    /// The classes.
    pub classes: EventClasses,
}

impl Notified {
    /// The classes that `A` stands for: all of Redis 7.2, but for misses and new keys.
    const A: &str = "g$lshzxetd";

    /// Reads the letters.
    ///
    /// # Errors
    /// A letter that stands for nothing.
    pub fn parse(letters: &str) -> Result<Self, UnknownLetter> {
        let mut notified = Notified::default();
        for letter in letters.chars() {
            match letter {
                'K' => notified.keyspace = true,
                'E' => notified.keyevent = true,
                'A' => Self::A.chars().for_each(|letter| notified.add(letter).expect("they are known")),
                letter => notified.add(letter)?,
            }
        }
        Ok(notified)
    }

    fn add(&mut self, letter: char) -> Result<(), UnknownLetter> {
        let class = EventClass::ALL.into_iter().find(|class| class.letter() == letter).ok_or(UnknownLetter)?;
        self.classes = self.classes.with([class].into_iter().collect());
        Ok(())
    }

    /// The letters in the order in which Redis shows them.
    pub fn letters(&self) -> String {
        let has = |letter: &char| {
            EventClass::ALL.iter().any(|&class| class.letter() == *letter && self.classes.contains(class))
        };
        let mut letters = if Self::A.chars().all(|letter| has(&letter)) {
            "A".to_owned()
        } else {
            Self::A.chars().filter(has).collect()
        };
        letters.extend(self.keyspace.then_some('K').into_iter().chain(self.keyevent.then_some('E')));
        letters.extend("mnoc".chars().filter(has));
        letters
    }

    /// The classes of which somebody may be notified.
    pub fn told(&self) -> EventClasses {
        if self.keyspace || self.keyevent { self.classes } else { EventClasses::NONE }
    }
}

/// A letter of `notify-keyspace-events` that stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLetter;

/// Something that has happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Database number of the key.
    pub db: u16,
    /// What it is about.
    pub class: EventClass,
    /// Its name, as in Redis.
    pub name: &'static str,
    /// The key.
    pub key: Box<[u8]>,
}

/// What somebody listens to, and what is not told yet of the keys that the running command has removed.
#[derive(Debug, Default)]
pub struct Listening {
    classes: EventClasses,
    /// In the order in which they went.
    removed: Vec<Removed>,
}

/// A key that the running command has removed.
#[derive(Debug)]
struct Removed {
    db: u16,
    key: Box<[u8]>,
    before: Kind,
    /// What it is now, if it has got a value again.
    after: Option<Kind>,
}

impl Listening {
    /// To these classes, from now on.
    pub fn new(classes: EventClasses) -> Self {
        Listening { classes, removed: Vec::new() }
    }

    /// Whether somebody listens.
    #[inline]
    pub fn is_active(&self) -> bool {
        !self.classes.is_empty()
    }

    /// Whether somebody listens to this class.
    #[inline]
    pub fn hears(&self, class: EventClass) -> bool {
        self.classes.contains(class)
    }

    /// The store has changed a key; changes are told in the order in which they happened.
    pub(crate) fn follow(&mut self, change: RecordedRef<'_>, list: &mut Vec<Listed>) {
        let RecordedRef { db, key, what } = change;
        match *what.expect("with listeners, all of each change is recorded") {
            Change::Created { after } | Change::MovedIn { after } => {
                if let Some(removed) = self.removed.iter_mut().find(|removed| removed.is(db, key)) {
                    removed.after = Some(after);
                }
                self.push(db, EventClass::New, "new", key, list);
            }
            Change::Replaced { before, after } => self.overwritten(db, key, [before, after], list),
            Change::Removed { before } => self.removed.push(Removed { db, key: key.into(), before, after: None }),
            Change::Expired { .. } => self.push(db, EventClass::Expired, "expired", key, list),
            Change::Evicted { .. } => self.push(db, EventClass::Evicted, "evicted", key, list),
            Change::FieldsExpired { .. } => self.push(db, EventClass::Hash, "hexpired", key, list),
            // Of these only the command knows the name, or there is none.
            Change::Modified { .. }
            | Change::ExpiryChanged { .. }
            | Change::MovedOut { .. }
            | Change::Flushed
            | Change::Swapped { .. } => {}
        }
    }

    /// A command tells of a key by itself.
    pub(crate) fn tell(&mut self, db: u16, class: EventClass, name: &'static str, key: &[u8], list: &mut Vec<Listed>) {
        self.push(db, class, name, key, list);
        if let Some(number) = self.removed.iter().position(|removed| removed.is(db, key)) {
            let removed = self.removed.remove(number);
            self.end_removed(removed, list);
        }
    }

    /// The command is over: what it has removed and not told of is told now.
    pub(crate) fn end(&mut self, list: &mut Vec<Listed>) {
        for removed in std::mem::take(&mut self.removed) {
            self.end_removed(removed, list);
        }
    }

    fn end_removed(&self, removed: Removed, list: &mut Vec<Listed>) {
        let Removed { db, key, before, after } = removed;
        match after {
            None => self.push(db, EventClass::Generic, "del", &key, list),
            Some(after) => self.overwritten(db, &key, [before, after], list),
        }
    }

    fn overwritten(&self, db: u16, key: &[u8], [before, after]: [Kind; 2], list: &mut Vec<Listed>) {
        self.push(db, EventClass::Overwritten, "overwritten", key, list);
        if before != after {
            self.push(db, EventClass::TypeChanged, "type_changed", key, list);
        }
    }

    fn push(&self, db: u16, class: EventClass, name: &'static str, key: &[u8], list: &mut Vec<Listed>) {
        if self.classes.contains(class) {
            list.push(Listed::Event(Event { db, class, name, key: key.into() }));
        }
    }
}

impl Removed {
    fn is(&self, db: u16, key: &[u8]) -> bool {
        self.db == db && *self.key == *key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_bit_and_a_letter_of_its_own() {
        let mut letters: Vec<char> = EventClass::ALL.iter().map(|class| class.letter()).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), EventClass::ALL.len());
        assert_eq!(EventClass::ALL.into_iter().collect::<EventClasses>(), EventClasses::ALL);
        for class in EventClass::ALL {
            let one: EventClasses = [class].into_iter().collect();
            assert!(EventClass::ALL.iter().all(|&other| one.contains(other) == (other == class)));
        }
    }
}
