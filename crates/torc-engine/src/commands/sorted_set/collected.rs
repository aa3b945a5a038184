//! Members with their scores, copied out of where they were read: to be stored under another key, or sorted for a reply. And the form
//! in which a set travels to another core.

use torc_resp::Reply;
use torc_resp::reader::{self, Elements};
use torc_store::pack::Packed;
use torc_store::sorted_set::{sort, store};

use super::arguments::limits;
use super::replies::Shape;
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

/// Different members, in any order.
#[derive(Debug, Default)]
pub struct Collected {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// A member: its score, and where its bytes lie.
#[derive(Clone, Copy, Debug)]
struct Item {
    score: f64,
    start: usize,
    end: usize,
}

impl Collected {
    /// With room for so many members.
    pub fn with_capacity(members: usize) -> Collected {
        Collected { bytes: Vec::new(), items: Vec::with_capacity(members) }
    }

    /// Adds a member.
    #[inline]
    pub fn push(&mut self, member: &[u8], score: f64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(member);
        self.items.push(Item { score, start, end: self.bytes.len() });
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The bytes of the member with this number.
    #[inline]
    pub fn member(&self, number: usize) -> &[u8] {
        let Item { start, end, .. } = self.items[number];
        &self.bytes[start..end]
    }

    /// The score of the member with this number.
    #[inline]
    pub fn score_mut(&mut self, number: usize) -> &mut f64 {
        &mut self.items[number].score
    }

    /// All members.
    pub fn slices(&self) -> Vec<(f64, &[u8])> {
        self.items.iter().map(|item| (item.score, &self.bytes[item.start..item.end])).collect()
    }

    /// Answers with the members in the order of a sorted set.
    pub fn write(&self, with_scores: bool, reply: &mut Reply<'_>) {
        let mut members = self.slices();
        sort(&mut members);
        let members = members.into_iter().map(|(score, member)| (Packed::Bytes(member), score));
        Shape::of(with_scores, reply).write(members, reply);
    }

    /// Makes the members the sorted set at a key, whatever that was before, or removes the key if there are none; answers with their
    /// number. That is told by the name `event`.
    pub fn store(&self, context: &mut ShardContext<'_>, key: &[u8], event: &'static str, reply: &mut Reply<'_>) {
        store_members(context, key, &mut self.slices(), event, reply);
    }
}

/// Stores `members`, in any order, as [`Collected::store`] does.
pub fn store_members(
    context: &mut ShardContext<'_>,
    key: &[u8],
    members: &mut [(f64, &[u8])],
    event: &'static str,
    reply: &mut Reply<'_>,
) {
    let limits = limits(context);
    if members.is_empty() {
        context.remove(key);
    } else {
        store(context.entry(key), limits, members, None);
        context.event(EventClass::SortedSet, event, key);
    }
    reply.integer(members.len() as i64);
}

/// Begins what another core gets: so many members.
pub fn begin_sending(len: usize, extract: &mut Extract) {
    extract.array(2 * len);
}

/// Writes one of them: the member, and the eight bytes of its score.
pub fn send(member: Packed<'_>, score: f64, extract: &mut Extract) {
    member.with_bytes(|bytes| extract.bulk(bytes));
    extract.bulk(&score.to_le_bytes());
}

/// Reads what [`send`] wrote for all members.
pub fn receive(encoded: &[u8]) -> Vec<(f64, &[u8])> {
    let mut elements = Elements::new(encoded).expect("members travel as an array");
    let mut members = Vec::with_capacity(elements.len() / 2);
    while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
        let score = reader::bulk(score).and_then(|bytes| bytes.try_into().ok()).expect("a score is eight bytes");
        members.push((f64::from_le_bytes(score), reader::bulk(member).expect("a member is a string")));
    }
    members
}
