//! Commands that choose at random: the oracle does not choose again, but judges what was chosen, and does that.
//!
//! The engines note what such a command answered (`torc_engine::recorder::choice`). In the replay that answer must be one that the command
//! could have given at this place of the serial order: of elements that are there, as many as were asked for, none twice where
//! they are to be different. What is read for that, and what SPOP takes, goes through other commands.

use std::collections::BTreeSet;

use torc_engine::command::{Command, Flags, Row, Run, registry};
use torc_engine::error::CommandResult;
use torc_engine::shard::ShardContext;
use torc_resp::reader::{self, Elements};
use torc_resp::{Args, OutputBuffer, Protocol, Reply};

use super::history::{Action, flat};
use super::replay::is_refused;
use crate::grammar::{chooses, names_keys};

/// What an action's choosing commands answered: their arguments, each with the answer. `noted`: by the engines.
pub(crate) fn answers_of(action: &Action) -> Vec<(Vec<Vec<u8>>, Vec<u8>)> {
    // Each core has noted what it offers; which offer was taken only the whole answer tells.
    let is_keyless = |request: &[Vec<u8>]| {
        registry().find_name(&request[0]).is_some_and(|command| chooses(command) && !names_keys(command))
    };
    let mut answers: Vec<_> = action.chosen.iter().filter(|(request, _)| !is_keyless(request)).cloned().collect();
    match &action.requests[..] {
        [request] if is_keyless(request) => {
            answers.extend(action.replies.first().map(|reply| (request.clone(), reply.clone())));
        }
        [_, queued @ .., _] => {
            let executed = action.replies.get(action.requests.len() - 1).and_then(|reply| Elements::new(reply));
            if let Some(executed) = executed {
                let queued = queued.iter().filter(|request| !is_refused(request));
                let pairs = queued.zip(executed).filter(|(request, _)| is_keyless(request));
                answers.extend(pairs.map(|(request, reply)| (request.clone(), reply.to_vec())));
            }
        }
        _ => {}
    }
    answers
}

/// Checks that the engine may have chosen what it answered, and makes the oracle choose the same; a
/// `torc_engine::recorder::choice::Dictation`.
pub(crate) fn act(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    answer: &[u8],
    reply: &mut Reply<'_>,
) -> Option<CommandResult> {
    if reader::is_null(answer) || Elements::new(answer).is_some_and(|elements| elements.len() == 0) {
        // It had nothing to choose from, and the oracle has not either.
        return None;
    }
    let row = context.command().row;
    if !names_keys(context.command()) {
        let key = reader::bulk(answer).expect("a key is text");
        assert_eq!(
            ask(context, &[b"EXISTS", key]),
            b":1\r\n",
            "{} gave {}, which is not there",
            row.name,
            key.escape_ascii()
        );
        reply.array(2);
        reply.integer(1);
        reply.raw(answer);
        return Some(Ok(()));
    }
    let chosen = Chosen::read(context.command(), args, answer);
    let type_commands = TypeCommands::of(row);
    chosen.assert_possible(context, args, &type_commands);
    if row.flags.has(Flags::WRITE) {
        let names = chosen.names().map(Vec::as_slice);
        let words: Vec<&[u8]> = [type_commands.remove.as_bytes(), args.get(1)].into_iter().chain(names).collect();
        let removed = ask(context, &words);
        assert_eq!(
            reader::integer(&removed),
            Some(chosen.elements.len() as i64),
            "{} took what was not there",
            row.name
        );
    }
    reply.raw(answer);
    Some(Ok(()))
}

/// The commands of a type that tell what may be chosen from a key, and do what was chosen.
struct TypeCommands {
    /// How many elements there are.
    size: &'static str,
    /// What an element has, or whether it is there.
    value: &'static str,
    /// Takes elements out.
    remove: &'static str,
}

impl TypeCommands {
    /// Those of the type from which a row's command chooses.
    fn of(row: &Row) -> TypeCommands {
        match row.group {
            "set" => TypeCommands { size: "SCARD", value: "SISMEMBER", remove: "SREM" },
            "hash" => TypeCommands { size: "HLEN", value: "HGET", remove: "HDEL" },
            "sorted-set" => TypeCommands { size: "ZCARD", value: "ZSCORE", remove: "ZREM" },
            group => panic!("{} chooses from {group}, which nobody judges yet", row.name),
        }
    }
}

/// What was chosen.
struct Chosen {
    /// Names, each with its value or score if that was asked for.
    elements: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// How many were asked for; negative: so many, some perhaps several times. `None`: one, without a count.
    count: Option<i64>,
}

impl Chosen {
    fn read(command: &Command, args: Args<'_>, answer: &[u8]) -> Chosen {
        let count = (args.len() > 2)
            .then(|| torc_resp::number::parse_i64(args.get(2)).expect("what was answered has a valid count"));
        let text = |encoded: &[u8]| {
            reader::bulk(encoded).unwrap_or_else(|| panic!("no text: {}", encoded.escape_ascii())).to_vec()
        };
        let Some(all) = Elements::new(answer) else {
            return Chosen { elements: vec![(text(answer), None)], count };
        };
        let all: Vec<&[u8]> = all.collect();
        let elements = if args.len() < 4 {
            all.iter().map(|name| (text(name), None)).collect()
        } else if all[0][0] == b'*' {
            // Pairs; a score may be a double.
            all.iter()
                .map(|pair| {
                    let pair: Vec<&[u8]> = Elements::new(pair).expect("a pair").collect();
                    (text(pair[0]), Some(pair[1].to_vec()))
                })
                .collect()
        } else {
            assert!(all.len().is_multiple_of(2), "{} answers pairs", command.full_name);
            all.chunks(2).map(|pair| (text(pair[0]), Some(pair[1].to_vec()))).collect()
        };
        Chosen { elements, count }
    }

    fn names(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.elements.iter().map(|(name, _)| name)
    }

    /// Panics if the command could not have answered so now.
    fn assert_possible(&self, context: &mut ShardContext<'_>, args: Args<'_>, type_commands: &TypeCommands) {
        let (name, key) = (context.command().full_name, args.get(1));
        let TypeCommands { size, value, .. } = type_commands;
        let len = reader::integer(&ask(context, &[size.as_bytes(), key])).expect("it has the right type");
        let wanted = match self.count {
            None => 1,
            Some(count) if count < 0 => count.unsigned_abs() as usize,
            Some(count) => count.min(len) as usize,
        };
        assert_eq!(self.elements.len(), wanted, "{name} of {len} elements, {:?} asked for", self.count);
        if self.count.is_some_and(|count| count > 0) {
            let different: BTreeSet<&Vec<u8>> = self.names().collect();
            assert_eq!(different.len(), wanted, "{name} gave an element twice");
        }
        for (element, shown) in &self.elements {
            let protocol =
                if shown.as_ref().is_some_and(|shown| shown[0] == b',') { Protocol::Resp3 } else { Protocol::Resp2 };
            let found = ask_in(context, &[value.as_bytes(), key, element], protocol);
            let is_there = !reader::is_null(&found) && found != b":0\r\n";
            assert!(is_there, "{name} gave {}, which is not there", element.escape_ascii());
            if let Some(shown) = shown {
                assert!(found == *shown, "{name} gave {} with {}", element.escape_ascii(), shown.escape_ascii());
            }
        }
    }
}

/// What another command answers at this place.
pub(crate) fn ask(context: &mut ShardContext<'_>, words: &[&[u8]]) -> Vec<u8> {
    ask_in(context, words, Protocol::Resp2)
}

fn ask_in(context: &mut ShardContext<'_>, words: &[&[u8]], protocol: Protocol) -> Vec<u8> {
    let request: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    let (bytes, spans) = flat(&request);
    let args = Args::new(&bytes, &spans);
    let command = registry().find(args).expect("it is a command");
    let Run::Shard(function) = command.row.run else { unreachable!("it is about keys") };
    let mut answer = OutputBuffer::new();
    let own = &mut context.for_command(command);
    if let Err(error) = function(own, args, &mut Reply::new(&mut answer, protocol)) {
        panic!("{}: {}", super::history::text_of(&request), error.text().escape_ascii());
    }
    answer.into_vec()
}
