//! Which connections CLIENT LIST shows and CLIENT KILL closes: names and values, each a condition, all of which must hold.
//!
//! Those of Redis 7.2 fail with its texts, the others, and the denials (`NOT-...`), with those of Valkey 9. Of a condition that is given
//! twice the last one counts.

use torc_resp::Args;
use torc_resp::number::parse_i64;

use super::describe::{CAPABILITIES, FLAGS, address, capabilities, flags, ip, local_address};
use crate::error::CommandError;
use crate::session::Session;
use crate::state::Facts;

/// What a connection must be like.
#[derive(Debug, Clone, PartialEq)]
enum Condition<'a> {
    Ids(Vec<i64>),
    Type(ClientType),
    Address(&'a [u8]),
    LocalAddress(&'a [u8]),
    User(&'a [u8]),
    AgeSecondsMin(i64),
    IdleSecondsMin(i64),
    /// All of these letters are among its flags.
    Flags(&'a [u8]),
    Name(&'a [u8]),
    LibraryName(&'a [u8]),
    LibraryVersion(&'a [u8]),
    Db(u16),
    /// All of these letters are among its capabilities.
    Capabilities(&'a [u8]),
    Ip(&'a [u8]),
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Normal,
    Primary,
    Replica,
    PubSub,
}

/// The command that filters, where they differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    List,
    Kill,
}

/// Conditions that must all hold; without any, every connection fits.
#[derive(Default)]
pub(super) struct Filter<'a> {
    conditions: Vec<(Condition<'a>, Denied)>,
    /// The asking connection does not fit.
    skip_me: bool,
}

/// Whether a condition must not hold.
type Denied = bool;

impl<'a> Filter<'a> {
    /// Of CLIENT LIST; `options` are the arguments behind its name.
    pub(super) fn of_list(options: Args<'a>, facts: &Facts<'_>) -> Result<Self, CommandError> {
        Filter::default().read(options, Asker::List, facts)
    }

    /// Of CLIENT KILL; `options` are the arguments behind its name: an address, or names and values.
    pub(super) fn of_kill(options: Args<'a>, facts: &Facts<'_>) -> Result<Self, CommandError> {
        if options.len() == 1 {
            let address = Condition::Address(options.get(0));
            return Ok(Filter { conditions: vec![(address, false)], skip_me: false });
        }
        Filter { skip_me: true, ..Filter::default() }.read(options, Asker::Kill, facts)
    }

    fn read(mut self, options: Args<'a>, asker: Asker, facts: &Facts<'_>) -> Result<Self, CommandError> {
        let mut at = 0;
        while at < options.len() {
            let name = options.get(at).to_ascii_uppercase();
            let values = options.from(at + 1);
            if values.is_empty() {
                return Err(CommandError::Syntax);
            }
            at += 2;
            if name == b"SKIPME" {
                self.skip_me = yes_or_no(values.get(0))?;
                continue;
            }
            let (plain, denied) = name.strip_prefix(b"NOT-").map_or((&name[..], false), |plain| (plain, true));
            let condition = if plain == b"ID" {
                let (ids, more) = read_ids(values, asker)?;
                at += more;
                Condition::Ids(ids)
            } else {
                condition(plain, denied, values.get(0), facts)?
            };
            self.conditions.retain(|(other, other_denied)| {
                *other_denied != denied || std::mem::discriminant(other) != std::mem::discriminant(&condition)
            });
            self.conditions.push((condition, denied));
        }
        Ok(self)
    }

    /// Whether a session fits; `asker` is the client id of the one that asks.
    pub(super) fn fits(&self, session: &Session, asker: u64, now_ms: i64) -> bool {
        !(self.skip_me && session.id == asker)
            && self.conditions.iter().all(|(condition, denied)| condition.holds(session, now_ms) != *denied)
    }
}

impl Condition<'_> {
    fn holds(&self, session: &Session, now_ms: i64) -> bool {
        let is_named = |wanted: &[u8], name: &[u8]| !name.is_empty() && wanted == name;
        let has_all = |wanted: &[u8], letters: &str| wanted.iter().all(|letter| letters.as_bytes().contains(letter));
        match self {
            Condition::Ids(ids) => ids.contains(&(session.id as i64)),
            Condition::Type(kind) => *kind == ClientType::of(session),
            Condition::Address(wanted) => address(&session.info).as_bytes() == *wanted,
            Condition::LocalAddress(wanted) => local_address(&session.info).as_bytes() == *wanted,
            // Whoever has not logged in is the default user.
            Condition::User(name) => session.user().name() == *name,
            Condition::AgeSecondsMin(seconds) => (now_ms - session.created_ms) / 1000 >= *seconds,
            Condition::IdleSecondsMin(seconds) => (now_ms - session.active_ms) / 1000 >= *seconds,
            Condition::Flags(wanted) => has_all(wanted, &flags(session)),
            Condition::Name(wanted) => is_named(wanted, &session.name),
            Condition::LibraryName(wanted) => is_named(wanted, &session.library_name),
            Condition::LibraryVersion(wanted) => is_named(wanted, &session.library_version),
            Condition::Db(db) => session.db == *db,
            Condition::Capabilities(wanted) => has_all(wanted, capabilities(session)),
            Condition::Ip(wanted) => ip(&session.info).as_bytes() == *wanted,
        }
    }
}

impl ClientType {
    fn of(session: &Session) -> Self {
        if session.is_subscriber { ClientType::PubSub } else { ClientType::Normal }
    }

    fn named(name: &[u8]) -> Result<Self, CommandError> {
        let names = [
            ("normal", ClientType::Normal),
            ("primary", ClientType::Primary),
            ("master", ClientType::Primary),
            ("replica", ClientType::Replica),
            ("slave", ClientType::Replica),
            ("pubsub", ClientType::PubSub),
        ];
        let found = names.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|(_, kind)| *kind).ok_or_else(|| CommandError::quoting("ERR Unknown client type '{}'", &[name]))
    }
}

/// One condition but that of ids. `name` is in upper case, and without what denies it.
fn condition<'a>(
    name: &[u8],
    denied: bool,
    value: &'a [u8],
    facts: &Facts<'_>,
) -> Result<Condition<'a>, CommandError> {
    Ok(match name {
        b"TYPE" => Condition::Type(ClientType::named(value)?),
        b"ADDR" => Condition::Address(value),
        b"LADDR" => Condition::LocalAddress(value),
        b"USER" if facts.users.find(value).is_some() => Condition::User(value),
        b"USER" => return Err(CommandError::quoting("ERR No such user '{}'", &[value])),
        b"MAXAGE" if !denied => Condition::AgeSecondsMin(seconds("maxage", value)?),
        b"IDLE" if !denied => Condition::IdleSecondsMin(seconds("idle", value)?),
        b"FLAGS" => Condition::Flags(letters("flags", "FLAGS", denied, value, FLAGS)?),
        b"NAME" => Condition::Name(value),
        b"LIB-NAME" => Condition::LibraryName(value),
        b"LIB-VER" => Condition::LibraryVersion(value),
        b"DB" => Condition::Db(database(if denied { "NOT-DB" } else { "DB" }, value, facts.databases)?),
        b"CAPA" => Condition::Capabilities(letters("capa", "CAPA", denied, value, CAPABILITIES)?),
        b"IP" => Condition::Ip(value),
        _ => return Err(CommandError::Syntax),
    })
}

/// As many ids as there are, at least one, and how many there are beyond the first.
fn read_ids(values: Args<'_>, asker: Asker) -> Result<(Vec<i64>, usize), CommandError> {
    let ids: Vec<i64> = values.iter().map_while(parse_i64).collect();
    match asker {
        Asker::Kill if ids.is_empty() || ids.iter().any(|&id| id <= 0) => {
            Err(CommandError::fixed("ERR client-id should be greater than 0"))
        }
        // A word behind ids is the name of another condition, or no id.
        Asker::List if ids.is_empty() || (values.len() == ids.len() + 1) => {
            Err(CommandError::fixed("ERR Invalid client ID"))
        }
        _ => {
            let more = ids.len() - 1;
            Ok((ids, more))
        }
    }
}

fn seconds(name: &str, value: &[u8]) -> Result<i64, CommandError> {
    match parse_i64(value) {
        None => Err(CommandError::made(format!("ERR {name} is not an integer or out of range"))),
        Some(..=0) => Err(CommandError::made(format!("ERR {name} should be greater than 0"))),
        Some(seconds) => Ok(seconds),
    }
}

fn database(name: &str, value: &[u8], databases: u16) -> Result<u16, CommandError> {
    let number = parse_i64(value).and_then(|number| i32::try_from(number).ok());
    let number = number.ok_or_else(|| CommandError::made(format!("ERR {name} is not an integer or out of range")))?;
    let db = u16::try_from(number).ok().filter(|&db| db < databases);
    db.ok_or_else(|| CommandError::made(format!("ERR {name} number should be between 0 and {}", databases - 1)))
}

/// A value of letters all of which are known. `what` and `name`: how the error calls them.
fn letters<'a>(
    what: &str,
    name: &str,
    denied: bool,
    value: &'a [u8],
    known: &str,
) -> Result<&'a [u8], CommandError> {
    if value.iter().all(|letter| known.as_bytes().contains(letter)) {
        return Ok(value);
    }
    let filter = if denied { format!("the NOT-{name} filter") } else { "the provided filter".to_owned() };
    let text = format!("ERR Unknown {what} found in {filter}: {{}}");
    Err(CommandError::quoting(&text, &[value]))
}

fn yes_or_no(value: &[u8]) -> Result<bool, CommandError> {
    if value.eq_ignore_ascii_case(b"yes") {
        Ok(true)
    } else if value.eq_ignore_ascii_case(b"no") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}
