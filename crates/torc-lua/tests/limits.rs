//! Attacks on memory, stacks and time: each ends in an error, and the interpreter goes on.

mod common;

use common::Server;
use torc_lua::Step;

const MEMORY: usize = 6 << 20;

/// That scripts run as ever.
fn assert_alive(server: &mut Server) {
    assert_eq!(
        server.eval("local t = {} for i = 1, 1000 do t[i] = ('x'):rep(i) end return #table.concat(t)"),
        ":500500"
    );
    assert_eq!(server.eval("return redis.call('get', 'str')"), "$3|abc");
}

#[test]
fn memory_ends_at_its_limit() {
    let scripts = [
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "local t = {} while true do t[#t + 1] = {} end",
        "return ('x'):rep(100000000)",
        "return ('x'):rep(1e18)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        "local s = ('x'):rep(1000000) return s:gsub('x', s)",
        "local s = ('x'):rep(3000000) local t = {} for i = 1, 100 do t[i] = s end return table.concat(t)",
        "local s = ('return 1 ;'):rep(1) local t = {} for i = 1, 1e8 do t[i] = assert(loadstring(s)) end",
        "local i = 0 return assert(load(function() i = i + 1 return ('-- x'):rep(100000) .. i end))",
        "local s = ('x'):rep(1e6) local t = {} for i = 1, 1e6 do t[i] = redis.call('echo', s .. i) end",
        "local t = {} for i = 1, 1e6 do t = {t, ('x'):rep(100)} end",
    ];
    let mut server = Server::with_memory(MEMORY);
    for script in scripts {
        let reply = server.eval(script);
        let is_error = ["not enough memory", "resulting string too large"].iter().any(|text| reply.contains(text));
        assert!(reply.starts_with("-ERR") && is_error, "{script}: {reply}");
        assert!(
            server.interpreter.used_bytes() < MEMORY * 3 / 4,
            "{script} leaves {}",
            server.interpreter.used_bytes()
        );
        assert_alive(&mut server);
    }
}

/// A script that catches the error of memory goes on, and so do the others.
#[test]
fn an_error_of_memory_can_be_caught() {
    let mut server = Server::with_memory(MEMORY);
    let script =
        "local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) return {tostring(ok), e}";
    assert_eq!(server.eval(script), "*2|$5|false|$17|not enough memory");
    assert_alive(&mut server);
}

/// Every allocation of a run is refused once: whatever is under way must end in an error, and lose nothing.
#[test]
fn every_allocation_may_fail() {
    let least = {
        let server = Server::new();
        server.interpreter.used_bytes()
    };
    let script = "local t = {} for i = 1, 40 do t[i] = {redis.call('get', KEYS[1]), ('x'):rep(50) .. i} end
        local ok = pcall(error, {err = 'x'}) local r = cjson.encode(t) redis.log(1, r)
        return {#r, redis.sha1hex(r), tostring(pcall(redis.call, 'incr', 'str')), load(function() return nil end) ~= nil}";
    let (mut failed, mut passed) = (0, 0);
    for extra in (0..60_000).step_by(37) {
        let options = torc_lua::Options {
            budget: torc_lua::Budget::new(least + extra),
            version: "7.4.0",
            version_num: 1,
            server_name: "torc",
            seed: 1,
            has_deprecated: true,
        };
        if torc_lua::Interpreter::new(options).is_err() {
            continue;
        }
        let mut server = Server::with_memory(least + extra);
        let reply = server.eval(script);
        server.interpreter.collect_step();
        if reply.contains("not enough memory") || reply.contains("error in error handling") {
            failed += 1;
        } else {
            assert!(reply.starts_with("*4|"), "{reply}");
            passed += 1;
        }
    }
    assert!(failed > 100 && passed > 100, "{failed} have failed, {passed} have passed");
}

/// What has no memory at all is there, and says so.
#[test]
fn an_interpreter_needs_no_budget_and_its_scripts_do() {
    for budget in [0, 1, 1_000] {
        let mut server = Server::with_memory(budget);
        assert!(server.eval("return 1").contains("not enough memory"), "{budget}");
    }
}

#[test]
fn recursion_ends_at_its_limit() {
    let cases = [
        ("local function f() return f() + 1 end return f()", "stack overflow"),
        ("local function f() return pcall(f) end return tostring(f())", ""),
        ("local function f() return (string.gsub('x', 'x', f)) end return f()", "stack overflow"),
        ("local function f(a, b) table.sort({1, 2, 3}, f) return true end f()", "stack overflow"),
        ("local function f() return coroutine.wrap(f)() end return f()", "stack overflow"),
        ("local t = {} setmetatable(t, {__index = function(t, k) return t[k] end}) return t.x", "stack overflow"),
        ("local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop in gettable"),
        ("local function f() error(f()) end xpcall(f, f)", ""),
        ("local s = ('('):rep(100000) return loadstring('return ' .. s) ~= nil", ""),
        ("local s = ('{'):rep(100000) return loadstring('return ' .. s) ~= nil", ""),
        ("local s = ('a='):rep(100000) return loadstring(s) ~= nil", ""),
        ("local s = ('do '):rep(100000) return loadstring(s) ~= nil", ""),
        ("local s = ('-'):rep(1000) return loadstring('return ' .. s .. '1') ~= nil", ""),
        ("return loadstring('return ' .. ('1..'):rep(50000) .. '1') ~= nil", ""),
        ("local t = {} for i = 1, 5000 do t = {t} end return cjson.encode(t)", "nest"),
        ("return cjson.decode(('['):rep(100000))", "nested"),
        ("local t = {} for i = 1, 5000 do t = {t} end return #cmsgpack.pack(t) > 0", ""),
    ];
    let mut server = Server::new();
    for (script, expected) in cases {
        let reply = server.eval(script);
        assert!(reply.contains(expected), "{script}: {reply}");
        assert_alive(&mut server);
    }
}

/// The deepest that the stack is ever used: as many nested C calls with buffers as Lua allows, and the longest pattern below them.
#[test]
fn the_stack_has_room_for_the_deepest_calls() {
    let mut server = Server::new();
    let script = "
        local subject, long = ('a'):rep(9000), ('a?'):rep(4096)
        local deepest = 0
        local function f(n)
            deepest = math.max(deepest, n)
            string.find(subject, long)
            string.find(subject, ('.-'):rep(4095))
            string.gsub('x', 'x', function() f(n + 1) end)
        end
        pcall(f, 1)
        return deepest";
    let deepest = server.eval(script);
    let deepest: usize = deepest.trim_start_matches(':').parse().expect("a number");
    assert!((60..200).contains(&deepest), "{deepest}");
    let decode = "
        local text = ('['):rep(900) .. (']'):rep(900)
        local function f() cjson.decode(text) cjson.encode(cjson.decode(text)) string.gsub('x', 'x', f) end
        return tostring(pcall(f))";
    assert_eq!(server.eval(decode), "$5|false");
    assert_alive(&mut server);
}

#[test]
fn patterns_are_bounded() {
    let mut server = Server::new();
    for call in ["find(s, p)", "match(s, p)", "gsub(s, p, '')", "gmatch(s, p)()"] {
        let reply = server.eval(&format!("local s, p = ('a'):rep(300000), ('a?'):rep(100000) return s:{call}"));
        assert!(reply.contains("pattern too complex"), "{call}: {reply}");
    }
    assert_eq!(server.eval("local s = ('a'):rep(300000) return {s:find(s, 1, true)}"), "*2|:1|:300000");
    assert_eq!(server.eval("return #string.match(('a'):rep(5000), ('a?'):rep(2000))"), ":2000");
}

/// CVE-2025-46817: whatever the range is, it does not wrap around.
#[test]
fn ranges_of_unpack_are_checked() {
    let mut server = Server::new();
    let ranges = [
        "-2147483648, 2147483647",
        "0, 2147483647",
        "1, 1e8",
        "-1e308, 1e308",
        "1, 2^31",
        "-2^31, -1",
        "1, 1/0",
        "2, 2^53",
    ];
    for range in ranges {
        let reply = server.eval(&format!("return {{unpack({{1, 2, 3}}, {range})}}"));
        assert!(reply.contains("too many results to unpack"), "{range}: {reply}");
    }
    assert_eq!(server.eval("return {unpack({1, 2, 3}, 2)}"), "*2|:2|:3");
    assert_eq!(server.eval("return {unpack({1, 2, 3}, 3, 2)}"), "*0");
    assert_eq!(server.eval("return #{unpack({}, 1, 7000)}"), ":0");
    assert_eq!(server.eval("return {unpack({1}, 0/0, 1)}"), "*1|:1".replace("*1|:1", "*0"));
}

#[test]
fn other_attacks_on_numbers_and_strings_are_errors() {
    let mut server = Server::new();
    let scripts = [
        "return string.format('%99999d', 1)",
        "return string.format('%.9999f', 1)",
        "return string.rep('x', 1e300)",
        "return string.char(256)",
        "return {string.byte(('x'):rep(1e6), 1, -1)}",
        "return redis.call(unpack({}, 1, 5000))",
        "return table.concat({}, 'x', 1, 2^31)",
        "return bit.tohex(65535, -2147483648)",
    ];
    for script in scripts {
        let reply = server.eval(script);
        assert!(reply.starts_with('-') || reply.starts_with('$'), "{script}: {reply}");
        assert_alive(&mut server);
    }
    assert_eq!(server.eval("return #string.rep('', 1e15)"), ":0");
}

/// CVE-2025-46819 and the like: long tokens, long brackets, megabytes of text.
#[test]
fn long_texts_are_compiled_or_refused() {
    let mut server = Server::new();
    let level = "=".repeat(1 << 20);
    assert_eq!(server.eval(&format!("return #[{level}[x]{level}]")), ":1");
    assert!(server.eval(&format!("return [{level}[x")).contains("unfinished long string"));
    assert!(server.eval(&format!("return [{level}")).contains("invalid long string delimiter"));
    assert!(server.eval(&format!("return {}", "x".repeat(1 << 20))).contains("nonexistent global variable"));
    assert_eq!(server.eval(&format!("return #'{}'", "x".repeat(4 << 20))), ":4194304");
    let many = "local a = 1\n".repeat(300);
    assert!(server.eval(&many).contains("more than 200 local variables"));
    assert_eq!(server.eval(&"redis.call('ping')\n".repeat(50_000)), "$-1");
    assert_alive(&mut server);
}

#[test]
fn scripts_that_never_end_are_killed() {
    let scripts = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error, 'x') end",
        "local function f() pcall(f) f() end f()",
        "while true do xpcall(function() error('x') end, function() while true do end end) end",
        "table.sort({3, 2, 1, 4}, function(a, b) while true do end end)",
        "('x'):gsub('x', function() while true do end end)",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "while true do local c = coroutine.create(function() while true do pcall(coroutine.yield) end end) for i = 1, 100 do coroutine.resume(c) end end",
        "setmetatable({}, {__index = function() while true do end end}).x = setmetatable({}, {__index = function() while true do end end}).y",
        "while true do pcall(redis.call, 'nosuch') end",
        "while true do redis.pcall('ping') end",
        "while true do pcall(load, function() while true do end end) end",
        "while true do loadstring('x = 1') end",
        "while true do collectgarbage() end",
        "local ok repeat ok = pcall(function() for i = 1, 1e9 do end end) until ok",
    ];
    let mut server = Server::new();
    server.pauses_max = 5;
    for script in scripts {
        server.pauses = 0;
        let reply = server.eval(script);
        assert!(
            reply.starts_with("-ERR Script killed by user with SCRIPT KILL... script: <sha>, on @user_script:1."),
            "{script}: {reply}"
        );
        assert!((5..200).contains(&server.pauses), "{script}: {} pauses", server.pauses);
    }
    server.pauses = 0;
    assert_alive(&mut server);
}

#[test]
fn a_long_script_pauses_and_goes_on() {
    let mut server = Server::new();
    assert_eq!(server.eval("local n = 0 for i = 1, 1000000 do n = n + i end return n"), ":500000500000");
    assert!(server.pauses > 20, "{}", server.pauses);
    let before = server.pauses;
    let sorted =
        "local t = {} for i = 1, 5000 do t[i] = (i * 7919) % 5003 end table.sort(t, function(a, b) return a < b end)
        for i = 2, #t do if t[i - 1] > t[i] then return 'wrong' end end return 'sorted'";
    assert_eq!(server.eval(sorted), "$6|sorted");
    assert!(server.pauses > before);
    let start = torc_lua::Start { keys: &[], args: &[], sha: common::SHA, protocol: torc_resp::Protocol::Resp2 };
    let chunk = server.interpreter.compile("@user_script", b"return 1").unwrap();
    let mut run = server.interpreter.begin(chunk, start);
    assert_eq!(run.resume(&mut server.interpreter, torc_lua::Answer::Begin), Step::Done);
    assert!(!run.is_failed());
}
