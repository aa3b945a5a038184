//! Where a command's keys stand in a request and what it does with them: the key specifications of its row.
//!
//! ```text
//!   KeySpec: begin (an index, or behind a keyword) + find (a range, or as many as an argument says) + flags
//!      |            RENAME                                   ZUNIONSTORE
//!      |            index 1, that one, RW access delete      index 1, that one,   OW update
//!      |            index 2, that one, OW update             index 2, numkeys,    RO access
//!      +--> routing and locks: the keys of a request         (`Row::key_indexes`)
//!      +--> COMMAND GETKEYS, GETKEYSANDFLAGS                 (`Row::keys_with_flags`)
//!      +--> COMMAND INFO: the specifications as they are; first, last, step and `movablekeys` (`KeyRange::of`)
//! ```
//! Nothing else says where keys are. What the notation cannot express (SORT's STORE, the last of which counts) a
//! specification finds with a function of its own, and clients are told as much as the notation can tell.

use torc_resp::Args;

/// One or more keys of a command, and how it uses them.
pub struct KeySpec {
    /// Where the search begins.
    pub begin: Begin,
    /// Which arguments from there on are keys.
    pub find: Find,
    /// What happens to the keys.
    pub flags: KeyFlags,
    /// A remark for the readers of COMMAND INFO.
    pub notes: &'static str,
    /// Finds the keys of a request where `begin` and `find` do not tell all; [`Keys::NONE`] if there are none.
    pub exact: Option<fn(Args<'_>) -> Keys>,
    /// The flags for one request, where its options decide (`variable_flags`).
    pub flags_of: Option<fn(Args<'_>) -> KeyFlags>,
}

/// Where keys begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// At this argument.
    Index(usize),
    /// Behind the first occurrence of a word.
    Keyword {
        /// The word, in any case.
        word: &'static str,
        /// The first argument that may be the word.
        from: usize,
    },
    /// Not expressible.
    Unknown,
}

/// Which arguments are keys, counted from where they begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// So many arguments further, or up to the end.
    Range {
        /// The last key, counted from the first; negative: from the end of the request.
        last: i32,
        /// Distance between keys.
        step: usize,
        /// With a negative `last`, the part of the arguments that are keys: 2 means the first half of them. 0 and 1: all.
        limit: usize,
    },
    /// An argument says how many.
    Count {
        /// The argument that says so, counted from where the search begins.
        at: usize,
        /// The first key, counted likewise.
        first: usize,
        /// Distance between keys.
        step: usize,
    },
    /// Not expressible.
    Unknown,
}

impl KeySpec {
    /// One key, at this argument. `words` are those of COMMAND INFO: `RW access delete`.
    pub const fn at(index: usize, words: &str) -> KeySpec {
        KeySpec::range(index, 0, 1, words)
    }

    /// Keys from this argument to the last one.
    pub const fn from(index: usize, words: &str) -> KeySpec {
        KeySpec::range(index, -1, 1, words)
    }

    /// Keys from one argument to another, which is counted from the first, or if negative from the end.
    pub const fn range(index: usize, last: i32, step: usize, words: &str) -> KeySpec {
        KeySpec {
            begin: Begin::Index(index),
            find: Find::Range { last, step, limit: 0 },
            flags: KeyFlags::of(words),
            notes: "",
            exact: None,
            flags_of: None,
        }
    }

    /// As many keys as this argument says, right behind it.
    pub const fn counted(index: usize, words: &str) -> KeySpec {
        KeySpec { find: Find::Count { at: 0, first: 1, step: 1 }, ..KeySpec::at(index, words) }
    }

    /// The indexes of its keys in a request. None if a number of keys is given and unusable, or a word is missing.
    #[inline]
    pub fn indexes(&self, args: Args<'_>) -> impl Iterator<Item = usize> + Clone + use<> {
        self.find(args).indexes(args.len())
    }

    #[inline]
    fn find(&self, args: Args<'_>) -> Keys {
        if let Some(exact) = self.exact {
            return exact(args);
        }
        let begin = match self.begin {
            Begin::Index(index) => index,
            Begin::Keyword { word, from } => match position_of(word, from, args) {
                Some(position) => position + 1,
                None => return Keys::NONE,
            },
            Begin::Unknown => return Keys::NONE,
        };
        match self.find {
            Find::Range { last, step, limit } if last < 0 && limit > 1 => {
                let len = (args.len() - begin) / limit;
                Keys { first: begin, last: (begin + len) as i32 - 1, step }
            }
            Find::Range { last, step, .. } => {
                Keys { first: begin, last: if last < 0 { last } else { begin as i32 + last }, step }
            }
            Find::Count { at, first, step } => Keys::told(args, begin + at, begin + first, step),
            Find::Unknown => Keys::NONE,
        }
    }

    /// Whether an argument says how many keys there are.
    pub fn is_counted(&self) -> bool {
        matches!(self.find, Find::Count { .. })
    }

    /// The key that is always there and alone, at this index.
    const fn fixed(&self) -> Option<usize> {
        match (self.begin, self.find, self.exact) {
            (Begin::Index(index), Find::Range { last: 0, .. }, None) => Some(index),
            _ => None,
        }
    }
}

#[cold]
fn position_of(word: &str, from: usize, args: Args<'_>) -> Option<usize> {
    (from..args.len()).find(|&at| args.get(at).eq_ignore_ascii_case(word.as_bytes()))
}

/// The index of the only key that requests of a command ever have; None if they may have several, or none.
pub const fn only_key(specs: &[KeySpec]) -> Option<usize> {
    match specs {
        [only] => only.fixed(),
        _ => None,
    }
}

/// The first place a key of a command can have, if that place is the same in every request.
pub const fn first_key(specs: &[KeySpec]) -> Option<usize> {
    match specs {
        [KeySpec { begin: Begin::Index(index), find: Find::Range { .. }, exact: None, .. }, ..] => Some(*index),
        [KeySpec { begin: Begin::Index(index), find: Find::Count { first, .. }, exact: None, .. }, ..] => {
            Some(*index + *first)
        }
        _ => None,
    }
}

/// First key, last key and step, as COMMAND showed them before there were specifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRange {
    /// Index of the first key; 0: there is no range.
    pub first: usize,
    /// Index of the last key; negative: from the end.
    pub last: i32,
    /// Distance between keys.
    pub step: usize,
    /// There may be other keys: a client must look at the specifications.
    pub movable: bool,
}

impl KeyRange {
    /// The range that the specifications of a command make up, as Redis derives it: fixed ranges that follow one another without a gap.
    pub fn of(specs: &[KeySpec]) -> KeyRange {
        let mut range = KeyRange { first: 0, last: 0, step: 0, movable: false };
        for spec in specs {
            range.movable |= spec.flags.has(KeyFlags::INCOMPLETE);
            let (Begin::Index(index), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
                range.movable = true;
                continue;
            };
            let continues = step == 1 && (range.last == 0 || range.last == index as i32 - 1);
            if specs.len() > 1 && !continues {
                range.movable = true;
                continue;
            }
            range.first = if range.first == 0 { index } else { range.first.min(index) };
            range.step = step;
            // Compared as unsigned, so that a last key counted from the end is behind all others.
            let last = if last < 0 { last } else { index as i32 + last };
            range.last = (range.last as u32).max(last as u32) as i32;
        }
        range
    }
}

/// A set of the flags of a key specification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyFlags(u16);

impl KeyFlags {
    /// No flag.
    pub const NONE: KeyFlags = KeyFlags(0);
    /// Reads the value without changing it.
    pub const RO: KeyFlags = KeyFlags(1 << 0);
    /// Changes the value.
    pub const RW: KeyFlags = KeyFlags(1 << 1);
    /// Overwrites the value.
    pub const OW: KeyFlags = KeyFlags(1 << 2);
    /// Removes the key.
    pub const RM: KeyFlags = KeyFlags(1 << 3);
    /// Tells the client, or another key, something of the data.
    pub const ACCESS: KeyFlags = KeyFlags(1 << 4);
    /// Changes data.
    pub const UPDATE: KeyFlags = KeyFlags(1 << 5);
    /// Adds data without changing what is there.
    pub const INSERT: KeyFlags = KeyFlags(1 << 6);
    /// Removes data.
    pub const DELETE: KeyFlags = KeyFlags(1 << 7);
    /// Is no key, but goes where a key of this name goes.
    pub const NOT_KEY: KeyFlags = KeyFlags(1 << 8);
    /// Does not find all keys.
    pub const INCOMPLETE: KeyFlags = KeyFlags(1 << 9);
    /// What happens depends on the other arguments.
    pub const VARIABLE: KeyFlags = KeyFlags(1 << 10);

    /// The names in COMMAND INFO, in its order.
    const NAMES: [(KeyFlags, &'static str); 11] = [
        (KeyFlags::RO, "RO"),
        (KeyFlags::RW, "RW"),
        (KeyFlags::OW, "OW"),
        (KeyFlags::RM, "RM"),
        (KeyFlags::ACCESS, "access"),
        (KeyFlags::UPDATE, "update"),
        (KeyFlags::INSERT, "insert"),
        (KeyFlags::DELETE, "delete"),
        (KeyFlags::NOT_KEY, "not_key"),
        (KeyFlags::INCOMPLETE, "incomplete"),
        (KeyFlags::VARIABLE, "variable_flags"),
    ];

    /// The set with these names, separated by single spaces. In a row a name that is none does not compile.
    pub const fn of(words: &str) -> KeyFlags {
        let words = words.as_bytes();
        let (mut set, mut start) = (0, 0);
        while start < words.len() {
            let mut end = start;
            while end < words.len() && words[end] != b' ' {
                end += 1;
            }
            set |= KeyFlags::named(words, start, end).0;
            start = end + 1;
        }
        KeyFlags(set)
    }

    const fn named(words: &[u8], start: usize, end: usize) -> KeyFlags {
        let mut number = 0;
        while number < KeyFlags::NAMES.len() {
            let (flag, name) = KeyFlags::NAMES[number];
            let name = name.as_bytes();
            let mut same = 0;
            while same < name.len() && start + same < end && words[start + same] == name[same] {
                same += 1;
            }
            if same == name.len() && start + same == end {
                return flag;
            }
            number += 1;
        }
        panic!("a key specification has only the flags of COMMAND INFO")
    }

    /// Whether all of `other` is set.
    pub const fn has(self, other: KeyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the flags, in COMMAND INFO's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        KeyFlags::NAMES.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| name)
    }
}

/// Keys of one request: from `first` to `last` (negative: from the end), every `step`-th argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// Index of the first key; 0: there are none.
    pub first: usize,
    /// Index of the last key; negative counts from the end.
    pub last: i32,
    /// Distance between keys.
    pub step: usize,
}

impl Keys {
    /// No keys.
    pub const NONE: Keys = Keys { first: 0, last: 0, step: 0 };

    /// The key at this index.
    pub const fn at(index: usize) -> Keys {
        Keys { first: index, last: index as i32, step: 1 }
    }

    /// So many keys one behind another, as a `numkeys` argument at `count_at` says, right behind it. None when it is unusable: the command
    /// answers with the error.
    pub fn counted(args: Args<'_>, count_at: usize) -> Keys {
        Keys::told(args, count_at, count_at + 1, 1)
    }

    /// As many keys as the argument at `count_at` says, `step` arguments apart.
    fn told(args: Args<'_>, count_at: usize, first: usize, step: usize) -> Keys {
        let count = if count_at < args.len() { torc_resp::number::parse_u64(args.get(count_at)) } else { None };
        let count = count.unwrap_or(0) as usize;
        if count == 0 || count > args.len().saturating_sub(first) / step {
            return Keys::NONE;
        }
        Keys { first, last: (first + (count - 1) * step) as i32, step }
    }

    /// The indexes of the keys in a request of `len` arguments.
    #[inline]
    pub fn indexes(self, len: usize) -> impl Iterator<Item = usize> + Clone {
        let last = if self.last < 0 { len as i64 + i64::from(self.last) } else { i64::from(self.last) };
        let end = if self.first == 0 { 0 } else { (last + 1).clamp(0, len as i64) as usize };
        let first = if self.first == 0 { 0 } else { self.first };
        (first..end.max(first)).step_by(self.step.max(1))
    }
}

#[cfg(test)]
mod tests {
    use torc_resp::Span;

    use super::*;

    fn found(spec: &KeySpec, request: &str) -> Vec<usize> {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for word in request.split(' ') {
            spans.push(Span { start: bytes.len() as u32, len: word.len() as u32 });
            bytes.extend_from_slice(word.as_bytes());
        }
        spec.indexes(Args::new(&bytes, &spans)).collect()
    }

    #[test]
    fn fixed_places() {
        assert_eq!(found(&KeySpec::at(2, "RO"), "x a b c"), [2]);
        assert_eq!(found(&KeySpec::from(1, "RO"), "x a b c"), [1, 2, 3]);
        assert_eq!(found(&KeySpec::from(2, "RO"), "x a"), []);
        assert_eq!(found(&KeySpec::range(1, -2, 1, "RO"), "x a b c"), [1, 2]);
        assert_eq!(found(&KeySpec::range(1, -1, 2, "RO"), "x a b c d"), [1, 3]);
        assert_eq!(found(&KeySpec::range(1, 1, 1, "RO"), "x a b c d"), [1, 2]);
    }

    #[test]
    fn as_many_as_an_argument_says() {
        let spec = KeySpec::counted(1, "RO");
        assert_eq!(found(&spec, "x 2 a b c"), [2, 3]);
        for unusable in ["x 3 a b", "x 0 a", "x -1 a", "x y a", "x 18446744073709551615 a", "x"] {
            assert_eq!(found(&spec, unusable), [], "{unusable}");
        }
        let pairs = KeySpec { find: Find::Count { at: 0, first: 1, step: 2 }, ..KeySpec::counted(1, "OW") };
        assert_eq!(found(&pairs, "x 2 a 1 b 2 NX"), [2, 4]);
        assert_eq!(found(&pairs, "x 2 a 1 b"), []);
    }

    #[test]
    fn behind_a_word() {
        let streams = KeySpec {
            begin: Begin::Keyword { word: "STREAMS", from: 1 },
            find: Find::Range { last: -1, step: 1, limit: 2 },
            ..KeySpec::at(1, "RO")
        };
        assert_eq!(found(&streams, "x COUNT 1 streams a b 0 0"), [4, 5]);
        assert_eq!(found(&streams, "x STREAMS STREAMS 0"), [2]);
        assert_eq!(found(&streams, "x STREAMS"), []);
        assert_eq!(found(&streams, "streams a b"), []);
        let store = KeySpec { begin: Begin::Keyword { word: "STORE", from: 3 }, ..KeySpec::at(1, "OW") };
        assert_eq!(found(&store, "x STORE y z STORE w v"), [5]);
        assert_eq!(found(&store, "x y z STORE"), []);
    }

    #[test]
    fn the_older_notation_is_derived() {
        let of = |specs: &[KeySpec]| {
            let range = KeyRange::of(specs);
            (range.first, range.last, range.step, range.movable)
        };
        let at = |index| KeySpec::at(index, "RW");
        let unknown = || KeySpec { begin: Begin::Unknown, find: Find::Unknown, ..KeySpec::at(1, "RO incomplete") };
        assert_eq!(of(&[]), (0, 0, 0, false));
        assert_eq!(of(&[at(2)]), (2, 2, 1, false));
        assert_eq!(of(&[KeySpec::range(1, -1, 2, "OW")]), (1, -1, 2, false));
        assert_eq!(of(&[at(1), at(2)]), (1, 2, 1, false));
        assert_eq!(of(&[at(2), KeySpec::from(3, "RO")]), (2, -1, 1, false));
        assert_eq!(of(&[at(1), KeySpec::counted(2, "RO")]), (1, 1, 1, true));
        assert_eq!(of(&[KeySpec::counted(1, "RO")]), (0, 0, 0, true));
        assert_eq!(of(&[at(1), unknown()]), (1, 1, 1, true));
        assert_eq!(of(&[at(1), at(3)]), (1, 1, 1, true));
    }

    #[test]
    fn only_and_first_keys() {
        let exact = KeySpec { exact: Some(|_| Keys::NONE), ..KeySpec::at(1, "RW") };
        assert_eq!(only_key(&[KeySpec::at(2, "RW")]), Some(2));
        for several in [&[][..], &[KeySpec::from(1, "RW")], &[KeySpec::at(1, "RW"), KeySpec::at(2, "RW")], &[exact]] {
            assert_eq!(only_key(several), None);
        }
        assert_eq!(first_key(&[KeySpec::counted(1, "RO")]), Some(2));
        assert_eq!(first_key(&[KeySpec::from(3, "RO"), KeySpec::at(1, "RW")]), Some(3));
        assert_eq!(first_key(&[]), None);
    }

    #[test]
    fn flags_are_named() {
        let words = "RW access delete variable_flags";
        assert_eq!(KeyFlags::of(words).names().collect::<Vec<_>>().join(" "), words);
        assert_eq!(KeyFlags::of(""), KeyFlags::NONE);
        assert!(std::panic::catch_unwind(|| KeyFlags::of("RW acces")).is_err());
    }
}
