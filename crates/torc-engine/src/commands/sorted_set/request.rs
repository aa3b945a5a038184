//! What ZUNION, ZINTER, ZDIFF and their relatives are asked for, and the three steps in which all of them run: check the keys, read the
//! options, combine.
//!
//! ```text
//! all keys here            run:   types -> options -> combine -> answer, store or count
//! keys on several cores    fetch: types -> send, on the owners    apply: options -> combine -> ..   on the owner of the first key
//! ```

use std::collections::HashMap;

use ahash::RandomState;
use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};
use torc_store::pack::Packed;
use torc_store::sorted_set::SortedSetRef;
use torc_store::{Kind, SetRef};

use super::arguments::score;
use super::collected::{Collected, begin_sending, receive, send};
use super::combine::{Aggregate, Combination, Operation, Source, combine};
use crate::command::{Fetched, Fetching, Keys, Lead, Source as Named, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::extract::Extract;
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

/// How the sources of other cores come here.
pub const fn fetching(plan: Plan, combine: CombineOwn) -> Fetching {
    let lead = match plan.operation {
        Operation::Intersection => Some(Lead::Smallest),
        Operation::Difference => Some(Lead::First),
        Operation::Union => None,
    };
    Fetching::ByOwner { read, combine, lead }
}

/// The function of [`Fetching::ByOwner`].
pub type CombineOwn = fn(&mut ShardContext<'_>, Args<'_>, Option<&[u8]>, &mut Extract);

impl Plan {
    /// Runs with all keys on this core.
    pub fn run(self, context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
        self.keys(context, args)?;
        for source in context.command.row.sources(args) {
            read(context, args, source.key)?;
        }
        self.apply(context, args, Fetched::NOTHING, reply)
    }

    /// Writes for the core that combines what the sources of this core come to, as far as the members that a third has sent go; see
    /// [`Plan::sends_one`].
    pub fn send(self, context: &ShardContext<'_>, args: Args<'_>, candidates: Option<&[u8]>, extract: &mut Extract) {
        let own = context.own_sources(args, self.has_first());
        let subtracted = self.has_first() && own[0].number != 0;
        let mut sources: Vec<Source<'_>> = own.iter().map(|source| glance(context, source.key)).collect();
        let candidates = candidates.map(|sent| self.candidates(sent));
        if let (true, Some(candidates)) = (subtracted, &candidates) {
            let is_in_any = |member: &[u8]| sources.iter().any(|source| source.score(member).is_some());
            let members: Vec<&(f64, &[u8])> = candidates.iter().filter(|(_, member)| is_in_any(member)).collect();
            begin_sending(members.len(), extract);
            return members.into_iter().for_each(|&(score, bytes)| send(Packed::Bytes(bytes), score, extract));
        }
        if let Some(candidates) = candidates {
            sources.push(Source::received(candidates.len(), candidates));
        }
        let terms: Vec<(f64, usize)> = (0..sources.len()).map(|index| (1.0, index)).collect();
        let operation = if subtracted { Operation::Union } else { self.operation };
        let combination = Combination { operation, terms: &terms, aggregate: Aggregate::Max, count_max: usize::MAX };
        if self.sends_one() {
            let members = combine(&combination, &sources);
            begin_sending(members.len(), extract);
            return members.slices().into_iter().for_each(|(score, bytes)| send(Packed::Bytes(bytes), score, extract));
        }
        // Of sets that are to be intersected only what all of them have.
        let intersects = operation == Operation::Intersection && sources.len() > 1;
        let common = intersects.then(|| combine(&combination, &sources));
        extract.array(3 * own.len());
        for (Named { key, .. }, source) in own.iter().zip(&sources) {
            extract.bulk(key);
            send_named(source, common.as_ref(), extract);
        }
    }

    /// The members that another owner has sent by [`Plan::send`]; where it sends several sets, all have the same.
    fn candidates(self, sent: &[u8]) -> Vec<(f64, &[u8])> {
        if self.sends_one() {
            return receive(sent);
        }
        let members = Elements::new(sent).expect("sets are sent as an array").nth(2);
        members.map(receive).expect("an owner has a set")
    }

    /// Combines the sources of this core, which have been read, and what other owners have sent.
    pub fn apply(
        self,
        context: &mut ShardContext<'_>,
        args: Args<'_>,
        fetched: Fetched<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let keys = self.keys(context, args)?;
        let options = self.options(args, keys)?;
        let (distinct, terms) = match self.sends_one() {
            true => self.one_of_each_owner(context, args, fetched),
            false => each_by_name(context, args, fetched, &options.weights),
        };
        let (operation, aggregate, count_max) = (self.operation, options.aggregate, options.limit);
        let found = combine(&Combination { operation, terms: &terms, aggregate, count_max }, &distinct);
        self.finish(context, args, &options, &found, reply);
        Ok(())
    }

    /// Whether an owner sends one set for all of its sources, since their scores do not matter or only those of the first do: their
    /// intersection to be counted, or what a difference needs. Otherwise it sends each, once. Scores are added up in the order of the
    /// sizes of all sets, and neither sums nor the signs of zeros would be the same in another order.
    fn sends_one(self) -> bool {
        self.outcome == Outcome::Count || self.operation == Operation::Difference
    }

    /// Whether the first source stands apart from the others.
    fn has_first(self) -> bool {
        self.operation == Operation::Difference
    }

    /// The distinct sources of this core and the sets that others have sent, the one with the first source of all in front.
    fn one_of_each_owner<'a>(self, context: &'a ShardContext<'_>, args: Args<'_>, fetched: Fetched<'a>) -> Terms<'a> {
        let own = context.own_sources(args, self.has_first());
        let has_first = own.first().is_some_and(|source| source.number == 0);
        let own = own.iter().map(|source| glance(context, source.key));
        let received = fetched.extracts().map(|extract| {
            let members = receive(extract);
            Source::received(members.len(), members)
        });
        let distinct: Vec<Source<'_>> =
            if has_first { own.chain(received).collect() } else { received.chain(own).collect() };
        let terms = (0..distinct.len()).map(|index| (1.0, index)).collect();
        (distinct, terms)
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

/// Writes the size of a set, and its members, all or only these.
fn send_named(source: &Source<'_>, common: Option<&Collected>, extract: &mut Extract) {
    extract.integer(source.len() as i64);
    let Some(common) = common else {
        begin_sending(source.len(), extract);
        return source.iter().for_each(|(member, score)| send(member, score, extract));
    };
    begin_sending(common.len(), extract);
    for (_, member) in common.slices() {
        let score = source.score(member).expect("it has what all have in common");
        send(Packed::Bytes(member), score, extract);
    }
}

/// Distinct sources, and for each source of the request, in order, its weight and its index among them.
type Terms<'a> = (Vec<Source<'a>>, Vec<(f64, usize)>);

/// The sources of a request, of this core where they are, of others as they were sent.
fn each_by_name<'a>(context: &'a ShardContext<'_>, args: Args<'_>, fetched: Fetched<'a>, weights: &[f64]) -> Terms<'a> {
    let mut distinct: Vec<Source<'a>> = Vec::new();
    let mut by_name: HashMap<&[u8], usize, RandomState> = HashMap::default();
    for extract in fetched.extracts() {
        let mut elements = Elements::new(extract).expect("sets are sent as an array");
        while let (Some(name), Some(len), Some(members)) = (elements.next(), elements.next(), elements.next()) {
            by_name.insert(reader::bulk(name).expect("a name is a string"), distinct.len());
            let len = reader::integer(len).expect("a length is an integer");
            distinct.push(Source::received(len as usize, receive(members)));
        }
    }
    let mut terms = Vec::with_capacity(weights.len());
    for (Named { key, .. }, weight) in context.command.row.sources(args).zip(weights) {
        let index = *by_name.entry(key).or_insert_with(|| {
            distinct.push(glance(context, key));
            distinct.len() - 1
        });
        terms.push((*weight, index));
    }
    (distinct, terms)
}

/// Reads a source as a command reads it: a sorted set, or a set, whose members have the score 1.
pub fn read(context: &mut ShardContext<'_>, _: Args<'_>, key: &[u8]) -> CommandResult {
    match context.read(key).map(|value| value.kind()) {
        None | Some(Kind::SortedSet | Kind::Set) => Ok(()),
        Some(_) => Err(CommandError::WrongType),
    }
}

/// A source that has been read.
fn glance<'a>(context: &'a ShardContext<'_>, key: &[u8]) -> Source<'a> {
    match context.glance(key) {
        None => Source::Nothing,
        Some(value) if value.kind() == Kind::Set => Source::Plain(SetRef::of(value)),
        Some(value) => Source::Sorted(SortedSetRef::of(value)),
    }
}
