//! Which keys a script can reach, as far as its text tells.
//!
//! ```text
//!   local key = KEYS[1]                        `key` stands for a key of KEYS: it is bound nowhere else
//!   if redis.call('get', key) == ARGV[1] then  the command is a literal, and what stands where its row has keys is a key of KEYS
//!     return redis.call('del', KEYS[1])
//!   end                                        closed
//! ```
//! A script is **closed** if it can call with no other keys than those that were declared to it. What is not understood makes it open, so
//! the answer errs on one side only; docs/scripts.md says what follows from it. The tokens are looked at without a grammar: what makes the
//! proof is that the names `redis`, `server` and `KEYS` occur in no other way than in those few that are allowed, and that no function is
//! there by which text could become code, or an environment another one.

use std::collections::{HashMap, HashSet};

use torc_resp::{Args, Span};

use super::tokens::{Token, tokens};
use crate::command::{Begin, Command, Find, Flags, KeySpec, Registry, Route};

/// A script with more text than this is not looked at.
const SOURCE_BYTES_MAX: usize = 64 * 1024;

/// What the text of a script tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Analysis {
    /// It calls with keys of KEYS only.
    pub is_closed: bool,
    /// It is closed, and calls only commands that read.
    pub only_reads: bool,
}

impl Analysis {
    /// It may do anything.
    pub const OPEN: Analysis = Analysis { is_closed: false, only_reads: false };
}

/// Looks at the text of a script.
pub fn analyse(registry: &'static Registry, source: &[u8]) -> Analysis {
    if source.len() > SOURCE_BYTES_MAX {
        return Analysis::OPEN;
    }
    let only_reads = tokens(source).and_then(|tokens| Text::new(&tokens)?.calls_only_read(registry));
    only_reads.map_or(Analysis::OPEN, |only_reads| Analysis { is_closed: true, only_reads })
}

/// By these, text becomes code, or a name gets another meaning.
const UNSOUND: [&[u8]; 9] =
    [b"load", b"loadstring", b"setfenv", b"getfenv", b"_G", b"rawset", b"rawget", b"setmetatable", b"getmetatable"];

/// A script, and which of its names stand for keys.
struct Text<'a> {
    tokens: &'a [Token<'a>],
    aliases: HashSet<&'a [u8]>,
}

impl<'a> Text<'a> {
    /// `None`: a name occurs that makes all else worthless.
    fn new(tokens: &'a [Token<'a>]) -> Option<Self> {
        let mut text = Text { tokens, aliases: HashSet::new() };
        let is_unsound = |token: &Token<'_>| matches!(token, Token::Name(name) if UNSOUND.contains(name));
        if tokens.iter().any(is_unsound) || !text.keys_are_only_read() {
            return None;
        }
        text.aliases = text.find_aliases();
        Some(text)
    }

    fn token(&self, at: usize) -> &Token<'a> {
        static END: Token<'static> = Token::Sign(b"");
        self.tokens.get(at).unwrap_or(&END)
    }

    fn is(&self, at: usize, sign: &[u8]) -> bool {
        self.token(at).is(sign)
    }

    fn is_name(&self, at: usize, name: &[u8]) -> bool {
        self.token(at).is_name(name)
    }

    /// Whether the tokens from here on are these: names, or signs.
    fn reads(&self, at: usize, words: &[&[u8]]) -> bool {
        let is_word = |(index, word): (usize, &&[u8])| self.is(at + index, word) || self.is_name(at + index, word);
        words.iter().enumerate().all(is_word)
    }

    fn name(&self, at: usize) -> Option<&'a [u8]> {
        match self.tokens.get(at) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// Behind the bracket that closes the one at `at`.
    fn behind_brackets(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        for index in at..self.tokens.len() {
            if let Token::Sign(sign) = self.token(index) {
                match *sign {
                    b"(" | b"[" | b"{" => depth += 1,
                    b")" | b"]" | b"}" => depth = depth.checked_sub(1)?,
                    _ => {}
                }
            }
            if depth == 0 {
                return Some(index + 1);
            }
        }
        None
    }

    /// Whether something that ends before `at` is assigned to: `=` follows, or further things that are assigned to.
    fn is_assigned(&self, mut at: usize) -> bool {
        loop {
            if self.is(at, b"=") {
                return true;
            }
            if !self.is(at, b",") || self.name(at + 1).is_none() {
                return false;
            }
            at += 2;
            loop {
                if self.is(at, b".") && self.name(at + 1).is_some() {
                    at += 2;
                } else if self.is(at, b"[") || self.is(at, b"(") {
                    match self.behind_brackets(at) {
                        Some(behind) => at = behind,
                        None => return true,
                    }
                } else {
                    break;
                }
            }
        }
    }

    /// Whether KEYS occurs in no other way than to read a key of it, to ask for its length, to be unpacked or to be gone through.
    fn keys_are_only_read(&self) -> bool {
        let occurrences = (0..self.tokens.len()).filter(|&at| self.is_name(at, b"KEYS"));
        occurrences.into_iter().all(|at| {
            let before = |words: &[&[u8]]| at >= words.len() && self.reads(at - words.len(), words);
            if before(&[b"."]) || before(&[b":"]) {
                return false;
            }
            if self.is(at + 1, b"[") {
                return self.behind_brackets(at + 1).is_some_and(|behind| !self.is_assigned(behind));
            }
            let is_argument = self.is(at + 1, b")");
            before(&[b"#"]) || (is_argument && (before(&[b"unpack", b"("]) || self.is_gone_through(at)))
        })
    }

    /// Whether `for name, name in ipairs(` stands before `at`, and `) do` behind it.
    fn is_gone_through(&self, at: usize) -> bool {
        let Some(start) = at.checked_sub(7) else { return false };
        self.is_name(start, b"for")
            && self.name(start + 1).is_some()
            && self.is(start + 2, b",")
            && self.name(start + 3).is_some()
            && self.reads(start + 4, &[b"in", b"ipairs", b"("])
            && self.reads(at + 1, &[b")", b"do"])
    }

    /// The names that stand for a key of KEYS wherever they occur: bound once, and to nothing else.
    fn find_aliases(&self) -> HashSet<&'a [u8]> {
        let mut bindings: HashMap<&'a [u8], usize> = HashMap::new();
        let mut keys: Vec<&'a [u8]> = Vec::new();
        for at in 0..self.tokens.len() {
            let is_field = at > 0 && (self.is(at - 1, b".") || self.is(at - 1, b":"));
            match self.name(at) {
                Some(b"local") if self.is_name(at + 1, b"function") => {}
                Some(b"local") => {
                    let names = self.names(at + 1);
                    keys.extend(self.bound_to_keys(at + 2 * names.len(), &names));
                    names.into_iter().for_each(|name| *bindings.entry(name).or_default() += 1);
                }
                Some(b"for") => {
                    let names = self.names(at + 1);
                    if names.len() == 2 && self.is_gone_through(at + 7) && self.is_name(at + 7, b"KEYS") {
                        keys.push(names[1]);
                    }
                    names.into_iter().for_each(|name| *bindings.entry(name).or_default() += 1);
                }
                Some(b"function") => {
                    let open = (at + 1..self.tokens.len()).find(|&index| self.is(index, b"("));
                    let bound =
                        self.names(at + 1).into_iter().chain(open.map_or(Vec::new(), |open| self.names(open + 1)));
                    bound.for_each(|name| *bindings.entry(name).or_default() += 1);
                }
                Some(name) if !is_field && self.is_assigned(at + 1) => {
                    // What `local` and `for` bind is counted a second time here where `=` follows: they are told apart by what stands before.
                    let is_declared = self.is_declared(at);
                    *bindings.entry(name).or_default() += usize::from(!is_declared);
                }
                _ => {}
            }
        }
        keys.into_iter().filter(|name| bindings.get(name) == Some(&1)).collect()
    }

    /// Names with commas between them.
    fn names(&self, mut at: usize) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
        while let Some(name) = self.name(at) {
            names.push(name);
            if !self.is(at + 1, b",") {
                break;
            }
            at += 2;
        }
        names
    }

    /// Whether a name stands in the list behind `local` or `for`.
    fn is_declared(&self, mut at: usize) -> bool {
        while at >= 2 && self.is(at - 1, b",") && self.name(at - 2).is_some() {
            at -= 2;
        }
        at > 0 && (self.is_name(at - 1, b"local") || self.is_name(at - 1, b"for"))
    }

    /// Those of the names of a `local` that are bound to a key of KEYS; `at`: where its `=` stands, if it has one.
    fn bound_to_keys(&self, at: usize, names: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let mut bound = Vec::new();
        if !self.is(at, b"=") {
            return bound;
        }
        let mut at = at + 1;
        for name in names {
            if !self.reads(at, &[b"KEYS", b"["]) {
                break;
            }
            let Some(behind) = self.behind_brackets(at + 1) else { break };
            let goes_on = match self.token(behind) {
                Token::Sign(sign) => !matches!(*sign, b"," | b";" | b""),
                Token::Name(word) => matches!(*word, b"and" | b"or"),
                Token::Text(_) => true,
                Token::Number => false,
            };
            if goes_on {
                break;
            }
            bound.push(*name);
            if !self.is(behind, b",") {
                break;
            }
            at = behind + 1;
        }
        bound
    }

    /// Whether all calls only read. `None`: one of them may be with another key.
    fn calls_only_read(&self, registry: &'static Registry) -> Option<bool> {
        let mut only_read = true;
        for at in 0..self.tokens.len() {
            if !self.is_name(at, b"redis") && !self.is_name(at, b"server") {
                continue;
            }
            if at > 0 && (self.is(at - 1, b".") || self.is(at - 1, b":")) || !self.is(at + 1, b".") {
                return None;
            }
            match self.name(at + 2)? {
                b"call" | b"pcall" if self.is(at + 3, b"(") => {
                    let command = self.closed_call(registry, at + 3)?;
                    only_read &= !command.row.flags.has(Flags::WRITE);
                }
                b"call" | b"pcall" => return None,
                _ if self.is_assigned(at + 3) => return None,
                _ => {}
            }
        }
        Some(only_read)
    }

    /// The command of a call whose arguments begin at this bracket, if it can have no other keys than those of KEYS.
    fn closed_call(&self, registry: &'static Registry, open: usize) -> Option<&'static Command> {
        let arguments = self.arguments(open)?;
        let words: Vec<&[u8]> = arguments.iter().map_while(|argument| self.literal(argument)).collect();
        let command = find(registry, &words)?;
        let row = command.row;
        let is_placed = match row.route {
            Route::Owner | Route::Split { .. } | Route::Relay(_) => !row.keys.is_empty(),
            Route::Session => row.keys.is_empty(),
            _ => false,
        };
        if !is_placed || row.follow.is_some() || row.host_step.is_some() {
            return None;
        }
        row.keys.iter().all(|spec| self.keys_are_declared(spec, &arguments)).then_some(command)
    }

    /// The arguments of a call, each as the range of its tokens.
    fn arguments(&self, open: usize) -> Option<Vec<std::ops::Range<usize>>> {
        let close = self.behind_brackets(open)? - 1;
        let mut arguments = Vec::new();
        let (mut start, mut at) = (open + 1, open + 1);
        while at < close {
            if matches!(self.token(at), Token::Sign(b"(" | b"[" | b"{")) {
                at = self.behind_brackets(at)?;
            } else if self.is_name(at, b"function") {
                // Commas of its body would be taken for those of the call.
                return None;
            } else if self.is(at, b",") {
                arguments.push(start..at);
                start = at + 1;
                at += 1;
            } else {
                at += 1;
            }
        }
        arguments.push(start..close);
        Some(arguments)
    }

    fn literal(&self, argument: &std::ops::Range<usize>) -> Option<&[u8]> {
        match self.tokens.get(argument.clone())? {
            [Token::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether an argument is a key of KEYS.
    fn is_key(&self, argument: &std::ops::Range<usize>) -> bool {
        let at = argument.start;
        if argument.len() == 1 {
            return self.name(at).is_some_and(|name| self.aliases.contains(name));
        }
        self.reads(at, &[b"KEYS", b"["]) && self.behind_brackets(at + 1) == Some(argument.end)
    }

    /// Whether an argument is all keys of KEYS.
    fn is_all_keys(&self, argument: &std::ops::Range<usize>) -> bool {
        argument.len() == 4 && self.reads(argument.start, &[b"unpack", b"(", b"KEYS", b")"])
    }

    /// Whether an argument may become several, or none: as the last one of a call.
    fn is_many(&self, argument: &std::ops::Range<usize>) -> bool {
        let Some(last) = argument.clone().last() else { return false };
        self.is(last, b"...")
            || (argument.len() > 1 && matches!(self.token(last), Token::Sign(b")" | b"}") | Token::Text(_)))
    }

    /// Whether what stands where this specification has keys is declared.
    fn keys_are_declared(&self, spec: &KeySpec, arguments: &[std::ops::Range<usize>]) -> bool {
        let (Begin::Index(first), None) = (spec.begin, spec.exact) else { return false };
        let Find::Range { last, step, limit } = spec.find else { return false };
        let Some((tail, heads)) = arguments.split_last() else { return false };
        let tail_at = heads.len();
        let is_many = self.is_many(tail);
        if last >= 0 {
            let is_declared = |at: usize| match arguments.get(at) {
                Some(argument) if at < tail_at || !is_many => self.is_key(argument),
                Some(argument) => self.is_all_keys(argument),
                // What a last argument becomes may stand there; without one the call fails.
                None => !is_many || self.is_all_keys(tail),
            };
            return (first..=first + last as usize).step_by(step).all(is_declared);
        }
        if limit > 1 || last < -1 || (is_many && step > 1) {
            return false;
        }
        let is_declared = |at: usize| match &arguments[at] {
            argument if at == tail_at && is_many => self.is_all_keys(argument),
            argument => self.is_key(argument),
        };
        (first..arguments.len()).step_by(step).all(is_declared)
    }
}

/// The command that a call with these first words is, if it is one and does not depend on words that are not known.
fn find(registry: &'static Registry, words: &[&[u8]]) -> Option<&'static Command> {
    let (bytes, mut spans) = (words.concat(), Vec::new());
    let mut start = 0u32;
    for word in words {
        spans.push(Span { start, len: word.len() as u32 });
        start += word.len() as u32;
    }
    if words.is_empty() {
        return None;
    }
    registry.find(Args::new(&bytes, &spans)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::registry;

    fn analysed(source: &str) -> &'static str {
        match analyse(registry(), source.as_bytes()) {
            Analysis { is_closed: false, only_reads: false } => "open",
            Analysis { is_closed: true, only_reads: false } => "closed",
            Analysis { is_closed: true, only_reads: true } => "reads",
            Analysis { is_closed: false, only_reads: true } => unreachable!("what only reads is closed"),
        }
    }

    #[test]
    fn what_frameworks_send_for_locks_and_limits_is_closed() {
        let closed = [
            "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end",
            "local key = KEYS[1] local n = redis.call('INCR', key) if n == 1 then redis.call('PEXPIRE', key, ARGV[1]) end return n",
            "local a, b = KEYS[1], KEYS[2]\nredis.call('rename', a, b)",
            "for _, key in ipairs(KEYS) do redis.call('del', key) end",
            "return redis.call('del', unpack(KEYS))",
            "redis.call('rpush', KEYS[#KEYS], unpack(ARGV))",
            "redis.call('mset', KEYS[1], ARGV[1], KEYS[2], ARGV[2])",
            "redis.call('set', KEYS[1], cjson.encode({a = 1, b = {2}}), 'PX', ARGV[1])",
            "server.call('SET', KEYS[tonumber(ARGV[1])], redis.sha1hex('x'))",
            "redis.call('select', 3) redis.call('set', KEYS[1], redis.call('time')[1])",
            "local t = {KEYS[1]} redis.call('set', KEYS[1], t[1])",
            "-- redis.call('get', 'x')\nredis.pcall('set', KEYS[1], [[redis.call('get')]])",
        ];
        for source in closed {
            assert_eq!(analysed(source), "closed", "{source}");
        }
    }

    #[test]
    fn what_calls_only_reads() {
        let reads = [
            "return 1",
            "redis.log(redis.LOG_WARNING, 'x') return redis.status_reply('x')",
            "return {redis.call('get', KEYS[1]), redis.call('get', KEYS[2])}",
            "return redis.call('mget', unpack(KEYS))",
            "local v = redis.call('hmget', KEYS[1], unpack(ARGV)) return #v",
        ];
        for source in reads {
            assert_eq!(analysed(source), "reads", "{source}");
        }
    }

    #[test]
    fn whatever_may_reach_another_key_is_open() {
        let open = [
            "redis.call('get', ARGV[1])",
            "redis.call('get', 'key')",
            "redis.call('get', KEYS[1] .. ':x')",
            "redis.call('get', (KEYS[1]))",
            "redis.call(ARGV[1], KEYS[1])",
            "local call = redis.call call('get', 'x')",
            "redis['call']('get', 'x')",
            "local r = redis r.call('get', 'x')",
            "pcall(redis.call, 'get', 'x')",
            "redis.call{'get', 'x'}",
            "redis.call'get'",
            "KEYS[1] = 'x' redis.call('get', KEYS[1])",
            "local a a, KEYS[1] = 1, 'x' redis.call('get', KEYS[1])",
            "KEYS[1], a = 'x', 1 redis.call('get', KEYS[1])",
            "KEYS = {'x'} redis.call('get', KEYS[1])",
            "local KEYS = {'x'} redis.call('get', KEYS[1])",
            "table.insert(KEYS, 'x') redis.call('get', KEYS[2])",
            "local k = KEYS k[1] = 'x' redis.call('get', KEYS[1])",
            "local f, t = ipairs(KEYS) t[1] = 'x' redis.call('get', KEYS[1])",
            "local key = KEYS[1] key = 'x' redis.call('get', key)",
            "local key = KEYS[1] key, a = 'x' redis.call('get', key)",
            "local key = KEYS[1] for key in pairs(x) do redis.call('get', key) end",
            "local key = KEYS[1] local f = function(key) redis.call('get', key) end f('x')",
            "local key = KEYS[1] .. 'x' redis.call('get', key)",
            "local key = KEYS[1] or 'x' redis.call('get', key)",
            "local key = KEYS[1] local key = 'x' redis.call('get', key)",
            "for _, key in ipairs(KEYS) do key = 'x' redis.call('get', key) end",
            "for key, _ in ipairs(KEYS) do redis.call('get', key) end",
            "redis.call('del', unpack(ARGV))",
            "redis.call('del', KEYS[1], unpack(ARGV))",
            "redis.call('get', unpack(ARGV))",
            "redis.call(unpack(ARGV))",
            "redis.call('mset', unpack(KEYS))",
            "redis.call('zunionstore', KEYS[1], 2, KEYS[2], ARGV[1])",
            "redis.call('sort', KEYS[1], 'by', 'x*')",
            "redis.call('keys', '*')",
            "redis.call('dbsize')",
            "redis.call('publish', KEYS[1], 'x')",
            "loadstring('redis.call(\"get\", \"x\")')()",
            "setfenv(1, {})",
            "rawset(KEYS, 1, 'x') redis.call('get', KEYS[1])",
            "redis.call = x",
            "x.redis.call('get', KEYS[1])",
            "redis.call('get', KEYS[1]",
            "local s = [[ redis.call('get', KEYS[1])",
        ];
        for source in open {
            assert_eq!(analysed(source), "open", "{source}");
        }
        let long = format!("--{}\nreturn 1", "x".repeat(SOURCE_BYTES_MAX));
        assert_eq!(analysed(&long), "open");
    }
}
