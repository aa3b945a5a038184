//! COPY source destination [DB destination-db] [REPLACE]: makes a copy of a key, with its expiry.
//!
//! Over several cores the owner of the source sends its image, and the owner of the destination stores it.

use torc_resp::{Args, Reply};

use super::database::database;
use super::image::Image;
use crate::command::{ApplyOn, Databases, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "copy",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RO access"), KeySpec::at(2, "OW update")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(copy),
    databases: Databases::Named(destination),
    since: "6.2.0",
    summary: "Copies the value of a key to a new key.",
    complexity: "O(N) where N is the size of the value.",
    syntax: "source destination [DB destination-db] [REPLACE]",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::OwnerOf(1) };

/// Which argument names the database of the copy; of several the last counts.
fn destination(args: Args<'_>) -> [usize; 2] {
    let (mut at, mut found) = (3, 0);
    while at + 1 < args.len() {
        let is_db = args.get(at).eq_ignore_ascii_case(b"db");
        if is_db {
            found = at + 1;
        }
        at += 1 + usize::from(is_db);
    }
    [found, 0]
}

/// The words behind the keys.
struct Options {
    db: u16,
    replace: bool,
}

fn copy(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(context, args)?;
    let image = read(context, args.get(1));
    store(context, args, &options, image, reply);
    Ok(())
}

/// The source, whose read is counted as any other.
fn read(context: &mut ShardContext<'_>, key: &[u8]) -> Option<Image> {
    context.note_miss(key);
    let is_there = context.access(key);
    context.count_lookup(is_there);
    Image::read_key(context, key)
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    Options::parse(context, args)?;
    match key_number {
        0 => Image::write(read(context, args.get(1)).as_ref(), extract),
        _ => extract.null(),
    }
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(context, args)?;
    store(context, args, &options, Image::read(fetched.get(0)), reply);
    Ok(())
}

fn store(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    options: &Options,
    image: Option<Image>,
    reply: &mut Reply<'_>,
) {
    let key = args.get(2);
    let destination = &mut context.in_database(options.db);
    let stored = image.filter(|_| options.replace || !destination.access(key));
    if let Some(image) = &stored {
        image.put(destination, key);
    }
    if stored.is_some() {
        context.event_in(options.db, EventClass::Generic, "copy_to", key);
    }
    reply.integer(i64::from(stored.is_some()));
}

impl Options {
    fn parse(context: &ShardContext<'_>, args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options { db: context.db, replace: false };
        let mut rest = args.from(3).iter();
        while let Some(word) = rest.next() {
            if word.eq_ignore_ascii_case(b"replace") {
                options.replace = true;
            } else if word.eq_ignore_ascii_case(b"db") {
                options.db = database(context, rest.next().ok_or(CommandError::Syntax)?)?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.db == context.db && args.get(1) == args.get(2) {
            return Err(CommandError::fixed("ERR source and destination objects are the same"));
        }
        Ok(options)
    }
}
