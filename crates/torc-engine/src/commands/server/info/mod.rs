//! INFO [section ...]: figures about the server and its cores.
//!
//! ```text
//!   each core:        counters --Report--> array of integers
//!   the asking core:  arrays --added up--> Report --sections--> text
//! ```
//!
//! A field that Redis has and that would be an invention here is left out, unless clients look for it and a
//! constant is the truth (there are no replicas, nothing is being loaded).

mod process;
mod report;
mod sections;
mod selection;
mod statistics;

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::{CoreContext, SessionContext};
pub(super) use report::Report;
use selection::Selection;

pub(super) static ROW: Row = Row {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::OF_NODE),
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(info),
    categories: &["dangerous"],
    group: "server",
    summary: "Returns information and statistics about the server.",
    complexity: "O(1)",
    syntax: "[section [section ...]]",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    history: &[
        ("7.0.0", "Added support for taking multiple section arguments."),
    ],
    ..Row::DEFAULT
};

/// One core's part.
fn info(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.measure_sessions();
    let selection = Selection::of(args.from(1));
    Report::of_core(context, &selection).write(reply);
    Ok(())
}

/// One core's part for commands that show some of the same figures.
pub(super) fn report_core(context: &mut CoreContext<'_>, none: Args<'_>, reply: &mut Reply<'_>) {
    context.measure_sessions();
    Report::of_core(context, &Selection::of(none)).write(reply);
}

/// The figures of all cores.
pub(super) fn merged(context: &SessionContext<'_>, parts: &[&[u8]]) -> Report {
    let mut report = Report::new(&context.facts());
    parts.iter().for_each(|part| report.add(part));
    report
}

fn merge(context: &mut SessionContext<'_>, args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let mut report = merged(context, parts);
    report.patterns = context.routes().patterns();
    report.prefixes = context.routes().prefixes();
    let text = sections::render(&context.facts(), &report, &Selection::of(args.from(1)));
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}
