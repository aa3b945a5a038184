//! The words behind the key of SORT.

use std::ops::Range;

use torc_resp::Args;

use crate::command::integer_argument;
use crate::error::CommandError;
use crate::shard::ShardContext;

/// What stands for an element in BY or GET.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup<'a> {
    /// `#`: the element.
    Itself,
    /// A pattern without a star leads nowhere.
    Nothing,
    /// `prefix*suffix` or `prefix*suffix->field`, the star standing for the element.
    Pattern {
        /// Before the star.
        prefix: &'a [u8],
        /// Behind it.
        suffix: &'a [u8],
        /// Of a hash.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Lookup<'a> {
    fn of(pattern: &'a [u8]) -> Lookup<'a> {
        if pattern == b"#" {
            return Lookup::Itself;
        }
        let Some(star) = pattern.iter().position(|&byte| byte == b'*') else { return Lookup::Nothing };
        let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
        // An arrow with nothing behind it belongs to the key.
        let arrow = rest.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < rest.len());
        match arrow {
            Some(at) => Lookup::Pattern { prefix, suffix: &rest[..at], field: Some(&rest[at + 2..]) },
            None => Lookup::Pattern { prefix, suffix: rest, field: None },
        }
    }

    /// The key, and the field, that a pattern leads to for an element.
    pub(super) fn target(&self, element: &[u8]) -> (Vec<u8>, Option<&'a [u8]>) {
        match self {
            Lookup::Pattern { prefix, suffix, field } => ([prefix, element, suffix].concat(), *field),
            Lookup::Itself | Lookup::Nothing => unreachable!("only patterns lead to keys"),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct SortOptions<'a> {
    pub(super) descending: bool,
    pub(super) alpha: bool,
    limit: Option<(i64, i64)>,
    /// What elements are ordered by instead of themselves; `None` too with `keeps_order`.
    pub(super) by: Option<Lookup<'a>>,
    /// BY a pattern without a star: they are not put into any order.
    pub(super) keeps_order: bool,
    /// The same for a set, which has no order of its own that could be stored, or on which a script could rely: it gets one.
    pub(super) orders_sets: bool,
    pub(super) gets: Vec<Lookup<'a>>,
    pub(super) store: Option<&'a [u8]>,
}

impl<'a> SortOptions<'a> {
    /// Reads them for the command that runs: STORE is not for one that only reads.
    pub(super) fn parse(context: &ShardContext<'_>, args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self::scan(args)?;
        options.orders_sets = options.store.is_some() || context.is_called_by_script();
        let writes = context.command.row.flags.has(crate::command::Flags::WRITE);
        if options.store.is_some() && !writes { Err(CommandError::Syntax) } else { Ok(options) }
    }

    /// Reads them whatever the command.
    pub(super) fn scan(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = SortOptions::default();
        let mut words = args.from(2).iter();
        while let Some(word) = words.next() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let mut next = || words.next().ok_or(CommandError::Syntax);
            if is(b"asc") {
                options.descending = false;
            } else if is(b"desc") {
                options.descending = true;
            } else if is(b"alpha") {
                options.alpha = true;
            } else if is(b"limit") {
                // That both are there is looked at first.
                let (offset, count) = (next()?, next()?);
                options.limit = Some((integer_argument(offset)?, integer_argument(count)?));
            } else if is(b"store") {
                options.store = Some(next()?);
            } else if is(b"by") {
                let pattern = next()?;
                // As in Redis, once a pattern has asked for no order there is none.
                options.keeps_order |= !pattern.contains(&b'*');
                options.by = Some(Lookup::of(pattern)).filter(|by| matches!(by, Lookup::Pattern { .. }));
            } else if is(b"get") {
                options.gets.push(Lookup::of(next()?));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Where the destination stands.
    pub(super) fn store_index(args: Args<'_>) -> Option<usize> {
        let mut index = 2;
        let mut found = None;
        while index < args.len() {
            let is = |name: &[u8]| args.get(index).eq_ignore_ascii_case(name);
            if is(b"store") && index + 1 < args.len() {
                found = Some(index + 1);
            }
            index += if is(b"limit") {
                3
            } else if is(b"by") || is(b"get") || is(b"store") {
                2
            } else {
                1
            };
        }
        found
    }

    /// The patterns that lead to keys: BY's, if it orders, then those of GET.
    pub(super) fn lookups(&self) -> impl Iterator<Item = &Lookup<'a>> {
        let by = self.by.as_ref().filter(|_| !self.keeps_order);
        by.into_iter().chain(&self.gets).filter(|lookup| matches!(lookup, Lookup::Pattern { .. }))
    }

    /// Which of so many elements LIMIT leaves.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let Some((offset, count)) = self.limit else { return 0..len };
        let start = usize::try_from(offset.max(0)).unwrap_or(usize::MAX).min(len);
        let end = if count < 0 { len } else { start.saturating_add(count as usize).min(len) };
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_lead_to_keys_and_fields() {
        let pattern = |prefix, suffix, field| Lookup::Pattern { prefix, suffix, field };
        assert_eq!(Lookup::of(b"#"), Lookup::Itself);
        assert_eq!(Lookup::of(b"key"), Lookup::Nothing);
        assert_eq!(Lookup::of(b"w_*"), pattern(b"w_", b"", None));
        assert_eq!(Lookup::of(b"w_*_x->f"), pattern(b"w_", b"_x", Some(b"f")));
        assert_eq!(Lookup::of(b"w_*->"), pattern(b"w_", b"->", None));
        assert_eq!(Lookup::of(b"a->*"), pattern(b"a->", b"", None));
        assert_eq!(Lookup::of(b"w_*->f").target(b"7"), (b"w_7".to_vec(), Some(&b"f"[..])));
    }
}
