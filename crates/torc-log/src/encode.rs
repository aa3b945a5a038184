//! Records to bytes, on the core that made them.
//!
//! A group does not say SELECT for its first command: only the writer knows which database the group before it, of
//! whatever core, has left selected. It carries that database instead:
//!
//! ```text
//!   core 0: [0: SET a] [3: SET b]   first 0, last 3    SET a, SELECT 3, SET b
//!   core 1: [3: SET c]              first 3, last 3    SET c
//!   merged: SELECT 0, SET a, SELECT 3, SET b, SET c         the second group needs no SELECT
//! ```
//! A record of several commands is one MULTI ... EXEC. Its SELECT comes before MULTI, as Redis writes it; where the
//! database changes within it, SELECT is one of its commands.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// The request that begins a transaction.
pub const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
/// The request that ends it.
pub const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Memory is taken so much at a time; the groups in it share it.
const BLOCK_BYTES: usize = 256 << 10;
/// With less than this left of a block, the next one is begun.
const LEFT_BYTES_MIN: usize = 4 << 10;
/// Blocks that are kept until what is in them is written, to be used again.
const SPENT_BLOCKS_MAX: usize = 8;

/// The records of one group as they are written, but for a SELECT in front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub(crate) bytes: Bytes,
    /// Which database must be selected before the bytes, and which one is after them. `None`: there are no commands.
    pub(crate) databases: Option<(u16, u16)>,
    pub(crate) commands: u32,
}

impl Content {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.databases.is_none()
    }

    /// Bytes to be written, a SELECT in front not counted.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Commands in it, those of transactions each by itself; MULTI, EXEC and SELECT are not counted.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// The bytes, to be shared with replicas.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The database that the first command needs, and the one that the last has left selected.
    pub fn databases(&self) -> Option<(u16, u16)> {
        self.databases
    }
}

/// Makes the content of groups; a core has one and keeps it, since groups share its buffer.
///
/// ```
/// use torc_log::Encoder;
/// let mut encoder = Encoder::default();
/// encoder.record([(0, &b"*1\r\n$1\r\na\r\n"[..])]);
/// let content = encoder.take();
/// assert_eq!((content.databases(), content.commands()), (Some((0, 0)), 1));
/// ```
#[derive(Debug, Default)]
pub struct Encoder {
    buffer: BytesMut,
    /// Ends of blocks, the oldest first: each block is free when its end is all that is left of it.
    spent: VecDeque<BytesMut>,
    databases: Option<(u16, u16)>,
    commands: u32,
}

impl Encoder {
    /// Appends a record: its commands in order, each with its database and encoded as a request
    /// ([`torc_resp::write_request`]). No command, no record.
    pub fn record<'a>(&mut self, commands: impl IntoIterator<Item = (u16, &'a [u8])>) {
        let mut commands = commands.into_iter();
        let Some(first) = commands.next() else { return };
        self.make_room(0);
        let second = commands.next();
        let is_transaction = second.is_some();
        self.select(first.0);
        if is_transaction {
            self.buffer.put_slice(MULTI);
        }
        self.command(first);
        for command in second.into_iter().chain(commands) {
            self.select(command.0);
            self.command(command);
        }
        if is_transaction {
            self.buffer.put_slice(EXEC);
        }
    }

    /// Appends so many records of one command each, all of this database: their requests, one behind another.
    pub fn records_of_one(&mut self, db: u16, commands: u32, requests: &[u8]) {
        assert!(requests.starts_with(b"*"), "a command is encoded as a request");
        self.make_room(requests.len());
        self.select(db);
        self.buffer.put_slice(requests);
        self.commands += commands;
    }

    /// What has been appended since the last call.
    pub fn take(&mut self) -> Content {
        // A turn that changes nothing pays no more than this.
        if self.databases.is_none() {
            return Content::default();
        }
        let content = Content {
            bytes: self.buffer.split().freeze(),
            databases: self.databases.take(),
            commands: std::mem::take(&mut self.commands),
        };
        assert_eq!(content.bytes.is_empty(), content.is_empty(), "bytes and databases come together");
        content
    }

    /// Begins the next block when beside so many bytes little is left of this one. A record may be longer than what is left.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        if self.buffer.capacity() - self.buffer.len() < LEFT_BYTES_MIN + bytes {
            self.begin_block(bytes);
        }
    }

    /// The next block is the oldest, if nobody holds what was in it.
    #[cold]
    fn begin_block(&mut self, bytes: usize) {
        let begun = self.buffer.split();
        let block_bytes = BLOCK_BYTES.max(begun.len() + LEFT_BYTES_MIN + bytes);
        let mut next = match self.spent.front_mut().map(|oldest| oldest.try_reclaim(block_bytes)) {
            Some(true) => self.spent.pop_front().expect("it was looked at"),
            _ => BytesMut::with_capacity(block_bytes),
        };
        next.put_slice(&begun);
        drop(begun);
        let spent = std::mem::replace(&mut self.buffer, next);
        self.spent.push_back(spent);
        self.spent.truncate(SPENT_BLOCKS_MAX);
    }

    fn command(&mut self, (_, request): (u16, &[u8])) {
        assert!(request.starts_with(b"*"), "a command is encoded as a request");
        self.buffer.put_slice(request);
        self.commands += 1;
    }

    fn select(&mut self, db: u16) {
        let (first, last) = self.databases.unwrap_or((db, db));
        if last != db {
            put_select(&mut self.buffer, db);
        }
        self.databases = Some((first, db));
    }
}

/// Appends the request that selects this database.
pub(crate) fn put_select(out: &mut BytesMut, db: u16) {
    let number = db.to_string();
    out.put_slice(format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = b"*1\r\n$1\r\na\r\n";

    fn encoded(records: &[&[u16]]) -> (String, Option<(u16, u16)>) {
        let mut encoder = Encoder::default();
        for record in records {
            encoder.record(record.iter().map(|db| (*db, A)));
        }
        let content = encoder.take();
        let mut select = BytesMut::new();
        put_select(&mut select, 12);
        assert_eq!(&select[..], b"*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n");
        let text = String::from_utf8(content.bytes.to_vec()).unwrap();
        let names = [("*1\r\n$1\r\na\r\n", "a "), ("*1\r\n$5\r\nMULTI\r\n", "M "), ("*1\r\n$4\r\nEXEC\r\n", "E ")];
        let text = names.iter().fold(text, |text, (from, to)| text.replace(from, to));
        (text.replace("*2\r\n$6\r\nSELECT\r\n$1\r\n", "S").replace("\r\n", " "), content.databases)
    }

    #[test]
    fn a_group_carries_its_databases() {
        assert_eq!(encoded(&[]), (String::new(), None));
        assert_eq!(encoded(&[&[]]), (String::new(), None));
        assert_eq!(encoded(&[&[0], &[3], &[3]]), ("a S3 a a ".into(), Some((0, 3))));
    }

    #[test]
    fn records_of_one_command_are_taken_as_one_piece_and_as_each_by_itself() {
        let (mut together, mut apart) = (Encoder::default(), Encoder::default());
        let mut written = Vec::new();
        // Of all lengths, so that blocks end anywhere, also within what is taken as one piece.
        for round in 0..200_usize {
            let (db, commands) = ((round / 3 % 2) as u16, 1 + round % 40);
            let value = vec![b'v'; round * 7];
            let request = [format!("*1\r\n${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
            together.records_of_one(db, commands as u32, &request.repeat(commands));
            (0..commands).for_each(|_| apart.record([(db, &request[..])]));
            if round % 5 == 0 {
                let (one, other) = (together.take(), apart.take());
                assert!(one == other, "round {round}");
                // Some are held for long, some not.
                written.push(one);
                written.truncate(round % 11);
            }
        }
    }

    #[test]
    fn a_record_of_several_is_a_transaction() {
        assert_eq!(encoded(&[&[1, 1], &[2, 3]]), ("M a a E S2 M a S3 a E ".into(), Some((1, 3))));
    }
}
