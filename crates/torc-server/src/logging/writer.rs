//! The thread that writes the log, so that no core waits for whoever reads it.
//!
//! ```text
//!   cores --push--> queue, LINES_MAX lines --> thread --write(2)--> standard output or a file
//!            |full                               |
//!            +--> counted as lost                +--> once a second, or when the queue is empty: what was lost or left out
//! ```
//! A pipe that nobody reads, or a disk that hangs, stops this thread alone. Whoever ends the process waits for the
//! queue at most [`DRAIN_MAX`].

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
    lines: SyncSender<Vec<u8>>,
    counters: Arc<Counters>,
}

impl Queue {
    /// Starts the thread, which writes to `output`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(output: File, limiter: Arc<Limiter>, counters: Arc<Counters>) -> io::Result<Queue> {
        let (lines, queued) = sync_channel(LINES_MAX);
        let thread_counters = Arc::clone(&counters);
        let body = move || LogThread { output, queued, limiter, counters: thread_counters, lost_told: 0 }.run();
        thread::Builder::new().name("torc-log".to_owned()).stack_size(STACK_BYTES).spawn(body).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start the thread that writes the log: {error}"))
        })?;
        Ok(Queue { lines, counters })
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
        if self.lines.try_send(kept).is_err() {
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
    queued: Receiver<Vec<u8>>,
    limiter: Arc<Limiter>,
    counters: Arc<Counters>,
    lost_told: u64,
}

impl LogThread {
    /// Writes until nobody can queue any more.
    fn run(mut self) {
        let mut reported = Instant::now();
        while let Some(line) = self.next(&mut reported) {
            self.write(&line);
            self.counters.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The next line; reports on the way, if that is due. `None` when nobody can queue any more.
    fn next(&mut self, reported: &mut Instant) -> Option<Vec<u8>> {
        if reported.elapsed() >= REPORT_INTERVAL {
            *reported = Instant::now();
            self.report();
        }
        match self.queued.try_recv() {
            Ok(line) => return Some(line),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        match self.queued.recv_timeout(REPORT_INTERVAL) {
            Ok(line) => return Some(line),
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

    /// Writes one line, however long that takes. What cannot be written is lost.
    fn write(&mut self, line: &[u8]) {
        let mut rest = line;
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
        if !rest.is_empty() {
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
        }
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
    fn what_cannot_be_written_is_lost() {
        let full = File::options().write(true).open("/dev/full").expect("the device");
        let counters = Arc::new(Counters::default());
        let queue = Queue::start(full, Arc::default(), Arc::clone(&counters)).expect("a thread");
        queue.push(b"a line\n");
        drain(&counters, Duration::from_secs(10));
        assert_eq!(counters.lost.load(Ordering::Relaxed), 1);
    }
}
