//! The append-only log with the real binary: what was answered is there after a crash, transactions are whole, and the files are Redis's.
//!
//! `TORC_CRASHES` says how often the server is killed under load; `cargo xtask crash` sets it.

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::data::fill_types;
use common::logs::{self, Stop, digest};
use common::resp::Reply;
use common::{Client, Directory, Launch, Ports, Random, Server, reserved_port, wait_until};

/// Clients that write at once.
const WRITERS: usize = 4;

fn appending(cores: usize, directory: &Directory, fsync: &str) -> Launch {
    logs::appending(cores, directory).with("--appendfsync", fsync)
}

#[test]
fn what_was_written_is_there_with_any_number_of_cores() {
    let directory = Directory::new("appended-cores");
    let mut expected = None;
    for (round, cores) in [2, 1, 3, 2].into_iter().enumerate() {
        let server = appending(cores, &directory, ["everysec", "always", "no"][round % 3]).start();
        if let Some(expected) = &expected {
            assert_eq!(&digest(&server), expected, "{cores} cores");
        }
        let mut client = server.connect();
        if round == 0 {
            fill_types(&mut client);
        }
        client.ok(&format!("SET round{round} x"));
        client.command("SELECT 3");
        client.ok(&format!("MSET a{round} 1 b{round} 2 c{round} 3"));
        client.command(&format!("RENAME a{round} d{round}"));
        client.ok(&format!("SETEX short{round} 1000 v"));
        expected = Some(digest(&server));
        if round % 2 == 0 {
            // Even without an fsync: the machine goes on.
            wait_until("the log is written", || client.info("aof_buffer_length") == "0");
            server.kill();
        } else {
            server.finish();
        }
    }
}

/// Values that are saved in pieces.
fn fill_big(client: &mut Client) {
    for begin in (0..7000).step_by(500) {
        let numbers: Vec<String> = (begin..begin + 500).map(|number| number.to_string()).collect();
        let pairs = |make: fn(&String) -> String| numbers.iter().map(make).collect::<Vec<_>>().join(" ");
        client.command(&format!("HSET big:hash {}", pairs(|number| format!("{number} v"))));
        client.command(&format!("ZADD big:sorted {}", pairs(|number| format!("{number} {number}"))));
        client.command(&format!("SADD big:set {}", numbers.join(" ")));
        client.command(&format!("RPUSH big:list {}", numbers.join(" ")));
    }
    client.command("PEXPIREAT big:list 32503680000000");
    client.command(&format!("SET big:string {}", "long".repeat(100_000)));
}

#[test]
fn a_rewrite_under_load_loses_nothing() {
    let directory = Directory::new("appended-rewrite");
    let server = appending(2, &directory, "everysec").start();
    fill_big(&mut server.connect());
    let stops = AtomicBool::new(false);
    let counts: Vec<u64> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (server, stops) = (&server, &stops);
                scope.spawn(move || {
                    let mut client = server.connect();
                    let mut count = 0;
                    while !stops.load(Ordering::Relaxed) {
                        count += 1;
                        client.ok(&format!("MSET a:{writer} {count} b:{writer} {count} c:{writer} {count}"));
                        client.command(&format!("RPUSH list:{writer} {count}"));
                        client.command(&format!("HSET big:hash {count} {writer} {} x", count % 7000));
                        client.command(&format!("HDEL big:hash {}", count % 5000));
                        client.command(&format!("ZADD big:sorted {count} {}", count % 7000));
                        client.command(&format!("SREM big:set {}", count % 7000));
                        client.command(&format!("LSET big:list {} {writer}", count % 6000));
                    }
                    count
                })
            })
            .collect();
        let stop = Stop(&stops);
        let mut client = server.connect();
        for rewrites in 1..=6 {
            // As RDB files and as commands in turn.
            client.ok(&format!("CONFIG SET aof-use-rdb-preamble {}", if rewrites % 2 == 0 { "no" } else { "yes" }));
            logs::wait_until_based(&mut client);
            assert_eq!(client.command("BGREWRITEAOF").text(), "Background append only file rewriting started");
            wait_until("it is done", || client.info("aof_rewrites").parse::<u64>().expect("a number") >= rewrites);
        }
        drop(stop);
        writers.into_iter().map(|writer| writer.join().expect("a writer ends")).collect()
    });
    let expected = digest(&server);
    server.finish();
    let names = fs::read_dir(directory.path("appendonlydir")).expect("it is there").count();
    assert_eq!(names, 4, "manifest, base, increment and lock");
    let server = appending(3, &directory, "everysec").start();
    assert_eq!(digest(&server), expected);
    let mut client = server.connect();
    for (writer, count) in counts.iter().enumerate() {
        assert_eq!(client.command(&format!("LLEN list:{writer}")).integer(), *count as i64);
    }
    server.finish();
}

/// What a writer knows when the server is gone: when what was answered.
struct Written {
    answers: Vec<(Instant, u64)>,
}

/// Writes the next number into two keys by a transaction, again and again, until the server is gone.
fn write_pairs(server: &Server, writer: usize, from: u64) -> Written {
    let mut answers = Vec::new();
    let Ok(mut client) = Client::try_connect(server.port()) else { return Written { answers } };
    for number in from + 1.. {
        let request = match number % 3 {
            0 => format!("MULTI\r\nSET a:{writer} {number}\r\nSET b:{writer} {number}\r\nEXEC\r\n"),
            _ => format!("MSET a:{writer} {number} b:{writer} {number}\r\n"),
        };
        let replies = if number % 3 == 0 { 4 } else { 1 };
        if !client.try_send(request.as_bytes()) || (0..replies).any(|_| client.try_reply().is_none()) {
            break;
        }
        answers.push((Instant::now(), number));
    }
    Written { answers }
}

/// Reads the keys of all writers, again and again, until the server is gone: when what was seen of each.
fn read_pairs(server: &Server) -> Vec<(Instant, usize, u64)> {
    let mut seen = Vec::new();
    let Ok(mut client) = Client::try_connect(server.port()) else { return seen };
    for writer in (0..WRITERS).cycle() {
        if !client.try_send(format!("GET b:{writer}\r\n").as_bytes()) {
            break;
        }
        let Some(reply) = client.try_reply() else { break };
        let number = if reply == Reply::Null { 0 } else { reply.text().parse().expect("a number") };
        seen.push((Instant::now(), writer, number));
        // The processors are for those who write.
        thread::sleep(Duration::from_millis(1));
    }
    seen
}

/// Kills the server under load, and looks at what is there afterwards. `lost_max`: how old what was answered may be and yet be lost.
fn crash_again_and_again(fsync: &str, lost_max: Duration) {
    let cycles: usize = std::env::var("TORC_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let directory = Directory::new(&format!("crashes-{fsync}"));
    let (mut random, mut numbers) = (Random::new(7), [0; WRITERS]);
    for cycle in 0..cycles {
        let server = appending(2, &directory, fsync).start();
        let (written, seen) = thread::scope(|scope| {
            let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_pairs(&server))).collect();
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (server, from) = (&server, numbers[writer]);
                    scope.spawn(move || write_pairs(server, writer, from))
                })
                .collect();
            thread::sleep(Duration::from_millis(30 + random.below(300)));
            if random.below(3) == 0 {
                server.connect().command("BGREWRITEAOF");
                thread::sleep(Duration::from_millis(random.below(30)));
            }
            server.signal(libc::SIGKILL);
            let written: Vec<Written> =
                writers.into_iter().map(|writer| writer.join().expect("a writer ends")).collect();
            (written, readers.into_iter().flat_map(|reader| reader.join().expect("a reader ends")).collect::<Vec<_>>())
        });
        let killed = Instant::now();
        server.kill();
        let server = appending(2, &directory, fsync).start();
        let mut client = server.connect();
        for (writer, written) in written.iter().enumerate() {
            let pair = client.command(&format!("MGET a:{writer} b:{writer}"));
            let [a, b] = [0, 1].map(|at| pair.elements()[at].text());
            assert_eq!(a, b, "cycle {cycle}: a transaction is whole, or not there");
            let found: u64 = a.parse().unwrap_or(0);
            let promised = written.answers.iter().rev().find(|(at, _)| killed - *at >= lost_max);
            let promised = promised.map_or(0, |(_, number)| *number);
            assert!(found >= promised, "cycle {cycle}: {promised} was answered, and {found} is there");
            let shown = seen.iter().filter(|(at, of, _)| *of == writer && killed - *at >= lost_max);
            let shown = shown.map(|(_, _, number)| *number).max().unwrap_or(0);
            assert!(found >= shown, "cycle {cycle}: {shown} was read, and {found} is there");
            numbers[writer] = found;
        }
        if cycle % 10 == 9 {
            // Hundreds of cycles would else load longer and longer.
            client.command("BGREWRITEAOF");
            wait_until("the log is short again", || client.info("aof_rewrite_in_progress") == "0");
        }
        server.finish();
    }
}

#[test]
fn what_is_answered_under_always_survives_every_crash() {
    crash_again_and_again("always", Duration::ZERO);
}

#[test]
fn under_always_no_answer_leaves_before_its_write_however_slow_that_is() {
    let directory = Directory::new("appended-slow");
    let server = appending(2, &directory, "always").start();
    let mut client = server.connect();
    client.ok("SET key 1");
    client.ok("DEBUG AOF-FLUSH-SLEEP 300000");
    for key in ["key", "{a}", "{b}"] {
        let began = Instant::now();
        client.command(&format!("INCR {key}"));
        assert!(began.elapsed() >= Duration::from_millis(300), "{key}: {:?}", began.elapsed());
    }
    client.ok("DEBUG AOF-FLUSH-SLEEP 0");
    server.finish();
}

/// A slow disk: who reads what was written before is answered at once, who reads what is being written waits for it.
#[test]
fn under_always_reads_wait_only_for_what_they_show() {
    const SLOW: Duration = Duration::from_secs(2);
    let directory = Directory::new("appended-shown");
    let server = appending(2, &directory, "always").start();
    let (mut writer, mut reader) = (server.connect(), server.connect());
    writer.ok("MSET {a} old {b} old {a}other old {b}other old");
    writer.ok(&format!("DEBUG AOF-FLUSH-SLEEP {}", SLOW.as_micros()));
    // The two keys lie on different cores, and the clients may be on either.
    for key in ["{a}", "{b}"] {
        let began = Instant::now();
        writer.send(format!("MULTI\r\nSET {key} new\r\nEXEC\r\n").as_bytes());
        wait_until("it is done in memory", || reader.info("aof_buffer_length") != "0");
        assert_eq!(reader.command("MGET {a}other {b}other"), Reply::Array(vec![Reply::bulk("old"); 2]));
        assert!(began.elapsed() < SLOW, "a read of other keys has waited");
        assert_eq!(reader.command(&format!("GET {key}")).text(), "new");
        assert!(began.elapsed() >= SLOW, "what was not on the disk was shown");
        (0..3).for_each(|_| drop(writer.reply()));
    }
    writer.ok("DEBUG AOF-FLUSH-SLEEP 0");
    server.finish();
}

#[test]
fn what_is_answered_under_everysec_survives_but_for_the_last_two_seconds() {
    crash_again_and_again("everysec", Duration::from_secs(2));
}

/// A redis-server that has loaded a log and goes on with it.
struct Redis {
    child: Child,
    client: Client,
    _ports: Ports,
}

impl Redis {
    /// `None`: it is not installed.
    fn start(directory: &Directory) -> Option<Redis> {
        let (port, ports) = reserved_port();
        let redis = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "yes", "--dir", &directory.path("")])
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = redis else {
            eprintln!("redis-server is not installed: its side is not tested");
            return None;
        };
        let mut connection = None;
        wait_until("redis-server has loaded it", || {
            connection = Client::try_connect(port).ok();
            connection.as_mut().is_some_and(|client| client.command("PING").text() == "PONG")
        });
        Some(Redis { child, client: connection.expect("it is there"), _ports: ports })
    }

    fn stop(mut self) {
        self.client.send(b"SHUTDOWN\r\n");
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn redis_server_and_torc_load_each_others_logs() {
    let directory = Directory::new("appended-exchange");
    let server = appending(2, &directory, "always").start();
    let mut client = server.connect();
    fill_types(&mut client);
    client.command("BGREWRITEAOF");
    wait_until("it is rewritten", || client.info("aof_rewrites") == "1");
    client.ok("MSET later:a 1 later:b 2");
    let (size, value) = (client.command("DBSIZE").integer(), client.command("GET later:b").text());
    server.finish();
    // Redis loads ours, and goes on with it.
    let Some(mut redis) = Redis::start(&directory) else { return };
    let client = &mut redis.client;
    assert_eq!(client.command("DBSIZE").integer(), size);
    assert_eq!(client.command("GET later:b").text(), value);
    client.ok("SET by:redis 1");
    client.command("INCR by:redis");
    redis.stop();
    let server = appending(1, &directory, "everysec").start();
    let mut client = server.connect();
    assert_eq!(client.command("GET by:redis").text(), "2");
    assert_eq!(client.command("DBSIZE").integer(), size + 1);
    server.finish();
}

fn rewrite(client: &mut Client) {
    let before = client.info("aof_rewrites");
    client.command("BGREWRITEAOF");
    wait_until("it is rewritten", || client.info("aof_rewrites") != before);
}

/// Streams that have lost entries, with groups and consumers.
fn fill_streams(client: &mut Client) {
    for line in [
        "XADD trimmed 5-1 f v",
        "XTRIM trimmed MAXLEN 0",
        "XADD deleted 5-1 f v g w",
        "XADD deleted 6-1 f v",
        "XADD deleted 7-1 f v",
        "XDEL deleted 6-1",
        "XGROUP CREATE deleted group 0 ENTRIESREAD 1",
        "XGROUP CREATECONSUMER deleted group idle",
        "XREADGROUP GROUP group reader COUNT 1 STREAMS deleted >",
        "EXPIREAT deleted 32503680000",
        "XGROUP CREATE made group $ MKSTREAM",
    ] {
        client.command(line);
    }
}

/// What is known of them.
fn streams(client: &mut Client) -> Vec<String> {
    let mut look = |line: String| format!("{:?}", client.command(&line));
    let keys = ["trimmed", "deleted", "made", "stream"];
    let looks = keys.map(|key| {
        [format!("XINFO STREAM {key}"), format!("XINFO GROUPS {key}"), format!("XPENDING {key} group")].map(&mut look)
    });
    looks.concat()
}

#[test]
fn a_base_of_commands_gives_the_same_keys_and_is_redis_own() {
    let directory = Directory::new("appended-commands");
    let launch = |cores| appending(cores, &directory, "always").with("--aof-use-rdb-preamble", "no");
    let server = launch(2).start();
    let mut client = server.connect();
    fill_types(&mut client);
    client.command("ZADD infinite inf a -inf b 0.1 c 1e300 d");
    client.command("SET empty \"\"");
    fill_streams(&mut client);
    let told = streams(&mut client);
    rewrite(&mut client);
    let base = directory.read("appendonlydir/appendonly.aof.2.base.aof");
    assert!(base.starts_with(b"*2\r\n$6\r\nSELECT\r\n"));
    let has = |part: &[u8]| base.windows(part.len()).any(|bytes| bytes == part);
    assert!(has(b"*66\r\n$5\r\nRPUSH\r\n") && has(b"*130\r\n$4\r\nHSET\r\n") && has(b"PEXPIREAT"));
    client.ok("MSET later:a 1 later:b 2");
    let (size, expected) = (client.command("DBSIZE").integer(), digest(&server));
    server.kill();
    if let Some(mut redis) = Redis::start(&directory) {
        assert_eq!(redis.client.command("DBSIZE").integer(), size);
        assert_eq!(redis.client.command("ZSCORE infinite d").text().parse(), Ok(1e300));
        redis.stop();
    }
    let server = launch(3).start();
    assert_eq!(digest(&server), expected);
    assert_eq!(streams(&mut server.connect()), told);
    server.finish();
}

#[test]
fn what_no_old_command_tells_is_in_a_base_of_commands_too() {
    let directory = Directory::new("appended-restore");
    let launch = |cores| appending(cores, &directory, "always").with("--aof-use-rdb-preamble", "no");
    let server = launch(3).start();
    let mut client = server.connect();
    // Fields that expire, and a reference to an entry that is gone.
    client.command("HSET fields a 1 b 2");
    client.command("HPEXPIREAT fields 32503680000000 FIELDS 1 a");
    client.command("XADD gone 5-1 f v");
    client.command("XGROUP CREATE gone group 0");
    client.command("XREADGROUP GROUP group reader STREAMS gone >");
    client.command("XDEL gone 5-1");
    rewrite(&mut client);
    let expected = digest(&server);
    server.kill();
    let server = launch(1).start();
    let mut client = server.connect();
    assert_eq!(digest(&server), expected);
    assert_eq!(client.command("HPEXPIRETIME fields FIELDS 2 a b").elements()[0].integer(), 32_503_680_000_000);
    assert_eq!(client.command("XPENDING gone group").elements()[0].integer(), 1);
    // Back to an RDB file.
    client.ok("CONFIG SET aof-use-rdb-preamble yes");
    rewrite(&mut client);
    server.finish();
    let names = fs::read_dir(directory.path("appendonlydir")).expect("it is there");
    assert!(names.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".base.rdb")));
    let server = launch(2).start();
    assert_eq!(digest(&server), expected);
    server.finish();
}

/// The names of the fields of INFO persistence.
fn fields(client: &mut Client) -> Vec<String> {
    let text = client.command("INFO persistence").text();
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn info_has_every_field_of_redis_and_true_values() {
    let directory = Directory::new("appended-info");
    let server = appending(2, &directory, "everysec").start();
    assert!(server.log().contains("Files are read and written through the page cache"));
    let mut client = server.connect();
    let base_bytes = |number: u32| {
        let path = directory.path(&format!("appendonlydir/appendonly.aof.{number}.base.rdb"));
        fs::metadata(path).expect("it is there").len()
    };
    let base = base_bytes(1).to_string();
    assert_eq!((client.info("aof_last_rewrite_time_sec"), client.info("aof_base_size")), ("-1".into(), base));
    (0..50).for_each(|number| client.ok(&format!("SET key:{number} value")));
    let number = |client: &mut Client, name: &str| client.info(name).parse::<i64>().expect("a number");
    let written =
        || fs::metadata(directory.path("appendonlydir/appendonly.aof.1.incr.aof")).expect("it is there").len();
    wait_until("the log is written", || {
        number(&mut client, "aof_current_size") == (base_bytes(1) + written()) as i64 && written() > 1000
    });
    // While a rewrite is under way.
    client.ok("CONFIG SET rdb-key-save-delay 200000");
    client.command("BGREWRITEAOF");
    wait_until("all keys are caught", || number(&mut client, "current_save_keys_total") == 50);
    wait_until("some are written", || (1..=50).contains(&number(&mut client, "current_save_keys_processed")));
    wait_until("a second has passed", || number(&mut client, "aof_current_rewrite_time_sec") >= 1);
    assert_eq!(client.info("aof_rewrite_in_progress"), "1");
    client.ok("CONFIG SET rdb-key-save-delay 0");
    wait_until("it is done", || client.info("aof_rewrites") == "1");
    assert!(number(&mut client, "aof_last_rewrite_time_sec") >= 1);
    assert_eq!(
        (client.info("aof_current_rewrite_time_sec"), client.info("current_save_keys_total")),
        ("-1".into(), "0".into())
    );
    assert_eq!(number(&mut client, "aof_base_size"), base_bytes(2) as i64);
    // When it cannot be written.
    logs::wait_until_based(&mut client);
    server.limit_file_bytes(Some(400));
    client.command("BGREWRITEAOF");
    wait_until("it has failed", || client.info("aof_last_bgrewrite_status") == "err");
    assert_eq!(number(&mut client, "aof_rewrites_consecutive_failures"), 1);
    client.command(&format!("SET key:0 {}", "other".repeat(100)));
    wait_until("a write has failed", || client.info("aof_last_write_status") == "err");
    server.limit_file_bytes(None);
    wait_until("it is written again", || client.info("aof_last_write_status") == "ok");
    logs::wait_until_based(&mut client);
    client.command("BGREWRITEAOF");
    wait_until("it is done", || client.info("aof_last_bgrewrite_status") == "ok");
    let ours = fields(&mut client);
    server.finish();
    let Some(mut redis) = Redis::start(&directory) else { return };
    let missing: Vec<String> = fields(&mut redis.client).into_iter().filter(|name| !ours.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    redis.stop();
}

#[test]
fn what_cannot_be_loaded_ends_the_start_and_stays_as_it_is() {
    let directory = Directory::new("appended-damaged");
    let server = appending(2, &directory, "always").start();
    let mut client = server.connect();
    (0..20).for_each(|number| client.ok(&format!("SET key:{number} value")));
    server.kill();
    let path = directory.path("appendonlydir/appendonly.aof.1.incr.aof");
    let whole = fs::read(&path).expect("it is there");
    // Torn in the middle of the last record: cut off there, and what was cut off is kept.
    fs::write(&path, &whole[..whole.len() - 5]).expect("it can be written");
    let server = appending(2, &directory, "always").start();
    assert_eq!(server.connect().command("DBSIZE").integer(), 19);
    server.finish();
    let names = fs::read_dir(directory.path("appendonlydir")).expect("it is there");
    let names: Vec<String> =
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    assert!(names.iter().any(|name| name.contains(".torn-at-")), "{names:?}");
    // Unless that is forbidden.
    fs::write(&path, &whole[..whole.len() - 5]).expect("it can be written");
    let (status, log) = appending(2, &directory, "always").with("--aof-load-truncated", "no").run_to_end();
    assert!(!status.success() && log.contains("appendonly.aof.1.incr.aof"), "{log}");
    // Damaged in the middle.
    let mut damaged = whole.clone();
    let half = whole.len() / 2;
    let record = half + whole[half..].windows(2).position(|bytes| bytes == b"*3").expect("records follow");
    damaged[record] = b'!';
    fs::write(&path, &damaged).expect("it can be written");
    let (status, log) = appending(2, &directory, "always").run_to_end();
    assert!(!status.success() && log.contains("appendonly.aof.1.incr.aof"), "{log}");
    assert_eq!(fs::read(&path).expect("it is there"), damaged, "it stays as it is");
    // A command that nobody knows, and a manifest that names what is not there.
    fs::write(&path, b"*1\r\n$7\r\nNOTHING\r\n").expect("it can be written");
    let (status, log) = appending(2, &directory, "always").run_to_end();
    assert!(!status.success() && log.contains("Unknown command 'NOTHING'"), "{log}");
    fs::remove_file(&path).expect("it can be removed");
    let (status, log) = appending(2, &directory, "always").run_to_end();
    assert!(!status.success() && log.contains("appendonly.aof.1.incr.aof for reading: No such file"), "{log}");
}

#[test]
fn an_old_single_file_is_taken_over() {
    let directory = Directory::new("appended-old");
    let old = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    fs::write(directory.path("appendonly.aof"), old).expect("it can be written");
    let server = appending(2, &directory, "everysec").start();
    let mut client = server.connect();
    assert_eq!(client.command("GET k").text(), "v");
    client.ok("SET l w");
    server.finish();
    assert!(!fs::exists(directory.path("appendonly.aof")).expect("it can be asked"), "it was moved");
    let server = appending(1, &directory, "everysec").start();
    let values = server.connect().command("MGET k l");
    assert_eq!([0, 1].map(|at| values.elements()[at].text()), ["v", "w"]);
    server.finish();
}

/// Each core removes what has expired as soon as its time begins, which may be before that of the others.
#[test]
fn many_keys_that_expired_meanwhile_are_removed_when_time_begins() {
    let directory = Directory::new("appended-many-expired");
    let server = appending(3, &directory, "no").start();
    let mut client = server.connect();
    (0..3000).for_each(|number| client.ok(&format!("SET key:{number} v PX 200")));
    client.ok("SET kept v");
    server.finish();
    thread::sleep(Duration::from_millis(250));
    for cores in [1, 2, 3] {
        let server = appending(cores, &directory, "always").start();
        let mut client = server.connect();
        assert_eq!(client.command("KEYS *").elements().len(), 1, "{cores} cores");
        wait_until("all are removed", || client.command("DBSIZE").integer() == 1);
        server.finish();
    }
}

#[test]
fn a_second_server_on_the_same_log_is_refused_and_told_by_whom() {
    let directory = Directory::new("appended-lock");
    let server = appending(2, &directory, "everysec").start();
    server.connect().ok("SET k v");
    let (status, log) = appending(1, &directory, "everysec").run_to_end();
    let holder = format!("in use by process {} (127.0.0.1:{})", server.pid(), server.port());
    assert!(!status.success() && log.contains(&holder), "{log}");
    // Others may be there: those with a log of another name, and those without one.
    appending(1, &directory, "everysec").with("--appenddirname", "other").start().finish();
    let silent = Launch::cores(1).with("--save", "").in_directory(&directory).start();
    assert_eq!(server.connect().command("GET k").text(), "v");
    silent.finish();
    // The kernel frees it, however the holder ends.
    server.kill();
    let server = appending(1, &directory, "everysec").start();
    assert_eq!(server.connect().command("GET k").text(), "v");
    server.finish();
}

#[test]
fn a_lock_that_cannot_be_made_ends_the_start() {
    let directory = Directory::new("appended-no-lock");
    fs::create_dir_all(directory.path("appendonlydir/appendonly.aof.lock")).expect("it can be made");
    let (status, log) = appending(1, &directory, "everysec").run_to_end();
    assert!(!status.success() && log.contains("appendonly.aof.lock: Is a directory"), "{log}");
}

#[test]
fn what_expired_while_the_server_was_down_is_gone_and_what_was_done_before_counts() {
    let directory = Directory::new("appended-expiry");
    let server = appending(2, &directory, "always").start();
    let mut client = server.connect();
    client.ok("SET kept 5 PX 300");
    client.command("INCR kept");
    client.command("PERSIST kept");
    client.ok("SET gone 5 PX 300");
    server.kill();
    thread::sleep(Duration::from_millis(400));
    let server = appending(2, &directory, "always").start();
    let mut client = server.connect();
    assert_eq!(client.command("GET kept").text(), "6", "it was alive when it was changed");
    assert_eq!(client.command("EXISTS gone").integer(), 0);
    server.finish();
}

#[test]
fn while_nobody_takes_what_is_propagated_only_writes_wait_and_little_is_kept() {
    const WRITES: u64 = 150;
    const HELD_MAX: u64 = 80;
    let directory = Directory::new("appended-held");
    let server = appending(1, &directory, "everysec").start();
    // A pipe in the place of the file that BGSAVE writes holds its writer up until somebody reads.
    let pipe = directory.path(&format!("temp-{}.rdb", server.pid()));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut saver = server.connect();
    saver.send(b"BGSAVE\r\n");
    thread::sleep(Duration::from_millis(200));
    let port = server.port();
    let writer = thread::spawn(move || {
        let (mut client, value) = (Client::connect(port), vec![b'v'; 1 << 20]);
        for number in 0..WRITES {
            client.call(&[&b"SET"[..], format!("key{number}").as_bytes(), &value]);
        }
    });
    let mut reader = server.connect();
    let written = |reader: &mut Client| reader.command("DBSIZE").integer() as u64;
    wait_until("writes wait", || {
        let before = written(&mut reader);
        thread::sleep(Duration::from_millis(300));
        before > 60 && written(&mut reader) == before
    });
    assert!(written(&mut reader) < HELD_MAX, "{} MiB were written", written(&mut reader));
    assert_eq!(reader.command("STRLEN key0").integer(), 1 << 20);
    let drained =
        thread::spawn(move || std::io::copy(&mut fs::File::open(pipe).unwrap(), &mut std::io::sink()).unwrap());
    writer.join().expect("writes go on");
    assert!(drained.join().unwrap() > 0);
    assert_eq!(written(&mut reader), WRITES);
    wait_until("the log is written", || reader.info("aof_buffer_length") == "0");
    server.kill();
    let server = appending(1, &directory, "everysec").start();
    assert_eq!(written(&mut server.connect()), WRITES);
    server.finish();
}
