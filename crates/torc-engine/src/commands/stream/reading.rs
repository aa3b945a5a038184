//! What XREAD and XREADGROUP have in common: how a request reads, where its keys stand, and how the reply is put together.
//!
//! ```text
//! XREAD                        [COUNT n] [BLOCK ms]                    STREAMS key .. id ..
//! XREADGROUP GROUP group name  [COUNT n] [BLOCK ms] [CLAIM ms] [NOACK] STREAMS key .. id ..
//! ```

use torc_resp::{Args, Protocol, Reply, number};

use super::ids;
use crate::command::blocking::Timeout;
use crate::command::{Begin, Find, KeySpec, integer_argument};
use crate::error::CommandError;

/// A request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// BLOCK.
    pub block_ms: Option<&'a [u8]>,
    /// COUNT; 0: all.
    pub count: u64,
    /// GROUP: the group, and the consumer that reads for it.
    pub group: Option<(&'a [u8], &'a [u8])>,
    /// CLAIM: entries given so many milliseconds ago are wanted too.
    pub claim_idle_ms: Option<i64>,
    /// NOACK.
    pub no_ack: bool,
    /// Index of the first key.
    pub keys_at: usize,
    /// Number of keys.
    pub keys: usize,
}

impl<'a> Request<'a> {
    /// Reads a request without looking at its ids; of XREADGROUP (`groups`) or XREAD.
    pub fn parse(args: Args<'a>, groups: bool) -> Result<Self, CommandError> {
        let (mut request, mut at) = (Request::default(), 1);
        while at < args.len() {
            let word = args.get(at);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let more = args.len() - at - 1;
            if is("BLOCK") && more > 0 {
                request.block_ms = Some(args.get(at + 1));
                Timeout::milliseconds(args.get(at + 1))?;
                at += 2;
            } else if is("COUNT") && more > 0 {
                request.count = integer_argument(args.get(at + 1))?.max(0) as u64;
                at += 2;
            } else if is("STREAMS") && more > 0 {
                if !more.is_multiple_of(2) {
                    return Err(unbalanced(groups));
                }
                (request.keys_at, request.keys) = (at + 1, more / 2);
                break;
            } else if is("GROUP") && more >= 2 {
                if !groups {
                    return Err(only_with_groups("GROUP"));
                }
                request.group = Some((args.get(at + 1), args.get(at + 2)));
                at += 3;
            } else if is("CLAIM") && more > 0 {
                if !groups {
                    return Err(only_with_groups("CLAIM"));
                }
                request.claim_idle_ms = Some(claim_idle_ms(args.get(at + 1))?);
                at += 2;
            } else if is("NOACK") {
                if !groups {
                    return Err(only_with_groups("NOACK"));
                }
                request.no_ack = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if request.keys == 0 {
            return Err(CommandError::Syntax);
        }
        if groups && request.group.is_none() {
            return Err(CommandError::fixed("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(request)
    }

    /// Index of the id for the key with this number.
    pub fn id_at(&self, number: usize) -> usize {
        self.keys_at + self.keys + number
    }

    /// How long it waits, once its ids are known to be right.
    pub fn timeout(&self) -> Result<Timeout, CommandError> {
        self.block_ms.map_or(Ok(Timeout::NoWait), Timeout::milliseconds)
    }

    /// Checks all ids but those for which `is_word` is true or gives an error.
    pub fn check_ids(
        &self,
        args: Args<'_>,
        is_word: fn(&[u8]) -> Result<bool, CommandError>,
    ) -> Result<(), CommandError> {
        (0..self.keys).map(|number| args.get(self.id_at(number))).try_for_each(|id| {
            if !is_word(id)? {
                ids::parse_exact(id)?;
            }
            Ok(())
        })
    }
}

/// The keys behind STREAMS, which stands at this argument or later: the first half of what follows.
pub const fn streams(from: usize) -> KeySpec {
    KeySpec {
        begin: Begin::Keyword { word: "STREAMS", from },
        find: Find::Range { last: -1, step: 1, limit: 2 },
        ..KeySpec::at(1, "RO access")
    }
}

/// The head of a reply with entries of so many keys.
pub fn head(keys: usize, reply: &mut Reply<'_>) {
    match reply.protocol() {
        Protocol::Resp2 => reply.array(keys),
        Protocol::Resp3 => reply.map(keys),
    }
}

/// The head of one key's entries, which follow.
pub fn key(reply: &mut Reply<'_>, key: &[u8]) {
    if reply.protocol() == Protocol::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
}

fn claim_idle_ms(text: &[u8]) -> Result<i64, CommandError> {
    match number::parse_i64(text) {
        None => Err(CommandError::fixed("ERR min-idle-time is not an integer")),
        Some(..0) => Err(CommandError::fixed("ERR min-idle-time must be a positive integer")),
        Some(idle_ms) => Ok(idle_ms),
    }
}

fn unbalanced(groups: bool) -> CommandError {
    CommandError::fixed(if groups {
        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
    } else {
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
    })
}

fn only_with_groups(option: &str) -> CommandError {
    CommandError::made(format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."))
}
