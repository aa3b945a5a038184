//! MEMORY DOCTOR: what is unusual about the use of memory, in words.

use torc_resp::{Args, Reply};

use super::stats;
use crate::command::{Merge, Route, Row, Run};
use crate::commands::server::info::{self, Report};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "doctor",
    arity: 2,
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(stats::report),
    since: "4.0.0",
    group: "server",
    summary: "Outputs a memory problems report.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    ..Row::DEFAULT
};

/// With less than this there is nothing to judge.
const USED_BYTES_MIN: u64 = 5 << 20;
/// More than this for a client, on average, is much.
const CLIENT_BYTES_MANY: u64 = 200 << 10;

fn merge(context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let report = info::merged(context, parts);
    let facts = context.facts();
    let text = judge(&report, facts.process.resident_bytes, facts.memory.max_bytes);
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn judge(report: &Report, resident_bytes: u64, max_bytes: u64) -> String {
    let figures = &report.figures;
    let (used, clients) = (figures.used_bytes, figures.clients.max(1));
    if used < USED_BYTES_MIN {
        return "Hardly any memory is used: there is nothing to judge yet.\n".to_owned();
    }
    let findings = [
        (
            figures.peak_bytes > used / 2 * 3,
            "* Peak: more than half as much again was in use before. What is resident may stay high for a while; the ratio of \
             fragmentation means little until then.",
        ),
        (
            resident_bytes > used / 5 * 7,
            "* Resident: the process holds two fifths more than what is counted. Pages of the heap are partly empty, or buffers were \
             freed lately; MEMORY PURGE gives empty pages back.",
        ),
        (
            figures.clients_bytes / clients > CLIENT_BYTES_MANY,
            "* Clients: they hold more than 200 KiB on average. Long pipelines, big requests, or clients that read their replies \
             slowly; see CLIENT LIST, and maxmemory-clients.",
        ),
        (
            max_bytes != 0 && used > max_bytes,
            "* Limit: more is used than maxmemory allows. What may take more memory is refused, or keys are being evicted; see \
             evicted_keys and current_eviction_exceeded_time in INFO.",
        ),
        (
            figures.interpreter_bytes > 64 << 20,
            "* Scripts: their interpreters take more than 64 MiB. SCRIPT FLUSH forgets scripts that are made anew for each call.",
        ),
    ];
    let mut text = String::new();
    for (_, finding) in findings.iter().filter(|(is_found, _)| *is_found) {
        text.push_str(finding);
        text.push_str("\n\n");
    }
    if text.is_empty() { "Nothing is unusual about how memory is used.\n".to_owned() } else { text }
}
