//! The id of an entry: a time in milliseconds, and a number that tells entries of the same millisecond apart.

/// Orders the entries of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId {
    /// Unix time in milliseconds, or whatever the client chose.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last possible id.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// An id of its parts.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// Whether it is `0-0`.
    pub fn is_zero(self) -> bool {
        self == StreamId::MIN
    }

    /// The id right behind; `None` for the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| StreamId { ms, seq: 0 }),
        }
    }

    /// The id right before; `None` for `0-0`.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| StreamId { ms, seq: u64::MAX }),
        }
    }
}

/// The printed form of an id, `ms-seq`, kept in place.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; ID_TEXT_MAX],
    start: u8,
}

/// Two numbers of up to 20 digits, and a dash.
const ID_TEXT_MAX: usize = 41;

impl IdText {
    /// Prints an id.
    #[inline]
    pub fn new(id: StreamId) -> IdText {
        let mut bytes = [0; ID_TEXT_MAX];
        let dash = print_before(&mut bytes, id.seq) - 1;
        bytes[dash] = b'-';
        let start = print_before(&mut bytes[..dash], id.ms) as u8;
        IdText { bytes, start }
    }

    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start as usize..]
    }
}

/// Prints a number so that it ends where the buffer ends; returns where it starts.
#[inline]
fn print_before(buffer: &mut [u8], mut number: u64) -> usize {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!(StreamId::new(2, 3).next().and_then(StreamId::previous), Some(StreamId::new(2, 3)));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
        assert_eq!(IdText::new(StreamId::MAX).as_bytes(), b"18446744073709551615-18446744073709551615");
        assert_eq!(IdText::new(StreamId::new(0, 10)).as_bytes(), b"0-10");
        assert!(StreamId::new(1, 9) < StreamId::new(2, 0) && StreamId::MIN.is_zero());
    }
}
