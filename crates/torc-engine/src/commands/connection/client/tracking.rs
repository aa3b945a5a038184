//! CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]: which keys the client is told of that it
//! may have cached. See docs/tracking.md.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};

use crate::asker::ConnectionId;
use crate::command::{Merge, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::pubsub::TopicKind;
use crate::session::{CoreContext, Session, SessionContext};
use crate::tracking::{Mode, Redirect, Tracking};

pub(super) static ROW: Row = Row {
    name: "tracking",
    arity: -3,
    flags: super::PLAIN,
    route: Route::Every(Merge::Custom(track)),
    run: Run::Core(find_redirect),
    categories: &["connection"],
    since: "6.0.0",
    group: "connection",
    summary: "Controls server-assisted client-side caching for the connection.",
    complexity: "O(1). Some options may introduce additional complexity.",
    syntax: "status:<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
    ..Row::DEFAULT
};

/// What stands behind ON or OFF.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<i64>,
    prefixes: Vec<&'a [u8]>,
    is_broadcast: bool,
    opts_in: bool,
    opts_out: bool,
    no_loop: bool,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut words = args.from(3).iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let has_more = words.len() > 0;
            if is("redirect") && has_more {
                if options.redirect.is_some_and(|id| id != 0) {
                    return Err(CommandError::fixed("ERR A client can only redirect to a single other client"));
                }
                options.redirect = Some(integer_argument(words.next().unwrap_or_default())?);
            } else if is("prefix") && has_more {
                options.prefixes.extend(words.next());
            } else if is("bcast") {
                options.is_broadcast = true;
            } else if is("optin") {
                options.opts_in = true;
            } else if is("optout") {
                options.opts_out = true;
            } else if is("noloop") {
                options.no_loop = true;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// What they make of tracking, given what there is.
    fn mode(&self, before: Option<Mode>) -> Result<Mode, CommandError> {
        let error = |text| Err(CommandError::fixed(text));
        if !self.is_broadcast && !self.prefixes.is_empty() {
            return error("ERR PREFIX option requires BCAST mode to be enabled");
        }
        if before.is_some_and(|before| (before == Mode::Broadcast) != self.is_broadcast) {
            return error(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a \
                 different mode.",
            );
        }
        if self.is_broadcast && (self.opts_in || self.opts_out) {
            return error("ERR OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.opts_in && self.opts_out {
            return error("ERR You can't specify both OPTIN mode and OPTOUT mode");
        }
        if (self.opts_in && before == Some(Mode::OptOut)) || (self.opts_out && before == Some(Mode::OptIn)) {
            return error(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a \
                 different mode.",
            );
        }
        Ok(match (self.is_broadcast, self.opts_in, self.opts_out) {
            (true, ..) => Mode::Broadcast,
            (_, true, _) => Mode::OptIn,
            (_, _, true) => Mode::OptOut,
            _ => Mode::Default,
        })
    }

    /// The prefixes must not overlap each other, nor those that there are.
    fn check_prefixes(&self, session: &Session) -> CommandResult {
        let known = || session.subscriptions.iter().flat_map(|topics| topics.names(TopicKind::Prefix));
        for (number, prefix) in self.prefixes.iter().enumerate() {
            let others = self.prefixes[number + 1..].iter().map(|other| (*other, "another provided"));
            let mut all = known().map(|known| (&**known, "an existing")).chain(others);
            if let Some((other, which)) = all.find(|(other, _)| other.starts_with(prefix) || prefix.starts_with(other)) {
                let (prefix, other) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
                return Err(CommandError::made(format!(
                    "ERR Prefix '{prefix}' overlaps with {which} prefix '{other}'. Prefixes for a single client must not overlap."
                )));
            }
        }
        Ok(())
    }
}

/// The place of the connection to which is to be redirected, if it is of this core: on each core.
fn find_redirect(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // What is wrong with the options is said where they count.
    let redirect = Options::parse(args).ok().and_then(|options| options.redirect);
    let found = redirect.and_then(|id| context.sessions.iter().find(|session| session.id as i64 == id));
    match found.map(|session| session.connection) {
        None => reply.array(0),
        Some(ConnectionId { index, generation }) => {
            reply.array(2);
            reply.integer(i64::from(index));
            reply.integer(i64::from(generation));
        }
    }
    Ok(())
}

/// On the core of the connection, when all cores have said whether they know that client.
fn track(context: &mut SessionContext<'_>, args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args)?;
    let found = parts.iter().find_map(|part| connection_of(part));
    if options.redirect.is_some() && found.is_none() {
        return Err(CommandError::fixed("ERR The client ID you want redirect to does not exist"));
    }
    let session = &mut *context.session;
    let is_on = args.get(2).eq_ignore_ascii_case(b"on");
    if !is_on && !args.get(2).eq_ignore_ascii_case(b"off") {
        return Err(CommandError::Syntax);
    }
    if !is_on {
        session.end_tracking();
        reply.ok();
        return Ok(());
    }
    let mode = options.mode(session.tracking.as_ref().map(|tracking| tracking.mode))?;
    options.check_prefixes(session)?;
    let is_caching_given = session.tracking.as_ref().is_some_and(|tracking| tracking.is_caching_given);
    let to = options.redirect.zip(found);
    let redirect = to.map(|(id, connection)| Redirect { client_id: id as u64, connection });
    session.tracking =
        Some(Box::new(Tracking { mode, no_loop: options.no_loop, is_caching_given, redirect, is_redirect_broken: false }));
    // Without a prefix it is told of all keys.
    let all: &[&[u8]] = if mode == Mode::Broadcast && options.prefixes.is_empty() { &[b""] } else { &[] };
    for prefix in options.prefixes.iter().chain(all) {
        session.subscribe(TopicKind::Prefix, prefix);
    }
    reply.ok();
    Ok(())
}

/// What a core has found.
fn connection_of(part: &[u8]) -> Option<ConnectionId> {
    let mut numbers = Elements::new(part)?.map(|number| reader::integer(number).expect("places are numbers") as u32);
    Some(ConnectionId { index: numbers.next()?, generation: numbers.next()? })
}
