//! Against a real redis-server: it loads what the log has written, and what it has written is read here; where it refuses a
//! file, so does the verdict.
//!
//! ```text
//!   groups -> Log -> files of a folder -> redis-server --appendonly yes -> its keys
//!   commands -> redis-server -> files -> Manifest, Reader -> records
//!   a damaged file -> redis-server starts or not = the verdict
//! ```

#[path = "../../torc-rdb/tests/redis/mod.rs"]
mod redis;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use redis::Redis;
use torc_log::{
    Action, BaseFormat, Encoder, Event, Fsync, Group, LoadPolicy, Log, Manifest, Names, Now, Outcome, Passage, Reader,
    Settings, Start, StartContent, Verdict, judge,
};

const NAME: &str = "appendonly.aof";

/// A working directory of a server, with the directory of a log in it; both go when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("torc-log-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("appendonlydir")).unwrap();
        Folder(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("appendonlydir").join(name)
    }

    fn directives(&self) -> [&str; 4] {
        ["--dir", self.0.to_str().unwrap(), "--appendonly", "yes"]
    }

    fn perform(&self, action: &Action) {
        match action {
            Action::Create { file } => drop(fs::File::create(self.file(file)).unwrap()),
            Action::Write { file, offset, chunks } => {
                let mut file = fs::OpenOptions::new().write(true).open(self.file(file)).unwrap();
                file.seek(SeekFrom::Start(*offset)).unwrap();
                file.write_all(&chunks.concat()).unwrap();
            }
            Action::Rename { from, to } => fs::rename(self.file(from), self.file(to)).unwrap(),
            Action::Unlink { file } => fs::remove_file(self.file(file)).unwrap(),
            Action::Truncate { .. } | Action::SetAside { .. } | Action::MoveIn { .. } => panic!("nothing is torn"),
            Action::Sync { .. } | Action::SyncDirectory => {}
        }
    }

    /// Does what the log asks for; gives what it tells.
    fn serve(&self, log: &mut Log) -> Vec<Event> {
        while let Some(operation) = log.next_operation() {
            self.perform(&operation.action);
            log.complete(operation.id, Outcome::Done, Now::default());
        }
        std::iter::from_fn(|| log.next_event()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn request(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    torc_resp::write_request(&mut out, &line.split(' ').collect::<Vec<_>>());
    out
}

/// The content of a group: records, each of commands with their databases.
fn group(number: u64, records: &[&[(u16, &str)]]) -> Group {
    let mut encoder = Encoder::default();
    for record in records {
        let encoded: Vec<_> = record.iter().map(|(db, line)| (*db, request(line))).collect();
        encoder.record(encoded.iter().map(|(db, bytes)| (*db, &bytes[..])));
    }
    Group::new(number, encoder.take())
}

fn open(folder: &Folder, name: &str) -> Log {
    let start = Start {
        names: Names::new(name).unwrap(),
        manifest: Manifest::default(),
        files: Vec::new(),
        content: StartContent::InFiles,
        tail: None,
        empty_base: bytes::Bytes::new(),
        single_file_bytes: None,
        number: 0,
    };
    let settings =
        Settings { fsync: Fsync::Always, timestamps: true, base_format: BaseFormat::Commands, ..Settings::default() };
    let mut log = Log::open(start, settings, Now { monotonic_ms: 0, unix_ms: 1_700_000_000_000 });
    assert_eq!(folder.serve(&mut log), [Event::Opened]);
    log
}

#[test]
fn a_server_loads_what_the_log_has_written() {
    // A name with a space must be quoted in the manifest.
    for name in [NAME, "a b.aof"] {
        let folder = Folder::new("loads");
        let mut log = open(&folder, name);
        log.push(group(2, &[&[(0, "INCR a"), (3, "INCR b")], &[(3, "INCR b")]]));
        log.push(group(1, &[&[(0, "INCR a")]]));
        folder.serve(&mut log);
        log.ask_rewrite().unwrap();
        log.push(group(4, &[&[(3, "INCR b")], &[(0, "INCR a")]]));
        log.push(Group::cut(3));
        let events = folder.serve(&mut log);
        let Some(Event::BaseMayBegin { file, cut: 3 }) = events.last() else { panic!("{events:?}") };
        for is_whole in [false, true] {
            if is_whole {
                let base = [request("SET a 2"), request("SELECT 3"), request("SET b 2")].concat();
                fs::write(folder.file(file), &base).unwrap();
                log.base_finished(base.len() as u64);
                folder.serve(&mut log);
            }
            // In the middle of the rewrite, and after it.
            let mut server = Redis::start(&[&folder.directives()[..], &["--appendfilename", name]].concat());
            assert_eq!(server.bulk("GET a"), b"3", "{name} {is_whole}");
            server.send("SELECT 3");
            assert_eq!(server.bulk("GET b"), b"3", "{name} {is_whole}");
        }
        let mut left: Vec<_> =
            fs::read_dir(folder.file("")).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, [format!("{name}.2.base.aof"), format!("{name}.2.incr.aof"), format!("{name}.manifest")]);
    }
}

#[test]
fn what_a_server_has_written_is_read() {
    let folder = Folder::new("reads");
    fs::remove_dir(folder.file("")).unwrap();
    let programs = std::iter::once("redis-server".to_owned()).chain(std::env::var(redis::NEWER));
    for program in programs {
        drop(fs::remove_dir_all(folder.file("")));
        let directives = [&folder.directives()[..], &["--aof-timestamp-enabled", "yes", "--appendfsync", "always"]];
        let mut server = Redis::start_program(&program, &directives.concat());
        for line in ["SET a 1", "SELECT 2", "MULTI", "SET b 2", "SET c 3", "EXEC"] {
            server.send(line);
        }
        drop(server);
        let manifest = Manifest::parse(&fs::read(folder.file(&format!("{NAME}.manifest"))).unwrap()).unwrap();
        let files: Vec<&str> = manifest.loaded().map(|listed| &*listed.file).collect();
        assert_eq!(files, [format!("{NAME}.1.base.rdb"), format!("{NAME}.1.incr.aof")]);
        assert!(torc_log::begins_with_rdb(&fs::read(folder.file(files[0])).unwrap()));
        let mut reader = Reader::new(0);
        reader.feed(&fs::read(folder.file(files[1])).unwrap());
        let (mut records, mut times) = (Vec::new(), 0);
        while let Some(passage) = reader.next() {
            match passage {
                Passage::Timestamp { seconds, .. } => times += u64::from(seconds > 1_600_000_000),
                Passage::Record(record) => records.push((record.is_transaction, record.requests().len())),
                Passage::Request { .. } => panic!("nobody asked for requests one by one"),
            }
        }
        assert_eq!(reader.finish(), torc_log::End::Whole);
        // The harness begins with SELECT, SET and DEL. Redis 8 has the SELECT of a transaction within it.
        assert_eq!(records.iter().map(|(_, requests)| requests).sum::<usize>(), 7, "{records:?}");
        let (last, before) = records.split_last().expect("there are some");
        assert!(last.0 && before.iter().all(|record| *record == (false, 1)), "{records:?}");
        assert!(times > 0);
    }
}

/// Whether a server starts with these files; one that does is stopped.
fn starts(folder: &Path, load_truncated: bool) -> bool {
    let socket = folder.join("socket");
    drop(fs::remove_file(&socket));
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket"]).arg(&socket).args(["--dir"]).arg(folder);
    command.args(["--appendonly", "yes", "--aof-load-truncated", if load_truncated { "yes" } else { "no" }]);
    let mut process = command.stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_up = loop {
        if process.try_wait().unwrap().is_some() {
            break false;
        }
        // It answers errors while it loads.
        let loaded =
            Command::new("redis-cli").arg("-s").arg(&socket).arg("PING").stderr(Stdio::null()).output().unwrap();
        if loaded.stdout.starts_with(b"PONG") {
            break true;
        }
        assert!(Instant::now() < deadline, "redis-server neither starts nor ends");
        std::thread::sleep(Duration::from_millis(20));
    };
    drop(process.kill());
    process.wait().unwrap();
    is_up
}

#[test]
fn a_damaged_file_is_judged_as_by_a_server() {
    let folder = Folder::new("judges");
    let set = request("SET a 1");
    let open = [request("MULTI"), request("SET a 2")].concat();
    let tails: [&[u8]; 8] =
        [b"", b"*1\r\n", b"*2\r\n$3\r\nDE", &open, &[0; 20], b"nonsense\r\n", b"#a line\r\n", b"*1\r\n:1\r\n"];
    for tail in tails {
        for (damaged, load_truncated) in [(2, true), (2, false), (1, true)] {
            let files = [(1, "a.1.incr.aof"), (2, "a.2.incr.aof")].map(|(number, file)| {
                let bytes = if number == damaged { [&set[..], tail].concat() } else { set.clone() };
                let file = file.replacen('a', NAME, 1);
                fs::write(folder.file(&file), &bytes).unwrap();
                (file, bytes)
            });
            let manifest = format!("file {NAME}.1.incr.aof seq 1 type i\nfile {NAME}.2.incr.aof seq 2 type i\n");
            fs::write(folder.file(&format!("{NAME}.manifest")), manifest).unwrap();
            let policy = LoadPolicy { load_truncated, corrupt_tail_bytes_max: 0 };
            let is_loaded = files.iter().enumerate().all(|(place, (file, bytes))| {
                let mut reader = Reader::new(0);
                reader.feed(bytes);
                while reader.next().is_some() {}
                let verdict = judge(file, reader.finish(), bytes.len() as u64, place == 1, &policy);
                !matches!(verdict, Verdict::Refused { .. })
            });
            let what = format!("{} in file {damaged}, {load_truncated}", tail.escape_ascii());
            assert_eq!(is_loaded, starts(&folder.0, load_truncated), "{what}");
        }
    }
}
