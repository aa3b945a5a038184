//! The log: who caused what, floods of lines, and readers that do not read.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::resp;
use common::{Client, Launch, Server};

/// A payload that RESTORE refuses when checksums are not looked at.
const DAMAGED: &str = "\u{1}\u{0}\u{0}\u{0}\u{0}\u{b}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}";

fn debuggable(cores: usize) -> Launch {
    Launch::cores(cores).with("--enable-debug-command", "yes")
}

fn send_damaged(client: &mut Client, count: usize) {
    assert_eq!(client.command("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1").text(), "OK");
    client.send(&resp::request(&["RESTORE", "key", "0", DAMAGED]).repeat(count));
    for _ in 0..count {
        assert_eq!(client.reply().text(), "ERR Bad data format");
    }
}

fn count_of(log: &str, part: &str) -> usize {
    log.lines().filter(|line| line.contains(part)).count()
}

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.http("/metrics");
    let line =
        metrics.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{metrics}"));
    line.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
fn a_flood_of_lines_is_cut_and_counted() {
    const FLOOD: usize = 5000;
    let server = debuggable(2).with("--loglevel", "verbose").start();
    send_damaged(&mut server.connect(), FLOOD);
    server.wait_for_log(" were left out");
    let left_out = metric(&server, "torc_log_lines_left_out_total");
    assert_eq!(metric(&server, "torc_log_lines_lost_total"), 0);
    let log = server.finish();
    let written = count_of(&log, " - RESTORE: List integrity check failed");
    assert!((100..1000).contains(&written), "{written} lines");
    assert_eq!(written + left_out as usize, FLOOD);
    assert!(log.contains(" lines like \"RESTORE: List integrity check failed"), "{log}");

    let server = debuggable(2).start();
    send_damaged(&mut server.connect(), FLOOD);
    assert!(!server.finish().contains("RESTORE"), "at the default level it is not logged at all");
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let server = debuggable(2).start_unread();
    let line = "x".repeat(4000);
    let mut clients: Vec<Client> = (0..6).map(|_| server.connect()).collect();
    // A pipe holds 64 KiB.
    for client in &mut clients {
        client.send(&resp::request(&["DEBUG", "LOG", &line]).repeat(50));
        for _ in 0..50 {
            assert_eq!(client.reply().text(), "OK");
        }
    }
    for _ in 0..20 {
        assert_eq!(server.connect().command("PING").text(), "PONG");
    }
    let asked = Instant::now();
    server.signal(libc::SIGTERM);
    server.assert_clean_exit();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn whoever_ends_the_server_is_named() {
    for (signal, name) in [(libc::SIGTERM, "SIGTERM"), (libc::SIGINT, "SIGINT")] {
        let server = Launch::cores(2).start();
        server.signal(signal);
        let log = server.assert_clean_exit();
        assert!(log.contains(&format!(" * Received {name} scheduling shutdown...")), "{log}");
    }
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    let address = client.stream().local_addr().expect("it is connected");
    let id = client.command("CLIENT ID").integer();
    client.send(&resp::request(&["SHUTDOWN", "NOSAVE"]));
    let log = server.assert_clean_exit();
    assert!(log.contains(&format!(" * User requested shutdown: id={id} addr={address} ")), "{log}");
}

#[test]
fn a_misled_browser_is_named() {
    let server = Launch::cores(2).start();
    let mut client = server.connect();
    let address = client.stream().local_addr().expect("it is connected");
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET key value\r\n");
    client.assert_closed();
    server.wait_for_log(&format!("Connection from {address} aborted."));
    let log = server.finish();
    assert!(log.contains(" # Possible SECURITY ATTACK detected."), "{log}");
}

#[test]
fn what_a_client_writes_stays_on_its_line() {
    let server = debuggable(1).start();
    let forged = "x\r\n1:M 01 Jan 2000 00:00:00.000 # forged";
    assert_eq!(server.connect().call(&["DEBUG", "LOG", forged]).text(), "OK");
    let log = server.finish();
    assert_eq!(count_of(&log, "forged"), 1, "{log}");
    assert_eq!(count_of(&log, r"DEBUG LOG: x\r\n1:M"), 1, "{log}");
}

#[test]
fn lines_at_the_end_are_written() {
    for _ in 0..5 {
        let server = debuggable(1).start();
        let mut client = server.connect();
        for number in 0..50 {
            client.send(&resp::request(&["DEBUG", "LOG", &number.to_string()]));
        }
        client.send(&resp::request(&["SHUTDOWN"]));
        client.read_until_close();
        let log = server.assert_clean_exit();
        assert!((0..50).all(|number| log.contains(&format!("DEBUG LOG: {number}\n"))), "{log}");
        assert!(log.trim_end().ends_with("bye bye..."), "{log}");
    }
}

#[test]
fn a_process_that_crashes_says_by_which_signal() {
    let says = |server: Server, signal: i32, part: &str| {
        let (status, log) = server.end();
        assert_eq!(status.signal(), Some(signal), "{log}");
        let last = log.trim_end().lines().next_back().unwrap_or_default();
        assert!(last.contains(" # Torc ") && last.contains(&format!(" crashed by signal: {signal}, {part}")), "{log}");
        assert!(log.contains("DEBUG LOG: the line before"), "{log}");
    };
    let started = || {
        let server = debuggable(2).start();
        assert_eq!(server.connect().call(&["DEBUG", "LOG", "the line before"]).text(), "OK");
        server
    };
    let server = started();
    let mut client = server.connect();
    client.send(&resp::request(&["DEBUG", "SEGFAULT"]));
    client.read_until_close();
    says(server, libc::SIGSEGV, "si_code: -6");
    // By somebody else; an abort from within is in the test of memory that is not there.
    for signal in [libc::SIGABRT, libc::SIGBUS] {
        let server = started();
        server.signal(signal);
        says(server, signal, "si_code: 0");
    }
}
