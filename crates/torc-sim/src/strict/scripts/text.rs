//! The text of a script, put together from requests: what they say becomes Lua, literally or by KEYS and ARGV.
//!
//! ```text
//!   SET k0.1 x EX 3   -->   r[#r + 1] = redis.pcall('SET', KEYS[1], ARGV[1], 'EX', '3')
//! ```

use std::fmt::Write;

use torc_engine::command::{Flags, registry};
use torc_engine::random::Random;
use torc_resp::Args;

use super::Script;
use crate::strict::history::flat;
use crate::swarm::pick;

/// A word of a call.
#[derive(Clone)]
pub(super) enum Word {
    /// As it stands.
    Text(Vec<u8>),
    /// The key of KEYS with this index, from 0 on.
    Key(usize),
    /// The same of ARGV.
    Argument(usize),
}

/// A script under construction.
pub(super) struct Text {
    head: String,
    body: String,
    calls: Vec<Vec<Word>>,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
    /// Every key becomes one of KEYS.
    is_closed: bool,
    /// Its first line says that it writes nothing.
    says_no_writes: bool,
    only_reads: bool,
    is_impatient: bool,
}

/// Rounds of a loop that takes long: with a clock that goes on, a few slices.
const ROUNDS: [u64; 3] = [20_000, 150_000, 400_000];

impl Text {
    /// An empty one. `is_impatient`: many of the run take long.
    pub fn new(is_impatient: bool, random: &mut Random) -> Text {
        let says_no_writes = random.below(20) == 0;
        let head = if says_no_writes { "#!lua flags=no-writes\n" } else { "" };
        Text {
            head: format!("{head}local r, n = {{}}, 0\n"),
            body: String::new(),
            calls: Vec::new(),
            keys: Vec::new(),
            arguments: Vec::new(),
            is_closed: random.below(3) > 0,
            says_no_writes,
            only_reads: true,
            is_impatient,
        }
    }

    /// The script calls this, whatever else happens.
    pub fn call(&mut self, request: &[Vec<u8>], random: &mut Random) {
        self.loop_for_long(random);
        let call = self.words_of(request, random);
        self.write_call(call, true, random);
    }

    /// The words of a call.
    fn words_of(&mut self, request: &[Vec<u8>], random: &mut Random) -> Vec<Word> {
        let (bytes, spans) = flat(request);
        let command = registry().find(Args::new(&bytes, &spans)).expect("it is a command");
        self.only_reads &= !command.row.flags.has(Flags::WRITE);
        let args = Args::new(&bytes, &spans);
        let fits = command.row.arity_fits(args.len());
        let keys: Vec<usize> = if fits { command.row.key_indexes(args).collect() } else { Vec::new() };
        let names = command.full_name.split('|').count();
        let word = |(at, word): (usize, &Vec<u8>)| match at {
            _ if at < names => Word::Text(word.clone()),
            _ if keys.contains(&at) => self.key(word, random),
            _ if random.below(2) == 0 => self.argument(word),
            _ => Word::Text(word.clone()),
        };
        request.iter().enumerate().map(word).collect()
    }

    /// The script calls this, if something holds. `is_exact`: its answer may become a part of the script's.
    pub fn call_at_times(&mut self, request: &[Vec<u8>], is_exact: bool, random: &mut Random) {
        self.loop_for_long(random);
        let call = self.words_of(request, random);
        if let Some(Word::Key(at)) = call.iter().find(|word| matches!(word, Word::Key(_)))
            && random.below(8) == 0
        {
            let exists = vec![Word::Text(b"EXISTS".to_vec()), Word::Key(*at)];
            let condition = self.lua_of(&exists, "call", random);
            writeln!(self.body, "if {condition} == {} then", random.below(2)).expect("a text grows");
            self.calls.push(exists);
            self.write_call(call, is_exact, random);
            self.body.push_str("end\n");
        } else {
            self.write_call(call, is_exact, random);
        }
    }

    fn write_call(&mut self, call: Vec<Word>, is_exact: bool, random: &mut Random) {
        let lua = self.lua_of(&call, if random.below(3) == 0 { "call" } else { "pcall" }, random);
        match is_exact && random.below(4) > 0 {
            true => writeln!(self.body, "r[#r + 1] = {lua}").expect("a text grows"),
            false => writeln!(self.body, "{lua}").expect("a text grows"),
        }
        self.calls.push(call);
    }

    fn loop_for_long(&mut self, random: &mut Random) {
        if random.below(if self.is_impatient { 3 } else { 12 }) == 0 {
            let rounds = pick(random, &ROUNDS);
            writeln!(self.body, "for i = 1, {rounds} do n = n + 1 end").expect("a text grows");
        }
    }

    fn lua_of(&mut self, call: &[Word], function: &str, random: &mut Random) -> String {
        let words: Vec<String> = call.iter().map(|word| self.lua_of_word(word, random)).collect();
        format!("redis.{function}({})", words.join(", "))
    }

    fn lua_of_word(&mut self, word: &Word, random: &mut Random) -> String {
        match word {
            Word::Text(text) => literal(text),
            Word::Argument(at) => format!("ARGV[{}]", at + 1),
            Word::Key(at) if random.below(4) == 0 => {
                let name = format!("key{}", at + 1);
                let line = format!("local {name} = KEYS[{}]\n", at + 1);
                if !self.head.contains(&line) {
                    self.head.push_str(&line);
                }
                name
            }
            Word::Key(at) => format!("KEYS[{}]", at + 1),
        }
    }

    fn key(&mut self, key: &[u8], random: &mut Random) -> Word {
        if !self.is_closed && random.below(3) > 0 {
            return if random.below(2) == 0 { Word::Text(key.to_vec()) } else { self.argument(key) };
        }
        let known = self.keys.iter().position(|known| known == key);
        Word::Key(known.unwrap_or_else(|| {
            self.keys.push(key.to_vec());
            self.keys.len() - 1
        }))
    }

    fn argument(&mut self, argument: &[u8]) -> Word {
        self.arguments.push(argument.to_vec());
        Word::Argument(self.arguments.len() - 1)
    }

    /// The script, which at times fails in the end.
    pub fn script(mut self, random: &mut Random) -> Script {
        self.loop_for_long(random);
        let end = match random.below(16) {
            0 => "error('enough')",
            1 => "return redis.error_reply('ENOUGH of it')",
            2 => "return nothing.there",
            3 => "return redis.call('NOSUCH')",
            4 => "return n",
            _ => "return r",
        };
        self.ending(end)
    }

    /// The script, of which everything happens.
    pub fn script_without_errors(mut self) -> Script {
        if self.says_no_writes {
            self.says_no_writes = false;
            self.head = self.head.split_once('\n').map(|(_, rest)| rest.to_owned()).expect("it has a first line");
        }
        self.ending("return r")
    }

    fn ending(self, end: &str) -> Script {
        let source = [self.head, self.body, end.to_owned()].concat().into_bytes();
        Script {
            sha: sha1_smol::Sha1::from(&source).digest().to_string().into_bytes(),
            source,
            calls: self.calls,
            keys: self.keys,
            arguments: self.arguments,
            is_closed: self.is_closed,
            only_reads: self.only_reads || self.says_no_writes,
        }
    }
}

/// A text as Lua writes it.
fn literal(text: &[u8]) -> String {
    let mut lua = String::from("'");
    for &byte in text {
        match byte {
            b'\'' | b'\\' => write!(lua, "\\{}", char::from(byte)).expect("a text grows"),
            b' '..=b'~' => lua.push(char::from(byte)),
            _ => write!(lua, "\\{byte:03}").expect("a text grows"),
        }
    }
    lua + "'"
}
