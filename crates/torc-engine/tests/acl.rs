//! Users and their rights through connections, on one core and on three.

mod common;
mod requests;

use common::{Client, TestCore, key_of_each_core};
use requests::{Chooser, commands, request};
use torc_engine::command::{Command, Flags, KeyFlags};
use torc_engine::random::Random;
use torc_engine::{Engine, FileContent, HostReply, HostRequest};

const CORES: [u16; 2] = [1, 3];
const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

/// A line of INFO.
fn info(client: &Client, name: &str) -> String {
    let text = client.send("INFO everything");
    let line = text.split("\\r\\n").find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("INFO has {name}")).to_owned()
}

/// A client with the rights of a user who is made by these rules.
fn client_of(server: &TestCore, core: u16, name: &str, rules: &str) -> Client {
    assert_eq!(server.client().send(&format!("ACL SETUSER {name} reset on nopass {rules}")), "+OK", "{rules}");
    let client = server.client_on(core);
    assert_eq!(client.send(&format!("AUTH {name} x")), "+OK");
    client
}

#[test]
fn users_are_made_shown_and_removed() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let admin = server.client_on(cores - 1);
        admin.check(&[
            ("ACL WHOAMI", "\"default\""),
            ("ACL USERS", "[\"default\"]"),
            ("ACL LIST", "[\"user default on nopass sanitize-payload ~* &* +@all\"]"),
            ("ACL SETUSER bob on >pw ~a* +get", "+OK"),
            ("ACL USERS", "[\"bob\", \"default\"]"),
            ("ACL GETUSER nobody", "nil"),
            ("ACL SETUSER bob -debug +debug|a +debug|b -debug", "+OK"),
            ("ACL SETUSER bob +config|a", "-ERR Error in ACL SETUSER modifier '+config|a': Unknown command or category name in ACL"),
            ("ACL SETUSER bob \"+get|x +@all\"", "-ERR Error in ACL SETUSER modifier '+get|x +@all': Syntax error"),
            ("ACL SETUSER bob +foo", "-ERR Error in ACL SETUSER modifier '+foo': Unknown command or category name in ACL"),
            ("ACL SETUSER bob (+get", "-ERR Unmatched parenthesis in acl selector starting at '(+get'."),
            ("ACL SETUSER \"a b\"", "-ERR Usernames can't contain spaces or null characters"),
            ("ACL DELUSER default", "-ERR The 'default' user cannot be removed"),
            ("ACL DELUSER bob nobody bob", ":1"),
            ("ACL USERS", "[\"default\"]"),
            ("ACL CAT nothing", "-ERR Unknown category 'nothing'"),
            ("ACL CAT a b", "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP."),
            ("ACL GENPASS 0", "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"),
            ("ACL GENPASS x", "-ERR value is not an integer or out of range"),
            ("ACL LOG x", "-ERR value is not an integer or out of range"),
            ("ACL DRYRUN nobody get a", "-ERR User 'nobody' not found"),
            ("ACL DRYRUN default foo", "-ERR Command 'foo' not found"),
            ("ACL DRYRUN default get", "-ERR wrong number of arguments for 'get' command"),
        ]);
        assert!(admin.send("ACL CAT").contains("scripting"));
        assert!(admin.send("ACL CAT string").contains("getrange"));
        assert_eq!(admin.send("ACL GENPASS 5").len(), 4);
        assert_eq!(admin.send("ACL GENPASS").len(), 66);
        assert!(admin.send("ACL LOAD").starts_with("-ERR This Redis instance is not configured to use an ACL file."));
        assert!(admin.send("ACL SAVE").starts_with("-ERR This Redis instance is not configured to use an ACL file."));
    }
}

#[test]
fn nothing_is_changed_by_rules_of_which_one_is_wrong() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let admin = server.client();
        assert_eq!(admin.send("ACL SETUSER bob on >pw ~a* +get"), "+OK");
        let before = admin.send("ACL LIST");
        for rules in ["+set ~b* blah", "reset +@nothing", "nopass <nope", "(+set) (+foo)", "off db=x"] {
            assert!(
                admin.send(&format!("ACL SETUSER bob {rules}")).starts_with("-ERR Error in ACL SETUSER"),
                "{rules}"
            );
            assert!(
                admin.send(&format!("ACL SETUSER new {rules}")).starts_with("-ERR Error in ACL SETUSER"),
                "{rules}"
            );
            (0..cores).for_each(|core| assert_eq!(server.client_on(core).send("ACL LIST"), before, "{rules}"));
        }
    }
}

#[test]
fn logins() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let (admin, client) = (server.client(), server.client_on(cores - 1));
        admin.check(&[("ACL SETUSER bob on >pw >second +@all ~*", "+OK"), ("ACL SETUSER eve >pw +@all", "+OK")]);
        client.check(&[
            ("AUTH pw", "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"),
            ("AUTH bob wrong", WRONGPASS),
            ("AUTH nobody pw", WRONGPASS),
            ("AUTH eve pw", WRONGPASS),
            ("AUTH bob second", "+OK"),
            ("ACL WHOAMI", "\"bob\""),
            ("RESET", "+RESET"),
            ("ACL WHOAMI", "\"default\""),
            ("AUTH default whatever", "+OK"),
        ]);
        assert!(client.send("HELLO 3 AUTH bob pw").contains("server"));
        assert_eq!(client.send("ACL WHOAMI"), "\"bob\"");
        assert_eq!(client.send("HELLO 3 AUTH bob wrong"), WRONGPASS);
        assert!(client.send("CLIENT INFO").contains(" user=bob "));
        assert!(admin.send("CLIENT LIST").contains(" user=bob "));
        assert_eq!(info(&admin, "acl_access_denied_auth"), "4");
        // Who is disabled stays connected.
        admin.check(&[("ACL SETUSER bob off", "+OK"), ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'")]);
        assert_eq!(client.send("ACL WHOAMI"), "\"bob\"");
        assert_eq!(admin.send("CLIENT KILL USER bob"), ":1");
        assert!(client.is_closed());
    }
}

#[test]
fn the_default_user_may_need_a_password_or_be_off() {
    for cores in CORES {
        let server = TestCore::with_config(cores, |config| config.requirepass = "secret".to_owned());
        let (first, second) = (server.client_on(0), server.client_on(cores - 1));
        let no_auth = "-NOAUTH Authentication required.";
        first.check(&[("GET a", no_auth), ("AUTH wrong", WRONGPASS), ("AUTH secret", "+OK"), ("GET a", "nil")]);
        assert_eq!(second.send("GET a"), no_auth);
        assert_eq!(first.send("CONFIG SET requirepass other"), "+OK");
        second.check(&[("AUTH secret", WRONGPASS), ("AUTH other", "+OK")]);
        let third = server.client_on(cores - 1);
        assert_eq!(third.send("GET a"), no_auth);
        assert_eq!(first.send("ACL SETUSER default nopass"), "+OK");
        assert_eq!(third.send("GET a"), "nil", "nobody needs to log in any more");
        first.check(&[("ACL SETUSER bob on nopass +@all ~*", "+OK"), ("ACL SETUSER default off", "+OK")]);
        let fourth = server.client_on(0);
        fourth.check(&[("GET a", no_auth), ("AUTH default x", WRONGPASS), ("AUTH bob x", "+OK"), ("GET a", "nil")]);
    }
}

#[test]
fn what_a_user_has_no_right_to_is_refused_with_the_texts_of_redis() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "b");
        let client = client_of(&server, cores - 1, "bob", "+get +mget +publish +psubscribe +sort +acl|whoami ~a* &c*");
        client.check(&[
            ("GET a", "nil"),
            ("SET a x", "-NOPERM User bob has no permissions to run the 'set' command"),
            ("CONFIG GET x", "-NOPERM User bob has no permissions to run the 'config|get' command"),
            ("PUBLISH c x", ":0"),
            ("PUBLISH d x", "-NOPERM No permissions to access a channel"),
            ("PSUBSCRIBE c1", "-NOPERM No permissions to access a channel"),
            ("SORT a BY x", "[]"),
            ("SORT a BY x*", "-ERR BY option of SORT denied due to insufficient ACL permissions."),
            ("SORT a GET x*", "-ERR GET option of SORT denied due to insufficient ACL permissions."),
            ("SORT a LIMIT 0 1 GET #", "-ERR GET option of SORT denied due to insufficient ACL permissions."),
            ("GET", "-ERR wrong number of arguments for 'get' command"),
            ("FOO", "-ERR unknown command 'FOO', with args beginning with: "),
        ]);
        for key in &keys {
            assert_eq!(client.send(&format!("GET {key}")), "-NOPERM No permissions to access a key");
            assert_eq!(client.send(&format!("MGET a {key}")), "-NOPERM No permissions to access a key");
        }
        let admin = server.client();
        admin.check(&[
            ("ACL DRYRUN bob get a", "+OK"),
            ("ACL DRYRUN bob get b", "\"User bob has no permissions to access the \\'b\\' key\""),
            ("ACL DRYRUN bob set a 1", "\"User bob has no permissions to run the \\'set\\' command\""),
            ("ACL DRYRUN bob publish d 1", "\"User bob has no permissions to access the \\'d\\' channel\""),
        ]);
        assert_eq!(info(&admin, "acl_access_denied_cmd"), "2");
        assert_eq!(info(&admin, "acl_access_denied_key"), (2 * keys.len()).to_string());
        assert_eq!(info(&admin, "acl_access_denied_channel"), "2");
        assert_eq!(admin.send("ACL SETUSER bob allkeys db=1 +select"), "+OK");
        client.check(&[
            ("GET a", "-NOPERM No permissions to access database"),
            ("SELECT 2", "-NOPERM No permissions to access database"),
            ("SELECT 1", "+OK"),
            ("GET a", "nil"),
            ("SORT a BY x*", "[]"),
        ]);
        assert_eq!(info(&admin, "acl_access_denied_db"), "2");
        assert_eq!(admin.send("CONFIG RESETSTAT"), "+OK");
        assert_eq!(info(&admin, "acl_access_denied_db"), "0");
    }
}

#[test]
fn exec_checks_again() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "a");
        let client = client_of(&server, 0, "bob", "+get +set +multi +exec +eval +select ~a*");
        let admin = server.client_on(cores - 1);
        let since = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is \
                     no longer allowed for the following reason: no permission to";
        for key in &keys {
            admin.check(&[("ACL SETUSER bob +set resetkeys ~a*", "+OK")]);
            client.check(&[("MULTI", "+OK"), ("SET az x", "+QUEUED"), ("GET az", "+QUEUED")]);
            assert_eq!(client.send(&format!("SET {key} y")), "+QUEUED");
            assert_eq!(client.send(&format!("EVAL \"return redis.call('get',KEYS[1])\" 1 {key}")), "+QUEUED");
            assert_eq!(admin.send(&format!("ACL SETUSER bob resetkeys ~{key}")), "+OK");
            let reply = client.send("EXEC");
            assert_eq!(
                reply,
                format!("[{since} touch the specified keys, {since} touch the specified keys, +OK, \"y\"]")
            );
            client.check(&[("MULTI", "+OK")]);
            assert_eq!(client.send(&format!("SET {key} z")), "+QUEUED");
            assert_eq!(admin.send("ACL SETUSER bob -set"), "+OK");
            assert_eq!(client.send("EXEC"), format!("[{since} execute the command or subcommand]"));
        }
        admin.check(&[("ACL SETUSER bob allkeys +@all", "+OK")]);
        client.check(&[("MULTI", "+OK"), ("GET a", "+QUEUED"), ("SELECT 1", "+QUEUED"), ("GET a", "+QUEUED")]);
        admin.check(&[("ACL SETUSER bob db=0,2", "+OK")]);
        let denied = format!("{since} access the database");
        assert_eq!(client.send("EXEC"), format!("[nil, {denied}, nil]"), "what is not selected is not looked at");
        client.check(&[
            ("MULTI", "+OK"),
            ("SELECT 1", "-NOPERM No permissions to access database"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ]);
        assert!(admin.send("ACL LOG").contains("multi"));
    }
}

#[test]
fn scripts_have_the_rights_of_who_runs_them() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let keys = key_of_each_core(cores, "a");
        let admin = server.client();
        keys.iter().for_each(|key| assert_eq!(admin.send(&format!("SET {key} v")), "+OK"));
        let client = client_of(&server, 0, "bob", "+get +eval +fcall ~a*");
        for key in &keys {
            let get = format!("EVAL \"return redis.call('get',KEYS[1])\" 1 {key}");
            assert_eq!(client.send(&get), "\"v\"");
            let undeclared = format!("EVAL \"return redis.call('get',ARGV[1])\" 0 {key}");
            assert_eq!(client.send(&undeclared), "\"v\"");
            let set = format!("EVAL \"return redis.pcall('set',KEYS[1],'x')\" 1 {key}");
            assert_eq!(
                client.send(&set),
                "-ERR ACL failure in script: User bob has no permissions to run the 'set' command"
            );
        }
        client.check(&[
            ("EVAL \"return redis.pcall('get','b')\" 0", "-ERR ACL failure in script: No permissions to access a key"),
            ("EVAL \"return redis.call('get',ARGV[1] .. 'b') \" 1 b x", "-NOPERM No permissions to access a key"),
            ("EVAL \"return redis.acl_check_cmd('get','a')\" 0", ":1"),
            ("EVAL \"return redis.acl_check_cmd('get','b')\" 0", "nil"),
            ("EVAL \"return redis.acl_check_cmd('set','a','1')\" 0", "nil"),
        ]);
        assert!(
            client
                .send("EVAL \"return redis.acl_check_cmd('foo')\" 0")
                .contains("Invalid command passed to redis.acl_check_cmd()")
        );
        let log = admin.send("ACL LOG");
        assert!(log.contains("lua") && log.contains("\"object\", \"set\""), "{log}");
        keys.iter().for_each(|key| assert_eq!(admin.send(&format!("GET {key}")), "\"v\""));
    }
}

#[test]
fn connections_of_who_is_gone_end() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let clients: Vec<Client> =
            (0..cores).map(|core| client_of(&server, core, &format!("u{core}"), "+@all ~*")).collect();
        let own = client_of(&server, 0, "own", "+@all");
        let names: Vec<String> = (0..cores).map(|core| format!("u{core}")).collect();
        assert_eq!(server.client().send(&format!("ACL DELUSER {}", names.join(" "))), format!(":{cores}"));
        assert!(clients.iter().all(Client::is_closed));
        assert_eq!(own.send("ACL DELUSER own"), ":1", "who removes themselves is answered");
        assert!(own.is_closed());
    }
}

#[test]
fn subscribers_who_lose_their_channels_are_closed() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let admin = server.client();
        for (subscribe, keeps, loses) in [
            ("SUBSCRIBE a1", "&a1", "&b"),
            ("PSUBSCRIBE a*", "&b &a*", "&a1"),
            ("SSUBSCRIBE a1", "&a?", "resetchannels"),
        ] {
            let client = client_of(&server, cores - 1, "bob", "+@all ~* &a*");
            assert!(client.send(subscribe).contains("subscribe"));
            assert_eq!(admin.send(&format!("ACL SETUSER bob resetchannels {keeps}")), "+OK");
            assert!(!client.is_closed(), "{subscribe} with {keeps}");
            assert_eq!(admin.send(&format!("ACL SETUSER bob resetchannels {loses}")), "+OK");
            assert!(client.is_closed(), "{subscribe} with {loses}");
        }
    }
}

#[test]
fn who_waits_for_a_key_and_loses_it_is_told() {
    for cores in CORES {
        let server = TestCore::new(cores);
        let admin = server.client();
        for key in key_of_each_core(cores, "a") {
            let client = client_of(&server, 0, "bob", "+blpop ~a*");
            assert_eq!(client.pipeline(&[&format!("BLPOP {key} 0")]), [""; 0]);
            assert_eq!(admin.send("ACL SETUSER bob +get"), "+OK");
            assert_eq!(client.poll(), [""; 0], "it may wait");
            assert_eq!(admin.send("ACL SETUSER bob resetkeys"), "+OK");
            assert_eq!(client.poll(), ["-NOPERM No permissions to access a key"]);
            assert_eq!(admin.send(&format!("RPUSH {key} x")), ":1");
            assert_eq!(admin.send(&format!("LLEN {key}")), ":1", "nobody has taken it");
        }
    }
}

#[test]
fn the_log_joins_what_all_cores_have_denied() {
    for cores in CORES {
        let server = TestCore::with_config(cores, |config| config.acl.acllog_max_len = 4);
        let admin = server.client();
        for core in 0..cores {
            server.advance_ms(10);
            let client = client_of(&server, core, "bob", "+get ~a*");
            let _ = client.pipeline(&["GET b", "GET b", "GET c"]);
        }
        let log = admin.send("ACL LOG");
        assert_eq!(log.matches("\"count\", ").count(), 2, "what is alike on several cores is one entry");
        assert!(log.contains(&format!("\"count\", :{}", 2 * cores)), "{log}");
        assert!(
            log.find("\"object\", \"c\"").unwrap() < log.find("\"object\", \"b\"").unwrap(),
            "the newest come first"
        );
        assert_eq!(admin.send("ACL LOG 1").matches(&format!("\"count\", :{cores}")).count(), 1);
        assert_eq!(admin.send("ACL LOG 0"), "[]");
        admin.check(&[("ACL LOG RESET", "+OK"), ("ACL LOG", "[]"), ("CONFIG SET acllog-max-len 0", "+OK")]);
        let _ = server.client().send("AUTH nobody x");
        assert_eq!(admin.send("ACL LOG"), "[]");
    }
}

/// Does for one core what a server does about files.
fn fulfil(server: &TestCore, core: u16, file: &mut Vec<u8>, exists: bool) {
    let requests = server.engine(core, Engine::take_host_requests);
    for request in requests {
        let (asker, reply) = match request {
            HostRequest::ReadFile { asker, .. } if exists => (asker, HostReply::Gives(file.clone())),
            HostRequest::ReadFile { asker, .. } => (asker, HostReply::Failed),
            HostRequest::WriteFile { content: FileContent::Whole(bytes), asker, .. } => {
                *file = bytes;
                (asker, HostReply::Done)
            }
            _ => continue,
        };
        server.engine(core, |engine| engine.on_host_answer(asker, reply.clone()));
    }
    server.settle();
}

#[test]
fn files_are_saved_and_loaded() {
    for cores in CORES {
        let server = TestCore::with_config(cores, |config| config.acl.aclfile = "users.acl".to_owned());
        let admin = server.client_on(cores - 1);
        let core = admin.core();
        let bob = client_of(&server, 0, "bob", "+@all ~* &*");
        let eve = client_of(&server, 0, "eve", "+@all ~* &*");
        let mut file = Vec::new();
        let ask = |line: &str, file: &mut Vec<u8>, exists: bool| {
            admin.begin(&[line]);
            server.settle();
            fulfil(&server, core, file, exists);
            admin.poll()
        };
        assert_eq!(ask("ACL SAVE", &mut file, true), ["+OK"]);
        let saved = String::from_utf8(file.clone()).unwrap();
        assert!(saved.starts_with("user bob on nopass sanitize-payload ~* &* +@all\nuser default "), "{saved}");
        let list = admin.send("ACL LIST");
        assert_eq!(ask("ACL LOAD", &mut file, true), ["+OK"]);
        assert_eq!(admin.send("ACL LIST"), list);
        assert!(!bob.is_closed() && !eve.is_closed(), "who stays as they are stay connected");
        let mut broken = b"user bob +foo\nuser eve off\n".to_vec();
        assert_eq!(
            ask("ACL LOAD", &mut broken, true),
            [
                "-ERR users.acl:1: Unknown command or category name in ACL. WARNING: ACL errors detected, no change to the previously \
              active ACL rules was performed"
            ]
        );
        assert_eq!(ask("ACL LOAD", &mut broken, false), ["-ERR Error loading ACLs: check the logs of the server"]);
        (0..cores).for_each(|core| assert_eq!(server.client_on(core).send("ACL LIST"), list));
        // In a transaction, too; who is not in the file is gone.
        let mut other = b"user bob on nopass ~x +get\n".to_vec();
        assert_eq!(admin.send("MULTI"), "+OK");
        assert_eq!(admin.pipeline(&["ACL LOAD", "ACL USERS"]), ["+QUEUED", "+QUEUED"]);
        assert_eq!(ask("EXEC", &mut other, true), ["[+OK, [\"bob\", \"default\"]]"]);
        assert!(eve.is_closed() && !bob.is_closed());
        bob.check(&[("GET x", "nil"), ("GET y", "-NOPERM No permissions to access a key")]);
    }
}

#[test]
fn after_the_reply_nobody_has_the_old_rights() {
    for seed in 0..40 {
        let server = TestCore::new(3);
        let keys = key_of_each_core(3, "a");
        let admin = server.client_on(seed % 3);
        let bob = client_of(&server, 1, "bob", "+get +set +mget +mset ~a*");
        let lines: Vec<String> = keys
            .iter()
            .flat_map(|key| {
                [format!("SET {key} old"), format!("MSET {} 1 {} 1", keys[0], keys[2]), format!("GET {key}")]
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        bob.begin(&lines);
        admin.begin(&["ACL SETUSER bob -@all"]);
        // In whatever order the cores go on: once the reply is there, what others write stays.
        let mut random = Random::new(u64::from(seed));
        let has_reply = || !admin.peek().is_empty();
        let has_come = (0..100_000).any(|_| {
            server.step(random.next_u64() as usize);
            has_reply()
        });
        assert!(has_come, "the reply comes");
        let check = server.client_on(seed % 3);
        let _ = admin.poll();
        for key in &keys {
            assert_eq!(check.call(&["SET", key, "new"]), "+OK");
        }
        server.settle();
        let _ = bob.poll();
        keys.iter().for_each(|key| assert_eq!(admin.send(&format!("GET {key}")), "\"new\"", "seed {seed}"));
    }
}

/// Chooses the first alternative and leaves out what may be; words become what a map says.
struct Plain {
    key: &'static str,
}

impl Chooser for Plain {
    fn choose(&mut self, _count: usize) -> usize {
        0
    }

    fn include(&mut self) -> bool {
        false
    }

    fn repeat(&mut self) -> usize {
        0
    }

    fn argument(&mut self, word: &str) -> Vec<u8> {
        match word {
            _ if word.starts_with("num") => b"1".to_vec(),
            "key" | "source" | "destination" | "newkey" | "key1" | "key2" | "destkey" | "sourcekey" | "dstkey" => {
                self.key.as_bytes().to_vec()
            }
            _ if word.contains("channel") || word == "pattern" => b"forbidden".to_vec(),
            _ => b"1".to_vec(),
        }
    }
}

/// A request of a command with all of its keys (and channels) of this name, if such a request can be made.
fn request_with_key(command: &Command, key: &'static str) -> Option<Vec<Vec<u8>>> {
    let mut words = request(command, &mut Plain { key });
    for _ in 0..words.len().max(16) {
        if command.row.arity_fits(words.len()) {
            break;
        }
        words.push(b"1".to_vec());
    }
    command.row.arity_fits(words.len()).then_some(words)
}

/// Every row, by users who lack a right to it: nobody gets through.
#[test]
fn nobody_gets_through_without_a_right() {
    let server = TestCore::with_config(3, |config| config.enable_debug_command = torc_engine::config::DebugAccess::Yes);
    let admin = server.client();
    let mut tried = [0; 5];
    for command in commands() {
        let row = command.row;
        let Some(words) = request_with_key(command, "forbidden") else { continue };
        let shown = words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ");
        let may_always = row.flags.has(Flags::NO_AUTH);
        let try_as = |rules: &str, wanted: &str| {
            let client = client_of(&server, 1, "bob", rules);
            let reply = client.call(&words);
            let reply = reply.replace("-EXECABORT Transaction discarded because of: ", "-");
            assert!(reply.starts_with(wanted), "{shown} by {rules}: {reply}");
            let dry: Vec<Vec<u8>> =
                [vec![b"ACL".to_vec(), b"DRYRUN".to_vec(), b"bob".to_vec()], words.clone()].concat();
            let reply = admin.call(&dry);
            assert!(reply.starts_with("\"User bob has no permissions to"), "{shown} by {rules}: {reply}");
            client.disconnect();
        };
        let name = command.full_name;
        if !may_always {
            let denied = format!("-NOPERM User bob has no permissions to run the '{name}' command");
            try_as(&format!("+@all ~* &* -{name}"), &denied);
            try_as("~* &*", &denied);
            for category in torc_engine::acl::categories(row) {
                try_as(&format!("+@all ~* &* -@{category}"), &denied);
                tried[1] += 1;
            }
            tried[0] += 1;
        }
        let has_keys = row.keys.iter().any(|spec| spec.flags != KeyFlags::NOT_KEY);
        let request_has_keys = words.iter().skip(1).any(|word| word == b"forbidden");
        if has_keys && request_has_keys {
            try_as("+@all ~allowed* &*", "-NOPERM No permissions to access a key");
            tried[2] += 1;
        }
        if row.channels.is_some() {
            try_as("+@all ~* &allowed*", "-NOPERM No permissions to access a channel");
            tried[3] += 1;
        }
        if row.concerns_data() {
            try_as("+@all ~* &* db=7", "-NOPERM No permissions to access database");
            tried[4] += 1;
        }
    }
    // As many rows as there are, or nothing was shown.
    let least = [250, 600, 150, 5, 180];
    assert!(tried.iter().zip(least).all(|(tried, least)| *tried >= least), "{tried:?}");
}

#[test]
fn secrets_are_known() {
    let secret = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for word in &words {
            spans.push(torc_resp::Span { start: bytes.len() as u32, len: word.len() as u32 });
            bytes.extend_from_slice(word.as_bytes());
        }
        let args = torc_resp::Args::new(&bytes, &spans);
        let command = torc_engine::command::registry().find(args).unwrap_or_else(|_| panic!("{line}"));
        (0..words.len()).filter(|&at| command.row.is_secret(args, at)).map(|at| words[at]).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(secret("auth bob pw"), "bob pw");
    assert_eq!(secret("hello 3 setname x auth bob pw"), "bob pw");
    assert_eq!(secret("config set port 1 requirepass pw loglevel x"), "pw");
    assert_eq!(secret("acl setuser bob >pw"), "bob >pw");
    assert_eq!(secret("get a"), "");
}
