//! Encoded replies on their way out, as a chain: long strings are not copied into one buffer, and nothing is moved when more is
//! written behind it.
//!
//! ```text
//!   [tail: complete] [chunk] [chunk: a string, shared] [chunk] [tail: open]
//!      before `floor`                                            written to
//! ```
//!
//! * Small replies, which are nearly all, lie in the tail alone; the chain costs them one addition when their length is asked for.
//! * When the open part of the tail is full ([`CHUNK_BYTES`]) it is closed: it becomes a chunk, and another tail is begun. Only
//!   the payload of a long string is ever apart from what stands around it; a head, and a short value, are in one piece.
//! * A string that its owner can share ([`OutputBuffer::share`]) is a chunk by reference: it stays where it lies.
//! * Who keeps many complete replies in one buffer says where the next one begins ([`OutputBuffer::begin_reply`]): the others
//!   stay as they are, and a reply that has grown chunks is taken out as a buffer of its own ([`OutputBuffer::end_reply`]).
//! * The limit is looked at whenever the tail is closed or a chunk is added, so while a reply is written. Beyond it the buffer is
//!   *cut*: its content is dropped, and so is whatever follows. Lengths go on counting, so that offsets stay valid.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Buf, Bytes};

/// An open tail is closed before it grows beyond this.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// A string from this length on becomes a chunk of its own; a shorter one is copied in less time than a chunk takes.
pub const LONG_BYTES_MIN: usize = 16 * 1024;

/// Bytes of replies: see the head of the file.
#[derive(Debug)]
pub struct OutputBuffer {
    tail: Vec<u8>,
    /// The tail before this holds complete replies, which precede the chunks.
    floor: usize,
    /// Bytes of the chunks; when cut, of those that would be there.
    chunks_bytes: usize,
    chain: Option<Box<Chain>>,
    /// More bytes than this are cut.
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct Chain {
    chunks: VecDeque<Chunk>,
    /// Of the bytes of the chunks, those of shared ones.
    shared_bytes: usize,
    is_cut: bool,
    /// A chunk that was looked for, and the offset in the chain at which it begins: the next one is near, as a rule.
    found: Cell<(usize, usize)>,
}

#[derive(Debug, Clone)]
struct Chunk {
    bytes: Bytes,
    is_shared: bool,
}

/// Where a byte lies.
enum Piece<'a> {
    /// In a chunk, at this offset of it.
    Chunk(&'a Chunk, usize),
    /// In the tail, which goes on like this from there.
    Tail(&'a [u8]),
}

impl Default for OutputBuffer {
    fn default() -> Self {
        OutputBuffer::new()
    }
}

/// What is there.
impl OutputBuffer {
    /// An empty one without a limit, that holds no memory.
    pub const fn new() -> Self {
        OutputBuffer { tail: Vec::new(), floor: 0, chunks_bytes: 0, chain: None, limit_bytes: usize::MAX }
    }

    /// Bytes written and not consumed.
    #[inline]
    pub fn len(&self) -> usize {
        self.tail.len() + self.chunks_bytes
    }

    /// Whether nothing is there.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes, when they lie in one piece.
    #[inline]
    pub fn as_slice(&self) -> Option<&[u8]> {
        self.chain.is_none().then_some(&self.tail)
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (complete, open) = self.tail.split_at(self.floor);
        let chunks = self.chain.iter().flat_map(|chain| &chain.chunks).map(|chunk| &chunk.bytes[..]);
        std::iter::once(complete).chain(chunks).chain([open]).filter(|piece| !piece.is_empty())
    }

    /// All bytes, copied if they do not lie in one piece.
    pub fn to_cow(&self) -> Cow<'_, [u8]> {
        self.as_slice().map_or_else(|| Cow::Owned(self.pieces().collect::<Vec<_>>().concat()), Cow::Borrowed)
    }

    /// All bytes, without a copy if they lie in one piece.
    pub fn into_vec(self) -> Vec<u8> {
        if self.chain.is_none() { self.tail } else { self.to_cow().into_owned() }
    }

    /// The bytes of a range, copied if they do not lie in one piece.
    pub fn range(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        let mut found: Cow<'_, [u8]> = Cow::Borrowed(&[]);
        let mut position = range.start;
        while position < range.end {
            let piece = self.piece_at(position).expect("the range lies in the buffer");
            let piece = &piece[..piece.len().min(range.end - position)];
            if found.is_empty() {
                found = Cow::Borrowed(piece);
            } else {
                found.to_mut().extend_from_slice(piece);
            }
            position += piece.len();
        }
        found
    }

    /// The rest of the piece in which the byte at this offset lies; `None` behind the end. Quick when offsets grow.
    pub fn piece_at(&self, offset: usize) -> Option<&[u8]> {
        match self.locate(offset)? {
            Piece::Chunk(chunk, at) => Some(&chunk.bytes[at..]),
            Piece::Tail(bytes) => Some(bytes),
        }
    }

    fn locate(&self, offset: usize) -> Option<Piece<'_>> {
        let (complete, open) = self.tail.split_at(self.floor);
        if offset < self.floor {
            return Some(Piece::Tail(&complete[offset..]));
        }
        let offset = offset - self.floor;
        if offset >= self.chunks_bytes {
            return open.get(offset - self.chunks_bytes..).filter(|rest| !rest.is_empty()).map(Piece::Tail);
        }
        let chain = self.chain.as_ref()?;
        let (mut index, mut start) = chain.found.get();
        if offset < start {
            (index, start) = (0, 0);
        }
        loop {
            let chunk = chain.chunks.get(index)?;
            if offset < start + chunk.bytes.len() {
                chain.found.set((index, start));
                return Some(Piece::Chunk(chunk, offset - start));
            }
            (index, start) = (index + 1, start + chunk.bytes.len());
        }
    }

    /// Memory that this buffer has for itself, so without what it shares.
    pub fn memory_bytes(&self) -> usize {
        let chain = self.chain.as_ref().map_or(0, |chain| {
            size_of::<Chain>() + chain.chunks.capacity() * size_of::<Chunk>() + self.chunks_bytes - chain.shared_bytes
        });
        self.tail.capacity() + if self.is_cut() { 0 } else { chain }
    }

    /// Bytes that were written by copying them.
    pub fn copied_bytes(&self) -> usize {
        self.len() - self.shared_bytes()
    }

    /// Bytes that it shares, with a key or with other buffers.
    pub fn shared_bytes(&self) -> usize {
        self.chain.as_ref().map_or(0, |chain| chain.shared_bytes)
    }

    /// Bytes that the tail has room for.
    #[inline]
    pub fn tail_capacity(&self) -> usize {
        self.tail.capacity()
    }

    /// Has more bytes than so many cut; complete replies do not count.
    #[inline]
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit_bytes = bytes;
    }

    /// Drops everything, as if the limit had been exceeded.
    pub fn cut_off(&mut self) {
        self.floor = 0;
        self.cut();
    }

    /// Whether the limit was exceeded, and everything dropped.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.is_cut)
    }
}

/// Writing.
impl OutputBuffer {
    /// Appends bytes.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            return self.extend_slowly(bytes);
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Appends a byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Appends zeros in one piece, to be written over.
    pub fn extend_by(&mut self, bytes: usize) -> &mut [u8] {
        self.reserve(bytes);
        let start = self.tail.len();
        self.tail.resize(start + bytes, 0);
        &mut self.tail[start..]
    }

    /// Makes room for so many bytes in one piece.
    #[inline]
    pub fn reserve(&mut self, bytes: usize) {
        if self.tail.capacity() - self.tail.len() < bytes {
            self.make_room(bytes);
        }
    }

    #[cold]
    #[inline(never)]
    fn extend_slowly(&mut self, bytes: &[u8]) {
        if bytes.len() >= LONG_BYTES_MIN {
            return self.extend_long(bytes);
        }
        self.make_room(bytes.len());
        self.tail.extend_from_slice(bytes);
    }

    /// Appends many bytes, as a chunk without slack.
    #[cold]
    #[inline(never)]
    pub(crate) fn extend_long(&mut self, bytes: &[u8]) {
        // What would be dropped is not copied.
        if self.is_cut() || self.written() + bytes.len() > self.limit_bytes {
            self.cut();
            self.chunks_bytes += bytes.len();
        } else {
            let bytes = Bytes::from(bytes.to_vec().into_boxed_slice());
            self.add_chunk(Chunk { bytes, is_shared: false });
        }
    }

    /// Appends bytes that somebody else keeps as well; short ones are copied.
    pub fn share(&mut self, bytes: Bytes) {
        if bytes.len() < LONG_BYTES_MIN {
            self.extend_from_slice(&bytes);
        } else {
            self.add_chunk(Chunk { bytes, is_shared: true });
        }
    }

    /// Appends all of another buffer, and leaves it empty: its chunks move, what is short is copied.
    pub fn append(&mut self, other: &mut OutputBuffer) {
        self.append_copy(other);
        other.clear();
    }

    /// Appends all of another buffer: its chunks are shared for as long as it keeps them, what is short is copied.
    pub fn append_copy(&mut self, other: &OutputBuffer) {
        if other.is_cut() {
            self.cut();
            self.chunks_bytes += other.len();
        } else {
            self.append_range(other, 0..other.len());
        }
    }

    /// Appends a part of another buffer in the same way.
    pub fn append_range(&mut self, other: &OutputBuffer, range: Range<usize>) {
        let mut position = range.start;
        while position < range.end {
            let wanted = range.end - position;
            position += match other.locate(position).expect("the range lies in the buffer") {
                Piece::Chunk(chunk, at) => {
                    let part = chunk.bytes.slice(at..chunk.bytes.len().min(at + wanted));
                    let len = part.len();
                    if len < LONG_BYTES_MIN {
                        self.extend_from_slice(&part);
                    } else {
                        self.add_chunk(Chunk { bytes: part, is_shared: chunk.is_shared });
                    }
                    len
                }
                Piece::Tail(bytes) => {
                    let bytes = &bytes[..bytes.len().min(wanted)];
                    self.extend_from_slice(bytes);
                    bytes.len()
                }
            };
        }
    }

    /// Puts `bytes` in place of a range that lies in one piece, as a head does that was written at once.
    pub fn replace(&mut self, range: Range<usize>, bytes: &[u8]) {
        let tail_start = self.floor + self.chunks_bytes;
        if range.start >= tail_start {
            let place = range.start - self.chunks_bytes..range.end - self.chunks_bytes;
            self.tail.splice(place, bytes.iter().copied());
            return;
        }
        assert!(range.start >= self.floor, "what is complete stays as it is");
        let Some(chain) = self.chain.as_mut().filter(|chain| !chain.is_cut) else {
            self.chunks_bytes = self.chunks_bytes - range.len() + bytes.len();
            return;
        };
        let mut start = self.floor;
        let holds = |chunk: &&mut Chunk| {
            start += chunk.bytes.len();
            range.start < start
        };
        let chunk = chain.chunks.iter_mut().find(holds).expect("the range lies in a chunk");
        let place = range.start + chunk.bytes.len() - start..range.end + chunk.bytes.len() - start;
        assert!(place.end <= chunk.bytes.len() && !chunk.is_shared, "what is replaced lies in one piece");
        chain.found.set((0, 0));
        chunk.bytes = [&chunk.bytes[..place.start], bytes, &chunk.bytes[place.end..]].concat().into();
        self.chunks_bytes = self.chunks_bytes - range.len() + bytes.len();
    }

    /// Drops what lies behind the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len >= self.floor + self.chunks_bytes {
            self.tail.truncate(len - self.chunks_bytes);
        } else {
            self.truncate_chunks(len);
        }
    }

    #[cold]
    fn truncate_chunks(&mut self, len: usize) {
        assert!(len >= self.floor, "what is complete stays");
        self.tail.truncate(self.floor);
        let chain = self.chain.as_mut().expect("the bytes before the tail are chunks");
        let kept = len - self.floor;
        chain.found.set((0, 0));
        while self.chunks_bytes > kept {
            let Some(chunk) = chain.chunks.back_mut() else {
                self.chunks_bytes = kept;
                break;
            };
            let dropped = chunk.bytes.len().min(self.chunks_bytes - kept);
            chunk.bytes.truncate(chunk.bytes.len() - dropped);
            chain.shared_bytes -= if chunk.is_shared { dropped } else { 0 };
            self.chunks_bytes -= dropped;
            if chunk.bytes.is_empty() {
                chain.chunks.pop_back();
            }
        }
        if chain.chunks.is_empty() && !chain.is_cut {
            self.chain = None;
        }
    }

    /// Drops everything, keeping the memory of the tail, and the limit.
    pub fn clear(&mut self) {
        self.tail.clear();
        (self.floor, self.chunks_bytes) = (0, 0);
        self.chain = None;
    }

    /// Gives back the tail's memory beyond so many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.tail.shrink_to(bytes);
    }

    /// Takes out the memory of the tail. Panics unless the buffer is empty.
    pub fn take_memory(&mut self) -> Vec<u8> {
        assert!(self.is_empty(), "only memory without content is taken out");
        std::mem::take(&mut self.tail)
    }

    /// Gives an empty buffer the memory of another one's tail.
    pub fn lend_memory(&mut self, memory: Vec<u8>) {
        assert!(self.is_empty() && memory.is_empty(), "only memory without content is lent");
        self.tail = memory;
    }
}

/// Many complete replies in one buffer.
impl OutputBuffer {
    /// A reply begins here. Gives the offset, for [`OutputBuffer::end_reply`].
    #[inline]
    pub fn begin_reply(&mut self) -> usize {
        assert!(self.chain.is_none(), "a reply with chunks is taken out when it ends");
        self.floor = self.tail.len();
        self.floor
    }

    /// The reply that began at `start` is complete. One with chunks leaves as a buffer of its own; any other stays, behind those
    /// before it.
    #[inline]
    pub fn end_reply(&mut self, start: usize) -> Option<Box<OutputBuffer>> {
        if self.chain.is_none() {
            self.floor = 0;
            return None;
        }
        Some(self.split_chain(start))
    }

    #[cold]
    fn split_chain(&mut self, start: usize) -> Box<OutputBuffer> {
        let mut reply = Box::new(OutputBuffer::new());
        reply.tail.extend_from_slice(&self.tail[start..]);
        self.tail.truncate(start);
        (reply.chain, reply.chunks_bytes) = (self.chain.take(), self.chunks_bytes);
        (self.floor, self.chunks_bytes) = (0, 0);
        reply
    }

    /// The bytes of complete replies.
    #[inline]
    pub fn complete(&self) -> &[u8] {
        assert!(self.chain.is_none(), "a reply with chunks was taken out when it ended");
        &self.tail
    }

    /// Drops the first bytes of complete replies.
    pub fn drain_complete(&mut self, bytes: usize) {
        assert!(self.chain.is_none() && self.floor == 0, "no reply is being written");
        self.tail.drain(..bytes);
    }
}

/// Taking out what has been sent.
impl OutputBuffer {
    /// The first `bytes` bytes have been sent.
    pub fn consume(&mut self, bytes: usize) {
        assert!(self.floor == 0 && bytes <= self.len(), "what is sent was there");
        if bytes == self.len() {
            return self.clear();
        }
        let mut left = bytes;
        if left > self.chunks_bytes {
            self.close_tail();
        }
        while left > 0 {
            let chain = self.chain.as_mut().expect("what is not in the tail is in chunks");
            let chunk = chain.chunks.front_mut().expect("they hold what is left");
            let sent = left.min(chunk.bytes.len());
            chain.found.set((0, 0));
            chunk.bytes.advance(sent);
            chain.shared_bytes -= if chunk.is_shared { sent } else { 0 };
            self.chunks_bytes -= sent;
            left -= sent;
            if chunk.bytes.is_empty() {
                chain.chunks.pop_front();
            }
        }
        if self.chunks_bytes == 0 {
            self.chain = None;
        }
    }
}

impl OutputBuffer {
    /// Makes room in the tail, which is closed first when it would become too long.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, bytes: usize) {
        let open = self.tail.len() - self.floor;
        if self.written() + bytes > self.limit_bytes || self.is_cut() {
            self.cut();
        } else if open + bytes > CHUNK_BYTES {
            self.close_tail();
            // It goes on for long, as it seems.
            self.tail.reserve(CHUNK_BYTES);
        }
        self.tail.reserve(bytes);
    }

    /// Bytes of the reply, or replies, to which the limit applies.
    fn written(&self) -> usize {
        self.len() - self.floor
    }

    /// The open part of the tail becomes a chunk.
    fn close_tail(&mut self) {
        let open = self.tail.len() - self.floor;
        if open == 0 {
            return;
        }
        // A short one leaves its memory for what comes next, a long one takes it along.
        let bytes = if self.floor == 0 && open >= self.tail.capacity() / 2 {
            Bytes::from(std::mem::take(&mut self.tail))
        } else {
            Bytes::copy_from_slice(&self.tail[self.floor..])
        };
        self.tail.truncate(self.floor);
        self.push_chunk(Chunk { bytes, is_shared: false });
    }

    fn add_chunk(&mut self, chunk: Chunk) {
        if self.is_cut() || self.written() + chunk.bytes.len() > self.limit_bytes {
            self.cut();
            self.chunks_bytes += chunk.bytes.len();
            return;
        }
        self.close_tail();
        self.push_chunk(chunk);
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        let chain = self.chain.get_or_insert_default();
        self.chunks_bytes += chunk.bytes.len();
        chain.shared_bytes += if chunk.is_shared { chunk.bytes.len() } else { 0 };
        chain.chunks.push_back(chunk);
    }

    /// Drops the reply that is being written; only its length stays.
    #[cold]
    fn cut(&mut self) {
        let chain = self.chain.get_or_insert_default();
        chain.chunks = VecDeque::new();
        chain.found.set((0, 0));
        (chain.shared_bytes, chain.is_cut) = (0, true);
        self.chunks_bytes += self.tail.len() - self.floor;
        self.tail.truncate(self.floor);
    }
}

/// A complete reply, to be put where it belongs.
#[derive(Debug)]
pub enum CompleteReply<'a> {
    /// In one piece, which somebody else keeps.
    Short(&'a [u8]),
    /// In a buffer of its own.
    Long(Box<OutputBuffer>),
}

impl CompleteReply<'_> {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            CompleteReply::Short(bytes) => bytes.len(),
            CompleteReply::Long(buffer) => buffer.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves it behind what is in another buffer.
    #[inline]
    pub fn append_to(self, out: &mut OutputBuffer) {
        match self {
            CompleteReply::Short(bytes) => out.extend_from_slice(bytes),
            CompleteReply::Long(mut buffer) => out.append(&mut buffer),
        }
    }
}

#[cfg(test)]
mod tests;
