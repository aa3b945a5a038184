//! What XADD and XTRIM have in common: MAXLEN, MINID, LIMIT and what becomes of references; and of XADD who adds the entry, and where
//! its id stands.

use std::borrow::Cow;

use torc_resp::Args;
use torc_store::{Bound, IdText, References, Stream, StreamId, Trim};

use super::ids::{self, NewId};
use crate::command::integer_argument;
use crate::error::CommandError;

/// Without LIMIT, approximate trimming takes at most so many nodes at once.
const LIMIT_NODES: u64 = 100;
const LIMIT_UNKNOWN_NODES: u64 = 10_000;
const LIMIT_MAX: u64 = 1_000_000;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How to trim, if at all.
    pub trim: Option<Trim>,
    /// NOMKSTREAM.
    pub keep_absent: bool,
    /// IDMP, IDMPAUTO.
    pub origin: Option<Origin<'a>>,
    /// XADD: the id, and the index of the argument behind it.
    pub new_id: Option<(NewId, usize)>,
}

impl Options<'_> {
    /// Whether the id of the new entry is given, in part at least.
    pub fn has_id(&self) -> bool {
        self.new_id.is_some_and(|(id, _)| id != NewId::Auto)
    }
}

/// Who adds an entry, so that it is not added twice.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The producer.
    pub producer: &'a [u8],
    /// The producer's identifier for the entry; `None`: the entry's fields and values identify it.
    pub identifier: Option<&'a [u8]>,
}

/// The words so far.
#[derive(Default)]
struct Words<'a> {
    origin: Option<Origin<'a>>,
    bound: Option<Bound>,
    approximate: bool,
    limit: Option<u64>,
    references: Option<References>,
}

/// Reads the options that start at `from`. XADD's (`adds`) end with an id, XTRIM's with the request; without an id XADD has the wrong number of arguments.
pub fn parse(args: Args<'_>, from: usize, adds: bool, node_entries_max: u64) -> Result<Options<'_>, CommandError> {
    let (mut words, mut keep_absent, mut new_id) = (Words::default(), false, None);
    let mut at = from;
    while at < args.len() {
        let word = args.get(at);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let more = args.len() - at - 1;
        if adds && word == b"*" {
            new_id = Some((NewId::Auto, at + 1));
            break;
        } else if is("MAXLEN") && more > 0 {
            at = words.bound(args, at, |text| {
                let len = u64::try_from(integer_argument(text)?);
                len.map(Bound::MaxLen).map_err(|_| CommandError::fixed("ERR The MAXLEN argument must be >= 0."))
            })?;
        } else if is("MINID") && more > 0 {
            at = words.bound(args, at, |text| ids::parse_exact(text).map(Bound::MinId))?;
        } else if is("LIMIT") && more > 0 {
            at += 1;
            let limit = u64::try_from(integer_argument(args.get(at))?);
            words.limit = Some(limit.map_err(|_| CommandError::fixed("ERR The LIMIT argument must be >= 0."))?);
        } else if adds && is("NOMKSTREAM") {
            keep_absent = true;
        } else if adds && (is("IDMP") && more > 1 || is("IDMPAUTO") && more > 0) {
            at = words.origin(args, at)?;
        } else if let Some(references) = references(word).filter(|_| words.references.is_none()) {
            words.references = Some(references);
        } else if adds {
            // A second word on references is taken for one, too.
            new_id = Some((ids::parse_new(word)?, at + 1));
            break;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    let (trim, origin) = (words.trim(adds, node_entries_max)?, words.origin);
    Ok(Options { trim, keep_absent, origin, new_id })
}

/// KEEPREF, DELREF, ACKED.
pub fn references(word: &[u8]) -> Option<References> {
    let words: [(&[u8], References); 3] =
        [(b"KEEPREF", References::Keep), (b"DELREF", References::Delete), (b"ACKED", References::Acknowledged)];
    words.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, references)| references)
}

impl<'a> Words<'a> {
    /// Reads `producer [identifier]` behind the word at `at`; gives the index of its last argument.
    fn origin(&mut self, args: Args<'a>, at: usize) -> Result<usize, CommandError> {
        if self.origin.is_some() {
            return Err(CommandError::fixed("ERR IDMP/IDMPAUTO specified multiple times"));
        }
        let is_automatic = args.get(at).eq_ignore_ascii_case(b"IDMPAUTO");
        let (producer, identifier) = (args.get(at + 1), (!is_automatic).then(|| args.get(at + 2)));
        let empty = match identifier {
            None if producer.is_empty() => Some("ERR IDMPAUTO requires a non-empty producer ID"),
            Some(_) if producer.is_empty() => Some("ERR IDMP requires a non-empty producer ID"),
            Some([]) => Some("ERR IDMP requires a non-empty idempotent ID"),
            _ => None,
        };
        if let Some(error) = empty {
            return Err(CommandError::fixed(error));
        }
        self.origin = Some(Origin { producer, identifier });
        Ok(at + 1 + usize::from(!is_automatic))
    }

    /// Reads `[~|=] bound` behind the word at `at`; gives the index of its last argument.
    fn bound(
        &mut self,
        args: Args<'_>,
        at: usize,
        parse: impl FnOnce(&[u8]) -> Result<Bound, CommandError>,
    ) -> Result<usize, CommandError> {
        if self.bound.is_some() {
            return Err(CommandError::fixed(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let has_sign = args.len() - at > 2 && matches!(args.get(at + 1), b"~" | b"=");
        self.approximate = has_sign && args.get(at + 1) == b"~";
        let at = at + 1 + usize::from(has_sign);
        self.bound = Some(parse(args.get(at))?);
        Ok(at)
    }

    fn trim(&self, adds: bool, node_entries_max: u64) -> Result<Option<Trim>, CommandError> {
        if self.limit.is_some_and(|limit| limit > 0) && self.bound.is_none() {
            return Err(CommandError::fixed(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if !adds && self.bound.is_none() {
            return Err(CommandError::fixed("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        let limit = match self.limit {
            Some(_) if !self.approximate => {
                return Err(CommandError::fixed("ERR syntax error, LIMIT cannot be used without the special ~ option"));
            }
            Some(limit) => limit,
            None if !self.approximate => 0,
            None if node_entries_max == 0 => LIMIT_UNKNOWN_NODES,
            None => node_entries_max.saturating_mul(LIMIT_NODES).min(LIMIT_MAX),
        };
        let references = self.references.unwrap_or(References::Keep);
        Ok(self.bound.map(|bound| Trim { bound, approximate: self.approximate, limit, references }))
    }
}

/// What trimming has left, as a bound for trimming that is exact. It names the number of entries where some that are needed may stand
/// among those that went.
pub fn exact_bound(stream: &Stream, trim: Trim) -> Bound {
    match trim.bound {
        Bound::MinId(id) if stream.is_empty() => Bound::MinId(id),
        Bound::MinId(_) if trim.references != References::Acknowledged => Bound::MinId(stream.first_id()),
        _ => Bound::MaxLen(stream.len() as u64),
    }
}

/// Exact trimming in the words of a request.
pub fn push_words(words: &mut Vec<Cow<'_, [u8]>>, bound: Bound, references: References) {
    let (name, number): (&[u8], _) = match bound {
        Bound::MaxLen(len) => (b"MAXLEN", len.to_string().into_bytes()),
        Bound::MinId(id) => (b"MINID", IdText::new(id).as_bytes().to_vec()),
    };
    words.extend([Cow::Borrowed(name), Cow::Borrowed(&b"="[..]), Cow::Owned(number)]);
    match references {
        References::Keep => {}
        References::Delete => words.push(Cow::Borrowed(b"DELREF")),
        References::Acknowledged => words.push(Cow::Borrowed(b"ACKED")),
    }
}

/// Whether an id is one that an entry can have.
pub fn check_not_zero(id: StreamId) -> Result<(), CommandError> {
    match id {
        StreamId::MIN => Err(CommandError::fixed("ERR The ID specified in XADD must be greater than 0-0")),
        _ => Ok(()),
    }
}
