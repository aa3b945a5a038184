//! The floor: the cost of a server that only receives and sends.
//!
//! One thread, one ring, no keys. Every whole request is answered with a fixed reply: 64 bytes for a GET, `+OK` for
//! anything else. Receiving, framing and sending are done as Torc does them, so the difference between Torc and
//! this program is what Torc's own work costs.
//!
//! ```text
//!   turn: wait once -> for each receive: count requests, append replies -> one send per connection that has any
//! ```

use clap::Parser;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, RawFd};
use torc_benches::cpu;
use torc_benches::resp::{Malformed, RequestKind, scan_request};
use torc_benches::ring::{Completion, ReceiveRing, send};

const RING_ENTRIES: u32 = 1024;
const GET_REPLY: &[u8] = b"$64\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
const OTHER_REPLY: &[u8] = b"+OK\r\n";

/// A fixed-reply server on a raw ring.
#[derive(Parser)]
struct Options {
    /// TCP port on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// CPU to run on; not pinned without it.
    #[arg(long)]
    cpu: Option<usize>,
    /// Print one line when connections are accepted.
    #[arg(long)]
    print_ready: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(cpu) = options.cpu {
        cpu::pin_this_thread(cpu)?;
    }
    cpu::raise_open_files()?;
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    let mut server = Server::new(&listener)?;
    if options.print_ready {
        println!("Ready to accept connections");
        io::stdout().flush()?;
    }
    loop {
        server.turn()?;
    }
}

/// What a completion is about: the low two bits of its token; the rest is the connection's place.
const TOKEN_ACCEPT: u64 = 0;
const TOKEN_RECEIVE: u64 = 1;
const TOKEN_WRITABLE: u64 = 2;

struct Connection {
    socket: RawFd,
    /// The start of a request whose end has not arrived.
    unfinished: Vec<u8>,
    replies: Vec<u8>,
    /// In the list of connections to flush this turn.
    is_dirty: bool,
    /// A poll is in flight: the peer does not read, nothing is sent until it does.
    is_blocked: bool,
    /// The receive has ended; the place is freed when no poll is in flight either.
    is_closing: bool,
}

struct Server {
    ring: ReceiveRing,
    listener: RawFd,
    connections: Vec<Option<Connection>>,
    places_free: Vec<usize>,
    dirty: Vec<usize>,
    completions: Vec<Completion>,
}

impl Server {
    fn new(listener: &TcpListener) -> io::Result<Self> {
        let mut ring = ReceiveRing::new(RING_ENTRIES)?;
        ring.accept(listener.as_raw_fd(), TOKEN_ACCEPT);
        Ok(Self {
            ring,
            listener: listener.as_raw_fd(),
            connections: Vec::new(),
            places_free: Vec::new(),
            dirty: Vec::new(),
            completions: Vec::with_capacity(RING_ENTRIES as usize),
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.turn(&mut completions, None)?;
        for completion in completions.drain(..) {
            let place = (completion.token >> 2) as usize;
            match completion.token & 3 {
                TOKEN_RECEIVE => self.on_receive(place, completion),
                TOKEN_WRITABLE => self.on_writable(place),
                _ => self.on_accept(completion),
            }
        }
        self.completions = completions;
        let mut dirty = std::mem::take(&mut self.dirty);
        for place in dirty.drain(..) {
            self.flush(place);
        }
        self.dirty = dirty;
        Ok(())
    }

    fn on_accept(&mut self, completion: Completion) {
        if !completion.more {
            self.ring.accept(self.listener, TOKEN_ACCEPT);
        }
        if completion.result < 0 {
            return;
        }
        let socket = completion.result;
        set_no_delay(socket);
        let connection = Connection {
            socket,
            unfinished: Vec::new(),
            replies: Vec::new(),
            is_dirty: false,
            is_blocked: false,
            is_closing: false,
        };
        let place = self.places_free.pop().unwrap_or(self.connections.len());
        if place == self.connections.len() {
            self.connections.push(Some(connection));
        } else {
            self.connections[place] = Some(connection);
        }
        self.ring.receive(socket, (place as u64) << 2 | TOKEN_RECEIVE);
    }

    fn on_receive(&mut self, place: usize, completion: Completion) {
        let connection = self.connections[place].as_mut().expect("a place is freed after its last completion");
        let bytes = self.ring.bytes(&completion);
        let counted = if connection.is_closing { Ok(()) } else { connection.on_bytes(bytes) };
        self.ring.release(completion);
        if !connection.replies.is_empty() && !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(place);
        }
        if counted.is_err() {
            connection.shut_down();
        }
        if completion.more {
            return;
        }
        if completion.result > 0 || completion.result == -libc::ENOBUFS {
            self.ring.receive(connection.socket, completion.token);
            return;
        }
        connection.is_closing = true;
        connection.shut_down();
        self.free_if_done(place);
    }

    fn on_writable(&mut self, place: usize) {
        let connection = self.connections[place].as_mut().expect("a place is freed after its last completion");
        connection.is_blocked = false;
        self.flush(place);
        self.free_if_done(place);
    }

    fn flush(&mut self, place: usize) {
        // The connection may have gone since it became dirty.
        let Some(connection) = self.connections[place].as_mut() else {
            return;
        };
        connection.is_dirty = false;
        if connection.is_blocked || connection.is_closing || connection.replies.is_empty() {
            return;
        }
        match send(connection.socket, &connection.replies) {
            Ok(sent) if sent == connection.replies.len() => connection.replies.clear(),
            Ok(sent) => {
                connection.replies.drain(..sent);
                connection.is_blocked = true;
                self.ring.poll_writable(connection.socket, (place as u64) << 2 | TOKEN_WRITABLE);
            }
            // The receive that is still in flight reports the end.
            Err(_) => connection.shut_down(),
        }
    }

    fn free_if_done(&mut self, place: usize) {
        let is_done = self.connections[place].as_ref().is_some_and(|it| it.is_closing && !it.is_blocked);
        if is_done && let Some(connection) = self.connections[place].take() {
            // SAFETY: the socket is open, and no operation on it is in flight.
            unsafe { libc::close(connection.socket) };
            self.places_free.push(place);
        }
    }
}

impl Connection {
    /// Counts the requests in `bytes` and appends their replies; keeps the tail that is not whole.
    fn on_bytes(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if self.unfinished.is_empty() {
            let used = answer(bytes, &mut self.replies)?;
            self.unfinished.extend_from_slice(&bytes[used..]);
        } else {
            self.unfinished.extend_from_slice(bytes);
            let used = answer(&self.unfinished, &mut self.replies)?;
            self.unfinished.drain(..used);
        }
        Ok(())
    }

    /// Makes the operations in flight end.
    fn shut_down(&self) {
        // SAFETY: the socket is open until its place is freed.
        unsafe { libc::shutdown(self.socket, libc::SHUT_RDWR) };
    }
}

fn answer(bytes: &[u8], replies: &mut Vec<u8>) -> Result<usize, Malformed> {
    let mut used = 0;
    while let Some((length, kind)) = scan_request(&bytes[used..])? {
        used += length;
        replies.extend_from_slice(if kind == RequestKind::Get { GET_REPLY } else { OTHER_REPLY });
    }
    Ok(used)
}

fn set_no_delay(socket: RawFd) {
    let on: libc::c_int = 1;
    // SAFETY: `on` is a live c_int of the size given. Failure costs latency only, and shows as such.
    unsafe {
        libc::setsockopt(
            socket,
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_cut_anywhere_gets_each_reply_once() {
        let pipeline =
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        let expected = [GET_REPLY, OTHER_REPLY, GET_REPLY].concat();
        for cut in 0..=pipeline.len() {
            let mut connection = Connection {
                socket: -1,
                unfinished: Vec::new(),
                replies: Vec::new(),
                is_dirty: false,
                is_blocked: false,
                is_closing: false,
            };
            connection.on_bytes(&pipeline[..cut]).unwrap();
            connection.on_bytes(&pipeline[cut..]).unwrap();
            assert_eq!(connection.replies, expected, "cut at {cut}");
            assert!(connection.unfinished.is_empty());
        }
    }
}
