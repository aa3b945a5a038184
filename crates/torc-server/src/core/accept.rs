//! New connections: accepted on every core, given to the core that has the fewest, refused when too many.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::ring::{Completion, Operation, Token};
use super::secure::Secure;
use super::socket;
use super::{Connection, Core};
use crate::listening::{Endpoint, Place};
use crate::mesh::Arrival;
use crate::storage::ToStorage;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// The common port or unix socket: connections are spread over the cores.
    Common,
    /// The core's own port or unix socket: connections stay.
    OwnPort,
    /// The encrypted port: connections are spread likewise, when their handshake is over.
    Encrypted,
}

/// A listening socket of one core.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    endpoint: Endpoint,
    /// The ring accepts on it.
    is_accepting: bool,
    /// It is closed when the ring does not.
    is_closing: bool,
}

impl Listener {
    /// A socket that listens at an endpoint.
    pub fn new(socket: OwnedFd, endpoint: Endpoint) -> Self {
        Listener { socket, endpoint, is_accepting: false, is_closing: false }
    }

    /// By which it is known to the ring.
    fn token(index: u32) -> Token {
        Token { operation: Operation::Accept, index, generation: 0 }
    }

    fn kind(&self) -> ListenerKind {
        self.endpoint.kind
    }
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
            let indexes = (0..).zip(&self.listeners).filter(|(_, listener)| listener.is_some());
            self.to_accept = indexes.map(|(index, _)| index).collect();
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
            let Some(listener) = &mut self.listeners[index as usize] else { continue };
            listener.is_accepting = true;
            self.ring.accept(Listener::token(index), listener.socket.as_raw_fd());
        }
    }

    /// Makes the listeners known to the ring that the core is started with.
    pub(super) fn register_listeners(&mut self) -> io::Result<()> {
        for (index, listener) in (0..).zip(&self.listeners) {
            let listener = listener.as_ref().expect("none is closed yet");
            self.ring.register(Listener::token(index), listener.socket.as_raw_fd())?;
        }
        Ok(())
    }

    /// Listens on these sockets from now on, and no longer at these endpoints. The storage plane hears of it when all of those are closed.
    pub(super) fn change_listeners(&mut self, opened: Vec<Listener>, closed: &[Endpoint]) {
        for index in 0..self.listeners.len() as u32 {
            let listener = self.listeners[index as usize].as_mut();
            let Some(listener) = listener.filter(|listener| closed.contains(&listener.endpoint)) else { continue };
            listener.is_closing = true;
            if listener.is_accepting {
                self.ring.cancel(Listener::token(index));
            } else {
                self.close_listener(index);
            }
        }
        for listener in opened {
            let free = self.listeners.iter().position(Option::is_none);
            let index = free.unwrap_or(self.listeners.len());
            if let Err(error) = self.ring.register(Listener::token(index as u32), listener.socket.as_raw_fd()) {
                tracing::warn!("a listening socket is closed, since it cannot be watched: {error}");
                continue;
            }
            if free.is_none() {
                self.listeners.push(None);
            }
            self.listeners[index] = Some(listener);
            if self.accepts_from.is_none() {
                self.to_accept.push(index as u32);
            }
        }
        self.are_listeners_changing = true;
        self.end_listener_change();
    }

    /// Tells when nothing is left to be closed.
    fn end_listener_change(&mut self) {
        let is_over = !self.listeners.iter().flatten().any(|listener| listener.is_closing);
        if is_over && std::mem::take(&mut self.are_listeners_changing) {
            self.storage.send(ToStorage::Listens);
        }
    }

    fn close_listener(&mut self, index: u32) {
        self.to_accept.retain(|other| *other != index);
        self.ring.forget(Listener::token(index));
        self.listeners[index as usize] = None;
    }

    fn listener(&self, index: u32) -> &Listener {
        self.listeners[index as usize].as_ref().expect("a listener outlives its accepts")
    }

    /// A multishot accept has something: a connection, or an error.
    pub(super) fn accepted(&mut self, completion: &Completion) {
        let index = completion.token.index;
        match completion.result {
            descriptor if descriptor >= 0 => self.place(descriptor, index),
            error => match -error {
                libc::EMFILE | libc::ENFILE => self.refuse_without_descriptor(index),
                libc::ECANCELED if self.listener(index).is_closing => {}
                error => tracing::warn!("accept failed: {}", io::Error::from_raw_os_error(error)),
            },
        }
        if !completion.is_last {
            return;
        }
        let listener = self.listeners[index as usize].as_mut().expect("a listener outlives its accepts");
        listener.is_accepting = false;
        if listener.is_closing {
            self.close_listener(index);
            self.end_listener_change();
        } else {
            self.to_accept.push(index);
        }
    }

    /// Decides which core holds a new connection.
    fn place(&mut self, descriptor: RawFd, listener: u32) {
        let is_full = self.mesh.connections() >= self.engine.config().maxclients as usize;
        let has_spares = self.mesh.spares.are_all_held();
        if is_full || descriptor >= self.client_descriptors_end || !has_spares {
            self.engine.count_rejected_connection();
            refuse(descriptor, self.listener(listener).kind());
            if !has_spares {
                self.mesh.spares.refill();
            }
            return;
        }
        let endpoint = &self.listener(listener).endpoint;
        let kind = endpoint.kind;
        let path = if let Place::Unix(path) = &endpoint.place { Some(path.as_str()) } else { None };
        if path.is_none() {
            let keepalive = self.engine.config().tcp_keepalive_seconds;
            if let Err(error) = socket::prepare_accepted(descriptor, keepalive) {
                tracing::debug!("a connection was gone before it was taken: {error}");
            }
        }
        let Some(info) = socket::describe(descriptor, path, kind == ListenerKind::OwnPort) else {
            // It was reset before it was taken.
            self.engine.count_lost_connection();
            // SAFETY: our own descriptor, with no operation in flight, and forgotten with this.
            unsafe { libc::close(descriptor) };
            return;
        };
        let target = if kind == ListenerKind::OwnPort { self.core } else { self.mesh.emptiest(self.core) };
        self.mesh.views[target].connections.fetch_add(1, Ordering::Relaxed);
        let info = Box::new(info);
        if kind == ListenerKind::Encrypted {
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
        let listening = self.listener(listener).socket.as_raw_fd();
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
            refuse(descriptor, self.listener(listener).kind());
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
fn refuse(descriptor: RawFd, kind: ListenerKind) {
    let text = if kind == ListenerKind::Encrypted { &[] } else { TOO_MANY_CLIENTS };
    // SAFETY: a new descriptor of ours; the text is a valid slice; the descriptor is not used afterwards.
    unsafe {
        libc::send(descriptor, text.as_ptr().cast(), text.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        libc::close(descriptor);
    }
}
