//! An open MULTI: the commands queued so far, their arguments copied once into one buffer.

use torc_resp::{Args, Span};

use crate::command::Command;

/// A queued command; its arguments are spans of the transaction's buffer.
pub struct QueuedCommand {
    /// What to run.
    pub command: &'static Command,
    spans_start: usize,
    spans_len: usize,
}

/// The commands between MULTI and EXEC.
#[derive(Default)]
pub struct Transaction {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    commands: Vec<QueuedCommand>,
    /// A command could not be queued: EXEC answers EXECABORT.
    pub aborted: bool,
}

impl Transaction {
    /// Queues a command. `false`: the transaction would exceed `bytes_max` and is aborted.
    pub fn push(&mut self, command: &'static Command, args: Args<'_>, bytes_max: usize) -> bool {
        let added: usize = args.iter().map(<[u8]>::len).sum();
        if self.bytes.len() + added > bytes_max.min(u32::MAX as usize) {
            self.aborted = true;
            return false;
        }
        let spans_start = self.spans.len();
        for argument in args.iter() {
            self.spans.push(Span { start: self.bytes.len() as u32, len: argument.len() as u32 });
            self.bytes.extend_from_slice(argument);
        }
        self.commands.push(QueuedCommand { command, spans_start, spans_len: args.len() });
        true
    }

    /// Number of queued commands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether none is queued.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The queued commands with their arguments.
    pub fn commands(&self) -> impl ExactSizeIterator<Item = (&'static Command, Args<'_>)> + Clone {
        self.commands.iter().map(|queued| {
            let spans = &self.spans[queued.spans_start..queued.spans_start + queued.spans_len];
            (queued.command, Args::new(&self.bytes, spans))
        })
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.bytes.capacity()
            + self.spans.capacity() * size_of::<Span>()
            + self.commands.capacity() * size_of::<QueuedCommand>()
    }
}
