//! Forms in which several commands are propagated, where they are not propagated as they came ([`crate::effect`]).
//!
//! ```text
//!   the change is made  -->  context.propagates()?  -->  one of these, with absolute times and what was chosen or made
//! ```

use torc_resp::{Args, number::I64Text};

use crate::shard::ShardContext;

/// The key has gone: whatever asked for it, its time was over or it was taken out.
pub fn removed(context: &mut ShardContext<'_>, key: &[u8]) {
    context.propagate(&[b"DEL", key]);
}

/// A command for some elements of a key: the words, and the elements behind them.
pub fn with_elements(context: &mut ShardContext<'_>, words: &[&[u8]], elements: &[&[u8]]) {
    if context.propagates() {
        context.propagate(&[words, elements].concat());
    }
}

/// A command for some fields of a hash: the words, `FIELDS`, their number, and the fields.
pub fn with_fields(context: &mut ShardContext<'_>, words: &[&[u8]], fields: &[&[u8]]) {
    if context.propagates() {
        let count = I64Text::new(fields.len() as i64);
        context.propagate(&[words, &[b"FIELDS", count.as_bytes()], fields].concat());
    }
}

/// The command as it came, though it may have counted no change.
pub fn as_it_came(context: &mut ShardContext<'_>, args: Args<'_>) {
    with_replaced(context, args, &[]);
}

/// The command as it came but for these arguments, by index.
pub fn with_replaced(context: &mut ShardContext<'_>, args: Args<'_>, replaced: &[(usize, &[u8])]) {
    if context.propagates() {
        let mut words: Vec<&[u8]> = args.iter().collect();
        replaced.iter().for_each(|&(index, word)| words[index] = word);
        context.propagate(&words);
    }
}
