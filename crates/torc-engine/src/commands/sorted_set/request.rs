//! What ZUNION, ZINTER, ZDIFF and their relatives are asked for, and the three steps in which all of them run: check the keys, read the
//! options, combine.
//!
//! ```text
//! all keys here            run:   types -> options -> combine -> answer, store or count
//! keys on several cores    fetch: types, on every owner    apply: options -> combine -> ..   on the owner of the first key
//! ```

use torc_resp::{Args, Reply};
use torc_store::sorted_set::SortedSetRef;
use torc_store::{Kind, SetRef};

use super::arguments::score;
use super::collected::{Collected, begin_sending, send};
use super::combine::{Aggregate, Combination, Operation, Source, combine};
use crate::command::{Fetched, Keys, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// What becomes of the combined members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// They are the reply.
    Answer,
    /// They are stored at the first key.
    Store,
    /// Their number is the reply.
    Count,
}

/// A command of the family.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How sets are combined.
    pub operation: Operation,
    /// What for.
    pub outcome: Outcome,
}

/// The words behind the keys.
struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

impl Plan {
    /// Runs with all keys on this core.
    pub fn run(self, context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
        let keys = self.keys(context, args)?;
        let indexes = keys.indexes(args.len());
        for index in indexes.clone() {
            read(context, args.get(index))?;
        }
        let options = self.options(args, keys)?;
        let sources = indexes.map(|index| match context.glance(args.get(index)) {
            None => Source::Nothing,
            Some(value) if value.kind() == Kind::Set => Source::Plain(SetRef::of(value)),
            Some(value) => Source::Sorted(SortedSetRef::of(value)),
        });
        let found = combine(&self.combination(&options), sources.collect());
        self.finish(context, args, &options, &found, reply);
        Ok(())
    }

    /// Writes a source for the core that combines.
    pub fn fetch(
        context: &mut ShardContext<'_>,
        args: Args<'_>,
        key_number: usize,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let row = context.command.row;
        let stores = row.keys.len() == 2;
        if stores && key_number == 0 {
            // The destination is not read.
            reply.null();
            return Ok(());
        }
        let index = row.key_indexes(args).nth(key_number).expect("only keys of the request are fetched");
        match read(context, args.get(index))? {
            Source::Nothing | Source::Received { .. } => begin_sending(0, reply),
            Source::Plain(set) => {
                begin_sending(set.len(), reply);
                set.iter().for_each(|member| send(member, 1.0, reply));
            }
            Source::Sorted(set) => {
                begin_sending(set.len(), reply);
                set.iter().for_each(|(member, score)| send(member, score, reply));
            }
        }
        Ok(())
    }

    /// Runs on the owner of the first key with what was fetched.
    pub fn apply(
        self,
        context: &mut ShardContext<'_>,
        args: Args<'_>,
        fetched: Fetched<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let keys = self.keys(context, args)?;
        let options = self.options(args, keys)?;
        let skipped = usize::from(self.outcome == Outcome::Store);
        let sources = fetched.0.iter().skip(skipped).map(Source::received).collect();
        let found = combine(&self.combination(&options), sources);
        self.finish(context, args, &options, &found, reply);
        Ok(())
    }

    fn keys(self, context: &ShardContext<'_>, args: Args<'_>) -> Result<Keys, CommandError> {
        let count_at = if self.outcome == Outcome::Store { 2 } else { 1 };
        if integer_argument(args.get(count_at))? < 1 {
            let name = context.command.full_name;
            return Err(CommandError::made(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        match Keys::counted(args, count_at) {
            Keys::NONE => Err(CommandError::Syntax),
            keys => Ok(keys),
        }
    }

    fn options(self, args: Args<'_>, keys: Keys) -> Result<Options, CommandError> {
        let first = keys.last as usize + 1;
        let key_count = first - keys.first;
        let mut options =
            Options { weights: vec![1.0; key_count], aggregate: Aggregate::Sum, with_scores: false, limit: usize::MAX };
        let (can_weigh, counts) = (self.operation != Operation::Difference, self.outcome == Outcome::Count);
        let mut words = args.from(first).iter();
        while let Some(word) = words.next() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let left = words.clone().count();
            match () {
                () if can_weigh && !counts && is(b"weights") && left >= key_count => {
                    for (weight, word) in options.weights.iter_mut().zip(&mut words) {
                        *weight = score(word).map_err(|_| CommandError::fixed("ERR weight value is not a float"))?;
                    }
                }
                () if can_weigh && !counts && is(b"aggregate") => {
                    let word = words.next().ok_or(CommandError::Syntax)?;
                    options.aggregate = Aggregate::parse(word).ok_or(CommandError::Syntax)?;
                }
                () if self.outcome == Outcome::Answer && is(b"withscores") => options.with_scores = true,
                () if counts && is(b"limit") => {
                    let word = words.next().ok_or(CommandError::Syntax)?;
                    let limit = integer_argument(word).ok().and_then(|limit| usize::try_from(limit).ok());
                    let limit = limit.ok_or(CommandError::fixed("ERR LIMIT can't be negative"))?;
                    options.limit = if limit == 0 { usize::MAX } else { limit };
                }
                () => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    fn combination(self, options: &Options) -> Combination<'_> {
        Combination {
            operation: self.operation,
            weights: &options.weights,
            aggregate: options.aggregate,
            count_max: options.limit,
        }
    }

    fn finish(
        self,
        context: &mut ShardContext<'_>,
        args: Args<'_>,
        options: &Options,
        found: &Collected,
        reply: &mut Reply<'_>,
    ) {
        match self.outcome {
            Outcome::Answer => found.write(options.with_scores, reply),
            Outcome::Store => found.store(context, args.get(1), context.command.full_name, reply),
            Outcome::Count => reply.integer(found.len() as i64),
        }
    }
}

/// Reads a key that holds a sorted set or a set, whose members have the score 1.
fn read<'a>(context: &'a mut ShardContext<'_>, key: &[u8]) -> Result<Source<'a>, CommandError> {
    match context.read(key) {
        None => Ok(Source::Nothing),
        Some(value) if value.kind() == Kind::SortedSet => Ok(Source::Sorted(SortedSetRef::of(value))),
        Some(value) if value.kind() == Kind::Set => Ok(Source::Plain(SetRef::of(value))),
        Some(_) => Err(CommandError::WrongType),
    }
}
