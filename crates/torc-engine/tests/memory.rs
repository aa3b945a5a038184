//! `maxmemory`: what is refused, what goes, and who is told.

mod common;
#[path = "propagation/log.rs"]
#[allow(dead_code, reason = "another test needs the rest of it")]
mod log;

use common::{Client, TestCore, key_of_each_core, render};
use torc_engine::config::{DebugAccess, MaxmemoryPolicy, MemoryLimit};
use torc_engine::effect::Reads;
use torc_engine::random::Random;
use torc_engine::{Engine, Taken};

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

fn figure(client: &Client, name: &str) -> u64 {
    let info = client.send("INFO");
    let line = info.split("\\r\\n").find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("INFO has no {name}")).parse().expect("a number")
}

/// The same when INFO shows it twice: what it measures and what it writes takes memory, too.
fn settled(client: &Client, name: &str) -> u64 {
    let mut figures = std::iter::repeat_with(|| figure(client, name));
    let mut last = figures.next();
    loop {
        let next = figures.next();
        if next == last {
            return next.expect("it goes on for ever");
        }
        last = next;
    }
}

fn oom() -> String {
    format!("-{OOM}")
}

/// Cores with a limit that leaves so many bytes.
fn limited(cores: u16, policy: MaxmemoryPolicy, left_bytes: u64) -> (TestCore, Client) {
    let core = TestCore::with_config(cores, |config| config.eviction.policy = policy);
    let client = core.client();
    client.send("PING");
    core.upkeep();
    let limit = figure(&client, "used_memory") + left_bytes;
    assert_eq!(client.send(&format!("CONFIG SET maxmemory {limit}")), "+OK");
    (core, client)
}

fn fill(client: &Client, count: usize) -> usize {
    (0..count).filter(|number| client.call(&["SET".into(), format!("key:{number}"), "x".repeat(200)]) == "+OK").count()
}

#[test]
fn without_eviction_what_would_grow_is_refused_until_there_is_room() {
    for cores in [1, 3] {
        let (_core, client) = limited(cores, MaxmemoryPolicy::Noeviction, 100_000);
        let kept = fill(&client, 1000);
        assert!((200..500).contains(&kept), "{kept}");
        client.check(&[
            ("SET k v", &oom()),
            ("LPUSH l a", &oom()),
            ("GET key:0", &format!("\"{}\"", "x".repeat(200))),
            ("EXPIRE key:0 100", ":1"),
        ]);
        // What frees memory runs, and makes room at once.
        let many = format!("DEL {}", (0..100).map(|number| format!("key:{number}")).collect::<Vec<_>>().join(" "));
        assert_eq!(client.pipeline(&[&many, "SET k v"]), [":100", "+OK"]);
        assert_eq!(figure(&client, "evicted_keys"), 0);
        assert!(client.send("INFO errorstats").contains("errorstat_OOM:count="));
    }
}

/// Of a server without keys the connections are more than a byte.
#[test]
fn a_limit_of_one_byte_refuses_the_first_write() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(&[("CONFIG SET maxmemory 1", "+OK"), ("SET a 1", &oom()), ("PING", "+PONG"), ("DBSIZE", ":0")]);
    }
}

#[test]
fn transactions_are_refused_when_they_are_queued_or_run() {
    for cores in [1, 3] {
        let (_core, client) = limited(cores, MaxmemoryPolicy::Noeviction, 1000);
        let other = _core.client();
        client.send("MULTI");
        client.check(&[("SET a 1", "+QUEUED"), ("GET a", "+QUEUED")]);
        other.send("CONFIG SET maxmemory 1");
        client.check(&[("GET a", &oom()), ("EXEC", &format!("-EXECABORT Transaction discarded because of: {OOM}"))]);
        other.send("CONFIG SET maxmemory 0");
        client.check(&[("MULTI", "+OK"), ("SET a 1", "+QUEUED")]);
        other.send("CONFIG SET maxmemory 1");
        client.check(&[("EXEC", &format!("-EXECABORT Transaction discarded because of: {OOM}")), ("GET a", "nil")]);
        other.send("CONFIG SET maxmemory 0");
        client.check(&[("MULTI", "+OK"), ("GET a", "+QUEUED")]);
        other.send("CONFIG SET maxmemory 1");
        client.check(&[("EXEC", "[nil]"), ("MULTI", "+OK"), ("DISCARD", "+OK")]);
    }
}

#[test]
fn scripts_are_refused_by_their_flags_and_by_what_they_call() {
    let core = TestCore::new(1);
    let client = core.client();
    client.send("SET x 123");
    client.send("CONFIG SET maxmemory 1");
    let eval = |text: &str| client.call(&["EVAL", text, "1", "x"]);
    assert!(
        eval("redis.call('set',KEYS[1],1) return 1")
            .starts_with("-OOM command not allowed when used memory > 'maxmemory'")
    );
    assert_eq!(eval("return redis.call('get',KEYS[1])"), "\"123\"");
    assert_eq!(eval("#!lua\nreturn 1"), oom());
    assert_eq!(eval("#!lua flags=no-writes\nreturn redis.call('get',KEYS[1])"), "\"123\"");
    assert_eq!(eval("#!lua flags=allow-oom\nredis.call('set',KEYS[1],1) return 1"), ":1");
    // What has written something goes on.
    assert_eq!(eval("redis.call('del',KEYS[1]) redis.call('set',KEYS[1],2) return 5"), ":5");
    assert_eq!(client.send("GET x"), "\"2\"");
}

#[test]
fn every_policy_keeps_to_the_limit() {
    for cores in [1, 3] {
        for policy in MaxmemoryPolicy::ALL {
            if policy == MaxmemoryPolicy::Noeviction {
                continue;
            }
            let (core, client) = limited(cores, policy, 100_000);
            let limit = figure(&client, "maxmemory");
            for number in 0..1000 {
                let words = ["SETEX".into(), format!("key:{number}"), "10000".into(), "x".repeat(200 + number % 100)];
                assert_eq!(client.call(&words), "+OK", "{policy:?}");
                if number % 20 != 0 {
                    continue;
                }
                core.upkeep();
                let (used, slack) = (figure(&client, "used_memory"), u64::from(cores) * 8192);
                assert!(used <= limit + slack, "{policy:?} {number}: {used} of {limit}");
            }
            let evicted = settled(&client, "evicted_keys");
            assert!((500..900).contains(&evicted), "{policy:?}: {evicted}");
            assert_eq!(client.send("DBSIZE"), format!(":{}", 1000 - evicted));
        }
    }
}

#[test]
fn keys_that_do_not_expire_stay_under_a_volatile_policy() {
    let (_core, client) = limited(1, MaxmemoryPolicy::VolatileLru, 100_000);
    for number in 0..100 {
        client.call(&["SET".into(), format!("stays:{number}"), "x".repeat(100)]);
        client.call(&["SET".into(), format!("goes:{number}"), "x".repeat(100), "EX".into(), "1000".into()]);
    }
    let kept = fill(&client, 2000);
    assert!(kept < 500, "{kept}");
    assert_eq!(client.send("SET k v"), oom());
    assert_eq!(client.send("EVAL \"return #redis.call('keys','stays:*')\" 0"), ":100");
    assert_eq!(client.send("EVAL \"return #redis.call('keys','goes:*')\" 0"), ":0");
}

#[test]
fn a_core_with_few_keys_has_the_others_evict() {
    let (core, client) = limited(2, MaxmemoryPolicy::AllkeysLru, 400_000);
    let keys = key_of_each_core(2, "k");
    // Nearly all lies on the first core, and was used long ago.
    for number in 0..1500 {
        client.call(&["SET".into(), format!("{{{}}}{number}", keys[0]), "x".repeat(200)]);
    }
    core.advance_ms(100_000);
    let other = core.client_on(1);
    for number in 0..600 {
        let key = format!("{{{}}}{number}", keys[1]);
        assert_eq!(other.call(&["SET", &key, &"x".repeat(200)]), "+OK");
        core.upkeep();
    }
    let left = |key: &str| client.call(&["EVAL", "return #redis.call('keys',ARGV[1])", "0", &format!("{{{key}}}*")]);
    let left = [0, 1].map(|core| left(&keys[core])[1..].parse::<usize>().expect("a number"));
    assert!(left[1] > 550 && left[0] < 1200, "what was written now stays: {left:?}");
}

#[test]
fn evicted_keys_are_told_to_the_log_to_listeners_and_to_those_who_cached_them() {
    for unlinks in [false, true] {
        let (core, client) = limited(1, MaxmemoryPolicy::AllkeysLru, 50_000);
        client.send(&format!("CONFIG SET lazyfree-lazy-eviction {}", if unlinks { "yes" } else { "no" }));
        client.send("CONFIG SET notify-keyspace-events KEe");
        let listener = core.client();
        listener.send("PSUBSCRIBE __key*__:*");
        let cacher = core.client();
        cacher.send("HELLO 3");
        cacher.send("CLIENT TRACKING on");
        client.send("SET old x");
        cacher.send("GET old");
        let watcher = core.client();
        watcher.send("WATCH old");
        core.engine(0, |engine| engine.read_effects(Reads::Commands));
        core.advance_ms(10_000);
        fill(&client, 400);
        let evicted = settled(&client, "evicted_keys");
        assert!(evicted > 100);
        let told = core.engine(0, propagated);
        let removals: Vec<&String> = told.iter().filter(|request| !request.starts_with("SET")).collect();
        assert_eq!(removals.len() as u64, evicted, "{removals:?}");
        assert_eq!(removals[0], if unlinks { "UNLINK, old" } else { "DEL, old" });
        let heard = listener.poll();
        assert_eq!(heard.len() as u64, 2 * evicted);
        assert!(heard[0].contains("__keyspace@0__:old") && heard[0].contains("evicted"), "{}", heard[0]);
        assert!(heard[1].contains("__keyevent@0__:evicted") && heard[1].contains("old"), "{}", heard[1]);
        assert!(cacher.poll().iter().any(|push| push.contains("invalidate") && push.contains("old")));
        client.send("CONFIG SET maxmemory 0");
        watcher.send("MULTI");
        watcher.send("PING");
        assert_eq!(watcher.send("EXEC"), "nil", "a watched key is gone");
    }
}

/// The propagated commands of a core, as lines.
fn propagated(engine: &mut Engine) -> Vec<String> {
    let Taken::Units(units) = engine.take_units() else { panic!("nothing is lost") };
    let mut lines = Vec::new();
    for unit in units.iter() {
        for (_, request) in unit.propagated() {
            let text = render(&mut &request[..]);
            lines.push(text.trim_matches(['[', ']']).replace('"', ""));
        }
    }
    lines
}

#[test]
fn what_somebody_has_claimed_is_not_evicted() {
    // A transaction over two cores reads on one and writes on the other: what it has read stays until it has written.
    let (core, client) = limited(2, MaxmemoryPolicy::AllkeysRandom, 60_000);
    let keys = key_of_each_core(2, "k");
    for round in 0..200 {
        client.call(&["SET", &keys[0], &"a".repeat(3000)]);
        client.call(&["SET", &keys[1], "b"]);
        let before = client.send(&format!("EXISTS {}", keys[0]));
        let renamer = core.client();
        renamer.begin(&[&format!("RENAME {} {}", keys[0], keys[1])]);
        let filler = core.client_on(round % 2);
        filler.begin(&[&format!("SET {{{}}}{round} {}", keys[0], "x".repeat(5000))]);
        core.settle();
        let reply = renamer.poll();
        assert!(before == ":0" || reply == ["+OK"] || reply == ["-ERR no such key"], "{reply:?}");
        core.engine(0, |engine| engine.upkeep(100));
    }
}

#[test]
fn limits_are_bytes_or_a_part_of_what_there_is() {
    let core = TestCore::with_config(1, |config| config.maxmemory = MemoryLimit::Percent(75));
    let client = core.client();
    core.engine(0, |engine| engine.inspect_mut().identity_mut().memory_limit_bytes = 1 << 30);
    client.check(&[
        ("CONFIG SET maxmemory 50%", "+OK"),
        ("CONFIG GET maxmemory", "[\"maxmemory\", \"50%\"]"),
        ("CONFIG SET maxmemory 101%", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - percentage argument must be less or equal to 100"),
        ("CONFIG SET maxmemory -1%", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"),
        ("CONFIG SET maxmemory %", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"),
        ("CONFIG SET maxmemory lots", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"),
        ("CONFIG SET maxmemory-samples 0", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples') - argument must be between 1 and 64 inclusive"),
        ("CONFIG SET maxmemory-eviction-tenacity 101", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-eviction-tenacity') - argument must be between 0 and 100 inclusive"),
    ]);
    assert_eq!(figure(&client, "maxmemory"), 1 << 29);
    client.check(&[
        ("CONFIG SET maxmemory 99999999999999999999gb", "+OK"),
        ("SET k v", "+OK"),
        ("CONFIG SET maxmemory 2kb", "+OK"),
    ]);
    assert_eq!(figure(&client, "maxmemory"), 2048);
    assert_eq!(client.send("SET k v"), oom());
    client.check(&[("CONFIG SET maxmemory 0", "+OK"), ("SET k v", "+OK")]);
}

#[test]
fn a_limit_below_what_is_used_evicts_all_that_may_go_and_no_more() {
    for cores in [1, 3] {
        let core = TestCore::with_config(cores, |config| {
            config.eviction.policy = MaxmemoryPolicy::AllkeysLru;
            config.eviction.tenacity = 0;
        });
        let client = core.client();
        fill(&client, 500);
        assert_eq!(client.send("CONFIG SET maxmemory 1"), "+OK");
        for _ in 0..600 {
            core.upkeep();
        }
        client.check(&[("DBSIZE", ":0"), ("SET k v", &oom()), ("GET k", "nil")]);
        core.advance_ms(500);
        assert_eq!(figure(&client, "evicted_keys"), 500);
        assert!(figure(&client, "current_eviction_exceeded_time") >= 500);
        client.send("CONFIG SET maxmemory 0");
        assert_eq!(figure(&client, "current_eviction_exceeded_time"), 0);
        assert!(figure(&client, "total_eviction_exceeded_time") >= 500);
        client.send("CONFIG RESETSTAT");
        assert_eq!(figure(&client, "total_eviction_exceeded_time"), 0);
        assert_eq!(figure(&client, "evicted_keys"), 0);
    }
}

#[test]
fn while_clients_are_paused_nothing_goes() {
    let (core, client) = limited(1, MaxmemoryPolicy::AllkeysLru, 100_000);
    fill(&client, 100);
    client.send("CLIENT PAUSE 100000 WRITE");
    client.send("CONFIG SET maxmemory 1");
    core.upkeep();
    client.check(&[("DBSIZE", ":100"), ("CLIENT UNPAUSE", "+OK")]);
    core.upkeep();
    client.check(&[("DBSIZE", ":0")]);
}

#[test]
fn what_memory_is_used_for_can_be_asked() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        assert!(client.send("MEMORY DOCTOR").contains("nothing to judge"));
        fill(&client, 1000);
        let stats = client.send("MEMORY STATS");
        let of = |name: &str| -> u64 {
            let rest = stats.split_once(&format!("\"{name}\", :")).unwrap_or_else(|| panic!("{name} in {stats}")).1;
            rest.split([',', ']']).next().expect("a number").parse().expect("a number")
        };
        assert_eq!(of("keys.count"), 1000);
        assert!(of("dataset.bytes") > 200_000 && of("total.allocated") > of("dataset.bytes"));
        assert_eq!(of("overhead.total"), of("total.allocated") - of("dataset.bytes"));
        assert!(of("overhead.hashtable.main") > 8000);
        client.send("HELLO 3");
        assert!(client.send("MEMORY STATS").starts_with("{\"peak.allocated\": :"));
        client.check(&[
            ("MEMORY PURGE", "+OK"),
            ("MEMORY MALLOC-STATS", "\"Stats not supported for the current allocator\""),
            ("CONFIG SET maxmemory-clients 50%", "+OK"),
        ]);
        client.call(&["SET", "big", &"x".repeat(8 << 20)]);
        client.send("CONFIG SET maxmemory 6mb");
        let text = client.send("MEMORY DOCTOR");
        assert!(text.contains("* Limit:"), "{text}");
        client.send("CONFIG SET maxmemory 0");
        client.send("DEL big");
    }
}

/// One of the requests of a client that does anything.
fn any_request(random: &mut Random) -> String {
    let [key, other] = [0, 1].map(|_| format!("key:{}", random.below(400)));
    let text = "x".repeat(20 + random.below(300) as usize);
    match random.below(10) {
        0..4 => format!("SET {key} {text}"),
        4 => format!("SET {key} {text} EX {}", 10 + random.below(1000)),
        5 => format!("HSET {{h}}{key} {text} 1 b {text}"),
        6 => format!("RPUSH l{key} {text} {text}"),
        7 => format!("RENAME {key} {other}"),
        8 => format!("MSET {key} {text} {other} 1"),
        _ => format!("GET {key}"),
    }
}

#[test]
fn a_log_with_evictions_gives_the_same_keys() {
    for (cores, seed) in [(1, 1), (3, 2), (3, 3)] {
        let policies = MaxmemoryPolicy::ALL.into_iter().filter(|policy| *policy != MaxmemoryPolicy::Noeviction);
        for policy in policies {
            let core = TestCore::with_config(cores, |config| {
                config.eviction.policy = policy;
                config.enable_debug_command = DebugAccess::Yes;
            });
            let log = log::Log::begin(&core, cores);
            let place = log.begin_increment();
            let clients: Vec<Client> = (0..6).map(|number| core.client_on(number % cores)).collect();
            let limit = figure(&clients[0], "used_memory") + 40_000;
            clients[0].send(&format!("CONFIG SET maxmemory {limit}"));
            let mut random = Random::new(seed);
            for _ in 0..120 {
                // All of them at once, and their messages in any order.
                for client in &clients {
                    match random.below(4) {
                        0 => client.begin(&["MULTI", &any_request(&mut random), &any_request(&mut random), "EXEC"]),
                        _ => client.begin(&[&any_request(&mut random)]),
                    }
                }
                (0..random.below(40)).for_each(|_| {
                    core.step(random.below(1000) as usize);
                });
                core.settle();
                clients.iter().for_each(|client| drop(client.poll()));
            }
            let least = if policy.name().starts_with("allkeys") { 100 } else { 1 };
            assert!(figure(&clients[0], "evicted_keys") >= least, "{policy:?}");
            clients[0].send("CONFIG SET maxmemory 0");
            let again = TestCore::with_config(cores, |config| config.enable_debug_command = DebugAccess::Yes);
            log::replay(&again, cores, &log.bytes_from(place), core.now_ms()).expect("all of it can run");
            let digests = [&core, &again].map(|core| core.client().send("DEBUG DIGEST"));
            assert_eq!(digests[0], digests[1], "{cores} cores, {policy:?}, seed {seed}");
        }
    }
}
