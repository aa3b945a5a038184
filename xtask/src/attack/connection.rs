//! A client under the attack's full control: raw bytes out, replies in, and every way to leave.
//!
//! ```text
//!   text("SET k v") ---- bytes ---> send (all of it) | push (what the socket takes) | reset, drop (FIN)
//!   reply() <---------- bytes ----  skip (so many bytes, unread by anybody), is_ended (until the server closes)
//! ```
//! Replies are RESP2 and become text at once ([`Reply`]'s `Display`), which is what attacks compare.

use socket2::SockRef;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::tools::Outcome;

/// How long a reply may take before the server counts as stuck.
const REPLY_WAIT: Duration = Duration::from_secs(60);
const CONNECT_WAIT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 256 << 10;

/// One connection to a server.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// Where unread input begins.
    at: usize,
}

/// A reply in RESP2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+` and `$`: text, or a bulk string.
    Text(Vec<u8>),
    /// `-`, with its code.
    Error(String),
    /// `:`.
    Integer(i64),
    /// A null of either kind.
    Nil,
    /// `*`.
    Array(Vec<Reply>),
}

/// A request from words that are separated by spaces.
pub fn text(words: &str) -> Vec<u8> {
    request(&words.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

/// A request from any bytes.
pub fn request<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

impl Connection {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// Nobody accepts within some seconds.
    pub fn open(port: u16) -> Outcome<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let problem = |error: std::io::Error| format!("connecting to port {port}: {error}");
        let stream = TcpStream::connect_timeout(&address, CONNECT_WAIT).map_err(problem)?;
        stream.set_nodelay(true).map_err(problem)?;
        stream.set_read_timeout(Some(REPLY_WAIT)).map_err(problem)?;
        stream.set_write_timeout(Some(REPLY_WAIT)).map_err(problem)?;
        Ok(Self { stream, input: Vec::new(), at: 0 })
    }

    /// A receive buffer as small as the kernel has, so that what is not read stays with the server.
    pub fn with_small_buffer(self) -> Self {
        // Refused: the kernel's usual buffer holds some hundred kilobytes, and the attack is a little weaker.
        let _ = SockRef::from(&self.stream).set_recv_buffer_size(4096);
        self
    }

    /// The same connection, for a thread that sends while this one reads.
    ///
    /// # Errors
    /// There is no descriptor for it.
    pub fn another_handle(&self) -> Outcome<Self> {
        let stream = self.stream.try_clone().map_err(|error| format!("another handle: {error}"))?;
        Ok(Self { stream, input: Vec::new(), at: 0 })
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// The server closed the connection or takes nothing for a quarter of a minute.
    pub fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.stream.write_all(bytes).map_err(|error| format!("sending {} bytes: {error}", bytes.len()))
    }

    /// Sends as much as the server takes within `wait`, and returns how much that was. That the server closes the
    /// connection ends it too.
    pub fn push(&mut self, bytes: &[u8], wait: Duration) -> usize {
        let deadline = Instant::now() + wait;
        let mut sent = 0;
        // A socket that cannot be switched blocks for the time set at the start; nothing is lost but time.
        let _ = self.stream.set_nonblocking(true);
        while sent < bytes.len() && Instant::now() < deadline {
            match self.stream.write(&bytes[sent..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => break,
            }
        }
        let _ = self.stream.set_nonblocking(false);
        sent
    }

    /// Sends words separated by spaces and waits for the reply.
    ///
    /// # Errors
    /// No reply came.
    pub fn ask(&mut self, words: &str) -> Outcome<Reply> {
        self.exchange(&text(words)).map_err(|problem| format!("{}: {problem}", shorten(words)))
    }

    /// Sends a request and waits for one reply.
    ///
    /// # Errors
    /// No reply came.
    pub fn exchange(&mut self, request: &[u8]) -> Outcome<Reply> {
        self.send(request)?;
        self.reply()
    }

    /// Asks, and the reply must be this one.
    ///
    /// # Errors
    /// It is another one, or none came.
    pub fn expect(&mut self, words: &str, wanted: &str) -> Outcome<()> {
        let reply = self.ask(words)?.to_string();
        check_reply(words, &reply, reply == wanted, wanted)
    }

    /// Asks, and the reply must begin so.
    ///
    /// # Errors
    /// It does not, or none came.
    pub fn expect_start(&mut self, words: &str, wanted: &str) -> Outcome<()> {
        let reply = self.ask(words)?.to_string();
        check_reply(words, &reply, reply.starts_with(wanted), wanted)
    }

    /// Sends requests in pieces and reads a reply for each, of which none may be an error.
    ///
    /// # Errors
    /// A reply was an error or did not come.
    pub fn pipeline(&mut self, requests: impl Iterator<Item = Vec<u8>>) -> Outcome<()> {
        const TOGETHER: usize = 500;
        let mut requests = requests.peekable();
        while requests.peek().is_some() {
            let some: Vec<Vec<u8>> = requests.by_ref().take(TOGETHER).collect();
            self.send(&some.concat())?;
            for _ in &some {
                if let Reply::Error(error) = self.reply()? {
                    return Err(format!("a request of a pipeline failed: {error}"));
                }
            }
        }
        Ok(())
    }

    /// The next reply.
    ///
    /// # Errors
    /// None came, or it is no RESP2.
    pub fn reply(&mut self) -> Outcome<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or("an empty line instead of a reply")?;
        let number = || rest.parse::<i64>().map_err(|_| format!("no number in {line:?}"));
        Ok(match kind {
            "+" => Reply::Text(rest.as_bytes().to_vec()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(number()?),
            "$" | "*" if number()? < 0 => Reply::Nil,
            "$" => {
                let length = number()? as usize;
                let mut bytes = self.exactly(length + 2)?;
                bytes.truncate(length);
                Reply::Text(bytes)
            }
            "*" => Reply::Array((0..number()?).map(|_| self.reply()).collect::<Outcome<_>>()?),
            _ => return Err(format!("no reply of RESP2: {:?}", shorten(&line))),
        })
    }

    /// Takes so many bytes, whatever they are.
    ///
    /// # Errors
    /// Fewer came.
    pub fn skip(&mut self, length: u64) -> Outcome<()> {
        let mut buffer = vec![0; READ_BYTES.min(length as usize)];
        let mut left = length;
        while left > 0 {
            let most = buffer.len().min(left as usize);
            match self.stream.read(&mut buffer[..most]) {
                Ok(0) => return Err(format!("closed with {left} of {length} bytes to come")),
                Ok(taken) => left -= taken as u64,
                Err(error) => return Err(format!("{left} of {length} bytes to come: {error}")),
            }
        }
        Ok(())
    }

    /// Reads until the server closes the connection; `false` if it has not within `wait`.
    pub fn is_ended(&mut self, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        let mut buffer = vec![0; READ_BYTES];
        // A socket without the shorter time waits longer, and finds the same.
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(100)));
        while Instant::now() < deadline {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(length) => self.input.extend_from_slice(&buffer[..length.min(1024)]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
        }
        false
    }

    /// What has been read and not been taken as replies, as text.
    pub fn unread(&self) -> String {
        String::from_utf8_lossy(&self.input[self.at..]).into_owned()
    }

    /// Leaves by a reset (RST): the server gets no end of the stream, and whatever was on its way is lost.
    pub fn reset(self) {
        // Without it the socket is closed with a FIN; that attack exists too.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn line(&mut self) -> Outcome<String> {
        loop {
            let unread = &self.input[self.at..];
            if let Some(length) = unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&unread[..length]).into_owned();
                self.at += length + 2;
                return Ok(line);
            }
            self.read_more()?;
        }
    }

    fn exactly(&mut self, length: usize) -> Outcome<Vec<u8>> {
        while self.input.len() - self.at < length {
            self.read_more()?;
        }
        let bytes = self.input[self.at..self.at + length].to_vec();
        self.at += length;
        Ok(bytes)
    }

    fn read_more(&mut self) -> Outcome<()> {
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
        let filled = self.input.len();
        self.input.resize(filled + READ_BYTES, 0);
        let taken = self.stream.read(&mut self.input[filled..]);
        self.input.truncate(filled + *taken.as_ref().unwrap_or(&0));
        match taken {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("no reply: {error}")),
        }
    }
}

fn check_reply(words: &str, reply: &str, is_right: bool, wanted: &str) -> Outcome<()> {
    if is_right {
        return Ok(());
    }
    Err(format!("{}: reply {:?} instead of {wanted:?}", shorten(words), shorten(reply)))
}

/// The beginning, for a line that somebody reads.
pub fn shorten(text: &str) -> String {
    if text.chars().count() <= 120 { text.to_owned() } else { text.chars().take(117).chain("...".chars()).collect() }
}

impl Reply {
    /// The number, or 0 for whatever is no number.
    pub fn integer(&self) -> i64 {
        if let Reply::Integer(number) = self { *number } else { 0 }
    }

    /// The elements, or none for whatever is no array.
    pub fn elements(&self) -> &[Reply] {
        if let Reply::Array(elements) = self { elements } else { &[] }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Text(bytes) => formatter.write_str(&String::from_utf8_lossy(bytes)),
            Reply::Error(text) => formatter.write_str(text),
            Reply::Integer(number) => number.fmt(formatter),
            Reply::Nil => formatter.write_str("nil"),
            Reply::Array(elements) => {
                let words: Vec<String> = elements.iter().map(ToString::to_string).collect();
                write!(formatter, "[{}]", words.join(" "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = Connection::open(listener.local_addr().unwrap().port()).unwrap();
        (connection, listener.accept().unwrap().0)
    }

    #[test]
    fn replies_of_every_kind_are_read() {
        let (mut connection, mut server) = pair();
        server.write_all(b"*5\r\n+OK\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*1\r\n-ERR no\r\n").unwrap();
        assert_eq!(connection.reply().unwrap().to_string(), "[OK -7 a\r\n nil [ERR no]]");
        server.write_all(b"?\r\n").unwrap();
        assert!(connection.reply().is_err());
        drop(server);
        assert!(connection.reply().unwrap_err().contains("closed"));
    }

    #[test]
    fn a_wrong_reply_is_named() {
        let (mut connection, mut server) = pair();
        server.write_all(b"+QUEUED\r\n+QUEUED\r\n").unwrap();
        let problem = connection.expect("GET a", "nil").unwrap_err();
        assert_eq!(problem, "GET a: reply \"QUEUED\" instead of \"nil\"");
        connection.expect_start("GET a", "QUE").unwrap();
    }

    #[test]
    fn a_reset_is_one() {
        let (connection, mut server) = pair();
        connection.reset();
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn what_a_server_does_not_take_is_kept_back() {
        let (mut connection, server) = pair();
        let bytes = vec![0; 64 << 20];
        let sent = connection.push(&bytes, Duration::from_millis(20));
        assert!(sent > 0 && sent < bytes.len());
        assert!(!connection.is_ended(Duration::from_millis(1)));
        drop(server);
        assert!(connection.is_ended(Duration::from_secs(5)));
    }

    #[test]
    fn requests_are_resp() {
        assert_eq!(text("SET k v"), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    }
}
