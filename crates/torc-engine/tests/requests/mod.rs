//! Requests made from the syntax lines of the commands' rows: correct ones, and random ones.
//!
//! A line is read as it stands (`key [NX | XX] FIELDS numfields field [field ...]`): words in capitals stand for themselves, the others are
//! replaced by what a function gives for them; a chooser says which alternatives are taken and how often something is repeated.

use torc_engine::command::{Command, registry};

/// What decides where a syntax line leaves a choice.
pub trait Chooser {
    /// One of `count` alternatives.
    fn choose(&mut self, count: usize) -> usize;
    /// Whether something that may be left out is there.
    fn include(&mut self) -> bool;
    /// How many times more something comes that may come again.
    fn repeat(&mut self) -> usize;
    /// The argument in place of this word.
    fn argument(&mut self, word: &str) -> Vec<u8>;
}

/// A request for this command, its name and the container's included.
pub fn request(command: &Command, chooser: &mut dyn Chooser) -> Vec<Vec<u8>> {
    let mut request: Vec<Vec<u8>> = command.full_name.split('|').map(|word| word.as_bytes().to_vec()).collect();
    let words = words(command.syntax);
    let mut position = 0;
    sequence(&words, &mut position, Some(chooser), &mut request);
    assert_eq!(position, words.len(), "brackets close in {}", command.syntax);
    request
}

/// All commands and subcommands that do something by themselves.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    registry().all().filter(|command| command.row.subcommands.is_empty())
}

/// The words of a command's line that stand for themselves, each once.
#[allow(dead_code, reason = "not every test asks for them")]
pub fn options(command: &Command) -> Vec<String> {
    let is_option = |word: &String| is_token(word) && !matches!(word.as_str(), "[" | "]" | "<" | ">" | "|" | "...");
    let mut options: Vec<String> = words(command.syntax).into_iter().filter(is_option).collect();
    options.sort();
    options.dedup();
    options
}

fn is_token(word: &str) -> bool {
    !word.chars().any(|c| c.is_ascii_lowercase())
}

fn words(syntax: &str) -> Vec<String> {
    let spaced: String =
        syntax.chars().map(|c| if "[]<>|".contains(c) { format!(" {c} ") } else { c.to_string() }).collect();
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// Reads words up to a bar or a closing bracket; writes arguments if a chooser is given.
fn sequence(words: &[String], position: &mut usize, mut chooser: Option<&mut dyn Chooser>, out: &mut Vec<Vec<u8>>) {
    while let Some(word) = words.get(*position) {
        match word.as_str() {
            "|" | "]" | ">" | "..." => return,
            "[" | "<" => {
                // A sub-borrow for this group alone.
                let chooser = chooser.as_mut().map(|chooser| &mut **chooser as &mut dyn Chooser);
                group(words, position, chooser, out);
            }
            literal => {
                *position += 1;
                if let Some(chooser) = chooser.as_mut() {
                    out.push(if is_token(literal) { literal.as_bytes().to_vec() } else { chooser.argument(literal) });
                }
            }
        }
    }
}

fn group(words: &[String], position: &mut usize, chooser: Option<&mut dyn Chooser>, out: &mut Vec<Vec<u8>>) {
    let optional = words[*position] == "[";
    let mut starts = vec![*position + 1];
    let end = skip(words, *position, &mut starts);
    let repeats = words[end - 1] == "...";
    *position = end + 1;
    let Some(chooser) = chooser else { return };
    let times = match (optional, repeats) {
        (false, _) => 1,
        (true, true) => chooser.repeat(),
        (true, false) => usize::from(chooser.include()),
    };
    for _ in 0..times {
        let mut at = starts[chooser.choose(starts.len())];
        sequence(words, &mut at, Some(&mut *chooser), out);
    }
}

/// The place of the bracket that closes the one at `open`; `starts` gets where the alternatives behind the first begin.
fn skip(words: &[String], open: usize, starts: &mut Vec<usize>) -> usize {
    let mut depth = 0;
    for (place, word) in words.iter().enumerate().skip(open) {
        match word.as_str() {
            "[" | "<" => depth += 1,
            "]" | ">" => depth -= 1,
            "|" if depth == 1 => starts.push(place + 1),
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    panic!("brackets close in {words:?}");
}
