//! The commands of an open MULTI, or the one command that is gathered for: arguments copied once into one buffer.

use torc_resp::{Args, Span};

use crate::command::{Command, Flags, Run};
use crate::error::CommandError;

/// A queued command; its arguments are spans of the queue's buffer.
struct QueuedCommand {
    command: &'static Command,
    spans_start: usize,
    spans_len: usize,
    /// EXEC has found that its user has no right to it any more: this takes the place of its reply.
    refusal: Option<Box<CommandError>>,
}

/// The commands between MULTI and EXEC.
#[derive(Default)]
pub struct CommandQueue {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    commands: Vec<QueuedCommand>,
    stage: QueueStage,
    asks_host: bool,
    /// One of the commands tells the time.
    tells_time: bool,
    /// One of the commands begins or ends a pause.
    pauses: bool,
    /// One of the commands changes what all cores must have alike.
    is_ordered: bool,
    /// One of the commands runs a script.
    has_scripts: bool,
}

/// Where the transaction stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum QueueStage {
    /// Commands are queued.
    #[default]
    Open,
    /// A command could not be queued: EXEC replies EXECABORT.
    Spoiled,
    /// EXEC was accepted; the engine runs the queue.
    Executing,
}

impl CommandQueue {
    /// Of one command.
    pub fn of(command: &'static Command, args: Args<'_>) -> Self {
        let mut queue = CommandQueue::default();
        let fits = queue.push(command, args, usize::MAX);
        assert!(fits, "the arguments of one request fit");
        queue
    }

    /// Queues a command. `false`: the transaction would exceed `bytes_max` and is aborted.
    pub fn push(&mut self, command: &'static Command, args: Args<'_>, bytes_max: usize) -> bool {
        let added: usize = args.iter().map(<[u8]>::len).sum();
        if self.bytes.len() + added > bytes_max.min(u32::MAX as usize) {
            self.spoil();
            return false;
        }
        assert!(self.stage != QueueStage::Executing, "nothing is queued behind an EXEC");
        let spans_start = self.spans.len();
        for argument in args.iter() {
            self.spans.push(Span { start: self.bytes.len() as u32, len: argument.len() as u32 });
            self.bytes.extend_from_slice(argument);
        }
        self.asks_host |= command.row.host_step.is_some();
        self.tells_time |= command.row.flags.has(Flags::TELLS_TIME);
        self.has_scripts |= matches!(command.row.run, Run::Script(_));
        self.pauses |= command.row.flags.has(Flags::PAUSES);
        self.is_ordered |= command.row.flags.has(Flags::ORDERED);
        self.commands.push(QueuedCommand { command, spans_start, spans_len: args.len(), refusal: None });
        true
    }

    /// A command could not be queued: EXEC is to reply EXECABORT.
    pub fn spoil(&mut self) {
        assert!(self.stage != QueueStage::Executing, "nothing is queued behind an EXEC");
        self.stage = QueueStage::Spoiled;
    }

    /// Whether EXEC is to reply EXECABORT.
    pub fn is_spoiled(&self) -> bool {
        self.stage == QueueStage::Spoiled
    }

    /// EXEC is accepted: the engine runs the queue as soon as EXEC has returned.
    pub fn execute(&mut self) {
        assert_eq!(self.stage, QueueStage::Open, "EXEC runs a queue that is complete, once");
        self.stage = QueueStage::Executing;
    }

    /// Whether EXEC has been accepted.
    pub fn is_executing(&self) -> bool {
        self.stage == QueueStage::Executing
    }

    /// Whether one of the commands tells the time.
    pub fn tells_time(&self) -> bool {
        self.tells_time
    }

    /// Whether one of the commands begins or ends a pause.
    pub fn pauses(&self) -> bool {
        self.pauses
    }

    /// Whether one of the commands changes what all cores must have alike.
    pub fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// Whether one of the commands runs a script.
    pub fn has_scripts(&self) -> bool {
        self.has_scripts
    }

    /// Whether the host may have a part in one of the commands.
    pub fn may_ask_host(&self) -> bool {
        self.asks_host
    }

    /// Number of queued commands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// A queued command with its arguments.
    pub fn get(&self, index: usize) -> (&'static Command, Args<'_>) {
        let queued = &self.commands[index];
        let spans = &self.spans[queued.spans_start..queued.spans_start + queued.spans_len];
        (queued.command, Args::new(&self.bytes, spans))
    }

    /// A queued command is not to run.
    pub fn refuse(&mut self, index: usize, error: CommandError) {
        self.commands[index].refusal = Some(Box::new(error));
    }

    /// Why a queued command is not to run, if so.
    pub fn refusal(&self, index: usize) -> Option<&CommandError> {
        self.commands[index].refusal.as_deref()
    }

    /// A queued command gets one more argument, behind those that it has.
    pub fn add_argument(&mut self, index: usize, argument: &[u8]) {
        let queued = &mut self.commands[index];
        let spans = queued.spans_start..queued.spans_start + queued.spans_len;
        (queued.spans_start, queued.spans_len) = (self.spans.len(), queued.spans_len + 1);
        self.spans.extend_from_within(spans);
        self.spans.push(Span { start: self.bytes.len() as u32, len: argument.len() as u32 });
        self.bytes.extend_from_slice(argument);
        assert!(self.bytes.len() <= u32::MAX as usize, "what the host gives is short");
    }

    /// The queued commands with their arguments.
    pub fn commands(&self) -> impl ExactSizeIterator<Item = (&'static Command, Args<'_>)> + Clone {
        (0..self.commands.len()).map(|index| self.get(index))
    }

    /// Bytes of all arguments.
    pub fn argument_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.bytes.capacity()
            + self.spans.capacity() * size_of::<Span>()
            + self.commands.capacity() * size_of::<QueuedCommand>()
    }
}
