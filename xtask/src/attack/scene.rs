//! One attack on one server: what it starts from, who watches, what is left, and the verdict.
//!
//! ```text
//!   open ---- server, observer (asks CLIENT LIST, INFO), one victim per core (not yet PINGing); figures of the empty server
//!     attack(&mut Scene):  prepares ... scene.begin() ... harms ... leaves (drops or resets its connections)
//!              begin: peak of memory from here on, victims PING from here on
//!   close --- waits until nothing is left, or for some seconds: clients, descriptors, memory (after FLUSHALL), CPU
//!     Figures, and a line for every bound that is exceeded
//! ```
//! Bounds of memory are the attack's own ([`Bounds::peak_mb`]) and what it may legitimately store ([`Scene::allow`]).

use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, Reply};
use super::process::{self, CpuClock};
use super::random::Random;
use super::server::{Contender, Log, Server};
use super::victim::{Latencies, Victim};
use crate::tools::Outcome;

/// How long a server may take to get rid of what an attack has left.
const LEFTOVERS_WAIT: Duration = Duration::from_secs(6);
/// Each core keeps a piece of its heap, and some buffers, for what comes next.
const KEPT_BYTES_PER_CORE_MAX: u64 = 2 << 20;
/// Of one CPU: "idle" has timers and the observer's questions.
const IDLE_SHARE_MAX: f64 = 0.08;
const IDLE_WINDOW: Duration = Duration::from_millis(100);
/// In the short form the server may *work* so many times longer while a PING waits, and at least [`BUSY_WORKED_MS_MIN`],
/// and the clock is only to find PINGs that are forgotten: it runs on machines with two CPUs that builds, tests, the
/// attack itself and the server share, where a thread that is runnable waits for tens to hundreds of milliseconds. What
/// it is to find are stalls by the size of what a client sends.
const BUSY_FACTOR: u64 = 4;
const BUSY_WORKED_MS_MIN: u64 = 500;
const BUSY_WAITED_MS_MAX: u64 = 10_000;

/// What is done to a server, and what must come of it.
pub struct Attack {
    /// For `--only` and the table.
    pub name: &'static str,
    /// What the clients do, for the table.
    pub harm: &'static str,
    /// What the server may lose by it.
    pub bounds: Bounds,
    /// Which servers can be attacked this way.
    pub targets: Targets,
    /// Where the server's log goes.
    pub log: Log,
    /// Does it. An error is a wrong reply, or none.
    pub run: fn(&mut Scene) -> Outcome<()>,
}

/// What an attack must not exceed.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Resident memory above that at [`Scene::begin`], MiB, beside what was allowed.
    pub peak_mb: u64,
    /// PING, share of time: 99.9 %, milliseconds.
    pub ping_p999_ms: u64,
    /// The longest PING, milliseconds.
    pub ping_max_ms: u64,
}

impl Attack {
    /// On all servers, with the log in a file.
    pub const fn new(
        name: &'static str,
        harm: &'static str,
        bounds: Bounds,
        run: fn(&mut Scene) -> Outcome<()>,
    ) -> Self {
        Self { name, harm, bounds, targets: Targets::All, log: Log::File, run }
    }
}

impl Bounds {
    /// Memory in MiB, PING in milliseconds: for 99.9 % of the time, and the longest.
    pub const fn new(peak_mb: u64, ping_p999_ms: u64, ping_max_ms: u64) -> Self {
        Self { peak_mb, ping_p999_ms, ping_max_ms }
    }
}

/// Servers to which an attack applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// All of them.
    All,
    /// It is about something that only Torc has.
    Torc,
}

/// How hard and how strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The smallest sizes, wide bounds of time: about a second for each attack.
    Short,
    /// Random sizes, strict bounds.
    Long,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Resident memory above that at the beginning, bytes.
    pub peak_bytes: u64,
    /// The bound that held for it, bytes.
    pub peak_bytes_max: u64,
    /// PING, microseconds.
    pub ping_p999_us: u64,
    /// PING, microseconds.
    pub ping_max_us: u64,
    /// The longest time for which the server worked while a PING waited, microseconds.
    pub ping_worked_us: u64,
    /// How long the attack took with its preparations, seconds.
    pub seconds: f64,
    /// Connections and descriptors that were left.
    pub left: u64,
    /// CPU seconds that the server took.
    pub cpu_seconds: f64,
    /// The server ended, or the attack does not apply.
    pub ending: Ending,
    /// Every bound that was exceeded, every wrong reply.
    pub problems: Vec<String>,
}

/// Whether there are figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// The server lived.
    #[default]
    Survived,
    /// It ended or had to be killed.
    Ended,
    /// It ran, and a victim got no reply for many seconds, or lost its connection.
    Stuck,
    /// The attack does not apply to it.
    LeftOut,
}

/// What an attack works with.
pub struct Scene {
    /// The server under attack.
    pub server: Server,
    /// Asks what the server knows of itself.
    pub observer: Connection,
    /// For sizes and contents.
    pub random: Random,
    form: Form,
    idle_victims: Vec<Connection>,
    victims: Vec<Victim>,
    start: State,
    begin_bytes: u64,
    begin_cpu_ns: u64,
    allowed_bytes: u64,
    is_left_out: bool,
}

/// The figures that must come back to what they were.
#[derive(Debug, Clone, Copy)]
struct State {
    descriptors: usize,
    clients: usize,
    used_bytes: u64,
}

/// Attacks one server once.
pub fn play(attack: &Attack, contender: &Contender, cores: u16, form: Form, random: Random) -> Figures {
    if attack.targets == Targets::Torc && !contender.is_torc {
        return Figures { ending: Ending::LeftOut, ..Figures::default() };
    }
    let mut scene = match Scene::open(attack, contender, cores, form, random) {
        Ok(scene) => scene,
        Err(problem) => return Figures { ending: Ending::Ended, problems: vec![problem], ..Figures::default() },
    };
    let mut figures = Figures::default();
    let start = Instant::now();
    let outcome = (attack.run)(&mut scene);
    figures.problems.extend(outcome.err());
    scene.close(attack, &mut figures);
    figures.seconds = start.elapsed().as_secs_f64();
    if !scene.server.is_alive() {
        figures.ending = Ending::Ended;
        figures.problems.push(format!("the server ended: {}", scene.server.last_words()));
        return figures;
    }
    if scene.is_left_out {
        figures.ending = Ending::LeftOut;
    }
    let is_sanitized = contender.is_sanitized;
    scene.judge(attack, is_sanitized, &mut figures);
    figures.problems.extend(scene.server.stop().err());
    figures
}

impl Scene {
    fn open(attack: &Attack, contender: &Contender, cores: u16, form: Form, random: Random) -> Outcome<Self> {
        let server = Server::start(contender, cores, attack.log)?;
        let mut observer = Connection::open(server.port)?;
        let mut idle_victims = Vec::new();
        for port in server.core_ports() {
            let mut victim = Connection::open(port)?;
            victim.expect("PING", "PONG")?;
            idle_victims.push(victim);
        }
        let clients = 1 + idle_victims.len();
        // Whoever asked whether the server is ready may still be there.
        let deadline = Instant::now() + LEFTOVERS_WAIT;
        while client_count(&mut observer)? != clients && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        let start =
            State { descriptors: process::descriptors(server.pid)?, clients, used_bytes: used_bytes(&mut observer)? };
        Ok(Self {
            server,
            observer,
            random,
            form,
            idle_victims,
            victims: Vec::new(),
            start,
            begin_bytes: 0,
            begin_cpu_ns: 0,
            allowed_bytes: 0,
            is_left_out: false,
        })
    }

    /// From here on memory and PINGs count: what comes before prepares.
    ///
    /// # Errors
    /// The server is gone.
    pub fn begin(&mut self) -> Outcome<()> {
        assert!(self.victims.is_empty(), "an attack begins once");
        self.server.reset_peak();
        self.begin_bytes = process::resident_bytes(self.server.pid)?;
        self.begin_cpu_ns = process::cpu_ns(self.server.pid)?;
        for connection in self.idle_victims.drain(..) {
            self.victims.push(Victim::start(connection, CpuClock::open(self.server.pid)?));
        }
        Ok(())
    }

    /// Adds to the bound of memory what the attack makes the server store, or leaves untaken within its limits.
    pub fn allow(&mut self, bytes: u64) {
        self.allowed_bytes += bytes;
    }

    /// Another connection, to any core.
    ///
    /// # Errors
    /// The server does not accept.
    pub fn connect(&self) -> Outcome<Connection> {
        Connection::open(self.server.port)
    }

    /// Many connections; as many as this process may have, if that is fewer.
    ///
    /// # Errors
    /// The server does not accept.
    pub fn connect_many(&self, count: usize) -> Outcome<Vec<Connection>> {
        let most = process::own_descriptors_max().saturating_sub(100);
        (0..count.min(most)).map(|_| self.connect()).collect()
    }

    /// The short form's size in the short form; in the long one anything up to `long`, in thousands from a thousand on.
    pub fn size(&mut self, short: u64, long: u64) -> u64 {
        if self.form == Form::Short {
            return short;
        }
        let size = self.random.between(short, long);
        // Attacks send their elements in batches of hundreds.
        if size >= 1000 { size / 1000 * 1000 } else { size }
    }

    /// How long an attack that has no size goes on.
    pub fn duration(&mut self) -> Duration {
        Duration::from_millis(self.size(600, 5_000))
    }

    /// The attack does not apply to this server; it returns after this.
    pub fn leave_out(&mut self) {
        self.is_left_out = true;
    }

    fn close(&mut self, attack: &Attack, figures: &mut Figures) {
        if self.victims.is_empty() && self.server.is_alive() && figures.problems.is_empty() && !self.is_left_out {
            figures.problems.push(format!("{} never began", attack.name));
        }
        let mut problems = Vec::new();
        // Freeing what an attack has left may stall others as well: the victims go on until it is gone.
        problems.extend(self.wait_for_clients(figures).err());
        let mut latencies = match Latencies::none() {
            Ok(latencies) => latencies,
            Err(problem) => return figures.problems.push(problem),
        };
        let victims: Vec<Victim> = self.victims.drain(..).collect();
        for victim in victims {
            match victim.stop() {
                Ok((connection, part)) => {
                    self.idle_victims.push(connection);
                    problems.extend(latencies.add(&part).err());
                }
                Err(problem) => {
                    figures.ending = Ending::Stuck;
                    problems.push(problem);
                }
            }
        }
        note_latencies(&latencies, figures);
        figures.peak_bytes = self.server.peak_bytes().saturating_sub(self.begin_bytes);
        let cpu_ns = process::cpu_ns(self.server.pid).unwrap_or(self.begin_cpu_ns);
        figures.cpu_seconds = cpu_ns.saturating_sub(self.begin_cpu_ns) as f64 / 1e9;
        if problems.is_empty() {
            problems.extend(self.wait_for_rest(figures).err());
        }
        figures.problems.extend(problems);
    }

    /// Until only observer and victims are connected.
    fn wait_for_clients(&mut self, figures: &mut Figures) -> Outcome<()> {
        let deadline = Instant::now() + LEFTOVERS_WAIT;
        loop {
            let left = client_count(&mut self.observer)?.saturating_sub(self.start.clients);
            figures.left = left as u64;
            if left == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{left} clients are left in CLIENT LIST"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Until descriptors, memory and CPU are where they were.
    fn wait_for_rest(&mut self, figures: &mut Figures) -> Outcome<()> {
        let deadline = Instant::now() + LEFTOVERS_WAIT;
        self.observer.expect("FLUSHALL", "OK")?;
        let memory_max = u64::from(self.server.cores) * KEPT_BYTES_PER_CORE_MAX;
        loop {
            let descriptors = process::descriptors(self.server.pid)?.saturating_sub(self.start.descriptors);
            let memory = used_bytes(&mut self.observer)?.saturating_sub(self.start.used_bytes);
            let idle_share = self.busy_share()?;
            figures.left = descriptors as u64;
            if descriptors == 0 && memory <= memory_max && idle_share <= IDLE_SHARE_MAX {
                return Ok(());
            }
            if Instant::now() > deadline {
                let percent = idle_share * 100.0;
                return Err(format!(
                    "left: {descriptors} descriptors, used_memory {} KB above the start, {percent:.0} % of a CPU",
                    memory >> 10
                ));
            }
        }
    }

    /// Of one CPU, over a moment in which nobody asks for anything.
    fn busy_share(&self) -> Outcome<f64> {
        let (before, start) = (process::cpu_ns(self.server.pid)?, Instant::now());
        thread::sleep(IDLE_WINDOW);
        let spent_ns = process::cpu_ns(self.server.pid)?.saturating_sub(before);
        Ok(spent_ns as f64 / start.elapsed().as_nanos() as f64)
    }

    fn judge(&self, attack: &Attack, is_sanitized: bool, figures: &mut Figures) {
        let bounds = attack.bounds;
        figures.peak_bytes_max = (bounds.peak_mb << 20) + self.allowed_bytes;
        if is_sanitized {
            return;
        }
        let (peak, most) = (figures.peak_bytes, figures.peak_bytes_max);
        if peak > most {
            figures.problems.push(format!("memory peaked {} KB above the start, bound {} KB", peak >> 10, most >> 10));
        }
        for (name, took_us, most_ms) in self.ping_bounds(bounds, figures) {
            if took_us > most_ms * 1000 {
                let (took_ms, worked_ms) = (took_us / 1000, figures.ping_worked_us / 1000);
                let problem = format!("PING {name} {took_ms} ms, bound {most_ms} ms; the server worked {worked_ms} ms");
                figures.problems.push(problem);
            }
        }
    }

    /// What is judged: name, microseconds, most milliseconds.
    fn ping_bounds(&self, bounds: Bounds, figures: &Figures) -> [(&'static str, u64, u64); 3] {
        let (p999, max, worked) = (figures.ping_p999_us, figures.ping_max_us, figures.ping_worked_us);
        let (work_ms, p999_ms, clock_ms) = if self.form == Form::Long {
            (bounds.ping_max_ms, bounds.ping_p999_ms * BUSY_FACTOR, bounds.ping_max_ms * BUSY_FACTOR)
        } else {
            let work_ms = (bounds.ping_max_ms * BUSY_FACTOR).max(BUSY_WORKED_MS_MIN);
            (work_ms, work_ms.max(BUSY_WAITED_MS_MAX), work_ms.max(BUSY_WAITED_MS_MAX))
        };
        [("max (server working)", worked, work_ms), ("p99.9", p999, p999_ms), ("max", max, clock_ms)]
    }
}

fn note_latencies(latencies: &Latencies, figures: &mut Figures) {
    figures.ping_p999_us = latencies.waited_us.value_at_quantile(0.999);
    figures.ping_max_us = latencies.waited_us.max();
    figures.ping_worked_us = latencies.worked_us_max;
}

fn client_count(observer: &mut Connection) -> Outcome<usize> {
    let list = observer.ask("CLIENT LIST")?;
    if let Reply::Error(error) = &list {
        return Err(format!("CLIENT LIST: {error}"));
    }
    Ok(list.to_string().lines().count())
}

fn used_bytes(observer: &mut Connection) -> Outcome<u64> {
    info_number(observer, "memory", "used_memory:")
}

/// A number of INFO.
///
/// # Errors
/// It is not there.
pub fn info_number(observer: &mut Connection, section: &str, field: &str) -> Outcome<u64> {
    let text = observer.ask(&format!("INFO {section}"))?.to_string();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.trim().parse().ok());
    value.ok_or_else(|| format!("INFO {section} has no {field}"))
}
