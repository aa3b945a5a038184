//! Requests made from the rows of the registry: each row says in its `syntax` what its arguments are.
//!
//! ```text
//!   "key value [NX | XX] [EX seconds | KEEPTTL]"  ->  SET {a1}2 hello XX
//! ```
//!
//! A new command that works on keys is drawn as soon as it has a row; those that choose at random only where the choice is judged.

use std::sync::LazyLock;

use torc_engine::command::{Command, Flags, Route, registry};
use torc_engine::random::Random;

/// Groups whose commands on keys are not drawn.
const GROUPS_EXCLUDED: [&str; 2] = ["server", "transactions"];

/// Others that are drawn: deterministic, or made comparable by the ledger.
const OTHERS: [&str; 19] = [
    "ping",
    "echo",
    "select",
    "reset",
    "quit",
    "hello",
    "auth",
    "keys",
    "time",
    "object|help",
    "client|reply",
    "client|setname",
    "client|getname",
    "client|setinfo",
    "client|no-touch",
    "client|no-evict",
    "client|help",
    "command|count",
    "cluster|keyslot",
];

/// Commands whose result does not follow from the requests before them alone, and why.
const EXCLUDED: [(&str, &str); 3] = [
    ("object|idletime", "requests that a dead client may or may not have brought through count as use"),
    ("object|freq", "as above"),
    ("pfdebug", "converts values in ways that only tests need"),
];

/// A command and the parts of its arguments.
pub struct Template {
    /// The command.
    pub command: &'static Command,
    parts: Vec<Part>,
}

/// One element of a syntax.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Upper-case: as it stands.
    Word(&'static str),
    /// Lower-case: a value of this kind.
    Name(&'static str),
    /// `[..]`, with `..` before the bracket any number of times.
    Optional { choices: Vec<Vec<Part>>, repeats: bool },
    /// `<.. | ..>`
    Choice(Vec<Vec<Part>>),
}

/// Everything that can be drawn.
pub(crate) fn templates() -> &'static [Template] {
    static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
        let drawn = registry().all().filter(|command| is_drawn(command));
        drawn.map(Template::new).collect()
    });
    &TEMPLATES
}

fn is_drawn(command: &Command) -> bool {
    let row = command.row;
    let on_keys = matches!(row.route, Route::Owner | Route::Split { .. } | Route::Relay(_));
    let suits =
        on_keys && names_keys(command) && command.subcommands.is_empty() && !GROUPS_EXCLUDED.contains(&row.group);
    let is_excluded = EXCLUDED.iter().any(|(name, _)| *name == command.full_name);
    (suits || OTHERS.contains(&command.full_name)) && !is_excluded
}

/// Whether a command chooses at random, so that no other server can be told to answer alike.
pub(crate) fn chooses(command: &Command) -> bool {
    command.row.flags.has(Flags::CHOOSES)
}

/// Whether its requests name keys.
pub(crate) fn names_keys(command: &Command) -> bool {
    !command.row.keys.is_empty()
}

/// Where the values for the names in a syntax come from.
pub trait Source {
    /// An argument for a lower-case name in the syntax of a command.
    fn value_of(&self, name: &str, command: &str, random: &mut Random) -> Vec<u8>;
    /// What is put behind a complete request now and then.
    fn surplus(&self, random: &mut Random) -> Vec<u8>;
}

/// A request from a [`Template`].
pub struct Drawn {
    /// The arguments, the command's name first.
    pub arguments: Vec<Vec<u8>>,
    /// The words of the syntax that are in it.
    pub words: Vec<&'static str>,
}

/// A request under construction.
struct Draft<'a, S> {
    command: &'static str,
    source: &'a S,
    random: &'a mut Random,
    drawn: Drawn,
    /// Keys so far.
    keys: u64,
    /// Where a number is to be told, of what, and how many there were.
    told: Option<(usize, &'static str, u64)>,
}

impl Template {
    /// The template of a command.
    pub fn new(command: &'static Command) -> Self {
        Template { command, parts: parse(command.syntax) }
    }

    /// A request, usually a valid one.
    pub fn request(&self, source: &impl Source, random: &mut Random) -> Vec<Vec<u8>> {
        self.draw(source, random).arguments
    }

    /// A request with the words of the syntax that are in it.
    pub fn draw(&self, source: &impl Source, random: &mut Random) -> Drawn {
        let names = self.command.full_name.split('|');
        let arguments: Vec<Vec<u8>> = names.map(|name| any_case(name, random)).collect();
        let fixed = arguments.len();
        let drawn = Drawn { arguments, words: Vec::new() };
        let mut draft = Draft { command: self.command.full_name, source, random, drawn, keys: 0, told: None };
        draft.expand(&self.parts);
        draft.tell();
        let mut drawn = draft.drawn;
        if random.below(40) == 0 && drawn.arguments.len() > fixed {
            drawn.arguments.pop();
        } else if random.below(60) == 0 {
            drawn.arguments.push(source.surplus(random));
        }
        drawn
    }
}

impl<S: Source> Draft<'_, S> {
    fn expand(&mut self, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Word(word) => {
                    self.drawn.words.push(word);
                    self.drawn.arguments.push(any_case(word, self.random));
                }
                Part::Name(name) => self.name(name),
                Part::Choice(choices) => self.expand_one(choices),
                Part::Optional { choices, repeats } => {
                    let times = if *repeats { self.repetitions(choices) } else { u64::from(self.random.below(3) == 0) };
                    (0..times).for_each(|_| self.expand_one(choices));
                }
            }
        }
    }

    fn expand_one(&mut self, choices: &[Vec<Part>]) {
        let choice = self.random.below(choices.len() as u64) as usize;
        self.expand(&choices[choice]);
    }

    fn name(&mut self, name: &'static str) {
        match name {
            "numkeys" => self.told = Some((self.drawn.arguments.len(), "key", 0)),
            "numfields" => self.told = Some((self.drawn.arguments.len(), "field", 0)),
            "num-vertices" => self.told = Some((self.drawn.arguments.len(), "latitude", 0)),
            "numids" => self.told = Some((self.drawn.arguments.len(), "id", 0)),
            "key" => self.keys += 1,
            _ => {}
        }
        if let Some((_, of, count)) = &mut self.told
            && *of == name
        {
            *count += 1;
        }
        let value = self.source.value_of(name, self.command, self.random);
        self.drawn.arguments.push(value);
    }

    /// How often something more is repeated. Where there is to be one for each key, mostly so often.
    fn repetitions(&mut self, choices: &[Vec<Part>]) -> u64 {
        let is_parallel = match choices {
            [choice] => match choice[..] {
                [Part::Name("weight")] => true,
                [Part::Name("id")] => self.command.starts_with("xread"),
                _ => false,
            },
            _ => false,
        };
        if is_parallel && self.random.below(20) > 0 { self.keys - 1 } else { self.random.below(5) }
    }

    /// Writes the number of what followed into the argument that is to tell it, now and then wrongly.
    fn tell(&mut self) {
        if let Some((at, _, count)) = self.told {
            match self.random.below(40) {
                0 => self.drawn.arguments[at] = self.random.below(count + 2).to_string().into_bytes(),
                // Whatever the source gave.
                1 => {}
                _ => self.drawn.arguments[at] = count.to_string().into_bytes(),
            }
        }
    }
}

fn any_case(word: &str, random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => word.to_ascii_lowercase().into_bytes(),
        1 => word
            .bytes()
            .map(|byte| if random.below(2) == 0 && byte.is_ascii_alphabetic() { byte ^ 0x20 } else { byte })
            .collect(),
        _ => word.to_ascii_uppercase().into_bytes(),
    }
}

/// Reads a syntax in the notation of Redis's manual.
fn parse(syntax: &'static str) -> Vec<Part> {
    let mut choices = parse_choices(&mut tokens(syntax).into_iter().peekable());
    assert_eq!(choices.len(), 1, "a choice is in brackets: {syntax}");
    choices.pop().expect("there is one")
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<&'static str>>;

/// Reads up to the closing bracket or the end.
fn parse_choices(tokens: &mut Tokens) -> Vec<Vec<Part>> {
    let mut choices = vec![Vec::new()];
    while let Some(token) = tokens.next_if(|token| !matches!(*token, "]" | ">")) {
        let parts = choices.last_mut().expect("it begins with one");
        match token {
            "|" => choices.push(Vec::new()),
            "[" => {
                let mut inner = parse_choices(tokens);
                tokens.next().expect("a bracket is closed");
                let last = inner.last_mut().expect("it begins with one");
                let repeats = last.pop_if(|part| *part == Part::Name("...")).is_some();
                parts.push(Part::Optional { choices: inner, repeats });
            }
            "<" => {
                parts.push(Part::Choice(parse_choices(tokens)));
                tokens.next().expect("a bracket is closed");
            }
            word if word.bytes().any(|byte| byte.is_ascii_lowercase()) || word == "..." => parts.push(Part::Name(word)),
            word => parts.push(Part::Word(word)),
        }
    }
    choices
}

fn tokens(syntax: &'static str) -> Vec<&'static str> {
    let mut tokens = Vec::new();
    for word in syntax.split_ascii_whitespace() {
        let mut rest = word;
        while let Some(position) = rest.find(['[', ']', '<', '>']) {
            if position > 0 {
                tokens.push(&rest[..position]);
            }
            tokens.push(&rest[position..=position]);
            rest = &rest[position + 1..];
        }
        if !rest.is_empty() {
            tokens.push(rest);
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_is_read_as_the_manual_means_it() {
        let parts = parse("key [A | B b] [key ...] <C | [D]>");
        let expected = vec![
            Part::Name("key"),
            Part::Optional {
                choices: vec![vec![Part::Word("A")], vec![Part::Word("B"), Part::Name("b")]],
                repeats: false,
            },
            Part::Optional { choices: vec![vec![Part::Name("key")]], repeats: true },
            Part::Choice(vec![
                vec![Part::Word("C")],
                vec![Part::Optional { choices: vec![vec![Part::Word("D")]], repeats: false }],
            ]),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn the_commands_that_matter_are_drawn() {
        let names: Vec<&str> = templates().iter().map(|template| template.command.full_name).collect();
        for name in OTHERS.iter().chain(&[
            "set",
            "get",
            "mset",
            "mget",
            "del",
            "msetex",
            "lcs",
            "pexpireat",
            "getex",
            "incrbyfloat",
            "blmove",
            "hpexpire",
            "sinterstore",
            "zunionstore",
            "xreadgroup",
            "bitop",
            "pfmerge",
            "geosearchstore",
            "sort",
            "dump",
            "restore",
        ]) {
            assert!(names.contains(name), "{name}");
        }
        assert!(!names.contains(&"flushall") && !names.contains(&"randomkey") && !names.contains(&"object|freq"));
    }
}
