//! Starts that must not be: each ends at once, with one line that says what is wrong and what would be right.

mod common;

use std::os::unix::net::UnixListener;

use common::{Directory, Launch, Server, is_uring_denied, wait_until};

#[track_caller]
fn assert_start_fails(launch: Launch, parts: &[&str]) {
    let (status, printed) = launch.run_to_end();
    assert_eq!(status.code(), Some(1), "{printed}");
    let last = printed.lines().find(|line| line.starts_with("torc: ")).unwrap_or_default();
    for part in parts {
        assert!(last.contains(part), "{part:?} is not said in:\n{printed}");
    }
    assert!(!printed.contains("Ready to accept connections"), "{printed}");
    assert!(!printed.contains("panicked"), "{printed}");
}

#[test]
fn a_server_that_nobody_can_reach() {
    let bare = || Launch::bare().with("--cores", "1");
    assert_start_fails(
        bare().with("--port", "0"),
        &["nothing to listen on: port is 0, and there is no tls-port and no unixsocket"],
    );
    assert_start_fails(
        bare().with("--bind", ""),
        &["nothing to listen on: bind is empty, and there is no tls-port and no unixsocket"],
    );
    let directory = Directory::new("unreachable");
    let with_socket = bare().with("--unixsocket", &directory.path("torc.sock"));
    let core_ports = with_socket.with("--port", "0").with("--core-ports", "yes");
    assert_start_fails(core_ports, &["core-ports: they follow port, which is 0"]);
    let socket = directory.path("torc.sock");
    for words in [["--port", "0"], ["--bind", ""]] {
        let server = bare().with(words[0], words[1]).with("--unixsocket", &socket).start();
        server.finish();
    }
}

#[test]
fn too_few_files_for_any_client() {
    let parts = ["the limit of open files, 16, leaves none for clients", "ulimit -n "];
    assert_start_fails(Launch::cores(2).open_files_max(16), &parts);
    // Whatever it is that gets no descriptor.
    for limit in 7..16 {
        assert_start_fails(Launch::cores(2).open_files_max(limit), &["open files"]);
    }
    let server = Launch::cores(2).open_files_max(64).start();
    assert_eq!(server.connect().command("PING").text(), "PONG");
}

#[test]
fn more_cores_than_the_machine_can_carry() {
    let text = ["cores: expected at most ", " CPUs, got 1000, whose mailboxes alone would take ", " MiB"];
    assert_start_fails(Launch::cores(1000), &text);
    let log = Launch::cores(14).start().finish();
    let cpus = std::thread::available_parallelism().expect("there are some").get();
    assert_eq!(log.contains("14 cores share "), cpus < 14, "{log}");
    assert!(!Launch::cores(1).start().finish().contains("cores share"));
}

#[test]
fn databases_that_select_cannot_reach() {
    assert_start_fails(Launch::cores(1).with("--databases", "65536"), &["databases:", "from 1 to 65535", "'65536'"]);
    let server = Launch::cores(1).with("--databases", "65535").start();
    let mut client = server.connect();
    assert_eq!(client.command("SELECT 65534").text(), "OK");
    assert_eq!(client.command("SELECT 65535").text(), "ERR DB index is out of range");
}

#[test]
fn what_protects_and_cannot() {
    let directory = Directory::new("protection");
    let file = directory.file("torc.conf", "port 7\nuser bob on +foo\n");
    let place = format!("{file}:2: user: Error in user declaration '+foo': Unknown command or category name in ACL");
    assert_start_fails(Launch::default().argument(&file), &[&place]);
    let twice = Launch::cores(1).with("--user", "foo").with("--user", "foo");
    assert_start_fails(twice, &["Duplicate user"]);
    assert_start_fails(
        Launch::cores(1).with("--aclfile", "nothing.acl"),
        &["ACL errors", "nothing.acl", "No such file"],
    );
    assert_start_fails(
        Launch::cores(1).with("--aclfile", "x.acl").with("--user", "foo"),
        &["aclfile", "one of these places only"],
    );
    let unsupported = "not supported by this version of Torc";
    assert_start_fails(Launch::cores(1).with("--tls-cluster", "yes"), &["tls-cluster", unsupported, "not encrypted"]);
    Launch::cores(1).with("--tls-cluster", "no").with("--aclfile", "").start().finish();
}

#[test]
fn a_renamed_command() {
    let launch = || Launch::cores(2).with("--rename-command", "FLUSHALL").argument("");
    let mut client = launch().start();
    let server: &Server = &client;
    let mut connection = server.connect();
    assert!(connection.command("FLUSHALL").text().starts_with("ERR unknown command 'FLUSHALL'"));
    assert_eq!(connection.command("FLUSHDB").text(), "OK");
    let renamed = launch().with("--rename-command", "CONFIG").argument("b840fc02").start();
    client = renamed;
    let mut connection = client.connect();
    assert!(connection.command("CONFIG GET port").text().starts_with("ERR unknown command 'CONFIG'"));
    assert_eq!(connection.command("B840FC02 GET port").elements()[1].text(), client.port().to_string());
    let wrong = launch().with("--rename-command", "FLUSHALL").argument("x");
    assert_start_fails(wrong, &["argument 6: rename-command: No such command"]);
}

#[test]
fn a_file_where_the_unix_socket_is_to_be() {
    let directory = Directory::new("no-socket");
    let path = directory.file("torc.sock", "precious");
    let launch = || Launch::cores(1).with("--unixsocket", &path);
    assert_start_fails(launch(), &["Failed opening Unix socket: bind:", &path, "no socket; it stays"]);
    assert_eq!(std::fs::read_to_string(&path).expect("it is still there"), "precious");
    std::fs::remove_file(&path).expect("it can be removed");
    let target = directory.file("target", "precious too");
    std::os::unix::fs::symlink(&target, &path).expect("a link can be made");
    assert_start_fails(launch(), &["no socket; it stays"]);
    assert_eq!(std::fs::read_to_string(&path).expect("it is still there"), "precious too");
    std::fs::remove_file(&path).expect("it can be removed");
    drop(UnixListener::bind(&path).expect("the path is free"));
    launch().start().finish();
}

#[test]
fn a_configuration_that_is_no_text() {
    let directory = Directory::new("zero-bytes");
    let file = directory.file("torc.conf", "# first\ntimeout 5\0\n");
    assert_start_fails(Launch::default().argument(&file), &[&format!("{file}:2: a zero byte")]);
}

#[test]
fn what_the_kernel_denies_is_named() {
    for (call, part) in [
        (libc::SYS_io_uring_enter, "io_uring_enter is denied"),
        (libc::SYS_io_uring_setup, "io_uring_setup is denied"),
        (libc::SYS_io_uring_register, "io_uring_register is denied"),
    ] {
        if is_uring_denied() && call != libc::SYS_io_uring_setup {
            continue;
        }
        let launch = || Launch::cores(1).denied_call(call);
        assert_start_fails(launch().with("--io-backend", "uring"), &[part, "seccomp profile"]);
        let server = launch().start();
        let expected = format!("Clients are served by epoll, since io_uring is not to be had: {part}");
        server.wait_for_log(&expected);
        let mut client = server.connect();
        assert_eq!(client.command("SET key value").text(), "OK");
        assert!(client.command("INFO server").text().contains("\r\nmultiplexing_api:epoll\r\n"));
    }
    for (call, parts) in [
        (libc::SYS_eventfd2, ["cannot create an eventfd for signals: ", "not permitted"]),
        (libc::SYS_sched_getaffinity, ["cannot ask which CPUs may be used: ", "not permitted"]),
    ] {
        assert_start_fails(Launch::cores(1).denied_call(call), &parts);
    }
    let threads = Launch::cores(1).denied_call(libc::SYS_clone).denied_call(libc::SYS_clone3);
    assert_start_fails(threads, &["cannot start the thread that writes the log: "]);
}

#[test]
fn more_clients_than_files() {
    let server = Launch::cores(2).open_files_max(300).start();
    let mut client = server.connect();
    let refusal = client.command("CONFIG SET maxclients 100000").text();
    let start = "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle \
                 the specified number of clients, try with ";
    let possible = refusal.strip_prefix(start).unwrap_or_else(|| panic!("{refusal}"));
    assert_eq!(client.call(&["CONFIG", "SET", "maxclients", possible]).text(), "OK");
    assert_eq!(client.command("CONFIG GET maxclients").elements()[1].text(), possible);
    let one_more = (possible.parse::<u32>().expect("a number") + 1).to_string();
    assert_eq!(client.call(&["CONFIG", "SET", "maxclients", &one_more]).text(), refusal);
    // With a limit that has room for more than was asked for at the start, more can be asked for later.
    let server = Launch::cores(1).open_files_max(2000).with("--maxclients", "10").start();
    let mut client = server.connect();
    assert_eq!(client.command("CONFIG SET maxclients 1000").text(), "OK");
    let mut more = Vec::new();
    wait_until("as many are served as there may be now", || {
        more.push(server.connect());
        assert_eq!(more.last_mut().expect("one was added").command("PING").text(), "PONG");
        more.len() == 500
    });
}
