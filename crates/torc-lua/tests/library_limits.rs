//! What the libraries do beyond what servers show: marked arrays, which only newer ones have, and bounds of memory, stack and output.

mod library_harness;

use library_harness::Lua;
use mlua_sys as ffi;
use std::ffi::{c_int, c_void};
use std::thread;

/// What a coroutine of a script has, less what runs below the library.
const STACK_BYTES: usize = 512 * 1024;

fn run(program: &str) -> String {
    match Lua::new().run(program, b"") {
        Ok(text) => String::from_utf8(text).unwrap(),
        Err(error) => panic!("{program}: {}", error.escape_ascii()),
    }
}

#[test]
fn arrays_are_marked_if_a_setting_says_so() {
    let with = "local json = cjson.new() json.decode_array_with_array_mt(true) ";
    for (program, expected) in [
        ("return json.encode(json.decode('[]'))", "[]"),
        ("return json.encode(json.decode('{\"a\":[],\"b\":{},\"c\":[[],1]}').a)", "[]"),
        ("return json.encode(json.decode('[[],{},[[]]]'))", "[[],{},[[]]]"),
        // The mark is there for every array, and stays while it changes.
        ("local t = json.decode('[1]') t[1] = nil return json.encode(t)", "[]"),
        ("local t = json.decode('[]') t[1] = 5 return json.encode(t)", "[5]"),
        ("local t = json.decode('[1,2]') t.name = 3 return json.encode(t)", "[1,2]"),
        ("local t = json.decode('[]') t.name = 3 return json.encode(t)", "[]"),
        ("return tostring(getmetatable(json.decode('[]')).__is_cjson_array)", "true"),
        ("return tostring(getmetatable(json.decode('{}')))", "nil"),
        // It can be given to another table, and is known to other instances.
        ("return json.encode(setmetatable({}, getmetatable(json.decode('[]'))))", "[]"),
        ("return cjson.encode(json.decode('[]'))", "[]"),
        ("return cjson.encode(setmetatable({}, {__is_cjson_array = true}))", "[]"),
        ("return cjson.encode(setmetatable({}, {__is_cjson_array = false}))", "{}"),
        ("return cjson.encode(setmetatable({}, {}))", "{}"),
        ("return cjson.encode(setmetatable({1}, {__index = error, __len = error}))", "[1]"),
        // It is not changed through one of them.
        (
            "return select(2, pcall(function() getmetatable(json.decode('[]')).__is_cjson_array = false end))",
            "program:1: Attempt to modify a readonly table",
        ),
        ("return tostring(getmetatable(getmetatable(json.decode('[]'))))", "false"),
        ("return tostring(pcall(setmetatable, getmetatable(json.decode('[]')), nil))", "false"),
        (
            "rawset(getmetatable(json.decode('[]')), '__is_cjson_array', false) return json.encode(json.decode('[]'))",
            "[]",
        ),
        (
            "return tostring(json.decode_array_with_array_mt()) .. tostring(cjson.decode_array_with_array_mt())",
            "truefalse",
        ),
        ("json.decode_array_with_array_mt('off') return json.encode(json.decode('[]'))", "{}"),
    ] {
        assert_eq!(run(&format!("{with}{program}")), expected, "{program}");
    }
}

/// Depth takes no stack: with all depth that Lua's own stack allows, in what a coroutine has.
#[test]
fn depth_takes_no_stack() {
    let programs = [
        "cjson.decode_max_depth(100000) cjson.encode_max_depth(100000)
         local text = ('['):rep(3900) .. ('{\"a\":'):rep(1900) .. '1' .. ('}'):rep(1900) .. (']'):rep(3900)
         assert(cjson.encode(cjson.decode(text)) == text)",
        "cjson.decode_max_depth(100000)
         local ok, problem = pcall(cjson.decode, ('['):rep(100000))
         assert(not ok and problem:find('too many nested data structures %(79%d%d%)'), problem)",
        "cjson.encode_max_depth(100000)
         local t = {} for _ = 1, 100000 do t = {t} end
         local ok, problem = pcall(cjson.encode, t)
         assert(not ok and problem:find('excessive nesting %(79%d%d%)'), problem)
         t = {} t[1] = t
         assert(not pcall(cjson.encode, t))",
        "assert(not pcall(cmsgpack.unpack, ('\\145'):rep(1000000)))
         assert(not pcall(cmsgpack.unpack, ('\\129'):rep(1000000)))
         assert(not pcall(cmsgpack.unpack, ('\\129\\1'):rep(1000000)))
         local t = cmsgpack.unpack(('\\129\\1'):rep(3000) .. '\\7')
         for _ = 1, 3000 do t = t[1] end
         assert(t == 7)",
    ];
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        for program in programs {
            run(program);
        }
    });
    thread.unwrap().join().unwrap();
}

/// Memory that a state may take, and what it has taken.
struct Account {
    taken: usize,
    limit: usize,
}

unsafe extern "C" fn allocate(account: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    unsafe extern "C" {
        fn realloc(block: *mut c_void, bytes: usize) -> *mut c_void;
        fn free(block: *mut c_void);
    }
    // SAFETY: the account lives as long as the state; blocks are those of this function.
    unsafe {
        let account = &mut *account.cast::<Account>();
        if new == 0 {
            free(block);
            account.taken -= old;
            return std::ptr::null_mut();
        }
        if account.taken - old + new > account.limit && new > old {
            return std::ptr::null_mut();
        }
        account.taken = account.taken - old + new;
        realloc(block, new)
    }
}

unsafe extern "C-unwind" fn load(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua, with the program as a light userdata.
    unsafe {
        let program = ffi::lua_touserdata(state, 1).cast();
        ffi::lua_settop(state, 0);
        library_harness::open_libraries(state);
        if ffi::luaL_loadstring(state, program) != 0 {
            ffi::lua_error(state);
        }
        ffi::lua_call(state, 0, 0);
    }
    0
}

/// Runs a program with a limit of memory, and returns how it ended.
fn run_within(limit: usize, program: &std::ffi::CStr) -> c_int {
    let mut account = Account { taken: 0, limit: usize::MAX };
    // SAFETY: a state of its own, whose account outlives it.
    unsafe {
        let state = ffi::lua_newstate(allocate, (&raw mut account).cast());
        account.limit = limit;
        let status = ffi::lua_cpcall(state, load, program.as_ptr().cast_mut().cast());
        ffi::lua_close(state);
        assert_eq!(account.taken, 0, "something was not given back");
        status
    }
}

/// Whichever allocation fails, it is an error of Lua, and nothing is lost.
#[test]
fn memory_may_end_anywhere() {
    let program = c"local json = cjson.new() json.decode_array_with_array_mt(true)
        local t = json.decode('{\"a\":[1,2,{\"b\":\"c\\\\n\\\\u20ac' .. ('x'):rep(3000) .. '\"}],\"d\":' .. ('['):rep(50) .. (']'):rep(50) .. '}')
        json.encode(t) cmsgpack.unpack(cmsgpack.pack(t)) struct.unpack('s', struct.pack('s', ('x'):rep(5000)))
        pcall(json.decode, '[') pcall(json.encode, type) pcall(struct.pack, 'z') pcall(bit.tobit, {}) bit.tohex(1)
        cmsgpack.unpack(('\\145'):rep(40) .. '\\1')";
    let mut enough = false;
    let mut refused = 0;
    for limit in (0..).map(|step| 2000 + step * 311) {
        match run_within(limit, program) {
            0 => {
                enough = true;
                break;
            }
            // A stack that cannot grow is reported as too deep, as it is by the originals.
            ffi::LUA_ERRMEM | ffi::LUA_ERRRUN => refused += 1,
            status => panic!("ended with {status} at {limit} bytes"),
        }
        assert!(limit < 10_000_000, "never enough");
    }
    assert!(enough && refused > 100);
}

/// A table that contains one table many times is written as often; a limit of memory ends that, or one of this crate.
#[test]
fn output_that_doubles_with_every_level_ends() {
    for program in [
        c"local t = {1} for _ = 1, 900 do t = {t, t} end cjson.encode(t)",
        c"local t = {1} for _ = 1, 900 do t = {a = t, b = t} end cjson.encode(t)",
        c"local t = {1} for _ = 1, 15 do t = {t, t, t, t, t, t, t, t} end cmsgpack.pack(t)",
        c"cjson.encode_sparse_array(false, 0, 0) cjson.encode({[2^31 - 1] = 1})",
    ] {
        assert_eq!(run_within(8 << 20, program), ffi::LUA_ERRMEM);
    }
}

/// A length that is only announced takes nothing.
#[test]
fn announced_lengths_take_no_memory() {
    let program = c"for _, text in ipairs({'\\221\\255\\255\\255\\255', '\\223\\255\\255\\255\\255', '\\219\\255\\255\\255\\255'}) do
            for _ = 1, 100 do assert(not pcall(cmsgpack.unpack, text)) end
        end
        assert(not pcall(struct.unpack, 'c2147483647', 'x'))
        assert(not pcall(struct.pack, 'c2147483647', 'x'))
        assert(not pcall(struct.unpack, 'dc0', struct.pack('d', 2^62)))";
    assert_eq!(run_within(200_000, program), 0);
}
