//! Commands about connections, on one core and on three.

mod common;

use common::{Client, TestCore};
use torc_engine::ConnectionInfo;

const NOT_LOGGED_IN: &str = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
    <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
const BAD_NAME: &str = "-ERR Client names cannot contain spaces, newlines or special characters.";
const WRONG_PASSWORD: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

/// A connection with a port of its own: 50000 and its number. They go to the cores in turn.
fn numbered(server: &TestCore, number: u16) -> Client {
    let cores = server.engine(0, |engine| engine.inspect().cores());
    let info = ConnectionInfo {
        address: format!("127.0.0.1:{}", 50_000 + number),
        local_address: "127.0.0.1:6379".to_owned(),
        descriptor: 8,
        local_peer: true,
        ..ConnectionInfo::default()
    };
    server.client_with(number % cores, info)
}

/// For commands that may have no reply.
fn send(client: &Client, line: &str) -> String {
    client.pipeline(&[line]).join(" ")
}

fn hello(id: u64, protocol: u8) -> String {
    let pairs = [
        ("server", "\"redis\"".to_owned()),
        ("version", "\"7.4.0\"".to_owned()),
        ("proto", format!(":{protocol}")),
        ("id", format!(":{id}")),
        ("mode", "\"standalone\"".to_owned()),
        ("role", "\"master\"".to_owned()),
        ("modules", "[]".to_owned()),
    ];
    let colon = if protocol == 3 { ": " } else { ", " };
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
    if protocol == 3 { format!("{{{}}}", pairs.join(", ")) } else { format!("[{}]", pairs.join(", ")) }
}

#[test]
fn simple_commands() {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(&[
            ("PING", "+PONG"),
            ("PING hello", "\"hello\""),
            ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
            ("ECHO hello", "\"hello\""),
            ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
            ("SELECT 15", "+OK"),
            ("SELECT 16", "-ERR DB index is out of range"),
            ("SELECT -1", "-ERR DB index is out of range"),
            ("SELECT a", "-ERR value is not an integer or out of range"),
            ("SELECT 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647"),
            ("CLIENT", "-ERR wrong number of arguments for 'client' command"),
            ("CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
            ("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command"),
        ]);
    }
}

#[test]
fn quit_closes_after_the_reply() {
    let server = TestCore::new(3);
    let client = server.client();
    assert_eq!(client.pipeline(&["PING", "QUIT", "PING"]), ["+PONG", "+OK"]);
    assert!(client.is_closed());
}

#[test]
fn hello_chooses_the_protocol() {
    let server = TestCore::new(1);
    server.client().check(&[
        ("HELLO", &hello(1, 2)),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO abc", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 FOO", "-ERR Syntax error in HELLO option 'FOO'"),
        ("HELLO 2 AUTH a", "-ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 2 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'"),
        ("HELLO 3 AUTH foo b", WRONG_PASSWORD),
        ("HELLO 3 SETNAME \"a b\"", BAD_NAME),
        ("CLIENT GETNAME", "nil"),
        ("HELLO 3 SETNAME me AUTH default anything", &hello(1, 3)),
        ("CLIENT GETNAME", "\"me\""),
        ("CONFIG GET port", "{\"port\": \"6379\"}"),
        ("HELLO", &hello(1, 3)),
        ("RESET", "+RESET"),
        ("CLIENT GETNAME", "nil"),
        ("CONFIG GET port", "[\"port\", \"6379\"]"),
    ]);
}

#[test]
fn passwords() {
    let server = TestCore::new(3);
    let early = server.client_on(1);
    let missing = "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                   configuration is correct?";
    server.client().check(&[
        ("AUTH x", missing),
        ("AUTH default x", "+OK"),
        ("AUTH foo x", WRONG_PASSWORD),
        ("AUTH a b c", "-ERR syntax error"),
        ("AUTH", "-ERR wrong number of arguments for 'auth' command"),
        ("CONFIG SET requirepass secret", "+OK"),
        ("PING", "+PONG"),
    ]);
    early.check(&[("PING", "+PONG"), ("RESET", "+RESET"), ("PING", "-NOAUTH Authentication required.")]);
    let late = server.client_on(2);
    late.check(&[
        ("PING", "-NOAUTH Authentication required."),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("FOO", "-ERR unknown command 'FOO', with args beginning with: "),
        ("HELLO", NOT_LOGGED_IN),
        ("HELLO 3 SETNAME x", NOT_LOGGED_IN),
        ("HELLO 3 AUTH default wrong", WRONG_PASSWORD),
        ("AUTH wrong", WRONG_PASSWORD),
        ("AUTH default secret", "+OK"),
        ("AUTH wrong", WRONG_PASSWORD),
        ("PING", "+PONG"),
        ("RESET", "+RESET"),
        ("PING", "-NOAUTH Authentication required."),
        ("HELLO 3 AUTH default secret", &hello(3, 3)),
        ("PING", "+PONG"),
        ("RESET", "+RESET"),
    ]);
    server.client().check(&[("AUTH secret", "+OK"), ("CONFIG SET requirepass \"\"", "+OK")]);
    assert_eq!(late.send("PING"), "+PONG", "without a password nobody is left outside");
}

/// A client of this source.
fn at(server: &TestCore, source: u64) -> Client {
    server.client_with(0, ConnectionInfo { source, local_peer: true, ..ConnectionInfo::default() })
}

/// A server of one core with a password, ten logins having failed from source 1.
fn after_ten_failures() -> TestCore {
    let server = TestCore::with_config(1, |config| config.requirepass = "secret".to_owned());
    let guesser = at(&server, 1);
    let lines: Vec<&str> = ["AUTH wrong", "HELLO 3 AUTH default wrong"].into_iter().cycle().take(10).collect();
    assert_eq!(guesser.pipeline(&lines), [WRONG_PASSWORD; 10], "the first failures are answered at once");
    server
}

#[test]
fn logins_wait_where_many_have_failed() {
    let server = after_ten_failures();
    let guesser = at(&server, 1);
    assert_eq!(guesser.pipeline(&["AUTH a"]), [WRONG_PASSWORD], "the eleventh is the first beyond the free ones");
    for line in ["AUTH b", "HELLO 2 AUTH default b"] {
        assert!(guesser.pipeline(&[line]).is_empty());
        let due_ms = server.engine(0, |engine| engine.next_deadline_ms()).expect("the core wakes for it");
        assert!((100..=1000).contains(&(due_ms - server.now_ms())), "{due_ms}");
        server.advance_ms(due_ms - 1 - server.now_ms());
        assert!(guesser.poll().is_empty(), "not before its time");
        server.advance_ms(1);
        assert_eq!(guesser.poll(), [WRONG_PASSWORD]);
    }
    // In one write: one after another, each with its own wait.
    assert!(guesser.pipeline(&["AUTH c", "AUTH d", "PING"]).is_empty());
    server.advance_ms(1000);
    assert_eq!(guesser.poll(), [WRONG_PASSWORD]);
    server.advance_ms(1000);
    assert_eq!(guesser.poll(), [WRONG_PASSWORD, "-NOAUTH Authentication required."]);
    server.advance_ms(60_000);
    assert_eq!(guesser.send("AUTH e"), WRONG_PASSWORD, "failures are forgotten");
    assert_eq!(server.engine(0, |engine| engine.next_deadline_ms()), None);
}

#[test]
fn a_login_that_waits_tells_nothing_and_hinders_nobody() {
    let server = after_ten_failures();
    let (guesser, other) = (at(&server, 1), at(&server, 2));
    assert_eq!(guesser.send("AUTH a"), WRONG_PASSWORD);
    // Who knows the password waits as long as who does not: the wait is no answer.
    let right = at(&server, 1);
    assert!(right.pipeline(&["AUTH secret"]).is_empty());
    assert!(guesser.pipeline(&["AUTH b"]).is_empty());
    other.check(&[("AUTH wrong", WRONG_PASSWORD), ("AUTH secret", "+OK"), ("PING", "+PONG")]);
    assert!(right.poll().is_empty());
    server.advance_ms(1000);
    assert_eq!((right.poll(), guesser.poll()), (vec!["+OK".to_owned()], vec![WRONG_PASSWORD.to_owned()]));
    // Who has logged in waits for nothing but another login.
    assert_eq!(right.pipeline(&["HELLO 2", "PING"]).len(), 2);

    // A client that leaves meanwhile has not been looked at, and leaves nothing behind.
    for _ in 0..20 {
        assert!(guesser.pipeline(&["AUTH b"]).is_empty());
        server.advance_ms(1000);
        guesser.poll();
    }
    assert!(guesser.pipeline(&["AUTH secret"]).is_empty());
    guesser.disconnect();
    assert_eq!(server.engine(0, |engine| (engine.next_deadline_ms(), engine.figures().connections)), (None, 3));
}

#[test]
fn names_and_libraries() {
    TestCore::new(1).client().check(&[
        ("CLIENT GETNAME", "nil"),
        ("CLIENT SETNAME \"a b\"", BAD_NAME),
        ("CLIENT SETNAME me", "+OK"),
        ("CLIENT GETNAME", "\"me\""),
        ("CLIENT SETNAME \"\"", "+OK"),
        ("CLIENT GETNAME", "nil"),
        ("CLIENT SETINFO lib-name \"a b\"", "-ERR lib-name cannot contain spaces, newlines or special characters."),
        ("CLIENT SETINFO LIB-VER \"a\\nb\"", "-ERR LIB-VER cannot contain spaces, newlines or special characters."),
        ("CLIENT SETINFO foo bar", "-ERR Unrecognized option 'foo'"),
        ("CLIENT SETINFO lib-name", "-ERR wrong number of arguments for 'client|setinfo' command"),
        ("CLIENT SETINFO lib-name redis-rs", "+OK"),
        ("CLIENT SETINFO lib-ver 1.0", "+OK"),
        ("CLIENT NO-EVICT maybe", "-ERR syntax error"),
        ("CLIENT NO-EVICT on", "+OK"),
        ("CLIENT NO-TOUCH maybe", "-ERR syntax error"),
        ("CLIENT NO-TOUCH ON", "+OK"),
    ]);
}

#[test]
fn info_shows_redis_fields_in_order() {
    let server = TestCore::new(1);
    let client = server.client();
    for line in [
        "CLIENT SETNAME me",
        "CLIENT SETINFO lib-name lib",
        "CLIENT SETINFO lib-ver 2",
        "CLIENT NO-TOUCH on",
        "SELECT 3",
    ] {
        assert_eq!(client.send(line), "+OK");
    }
    server.advance_ms(2500);
    let line = client.send("CLIENT INFO");
    let line = line.trim_matches('"').trim_end_matches("\\n");
    let fields: Vec<(&str, &str)> = line.split(' ').map(|field| field.split_once('=').expect("name=value")).collect();
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names.join(" "),
        "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll omem \
         tot-mem events cmd user redir resp lib-name lib-ver watch io-thread tot-net-in tot-net-out tot-cmds capa"
    );
    let value = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).expect("the field is there").1;
    let wanted = [
        ("id", "1"),
        ("addr", "127.0.0.1:50000"),
        ("laddr", "127.0.0.1:6379"),
        ("fd", "8"),
        ("name", "me"),
        ("age", "2"),
        ("idle", "0"),
        ("flags", "T"),
        ("db", "3"),
        ("multi", "-1"),
        // The request that runs: *2 $6 CLIENT $4 INFO.
        ("qbuf", "26"),
        ("cmd", "client|info"),
        ("user", "default"),
        ("redir", "-1"),
        ("resp", "2"),
        ("lib-name", "lib"),
        ("lib-ver", "2"),
    ];
    for (name, wanted) in wanted {
        assert_eq!(value(name), wanted, "{name}");
    }
    assert_eq!(client.send("MULTI"), "+OK");
    assert_eq!(client.send("PING"), "+QUEUED");
    let seen = server.client().send("CLIENT LIST ID 1");
    assert!(seen.contains(" flags=xT ") && seen.contains(" multi=1 ") && seen.contains(" cmd=ping "), "{seen}");
}

/// The ids that CLIENT LIST shows.
fn ids(reply: &str) -> Vec<u64> {
    let text = reply.trim_matches('"');
    let lines = text.split("\\n").filter(|line| !line.is_empty());
    let id = |line: &str| line.strip_prefix("id=").and_then(|rest| rest.split(' ').next().map(str::to_owned));
    lines.map(|line| id(line).expect("a line begins with the id").parse().expect("a number")).collect()
}

#[test]
fn list_covers_all_cores_in_order() {
    for cores in [1u16, 3] {
        let server = TestCore::new(cores);
        let clients: Vec<_> = (0..7).map(|number| numbered(&server, number)).collect();
        let mut all: Vec<u64> =
            clients.iter().map(|client| client.send("CLIENT ID")[1..].parse().expect("a number")).collect();
        all.sort_unstable();
        assert_eq!(ids(&clients[0].send("CLIENT LIST")), all);
        assert_eq!(ids(&clients[1].send("CLIENT LIST TYPE normal")), all);
        assert_eq!(ids(&clients[1].send("CLIENT LIST TYPE pubsub")), []);
        assert_eq!(ids(&clients[1].send(&format!("CLIENT LIST ID {} 999 {} 0 -1", all[3], all[1]))), [all[1], all[3]]);
        clients[2].check(&[
            ("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'"),
            ("CLIENT LIST TYPE", "-ERR syntax error"),
            ("CLIENT LIST ID a", "-ERR Invalid client ID"),
            ("CLIENT LIST ID", "-ERR syntax error"),
            ("CLIENT LIST FOO bar", "-ERR syntax error"),
        ]);
        clients[0].send("HELLO 3");
        assert!(clients[0].send("CLIENT LIST").starts_with("=txt:id=1 "));
    }
}

#[test]
fn kill_finds_connections_on_every_core() {
    for cores in [1u16, 3] {
        let server = TestCore::new(cores);
        let clients: Vec<_> = (0..6).map(|number| numbered(&server, number)).collect();
        clients[0].check(&[
            ("CLIENT KILL", "-ERR wrong number of arguments for 'client|kill' command"),
            ("CLIENT KILL foo", "-ERR No such client"),
            ("CLIENT KILL ID", "-ERR No such client"),
            ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0"),
            ("CLIENT KILL ID a", "-ERR client-id should be greater than 0"),
            ("CLIENT KILL ID 999", ":0"),
            ("CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'"),
            ("CLIENT KILL TYPE replica", ":0"),
            ("CLIENT KILL USER foo", "-ERR No such user 'foo'"),
            ("CLIENT KILL SKIPME maybe", "-ERR syntax error"),
            ("CLIENT KILL FOO bar", "-ERR syntax error"),
            ("CLIENT KILL ID 4 FOO", "-ERR syntax error"),
            ("CLIENT KILL MAXAGE a", "-ERR maxage is not an integer or out of range"),
            ("CLIENT KILL MAXAGE 0", "-ERR maxage should be greater than 0"),
            ("CLIENT KILL MAXAGE 10", ":0"),
            ("CLIENT KILL LADDR 127.0.0.1:1", ":0"),
            ("CLIENT KILL 127.0.0.1:50001", "+OK"),
            ("CLIENT KILL ADDR 127.0.0.1:50002 LADDR 127.0.0.1:6379", ":1"),
        ]);
        let closed: Vec<bool> = clients.iter().map(Client::is_closed).collect();
        assert_eq!(closed, [false, true, true, false, false, false]);
        let id = clients[3].send("CLIENT ID")[1..].to_owned();
        assert_eq!(clients[0].send(&format!("CLIENT KILL ID {id}")), ":1");
        assert!(clients[3].is_closed());
        server.advance_ms(20_000);
        let young = server.client();
        assert_eq!(clients[0].send("CLIENT KILL MAXAGE 10 TYPE normal"), ":2");
        assert!(clients[4].is_closed() && clients[5].is_closed() && !young.is_closed());
        assert_eq!(clients[0].send("CLIENT KILL USER default SKIPME no"), ":2");
        assert!(clients[0].is_closed() && young.is_closed());
    }
}

#[test]
fn replies_are_not_turned_off_inside_a_transaction() {
    for mode in ["ON", "OFF", "SKIP"] {
        let client = TestCore::new(1).client();
        client.check(&[
            ("MULTI", "+OK"),
            (&format!("CLIENT REPLY {mode}"), "-ERR Command not allowed inside a transaction"),
            ("SET a x", "+QUEUED"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
            ("EXISTS a", ":0"),
        ]);
        // From before it the mode goes on.
        client.pipeline(&["CLIENT REPLY OFF", "MULTI", "SET a x", "EXEC"]);
        assert_eq!(client.pipeline(&["CLIENT REPLY ON", "GET a"]), ["+OK", "\"x\""]);
    }
}

#[test]
fn replies_can_be_turned_off() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        let table = [
            ("CLIENT REPLY foo", "-ERR syntax error"),
            ("CLIENT REPLY OFF", ""),
            ("PING", ""),
            ("GET a", ""),
            ("GET b", ""),
            ("GET c", ""),
            ("DBSIZE", ""),
            ("CLIENT REPLY ON", "+OK"),
            ("CLIENT REPLY SKIP", ""),
            ("GET b", ""),
            ("GET b", "nil"),
            ("CLIENT REPLY SKIP", ""),
            ("DBSIZE", ""),
            ("PING", "+PONG"),
            ("CLIENT REPLY SKIP", ""),
            ("CLIENT REPLY ON", "+OK"),
            ("CLIENT REPLY SKIP", ""),
            ("CLIENT REPLY SKIP", ""),
            ("PING", ""),
            ("PING", "+PONG"),
        ];
        for (request, reply) in table {
            assert_eq!(send(&client, request), reply, "{request}");
        }
    }
}

#[test]
fn help_lists_every_subcommand() {
    let client = TestCore::new(1).client();
    let help = client.send("CLIENT HELP");
    assert!(
        help.starts_with("[+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, +CACHING <YES | NO>, "),
        "{help}"
    );
    assert!(help.ends_with("+HELP, +    Prints this help.]"), "{help}");
    for line in [
        "+ID,",
        "+KILL <ip:port | ",
        "+SETINFO <LIB-NAME libname | LIB-VER libver>,",
        "+NO-EVICT <ON | OFF>,",
        "+PAUSE timeout [WRITE | ALL],",
        "+UNPAUSE,",
    ] {
        assert!(help.contains(line), "{line} in {help}");
    }
}
