//! In the simulator's build: commands whose answer does not follow from the requests before it alone, since they choose at random.
//!
//! ```text
//!   engine under test:  the command chooses, and its answer is noted in the journal
//!   oracle:             the answer that was noted is checked and applied by the simulator's own function instead
//! ```

use torc_resp::{Args, Reply};

use super::ShardFunction;
use crate::asker::Asker;
use crate::command::Flags;
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// What an oracle does instead of choosing.
#[derive(Debug)]
pub struct Dictation {
    /// Requests, with the answers that were given to them, each to be used once.
    pub answers: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
    /// Checks that an answer is possible, does what the command then does, and writes it. `None`: the command is to choose itself.
    pub act: fn(&mut ShardContext<'_>, Args<'_>, &[u8], &mut Reply<'_>) -> Option<CommandResult>,
}

/// A command runs here: notes that, and calls its function.
#[inline(always)]
pub(crate) fn call(
    function: ShardFunction,
    context: &mut ShardContext<'_>,
    asker: &Asker,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    if context.recorder().0.is_off() {
        return function(context, args, reply);
    }
    call_under_simulation(function, context, asker, args, reply)
}

/// The same; who chooses is dictated to, or heard.
#[cold]
#[inline(never)]
fn call_under_simulation(
    function: ShardFunction,
    context: &mut ShardContext<'_>,
    asker: &Asker,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let (recorder, now_us) = context.recorder();
    recorder.ran(asker, now_us);
    if !context.command.row.flags.has(Flags::CHOOSES) {
        return function(context, args, reply);
    }
    let request: Vec<Vec<u8>> = args.iter().map(<[u8]>::to_vec).collect();
    if let Some(dictation) = &mut context.recorder().0.dictation {
        let act = dictation.act;
        let known = dictation.answers.iter().position(|(known, _)| *known == request);
        let answer = known.map(|known| dictation.answers.remove(known).1);
        let done = answer.and_then(|answer| act(context, args, &answer, reply));
        return done.unwrap_or_else(|| function(context, args, reply));
    }
    let start = reply.buffer().len();
    function(context, args, reply)?;
    let written = reply.buffer();
    let answer = written.range(start..written.len()).into_owned();
    let (recorder, now_us) = context.recorder();
    recorder.chose(asker, request, answer, now_us);
    Ok(())
}
