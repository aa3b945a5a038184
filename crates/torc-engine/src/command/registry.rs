//! Finds commands by name: one table for all rows, case-insensitive, built once.
//!
//! A request pays one hash of at most 16 bytes of its first argument and, nearly always, one comparison.

use std::sync::LazyLock;

use torc_resp::Args;

use super::{Row, Run};
use crate::error::CommandError;

/// A row with its place in the registry.
pub struct Command {
    /// The description.
    pub row: &'static Row,
    /// Dense index over all commands and subcommands: what per-command counters use.
    pub id: u16,
    /// `get`, or `client|list` for a subcommand.
    pub full_name: &'static str,
    /// Subcommands of a container, in the order of its row.
    pub subcommands: Vec<Command>,
}

/// All commands.
pub struct Registry {
    commands: Vec<Command>,
    /// Open addressing over `commands`; `u16::MAX` is empty. At most half full.
    index: Vec<u16>,
    count: usize,
}

/// The registry of all commands of this build.
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(crate::commands::families()));
    &REGISTRY
}

impl Registry {
    fn new(families: Vec<&'static [&'static Row]>) -> Self {
        let mut next_id = 0u16;
        let mut commands = Vec::new();
        for row in families.into_iter().flatten() {
            commands.push(make(row, None, &mut next_id));
        }
        let mut registry = Registry { index: vec![u16::MAX; 1024], count: usize::from(next_id), commands };
        assert!(registry.commands.len() * 2 <= registry.index.len(), "the index must stay half empty");
        for (position, command) in registry.commands.iter().enumerate() {
            let mut slot = registry.slot(command.row.name.as_bytes());
            while registry.index[slot] != u16::MAX {
                slot = (slot + 1) % registry.index.len();
            }
            registry.index[slot] = position as u16;
        }
        registry
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
        let mut slot = self.slot(name);
        loop {
            let position = self.index[slot];
            if position == u16::MAX {
                return None;
            }
            let command = &self.commands[usize::from(position)];
            if command.row.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(command);
            }
            slot = (slot + 1) % self.index.len();
        }
    }

    /// All top-level commands.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Number of commands and subcommands: one more than the highest id.
    pub fn id_count(&self) -> usize {
        self.count
    }

    /// Every command and subcommand.
    pub fn all(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().flat_map(|command| std::iter::once(command).chain(&command.subcommands))
    }

    #[inline]
    fn slot(&self, name: &[u8]) -> usize {
        // Setting bit 5 makes letters lower case; other characters may collide, which the comparison settles.
        let mut word = [0u8; 8];
        let head = name.len().min(8);
        word[..head].copy_from_slice(&name[..head]);
        let tail = name.last().copied().unwrap_or(0) | 0x20;
        let folded = u64::from_le_bytes(word) | 0x2020_2020_2020_2020;
        let mixed = (folded ^ (name.len() as u64) << 56 ^ u64::from(tail) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 54) as usize
    }
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
    Command { row, id, full_name, subcommands }
}

#[cold]
fn unknown_command(args: Args<'_>) -> CommandError {
    let clip = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(128)]).into_owned();
    let mut shown = format!("'{}', with args beginning with: ", clip(args.name()));
    for argument in args.iter().skip(1) {
        if shown.len() >= 128 {
            break;
        }
        shown.push_str(&format!("'{}' ", clip(argument)));
    }
    CommandError::UnknownCommand(shown.into())
}

fn find_subcommand<'a>(command: &'a Command, args: Args<'_>) -> Result<&'a Command, CommandError> {
    if args.len() < 2 {
        let runs_alone = !matches!(command.row.run, Run::Container);
        return if runs_alone { Ok(command) } else { Err(CommandError::Arity(command.full_name)) };
    }
    let wanted = args.get(1);
    let found = command.subcommands.iter().find(|sub| sub.row.name.as_bytes().eq_ignore_ascii_case(wanted));
    found.ok_or_else(|| {
        let shown = String::from_utf8_lossy(&wanted[..wanted.len().min(128)]).into_owned();
        CommandError::UnknownSubcommand(shown.into(), command.row.name)
    })
}
