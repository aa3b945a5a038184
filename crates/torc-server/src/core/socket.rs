//! System calls on sockets: listening, options of accepted sockets, addresses as text.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use torc_engine::ConnectionInfo;

/// Opens so many listening TCP sockets on one address; the kernel spreads connections over them.
///
/// The first is opened for itself, since SO_REUSEPORT would let two servers share an address unnoticed, and is shared when it listens. So
/// the address is listened on from the first moment to the end: no client that retries is taken by a socket that only probes.
pub fn listen_tcp(address: SocketAddr, backlog: u32, count: usize) -> io::Result<Vec<OwnedFd>> {
    let first = listen_one(address, backlog, false)?;
    // Also a single one may be followed by others (`listen_tcp_beside`).
    set_option(first.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    let others = (1..count).map(|_| listen_one(address, backlog, true));
    std::iter::once(Ok(first)).chain(others).collect()
}

/// The same on an address that sockets of this process listen on, or that they listen on among others.
pub fn listen_tcp_beside(address: SocketAddr, backlog: u32, count: usize) -> io::Result<Vec<OwnedFd>> {
    (0..count).map(|_| listen_one(address, backlog, true)).collect()
}

fn listen_one(address: SocketAddr, backlog: u32, shared: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: creates a descriptor and touches no memory.
    let descriptor = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and ours alone.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    set_option(descriptor, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if shared {
        set_option(descriptor, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if address.is_ipv6() {
        set_option(descriptor, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    bind(descriptor, address)?;
    // SAFETY: a call on our own descriptor.
    check(unsafe { libc::listen(descriptor, backlog as i32) })?;
    Ok(socket)
}

/// Opens a unix socket. `path` is that of a file, or `@` and an abstract name, which has no rights and no file. A socket left
/// at the path by an earlier process is replaced. Whatever else is there stays, and is an error.
pub fn listen_unix(path: &str, mode: u32) -> io::Result<OwnedFd> {
    if let Some(name) = path.strip_prefix('@') {
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return UnixListener::bind_addr(&address).map(OwnedFd::from);
    }
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket; it stays"));
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(OwnedFd::from(listener))
}

/// The addresses that one entry of `bind` stands for.
pub fn resolve(entry: &str, port: u16) -> io::Result<SocketAddr> {
    let name = entry.strip_prefix('-').unwrap_or(entry);
    let address = match name {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        name => name.parse().or_else(|_| resolve_name(name))?,
    };
    Ok(SocketAddr::new(address, port))
}

fn resolve_name(name: &str) -> io::Result<IpAddr> {
    use std::net::ToSocketAddrs;
    let mut found = (name, 0).to_socket_addrs()?;
    found.next().map(|address| address.ip()).ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
}

/// Prepares an accepted TCP socket: no delay for small replies, probes for dead peers.
pub fn prepare_accepted(descriptor: RawFd, keepalive_seconds: u32) -> io::Result<()> {
    set_option(descriptor, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    if keepalive_seconds > 0 {
        let interval = (keepalive_seconds / 3).max(1);
        set_option(descriptor, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
        set_option(descriptor, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, keepalive_seconds as i32)?;
        set_option(descriptor, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, interval as i32)?;
        set_option(descriptor, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3)?;
    }
    Ok(())
}

/// What the engine needs to know of a new connection. `None` when its peer is gone already.
pub fn describe(descriptor: RawFd, unix_path: Option<&str>, core_port: bool) -> Option<ConnectionInfo> {
    if let Some(path) = unix_path {
        return Some(ConnectionInfo {
            address: path.to_owned(),
            local_address: path.to_owned(),
            source: UNIX_SOURCE,
            descriptor,
            unix: true,
            local_peer: true,
            core_port,
            certificate_users: Vec::new(),
            is_host: false,
        });
    }
    let peer = address_of(descriptor, libc::getpeername)?;
    let local = address_of(descriptor, libc::getsockname)?;
    Some(ConnectionInfo {
        address: peer.to_string(),
        local_address: local.to_string(),
        source: source_of(peer.ip()),
        descriptor,
        unix: false,
        local_peer: peer.ip().is_loopback(),
        core_port,
        certificate_users: Vec::new(),
        is_host: false,
    })
}

/// A socket of ours, read and written without waiting. It does not close the socket.
pub struct Wire(pub RawFd);

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer and the length describe `bytes`.
        let read = unsafe { libc::recv(self.0, bytes.as_mut_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // SAFETY: all zero bytes are a valid msghdr without address and control data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // An `IoSlice` is laid out as an iovec, and the call only reads what they describe.
        message.msg_iov = slices.as_ptr().cast_mut().cast();
        message.msg_iovlen = slices.len().min(SLICES_MAX);
        // SAFETY: the message describes `slices`, which live through the call.
        let sent = unsafe { libc::sendmsg(self.0, &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The limit up to which this process may raise its limit of open files.
pub fn hard_file_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a structure of the right type.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } {
        0 => limit.rlim_max,
        _ => 0,
    }
}

/// The source of connections through the unix socket: no address of another machine begins like that.
const UNIX_SOURCE: u64 = u64::MAX;

/// Which machine an address stands for: an IPv4 address for itself, an IPv6 address for its network (the upper 64 bits), of which one
/// machine may have all addresses.
fn source_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        IpAddr::V6(v6) => (u128::from(v6) >> 64) as u64,
    }
}

/// Raises the limit of open files to `wanted` if it may; returns the limit in force.
pub fn raise_file_limit(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a structure of the right type.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return wanted;
    }
    if limit.rlim_cur >= wanted {
        return limit.rlim_cur;
    }
    let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    let within = libc::rlimit { rlim_cur: wanted.min(limit.rlim_max), rlim_max: limit.rlim_max };
    for attempt in [raised, within] {
        // SAFETY: as above.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &attempt) } == 0 {
            return attempt.rlim_cur;
        }
    }
    limit.rlim_cur
}

/// Pieces that one call takes at most (`UIO_MAXIOV`).
const SLICES_MAX: usize = 1024;

type NameCall = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;

fn address_of(descriptor: RawFd, call: NameCall) -> Option<SocketAddr> {
    // SAFETY: all zero bytes are a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the storage is large enough for every address family, and `len` says how large.
    if unsafe { call(descriptor, (&raw mut storage).cast(), &mut len) } != 0 {
        return None;
    }
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is what the storage holds.
            let v4 = unsafe { *(&raw const storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is what the storage holds.
            let v6 = unsafe { *(&raw const storage).cast::<libc::sockaddr_in6>() };
            Some(SocketAddr::new(Ipv6Addr::from(v6.sin6_addr.s6_addr).into(), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

fn bind(descriptor: RawFd, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: the pointer and the length describe `raw`.
            check(unsafe { libc::bind(descriptor, (&raw const raw).cast(), size_of_val(&raw) as u32) }).map(drop)
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: the pointer and the length describe `raw`.
            check(unsafe { libc::bind(descriptor, (&raw const raw).cast(), size_of_val(&raw) as u32) }).map(drop)
        }
    }
}

fn set_option(descriptor: RawFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    let len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`.
    check(unsafe { libc::setsockopt(descriptor, level, option, (&raw const value).cast(), len) }).map(drop)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// An address that was free just now.
    fn free_address() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        listener.local_addr().expect("it is bound")
    }

    #[test]
    fn a_source_is_an_address_or_a_network() {
        let source = |text: &str| source_of(text.parse().expect("an address"));
        assert_eq!(source("192.0.2.7"), source("::ffff:192.0.2.7"));
        assert_ne!(source("192.0.2.7"), source("192.0.2.8"));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_ne!(source("::1"), UNIX_SOURCE);
    }

    /// Connects as soon as somebody listens; counts where nobody does.
    fn connect_when_open(address: SocketAddr, refused: &AtomicU32) -> TcpStream {
        loop {
            // A client that tries a port of its own range may meet itself.
            if let Ok(stream) = TcpStream::connect(address)
                && stream.local_addr().is_ok_and(|own| own != address)
            {
                return stream;
            }
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_connects_while_ports_are_opened_stays_connected() {
        for _ in 0..50 {
            let (address, refused) = (free_address(), Arc::new(AtomicU32::new(0)));
            let client = {
                let refused = Arc::clone(&refused);
                std::thread::spawn(move || connect_when_open(address, &refused))
            };
            while refused.load(Ordering::Relaxed) < 10 {
                std::hint::spin_loop();
            }
            let sockets = loop {
                match listen_tcp(address, 16, 3) {
                    Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                    opened => break opened.expect("it can be listened on"),
                }
            };
            let mut stream = client.join().expect("the client gets its connection");
            stream.set_nonblocking(true).expect("the socket is open");
            let error = stream.read(&mut [0]).expect_err("nobody sends anything");
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
            assert_eq!(sockets.len(), 3);
        }
    }

    #[test]
    fn an_address_is_listened_on_by_one_server() {
        for count in [1, 3] {
            let address = free_address();
            let sockets = listen_tcp(address, 16, count).expect("it is free");
            let error = listen_tcp(address, 16, count).expect_err("it is taken");
            assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
            drop(sockets);
            listen_tcp(address, 16, count).expect("it is free again");
        }
    }

    /// All sockets of an address get connections, the one that was opened first too.
    #[test]
    fn connections_are_spread_over_the_sockets() {
        let address = free_address();
        let sockets = listen_tcp(address, 64, 3).expect("it is free");
        let streams: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(address).expect("somebody listens")).collect();
        for socket in sockets {
            let listener = TcpListener::from(socket);
            listener.set_nonblocking(true).expect("it is open");
            assert!(listener.accept().is_ok(), "each gets some of {}", streams.len());
        }
    }
}
