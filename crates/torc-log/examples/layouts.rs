//! One log for all cores, or a file for each: what a disk makes durable, how soon, and for how much CPU.
//!
//! ```text
//!   core 0 --groups--> queue --> writer: takes all that wait, writes, fdatasync --> file      "one": one queue for all cores
//!   core 1 --groups--> queue --> writer                                         --> file      "each": one for each
//! ```
//! A group is 107 bytes, the SET of a short value. Cores make groups at a rate, or each has so many clients that wait until
//! theirs is durable, as under `appendfsync always`. "In order" is when all groups that were made before are durable, too: what a
//! reply has to wait for that may show what other cores have done. Rounds of both layouts in turn; figures are medians.
//!
//! `cargo run --release -p torc-log --example layouts -- DIRECTORY [ROUNDS [SECONDS]]`

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

const GROUP: [u8; 107] = [b'x'; 107];
const CORES: [usize; 4] = [1, 2, 4, 8];
/// How long a core that makes groups at a rate sleeps between two of its turns.
const TURN: Duration = Duration::from_millis(1);
/// The kernel's unit of CPU time in /proc.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy)]
enum Load {
    /// Groups a second, of all cores together.
    Rate(u64),
    /// Clients of each core, each with one group on its way.
    Clients(u64),
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory on the disk to be measured"));
    let rounds = arguments.next().map_or(3, |word| word.parse().expect("a number of rounds"));
    let seconds = arguments.next().map_or(3, |word| word.parse().expect("a number of seconds"));
    println!(
        "| load | cores | layout | groups/s | writes and fsyncs/s | groups each | p50 ms | p99 ms | in order: p50 ms | p99 ms | CPUs |"
    );
    println!("|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for load in [Load::Rate(20_000), Load::Clients(16)] {
        for cores in CORES {
            let mut figures = [Vec::new(), Vec::new()];
            for _ in 0..rounds {
                for (is_each, figures) in figures.iter_mut().enumerate() {
                    figures.push(measure(&directory, load, cores, is_each == 1, Duration::from_secs(seconds)));
                }
            }
            let name = match load {
                Load::Rate(rate) => format!("{rate} groups/s"),
                Load::Clients(clients) => format!("{clients} clients a core"),
            };
            for (layout, figures) in ["one", "each"].iter().zip(figures) {
                println!("| {name} | {cores} | {layout} | {} |", medians(&figures).join(" | "));
            }
        }
    }
}

/// What one run has shown: groups and fsyncs a second, groups for each, p50 and p99 in milliseconds, both in order, CPUs.
type Figures = [f64; 8];

fn medians(runs: &[Figures]) -> Vec<String> {
    let median = |index: usize| {
        let mut values: Vec<f64> = runs.iter().map(|run| run[index]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let decimals = [0, 0, 1, 2, 2, 2, 2, 2];
    (0..decimals.len()).map(|index| format!("{:.*}", decimals[index], median(index))).collect()
}

/// Groups that wait for a writer: when each was made, and by which core.
#[derive(Default)]
struct Queue {
    groups: Mutex<Vec<(Instant, usize)>>,
    wake: Condvar,
}

/// What the threads of a run share.
struct Run {
    queues: Vec<Queue>,
    /// Groups of each core that are durable.
    durable: Vec<AtomicU64>,
    has_ended: AtomicBool,
}

fn measure(directory: &Path, load: Load, cores: usize, is_each: bool, time: Duration) -> Figures {
    let writers = if is_each { cores } else { 1 };
    let run = Arc::new(Run {
        queues: (0..writers).map(|_| Queue::default()).collect(),
        durable: (0..cores).map(|_| AtomicU64::new(0)).collect(),
        has_ended: AtomicBool::new(false),
    });
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let makers: Vec<JoinHandle<()>> = (0..cores)
        .map(|core| {
            let run = Arc::clone(&run);
            thread::spawn(move || run.make(load, core, began))
        })
        .collect();
    let core_threads: Vec<Thread> = makers.iter().map(|maker| maker.thread().clone()).collect();
    let paths: Vec<PathBuf> = (0..writers).map(|number| directory.join(format!("layouts.{number}.aof"))).collect();
    let writers: Vec<JoinHandle<(u64, Vec<Life>)>> = paths
        .iter()
        .enumerate()
        .map(|(number, path)| {
            let file = File::create(path).expect("a new file");
            let (run, core_threads) = (Arc::clone(&run), core_threads.clone());
            thread::spawn(move || run.write(number, file, &core_threads))
        })
        .collect();
    thread::sleep(time);
    run.end();
    let (mut syncs, mut lives) = (0, Vec::new());
    for writer in writers {
        let (count, mut written) = writer.join().expect("a writer");
        syncs += count;
        lives.append(&mut written);
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    core_threads.iter().for_each(Thread::unpark);
    makers.into_iter().for_each(|maker| maker.join().expect("a core"));
    paths.iter().for_each(|path| fs::remove_file(path).expect("its file"));
    let groups = lives.len() as f64;
    let [p50, p99] = percentiles(lives.iter().map(|life| life.durable - life.made).collect());
    lives.sort_by_key(|life| life.made);
    let mut all_durable = began;
    let in_order = lives.iter().map(|life| {
        all_durable = all_durable.max(life.durable);
        all_durable - life.made
    });
    let [order_p50, order_p99] = percentiles(in_order.collect());
    let syncs = syncs as f64;
    [groups / seconds, syncs / seconds, groups / syncs, p50, p99, order_p50, order_p99, cpu / seconds]
}

/// p50 and p99 in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort();
    [0.5, 0.99].map(|part| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e3)
}

/// When a group was made, and when it was durable.
struct Life {
    made: Instant,
    durable: Instant,
}

impl Run {
    /// A core: hands its groups to the writer until the run ends.
    fn make(&self, load: Load, core: usize, began: Instant) {
        let mut made = 0;
        while !self.has_ended.load(Ordering::Acquire) {
            let (due, made_at) = match load {
                Load::Rate(rate) => {
                    let each = rate as f64 / self.durable.len() as f64;
                    ((began.elapsed().as_secs_f64() * each) as u64 - made, Instant::now())
                }
                Load::Clients(clients) => {
                    (clients - (made - self.durable[core].load(Ordering::Acquire)), Instant::now())
                }
            };
            if due > 0 {
                made += due;
                let queue = &self.queues[core % self.queues.len()];
                queue.groups.lock().expect("a queue").extend((0..due).map(|_| (made_at, core)));
                queue.wake.notify_one();
            }
            match load {
                Load::Rate(_) => thread::sleep(TURN),
                Load::Clients(_) => thread::park(),
            }
        }
    }

    /// A writer: until the run ends, all that waits becomes durable at once. Returns its fsyncs and its groups.
    fn write(&self, number: usize, mut file: File, cores: &[Thread]) -> (u64, Vec<Life>) {
        let (mut syncs, mut lives, mut bytes) = (0, Vec::new(), Vec::new());
        while let Some(groups) = self.take(number) {
            bytes.clear();
            groups.iter().for_each(|_| bytes.extend_from_slice(&GROUP));
            file.write_all(&bytes).expect("room");
            file.sync_data().expect("a disk");
            syncs += 1;
            let durable = Instant::now();
            for &(made, core) in &groups {
                lives.push(Life { made, durable });
                self.durable[core].fetch_add(1, Ordering::Release);
            }
            let mut told: Vec<usize> = groups.iter().map(|(_, core)| *core).collect();
            told.sort_unstable();
            told.dedup();
            told.iter().for_each(|core| cores[*core].unpark());
        }
        (syncs, lives)
    }

    /// All groups that wait; `None` when the run has ended.
    fn take(&self, number: usize) -> Option<Vec<(Instant, usize)>> {
        let queue = &self.queues[number];
        let mut groups = queue.groups.lock().expect("a queue");
        while groups.is_empty() && !self.has_ended.load(Ordering::Acquire) {
            groups = queue.wake.wait(groups).expect("a queue");
        }
        (!self.has_ended.load(Ordering::Acquire)).then(|| std::mem::take(&mut *groups))
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        for queue in &self.queues {
            // Whoever looks at the flag now holds the lock, or has not looked yet.
            drop(queue.groups.lock().expect("a queue"));
            queue.wake.notify_all();
        }
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("its name").split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks")).sum::<f64>() / TICKS_PER_SECOND
}
