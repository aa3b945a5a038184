//! Scripts that mean harm: each ends in an error or in a reply, the server lives, and other clients are served meanwhile.

mod common;

use std::time::{Duration, Instant};

use common::resp::Reply;
use common::{Client, Launch, Server};

/// How long another client may wait for a reply meanwhile, on a machine that runs other tests too.
const LATENCY_MAX: Duration = Duration::from_secs(5);

/// What scripts may use in these tests.
const MEMORY: &str = "64mb";

/// A server on which a script is soon busy.
fn server(cores: usize) -> Server {
    Launch::cores(cores).with("--lua-memory-max", MEMORY).with("--busy-reply-threshold", "200").start()
}

fn eval(client: &mut Client, script: &str) -> Reply {
    client.call(&["EVAL", script, "0"])
}

/// Another client is served, scripts run, and nothing is left of what was there before.
#[track_caller]
fn assert_alive(server: &Server) {
    let mut client = server.connect();
    let began = Instant::now();
    client.ok("SET alive yes");
    assert_eq!(client.call(&["EVAL", "return redis.call('get', KEYS[1])", "1", "alive"]).text(), "yes");
    assert!(began.elapsed() < LATENCY_MAX, "{:?}", began.elapsed());
}

#[track_caller]
fn assert_error(reply: &Reply, part: &str, script: &str) {
    assert!(matches!(reply, Reply::Error(text) if text.contains(part)), "{script}: {reply:?}");
}

#[test]
fn memory_ends_at_its_limit_and_is_there_again() {
    let server = server(2);
    let mut client = server.connect();
    for script in [
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return string.rep('x', 500 * 1024 * 1024)",
        "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 100000) .. i end",
        "local t = {string.rep('x', 1000000)} for i = 1, 1000 do t[i] = t[1] end return cjson.encode(t)",
        "local t = {string.rep('x', 1000000)} for i = 1, 1000 do t[i] = t[1] end return table.concat(t)",
    ] {
        assert_error(&eval(&mut client, script), "not enough memory", script);
        assert_alive(&server);
    }
    for script in
        ["return string.rep('x', 1024 * 1024 * 1024)", "return string.rep('xy', 2 ^ 60)", "return ('x'):rep(1e300)"]
    {
        assert_error(&eval(&mut client, script), "resulting string too large", script);
    }
    assert_eq!(eval(&mut client, "return #string.rep('x', 1024 * 1024 * 10)"), Reply::Integer(10 * 1024 * 1024));
    let used: u64 = client.info("used_memory_lua").parse().expect("a number");
    assert!(used < 64 << 20, "{used}");
    client.ok("CONFIG SET lua-memory-max 1");
    assert_error(&eval(&mut client, "return string.rep('y', 200000)"), "not enough memory", "little memory");
    client.ok("CONFIG SET lua-memory-max 0");
    assert_eq!(eval(&mut client, "return #string.rep('x', 100 * 1024 * 1024)"), Reply::Integer(100 * 1024 * 1024));
    server.finish();
}

#[test]
fn deep_recursion_and_hostile_patterns_are_errors() {
    let server = server(1);
    let mut client = server.connect();
    for (script, part) in [
        ("local function f() return 1 + f() end return f()", "stack overflow"),
        ("local function f() return pcall(f) end local a, b = f() error('end')", ""),
        ("local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x", ""),
        ("local s = 'x' for i = 1, 300 do s = s .. '(' end return ('x'):find(s)", ""),
        ("return ('x'):find(('a?'):rep(8000) .. ('a'):rep(8000))", "pattern too complex"),
        ("return string.format('%99999d', 1)", "invalid format"),
        ("return string.format('%.99999f', 1)", "invalid format"),
        ("return string.format('%d%d%d')", "bad argument"),
        ("return string.format('%s', {}, nil)", "bad argument"),
        ("return string.format('%y', 1)", "invalid option"),
        ("return string.format(('%'):rep(100001), 1)", ""),
        ("return unpack({}, 1, 1e8)", "too many results"),
        ("return unpack({}, 0, 2 ^ 31 - 1)", "too many results"),
        ("return select(2 ^ 31, 1) .. 'x'", ""),
        ("return table.concat({}, 'x', 1, 2 ^ 31 - 1)", "invalid value"),
        ("return tostring(nil .. 'x')", "attempt to concatenate"),
        ("return loadstring('\\27Lua')()", "attempt to call"),
        ("return load(function() return '\\27Lua' .. ('\\0'):rep(1000) end)()", "attempt to call"),
    ] {
        let reply = eval(&mut client, script);
        assert_error(&reply, part, script);
        assert_alive(&server);
    }
    server.finish();
}

#[test]
fn error_objects_of_every_kind_are_one_line() {
    let server = server(1);
    let mut client = server.connect();
    for value in [
        "nil",
        "true",
        "1.5",
        "'text'",
        "''",
        "'two\\r\\nlines'",
        "'zero\\0byte'",
        "{}",
        "{err = 'x'}",
        "{err = {}}",
        "{err = ''}",
        "{err = '\\r\\n+OK\\r\\n'}",
        "{err = 'x', source = {}, line = {}}",
        "{err = ('x'):rep(1000000)}",
        "{ok = 'x'}",
        "setmetatable({}, {__tostring = function() error('again') end})",
        "setmetatable({}, {__index = function(t, k) return t[k] end})",
        "setmetatable({}, {__metatable = 1})",
        "function() end",
        "coroutine.create(function() end)",
        "redis",
        "_G",
        "cjson.null",
    ] {
        let reply = eval(&mut client, &format!("error({value})"));
        assert!(matches!(&reply, Reply::Error(text) if !text.contains(['\r', '\n'])), "{value}: {reply:?}");
        assert_eq!(client.command("PING").text(), "PONG", "{value}");
        let caught = eval(&mut client, &format!("return {{tostring(pcall(error, {value})), 'after'}}"));
        // A metamethod of the error fails where it is caught, as in Redis.
        assert!(matches!(caught, Reply::Array(_) | Reply::Error(_)), "{value}: {caught:?}");
    }
    assert_alive(&server);
    server.finish();
}

#[test]
fn libraries_bear_hostile_depth() {
    let server = server(1);
    let mut client = server.connect();
    for script in [
        "local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
        "return cjson.decode(('['):rep(1000000))",
        "return cjson.decode(('{\"a\":'):rep(1000000))",
        "local t = {} t[1] = t return cjson.encode(t)",
        "return cmsgpack.unpack(('\\145'):rep(1000000))",
        "return cmsgpack.unpack(('\\221\\255\\255\\255\\255'):rep(100))",
        "return cmsgpack.unpack('\\219\\255\\255\\255\\255x')",
        "return struct.pack('>i99', 1)",
        "return struct.unpack('c4294967295', 'x')",
        "return struct.unpack('s', ('x'):rep(100000))",
        "return cjson.decode('[1,2')",
    ] {
        let reply = eval(&mut client, script);
        assert!(matches!(reply, Reply::Error(_)), "{script}: {reply:?}");
        assert_alive(&server);
    }
    // What nests too deep for a reply has an error in its depth, and what cmsgpack packs so is cut off.
    let deep = eval(&mut client, "local t = {} for i = 1, 1000 do t = {t} end return #cmsgpack.pack(t)");
    assert!(matches!(deep, Reply::Integer(_)), "{deep:?}");
    server.finish();
}
