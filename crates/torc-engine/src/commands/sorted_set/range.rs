//! Which members the range commands mean: by index, by score, or by member; forward or backward, all or a part.
//!
//! What is meant becomes a range of ranks of the set, counted from the lowest score, whatever the direction.

use std::ops::Range;

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::{LexRange, ScoreRange, SortedSetRef};

use super::arguments::{lex_range, score_range};
use super::replies::Shape;
use crate::command::integer_argument;
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// By what members are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Index.
    Rank,
    /// Score.
    Score,
    /// Member.
    Lex,
}

/// What a command's name already says.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// By what it chooses; `None`: BYSCORE or BYLEX may say so.
    pub by: Option<By>,
    /// Whether it goes backward; `None`: REV may say so.
    pub reversed: Option<bool>,
    /// Whether it answers with the members; WITHSCORES is allowed then.
    pub answers: bool,
}

impl Grammar {
    /// Everything is given by words behind the range.
    pub const OPEN: Grammar = Grammar { by: None, reversed: None, answers: true };

    /// Of a command whose name says all.
    pub const fn fixed(by: By, reversed: bool) -> Grammar {
        Grammar { by: Some(by), reversed: Some(reversed), answers: true }
    }
}

/// Bounds as given.
#[derive(Clone, Copy, Debug)]
pub enum Bounds<'a> {
    /// First and last index; negative ones count from the end.
    Rank(i64, i64),
    /// Scores.
    Score(ScoreRange),
    /// Members.
    Lex(LexRange<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads them.
    pub fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        Ok(match by {
            By::Rank => Bounds::Rank(integer_argument(min)?, integer_argument(max)?),
            By::Score => Bounds::Score(score_range(min, max)?),
            By::Lex => Bounds::Lex(lex_range(min, max)?),
        })
    }

    /// The ranks that are meant; indexes count in the direction that is asked for.
    pub fn ranks(&self, set: SortedSetRef<'_>, reversed: bool) -> Range<usize> {
        match self {
            Bounds::Score(range) => set.ranks_by_score(range),
            Bounds::Lex(range) => set.ranks_by_lex(range),
            &Bounds::Rank(first, last) => {
                let len = set.len() as i64;
                let from_start = |index: i64| if index < 0 { (len + index).max(-1) } else { index.min(len) };
                let (first, last) = (from_start(first).max(0), from_start(last).min(len - 1));
                let (start, end) = (first as usize, (last + 1).max(first) as usize);
                if reversed { set.len() - end..set.len() - start } else { start..end }
            }
        }
    }
}

/// What a range command asks for.
#[derive(Debug)]
pub struct RangeRequest<'a> {
    bounds: Bounds<'a>,
    /// Backward.
    pub reversed: bool,
    /// With scores.
    pub with_scores: bool,
    /// How many to leave out at first, and how many there are at most, if not negative.
    limit: (i64, i64),
}

impl<'a> RangeRequest<'a> {
    /// Reads `min max` and all behind it, from argument `first` on.
    pub fn parse(args: Args<'a>, first: usize, grammar: Grammar) -> Result<Self, CommandError> {
        let (mut by, mut reversed, mut with_scores, mut limit) = (grammar.by, grammar.reversed, false, (0, -1));
        let mut words = args.from(first + 2).iter();
        while let Some(word) = words.next() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            match () {
                () if grammar.answers && is(b"withscores") => with_scores = true,
                () if is(b"limit") => {
                    let (Some(offset), Some(count)) = (words.next(), words.next()) else {
                        return Err(CommandError::Syntax);
                    };
                    limit = (integer_argument(offset)?, integer_argument(count)?);
                }
                () if reversed.is_none() && is(b"rev") => reversed = Some(true),
                () if by.is_none() && is(b"bylex") => by = Some(By::Lex),
                () if by.is_none() && is(b"byscore") => by = Some(By::Score),
                () => return Err(CommandError::Syntax),
            }
        }
        let (by, reversed) = (by.unwrap_or(By::Rank), reversed.unwrap_or(false));
        if limit.1 != -1 && by == By::Rank {
            let text = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
            return Err(CommandError::fixed(text));
        }
        if with_scores && by == By::Lex {
            let text = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
            return Err(CommandError::fixed(text));
        }
        let (mut min, mut max) = (args.get(first), args.get(first + 1));
        if reversed && by != By::Rank {
            (min, max) = (max, min);
        }
        Ok(RangeRequest { bounds: Bounds::parse(by, min, max)?, reversed, with_scores, limit })
    }

    /// The ranks that are meant.
    pub fn ranks(&self, set: SortedSetRef<'_>) -> Range<usize> {
        let Range { start, end } = self.bounds.ranks(set, self.reversed);
        let (offset, count) = self.limit;
        if let Bounds::Rank(..) = self.bounds {
            return start..end;
        }
        let skipped = usize::try_from(offset).map_or(end - start, |offset| offset.min(end - start));
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(end - start - skipped);
        if self.reversed { end - skipped - count..end - skipped } else { start + skipped..start + skipped + count }
    }
}

/// Answers with the members that a request means, for commands of the shape `name key min max ..`.
pub fn answer(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    grammar: Grammar,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let request = RangeRequest::parse(args, 2, grammar)?;
    let Some(value) = context.read_kind(args.get(1), Kind::SortedSet)? else {
        reply.array(0);
        return Ok(());
    };
    let set = SortedSetRef::of(value);
    let members = set.range(request.ranks(set), request.reversed);
    Shape::of(request.with_scores, reply).write(members, reply);
    Ok(())
}
