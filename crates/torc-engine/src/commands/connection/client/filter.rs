//! Which connections CLIENT LIST shows and CLIENT KILL closes.

use torc_resp::Args;
use torc_resp::number::parse_i64;

use super::describe::{address, local_address};
use crate::commands::connection::password::DEFAULT_USER;
use crate::error::CommandError;
use crate::session::Session;

/// Conditions that must all hold; without any, every connection fits.
#[derive(Default)]
pub(super) struct Filter<'a> {
    ids: Option<Vec<u64>>,
    of_type: Option<ClientType>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    age_seconds_min: i64,
    /// The asking connection does not fit.
    skip_me: bool,
}

impl<'a> Filter<'a> {
    /// Of CLIENT LIST; `options` are the arguments behind its name.
    pub(super) fn of_list(options: Args<'a>) -> Result<Self, CommandError> {
        let mut filter = Filter::default();
        if options.is_empty() {
            return Ok(filter);
        }
        let (name, values) = (options.get(0), options.from(1));
        if name.eq_ignore_ascii_case(b"type") && values.len() == 1 {
            filter.of_type = Some(client_type(values.get(0))?);
        } else if name.eq_ignore_ascii_case(b"id") && !values.is_empty() {
            let invalid = CommandError::fixed("ERR Invalid client ID");
            let ids: Option<Vec<u64>> = values.iter().map(|id| parse_i64(id).map(|id| id as u64)).collect();
            filter.ids = Some(ids.ok_or(invalid)?);
        } else {
            return Err(CommandError::Syntax);
        }
        Ok(filter)
    }

    /// Of CLIENT KILL; `options` are the arguments behind its name: an address, or names and values.
    pub(super) fn of_kill(options: Args<'a>) -> Result<Self, CommandError> {
        if options.len() == 1 {
            return Ok(Filter { address: Some(options.get(0)), ..Filter::default() });
        }
        let mut filter = Filter { skip_me: true, ..Filter::default() };
        let mut rest = options.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or(CommandError::Syntax)?;
            filter.add_condition(name, value)?;
        }
        Ok(filter)
    }

    fn add_condition(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), CommandError> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("id") {
            let id = parse_i64(value).filter(|&id| id > 0);
            let id = id.ok_or(CommandError::fixed("ERR client-id should be greater than 0"))?;
            self.ids = Some(vec![id as u64]);
        } else if is("type") {
            self.of_type = Some(client_type(value)?);
        } else if is("addr") {
            self.address = Some(value);
        } else if is("laddr") {
            self.local_address = Some(value);
        } else if is("user") {
            if value != DEFAULT_USER.as_bytes() {
                return Err(CommandError::quoting("ERR No such user '{}'", &[value]));
            }
        } else if is("skipme") {
            self.skip_me = yes_or_no(value)?;
        } else if is("maxage") {
            let age = parse_i64(value).ok_or(CommandError::fixed("ERR maxage is not an integer or out of range"))?;
            if age <= 0 {
                return Err(CommandError::fixed("ERR maxage should be greater than 0"));
            }
            self.age_seconds_min = age;
        } else {
            return Err(CommandError::Syntax);
        }
        Ok(())
    }

    /// Whether a session fits; `asker` is the client id of the one that asks.
    pub(super) fn fits(&self, session: &Session, asker: u64, now_ms: i64) -> bool {
        let is = |wanted: Option<&[u8]>, found: &dyn Fn() -> String| {
            wanted.is_none_or(|wanted| wanted == found().as_bytes())
        };
        !(self.skip_me && session.id == asker)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&session.id))
            && self.of_type.is_none_or(|wanted| wanted == type_of(session))
            && (now_ms - session.created_ms) / 1000 >= self.age_seconds_min
            && is(self.address, &|| address(&session.info))
            && is(self.local_address, &|| local_address(&session.info))
    }
}

/// What Redis tells clients apart by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Normal,
    Subscriber,
    /// A replica or a primary: no connection is one yet.
    Replication,
}

fn type_of(session: &Session) -> ClientType {
    if session.is_subscriber { ClientType::Subscriber } else { ClientType::Normal }
}

fn client_type(name: &[u8]) -> Result<ClientType, CommandError> {
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    match () {
        () if is("normal") => Ok(ClientType::Normal),
        () if is("pubsub") => Ok(ClientType::Subscriber),
        () if is("master") || is("replica") || is("slave") => Ok(ClientType::Replication),
        () => Err(CommandError::quoting("ERR Unknown client type '{}'", &[name])),
    }
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
