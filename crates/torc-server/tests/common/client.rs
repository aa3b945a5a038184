//! A raw client: one TCP connection, every wait limited.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;

use super::LIMIT;
use super::resp::{self, Reply};

/// One connection.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    consumed: usize,
}

impl Client {
    /// Connects to a port of 127.0.0.1.
    pub fn connect(port: u16) -> Client {
        Client::try_connect(port).unwrap_or_else(|error| panic!("cannot connect to port {port}: {error}"))
    }

    /// Connects to a port of 127.0.0.1, or says why it cannot.
    pub fn try_connect(port: u16) -> std::io::Result<Client> {
        Client::try_connect_to(("127.0.0.1", port))
    }

    /// To any address, where it may fail.
    pub fn try_connect_to(address: impl ToSocketAddrs) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, received: Vec::new(), consumed: 0 })
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends all these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what is sent");
    }

    /// Sends what the server takes; whether it took everything.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends one request and reads its reply.
    #[track_caller]
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        self.send(&resp::request(words));
        self.reply()
    }

    /// Sends a command given as words with blanks between them, and reads its reply.
    #[track_caller]
    pub fn command(&mut self, line: &str) -> Reply {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// Sends a command given as words with blanks between them, which must be answered with +OK.
    #[track_caller]
    pub fn ok(&mut self, line: &str) {
        assert_eq!(self.command(line), Reply::ok(), "{line}");
    }

    /// A line of INFO, such as `rdb_saves`.
    #[track_caller]
    pub fn info(&mut self, name: &str) -> String {
        let text = self.command("INFO everything").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    }

    /// The next reply.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        self.try_reply().expect("a reply, not the end of the connection")
    }

    /// The next reply; `None` when the server has closed the connection instead.
    #[track_caller]
    pub fn try_reply(&mut self) -> Option<Reply> {
        self.next_reply().unwrap_or_else(|error| panic!("nothing came in time: {error}"))
    }

    /// The next reply, `None` at the end of the connection; an error when a part of it takes longer than the socket's read timeout.
    pub fn next_reply(&mut self) -> std::io::Result<Option<Reply>> {
        // A reply that is still incomplete is parsed again only when there is twice as much of it.
        let mut tried = 0;
        loop {
            let waiting = self.received.len() - self.consumed;
            if waiting > 0 && (waiting < 65_536 || waiting >= 2 * tried || self.received.ends_with(b"\r\n")) {
                tried = waiting;
                if let Some((reply, len)) = resp::parse(&self.received[self.consumed..]) {
                    self.consumed += len;
                    return Ok(Some(reply));
                }
            }
            if !self.try_receive()? {
                assert_eq!(self.consumed, self.received.len(), "a reply is cut off");
                return Ok(None);
            }
        }
    }

    /// Exactly this many bytes.
    #[track_caller]
    pub fn read_exactly(&mut self, len: usize) -> Vec<u8> {
        while self.received.len() - self.consumed < len {
            assert!(
                self.receive(),
                "the connection ended after {} of {len} bytes",
                self.received.len() - self.consumed
            );
        }
        let bytes = self.received[self.consumed..self.consumed + len].to_vec();
        self.consumed += len;
        bytes
    }

    /// Everything until the server closes the connection, in whatever way.
    #[track_caller]
    pub fn read_until_close(&mut self) -> Vec<u8> {
        while self.receive() {}
        let bytes = self.received[self.consumed..].to_vec();
        self.consumed = self.received.len();
        bytes
    }

    /// Asserts that the server closes the connection and sends nothing more.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let rest = self.read_until_close();
        assert!(rest.is_empty(), "more was sent: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Sends no more, but goes on reading.
    pub fn shut_down_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Ends the connection with a reset, as a process that crashes.
    pub fn reset(self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the pointer and the size describe `linger`.
        let result = unsafe {
            libc::setsockopt(
                self.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of::<libc::linger>() as u32,
            )
        };
        assert_eq!(result, 0);
    }

    /// Reads what has come, waiting for at least a byte; whether the connection goes on.
    #[track_caller]
    fn receive(&mut self) -> bool {
        self.try_receive().unwrap_or_else(|error| panic!("nothing came in time: {error}"))
    }

    fn try_receive(&mut self) -> std::io::Result<bool> {
        if self.consumed > 0 && self.consumed * 2 >= self.received.len() {
            self.received.drain(..self.consumed);
            self.consumed = 0;
        }
        let mut piece = [0; 65_536];
        match self.stream.read(&mut piece) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.received.extend_from_slice(&piece[..count]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(false),
            // A read with a limit is not begun again by the kernel when the machine has stopped the process meanwhile.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.try_receive(),
            Err(error) => Err(error),
        }
    }
}
