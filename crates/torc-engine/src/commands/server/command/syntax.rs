//! From a row's syntax line to the argument tree of COMMAND DOCS.
//!
//! The notation is that of Redis's manual:
//!
//! ```text
//! key value            arguments
//! EX seconds           an argument behind a token (upper case)
//! [GET]                may be left out
//! <ON | OFF>           one of these
//! [NX | XX]            one of these, or none
//! key [key ...]        once or more
//! [OFFSET a b]         several arguments behind one token
//! ```

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A key.
    Key,
    /// A glob pattern.
    Pattern,
    /// A point in time.
    UnixTime,
    /// A word that stands for itself.
    PureToken,
    /// One of the children.
    OneOf,
    /// All of the children.
    Block,
}

impl Kind {
    /// The name in COMMAND DOCS.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    fn of(name: &str) -> Kind {
        match name {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" => Kind::Key,
            "pattern" => Kind::Pattern,
            "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
            "seconds" | "milliseconds" | "count" | "offset" | "start" | "stop" | "end" | "index" | "index1"
            | "index2" | "increment" | "decrement" | "cursor" | "numkeys" | "destination-db" | "protover"
            | "client-id" | "version" | "maxage" | "bit" | "length" | "port" | "min-match-len" | "timeout" | "db"
            | "selected-db" => Kind::Integer,
            _ => Kind::String,
        }
    }
}

/// One argument, with those inside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Argument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The word that precedes it.
    pub token: Option<String>,
    /// It may be left out.
    pub optional: bool,
    /// It may come several times.
    pub multiple: bool,
    /// Its token comes each time too.
    pub multiple_token: bool,
    /// Alternatives, or the parts of a block.
    pub children: Vec<Argument>,
}

impl Argument {
    fn leaf(name: &str, kind: Kind) -> Self {
        let name = name.to_lowercase();
        Argument {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            children: Vec::new(),
        }
    }

    /// Several arguments as one.
    fn group(kind: Kind, children: Vec<Argument>) -> Self {
        let names: Vec<&str> = children.iter().map(|child| child.name.as_str()).collect();
        Argument { children: children.clone(), ..Argument::leaf(&names.join("_"), kind) }
    }

    /// One argument out of a sequence that is not empty.
    fn from_sequence(mut sequence: Vec<Argument>) -> Self {
        if sequence.len() == 1 { sequence.remove(0) } else { Argument::group(Kind::Block, sequence) }
    }
}

/// Parses a syntax line. Lines are written by hand and tested; a mistake in one panics.
pub(super) fn parse(syntax: &str) -> Vec<Argument> {
    let mut words = Words { rest: words(syntax), position: 0 };
    let arguments = words.sequence();
    assert_eq!(words.position, words.rest.len(), "brackets close in '{syntax}'");
    arguments
}

/// Brackets, bars and words.
fn words(syntax: &str) -> Vec<String> {
    let spaced: String = syntax
        .chars()
        .flat_map(|letter| if "[]<>|".contains(letter) { vec![' ', letter, ' '] } else { vec![letter] })
        .collect();
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// A position in the words of a line; one method for each rule of the notation.
struct Words {
    rest: Vec<String>,
    position: usize,
}

impl Words {
    /// Arguments up to a bar, a closing bracket or the end.
    fn sequence(&mut self) -> Vec<Argument> {
        let mut arguments: Vec<Argument> = Vec::new();
        while let Some(word) = self.peek().map(str::to_owned) {
            match word.as_str() {
                "|" | "]" | ">" | "..." => break,
                "[" => {
                    self.position += 1;
                    self.bracket(&mut arguments);
                }
                "<" => arguments.push(self.required_group()),
                _ => arguments.push(self.word()),
            }
        }
        arguments
    }

    fn peek(&self) -> Option<&str> {
        self.rest.get(self.position).map(String::as_str)
    }

    fn take(&mut self, wanted: &str) {
        assert_eq!(self.peek(), Some(wanted), "in the syntax {:?}", self.rest.join(" "));
        self.position += 1;
    }

    /// After `[`: either arguments that may be left out, or the mark that those before it may come again.
    fn bracket(&mut self, before: &mut Vec<Argument>) {
        let alternatives = self.alternatives();
        let repeated = self.peek() == Some("...");
        self.position += usize::from(repeated);
        self.take("]");
        if repeated && repeat_tail(before, &alternatives) {
            return;
        }
        let mut argument = one_of(alternatives);
        argument.optional = true;
        argument.multiple |= repeated;
        before.push(argument);
    }

    fn required_group(&mut self) -> Argument {
        self.take("<");
        let alternatives = self.alternatives();
        let repeated = self.peek() == Some("...");
        self.position += usize::from(repeated);
        self.take(">");
        let mut argument = one_of(alternatives);
        argument.multiple |= repeated;
        argument
    }

    fn alternatives(&mut self) -> Vec<Vec<Argument>> {
        let mut alternatives = vec![self.branch()];
        while self.peek() == Some("|") {
            self.position += 1;
            alternatives.push(self.branch());
        }
        alternatives
    }

    /// A sequence inside brackets. A token in front of several arguments belongs to all of them.
    fn branch(&mut self) -> Vec<Argument> {
        let token = self.peek().filter(|word| is_token(word)).map(str::to_owned);
        let start = self.position;
        let plain = self.sequence();
        let Some(token) =
            token.filter(|_| plain.len() > 1 && plain[1].token.is_none() && plain[1].kind != Kind::PureToken)
        else {
            return plain;
        };
        let repeats_itself = plain[1].optional;
        if repeats_itself || plain[0].token.as_deref() != Some(token.as_str()) {
            return plain;
        }
        self.position = start + 1;
        let mut block = Argument::group(Kind::Block, self.sequence());
        block.name = token.to_lowercase();
        block.token = Some(token);
        vec![block]
    }

    /// A plain argument, a token, or a token with its argument.
    fn word(&mut self) -> Argument {
        let word = self.rest[self.position].clone();
        self.position += 1;
        if !is_token(&word) {
            return Argument::leaf(&word, Kind::of(&word));
        }
        let mut argument = match self.peek() {
            Some("<") => self.required_group(),
            Some(next) if is_name(next) => {
                let next = next.to_owned();
                self.position += 1;
                Argument::leaf(&next, Kind::of(&next))
            }
            _ => Argument::leaf(&word, Kind::PureToken),
        };
        argument.token = Some(word);
        argument
    }
}

/// Marks the last arguments as repeatable if `again` is the same over again. Several of them become a block.
fn repeat_tail(before: &mut Vec<Argument>, again: &[Vec<Argument>]) -> bool {
    let [again] = again else { return false };
    let Some(start) = before.len().checked_sub(again.len()) else { return false };
    if let ([again], Some(last)) = (again.as_slice(), before.last_mut())
        && *again == (Argument { token: None, ..last.clone() })
    {
        last.multiple = true;
        return true;
    }
    if again.is_empty() || before[start..] != again[..] {
        return false;
    }
    let mut argument = Argument::from_sequence(before.split_off(start));
    argument.multiple = true;
    argument.multiple_token = argument.token.is_some();
    before.push(argument);
    true
}

fn one_of(alternatives: Vec<Vec<Argument>>) -> Argument {
    let branches: Vec<Argument> = alternatives.into_iter().map(Argument::from_sequence).collect();
    match branches.len() {
        1 => Argument::from_sequence(branches),
        _ => Argument::group(Kind::OneOf, branches),
    }
}

/// Tokens are written in upper case.
fn is_token(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_uppercase()) && !word.bytes().any(|byte| byte.is_ascii_lowercase())
        || matches!(word, "=" | "~" | "*" | "$" | "0" | "1")
}

fn is_name(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::registry;

    /// A compact picture of a tree: `TOKEN=name:kind` with `?` optional, `+` multiple, `++` with its token.
    fn show(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let token = argument.token.as_ref().map_or(String::new(), |token| format!("{token}="));
            let children =
                if argument.children.is_empty() { String::new() } else { format!("({})", show(&argument.children)) };
            let marks = [(argument.optional, "?"), (argument.multiple, "+"), (argument.multiple_token, "+")];
            let marks: String = marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark)).collect();
            format!("{token}{}:{}{children}{marks}", argument.name, argument.kind.name())
        };
        arguments.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn trees_of_the_notation() {
        let table = [
            ("", ""),
            ("key", "key:key"),
            ("key [key ...]", "key:key+"),
            ("key value [key value ...]", "key_value:block(key:key value:string)+"),
            ("[message]", "message:string?"),
            ("<ON | OFF>", "on_off:oneof(ON=on:pure-token OFF=off:pure-token)"),
            ("key seconds [NX | XX]", "key:key seconds:integer nx_xx:oneof(NX=nx:pure-token XX=xx:pure-token)?"),
            (
                "[GET] [EX seconds | KEEPTTL]",
                "GET=get:pure-token? seconds_keepttl:oneof(EX=seconds:integer KEEPTTL=keepttl:pure-token)?",
            ),
            (
                "[AUTH username password] [SETNAME clientname]",
                "AUTH=auth:block(username:string password:string)? SETNAME=clientname:string?",
            ),
            (
                "[protover [SETNAME clientname]]",
                "protover_clientname:block(protover:integer SETNAME=clientname:string?)?",
            ),
            ("[PREFIX prefix [PREFIX prefix ...]]", "PREFIX=prefix:string?++"),
            ("[name [name ...]]", "name:string?+"),
            ("command [arg ...]", "command:string arg:string?+"),
            ("[TYPE <A | B>]", "TYPE=a_b:oneof(A=a:pure-token B=b:pure-token)?"),
            ("[ID client-id [client-id ...]]", "ID=client-id:integer?+"),
        ];
        for (syntax, tree) in table {
            assert_eq!(show(&parse(syntax)), tree, "{syntax}");
        }
    }

    #[test]
    fn every_row_can_be_parsed() {
        for command in registry().all() {
            let arguments = parse(command.row.syntax);
            assert!(arguments.iter().all(|argument| !argument.name.is_empty()), "{}", command.full_name);
        }
    }
}
