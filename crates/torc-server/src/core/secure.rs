//! An encrypted connection on its core: records to plain bytes and back. The handshake was before (`tls/handshakes.rs`).
//!
//! ```text
//!   received ─> rustls ─> the engine's input          the engine's output ─> rustls ─> pending ─> socket
//! ```
//! Output is encrypted only when nothing is pending: what a slow client does not take stays plain, with the engine, where its
//! limits count it.

use std::io::{self, BufRead, IoSlice, Write};
use std::ops::Range;
use std::os::fd::RawFd;

use rustls::ServerConnection;
use torc_engine::OutputBuffer;

use super::socket::Wire;

/// Bytes that are encrypted before the socket is tried.
const PORTION_BYTES: usize = 64 * 1024;

/// Pieces that are encrypted as one record, if they fit.
const PIECES_MAX: usize = 64;

/// The session of a connection.
pub struct Secure(Box<ServerConnection>);

impl Secure {
    /// Goes on where the handshake has ended.
    pub fn new(mut session: Box<ServerConnection>) -> Self {
        // A portion, and what its records have beside.
        session.set_buffer_limit(Some(2 * PORTION_BYTES));
        Secure(session)
    }

    /// Decrypts what was received, and gives `take` the plain bytes. Whether the client has said that no more comes.
    ///
    /// # Errors
    /// What was received is no record of this session. What is pending then is the alert that says so.
    pub fn receive(&mut self, mut records: &[u8], mut take: impl FnMut(&[u8])) -> Result<bool, rustls::Error> {
        // With the end of the handshake some may have come already.
        self.drain(&mut take);
        while !records.is_empty() {
            let read = self.0.read_tls(&mut records).map_err(|error| rustls::Error::General(error.to_string()))?;
            let state = self.0.process_new_packets()?;
            self.drain(&mut take);
            if read == 0 || state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn drain(&mut self, take: &mut impl FnMut(&[u8])) {
        let mut reader = self.0.reader();
        // An error says that there is nothing now.
        while let Ok(bytes) = reader.fill_buf() {
            let len = bytes.len();
            if len == 0 {
                return;
            }
            take(bytes);
            reader.consume(len);
        }
    }

    /// Whether the socket has not taken all that was encrypted.
    pub fn is_pending(&self) -> bool {
        self.0.wants_write()
    }

    /// Sends what is pending. Whether the socket has taken all of it; `None` when the connection is broken.
    pub fn send_pending(&mut self, descriptor: RawFd) -> Option<bool> {
        let mut wire = Wire(descriptor);
        while self.0.wants_write() {
            match self.0.write_tls(&mut wire) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(false),
                Err(_) => return None,
            }
        }
        Some(true)
    }

    /// Encrypts and sends of the first `wanted` bytes as many as the socket takes, and a portion more at most, which is pending
    /// then. Returns how many were encrypted; `None` when the connection is broken.
    pub fn send(&mut self, descriptor: RawFd, output: &OutputBuffer, wanted: usize) -> Option<usize> {
        let mut taken = 0;
        while self.send_pending(descriptor)? && taken < wanted {
            let end = wanted.min(taken + PORTION_BYTES);
            match output.as_slice() {
                Some(bytes) => self.encrypt(&[IoSlice::new(&bytes[taken..end])]),
                None => self.encrypt_pieces(output, taken..end),
            }
            taken = end;
        }
        Some(taken)
    }

    fn encrypt_pieces(&mut self, output: &OutputBuffer, range: Range<usize>) {
        let mut position = range.start;
        while position < range.end {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let mut count = 0;
            while count < PIECES_MAX && position < range.end {
                let piece = output.piece_at(position).expect("the range lies in the output");
                let piece = &piece[..piece.len().min(range.end - position)];
                slices[count] = IoSlice::new(piece);
                (count, position) = (count + 1, position + piece.len());
            }
            self.encrypt(&slices[..count]);
        }
    }

    fn encrypt(&mut self, slices: &[IoSlice<'_>]) {
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let written = self.0.writer().write_vectored(slices).expect("it writes to memory");
        assert_eq!(written, len, "there is room for a portion when nothing was pending");
    }

    /// Tells the client that no more comes, if the socket takes that at once.
    pub fn say_goodbye(&mut self, descriptor: RawFd) {
        self.0.send_close_notify();
        let _ = self.send_pending(descriptor);
    }
}
