//! Long messages that are being sent: one buffer that all who get it share, on whatever core. It is no memory of one of them, so it is
//! counted here until the last of them has taken it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes of the long messages that this core has published and that somebody has not taken; clones are the same count.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

/// A buffer that is counted as long as it is there.
struct Counted {
    buffer: Vec<u8>,
    in_flight: InFlight,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.in_flight.0.fetch_sub(self.buffer.capacity(), Ordering::Relaxed);
    }
}

impl InFlight {
    /// Shares a buffer, which counts until the last share is gone.
    pub(super) fn share(&self, buffer: Vec<u8>) -> Bytes {
        self.0.fetch_add(buffer.capacity(), Ordering::Relaxed);
        Bytes::from_owner(Counted { buffer, in_flight: self.clone() })
    }

    /// How many they are.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_counts_until_the_last_share_is_gone() {
        let in_flight = InFlight::default();
        let shares = [in_flight.share(vec![0; 1000]), in_flight.share(vec![0; 500])];
        let part = shares[0].slice(10..20);
        assert_eq!(in_flight.bytes(), 1500);
        drop(shares);
        assert_eq!(in_flight.bytes(), 1000);
        std::thread::spawn(move || drop(part)).join().expect("it ends");
        assert_eq!(in_flight.bytes(), 0);
    }
}
