//! The table as a whole, start options, files, CONFIG GET and CONFIG SET. The error texts were taken from a
//! running Redis.

use super::*;

fn at(line: u32) -> Origin {
    Origin::File { name: "torc.conf".to_owned(), line }
}

fn loaded(text: &str) -> Result<Loader, ConfigError> {
    let mut loader = Loader::default();
    let mut read = |path: &str| Err::<Vec<(String, Vec<u8>)>, _>(format!("no file {path} in this test"));
    loader.load("torc.conf", text.as_bytes(), &mut read).map(|()| loader)
}

fn load_error(text: &str) -> String {
    loaded(text).expect_err("a bad file").to_string()
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<(), String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    config.set(&pairs).map_err(|error| error.to_string())
}

fn get(config: &Config, pattern: &str) -> Vec<(String, String)> {
    config.get(&[pattern.as_bytes()])
}

fn get_one(config: &Config, name: &str) -> String {
    let mut found = get(config, name);
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0).1
}

#[test]
fn no_name_stands_twice_and_all_are_lower_case() {
    let mut names: Vec<_> =
        DIRECTIVES.iter().flat_map(|row| row.names()).chain(UNHONOURED.iter().map(|row| row.name)).collect();
    assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn scores_of_the_kernel() {
    let mut config = Config::default();
    assert_eq!(get_one(&config, "oom-score-adj"), "no");
    for (mode, shown) in [("relative", "yes"), ("ABSOLUTE", "absolute"), ("yes", "yes"), ("no", "no")] {
        set(&mut config, &[("oom-score-adj", mode), ("oom-score-adj-values", "-2000 0 2000")]).expect(mode);
        assert_eq!(get_one(&config, "oom-score-adj"), shown);
        assert_eq!(get_one(&config, "oom-score-adj-values"), "-2000 0 2000");
    }
    for (values, why) in [
        ("-2001 0 0", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
        ("1 2 x", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
        ("1 2", "wrong number of arguments"),
    ] {
        let error = set(&mut config, &[("oom-score-adj-values", values)]).expect_err(values);
        assert_eq!(
            error,
            format!("ERR CONFIG SET failed (possibly related to argument 'oom-score-adj-values') - {why}")
        );
    }
    assert_eq!(config.oom_score_adj_values, [-2000, 0, 2000]);
}

#[test]
fn what_is_immutable_and_not_honoured_is_known() {
    assert_eq!(UNHONOURED.iter().filter(|row| row.is_immutable()).count(), unhonoured::IMMUTABLE.len());
}

#[test]
fn every_integer_keeps_its_extremes() {
    for directive in DIRECTIVES {
        let Kind::Integer { min, max, notation, get, .. } = directive.kind else {
            continue;
        };
        if directive.name == "hz" {
            continue;
        }
        for extreme in [min, max] {
            let mut config = Config::default();
            let written = if notation == Notation::Octal { format!("{extreme:o}") } else { extreme.to_string() };
            directive.apply(&mut config, &[&written]).expect("a value within the range");
            assert_eq!(get(&config), extreme, "{}", directive.name);
            assert_eq!(directive.render(&config), written, "{}", directive.name);
        }
    }
}

#[test]
fn every_value_that_is_shown_can_be_given_back() {
    let config = Config::default();
    for directive in DIRECTIVES {
        let mut copy = Config { port: 1, databases: 3, ..Config::default() };
        directive.apply_set(&mut copy, &directive.render(&config)).expect(directive.name);
        assert_eq!(directive.render(&copy), directive.render(&config), "{}", directive.name);
    }
}

#[test]
fn a_file_in_redis_notation() {
    let loader = loaded(
        "# a comment\n\n  PORT 7000\nbind 127.0.0.1 ::1\r\nsave \"\"\nunixsocketperm 700\n\
         client-output-buffer-limit pubsub 1mb 512kb 10\nclient-output-buffer-limit replica 2k 1k 5\n\
         logfile \"a b.log\"\nrequirepass s3cret\nloglevel WARNING\nmaxmemory-policy allkeys-lfu\nprotected-mode No\nport 7001\n",
    )
    .expect("a good file");
    let config = &loader.config;
    assert_eq!(config.port, 7001, "the last one counts");
    assert_eq!(config.bind, ["127.0.0.1", "::1"]);
    assert_eq!(config.unixsocketperm, 0o700);
    assert_eq!(config.client_output_buffer_limit.pubsub.soft_bytes, 512 << 10);
    assert_eq!(config.client_output_buffer_limit.replica.hard_bytes, 2000);
    assert_eq!(config.client_output_buffer_limit.normal, OutputLimits::default().normal);
    assert_eq!(config.logfile, "a b.log");
    assert_eq!(config.requirepass, "s3cret");
    assert_eq!(config.loglevel, LogLevel::Warning);
    assert_eq!(config.eviction.policy, MaxmemoryPolicy::AllkeysLfu);
    assert!(!config.protected_mode);
    assert!(loader.not_honoured.is_empty(), "an empty save asks for nothing");
}

#[test]
fn names_of_files_may_have_blanks() {
    let text = "dbfilename \" a  b.rdb\"\nappendfilename \" file seq \\n\\n.aof \"\nappenddirname 'c d'\ndir 'e f'";
    let loader = loaded(text).expect("a good file");
    let config = &loader.config;
    assert_eq!((config.dbfilename.as_str(), config.dir.as_str()), (" a  b.rdb", "e f"));
    assert_eq!((config.log.appendfilename.as_str(), config.log.appenddirname.as_str()), (" file seq \n\n.aof ", "c d"));
}

#[test]
fn mistakes_name_place_directive_and_expectation() {
    assert_eq!(load_error("\nport abc\n"), "torc.conf:2: port: expected an integer from 0 to 65535, got 'abc'");
    assert_eq!(load_error("timeout 1 2"), "torc.conf:1: timeout: expected one argument, got '1 2'");
    assert_eq!(load_error("TIMEOUT"), "torc.conf:1: timeout: expected one argument, got ''");
    assert_eq!(load_error("repl-timeout"), "torc.conf:1: repl-timeout: expected an argument, got ''");
    assert_eq!(
        load_error("unixsocketperm 999"),
        "torc.conf:1: unixsocketperm: expected an octal file mode from 0 to 777, got '999'"
    );
    assert_eq!(
        load_error("proto-max-bulk-len 1x"),
        "torc.conf:1: proto-max-bulk-len: expected a number of bytes from 1048576 to 9223372036854775807, such as 512mb, got '1x'"
    );
    assert_eq!(load_error("core-ports maybe"), "torc.conf:1: core-ports: expected yes or no, got 'maybe'");
    assert_eq!(
        load_error("loglevel loud"),
        "torc.conf:1: loglevel: expected one of debug, verbose, notice, warning, nothing, got 'loud'"
    );
    assert_eq!(load_error("logfile \"abc"), "torc.conf:1: unbalanced quotes");
    assert_eq!(load_error("prot 1"), "torc.conf:1: unknown directive 'prot'");
    assert_eq!(load_error("maxclient 1"), "torc.conf:1: unknown directive 'maxclient'; did you mean 'maxclients'?");
    assert_eq!(
        load_error(&format!("bind{}", " 127.0.0.1".repeat(17))).split(", got").next(),
        Some("torc.conf:1: bind: Too many bind addresses specified")
    );
    let argument = ConfigError { origin: Origin::Argument { position: 3 }, problem: Problem::UnbalancedQuotes.into() };
    assert_eq!(argument.to_string(), "argument 3: unbalanced quotes");
}

#[test]
fn a_failed_option_changes_nothing() {
    let mut config = Config::default();
    let words = "normal 1 1 1 pubsub 1 1".split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    config.apply_start(b"client-output-buffer-limit", &words, &at(1)).expect_err("a short group");
    let words = "normal 1 1 1 what 1 1 1".split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    config.apply_start(b"client-output-buffer-limit", &words, &at(1)).expect_err("an unknown class");
    config.apply_start(b"logfile", &[b"\xff".to_vec()], &at(1)).expect_err("no text");
    assert_eq!(config, Config::default());
}

#[test]
fn what_is_not_honoured_is_collected() {
    let loader = loaded(
        "appendonly no\nappendfsync everysec\ncluster-enabled no\nreplicaof a 1\n\
         oom-score-adj-values 0 200 800\nmaxmemory 0\nrepl-timeout 7\n",
    )
    .expect("a good file");
    let names: Vec<_> = loader.not_honoured.iter().map(|note| note.name).collect();
    assert_eq!(names, ["replicaof", "repl-timeout"]);
    assert_eq!(loader.not_honoured[0].origin, at(4));
    assert_eq!(loader.not_honoured[0].risk, Some("this server does NOT follow another"));
    assert_eq!(loader.config, Config::default());
}

#[test]
fn what_would_protect_and_does_not_ends_the_start() {
    for (line, name) in [("tls-replication yes", "tls-replication"), ("tls-cluster yes", "tls-cluster")] {
        let error = load_error(&format!("port 7\n{line}\n"));
        assert!(error.starts_with(&format!("torc.conf:2: {name}: not supported by this version of Torc: ")), "{error}");
    }
    let open = "tls-replication no\ntls-cluster no\n";
    assert_eq!(loaded(open).expect("it asks for nothing").not_honoured, []);
}

#[test]
fn lines_of_users() {
    let loader =
        loaded("user bob on >pw ~a* +get (+set ~b)\nuser default on nopass ~* &* +@all\n").expect("a good file");
    let names: Vec<&[u8]> = loader.config.acl.users.iter().map(|line| &line.name[..]).collect();
    assert_eq!(names, [b"bob".as_slice(), b"default"]);
    for (lines, text) in [
        ("user", "user: expected a name and rules"),
        ("user bob +foo", "user: Error in user declaration '+foo': Unknown command or category name in ACL"),
        ("user bob <secret", "user: Error in user declaration '(redacted)': The password you are trying to remove"),
        ("user bob (+get", "user: Error in user declaration '(+get': Unmatched parenthesis in selector definition"),
        ("user bob on\nuser bob off", "user: Error in user declaration 'bob': Duplicate user found."),
        ("user \"a b\" on", "user: Usernames can't contain spaces or null characters"),
    ] {
        let error = load_error(lines);
        assert!(error.contains(text), "{error}");
    }
    let both = loaded("user bob on\naclfile users.acl\n").expect("each line is fine").config;
    assert!(both.check().is_err() && Config::default().check().is_ok());
}

#[test]
fn commands_are_renamed_in_the_order_of_the_lines() {
    let loader = loaded("rename-command GET fetch\nRename-Command Set GET\nrename-command FlushAll \"\"\n");
    let config = loader.expect("a good file").config;
    let renames: Vec<(&str, &str)> =
        config.renamed_commands.iter().map(|rename| (&*rename.from, &*rename.to)).collect();
    assert_eq!(renames, [("get", "fetch"), ("set", "get"), ("flushall", "")]);
    assert_eq!(get(&config, "rename*"), []);
    for (line, problem) in [
        ("rename-command", "rename-command: expected a command and its new name, or \"\" to disable it, got ''"),
        ("rename-command get", "rename-command: expected a command and its new name, or \"\" to disable it, got 'get'"),
        ("rename-command nothing x", "rename-command: No such command in rename-command, got 'nothing x'"),
        ("rename-command get SET", "rename-command: Target command name already exists, got 'get SET'"),
    ] {
        assert_eq!(load_error(line), format!("torc.conf:1: {problem}"));
    }
    let twice = load_error("rename-command get x\nrename-command get y\n");
    assert!(twice.starts_with("torc.conf:2: rename-command: No such command"), "{twice}");
}

#[test]
fn a_zero_byte_is_no_text() {
    for text in ["timeout 5\0\n", "\0", "timeout 5 \0 6", "# a comment\ntimeout \"a\0b\""] {
        let error = load_error(text);
        assert!(error.ends_with(": a zero byte in the line; a configuration is text"), "{error}");
    }
}

#[test]
fn includes_are_followed_in_place() {
    let mut loader = Loader::default();
    let mut read = |path: &str| match path {
        "conf.d/*.conf" => Ok(vec![
            ("conf.d/a.conf".to_owned(), b"timeout 1\nhz 20".to_vec()),
            ("conf.d/b.conf".to_owned(), b"timeout 2\nmaxclients 0".to_vec()),
        ]),
        "good" => Ok(vec![("good".to_owned(), b"hz 30".to_vec())]),
        "itself" => Ok(vec![("itself".to_owned(), b"include itself".to_vec())]),
        _ => Err("no such file".to_owned()),
    };
    let error = loader.load("main", b"hz 5\ninclude conf.d/*.conf\n", &mut read).expect_err("b.conf is bad");
    assert_eq!(error.to_string(), "conf.d/b.conf:2: maxclients: expected an integer from 1 to 4294967295, got '0'");
    assert_eq!((loader.config.timeout_seconds, loader.config.hz), (2, 20));
    loader.load("main", b"hz 5\nINCLUDE good\ntimeout 9\n", &mut read).expect("a good file");
    assert_eq!((loader.config.timeout_seconds, loader.config.hz), (9, 30));
    let error = loader.load("main", b"include missing", &mut read).expect_err("a missing file");
    assert_eq!(error.to_string(), "main:1: include: cannot read 'missing': no such file");
    let error = loader.load("main", b"include itself", &mut read).expect_err("an endless include");
    assert_eq!(error.to_string(), "itself:1: include: files include one another too deeply");
}

#[test]
fn get_matches_names_as_redis_does() {
    let mut config = Config::default();
    assert_eq!(get(&config, "maxclients"), [("maxclients".to_owned(), "10000".to_owned())]);
    assert_eq!(get(&config, "HZ"), [("HZ".to_owned(), "10".to_owned())]);
    assert_eq!(get(&config, "h[z"), [("hz".to_owned(), "10".to_owned())]);
    assert_eq!(config.get(&[b"hz", b"HZ", b"h?"]), [("hz".to_owned(), "10".to_owned())]);
    assert_eq!(get(&config, "no-such-thing"), []);
    assert_eq!(
        get_one(&config, "client-output-buffer-limit"),
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    );
    assert_eq!(get_one(&config, "bind"), "127.0.0.1 -::1");
    assert_eq!(get_one(&config, "protected-mode"), "yes");
    assert_eq!(get_one(&config, "maxmemory-policy"), "noeviction");
    config.unixsocketperm = 0o700;
    assert_eq!(get_one(&config, "unixsocketperm"), "700");
    assert_eq!(get_one(&config, "save"), "3600 1 300 100 60 10000");
    assert_eq!(get_one(&config, "appendonly"), "no");
    assert!(get(&config, "*").len() > DIRECTIVES.len());
}

#[test]
fn set_changes_all_or_nothing() {
    let mut config = Config::default();
    set(&mut config, &[("Timeout", "5"), ("maxclients", "7"), ("proto-max-bulk-len", "1GB")]).expect("good values");
    assert_eq!((config.timeout_seconds, config.maxclients), (5, 7));
    assert_eq!(config.proto_max_bulk_len_bytes, 1 << 30);
    let before = config.clone();
    set(&mut config, &[("timeout", "6"), ("maxclients", "0")]).expect_err("a bad second value");
    assert_eq!(config, before);
    set(&mut config, &[("hz", "1000")]).expect("a number that is moved into range");
    assert_eq!(config.hz, 500);
    set(&mut config, &[("hz", "0")]).expect("a number that is moved into range");
    assert_eq!(config.hz, 1);
}

#[test]
fn set_reads_output_limits_from_one_argument() {
    let mut config = Config::default();
    set(&mut config, &[("client-output-buffer-limit", "REPLICA 1k 1kb 99 normal 1mb 0 0")]).expect("good limits");
    assert_eq!(
        get_one(&config, "client-output-buffer-limit"),
        "normal 1048576 0 0 slave 1000 1024 99 pubsub 33554432 8388608 60"
    );
    let before = config.clone();
    set(&mut config, &[("client-output-buffer-limit", "")]).expect("nothing to change");
    assert_eq!(config, before);
    let text = "ERR CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - ";
    for (value, reason) in [
        ("normal 1 2", "Wrong number of arguments in buffer limit configuration."),
        ("normal 1 1 1  ", "Wrong number of arguments in buffer limit configuration."),
        ("master 1 2 3", "Invalid client class specified in buffer limit configuration."),
        ("normal 1 2kx 3", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("normal 0 0 -1", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("normal -1 0 0", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
    ] {
        let error = set(&mut config, &[("client-output-buffer-limit", value)]).expect_err(value);
        assert_eq!(error, format!("{text}{reason}"));
    }
}

fn unknown(name: &str) -> String {
    format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
}

fn failed(name: &str, reason: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
}

#[track_caller]
fn assert_set_fails(pairs: &[(&str, &str)], expected: String) {
    let mut config = Config::default();
    assert_eq!(set(&mut config, pairs), Err(expected), "{pairs:?}");
    assert_eq!(config, Config::default());
}

#[test]
fn set_checks_all_names_before_any_value() {
    let immutable = failed("databases", "can't set immutable config");
    assert_set_fails(&[("xx", "1")], unknown("xx"));
    assert_set_fails(&[("", "")], unknown(""));
    assert_set_fails(&[("time\nout", "1")], unknown("time out"));
    assert_set_fails(&[("hz", "10"), ("xx", "1")], unknown("xx"));
    assert_set_fails(&[("xx", "2"), ("databases", "1")], unknown("xx"));
    assert_set_fails(&[("databases", "1"), ("xx", "2")], immutable.clone());
    assert_set_fails(&[("hz", "a"), ("databases", "1")], immutable);
    let duplicate = |name| failed(name, "duplicate parameter");
    assert_set_fails(&[("timeout", "1"), ("TIMEOUT", "2")], duplicate("TIMEOUT"));
    assert_set_fails(&[("timeout", "1"), ("timeout", "2"), ("xx", "1")], duplicate("timeout"));
}

#[test]
fn set_errors_are_redis_texts() {
    let not_integer = "argument couldn't be parsed into an integer";
    let int_range = "argument must be between 0 and 2147483647 inclusive";
    let bulk_range = "argument must be between 1048576 and 9223372036854775807 inclusive";
    let memory = "argument must be a memory value";
    let levels = "argument(s) must be one of the following: debug, verbose, notice, warning, nothing";
    let policies = "argument(s) must be one of the following: volatile-lru, volatile-lfu, \
        volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction";
    for (name, value, reason) in [
        ("databases", "1", "can't set immutable config"),
        ("daemonize", "no", "can't set immutable config"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxclients", "abc", not_integer),
        ("tcp-keepalive", "-1", int_range),
        ("timeout", "99999999999", int_range),
        ("timeout", "01", not_integer),
        ("hz", "-1", int_range),
        ("protected-mode", "maybe", "argument must be 'yes' or 'no'"),
        ("loglevel", "foo", levels),
        ("maxmemory-policy", "foo", policies),
        ("proto-max-bulk-len", "1xx", memory),
        ("proto-max-bulk-len", "1", bulk_range),
        ("proto-max-bulk-len", "", bulk_range),
        ("proto-max-bulk-len", "18446744073709551616", bulk_range),
        ("client-query-buffer-limit", "-1", memory),
        ("activedefrag", "yes", "not supported by this version of Torc"),
    ] {
        assert_set_fails(&[(name, value)], failed(name, reason));
    }
}

#[test]
fn aliases_are_names_of_the_same_directive() {
    let mut config = Config::default();
    set(&mut config, &[("list-max-ZIPLIST-size", "-5"), ("hash-max-ziplist-value", "1kb")]).expect("good values");
    assert_eq!((config.list_max_listpack_size, config.hash_max_listpack_value), (-5, 1024));
    assert_eq!(get_one(&config, "list-max-listpack-size"), "-5");
    assert_eq!(get_one(&config, "list-max-ziplist-size"), "-5");
    let names: Vec<_> = get(&config, "zset-*").into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["zset-max-listpack-entries", "zset-max-ziplist-entries", "zset-max-listpack-value", "zset-max-ziplist-value"]
    );
    let loader = loaded("zset-max-ziplist-entries 7\n").expect("a good file");
    assert_eq!(loader.config.zset_max_listpack_entries, 7);
    assert!(loader.not_honoured.is_empty());
}

#[test]
fn signed_integers_have_signed_ranges() {
    let range = "argument must be between -2147483648 and 2147483647 inclusive";
    for value in ["2147483648", "-2147483649"] {
        assert_set_fails(&[("list-max-listpack-size", value)], failed("list-max-listpack-size", range));
    }
}

#[test]
fn set_takes_what_is_in_force_anyway() {
    let mut config = Config::default();
    set(&mut config, &[("cluster-announce-port", "0"), ("activedefrag", "no")]).expect("nothing is asked for");
    assert_eq!(config, Config::default());
}

#[test]
fn lines_of_save_points_add_up_and_config_set_replaces_them() {
    let save = |text: &str| get_one(&loaded(text).expect("a good file").config, "save");
    assert_eq!(save("save 900 1\n"), "900 1", "what holds by itself is replaced");
    assert_eq!(save("save 900 1\nsave 60 5 30 0\n"), "900 1 60 5 30 0");
    assert_eq!(save("save \"900 1 60 5\"\n"), "900 1 60 5");
    let bind = loaded("bind \"127.0.0.1 -::1\"\n").expect("a good file").config.bind;
    assert_eq!(bind, ["127.0.0.1", "-::1"]);
    assert_eq!(save("save \"\"\n"), "");
    assert_eq!(save("save 900 1\nsave\n"), "");
    assert_eq!(save("save 900 1\nsave \"\"\nsave 7 7\n"), "7 7");
    for wrong in ["save 900", "save 0 1", "save a 1", "save 1 -1", "save 1 1 2"] {
        loaded(&format!("{wrong}\n")).expect_err(wrong);
    }
    let mut config = Config::default();
    set(&mut config, &[("save", "10 1 20 2")]).expect("points");
    set(&mut config, &[("save", "30 3")]).expect("points");
    assert_eq!(get_one(&config, "save"), "30 3");
    assert_set_fails(&[("save", "30")], failed("save", "Invalid save parameters"));
    set(&mut config, &[("save", "")]).expect("none");
    assert_eq!(get_one(&config, "save"), "");
}
