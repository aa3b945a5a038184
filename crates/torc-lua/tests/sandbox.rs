//! What a script can change for others: nothing. Each attack is followed by a script that would notice.

mod common;

use common::Server;

const READ_ONLY: &str = "Attempt to modify a readonly table";

/// Scripts that try to write where all scripts read.
const WRITES: &[&str] = &[
    "redis.call = nil",
    "server.call = nil",
    "a = 10",
    "KEYS = 1",
    "_G.a = 10",
    "_G = {}",
    "string.rep = nil",
    "table.insert = nil",
    "math.random = nil",
    "os.clock = nil",
    "coroutine.wrap = nil",
    "cjson.encode = nil",
    "cmsgpack.pack = nil",
    "struct.pack = nil",
    "bit.band = nil",
    "rawset(_G, 'a', 1)",
    "rawset(redis, 'call', 1)",
    "rawset(string, 'rep', 1)",
    "setmetatable(_G, {})",
    "setmetatable(redis, {__index = function() return 1 end})",
    "setmetatable(string, {})",
    "getmetatable(_G).__index = {}",
    "getmetatable('').__index = {}",
    "getmetatable('').__index.rep = 1",
    "getmetatable('').__add = function() return 1 end",
    "rawset(getmetatable(''), '__index', {})",
    "rawset(getmetatable(_G), '__index', {})",
    "setmetatable(getmetatable(_G), {})",
    "table.insert(redis, 1)",
    "table.insert(_G, 1, 1)",
    "('').x.y = 1",
    "getfenv().a = 1",
    "getfenv(0).a = 1",
    "rawset(getfenv(1), 'a', 1)",
    "local f = loadstring('a = 1') f()",
];

/// Everything that the attacks reach for, as it is in a new interpreter.
const INTACT: &str = "
    local r = {}
    for _, t in ipairs({redis, server, string, table, math, os, coroutine, cjson, cmsgpack, struct, bit, _G}) do
        local names = {}
        for name, value in pairs(t) do names[#names + 1] = tostring(name) .. type(value) end
        table.sort(names)
        r[#r + 1] = table.concat(names, ' ')
        r[#r + 1] = tostring(rawget(t, 'a')) .. tostring(rawget(t, 1)) .. #t
    end
    r[#r + 1] = ('x'):rep(2) .. tostring(getmetatable(redis)) .. tostring(pcall(function() return 'a' + 1 end))
    r[#r + 1] = tostring(pcall(function() return undefined end))
    return r";

#[test]
fn shared_tables_cannot_be_changed() {
    let mut server = Server::new();
    let intact = server.eval(INTACT);
    assert!(intact.starts_with("*26|"), "{intact}");
    for script in WRITES {
        let reply = server.eval(script);
        assert!(reply.contains(READ_ONLY) || reply.contains("attempt to index"), "{script}: {reply}");
        assert_eq!(server.eval(INTACT), intact, "{script}");
    }
}

#[test]
fn sorting_and_removing_change_no_shared_table() {
    let mut server = Server::new();
    let intact = server.eval(INTACT);
    for script in ["table.sort(redis)", "table.remove(redis)", "table.remove(_G, 1)", "table.sort(string)"] {
        assert_eq!(server.eval(script), "$-1", "{script}");
        assert_eq!(server.eval(INTACT), intact, "{script}");
    }
}

/// CVE-2025-46818: either there is no metatable, or it cannot be written to.
#[test]
fn metatables_of_basic_types_are_out_of_reach() {
    let mut server = Server::new();
    for value in ["nil", "''", "123.2", "true", "function() end", "coroutine.create(function() end)", "cjson.null"] {
        let reply = server.eval(&format!("getmetatable({value}).__index = function() return 1 end"));
        assert!(reply.contains(READ_ONLY) || reply.contains("attempt to index a nil value"), "{value}: {reply}");
    }
}

#[test]
fn no_function_gives_out_a_hidden_table() {
    let mut server = Server::new();
    // Whatever is reached from the globals by fields, metatables, iteration and environments: each table refuses to be written to.
    let script = "
        local seen, open = {}, {}
        local function visit(v, path)
            if type(v) ~= 'table' or seen[v] then return end
            seen[v] = true
            if v ~= KEYS and v ~= ARGV and pcall(rawset, v, 'attack', 1) then open[#open + 1] = path end
            for k, e in pairs(v) do visit(e, path .. '.' .. tostring(k)) end
            for k, e in next, v do visit(e, path .. '.' .. tostring(k)) end
            visit(getmetatable(v), path .. '<meta>')
            for k, e in pairs(v) do
                if type(e) == 'function' then visit(getfenv(e), path .. '<env>') end
            end
        end
        visit(_G, '_G') visit(getfenv(0), 'thread') visit(getfenv(1), 'function') visit(getmetatable(''), 'string')
        return open";
    assert_eq!(server.eval(script), "*0");
}

#[test]
fn what_could_leave_the_sandbox_is_absent() {
    let mut server = Server::new();
    let absent = [
        "print",
        "dofile",
        "loadfile",
        "newproxy",
        "require",
        "module",
        "io",
        "debug",
        "package",
        "os.execute",
        "os.getenv",
    ];
    for name in absent {
        let reply = server.eval(&format!("return {name}('x')"));
        assert!(
            reply.contains("nonexistent global variable") || reply.contains("attempt to call field"),
            "{name}: {reply}"
        );
    }
}

/// Compiled code would be run unchecked; it is read as text and does not parse.
#[test]
fn compiled_code_is_refused() {
    let mut server = Server::new();
    for load in ["loadstring(code)", "load(function() local c = code code = nil return c end)"] {
        let script =
            format!("local code = string.dump(function() return 1 end) local f, m = {load} return {{type(f), m}}");
        let reply = server.eval(&script);
        assert!(reply.starts_with("*2|$3|nil|") && reply.contains("unexpected symbol"), "{reply}");
    }
    assert!(server.interpreter.compile("@user_script", b"\x1bLuaQ").is_err());
}

#[test]
fn text_is_loaded_in_pieces() {
    let mut server = Server::new();
    let script = "local p = {'return ', '{', '1, ', 2, '}'} local i = 0
        return load(function() i = i + 1 return p[i] end)()";
    assert_eq!(server.eval(script), "*2|:1|:2");
    assert_eq!(
        server.eval("return {load(function() error('no') end) == nil, select(2, load(function() return {} end))}"),
        "*2|:1|$36|reader function must return a string"
    );
    assert!(server.eval("return {loadstring('x =', 'my chunk')} ").starts_with("*0"));
    assert_eq!(
        server.eval("return select(2, loadstring('x =', '@name\\0hidden'))"),
        "$38|name:1: unexpected symbol near '<eof>'"
    );
}

/// CVE-2025-49844: the collector runs while names of chunks are all that is new.
#[test]
fn names_of_chunks_survive_the_collector() {
    let mut server = Server::new();
    let script = "for i = 1, 2000 do
            local f = loadstring('return ' .. i, '@chunk' .. i .. ('x'):rep(i % 50))
            collectgarbage('step')
            if f() ~= i then return 'wrong' end
            local _, m = loadstring('x =', '=name' .. i)
            if not m:find('^name' .. i .. ':1:') then return m end
        end return 'fine'";
    assert_eq!(server.eval(script), "$4|fine");
}

#[test]
fn environments_end_with_the_run() {
    let mut server = Server::new();
    let chunk = server
        .interpreter
        .compile(
            "@user_script",
            b"local found, change = redis ~= nil, setfenv change(1, {}) change(0, {}) return found",
        )
        .unwrap();
    // `redis` is found again by the second run of the same function, on the same Lua thread.
    for _ in 0..3 {
        let start = torc_lua::Start { keys: &[], args: &[], sha: common::SHA, protocol: torc_resp::Protocol::Resp2 };
        let run = server.interpreter.begin(chunk, start);
        assert_eq!(server.drive(run), ":1");
    }
    assert_eq!(server.eval("return loadstring('return redis.call(\"ping\")')()"), "+PONG");
}

/// A thread that is used again must not be held by a script: it could be resumed while another run has it.
#[test]
fn the_thread_of_a_run_is_out_of_reach() {
    let mut server = Server::new();
    assert_eq!(server.eval("return tostring(coroutine.running())"), "$3|nil");
    let inside = "return coroutine.wrap(function() return type(coroutine.running()) end)()";
    assert_eq!(server.eval(inside), "$6|thread");
}

#[test]
fn metamethods_of_scripts_work() {
    let mut server = Server::new();
    let script = "local t = setmetatable({}, {__index = function(_, k) return k .. '!' end, __metatable = 'locked'})
        return {t.x, getmetatable(t), tostring(pcall(setmetatable, t, {})), rawget(t, 'x') == nil, next(t) == nil}";
    assert_eq!(server.eval(script), "*5|$2|x!|$6|locked|$5|false|:1|:1");
    let iterate = "local n = 0 for k, v in pairs({1, 2, a = 3}) do n = n + v end for i, v in ipairs({4, 5}) do n = n + v end return n";
    assert_eq!(server.eval(iterate), ":15");
}

#[test]
fn the_libraries_are_there() {
    let mut server = Server::new();
    assert_eq!(server.eval("return cjson.encode({1, 'a', true, cjson.null})"), "$17|[1,\"a\",true,null]");
    assert_eq!(server.eval("return cmsgpack.unpack(cmsgpack.pack({1, 2}))"), "*2|:1|:2");
    assert_eq!(server.eval("return {struct.unpack('>I2', struct.pack('>I2', 515))}"), "*2|:515|:3");
    assert_eq!(server.eval("return bit.band(12, 10)"), ":8");
}
