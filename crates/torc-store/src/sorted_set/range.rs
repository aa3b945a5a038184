//! Which part of a sorted set is meant: by score, or by member where all scores are equal.

/// Scores between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// Lowest score.
    pub min: f64,
    /// Whether the lowest score itself is outside.
    pub min_excluded: bool,
    /// Highest score.
    pub max: f64,
    /// Whether the highest score itself is outside.
    pub max_excluded: bool,
}

impl ScoreRange {
    /// Whether a score is too low.
    #[inline]
    pub fn is_after(&self, score: f64) -> bool {
        if self.min_excluded { score <= self.min } else { score < self.min }
    }

    /// Whether a score is not too high.
    #[inline]
    pub fn reaches(&self, score: f64) -> bool {
        if self.max_excluded { score < self.max } else { score <= self.max }
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before all members.
    Lowest,
    /// Behind all members.
    Highest,
    /// This member, which belongs to the range.
    Included(&'a [u8]),
    /// This member, which does not.
    Excluded(&'a [u8]),
}

/// Members between two bounds, by their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// Lower end.
    pub min: LexBound<'a>,
    /// Upper end.
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether a member is before the range.
    #[inline]
    pub fn is_after(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(bound) => member < bound,
            LexBound::Excluded(bound) => member <= bound,
        }
    }

    /// Whether a member is not behind the range.
    #[inline]
    pub fn reaches(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(bound) => member <= bound,
            LexBound::Excluded(bound) => member < bound,
        }
    }
}
