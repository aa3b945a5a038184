//! Bytes from clients: one multishot receive per connection, buffers of the core's ring. A multishot receive delivers up to 32 of them before
//! the core can say anything. So one buffer at a time is received from who has not logged in, and, when the buffers have run out, from
//! those who went without, until they have caught up: others then wait for one buffer of each of them, not for 32.

use torc_engine::Want;

use super::Core;
use super::ring::{Completion, GENERATION_MASK, Operation, Receive};

impl Core {
    /// Starts to receive, if the connection does not and is open.
    pub(super) fn arm_receive(&mut self, index: u32) {
        let Some(connection) = self.connections[index as usize].as_mut() else { return };
        if connection.receiving || connection.closing {
            return;
        }
        connection.receiving = true;
        connection.cancelling = false;
        let is_always = self.engine.is_trusted(connection.id) && !connection.is_far_behind();
        let how = if is_always { Receive::Always } else { Receive::Once };
        self.ring.receive(connection.token(Operation::Receive), connection.descriptor, how);
    }

    /// Stops receiving: the engine has no room for more of this connection.
    pub(super) fn cancel_receive(&mut self, index: u32) {
        let Some(connection) = self.connections[index as usize].as_mut() else { return };
        if !connection.receiving || connection.cancelling {
            return;
        }
        connection.cancelling = true;
        self.ring.cancel(connection.token(Operation::Receive));
    }

    /// A receive has bytes, or has ended.
    pub(super) fn received(&mut self, completion: &Completion) {
        let index = completion.token.index;
        let known = self.connections.get_mut(index as usize).and_then(Option::as_mut);
        let Some(connection) =
            known.filter(|connection| connection.id.generation & GENERATION_MASK == completion.token.generation)
        else {
            unreachable!("a connection outlives its operations");
        };
        let mut closing = connection.closing;
        let ended = completion.is_last;
        connection.silent_visits = 0;
        if ended {
            connection.receiving = false;
            connection.cancelling = false;
        }
        let has_caught_up = connection.note_left(completion);
        if let Some(buffer) = completion.buffer {
            if completion.result > 0 && !closing {
                closing = self.take_received(index, buffer, completion.result as usize);
            }
            self.ring.give_back(buffer);
        }
        if closing {
            self.close_if_quiet(index);
        } else if completion.result <= 0 {
            self.receive_failed(index, -completion.result);
        } else if ended {
            self.to_receive.push(index);
        } else if has_caught_up {
            self.look_at(index);
        }
    }

    /// Gives to the engine what is in a buffer. Whether that has ended the connection.
    #[inline]
    fn take_received(&mut self, index: u32, buffer: u16, len: usize) -> bool {
        let connection = self.connections[index as usize].as_ref().expect("it has received");
        if connection.secure.is_some() {
            return self.take_records(index, Some((buffer, len)));
        }
        let bytes = self.ring.received(buffer, len);
        self.engine.on_bytes(connection.id, bytes);
        false
    }

    /// Decrypts what is in a buffer, and what had come before. Whether that has ended the connection.
    pub(super) fn take_records(&mut self, index: u32, received: Option<(u16, usize)>) -> bool {
        let Core { connections, engine, ring, .. } = self;
        let connection = connections[index as usize].as_mut().expect("it has received");
        let id = connection.id;
        let secure = connection.secure.as_mut().expect("what it receives is encrypted");
        let records = received.map_or(&[][..], |(buffer, len)| ring.received(buffer, len));
        match secure.receive(records, |bytes| engine.on_bytes(id, bytes)) {
            Ok(false) if secure.is_pending() => engine.mark_dirty(id),
            Ok(false) => {}
            Ok(true) => engine.on_end_of_input(id),
            Err(error) => {
                tracing::debug!("An encrypted connection is closed: {error}");
                self.begin_close(index);
                return true;
            }
        }
        false
    }

    /// A receive ended without bytes: out of buffers, cancelled, end of input, or a broken connection.
    fn receive_failed(&mut self, index: u32, error: i32) {
        let Some(connection) = &self.connections[index as usize] else { return };
        let id = connection.id;
        match error {
            0 => self.engine.on_end_of_input(id),
            libc::ENOBUFS => self.to_receive.push(index),
            // The flush arms it again when the engine has room.
            libc::ECANCELED => self.engine.mark_dirty(id),
            libc::EINTR | libc::EAGAIN => self.to_receive.push(index),
            _ => self.begin_close(index),
        }
    }

    /// Receives again on the connections whose receive ended, now that buffers are back.
    pub(super) fn arm_receives(&mut self) {
        for index in std::mem::take(&mut self.to_receive) {
            let Some(connection) = &self.connections[index as usize] else { continue };
            let id = connection.id;
            if self.engine.wants(id) == Want::Input {
                self.arm_receive(index);
            }
        }
    }
}
