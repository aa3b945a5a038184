//! The traces: which keys are asked for, one after another. They are the same each time.

/// Keys that are asked for again and again.
pub const KEYS: usize = 1_000_000;

/// A small source of random numbers.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// One below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }
}

/// What a trace looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Popularity after Zipf's law with exponent 0.99.
    Zipf,
    /// The same; after each 500,000 requests, 200,000 keys are asked for once, one after another.
    Scan,
    /// The same; after each 100,000 requests another 20,000 keys become the most popular.
    Shift,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Zipf, Kind::Scan, Kind::Shift];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Zipf => "zipf",
            Kind::Scan => "zipf with scans",
            Kind::Shift => "shifting",
        }
    }
}

/// A trace.
pub struct Trace {
    kind: Kind,
    random: Random,
    /// Sums of the popularities, by rank.
    sums: Vec<f64>,
    number: usize,
    scanned: u32,
}

impl Trace {
    /// From its beginning.
    pub fn new(kind: Kind) -> Trace {
        let mut sum = 0.0;
        let sums = (1..=KEYS).map(|rank| {
            sum += (rank as f64).powf(-0.99);
            sum
        });
        Trace { kind, random: Random(42), sums: sums.collect(), number: 0, scanned: 0 }
    }

    fn rank(&mut self) -> usize {
        let point = self.random.next() as f64 / u64::MAX as f64 * self.sums[KEYS - 1];
        self.sums.partition_point(|&sum| sum < point).min(KEYS - 1)
    }
}

impl Iterator for Trace {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let number = self.number;
        self.number += 1;
        if self.kind == Kind::Scan && number % 700_000 >= 500_000 {
            self.scanned += 1;
            return Some(KEYS as u32 + self.scanned);
        }
        let mut rank = self.rank();
        if self.kind == Kind::Shift {
            rank = (rank + number / 100_000 * 20_000) % KEYS;
        }
        // Neighbours in popularity are no neighbours otherwise.
        Some((rank as u64 * 2_654_435_761 % KEYS as u64) as u32)
    }
}
