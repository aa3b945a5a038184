//! What a check tells: lines on standard output, a question to the user, and a progress bar where somebody looks.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};

use crate::progress::Progress;

/// Where a check tells what it finds. Whoever does not listen any more is no reason to stop.
pub struct Report {
    out: Box<dyn Write>,
    answers: Box<dyn BufRead>,
    /// How far the reading of the present file has come.
    pub progress: Progress,
}

impl Report {
    /// To the standard streams; with a progress bar if both outputs are a terminal.
    pub fn of_process() -> Report {
        let is_watched = io::stdout().is_terminal() && io::stderr().is_terminal();
        let bar: Option<Box<dyn Write + Send>> = if is_watched { Some(Box::new(io::stderr())) } else { None };
        Report { out: Box::new(io::stdout()), answers: Box::new(io::stdin().lock()), progress: Progress::new(bar) }
    }

    /// Tells a line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        self.progress.clear();
        let _ = writeln!(self.out, "{text}");
    }

    /// Asks whether to go on. Only a `y` at the front of the answer means yes, so that no input means no.
    pub fn confirms(&mut self) -> bool {
        self.progress.clear();
        let _ = write!(self.out, "Continue? [y/N]: ");
        let _ = self.out.flush();
        let mut answer = Vec::new();
        let has_answer = self.answers.read_until(b'\n', &mut answer).is_ok();
        has_answer && answer.first().is_some_and(|first| first.eq_ignore_ascii_case(&b'y'))
    }
}

/// Bytes of a file for people: without what a terminal would obey, and no more than a line of them.
pub fn shown(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 128;
    let end = bytes.len().min(SHOWN_MAX);
    let more = if bytes.len() > end { "..." } else { "" };
    format!("{}{more}", bytes[..end].escape_ascii())
}

/// An error of the system without its number.
pub fn system_text(error: &io::Error) -> String {
    crate::storage::system_text(error)
}
