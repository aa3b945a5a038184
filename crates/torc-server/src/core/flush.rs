//! The end of a turn: messages to peers, replies to clients, connections to close.
//!
//! Output stays with the engine until the socket takes it. What a socket takes in one turn is bounded, and so is what all of them
//! take together, so that nobody waits for the copying of somebody else's replies; who has output left is looked at again in the
//! next turn, or when a poll says that there is room in the socket.

use torc_engine::{ConnectionId, Output, OutputBuffer, Want};

use super::ring::{Completion, Operation};
use super::{Core, Turn};

/// Bytes that one connection is sent in one turn.
const CONNECTION_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that all connections are sent in one turn; those with little output come in any case.
const TURN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Output of this size is little.
const LITTLE_BYTES: usize = 16 * 1024;

/// Pieces that one call sends.
const PIECES_MAX: usize = 64;

/// Bytes that may still be sent in this turn, and who was not sent all.
struct Round {
    bytes_left: usize,
    /// Had none, or too little: they come first in the next turn.
    left_out: Vec<ConnectionId>,
    /// Had their share.
    unfinished: Vec<ConnectionId>,
}

impl Core {
    /// What has been done leaves.
    pub(super) fn flush(&mut self, turn: &Turn) {
        self.exchange_messages(turn);
        self.flush_output();
    }

    /// Output leaves, as much as sockets take.
    pub(super) fn flush_output(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.engine.take_dirty(&mut dirty);
        let mut round = Round { bytes_left: TURN_BYTES_MAX, left_out: Vec::new(), unfinished: Vec::new() };
        for &id in &dirty {
            self.flush_connection(id, &mut round);
        }
        for &id in round.left_out.iter().chain(&round.unfinished) {
            self.engine.mark_dirty(id);
        }
        dirty.clear();
        self.dirty = dirty;
        self.arm_receives();
        if !self.to_accept.is_empty() {
            self.arm_accepts();
        }
    }

    fn flush_connection(&mut self, id: ConnectionId, round: &mut Round) {
        // The host's own sessions have no socket.
        let Some(Some(connection)) = self.connections.get_mut(id.index as usize) else { return };
        if connection.closing {
            return;
        }
        if connection.is_pending() && !connection.is_full && !self.flush_pending(id.index) {
            return self.engine.output_stays(id);
        }
        let Ok(free) = self.free_output(id) else { return self.begin_close(id.index) };
        let Some(Some(connection)) = self.connections.get_mut(id.index as usize) else { return };
        match self.engine.output(id) {
            Output::Held => return self.engine.output_stays(id),
            Output::OverLimit => return self.begin_close(id.index),
            Output::Nothing => {}
            Output::Bytes(_) if connection.is_full => self.engine.output_stays(id),
            Output::Bytes(output) if output.len() > LITTLE_BYTES && round.bytes_left == 0 => {
                round.left_out.push(id);
                self.engine.output_stays(id);
            }
            Output::Bytes(output) => {
                let all = output.len();
                let allowed = free.min(all);
                if allowed == 0 {
                    self.engine.output_stays(id);
                    return self.settle(id);
                }
                let wanted = allowed.min(CONNECTION_BYTES_MAX);
                let sent = match &mut connection.secure {
                    None => send(connection.descriptor, output, wanted),
                    Some(secure) => secure.send(connection.descriptor, output, wanted),
                };
                let Some(sent) = sent else { return self.begin_close(id.index) };
                round.bytes_left = round.bytes_left.saturating_sub(sent);
                connection.gate.note_sent(sent);
                let is_pending = connection.is_pending();
                self.engine.output_sent(id, sent);
                if sent < wanted || is_pending {
                    self.wait_for_room(id.index);
                } else if sent < allowed {
                    round.unfinished.push(id);
                }
            }
        }
        self.settle(id);
    }

    /// Sends what was encrypted and is pending. Whether the socket has taken all of it.
    fn flush_pending(&mut self, index: u32) -> bool {
        let connection = self.connections[index as usize].as_mut().expect("something is pending");
        let secure = connection.secure.as_mut().expect("something was encrypted");
        match secure.send_pending(connection.descriptor) {
            Some(true) => return true,
            Some(false) => self.wait_for_room(index),
            None => self.begin_close(index),
        }
        false
    }

    /// The socket has taken what it could: asks to be told when there is room.
    fn wait_for_room(&mut self, index: u32) {
        let connection = self.connections[index as usize].as_mut().expect("it has output");
        connection.is_full = true;
        self.ring.when_writable(connection.token(Operation::Writable), connection.descriptor);
    }

    /// A socket that was full has room again, or is closed.
    pub(super) fn has_room(&mut self, completion: &Completion) {
        let index = completion.token.index;
        let connection = self.connections[index as usize].as_mut().expect("a connection outlives its operations");
        connection.is_full = false;
        if connection.closing {
            self.close_if_quiet(index);
        } else {
            let id = connection.id;
            self.engine.mark_dirty(id);
        }
    }

    /// Brings receiving and closing in line with what the engine wants.
    fn settle(&mut self, id: ConnectionId) {
        let connection = self.connections[id.index as usize].as_ref().expect("who is flushed is connected");
        match self.engine.wants(id) {
            Want::Nothing => {}
            // What is pending leaves before.
            Want::Close if connection.is_pending() => {}
            Want::Close => self.begin_close(id.index),
            Want::Input if !connection.receiving => self.arm_receive(id.index),
            Want::NoInput if connection.receiving => self.cancel_receive(id.index),
            Want::Input | Want::NoInput => {}
        }
    }

    /// Ends all operations of a connection; its descriptor is closed after the last of them.
    pub(super) fn begin_close(&mut self, index: u32) {
        let Some(connection) = self.connections[index as usize].as_mut() else { return };
        if !connection.closing {
            connection.closing = true;
            if let Some(secure) = &mut connection.secure {
                secure.say_goodbye(connection.descriptor);
            }
            // SAFETY: a call on our own descriptor.
            unsafe { libc::shutdown(connection.descriptor, libc::SHUT_RDWR) };
            self.cancel_poll(index);
            self.cancel_receive(index);
        }
        self.close_if_quiet(index);
    }

    /// Nobody is to be told of room in the socket any more.
    fn cancel_poll(&mut self, index: u32) {
        let Some(connection) = self.connections[index as usize].as_ref().filter(|connection| connection.is_full) else {
            return;
        };
        self.ring.cancel(connection.token(Operation::Writable));
    }

    pub(super) fn close_if_quiet(&mut self, index: u32) {
        let Some(connection) = self.connections[index as usize].take_if(|connection| connection.is_quiet()) else {
            return;
        };
        self.ring.forget(connection.token(Operation::Receive));
        // SAFETY: our own descriptor, with no operation in flight, and forgotten with this.
        unsafe { libc::close(connection.descriptor) };
        self.engine.disconnected(connection.id);
        self.mesh.views[self.core].connections.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Sends what the socket takes at once of the first `wanted` bytes, or somewhat less of many pieces; `None` when the connection is
/// broken.
fn send(descriptor: i32, output: &OutputBuffer, wanted: usize) -> Option<usize> {
    match output.as_slice() {
        Some(bytes) => send_slice(descriptor, &bytes[..wanted]),
        None => send_pieces(descriptor, output, wanted),
    }
}

fn send_slice(descriptor: i32, bytes: &[u8]) -> Option<usize> {
    // SAFETY: the pointer and the length describe `bytes`.
    let sent =
        unsafe { libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    sent_bytes(sent)
}

/// Many short pieces may be less than what is wanted: calls go on until it is sent, or the socket is full.
fn send_pieces(descriptor: i32, output: &OutputBuffer, wanted: usize) -> Option<usize> {
    let mut pieces = output.pieces().peekable();
    let (mut sent, mut given) = (0, 0);
    while given < wanted && pieces.peek().is_some() {
        let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; PIECES_MAX];
        let (mut count, start) = (0, given);
        while count < PIECES_MAX
            && given < wanted
            && let Some(piece) = pieces.next()
        {
            let len = piece.len().min(wanted - given);
            vectors[count] = libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: len };
            (count, given) = (count + 1, given + len);
        }
        // SAFETY: all zero bytes are a valid msghdr without address and control data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_iov, message.msg_iovlen) = (vectors.as_mut_ptr(), count);
        // SAFETY: the vectors describe pieces of `output`, which the call only reads.
        let taken = unsafe { libc::sendmsg(descriptor, &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        let taken = sent_bytes(taken)?;
        sent += taken;
        if taken < given - start {
            break;
        }
    }
    Some(sent)
}

/// What a call has sent; `None` when the connection is broken.
fn sent_bytes(result: isize) -> Option<usize> {
    if result >= 0 {
        return Some(result as usize);
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR) => Some(0),
        _ => None,
    }
}
