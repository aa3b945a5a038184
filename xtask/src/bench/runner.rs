//! One sample: start a server, load it, stop it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::programs::Programs;
use super::results::Sample;
use super::scenarios::{Entry, GROWTH_KEYS, IDLE_CONNECTIONS, IDLE_SECONDS, Load, MEMORY_KEYS, Peer, Scenario};
use super::types::CommandLoad;
use crate::tools::{Outcome, capture, command, free_ports, target_folder};

const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(10);
/// What a run of redis-benchmark sends for each test.
const COMMAND_REQUESTS: &str = "100000";
/// Its tests of commands that all peers have; an unknown command would end it.
const COMMAND_TESTS: &str = "ping,set,get,incr,mset";

/// Measures one round of `entry`.
///
/// # Errors
/// The server does not start, the load fails, or a reply was wrong.
pub fn sample(scenario: &Scenario, entry: &Entry, programs: &Programs, seconds: u32) -> Outcome<Sample> {
    let server = Server::start(entry, programs)?;
    let outcome = match scenario.load {
        Load::Commands => redis_benchmark(&server, !scenario.shares_cpus()),
        load => generate(scenario, entry, load, &server, programs, seconds),
    };
    // What the server wrote last explains most failures.
    outcome.map_err(|problem| format!("{problem}{}", server.last_words()))
}

fn generate(
    scenario: &Scenario,
    entry: &Entry,
    load: Load,
    server: &Server,
    programs: &Programs,
    seconds: u32,
) -> Outcome<Sample> {
    let mut generator = Command::new(&programs.load);
    generator.args(["--port", &server.port.to_string(), "--measure-pid", &server.child.id().to_string()]);
    if !(scenario.shares_cpus() && entry.cores > 1) {
        generator.args(["--cpu", "1"]);
    }
    if entry.is_cluster {
        generator.arg("--cluster");
    }
    if let Load::Command(load) = load {
        fill(load, server, programs)?;
    }
    generator.args(load_arguments(load, entry, seconds));
    let line = capture(&mut generator)?;
    let mut sample = parse_line(&line)?;
    derive(load, &mut sample);
    if matches!(load, Load::Growth) {
        let metrics = http_get(server.admin_port, "/metrics")?;
        let seconds = loop_turn_max_seconds(&metrics).ok_or("the metrics name no torc_loop_turn maximum")?;
        sample.insert("loop_turn_max_ms".into(), seconds * 1e3);
    }
    Ok(sample)
}

fn load_arguments(load: Load, entry: &Entry, seconds: u32) -> Vec<String> {
    let words = match load {
        Load::Mixed { pipeline } => {
            // The fixed-reply server has no keys to fill.
            let prefill = if entry.peer == Peer::Floor { "" } else { "--prefill" };
            format!("--pipeline {pipeline} --seconds {seconds} {prefill}")
        }
        Load::Memory => format!("--prefill --keyspace {MEMORY_KEYS} --data-size 32 --seconds 0"),
        Load::Growth => format!("--prefill --keyspace {GROWTH_KEYS} --data-size 32 --seconds 0 --prefill-pipeline 16"),
        Load::Idle => format!("--connections-idle {IDLE_CONNECTIONS} --seconds {IDLE_SECONDS}"),
        Load::Commands => String::new(),
        Load::Transaction { sets } => format!("--transaction {sets} --prefill --seconds {seconds}"),
        Load::GetAll { keys } => format!("--mget {keys} --prefill --seconds {seconds}"),
        Load::SetAll { keys } => format!("--mset {keys} --prefill --seconds {seconds}"),
        Load::Command(load) => return command_arguments(load, seconds),
        Load::BigValue(load) => {
            let keyspace = load.elements.to_string();
            let words = ["--fill", load.fill, "--keyspace", &keyspace, "--data-size", "16", "--seconds", "0"];
            return words.map(str::to_owned).to_vec();
        }
    };
    words.split_whitespace().map(str::to_owned).collect()
}

/// Fills in what a command needs, on one connection so that all of it comes in order.
fn fill(load: &CommandLoad, server: &Server, programs: &Programs) -> Outcome<()> {
    let mut generator = Command::new(&programs.load);
    generator.args(["--port", &server.port.to_string(), "--connections", "1", "--prefill-pipeline", "512"]);
    generator.args(["--keyspace", &load.keys.to_string(), "--data-size", "16", "--seconds", "0"]);
    load.fills.iter().for_each(|fill| {
        generator.args(["--fill", fill]);
    });
    parse_line(&capture(&mut generator)?).map(|_| ())
}

fn command_arguments(load: &CommandLoad, seconds: u32) -> Vec<String> {
    let CommandLoad { keys, command, pipeline, connections, commands_max, is_heavy, .. } = load;
    let mut words = vec!["--command".to_owned(), (*command).to_owned()];
    let warmup = if *is_heavy || commands_max.is_some() { 0.1 } else { 0.5 };
    let end = commands_max.map_or(format!("--seconds {seconds}"), |most| format!("--requests {most}"));
    let rest = format!(
        "--keyspace {keys} --pipeline {pipeline} --connections {connections} --data-size 16 --warmup {warmup} {end}"
    );
    words.extend(rest.split_whitespace().map(str::to_owned));
    words
}

/// Adds what tables and bars need and the load generator does not say.
fn derive(load: Load, sample: &mut Sample) {
    let resident = |sample: &Sample, name: &str| sample.get(name).copied().unwrap_or(f64::NAN);
    let (before, after) = (resident(sample, "rss_before_bytes"), resident(sample, "rss_after_bytes"));
    match load {
        Load::Memory | Load::Growth | Load::BigValue(_) => {
            let keys = f64::from(match load {
                Load::BigValue(load) => load.elements,
                Load::Memory => MEMORY_KEYS,
                _ => GROWTH_KEYS,
            });
            sample.insert("rss_per_key".into(), after / keys);
            sample.insert("rss_added_per_key".into(), (after - before) / keys);
            let seconds = resident(sample, "prefill_seconds");
            sample.insert("sets_per_sec".into(), keys / seconds);
        }
        Load::Idle => {
            sample.insert("rss_per_connection".into(), (after - before) / f64::from(IDLE_CONNECTIONS));
            sample.insert("idle_cpu_percent".into(), resident(sample, "server_busy") * 100.0);
        }
        Load::Mixed { .. } | Load::Commands | Load::Command(_) => {}
        Load::Transaction { .. } | Load::GetAll { .. } | Load::SetAll { .. } => {}
    }
}

/// The generator's line of `name=number` pairs; wrong replies are an error.
fn parse_line(line: &str) -> Outcome<Sample> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    let sample: Sample = line.split_whitespace().filter_map(pair).collect();
    match sample.get("errors") {
        Some(0.0) => Ok(sample),
        Some(_) => Err(format!("wrong replies: {}", line.trim())),
        None => Err(format!("the load generator said: {}", line.trim())),
    }
}

/// redis-benchmark's default tests, requests per second of each.
fn redis_benchmark(server: &Server, is_pinned: bool) -> Outcome<Sample> {
    let port = server.port.to_string();
    let pin: &[&str] = if is_pinned { &["taskset", "-c", "1"] } else { &[] };
    let words = [pin, &["redis-benchmark", "-p", &port, "-n", COMMAND_REQUESTS, "-t", COMMAND_TESTS, "--csv"]].concat();
    let output = capture(&mut command(&words))?;
    let row = |line: &str| {
        let mut fields = line.split("\",\"").map(|field| field.trim_matches('"'));
        let name = fields.next()?.split(" (").next()?;
        Some((format!("rps {name}"), fields.next()?.parse().ok()?))
    };
    let sample: Sample = output.lines().filter_map(row).collect();
    if sample.is_empty() { Err(format!("redis-benchmark said: {}", output.trim())) } else { Ok(sample) }
}

/// The longest turn of any core: the largest `torc_loop_turn...max` sample of a Prometheus text.
fn loop_turn_max_seconds(metrics: &str) -> Option<f64> {
    let is_maximum = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        name.starts_with("torc_loop_turn") && name.ends_with("_max")
    };
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    metrics.lines().filter(is_maximum).filter_map(value).reduce(f64::max)
}

fn http_get(port: u16, path: &str) -> Outcome<String> {
    let problem = |error: std::io::Error| format!("GET {path} on port {port}: {error}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(problem)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(problem)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(problem)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).map_err(problem)?;
    if reply.starts_with("HTTP/1.1 200") { Ok(reply) } else { Err(format!("GET {path}: {reply}")) }
}

/// A server of ours; stopped when dropped.
struct Server {
    child: Child,
    port: u16,
    admin_port: u16,
    log: std::path::PathBuf,
}

impl Server {
    fn start(entry: &Entry, programs: &Programs) -> Outcome<Self> {
        // The common port, one for each core, and the admin port.
        let port = free_ports(entry.cores + 2)?;
        let admin_port = port + entry.cores + 1;
        let log = target_folder().join(format!("bench-server-{port}.log"));
        let file = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut words = Vec::new();
        if entry.cores == 1 {
            words.extend(["taskset", "-c", "0"].map(str::to_owned));
        }
        words.extend(server_words(entry, programs, port, admin_port));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let errors = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        let child = command(&words)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", words.join(" ")))?;
        let mut server = Self { child, port, admin_port, log };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Outcome<()> {
        let start = Instant::now();
        while start.elapsed() < START_MAX {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended with {status}{}", self.last_words()));
            }
            if answers_ping(self.port) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the server did not answer within {START_MAX:?}{}", self.last_words()))
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(5).collect();
        last.iter().rev().fold(String::new(), |words, line| words + "\n  server: " + line)
    }
}

impl Drop for Server {
    /// Asks it to end, and makes it end if it does not.
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        // Nothing more can be done about a failure here than what follows anyway.
        let _ = command(&["kill", "-TERM", &pid]).status();
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > STOP_MAX {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_file(&self.log);
    }
}

fn server_words(entry: &Entry, programs: &Programs, port: u16, admin_port: u16) -> Vec<String> {
    let maxclients = IDLE_CONNECTIONS + 1000;
    let arguments = match entry.peer {
        Peer::Floor => format!("--port {port}"),
        Peer::Redis => {
            format!("--port {port} --bind 127.0.0.1 --appendonly no --maxclients {maxclients}")
        }
        Peer::Torc | Peer::Before => {
            let core_ports = if entry.is_cluster { "yes" } else { "no" };
            let cores = entry.cores;
            format!(
                "--port {port} --bind 127.0.0.1 --cores {cores} --admin-port {admin_port} \
                 --core-ports {core_ports} --maxclients {maxclients}"
            )
        }
    };
    let mut words = vec![programs.server(entry.peer).display().to_string()];
    words.extend(arguments.split_whitespace().map(str::to_owned));
    if entry.peer != Peer::Floor {
        // No snapshots, and none that somebody else has left here.
        words.extend(["--save", "", "--dbfilename", "bench.rdb"].map(str::to_owned));
    }
    words
}

fn answers_ping(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
        let mut reply = [0; 64];
        let length = stream.read(&mut reply)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(reply[..length].starts_with(b"+"))
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_longest_turn_of_all_cores_is_taken() {
        let metrics = "# TYPE torc_loop_turn_seconds histogram\n\
            torc_loop_turn_seconds_bucket{core=\"0\",le=\"0.001\"} 12\n\
            torc_loop_turn_seconds_max{core=\"0\"} 0.0004\n\
            torc_loop_turn_seconds_max{core=\"1\"} 0.0007\n\
            torc_other_max 5\n";
        assert_eq!(loop_turn_max_seconds(metrics), Some(0.0007));
        assert_eq!(loop_turn_max_seconds("torc_other_max 5\n"), None);
    }

    #[test]
    fn wrong_replies_fail_a_sample() {
        assert_eq!(parse_line("errors=0 ops=5 p50_us=1.5\n").unwrap()["p50_us"], 1.5);
        assert!(parse_line("errors=1 ops=5 first_error=x").is_err());
        assert!(parse_line("").is_err());
    }

    #[test]
    fn memory_is_divided_by_keys() {
        let mut sample =
            parse_line("errors=0 rss_before_bytes=3000000 rss_after_bytes=219000000 prefill_seconds=3").unwrap();
        derive(Load::Memory, &mut sample);
        assert_eq!(sample["rss_per_key"], 73.0);
        assert_eq!(sample["rss_added_per_key"], 72.0);
        assert_eq!(sample["sets_per_sec"], 1e6);
    }

    #[test]
    fn every_peer_is_started_on_its_port() {
        let programs = Programs::new("release", None, Some(PathBuf::from("earlier")));
        for peer in [Peer::Torc, Peer::Before, Peer::Redis, Peer::Floor] {
            let entry = Entry { label: "x", peer, cores: 2, is_cluster: true };
            let words = server_words(&entry, &programs, 7000, 7003);
            assert!(words.windows(2).any(|pair| pair == ["--port", "7000"]), "{words:?}");
        }
    }
}
