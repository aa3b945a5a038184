//! EVAL and its like, on one core and on three.

mod common;

use common::{TestCore, key_of_each_core};

const ALL: [u16; 2] = [1, 3];

/// Calls with text that has blanks.
fn eval(client: &common::Client, script: &str, keys: &[&str], args: &[&str]) -> String {
    let count = keys.len().to_string();
    let words: Vec<&str> = ["EVAL", script, &count].into_iter().chain(keys.iter().chain(args).copied()).collect();
    client.call(&words)
}

#[test]
fn replies_of_every_kind() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        let table = [
            ("return 1", ":1"),
            ("return 3.99", ":3"),
            ("return 'a'", "\"a\""),
            ("return true", ":1"),
            ("return false", "nil"),
            ("return nil", "nil"),
            ("return {1, 2, 'three', {4}}", "[:1, :2, \"three\", [:4]]"),
            ("return {1, nil, 3}", "[:1]"),
            ("return redis.status_reply('fine')", "+fine"),
            ("return {ok = 'fine'}", "+fine"),
            ("return redis.error_reply('MINE is broken')", "-MINE is broken"),
            ("return redis.sha1hex('')", "\"da39a3ee5e6b4b0d3255bfef95601890afd80709\""),
            ("return {KEYS[1], ARGV[1], #KEYS, #ARGV}", "[\"a\", \"b\", :1, :2]"),
        ];
        for (script, reply) in table {
            assert_eq!(eval(&client, script, &["a"], &["b", "c"]), reply, "{script}");
        }
    }
}

#[test]
fn scripts_call_commands_whatever_core_has_their_keys() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let client = core.client();
        let keys = key_of_each_core(cores, "key");
        for key in &keys {
            let set = "return redis.call('set', KEYS[1], ARGV[1])";
            assert_eq!(eval(&client, set, &[key], &["1"]), "+OK");
            let script =
                "local key = KEYS[1] local n = redis.call('incr', key) redis.call('pexpire', key, 1000) return n";
            assert_eq!(eval(&client, script, &[key], &[]), ":2");
            assert_eq!(client.send(&format!("PTTL {key}")), ":1000");
        }
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let sum = "local sum = 0 for _, key in ipairs(KEYS) do sum = sum + redis.call('get', key) end return sum";
        assert_eq!(eval(&client, sum, &names, &[]), format!(":{}", 2 * cores));
        assert_eq!(
            eval(&client, "return redis.call('mget', unpack(KEYS))", &names, &[]),
            client.send(&format!("MGET {}", names.join(" ")))
        );
        // Not declared.
        let undeclared =
            "local sum = 0 for _, key in ipairs(ARGV) do sum = sum + redis.call('incr', key) end return sum";
        assert_eq!(eval(&client, undeclared, &[], &names), format!(":{}", 3 * cores));
        assert_eq!(eval(&client, "return redis.call('dbsize')", &[], &[]), format!(":{cores}"));
        assert_eq!(eval(&client, "return #redis.call('keys', '*')", &[], &[]), format!(":{cores}"));
        let moved = "redis.call('rename', ARGV[1], ARGV[2]) return redis.call('get', ARGV[2])";
        assert_eq!(eval(&client, moved, &[], &[names[0], "other"]), "\"3\"");
        let union =
            "redis.call('sadd', 'x', 1, 2) redis.call('sadd', 'y', 3) return redis.call('sunionstore', 'z', 'x', 'y')";
        assert_eq!(eval(&client, union, &[], &[]), ":3");
        assert_eq!(client.send("SCARD z"), ":3");
    }
}

#[test]
fn what_one_core_has_learned_all_know() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let clients: Vec<_> = (0..cores).map(|core_id| core.client_on(core_id)).collect();
        let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        let [first, last] = [&clients[0], &clients[usize::from(cores) - 1]];
        assert_eq!(first.send(&format!("EVALSHA {sha} 0")), "-NOSCRIPT No matching script. Please use EVAL.");
        assert_eq!(eval(last, "return 1", &[], &[]), ":1");
        for client in &clients {
            assert_eq!(client.send(&format!("EVALSHA {} 0", sha.to_uppercase())), ":1");
            assert_eq!(client.send(&format!("SCRIPT EXISTS {sha} x")), "[:1, :0]");
        }
        assert_eq!(first.send("SCRIPT FLUSH"), "+OK");
        for client in &clients {
            assert_eq!(client.send(&format!("EVALSHA_RO {sha} 0")), "-NOSCRIPT No matching script. Please use EVAL.");
        }
        assert_eq!(last.call(&["SCRIPT", "LOAD", "return 1"]), format!("\"{sha}\""));
        for client in &clients {
            assert_eq!(client.send(&format!("EVALSHA_RO {sha} 0")), ":1");
            assert_eq!(client.send(&format!("SCRIPT SHOW {sha}")), "\"return 1\"");
        }
    }
}

#[test]
fn scripts_in_a_transaction() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let client = core.client();
        let keys = key_of_each_core(cores, "key");
        let (first, last) = (&keys[0], &keys[usize::from(cores) - 1]);
        client.send("MULTI");
        client.send(&format!("SET {first} 5"));
        eval(&client, "return redis.call('incr', KEYS[1])", &[first], &[]);
        eval(&client, "return redis.call('incr', ARGV[1])", &[], &[first]);
        eval(&client, "return redis.call('set', KEYS[1], redis.call('get', KEYS[2]))", &[last, first], &[]);
        client.send("EVALSHA 0000000000000000000000000000000000000000 0");
        // Brought by the transaction itself.
        eval(&client, "return 'new'", &[], &[]);
        client.send("EVALSHA 49d28b92ec449d37fe42d49010769e43d4ab67ae 0");
        client.send(&format!("GET {last}"));
        let replies = "[+OK, :6, :7, +OK, -NOSCRIPT No matching script. Please use EVAL., \"new\", \"new\", \"7\"]";
        assert_eq!(client.send("EXEC"), replies);
    }
}

#[test]
fn a_first_line_of_flags_is_no_lua() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        let script = "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])";
        assert_eq!(eval(&client, script, &["a"], &[]), "nil");
        let got = eval(&client, "#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 'x')", &["a"], &[]);
        assert!(got.starts_with("-ERR Write commands are not allowed from read-only scripts."), "{got}");
    }
}

#[test]
fn what_may_not_be_called() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        let table = [
            ("return redis.pcall('nothing')", "-ERR Unknown Redis command called from script script: "),
            ("return redis.pcall('get')", "-ERR Wrong number of args calling Redis command from script script: "),
            ("return redis.pcall('multi')", "-ERR This Redis command is not allowed from script script: "),
            ("return redis.pcall('subscribe', 'a')", "-ERR This Redis command is not allowed from script script: "),
            (
                "return redis.call('incr', KEYS[1], 1)",
                "-ERR Wrong number of args calling Redis command from script script: ",
            ),
        ];
        for (script, reply) in table {
            let got = eval(&client, script, &["a"], &[]);
            assert!(got.starts_with(reply.trim_end_matches(" script: ")), "{script}: {got}");
        }
        let words = ["EVAL_RO", "return redis.call('set', KEYS[1], 1)", "1", "a"];
        let got = client.call(&words);
        assert!(got.starts_with("-ERR Write commands are not allowed from read-only scripts."), "{got}");
        client.check(&[
            ("EVAL x", "-ERR wrong number of arguments for 'eval' command"),
            ("EVAL x y", "-ERR value is not an integer or out of range"),
            ("EVAL x 2 a", "-ERR Number of keys can't be greater than number of args"),
            ("EVAL x -1", "-ERR Number of keys can't be negative"),
            ("SCRIPT KILL", "-NOTBUSY No scripts in execution right now."),
        ]);
    }
}

#[test]
fn a_script_selects_for_itself() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        let script = "redis.call('select', 3) redis.call('set', KEYS[1], 'x') return redis.call('get', KEYS[1])";
        assert_eq!(eval(&client, script, &["a"], &[]), "\"x\"");
        client.check(&[("GET a", "nil"), ("SELECT 3", "+OK"), ("GET a", "\"x\"")]);
    }
}

#[test]
fn who_waits_is_served_when_the_script_has_ended() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let (client, waiter) = (core.client(), core.client());
        for script in [
            "redis.call('rpush', KEYS[1], 'a') redis.call('rpush', KEYS[1], 'b') return redis.call('llen', KEYS[1])",
            "redis.call('rpush', ARGV[1], 'a') redis.call('rpush', ARGV[1], 'b') return redis.call('llen', ARGV[1])",
        ] {
            waiter.begin(&["BLPOP list 0"]);
            assert_eq!(eval(&client, script, &["list"], &["list"]), ":2");
            assert_eq!(waiter.poll(), ["[\"list\", \"a\"]"]);
            assert_eq!(client.send("LPOP list"), "\"b\"");
            // What would wait does not.
            assert_eq!(eval(&client, "return redis.call('blpop', KEYS[1], 0)", &["list"], &[]), "nil");
        }
    }
}

#[test]
fn a_change_by_a_script_fails_a_watch() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let (client, other) = (core.client(), core.client());
        client.check(&[("WATCH a", "+OK"), ("MULTI", "+OK"), ("PING", "+QUEUED")]);
        eval(&other, "redis.call('set', KEYS[1], 1)", &["a"], &[]);
        assert_eq!(client.send("EXEC"), "nil");
    }
}

/// Keeps a script busy for as many rounds.
fn long_script(key: &str) -> String {
    format!("EVAL \"local n = 0 for i = 1, 3e6 do n = n + 1 end redis.call('set', {key}, n) return n\" 1 a a")
}

#[test]
fn a_script_that_takes_long_lets_its_core_do_what_needs_no_keys() {
    for cores in ALL {
        for key in ["KEYS[1]", "ARGV[1]"] {
            let core = TestCore::new(cores);
            let owner = (0..cores).find(|&id| core.engine(id, |engine| engine.inspect().owner(b"a") == id));
            let (client, other) = (core.client_on(owner.unwrap()), core.client_on(owner.unwrap()));
            core.engine(client.core(), |engine| engine.begin_turn(0, common::clock_ns()));
            common::let_long_commands_take(2_000_000);
            client.begin(&[&long_script(key)]);
            assert_eq!(client.peek(), [""; 0], "it has been suspended");
            core.engine(client.core(), |engine| engine.begin_turn(0, common::clock_ns()));
            other.begin(&["PING", "GET a"]);
            assert_eq!(other.peek(), ["+PONG"]);
            for _ in 0..1000 {
                core.engine(client.core(), |engine| engine.begin_turn(0, common::clock_ns()));
                core.settle();
            }
            assert_eq!(client.poll(), [":3000000"]);
            assert_eq!(other.poll(), ["\"3000000\""]);
            common::let_long_commands_take(0);
        }
    }
}

/// A client of the core that owns `a`, whose turn has begun: from now on long commands take long.
fn client_of_long_turns(core: &TestCore, cores: u16) -> common::Client {
    let owner = (0..cores).find(|&id| core.engine(id, |engine| engine.inspect().owner(b"a") == id));
    let client = core.client_on(owner.unwrap());
    core.engine(client.core(), |engine| engine.begin_turn(0, common::clock_ns()));
    common::let_long_commands_take(2_000_000);
    client
}

/// Lets a script go on until it has ended.
fn let_it_end(core: &TestCore, of: u16) {
    for _ in 0..1000 {
        core.engine(of, |engine| engine.begin_turn(0, common::clock_ns()));
        core.settle();
    }
    common::let_long_commands_take(0);
}

#[test]
fn a_script_that_is_suspended_goes_on_for_nobody_else() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let client = client_of_long_turns(&core, cores);
        let other = core.client_on(client.core());
        assert_eq!(eval(&other, "return 7", &[], &[]), ":7");
        let line = long_script("KEYS[1]");
        assert_eq!(client.call(&[b"SCRIPT".as_slice(), b"LOAD", &common::words(&line)[1]]).len(), 42);
        client.begin(&[&line]);
        core.engine(client.core(), |engine| engine.begin_turn(0, common::clock_ns()));
        other.begin(&["EVAL \"return 7\" 0"]);
        let_it_end(&core, client.core());
        assert_eq!((client.poll(), other.poll()), (vec![":3000000".to_owned()], vec![":7".to_owned()]));
    }
}

#[test]
fn time_stands_still_in_a_script_that_is_suspended() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let reads = "redis.call('get', KEYS[1])";
        let script = format!("local a = {reads} for i = 1, 3e6 do a = a end return {{a, {reads}}}");
        core.client().call(&["SCRIPT", "LOAD", &script]);
        core.client().check(&[("SET a x PX 50", "+OK")]);
        let client = client_of_long_turns(&core, cores);
        client.begin(&[&format!("EVAL \"{script}\" 1 a")]);
        assert_eq!(client.peek(), [""; 0], "it has been suspended");
        core.advance_ms(100);
        core.upkeep();
        let_it_end(&core, client.core());
        assert_eq!(client.poll(), ["[\"x\", \"x\"]"]);
        assert_eq!(client.send("EXISTS a"), ":0");
    }
}

#[test]
fn info_tells_on_which_cores_scripts_have_run() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let client = core.client();
        assert_eq!(client.send("INFO scripts"), "\"# Scripts\\r\\n\"");
        let keys = key_of_each_core(cores, "key");
        let closed = "for i = 1, #KEYS do redis.call('get', KEYS[1]) end return #KEYS";
        for key in &keys {
            eval(&client, closed, &[key], &[]);
        }
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        eval(&client, closed, &names, &[]);
        eval(&client, "return redis.call('get', 'k' .. ARGV[1])", &[], &["1"]);
        let line = |source: &str, runs: &str| {
            let sha = client.call(&["SCRIPT", "LOAD", source]);
            format!("script_{}:{runs}\\r\\n", sha.trim_matches('"'))
        };
        let (of_closed, of_open) = match cores {
            1 => ("runs=2,one_core=2,several_cores=0,all_cores=0", "runs=1,one_core=1,several_cores=0,all_cores=0"),
            _ => ("runs=4,one_core=3,several_cores=1,all_cores=0", "runs=1,one_core=0,several_cores=0,all_cores=1"),
        };
        let expected = [line(closed, of_closed), line("return redis.call('get', 'k' .. ARGV[1])", of_open)].concat();
        assert_eq!(client.send("INFO scripts"), format!("\"# Scripts\\r\\n{expected}\""));
        client.send("SCRIPT FLUSH");
        assert_eq!(client.send("INFO scripts"), "\"# Scripts\\r\\n\"");
    }
}

#[test]
fn the_memory_of_scripts_is_bounded_and_is_there_again() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let client = core.client();
        assert_eq!(client.send("CONFIG GET lua-memory-max"), "[\"lua-memory-max\", \"0\"]");
        let large = "return #string.rep('x', 10000000)";
        assert_eq!(eval(&client, large, &[], &[]), ":10000000");
        assert_eq!(client.send("CONFIG SET lua-memory-max 4mb"), "+OK");
        let reply = eval(&client, large, &[], &[]);
        assert!(reply.starts_with("-ERR") && reply.contains("not enough memory"), "{reply}");
        // What the interpreter has already stays.
        assert_eq!(client.send("CONFIG SET lua-memory-max 1"), "+OK");
        let reply = eval(&client, "return #string.rep('y', 300000)", &[], &[]);
        assert!(reply.starts_with("-ERR") && reply.contains("not enough memory"), "{reply}");
        assert_eq!(client.send("CONFIG SET lua-memory-max 1gb"), "+OK");
        assert_eq!(eval(&client, large, &[], &[]), ":10000000");
    }
}

/// Later versions of Redis leave them out unless `lua-enable-deprecated-api` says otherwise.
#[test]
fn environments_are_for_who_asks_for_them() {
    for has_them in [false, true] {
        let core = TestCore::with_config(1, |config| config.lua_enable_deprecated_api = has_them);
        let client = core.client();
        for name in ["getfenv", "setfenv"] {
            let reply = client.call(&["EVAL", &format!("{name}(1, {{}}) return 1"), "0"]);
            let refusal = format!("Script attempted to access nonexistent global variable '{name}'");
            assert!(if has_them { reply == ":1" } else { reply.contains(&refusal) }, "{name}: {reply}");
        }
        let reply = client.call(&["EVAL", "return newproxy(true)", "0"]);
        assert!(reply.contains("nonexistent global variable 'newproxy'"), "{reply}");
    }
}
