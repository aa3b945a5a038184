//! The longest common subsequence of two strings, by the table of the lengths for all pairs of prefixes.
//!
//! ```text
//!   cell(i, j) = longest common subsequence of the first i bytes of `a` and the first j of `b`
//!
//!              b: ""  m  y          a[i-1] == b[j-1]   cell(i-1, j-1) + 1
//!   a: ""          0  0  0          otherwise          the larger of cell(i-1, j) and cell(i, j-1)
//!      "o"         0  0  0
//!      "m"         0  1  1          the way back from the last corner gives the bytes, last first
//!      "y"         0  1  2
//! ```

/// A stretch that both strings have in common: `len` bytes from these indexes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index in the first string.
    pub a: usize,
    /// Index in the second string.
    pub b: usize,
    /// Number of bytes.
    pub len: usize,
}

/// The filled table for two strings.
pub struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    cells: Vec<u32>,
}

impl<'a> Table<'a> {
    /// The bytes that the table of strings with these lengths takes; `None` when that is no number.
    pub fn bytes(a_len: usize, b_len: usize) -> Option<usize> {
        (a_len + 1).checked_mul(b_len + 1)?.checked_mul(size_of::<u32>())
    }

    /// Fills the table, in time and memory of the product of the lengths.
    pub fn new(a: &'a [u8], b: &'a [u8]) -> Self {
        assert!(a.len() < u32::MAX as usize && b.len() < u32::MAX as usize, "lengths are counted in 32 bits");
        let width = b.len() + 1;
        let mut cells = vec![0u32; (a.len() + 1) * width];
        for (i, byte) in a.iter().enumerate() {
            let (above, row) = cells[i * width..(i + 2) * width].split_at_mut(width);
            for (j, other) in b.iter().enumerate() {
                row[j + 1] = if byte == other { above[j] + 1 } else { above[j + 1].max(row[j]) };
            }
        }
        Table { a, b, cells }
    }

    /// The length of the longest common subsequence.
    pub fn len(&self) -> usize {
        self.cell(self.a.len(), self.b.len())
    }

    /// The stretches that make up one longest common subsequence, the last one first.
    ///
    /// Which one, where there are several, is part of what clients see: on the way back a tie goes to a
    /// shorter prefix of `b`.
    pub fn matches(&self) -> Vec<Match> {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        let mut matches = Vec::new();
        while i > 0 && j > 0 {
            let end = i;
            while i > 0 && j > 0 && self.a[i - 1] == self.b[j - 1] {
                i -= 1;
                j -= 1;
            }
            if i < end {
                matches.push(Match { a: i, b: j, len: end - i });
            } else if self.cell(i - 1, j) > self.cell(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        matches
    }

    fn cell(&self, i: usize, j: usize) -> usize {
        self.cells[i * (self.b.len() + 1) + j] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_gives_stretches_last_first() {
        let table = Table::new(b"ohmytext", b"mynewtext");
        assert_eq!(table.len(), 6);
        assert_eq!(table.matches(), [Match { a: 4, b: 5, len: 4 }, Match { a: 2, b: 0, len: 2 }]);
    }

    #[test]
    fn empty_strings_have_nothing_in_common() {
        for (a, b) in [("", ""), ("x", ""), ("", "x"), ("x", "y")] {
            let table = Table::new(a.as_bytes(), b.as_bytes());
            assert_eq!((table.len(), table.matches()), (0, vec![]));
        }
    }

    #[test]
    fn the_length_is_what_a_search_through_all_subsequences_finds() {
        let strings = ["abcab", "bacba", "aaaa", "abab", "cba", "bca", "c"];
        for a in strings {
            for b in strings {
                let (a, b) = (a.as_bytes(), b.as_bytes());
                let subsequence = |mask: u32| (0..a.len()).filter(move |bit| mask >> bit & 1 == 1).map(|bit| a[bit]);
                let is_in_b = |mask: u32| {
                    let mut rest = b.iter();
                    subsequence(mask).all(|byte| rest.any(|&other| other == byte))
                };
                let longest = (0..1u32 << a.len()).filter(|&mask| is_in_b(mask)).map(u32::count_ones).max();
                let table = Table::new(a, b);
                assert_eq!(Some(table.len() as u32), longest);
                assert_eq!(table.matches().iter().map(|found| found.len).sum::<usize>(), table.len());
            }
        }
    }

    #[test]
    fn the_size_of_the_table_is_known_before() {
        assert_eq!(Table::bytes(2, 3), Some(48));
        assert_eq!(Table::bytes(usize::MAX / 2, 4), None);
    }
}
