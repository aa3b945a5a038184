//! Which sockets listen: opened at the start, and opened and closed while clients are served (CONFIG SET bind, port).
//!
//! ```text
//!   configuration ─> endpoints wanted ─┬─ open already:     stay as they are
//!                                      ├─ new:              opened here, a socket for each core, which are handed to the cores
//!                                      └─ no longer wanted: the cores close them
//! ```
//! A change is all or nothing: what cannot be opened leaves everything as it was. Connections stay, whatever becomes of the socket that
//! they came through.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use torc_engine::config::Config;

use crate::core::{CoreListener, ListenerKind, socket};

/// One thing that is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub place: Place,
    /// What connections through it are taken for.
    pub kind: ListenerKind,
    /// The core that listens; `None`: all of them, each with a socket of its own.
    core: Option<usize>,
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A port of an address, which is an entry of `bind`.
    Tcp(String, u16),
    /// A unix socket: the path of a file, or `@` and an abstract name.
    Unix(String),
}

/// Listening sockets by core.
pub type ByCore = Vec<Vec<CoreListener>>;

/// What becomes of the listening sockets.
pub struct Change {
    /// What is listened on when it is done.
    pub endpoints: Vec<Endpoint>,
    /// New sockets.
    pub opened: ByCore,
    /// What is to be closed.
    pub closed: Vec<Endpoint>,
}

/// Everything that is listened on.
#[derive(Debug)]
pub struct Listening {
    cores: usize,
    endpoints: Vec<Endpoint>,
}

impl Listening {
    /// Opens all that a configuration asks for.
    ///
    /// # Errors
    /// Something is taken, or not allowed: a line for the user.
    pub fn open(config: &Config, cores: usize) -> Result<(Listening, ByCore), String> {
        let mut listening = Listening { cores, endpoints: Vec::new() };
        let change = listening.prepare(config, When::Start)?;
        listening.endpoints = change.endpoints;
        Ok((listening, change.opened))
    }

    /// Opens what a changed configuration asks for and is not open. It is in force with [`Listening::commit`].
    ///
    /// # Errors
    /// As for [`Listening::open`].
    pub fn change(&self, config: &Config) -> Result<Change, String> {
        check_apart(&wanted(config, self.cores)?)?;
        self.prepare(config, When::Later)
    }

    /// A change is in force: what it has opened and closed is the cores' from now on.
    pub fn commit(&mut self, endpoints: Vec<Endpoint>) {
        self.endpoints = endpoints;
    }

    /// Removes the files of unix sockets.
    pub fn remove_files(config: &Config, cores: usize) {
        for endpoint in unix_endpoints(config, cores) {
            if let Place::Unix(path) = endpoint.place
                && !path.starts_with('@')
            {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn prepare(&self, config: &Config, when: When) -> Result<Change, String> {
        let mut opened: ByCore = (0..self.cores).map(|_| Vec::new()).collect();
        let mut endpoints = Vec::new();
        for wanted in wanted(config, self.cores)? {
            if !self.endpoints.contains(&wanted) {
                let Some(sockets) = self.open_endpoint(&wanted, config, when)? else { continue };
                let cores = wanted.core.map_or(0..self.cores, |core| core..core + 1);
                for (core, socket) in cores.zip(sockets) {
                    opened[core].push(CoreListener::new(socket, wanted.clone()));
                }
            }
            endpoints.push(wanted);
        }
        check_opened(config, &endpoints)?;
        let closed = self.endpoints.iter().filter(|open| !endpoints.contains(open)).cloned().collect();
        Ok(Change { endpoints, opened, closed })
    }

    /// Its sockets; `None` if the machine does not have the address and need not.
    fn open_endpoint(&self, endpoint: &Endpoint, config: &Config, when: When) -> Result<Option<Vec<OwnedFd>>, String> {
        let (entry, port) = match &endpoint.place {
            Place::Unix(path) => {
                let opened = socket::listen_unix(path, config.unixsocketperm);
                let named = |error| format!("Failed opening Unix socket: bind: {path}: {error}");
                return opened.map(|socket| Some(vec![socket])).map_err(named);
            }
            Place::Tcp(entry, port) => (entry, *port),
        };
        let count = if endpoint.core.is_some() { 1 } else { self.cores };
        let opened = match when {
            When::Start => open_when_free(entry, port, config.tcp_backlog, count),
            When::Later => self.open_beside(entry, port, config.tcp_backlog, count),
        };
        match opened {
            Ok(sockets) => Ok(Some(sockets)),
            Err(error) if entry.starts_with('-') && is_missing(&error) => Ok(None),
            Err(error) => {
                tracing::warn!("Could not create server TCP listening socket {entry}:{port}: bind: {error}");
                if when == When::Later {
                    return Err(format!("{entry}:{port} cannot be listened on"));
                }
                // Test suites look for this line in the log before they try another port.
                tracing::warn!("Failed listening on port {port} (tcp), aborting.");
                Err(format!("Failed listening on port {port} (tcp), aborting. ({entry}: {error})"))
            }
        }
    }

    /// Opens an address. If what is taken is taken by a socket of ours that is to be closed, such as that of `*` for `127.0.0.1`, both are
    /// open for a moment.
    fn open_beside(&self, entry: &str, port: u16, backlog: u32, count: usize) -> io::Result<Vec<OwnedFd>> {
        let address = socket::resolve(entry, port)?;
        match socket::listen_tcp(address, backlog, count) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.covers(address) => {
                socket::listen_tcp_beside(address, backlog, count)
            }
            opened => opened,
        }
    }

    /// Whether something of ours listens there: it is to be closed, since nothing that stays overlaps with what is new.
    fn covers(&self, address: SocketAddr) -> bool {
        self.endpoints.iter().filter_map(address_of).any(|open| do_overlap(open, address))
    }
}

/// When sockets are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At the start, when a server that was just killed may still hold them.
    Start,
    /// While clients are served.
    Later,
}

/// What a configuration asks for.
fn wanted(config: &Config, cores: usize) -> Result<Vec<Endpoint>, String> {
    let mut endpoints = Vec::new();
    let mut add = |port: u16, kind: ListenerKind, core: Option<usize>| {
        let places = config.bind.iter().map(|entry| Place::Tcp(entry.clone(), port));
        endpoints.extend(places.map(|place| Endpoint { place, kind, core }));
    };
    if config.port != 0 {
        add(config.port, ListenerKind::Common, None);
    }
    if config.tls.port != 0 {
        add(config.tls.port, ListenerKind::Encrypted, None);
    }
    if config.core_ports {
        for core in 0..cores {
            add(core_port(config, core)?, ListenerKind::OwnPort, Some(core));
        }
    }
    endpoints.extend(unix_endpoints(config, cores));
    Ok(endpoints)
}

/// The unix socket, and with core ports one for each core beside it.
fn unix_endpoints(config: &Config, cores: usize) -> Vec<Endpoint> {
    let path = &config.unixsocket;
    if path.is_empty() {
        return Vec::new();
    }
    let endpoint = |path: String, kind, core| Endpoint { place: Place::Unix(path), kind, core: Some(core) };
    let own = |core| endpoint(format!("{path}.{core}"), ListenerKind::OwnPort, core);
    let own_count = if config.core_ports { cores } else { 0 };
    std::iter::once(endpoint(path.clone(), ListenerKind::Common, 0)).chain((0..own_count).map(own)).collect()
}

/// The address of an endpoint; `None` if it has none, or its name none now.
fn address_of(endpoint: &Endpoint) -> Option<SocketAddr> {
    match &endpoint.place {
        Place::Tcp(entry, port) => socket::resolve(entry, *port).ok(),
        Place::Unix(_) => None,
    }
}

/// Whether two sockets cannot listen on both.
fn do_overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && (is_all || one.ip() == other.ip())
}

/// No two endpoints may be at one address: sockets that are opened beside each other would share its clients.
fn check_apart(endpoints: &[Endpoint]) -> Result<(), String> {
    let addresses: Vec<SocketAddr> = endpoints.iter().filter_map(address_of).collect();
    for (place, one) in addresses.iter().enumerate() {
        if let Some(other) = addresses[..place].iter().find(|other| do_overlap(*one, **other)) {
            return Err(format!("two would listen on one address: {other} and {one}"));
        }
    }
    Ok(())
}

/// Some address of `bind` must be there, for each port.
fn check_opened(config: &Config, endpoints: &[Endpoint]) -> Result<(), String> {
    for port in [config.port, config.tls.port].into_iter().filter(|port| *port != 0) {
        let is_there = |endpoint: &Endpoint| matches!(endpoint.place, Place::Tcp(_, open) if open == port);
        if !config.bind.is_empty() && !endpoints.iter().any(is_there) {
            return Err(format!("Failed listening on port {port} (tcp), aborting."));
        }
    }
    Ok(())
}

/// Opens an address, waiting a moment if it is taken: the kernel takes down the rings of a killed server, and with them its listening
/// sockets, shortly after the process is gone, so that one that is restarted at once would not start.
fn open_when_free(entry: &str, port: u16, backlog: u32, count: usize) -> io::Result<Vec<OwnedFd>> {
    const TRIES: u32 = 10;
    const PAUSE: Duration = Duration::from_millis(30);
    let address = socket::resolve(entry, port)?;
    for _ in 1..TRIES {
        match socket::listen_tcp(address, backlog, count) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(PAUSE),
            opened => return opened,
        }
    }
    socket::listen_tcp(address, backlog, count)
}

/// Whether the machine lacks the address, which an entry after `-` may.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT))
}

/// The port of a core under `core-ports`: those that follow the common one.
pub fn core_port(config: &Config, core: usize) -> Result<u16, String> {
    let port = usize::from(config.port) + 1 + core;
    u16::try_from(port).map_err(|_| format!("core-ports: port {port} of core {core} is beyond 65535"))
}
