//! The thread that writes the log, so that no core waits for whoever reads it.
//!
//! ```text
//!   cores --push--> queue, LINES_MAX lines --> thread --write(2)--> standard output or a file
//!            |full                               |
//!            +--> counted as lost                +--> once a second, or when the queue is empty: what was lost or left out
//! ```
//! A pipe that nobody reads, or a disk that hangs, stops this thread alone. Whoever ends the process waits for the
//! queue at most [`DRAIN_MAX`].
//!
//! On a terminal a bar may stand below the lines ([`Terminal`]). It goes through the same queue, so that lines never meet it, and nobody
//! waits for a terminal that is stopped.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::limit::Limiter;
use super::{Counters, line};

/// Lines that may wait to be written.
const LINES_MAX: usize = 1024;
/// The longest line, in bytes; the rest of a longer one is cut off. With [`LINES_MAX`] it bounds the queue's memory.
const LINE_BYTES_MAX: usize = 4096;
/// How often the thread says what was lost or left out.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The stack of the thread, which only moves bytes.
const STACK_BYTES: usize = 256 << 10;
/// How long the end of the process may wait for what is queued.
pub const DRAIN_MAX: Duration = Duration::from_secs(1);

/// The way to the thread.
#[derive(Clone, Debug)]
pub struct Queue {
    entries: SyncSender<Entry>,
    counters: Arc<Counters>,
}

impl Queue {
    /// Starts the thread, which writes to `output`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(output: File, limiter: Arc<Limiter>, counters: Arc<Counters>) -> io::Result<Queue> {
        let (entries, queued) = sync_channel(LINES_MAX);
        let thread_counters = Arc::clone(&counters);
        let body = move || {
            LogThread { output, queued, limiter, counters: thread_counters, lost_told: 0, bar_width: 0 }.run();
        };
        thread::Builder::new().name("torc-log".to_owned()).stack_size(STACK_BYTES).spawn(body).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start the thread that writes the log: {error}"))
        })?;
        Ok(Queue { entries, counters })
    }

    /// Queues a line, with its end; counts it as lost when the queue is full. Never waits.
    pub fn push(&self, line: &[u8]) {
        let mut kept = line[..line.len().min(LINE_BYTES_MAX)].to_vec();
        if kept.len() < line.len() {
            const CUT: &[u8] = b"...\n";
            kept.truncate(LINE_BYTES_MAX - CUT.len());
            kept.extend_from_slice(CUT);
        }
        self.counters.waiting.fetch_add(1, Ordering::AcqRel);
        if self.entries.try_send(Entry::Line(kept)).is_err() {
            self.counters.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// What is queued.
#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// It stands below the lines, and has no end of its own.
    Bar(Vec<u8>),
}

/// Where a bar is drawn, if the log goes to a terminal: each write is one state of it. What cannot be queued is not drawn.
#[derive(Debug)]
pub struct Terminal(Queue);

impl Queue {
    /// The terminal that the lines go to.
    pub fn terminal(&self) -> Terminal {
        Terminal(self.clone())
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let counters = &self.0.counters;
        counters.waiting.fetch_add(1, Ordering::AcqRel);
        if self.0.entries.try_send(Entry::Bar(bytes.to_vec())).is_err() {
            counters.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes a whole line at once, as the subscriber writes it.
pub struct Line<'a>(&'a Queue);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until everything queued is written, at most for this long. Allocates nothing: it is used when memory is gone, too.
pub fn drain(counters: &Counters, limit: Duration) {
    let start = Instant::now();
    while counters.waiting.load(Ordering::Acquire) > 0 && start.elapsed() < limit {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether something can be written within the limit, without waiting longer.
pub fn is_writable(descriptor: RawFd, limit: Duration) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to one structure, as the count says.
    unsafe { libc::poll(&raw mut poll, 1, limit.as_millis() as libc::c_int) == 1 }
}

struct LogThread {
    output: File,
    queued: Receiver<Entry>,
    limiter: Arc<Limiter>,
    counters: Arc<Counters>,
    lost_told: u64,
    /// Characters of the bar that stands on the terminal.
    bar_width: usize,
}

impl LogThread {
    /// Writes until nobody can queue any more.
    fn run(mut self) {
        let mut reported = Instant::now();
        while let Some(entry) = self.next(&mut reported) {
            match entry {
                Entry::Line(line) => self.write(&line),
                Entry::Bar(bar) => {
                    self.write_out(&bar);
                    self.bar_width = String::from_utf8_lossy(&bar).trim().chars().count();
                }
            }
            self.counters.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The next entry; reports on the way, if that is due. `None` when nobody can queue any more.
    fn next(&mut self, reported: &mut Instant) -> Option<Entry> {
        if reported.elapsed() >= REPORT_INTERVAL {
            *reported = Instant::now();
            self.report();
        }
        match self.queued.try_recv() {
            Ok(entry) => return Some(entry),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        match self.queued.recv_timeout(REPORT_INTERVAL) {
            Ok(entry) => return Some(entry),
            Err(RecvTimeoutError::Disconnected) => return None,
            // A kind is over its limit only just after a line of it has passed, so after this look all is said.
            Err(RecvTimeoutError::Timeout) => self.report(),
        }
        self.queued.recv().ok()
    }

    /// Says what is missing from the log.
    fn report(&mut self) {
        for left_out in self.limiter.take_left_out() {
            let text = format!("{} lines like \"{}\" were left out", left_out.count, left_out.example);
            self.write(line('#', text).as_bytes());
        }
        let lost = self.counters.lost.load(Ordering::Relaxed);
        if lost > self.lost_told {
            let text =
                format!("{} lines of the log were lost: it took them too slowly, or not at all", lost - self.lost_told);
            self.lost_told = lost;
            self.write(line('#', text).as_bytes());
        }
    }

    /// Writes one line, in the place of a bar. What cannot be written is lost.
    fn write(&mut self, line: &[u8]) {
        let blank = " ".repeat(std::mem::take(&mut self.bar_width));
        if !blank.is_empty() {
            self.write_out(format!("\r{blank}\r").as_bytes());
        }
        if !self.write_out(line) {
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes all of it, however long that takes; whether it could.
    fn write_out(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => break,
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody made the pipe non-blocking for all who have it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_writable(self.output.as_raw_fd(), REPORT_INTERVAL);
                }
                Err(_) => break,
            }
        }
        rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::fd::{FromRawFd, OwnedFd};

    fn pipe() -> (File, File) {
        let mut ends = [0; 2];
        // SAFETY: the pointer is to two descriptors, which the kernel fills in and nobody else owns.
        unsafe {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
            (OwnedFd::from_raw_fd(ends[0]).into(), OwnedFd::from_raw_fd(ends[1]).into())
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_costs_lines_and_no_time() {
        let (read, write) = pipe();
        let counters = Arc::new(Counters::default());
        let queue = Queue::start(write, Arc::default(), Arc::clone(&counters)).expect("a thread");
        let long = [vec![b'x'; 3 * LINE_BYTES_MAX], b"\n".to_vec()].concat();
        let start = Instant::now();
        let pushed = 10 * LINES_MAX as u64;
        (0..pushed).for_each(|_| queue.push(&long));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        let lost = counters.lost.load(Ordering::Relaxed);
        assert!(lost > 0);
        drain(&counters, Duration::from_millis(20));
        assert!(counters.waiting.load(Ordering::Acquire) > 0);
        drop(queue);
        let lines: Vec<String> = BufReader::new(read).lines().map(|line| line.expect("text")).collect();
        let (whole, rest): (Vec<&String>, Vec<&String>) = lines.iter().partition(|line| line.starts_with('x'));
        assert_eq!(whole.len() as u64, pushed - lost);
        assert!(whole.iter().all(|line| line.len() == LINE_BYTES_MAX - 1 && line.ends_with("...")));
        assert!(rest.iter().all(|line| line.contains(" lines of the log were lost")), "{rest:?}");
        assert_eq!(counters.waiting.load(Ordering::Acquire), 0);
    }

    #[test]
    fn lost_lines_are_told_of_when_the_log_is_read_again() {
        let (read, write) = pipe();
        let counters = Arc::new(Counters::default());
        counters.lost.store(7, Ordering::Relaxed);
        let queue = Queue::start(write, Arc::default(), counters).expect("a thread");
        queue.push(b"a line\n");
        let mut lines = BufReader::new(read).lines().map(|line| line.expect("text"));
        assert_eq!(lines.next().expect("a line"), "a line");
        let told = lines.next().expect("a report");
        assert!(told.contains(" # 7 lines of the log were lost"), "{told}");
    }

    #[test]
    fn a_line_takes_the_place_of_a_bar() {
        let (mut read, write) = pipe();
        let queue = Queue::start(write, Arc::default(), Arc::default()).expect("a thread");
        let mut terminal = queue.terminal();
        terminal.write_all(b"\rbar").expect("it never fails");
        queue.push(b"a line\n");
        queue.push(b"another\n");
        terminal.write_all(b"\rbar").expect("it never fails");
        terminal.write_all(b"\r   ").expect("it never fails");
        queue.push(b"a third\n");
        drop((terminal, queue));
        let mut text = String::new();
        io::Read::read_to_string(&mut read, &mut text).expect("text");
        assert_eq!(text, "\rbar\r   \ra line\nanother\n\rbar\r   a third\n");
    }

    #[test]
    fn what_cannot_be_written_is_lost() {
        let full = File::options().write(true).open("/dev/full").expect("the device");
        let counters = Arc::new(Counters::default());
        let queue = Queue::start(full, Arc::default(), Arc::clone(&counters)).expect("a thread");
        queue.push(b"a line\n");
        drain(&counters, Duration::from_secs(10));
        assert_eq!(counters.lost.load(Ordering::Relaxed), 1);
    }
}
