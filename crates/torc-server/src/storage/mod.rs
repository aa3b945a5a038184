//! The storage plane: one thread for all files, so that no core ever waits for a disk.
//!
//! ```text
//!            ToStorage: asked to save, parts of a file, records           save     a file is written    log     records are appended
//!   cores  ------------------- mpsc ------------------>  the thread  -->
//!          <------- an inbox and a doorbell each ------                   load     a file is read       replay  the log is read
//!            ToCore: begin a cut, memory for a part, keys of a file, answers                            files   who does what the log wants
//! ```
//! The log goes on and off while clients are served (`switch`), is rewritten (`rewrite`), and memory is loaded again while they are
//! (`reload`). Whoever writes a log, or reads one at run time, holds its `lock`.
//!
//! The thread knows what is going on for all cores; a core knows its own part ([`crate::core`]). Memory goes round: what a core has sent
//! as a part of a file comes back to it, so that no thread frees what another one has allocated.

mod append;
mod base;
mod certificates;
mod cut;
mod dump;
mod files;
mod gather;
mod inbox;
mod listeners;
mod load;
mod lock;
mod log;
mod reload;
mod replay;
mod rewrite;
mod save;
mod small;
mod switch;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use torc_engine::config::Config;
use torc_engine::error::CommandError;
use torc_engine::loading::{LoadBatch, LoadError};
use torc_engine::persistence::{Loaded, Persistence};
use torc_engine::saving::{Part, SaveForm};
use torc_engine::{ConnectionId, FileChange, FileContent, HostReply, Reload, SaveHow, Shutdown};
use torc_log::{BaseFormat, OperationId, Outcome};

use base::Base;
use files::WritePause;
pub(crate) use files::copy_tail;
pub use inbox::Inbox;
use listeners::ListeningChanges;
use log::LogDriver;
use save::Save;
pub use small::read_users;
use switch::Switching;

use crate::core::CoreListener;
use crate::listening::{Endpoint, Listening};
use crate::mesh::Mesh;
use crate::progress::Progress;
use crate::service::metrics::CoreMetrics;
use crate::tls::Tls;

/// How often the save points are looked at, and how a save goes is told.
const TICK: Duration = Duration::from_secs(1);

/// What the cores tell the thread.
#[derive(Debug)]
pub enum ToStorage {
    /// SAVE, BGSAVE.
    Save(SaveHow, Asker),
    /// SHUTDOWN.
    Shutdown(Shutdown, Asker),
    /// SHUTDOWN ABORT.
    AbortShutdown(Asker),
    /// A core listens where it is to listen, and nowhere else.
    Listens,
    /// A signal has asked for the end.
    Signal,
    /// A signal has asked for certificates to be read again.
    RenewTls,
    /// CONFIG SET dir, appendonly, and what concerns encryption.
    ChangeFiles(FileChange, Asker),
    /// DEBUG RELOAD.
    Reload(Reload, Asker),
    /// A core refuses clients no more.
    Serves,
    /// DEBUG AOF-FLUSH-SLEEP.
    SlowWrites(Duration, Asker),
    /// ACL LOAD: a file, relative to the directory of all files or absolute.
    ReadFile(String, Asker),
    /// ACL SAVE, CONFIG REWRITE: the same, and what is to be in it.
    WriteFile(String, FileContent, Asker),
    /// FLUSHALL has removed all keys.
    Emptied,
    /// The configuration has changed.
    Configured(Box<Config>),
    /// A core has caught its keys.
    SavingBegun {
        /// For which cut.
        cut: u64,
        /// So many of them.
        keys: u64,
    },
    /// No write begins before this is answered.
    WritesHeld {
        /// For which cut.
        cut: u64,
        /// Who holds them.
        holder: Asker,
    },
    /// A part of the file that is being written.
    Part {
        /// The core.
        core: usize,
        /// For which cut.
        cut: u64,
        /// The part.
        part: Part,
        /// Nothing more comes of this core.
        is_last: bool,
    },
    /// A core has taken a batch of keys, or could not.
    Loaded {
        /// The core.
        core: usize,
        /// Of which loading.
        loading: u64,
        /// What there was in it.
        result: Result<Loaded, LoadError>,
    },
    /// A chunk of the log has been read to its end.
    Replayed,
    /// A core has run all of it.
    ReplayEnded,
    /// What a core propagates from now on comes as groups.
    StreamBegun,
    /// Nothing more of that comes.
    StreamEnded,
    /// Groups have come while the thread slept.
    GroupsWait,
    /// A cut has this number in the stream.
    CutNumbered {
        /// Which one.
        cut: u64,
        /// All groups below it are of before, all above of after.
        number: u64,
    },
    /// BGREWRITEAOF.
    Rewrite {
        /// It begins when the transaction that asks for it has ended.
        in_transaction: bool,
        /// Who waits for the answer.
        asker: Asker,
    },
    /// What the log wanted is done, or could not be.
    LogDone(OperationId, Outcome),
    /// Nothing more comes of the cores.
    CoresEnded,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The core that serves the connection.
    pub core: usize,
    /// The connection, as that core calls it.
    pub connection: ConnectionId,
}

/// What the thread tells a core.
#[derive(Debug)]
pub enum ToCore {
    /// Have all keys caught; on one core only.
    BeginCut {
        /// The number of the cut.
        cut: u64,
        /// What the keys are written as.
        form: SaveForm,
        /// No write begins before [`ToStorage::WritesHeld`] is answered.
        holds: bool,
    },
    /// Have no write under way, and none begin before [`ToStorage::WritesHeld`] is answered; on one core only.
    Hold {
        /// The number of it, as of a cut.
        cut: u64,
    },
    /// A part is written; this is its memory.
    Written(Vec<u8>),
    /// Nothing more is to be saved for this cut.
    GiveUp {
        /// Which one; another may have begun meanwhile.
        cut: u64,
    },
    /// What was caught is on disk.
    Saved {
        /// For which cut.
        cut: u64,
    },
    /// Remove all keys: those of a file follow.
    Empty,
    /// Keys of a file that belong to this core.
    Load {
        /// The number of the loading.
        loading: u64,
        /// The keys.
        batch: LoadBatch,
    },
    /// All up to this number is durable, and output that shows no more may leave; the highest number of all: any output.
    Durable(u64),
    /// Up to this number nothing may be answered.
    FailWaiters(u64),
    /// Commands that were propagated before are about to run.
    Obey,
    /// All of them have, and nothing is appended to them.
    HasObeyed,
    /// Such commands, in order; to one core only.
    Replay(Vec<u8>),
    /// No more of them comes.
    EndReplay,
    /// Give everything that is propagated to the log from now on.
    BeginStream {
        /// It has just been loaded, and time begins, too.
        is_loaded: bool,
    },
    /// Give it nothing more.
    EndStream,
    /// All that was propagated has run on all cores: waiters look at their keys.
    WakeWaiters,
    /// What waited in the stream is taken: writes may go on.
    StreamHasRoom,
    /// How saving and loading go.
    Persistence(Persistence),
    /// Listen on these sockets from now on, and no longer at these endpoints.
    Listen {
        /// The core's own.
        opened: Vec<CoreListener>,
        /// The same for all cores.
        closed: Arc<[Endpoint]>,
    },
    /// The data is loaded: say so when clients learn of it.
    Serve,
    /// What a connection has waited for.
    Answer(ConnectionId, HostReply),
    /// End the process; to one core only.
    Stop,
}

/// What the thread is started with.
pub struct Setup {
    /// The configuration at the start.
    pub config: Config,
    /// The channels of all cores.
    pub mesh: Arc<Mesh>,
    /// The counters of all cores.
    pub metrics: Arc<[CoreMetrics]>,
    /// When the process started, Unix milliseconds.
    pub started_ms: i64,
    /// Shows how far loading at the start is.
    pub progress: Progress,
    /// The certificates, if there is an encrypted port.
    pub tls: Option<Arc<Tls>>,
    /// What is listened on.
    pub listening: Listening,
}

/// How loading has ended when nothing was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadEnd {
    /// All that there was is loaded.
    Loaded,
    /// The process was asked to end before.
    Stopped,
}

/// The running thread.
pub struct Storage {
    /// For the cores, and for whoever does what the log wants.
    pub sender: Sender<ToStorage>,
    /// Says when the data is loaded, or why it cannot be.
    loaded: Receiver<Result<LoadEnd, String>>,
    thread: JoinHandle<Result<(), String>>,
}

impl Storage {
    /// Starts the thread, which first loads what there is.
    pub fn start(setup: Setup) -> Result<Storage, String> {
        let (sender, receiver) = mpsc::channel();
        let (tell_loaded, loaded) = mpsc::channel();
        let own_sender = sender.clone();
        let body = move || Keeper::new(setup, receiver, own_sender).run(&tell_loaded);
        let thread = std::thread::Builder::new().name("torc-storage".to_owned()).spawn(body);
        let thread = thread.map_err(|error| format!("the storage plane cannot start: {error}"))?;
        Ok(Storage { sender, loaded, thread })
    }

    /// Waits until the data is loaded.
    ///
    /// # Errors
    /// It cannot be: the server must not go on without it.
    pub fn wait_until_loaded(&self) -> Result<LoadEnd, String> {
        // Without a sender the process stops already.
        self.loaded.recv().unwrap_or(Ok(LoadEnd::Stopped))
    }

    /// Waits for the end of the thread. All cores have ended.
    ///
    /// # Errors
    /// It has ended the process, since it could not go on.
    pub fn join(self) -> Result<(), String> {
        let Storage { sender, thread, .. } = self;
        // If it could not load, it has ended before.
        let _ = sender.send(ToStorage::CoresEnded);
        thread.join().unwrap_or_else(|_| Err("the storage plane has failed".to_owned()))
    }
}

/// What may wait for the end of a save that nobody has asked for.
#[derive(Debug, Clone, Copy)]
enum Deferred {
    /// SAVE, BGSAVE.
    Save(SaveHow),
    /// BGREWRITEAOF.
    Rewrite { in_transaction: bool },
}

/// The process is to end when the data is saved.
struct Ending {
    /// Also when that fails.
    is_forced: bool,
    /// The data is saved before.
    saves: bool,
    /// The first base of the log is to be written before that.
    awaits_base: bool,
    /// Who has asked for it by SHUTDOWN.
    askers: Vec<Asker>,
}

/// The state of the thread.
struct Keeper {
    config: Config,
    mesh: Arc<Mesh>,
    metrics: Arc<[CoreMetrics]>,
    receiver: Receiver<ToStorage>,
    sender: Sender<ToStorage>,
    persistence: Persistence,
    /// The log, if there is one, or what writes a base for one.
    log: Option<LogDriver>,
    /// What its writes wait for before each.
    write_pause: WritePause,
    /// When groups are looked for again; `None`: at once.
    groups_at: Option<Instant>,
    /// When loading began, and when the cores were told of it last.
    load_began: Instant,
    published: Instant,
    /// When the log was told of it last, and what shows it on a terminal.
    told: Instant,
    progress: Progress,
    /// The base that is being written for it; and in which form another one is wanted, if one is.
    base: Option<Base>,
    base_due: Option<BaseFormat>,
    /// BGREWRITEAOF without a log waits for something else to end.
    is_base_alone_due: bool,
    /// Who waits until files that the log has replaced are deleted.
    until_cleared: Vec<Asker>,
    /// What is being done about `appendonly`.
    switching: Switching,
    /// The save that is under way.
    save: Option<Save>,
    /// A save is to begin when that one has ended; who waits for its beginning.
    scheduled: Option<Vec<Asker>>,
    cuts: u64,
    loadings: u64,
    /// The first cut since all keys were removed, while none from there on is saved.
    emptied_from: Option<u64>,
    /// The last attempt by a save point.
    tried: Option<Instant>,
    ticked: Instant,
    tls: Option<Arc<Tls>>,
    listening: Listening,
    listening_changes: ListeningChanges,
    /// When the files of certificates were looked at last.
    certificates_seen: Instant,
    ending: Option<Ending>,
    /// What waits for the end of a save that nobody has asked for.
    deferred: VecDeque<(Deferred, Asker)>,
    /// Loadings that were asked for; the first is under way when nothing else is being saved.
    reloads: VecDeque<(Reload, Asker)>,
    /// Writes are to wait since this cut.
    holds: Option<u64>,
    /// They wait for this answer.
    holder: Option<Asker>,
    /// Cores that know that the data is loaded.
    serving: usize,
    /// Why the process ends, if that is a failure.
    failure: Option<String>,
}

impl Keeper {
    fn new(setup: Setup, receiver: Receiver<ToStorage>, sender: Sender<ToStorage>) -> Keeper {
        let Setup { config, mesh, metrics, started_ms, progress, tls, listening } = setup;
        let mut persistence = Persistence::default();
        persistence.saves.last_s = started_ms / 1000;
        Keeper {
            config,
            mesh,
            metrics,
            receiver,
            sender,
            persistence,
            log: None,
            write_pause: WritePause::default(),
            groups_at: None,
            load_began: Instant::now(),
            published: Instant::now(),
            told: Instant::now(),
            progress,
            base: None,
            base_due: None,
            is_base_alone_due: false,
            until_cleared: Vec::new(),
            switching: Switching::default(),
            save: None,
            scheduled: None,
            cuts: 0,
            loadings: 0,
            emptied_from: None,
            tried: None,
            ticked: Instant::now(),
            tls,
            listening,
            listening_changes: ListeningChanges::default(),
            certificates_seen: Instant::now(),
            ending: None,
            deferred: VecDeque::new(),
            reloads: VecDeque::new(),
            holds: None,
            holder: None,
            serving: 0,
            failure: None,
        }
    }

    fn run(mut self, tell_loaded: &Sender<Result<LoadEnd, String>>) -> Result<(), String> {
        let loaded = if self.config.log.appendonly { self.load_appended() } else { self.load() };
        // What is loaded later is shown to those who asked for it.
        self.progress = Progress::new(None);
        if loaded != Ok(LoadEnd::Loaded) {
            let _ = tell_loaded.send(loaded);
            // A part of the data is no data: nothing of it may ever be saved.
            return Ok(());
        }
        let mut is_told = false;
        (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::Serve));
        loop {
            match self.await_message() {
                Ok(ToStorage::CoresEnded) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(message) => {
                    self.take(message);
                    // What has come meanwhile is written with it.
                    while let Ok(message) = self.receiver.try_recv() {
                        if matches!(message, ToStorage::CoresEnded) {
                            return self.end();
                        }
                        self.take(message);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Who reads that the server is ready is not refused by any core.
            if !is_told && self.serving == self.mesh.cores() {
                is_told = true;
                let _ = tell_loaded.send(Ok(LoadEnd::Loaded));
            }
            self.tell_log_of_save();
            self.begin_base_if_due();
            self.serve_log();
            self.go_on_with_base_alone();
            self.answer_if_cleared();
            self.go_on_switching();
            self.go_on_ending();
            self.begin_reload_if_due();
            if self.ticked.elapsed() >= TICK {
                self.ticked = Instant::now();
                self.tick();
                self.look_at_certificates();
                self.look_after_listeners();
                self.publish_log();
            }
        }
        self.end()
    }

    /// Waits for a message, until something is due. Of groups there is only one while nobody looks for them by the clock.
    fn await_message(&self) -> Result<ToStorage, RecvTimeoutError> {
        let until_tick = TICK.saturating_sub(self.ticked.elapsed());
        let wait = self.log_wakes_in().map_or(until_tick, |wait| wait.min(until_tick));
        if let Some(at) = self.groups_at {
            return self.receiver.recv_timeout(wait.min(at.saturating_duration_since(Instant::now())));
        }
        if !self.mesh.stream.park() {
            return Err(RecvTimeoutError::Timeout);
        }
        let message = self.receiver.recv_timeout(wait);
        self.mesh.stream.unpark();
        message
    }

    /// The cores have ended.
    fn end(mut self) -> Result<(), String> {
        if let Some(save) = self.save.take() {
            save.discard();
        }
        let failure = self.failure.take();
        self.close_log();
        failure.map_or(Ok(()), Err)
    }

    fn take(&mut self, message: ToStorage) {
        match message {
            ToStorage::Save(how, asker) => self.asked_to_save(how, asker),
            ToStorage::Shutdown(how, asker) => self.asked_to_end(how, Some(asker)),
            ToStorage::AbortShutdown(asker) => self.abort_ending(asker),
            ToStorage::Signal => self.asked_to_end(Shutdown { saves: None, is_forced: false }, None),
            ToStorage::RenewTls => self.renew_tls(),
            ToStorage::ChangeFiles(change, asker) => self.change_files(change, asker),
            ToStorage::Listens => self.core_listens(),
            ToStorage::Configured(config) => {
                let moves = config.bind != self.config.bind || config.port != self.config.port;
                self.config = *config;
                self.configure_log();
                if moves {
                    self.follow_configured_listeners();
                }
            }
            ToStorage::Reload(how, asker) => self.asked_to_reload(how, asker),
            ToStorage::Serves => self.serving += 1,
            ToStorage::SlowWrites(pause, asker) => {
                self.write_pause.set(pause);
                self.answer(asker, HostReply::Done);
            }
            ToStorage::ReadFile(path, asker) => {
                self.answer(asker, small::reply_with_users(&Path::new(&self.config.dir).join(path)));
            }
            ToStorage::WriteFile(path, content, asker) => {
                self.answer(asker, small::write_for_command(&Path::new(&self.config.dir).join(path), &content));
            }
            ToStorage::Emptied => self.emptied(),
            ToStorage::SavingBegun { cut, keys } => self.saving_begun(cut, keys),
            ToStorage::WritesHeld { cut, holder } => self.writes_held(cut, holder),
            ToStorage::Part { core, cut, part, is_last } => self.take_part(core, cut, part, is_last),
            // They are taken with all others.
            ToStorage::GroupsWait => {}
            ToStorage::CutNumbered { cut, number } => self.cut_numbered(cut, number),
            ToStorage::Rewrite { in_transaction, asker } => self.asked_to_rewrite(in_transaction, asker),
            ToStorage::LogDone(id, outcome) => self.log_done(id, outcome),
            ToStorage::StreamBegun => self.stream_begun(),
            ToStorage::StreamEnded => self.stream_ended(),
            ToStorage::Replayed | ToStorage::ReplayEnded => {
                unreachable!("loading ends when all of it is taken")
            }
            ToStorage::CoresEnded => unreachable!("it is looked for before"),
            // Of a loading that has failed before.
            ToStorage::Loaded { .. } => {}
        }
    }

    fn change_files(&mut self, change: FileChange, asker: Asker) {
        if change.listeners.is_some() && self.is_changing_listeners() {
            return self.listening_changes.later.push_back((change, asker));
        }
        let FileChange { directory, appends, listeners, tls, clears_history, is_answered_early } = change;
        if let Some(Err(why)) = directory.as_ref().map(|path| check_directory(path)) {
            let text = format!("ERR CONFIG SET failed (possibly related to argument 'dir') - {why}");
            return self.answer(asker, HostReply::Error(CommandError::made(text)));
        }
        let opened = listeners.as_ref().map(|change| self.open_listeners(change)).transpose();
        let opened = match opened {
            Ok(opened) => listeners.map(|asked| *asked).zip(opened),
            Err(reply) => return self.answer(asker, reply),
        };
        if let Some(Err(reply)) = tls.map(|change| self.change_tls(&change)) {
            return self.answer(asker, reply);
        }
        if let Some((asked, opened)) = opened {
            let rest = FileChange { directory, appends, listeners: None, tls: None, clears_history, is_answered_early };
            return self.hand_out(asked, opened, rest, asker);
        }
        if clears_history {
            // In force when it is answered, too.
            self.config.log.aof_disable_auto_gc = false;
            self.configure_log();
            self.serve_log();
        }
        let Some(appends) = appends else {
            let waits = clears_history && !is_answered_early;
            return if waits { self.answer_when_cleared(asker) } else { self.answer(asker, HostReply::Done) };
        };
        if let Some(directory) = directory {
            // All of CONFIG SET is in force when it is answered, and the log begins before that.
            self.config.dir = directory;
        }
        self.asked_to_switch(appends, (!is_answered_early).then_some(asker));
        if is_answered_early {
            self.answer(asker, HostReply::Done);
        }
    }

    fn tell(&self, core: usize, message: ToCore) {
        self.mesh.tell(core, message);
    }

    fn answer(&self, asker: Asker, reply: HostReply) {
        self.tell(asker.core, ToCore::Answer(asker.connection, reply));
    }

    /// Shows all cores how saving and loading go.
    fn publish(&self) {
        (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::Persistence(self.persistence)));
    }

    fn dump_path(&self) -> PathBuf {
        PathBuf::from(&self.config.dir).join(&self.config.dbfilename)
    }
}

/// Whether there is this directory.
fn check_directory(path: &str) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err("Not a directory".to_owned()),
        Err(error) => Err(system_text(&error)),
    }
}

/// What the system calls an error, without its number.
pub(crate) fn system_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn unix_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
