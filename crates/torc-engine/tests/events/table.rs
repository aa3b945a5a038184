//! The table of docs/events.md: for each command that writes, what it tells by itself in any of the scenarios.

use std::collections::BTreeMap;
use std::fmt::Write;

use torc_engine::command::{Command, Flags, registry};
use torc_engine::event::{EventClass, EventClasses};

use crate::heard::Ours;
use crate::scenario::{Step, request};
use crate::{Block, blocks};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
const BEGIN: &str = "<!-- begin of the table: UPDATE_DOCS=1 cargo test -p torc-engine --test events table -->\n";
const END: &str = "<!-- end of the table -->\n";
/// What the store knows by itself, for any command.
const OF_ANY: [&str; 6] = ["new", "expired", "hexpired", "keymiss", "overwritten", "type_changed"];

/// Events by command name.
type Table = BTreeMap<&'static str, Vec<(&'static str, EventClass)>>;

fn command_of(line: &str) -> Option<&'static Command> {
    let words = request(line);
    let fits = |command: &&Command| {
        let names: Vec<&str> = command.full_name.split('|').collect();
        names.len() <= words.len()
            && names.iter().zip(&words).all(|(name, word)| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    registry().all().filter(fits).max_by_key(|command| command.full_name.len())
}

/// Adds what the requests of a block tell that stand for themselves.
fn collect(block: &Block, table: &mut Table) {
    let ours = Ours::new(1, EventClasses::ALL);
    for step in &block.steps {
        ours.run(step);
        let Step::Request(line) = step else { continue };
        let Some(command) = command_of(line) else { continue };
        let Some(events) = table.get_mut(command.full_name) else { continue };
        for event in ours.events() {
            if !OF_ANY.contains(&event.name) && !events.contains(&(event.name, event.class)) {
                events.push((event.name, event.class));
            }
        }
    }
}

fn table() -> Table {
    let writing = registry().all().filter(|command| command.row.flags.has(Flags::WRITE));
    let mut table: Table = writing.map(|command| (command.full_name, Vec::new())).collect();
    // In a transaction, and where somebody waits, one request tells what others have done.
    let is_mixed =
        |step: &Step| matches!(step, Step::Wait(_)) || matches!(step, Step::Request(line) if line == "MULTI");
    let plain = blocks().into_iter().filter(|block| !block.steps.iter().any(is_mixed));
    plain.for_each(|block| collect(&block, &mut table));
    table
}

fn rendered() -> String {
    let mut lines: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for (name, mut events) in table() {
        let row = &registry().all().find(|command| command.full_name == name).expect("it is of the registry").row;
        events.sort_by_key(|(name, class)| (*class == EventClass::Generic, *name));
        let told: Vec<String> = events.iter().map(|(name, class)| format!("`{name}` {}", class.letter())).collect();
        let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
        lines.entry((row.group, told)).or_default().push(name.replace('|', " ").to_uppercase());
    }
    let mut text = "| group | commands | events |\n|---|---|---|\n".to_owned();
    for ((group, told), names) in lines {
        writeln!(text, "| {group} | {} | {told} |", names.join(", ")).expect("a string takes all text");
    }
    text
}

#[test]
fn the_table_is_what_commands_tell() {
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let (head, rest) = page.split_once(BEGIN).expect("the table has a begin");
    let (found, tail) = rest.split_once(END).expect("the table has an end");
    let rendered = rendered();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, [head, BEGIN, &rendered, END, tail].concat()).expect("the page can be written");
    } else {
        assert_eq!(found, rendered, "UPDATE_DOCS=1 brings docs/events.md up to date");
    }
}
