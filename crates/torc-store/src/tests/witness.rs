//! A listener that checks what the seam of all changes promises ([`crate::change`]).
//!
//! ```text
//! seen     every key as it was last looked at
//! before   the key is still what was seen, or differs from it as the announcement before allows; then it is looked at
//! end      the same, for all keys: after each command of a test
//! ```
//! So nothing differs unannounced, nothing differs outside of what was announced, and one event tells of each difference.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::change::{Change, Part, Place, StreamPart};
use crate::entry::EntryPointer;
use crate::hash::HashRef;
use crate::list::ListRef;
use crate::object::Object;
use crate::set::SetRef;
use crate::sorted_set::SortedSetRef;
use crate::stream::{Stream, StreamId, StreamPiece};
use crate::value::{Content, Kind, ValueRef};
use crate::workshop::Lens;
use crate::{Piece, RecordedChange, UnixMillis};

/// A database and a key.
pub(super) type Name = (u16, Vec<u8>);

/// An element: its name, what goes with it, when it expires.
type Item = (Vec<u8>, String, Option<UnixMillis>);

/// All that a client can see of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    kind: Kind,
    expire_at: Option<UnixMillis>,
    items: Vec<Item>,
    /// Of a stream: what its groups know, its head, and what its producers have added.
    groups: String,
    head: String,
    producers: String,
}

impl State {
    fn content(&self) -> (&[Item], [&str; 3]) {
        (&self.items, [&self.groups, &self.head, &self.producers])
    }

    /// What of it can still be read at a time; `None`: nothing.
    pub(super) fn unexpired(mut self, now: UnixMillis) -> Option<State> {
        let is_over = |at: Option<UnixMillis>| at.is_some_and(|at| at < now);
        let had_items = !self.items.is_empty();
        self.items.retain(|(_, _, at)| !is_over(*at));
        let is_gone = is_over(self.expire_at) || (had_items && self.items.is_empty());
        (!is_gone).then_some(self)
    }

    /// Of a value that comes in pieces, before the first of them.
    pub(super) fn begun(value: ValueRef<'_>) -> State {
        let head = match value.as_stream() {
            Some(stream) if value.kind() == Kind::Stream => {
                let (len, ids) = (stream.len(), [stream.last_id(), stream.max_deleted_id()]);
                format!("{len} {ids:?} {}", stream.entries_added())
            }
            _ => String::new(),
        };
        State {
            kind: value.kind(),
            expire_at: value.expire_at(),
            items: Vec::new(),
            groups: String::new(),
            head,
            producers: String::new(),
        }
    }

    pub(super) fn add(&mut self, piece: Piece<'_>) {
        let item = match piece {
            Piece::Stream(piece) => return self.add_of_stream(piece),
            Piece::Text(text) => (text.to_vec(), String::new(), None),
            Piece::Scored(member, score) => (member.to_vec(), score.to_string(), None),
            Piece::Field(name, value, expire_at) => (name.to_vec(), format!("{value:?}"), expire_at),
            // Bytes of a string are one item.
            Piece::Bytes(bytes) => match self.items.pop() {
                Some((mut before, ..)) => {
                    before.extend(bytes);
                    (before, String::new(), None)
                }
                None => (bytes.to_vec(), String::new(), None),
            },
        };
        self.items.push(item);
    }

    fn add_of_stream(&mut self, piece: StreamPiece<'_>) {
        match piece {
            StreamPiece::Node(node) => self.items.extend(node.entries().map(|entry| {
                let pairs: Vec<_> = entry.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                (stream_name(entry.id()), format!("{pairs:?}"), None)
            })),
            // Numbers of consumers are no part of the value.
            StreamPiece::Pending(id, pending) => {
                self.groups += &format!("{id:?} {} {}\n", pending.delivered_at, pending.deliveries);
            }
            StreamPiece::Producers { .. } | StreamPiece::Producer(..) => self.producers += &format!("{piece:?}\n"),
            piece => self.groups += &format!("{piece:?}\n"),
        }
    }

    /// All pieces have come, in whatever order.
    pub(super) fn sort(&mut self) {
        match self.kind {
            Kind::SortedSet => self.items.sort_by(|a, b| {
                let score = |item: &Item| item.1.parse::<f64>().expect("it was written as a number");
                score(a).partial_cmp(&score(b)).expect("no score is NaN").then_with(|| a.0.cmp(&b.0))
            }),
            Kind::List | Kind::String | Kind::Stream => {}
            Kind::Set | Kind::Hash => self.items.sort(),
        }
    }

    pub(super) fn of(value: ValueRef<'_>) -> State {
        let mut state = State::begun(value);
        let plain = |name: Vec<u8>| (name, String::new(), None);
        match value.kind() {
            Kind::String => state.items.push(plain(value.as_string().expect("it is a string").to_vec())),
            Kind::List => state.items.extend(ListRef::of(value).iter().map(|element| plain(element.to_vec()))),
            Kind::Set => state.items.extend(SetRef::of(value).iter().map(|member| plain(member.to_vec()))),
            Kind::SortedSet => {
                let members = SortedSetRef::of(value);
                let item = |(member, score): (crate::pack::Packed<'_>, f64)| (member.to_vec(), score.to_string(), None);
                state.items.extend(members.iter().map(item));
            }
            Kind::Hash => state.look_at_hash(value),
            Kind::Stream => state.look_at_stream(value),
        }
        if matches!(value.kind(), Kind::Set | Kind::Hash) {
            state.items.sort();
        }
        state
    }

    fn look_at_hash(&mut self, value: ValueRef<'_>) {
        if let Content::Object(Object::Hash(hash)) = value.content() {
            let item =
                |field: crate::Element<'_>| (field.name().to_vec(), format!("{:?}", field.value()), field.expire_at());
            self.items.extend(hash.fields().iter().map(item));
        } else {
            HashRef::of(value, 0).for_each(|name, value| {
                self.items.push((name.to_vec(), format!("{:?}", value.to_vec()), None));
            });
        }
    }

    fn look_at_stream(&mut self, value: ValueRef<'_>) {
        let stream = value.as_stream().expect("it is a stream");
        self.items.extend(stream.range(StreamId::MIN, StreamId::MAX).map(|entry| {
            let pairs: Vec<_> = entry.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            (stream_name(entry.id()), format!("{pairs:?}"), None)
        }));
        for group in stream.groups().iter() {
            let (name, pending) = (group.name(), group.pending_len());
            let (last_id, entries_read) = (group.last_id(), group.entries_read());
            self.add_of_stream(StreamPiece::Group { name, last_id, entries_read, pending });
            let pending = group.pending_range(StreamId::MIN, StreamId::MAX);
            pending.for_each(|(id, pending)| self.add_of_stream(StreamPiece::Pending(id, *pending)));
            self.add_of_stream(StreamPiece::Consumers(group.consumers().len()));
            for consumer in group.consumers() {
                let (name, pending) = (consumer.name(), consumer.pending_len());
                let (seen_at, active_at) = (consumer.seen_at, consumer.active_at);
                self.add_of_stream(StreamPiece::Consumer { name, seen_at, active_at, pending });
                let owned = consumer.pending_range(StreamId::MIN, StreamId::MAX);
                owned.for_each(|id| self.add_of_stream(StreamPiece::Owned(id)));
            }
        }
        self.look_at_producers(stream);
    }

    fn look_at_producers(&mut self, stream: &Stream) {
        let Some(own) = stream.producers() else { return };
        // None has expired by then.
        let all: Vec<_> = own.iter(UnixMillis::MIN).collect();
        let (added, duplicates, len) = (own.added(), own.duplicates(), all.len());
        self.add_of_stream(StreamPiece::Producers { limits: own.limits(), added, duplicates, len });
        for (name, records) in all {
            let records: Vec<_> = records.into_iter().map(|(identifier, id)| (identifier.into(), id)).collect();
            self.add_of_stream(StreamPiece::Producer(name, &records));
        }
    }
}

fn stream_name(id: StreamId) -> Vec<u8> {
    format!("{id:?}").into_bytes()
}

/// [`Place`], kept.
#[derive(Debug)]
enum Announced {
    Absent,
    Key,
    Element(Vec<u8>),
    Expired(UnixMillis),
    Indexes(Range<usize>),
    Stream(StreamPart),
}

impl Announced {
    fn of(place: Place<'_>) -> Announced {
        match place {
            Place::Absent => Announced::Absent,
            Place::Key => Announced::Key,
            Place::Part(Part::Element(name)) => Announced::Element(name.to_vec()),
            Place::Part(Part::Expired(now)) => Announced::Expired(now),
            Place::Part(Part::Indexes(range) | Part::Leaving(range) | Part::End { indexes: range, .. }) => {
                Announced::Indexes(range)
            }
            Place::Part(Part::Stream(part)) => Announced::Stream(part),
        }
    }

    /// Whether a key that was there and is may differ like that.
    fn allows(&self, old: &State, new: &State) -> bool {
        let is_same_key = old.kind == new.kind && old.expire_at == new.expire_at;
        let (before, after) = (&old.items, &new.items);
        let others = |items: &[Item], name: &[u8]| -> Vec<Item> {
            items.iter().filter(|item| item.0 != name).cloned().collect()
        };
        match self {
            Announced::Absent => false,
            Announced::Key => true,
            Announced::Element(name) => is_same_key && others(before, name) == others(after, name),
            Announced::Expired(now) => {
                let live = |item: &&Item| item.2.is_none_or(|at| *now <= at);
                is_same_key && before.iter().filter(live).eq(after.iter().filter(live))
            }
            Announced::Indexes(range) => {
                let tail = before.len() - range.end;
                is_same_key
                    && after.len() >= range.start + tail
                    && before[..range.start] == after[..range.start]
                    && before[range.end..] == after[after.len() - tail..]
            }
            Announced::Stream(StreamPart::Head) => is_same_key && before == after && old.groups == new.groups,
            Announced::Stream(StreamPart::Groups) => is_same_key && before == after && old.producers == new.producers,
            Announced::Stream(StreamPart::Ends) => {
                is_same_key && (0..=before.len()).any(|gone| after.starts_with(&before[gone..]))
            }
            Announced::Stream(StreamPart::Entry(id)) => {
                let name = stream_name(*id);
                is_same_key && others(before, &name) == others(after, &name)
            }
            Announced::Stream(StreamPart::All) => is_same_key,
        }
    }
}

/// Holds the state announced before each change against the change that is reported after it.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    seen: BTreeMap<Name, State>,
    /// What is announced of a key, and what has happened to it since.
    open: BTreeMap<Name, (Announced, Vec<Change>)>,
    /// Databases of which a change is announced, and whether it has happened.
    open_databases: BTreeMap<u16, bool>,
    /// Whether the command does something that it may not tell of.
    is_quiet: bool,
    told: Vec<RecordedChange>,
    /// Differences that were judged, by the debug name of the announcement's kind and of the event.
    pub(super) judged: BTreeMap<String, usize>,
}

impl Witness {
    pub(crate) fn before(&mut self, lens: &Lens, db: u16, entry: Option<EntryPointer>, place: Place<'_>) {
        let Some(entry) = entry else {
            self.open_databases.insert(db, false);
            return;
        };
        let name = (db, entry.key().to_vec());
        let state = (!matches!(place, Place::Absent)).then(|| State::of(ValueRef { entry, lens }));
        self.close(&name, state);
        self.open.insert(name, (Announced::of(place), Vec::new()));
    }

    pub(crate) fn after(&mut self, db: u16, key: &[u8], change: &Change) {
        self.told.push(RecordedChange { db, key: key.into(), what: change.clone() });
        match change {
            Change::Flushed => *self.open_databases.get_mut(&db).expect("a flush is announced") = true,
            Change::Swapped { with } => {
                for db in [db, *with] {
                    *self.open_databases.get_mut(&db).expect("a swap is announced") = true;
                }
            }
            _ => self.open.get_mut(&(db, key.to_vec())).expect("a change is announced").1.push(change.clone()),
        }
    }

    /// Whether the command that follows may change something and tell nobody.
    pub(super) fn set_quiet(&mut self, is_quiet: bool) {
        self.is_quiet = is_quiet;
    }

    /// A command is over, and these are all keys.
    pub(super) fn end(&mut self, mut states: BTreeMap<Name, State>) -> Vec<RecordedChange> {
        let databases = std::mem::take(&mut self.open_databases);
        let changed: Vec<u16> =
            databases.iter().filter(|(_, has_happened)| **has_happened).map(|(&db, _)| db).collect();
        for db in changed {
            self.seen.retain(|name, _| name.0 != db);
            let now_there =
                states.iter().filter(|(name, _)| name.0 == db).map(|(name, state)| (name.clone(), state.clone()));
            self.seen.extend(now_there);
            self.open.retain(|name, _| name.0 != db);
        }
        let names: BTreeSet<Name> = self.seen.keys().chain(self.open.keys()).chain(states.keys()).cloned().collect();
        for name in names {
            let state = states.remove(&name);
            self.close(&name, state);
        }
        assert!(self.open.is_empty());
        std::mem::take(&mut self.told)
    }

    /// The key is this now: judges how it differs from what was seen.
    fn close(&mut self, name: &Name, new: Option<State>) {
        let old = self.seen.get(name);
        match self.open.remove(name) {
            None => assert_eq!(old, new.as_ref(), "{name:?} differs, and it was not announced"),
            Some((_, events)) if old == new.as_ref() => {
                assert!(events.len() <= 1, "{name:?} does not differ: {events:?}");
            }
            Some((announced, events)) => {
                let key = format!("{announced:?}").split('(').next().unwrap_or_default().to_string();
                let event = format!("{:?}", events.last()).split([' ', '{']).next().unwrap_or_default().to_string();
                *self.judged.entry(format!("{key} {event}")).or_insert(0) += 1;
                judge(name, &announced, &events, old, new.as_ref(), self.is_quiet);
            }
        }
        match new {
            Some(state) => _ = self.seen.insert(name.clone(), state),
            None => _ = self.seen.remove(name),
        }
    }
}

fn judge(
    name: &Name,
    announced: &Announced,
    events: &[Change],
    old: Option<&State>,
    new: Option<&State>,
    is_quiet: bool,
) {
    let context = format!("{name:?} {announced:?} {events:?} {old:?} {new:?}");
    let event = match events {
        [] if is_quiet => return,
        // Fields that have expired may go in the course of another change.
        [event] | [Change::FieldsExpired { .. }, event] => event,
        _ => panic!("one event for one change: {context}"),
    };
    let is_right = match (old, new) {
        (None, None) => false,
        (None, Some(new)) => {
            matches!(announced, Announced::Absent)
                && matches!(event, Change::Created { .. } | Change::MovedIn { .. })
                && event.kind_after() == Some(new.kind)
        }
        (Some(old), None) => {
            matches!(announced, Announced::Key)
                && matches!(event, Change::Removed { .. } | Change::Expired { .. } | Change::MovedOut { .. })
                && event.kind_before() == Some(old.kind)
        }
        (Some(old), Some(new)) => {
            let is_value_same = old.content() == new.content();
            announced.allows(old, new)
                && (event.kind_before(), event.kind_after()) == (Some(old.kind), Some(new.kind))
                && match event {
                    Change::Replaced { .. } => true,
                    Change::ExpiryChanged { .. } => is_value_same,
                    Change::Modified { .. } => old.expire_at == new.expire_at,
                    Change::FieldsExpired { fields } => {
                        let is_gone = |field: &[u8]| !new.items.iter().any(|item| item.0 == field);
                        old.items.len() == new.items.len() + fields.len() && fields.iter().all(|field| is_gone(field))
                    }
                    _ => false,
                }
        }
    };
    assert!(is_right, "{context}");
}
