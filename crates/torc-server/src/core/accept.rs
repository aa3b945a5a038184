//! New connections: accepted on every core, given to the core that has the fewest, refused when too many.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::ring::{Completion, Operation, Token};
use super::secure::Secure;
use super::socket;
use super::{Connection, Core};
use crate::mesh::Arrival;
use crate::tls::handshakes::Newcomer;

/// Sent before a connection beyond `maxclients` is closed.
const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// How long clients are kept waiting for data that is being loaded, before they are told so: a server that has little to load, or nothing,
/// serves its first request.
pub(super) const LOAD_PATIENCE: Duration = Duration::from_millis(200);

/// Descriptors that clients do not get, so that the table is never full: connections of one turn's accepts that
/// are refused hold one each, `/metrics` and files need some.
const DESCRIPTORS_KEPT: RawFd = 32;

/// What kind of socket a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerKind {
    /// The common port: connections are spread over the cores.
    Common,
    /// The core's own port: connections stay.
    OwnPort,
    /// The encrypted port: connections are spread likewise, when their handshake is over.
    Encrypted,
    /// The unix socket at this path.
    Unix(String),
}

/// A listening socket of one core.
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// What connections accepted here are taken for.
    pub kind: ListenerKind,
}

/// The first descriptor that no client gets. The kernel gives the lowest free number, so that one is given
/// only when all below it are in use.
pub fn client_descriptors_end() -> RawFd {
    // Nothing is wanted: this only asks for the limit.
    let limit = RawFd::try_from(socket::raise_file_limit(0)).unwrap_or(RawFd::MAX);
    limit - DESCRIPTORS_KEPT.min(limit / 4)
}

/// Descriptors to give up when there is no other, one for each core. Another core may accept a connection with one that was just given up;
/// until it is there again, connections that are accepted are refused.
pub struct Spares {
    held: Mutex<Vec<OwnedFd>>,
    wanted: usize,
    /// So many of them are held, for those who only look.
    count: AtomicUsize,
}

impl Spares {
    /// Opens one for each core, as far as there are descriptors.
    pub fn open(cores: usize) -> Spares {
        let spares = Spares { held: Mutex::new(Vec::new()), wanted: cores, count: AtomicUsize::new(0) };
        spares.refill();
        spares
    }

    fn are_all_held(&self) -> bool {
        self.count.load(Ordering::Relaxed) == self.wanted
    }

    /// Gives one up.
    fn give_up(&self) {
        let mut held = self.held.lock().expect("nobody panics with it");
        held.pop();
        self.count.store(held.len(), Ordering::Relaxed);
    }

    /// Opens what is missing, as far as there are descriptors.
    fn refill(&self) {
        let mut held = self.held.lock().expect("nobody panics with it");
        while held.len() < self.wanted {
            let Ok(file) = File::open("/dev/null") else { break };
            held.push(OwnedFd::from(file));
        }
        self.count.store(held.len(), Ordering::Relaxed);
    }
}

impl Core {
    /// Accepts from now on. Before, those who come wait in the backlog.
    pub(super) fn open_to_clients(&mut self) {
        if self.accepts_from.take().is_some() {
            self.to_accept = (0..self.listeners.len() as u32).collect();
        }
    }

    /// Accepts although the data is not loaded: it takes its time.
    pub(super) fn end_load_patience(&mut self, now: Instant) {
        if self.accepts_from.is_some_and(|from| now >= from) {
            self.open_to_clients();
        }
    }

    /// Starts to accept on the listeners that do not.
    pub(super) fn arm_accepts(&mut self) {
        for index in std::mem::take(&mut self.to_accept) {
            let descriptor = self.listeners[index as usize].socket.as_raw_fd();
            self.ring.accept(Token { operation: Operation::Accept, index, generation: 0 }, descriptor);
        }
    }

    /// A multishot accept has something: a connection, or an error.
    pub(super) fn accepted(&mut self, completion: &Completion) {
        let index = completion.token.index;
        if completion.is_last {
            self.to_accept.push(index);
        }
        if completion.result >= 0 {
            self.place(completion.result, index);
            return;
        }
        match -completion.result {
            libc::EMFILE | libc::ENFILE => self.refuse_without_descriptor(index),
            error => tracing::warn!("accept failed: {}", std::io::Error::from_raw_os_error(error)),
        }
    }

    /// Decides which core holds a new connection.
    fn place(&mut self, descriptor: RawFd, listener: u32) {
        let is_full = self.mesh.connections() >= self.engine.config().maxclients as usize;
        let has_spares = self.mesh.spares.are_all_held();
        if is_full || descriptor >= self.client_descriptors_end || !has_spares {
            self.engine.count_rejected_connection();
            refuse(descriptor, &self.listeners[listener as usize].kind);
            if !has_spares {
                self.mesh.spares.refill();
            }
            return;
        }
        let kind = &self.listeners[listener as usize].kind;
        let path = if let ListenerKind::Unix(path) = kind { Some(path.as_str()) } else { None };
        if path.is_none() {
            let keepalive = self.engine.config().tcp_keepalive_seconds;
            if let Err(error) = socket::prepare_accepted(descriptor, keepalive) {
                tracing::debug!("a connection was gone before it was taken: {error}");
            }
        }
        let Some(info) = socket::describe(descriptor, path, *kind == ListenerKind::OwnPort) else {
            // It was reset before it was taken.
            self.engine.count_lost_connection();
            // SAFETY: our own descriptor, with no operation in flight, and forgotten with this.
            unsafe { libc::close(descriptor) };
            return;
        };
        let target = if *kind == ListenerKind::OwnPort { self.core } else { self.mesh.emptiest(self.core) };
        self.mesh.views[target].connections.fetch_add(1, Ordering::Relaxed);
        let info = Box::new(info);
        if *kind == ListenerKind::Encrypted {
            let handshakes = self.handshakes.as_ref().expect("an encrypted port has somebody for its handshakes");
            return handshakes.begin(Newcomer { descriptor, info, core: target });
        }
        let arrival = Arrival { descriptor, info, session: None };
        if target == self.core {
            return self.adopt(arrival);
        }
        match self.mesh.send_socket(target, arrival) {
            Ok(()) => super::wake_if_parked(&self.mesh, &mut self.ring, target),
            Err(arrival) => {
                self.mesh.views[target].connections.fetch_sub(1, Ordering::Relaxed);
                self.mesh.views[self.core].connections.fetch_add(1, Ordering::Relaxed);
                self.adopt(arrival);
            }
        }
    }

    /// Takes a connection that is counted for this core already.
    pub(super) fn adopt(&mut self, arrival: Arrival) {
        let Arrival { descriptor, info, session } = arrival;
        let id = self.engine.connect(*info);
        let index = id.index as usize;
        if index >= self.connections.len() {
            self.connections.resize_with(index + 1, || None);
        }
        assert!(self.connections[index].is_none(), "the engine's free places are the server's free places");
        let is_encrypted = session.is_some();
        let connection = Connection::new(descriptor, id, session.map(Secure::new));
        let registered = self.ring.register(connection.token(Operation::Receive), descriptor);
        self.connections[index] = Some(connection);
        if let Err(error) = registered {
            tracing::warn!("a connection is closed, since it cannot be watched: {error}");
            return self.begin_close(id.index);
        }
        if is_encrypted {
            // Requests may have come with the end of the handshake.
            self.take_records(id.index, None);
        }
        self.arm_receive(id.index);
        // Protected mode may have refused it already; the reply is sent by the flush.
    }

    /// The table of descriptors is full: a descriptor kept for this accepts the connection, sends it an error and closes it.
    fn refuse_without_descriptor(&mut self, listener: u32) {
        self.engine.count_rejected_connection();
        self.mesh.spares.give_up();
        let listening = self.listeners[listener as usize].socket.as_raw_fd();
        // SAFETY: a call on our own descriptor without address buffers.
        let descriptor = unsafe {
            let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
            if is_readable(listening) {
                libc::accept4(listening, std::ptr::null_mut(), std::ptr::null_mut(), flags)
            } else {
                -1
            }
        };
        if descriptor >= 0 {
            refuse(descriptor, &self.listeners[listener as usize].kind);
        }
        self.mesh.spares.refill();
    }
}

/// Whether an accept would not block.
fn is_readable(descriptor: RawFd) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure, and a timeout of zero.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 }
}

/// Says why, where that is not encrypted, and closes.
fn refuse(descriptor: RawFd, kind: &ListenerKind) {
    let text = if *kind == ListenerKind::Encrypted { &[] } else { TOO_MANY_CLIENTS };
    // SAFETY: a new descriptor of ours; the text is a valid slice; the descriptor is not used afterwards.
    unsafe {
        libc::send(descriptor, text.as_ptr().cast(), text.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        libc::close(descriptor);
    }
}
