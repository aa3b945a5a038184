//! Libraries: what they may do while they are loaded, what they register, and how their functions run. The texts are those of Redis 8.2.3.

mod common;

use common::Server;
use torc_lua::Flags;

/// Texts, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    ("x =", "Error compiling function: user_function:1: unexpected symbol near '<eof>'"),
    ("error('no')", "ERR user_function:1: Script attempted to access nonexistent global variable 'error'"),
    ("redis.call('get')", "ERR user_function:1: Script attempted to access nonexistent global variable 'call'"),
    ("return redis.setresp", "ERR user_function:1: Script attempted to access nonexistent global variable 'setresp'"),
    ("return server.setresp", "ERR user_function:1: Script attempted to access nonexistent global variable 'setresp'"),
    ("math.random()", "ERR user_function:1: Script attempted to access nonexistent global variable 'math'"),
    ("a=1", "ERR user_function:1: Attempt to modify a readonly table"),
    ("redis.x=1", "ERR user_function:1: Attempt to modify a readonly table"),
    (
        "redis.register_function('f')",
        "ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
    ),
    ("redis.register_function(1,2,3)", "ERR wrong number of arguments to redis.register_function"),
    ("redis.register_function()", "ERR wrong number of arguments to redis.register_function"),
    ("redis.register_function('f', 1)", "ERR second argument to redis.register_function must be a function"),
    ("redis.register_function({}, function() end)", "ERR first argument to redis.register_function must be a string"),
    ("redis.register_function{function_name='f'}", "ERR redis.register_function must get a callback argument"),
    (
        "redis.register_function{callback=function() end}",
        "ERR redis.register_function must get a function name argument",
    ),
    (
        "redis.register_function{function_name={}, callback=function() end}",
        "ERR function_name argument given to redis.register_function must be a string",
    ),
    (
        "redis.register_function{function_name='f', callback=1}",
        "ERR callback argument given to redis.register_function must be a function",
    ),
    (
        "redis.register_function{function_name='f', callback=function() end, description={}}",
        "ERR description argument given to redis.register_function must be a string",
    ),
    (
        "redis.register_function{function_name='f', callback=function() end, flags=1}",
        "ERR flags argument to redis.register_function must be a table representing function flags",
    ),
    ("redis.register_function{function_name='f', callback=function() end, flags={'x'}}", "ERR unknown flag given"),
    (
        "redis.register_function{function_name='f', callback=function() end, foo=1}",
        "ERR unknown argument given to redis.register_function",
    ),
    (
        "redis.register_function{function_name='f', callback=function() end, [1]=1}",
        "ERR unknown argument given to redis.register_function",
    ),
    (
        "redis.register_function('f g', function() end)",
        "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
    ),
    (
        "redis.register_function('f', function() end) redis.register_function('f', function() end)",
        "ERR Function already exists in the library",
    ),
];

#[test]
fn a_library_that_is_wrong_registers_nothing() {
    let mut server = Server::new();
    for (source, expected) in WRONG {
        let error = server.load(source).expect_err(source);
        assert_eq!(error.strip_prefix("ERR Error registering functions: ").unwrap_or(&error), *expected, "{source}");
    }
}

#[test]
fn functions_are_registered_with_what_they_declare() {
    let mut server = Server::new();
    let functions = server
        .load(
            "redis.register_function('f', function() end)
             redis.register_function{function_name='g', callback=function() end, description='does g', flags={'no-writes', 'ALLOW-OOM'}}
             redis.log(redis.LOG_NOTICE, 'loaded')",
        )
        .expect("a library");
    assert_eq!(functions[0].name, b"f");
    assert_eq!((&functions[0].description, functions[0].flags), (&None, Flags::default()));
    assert_eq!(functions[1].description.as_deref(), Some(&b"does g"[..]));
    assert_eq!(functions[1].flags, Flags::NO_WRITES.with(Flags::ALLOW_OOM));
    assert_eq!(server.logged, [(2, "loaded".to_owned())]);
    assert!(server.load("return 1").expect("a library without functions").is_empty());
}

const LIBRARY: &str = "local function f(keys,args) return {keys[1],args[1]} end
redis.register_function('f', f)
redis.register_function('g', function(keys,args) return KEYS end)
redis.register_function('h', function() error('oops') end)
redis.register_function('i', function() return redis.register_function('z', f) end)
redis.register_function('j', function() a = 1 end)
redis.register_function('k', function() return redis.call('nosuch') end)
local r = redis.register_function
redis.register_function('l', function() r('z', f) end)
redis.register_function('m', function() return redis.breakpoint() end)
redis.register_function('n', function() return {math.random and 1, _G.redis and 2, loadstring and 3} end)
local log = redis
redis.register_function('o', function() return log.call end)
redis.register_function('p', function(...) return select('#', ...) end)
redis.register_function('q', function(k, a) k[1] = 'x' return k end)
local count = 0
redis.register_function('r', function() count = count + 1 return count end)
redis.register_function('t', function() return getmetatable(_G) ~= nil end)
redis.register_function('u', function() return {err='X y'} end)
redis.register_function('v', function() return loadstring('return redis.call(\"ping\")')() end)
";

#[test]
fn functions_run_with_keys_and_arguments() {
    let mut server = Server::new();
    let functions = server.load(LIBRARY).expect("a library");
    let cases = [
        ("f", "*2|$1|k|$1|a"),
        (
            "g",
            "-ERR user_function:3: Script attempted to access nonexistent global variable 'KEYS' script: g, on @user_function:3.",
        ),
        ("h", "-ERR user_function:4: oops script: h, on @user_function:4."),
        (
            "i",
            "-ERR user_function:5: attempt to call field 'register_function' (a nil value) script: i, on @user_function:5.",
        ),
        ("j", "-ERR user_function:6: Attempt to modify a readonly table script: j, on @user_function:6."),
        ("k", "-ERR Unknown Redis command called from script script: k, on @user_function:7."),
        (
            "l",
            "-ERR redis.register_function can only be called on FUNCTION LOAD command script: l, on @user_function:9.",
        ),
        (
            "m",
            "-ERR user_function:10: attempt to call field 'breakpoint' (a nil value) script: m, on @user_function:10.",
        ),
        ("n", "*3|:1|:2|:3"),
        (
            "o",
            "-ERR user_function:13: Script attempted to access nonexistent global variable 'call' script: o, on @user_function:13.",
        ),
        ("p", ":2"),
        ("q", "*1|$1|x"),
        ("r", ":1"),
        ("r", ":2"),
        ("t", ":1"),
        ("u", "-X y"),
        ("v", "+PONG"),
    ];
    for (name, expected) in cases {
        let function = functions.iter().find(|function| function.name == name.as_bytes()).expect(name);
        assert_eq!(server.fcall(function, &[b"k"], &[b"a"]), expected, "{name}");
    }
    assert_eq!(server.eval("return KEYS[1]"), "$2|k1", "scripts have their own globals");
}

#[test]
fn a_library_that_never_ends_is_ended() {
    let mut server = Server::new();
    server.pauses_max = 3;
    let error = server.load("while true do end").expect_err("an endless library");
    assert_eq!(error, "ERR Error registering functions: ERR FUNCTION LOAD timeout");
}
