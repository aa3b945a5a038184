//! A core that sleeps lends its engine: whoever has a brief message for it has the engine answer at once, on its own thread.
//!
//! ```text
//!   this core                                   the other one, asleep
//!   message into its mailbox
//!   borrow ------------------------------------> its engine takes its mail, and leaves messages
//!   give back: asleep as before, or woken since something is left that it alone can do
//!   its messages to this core are here: the turn goes on with them
//! ```
//! To wake a thread costs two cores some microseconds each, the answer of a brief message less than one. So a transaction over
//! cores that have nothing else to do, and a script that calls with another core's keys, cost no wakes. Nothing else changes: messages
//! go through the mailboxes and keep their order, and an engine is with one thread at a time ([`Parker`](super::parker::Parker)).
//!
//! The borrower has neither the ring nor the sockets of the other core, and does nothing that needs them: what is to be sent to clients,
//! asked of the host, or gone on with, is left to the core itself. It numbers what the engine has propagated, before anything leaves that
//! may show it. A core that saves its keys does not lend.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use torc_engine::Message;
use torc_engine::engine::Engine;

use super::{Core, MAIL_PER_TURN_MAX, Turn, clock_ns, wake, wake_if_parked};
use crate::mesh::Mesh;

/// How long a turn goes on with answers that others' engines have given on its thread, before its clients are sent theirs.
const EXCHANGE_TIME: Duration = Duration::from_micros(250);

/// An engine where its core, or who has borrowed it, finds it.
pub(super) struct OwnEngine(NonNull<Engine>);

// SAFETY: it owns the engine like a box. An engine has pieces that are not to be shared between threads (reference counts of its interpreter);
// all of them are within it, and move with it.
unsafe impl Send for OwnEngine {}

impl OwnEngine {
    pub fn new(engine: Engine) -> Self {
        OwnEngine(NonNull::from(Box::leak(Box::new(engine))))
    }
}

impl Deref for OwnEngine {
    type Target = Engine;

    #[inline]
    fn deref(&self) -> &Engine {
        // SAFETY: a core uses its engine while it is awake, and then nobody has borrowed it.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for OwnEngine {
    #[inline]
    fn deref_mut(&mut self) -> &mut Engine {
        // SAFETY: as above.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // SAFETY: it comes from a box. A core that stops is awake, and sleeps no more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// What a core lends while it sleeps.
#[derive(Default)]
pub struct Lender {
    engine: AtomicPtr<Engine>,
    /// Whether it does. It says so when it goes to sleep.
    lends: AtomicBool,
    /// Whether what its engine propagates goes to the log.
    streams: AtomicBool,
    /// Units of its engine that have got numbers. Only who has the engine changes it.
    units_taken: AtomicU64,
}

impl Lender {
    /// So many more units have got numbers; gives how many had before.
    pub(super) fn note_units_taken(&self, units: u64) -> u64 {
        let before = self.units_taken.load(Ordering::Relaxed);
        self.units_taken.store(before + units, Ordering::Relaxed);
        before
    }
}

impl Core {
    /// Others may find the engine from now on, when this core sleeps.
    pub(super) fn offer_engine(&self) {
        self.mesh.views[self.core].lender.engine.store(self.engine.0.as_ptr(), Ordering::Release);
    }

    /// Says, before it goes to sleep, whether this core lends.
    pub(super) fn note_lending(&self) {
        let lender = &self.mesh.views[self.core].lender;
        lender.lends.store(!self.is_saving() && self.engine.config().wait.lend_when_idle, Ordering::Relaxed);
        lender.streams.store(self.streams(), Ordering::Relaxed);
    }

    /// Hands the engine's messages to their cores. Those that sleep are woken, or their engines answer here: then the turn goes on with
    /// what they say.
    pub(super) fn exchange_messages(&mut self, turn: &Turn) {
        while self.flush_messages() && turn.started.elapsed() < EXCHANGE_TIME && !self.is_over(turn) {
            self.take_mail(turn);
            self.engine.run_stalled();
            self.fulfil_requests();
            self.number_records();
        }
    }

    /// The same once. True: the engine of another core has worked on this thread, and its messages are here.
    pub(super) fn flush_messages(&mut self) -> bool {
        let Core { engine, mesh, core, metrics, receivers, .. } = self;
        engine.flush(|to, message: Message| {
            let to = usize::from(to);
            if let Message::Requests(batch) = &message {
                metrics[*core].batch_sizes.record(batch.len() as u64);
            }
            let may_borrow = mesh.views[to].parker.is_parked() && message.is_brief();
            mesh.send(*core, to, message);
            receivers.push((to, may_borrow));
        });
        let mut has_borrowed = false;
        for index in 0..self.receivers.len() {
            let (to, may_borrow) = self.receivers[index];
            if may_borrow && self.work_for(to) {
                has_borrowed = true;
            } else {
                wake_if_parked(&self.mesh, &mut self.ring, to);
            }
        }
        self.receivers.clear();
        has_borrowed
    }

    /// Has the engine of another core take its mail, if that core sleeps and lends it.
    fn work_for(&mut self, other: usize) -> bool {
        let mesh = &*self.mesh;
        let view = &mesh.views[other];
        if !view.lender.lends.load(Ordering::Relaxed) || !view.parker.borrow() {
            return false;
        }
        let engine = view.lender.engine.load(Ordering::Acquire);
        // SAFETY: the core has offered its engine before it first slept, sleeps, and does not use it before it is given back.
        let engine = unsafe { &mut *engine };
        engine.begin_turn(self.clock.unix_us(), clock_ns(Instant::now()));
        engine.count_lent_turn();
        let deadline_ms = engine.next_deadline_ms();
        let streams = view.lender.streams.load(Ordering::Relaxed);
        if streams {
            engine.note_log_pending(mesh.stream.pending_bytes());
        }
        take_mail_for(mesh, other, engine);
        // Beside what was brief something else may have come. What the host is asked for comes before what has been done is numbered: a cut
        // must know its place.
        if !engine.asks_host() {
            if streams {
                self.storage.number_for(engine, mesh, other);
            }
            let ring = &mut self.ring;
            engine.flush(|to, message| {
                let to = usize::from(to);
                mesh.send(other, to, message);
                if to != self.core {
                    wake_if_parked(mesh, ring, to);
                }
            });
        }
        let is_wanted = engine.has_work()
            || engine.host_has_work()
            || mesh.has_mail(other)
            || engine.next_deadline_ms() != deadline_ms;
        if view.parker.give_back(is_wanted) {
            wake(mesh, &mut self.ring, other);
        }
        true
    }
}

fn take_mail_for(mesh: &Mesh, other: usize, engine: &mut Engine) {
    for from in (0..mesh.cores()).filter(|&from| from != other) {
        for _ in 0..MAIL_PER_TURN_MAX {
            if engine.asks_host() {
                return;
            }
            let Some(message) = mesh.receive(from, other) else { break };
            engine.on_message(from as u16, message);
        }
    }
}
