//! Log lines, as Redis writes them, to standard output or to a file.
//!
//! ```text
//! 4711:M 22 Nov 2026 21:08:01.042 * Ready to accept connections
//!  pid   local time               level: . debug, - verbose, * notice, # warning
//! ```
//!
//! The rest of the program uses `tracing`'s macros. Redis's four levels are tracing's TRACE (debug), DEBUG
//! (verbose), INFO (notice), and WARN and ERROR (warning). The level can be changed while the server runs.
//!
//! ```text
//!   tracing's macros --level--> limit.rs: so many lines of a kind --> queue --> writer.rs: a thread of its own
//! ```

mod limit;
pub mod writer;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use torc_engine::LogKind;
use torc_engine::config::LogLevel;
use torc_store::memory;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};

use limit::{Limiter, Limits};
use writer::Queue;

/// Logs at a level that is known when it runs.
macro_rules! at_level {
    ($level:expr, $($text:tt)+) => {
        match $level {
            LogLevel::Debug => tracing::trace!($($text)+),
            LogLevel::Verbose => tracing::debug!($($text)+),
            LogLevel::Notice => tracing::info!($($text)+),
            LogLevel::Warning => tracing::warn!($($text)+),
            LogLevel::Nothing => {}
        }
    };
}

use crate::crash;
use crate::progress::Progress;

/// The logging that is set up: the means to change its level and to wait for it.
#[derive(Clone, Debug)]
pub struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
    counters: Arc<Counters>,
    /// To be drawn on while something takes long; `None`: the log goes to no terminal.
    queue: Option<Queue>,
}

/// What the log has not taken, for `/metrics`, and what it still has to.
#[derive(Debug, Default)]
pub struct Counters {
    /// Lines that could not be written, or not soon enough.
    pub lost: AtomicU64,
    /// Lines beyond the rate of their kind.
    pub left_out: AtomicU64,
    /// Lines that are queued or being written.
    pub waiting: AtomicUsize,
}

impl Logging {
    /// Sets up logging for the whole process, once. An empty `file` means standard output; otherwise lines are
    /// appended to that file. A panic is logged too.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread that writes not be started; the error says which.
    pub fn install(level: LogLevel, file: &str) -> io::Result<Logging> {
        let output = if file.is_empty() {
            File::from(io::stdout().as_fd().try_clone_to_owned()?)
        } else {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("log file '{file}': {error}"));
            OpenOptions::new().create(true).append(true).open(file).map_err(named)?
        };
        let counters = Arc::new(Counters::default());
        let limiter = Arc::new(Limiter::new(Arc::clone(&counters)));
        let is_terminal = output.is_terminal();
        crash::log_to(output.as_raw_fd(), Arc::clone(&counters));
        let queue = Queue::start(output, Arc::clone(&limiter), Arc::clone(&counters))?;
        log_panics(queue.clone(), Arc::clone(&counters));
        let watched = is_terminal.then(|| queue.clone());
        let (subscriber, level) = subscriber(level, limiter, queue);
        tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
        Ok(Logging { level, counters, queue: watched })
    }

    /// A bar that shows on the terminal how far something is, if the log goes to one.
    pub fn progress(&self) -> Progress {
        let terminal = self.queue.as_ref().map(Queue::terminal);
        Progress::new(terminal.map(|terminal| Box::new(terminal) as Box<dyn io::Write + Send>))
    }

    /// Changes what is logged from now on.
    pub fn set_level(&self, level: LogLevel) {
        self.level.modify(|filter| *filter = filter_of(level)).expect("the subscriber lives as long as the process");
    }

    /// What the log has not taken.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Waits until what has been logged is written, at most [`writer::DRAIN_MAX`]: for the end of the process.
    pub fn drain(&self) {
        writer::drain(&self.counters, writer::DRAIN_MAX);
    }
}

/// A panic is a line of the log, which is written before the process ends; then it goes to standard error as usual, unless
/// that is a pipe that nobody reads.
fn log_panics(queue: Queue, counters: Arc<Counters>) {
    const STDERR_WAIT_MAX: Duration = Duration::from_millis(200);
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        // It is not for want of memory that the process ends.
        memory::note_failure(0);
        queue.push(line('#', format!("Torc has a bug and ends: {}", printable(&info.to_string()))).as_bytes());
        writer::drain(&counters, writer::DRAIN_MAX);
        if writer::is_writable(io::stderr().as_raw_fd(), STDERR_WAIT_MAX) {
            usual(info);
        }
    }));
}

/// Logs what the engine asks to be logged. Each kind is a place of its own here, so each has a limit of its own.
pub fn write(kind: LogKind, text: &str) {
    let text = printable(text);
    match kind {
        LogKind::DamagedPayload => at_level!(kind.level(), "{text}"),
        LogKind::CrossProtocol => at_level!(kind.level(), "{text}"),
        LogKind::DebugLog => at_level!(kind.level(), "{text}"),
        LogKind::EmptyKey => at_level!(kind.level(), "{text}"),
        LogKind::MemoryLimit => at_level!(kind.level(), "{text}"),
        LogKind::Script(level) => at_level!(level, "{text}"),
    }
}

/// A text without characters that would end the line or command a terminal: a client may have chosen it.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

/// The lines that test suites wait for before they use a server that they have spawned: its process id, then that
/// it is initialised. Call it after the line that introduces the server.
pub fn log_initialised() {
    tracing::info!(" PID: {}", std::process::id());
    tracing::info!("Server initialized");
}

/// The line that test suites wait for before they connect. Call it when every core listens.
pub fn log_ready() {
    tracing::info!("Ready to accept connections");
}

fn subscriber<W>(
    level: LogLevel,
    limiter: Arc<Limiter>,
    writer: W,
) -> (impl Subscriber + Send + Sync, reload::Handle<LevelFilter, Registry>)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter_of(level));
    let lines = tracing_subscriber::fmt::layer().event_format(RedisLines).with_ansi(false).with_writer(writer);
    (tracing_subscriber::registry().with(filter).with(Limits(limiter)).with(lines), handle)
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

/// Writes an event as one line.
struct RedisLines;

impl<S, N> FormatEvent<S, N> for RedisLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mark = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        write!(writer, "{}:M {} {mark} ", std::process::id(), LocalTime::now())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// A whole line, for those who do not log by tracing's macros.
fn line(mark: char, text: impl fmt::Display) -> String {
    format!("{}:M {} {mark} {text}\n", std::process::id(), LocalTime::now())
}

/// A moment in the local time zone.
pub struct LocalTime {
    calendar: libc::tm,
    millisecond: u32,
}

impl LocalTime {
    /// This moment.
    pub fn now() -> LocalTime {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        LocalTime::at(since_epoch.as_secs() as libc::time_t, since_epoch.subsec_millis())
    }

    fn at(seconds: libc::time_t, millisecond: u32) -> LocalTime {
        // SAFETY: all zeros is a valid tm.
        let mut calendar: libc::tm = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers live through the call. Where the year does not fit, it stays as it is.
        unsafe { libc::localtime_r(&raw const seconds, &raw mut calendar) };
        LocalTime { calendar, millisecond }
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let calendar = &self.calendar;
        write!(
            formatter,
            "{:02} {} {} {:02}:{:02}:{:02}.{:03}",
            calendar.tm_mday,
            MONTHS[calendar.tm_mon.rem_euclid(12) as usize],
            calendar.tm_year + 1900,
            calendar.tm_hour,
            calendar.tm_min,
            calendar.tm_sec,
            self.millisecond
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::Ordering;

    /// A writer that keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while writing").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(level: LogLevel, log: impl FnOnce(&Logging)) -> Vec<String> {
        let kept = Kept::default();
        let writer = kept.clone();
        let (subscriber, level) = subscriber(level, Arc::default(), move || writer.clone());
        let logging = Logging { level, counters: Arc::default(), queue: None };
        tracing::subscriber::with_default(subscriber, || log(&logging));
        let bytes = kept.0.lock().expect("no panic while writing").clone();
        String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
    }

    fn log_one_of_each() {
        tracing::trace!("one");
        tracing::debug!("two");
        tracing::info!("three");
        tracing::warn!("four");
    }

    // One test: tracing caches per call site whether anybody listens, across threads.
    #[test]
    fn lines_levels_and_changes() {
        let found = lines(LogLevel::Debug, |_| log_one_of_each());
        let marks: String = found.iter().map(|line| line.split(' ').nth(5).expect("a mark")).collect();
        assert_eq!(marks, ".-*#");
        assert!(found[2].starts_with(&format!("{}:M ", std::process::id())), "{}", found[2]);
        assert!(found[2].ends_with(" * three"), "{}", found[2]);

        assert_eq!(lines(LogLevel::Notice, |_| log_one_of_each()).len(), 2);
        assert_eq!(lines(LogLevel::Nothing, |_| log_one_of_each()).len(), 0);
        let changed = lines(LogLevel::Warning, |logging| {
            log_one_of_each();
            logging.set_level(LogLevel::Verbose);
            log_one_of_each();
        });
        assert_eq!(changed.len(), 1 + 3);

        let found = lines(LogLevel::Notice, |_| {
            log_initialised();
            log_ready();
        });
        assert!(found[0].contains(&format!(" PID: {}", std::process::id())));
        assert!(found[1].ends_with("Server initialized"));
        assert!(found[2].ends_with("Ready to accept connections"));
        assert_eq!(found.len(), 3);

        let found = lines(LogLevel::Verbose, |_| {
            for number in 0..1000 {
                write(LogKind::DamagedPayload, &format!("bad {number}"));
                write(LogKind::DebugLog, "one\nline \x1b[0m");
            }
        });
        let count = |end: &str| found.iter().filter(|line| line.contains(end)).count();
        let limit = limit::BURST as usize..2 * limit::BURST as usize;
        assert!(limit.contains(&count(" - bad ")), "{}", found.len());
        assert!(limit.contains(&count(r" # one\nline \u{1b}[0m")), "{}", found.len());
    }

    #[test]
    fn a_panic_is_a_line_that_is_written_before_the_thread_ends() {
        let (read, write) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let counters = Arc::new(Counters::default());
        let output = File::from(std::os::fd::OwnedFd::from(write));
        let queue = Queue::start(output, Arc::default(), Arc::clone(&counters)).expect("a thread");
        memory::note_failure(1);
        log_panics(queue, Arc::clone(&counters));
        let ended = std::thread::spawn(|| panic!("two\nlines")).join();
        let _ = panic::take_hook();
        assert!(ended.is_err());
        assert_eq!((counters.waiting.load(Ordering::Acquire), memory::failed_bytes()), (0, 0));
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(read), &mut line).expect("a line");
        assert!(line.contains(" # Torc has a bug and ends: panicked at ") && line.ends_with("two\\nlines\n"), "{line}");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let error = Logging::install(LogLevel::Notice, "/nonexistent/torc.log").expect_err("no such directory");
        assert!(error.to_string().starts_with("log file '/nonexistent/torc.log': "), "{error}");
    }

    #[test]
    fn times_are_padded() {
        let time = LocalTime::at(0, 7).to_string();
        let (_, rest) = time.split_at(time.len() - 4);
        assert_eq!(rest, ".007");
        assert!(time.contains(" Jan 1970 ") || time.contains(" Dec 1969 "), "{time}");
    }
}
