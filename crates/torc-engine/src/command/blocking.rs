//! What all commands that may wait for a key have in common: what their rows say of it, how their timeouts read, and the
//! relay by which they find what is there, wherever it lies.
//!
//! ```text
//!   is_ready  for each key, on its owner            nothing is ready, and it waits:  pin, then the waiters of the owners
//!      |      FirstKey   the first that is ready            a key changes:   is_ready -> take (of this key)
//!     take    AllKeys    each that is ready                 time is over:    nothing
//!             Move       the source, into the destination
//! ```

use torc_resp::{Args, OutputBuffer, Reply};

use super::{ApplyOn, Fetching, Relay};
use crate::error::{CommandError, CommandResult};
use crate::number::Extended;
use crate::run::fetch_value;
use crate::shard::ShardContext;
use crate::task::Found;

/// How a command waits. Its row has the flag `BLOCKING`, the route `Route::Relay(&Blocking::RELAY)` and, as a rule,
/// `run: Run::Shard(take_or_nothing)`, which is what runs inside of MULTI and for requests that do not wait.
///
/// All functions get the whole request, and run on the owner of the key. They are called again and again for one request,
/// with changes of the key in between, and must follow from the request and the key alone.
pub struct Blocking {
    /// Whether this request waits if nothing is there, and how long. Also finds what is wrong with the arguments, so
    /// that no other function sees wrong ones.
    pub timeout: fn(Args<'_>) -> Result<Timeout, CommandError>,
    /// Whether there is something for the request in this key now. It only glances at the key: nothing is counted, no access noted, and
    /// no expired key removed. An error is the reply of a request that has just come; of one that waits see `errors_end_wait`.
    pub is_ready: fn(&ShardContext<'_>, Args<'_>, AwaitedKey<'_>) -> Result<bool, CommandError>,
    /// Whether a request reads its keys as it comes (XREAD): each then counts as hit or missed twice, as in Redis, which looks at
    /// the types of all keys before it reads them; one with an error once. Serving a request that has waited counts nothing.
    pub reads: bool,
    /// Takes or reads from a key that is ready, and writes the reply; see [`Serves`]. It says in which form that is propagated, or that it is
    /// not, since nobody else is to wait.
    pub take: fn(&mut ShardContext<'_>, Args<'_>, AwaitedKey<'_>, &mut Reply<'_>) -> CommandResult,
    /// Writes the reply of a request that got nothing.
    pub nothing: fn(&mut Reply<'_>),
    /// From which of its keys it takes.
    pub serves: Serves,
    /// Whether a wait ends with the error that `is_ready` gives after a change of the key (XREADGROUP, whose group is gone). If
    /// not, the request goes on waiting (BLPOP, whose key is a string now).
    pub errors_end_wait: bool,
    /// What a request changes in each of its keys by asking alone, whether something is there or not; only once it is known that none of
    /// them has an error (XREADGROUP, whose consumer is there as soon as it asks). Nobody waits for such a change.
    pub asks: Option<Asks>,
    /// Called when the wait begins, for each awaited key: an argument that means something at this moment (XREAD's `$`) with what
    /// the waiting request has in its place, by index.
    pub pin: Option<Pin>,
    /// When there may be something in a key though it has not changed, Unix milliseconds (XREADGROUP with CLAIM, for which entries
    /// become old enough). Called when the wait begins and again at that time, whoever has locked the key. `None`: only a change matters.
    pub due: Option<Due>,
}

/// The type of [`Blocking::due`]; the result is in Unix milliseconds.
pub type Due = fn(&ShardContext<'_>, Args<'_>, AwaitedKey<'_>) -> Option<i64>;

/// The type of [`Blocking::asks`]; called once for each awaited key.
pub type Asks = fn(&mut ShardContext<'_>, Args<'_>, AwaitedKey<'_>);

/// The type of [`Blocking::pin`]; returns the index of the argument and its new bytes, or `None` where nothing is to be replaced.
pub type Pin = fn(&ShardContext<'_>, Args<'_>, AwaitedKey<'_>) -> Option<(usize, Vec<u8>)>;

/// A key that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedKey<'a> {
    /// Which of the request's keys it is, from 0 on. A key may be there several times.
    pub number: usize,
    /// The key.
    pub name: &'a [u8],
}

/// From which of its keys a request takes.
#[derive(Clone, Copy)]
pub enum Serves {
    /// From the first that is ready (BLPOP, BZMPOP): `take` writes the whole reply. Keys behind it are not looked at.
    FirstKey,
    /// From each that is ready (XREAD): this function writes the head of the reply, given the number of elements, and `take`
    /// writes one element, or nothing at all. The first key with an error has the whole request fail. A request that has waited
    /// is served from the one key that has changed.
    AllKeys(fn(usize, &mut Reply<'_>)),
    /// From the first key to the second, which alone is not awaited (BLMOVE): `take` does all of it when both are on one core; it fails,
    /// and changes nothing, if the destination has a wrong type. The relay does it when they are not: that of the command that does
    /// not wait (LMOVE). Its `fetch` gives no error for the destination, whatever it is (`apply` decides that, and fails on both
    /// cores alike); its `apply` runs on [`ApplyOn::Owners`].
    Move(&'static Relay),
}

/// How long a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Not at all: it is answered at once (XREAD without BLOCK).
    NoWait,
    /// Without end.
    Endless,
    /// A number of milliseconds above 0.
    After(i64),
}

impl Timeout {
    /// Reads seconds, as a float: `0` is without end.
    pub fn seconds(argument: &[u8]) -> Result<Timeout, CommandError> {
        let error = CommandError::fixed("ERR timeout is not a float or out of range");
        let seconds = Extended::parse(argument).ok_or(error)?;
        Timeout::of(seconds.thousandfold_up().ok_or(OUT_OF_RANGE)?)
    }

    /// Reads milliseconds, as an integer: `0` is without end.
    pub fn milliseconds(argument: &[u8]) -> Result<Timeout, CommandError> {
        let error = CommandError::fixed("ERR timeout is not an integer or out of range");
        Timeout::of(torc_resp::number::parse_i64(argument).ok_or(error)?)
    }

    /// The last argument in seconds.
    pub fn last_argument(args: Args<'_>) -> Result<Timeout, CommandError> {
        Timeout::seconds(args.get(args.len() - 1))
    }

    fn of(milliseconds: i64) -> Result<Timeout, CommandError> {
        match milliseconds {
            ..0 => Err(CommandError::fixed("ERR timeout is negative")),
            0 => Ok(Timeout::Endless),
            1.. => Ok(Timeout::After(milliseconds)),
        }
    }

    /// When it is over, Unix milliseconds; `None`: never.
    pub fn deadline_ms(self, now_ms: i64) -> Result<Option<i64>, CommandError> {
        match self {
            Timeout::NoWait | Timeout::Endless => Ok(None),
            Timeout::After(milliseconds) => now_ms.checked_add(milliseconds).map(Some).ok_or(OUT_OF_RANGE),
        }
    }
}

const OUT_OF_RANGE: CommandError = CommandError::fixed("ERR timeout is out of range");

impl Blocking {
    /// To start from: a timeout in seconds as the last argument, the first key that is ready, a null array if there is none.
    pub const DEFAULT: Blocking = Blocking {
        timeout: Timeout::last_argument,
        is_ready: |_, _, _| Ok(false),
        reads: false,
        take: |_, _, _, _| Ok(()),
        nothing: |reply| reply.null_array(),
        serves: Serves::FirstKey,
        errors_end_wait: false,
        asks: None,
        pin: None,
        due: None,
    };

    /// The route of a command that may wait: first all owners say what is there ([`find`]), then those take that have something
    /// ([`take_share`]). These are steps of their own, so the relay's functions are never called.
    pub const RELAY: Relay = Relay {
        fetch: Fetching::ByKey(|_, _, _, _| unreachable!("what may wait finds")),
        apply: |_, _, _, _| unreachable!("what may wait takes"),
        apply_on: ApplyOn::Owners,
    };

    /// The keys that a request takes from or waits for.
    pub fn awaited<'a>(
        &self,
        command: &'static super::Command,
        args: Args<'a>,
    ) -> impl Iterator<Item = AwaitedKey<'a>> + Clone + use<'a> {
        let count = if matches!(self.serves, Serves::Move(_)) { 1 } else { usize::MAX };
        let indexes = command.row.key_indexes(args).take(count).enumerate();
        indexes.map(move |(number, index)| AwaitedKey { number, name: args.get(index) })
    }

    /// The number of the first key that is ready, by what all cores have found.
    pub fn first_ready(&self, found: &[Found]) -> Option<u32> {
        // Of a move, only the source is awaited.
        let awaited = if matches!(self.serves, Serves::Move(_)) { &found[..1] } else { found };
        ready_numbers(awaited).next()
    }

    /// Which of the things found is an error that is the reply.
    pub(crate) fn failed(&self, found: &[Result<Found, CommandError>]) -> Option<usize> {
        let failed = found.iter().position(Result::is_err)?;
        // Keys behind the first that is ready are not looked at.
        let ready = found.iter().position(|found| found.as_ref().is_ok_and(|found| *found == Found::Ready));
        let overtaken = matches!(self.serves, Serves::FirstKey) && ready.is_some_and(|ready| ready < failed);
        (!overtaken).then_some(failed)
    }
}

/// The numbers of the keys that are ready, by what was found.
pub(crate) fn ready_numbers(found: &[Found]) -> impl Iterator<Item = u32> {
    (0u32..).zip(found).filter(|(_, found)| **found != Found::NotReady).map(|(number, _)| number)
}

/// The function of a row that may wait, with all keys on this core and without waiting: inside a transaction.
pub fn take_or_nothing(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let blocking = blocking_of(context);
    (blocking.timeout)(args)?.deadline_ms(context.now_ms())?;
    if !take_now(context, args, reply)? {
        reply_nothing(context, reply);
    }
    Ok(())
}

/// The reply of a request that has found nothing and does not wait.
pub(crate) fn reply_nothing(context: &ShardContext<'_>, reply: &mut Reply<'_>) {
    let blocking = blocking_of(context);
    match blocking.serves {
        // As the command that does not wait answers.
        Serves::Move(_) => reply.null(),
        _ => (blocking.nothing)(reply),
    }
}

/// Takes what is there in the keys of a request, which are all on this core. False: nothing is.
pub(crate) fn take_now(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<bool, CommandError> {
    let blocking = blocking_of(context);
    let keys = blocking.awaited(context.command, args);
    if let Serves::AllKeys(head) = blocking.serves {
        let mut ready = Vec::new();
        for key in keys {
            if is_ready_for_new(context, args, key)? {
                ready.push(key);
            }
        }
        ask(context, args);
        if !ready.is_empty() {
            take_all(context, args, &ready, head, reply)?;
        }
        return Ok(!ready.is_empty());
    }
    for key in keys {
        if is_ready_for_new(context, args, key)? {
            (blocking.take)(context, args, key, reply)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a key is ready for a request that has just come.
fn is_ready_for_new(context: &mut ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) -> Result<bool, CommandError> {
    let blocking = blocking_of(context);
    let ready = (blocking.is_ready)(context, args, key);
    if blocking.reads {
        let lookups = if ready.is_ok() { 2 } else { 1 };
        (0..lookups).for_each(|_| _ = context.read(key.name));
    }
    ready
}

/// Whether a waiting request can be answered now that a key has changed; with an error, too.
pub(crate) fn is_wanted(context: &ShardContext<'_>, args: Args<'_>, name: &[u8]) -> bool {
    let blocking = blocking_of(context);
    let mut keys = blocking.awaited(context.command, args).filter(|key| key.name == name);
    keys.any(|key| (blocking.is_ready)(context, args, key).unwrap_or(blocking.errors_end_wait))
}

/// Answers a waiting request from a key for which [`is_wanted`] is true.
pub(crate) fn take_changed(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    name: &[u8],
    reply: &mut Reply<'_>,
) -> CommandResult {
    let blocking = blocking_of(context);
    let mut ready = Vec::new();
    for key in blocking.awaited(context.command, args).filter(|key| key.name == name) {
        match (blocking.is_ready)(context, args, key) {
            Ok(true) => ready.push(key),
            Err(error) if blocking.errors_end_wait => return Err(error),
            _ => {}
        }
    }
    match blocking.serves {
        Serves::AllKeys(head) => take_all(context, args, &ready, head, reply),
        Serves::FirstKey | Serves::Move(_) => {
            (blocking.take)(context, args, *ready.first().expect("something is there"), reply)
        }
    }
}

fn take_all(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    ready: &[AwaitedKey<'_>],
    head: fn(usize, &mut Reply<'_>),
    reply: &mut Reply<'_>,
) -> CommandResult {
    let take = blocking_of(context).take;
    let start = reply.buffer().len();
    head(ready.len(), reply);
    let (first, mut count) = (reply.buffer().len(), 0);
    for &key in ready {
        let before = reply.buffer().len();
        take(context, args, key, reply)?;
        count += usize::from(reply.buffer().len() > before);
    }
    // A key that is there twice may have nothing left the second time.
    if count < ready.len() {
        let mut actual = OutputBuffer::new();
        head(count, &mut Reply::new(&mut actual, reply.protocol()));
        reply.buffer().replace(start..first, &actual.to_cow());
    }
    Ok(())
}

/// What the key with this number, which is on this core, has for a request whose keys lie on several cores.
pub(crate) fn find(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize) -> Result<Found, CommandError> {
    let blocking = blocking_of(context);
    (blocking.timeout)(args)?.deadline_ms(context.now_ms())?;
    let awaited = blocking.awaited(context.command, args).nth(key_number);
    let is_ready = awaited.map(|key| is_ready_for_new(context, args, key)).transpose()?;
    match (is_ready, blocking.serves) {
        (Some(false), _) => Ok(Found::NotReady),
        // What is to be moved, or whether it can be moved there.
        (_, Serves::Move(relay)) => fetch_value(relay, context, args, key_number),
        (Some(true), _) => Ok(Found::Ready),
        (None, _) => unreachable!("only the destination of a move is not awaited"),
    }
}

/// This core's share in taking, where `first` is the number of the first key of all that is ready; a move is applied by its relay.
/// Of [`Serves::AllKeys`], it writes each element as a string of its own, which the gather puts together.
pub(crate) fn take_share(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    first: usize,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let blocking = blocking_of(context);
    let mut keys = blocking.awaited(context.command, args);
    if let Serves::FirstKey = blocking.serves {
        let key = keys.nth(first).expect("it is one of the request's keys");
        return (blocking.take)(context, args, key, reply);
    }
    // As they were found: the claims on them have not ended since.
    let is_ready =
        |key: &AwaitedKey<'_>| context.owns(key.name) && (blocking.is_ready)(context, args, *key) == Ok(true);
    let ready: Vec<AwaitedKey<'_>> = keys.filter(is_ready).collect();
    ask(context, args);
    let protocol = reply.protocol();
    for key in ready {
        let mut element = OutputBuffer::new();
        (blocking.take)(context, args, key, &mut Reply::new(&mut element, protocol))?;
        reply.bulk_of(&mut element);
    }
    Ok(())
}

/// What a request does to its keys on this core by asking, now that none of all its keys has an error.
pub(crate) fn ask(context: &mut ShardContext<'_>, args: Args<'_>) {
    let blocking = blocking_of(context);
    let Some(asks) = blocking.asks else { return };
    for key in blocking.awaited(context.command, args) {
        if context.owns(key.name) {
            asks(context, args, key);
        }
    }
}

fn blocking_of(context: &ShardContext<'_>) -> &'static Blocking {
    context.command.row.blocking.expect("the row of a command that may wait says how")
}
