//! A bar that shows how much of a file has been read, drawn over itself about ten times a second: by `torc check`, and by a server that
//! loads its data on a terminal.
//!
//! ```text
//!   appendonly.aof.1.incr.aof  [============>                 ]  43 % of 1843 MiB
//! ```

use std::io::Write;
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const INTERVAL: Duration = Duration::from_millis(100);
/// Characters of the bar itself, and of a name beside it.
const BAR_WIDTH: usize = 30;
const NAME_WIDTH: usize = 28;

/// The bar; without an output it does nothing.
pub struct Progress {
    out: Option<Box<dyn Write + Send>>,
    name: String,
    bytes: u64,
    drawn: Option<Instant>,
    /// Characters that stand on the terminal's line.
    shown: usize,
}

impl Progress {
    /// A bar on this terminal, if there is one.
    pub fn new(out: Option<Box<dyn Write + Send>>) -> Progress {
        Progress { out, name: String::new(), bytes: 0, drawn: None, shown: 0 }
    }

    /// A file of so many bytes is about to be read.
    pub fn begin(&mut self, name: &str, bytes: u64) {
        self.clear();
        let skipped = name.chars().count().saturating_sub(NAME_WIDTH);
        self.name = name.chars().skip(skipped).map(|it| if it.is_control() { '?' } else { it }).collect();
        (self.bytes, self.drawn) = (bytes, None);
    }

    /// So much of it has been read.
    pub fn reach(&mut self, at: u64) {
        if self.out.is_none() || self.drawn.is_some_and(|drawn| drawn.elapsed() < INTERVAL) {
            return;
        }
        self.drawn = Some(Instant::now());
        let line = bar(&self.name, at, self.bytes);
        self.put(&line);
        self.shown = line.chars().count();
    }

    /// Removes it from the terminal, for something else to be written there.
    pub fn clear(&mut self) {
        if self.shown > 0 {
            self.put(&" ".repeat(self.shown));
            self.put("");
            self.shown = 0;
        }
    }

    fn put(&mut self, text: &str) {
        if let Some(out) = &mut self.out {
            // In one piece, since others write there too.
            let _ = out.write_all(format!("\r{text}").as_bytes());
            let _ = out.flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(name: &str, at: u64, bytes: u64) -> String {
    let share = |of: u64| (u128::from(at.min(bytes)) * u128::from(of)).checked_div(bytes.into()).unwrap_or(of.into());
    let filled = share(BAR_WIDTH as u64) as usize;
    let tip = if filled < BAR_WIDTH { ">" } else { "" };
    let bar = format!("{}{tip}", "=".repeat(filled));
    format!("{name}  [{bar:BAR_WIDTH$}] {:3} % of {} MiB", share(100), bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_is_drawn_and_removed() {
        let screen = Screen::default();
        let mut progress = Progress::new(Some(Box::new(screen.clone())));
        progress.begin(&format!("{}\u{1b}x", "n".repeat(100)), 4 << 20);
        progress.reach(1 << 20);
        progress.reach(2 << 20);
        progress.clear();
        progress.clear();
        let text = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        let line = format!("{}?x  [{}>{}]  25 % of 4 MiB", "n".repeat(26), "=".repeat(7), " ".repeat(22));
        assert_eq!(text, format!("\r{line}\r{}\r", " ".repeat(line.len())), "the second one came too early");
    }

    #[test]
    fn every_share_has_the_same_width() {
        let width = bar("x", 0, 10).len();
        for at in 0..=12 {
            assert_eq!(bar("x", at, 10).len(), width);
        }
        assert!(bar("x", 10, 10).contains("100 %"));
        assert!(bar("x", 0, 0).contains("100 %"));
        assert!(bar("x", u64::MAX, u64::MAX).contains("100 %"));
    }

    #[test]
    fn nothing_is_drawn_where_nobody_looks() {
        let mut progress = Progress::new(None);
        progress.begin("x", 1);
        progress.reach(1);
        assert_eq!(progress.shown, 0);
    }
}
