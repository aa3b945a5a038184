//! Finds commands by name: one table for all rows, case-insensitive, built once.
//!
//! A request pays one hash of at most 16 bytes of its first argument and, nearly always, one comparison.

use std::sync::{LazyLock, Mutex, PoisonError};

use torc_resp::Args;

use super::{Flags, KeyFlags, Route, Row, Run, keys, syntax};
use crate::acl::Access;
use crate::error::{CommandError, shown};

/// With more arguments than this any request may take long.
const BRIEF_ARGUMENTS_MAX: usize = 128;

/// A row with its place in the registry.
pub struct Command {
    /// The description.
    pub row: &'static Row,
    /// Dense index over all commands and subcommands: what per-command counters use.
    pub id: u16,
    /// `get`, or `client|list` for a subcommand. What COMMAND and error texts call it, also when clients call it otherwise.
    pub full_name: &'static str,
    /// What clients call it, in lower case: the row's name unless `rename-command` gave it another.
    pub called: &'static str,
    /// Index of the only key that its requests ever have; 0: they may have several, or none.
    pub only_key: usize,
    /// The same where what its requests do with that key is always the same, and 0 where it is not: what rights it takes.
    pub plain_key: usize,
    /// What they do with it.
    pub plain_key_access: Access,
    /// What its requests wait for in a pipeline.
    pub order: ProgramOrder,
    /// A request with more arguments may take long; 0 if the row has [`Flags::LONG`].
    pub brief_arguments_max: usize,
    /// Index of the first key, where all its requests have that at the same place; 0: none, or not always there.
    pub first_key: usize,
    /// The row's syntax in the notation of Redis's manual alone.
    pub syntax: &'static str,
    /// Subcommands of a container, in the order of its row.
    pub subcommands: Vec<Command>,
}

/// What a request waits for of those that its connection has sent before it, if they are not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramOrder {
    /// For nothing: it reads.
    Overlaps,
    /// It has an effect on keys, which must not be seen before the effects of the others.
    Follows,
    /// For those that have an effect on keys, and none of those that follow waits for it: it publishes.
    Announces,
    /// For all of them: it has an effect on something else, or is about other clients.
    Alone,
}

impl Command {
    /// Whether it is one of a container.
    pub fn is_subcommand(&self) -> bool {
        self.full_name.contains('|')
    }

    /// Whether a request may take long: a turn whose time is over does not begin it.
    #[inline]
    pub fn takes_long(&self, args: Args<'_>) -> bool {
        args.len() > self.brief_arguments_max
    }
}

impl ProgramOrder {
    fn of(row: &Row) -> Self {
        let has = |flag| row.flags.has(flag);
        match row.route {
            Route::Owner | Route::Split { .. } | Route::Relay(_) if has(Flags::WRITE) => ProgramOrder::Follows,
            Route::Script if !has(Flags::READONLY) => ProgramOrder::Follows,
            _ if has(Flags::PUBSUB) && has(Flags::MAY_REPLICATE) => ProgramOrder::Announces,
            _ if has(Flags::WRITE) || has(Flags::ADMIN) || has(Flags::SUBSCRIBES) => ProgramOrder::Alone,
            _ => ProgramOrder::Overlaps,
        }
    }
}

/// Places of the index; a power of two.
const INDEX_LEN: usize = 1024;

/// Position of a place without a command.
const VACANT: u16 = u16::MAX;

/// A place of the index: enough of the name to settle nearly every search without looking at the command.
#[derive(Clone, Copy)]
struct Place {
    head: u64,
    len: u16,
    position: u16,
}

/// All commands.
pub struct Registry {
    commands: Vec<Command>,
    /// Open addressing over `commands`, at most half full.
    index: Box<[Place; INDEX_LEN]>,
    count: usize,
    /// The host's own commands, which nobody finds by their names.
    catch: Command,
    hold: Command,
    still: Command,
}

/// The registry of all commands of this build.
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(&[]));
    &REGISTRY
}

/// The registry of all commands under the names that the configuration gives them; the same for all cores.
pub fn registry_with(renames: &[Rename]) -> &'static Registry {
    static MADE: Mutex<Vec<(Vec<Rename>, &'static Registry)>> = Mutex::new(Vec::new());
    if renames.is_empty() {
        return registry();
    }
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, registry)) = made.iter().find(|(of, _)| of == renames) {
        return registry;
    }
    // Commands are referred to as long as the process lives, and a process has one configuration.
    let registry: &'static Registry = Box::leak(Box::new(Registry::new(renames)));
    made.push((renames.to_vec(), registry));
    registry
}

/// One `rename-command`: the name so far, and the one that clients use from then on; an empty one disables the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The name so far, in lower case.
    pub from: String,
    /// The new name in lower case, or empty.
    pub to: String,
}

/// What each command is called after these renames, in the order of the rows; `None` where it is disabled.
///
/// # Errors
/// Redis's words for a rename of what is no command, or to what is one.
pub fn names_after(renames: &[Rename]) -> Result<Vec<Option<String>>, &'static str> {
    let rows = crate::commands::families().into_iter().flatten();
    let mut names: Vec<Option<String>> = rows.map(|row| Some(row.name.to_owned())).collect();
    for rename in renames {
        let position = |wanted: &String| names.iter().position(|name| name.as_ref() == Some(wanted));
        let from = position(&rename.from).ok_or("No such command in rename-command")?;
        if rename.from != rename.to && position(&rename.to).is_some() {
            return Err("Target command name already exists");
        }
        names[from] = Some(rename.to.clone()).filter(|name| !name.is_empty());
    }
    Ok(names)
}

impl Registry {
    fn new(renames: &[Rename]) -> Self {
        let names = names_after(renames).expect("the configuration has been checked");
        let mut next_id = 0u16;
        let mut commands = Vec::new();
        for (row, name) in crate::commands::families().into_iter().flatten().zip(names) {
            let mut command = make(row, None, &mut next_id);
            let Some(name) = name else { continue };
            if name != row.name {
                command.called = String::leak(name);
            }
            commands.push(command);
        }
        assert!(commands.len() * 2 <= INDEX_LEN, "the index must stay half empty");
        let mut index = Box::new([Place { head: 0, len: 0, position: VACANT }; INDEX_LEN]);
        for (position, command) in commands.iter().enumerate() {
            let name = command.called.as_bytes();
            let head = lower_case_head(name);
            let mut slot = slot(head, name.len());
            while index[slot].position != VACANT {
                slot = (slot + 1) % INDEX_LEN;
            }
            index[slot] = Place { head, len: name.len() as u16, position: position as u16 };
        }
        let catch = make(&crate::commands::server::CATCH, None, &mut next_id);
        let hold = make(&crate::commands::server::HOLD, None, &mut next_id);
        let still = make(&crate::commands::server::STILL, None, &mut next_id);
        Registry { index, count: usize::from(next_id), commands, catch, hold, still }
    }

    /// The command by which the host has all keys caught.
    pub(crate) fn catch(&self) -> &Command {
        &self.catch
    }

    /// The command by which the host keeps all writes waiting.
    pub(crate) fn hold(&self) -> &Command {
        &self.hold
    }

    /// The command by which the host waits until no write is under way.
    pub(crate) fn still(&self) -> &Command {
        &self.still
    }

    /// The command of a request, its subcommand where it has some; the error names what was sent.
    #[inline]
    pub fn find(&self, args: Args<'_>) -> Result<&Command, CommandError> {
        let Some(command) = self.find_name(args.name()) else { return Err(unknown_command(args)) };
        if command.subcommands.is_empty() {
            return Ok(command);
        }
        find_subcommand(command, args)
    }

    /// A top-level command by name, in any case.
    #[inline]
    pub fn find_name(&self, name: &[u8]) -> Option<&Command> {
        let head = lower_case_head(name);
        let mut slot = slot(head, name.len());
        loop {
            let place = &self.index[slot];
            if place.position == VACANT {
                return None;
            }
            if place.head == head && usize::from(place.len) == name.len() {
                let command = &self.commands[usize::from(place.position)];
                if name.len() <= 8 || command.called.as_bytes()[8..].eq_ignore_ascii_case(&name[8..]) {
                    return Some(command);
                }
            }
            slot = (slot + 1) % INDEX_LEN;
        }
    }

    /// All top-level commands that are not disabled.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Number of commands and subcommands: one more than the highest id.
    pub fn id_count(&self) -> usize {
        self.count
    }

    /// Every command and subcommand that is not disabled.
    pub fn all(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().flat_map(|command| std::iter::once(command).chain(&command.subcommands))
    }
}

/// The first eight bytes of a name in lower case, as one number; zeros behind a shorter one.
#[inline]
fn lower_case_head(name: &[u8]) -> u64 {
    let word = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    let head = if let Some(first) = name.first_chunk::<8>() {
        u64::from_le_bytes(*first)
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        // Two words that overlap when the name is shorter than eight bytes.
        word(first) | word(last) << ((name.len() - 4) * 8)
    } else {
        match *name {
            [a, b, c] => word(&[a, b, c, 0]),
            [a, b] => word(&[a, b, 0, 0]),
            [a] => u64::from(a),
            _ => 0,
        }
    };
    lower_case(head)
}

/// Eight ASCII characters at once: sets bit 5 of those from `A` to `Z`.
#[inline]
fn lower_case(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low_bits = word & (0x7f * ONES);
    let from_a = low_bits + (0x80 - u64::from(b'A')) * ONES;
    let above_z = low_bits + (0x7f - u64::from(b'Z')) * ONES;
    let upper = (from_a ^ above_z) & !word & (0x80 * ONES);
    word | upper >> 2
}

#[inline]
fn slot(head: u64, len: usize) -> usize {
    ((head ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % INDEX_LEN
}

fn make(row: &'static Row, container: Option<&'static Row>, next_id: &mut u16) -> Command {
    let id = *next_id;
    *next_id += 1;
    let full_name = match container {
        None => row.name,
        Some(container) => String::leak(format!("{}|{}", container.name, row.name)),
    };
    let is_container = matches!(row.run, Run::Container);
    assert!(!is_container || !row.subcommands.is_empty(), "{full_name}: a container has subcommands");
    let subcommands = row.subcommands.iter().map(|sub| make(sub, Some(row), next_id)).collect();
    let (only_key, first_key) = (keys::only_key(row.keys), keys::first_key(row.keys));
    let is_plain = row.keys.first().is_some_and(|spec| spec.flags_of.is_none() && spec.flags != KeyFlags::NOT_KEY);
    Command {
        row,
        id,
        full_name,
        called: row.name,
        only_key: only_key.unwrap_or(0),
        plain_key: if is_plain { only_key.unwrap_or(0) } else { 0 },
        plain_key_access: row.keys.first().map_or(Access::NONE, |spec| Access::of(spec.flags)),
        order: ProgramOrder::of(row),
        brief_arguments_max: if row.flags.has(Flags::LONG) { 0 } else { BRIEF_ARGUMENTS_MAX },
        first_key: first_key.unwrap_or(0),
        syntax: String::leak(syntax::plain(row.syntax)),
        subcommands,
    }
}

/// Bytes of the name, and of all arguments together, that the text of an unknown command shows.
const SHOWN_BYTES_MAX: usize = 128;

#[cold]
fn unknown_command(args: Args<'_>) -> CommandError {
    let mut arguments = Vec::new();
    for argument in args.iter().skip(1) {
        if arguments.len() >= SHOWN_BYTES_MAX {
            break;
        }
        let room = SHOWN_BYTES_MAX - arguments.len();
        arguments.extend_from_slice(&[b"'", shown(argument, room), b"' "].concat());
    }
    let name = shown(args.name(), SHOWN_BYTES_MAX);
    CommandError::UnknownCommand([b"'", name, b"', with args beginning with: ", &arguments].concat().into())
}

fn find_subcommand<'a>(command: &'a Command, args: Args<'_>) -> Result<&'a Command, CommandError> {
    if args.len() < 2 {
        let runs_alone = !matches!(command.row.run, Run::Container);
        return if runs_alone { Ok(command) } else { Err(CommandError::Arity(command.full_name)) };
    }
    let wanted = args.get(1);
    let found = command.subcommands.iter().find(|sub| sub.row.name.as_bytes().eq_ignore_ascii_case(wanted));
    found.ok_or_else(|| CommandError::UnknownSubcommand(shown(wanted, SHOWN_BYTES_MAX).into(), command.row.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_no_other() {
        let registry = registry();
        for command in registry.commands() {
            let name = command.row.name;
            for spelled in [name.to_owned(), name.to_uppercase(), name[..1].to_uppercase() + &name[1..]] {
                assert_eq!(registry.find_name(spelled.as_bytes()).map(|found| found.id), Some(command.id), "{spelled}");
            }
            for wrong in [format!("{name}x"), name[1..].to_owned(), name.replace('e', "\u{5}")] {
                let found = registry.find_name(wrong.as_bytes());
                assert!(found.is_none_or(|found| found.row.name == wrong), "{wrong:?}");
            }
        }
        assert!(registry.find_name(b"").is_none());
    }

    /// Every command has been thought about: it is constant or logarithmic by its documentation, or [`Flags::LONG`], or named here.
    #[test]
    fn what_is_not_long_is_bounded_by_its_request_or_its_reply() {
        const BY_REQUEST: &str = "blmpop blpop brpop bzmpop cluster|keyslot command|docs command|getkeys command|getkeysandflags \
            command|info config|get config|set del discard exists getrange substr hdel hexpire hexpireat hexpiretime hget hgetdel hgetex \
            hmget hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hset hsetex httl lmpop lpop lpush lpushx mget mset msetex msetnx \
            pfcount rpop rpush rpushx sadd smismember spop srem touch unlink unwatch watch xack xackdel xadd xclaim xdel xdelex xread \
            xreadgroup subscribe psubscribe ssubscribe pubsub|numsub pubsub|shardnumsub zadd zmpop zmscore zpopmax zpopmin bzpopmax bzpopmin zrem zincrby geoadd geopos geohash geodist auth hello script|exists script|load";
        const BY_REPLY: &str = "hgetall hkeys hvals hrandfield lrange smembers srandmember zrandmember zrange zrangebylex zrangebyscore \
            zrevrange zrevrangebylex zrevrangebyscore xrange xrevrange unsubscribe punsubscribe sunsubscribe";
        // Cores, passwords, functions, commands: few. What SAVE is about is done beside the turns.
        const BY_THE_SERVER: &str = "acl|getuser acl|list acl|log acl|save acl|users client|unblock cluster|count-failure-reports cluster|links cluster|nodes cluster|shards \
            cluster|slots command command|list memory|malloc-stats memory|purge function|dump function|dump function|flush function|list \
            script|flush debug|loadaof debug|reload save shutdown zcount zlexcount zrank zrevrank";
        let named: Vec<&str> =
            [BY_REQUEST, BY_REPLY, BY_THE_SERVER].iter().flat_map(|list| list.split_whitespace()).collect();
        let is_known = |command: &&Command| {
            let text = command.row.complexity;
            let is_brief = text.is_empty() || text.starts_with("O(1)") || text.starts_with("Depends on subcommand");
            command.row.flags.has(Flags::LONG) || is_brief || named.contains(&command.full_name)
        };
        for name in &named {
            assert!(
                registry().all().any(|command| command.full_name == *name && !command.row.flags.has(Flags::LONG)),
                "{name} need not be named"
            );
        }
        let unknown: Vec<(&str, &str)> = registry()
            .all()
            .filter(|command| !is_known(command))
            .map(|command| (command.full_name, command.row.complexity))
            .collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }

    fn rename(from: &str, to: &str) -> Rename {
        Rename { from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn renamed_commands_are_found_under_their_new_names_only() {
        let long = "a-name-longer-than-any-command-has";
        let renames = [rename("get", long), rename("set", "get"), rename("flushall", ""), rename("config", "")];
        let registry = registry_with(&renames);
        let name_of = |name: &str| registry.find_name(name.as_bytes()).map(|command| command.full_name);
        assert_eq!((name_of(long), name_of(&long.to_uppercase())), (Some("get"), Some("get")));
        assert_eq!(name_of(&long.replace("has", "had")), None);
        assert_eq!((name_of("GET"), name_of("set")), (Some("set"), None));
        assert_eq!((name_of("flushall"), name_of("config"), name_of("flushdb")), (None, None, Some("flushdb")));
        assert!(registry.all().all(|command| !command.full_name.starts_with("config")));
        let full = super::registry();
        assert_eq!(registry.commands().len() + 2, full.commands().len());
        assert_eq!(registry.id_count(), full.id_count());
        for command in registry.all() {
            let same = full.all().find(|other| other.full_name == command.full_name).expect("it has the same commands");
            assert_eq!(same.id, command.id);
        }
        assert!(std::ptr::eq(registry, registry_with(&renames)));
        assert!(std::ptr::eq(full, registry_with(&[])));
    }

    #[test]
    fn renames_that_cannot_be() {
        assert_eq!(names_after(&[rename("nothing", "x")]), Err("No such command in rename-command"));
        assert_eq!(names_after(&[rename("", "x")]), Err("No such command in rename-command"));
        assert_eq!(names_after(&[rename("get", "set")]), Err("Target command name already exists"));
        assert_eq!(names_after(&[rename("get", ""), rename("get", "x")]), Err("No such command in rename-command"));
        assert!(names_after(&[rename("get", "get"), rename("set", "x"), rename("get", "set")]).is_ok());
    }

    #[test]
    fn letters_are_lowered_and_nothing_else() {
        for byte in 0..=255u8 {
            let word = u64::from_le_bytes([byte; 8]);
            assert_eq!(lower_case(word).to_le_bytes(), [byte.to_ascii_lowercase(); 8]);
        }
    }
}
