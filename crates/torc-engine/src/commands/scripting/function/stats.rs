//! FUNCTION STATS: the function that runs, on whatever core, and the engines with their libraries.

use torc_resp::{Args, Reply, reader};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::script::ScriptKind;
use crate::session::{CoreContext, SessionContext, busy_with};

pub(super) static ROW: Row = Row {
    name: "stats",
    arity: 2,
    flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(tell_oldest),
    categories: &["scripting"],
    summary: "Returns information about a function during execution.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    ..super::ROW_DEFAULT
};

/// What each core answers: an array of milliseconds, name and words of the function that has run for longest; or only
/// the milliseconds, if it is a script that makes the core busy; or nothing.
fn tell_oldest(context: &mut CoreContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some((oldest, age_ms, is_busy)) = context.oldest_script() else {
        reply.array(0);
        return Ok(());
    };
    match &oldest.function {
        Some(function) => {
            reply.array(2 + function.words.len());
            reply.integer(age_ms);
            reply.bulk(&function.name);
            function.words.iter().for_each(|word| reply.bulk(word));
        }
        None if is_busy => reply.integer(age_ms),
        None => reply.array(0),
    }
    Ok(())
}

fn merge(context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    if parts.iter().any(|part| reader::integer(part).is_some()) {
        return Err(busy_with(ScriptKind::Script));
    }
    let running = parts.iter().filter_map(|part| running_of(part)).max_by_key(|(age_ms, _)| *age_ms);
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        Some((age_ms, elements)) => tell_running(age_ms, elements, reply),
        None => reply.null(),
    }
    let figures = context.libraries().figures();
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(figures.libraries as i64);
    reply.bulk(b"functions_count");
    reply.integer(figures.functions as i64);
    Ok(())
}

/// The function that a core has told: its milliseconds, and its name and words.
fn running_of(part: &[u8]) -> Option<(i64, reader::Elements<'_>)> {
    let mut elements = reader::Elements::new(part)?;
    Some((reader::integer(elements.next()?)?, elements))
}

fn tell_running(age_ms: i64, elements: reader::Elements<'_>, reply: &mut Reply<'_>) {
    let mut texts = elements.map(|element| reader::bulk(element).expect("a function is told in strings"));
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(texts.next().expect("its name comes first"));
    reply.bulk(b"command");
    reply.array(texts.len());
    texts.for_each(|word| reply.bulk(word));
    reply.bulk(b"duration_ms");
    reply.integer(age_ms);
}
