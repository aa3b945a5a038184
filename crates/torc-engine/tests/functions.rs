//! Libraries of functions, on one core and on three: FUNCTION, FCALL and FCALL_RO. The texts are those of redis-server 7.0.15 and 8.2.3.

mod common;
mod files;

use common::{Client, TestCore, key_of_each_core};

const ALL: [u16; 2] = [1, 3];

/// The text of a library with one function for each pair of a name and a body.
fn library(name: &str, functions: &[(&str, &str)]) -> String {
    let register =
        |(name, body): &(&str, &str)| format!("redis.register_function('{name}', function(keys, args) {body} end)");
    format!("#!lua name={name}\n{}", functions.iter().map(register).collect::<Vec<_>>().join("\n"))
}

/// The same with a function that writes nothing.
fn reading_library(name: &str, function: &str, body: &str) -> String {
    format!(
        "#!lua name={name}\nredis.register_function{{function_name='{function}', flags={{'no-writes'}}, description='reads', \
         callback=function(keys, args) {body} end}}"
    )
}

fn load(client: &Client, source: &str) -> String {
    client.call(&["FUNCTION", "LOAD", source])
}

fn replace(client: &Client, source: &str) -> String {
    client.call(&["FUNCTION", "LOAD", "REPLACE", source])
}

#[test]
fn what_is_loaded_on_one_core_all_cores_have() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let clients: Vec<_> = (0..cores).map(|id| core.client_on(id)).collect();
        let (first, last) = (&clients[0], &clients[usize::from(cores) - 1]);
        assert_eq!(load(first, &library("lib", &[("f", "return {keys[1], args[1]}")])), "\"lib\"");
        for client in &clients {
            assert_eq!(client.send("FCALL f 1 k a"), "[\"k\", \"a\"]");
            assert_eq!(client.send("FCALL F 0"), "[]", "names are found in any case");
        }
        assert_eq!(replace(last, &library("lib", &[("g", "return 2")])), "\"lib\"");
        for client in &clients {
            assert_eq!(client.send("FCALL f 0"), "-ERR Function not found");
            assert_eq!(client.send("FCALL g 0"), ":2");
        }
        assert_eq!(last.send("FUNCTION DELETE lib"), "+OK");
        assert_eq!(first.send("FCALL g 0"), "-ERR Function not found");
        assert_eq!(first.send("FUNCTION DELETE lib"), "-ERR Library not found");
    }
}

#[test]
fn functions_reach_keys_of_all_cores() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let client = core.client();
        let keys = key_of_each_core(cores, "key").join(" ");
        let sum = "local sum = 0 for _, key in ipairs(args) do sum = sum + redis.call('incrby', key, 2) end return sum";
        load(&client, &library("lib", &[("sum", sum), ("set", "return redis.call('set', keys[1], args[1])")]));
        assert_eq!(client.send(&format!("FCALL sum 0 {keys}")), format!(":{}", 2 * cores));
        assert_eq!(client.send("FCALL set 1 a b"), "+OK");
        assert_eq!(client.send("GET a"), "\"b\"");
        load(&client, &reading_library("reader", "read", "return redis.call('mget', unpack(args))"));
        assert!(client.send(&format!("FCALL_RO read 0 {keys}")).starts_with("[\"2\""));
        assert!(client.send(&format!("FCALL read 0 {keys}")).starts_with("[\"2\""));
    }
}

#[test]
fn what_is_wrong_with_a_library() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        load(&client, &library("a", &[("f", "return 1")]));
        let wrong = [
            ("x", "Missing library metadata"),
            ("#!lua name=b\n", "No functions registered"),
            (&library("a", &[("f", "")]), "Library 'a' already exists"),
            (&library("b", &[("F", "")]), "Function F already exists"),
            ("#!js name=b\n", "Engine 'js' not found"),
            (
                "#!lua name=b\nredis.register_function('f', ",
                "Error compiling function: user_function:2: unexpected symbol near '<eof>'",
            ),
            (
                "#!lua name=b\nredis.call('x')",
                "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
            ),
            ("#!lua name=b\nwhile true do end", "Error registering functions: ERR FUNCTION LOAD timeout"),
        ];
        for (source, text) in wrong {
            assert_eq!(load(&client, source), format!("-ERR {text}"), "{source}");
        }
        assert_eq!(
            replace(&client, "#!lua name=a\nerror()"),
            "-ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'error'"
        );
        assert_eq!(client.send("FCALL f 0"), ":1", "what was to be replaced is still there");
        assert!(client.send("FUNCTION STATS").contains("\"libraries_count\", :1, \"functions_count\", :1"));
    }
}

#[test]
fn wrong_arguments() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        load(&client, &library("lib", &[("f", "return redis.call('set', 'a', 1)")]));
        load(&client, &reading_library("reader", "r", "return redis.call('set', 'a', 1)"));
        let not_from_reader =
            "-ERR Write commands are not allowed from read-only scripts. script: r, on @user_function:2.";
        client.check(&[
            ("FCALL nothing x", "-ERR Function not found"),
            ("FCALL f x", "-ERR Bad number of keys provided"),
            ("FCALL f 1", "-ERR Number of keys can't be greater than number of args"),
            ("FCALL f -1", "-ERR Number of keys can't be negative"),
            ("FCALL_RO f 0", "-ERR Can not execute a script with write flag using *_ro command."),
            ("EVAL \"#!lua\nreturn 1\" 0", ":1"),
            ("EVAL_RO \"#!lua\nreturn 1\" 0", "-ERR Can not execute a script with write flag using *_ro command."),
            ("FCALL r 0", not_from_reader),
            ("FCALL_RO r 0", not_from_reader),
        ]);
        client.check(&[
            ("FUNCTION LOAD foo x", "-ERR Unknown option given: foo"),
            ("FUNCTION LOAD REPLACE", "-ERR Missing library metadata"),
            ("FUNCTION FLUSH x", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
            (
                "FUNCTION FLUSH ASYNC x",
                "-ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP.",
            ),
            ("FUNCTION LIST x", "-ERR Unknown argument x"),
            ("FUNCTION LIST WITHCODE WITHCODE", "-ERR Unknown argument WITHCODE"),
            ("FUNCTION LIST LIBRARYNAME", "-ERR library name argument was not given"),
            ("FUNCTION LIST LIBRARYNAME a LIBRARYNAME b", "-ERR Unknown argument LIBRARYNAME"),
            ("FUNCTION RESTORE x", "-ERR DUMP payload version or checksum are wrong"),
            (
                "FUNCTION RESTORE x y",
                "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ),
            (
                "FUNCTION RESTORE x FLUSH z",
                "-ERR unknown subcommand or wrong number of arguments for 'restore'. Try FUNCTION HELP.",
            ),
            ("FUNCTION KILL", "-NOTBUSY No scripts in execution right now."),
        ]);
    }
}

#[test]
fn libraries_are_listed_by_name() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        assert_eq!(client.send("FUNCTION LIST"), "[]");
        let stats =
            "[\"running_script\", nil, \"engines\", [\"LUA\", [\"libraries_count\", :0, \"functions_count\", :0]]]";
        assert_eq!(client.send("FUNCTION STATS"), stats);
        let (one, other) =
            (reading_library("one", "r", "return 1"), library("other", &[("g", "return 1"), ("f", "return 2")]));
        load(&client, &other);
        load(&client, &one);
        let shown = "[\"library_name\", \"one\", \"engine\", \"LUA\", \"functions\", \
                     [[\"name\", \"r\", \"description\", \"reads\", \"flags\", [+no-writes]]]";
        let others = "[\"library_name\", \"other\", \"engine\", \"LUA\", \"functions\", \
                      [[\"name\", \"f\", \"description\", nil, \"flags\", []], [\"name\", \"g\", \"description\", nil, \"flags\", []]]]";
        assert_eq!(client.send("FUNCTION LIST"), format!("[{shown}], {others}]"));
        assert_eq!(client.send("FUNCTION LIST LIBRARYNAME ON*"), format!("[{shown}]]"));
        let with_code = client.send("FUNCTION LIST WITHCODE LIBRARYNAME o?e");
        assert_eq!(
            with_code,
            format!("[{shown}, \"library_code\", \"{}\"]]", one.replace('\n', "\\n").replace('\'', "\\'"))
        );
        client.send("HELLO 3");
        assert!(client.send("FUNCTION LIST LIBRARYNAME one").contains("\"flags\": ~[+no-writes]"));
        assert_eq!(
            client.send("FUNCTION STATS"),
            "{\"running_script\": nil, \"engines\": {\"LUA\": {\"libraries_count\": :2, \"functions_count\": :3}}}"
        );
        let memory = client.send("INFO memory");
        assert!(
            memory.contains("number_of_functions:3\\r\\n") && memory.contains("number_of_libraries:2\\r\\n"),
            "{memory}"
        );
        assert!(
            !memory.contains("used_memory_functions:0\\r\\n") && !memory.contains("used_memory_vm_functions:0\\r\\n")
        );
        assert_eq!(client.send("FLUSHALL"), "+OK");
        assert_eq!(client.send("FCALL r 0"), ":1", "they are no keys");
        assert_eq!(client.send("SCRIPT FLUSH"), "+OK");
        assert_eq!(client.send("FCALL r 0"), ":1", "and no scripts");
        assert_eq!(client.send("FUNCTION FLUSH"), "+OK");
        assert_eq!(client.send("FUNCTION LIST"), "[]");
    }
}

#[test]
fn in_a_transaction_what_is_loaded_can_be_called() {
    for cores in ALL {
        let core = TestCore::new(cores);
        let client = core.client();
        client.send("MULTI");
        client.send("FCALL f 1 k v");
        load(&client, &library("lib", &[("f", "return redis.call('set', keys[1], args[1])")]));
        client.send("FCALL f 1 k v");
        client.send("GET k");
        client.send("FUNCTION DELETE lib");
        client.send("FCALL f 1 k v");
        let not_found = "-ERR Function not found";
        assert_eq!(client.send("EXEC"), format!("[{not_found}, \"lib\", +OK, \"v\", +OK, {not_found}]"));
        // On several cores it is a transaction.
        let declares = "#!lua\nreturn redis.call('mget', KEYS[1], KEYS[2], KEYS[3])";
        let keys = key_of_each_core(3, "key");
        let words: Vec<&str> = ["EVAL", declares, "3"].into_iter().chain(keys.iter().map(String::as_str)).collect();
        client.call(&words);
        assert_eq!(client.call(&words), "[nil, nil, nil]", "it may write, and only reads");
        client.send("MULTI");
        client.send("FCALL f x");
        client.send("PING");
        assert_eq!(client.send("EXEC"), format!("[{not_found}, +PONG]"));
    }
}

/// A request whose first words are these and whose next word is a payload.
fn restore(client: &Client, payload: &[u8], policy: &[&str]) -> String {
    let words: Vec<&[u8]> =
        [&b"FUNCTION"[..], b"RESTORE", payload].into_iter().chain(policy.iter().map(|word| word.as_bytes())).collect();
    client.call(&words)
}

/// What FUNCTION DUMP gives, without the head and the line end of its reply.
fn dump(client: &Client) -> Vec<u8> {
    let reply = client.raw(b"FUNCTION DUMP\r\n");
    let head = reply.iter().position(|&byte| byte == b'\n').expect("a line") + 1;
    reply[head..reply.len() - 2].to_vec()
}

#[test]
fn what_was_dumped_is_restored_all_or_none() {
    for cores in ALL {
        let client = TestCore::new(cores).client();
        let (a, b) = (library("a", &[("f", "return 1")]), library("b", &[("g", "return 2")]));
        load(&client, &a);
        load(&client, &b);
        let payload = dump(&client);
        assert_eq!(restore(&client, &payload, &[]), "-ERR Library a already exists");
        assert_eq!(restore(&client, &payload, &["REPLACE"]), "+OK");
        replace(&client, &library("b", &[("g", "return 3")]));
        client.send("FUNCTION DELETE a");
        assert_eq!(restore(&client, &payload, &["APPEND"]), "-ERR Library b already exists");
        assert_eq!(client.send("FCALL f 0"), "-ERR Function not found", "none of them is there");
        client.send("FUNCTION DELETE b");
        load(&client, &library("c", &[("G", "return 4")]));
        assert_eq!(restore(&client, &payload, &["REPLACE"]), "-ERR Function g already exists");
        assert_eq!(restore(&client, &payload, &["FLUSH"]), "+OK");
        client.check(&[("FCALL f 0", ":1"), ("FCALL g 0", ":2"), ("FUNCTION DELETE c", "-ERR Library not found")]);
        client.send("FUNCTION FLUSH");
        assert_eq!(restore(&client, &payload, &[]), "+OK");
        client.check(&[("FCALL f 0", ":1"), ("FCALL g 0", ":2")]);
    }
}

/// Turns of all cores, and messages between them.
fn steps(core: &TestCore) {
    (0..100).for_each(|choice| _ = core.step(choice));
}

#[test]
fn what_takes_long_is_shown_and_killed_by_its_own_kind() {
    let endless = "while true do end";
    let busy =
        |what: &str| format!("-BUSY Redis is busy running a script. You can only call {what} KILL or SHUTDOWN NOSAVE.");
    for cores in ALL {
        let core = TestCore::new(cores);
        let (client, other) = (core.client(), core.client());
        other.send("CONFIG SET busy-reply-threshold 10");
        load(&other, &library("lib", &[("endless", endless)]));
        let ask = |request: &str| {
            other.begin(&[request]);
            steps(&core);
            other.peek().join("; ")
        };
        for (request, kind, other_kind) in [
            ("FCALL endless 1 k a", "FUNCTION", "SCRIPT"),
            (&format!("EVAL \"{endless}\" 0")[..], "SCRIPT", "FUNCTION"),
        ] {
            common::let_long_commands_take(1_000_000);
            client.begin(&[request]);
            steps(&core);
            assert_eq!(client.peek(), [""; 0]);
            assert_eq!(ask("GET k"), busy(kind));
            assert_eq!(ask(&format!("{other_kind} KILL")), busy(kind));
            let stats = ask("FUNCTION STATS");
            if kind == "FUNCTION" {
                let running = "[\"running_script\", [\"name\", \"endless\", \"command\", \
                               [\"FCALL\", \"endless\", \"1\", \"k\", \"a\"], \"duration_ms\", :";
                assert!(stats.starts_with(running), "{stats}");
            } else {
                assert_eq!(stats, busy(kind));
            }
            assert_eq!(ask(&format!("{kind} KILL")), "+OK");
            steps(&core);
            let killed = client.peek().join("; ");
            assert!(
                killed.starts_with("-ERR Error running script")
                    || killed.contains(&format!("Script killed by user with {kind} KILL...")),
                "{killed}"
            );
            common::let_long_commands_take(0);
            assert_eq!(other.send("GET k"), "nil");
        }
    }
}

#[test]
fn a_file_keeps_libraries() {
    for (from, to) in [(1, 3), (3, 1)] {
        let server = TestCore::new(from);
        let client = server.client();
        load(&client, &library("a", &[("f", "return 1")]));
        load(&client, &reading_library("b", "g", "return 2"));
        client.send("SET k v");
        let listed = client.send("FUNCTION LIST WITHCODE");
        files::cut(&server, from, 1);
        let file = files::file_of(&server, from);
        let other = TestCore::new(to);
        files::load(&other, to, &file).expect("it is sound");
        for core in 0..to {
            let client = other.client_on(core);
            assert_eq!(client.send("FUNCTION LIST WITHCODE"), listed);
            client.check(&[("FCALL f 0", ":1"), ("FCALL_RO g 0", ":2"), ("GET k", "\"v\"")]);
        }
    }
}
