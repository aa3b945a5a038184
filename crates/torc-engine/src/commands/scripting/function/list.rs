//! FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]: the libraries and their functions, by name.

use torc_lua::{Flags as FunctionFlags, Function};
use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::glob::{self, Case};
use crate::script::Library;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "list",
    arity: -2,
    flags: Flags::NOSCRIPT,
    run: Run::Session(list),
    categories: &["scripting"],
    summary: "Returns information about all libraries.",
    complexity: "O(N) where N is the number of functions",
    syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
    tips: &["nondeterministic_output_order"],
    ..super::ROW_DEFAULT
};

fn list(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (mut has_code, mut pattern) = (false, None);
    let mut words = args.from(2).iter();
    while let Some(word) = words.next() {
        if !has_code && word.eq_ignore_ascii_case(b"withcode") {
            has_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
            pattern = Some(words.next().ok_or(CommandError::fixed("ERR library name argument was not given"))?);
        } else {
            return Err(CommandError::quoting("ERR Unknown argument {}", &[word]));
        }
    }
    let fits = |library: &&Library| pattern.is_none_or(|pattern| glob::matches(pattern, &library.name, Case::Insensitive));
    let libraries: Vec<&Library> = context.libraries().iter().filter(fits).collect();
    reply.array(libraries.len());
    libraries.into_iter().for_each(|library| tell_library(library, has_code, reply));
    Ok(())
}

fn tell_library(library: &Library, has_code: bool, reply: &mut Reply<'_>) {
    reply.map(3 + usize::from(has_code));
    reply.bulk(b"library_name");
    reply.bulk(&library.name);
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    library.functions.iter().for_each(|function| tell_function(function, reply));
    if has_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.source);
    }
}

fn tell_function(function: &Function, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(&function.name);
    reply.bulk(b"description");
    match &function.description {
        Some(description) => reply.bulk(description),
        None => reply.null(),
    }
    reply.bulk(b"flags");
    let has = |(flag, _): &&(FunctionFlags, &str)| function.flags.contains(*flag);
    let flags = FunctionFlags::ALL.iter().filter(has);
    reply.set(flags.clone().count());
    flags.for_each(|(_, word)| reply.simple(word));
}
