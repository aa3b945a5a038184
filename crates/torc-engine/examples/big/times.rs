//! Times of steps that are taken several times in the same way, for `big_values` and `saving`.

/// Best times of all steps, in the order in which they first came.
#[derive(Default)]
pub struct Times {
    rows: Vec<(String, Vec<u32>)>,
}

/// One pass over the steps of a row.
pub struct Series<'a> {
    best: &'a mut Vec<u32>,
    position: usize,
}

impl Times {
    /// The next pass over a row.
    pub fn series(&mut self, row: &str) -> Series<'_> {
        let place = self.rows.iter().position(|(name, _)| name == row).unwrap_or_else(|| {
            self.rows.push((row.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        Series { best: &mut self.rows[place].1, position: 0 }
    }

    /// The same from a step on.
    #[allow(dead_code, reason = "one of the two examples needs it")]
    pub fn row(&mut self, row: &str, position: usize) -> Series<'_> {
        Series { position, ..self.series(row) }
    }

    /// A line of a table for each row.
    pub fn print(&self, kind: &str) {
        for (row, best) in &self.rows {
            let longest = best.iter().max().copied().unwrap_or(0);
            let long = best.iter().filter(|&&ns| ns > 100_000).count();
            println!("| {kind} | {row} | {:.1} | {long} | {} |", f64::from(longest) / 1000.0, best.len());
        }
    }
}

impl Series<'_> {
    /// The time of the next step.
    pub fn add(&mut self, ns: u64) {
        let ns = u32::try_from(ns).unwrap_or(u32::MAX);
        match self.best.get_mut(self.position) {
            Some(best) => *best = ns.min(*best),
            None => self.best.push(ns),
        }
        self.position += 1;
    }
}
