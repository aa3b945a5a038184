//! `torc check` with the real binary: what it says of sound, torn, damaged and foreign files, what it cuts, and that nothing is
//! lost by that.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::Command;

use common::check::{Told, as_tool, ask, check, log_of, request, run};
use common::data::fill_types;
use common::logs::wait_until_based;
use common::{Directory, Launch, binary};

/// A file with these bytes; returns its path.
fn file(directory: &Directory, name: &str, bytes: &[u8]) -> String {
    let path = directory.path(name);
    fs::write(&path, bytes).expect("a file can be written");
    path
}

/// A log with a base and two increments in a directory; returns the manifest's path.
fn parts(directory: &Directory, base: &[u8], first: &[u8], last: &[u8]) -> String {
    file(directory, "a.1.base.aof", base);
    file(directory, "a.1.incr.aof", first);
    file(directory, "a.2.incr.aof", last);
    let lines = ["a.1.base.aof seq 1 type b", "a.1.incr.aof seq 1 type i", "a.2.incr.aof seq 2 type i"];
    directory.file("a.manifest", &lines.map(|line| format!("file {line}\n")).concat())
}

fn fix(path: &str, answer: &str) -> Told {
    run(Command::new(binary()).args(["check", "--fix", path]), answer)
}

#[test]
fn what_a_server_writes_is_valid_and_what_is_torn_can_be_repaired() {
    let directory = Directory::new("check-server");
    let launch = |truncated| {
        let launch = Launch::cores(2).with("--appendonly", "yes").with("--aof-timestamp-enabled", "yes");
        launch.with("--aof-load-truncated", truncated).with("--save", "").in_directory(&directory)
    };
    let server = launch("yes").start();
    let mut client = server.connect();
    fill_types(&mut client);
    client.command("BGREWRITEAOF");
    wait_until_based(&mut client);
    client.ok("MSET a 1 b 2 c 3 d 4");
    client.ok("SET last value");
    client.ok("SAVE");
    server.finish();
    let (dump, manifest) = (directory.path("dump.rdb"), directory.path("appendonlydir/appendonly.aof.manifest"));
    let told = check(&[&dump, &manifest]);
    told.says(0, &["Checksum OK", "RDB looks OK!", "keys read", "Start checking Multi Part AOF", "(RDB format)"]);
    told.says(0, &["BASE AOF appendonly.aof.", "is valid", "INCR AOF", "All AOF files and manifest are valid"]);
    told.says(0, &["[info] 21 keys read", "[info] 16 keys read"]);
    assert_eq!(told.err, "");

    let log = fs::read_dir(directory.path("appendonlydir")).unwrap().map(|entry| entry.unwrap().path());
    let increment = log.filter(|path| path.to_str().unwrap().ends_with(".incr.aof")).max().unwrap();
    let whole = fs::metadata(&increment).unwrap().len();
    let mut appended = fs::OpenOptions::new().append(true).open(&increment).unwrap();
    appended.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nx").unwrap();
    let (status, log) = launch("no").run_to_end();
    assert!(!status.success() && log.contains("redis-check-aof --fix"), "{log}");
    // By a link, as the suite of Redis runs it.
    let link = directory.path("redis-check-aof");
    symlink(binary(), &link).unwrap();
    run(Command::new(&link).arg(&manifest), "").says(1, &["ends too early", "is not valid. Use the --fix option"]);
    let told = run(Command::new(&link).args(["--fix", &manifest]), "y\n");
    told.says(0, &["Continue? [y/N]: ", "Successfully truncated AOF", "All AOF files and manifest are valid"]);
    assert_eq!((fs::metadata(&increment).unwrap().len(), &told.err[..]), (whole, ""));
    let server = launch("no").start();
    assert_eq!(server.connect().command("GET last").text(), "value");
    server.finish();
}

#[test]
fn every_end_of_a_log_is_told() {
    let directory = Directory::new("check-ends");
    let sound = log_of(&["SET k value", "#TS:1700000000", "MULTI", "SET a 1", "# a note", "SET b 2", "EXEC"]);
    let path = file(&directory, "a.aof", &sound);
    let told = check(&[&path]);
    let len = sound.len();
    let analyzed = format!("AOF analyzed: filename={path}, size={len}, ok_up_to={len}, ok_up_to_line=28, diff=0\n");
    assert_eq!(told.out, format!("Start checking Old-Style AOF\n{analyzed}AOF {path} is valid\n"));
    assert_eq!(told.status, 0);
    let torn = "in the middle of a command, or between MULTI and EXEC";
    // What follows, how far in it something is wrong, and what.
    for (tail, at, what) in [
        (&b"!!!"[..], 0, "a request does not begin with '*'"),
        (b"PING\r\n", 0, "a request does not begin with '*'"),
        (b"*", 1, torn),
        (b"*2\r\n$3\r\nGET", 11, torn),
        (b"*1\r\n$1\r\nxyz", 9, "a line or an argument does not end where it must"),
        (b"*1\r\n:1\r\n", 4, "an argument does not begin with '$'"),
        (b"*1\r\n$99999999999999\r\n", 4, "an argument has an impossible length"),
        (b"*1\r\n$999999999\r\nx", 17, torn),
        (b"*0\r\n", 0, "a request has an impossible number of arguments"),
        (&[0; 70_000], 0, "only zero bytes from here to the end of the file"),
        (b"*1\r\n$4\r\nPI\0\0\0", 12, "only zero bytes from here to the end of the file"),
        (b"\0\0*", 0, "a request does not begin with '*'"),
        (b"#TS:17", 6, torn),
        (&log_of(&["MULTI", "SET a 1"]), 42, torn),
        (&log_of(&["MULTI", "SET a 1", "MULTI", "EXEC"]), 42, "MULTI between MULTI and EXEC"),
        (&log_of(&["EXEC", "SET a 1"]), 0, "EXEC without MULTI"),
    ] {
        let bytes = [&sound[..], tail].concat();
        fs::write(&path, &bytes).unwrap();
        let analyzed = format!("size={}, ok_up_to={len}, ok_up_to_line=28, diff={}\n", bytes.len(), tail.len());
        let wrong = format!("at offset {}: {what}\n", len + at);
        let told = check(&[&path]);
        told.says(1, &[&format!("AOF {path} "), &wrong, &analyzed, "is not valid. Use the --fix option to try"]);
        assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is changed unasked");
    }
    fs::write(&path, [&sound[..], &request("NOSUCHCOMMAND x")].concat()).unwrap();
    let unknown = format!("at offset {len}: unknown command 'NOSUCHCOMMAND'");
    check(&[&path]).says(0, &[&unknown, "is valid"]);
    fs::write(&path, "").unwrap();
    assert_eq!(check(&["--fix", &path]).says(0, &[]), format!("Start checking Old-Style AOF\nAOF {path} is empty\n"));
}

#[test]
fn what_is_cut_off_is_kept() {
    let directory = Directory::new("check-cut");
    let (sound, tail) = (log_of(&["SET k value"]), b"*3\r\n$3\r\nSET\r\n\0\xff");
    let bytes = [&sound[..], tail].concat();
    let path = file(&directory, "a.aof", &bytes);
    for answer in ["n\n", "", "\n", " y\n"] {
        fix(&path, answer).says(1, &["This will shrink the AOF", "Continue? [y/N]: Aborting..."]);
        assert_eq!((fs::read(&path).unwrap(), directory.names()), (bytes.clone(), vec!["a.aof".to_owned()]));
    }
    let aside = format!("a.aof.torn-at-{}", sound.len());
    let names = [aside.clone(), format!("{aside}.2"), format!("{aside}.3")];
    for (answer, name) in ["y", "Y\n", "yes\n"].into_iter().zip(&names) {
        fs::write(&path, &bytes).unwrap();
        let kept = format!("bytes that are cut off are kept in {}\n", directory.path(name));
        fix(&path, answer).says(0, &[&kept, &format!("Successfully truncated AOF {path}\n")]);
        assert_eq!((fs::read(&path).unwrap(), directory.read(name)), (sound.clone(), tail.to_vec()));
    }
    fix(&path, "y").says(0, &["is valid"]);
    // Beside the file also where its path has no folder.
    fs::write(&path, &bytes).unwrap();
    let told = run(Command::new(binary()).args(["check", "--fix", "a.aof"]).current_dir(directory.path("")), "y");
    told.says(0, &["kept in ./a.aof.torn-at-"]);
    assert_eq!(directory.names().len(), 5);
}

#[test]
fn nothing_is_cut_that_cannot_be_kept() {
    let directory = Directory::new("check-kept");
    let (sound, tail) = (log_of(&["SET k value"]), b"*3\r\n$3");
    let bytes = [&sound[..], tail].concat();
    // The other file's name would be too long.
    let path = file(&directory, &"n".repeat(250), &bytes);
    fix(&path, "y").says(1, &["Failed to truncate AOF", "too long"]);
    assert_eq!((fs::read(&path).unwrap(), directory.names().len()), (bytes.clone(), 1));
    // A server goes on writing between the question and the answer.
    let path = file(&directory, "a.aof", &bytes);
    let (told, mut tool) = ask(&path);
    assert!(told.contains("from 37 bytes, with 6 bytes, to 31 bytes"), "{told}");
    let longer = [&bytes[..], b"\r\nSET"].concat();
    fs::write(&path, &longer).unwrap();
    tool.stdin.take().unwrap().write_all(b"y\n").unwrap();
    let mut rest = String::new();
    tool.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert!(!tool.wait().unwrap().success() && rest.contains("its length has changed"), "{rest}");
    assert_eq!((fs::read(&path).unwrap(), directory.names().len()), (longer, 2));
}

#[test]
fn only_the_last_file_is_cut() {
    let directory = Directory::new("check-last");
    let sound = log_of(&["SET k value"]);
    let torn = [&sound[..], b"*2\r\n"].concat();
    let manifest = parts(&directory, &sound, &sound, &sound);
    let told = check(&[&manifest]);
    told.says(
        0,
        &["Start checking Multi Part AOF\nStart to check BASE AOF (RESP format).\n", "BASE AOF a.1.base.aof is valid"],
    );
    told.says(0, &["Start to check INCR files.\n", "INCR AOF a.1.incr.aof is valid", "INCR AOF a.2.incr.aof is valid"]);
    told.says(0, &["All AOF files and manifest are valid\n"]);
    for (base, first, which) in [(&torn, &sound, "a.1.base.aof"), (&sound, &torn, "a.1.incr.aof")] {
        parts(&directory, base, first, &torn);
        let told = check(&[&manifest]);
        told.says(1, &[&format!("AOF {which} is not valid."), "AOF a.2.incr.aof is not valid."]);
        assert!(!told.out.contains("All AOF files"), "{}", told.out);
        let failed = format!("Failed to truncate AOF {which} because it is not the last file\n");
        assert!(fix(&manifest, "y").says(1, &[&failed]).ends_with(&failed), "nothing behind it is looked at");
        assert_eq!((directory.read(which), directory.read("a.2.incr.aof")), (torn.clone(), torn.clone()));
    }
    parts(&directory, &sound, &sound, &torn);
    let told = fix(&manifest, "y");
    told.says(0, &["Successfully truncated AOF a.2.incr.aof\n", "All AOF files and manifest are valid\n"]);
    assert_eq!(directory.read("a.2.incr.aof"), sound);
    parts(&directory, b"", &sound, b"");
    check(&[&manifest]).says(0, &["BASE AOF a.1.base.aof is empty", "INCR AOF a.2.incr.aof is empty", "All AOF files"]);
    fs::remove_file(directory.path("a.1.incr.aof")).unwrap();
    check(&[&manifest])
        .says(1, &["Cannot open file", "a.1.incr.aof: No such file or directory", "a.2.incr.aof is empty"]);
}

#[test]
fn a_log_is_truncated_to_a_time() {
    let directory = Directory::new("check-times");
    let lines =
        ["#TS:100", "SET a 1", "#TS:200", "MULTI", "SET b 2", "#TS:250", "EXEC", "#TS:300", "SET c 3", "#TS:400"];
    let whole = log_of(&lines);
    let to = |seconds: &str, path: &str| check(&["--truncate-to-timestamp", seconds, path]);
    let path = directory.path("a.aof");
    for (seconds, kept) in [("100", 2), ("199", 2), ("200", 7), ("299", 7), ("300", 9)] {
        fs::write(&path, &whole).unwrap();
        let done = format!("Successfully truncated AOF {path} to timestamp {seconds}\n");
        to(seconds, &path).says(0, &["are kept in", &done]);
        assert_eq!(directory.read("a.aof"), log_of(&lines[..kept]), "{seconds}");
    }
    fs::write(&path, &whole).unwrap();
    to("400", &path).says(0, &["Truncate nothing in AOF", "to timestamp 400\n", "is valid"]);
    to("99", &path).says(1, &["has nothing before timestamp 99, aborting..."]);
    assert_eq!(directory.read("a.aof"), whole);
    // What is torn is left to --fix.
    let torn = [&whole[..], b"*1\r\n"].concat();
    fs::write(&path, &torn).unwrap();
    to("500", &path).says(1, &["is not valid. Use the --fix option"]);
    assert_eq!(directory.read("a.aof"), torn);
    let manifest = parts(&directory, &whole, &log_of(&lines[8..9]), b"");
    to("300", &manifest)
        .says(1, &["Failed to truncate AOF a.1.base.aof to timestamp 300 to offset", "not the last file"]);
    let manifest = parts(&directory, &log_of(&lines[..2]), &log_of(&["SET x 1"]), &log_of(&lines[2..]));
    to("100", &manifest).says(1, &["AOF a.2.incr.aof has nothing before timestamp 100, aborting..."]);
    to("200", &manifest).says(0, &["Truncate nothing in AOF a.1.base.aof", "Successfully truncated AOF a.2.incr.aof"]);
    assert_eq!(directory.read("a.2.incr.aof"), log_of(&lines[2..7]));
}

#[test]
fn manifests_are_judged_as_by_a_server() {
    let directory = Directory::new("check-manifests");
    let sound = log_of(&["SET k value"]);
    file(&directory, "a.1.incr.aof", &sound);
    file(&directory, "a.2.incr.aof", &sound);
    for (text, expected) in [
        ("", "Found an empty AOF manifest"),
        ("hello\n", "at line 1: 'hello': Invalid AOF manifest file format"),
        ("file a.1.incr.aof seq 1 type i", "The AOF manifest file contains too long line"),
        ("file a.1.incr.aof seq 1\n", "Invalid AOF manifest file format"),
        ("\nfile a.1.incr.aof seq 1 type i\n", "at line 1: '': Invalid AOF manifest file format"),
        ("file a.1.incr.aof seq 1 type x\n", "Unknown AOF file type"),
        ("file ../a.1.incr.aof seq 1 type i\n", "File can't be a path, just a filename"),
        ("file a.2.incr.aof seq 2 type i\nfile a.1.incr.aof seq 1 type i\n", "at line 2: "),
        ("file a.1.incr.aof seq 1 type b\nfile a.2.incr.aof seq 2 type b\n", "Found duplicate base file information"),
    ] {
        let path = directory.file("a.manifest", text);
        check(&[&path]).says(1, &["Start checking Multi Part AOF", &format!("AOF manifest {path}: "), expected]);
    }
    let good = "# by hand\nfile a.1.incr.aof seq 1 type i startoffset 0\nfile gone seq 1 type h\n";
    // By its content, whatever it is called.
    for name in ["a.manifest", "other"] {
        let path = directory.file(name, good);
        let told = check(&[&path]);
        told.says(0, &["Start checking Multi Part AOF", "INCR AOF a.1.incr.aof is valid", "manifest are valid"]);
        as_tool("redis-check-aof", &[&path], "").says(0, &["manifest are valid"]);
    }
    let path = directory.file("a.manifest", "file a.9.incr.aof seq 9 type i\n");
    check(&[&path]).says(1, &["Cannot open file", "a.9.incr.aof: No such file or directory, aborting..."]);
    let other = file(&directory, "b.manifest", &log_of(&["file file"]));
    check(&[&other]).says(0, &["Start checking Old-Style AOF", "is valid"]);
}

#[test]
fn missing_foreign_and_unreadable_files() {
    let directory = Directory::new("check-foreign");
    let missing = directory.path("missing");
    check(&[&missing]).says(1, &[&format!("Cannot open file {missing}: No such file or directory")]);
    check(&[&directory.path("")]).says(1, &["Cannot read file: ", "it is not a regular file"]);
    as_tool("redis-check-rdb", &[&missing], "").says(1, &["Cannot open file"]);
    let mut foreign = vec![fs::read("/proc/self/exe").unwrap()[..100_000].to_vec()];
    foreign.extend(
        [&b"\x89PNG\r\n\x1a\n"[..], b"{\"json\": true}", b"PING\r\nPING\r\n", &[0xff; 5000]].map(<[u8]>::to_vec),
    );
    for (index, bytes) in foreign.iter().enumerate() {
        let path = file(&directory, &format!("{index}"), bytes);
        check(&[&path]).says(1, &["format error at offset 0: a request does not begin with '*'", "ok_up_to=0, "]);
        let rdb = file(&directory, &format!("{index}.rdb"), bytes);
        check(&[&rdb]).says(1, &["--- RDB ERROR DETECTED ---", "[offset ", &format!("RDB file {rdb}: ")]);
        // An RDB file is never cut.
        fix(&rdb, "y").says(1, &["is left as it is"]);
        as_tool("redis-check-rdb", &[&path], "").says(1, &["--- RDB ERROR DETECTED ---"]);
        assert_eq!((fs::read(&path).unwrap(), fs::read(&rdb).unwrap()), (bytes.clone(), bytes.clone()));
    }
    // One that is not valid does not keep the others from being checked.
    let sound = file(&directory, "sound.aof", &log_of(&["SET k v"]));
    check(&[&missing, &sound]).says(1, &["Cannot open file", "sound.aof is valid"]);
    check(&[&sound, &missing]).says(1, &["sound.aof is valid", "Cannot open file"]);
}

#[test]
fn wrong_arguments_show_the_usage() {
    for arguments in [&[][..], &["--fix"], &["--nothing", "a"], &["--truncate-to-timestamp", "x", "a"]] {
        let told = check(arguments);
        assert_eq!((told.status, &told.out[..]), (1, ""), "{told:?}");
        assert!(told.err.contains("Usage: torc check [--fix"), "{told:?}");
    }
    check(&["--help"]).says(0, &["Usage: torc check", "torn-at-OFFSET"]);
    for name in ["redis-check-aof", "/a/valkey-check-aof", "torc-check-aof"] {
        as_tool(name, &[], "").says(1, &["Usage: ", "-check-aof [--fix|--truncate-to-timestamp $timestamp]"]);
        as_tool(name, &["--truncate-to-timestamp", "x", "a"], "").says(1, &["Invalid timestamp, aborting..."]);
    }
    let told = as_tool("redis-check-rdb", &["a", "b"], "");
    assert_eq!((told.status, &told.err[..]), (1, "Usage: redis-check-rdb <rdb-file-name>\n"));
    as_tool("redis-check-rdb", &["--version"], "").says(0, &["redis-check-rdb "]);
}

/// A dump of one key of each kind, without compression so that bytes are what they are.
fn small_dump(directory: &Directory, checksum: &str) -> Vec<u8> {
    let launch = Launch::cores(1).with("--rdbcompression", "no").with("--rdbchecksum", checksum);
    let server = launch.with("--save", "").in_directory(directory).start();
    let mut client = server.connect();
    for line in
        ["SET s text", "RPUSH l a b", "HSET h f v", "SADD n 1 2", "ZADD z 1 m", "XADD x 1-1 f v", "SET t 7 EX 9999"]
    {
        client.command(line);
    }
    client.ok("SAVE");
    server.finish();
    directory.read("dump.rdb")
}

#[test]
fn every_damaged_byte_and_every_end_of_an_rdb_file_is_found() {
    let directory = Directory::new("check-bytes");
    let dump = small_dump(&directory, "yes");
    let sound = file(&directory, "sound.rdb", &dump);
    as_tool("redis-check-rdb", &[&sound], "")
        .says(0, &["Selecting DB ID 0", "Checksum OK", "[info] 7 keys read\n[info] 1 expires\n"]);
    let mut files = Vec::new();
    for at in 0..dump.len() {
        let mut flipped = dump.clone();
        flipped[at] ^= 0x21;
        files.push(file(&directory, &format!("flipped-{at}.rdb"), &flipped));
        files.push(file(&directory, &format!("cut-{at}.rdb"), &dump[..at]));
    }
    let told = check(&files);
    assert_eq!((told.status, &told.err[..]), (1, ""));
    assert_eq!(told.out.matches("Checking RDB file").count(), files.len());
    for (part, path) in told.out.split("[offset 0] Checking RDB file ").skip(1).zip(&files) {
        let named = format!("RDB file {path}: ");
        assert!(part.contains("--- RDB ERROR DETECTED ---\n[offset ") && part.contains(&named), "{part}");
    }
}

#[test]
fn damaged_values_are_told_by_key_and_the_check_goes_on() {
    let directory = Directory::new("check-values");
    let mut dump = small_dump(&directory, "no");
    let mut damage = |pattern: &[u8], at: usize| {
        let found = dump.windows(pattern.len()).position(|window| window == pattern).expect("it is in the file");
        dump[found + at] ^= 0x40;
    };
    // The number of elements of a listpack, and the width of the integers of a set.
    damage(b"\x10\x01h", 8);
    damage(b"\x0b\x01n", 4);
    let path = file(&directory, "damaged.rdb", &dump);
    let told = check(&[&path]);
    told.says(1, &["--- RDB ERROR DETECTED ---", ": key 'h': damaged ", "[info] 7 keys read"]);
    told.says(1, &[": key 'n': damaged ", "checksum disabled", "[info] 7 keys read"]);
    assert!(!told.out.contains("looks OK"), "{}", told.out);
}

#[test]
fn an_rdb_file_with_a_log_behind_it() {
    let directory = Directory::new("check-preamble");
    let (dump, log) = (small_dump(&directory, "yes"), log_of(&["SET k value"]));
    let path = file(&directory, "a.aof", &[&dump[..], &log, b"*1\r\n"].concat());
    let torn = format!("ok_up_to={}, ok_up_to_line=8, diff=4", dump.len() + log.len());
    let preamble = "RDB preamble is OK, proceeding with AOF tail...";
    check(&[&path]).says(1, &["RDB looks OK!", preamble, &torn, "is not valid"]);
    as_tool("redis-check-aof", &[&path], "").says(1, &["Start checking Old-Style AOF", preamble, &torn]);
    as_tool("redis-check-rdb", &[&path], "").says(0, &["RDB looks OK!", "[info] 35 bytes follow"]);
    fix(&path, "y").says(0, &["Successfully truncated"]);
    assert_eq!(directory.read("a.aof"), [&dump[..], &log].concat());
    // Of the RDB file nothing is cut.
    let bytes = [&dump[..50], &log].concat();
    fs::write(&path, &bytes).unwrap();
    for told in [fix(&path, "y"), as_tool("redis-check-aof", &["--fix", &path], "y")] {
        assert_eq!((told.status, directory.read("a.aof")), (1, bytes.clone()));
    }
    as_tool("redis-check-aof", &[&path], "").says(1, &["RDB preamble of AOF file is not sane, aborting."]);
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let directory = Directory::new("check-memory");
    let path = directory.path("a.aof");
    let value = "v".repeat(1 << 20);
    let mut written = fs::File::create(&path).unwrap();
    written.write_all(&request("MULTI")).unwrap();
    for _ in 0..100 {
        written.write_all(&request(&format!("SET k {value}"))).unwrap();
    }
    // A length that a damaged file states: nobody waits for it.
    written.write_all(b"*1\r\n$999999999\r\n").unwrap();
    for _ in 0..100 {
        written.write_all(value.as_bytes()).unwrap();
    }
    let (told, mut tool) = ask(&path);
    assert!(told.contains("ok_up_to=0, "), "{told}");
    let status = fs::read_to_string(format!("/proc/{}/status", tool.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 64 << 10, "{line}");
    tool.kill().unwrap();
    tool.wait().unwrap();
}

#[test]
fn a_bar_is_drawn_on_a_terminal_only() {
    let directory = Directory::new("check-bar");
    let path = file(&directory, "a.aof", &log_of(&["SET k value"]));
    assert!(!check(&[&path]).out.contains(" % of "));
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("left out, since there is no script(1) to make a terminal");
        return;
    }
    let line = format!("{} check {path}", binary().display());
    let told = run(Command::new("script").args(["-qec", &line, "/dev/null"]), "");
    told.says(0, &["a.aof  [", "] 100 % of 1 MiB\r", "is valid"]);
}

#[test]
fn nobody_need_listen() {
    let directory = Directory::new("check-pipe");
    let path = file(&directory, "a.aof", &log_of(&["SET k value"]));
    for words in [format!("check {path}"), "check --help".to_owned()] {
        let line = format!("{{ sleep 0.1; {} {words}; echo $? >&2; }} | true", binary().display());
        let told = run(Command::new("sh").args(["-c", &line]), "");
        assert_eq!(told.err, "0\n");
    }
}
