//! In the simulator's build: commands whose answer does not follow from the requests before it alone, since they choose at random.
//!
//! ```text
//!   engine under test:  the command chooses, and its answer is noted in the journal
//!   oracle:             the answer that was noted is checked and applied by the simulator's own function instead
//! ```
//! Also the place where such answers, and those of scans, are falsified, to show that this would be found.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};

use crate::error::CommandResult;
use crate::message::Asker;
use crate::shard::ShardContext;
use crate::transaction::Fault;

/// Commands that choose.
pub const CHOOSING: [&str; 5] = ["spop", "srandmember", "hrandfield", "zrandmember", "randomkey"];

/// Commands that walk over a collection with a cursor.
const SCANNING: [&str; 4] = ["scan", "sscan", "hscan", "zscan"];

/// What an oracle does instead of choosing.
#[derive(Debug)]
pub struct Dictation {
    /// Requests, with the answers that were given to them, each to be used once.
    pub answers: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
    /// Checks that an answer is possible, does what the command then does, and writes it. `None`: the command is to choose itself.
    pub act: fn(&mut ShardContext<'_>, Args<'_>, &[u8], &mut Reply<'_>) -> Option<CommandResult>,
}

/// The function of a command that runs on a shard.
type ShardFunction = fn(&mut ShardContext<'_>, Args<'_>, &mut Reply<'_>) -> CommandResult;

/// Calls the function of a command.
pub(crate) fn call(
    function: ShardFunction,
    context: &mut ShardContext<'_>,
    asker: &Asker,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let name = context.command.full_name;
    if SCANNING.contains(&name) {
        let start = reply.buffer().len();
        function(context, args, reply)?;
        if context.state.has_fault(Fault::ScanSkips) {
            let has_values =
                matches!(name, "hscan" | "zscan") && !args.iter().any(|word| word.eq_ignore_ascii_case(b"NOVALUES"));
            leave_out_one(reply.buffer(), start, if has_values { 2 } else { 1 });
        }
        return Ok(());
    }
    if !CHOOSING.contains(&name) {
        return function(context, args, reply);
    }
    let request: Vec<Vec<u8>> = args.iter().map(<[u8]>::to_vec).collect();
    if let Some(dictation) = &mut context.state.recorder.dictation {
        let act = dictation.act;
        let known = dictation.answers.iter().position(|(known, _)| *known == request);
        let answer = known.map(|known| dictation.answers.remove(known).1);
        let done = answer.and_then(|answer| act(context, args, &answer, reply));
        return done.unwrap_or_else(|| function(context, args, reply));
    }
    let start = reply.buffer().len();
    function(context, args, reply)?;
    // Of keys each core makes an offer, which is a pair.
    let fault = context.state.fault.filter(|&fault| fault != Fault::ChoosesTwice || name != "randomkey");
    falsify(fault, reply.buffer(), start);
    let answer = reply.buffer()[start..].to_vec();
    let now_us = context.state.now_us;
    context.state.recorder.chose(asker, request, answer, now_us);
    Ok(())
}

/// Puts a fault into an answer.
fn falsify(fault: Option<Fault>, buffer: &mut Vec<u8>, start: usize) {
    match fault {
        Some(Fault::ChoosesAbsent) => {
            // The first letter of the last text.
            let answer = &buffer[start..];
            let last = match Elements::new(answer) {
                Some(elements) => elements.last(),
                None => Some(answer),
            };
            let len = last.and_then(reader::bulk).map_or(0, <[u8]>::len);
            if len > 0 {
                let place = buffer.len() - 2 - len;
                buffer[place] ^= 1;
            }
        }
        Some(Fault::ChoosesTwice) => {
            let answer = buffer.split_off(start);
            let Some(mut elements) = Elements::new(&answer).filter(|elements| elements.len() > 1) else {
                buffer.extend_from_slice(&answer);
                return;
            };
            let head = answer.len() - elements.rest().len();
            let first = elements.next().expect("it has more than one");
            elements.next();
            let rest = elements.rest();
            buffer.extend_from_slice(&[&answer[..head], first, first, rest].concat());
        }
        _ => {}
    }
}

/// Takes the first of the elements that a scan has found out of its answer.
fn leave_out_one(buffer: &mut Vec<u8>, start: usize, words: usize) {
    let answer = buffer.split_off(start);
    let mut parts = Elements::new(&answer).expect("a scan answers a cursor and elements");
    let cursor = parts.next().expect("the cursor");
    let found: Vec<&[u8]> = Elements::new(parts.next().expect("the elements")).into_iter().flatten().collect();
    let kept = found.get(words..).unwrap_or_default();
    buffer.extend_from_slice(b"*2\r\n");
    buffer.extend_from_slice(cursor);
    buffer.extend_from_slice(format!("*{}\r\n", kept.len()).as_bytes());
    buffer.extend_from_slice(&kept.concat());
}
