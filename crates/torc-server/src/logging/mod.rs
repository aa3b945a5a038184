//! Log lines, as Redis writes them, to standard output or to a file.
//!
//! ```text
//! 4711:M 22 Nov 2026 21:08:01.042 * Ready to accept connections
//!  pid   local time               level: . debug, - verbose, * notice, # warning
//! ```
//!
//! The rest of the program uses `tracing`'s macros. Redis's four levels are tracing's TRACE (debug), DEBUG
//! (verbose), INFO (notice), and WARN and ERROR (warning). The level can be changed while the server runs.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::sync::Mutex;

use torc_engine::config::LogLevel;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};

/// The logging that is set up: the means to change its level.
#[derive(Clone, Debug)]
pub struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
}

impl Logging {
    /// Sets up logging for the whole process, once. An empty `file` means standard output; otherwise lines are
    /// appended to that file.
    pub fn install(level: LogLevel, file: &str) -> io::Result<Logging> {
        let writer = if file.is_empty() {
            BoxMakeWriter::new(io::stdout)
        } else {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("log file '{file}': {error}"));
            let file = OpenOptions::new().create(true).append(true).open(file).map_err(named)?;
            BoxMakeWriter::new(Mutex::new(file))
        };
        let (subscriber, logging) = subscriber(level, writer);
        tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
        Ok(logging)
    }

    /// Changes what is logged from now on.
    pub fn set_level(&self, level: LogLevel) {
        self.level.modify(|filter| *filter = filter_of(level)).expect("the subscriber lives as long as the process");
    }
}

/// Writes a line of this importance.
pub fn write(level: LogLevel, line: &str) {
    match level {
        LogLevel::Debug => tracing::trace!("{line}"),
        LogLevel::Verbose => tracing::debug!("{line}"),
        LogLevel::Notice => tracing::info!("{line}"),
        LogLevel::Warning => tracing::warn!("{line}"),
        LogLevel::Nothing => {}
    }
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

fn subscriber(level: LogLevel, writer: BoxMakeWriter) -> (impl Subscriber + Send + Sync, Logging) {
    let (filter, handle) = reload::Layer::new(filter_of(level));
    let lines = tracing_subscriber::fmt::layer()
        .event_format(RedisLines { process_id: std::process::id() })
        .with_ansi(false)
        .with_writer(writer);
    (tracing_subscriber::registry().with(filter).with(lines), Logging { level: handle })
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
struct RedisLines {
    process_id: u32,
}

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
        write!(writer, "{}:M {} {mark} ", self.process_id, LocalTime::now())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// A moment in the local time zone.
struct LocalTime {
    calendar: libc::tm,
    millisecond: u32,
}

impl LocalTime {
    fn now() -> LocalTime {
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
    use std::sync::Arc;

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
        let (subscriber, logging) = subscriber(level, BoxMakeWriter::new(move || writer.clone()));
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
