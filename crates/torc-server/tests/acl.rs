//! Users over sockets: files of users and CONFIG REWRITE across restarts, wrong passwords in floods, secrets and files' modes.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::resp::Reply;
use common::{Directory, Launch, Server};

fn say(server: &Server, lines: &[&str]) -> Vec<String> {
    let mut client = server.connect();
    lines.iter().map(|line| client.command(line).text().to_owned()).collect()
}

#[test]
fn users_of_a_file() {
    let directory = Directory::new("acl-file");
    let path = directory.file("users.acl", "user default on nopass ~* &* +@all\nuser bob on >pw ~b* +@all\n");
    let server = Launch::cores(2).with("--aclfile", &path).start();
    let mut bob = server.connect();
    assert_eq!(bob.command("AUTH bob pw").text(), "OK");
    assert_eq!(bob.command("SET b1 x").text(), "OK");
    assert_eq!(say(&server, &["ACL SETUSER eve on >second +@all ~*", "ACL SAVE"]), ["OK", "OK"]);
    let saved = String::from_utf8(directory.read("users.acl")).unwrap();
    assert!(saved.contains("user eve on sanitize-payload #") && !saved.contains("second"), "{saved}");
    assert_eq!(directory.names(), ["users.acl"], "nothing is left beside it");
    // Broken files change nothing, and a good one only what it says.
    for broken in ["user eve +foo\n", "user bob on\nuser bob off\n", "nonsense\n", "user x (+get\n"] {
        directory.file("users.acl", broken);
        let replies = say(&server, &["ACL LOAD"]);
        assert!(
            replies[0].starts_with("ERR ") && replies[0].contains("no change to the previously"),
            "{broken}: {replies:?}"
        );
        assert_eq!(say(&server, &["AUTH eve second"]), ["OK"], "{broken}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(say(&server, &["ACL LOAD"])[0].starts_with("ERR Error loading ACLs, opening file"));
    directory.file("users.acl", "user bob on >pw ~b* +@all\n");
    assert_eq!(say(&server, &["ACL LOAD"]), ["OK"]);
    assert_eq!(bob.command("GET b1").text(), "x", "who has not changed stays connected");
    assert!(say(&server, &["AUTH eve second"])[0].starts_with("WRONGPASS"));
    std::fs::remove_dir_all(directory.path("")).unwrap();
    assert!(say(&server, &["ACL SAVE"])[0].starts_with("ERR There was an error trying to save the ACLs."));
    std::fs::create_dir(directory.path("")).unwrap();
    server.finish();
}

#[test]
fn what_is_rewritten_is_there_after_a_restart() {
    // The file that is written names the directory of the data.
    let (directory, data) = (Directory::new("acl-rewrite"), Directory::new("acl-rewrite-data"));
    let file = directory.file("torc.conf", "# mine\ntimeout 7\nuser bob on >pw +@all ~b*\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let server = Launch::default().argument(&file).with("--cores", "2").in_directory(&data).start();
    let replies = say(
        &server,
        &[
            "ACL SETUSER bob >second",
            "ACL SETUSER eve on >third +@all (+get ~x)",
            "CONFIG SET requirepass first timeout 9 acllog-max-len 64",
            "CONFIG REWRITE",
        ],
    );
    assert_eq!(replies, ["OK"; 4]);
    server.finish();
    let written = String::from_utf8(directory.read("torc.conf")).unwrap();
    assert!(written.starts_with("# mine\ntimeout 9\nuser bob on sanitize-payload #"), "{written}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(directory.names(), ["torc.conf"]);
    let server = Launch::default().argument(&file).with("--cores", "2").in_directory(&data).start();
    assert!(say(&server, &["PING"])[0].starts_with("NOAUTH"));
    let mut first = server.connect();
    first.ok("AUTH first");
    let kept = first.command("CONFIG GET acllog-max-len");
    assert_eq!(kept.elements(), [Reply::bulk("acllog-max-len"), Reply::bulk("64")]);
    for login in ["AUTH bob pw", "AUTH bob second", "AUTH eve third"] {
        assert_eq!(say(&server, &[login]), ["OK"], "{login}");
    }
    // Another rewrite leaves the file as it is, but for the ports, which the second start has others of.
    assert_eq!(say(&server, &["AUTH first", "CONFIG REWRITE"]), ["OK", "OK"]);
    server.finish();
    let again = String::from_utf8(directory.read("torc.conf")).unwrap();
    let lines = |text: &str| text.lines().filter(|line| !line.contains("port ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&again), lines(&written));
}

#[test]
fn wrong_passwords_in_floods_slow_nobody_else() {
    let server = Launch::cores(2).start();
    assert_eq!(say(&server, &["ACL SETUSER bob on >pw +@all ~*"]), ["OK"]);
    let mut bob = server.connect();
    assert_eq!(bob.command("AUTH bob pw").text(), "OK");
    let mut attackers: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for attacker in &mut attackers {
        attacker.send("AUTH bob wrong\r\n".repeat(50).as_bytes());
    }
    let mut longest = Duration::ZERO;
    for number in 0..200 {
        let began = Instant::now();
        assert_eq!(bob.command(&format!("SET key {number}")).text(), "OK");
        longest = longest.max(began.elapsed());
    }
    assert!(longest < Duration::from_millis(500), "a request took {longest:?}");
    let info = bob.command("INFO stats").text().to_owned();
    let denied = info.lines().find_map(|line| line.strip_prefix("acl_access_denied_auth:")).expect("it is counted");
    let denied: u64 = denied.trim().parse().unwrap();
    assert!((1..400).contains(&denied), "{denied} of 1000 passwords were tried");
    let log = bob.command("ACL LOG");
    let names_bob = |entry: &Reply| entry.elements().contains(&Reply::bulk("bob"));
    assert!(log.elements().iter().any(names_bob), "{log:?}");
    server.finish();
}
