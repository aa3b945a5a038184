//! The next units of an episode: commands drawn from the rows, each with the way its replies are compared.
//!
//! A command is drawn when the reference knows it, with those options alone that the reference names in COMMAND DOCS.

use std::collections::{BTreeMap, BTreeSet};

use torc_engine::command::{Flags, registry};
use torc_engine::random::Random;
use torc_resp::number::parse_f64;
use torc_sim::borders::{Values, lex_bound, score_bound, text};
use torc_sim::grammar::{Drawn, Template};

use crate::compare::Compare;
use crate::node::Node;
use crate::request::Request;

/// Groups with how often one of their commands is drawn.
const GROUPS: [(&str, u64); 10] = [
    ("string", 3),
    ("generic", 4),
    ("list", 4),
    ("hash", 3),
    ("set", 3),
    ("sorted-set", 6),
    ("stream", 6),
    ("bitmap", 2),
    ("hyperloglog", 1),
    ("geo", 2),
];

/// Of other groups.
const OTHERS: [&str; 6] = ["ping", "echo", "select", "dbsize", "swapdb", "watch"];

/// Commands of the groups that are not drawn.
const LEFT_OUT: [(&str, &str); 5] = [
    ("object|help", "the text is each server's own"),
    ("xgroup|help", "the text is each server's own"),
    ("xinfo|help", "the text is each server's own"),
    ("pfdebug", "converts values in ways that only tests need"),
    ("pfselftest", "takes seconds and tells nothing"),
];

/// Groups of which arguments are now and then exchanged or repeated: those in which no argument is a time.
const MUDDLED: [&str; 7] = ["list", "set", "sorted-set", "bitmap", "hyperloglog", "geo", "stream"];

/// What fills keys, so that the others find something.
const FILLERS: [&str; 12] = [
    "rpush",
    "lpush",
    "hset",
    "sadd",
    "zadd",
    "xadd",
    "set",
    "setbit",
    "pfadd",
    "geoadd",
    "xgroup|create",
    "xreadgroup",
];

/// What may be asked for.
pub struct Selection {
    /// Templates by group.
    groups: Vec<(&'static str, u64, Vec<Template>)>,
    /// The words of options that the reference knows, by command.
    tokens: BTreeMap<String, BTreeSet<Vec<u8>>>,
}

impl Selection {
    /// What both know, of the groups named (none: of all). `docs` is the reference's reply to COMMAND DOCS.
    pub fn new(docs: &Node, named: &[String]) -> Self {
        let mut tokens = BTreeMap::new();
        commands_of(docs, &mut tokens);
        let suits = |group: &str| named.is_empty() || named.iter().any(|name| name == group);
        let all = || registry().all().filter(|command| tokens.contains_key(command.full_name));
        let of_group = |group: &str| {
            let suits = all().filter(|command| command.row.group == group && command.subcommands.is_empty());
            let on_keys = suits.filter(|command| command.row.concerns_keys() && !is_left_out(command.full_name));
            on_keys.map(Template::new).collect::<Vec<_>>()
        };
        let mut groups: Vec<_> = GROUPS
            .iter()
            .filter(|(group, _)| suits(group))
            .map(|&(group, weight)| (group, weight, of_group(group)))
            .filter(|(_, _, templates)| !templates.is_empty())
            .collect();
        let others = all().filter(|command| OTHERS.contains(&command.full_name)).map(Template::new);
        if suits("other") {
            groups.push(("other", 1, others.collect()));
        }
        Selection { groups, tokens }
    }

    /// Number of commands that are drawn.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|(_, _, templates)| templates.len()).sum()
    }

    fn template(&self, random: &mut Random) -> &Template {
        let total = self.groups.iter().map(|(_, weight, _)| weight).sum();
        let mut place = random.below(total);
        let group = self.groups.iter().find(|(_, weight, _)| {
            let is_it = place < *weight;
            place = place.saturating_sub(*weight);
            is_it
        });
        let (_, _, templates) = group.expect("the weights sum up to the total");
        let fillers = || templates.iter().filter(|template| FILLERS.contains(&template.command.full_name));
        match fillers().count() as u64 {
            count if count > 0 && random.below(3) == 0 => {
                fillers().nth(random.below(count) as usize).expect("there are so many")
            }
            _ => &templates[random.below(templates.len() as u64) as usize],
        }
    }

    /// A command's name and nothing more, where that is too little.
    pub fn without_arguments(&self, random: &mut Random) -> Request {
        loop {
            let command = self.template(random).command;
            let arguments: Vec<Vec<u8>> = command.full_name.split('|').map(|name| name.as_bytes().to_vec()).collect();
            if !command.row.arity_fits(arguments.len()) {
                return Request { name: "nonsense", arguments, compare: Compare::Exact };
            }
        }
    }

    /// A command with what has to go before or behind it.
    pub fn requests(&self, values: &mut Values, random: &mut Random) -> Vec<Request> {
        let (name, flags, drawn) = loop {
            let template = self.template(random);
            let name = template.command.full_name;
            // A transaction in which WATCH is refused goes on; that one which waits does not hold up the pipeline often.
            let is_slow = template.command.row.flags.has(Flags::BLOCKING) && !values.is_queued && random.below(4) > 0;
            values.group = template.command.row.group;
            let drawn = template.draw(values, random);
            let known = &self.tokens[name];
            let is_known = drawn.words.iter().all(|word| known.contains(word.as_bytes()));
            if is_known && !is_slow && (values.reforms || !reforms_values(name)) {
                break (name, template.command.row.flags, drawn);
            }
        };
        let mut drawn = fit_bounds(name, drawn, random);
        if random.below(12) == 0 && MUDDLED.contains(&values.group) && !flags.has(Flags::BLOCKING) {
            muddle(&mut drawn.arguments, random);
        }
        // Where something is left out or too much, another argument is the timeout.
        let timeout_is_last = flags.has(Flags::BLOCKING) && !name.ends_with("mpop") && !name.starts_with("xread");
        if timeout_is_last
            && !values.is_queued
            && let Some(last) = drawn.arguments.last_mut()
        {
            let is_long = parse_f64(last).is_some_and(|seconds| seconds == 0.0 || (0.01..9.2e15).contains(&seconds));
            *last = if is_long { b"0.001".to_vec() } else { std::mem::take(last) };
        }
        let filling = fill_for_lex(name, &mut drawn, random);
        let mut requests = surround(name, flags, drawn, values.reforms);
        requests.splice(0..0, filling);
        requests
    }
}

/// Exchanges two arguments behind the key, or repeats one.
fn muddle(arguments: &mut Vec<Vec<u8>>, random: &mut Random) {
    if arguments.len() < 4 {
        return;
    }
    let place = |random: &mut Random| 2 + random.below(arguments.len() as u64 - 2) as usize;
    let (one, other) = (place(random), place(random));
    if random.below(2) == 0 {
        arguments.swap(one, other);
    } else {
        let repeated = arguments[one].clone();
        arguments.insert(other, repeated);
    }
}

fn is_left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|(left_out, _)| *left_out == name)
}

/// Commands and subcommands in a reply to COMMAND DOCS, with the words of their options.
fn commands_of(docs: &Node, into: &mut BTreeMap<String, BTreeSet<Vec<u8>>>) {
    for pair in docs.elements().chunks(2) {
        let name = String::from_utf8_lossy(pair[0].bulk().unwrap_or_default()).into_owned();
        let mut tokens = BTreeSet::new();
        for fact in pair[1].elements().chunks(2) {
            match fact[0].bulk() {
                Some(b"subcommands") => commands_of(&fact[1], into),
                Some(b"arguments") => tokens_of(&fact[1], &mut tokens),
                _ => {}
            }
        }
        into.insert(name, tokens);
    }
}

fn tokens_of(arguments: &Node, into: &mut BTreeSet<Vec<u8>>) {
    for argument in arguments.elements() {
        for fact in argument.elements().chunks(2) {
            match (fact[0].bulk(), fact.get(1)) {
                (Some(b"token"), Some(Node::Bulk(token))) => {
                    into.extend(token.split(|byte| *byte == b' ').map(<[u8]>::to_vec));
                }
                (Some(b"arguments"), Some(children)) => tokens_of(children, into),
                _ => {}
            }
        }
    }
}

/// The bounds of ZRANGE stand before the words that say what they mean.
fn fit_bounds(name: &str, mut drawn: Drawn, random: &mut Random) -> Drawn {
    let first = match name {
        "zrange" => 2,
        "zrangestore" => 3,
        _ => return drawn,
    };
    let bound: Option<fn(&mut Random) -> String> = match &drawn.words {
        words if words.contains(&"BYLEX") => Some(lex_bound),
        words if words.contains(&"BYSCORE") => Some(score_bound),
        _ => None,
    };
    if let Some(bound) = bound.filter(|_| random.below(10) > 0) {
        for argument in drawn.arguments.iter_mut().skip(first).take(2) {
            *argument = bound(random).into_bytes();
        }
    }
    drawn
}

/// Ranges by name mean something only where all scores are equal: such a command gets a key of its own kind, and something into it.
fn fill_for_lex(name: &str, drawn: &mut Drawn, random: &mut Random) -> Option<Request> {
    let at = if name == "zrangestore" { 2 } else { 1 };
    if !(name.contains("lex") || drawn.words.contains(&"BYLEX")) || drawn.arguments.len() <= at {
        return None;
    }
    let key = format!("y{}", random.below(3)).into_bytes();
    let mut words = vec![b"ZADD".to_vec(), key.clone()];
    for _ in 0..=random.below(5) {
        words.extend([b"0".to_vec(), text(random)]);
    }
    drawn.arguments[at] = key;
    Some(Request { name: "zadd", arguments: words, compare: Compare::Exact })
}

/// What goes before and behind a request.
type Surroundings = (Vec<Request>, Compare, Vec<Request>);

fn delete(key: &[u8]) -> Vec<Request> {
    vec![Request::exact("del", &[b"DEL", key])]
}

/// Of random commands: a look at what there is to choose from before, and what makes both sides equal behind. And what gives values the
/// same form on both sides where versions differ.
fn evened_out(name: &str, arguments: &[Vec<u8>], words: &[&str]) -> Option<Surroundings> {
    let key = arguments.get(1).cloned().unwrap_or_default();
    let look = |compare, words: &[&[u8]]| vec![Request { compare, ..Request::exact("look", words) }];
    let members = || look(Compare::Unordered(1), &[b"SMEMBERS", &key]);
    let scores = || look(Compare::Exact, &[b"ZRANGE", &key, b"0", b"-1"]);
    let is_by = |word: &&str| matches!(*word, "BYSCORE" | "BYLEX");
    Some(match name {
        "srandmember" => (members(), Compare::DrawnFrom, Vec::new()),
        "zrandmember" => (scores(), Compare::DrawnScores, Vec::new()),
        "hrandfield" => (look(Compare::Unordered(2), &[b"HGETALL", &key]), Compare::DrawnFrom, Vec::new()),
        "spop" => {
            let mut behind = vec![Request::exact("scard", &[b"SCARD", &key])];
            behind.extend(delete(&key));
            (members(), Compare::DrawnFrom, behind)
        }
        "randomkey" => (look(Compare::Unordered(1), &[b"KEYS", b"*"]), Compare::DrawnFrom, Vec::new()),
        "xadd" if words.contains(&"*") || arguments.iter().any(|argument| argument == b"*") => {
            (Vec::new(), Compare::Shape, delete(&key))
        }
        // Where the reference does not know how many there will be, it makes a skiplist of the fewest; 7.2 does not.
        "zrangestore" if words.iter().any(is_by) => {
            let again = Request::exact("zunionstore", &[b"ZUNIONSTORE", &key, b"1", &key]);
            (Vec::new(), Compare::Scores, vec![again])
        }
        // The reference may add members that it then takes out again, and keeps the form they asked for.
        "sdiffstore" => {
            let again = Request::exact("sunionstore", &[b"SUNIONSTORE", &key, &key]);
            (Vec::new(), Compare::Exact, vec![again])
        }
        // 7.2 takes as many as are given for those there will be, even if some are given twice.
        "hset" | "hmset" if has_twins(arguments, 2) => (Vec::new(), Compare::Exact, delete(&key)),
        "sadd" if has_twins(arguments, 1) => (Vec::new(), Compare::Exact, delete(&key)),
        _ => return None,
    })
}

/// Changes what references of different versions take for different things, where the keyspaces would then differ.
fn settle_versions(name: &str, arguments: &mut [Vec<u8>], words: &[&'static str]) {
    match name {
        // Where a list is packed, 8 takes 32 bits of the index.
        "lset" => {
            arguments.iter_mut().skip(2).take(1).filter(|index| index.len() > 9).for_each(|index| index.truncate(9))
        }
        // 8 reads neither hexadecimal numbers nor spaces in a range's bounds: what is removed or stored would not be the same.
        "zremrangebyscore" | "zrangestore" => {
            let odd = |bound: &&mut Vec<u8>| bound.contains(&b' ') || bound.contains(&b'x');
            let bounds = if name == "zrangestore" { 3 } else { 2 };
            arguments.iter_mut().skip(bounds).filter(odd).for_each(|bound| *bound = b"4".to_vec());
        }
        // By DELREF and ACKED, 8 removes nothing where it may remove less than was asked for.
        "xadd" | "xtrim" if words.iter().any(|word| matches!(*word, "DELREF" | "ACKED")) => {
            arguments.iter_mut().filter(|word| *word == b"~").for_each(|word| *word = b"=".to_vec());
        }
        _ => {}
    }
}

/// Says how replies are compared, and adds what makes a random command comparable.
fn surround(name: &'static str, flags: Flags, drawn: Drawn, reforms: bool) -> Vec<Request> {
    let Drawn { mut arguments, words } = drawn;
    if matches!(name, "zrank" | "zrevrank") && !words.contains(&"WITHSCORE") {
        // 7.0 takes nothing more.
        arguments.truncate(3);
    }
    settle_versions(name, &mut arguments, &words);
    let key = arguments.get(1).cloned().unwrap_or_default();
    let after = |word: &str| {
        let at = arguments.iter().position(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))?;
        arguments.get(at + 1).cloned()
    };
    let (mut before, mut compare, mut behind) = evened_out(name, &arguments, &words).unwrap_or_default();
    match name {
        _ if !before.is_empty() || !behind.is_empty() => {}
        "smembers" | "sinter" | "sunion" | "sdiff" | "hkeys" | "hvals" | "keys" => compare = Compare::Unordered(1),
        "hgetall" => compare = Compare::Unordered(2),
        // The reference shares small integers.
        "object|idletime" | "object|refcount" => compare = Compare::Shape,
        "object|encoding" => compare = Compare::Encoding { reforms },
        // A cursor that none of the two gave says nothing.
        "scan" | "sscan" | "hscan" | "zscan" if !matches!(after_cursor(name, &arguments), b"0" | b"") => {
            compare = Compare::Scan(0);
        }
        "scan" | "sscan" => compare = Compare::Scan(1),
        "zscan" => compare = Compare::ScanScores,
        "hscan" if words.contains(&"NOVALUES") => compare = Compare::Scan(1),
        "hscan" => compare = Compare::Scan(2),
        "ttl" | "expiretime" | "httl" | "hexpiretime" => compare = Compare::Within(15),
        "pttl" | "pexpiretime" | "hpttl" | "hpexpiretime" => compare = Compare::Within(15_000),
        "dump" => compare = Compare::Dump,
        "xinfo|stream" | "xinfo|groups" | "xinfo|consumers" => compare = Compare::Info,
        "xpending" => compare = Compare::Pending,
        // Without a pattern that is filled in, the order is that of the table; by strings, ties are in no order.
        "sort" | "sort_ro" => {
            let by = after("BY");
            let is_vague = by.is_some_and(|by| !by.contains(&b'*') || words.contains(&"ALPHA"));
            if is_vague {
                compare = Compare::Length;
                behind = after("STORE").map(|key| delete(&key)).unwrap_or_default();
            }
        }
        // 7.2 makes the consumer even if there is nothing to claim.
        "xclaim" | "xautoclaim" if arguments.len() > 3 => {
            let words: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", &key, &arguments[2], &arguments[3]];
            before = vec![Request::exact("xgroup|createconsumer", &words)];
        }
        // It does so too when there is nothing to read.
        "xreadgroup" => before = consumers_of(&arguments),
        _ if name.starts_with("geo") && words.iter().any(|word| matches!(*word, "COUNT" | "ASC" | "DESC")) => {
            let store = after("STOREDIST").or(after("STORE")).or((name == "geosearchstore").then_some(key));
            match store {
                // Which of equally distant places are among the first is open.
                Some(key) => behind = delete(&key),
                None => {
                    arguments.push(b"WITHDIST".to_vec());
                    compare = Compare::Places;
                }
            }
        }
        _ if name.starts_with('z') || name.starts_with("bz") || name.starts_with("geo") => compare = Compare::Scores,
        _ => debug_assert!(!flags.has(Flags::CHOOSES) || name.starts_with('x'), "{name} is random"),
    }
    before.push(Request { name, arguments, compare });
    before.extend(behind);
    before
}

/// Whether the reference gives a value another form by this command than Torc does.
pub fn reforms_values(name: &str) -> bool {
    matches!(name, "sort" | "sort_ro" | "restore")
}

/// Whether HSET or SADD names a field or a member twice, each so many arguments behind the one before.
fn has_twins(arguments: &[Vec<u8>], step: usize) -> bool {
    let fields: Vec<&Vec<u8>> = arguments.iter().skip(2).step_by(step).collect();
    fields.iter().enumerate().any(|(number, field)| fields[..number].contains(field))
}

/// The cursor of a command of the SCAN family.
fn after_cursor<'a>(name: &str, arguments: &'a [Vec<u8>]) -> &'a [u8] {
    arguments.get(if name == "scan" { 1 } else { 2 }).map_or(b"", Vec::as_slice)
}

/// Makes the consumer of a XREADGROUP in all groups it reads from.
fn consumers_of(arguments: &[Vec<u8>]) -> Vec<Request> {
    let place = |word: &str| arguments.iter().position(|argument| argument.eq_ignore_ascii_case(word.as_bytes()));
    let (Some(group), Some(streams)) = (place("GROUP"), place("STREAMS")) else { return Vec::new() };
    let keys = &arguments[streams + 1..];
    let Some([group, consumer]) = arguments.get(group + 1..group + 3) else { return Vec::new() };
    let words = |key: &Vec<u8>| -> [Vec<u8>; 5] {
        [b"XGROUP".to_vec(), b"CREATECONSUMER".to_vec(), key.clone(), group.clone(), consumer.clone()]
    };
    let request =
        |key| Request { name: "xgroup|createconsumer", arguments: words(key).to_vec(), compare: Compare::Exact };
    keys[..keys.len() / 2].iter().map(request).collect()
}
