//! One core: a pinned thread that turns a plain, synchronous loop on its own ring.
//!
//! ```text
//!   enter the ring (sleep only when nothing is due)
//!     -> inbox:       what the storage plane says
//!     -> mailboxes:   messages to the engine
//!     -> completions: accept, bytes to the engine, sockets with room again
//!     -> upkeep:      expiry and freeing, a slice
//!     -> requests:    what commands have asked of the server (SHUTDOWN, a line for the log)
//!     -> flush:       messages to peers (and a wake if one sleeps), one send per connection with output
//!     -> saving, a slice
//! ```
//! Nothing in a turn blocks (but DEBUG SLEEP, which is for that), and nothing is shared with other cores but the mailboxes and a few counters.

pub mod accept;
mod connection;
mod flush;
mod gate;
pub mod lending;
pub mod parker;
mod receive;
mod ring;
mod secure;
mod silence;
pub mod socket;
mod storage;
mod upkeep;

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use torc_engine::config::LogLevel;
use torc_engine::engine::Engine;
use torc_engine::{ConnectionId, HostReply, HostRequest};

use crate::crash;
use crate::logging::{self, Logging};
use crate::mesh::Mesh;
use crate::oom_score;
use crate::service::metrics::CoreMetrics;
use crate::signals;
use crate::storage::ToStorage;
use crate::tls::Tls;
use crate::tls::handshakes::Handshakes;
use accept::{LOAD_PATIENCE, Listener};
use connection::Connection;
use lending::OwnEngine;
use ring::{Completion, Operation, Ring, Token};
use silence::Silence;
use storage::StorageLink;
use upkeep::Clock;

/// Completions worked on in one turn: each may mean a send at its end.
const COMPLETIONS_PER_TURN_MAX: usize = 64;

/// A turn that has run this many commands goes on to its flush, so that no connection waits long for the others.
const COMMANDS_PER_TURN_MAX: u64 = 256;

/// The same for one that has made this much output.
const OUTPUT_BYTES_PER_TURN_MAX: u64 = 4 * 1024 * 1024;

/// Messages taken from one mailbox in one turn.
const MAIL_PER_TURN_MAX: usize = 16;

/// What a core is started with.
pub struct Setup {
    /// Which core this is, from 0 on.
    pub core: usize,
    /// What it waits in.
    pub backend: Backend,
    /// The engine that holds the core's shard and sessions.
    pub engine: Engine,
    /// The channels of all cores.
    pub mesh: Arc<Mesh>,
    /// The counters of all cores; each core writes its own, the admin port reads all.
    pub metrics: Arc<[CoreMetrics]>,
    /// Sockets this core accepts connections on.
    pub listeners: Vec<Listener>,
    /// The certificates, if there are any.
    pub tls: Option<Arc<Tls>>,
    /// Where connections of the encrypted port begin, if there is one.
    pub handshakes: Option<Arc<Handshakes>>,
    /// Readable when the process is to stop; only one core watches it.
    pub stop_signal: Option<RawFd>,
    /// The way to the storage plane.
    pub storage: Sender<ToStorage>,
    /// The log, whose level CONFIG SET may change.
    pub logging: Logging,
}

pub use accept::{Listener as CoreListener, ListenerKind, client_descriptors_end};
pub use ring::Backend;
pub use silence::Sockets;
pub use upkeep::{clock_ns, unix_us};

/// The state of the loop.
pub struct Core {
    core: usize,
    engine: OwnEngine,
    mesh: Arc<Mesh>,
    metrics: Arc<[CoreMetrics]>,
    ring: Ring,
    /// By index, as the ring knows them; those that are closed leave a place.
    listeners: Vec<Option<Listener>>,
    /// The storage plane has asked for other listeners, and was not told that they are there.
    are_listeners_changing: bool,
    tls: Option<Arc<Tls>>,
    /// That of the facts of certificates that the engine has.
    tls_version: u64,
    handshakes: Option<Arc<Handshakes>>,
    connections: Vec<Option<Connection>>,
    /// Connections whose receive ended for want of buffers or of room; armed again at the end of the turn.
    to_receive: Vec<u32>,
    /// Listeners whose accept ended; armed again at the end of the turn.
    to_accept: Vec<u32>,
    /// Until then nobody is accepted, unless the data is loaded before; `None`: somebody may be.
    accepts_from: Option<Instant>,
    /// The first descriptor that no client gets.
    client_descriptors_end: RawFd,
    completions: Vec<Completion>,
    /// The core whose mail comes first in this turn.
    first_sender: usize,
    /// How many of `completions` are worked on; the rest waits for the next turn.
    completed: usize,
    dirty: Vec<ConnectionId>,
    /// Cores that messages of this flush are for, and whether their engines may answer here.
    receivers: Vec<(usize, bool)>,
    clock: Clock,
    silence: Silence,
    storage: StorageLink,
    stop_signal: Option<RawFd>,
    logging: Logging,
    loglevel: LogLevel,
    spin: Duration,
}

/// What is known of a turn at its start.
struct Turn {
    started: Instant,
    commands_before: u64,
    output_before: u64,
}

impl Core {
    /// Sets the core up on the thread that will run it.
    pub fn new(setup: Setup) -> io::Result<Self> {
        let ring = Ring::new(setup.backend)?;
        setup.mesh.views[setup.core].ring.store(ring.descriptor(), Ordering::Release);
        let loglevel = setup.engine.config().loglevel;
        let spin = Duration::from_micros(u64::from(setup.engine.config().wait.spin_us));
        let mut core = Core {
            core: setup.core,
            engine: OwnEngine::new(setup.engine),
            mesh: setup.mesh,
            metrics: setup.metrics,
            ring,
            listeners: setup.listeners.into_iter().map(Some).collect(),
            are_listeners_changing: false,
            tls: setup.tls,
            tls_version: 0,
            handshakes: setup.handshakes,
            connections: Vec::new(),
            to_receive: Vec::new(),
            to_accept: Vec::new(),
            accepts_from: Some(Instant::now() + LOAD_PATIENCE),
            client_descriptors_end: client_descriptors_end(),
            completions: Vec::with_capacity(1024),
            completed: 0,
            first_sender: 0,
            dirty: Vec::with_capacity(1024),
            receivers: Vec::new(),
            clock: Clock::new(),
            silence: Silence::new(),
            storage: StorageLink::new(setup.storage),
            stop_signal: setup.stop_signal,
            logging: setup.logging,
            loglevel,
            spin,
        };
        let now_us = core.time_us();
        core.engine.set_time(now_us);
        core.register_descriptors()?;
        core.watch_stop_signal();
        core.watch_doorbell();
        core.offer_engine();
        Ok(core)
    }

    /// Makes known to the ring what it watches from the start to the end.
    fn register_descriptors(&mut self) -> io::Result<()> {
        self.register_listeners()?;
        if let Some(descriptor) = self.stop_signal {
            self.ring.register(Token::of(Operation::Signal), descriptor)?;
        }
        self.ring.register(Token::of(Operation::Doorbell), self.mesh.inbox(self.core).doorbell())
    }

    /// Turns until the process is to stop.
    pub fn run(mut self) {
        while !self.mesh.stopping.load(Ordering::Relaxed) {
            self.turn();
        }
        self.stop();
    }

    fn turn(&mut self) {
        if self.completions.is_empty() {
            self.wait();
            self.ring.take_completions(&mut self.completions);
        } else if self.ring.has_queued() {
            // Wakes and sends of the last turn do not wait until all that is finished is worked on.
            self.enter_ring();
        }
        let turn = Turn {
            started: Instant::now(),
            commands_before: self.engine.commands_processed(),
            output_before: self.engine.output_made_bytes(),
        };
        self.clock.advance(turn.started);
        let now_us = self.time_us();
        self.engine.begin_turn(now_us, clock_ns(turn.started));
        self.note_stream();
        self.take_inbox();
        self.take_mail(&turn);
        self.complete(&turn);
        self.engine.run_stalled();
        self.engine.end_overdue_waits();
        self.upkeep(turn.started);
        self.replay_on();
        self.fulfil_requests();
        self.number_records();
        self.flush(&turn);
        self.save_on(turn.started);
        self.record_turn(&turn);
    }

    /// The time of this turn, Unix microseconds.
    fn time_us(&self) -> i64 {
        self.clock.unix_us()
    }

    /// Hands to the kernel what is queued.
    fn enter_ring(&mut self) {
        self.ring.enter(None).expect("the ring of a running core can be entered");
    }

    /// Enters the ring; sleeps when there is nothing to do.
    fn wait(&mut self) {
        let entered = if self.may_sleep() {
            let result = self.ring.enter(Some(self.time_to_upkeep()));
            self.mesh.views[self.core].parker.unpark();
            result
        } else {
            self.ring.enter(None)
        };
        entered.expect("the ring of a running core can be entered");
    }

    /// Whether nothing is due. If so, other cores see this one parked from here on.
    fn may_sleep(&mut self) -> bool {
        // A flush may itself leave output, by what the end of a connection sets off.
        if self.engine.has_work() || self.engine.host_has_work() {
            return false;
        }
        if !self.to_receive.is_empty() || self.upkeep_is_urgent() || self.can_save_on() {
            return false;
        }
        if !self.spin.is_zero() && self.spin_finds_work() {
            return false;
        }
        self.note_lending();
        let (mesh, core) = (&self.mesh, self.core);
        mesh.views[core].parker.park(|| !mesh.has_mail(core) && !mesh.stopping.load(Ordering::Relaxed))
    }

    /// Polls for a while before sleeping (`spin-us`).
    fn spin_finds_work(&mut self) -> bool {
        let until = Instant::now() + self.spin;
        while Instant::now() < until {
            self.enter_ring();
            if self.ring.take_completions(&mut self.completions) || self.mesh.has_mail(self.core) {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// Works on what the ring has finished: as much as fits into one turn.
    fn complete(&mut self, turn: &Turn) {
        let completions = std::mem::take(&mut self.completions);
        let first = self.completed;
        for completion in completions[first..].iter().take(COMPLETIONS_PER_TURN_MAX) {
            match completion.token.operation {
                Operation::Receive => self.received(completion),
                Operation::Writable => self.has_room(completion),
                Operation::Accept => self.accepted(completion),
                Operation::Signal => {
                    let asked = signals::take_request(self.stop_signal.expect("only who watches it hears of it"));
                    if asked.stops {
                        self.storage.send(ToStorage::Signal);
                    }
                    if asked.renews {
                        self.storage.send(ToStorage::RenewTls);
                    }
                    self.watch_stop_signal();
                }
                Operation::Doorbell => self.watch_doorbell(),
                Operation::Wake | Operation::Cancel => {}
            }
            self.completed += 1;
            if self.is_over(turn) {
                break;
            }
        }
        self.ring.publish_buffers();
        self.completions = completions;
        if self.completed == self.completions.len() {
            self.completions.clear();
            self.completed = 0;
        }
    }

    /// Whether this turn has run as many commands, or made as much output, as one turn may.
    fn is_over(&self, turn: &Turn) -> bool {
        self.engine.commands_processed().wrapping_sub(turn.commands_before) >= COMMANDS_PER_TURN_MAX
            || self.engine.output_made_bytes().wrapping_sub(turn.output_before) >= OUTPUT_BYTES_PER_TURN_MAX
            || !self.engine.has_room_for_units()
    }

    fn take_mail(&mut self, turn: &Turn) {
        while let Some(arrival) = self.mesh.receive_socket(self.core) {
            self.adopt(arrival);
        }
        let cores = self.mesh.cores();
        // Another core comes first each time, since the turn may be over before the last.
        self.first_sender = (self.first_sender + 1) % cores;
        for from in (self.first_sender..cores).chain(0..self.first_sender) {
            if from == self.core {
                continue;
            }
            for _ in 0..MAIL_PER_TURN_MAX {
                if self.is_over(turn) {
                    return;
                }
                match self.mesh.receive(from, self.core) {
                    None => break,
                    Some(message) => self.engine.on_message(from as u16, message),
                }
            }
        }
    }

    /// Does what commands have asked for. Before the flush: a client that has sent DEBUG SLEEP is answered after it.
    fn fulfil_requests(&mut self) {
        for request in self.engine.take_host_requests() {
            match request {
                HostRequest::Shutdown { how, by, asker } => {
                    tracing::info!("User requested shutdown: {by}");
                    self.storage.send(ToStorage::Shutdown(how, self.asker(asker)));
                }
                HostRequest::AbortShutdown { asker } => self.storage.send(ToStorage::AbortShutdown(self.asker(asker))),
                HostRequest::Save { how, asker } => self.storage.send(ToStorage::Save(how, self.asker(asker))),
                HostRequest::SavingBegun { cut, units_before } => self.saving_begun(cut, units_before),
                HostRequest::Rewrite { in_transaction, asker } => {
                    self.storage.send(ToStorage::Rewrite { in_transaction, asker: self.asker(asker) });
                }
                HostRequest::WritesHeld { cut, asker } => {
                    self.storage.send(ToStorage::WritesHeld { cut, holder: self.asker(asker) });
                }
                HostRequest::ChangeFiles { change, asker } => {
                    self.storage.send(ToStorage::ChangeFiles(change, self.asker(asker)));
                }
                HostRequest::Reload { how, asker } => self.storage.send(ToStorage::Reload(how, self.asker(asker))),
                HostRequest::SlowWrites { pause, asker } => {
                    self.storage.send(ToStorage::SlowWrites(pause, self.asker(asker)));
                }
                HostRequest::ReadFile { path, asker } => {
                    self.storage.send(ToStorage::ReadFile(path, self.asker(asker)))
                }
                HostRequest::WriteFile { path, content, asker } => {
                    self.storage.send(ToStorage::WriteFile(path, content, self.asker(asker)));
                }
                HostRequest::Crash { .. } => crash::segfault(),
                HostRequest::Emptied => self.storage.send(ToStorage::Emptied),
                HostRequest::Configured => self.configured(),
                HostRequest::AdjustOomScore { wanted, asker } => {
                    let adjusted = oom_score::adjust(&wanted);
                    if let Err(problem) = &adjusted {
                        tracing::warn!("oom-score-adj: {problem}");
                    }
                    if let Some(asker) = asker {
                        let reply = if adjusted.is_ok() { HostReply::Done } else { HostReply::Failed };
                        self.engine.on_host_answer(asker, reply);
                    }
                }
                HostRequest::Log { kind, text } => logging::write(kind, &text),
            }
        }
    }

    /// Stops the process: every core sees it and is woken.
    fn request_stop(&mut self) {
        self.mesh.stopping.store(true, Ordering::SeqCst);
        for core in 0..self.mesh.cores() {
            if core != self.core {
                wake(&self.mesh, &mut self.ring, core);
            }
        }
        self.enter_ring();
    }

    fn watch_stop_signal(&mut self) {
        let Some(descriptor) = self.stop_signal else { return };
        self.ring.when_readable(Token::of(Operation::Signal), descriptor);
    }

    /// The last turn: what is answered is sent, everything is closed.
    fn stop(mut self) {
        self.number_records();
        self.flush_messages();
        self.flush_output();
        for connection in self.connections.iter().flatten() {
            // SAFETY: our own descriptors, used by nobody after this.
            unsafe { libc::close(connection.descriptor) };
        }
        self.mesh.stopped.fetch_add(1, Ordering::Release);
        // The kernel takes all keys back at once; one by one they would take a second for some millions, and longer than
        // whoever ends the server waits for many. The sanitizer wants to see all that nobody holds.
        if cfg!(not(torc_sanitize)) {
            std::mem::forget(self.engine);
        }
    }
}

/// Wakes a core if it sleeps or is about to.
fn wake_if_parked(mesh: &Mesh, ring: &mut Ring, core: usize) {
    if mesh.views[core].parker.needs_wake() {
        wake(mesh, ring, core);
    }
}

/// Wakes a core, at the latest when this one next enters the kernel.
fn wake(mesh: &Mesh, ring: &mut Ring, core: usize) {
    let descriptor = mesh.views[core].ring.load(Ordering::Acquire);
    if descriptor < 0 {
        // The core has not started its loop yet, and looks into its mailboxes before it first sleeps.
        return;
    }
    ring.wake(descriptor);
}
