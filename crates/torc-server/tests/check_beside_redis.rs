//! `torc check` beside redis-check-aof and redis-check-rdb: the same verdict on sound and damaged files, the same bytes left after a
//! repair, the same lines where a file is sound. Where it is stricter is stated here.
//!
//! Without the programs the tests say so and pass. `TORC_NEWER_REDIS` may name a newer redis-server, which is both tools, too.

mod common;

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use common::check::{Told, as_tool, check, log_of, run};
use common::data::fill_types;
use common::logs::wait_until_based;
use common::{Directory, Launch};

/// Ours where redis-check-aof has nothing to say: requests without arguments, which no server loads, and a line with `#` that
/// is cut off.
const STRICTER: &[&str] = &["a request has an impossible number of arguments", "a number is not one", "ends too early"];

/// The programs that are the real tool under its name.
fn programs(tool: &str) -> Vec<String> {
    let mut programs = vec![tool.to_owned()];
    programs.extend(std::env::var("TORC_NEWER_REDIS").ok());
    let is_there = |program: &String| {
        let mut command = Command::new(program);
        command.arg0(tool).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let is_there = command.status().is_ok();
        if !is_there {
            eprintln!("left out, since there is no {program}");
        }
        is_there
    };
    programs.retain(is_there);
    programs
}

/// Runs such a program.
fn real(program: &str, tool: &str, arguments: &[&str], input: &str) -> Told {
    run(Command::new(program).arg0(tool).args(arguments), input)
}

/// The figures behind these words: how much of a file is valid.
fn valid_to(text: &str) -> u64 {
    let found = text.split("ok_up_to=").nth(1).and_then(|rest| rest.split(',').next());
    found.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no ok_up_to in: {text}"))
}

/// Files by name: a sound log with something behind it, each byte of it changed, each beginning of it.
fn damaged_logs() -> Vec<(String, Vec<u8>)> {
    let sound = log_of(&["SET k value", "#TS:1700000000", "MULTI", "SET a 1", "HSET b f v", "EXEC", "DEL k"]);
    let mut files = vec![("sound".to_owned(), sound.clone())];
    let tails = [
        "!!!",
        "*",
        "*3\r\n",
        "*3\r\n$3\r\nset",
        "*3\r\n$3\r\nset\r",
        "*1\r\n$4\r\nEXEC\r\n",
        "PING\r\n",
        "*1\n$4\nPING\r\n",
    ];
    let more = [
        "*0\r\n",
        "*-1\r\n",
        "*x\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\nxPING\r\n",
        "#abc\r\n",
        "#TS",
        "\0\0\0\0",
        "*1\r\n$4\r\nPI\0\0",
    ];
    for (index, tail) in tails.iter().chain(&more).enumerate() {
        files.push((format!("tail-{index}"), [&sound[..], tail.as_bytes()].concat()));
    }
    for at in 0..sound.len() {
        files.push((format!("cut-{at}"), sound[..at].to_vec()));
        for bits in [1, 0x20, 0xff] {
            let mut flipped = sound.clone();
            flipped[at] ^= bits;
            files.push((format!("flipped-{at}-{bits}"), flipped));
        }
    }
    files
}

/// What `torc check` says of each file, all in one run.
fn ours(paths: &[String]) -> HashMap<&str, String> {
    let told = check(paths);
    let parts = told.out.split("Start checking Old-Style AOF\n").skip(1).map(str::to_owned);
    let by_path: HashMap<&str, String> = paths.iter().map(String::as_str).zip(parts).collect();
    assert_eq!((by_path.len(), &told.err[..]), (paths.len(), ""));
    by_path
}

#[test]
fn logs_are_judged_alike() {
    let directory = Directory::new("beside-logs");
    let paths: Vec<String> = damaged_logs()
        .iter()
        .filter(|file| !file.1.is_empty())
        .map(|(name, bytes)| {
            let path = directory.path(name);
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let ours = ours(&paths);
    for program in programs("redis-check-aof") {
        let mut stricter = 0;
        for path in &paths {
            let (ours, theirs) = (&ours[&path[..]], real(&program, "redis-check-aof", &[path], "").out);
            let is_valid = |text: &str| text.ends_with(" is valid\n");
            let is_sooner = valid_to(ours) < valid_to(&theirs) && !is_valid(ours);
            if is_sooner && STRICTER.iter().any(|reason| ours.contains(reason)) {
                stricter += 1;
                continue;
            }
            let is_alike = is_valid(ours) == is_valid(&theirs) && valid_to(ours) == valid_to(&theirs);
            assert!(is_alike, "{path}:\n{ours}\n{theirs}");
        }
        assert!(stricter < 30, "{stricter} of {}", paths.len());
    }
}

#[test]
fn repairs_leave_the_same() {
    let directory = Directory::new("beside-repairs");
    let (mine, theirs) = (directory.path("mine.aof"), directory.path("theirs.aof"));
    let lines = ["#TS:100", "SET a 1", "#TS:200", "MULTI", "SET b 2", "EXEC", "#TS:300", "SET c 3", "#TS:400"];
    let whole = log_of(&lines);
    for program in programs("redis-check-aof") {
        let both = |bytes: &[u8], options: &[&str], input: &str| {
            [&mine, &theirs].iter().for_each(|path| fs::write(path, bytes).unwrap());
            let ours = as_tool("redis-check-aof", &[options, &[&mine[..]]].concat(), input);
            let theirs = real(&program, "redis-check-aof", &[options, &[&theirs[..]]].concat(), input);
            let what = format!("{options:?} {input:?}\n{}{}", ours.out, theirs.out);
            assert_eq!((ours.status, &ours.err), (theirs.status, &theirs.err), "{what}");
            assert!(directory.read("mine.aof") == directory.read("theirs.aof"), "{what}");
        };
        for (cut, input) in (0..whole.len()).zip(["y\n", "n\n", "", "Yes\n"].into_iter().cycle()) {
            // What is left of a line with `#` is whole for redis-check-aof.
            let last_line = whole[..cut].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            if !last_line.starts_with(b"#") {
                both(&whole[..cut], &["--fix"], input);
            }
        }
        for seconds in ["1", "99", "100", "150", "200", "299", "300", "399", "400", "500"] {
            both(&whole, &["--truncate-to-timestamp", seconds], "");
            both(&[&whole[..], b"*2\r\n"].concat(), &["--truncate-to-timestamp", seconds], "");
        }
    }
}

/// Lines without what differs: keys may expire between two runs; redis-check-aof goes on counting lines from one file to the next;
/// a newer one tells of fields that expire also where there are none, and names a base by its path.
fn steady(told: &Told) -> Vec<String> {
    let is_steady = |line: &&str| !line.contains("already expired") && *line != "[info] 0 subexpires";
    let name = |line: &str| match line.split_once("Checking RDB file ") {
        Some((start, path)) => format!("{start}{}", path.rsplit('/').next().unwrap_or_default()),
        None => line.split(", ok_up_to_line=").next().unwrap_or_default().to_owned(),
    };
    told.out.lines().filter(is_steady).map(name).collect()
}

#[test]
fn sound_files_are_told_in_the_same_lines() {
    let directory = Directory::new("beside-sound");
    let launch = Launch::cores(1).with("--appendonly", "yes").with("--rdb-version", "10").with("--save", "");
    let server = launch.in_directory(&directory).start();
    let mut client = server.connect();
    fill_types(&mut client);
    client.command("BGREWRITEAOF");
    wait_until_based(&mut client);
    client.ok("MSET a 1 b 2");
    client.ok("SAVE");
    server.finish();
    let (dump, manifest) = (directory.path("dump.rdb"), directory.path("appendonlydir/appendonly.aof.manifest"));
    for (tool, path) in [("redis-check-rdb", &dump), ("redis-check-aof", &manifest), ("redis-check-aof", &dump)] {
        for program in programs(tool) {
            let (ours, theirs) = (as_tool(tool, &[path], ""), real(&program, tool, &[path], ""));
            assert_eq!((ours.status, steady(&ours)), (theirs.status, steady(&theirs)), "{tool} {path}");
        }
    }
}

#[test]
fn manifests_are_judged_alike() {
    let directory = Directory::new("beside-manifests");
    let manifest = directory.path("a.manifest");
    let sound = log_of(&["SET k value"]);
    let torn = [&sound[..], b"*2\r\n"].concat();
    let (base, first, last) = ("file b seq 1 type b\n", "file i1 seq 1 type i\n", "file i2 seq 2 type i\n");
    let mut cases = vec![(base.to_owned(), vec!["b"]), ([base, first, last].concat(), vec!["b", "i1", "i2"])];
    cases.extend([([first, last].concat(), vec!["i1", "i2"]), ("file gone seq 1 type h\n".to_owned(), vec![])]);
    cases.extend([[base, base].concat(), [last, first].concat(), format!("{base}\n")].map(|text| (text, vec![])));
    cases.push(("file b seq 1\n".to_owned(), vec![]));
    for program in programs("redis-check-aof") {
        for ((text, files), option) in cases.iter().flat_map(|case| [(case, ""), (case, "--fix")]) {
            // All sound, then one after another torn, empty and missing.
            let states = [Some(&torn[..]), Some(b""), None];
            let damages = files.iter().flat_map(|file| states.map(|bytes| (*file, bytes))).chain([("other", None)]);
            for (damaged, bytes) in damages {
                let told = [true, false].map(|is_ours| {
                    for file in files {
                        fs::write(directory.path(file), &sound).unwrap();
                    }
                    match bytes {
                        Some(bytes) => fs::write(directory.path(damaged), bytes).unwrap(),
                        None => drop(fs::remove_file(directory.path(damaged))),
                    }
                    fs::write(&manifest, text).unwrap();
                    let arguments: Vec<&str> = [option, &manifest].into_iter().filter(|it| !it.is_empty()).collect();
                    let told = match is_ours {
                        true => as_tool("redis-check-aof", &arguments, "y\n"),
                        false => real(&program, "redis-check-aof", &arguments, "y\n"),
                    };
                    let left: Vec<_> = files.iter().map(|file| fs::read(directory.path(file)).ok()).collect();
                    (told, left)
                });
                let [(ours, left), (theirs, left_by_them)] = told;
                let what = format!("{option} {text} {damaged} {bytes:?}\n{}\n{}", ours.out, theirs.out);
                assert_eq!((ours.status, left), (theirs.status, left_by_them), "{what}");
                // The lines are theirs where nothing is wrong.
                assert!(ours.status != 0 || ours.out.contains("torn-at") || steady(&ours) == steady(&theirs), "{what}");
            }
        }
    }
}

#[test]
fn rdb_files_are_judged_alike_or_more_strictly() {
    let directory = Directory::new("beside-rdb");
    let launch =
        Launch::cores(1).with("--rdbchecksum", "no").with("--rdbcompression", "no").with("--rdb-version", "10");
    let server = launch.with("--save", "").in_directory(&directory).start();
    let mut client = server.connect();
    for line in
        ["SET s text", "RPUSH l a b", "HSET h f v", "SADD n 1 2", "ZADD z 1 m", "XADD x 1-1 f v", "SET t 7 EX 9999"]
    {
        client.command(line);
    }
    client.ok("SAVE");
    server.finish();
    let dump = directory.read("dump.rdb");
    let mut files = vec![dump.clone()];
    files.extend((0..dump.len()).map(|at| dump[..at].to_vec()));
    for at in 0..dump.len() {
        files.push(dump.clone());
        files.last_mut().unwrap()[at] ^= [1, 0x80, 0xff][at % 3];
    }
    let path = directory.path("damaged.rdb");
    for program in programs("redis-check-rdb") {
        let (mut sound, mut stricter) = (0, 0);
        for bytes in &files {
            fs::write(&path, bytes).unwrap();
            let (ours, theirs) =
                (as_tool("redis-check-rdb", &[&path], ""), real(&program, "redis-check-rdb", &[&path], ""));
            // It knows versions that an old server does not.
            let is_newer = theirs.out.contains("Can't handle RDB format version");
            // What a server passes over ends the reading there.
            let passes_over = ours.out.contains("keys without a value");
            let is_alike = ours.status != 0 || theirs.status == 0;
            assert!(is_alike || is_newer || passes_over, "{}\n{}", ours.out, theirs.out);
            sound += u32::from(ours.status == 0);
            stricter += u32::from(ours.status > theirs.status);
        }
        println!("of {} files {sound} are sound, {stricter} only for redis-check-rdb", files.len());
        assert!(sound > 1);
    }
}
