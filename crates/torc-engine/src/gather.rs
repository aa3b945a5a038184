//! What a session waits for that is more than one reply: the parts of a command that runs on several cores, or of a
//! transaction. They are collected here and become one reply.
//!
//! ```text
//!   queue      EXEC's commands, or the one command        GET a      MGET b c        SET d 1
//!   elements   what each becomes                            |        by key            |
//!   parts      replies, where they came from              [0]       [1] [2]           [3]
//! ```
//! While a session gathers, nothing else of it runs, so there is at most one gather per session.

use std::ops::Range;

use std::borrow::Cow;

use torc_resp::{Args, CompleteReply, Encoded, OutputBuffer, Reply, reader};
use torc_store::DetachedValue;

use crate::command::blocking::ready_numbers;
use crate::command::{Blocking, Command, Merge, Serves, Walk};
use crate::error::{CommandError, CommandResult};
use crate::route::CoreId;
use crate::session::{CommandQueue, SessionContext};
use crate::task::{Answered, Findings, Found, Outcome, Task};

/// One reply that is awaited.
struct Part {
    /// Where it lies in the gather's bytes.
    reply: Range<usize>,
    /// A long one, which does not lie there.
    long: Option<Box<OutputBuffer>>,
    /// What has become of it; `None`: it has not come.
    answer: Option<Answered>,
    /// Which of the command's keys it stands for, where that matters.
    keys: Vec<u32>,
}

/// One command.
#[derive(Default)]
struct Element {
    /// It ran as a whole where its keys are, and was counted there.
    is_counted: bool,
    /// Its fetch has met a key that has expired and is only hidden.
    met_hidden: bool,
    /// Its reply, if that does not come from its parts: the error of its fetch or of a script, or what the host says.
    made: Option<Result<&'static str, CommandError>>,
    /// How its parts become its reply; `None`: the only part is it.
    merge: Option<Merge>,
    /// Set where each part holds one element of the reply, in the order of the keys: writes what precedes the elements.
    head: Option<fn(usize, &mut Reply<'_>)>,
    parts: Range<usize>,
}

/// The parts of one command or transaction, and how they become its reply.
pub struct Gather {
    /// The command.
    pub(crate) command: &'static Command,
    /// Whether the reply is dropped (CLIENT REPLY OFF or SKIP).
    pub(crate) silent: bool,
    /// Whether the elements become an array: EXEC.
    pub(crate) is_exec: bool,
    /// The commands whose replies are gathered.
    pub(crate) queue: CommandQueue,
    elements: Vec<Element>,
    parts: Vec<Part>,
    bytes: Vec<u8>,
    missing: usize,
    /// A watched key has changed: the reply is null.
    aborted: bool,
    /// For a command that waits if no key is ready: the number of its wait.
    pub(crate) may_wait: Option<u32>,
    /// The command waits now.
    pub(crate) waits: bool,
    /// A detached value that a relay carries from one core to another.
    pub(crate) detached: Option<DetachedValue>,
    /// The command goes on to further cores.
    pub(crate) walk: Option<Walking>,
    /// The host has them run, under claims that hold all writers.
    pub(crate) is_cut: bool,
    /// It has begun a pause: so many cores have not done what they had begun before.
    pub(crate) undrained: Option<u16>,
    /// It is for a command that a script has called: what was gathered for before.
    outer: Option<Box<Gather>>,
    /// Calls of scripts so far.
    calls: u32,
}

/// Where a part stands in the order of a transaction: the command of the queue, and which call of it if that is a script.
pub(crate) type Position = (usize, u32);

/// A walk that is under way.
pub(crate) struct Walking {
    pub(crate) walk: &'static Walk,
    /// Elements in the parts that it has gone on from.
    pub(crate) found: usize,
}

impl Gather {
    /// For the commands of `queue`.
    pub fn new(command: &'static Command, queue: CommandQueue, is_exec: bool, silent: bool) -> Self {
        Gather {
            command,
            silent,
            is_exec,
            queue,
            elements: Vec::new(),
            parts: Vec::new(),
            bytes: Vec::new(),
            missing: 0,
            aborted: false,
            may_wait: None,
            waits: false,
            detached: None,
            walk: None,
            is_cut: false,
            undrained: None,
            outer: None,
            calls: 0,
        }
    }

    /// A script, which is the next command of the queue, calls a command: from now on its parts are gathered. What is held open stays so.
    pub fn begin_call(&mut self, command: &'static Command, args: Args<'_>) {
        assert!(self.outer.is_none() && self.missing == 1, "a script calls when nothing else is awaited");
        self.calls += 1;
        let mut inner = Gather::new(command, CommandQueue::of(command, args), true, false);
        inner.hold();
        let outer = std::mem::replace(self, inner);
        (self.calls, self.outer) = (outer.calls, Some(Box::new(outer)));
    }

    /// The parts of what a script has called are there: gives them, and gathers for the queue again.
    pub fn end_call(&mut self) -> Gather {
        let mut outer = *self.outer.take().expect("a script has called");
        outer.calls = self.calls;
        let mut inner = std::mem::replace(self, outer);
        let is_complete = inner.release();
        assert!(is_complete, "all parts of what was called are there");
        inner
    }

    /// Whether a call of a script is under way.
    pub fn is_in_call(&self) -> bool {
        self.outer.is_some()
    }

    /// A script, the next command of the queue, has ended with this reply.
    pub fn add_script(&mut self, reply: Box<OutputBuffer>) {
        self.open_element(None);
        let part = self.expect(Vec::new());
        self.deliver(part, Answered::Ran(Outcome::Replied), CompleteReply::Long(reply));
    }

    /// Where a part stands.
    pub fn position_of(&self, part: u32) -> Position {
        match &self.outer {
            Some(outer) => (outer.elements.len(), self.calls),
            None => (self.command_of(part), 0),
        }
    }

    /// The next command of the queue, whose parts are to be merged: those awaited from now on are its own.
    pub fn open_element(&mut self, merge: Option<Merge>) {
        let next = self.parts.len();
        self.elements.push(Element { merge, parts: next..next, ..Element::default() });
    }

    /// The next command of the queue, which runs as a whole, and is counted, where its keys are.
    pub fn open_whole_element(&mut self) {
        self.open_element(None);
        self.elements.last_mut().expect("just opened").is_counted = true;
    }

    /// The next command of the queue runs nowhere: its reply, a simple string, or its error is made already.
    pub fn open_made_element(&mut self, reply: Result<&'static str, CommandError>) {
        self.open_element(None);
        self.elements.last_mut().expect("just opened").made = Some(reply);
    }

    /// Adds a part that is awaited; `keys` are the numbers (among the command's keys) it stands for.
    pub fn expect(&mut self, keys: Vec<u32>) -> u32 {
        self.parts.push(Part { reply: 0..0, long: None, answer: None, keys });
        self.elements.last_mut().expect("a part belongs to an element").parts.end = self.parts.len();
        self.missing += 1;
        (self.parts.len() - 1) as u32
    }

    /// Adds a part that belongs to no element: a comparison of watched keys.
    pub fn expect_check(&mut self) -> u32 {
        assert!(self.elements.is_empty(), "watched keys are compared before anything runs");
        self.parts.push(Part { reply: 0..0, long: None, answer: None, keys: Vec::new() });
        self.missing += 1;
        (self.parts.len() - 1) as u32
    }

    /// Keeps the gather open until [`Gather::release`], whatever arrives meanwhile.
    pub fn hold(&mut self) {
        self.missing += 1;
    }

    /// Ends the hold. True when all parts are there.
    pub fn release(&mut self) -> bool {
        self.missing = self.missing.checked_sub(1).expect("what is released was awaited or held");
        self.missing == 0
    }

    /// A part has come. True when it was the last one.
    pub fn deliver(&mut self, part: u32, answer: Answered, reply: CompleteReply<'_>) -> bool {
        match answer {
            Answered::Ran(Outcome::Compared { changed }) => {
                let is_check = self.elements.first().is_none_or(|first| (part as usize) < first.parts.start);
                assert!(is_check, "what compares watched keys is no part of a reply");
                self.aborted |= changed;
            }
            Answered::Ran(Outcome::Waits) => {
                assert!(self.may_wait.is_some(), "only a request that was told so waits");
                self.waits = true;
            }
            Answered::Deferred => unreachable!("what is deferred has not come"),
            Answered::LeftOut => assert!(self.aborted, "requests are left out when a watched key has changed"),
            Answered::Ran(_) => {}
        }
        let part = &mut self.parts[part as usize];
        assert!(part.answer.is_none(), "a part comes once");
        part.answer = Some(answer);
        match reply {
            CompleteReply::Short(bytes) => {
                part.reply = self.bytes.len()..self.bytes.len() + bytes.len();
                self.bytes.extend_from_slice(bytes);
            }
            CompleteReply::Long(buffer) => part.long = Some(buffer),
        }
        self.release()
    }

    /// To which command of the queue a part belongs.
    fn command_of(&self, part: u32) -> usize {
        self.elements.partition_point(|element| element.parts.end <= part as usize)
    }

    /// The command waits: its reply is a part that will come when it is served, or has waited long enough.
    pub fn wait(&mut self) -> u32 {
        assert!(self.waits && self.missing == 0, "a request waits when all cores of its keys have said so");
        assert!(self.elements.len() == 1 && !self.is_exec, "a request waits by itself, not in a transaction");
        self.waits = false;
        let next = self.parts.len();
        self.elements[0] = Element { parts: next..next, ..Element::default() };
        self.expect(Vec::new())
    }

    /// Where a walk whose parts are all there goes on, with the arguments for that core; `None`: it has ended, or the command is none.
    pub fn next_of_walk(&mut self) -> Option<(CoreId, Vec<Vec<u8>>)> {
        let Walking { walk, found } = self.walk.take()?;
        assert!(
            self.missing == 0 && self.elements.len() == 1,
            "a walk is a command by itself, and goes on when its parts are there"
        );
        let part = self.parts.last().filter(|part| part.answer == Some(Answered::Ran(Outcome::Replied)))?;
        // What nobody will get is cut off.
        if part.long.as_ref().is_some_and(|reply| reply.is_cut()) {
            return None;
        }
        let step = (walk.step)(self.queue.get(0).1, found, &self.reply_of(part).to_cow());
        self.walk = Some(Walking { walk, found: step.found });
        step.next
    }

    /// Whether a watched key has changed.
    pub fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// What the relay that is the last element has fetched, by key or by owner; its next parts are those of applying it. `None`: the
    /// error of the first key that has one is its reply.
    pub fn take_fetched(&mut self, blocking: Option<&Blocking>) -> Option<Vec<Found>> {
        assert_eq!(self.missing, 1, "all cores have fetched, and the gather is held open");
        let element = self.elements.last_mut().expect("a relay is an element");
        let parts = &mut self.parts[element.parts.clone()];
        // Each with the number of its key, or of the first of its owner's keys.
        let mut numbered: Vec<(usize, Result<Found, CommandError>)> = Vec::new();
        for part in parts {
            let Some(Answered::Ran(Outcome::Fetched(fetched))) = part.answer.take() else {
                unreachable!("each core of a relay has fetched")
            };
            element.met_hidden |= fetched.met_hidden;
            match fetched.found {
                Findings::ByKey(found) => {
                    assert_eq!(found.len(), part.keys.len(), "a fetch finds one thing for each key");
                    numbered.extend(part.keys.iter().map(|&key| key as usize).zip(found));
                }
                Findings::ByOwner(Ok(extract)) => numbered.push((part.keys[0] as usize, Ok(Found::Value(extract)))),
                Findings::ByOwner(Err((number, error))) => numbered.push((number, Err(error))),
            }
        }
        numbered.sort_by_key(|&(number, _)| number);
        let mut found: Vec<Result<Found, CommandError>> = numbered.into_iter().map(|(_, found)| found).collect();
        element.parts = self.parts.len()..self.parts.len();
        let failed = match blocking {
            Some(blocking) => blocking.failed(&found),
            None => found.iter().position(Result::is_err),
        };
        if let Some(failed) = failed {
            element.made = found.swap_remove(failed).err().map(Err);
            return None;
        }
        // Errors that are left are those of keys that nobody looks at.
        let found: Vec<Found> = found.into_iter().map(|found| found.unwrap_or(Found::NotReady)).collect();
        element.merge = Some(Merge::Same);
        if let Some(Serves::AllKeys(head)) = blocking.map(|blocking| blocking.serves)
            && ready_numbers(&found).next().is_some()
        {
            element.head = Some(head);
        }
        Some(found)
    }

    /// The last element, whose parts are all there, has this error as its reply.
    pub fn fail(&mut self, error: CommandError) {
        self.elements.last_mut().expect("what fails is an element").made = Some(Err(error));
    }

    /// Whether the fetch of the last element has met a key that has expired and is only hidden.
    pub fn has_met_hidden(&self) -> bool {
        self.elements.last().is_some_and(|element| element.met_hidden)
    }

    /// The tasks that make the replies of the queue's commands, in order. All parts are there, and no watched key has changed.
    pub fn merges(&self) -> impl Iterator<Item = Task> {
        assert_eq!(self.missing, 0, "a gather ends when all parts are there");
        assert_eq!(self.elements.len(), self.queue.len(), "each command has a reply");
        assert!(!self.aborted, "an aborted transaction has one reply, which is null");
        let elements = self.elements.iter().zip(0u32..);
        elements.map(|(element, number)| Task::Merge { element: number, is_counted: element.is_counted })
    }

    /// Makes the reply of one command of its parts.
    pub fn merge(&self, index: usize, context: &mut SessionContext<'_>, reply: &mut Reply<'_>) -> CommandResult {
        let element = &self.elements[index];
        match &element.made {
            None => {}
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(text)) => {
                reply.simple(text);
                return Ok(());
            }
        }
        let parts = &self.parts[element.parts.clone()];
        // What nobody will get has no elements to be merged.
        if let Some(cut) = parts.iter().flat_map(|part| &part.long).find(|reply| reply.is_cut()) {
            reply.buffer().append_copy(cut);
            return Ok(());
        }
        if element.is_counted {
            // An error of it was counted with it.
            self.reply_of(&parts[0]).write(reply);
            return Ok(());
        }
        if let Some(failed) = parts.iter().find(|part| part.answer == Some(Answered::Ran(Outcome::Failed))) {
            let text = self.reply_of(failed).to_cow();
            return Err(CommandError::made(&text[1..text.len() - 2]));
        }
        let Some(merge) = element.merge else {
            self.reply_of(&parts[0]).write(reply);
            return Ok(());
        };
        if let Some(head) = element.head {
            self.elements_by_key(parts, head, reply);
            return Ok(());
        }
        match merge {
            // A core that had nothing to say wrote nothing.
            Merge::Same => {
                let said = parts.iter().map(|part| self.reply_of(part)).find(|reply| !reply.is_empty());
                said.expect("one of the cores has replied").write(reply);
            }
            Merge::Sum => reply.integer(parts.iter().map(|part| integer_of(&self.reply_of(part))).sum()),
            Merge::Concat => self.concat(parts, reply),
            Merge::ByKey => self.by_key(parts, reply),
            Merge::Custom(merge) => {
                let replies: Vec<Cow<'_, [u8]>> = parts.iter().map(|part| self.reply_of(part).to_cow()).collect();
                let replies: Vec<&[u8]> = replies.iter().map(|reply| &**reply).collect();
                let (command, args) = self.queue.get(index);
                return merge(&mut context.for_command(command), args, &replies, reply);
            }
        }
        Ok(())
    }

    fn reply_of<'a>(&'a self, part: &'a Part) -> Encoded<'a> {
        match &part.long {
            None => Encoded::Slice(&self.bytes[part.reply.clone()]),
            Some(long) => Encoded::all(long),
        }
    }

    /// Bytes that its parts hold.
    pub fn memory_bytes(&self) -> usize {
        let long = self.parts.iter().flat_map(|part| &part.long);
        let replies = self.bytes.capacity() + long.map(|buffer| buffer.memory_bytes()).sum::<usize>();
        // Parts that are still to come are no output.
        if replies == 0 { 0 } else { replies + self.parts.capacity() * size_of::<Part>() }
    }

    fn concat(&self, parts: &[Part], reply: &mut Reply<'_>) {
        let all = || parts.iter().flat_map(|part| elements_of(self.reply_of(part)));
        reply.array(all().count());
        all().for_each(|element| element.write(reply));
    }

    /// The element of each key, in the order of the keys, behind a head with their number. Empty ones are left out.
    fn elements_by_key(&self, parts: &[Part], head: fn(usize, &mut Reply<'_>), reply: &mut Reply<'_>) {
        let mut ordered: Vec<(u32, Encoded<'_>)> = Vec::new();
        for part in parts {
            let mut rest = self.reply_of(part);
            for &key in &part.keys {
                ordered.push((key, rest.split_first().bulk()));
            }
        }
        ordered.retain(|(_, element)| !element.is_empty());
        ordered.sort_unstable_by_key(|(key, _)| *key);
        head(ordered.len(), reply);
        ordered.into_iter().for_each(|(_, element)| element.write(reply));
    }

    fn by_key(&self, parts: &[Part], reply: &mut Reply<'_>) {
        let count = parts.iter().map(|part| part.keys.len()).sum();
        let mut ordered: Vec<Encoded<'_>> = vec![Encoded::Slice(&[]); count];
        for part in parts {
            for (&key, element) in part.keys.iter().zip(elements_of(self.reply_of(part))) {
                ordered[key as usize] = element;
            }
        }
        reply.array(count);
        ordered.into_iter().for_each(|element| element.write(reply));
    }
}

/// The elements of an array reply.
fn elements_of(reply: Encoded<'_>) -> impl ExactSizeIterator<Item = Encoded<'_>> + Clone {
    reply.elements().expect("parts that are joined are arrays")
}

/// The number in an integer reply.
fn integer_of(reply: &Encoded<'_>) -> i64 {
    reader::integer(&reply.to_cow()).expect("parts that are summed are integers")
}
