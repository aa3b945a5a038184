//! The service plane: one executor, on a thread of its own, for everything that waits on something slow.
//!
//! ```text
//! main thread                        service thread (parked unless something arrives)
//! Service::start --listeners--> executor -- accept --> one task per admin connection (open.rs: which give way to new ones)
//! Service::stop  --closes its end of a socket pair--> the executor's main task ends, then the thread
//! ```

mod admin;
mod executor;
pub mod metrics;
mod open;

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_lite::future;
use torc_engine::config::Config;

use crate::core::{Backend, socket};
use crate::tls::Tls;
use admin::Site;
use executor::{Executor, Main, Thread};
use metrics::{Exporter, Sources};
use open::{OpenConnections, OpenGuard};

/// How long to wait after a failed accept, such as for lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// How the admin interface is reached.
#[derive(Default)]
pub struct Admin {
    /// Names that it has beside its addresses.
    pub names: Vec<String>,
    /// What it is encrypted with, if it is.
    pub tls: Option<Arc<Tls>>,
}

/// The running service plane.
#[derive(Debug)]
pub struct Service {
    thread: Thread,
    /// The executor stops when this end is closed.
    stop: StdUnixStream,
    addresses: Vec<SocketAddr>,
}

impl Service {
    /// Starts the service plane. The admin interface listens on each of `addresses` (port 0 lets the kernel choose), and is
    /// known by names beside its addresses.
    ///
    /// Fails if an address cannot be listened on or the executor cannot be started.
    pub fn start(addresses: &[SocketAddr], admin: Admin, sources: Sources, backend: Backend) -> io::Result<Service> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("admin address {address}: {error}"));
            listeners.push(listen(*address).map_err(named)?);
        }
        let addresses = listeners.iter().map(StdTcpListener::local_addr).collect::<io::Result<_>>()?;
        let (stop, stopped) = StdUnixStream::pair()
            .map_err(|error| io::Error::new(error.kind(), format!("the service plane gets no socket pair: {error}")))?;
        let (tell_ready, ready) = mpsc::channel();
        let site = Site { exporter: Exporter::new(sources), names: admin.names, tls: admin.tls };
        let thread = Thread::start(backend, Serving { listeners, site, stopped, tell_ready })
            .map_err(|error| io::Error::new(error.kind(), format!("the service plane cannot start: {error}")))?;
        let service = Service { thread, stop, addresses };
        match ready.recv() {
            Ok(()) => Ok(service),
            // Later there may be no descriptors for rings, since clients have them all: it is known before there are clients.
            Err(_) => Err(service.stop().err().unwrap_or_else(|| io::Error::other("the service plane has ended"))),
        }
    }

    /// Where the admin interface listens, in the order in which the addresses were given.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Closes all admin connections and ends the thread. Returns when it has ended.
    pub fn stop(self) -> io::Result<()> {
        drop(self.stop);
        self.thread.join()
    }
}

/// The addresses for the admin interface that a configuration asks for: its port on every address of `admin-bind`.
/// Empty when `admin-port` is 0. An address after `-` is left out if this machine does not have it.
pub fn admin_addresses(config: &Config) -> io::Result<Vec<SocketAddr>> {
    if config.admin_port == 0 {
        return Ok(Vec::new());
    }
    let mut addresses = Vec::with_capacity(config.admin_bind.len());
    for word in &config.admin_bind {
        let address = socket::resolve(word, config.admin_port)
            .map_err(|error| io::Error::new(error.kind(), format!("admin-bind: '{word}': {error}")))?;
        if !word.starts_with('-') || is_available(address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The names among the addresses of `admin-bind`, by which the admin interface may be asked for.
pub fn admin_names(config: &Config) -> Vec<String> {
    let words = config.admin_bind.iter().map(|word| word.strip_prefix('-').unwrap_or(word));
    words.filter(|word| word.parse::<IpAddr>().is_err() && !word.contains('*')).map(str::to_ascii_lowercase).collect()
}

/// Whether this machine has the address, whatever its port.
fn is_available(address: SocketAddr) -> bool {
    listen(SocketAddr::new(address.ip(), 0)).is_ok()
}

/// What the thread does.
struct Serving {
    listeners: Vec<StdTcpListener>,
    site: Site,
    stopped: StdUnixStream,
    tell_ready: mpsc::Sender<()>,
}

impl Main for Serving {
    /// Serves until `stopped` is closed. Connections that are open end with the executor.
    async fn run<E: Executor>(self) {
        let (site, open) = (Rc::new(self.site), Rc::new(RefCell::new(OpenConnections::default())));
        let mut main: Pin<Box<dyn Future<Output = ()>>> = Box::pin(E::is_closed(self.stopped));
        for listener in self.listeners {
            match E::listener(listener) {
                Ok(listener) => {
                    let accepts = accept_all::<E>(listener, Rc::clone(&site), Rc::clone(&open));
                    main = Box::pin(future::or(main, accepts));
                }
                Err(error) => return tracing::error!("admin interface: {error}"),
            }
        }
        // The executor has its descriptors by now.
        let _ = self.tell_ready.send(());
        main.await;
    }
}

async fn accept_all<E: Executor>(listener: E::Listener, site: Rc<Site>, open: Rc<RefCell<OpenConnections>>) {
    loop {
        let stream = match E::accept(&listener).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("admin interface: cannot accept a connection: {error}");
                E::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let guard = OpenGuard::new(&open, stream.as_raw_fd());
        let site = Rc::clone(&site);
        E::spawn(async move {
            let served = admin::serve_connection::<E>(stream, &site, || guard.note_answer()).await;
            if let Err(error) = served {
                tracing::debug!("admin interface: connection closed: {error}");
            }
        });
    }
}

/// Opens a listening socket that no other process can share. The standard library's cannot leave IPv4 out of `::`.
fn listen(address: SocketAddr) -> io::Result<StdTcpListener> {
    let SocketAddr::V6(address_v6) = address else {
        return StdTcpListener::bind(address);
    };
    // SAFETY: socket takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET6, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned this descriptor, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let on: libc::c_int = 1;
    for (level, option) in [(libc::SOL_SOCKET, libc::SO_REUSEADDR), (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)] {
        // SAFETY: the pointer is good for the size given.
        let result =
            unsafe { libc::setsockopt(fd, level, option, (&raw const on).cast(), size_of_val(&on) as libc::socklen_t) };
        check(result)?;
    }
    // SAFETY: all zeros is a valid sockaddr_in6.
    let mut name: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    name.sin6_port = address_v6.port().to_be();
    name.sin6_addr.s6_addr = address_v6.ip().octets();
    name.sin6_scope_id = address_v6.scope_id();
    // SAFETY: the pointer is good for the size given.
    check(unsafe { libc::bind(fd, (&raw const name).cast(), size_of_val(&name) as libc::socklen_t) })?;
    // SAFETY: listen takes no pointers.
    check(unsafe { libc::listen(fd, 128) })?;
    Ok(StdTcpListener::from(socket))
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
