//! The end of a turn: messages to peers, replies to clients, connections to close.

use io_uring::{opcode, types};
use torc_engine::{ConnectionId, Output, Want};

use super::Core;
use super::ring::Completion;
use super::token::{Operation, Token};

/// Output that gathers behind a send in flight is put away in chunks of at least this size.
const WAITING_CHUNK_BYTES: usize = 256 * 1024;

impl Core {
    pub(super) fn flush(&mut self) {
        self.flush_messages();
        let mut dirty = std::mem::take(&mut self.dirty);
        self.engine.take_dirty(&mut dirty);
        for &id in &dirty {
            self.flush_connection(id);
        }
        dirty.clear();
        self.dirty = dirty;
        self.arm_receives();
        if !self.to_accept.is_empty() {
            self.arm_accepts();
        }
    }

    fn flush_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections[id.index as usize].as_mut() else { return };
        if connection.closing {
            return;
        }
        match self.engine.output(id) {
            Output::Held => return,
            Output::OverLimit => return self.begin_close(id.index),
            Output::Nothing => {}
            Output::Bytes(bytes) if connection.is_sending() => {
                if bytes.len() >= WAITING_CHUNK_BYTES {
                    connection.wait(self.engine.take_output(id, 0));
                }
            }
            Output::Bytes(bytes) => match send(connection.descriptor, bytes) {
                Some(sent) if sent == bytes.len() => self.engine.output_sent(id),
                Some(sent) => self.send_rest(id, sent),
                None => return self.begin_close(id.index),
            },
        }
        self.settle(id);
    }

    /// The socket has taken what it could: the ring sends the rest when there is room.
    fn send_rest(&mut self, id: ConnectionId, sent: usize) {
        let connection = self.connections[id.index as usize].as_mut().expect("it has output");
        connection.sending = self.engine.take_output(id, sent);
        connection.sent = sent;
        self.submit_send(id.index);
    }

    fn submit_send(&mut self, index: u32) {
        let connection = self.connections[index as usize].as_mut().expect("it has output");
        let rest = &connection.sending[connection.sent..];
        let len = rest.len().min(i32::MAX as usize) as u32;
        let token = Token { operation: Operation::Send, index, generation: connection.id.generation };
        let send =
            opcode::Send::new(types::Fd(connection.descriptor), rest.as_ptr(), len).flags(libc::MSG_NOSIGNAL).build();
        // SAFETY: `sending` is neither changed nor freed, and the descriptor not closed, before the completion.
        unsafe { self.ring.push(send, token) };
    }

    /// A send of the ring has ended: the rest goes on, or what gathered meanwhile is flushed.
    pub(super) fn send_ended(&mut self, completion: &Completion) {
        let index = completion.token.index;
        let connection = self.connections[index as usize].as_mut().expect("a connection outlives its operations");
        let id = connection.id;
        if connection.closing || completion.result < 0 {
            connection.drop_output();
            if connection.closing {
                self.close_if_quiet(index)
            } else {
                self.begin_close(index)
            }
            return;
        }
        let sent = completion.result as usize;
        connection.sent += sent;
        let goes_on = connection.sent < connection.sending.len() || connection.send_next();
        self.engine.rest_sent(id, sent);
        if goes_on {
            self.submit_send(index);
        }
    }

    /// Brings receiving and closing in line with what the engine wants.
    fn settle(&mut self, id: ConnectionId) {
        let connection = self.connections[id.index as usize].as_ref().expect("who is flushed is connected");
        match self.engine.wants(id) {
            Want::Nothing => {}
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
            // SAFETY: a call on our own descriptor.
            unsafe { libc::shutdown(connection.descriptor, libc::SHUT_RDWR) };
            self.cancel_receive(index);
        }
        self.close_if_quiet(index);
    }

    pub(super) fn close_if_quiet(&mut self, index: u32) {
        let Some(connection) = self.connections[index as usize].take_if(|connection| connection.is_quiet()) else {
            return;
        };
        // SAFETY: our own descriptor, with no operation in flight, and forgotten with this.
        unsafe { libc::close(connection.descriptor) };
        self.engine.disconnected(connection.id);
        self.mesh.views[self.core].connections.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Sends what the socket takes at once; `None` when the connection is broken.
fn send(descriptor: i32, bytes: &[u8]) -> Option<usize> {
    // SAFETY: the pointer and the length describe `bytes`.
    let sent =
        unsafe { libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if sent >= 0 {
        return Some(sent as usize);
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR) => Some(0),
        _ => None,
    }
}
