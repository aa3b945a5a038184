//! A selector: one set of rights, all of which must allow a request. A user has a root selector, and may have more, each of which
//! allows by itself what it allows.

use std::collections::BTreeMap;

use super::category;
use super::pattern::KeyPattern;
use super::rule::{Access, RuleError, has_blank};
use crate::command::{Command, registry};
use crate::config::parse_line;

/// A container of subcommands that is a plain command in Redis: there any word behind its name makes a rule of a first argument. Here one
/// that is no subcommand is kept, and allows nothing.
const PLAIN_IN_REDIS: &str = "debug";

/// See the head of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Every command is allowed: `+@all`, and nothing was taken away since.
    pub(super) all_commands: bool,
    /// Which commands are, by their ids.
    commands: Box<[u64]>,
    /// Of commands that are not allowed: first arguments with which they are, all the same.
    first_args: BTreeMap<u16, Vec<Box<[u8]>>>,
    /// It began with `+@all`, not with `-@all`.
    begins_with_all: bool,
    /// What was said of commands and categories since, as far as it still means something.
    command_rules: Vec<CommandRule>,
    pub(super) all_keys: bool,
    pub(super) keys: Vec<KeyPattern>,
    pub(super) all_channels: bool,
    pub(super) channels: Vec<Box<[u8]>>,
    /// Databases that may be used, in order; `None`: all.
    pub(super) databases: Option<Vec<u32>>,
}

/// `+get`, `-@write`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandRule {
    allows: bool,
    /// `get`, `config|get`, `select|0` or `@write`, in lower case.
    name: String,
}

impl Selector {
    /// Nothing is allowed but to use all databases.
    pub fn empty() -> Self {
        Selector {
            all_commands: false,
            commands: vec![0; registry().id_count().div_ceil(64)].into(),
            first_args: BTreeMap::new(),
            begins_with_all: false,
            command_rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels: false,
            channels: Vec::new(),
            databases: None,
        }
    }

    /// Of the words in parentheses.
    pub fn of(words: &[u8]) -> Result<Self, RuleError> {
        let mut selector = Selector::empty();
        // Quotes that do not close leave no words at all, as in Redis.
        for word in parse_line(words).unwrap_or_default() {
            selector.apply(&word)?;
        }
        Ok(selector)
    }

    /// Whether it allows everything.
    pub fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels && self.databases.is_none()
    }

    /// Applies one rule. What it does not understand leaves it as it was.
    pub fn apply(&mut self, word: &[u8]) -> Result<(), RuleError> {
        let lower = word.to_ascii_lowercase();
        match &lower[..] {
            b"allkeys" | b"~*" => (self.all_keys, self.keys) = (true, Vec::new()),
            b"resetkeys" => (self.all_keys, self.keys) = (false, Vec::new()),
            b"allchannels" | b"&*" => (self.all_channels, self.channels) = (true, Vec::new()),
            b"resetchannels" => (self.all_channels, self.channels) = (false, Vec::new()),
            b"allcommands" | b"+@all" => self.begin_with(true),
            b"nocommands" | b"-@all" => self.begin_with(false),
            b"alldbs" => self.databases = None,
            b"resetdbs" => self.databases = Some(Vec::new()),
            [b'd', b'b', b'=', list @ ..] => self.databases = Some(databases(list)?),
            [b'~', ..] => self.add_keys(&word[1..], Access::ALL)?,
            [b'%', ..] => {
                let (access, pattern) = access_and_pattern(&word[1..])?;
                self.add_keys(pattern, access)?;
            }
            [b'&', ..] => self.add_channels(&word[1..])?,
            [b'+', b'@', name @ ..] => self.change_category(name, true)?,
            [b'-', b'@', name @ ..] => self.change_category(name, false)?,
            [b'+', name @ ..] => self.allow(name)?,
            [b'-', name @ ..] => {
                let command = find_command(name).ok_or(RuleError::UnknownCommand)?;
                self.set(command, false);
                self.note_rule(command.full_name, false);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn begin_with(&mut self, all: bool) {
        (self.all_commands, self.begins_with_all) = (all, all);
        self.commands.fill(if all { u64::MAX } else { 0 });
        self.command_rules.clear();
        self.first_args.clear();
    }

    fn add_keys(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        if has_blank(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.text() == pattern) {
            Some(known) => known.add_access(access),
            None => self.keys.push(KeyPattern::new(pattern, access)),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannels);
        }
        if has_blank(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    /// `+name`, `+container|sub` or `+command|first-arg`; `name` in lower case.
    fn allow(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = name.iter().rposition(|&byte| byte == b'|') else {
            let command = find_command(name).ok_or(RuleError::UnknownCommand)?;
            self.set(command, true);
            self.note_rule(command.full_name, true);
            return Ok(());
        };
        let (before, argument) = (&name[..bar], &name[bar + 1..]);
        let command = find_command(before).ok_or(RuleError::UnknownCommand)?;
        if command.is_subcommand() {
            return Err(RuleError::ArgumentOfSubcommand);
        }
        // With a blank in it a file of users would have another rule there.
        if argument.is_empty() || has_blank(argument) {
            return Err(RuleError::Syntax);
        }
        if command.subcommands.is_empty() {
            let known = self.first_args.entry(command.id).or_default();
            if !known.iter().any(|known| **known == *argument) {
                known.push(argument.into());
            }
        } else if let Some(subcommand) = find_command(name) {
            self.set(subcommand, true);
        } else if command.row.name != PLAIN_IN_REDIS {
            return Err(RuleError::UnknownCommand);
        }
        self.note_rule(&String::from_utf8_lossy(name), true);
        Ok(())
    }

    fn change_category(&mut self, name: &[u8], allows: bool) -> Result<(), RuleError> {
        let category = category::find(name).ok_or(RuleError::UnknownCommand)?;
        self.note_rule(&format!("@{category}"), allows);
        for command in registry().all().filter(|command| category::has_category(command.row, category.as_bytes())) {
            self.set(command, allows);
        }
        Ok(())
    }

    /// Allows a command with its subcommands, or forbids them.
    fn set(&mut self, command: &Command, allows: bool) {
        for command in std::iter::once(command).chain(&command.subcommands) {
            let (word, bit) = place(command.id);
            if allows {
                self.commands[word] |= bit;
            } else {
                self.commands[word] &= !bit;
                self.all_commands = false;
            }
            self.first_args.remove(&command.id);
        }
    }

    /// Rules before it that it makes meaningless go.
    fn note_rule(&mut self, name: &str, allows: bool) {
        let is_of = |rule: &str| rule.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'));
        self.command_rules.retain(|rule| !is_of(&rule.name));
        self.command_rules.push(CommandRule { allows, name: name.to_owned() });
    }

    /// Whether a command is allowed; `first`: the argument behind its name.
    #[inline]
    pub(super) fn allows_command(&self, command: &Command, first: impl FnOnce() -> Option<Vec<u8>>) -> bool {
        let (word, bit) = place(command.id);
        self.all_commands || self.commands[word] & bit != 0 || self.allows_first_arg(command, first)
    }

    #[cold]
    fn allows_first_arg(&self, command: &Command, first: impl FnOnce() -> Option<Vec<u8>>) -> bool {
        let Some(allowed) = self.first_args.get(&command.id) else { return false };
        first().is_some_and(|first| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(&first)))
    }

    /// Whether all channels are allowed.
    pub fn allows_all_channels(&self) -> bool {
        self.all_channels
    }

    /// The patterns of channels that are allowed.
    pub fn channels(&self) -> impl Iterator<Item = &[u8]> {
        self.channels.iter().map(|pattern| &pattern[..])
    }

    /// What is said of commands: `-@all +get +config|get`.
    pub fn command_rules(&self) -> String {
        let mut text = if self.begins_with_all { "+@all" } else { "-@all" }.to_owned();
        for CommandRule { allows, name } in &self.command_rules {
            text += if *allows { " +" } else { " -" };
            text += name;
        }
        text
    }

    /// What is said of keys: `~a* %R~b*`.
    pub fn key_rules(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        // `~*` behind the others, whoever reads them: nothing may be added to it.
        let is_all = |pattern: &&KeyPattern| pattern.text() == b"*" && pattern.access() == Access::ALL;
        let (all, some): (Vec<_>, Vec<_>) = self.keys.iter().partition(is_all);
        let rules = some.into_iter().chain(all).map(|pattern| {
            let sign: &[u8] = match pattern.access() {
                Access::READ => b"%R~",
                Access::WRITE => b"%W~",
                _ => b"~",
            };
            [sign, pattern.text()].concat()
        });
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// What is said of channels: `&news:*`.
    pub fn channel_rules(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let rules = self.channels.iter().map(|pattern| [b"&", &pattern[..]].concat());
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// What is said of databases: `alldbs`, `db=0,2`, or nothing where none may be used.
    pub fn database_rules(&self) -> String {
        match self.databases.as_deref() {
            None => "alldbs".to_owned(),
            Some([]) => String::new(),
            Some(list) => format!("db={}", list.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        }
    }

    /// All of it, in the order and with the words of ACL LIST.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts = Vec::new();
        parts.extend(Some(self.key_rules()).filter(|rules| !rules.is_empty()));
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.extend(Some(self.channel_rules()).filter(|rules| !rules.is_empty()));
        match self.databases.as_deref() {
            None => {}
            Some([]) => parts.push(b"resetdbs".to_vec()),
            Some(_) => parts.push(self.database_rules().into_bytes()),
        }
        parts.push(self.command_rules().into_bytes());
        parts.join(&b' ')
    }

    /// Bytes that it takes beside itself.
    pub fn memory_bytes(&self) -> usize {
        let keys: usize = self.keys.iter().map(|pattern| size_of::<KeyPattern>() + pattern.text().len()).sum();
        let channels: usize = self.channels.iter().map(|pattern| size_of::<Box<[u8]>>() + pattern.len()).sum();
        let rules: usize = self.command_rules.iter().map(|rule| size_of::<CommandRule>() + rule.name.len()).sum();
        self.commands.len() * 8 + keys + channels + rules
    }
}

/// Where a command's bit is.
#[inline]
fn place(id: u16) -> (usize, u64) {
    (usize::from(id) / 64, 1 << (id % 64))
}

/// A command or subcommand by its own name, whatever `rename-command` has made of it.
fn find_command(name: &[u8]) -> Option<&'static Command> {
    let name = str::from_utf8(name).ok()?;
    registry().all().find(|command| command.full_name == name)
}

/// What stands between `%` and the pattern: letters R and W, each once at most, and `~`.
fn access_and_pattern(word: &[u8]) -> Result<(Access, &[u8]), RuleError> {
    let end = word.iter().position(|&byte| byte == b'~').unwrap_or(word.len());
    let mut access = Access::NONE;
    for letter in word[..end].to_ascii_uppercase() {
        let added = match letter {
            b'R' => Access::READ,
            b'W' => Access::WRITE,
            _ => return Err(RuleError::Syntax),
        };
        if access.has(added) {
            return Err(RuleError::Syntax);
        }
        access = access.and(added);
    }
    if access == Access::NONE {
        return Err(RuleError::Syntax);
    }
    Ok((access, word.get(end + 1..).unwrap_or_default()))
}

/// Numbers between commas.
fn databases(list: &[u8]) -> Result<Vec<u32>, RuleError> {
    let mut numbers = Vec::new();
    for word in list.split(|&byte| byte == b',') {
        let number = torc_resp::number::parse_i64(word).ok_or(RuleError::Syntax)?;
        numbers.push(i32::try_from(number).ok().and_then(|n| u32::try_from(n).ok()).ok_or(RuleError::DatabaseRange)?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}
