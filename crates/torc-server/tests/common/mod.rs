//! The harness of the tests that run the real binary: a server process, a raw client, conditions.
//!
//! ```text
//!   Launch --start--> Server (process, ports, log) --finish or drop--> SIGTERM, exit status 0 asserted
//!   Client: one TCP connection; sends bytes, reads replies; every wait has a limit
//! ```
//! Tests of several processes run at once on busy machines, so a port is reserved among them by holding
//! the UDP port of the same number, and everything waits for conditions, never for times.

#![allow(dead_code, reason = "every test binary uses its own part of the harness")]

pub mod check;
pub mod client;
pub mod data;
#[path = "../../../torc-engine/tests/common/line.rs"]
mod line;
pub mod logs;
pub mod resp;
pub mod saves;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub use client::Client;
#[allow(unused_imports, reason = "only scenarios are text")]
pub use line::{key_of_each_core, words};

/// No condition takes longer, on whatever machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Ports of one server: the common one, those of up to 13 cores, the encrypted one, the admin port.
const PORTS_PER_SERVER: u16 = 16;
/// Below the ports that the kernel gives to outgoing connections.
const PORT_FIRST: u16 = 10_000;
const PORT_BLOCKS: u32 = 1_300;

/// How a server is to be started.
#[derive(Default)]
pub struct Launch {
    arguments: Vec<String>,
    stdin: Option<Vec<u8>>,
    open_files_max: Option<u64>,
    address_space_max: Option<u64>,
    denied_calls: Vec<libc::c_long>,
    without_huge_pages: bool,
    without_ports: bool,
    is_log_unread: bool,
    directory: Option<PathBuf>,
    without_overrides: bool,
    has_tls_port: bool,
    has_only_tls: bool,
}

impl Launch {
    /// With this many cores and two ports of its own on 127.0.0.1.
    pub fn cores(cores: usize) -> Launch {
        Launch::default().with("--cores", &cores.to_string())
    }

    /// With nothing but the arguments that follow.
    pub fn bare() -> Launch {
        Launch { without_ports: true, ..Launch::default() }
    }

    /// One more directive.
    pub fn with(self, name: &str, value: &str) -> Launch {
        self.argument(name).argument(value)
    }

    /// One more word of the command line.
    pub fn argument(mut self, word: &str) -> Launch {
        self.arguments.push(word.to_owned());
        self
    }

    /// What the process reads from its standard input.
    pub fn stdin(mut self, text: &str) -> Launch {
        self.stdin = Some(text.as_bytes().to_vec());
        self
    }

    /// The hard limit of open files (RLIMIT_NOFILE) of the process.
    pub fn open_files_max(mut self, count: u64) -> Launch {
        self.open_files_max = Some(count);
        self
    }

    /// The limit of the process's address space (RLIMIT_AS), in bytes.
    pub fn address_space_max(mut self, bytes: u64) -> Launch {
        self.address_space_max = Some(bytes);
        self
    }

    /// A system call (libc's `SYS_`) that fails with EPERM in the process.
    pub fn denied_call(mut self, number: libc::c_long) -> Launch {
        self.denied_calls.push(number);
        self
    }

    /// Memory in pages of 4 KiB only, so that growth shows as it is and not in steps of 2 MiB.
    pub fn without_huge_pages(mut self) -> Launch {
        self.without_huge_pages = true;
        self
    }

    /// Saves to this directory and loads what is there, at `save` points if there are any among the arguments. Without it a server has a
    /// new directory of its own and saves nothing by itself.
    pub fn in_directory(mut self, directory: &Directory) -> Launch {
        self.directory = Some(directory.0.clone());
        self
    }

    /// Without root's right to read and write what belongs to nobody's permissions.
    pub fn without_overrides(mut self) -> Launch {
        self.without_overrides = true;
        self
    }

    /// An encrypted port of its own, too.
    pub fn with_tls_port(mut self) -> Launch {
        self.has_tls_port = true;
        self
    }

    /// And no other.
    pub fn with_only_tls(mut self) -> Launch {
        self.has_only_tls = true;
        self
    }

    /// Starts the server and waits until it accepts connections. A taken port is replaced by another.
    pub fn start(&self) -> Server {
        for _ in 0..50 {
            let mut server = self.spawn();
            match server.wait_for_start() {
                Ok(()) => return server,
                Err(log) if log.contains("Address already in use") && !self.without_ports => server.is_over = true,
                Err(log) => {
                    server.is_over = true;
                    panic!("the server did not start:\n{log}");
                }
            }
        }
        panic!("no free port found");
    }

    /// Starts the server with a standard output that is a pipe which nobody reads.
    pub fn start_unread(mut self) -> Server {
        self.is_log_unread = true;
        for _ in 0..50 {
            let mut server = self.spawn();
            let deadline = Instant::now() + LIMIT;
            while Instant::now() < deadline {
                if TcpStream::connect(("127.0.0.1", server.port())).is_ok() {
                    return server;
                }
                if server.child.try_wait().expect("the child can be waited for").is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            server.is_over = true;
            let _ = server.child.kill();
            let _ = server.child.wait();
        }
        panic!("the server did not start");
    }

    /// Runs the process to its end, which must come by itself: exit status and everything it printed.
    pub fn run_to_end(&self) -> (ExitStatus, String) {
        let mut server = self.spawn();
        let status = server.wait_for_exit();
        server.is_over = true;
        (status, server.log.wait_for_end())
    }

    /// Starts the server, which may take its time to load what there is or refuse it; waits for nothing.
    pub fn spawn(&self) -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let ports = Ports::reserve();
        let mut command = Command::new(binary());
        let own = Directory::new(&format!("server-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        command.current_dir(self.directory.as_ref().unwrap_or(&own.0));
        // The configuration file, if any, and `-` come first; ports after it override what is in it.
        command.args(&self.arguments);
        if !self.without_ports {
            let port = if self.has_only_tls { 0 } else { ports.common() };
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
            command.args(["--admin-port", &ports.admin().to_string()]);
        }
        if self.has_tls_port {
            command.args(["--tls-port", &ports.tls().to_string()]);
        }
        if self.directory.is_none() {
            command.args(["--save", ""]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(count) = self.open_files_max {
            // SAFETY: setrlimit is async-signal-safe, and the closure touches nothing else.
            unsafe { command.pre_exec(move || limit_open_files(count)) };
        }
        if let Some(bytes) = self.address_space_max {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            // SAFETY: setrlimit is async-signal-safe, and the closure touches nothing else.
            unsafe { command.pre_exec(move || check(libc::setrlimit(libc::RLIMIT_AS, &raw const limit))) };
        }
        if self.without_overrides {
            // SAFETY: prctl is async-signal-safe and takes no pointers here.
            unsafe { command.pre_exec(drop_overrides) };
        }
        let uring = is_uring_denied().then_some(libc::SYS_io_uring_setup);
        let denied: Vec<_> = self.denied_calls.iter().copied().chain(uring).collect();
        if !denied.is_empty() {
            let mut filter = filter_of(&denied);
            // SAFETY: prctl is async-signal-safe, and the filter was made before the fork.
            unsafe { command.pre_exec(move || deny(&mut filter)) };
        }
        if self.without_huge_pages {
            // SAFETY: prctl is async-signal-safe and takes no pointers here. It lasts through exec.
            unsafe { command.pre_exec(|| check(libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0))) };
        }
        let mut child = command.spawn().expect("the binary can be started");
        let log = Log::default();
        let stdout = child.stdout.take().expect("it is piped");
        let unread = if self.is_log_unread {
            Some(stdout)
        } else {
            log.follow(stdout);
            None
        };
        log.follow(child.stderr.take().expect("it is piped"));
        let mut stdin = child.stdin.take().expect("it is piped");
        // A process that does not read its input closes the pipe early.
        let _ = stdin.write_all(self.stdin.as_deref().unwrap_or_default());
        Server { child, ports, log, is_over: false, _unread: unread, _own: own }
    }
}

/// A program for the kernel that lets these calls fail with EPERM and allows all others.
fn filter_of(denied: &[libc::c_long]) -> Vec<libc::sock_filter> {
    let step = |code: u32, jt, k| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    // The number of the call is the first field of what a filter sees.
    let mut steps = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (index, number) in denied.iter().enumerate() {
        let to_refusal = (denied.len() - index) as u8;
        steps.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, to_refusal, *number as u32));
    }
    steps.push(step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    steps.push(step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
    steps
}

fn deny(filter: &mut [libc::sock_filter]) -> std::io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the calls take numbers, and a pointer to a program that lives through them.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0))
    }
}

fn limit_open_files(count: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: count, rlim_max: count };
    // SAFETY: the pointer is good for the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    // Root could raise the hard limit again. Outside of the bounding set it does not keep that right over exec; a user
    // without privileges never had it and may not drop it either, which is as good.
    // SAFETY: takes numbers only.
    let _ = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0) };
    Ok(())
}

/// Outside of the bounding set root does not keep these rights over exec; other users never had them.
fn drop_overrides() -> std::io::Result<()> {
    for right in [CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH] {
        // SAFETY: takes numbers only.
        let _ = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, right, 0, 0, 0) };
    }
    Ok(())
}

/// The right to go beyond resource limits; the numbers are from capability.h.
const CAP_SYS_RESOURCE: libc::c_ulong = 24;
/// The rights to write and to read files whatever their permissions are.
const CAP_DAC_OVERRIDE: libc::c_ulong = 1;
const CAP_DAC_READ_SEARCH: libc::c_ulong = 2;

fn check(result: i32) -> std::io::Result<()> {
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Whether the servers of this run are denied io_uring, as containers are: all tests are run with and without it.
pub fn is_uring_denied() -> bool {
    std::env::var_os("TORC_DENY_URING").is_some()
}

/// The binary under test: `TORC_BIN`, or the one that was built with the tests.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("TORC_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_torc")), PathBuf::from);
    // Servers run in directories of their own.
    std::fs::canonicalize(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A running server.
pub struct Server {
    child: Child,
    ports: Ports,
    log: Log,
    is_over: bool,
    /// The pipe that nobody reads.
    _unread: Option<ChildStdout>,
    /// Where it runs, unless that was chosen.
    _own: Directory,
}

impl Server {
    /// The common port.
    pub fn port(&self) -> u16 {
        self.ports.common()
    }

    /// The port of a core, under `core-ports`.
    pub fn core_port(&self, core: u16) -> u16 {
        self.ports.common() + 1 + core
    }

    /// The encrypted port.
    pub fn tls_port(&self) -> u16 {
        self.ports.tls()
    }

    /// The admin interface's port.
    pub fn admin_port(&self) -> u16 {
        self.ports.admin()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection to the common port.
    pub fn connect(&self) -> Client {
        Client::connect(self.port())
    }

    /// What the process has printed so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
        kib * 1024
    }

    /// CPU time used so far, of user and system together, in clock ticks (1/100 s).
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the process lives");
        let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
        let ticks = |place: usize| fields.split_whitespace().nth(place).and_then(|word| word.parse::<u64>().ok());
        ticks(11).expect("user time") + ticks(12).expect("system time")
    }

    /// Makes the cores use each of their receive buffers once, so that memory measured later is not theirs.
    pub fn touch_receive_buffers(&self) {
        let mut clients: Vec<Client> = (0..8).map(|_| self.connect()).collect();
        for _ in 0..400 {
            clients.iter_mut().for_each(|client| assert_eq!(client.command("PING").text(), "PONG"));
        }
    }

    /// Changes the size of a file beyond which writing it fails; `None`: as large as there is room.
    pub fn limit_file_bytes(&self, bytes: Option<u64>) {
        let limit = libc::rlimit { rlim_cur: bytes.unwrap_or(libc::RLIM_INFINITY), rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the pointer is good for the call, and the old limit is not asked for.
        let result =
            unsafe { libc::prlimit(self.pid() as i32, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    /// Ends the process as a crash does, at once and without a word.
    pub fn kill(mut self) {
        self.is_over = true;
        self.signal(libc::SIGKILL);
        let _ = self.child.wait();
    }

    /// Waits for the end of the process, which must come by itself: exit status and everything it printed.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.wait_for_exit();
        self.is_over = true;
        (status, self.log.wait_for_end())
    }

    /// Lowers the limit of open files of the running process.
    pub fn limit_open_files(&self, count: u64) {
        let limit = libc::rlimit { rlim_cur: count, rlim_max: count };
        // SAFETY: the pointer is good for the call, and the old limit is not asked for.
        let result =
            unsafe { libc::prlimit(self.pid() as i32, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill takes no pointers; the child has not been waited for, so the id is still its own.
        assert_eq!(unsafe { libc::kill(self.pid() as i32, signal) }, 0);
    }

    /// Asserts that the process ends by itself with status 0.
    pub fn assert_clean_exit(mut self) -> String {
        let status = self.wait_for_exit();
        self.is_over = true;
        let log = self.log.wait_for_end();
        assert!(status.success(), "{status}\n{log}");
        log
    }

    /// Asserts that the process ends by SIGABRT; returns the log.
    pub fn assert_aborts(mut self) -> String {
        let status = self.wait_for_exit();
        self.is_over = true;
        let log = self.log.wait_for_end();
        assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}\n{log}");
        log
    }

    /// Waits until the log has this text.
    #[track_caller]
    pub fn wait_for_log(&self, part: &str) {
        assert!(self.log.wait_for_line(part, LIMIT), "{part:?} is not in:\n{}", self.log());
    }

    /// Asks the admin interface; the whole answer.
    pub fn http(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin_port())).expect("the admin interface listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Stops the server by SIGTERM and asserts a clean exit; returns the log.
    pub fn finish(self) -> String {
        self.signal(libc::SIGTERM);
        self.assert_clean_exit()
    }

    fn wait_for_start(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if self.log.wait_for_line("Ready to accept connections", Duration::from_millis(50)) {
                return Ok(());
            }
            if self.child.try_wait().expect("the child can be waited for").is_some() {
                return Err(self.log.wait_for_end());
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                return Err(format!("not ready in time; log:\n{}", self.log()));
            }
        }
    }

    fn wait_for_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                self.is_over = true;
                panic!("the server did not end in time; log:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if std::thread::panicking() {
            eprintln!("log of the server on port {}:\n{}", self.port(), self.log());
            let _ = self.child.kill();
            let _ = self.child.wait();
            return;
        }
        self.signal(libc::SIGTERM);
        let status = self.wait_for_exit();
        assert!(status.success(), "{status}\n{}", self.log.wait_for_end());
    }
}

/// A port that no other test uses as long as what stands beside it is kept.
pub fn reserved_port() -> (u16, Ports) {
    let ports = Ports::reserve();
    (ports.common(), ports)
}

/// A block of ports that no other test uses meanwhile.
pub struct Ports {
    first: u16,
    _reservation: UdpSocket,
}

impl Ports {
    fn reserve() -> Ports {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id().wrapping_mul(97);
        for _ in 0..PORT_BLOCKS {
            let block = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORT_BLOCKS;
            let first = PORT_FIRST + block as u16 * PORTS_PER_SERVER;
            if let Ok(reservation) = UdpSocket::bind(("127.0.0.1", first)) {
                return Ports { first, _reservation: reservation };
            }
        }
        panic!("all ports are reserved");
    }

    fn common(&self) -> u16 {
        self.first
    }

    fn tls(&self) -> u16 {
        self.first + PORTS_PER_SERVER - 2
    }

    fn admin(&self) -> u16 {
        self.first + PORTS_PER_SERVER - 1
    }
}

/// What a process prints, as it comes.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Printed>, Condvar)>);

#[derive(Default)]
struct Printed {
    text: String,
    open_streams: u32,
}

impl Log {
    fn follow(&self, stream: impl Read + Send + 'static) {
        self.0.0.lock().expect("no reader panics").open_streams += 1;
        let log = self.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                log.0.0.lock().expect("no reader panics").text.push_str(&String::from_utf8_lossy(&line));
                log.0.1.notify_all();
                line.clear();
            }
            log.0.0.lock().expect("no reader panics").open_streams -= 1;
            log.0.1.notify_all();
        });
    }

    fn text(&self) -> String {
        self.0.0.lock().expect("no reader panics").text.clone()
    }

    fn wait_for_line(&self, part: &str, limit: Duration) -> bool {
        let printed = self.0.0.lock().expect("no reader panics");
        let wait = self.0.1.wait_timeout_while(printed, limit, |printed| !printed.text.contains(part));
        !wait.expect("no reader panics").1.timed_out()
    }

    fn wait_for_end(&self) -> String {
        let printed = self.0.0.lock().expect("no reader panics");
        let wait = self.0.1.wait_timeout_while(printed, LIMIT, |printed| printed.open_streams > 0);
        wait.expect("no reader panics").0.text.clone()
    }
}

/// Waits until the condition holds, at most [`LIMIT`].
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Pseudo-random numbers of a seed (xorshift*).
pub struct Random(u64);

impl Random {
    /// Different seeds give unrelated sequences.
    pub fn new(seed: u64) -> Random {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from 0 up to, not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

/// A directory of its own for a test's files, removed at the end.
pub struct Directory(PathBuf);

impl Directory {
    /// A new one.
    pub fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("torc-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory can be made");
        Directory(path)
    }

    /// The path of a file in it, which need not exist.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }

    /// What is in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the directory is there");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("it can be read").file_name();
        let mut names: Vec<String> = entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// What a file holds.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file; returns its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file can be written");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
