//! Buffers of values that replies are sent from: long strings are lent, not copied.
//!
//! ```text
//!   lend     a Loan for the buffer, counted: one by the keyspace, one by each reply that is not sent yet
//!   reclaim  the keyspace is about to change, move or free the buffer: it may if nobody else has the loan
//!   leave    somebody does: the buffer is left to them, and the last one frees it, on whatever core that is
//! ```
//! A lent buffer is never written to and never moves, so that it can be read on other cores. A buffer is known by its address, which
//! no other one has while it is lent. Values in place and objects are never lent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::large::Buffer;

/// Shorter values are copied in less time than a loan takes.
pub(crate) const LENT_BYTES_MIN: usize = torc_resp::LONG_BYTES_MIN;

/// Loans that have come back are looked for when there are this many, and whenever they have doubled.
const SWEEP_FROM: usize = 64;

/// The loans of a keyspace; clones are the same loans. Used by the keyspace's thread alone, but for the count of what was left to others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loans(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Open>,
    /// Number of open loans, so that who changes a value need not look.
    count: AtomicUsize,
    /// Bytes of buffers that were left to others.
    left_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Open {
    /// By the address of the buffer.
    loans: HashMap<usize, Arc<Loan>>,
    sweep_at: usize,
}

/// A lent buffer.
#[derive(Debug)]
struct Loan {
    buffer: Buffer,
    /// The keyspace has left the buffer to whoever has the loan.
    is_left: AtomicBool,
    home: Arc<Shared>,
}

// SAFETY: while the loan is open nobody writes to the buffer's bytes or frees them, as the head of the file says; its memory comes from
// the global allocator or is a mapping, either of which any thread may free.
unsafe impl Send for Loan {}
// SAFETY: as above; the bytes are only read.
unsafe impl Sync for Loan {}

/// A reply's share in a loan.
struct Borrowed(Arc<Loan>);

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        let buffer = &self.0.buffer;
        // SAFETY: the buffer holds `len` initialised bytes, and stays as it is while the loan is open.
        unsafe { std::slice::from_raw_parts(buffer.address(), buffer.len()) }
    }
}

impl Loans {
    /// Lends the bytes of a buffer that belongs to the keyspace.
    pub(crate) fn lend(&self, buffer: Buffer) -> Bytes {
        let mut open = self.open();
        if open.loans.len() >= open.sweep_at.max(SWEEP_FROM) {
            open.loans.retain(|_, loan| Arc::strong_count(loan) > 1);
            open.sweep_at = open.loans.len() * 2;
        }
        let loan = open
            .loans
            .entry(buffer.address().addr())
            .or_insert_with(|| Arc::new(Loan { buffer, is_left: AtomicBool::new(false), home: Arc::clone(&self.0) }));
        assert_eq!(loan.buffer.len(), buffer.len(), "a buffer does not change while it is lent");
        let borrowed = Borrowed(Arc::clone(loan));
        self.0.count.store(open.loans.len(), Ordering::Relaxed);
        Bytes::from_owner(borrowed)
    }

    /// Ends the loan of a buffer if nobody has it any more. True: the buffer is the keyspace's own.
    #[inline]
    pub(crate) fn reclaim(&self, buffer: &Buffer) -> bool {
        self.0.count.load(Ordering::Relaxed) == 0 || self.reclaim_open(buffer)
    }

    #[cold]
    fn reclaim_open(&self, buffer: &Buffer) -> bool {
        let mut open = self.open();
        let address = buffer.address().addr();
        // Only the keyspace makes shares of a loan that nobody else has, so that it stays so.
        if open.loans.get_mut(&address).is_some_and(|loan| Arc::get_mut(loan).is_none()) {
            return false;
        }
        open.loans.remove(&address);
        self.0.count.store(open.loans.len(), Ordering::Relaxed);
        true
    }

    /// Leaves a buffer that could not be reclaimed just now to those who have it: the last of them frees it.
    pub(crate) fn leave(&self, buffer: &Buffer) {
        let mut open = self.open();
        let loan = open.loans.remove(&buffer.address().addr()).expect("it is lent");
        self.0.count.store(open.loans.len(), Ordering::Relaxed);
        self.0.left_bytes.fetch_add(buffer.resident_bytes(), Ordering::Relaxed);
        loan.is_left.store(true, Ordering::Release);
        // If all have come back meanwhile, this is the last share, and frees the buffer.
        drop(loan);
    }

    /// Bytes of buffers that were left to others, who have not sent them yet.
    pub(crate) fn left_bytes(&self) -> usize {
        self.0.left_bytes.load(Ordering::Relaxed)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.open.lock().expect("nothing panics while it has the loans")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if *self.is_left.get_mut() {
            self.home.left_bytes.fetch_sub(self.buffer.resident_bytes(), Ordering::Relaxed);
            // SAFETY: the keyspace has left the buffer to the loan, which nobody has any more.
            unsafe { self.buffer.free_at_once() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crate::tests::keyspace;
    use crate::{Entry, Keyspace, Occupied, StringForm};

    const NOW: i64 = 1;

    fn keyspace_with(value: &[u8]) -> Keyspace {
        let mut keyspace = keyspace(1);
        set(&mut keyspace, b"k", value);
        keyspace
    }

    fn set(keyspace: &mut Keyspace, key: &[u8], value: &[u8]) {
        match keyspace.entry(0, key, NOW) {
            Entry::Occupied(mut occupied) => occupied.replace(value, None, StringForm::Auto),
            Entry::Vacant(vacant) => vacant.insert_string(value, None, StringForm::Auto),
        }
    }

    fn lend(keyspace: &mut Keyspace) -> bytes::Bytes {
        keyspace.peek(0, b"k", NOW).expect("it is there").lend().expect("it is long")
    }

    /// What a keyspace does to the key.
    type Change = (&'static str, fn(&mut Keyspace));

    const CHANGES: [Change; 9] = [
        ("append", |keyspace| occupied(keyspace, |entry| _ = entry.append(b"tail"))),
        ("write", |keyspace| occupied(keyspace, |entry| _ = entry.write_at(5, b"new"))),
        ("edit", |keyspace| occupied(keyspace, |entry| entry.bytes_mut().expect("a string")[0] = b'#')),
        ("grow", |keyspace| occupied(keyspace, |entry| entry.grow_quietly(3_000_000)[1] = b'#')),
        ("overwrite", |keyspace| set(keyspace, b"k", &[b'o'; 30_000])),
        ("shorten", |keyspace| set(keyspace, b"k", b"short")),
        ("remove", |keyspace| _ = keyspace.remove(0, b"k", NOW)),
        ("flush", |keyspace| keyspace.flush(0, true)),
        ("hand over", |keyspace| drop(keyspace.hand_over(0, b"k", NOW))),
    ];

    fn occupied(keyspace: &mut Keyspace, work: impl FnOnce(&mut Occupied<'_>)) {
        let Entry::Occupied(mut entry) = keyspace.entry(0, b"k", NOW) else { panic!("it is there") };
        work(&mut entry);
    }

    #[test]
    fn what_is_lent_stays_as_it_was() {
        for len in [20_000, 900_000, 2_000_000] {
            if cfg!(miri) && len > 20_000 {
                continue;
            }
            for (name, change) in CHANGES {
                if name == "hand over" && len < 1 << 20 {
                    continue;
                }
                let value: Vec<u8> = (0..len).map(|index| index as u8).collect();
                let mut keyspace = keyspace_with(&value);
                let lent = [lend(&mut keyspace), lend(&mut keyspace)];
                assert_eq!(lent[0].as_ptr(), lent[1].as_ptr(), "nothing is copied");
                change(&mut keyspace);
                while keyspace.background(NOW, 1000).more {}
                assert!(lent.iter().all(|lent| *lent == value), "{name} of {len} bytes");
                assert!(keyspace.memory().lent_bytes >= len, "{name}: it is counted while somebody sends it");
                // The last one is dropped by another thread, as that of another core's connection is.
                thread::spawn(move || drop(lent)).join().expect("it is only dropped");
                assert_eq!(keyspace.memory().lent_bytes, 0, "{name}: it is freed with the last reply");
            }
        }
    }

    #[test]
    fn what_has_come_back_is_changed_in_place() {
        let mut keyspace = keyspace_with(&[b'x'; 100_000]);
        let address = lend(&mut keyspace).as_ptr();
        occupied(&mut keyspace, |entry| entry.bytes_mut().expect("a string")[0] = b'#');
        let lent = lend(&mut keyspace);
        assert!(lent.as_ptr() == address && lent[0] == b'#');
        assert_eq!(keyspace.memory().lent_bytes, 0);
    }

    #[test]
    fn loans_that_have_come_back_are_forgotten() {
        let mut keyspace = keyspace_with(&[b'x'; 20_000]);
        for number in 0..if cfg!(miri) { 70 } else { 1000 } {
            let key = format!("k{number}");
            set(&mut keyspace, key.as_bytes(), &[b'x'; 20_000]);
            drop(keyspace.peek(0, key.as_bytes(), NOW).expect("it is there").lend());
            assert!(keyspace.storage.large.loans.open().loans.len() <= super::SWEEP_FROM);
        }
    }

    #[test]
    fn short_values_are_not_lent() {
        let keyspace = keyspace_with(b"short");
        assert!(keyspace.peek(0, b"k", NOW).expect("it is there").lend().is_none());
    }
}
