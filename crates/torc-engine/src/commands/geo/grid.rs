//! Positions, and the grid of cells that geohashes number.
//!
//! At step `s` longitude and latitude are each cut into `2^s` parts. A cell's hash interleaves the bits of both numbers, latitude in
//! the even bits, so that all cells of step `s + 1` within a cell follow each other. Positions are stored at step 26: 52 bits, which a
//! score holds exactly.
//!
//! ```text
//!   x, the column: ...x2 x1 x0          hash: ... x2 y2 x1 y1 x0 y0
//!   y, the row:    ...y2 y1 y0
//! ```
//!
//! The uppermost latitude and the last longitude themselves fall into a row and a column behind the last, as in Redis; such cells have
//! one bit more than the others.

/// The step at which positions are stored.
pub const STEP_MAX: u32 = 26;
/// Highest longitude; the lowest is its negative.
pub const LONGITUDE_MAX: f64 = 180.0;
/// Highest latitude that has a cell; the lowest is its negative.
pub const LATITUDE_MAX: f64 = 85.05112878;

const EVEN_BITS: u64 = 0x5555_5555_5555_5555;

/// A place on earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// East of Greenwich, -180 to 180.
    pub longitude: f64,
    /// North of the equator, -85.05112878 to 85.05112878.
    pub latitude: f64,
}

impl Position {
    /// The hash at [`STEP_MAX`] as a score.
    #[inline]
    pub fn score(self) -> f64 {
        Cell::around(self, STEP_MAX).hash() as f64
    }

    /// The center of the cell that a score numbers. Scores that number none give some position within the limits.
    #[inline]
    pub fn of_score(score: f64) -> Position {
        let hash = hash_of_score(score);
        let (south, north) = span(even_bits(hash), STEP_MAX, LATITUDE_MAX);
        let (west, east) = span(even_bits(hash >> 1), STEP_MAX, LONGITUDE_MAX);
        Position {
            longitude: ((west + east) / 2.0).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: ((south + north) / 2.0).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The hash of 52 bits in which the rows reach from pole to pole: that of the common geohash texts.
    pub fn common_hash(self) -> u64 {
        interleave(part(self.longitude, LONGITUDE_MAX, STEP_MAX), part(self.latitude, 90.0, STEP_MAX))
    }
}

/// A cell of the grid at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    column: u32,
    row: u32,
    step: u32,
}

/// The limits of a cell, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Least longitude.
    pub west: f64,
    /// Greatest longitude.
    pub east: f64,
    /// Least latitude.
    pub south: f64,
    /// Greatest latitude.
    pub north: f64,
}

impl Cell {
    /// The cell that holds a position.
    #[inline]
    pub fn around(position: Position, step: u32) -> Cell {
        Cell {
            column: part(position.longitude, LONGITUDE_MAX, step),
            row: part(position.latitude, LATITUDE_MAX, step),
            step,
        }
    }

    /// The cell so many columns to the east and rows to the north, each -1, 0 or 1; around the earth, and over its edges too.
    pub fn neighbour(self, columns: i32, rows: i32) -> Cell {
        let mask = (1 << self.step) - 1;
        let moved = |number: u32, by: i32| if by == 0 { number } else { number.wrapping_add_signed(by) & mask };
        Cell { column: moved(self.column, columns), row: moved(self.row, rows), step: self.step }
    }

    /// The limits of the cell, in degrees.
    pub fn area(self) -> Area {
        let (south, north) = span(self.row, self.step, LATITUDE_MAX);
        let (west, east) = span(self.column, self.step, LONGITUDE_MAX);
        Area { west, east, south, north }
    }

    /// The least score of a position inside, and the least one behind all of them.
    pub fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEP_MAX - self.step);
        ((self.hash() << shift) as f64, ((self.hash() + 1) << shift) as f64)
    }

    #[inline]
    fn hash(self) -> u64 {
        interleave(self.column, self.row)
    }
}

/// In which of the `2^step` parts of `-limit..limit` a coordinate lies.
#[inline]
fn part(coordinate: f64, limit: f64, step: u32) -> u32 {
    let offset = (coordinate + limit) / (limit + limit);
    (offset * (1_u64 << step) as f64) as u32
}

/// Where one of the `2^step` parts of `-limit..limit` begins and ends.
#[inline]
fn span(number: u32, step: u32, limit: f64) -> (f64, f64) {
    let (parts, size) = ((1_u64 << step) as f64, limit + limit);
    let at = |number: u32| -limit + (f64::from(number) / parts) * size;
    (at(number), at(number.wrapping_add(1)))
}

/// A score as a hash; beyond the range of hashes what Redis makes of it.
#[inline]
fn hash_of_score(score: f64) -> u64 {
    const TWO_POW_63: f64 = (1_u64 << 63) as f64;
    if score < TWO_POW_63 {
        // Negative ones count from 2^64 downward.
        score as i64 as u64
    } else if score < 2.0 * TWO_POW_63 {
        score as u64
    } else {
        0
    }
}

/// Puts the bits of `column` between those of `row`, which become the even ones.
#[inline]
fn interleave(column: u32, row: u32) -> u64 {
    spread(row) | (spread(column) << 1)
}

/// Moves each bit to twice its position.
#[inline]
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    spread = (spread | (spread << 16)) & 0x0000_FFFF_0000_FFFF;
    spread = (spread | (spread << 8)) & 0x00FF_00FF_00FF_00FF;
    spread = (spread | (spread << 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    spread = (spread | (spread << 2)) & 0x3333_3333_3333_3333;
    (spread | (spread << 1)) & EVEN_BITS
}

/// The even bits of a hash, put together: [`spread`] reversed.
#[inline]
fn even_bits(hash: u64) -> u32 {
    let mut bits = hash & EVEN_BITS;
    bits = (bits | (bits >> 1)) & 0x3333_3333_3333_3333;
    bits = (bits | (bits >> 2)) & 0x0F0F_0F0F_0F0F_0F0F;
    bits = (bits | (bits >> 4)) & 0x00FF_00FF_00FF_00FF;
    bits = (bits | (bits >> 8)) & 0x0000_FFFF_0000_FFFF;
    (bits | (bits >> 16)) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PALERMO: Position = Position { longitude: 13.361389, latitude: 38.115556 };

    #[test]
    fn known_places_have_their_known_hashes() {
        assert_eq!(PALERMO.score(), 3479099956230698.0);
        assert_eq!(Position { longitude: 15.087269, latitude: 37.502669 }.score(), 3479447370796909.0);
        let decoded = Position::of_score(3479099956230698.0);
        assert_eq!(decoded, Position { longitude: 13.361389338970184, latitude: 38.1155563954963 });
    }

    #[test]
    fn scores_that_number_no_cell_give_positions_within_the_limits() {
        for score in [f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e300, 1e300, 1.8e19, 9.3e18, 0.5, 4503599627370496.0] {
            let Position { longitude, latitude } = Position::of_score(score);
            assert!(longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX, "{score}");
        }
    }

    #[test]
    fn neighbours_go_around_the_earth() {
        let last = Cell { column: 7, row: 3, step: 3 };
        assert_eq!(last.neighbour(1, 0), Cell { column: 0, row: 3, step: 3 });
        assert_eq!(last.neighbour(-1, 1), Cell { column: 6, row: 4, step: 3 });
        let first = Cell { column: 0, row: 0, step: 3 };
        assert_eq!(first.neighbour(-1, -1), Cell { column: 7, row: 7, step: 3 });
        assert_eq!(first.neighbour(0, 0), first);
    }

    proptest! {
        #[test]
        fn positions_survive_within_their_cell(longitude in -180.0..180.0, latitude in -85.05..85.05) {
            let position = Position { longitude, latitude };
            let decoded = Position::of_score(position.score());
            prop_assert!((decoded.longitude - longitude).abs() <= 180.0 / f64::from(1 << 26));
            prop_assert!((decoded.latitude - latitude).abs() <= 86.0 / f64::from(1 << 26));
            prop_assert_eq!(decoded.score(), position.score());
        }

        #[test]
        fn cells_hold_the_scores_of_their_positions(longitude in -180.0..180.0, latitude in -85.05..85.05, step in 1_u32..=26) {
            let position = Position { longitude, latitude };
            let cell = Cell::around(position, step);
            let (min, max) = cell.scores();
            prop_assert!(min <= position.score() && position.score() < max);
            let Area { west, east, south, north } = cell.area();
            prop_assert!(west <= longitude && longitude <= east && south <= latitude && latitude <= north);
        }

        #[test]
        fn bits_come_back_from_between_the_others(column: u32, row: u32) {
            let hash = interleave(column, row);
            prop_assert_eq!((even_bits(hash >> 1), even_bits(hash)), (column, row));
            prop_assert_eq!(hash & 1, u64::from(row & 1));
        }
    }
}
