//! A command that runs on several cores: its parts are collected here and merged into one reply.
//!
//! While a session gathers, nothing else of it runs, so there is at most one gather per session.

use torc_resp::reader::Elements;
use torc_resp::{Args, Reply, Span};

use crate::command::{Command, Merge};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

/// What the parts become when all are there.
#[derive(Clone, Copy)]
pub enum Finish {
    /// One reply, merged.
    Merge(Merge),
    /// EXEC: the parts are the elements of an array.
    Exec,
}

/// One core's share of the command, or one command of a transaction.
#[derive(Default)]
struct Part {
    reply: Vec<u8>,
    done: bool,
    /// For [`Merge::ByKey`]: which of the request's keys the elements stand for.
    keys: Vec<u32>,
}

/// The parts of one command and what is to become of them.
pub struct Gather {
    /// The command.
    pub command: &'static Command,
    /// What the parts become.
    pub finish: Finish,
    /// Whether the reply is to be sent at all (CLIENT REPLY).
    pub silent: bool,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    parts: Vec<Part>,
    missing: usize,
}

impl Gather {
    /// Of `command` with these arguments, which are copied for the merge.
    pub fn new(command: &'static Command, args: Args<'_>, finish: Finish, silent: bool) -> Self {
        let (mut bytes, mut spans) = (Vec::new(), Vec::with_capacity(args.len()));
        for argument in args.iter() {
            spans.push(Span { start: bytes.len() as u32, len: argument.len() as u32 });
            bytes.extend_from_slice(argument);
        }
        Gather { command, finish, silent, bytes, spans, parts: Vec::new(), missing: 0 }
    }

    /// Adds a part that is awaited; `keys` are the indexes (among the request's keys) it stands for.
    pub fn expect(&mut self, keys: Vec<u32>) -> u32 {
        self.parts.push(Part { keys, ..Part::default() });
        self.missing += 1;
        (self.parts.len() - 1) as u32
    }

    /// Keeps the gather open until [`Gather::release`], whatever arrives meanwhile.
    pub fn hold(&mut self) {
        self.missing += 1;
    }

    /// Ends the hold. True when all parts are there.
    pub fn release(&mut self) -> bool {
        self.missing -= 1;
        self.missing == 0
    }

    /// A part has come. True when it was the last one.
    pub fn deliver(&mut self, part: u32, reply: &[u8]) -> bool {
        let part = &mut self.parts[part as usize];
        assert!(!part.done, "a part comes once");
        part.done = true;
        part.reply.extend_from_slice(reply);
        self.missing -= 1;
        self.missing == 0
    }

    /// Writes the reply that the parts make.
    pub fn finish(&self, context: &mut SessionContext<'_>, reply: &mut Reply<'_>) -> CommandResult {
        assert_eq!(self.missing, 0, "a gather ends when all parts are there");
        match self.finish {
            Finish::Exec => {
                reply.array(self.parts.len());
                self.parts.iter().for_each(|part| reply.raw(&part.reply));
                Ok(())
            }
            Finish::Merge(merge) => self.merge(merge, context, reply),
        }
    }

    fn merge(&self, merge: Merge, context: &mut SessionContext<'_>, reply: &mut Reply<'_>) -> CommandResult {
        if let Some(failed) = self.parts.iter().find(|part| part.reply.first() == Some(&b'-')) {
            let text = &failed.reply[1..failed.reply.len() - 2];
            return Err(CommandError::made(String::from_utf8_lossy(text).into_owned()));
        }
        match merge {
            Merge::Same => reply.raw(&self.parts[0].reply),
            Merge::Sum => reply.integer(self.parts.iter().map(|part| integer_of(&part.reply)).sum()),
            Merge::Concat => self.concat(reply),
            Merge::ByKey => self.by_key(reply),
            Merge::Custom(merge) => {
                let parts: Vec<&[u8]> = self.parts.iter().map(|part| part.reply.as_slice()).collect();
                return merge(context, Args::new(&self.bytes, &self.spans), &parts, reply);
            }
        }
        Ok(())
    }

    fn concat(&self, reply: &mut Reply<'_>) {
        let all = || self.parts.iter().flat_map(|part| elements_of(&part.reply));
        reply.array(all().count());
        all().for_each(|element| reply.raw(element));
    }

    fn by_key(&self, reply: &mut Reply<'_>) {
        let count = self.parts.iter().map(|part| part.keys.len()).sum();
        let mut ordered: Vec<&[u8]> = vec![&[]; count];
        for part in &self.parts {
            for (&key, element) in part.keys.iter().zip(elements_of(&part.reply)) {
                ordered[key as usize] = element;
            }
        }
        reply.array(count);
        ordered.into_iter().for_each(|element| reply.raw(element));
    }
}

/// The elements of an array reply.
fn elements_of(reply: &[u8]) -> Elements<'_> {
    Elements::new(reply).expect("parts that are joined are arrays")
}

/// The number in an integer reply.
fn integer_of(reply: &[u8]) -> i64 {
    torc_resp::reader::integer(reply).expect("parts that are summed are integers")
}
