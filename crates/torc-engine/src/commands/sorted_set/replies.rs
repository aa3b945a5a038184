//! Members and scores in replies.

use torc_resp::{Protocol, Reply};
use torc_store::pack::Packed;

/// How scores stand beside their members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// There are none.
    Members,
    /// Behind each member, as the next element.
    Flat,
    /// In a pair with it.
    Pairs,
}

impl Shape {
    /// That of WITHSCORES: pairs in RESP3 only.
    pub fn of(with_scores: bool, reply: &Reply<'_>) -> Shape {
        match (with_scores, reply.protocol()) {
            (false, _) => Shape::Members,
            (true, Protocol::Resp2) => Shape::Flat,
            (true, Protocol::Resp3) => Shape::Pairs,
        }
    }

    /// Begins an array of so many members.
    pub fn array(self, len: usize, reply: &mut Reply<'_>) {
        reply.array(if self == Shape::Flat { 2 * len } else { len });
    }

    /// Writes one of them.
    #[inline]
    pub fn element(self, member: Packed<'_>, score: f64, reply: &mut Reply<'_>) {
        if self == Shape::Pairs {
            reply.array(2);
        }
        write_member(member, reply);
        if self != Shape::Members {
            reply.double(score);
        }
    }

    /// Writes all members.
    pub fn write<'a>(self, members: impl ExactSizeIterator<Item = (Packed<'a>, f64)>, reply: &mut Reply<'_>) {
        self.array(members.len(), reply);
        match self {
            Shape::Members => members.for_each(|(member, _)| write_member(member, reply)),
            Shape::Flat | Shape::Pairs => members.for_each(|(member, score)| self.element(member, score, reply)),
        }
    }
}

/// Writes a member.
#[inline]
pub fn write_member(member: Packed<'_>, reply: &mut Reply<'_>) {
    match member {
        Packed::Bytes(bytes) => reply.bulk(bytes),
        Packed::Integer(value) => reply.bulk_integer(value),
    }
}
