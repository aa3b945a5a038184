//! SORT and SORT_RO: what they read, how they order it, and what they answer.
//!
//! ```text
//!   key -> elements --BY--> weights -> order -> LIMIT --GET--> values -> reply or list
//!
//!   one core       weights and values are read where they are needed
//!   several cores  elements are fetched; then what all patterns lead to is read on the owners; then all of it is put in order
//! ```

use std::cmp::Ordering;

use torc_resp::number::parse_f64;
use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};
use torc_store::pack::Packed;
use torc_store::sorted_set::SortedSetRef;
use torc_store::{HashRef, Kind, ListLimits, ListRef, SetRef, build_list};

use super::sort_options::{Lookup, SortOptions};
use crate::command::{ApplyOn, Begin, Fetched, Fetching, Find, Follow, KeySpec, Keys, Relay};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

/// For COMMAND DOCS.
pub(super) const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the \
                                     number of returned elements. When the elements are not sorted, complexity is O(N).";

/// How it runs over several cores.
pub(super) static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::LastOwner };

/// The keys that BY and GET lead to.
pub(super) static FOLLOW: Follow = Follow { applies, refusal, keys: follow_keys, read };

/// For clients: there are keys that follow from the elements.
pub(super) const PATTERNS: KeySpec = KeySpec {
    begin: Begin::Unknown,
    find: Find::Unknown,
    notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
    ..KeySpec::at(1, "RO access")
};

/// The destination of the last STORE.
pub(super) const STORE: KeySpec = KeySpec {
    begin: Begin::Unknown,
    find: Find::Unknown,
    notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
    exact: Some(|args| SortOptions::store_index(args).map_or(Keys::NONE, Keys::at)),
    ..KeySpec::at(1, "OW update")
};

/// The elements of a value, copied: what is read for them may be anywhere.
#[derive(Default)]
struct Copied {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Sorts with everything on this core.
pub(super) fn run(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = SortOptions::parse(context, args)?;
    let (elements, kind) = read_elements(context, args.get(1))?;
    let elements = elements.slices();
    let (now_ms, shard) = (context.now_ms(), &*context);
    let look_up = |lookup: &Lookup<'_>, index: usize| -> Option<Vec<u8>> {
        let (key, field) = lookup.target(elements[index]);
        let value = shard.glance(&key)?;
        match field {
            None => value.as_string().map(<[u8]>::to_vec),
            Some(field) if value.kind() == Kind::Hash => HashRef::of(value, now_ms).get(field).map(Packed::to_vec),
            Some(_) => None,
        }
    };
    let sorted = sort(&elements, kind, &options, &mut |_, lookup, index| look_up(lookup, index))?;
    let values = output(&elements, &sorted, &options, &mut |_, lookup, index| look_up(lookup, index));
    answer(context, options.store, values, reply);
    Ok(())
}

/// Of the key to be sorted: its kind and its elements. Of the destination: nothing.
fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    if key_number > 0 {
        extract.null();
        return Ok(());
    }
    SortOptions::parse(context, args)?;
    let (elements, kind) = read_elements(context, args.get(1))?;
    extract.array(elements.ends.len() + 1);
    extract.integer(kind.map_or(0, |kind| kind as i64));
    elements.slices().into_iter().for_each(|element| extract.bulk(element));
    Ok(())
}

fn applies(args: Args<'_>) -> bool {
    SortOptions::scan(args).is_ok_and(|options| options.lookups().next().is_some())
}

/// What a request asks for that only who may read all keys is given: what a pattern leads to, whatever it leads to.
fn refusal(args: Args<'_>) -> Option<CommandError> {
    let mut words = args.from(2).iter();
    while let Some(word) = words.next() {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"by") && words.next()?.contains(&b'*') {
            return Some(CommandError::fixed("ERR BY option of SORT denied due to insufficient ACL permissions."));
        }
        if is(b"get") {
            words.next()?;
            return Some(CommandError::fixed("ERR GET option of SORT denied due to insufficient ACL permissions."));
        }
        let values = if is(b"limit") { 2 } else { usize::from(is(b"store")) };
        for _ in 0..values {
            words.next()?;
        }
    }
    None
}

/// For each element, what each pattern leads to.
fn follow_keys(args: Args<'_>, fetched: Fetched<'_>) -> Vec<[Vec<u8>; 2]> {
    let options = SortOptions::scan(args).expect("it was read before the fetch");
    let (_, elements) = decode(fetched);
    let targets = elements.iter().flat_map(|element| options.lookups().map(|lookup| lookup.target(element)));
    // The word says whether a field is meant, and which.
    let word = |field: Option<&[u8]>| field.map_or(Vec::new(), |field| [b"f", field].concat());
    targets.map(|(key, field)| [key, word(field)]).collect()
}

fn read(context: &mut ShardContext<'_>, key: &[u8], word: &[u8], extract: &mut Extract) {
    let now_ms = context.now_ms();
    let value = context.glance(key);
    match (value, word.split_first()) {
        (Some(value), None) => match value.as_string() {
            Some(bytes) => extract.bulk(bytes),
            None => extract.null(),
        },
        (Some(value), Some((_, field))) if value.kind() == Kind::Hash => match HashRef::of(value, now_ms).get(field) {
            Some(value) => value.with_bytes(|bytes| extract.bulk(bytes)),
            None => extract.null(),
        },
        _ => extract.null(),
    }
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = SortOptions::parse(context, args)?;
    let (kind, elements) = decode(fetched);
    let keys_len = context.command.row.key_indexes(args).count();
    let lookups_len = options.lookups().count();
    let mut look_up = |number: usize, _: &Lookup<'_>, index: usize| {
        let at = keys_len + index * lookups_len + number;
        reader::bulk(fetched.get(at)).map(<[u8]>::to_vec)
    };
    let sorted = sort(&elements, kind, &options, &mut look_up)?;
    let values = output(&elements, &sorted, &options, &mut look_up);
    answer(context, options.store, values, reply);
    Ok(())
}

/// What [`fetch`] wrote for the key to be sorted.
fn decode(fetched: Fetched<'_>) -> (Option<Kind>, Vec<&[u8]>) {
    let mut parts = Elements::new(fetched.get(0)).expect("elements are fetched as an array");
    let number = parts.next().and_then(reader::integer);
    let kind = [Kind::List, Kind::Set, Kind::SortedSet].into_iter().find(|&kind| Some(kind as i64) == number);
    (kind, parts.map(|part| reader::bulk(part).expect("an element is fetched as a string")).collect())
}

/// Reads a pattern's value for an element: the pattern's number among all of the request, the pattern, the element's index.
type LookUp<'f> = dyn FnMut(usize, &Lookup<'_>, usize) -> Option<Vec<u8>> + 'f;

/// What an element is ordered by.
enum Weight {
    Number(f64),
    Text(Option<Vec<u8>>),
    /// The element's own bytes.
    Itself,
}

/// The indexes of the elements that LIMIT leaves, in order.
fn sort(
    elements: &[&[u8]],
    kind: Option<Kind>,
    options: &SortOptions<'_>,
    look_up: &mut LookUp<'_>,
) -> Result<Vec<usize>, CommandError> {
    let range = options.range(elements.len());
    let mut order: Vec<usize> = (0..elements.len()).collect();
    if options.keeps_order && !(kind == Some(Kind::Set) && options.orders_sets) {
        if options.descending && kind != Some(Kind::Set) {
            order.reverse();
        }
        return Ok(order[range].to_vec());
    }
    let by = options.by.as_ref().filter(|_| !options.keeps_order);
    let is_text = options.alpha || options.keeps_order;
    let mut weights = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        weights.push(match by {
            Some(lookup) if is_text => Weight::Text(look_up(0, lookup, index)),
            Some(lookup) => Weight::Number(look_up(0, lookup, index).map_or(Ok(0.0), |text| number(&text))?),
            None if is_text => Weight::Itself,
            None => Weight::Number(number(element)?),
        });
    }
    let compare = |&a: &usize, &b: &usize| {
        let ordering = match (&weights[a], &weights[b]) {
            (Weight::Number(x), Weight::Number(y)) => x.total_cmp(y).then_with(|| elements[a].cmp(elements[b])),
            (Weight::Text(x), Weight::Text(y)) => x.cmp(y),
            _ => elements[a].cmp(elements[b]),
        };
        let ordering = if options.descending { ordering.reverse() } else { ordering };
        // Equal ones stay in the order in which they were.
        ordering.then(a.cmp(&b))
    };
    Ok(sort_range(order, range, compare))
}

/// The elements of `range` after all of `order` is sorted; what lies outside is put into no order.
fn sort_range(
    mut order: Vec<usize>,
    range: std::ops::Range<usize>,
    compare: impl Fn(&usize, &usize) -> Ordering,
) -> Vec<usize> {
    if range.is_empty() {
        return Vec::new();
    }
    if range.end < order.len() {
        order.select_nth_unstable_by(range.end - 1, &compare);
        order.truncate(range.end);
    }
    order.sort_unstable_by(compare);
    order.drain(..range.start);
    order
}

/// What C's `strtod` makes of a text, which Redis uses here: it ends at a zero byte, spaces may stand before the number, and nothing at
/// all is 0.
fn number(text: &[u8]) -> Result<f64, CommandError> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let number = if text.is_empty() { Some(0.0) } else { parse_f64(&text[spaces..]) };
    // A zero with a sign equals one without.
    let number = number.filter(|number| !number.is_nan()).map(|number| number + 0.0);
    number.ok_or(CommandError::fixed("ERR One or more scores can't be converted into double"))
}

/// What the reply or the list consists of.
fn output(
    elements: &[&[u8]],
    sorted: &[usize],
    options: &SortOptions<'_>,
    look_up: &mut LookUp<'_>,
) -> Vec<Option<Vec<u8>>> {
    if options.gets.is_empty() {
        return sorted.iter().map(|&index| Some(elements[index].to_vec())).collect();
    }
    let mut values = Vec::with_capacity(sorted.len() * options.gets.len());
    for &index in sorted {
        let mut number = usize::from(options.by.is_some() && !options.keeps_order);
        for get in &options.gets {
            values.push(match get {
                Lookup::Itself => Some(elements[index].to_vec()),
                Lookup::Nothing => None,
                Lookup::Pattern { .. } => {
                    number += 1;
                    look_up(number - 1, get, index)
                }
            });
        }
    }
    values
}

fn answer(context: &mut ShardContext<'_>, store: Option<&[u8]>, values: Vec<Option<Vec<u8>>>, reply: &mut Reply<'_>) {
    let Some(destination) = store else {
        reply.array(values.len());
        return values.iter().for_each(|value| match value {
            Some(value) => reply.bulk(value),
            None => reply.null(),
        });
    };
    let limits = ListLimits::of(i64::from(context.config().list_max_listpack_size));
    if values.is_empty() {
        context.remove(destination);
    } else {
        let elements = values.iter().map(|value| value.as_deref().unwrap_or_default());
        context.access(destination);
        build_list(context.entry(destination), elements, None, limits);
        context.event(EventClass::List, "sortstore", destination);
        context.count_changes(values.len());
    }
    reply.integer(values.len() as i64);
}

/// The elements of a list, set or sorted set, and which of these it is; no elements when there is no such key.
fn read_elements(context: &mut ShardContext<'_>, key: &[u8]) -> Result<(Copied, Option<Kind>), CommandError> {
    let Some(value) = context.read(key) else { return Ok((Copied::default(), None)) };
    let mut copied = Copied::default();
    let mut push = |element: Packed<'_>| copied.push(element);
    match value.kind() {
        Kind::List => ListRef::of(value).iter().for_each(&mut push),
        Kind::Set => SetRef::of(value).iter().for_each(&mut push),
        Kind::SortedSet => SortedSetRef::of(value).iter().for_each(|(member, _)| push(member)),
        _ => return Err(CommandError::WrongType),
    }
    Ok((copied, Some(value.kind())))
}

impl Copied {
    fn push(&mut self, element: Packed<'_>) {
        element.with_bytes(|bytes| self.bytes.extend_from_slice(bytes));
        self.ends.push(self.bytes.len());
    }

    fn slices(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| &self.bytes[start..end]).collect()
    }
}
