//! The mailboxes between cores, one bounded queue per ordered pair, and the state of a core that all cores can read.
//!
//! A mailbox has room for every message that the engine's credits allow, so pushing one never fails.
//! Sockets that are handed over have a queue of their own, since only the core itself can take them; they stay where they are when it
//! has no place.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crossbeam::queue::ArrayQueue;
use rustls::ServerConnection;
use torc_engine::mesh::MAILBOX_MESSAGES_MAX;
use torc_engine::{ConnectionInfo, Message};

use crate::core::accept::Spares;
use crate::core::lending::Lender;
use crate::core::parker::Parker;
use crate::storage::{Inbox, ToCore};
use crate::stream::Stream;

/// Sockets on their way to one core.
const SOCKETS_MAX: usize = 64;

/// A connection that the receiver is to hold from now on.
pub struct Arrival {
    /// The socket.
    pub descriptor: RawFd,
    /// What is known of it.
    pub info: Box<ConnectionInfo>,
    /// How it is encrypted, if it is.
    pub session: Option<Box<ServerConnection>>,
}

/// What every core can see of one core.
#[derive(Default)]
#[repr(align(128))]
pub struct CoreView {
    /// Whether it sleeps.
    pub parker: Parker,
    /// Connections it holds or has been given.
    pub connections: AtomicUsize,
    /// Descriptor of its ring; -1 until it runs.
    pub ring: AtomicI32,
    /// What it lends while it sleeps.
    pub lender: Lender,
}

/// Process figures that one core refreshes and all report.
#[derive(Default)]
pub struct ProcessFigures {
    /// Resident bytes.
    pub resident_bytes: AtomicU64,
    /// CPU time in kernel mode, microseconds.
    pub system_us: AtomicU64,
    /// CPU time in user mode, microseconds.
    pub user_us: AtomicU64,
}

/// Shared by all cores of the process.
pub struct Mesh {
    cores: usize,
    mailboxes: Vec<ArrayQueue<Message>>,
    /// By core: connections that others hand it.
    sockets: Vec<ArrayQueue<Arrival>>,
    /// By core.
    pub views: Vec<CoreView>,
    /// By core: what the storage plane has for it.
    inboxes: Vec<Inbox>,
    /// The process is to stop.
    pub stopping: AtomicBool,
    /// Cores whose loop has ended.
    pub stopped: AtomicU32,
    /// Figures of the process.
    pub process: ProcessFigures,
    /// What all cores propagate, on its way to the storage plane.
    pub stream: Stream,
    /// Kept open to be given up when no descriptor is left, so that a connection can be refused.
    pub spares: Spares,
}

impl Mesh {
    /// Channels between `cores` cores.
    ///
    /// # Errors
    /// The process has no descriptors left for their doorbells.
    pub fn new(cores: u16) -> io::Result<Self> {
        let cores = usize::from(cores);
        let view = |_| CoreView { ring: AtomicI32::new(-1), ..CoreView::default() };
        Ok(Mesh {
            cores,
            mailboxes: (0..cores * cores).map(|_| ArrayQueue::new(MAILBOX_MESSAGES_MAX)).collect(),
            sockets: (0..cores).map(|_| ArrayQueue::new(SOCKETS_MAX)).collect(),
            views: (0..cores).map(view).collect(),
            stopping: AtomicBool::new(false),
            stopped: AtomicU32::new(0),
            inboxes: (0..cores).map(|_| Inbox::new()).collect::<io::Result<_>>()?,
            process: ProcessFigures::default(),
            stream: Stream::new(cores),
            spares: Spares::open(cores),
        })
    }

    /// Puts something into the inbox of a core, and wakes it if it sleeps.
    pub fn tell(&self, core: usize, message: ToCore) {
        self.inboxes[core].push(message);
        if self.views[core].parker.needs_wake() {
            self.inboxes[core].ring();
        }
    }

    /// What the storage plane has for a core.
    pub fn inbox(&self, core: usize) -> &Inbox {
        &self.inboxes[core]
    }

    /// What the mailboxes of so many cores take, in bytes: there is one for each ordered pair, and one for sockets for each core.
    pub fn bytes(cores: usize) -> usize {
        // Each place has a stamp beside what it holds.
        let stamp = size_of::<usize>();
        cores * cores * MAILBOX_MESSAGES_MAX * (size_of::<Message>() + stamp)
            + cores * SOCKETS_MAX * (size_of::<Arrival>() + stamp)
    }

    /// Number of cores.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Sends an engine's message. There is always room: see `torc_engine::mesh`.
    pub fn send(&self, from: usize, to: usize, message: Message) {
        let pushed = self.mailbox(from, to).push(message);
        assert!(pushed.is_ok(), "credits bound the messages from core {from} to core {to}");
    }

    /// Hands a socket over.
    ///
    /// # Errors
    /// There is no place for it, and the caller keeps it.
    pub fn send_socket(&self, to: usize, arrival: Arrival) -> Result<(), Arrival> {
        self.sockets[to].push(arrival)
    }

    /// The same from a thread that is no core.
    ///
    /// # Errors
    /// As for [`Mesh::send_socket`].
    pub fn hand_over(&self, to: usize, arrival: Arrival) -> Result<(), Arrival> {
        self.send_socket(to, arrival)?;
        if self.views[to].parker.needs_wake() {
            self.inboxes[to].ring();
        }
        Ok(())
    }

    /// Takes the next message from one core to another.
    pub fn receive(&self, from: usize, to: usize) -> Option<Message> {
        self.mailbox(from, to).pop()
    }

    /// Takes the next socket that others have handed to a core.
    pub fn receive_socket(&self, to: usize) -> Option<Arrival> {
        self.sockets[to].pop()
    }

    /// Whether a core has mail.
    pub fn has_mail(&self, to: usize) -> bool {
        !self.inboxes[to].is_empty()
            || !self.sockets[to].is_empty()
            || (0..self.cores).any(|from| from != to && !self.mailbox(from, to).is_empty())
    }

    /// Connections of the whole process.
    pub fn connections(&self) -> usize {
        self.views.iter().map(|view| view.connections.load(Ordering::Relaxed)).sum()
    }

    /// The core with the fewest connections; `own` when none has fewer.
    pub fn emptiest(&self, own: usize) -> usize {
        let load = |core: usize| self.views[core].connections.load(Ordering::Relaxed);
        (0..self.cores).fold(own, |best, core| if load(core) < load(best) { core } else { best })
    }

    fn mailbox(&self, from: usize, to: usize) -> &ArrayQueue<Message> {
        &self.mailboxes[from * self.cores + to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_never_take_the_room_of_messages() {
        let mesh = Mesh::new(2).expect("there are descriptors");
        let mut taken = 0;
        while mesh.send_socket(1, Arrival { descriptor: taken, info: Box::default(), session: None }).is_ok() {
            taken += 1;
        }
        assert_eq!(taken as usize, SOCKETS_MAX);
        for _ in 0..MAILBOX_MESSAGES_MAX {
            mesh.send(0, 1, Message::Replies(Box::default()));
        }
        assert!(mesh.has_mail(1) && !mesh.has_mail(0));
    }

    #[test]
    fn the_emptiest_core_gets_the_next_connection() {
        let mesh = Mesh::new(3).expect("there are descriptors");
        mesh.views[0].connections.store(2, Ordering::Relaxed);
        mesh.views[1].connections.store(1, Ordering::Relaxed);
        mesh.views[2].connections.store(1, Ordering::Relaxed);
        assert_eq!(mesh.emptiest(0), 1);
        assert_eq!(mesh.emptiest(2), 2);
    }
}
