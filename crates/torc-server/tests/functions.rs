//! Libraries of functions and files: they survive a restart by every way in which keys do, and files of redis-server have them.

mod common;

use std::process::{Child, Command, Stdio};

use common::check::check;
use common::logs::{appending, wait_until_based, wait_until_written};
use common::resp::Reply;
use common::saves::quiet;
use common::{Client, Directory, Ports, wait_until};

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f', function(keys, args) return args[1] end)";
const OTHER: &str = "#!lua name=other\nredis.register_function('g', function() return 'g' end)";

fn load(client: &mut Client, source: &str) {
    let reply = client.call(&["FUNCTION", "LOAD", source]);
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
}

/// Both libraries are there, on all cores.
fn assert_both(client: &mut Client) {
    assert_eq!(client.command("FCALL f 0 x").text(), "x");
    assert_eq!(client.command("FCALL g 0").text(), "g");
    assert_eq!(client.info("number_of_libraries"), "2");
    assert_eq!(client.info("number_of_functions"), "2");
}

#[test]
fn a_saved_file_has_libraries() {
    let directory = Directory::new("functions-saved");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    load(&mut client, LIBRARY);
    load(&mut client, OTHER);
    client.ok("SET k v");
    client.ok("FLUSHALL");
    client.ok("DEBUG RELOAD");
    assert_both(&mut client);
    client.ok("SET k v");
    client.ok("SAVE");
    server.kill();
    check(&[directory.path("dump.rdb")]).says(0, &["[info] 1 keys read", "[info] 2 libraries of functions"]);
    for cores in [1, 3] {
        let server = quiet(cores, &directory).start();
        for _ in 0..cores {
            let mut client = server.connect();
            assert_both(&mut client);
            assert_eq!(client.command("GET k").text(), "v");
        }
        server.finish();
    }
    let server = quiet(1, &directory).with("--rdb-version", "9").start();
    let reply = server.connect().command("SAVE");
    assert!(matches!(reply, Reply::Error(_)), "version 9 has no libraries: {reply:?}");
}

#[test]
fn a_log_has_libraries_in_its_base_and_behind_it() {
    for preamble in ["yes", "no"] {
        let directory = Directory::new(&format!("functions-logged-{preamble}"));
        let launch = |cores| appending(cores, &directory).with("--aof-use-rdb-preamble", preamble);
        let server = launch(2).start();
        let mut client = server.connect();
        load(&mut client, LIBRARY);
        client.command("BGREWRITEAOF");
        wait_until_based(&mut client);
        load(&mut client, OTHER);
        client.command("FUNCTION DELETE other");
        load(&mut client, OTHER);
        wait_until_written(&mut client);
        assert_eq!(client.command("DEBUG LOADAOF").text(), "OK");
        assert_both(&mut client);
        server.finish();
        for cores in [3, 1] {
            let server = launch(cores).start();
            assert_both(&mut server.connect());
            server.finish();
        }
    }
}

/// redis-server on a directory. `None`: there is none, which is said.
fn redis(directory: &Directory) -> Option<(Child, u16, Ports)> {
    let (port, ports) = common::reserved_port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir", &directory.path(".")])
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        eprintln!("left out, since there is no redis-server");
        return None;
    };
    wait_until("redis-server answers", || {
        Client::try_connect(port).is_ok_and(|mut client| client.command("PING") == Reply::Simple("PONG".to_owned()))
    });
    Some((child, port, ports))
}

#[test]
fn redis_server_has_our_libraries_and_we_have_its() {
    let directory = Directory::new("functions-redis");
    let server = quiet(2, &directory).start();
    let mut client = server.connect();
    load(&mut client, LIBRARY);
    client.ok("SET k v");
    client.ok("SAVE");
    server.kill();
    let Some((mut child, port, _ports)) = redis(&directory) else { return };
    let mut client = Client::connect(port);
    assert_eq!(client.command("FCALL f 0 x").text(), "x");
    load(&mut client, OTHER);
    client.ok("SAVE");
    child.kill().and_then(|()| child.wait()).expect("it ends");
    let server = quiet(3, &directory).start();
    assert_both(&mut server.connect());
    server.finish();
}
