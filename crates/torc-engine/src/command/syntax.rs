//! From a row's syntax line to the argument tree of COMMAND DOCS, and to the plain line of Redis's manual.
//!
//! The notation is that of the manual, with what only COMMAND DOCS shows added to it:
//!
//! ```text
//! key value            arguments
//! EX seconds           an argument behind a token (upper case)
//! [GET]                may be left out
//! <ON | OFF>           one of these
//! [NX | XX]            one of these, or none
//! key [key ...]        once or more
//! [OFFSET a b]         several arguments behind one token
//! <a b>                several arguments as one
//!
//! condition:[NX | XX]  the name of a group; of a repetition the name of what is repeated: a b data:[a b ...]
//! count:num-matches    the name of an argument that is shown differently
//! change:CH            the name of a token that has another
//! seconds@6.0.0        since when it is there, also behind a bracket; @!6.0.0: deprecated since then
//! min/double           its type, where the table of names does not tell
//! pattern#1            which key specification it belongs to, where that does not follow from the order of the keys
//! ```

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Double,
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
    pub fn name(self) -> &'static str {
        match self {
            Kind::Double => "double",
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
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" | "dst" | "src" => {
                Kind::Key
            }
            "pattern" => Kind::Pattern,
            "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
            "seconds" | "milliseconds" | "count" | "offset" | "start" | "stop" | "end" | "index" | "index1"
            | "index2" | "increment" | "decrement" | "cursor" | "numkeys" | "numfields" | "numids"
            | "destination-db" | "protover" | "client-id" | "version" | "maxage" | "bit" | "length" | "port"
            | "min-match-len" | "db" | "slot" | "rank" | "num-matches" | "len" | "limit" | "ttl" | "frequency"
            | "ms" | "entries-read" | "entries-added" | "num-vertices" | "weight" => Kind::Integer,
            "longitude" | "latitude" | "radius" | "width" | "height" | "score" | "timeout" => Kind::Double,
            _ => Kind::String,
        }
    }

    fn named(name: &str) -> Kind {
        let kinds = [Kind::String, Kind::Integer, Kind::Double, Kind::Key, Kind::Pattern, Kind::UnixTime];
        kinds.into_iter().find(|kind| kind.name() == name).unwrap_or_else(|| panic!("{name} is no type"))
    }
}

/// One argument, with those inside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// The name in lower case, as in the row's syntax.
    pub name: String,
    /// What is shown for it.
    pub shown: String,
    /// What it is.
    pub kind: Kind,
    /// The number of the key specification that finds it.
    pub key_spec: Option<usize>,
    /// The word that precedes it.
    pub token: Option<String>,
    /// The version of Redis that had it first.
    pub since: Option<String>,
    /// The version that advised against it first.
    pub deprecated_since: Option<String>,
    /// It may be left out.
    pub optional: bool,
    /// It may come several times.
    pub multiple: bool,
    /// The token is repeated with each value, rather than written once before all of them.
    pub multiple_token: bool,
    /// Alternatives, or the parts of a block.
    pub children: Vec<Argument>,
}

impl Argument {
    fn leaf(name: &str, kind: Kind) -> Self {
        let name = name.to_lowercase();
        Argument {
            shown: name.clone(),
            name,
            kind,
            key_spec: None,
            token: None,
            since: None,
            deprecated_since: None,
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

    /// With the name that the line gives it, if it does.
    fn called(mut self, name: Option<String>) -> Self {
        if let Some(name) = name {
            self.shown.clone_from(&name);
            self.name = name;
        }
        self
    }

    fn note_version(&mut self, version: &str) {
        match version.strip_prefix('!') {
            None => self.since = Some(version.to_owned()),
            Some(version) => self.deprecated_since = Some(version.to_owned()),
        }
    }

    /// Whether a line shows both alike, whatever is added to it.
    fn looks_like(&self, other: &Argument) -> bool {
        self.shown == other.shown
            && self.token == other.token
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(one, other)| one.looks_like(other))
    }
}

/// Parses a syntax line of a command with so many key specifications. Lines are written by hand and tested; a mistake in
/// one panics.
pub fn parse(syntax: &str, key_specs: usize) -> Vec<Argument> {
    let mut words = Words { rest: words(syntax), position: 0 };
    let mut arguments = words.sequence();
    assert_eq!(words.position, words.rest.len(), "brackets close in '{syntax}'");
    if let Some(last) = key_specs.checked_sub(1) {
        number_keys(&mut arguments, &mut 0, last);
    }
    arguments
}

/// The line without what is added for COMMAND DOCS.
pub fn plain(syntax: &str) -> String {
    let mut line = String::new();
    for word in words(syntax) {
        if is_group_name(&word) || word.starts_with('@') {
            continue;
        }
        if !line.is_empty() && !line.ends_with(['[', '<']) && !matches!(word.as_str(), "]" | ">") {
            line.push(' ');
        }
        line.push_str(Parts::of(&word).shown);
    }
    line
}

/// Gives keys the specifications in their order; those that are left over get the last one.
fn number_keys(arguments: &mut [Argument], next: &mut usize, last: usize) {
    for argument in arguments {
        if argument.kind == Kind::Key && argument.key_spec.is_none() {
            argument.key_spec = Some((*next).min(last));
            *next += 1;
        }
        number_keys(&mut argument.children, next, last);
    }
}

/// Brackets, bars and words.
fn words(syntax: &str) -> Vec<String> {
    let spaced: String = syntax
        .chars()
        .flat_map(|letter| if "[]<>|".contains(letter) { vec![' ', letter, ' '] } else { vec![letter] })
        .collect();
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// What is written in one word: `name:shown@version/type#number`.
struct Parts<'a> {
    name: Option<&'a str>,
    shown: &'a str,
    version: Option<&'a str>,
    kind: Option<&'a str>,
    key_spec: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(word: &'a str) -> Self {
        let (rest, key_spec) = cut_tail(word, '#');
        let (rest, kind) = cut_tail(rest, '/');
        let (rest, version) = cut_tail(rest, '@');
        let (name, shown) = rest.split_once(':').map_or((None, rest), |(name, shown)| (Some(name), shown));
        Parts { name, shown, version, kind, key_spec }
    }

    fn argument(&self, kind: Kind) -> Argument {
        let mut argument = Argument::leaf(self.shown, kind);
        if let Some(name) = self.name {
            argument.name = name.to_owned();
        }
        if kind == Kind::PureToken {
            argument.token = Some(self.shown.to_owned());
        } else if let Some(kind) = self.kind {
            argument.kind = Kind::named(kind);
        }
        argument.key_spec = self.key_spec.map(|number| number.parse().expect("a specification has a number"));
        if let Some(version) = self.version {
            argument.note_version(version);
        }
        argument
    }
}

fn cut_tail(word: &str, mark: char) -> (&str, Option<&str>) {
    word.split_once(mark).map_or((word, None), |(rest, tail)| (rest, Some(tail)))
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
            if let Some(version) = word.strip_prefix('@') {
                self.position += 1;
                arguments.last_mut().expect("a version stands behind something").note_version(version);
                continue;
            }
            match word.as_str() {
                "|" | "]" | ">" | "..." => break,
                _ => {
                    let name = self.group_name();
                    match self.peek() {
                        Some("[") => self.bracket(&mut arguments, name),
                        Some("<") => arguments.push(self.required_group(name)),
                        _ => arguments.push(self.word()),
                    }
                }
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

    /// The name in front of a bracket.
    fn group_name(&mut self) -> Option<String> {
        let name = self.peek().filter(|word| is_group_name(word))?.trim_end_matches(':').to_owned();
        self.position += 1;
        Some(name)
    }

    /// At `[`: either arguments that may be left out, or the mark that those before it may come again.
    fn bracket(&mut self, before: &mut Vec<Argument>, name: Option<String>) {
        self.take("[");
        let alternatives = self.alternatives(name.is_some());
        let repeated = self.peek() == Some("...");
        self.position += usize::from(repeated);
        self.take("]");
        if repeated && repeat_tail(before, &alternatives, name.clone()) {
            return;
        }
        let mut argument = one_of(alternatives).called(name);
        argument.optional = true;
        argument.multiple |= repeated;
        before.push(argument);
    }

    fn required_group(&mut self, name: Option<String>) -> Argument {
        self.take("<");
        let alternatives = self.alternatives(name.is_some());
        let repeated = self.peek() == Some("...");
        self.position += usize::from(repeated);
        self.take(">");
        let mut argument = one_of(alternatives).called(name);
        argument.multiple |= repeated;
        argument
    }

    /// What is between brackets. In a group with a name and no alternatives, a token belongs to one argument, as it does outside of brackets.
    fn alternatives(&mut self, is_named: bool) -> Vec<Vec<Argument>> {
        let start = self.position;
        let mut alternatives = vec![self.branch()];
        if is_named && self.peek() != Some("|") {
            self.position = start;
            return vec![self.sequence()];
        }
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
        let mut block = Argument::group(Kind::Block, self.sequence()).called(Some(token.to_lowercase()));
        block.token = Some(token);
        vec![block]
    }

    /// A plain argument, a token, or a token with its argument.
    fn word(&mut self) -> Argument {
        let word = self.rest[self.position].clone();
        self.position += 1;
        let parts = Parts::of(&word);
        if !is_token(&word) {
            return parts.argument(Kind::of(parts.shown));
        }
        let name = self.group_name();
        let mut argument = match self.peek() {
            Some("<") => self.required_group(name),
            Some(next) if is_name(next) => {
                let next = next.to_owned();
                self.position += 1;
                let parts = Parts::of(&next);
                parts.argument(Kind::of(parts.shown))
            }
            _ => parts.argument(Kind::PureToken),
        };
        argument.token = Some(parts.shown.to_owned());
        argument
    }
}

/// Marks the last arguments as repeatable if `again` is the same over again. Several of them become a block.
fn repeat_tail(before: &mut Vec<Argument>, again: &[Vec<Argument>], name: Option<String>) -> bool {
    let [again] = again else { return false };
    let Some(start) = before.len().checked_sub(again.len()) else { return false };
    if let ([again], Some(last)) = (again.as_slice(), before.last_mut())
        && again.looks_like(&Argument { token: None, ..last.clone() })
    {
        last.multiple = true;
        return true;
    }
    if again.is_empty() || !before[start..].iter().zip(again).all(|(one, other)| one.looks_like(other)) {
        return false;
    }
    let mut argument = Argument::from_sequence(before.split_off(start)).called(name);
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
    let word = Parts::of(word).shown;
    word.bytes().any(|byte| byte.is_ascii_uppercase()) && !word.bytes().any(|byte| byte.is_ascii_lowercase())
        || matches!(word, "=" | "~" | "*" | "$" | "0" | "1")
}

fn is_name(word: &str) -> bool {
    Parts::of(word).shown.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// A word in front of a bracket that names what is in it.
fn is_group_name(word: &str) -> bool {
    word.ends_with(':')
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
            assert_eq!(show(&parse(syntax, 0)), tree, "{syntax}");
            assert_eq!(plain(syntax), syntax);
        }
    }

    #[test]
    fn what_is_added_for_the_documentation() {
        let table = [
            ("a b data:[a b ...]", "a b [a b ...]", "data:block(a:string b:string)+"),
            ("condition:[NX | XX@6.2.0]@7.0.0", "[NX | XX]", "condition:oneof(NX=nx:pure-token XX=xx:pure-token)?"),
            (
                "[change:CH] id:<auto:* | id>",
                "[CH] <* | id>",
                "CH=change:pure-token? id:oneof(*=auto:pure-token id:string)",
            ),
            ("min/double [RANK of:rank]", "min [RANK rank]", "min:double RANK=of:integer?"),
            (
                "FIELDS fields:<count name [name ...]>",
                "FIELDS <count name [name ...]>",
                "FIELDS=fields:block(count:integer name:string+)",
            ),
            ("[GET get:pattern#1 [GET pattern ...]]", "[GET pattern [GET pattern ...]]", "GET=get:pattern?++"),
        ];
        for (syntax, line, tree) in table {
            assert_eq!(plain(syntax), line);
            assert_eq!(show(&parse(syntax, 0)), tree, "{syntax}");
        }
        let arguments =
            parse("key seconds@6.0.0 [STORE destination] [BY by:pattern#7] [ID old@!2.8.0]@3.2.0 [key2]", 2);
        let facts =
            |argument: &Argument| (argument.since.clone(), argument.deprecated_since.clone(), argument.key_spec);
        let version = |text: &str| Some(text.to_owned());
        let expected = [
            (None, None, Some(0)),
            (version("6.0.0"), None, None),
            (None, None, Some(1)),
            (None, None, Some(7)),
            (version("3.2.0"), version("2.8.0"), None),
            (None, None, Some(1)),
        ];
        assert_eq!(arguments.iter().map(facts).collect::<Vec<_>>(), expected);
        assert_eq!((arguments[3].name.as_str(), arguments[3].shown.as_str()), ("by", "pattern"));
    }

    #[test]
    fn every_row_can_be_parsed() {
        for command in registry().all() {
            let arguments = parse(command.row.syntax, command.row.keys.len());
            assert!(arguments.iter().all(|argument| !argument.name.is_empty()), "{}", command.full_name);
        }
    }
}
