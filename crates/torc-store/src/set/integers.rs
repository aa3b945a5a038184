//! Sets of integers in one run of bytes: `| width 1 | integer | integer | ..`, ascending, little endian, all of the least
//! width (2, 4 or 8 bytes) that holds each of them.

/// Integers of a set, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Integers<'a> {
    width: usize,
    bytes: &'a [u8],
}

impl<'a> Integers<'a> {
    /// Of the bytes that the functions of this module have made.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Integers<'a> {
        let (&width, bytes) = bytes.split_first().expect("the width comes first");
        Integers { width: usize::from(width), bytes }
    }

    /// Number of integers.
    #[inline]
    pub fn len(self) -> usize {
        self.bytes.len() / self.width
    }

    /// Whether there are none; no set stays so.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of each.
    pub fn width(self) -> usize {
        self.width
    }

    /// The integer with this index, in ascending order.
    #[inline]
    pub fn get(self, index: usize) -> i64 {
        let at = &self.bytes[index * self.width..];
        match self.width {
            2 => i64::from(i16::from_le_bytes([at[0], at[1]])),
            4 => i64::from(i32::from_le_bytes([at[0], at[1], at[2], at[3]])),
            _ => i64::from_le_bytes(at[..8].try_into().expect("eight bytes")),
        }
    }

    /// The index of a value, or the index where it would stand.
    pub fn search(self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// All of them, ascending.
    pub fn iter(self) -> impl Iterator<Item = i64> + Clone + 'a {
        (0..self.len()).map(move |index| self.get(index))
    }

    /// Offset of the integer with this index in the run.
    pub fn offset_of(self, index: usize) -> usize {
        1 + index * self.width
    }
}

/// The least width that holds a value.
pub fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

/// The run of these integers, which are ascending and distinct.
pub fn run_of(values: impl Iterator<Item = i64> + Clone) -> Vec<u8> {
    let width = values.clone().map(width_of).max().unwrap_or(2);
    let mut run = vec![width as u8];
    values.for_each(|value| run.extend_from_slice(&value.to_le_bytes()[..width]));
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width_are_found() {
        for values in [&[-3i64, 0, 7][..], &[-40_000, 5, 1 << 20], &[i64::MIN, -1, 0, i64::MAX], &[]] {
            let run = run_of(values.iter().copied());
            let integers = Integers::new(&run);
            assert_eq!(integers.iter().collect::<Vec<_>>(), values);
            for (index, &value) in values.iter().enumerate() {
                assert_eq!(integers.search(value), Ok(index));
                assert_eq!(integers.search(value.wrapping_add(1)).is_ok(), values.contains(&value.wrapping_add(1)));
            }
        }
    }
}
