//! Whether a user may run a request: the one place where rights are compared with what a request does.
//!
//! A request passes if one selector of its user allows all of it: the command, the databases, every key with what is done with it, every
//! channel. What a request is about is read from its row.

use torc_resp::Args;

use super::pattern::head;
use super::rule::Access;
use super::selector::Selector;
use super::user::User;
use crate::command::{Command, Databases, Flags};
use crate::error::{CommandError, Denied};
use crate::glob::{self, Case};

/// What a user has no right to. Later ones are told rather than earlier ones, where selectors lack different rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacking {
    /// The command.
    Command,
    /// A key, or what would be done with it.
    Key,
    /// A channel, or a pattern of channels.
    Channel,
    /// A database.
    Database,
}

impl Lacking {
    /// All of them, each at the place of its number.
    pub const ALL: [Lacking; 4] = [Lacking::Command, Lacking::Key, Lacking::Channel, Lacking::Database];

    /// What ACL LOG calls it.
    pub fn reason(self) -> &'static str {
        ["command", "key", "channel", "database"][self as usize]
    }
}

/// Why a request may not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denial {
    /// What is lacking.
    pub lacking: Lacking,
    /// Which argument names it; 0: none.
    pub index: usize,
}

impl Denial {
    fn new(lacking: Lacking, index: usize) -> Self {
        Denial { lacking, index }
    }

    /// The same with what it is about.
    fn of(self, user: &User, command: &Command, args: Args<'_>, db: u16) -> Denied {
        let object = match self {
            Denial { lacking: Lacking::Command, .. } => command.full_name.as_bytes().to_vec(),
            Denial { index: 0, .. } => db.to_string().into_bytes(),
            Denial { index, .. } => args.get(index).to_vec(),
        };
        Denied { lacking: self.lacking, user: user.name().to_vec(), command: command.full_name, object }
    }
}

impl User {
    /// Whether this user may run a request in this database; the request has the right number of arguments.
    ///
    /// # Errors
    /// What is lacking.
    #[inline]
    pub fn check(&self, command: &Command, args: Args<'_>, db: u16) -> Result<(), Denial> {
        match &self.selectors[..] {
            [root] => root.check(command, args, db),
            selectors => check_all(selectors, command, args, db),
        }
    }

    /// Whether this user may run a request in this database, and may have all that it asks for.
    ///
    /// # Errors
    /// What the client is told.
    pub fn permit(&self, command: &Command, args: Args<'_>, db: u16) -> Result<(), CommandError> {
        if let Err(denial) = self.check(command, args, db) {
            return Err(CommandError::NoPermission(Box::new(denial.of(self, command, args, db))));
        }
        match command.row.follow.and_then(|follow| (follow.refusal)(args)) {
            Some(refusal) if !self.may_read_all_keys(command, args, db) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Whether one selector allows a request, and to read all keys beside it.
    pub fn may_read_all_keys(&self, command: &Command, args: Args<'_>, db: u16) -> bool {
        let reads_all = |selector: &Selector| {
            let is_all =
                |pattern: &super::pattern::KeyPattern| pattern.text() == b"*" && pattern.access().has(Access::READ);
            selector.all_keys || selector.keys.iter().any(is_all)
        };
        self.selectors.iter().any(|selector| reads_all(selector) && selector.check(command, args, db).is_ok())
    }

    /// Whether a subscription may go on: to a channel, or to a pattern of channels.
    pub fn may_hear(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(channel, is_pattern))
    }
}

/// The error is the one that tells most: that of the selector that came closest.
#[inline(never)]
fn check_all(selectors: &[Selector], command: &Command, args: Args<'_>, db: u16) -> Result<(), Denial> {
    let mut worst = Denial::new(Lacking::Command, 0);
    for selector in selectors {
        match selector.check(command, args, db) {
            Ok(()) => return Ok(()),
            Err(denial) => worst = worst.max(denial),
        }
    }
    Err(worst)
}

impl Selector {
    #[inline]
    fn check(&self, command: &Command, args: Args<'_>, db: u16) -> Result<(), Denial> {
        let first = || (args.len() > 1).then(|| args.get(1).to_vec());
        // What may be sent before a login may always be sent.
        if !self.allows_command(command, first) && !command.row.flags.has(Flags::NO_AUTH) {
            return Err(Denial::new(Lacking::Command, 0));
        }
        if let Some(allowed) = &self.databases {
            check_databases(allowed, command, args, db)?;
        }
        if !self.all_keys {
            match command.plain_key {
                0 => self.check_keys(command, args)?,
                index if !self.allows_key(args.get(index), command.plain_key_access) => {
                    return Err(Denial::new(Lacking::Key, index));
                }
                _ => {}
            }
        }
        if !self.all_channels && command.row.channels.is_some() {
            self.check_channels(command, args)?;
        }
        Ok(())
    }

    fn check_keys(&self, command: &Command, args: Args<'_>) -> Result<(), Denial> {
        for (index, flags) in command.row.keys_with_flags(args) {
            if !self.allows_key(args.get(index), Access::of(flags)) {
                return Err(Denial::new(Lacking::Key, index));
            }
        }
        Ok(())
    }

    #[inline]
    fn allows_key(&self, key: &[u8], wanted: Access) -> bool {
        let head = head(key);
        self.keys.iter().any(|pattern| pattern.matches(key, head) && pattern.access().has(wanted))
    }

    #[cold]
    fn check_channels(&self, command: &Command, args: Args<'_>) -> Result<(), Denial> {
        let Some(spec) = command.row.channels else { return Ok(()) };
        let end = if spec.is_list { args.len() } else { (spec.first + 1).min(args.len()) };
        match (spec.first..end).find(|&index| !self.allows_channel(args.get(index), spec.are_patterns)) {
            Some(index) => Err(Denial::new(Lacking::Channel, index)),
            None => Ok(()),
        }
    }

    /// A pattern to subscribe to must be allowed literally.
    fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        let allows = |pattern: &[u8]| match is_pattern {
            true => pattern == channel,
            false => glob::matches(pattern, channel, Case::Sensitive),
        };
        self.all_channels || self.channels.iter().any(|pattern| allows(pattern))
    }
}

/// Whether a request is only about databases that are allowed. A number that is none, or too high, is for the command to refuse.
#[cold]
fn check_databases(allowed: &[u32], command: &Command, args: Args<'_>, db: u16) -> Result<(), Denial> {
    let lacks = |index| Err(Denial::new(Lacking::Database, index));
    let allows = |number: u32| allowed.binary_search(&number).is_ok();
    let allows_argument = |index: usize| {
        let number = torc_resp::number::parse_i64(args.get(index)).and_then(|number| u32::try_from(number).ok());
        number.is_none_or(allows)
    };
    match command.row.databases {
        Databases::All => return lacks(0),
        Databases::Current => {}
        Databases::Selected => return if allows_argument(1) { Ok(()) } else { lacks(1) },
        Databases::Named(indexes) => {
            if let Some(index) = indexes(args).into_iter().filter(|&index| index > 0).find(|&at| !allows_argument(at)) {
                return lacks(index);
            }
            // What names all that it is about (SWAPDB) is about no other.
            if command.row.keys.is_empty() {
                return Ok(());
            }
        }
    }
    let is_about_data = command.row.concerns_data();
    if !is_about_data || allows(u32::from(db)) { Ok(()) } else { lacks(0) }
}
