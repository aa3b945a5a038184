//! What scripts return, and the texts of their errors, beside what Redis 8.2.3 has replied to the same scripts.

mod common;

use common::Server;
use torc_resp::Protocol;

/// Scripts, and Redis's replies with `|` between their lines.
type Cases = &'static [(&'static str, &'static str)];

fn compare(protocol: Protocol, cases: Cases) {
    let mut server = Server::new();
    server.protocol = protocol;
    let mut wrong = Vec::new();
    for (script, expected) in cases {
        let reply = server.eval(script);
        if reply != *expected {
            wrong.push(format!("{script}\n  expected {expected}\n  but was  {reply}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn replies_are_those_of_redis() {
    compare(Protocol::Resp2, include!("replies.in"));
}

#[test]
fn replies_to_clients_of_resp3_are_those_of_redis() {
    compare(Protocol::Resp3, include!("replies_resp3.in"));
}

/// Replies of commands, and what a script makes of them: shown by cjson, as Redis would.
#[test]
fn replies_of_commands_become_values() {
    const SHOW: &str = "
        local function show(v)
            if type(v) ~= 'table' then return tostring(v) end
            local parts = {}
            for k, e in pairs(v) do parts[#parts + 1] = tostring(k) .. '=' .. show(e) end
            table.sort(parts)
            return '{' .. table.concat(parts, ',') .. '}'
        end
        return show(redis.pcall('raw', ARGV[1]))";
    let cases: &[(&[u8], &str)] = &[
        (b":12\r\n", "12"),
        (b":-9007199254740991\r\n", "-9.007199254741e+15"),
        (b"$3\r\nabc\r\n", "abc"),
        (b"$0\r\n\r\n", ""),
        (b"$-1\r\n", "false"),
        (b"*-1\r\n", "false"),
        (b"+FINE\r\n", "{ok=FINE}"),
        (b"-ERR no\r\n", "{err=ERR no,ignore_error_stats_update=true}"),
        (b"-WRONGTYPE x y\r\n", "{err=WRONGTYPE x y,ignore_error_stats_update=true}"),
        (b"*0\r\n", "{}"),
        (b"*3\r\n:1\r\n*1\r\n+a\r\n$-1\r\n", "{1=1,2={1={ok=a}},3=false}"),
        (b"_\r\n", "nil"),
        (b"#t\r\n", "true"),
        (b"#f\r\n", "false"),
        (b",1.5\r\n", "{double=1.5}"),
        (b",inf\r\n", "{double=inf}"),
        (b"(123456789012345678901\r\n", "{big_number=123456789012345678901}"),
        (b"=5\r\ntxt:a\r\n", "{verbatim_string={format=txt,string=a}}"),
        (b"%2\r\n+k\r\n:1\r\n$1\r\nb\r\n*1\r\n:2\r\n", "{map={b={1=2},{ok=k}=1}}"),
        (b"%1\r\n$1\r\nb\r\n_\r\n", "{map={}}"),
        (b"~2\r\n$1\r\nx\r\n$1\r\ny\r\n", "{set={x=true,y=true}}"),
        (b"|1\r\n+a\r\n:1\r\n$2\r\nok\r\n", "ok"),
        (b">1\r\n:1\r\n", "{1=1}"),
    ];
    let mut server = Server::new();
    for (reply, expected) in cases {
        let shown = server.eval_with(SHOW, &[], &[reply]);
        let shown = shown.split_once('|').map_or(shown.as_str(), |(_, text)| text);
        let is_table_key = expected.contains("{ok=k}=1");
        if is_table_key {
            assert!(shown.contains("=1}}") && shown.contains("b={1=2}"), "{shown}");
        } else {
            assert_eq!(shown, *expected, "{}", reply.escape_ascii());
        }
    }
}

#[test]
fn nested_replies_are_made_to_a_depth() {
    let mut server = Server::new();
    let reply = server.eval("local a = {} local b = {a} a[1] = b return a");
    assert!(reply.starts_with("*1|*1|*1|") && reply.ends_with("|-ERR reached lua stack limit"), "{}", reply.len());
    let deep = "*1\r\n".repeat(500) + ":7\r\n";
    let reply = server.eval_with("return redis.call('raw', ARGV[1])", &[], &[deep.as_bytes()]);
    assert!(reply.ends_with("*1|:7"));
}

#[test]
fn protocol_and_replication_are_as_the_script_sets_them() {
    let mut server = Server::new();
    assert_eq!(server.eval("return redis.call('protocol')"), ":2");
    assert_eq!(
        server.eval("redis.setresp(3) return {redis.call('protocol'), redis.call('get', 'none') == nil}"),
        "*2|:3|#t".replace("#t", ":1")
    );
    assert_eq!(server.eval("return redis.call('protocol')"), ":2", "the next run begins anew");
    server.eval("redis.set_repl(redis.REPL_NONE) redis.call('ping')");
    assert_eq!(server.replication, 0);
    server.eval("redis.set_repl(redis.REPL_AOF) redis.call('ping')");
    assert_eq!(server.replication, torc_lua::REPL_AOF);
    server.eval("redis.call('ping')");
    assert_eq!(server.replication, torc_lua::REPL_ALL);
}

#[test]
fn log_and_acl_are_asked_for() {
    let mut server = Server::new();
    server.eval("redis.log(redis.LOG_WARNING, 'a', 1, {}, 'b') redis.log('1', 'x')");
    assert_eq!(server.logged, [(3, "a 1 b".to_owned()), (1, "x".to_owned())]);
    assert_eq!(server.eval("return {redis.acl_check_cmd('get','k'), redis.acl_check_cmd('set','k','v')}"), "*2|:1|$-1");
    let unknown = "-ERR Invalid command passed to redis.acl_check_cmd() script: <sha>, on @user_script:1.";
    assert_eq!(server.eval("return redis.acl_check_cmd('nosuch')"), unknown);
}

/// The numbers of `drand48`'s generator; those after a seed were drawn by Redis 8.2.3.
#[test]
fn random_numbers_are_those_of_redis() {
    let mut server = Server::new();
    let script = "math.randomseed(7) return {tostring(math.random()), math.random(100), math.random(5,9)}";
    assert_eq!(server.eval(script), "*3|$16|0.26644419658298|:69|:6");
    assert_eq!(server.eval("math.randomseed(-7) return tostring(math.random())"), "$16|0.07521187517569");
    let first = server.eval("return tostring(math.random())");
    assert_ne!(first, server.eval("return tostring(math.random())"), "each run draws other numbers");
    assert_eq!(
        server.eval("return math.random(0)"),
        "-ERR user_script:1: bad argument #1 to 'random' (interval is empty) script: <sha>, on @user_script:1."
    );
}

#[test]
fn numbers_are_sent_as_redis_sends_them() {
    let mut server = Server::new();
    for (number, text) in
        [("1/0", "inf"), ("-1/0", "-inf"), ("-0.0", "0"), ("1e100", "1e+100"), ("2^53", "9007199254740992")]
    {
        assert_eq!(server.eval(&format!("return redis.call('echo', {number})")), format!("${}|{text}", text.len()));
    }
}

#[test]
fn the_version_is_told() {
    let mut server = Server::new();
    assert_eq!(server.eval("return {redis.REDIS_VERSION, redis.REDIS_VERSION_NUM}"), "*2|$5|7.4.0|:459776");
    assert_eq!(
        server.eval("return {server.SERVER_NAME, server.VALKEY_VERSION, server.call('ping')}"),
        "*3|$4|torc|$5|7.4.0|+PONG"
    );
}
