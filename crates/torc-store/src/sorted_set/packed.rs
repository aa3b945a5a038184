//! A small sorted set: a pack of members and scores in turn, in order. A score that is a whole number is an integer element, any other is its text,
//! as Redis writes it. Negative zero is zero here.

use std::cmp::Ordering;
use std::ops::Range;

use torc_resp::number::{F64Text, parse_f64};

use super::node::order;
use crate::pack::{Pack, Packed};

/// A member with its score, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    /// Offset of the member, of the score, and behind both.
    pub(super) offsets: [usize; 3],
    pub(super) member: Packed<'a>,
    pub(super) score: f64,
}

impl Pair<'_> {
    /// Whether the pair stands before or after this score and member: by score, then by the bytes of the member.
    pub(super) fn compare(&self, score: f64, member: &[u8]) -> Ordering {
        self.member.with_bytes(|own| order((self.score, || own), (score, || member)))
    }
}

/// A score, ready to be put into a pack.
pub(super) struct PackedScore {
    text: F64Text,
    score: f64,
}

impl PackedScore {
    pub(super) fn new(score: f64) -> PackedScore {
        PackedScore { text: F64Text::new(), score }
    }

    /// The element.
    pub(super) fn element(&mut self) -> Packed<'_> {
        let whole = self.score as i64;
        if whole as f64 == self.score && whole.unsigned_abs() <= 1 << 62 {
            return Packed::Integer(whole);
        }
        self.text.set(self.score);
        Packed::of(self.text.as_bytes())
    }
}

/// The pair at an offset.
pub(super) fn pair(pack: Pack<'_>, offset: usize) -> Pair<'_> {
    let (member, middle) = pack.read(offset);
    let (score, end) = pack.read(middle);
    Pair { offsets: [offset, middle, end], member, score: score_value(score) }
}

/// The pairs in order.
pub(super) fn pairs(pack: Pack<'_>) -> impl Iterator<Item = Pair<'_>> {
    let mut offset = pack.start();
    std::iter::from_fn(move || {
        if offset >= pack.end() {
            return None;
        }
        let found = pair(pack, offset);
        offset = found.offsets[2];
        Some(found)
    })
}

/// Number of pairs.
pub(super) fn len(pack: Pack<'_>) -> usize {
    pack.len() / 2
}

/// The pair of a member.
pub(super) fn find<'a>(pack: Pack<'a>, member: &[u8]) -> Option<Pair<'a>> {
    pack.find(Packed::of(member), 2).map(|offset| pair(pack, offset))
}

/// Rank and score of a member.
pub(super) fn rank(pack: Pack<'_>, member: &[u8]) -> Option<(usize, f64)> {
    let wanted = Packed::of(member);
    pairs(pack).enumerate().find(|(_, pair)| pair.member == wanted).map(|(rank, pair)| (rank, pair.score))
}

/// Offset of the first pair that a new one comes before.
pub(super) fn place_of(pack: Pack<'_>, score: f64, member: &[u8]) -> usize {
    if pack.is_empty() || last(pack).compare(score, member).is_lt() {
        return pack.end();
    }
    let after = pairs(pack).find(|pair| pair.compare(score, member).is_gt());
    after.map_or(pack.end(), |pair| pair.offsets[0])
}

/// Whether a pair keeps its place with another score.
pub(super) fn keeps_place(pack: Pack<'_>, found: Pair<'_>, score: f64) -> bool {
    let [start, _, end] = found.offsets;
    found.member.with_bytes(|member| {
        let follows = start == pack.start() || pair(pack, before(pack, start)).compare(score, member).is_lt();
        follows && (end == pack.end() || pair(pack, end).compare(score, member).is_gt())
    })
}

/// Offset of the pair before the one at `offset`.
pub(super) fn before(pack: Pack<'_>, offset: usize) -> usize {
    pack.previous(pack.previous(offset))
}

/// Offsets of the first of these ranks and behind the last.
pub(super) fn offsets(pack: Pack<'_>, ranks: Range<usize>) -> Range<usize> {
    let start = pack.offset_of(2 * ranks.start);
    let end = if 2 * ranks.end == pack.len() { pack.end() } else { pack.offset_of(2 * ranks.end) };
    start..end
}

fn last(pack: Pack<'_>) -> Pair<'_> {
    pair(pack, before(pack, pack.end()))
}

fn score_value(score: Packed<'_>) -> f64 {
    match score {
        Packed::Integer(value) => value as f64,
        Packed::Bytes(text) => parse_f64(text).expect("a score in a pack is a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::pack_of;

    #[test]
    fn scores_are_read_as_they_were() {
        let edges = [0.0, 1.0, -1.0, 1.5, 1e300, -1e-300, f64::INFINITY, f64::NEG_INFINITY, 5e-324];
        let whole = [53, 54, 61, 62, 63, 64].map(|power| 2f64.powi(power));
        for score in edges.into_iter().chain(whole).chain(whole.map(|score| -score)) {
            let bytes = pack_of([Packed::of(b"m"), PackedScore::new(score).element()]);
            let found = pair(Pack::new(&bytes), Pack::new(&bytes).start());
            assert_eq!(found.score.to_bits(), score.to_bits(), "{score}");
        }
        assert_eq!(PackedScore::new(7.0).element(), Packed::Integer(7));
        assert_eq!(PackedScore::new(-0.0).element(), Packed::Integer(0));
        assert_eq!(PackedScore::new(0.5).element(), Packed::Bytes(b"0.5"));
    }
}
