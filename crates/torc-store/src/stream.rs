//! A stream in object form.

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Stream {}

impl Stream {
    /// Number of elements.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory besides the struct itself.
    pub(crate) fn external_bytes(&self) -> usize {
        0
    }

    /// Frees a slice of it. True: nothing is left.
    pub(crate) fn dismantle(&mut self) -> bool {
        true
    }
}
