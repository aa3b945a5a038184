//! The conditions of CLIENT LIST and CLIENT KILL, on one core and on three; CLIENT CAPA and IMPORT-SOURCE, which some of them are about.

mod common;

use common::{Client, TestCore};
use torc_engine::ConnectionInfo;

/// Four clients, with the ids 1 to 4 on one core: the first asks; the second has a name, a library and database 5; the third has flags
/// and a capability; the fourth comes by a unix socket.
fn clients(server: &TestCore, cores: u16) -> Vec<Client> {
    let connect = |number: u16| {
        let unix = number == 3;
        let address = if unix { "/tmp/socket".to_owned() } else { format!("10.0.0.{number}:{}", 50_000 + number) };
        let local_address = if unix { "/tmp/socket".to_owned() } else { "[::1]:6379".to_owned() };
        let info = ConnectionInfo { address, local_address, unix, local_peer: true, ..ConnectionInfo::default() };
        server.client_with(number % cores, info)
    };
    let clients: Vec<Client> = (0..4).map(connect).collect();
    clients[1].check(&[
        ("CLIENT SETNAME worker", "+OK"),
        ("CLIENT SETINFO LIB-NAME lib", "+OK"),
        ("CLIENT SETINFO LIB-VER 1.2", "+OK"),
        ("SELECT 5", "+OK"),
    ]);
    clients[2].check(&[
        ("CLIENT NO-EVICT on", "+OK"),
        ("CLIENT NO-TOUCH on", "+OK"),
        ("CLIENT CAPA x REDIRECT", "+OK"),
    ]);
    clients
}

/// Which of the clients a list has, by their numbers from 0 on.
fn listed(clients: &[Client], options: &str) -> Vec<usize> {
    let text = clients[0].send(&format!("CLIENT LIST {options}"));
    let lines: Vec<&str> = text.trim_matches('"').split("\\n").collect();
    assert!(lines.iter().all(|line| line.is_empty() || line.starts_with("id=")), "{options}: {text}");
    let is_listed = |client: &Client| {
        let head = format!("id={} ", &client.send("CLIENT ID")[1..]);
        lines.iter().any(|line| line.starts_with(&head))
    };
    (0..clients.len()).filter(|&number| is_listed(&clients[number])).collect()
}

#[test]
fn each_condition_and_its_denial() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let clients = clients(&server, cores);
        let all = vec![0, 1, 2, 3];
        let second = clients[1].send("CLIENT ID")[1..].to_owned();
        let by_id = format!("ID {second} 999");
        for (condition, fitting) in [
            (&*by_id, vec![1]),
            ("TYPE normal", all.clone()),
            ("TYPE pubsub", vec![]),
            ("TYPE primary", vec![]),
            ("TYPE master", vec![]),
            ("TYPE replica", vec![]),
            ("TYPE slave", vec![]),
            ("ADDR 10.0.0.1:50001", vec![1]),
            ("ADDR /tmp/socket:0", vec![3]),
            ("LADDR [::1]:6379", vec![0, 1, 2]),
            ("USER default", all.clone()),
            ("FLAGS N", vec![0, 1]),
            ("FLAGS eT", vec![2]),
            ("FLAGS eU", vec![]),
            ("FLAGS U", vec![3]),
            ("NAME worker", vec![1]),
            ("LIB-NAME lib", vec![1]),
            ("LIB-VER 1.2", vec![1]),
            ("DB 5", vec![1]),
            ("CAPA r", vec![2]),
            ("IP 10.0.0.1", vec![1]),
            ("IP /tmp/socket", vec![3]),
        ] {
            assert_eq!(listed(&clients, condition), fitting, "{condition}");
            let others: Vec<usize> = all.iter().copied().filter(|number| !fitting.contains(number)).collect();
            assert_eq!(listed(&clients, &format!("NOT-{condition}")), others, "NOT-{condition}");
        }
        assert_eq!(listed(&clients, "SKIPME yes"), [1, 2, 3]);
        assert_eq!(listed(&clients, "SKIPME no"), all);
        // All must hold; of one that is given twice the last.
        assert_eq!(listed(&clients, "db 0 skipme yes flags e"), [2]);
        assert_eq!(listed(&clients, "NAME worker NOT-DB 5"), [0; 0]);
        assert_eq!(listed(&clients, "DB 5 DB 0 NOT-FLAGS U"), [0, 2]);
        assert_eq!(listed(&clients, &format!("ID 999 {second} 0 DB 5")), [1]);
        // A name that nobody has set is no name.
        assert_eq!(listed(&clients, "NAME \"\""), [0; 0]);
        assert_eq!(listed(&clients, "FLAGS \"\" NOT-NAME \"\""), all);
        server.advance_ms(5000);
        clients[1..].iter().for_each(|client| assert_eq!(client.send("PING"), "+PONG"));
        assert_eq!(listed(&clients, "MAXAGE 5"), all);
        assert_eq!(listed(&clients, "MAXAGE 6"), [0; 0]);
        server.advance_ms(2000);
        assert_eq!(listed(&clients, "IDLE 2"), [1, 2, 3]);
        assert_eq!(listed(&clients, "IDLE 3"), [0; 0]);
    }
}

#[test]
fn wrong_conditions() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let client = server.client();
        for (options, error) in [
            ("FOO BAR", "syntax error"),
            ("DB 0 NAME", "syntax error"),
            ("SKIPME maybe", "syntax error"),
            ("NOT-SKIPME yes", "syntax error"),
            ("NOT-MAXAGE 1", "syntax error"),
            ("NOT-IDLE 1", "syntax error"),
            ("TYPE foo", "Unknown client type 'foo'"),
            ("NOT-TYPE foo", "Unknown client type 'foo'"),
            ("USER foo", "No such user 'foo'"),
            ("NOT-USER foo", "No such user 'foo'"),
            ("MAXAGE 0", "maxage should be greater than 0"),
            ("MAXAGE x", "maxage is not an integer or out of range"),
            ("IDLE -1", "idle should be greater than 0"),
            ("IDLE x", "idle is not an integer or out of range"),
            ("FLAGS NQZ", "Unknown flags found in the provided filter: NQZ"),
            ("NOT-FLAGS Q", "Unknown flags found in the NOT-FLAGS filter: Q"),
            ("CAPA redirect", "Unknown capa found in the provided filter: redirect"),
            ("NOT-CAPA x", "Unknown capa found in the NOT-CAPA filter: x"),
            ("DB x", "DB is not an integer or out of range"),
            ("DB 99999999999", "DB is not an integer or out of range"),
            ("DB 16", "DB number should be between 0 and 15"),
            ("NOT-DB -1", "NOT-DB number should be between 0 and 15"),
        ] {
            for command in ["LIST", "KILL"] {
                assert_eq!(client.send(&format!("CLIENT {command} {options}")), format!("-ERR {error}"), "{options}");
            }
        }
        client.check(&[
            ("CLIENT LIST NOT-ID x", "-ERR Invalid client ID"),
            ("CLIENT LIST ID 1 x", "-ERR Invalid client ID"),
            ("CLIENT KILL ID 1 0", "-ERR client-id should be greater than 0"),
            ("CLIENT KILL ID 1 x", "-ERR syntax error"),
            ("CLIENT KILL NOT-ID x", "-ERR client-id should be greater than 0"),
        ]);
    }
}

#[test]
fn kill_by_conditions() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let mut clients = clients(&server, cores);
        let ids: Vec<String> = clients.iter().map(|client| client.send("CLIENT ID")[1..].to_owned()).collect();
        assert_eq!(clients[0].send(&format!("CLIENT KILL ID {} {} DB 5", ids[1], ids[2])), ":1");
        assert!(clients[1].is_closed() && !clients[2].is_closed());
        assert_eq!(clients[0].send("CLIENT KILL NOT-FLAGS U NOT-CAPA r"), ":0");
        assert_eq!(clients[0].send("CLIENT KILL CAPA r"), ":1");
        assert!(clients[2].is_closed() && !clients[3].is_closed());
        // Who closes itself has its reply first, and in a transaction all of them.
        let line = format!("CLIENT KILL ID {} SKIPME no", ids[3]);
        let replies = clients[3].pipeline(&["MULTI", "PING", &line, "PING", "EXEC", "PING"]);
        assert_eq!(replies.last().map(String::as_str), Some("[+PONG, :1, +PONG]"));
        assert!(clients[3].is_closed());
        clients.pop().expect("it is the last one").disconnect();
        assert_eq!(clients[0].pipeline(&["CLIENT KILL SKIPME no DB 0", "PING"]), [":1"]);
        assert!(clients[0].is_closed());
    }
}

#[test]
fn capabilities_and_import() {
    let server = TestCore::new(3);
    let client = server.client();
    client.check(&[
        ("CLIENT CAPA", "-ERR wrong number of arguments for 'client|capa' command"),
        ("CLIENT CAPA foo", "+OK"),
    ]);
    assert!(client.send("CLIENT INFO").contains(" capa=\\n"));
    client.check(&[("CLIENT CAPA redirect", "+OK"), ("RESET", "+RESET")]);
    assert!(client.send("CLIENT INFO").contains(" capa=r\\n"));
    client.check(&[
        ("CLIENT IMPORT-SOURCE", "-ERR wrong number of arguments for 'client|import-source' command"),
        ("CLIENT IMPORT-SOURCE on", "-ERR Server is not in import mode"),
        ("CLIENT IMPORT-SOURCE off", "+OK"),
    ]);
}
