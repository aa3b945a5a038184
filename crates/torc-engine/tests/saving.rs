//! Keys of all cores are caught at one time, saved while commands go on, and loaded by any number of cores.

mod common;
mod files;

use std::collections::BTreeMap;

use common::{Client, TestCore, key_of_each_core};
use files::{cut, cut_as, file_of, load};
use torc_engine::config::{Config, MaxmemoryPolicy, RdbVersion};
use torc_engine::effect::Effect;
use torc_engine::loading::LoadProblem;
use torc_engine::persistence::{Loaded, Loading, Persistence, Saves};
use torc_engine::saving::{PartOrder, SaveForm};
use torc_engine::{Engine, FileChange, HostReply, HostRequest, SaveHow, Taken};
use torc_rdb::file::{Assembly, Frame, ReadOptions, Reader, VersionRule};
use torc_store::BigFrom;

/// Keys of all types, in two databases.
fn fill(client: &Client, cores: u16) {
    for key in key_of_each_core(cores, "s") {
        client.send(&format!("SET {key} text"));
        client.send(&format!("SET n{key} 12345 PX 100000"));
        client.send(&format!("RPUSH l{key} a b c 4"));
        client.send(&format!("SADD t{key} a b c 4"));
        client.send(&format!("SADD i{key} 1 2 3"));
        client.send(&format!("ZADD z{key} 1 a 2.5 b inf c"));
        client.send(&format!("HSET h{key} f v g 7"));
        client.send(&format!("XADD x{key} 5-1 f v"));
        client.send(&format!("XGROUP CREATE x{key} group 0"));
        client.send("SELECT 3");
        client.send(&format!("SET {key} three"));
        client.send("SELECT 0");
    }
    let many: String = (0..700).map(|number| format!(" member:{number} value:{number}")).collect();
    client.send(&format!("HSET big{many}"));
    client.send(&format!("SADD bigset{many}"));
    client.send(&format!("RPUSH biglist{many}"));
}

#[test]
fn what_is_saved_by_any_number_of_cores_is_loaded_by_any_other() {
    for (from, to) in [(1, 3), (3, 1), (2, 2)] {
        let debug = |config: &mut Config| config.enable_debug_command = torc_engine::config::DebugAccess::Yes;
        let (server, other) = (TestCore::with_config(from, debug), TestCore::with_config(to, debug));
        let client = server.client();
        fill(&client, 3);
        let expected = client.send("DEBUG DIGEST");
        cut(&server, from, 1);
        // From now on everything changes.
        client.send("FLUSHALL");
        client.send("SET later 1");
        let file = file_of(&server, from);
        assert_eq!(&file[..9], b"REDIS0010", "Redis 7.0 can load it");
        let loaded = load(&other, to, &file).expect("all of it is taken");
        assert_eq!(loaded, Loaded { keys: 3 * 9 + 3, expired_keys: 0, empty_keys: 0 });
        let reader = other.client();
        assert_eq!(reader.send("DEBUG DIGEST"), expected);
        assert_eq!(reader.send("EXISTS later"), ":0");
        let line = reader.send("INFO persistence");
        assert!(line.contains("rdb_changes_since_last_save:0\\r\\n"), "what was loaded is no change: {line}");
        assert_eq!(load(&other, to, &file), Err(LoadProblem::Duplicate));
    }
}

/// A file, or commands, of parts that come from all cores in turn, with changes by a client between them.
fn file_amid_changes(server: &TestCore, cores: u16, form: SaveForm, mut change: impl FnMut(usize)) -> Vec<u8> {
    let (mut assembly, mut rest) = (Assembly::new(VersionRule::Lowest, true), Vec::new());
    let (mut order, mut through) = (PartOrder::default(), vec![false; usize::from(cores)]);
    let (mut waited, mut turns) = (false, 0);
    while through.contains(&false) {
        for core in (0..cores).filter(|&core| !through[usize::from(core)]).collect::<Vec<_>>() {
            through[usize::from(core)] = server.engine(core, |engine| engine.save_slice(300)).is_break();
            let part = server.engine(core, |engine| engine.take_part(Vec::new()));
            order.push(usize::from(core), part, ());
            change(turns);
            turns += 1;
        }
        while let Some((_, part, ())) = order.pop() {
            assembly.add(&part.bytes);
            rest.extend(part.bytes);
        }
        waited |= !order.is_empty();
    }
    assert!(order.is_empty() && (waited || cores == 1));
    (0..cores).for_each(|core| server.engine(core, Engine::end_saving));
    if form == SaveForm::Commands {
        return rest;
    }
    let magic = assembly.finish(&mut rest);
    [&magic[..], &rest].concat()
}

#[test]
fn a_file_says_once_for_each_core_how_many_keys_a_database_has() {
    let cores = 2;
    let server = TestCore::new(cores);
    let client = server.client();
    (0..50).for_each(|number| drop(client.send(&format!("SET key:{number} v"))));
    (0..20).for_each(|number| drop(client.send(&format!("SET ttl:{number} v EX 100"))));
    client.send("SELECT 3");
    (0..30).for_each(|number| drop(client.send(&format!("SET key:{number} v"))));
    cut(&server, cores, 1);
    // Written when they are about to change, before and after the walk has been there.
    (0..30).for_each(|number| drop(client.send(&format!("DEL key:{number}"))));
    let file = file_of(&server, cores);
    let mut reader = Reader::new(ReadOptions::default());
    reader.feed(&file);
    let (mut db, mut sums, mut times) = (0, BTreeMap::new(), 0);
    while let Some(frame) = reader.next_frame().expect("the file is sound") {
        match frame {
            Frame::SelectDb(selected) => db = selected,
            Frame::ResizeDb { keys, expires } => {
                let sum: &mut (u64, u64) = sums.entry(db).or_default();
                *sum = (sum.0 + keys, sum.1 + expires);
                times += 1;
            }
            _ => {}
        }
    }
    assert_eq!(sums, BTreeMap::from([(0, (70, 20)), (3, (30, 0))]));
    assert_eq!(times, 4, "two databases on two cores");
}

#[test]
fn pieces_of_big_values_stay_together() {
    for (cores, form) in [(1, SaveForm::Rdb), (3, SaveForm::Rdb), (1, SaveForm::Commands), (3, SaveForm::Commands)] {
        let debug = |config: &mut Config| config.enable_debug_command = torc_engine::config::DebugAccess::Yes;
        let (server, other) = (TestCore::with_config(cores, debug), TestCore::with_config(1, debug));
        for core in 0..cores {
            let big_from = BigFrom { len: 50, bytes: 4 << 10 };
            server.engine(core, |engine| engine.inspect_mut().keyspace_mut().set_big_from(big_from));
        }
        let client = server.client();
        let keys = key_of_each_core(cores, "k");
        for key in &keys {
            let many = |prefix: &str, count| {
                let item = |number| format!(" {prefix}{number} member:{number}");
                (0..count).map(item).collect::<String>()
            };
            client.send(&format!("HSET h{{{key}}}{}", many("f:", 700)));
            client.send(&format!("SADD s{{{key}}}{}", many("f:", 700)));
            client.send(&format!("ZADD z{{{key}}}{}", many("", 700)));
            client.send(&format!("RPUSH l{{{key}}}{}", many("f:", 700)));
            client.send(&format!("MSET a{{{key}}} 1 b{{{key}}} 2"));
            for number in 1..=700 {
                client.send(&format!("XADD x{{{key}}} {number} f value:{number} g 7"));
            }
            client.send(&format!("XGROUP CREATE x{{{key}}} group 0"));
            for consumer in ["one", "two"] {
                client.send(&format!("XREADGROUP GROUP group {consumer} COUNT 150 STREAMS x{{{key}}} >"));
            }
        }
        let expected = client.send("DEBUG DIGEST");
        cut_as(&server, cores, 1, form);
        let file = file_amid_changes(&server, cores, form, |turn| {
            let key = &keys[turn % keys.len()];
            for line in [
                format!("HSET h{{{key}}} f:{} later f:{} later", turn % 700, 699 - turn % 700),
                format!("HDEL h{{{key}}} f:{}", turn * 7 % 700),
                format!("SREM s{{{key}}} f:{}", turn * 13 % 700),
                format!("ZINCRBY z{{{key}}} 5 member:{}", turn * 13 % 700),
                format!("LSET l{{{key}}} {} later", turn * 13 % 700),
                format!("INCR a{{{key}}}"),
                format!("XADD x{{{key}}} MAXLEN {} * f later", 700 - turn),
                format!("XDEL x{{{key}}} {}", turn * 13 % 700),
                format!("XACK x{{{key}}} group {} {}", turn * 7 % 700, turn * 17 % 300),
                format!("XREADGROUP GROUP group two COUNT 3 STREAMS x{{{key}}} >"),
            ] {
                client.send(&line);
            }
            match turn {
                10 => _ = client.send(&format!("RENAME s{{{key}}} h{{{key}}}")),
                11 => _ = client.send(&format!("DEL z{{{key}}}")),
                30 => _ = client.send(&format!("XGROUP DESTROY x{{{key}}} group")),
                60 => _ = client.send(&format!("RENAME x{{{key}}} l{{{key}}}")),
                _ => {}
            }
        });
        let reader = other.client();
        match form {
            SaveForm::Rdb => _ = load(&other, 1, &file).expect("all of it is taken"),
            SaveForm::Commands => {
                let replies = reader.exchange(&file);
                assert!(replies.iter().all(|reply| !reply.starts_with('-')), "{replies:?}");
            }
        }
        assert_eq!(reader.send("DEBUG DIGEST"), expected, "{cores} {form:?}");
    }
}

#[test]
fn what_groups_of_a_stream_have_comes_in_parts_of_bounded_size() {
    let debug = |config: &mut Config| config.enable_debug_command = torc_engine::config::DebugAccess::Yes;
    // Only groups, of which nothing but the end of the stream follows, or entries, too.
    for has_entries in [false, true] {
        let (server, other) = (TestCore::with_config(1, debug), TestCore::with_config(1, debug));
        let big_from = BigFrom { len: 50, bytes: 4 << 10 };
        server.engine(0, |engine| engine.inspect_mut().keyspace_mut().set_big_from(big_from));
        let client = server.client();
        for number in 1..=6000 {
            client.send(&format!("XADD x {number} f value"));
        }
        client.send("XGROUP CREATE x group 0");
        client.send("XREADGROUP GROUP group one STREAMS x >");
        if !has_entries {
            client.send("XTRIM x MAXLEN 0");
        }
        let expected = client.send("DEBUG DIGEST");
        cut_as(&server, 1, 1, SaveForm::Commands);
        let (mut file, mut longest, mut keys, mut is_through) = (Vec::new(), 0, 0, false);
        while !is_through {
            is_through = server.engine(0, |engine| engine.save_slice(300)).is_break();
            let part = server.engine(0, |engine| engine.take_part(Vec::new()));
            (longest, keys) = (part.bytes.len().max(longest), keys + part.keys);
            file.extend(part.bytes);
        }
        server.engine(0, Engine::end_saving);
        // A piece of the payload, and behind the last one the commands of a step of entries.
        assert!(longest < 200 << 10 && file.len() > 230 << 10, "{longest} of {}", file.len());
        assert_eq!(keys, 1);
        let replies = other.client().exchange(&file);
        assert!(replies.iter().all(|reply| !reply.starts_with('-')), "{replies:?}");
        assert_eq!(other.client().send("DEBUG DIGEST"), expected);
    }
}

#[test]
fn a_cut_is_between_two_transactions() {
    let cores = 3;
    let server = TestCore::new(cores);
    let client = server.client();
    let keys = key_of_each_core(cores, "k");
    for round in 0..40 {
        let words: String = keys.iter().map(|key| format!(" {key} {round}")).collect();
        client.send(&format!("MSET{words}"));
        cut(&server, cores, round + 1);
        client.send(&format!("MSET{}", words.replace(&format!(" {round}"), " later")));
        let file = file_of(&server, cores);
        let fresh = TestCore::new(2);
        load(&fresh, 2, &file).expect("all of it is taken");
        let values = fresh.client().send(&format!("MGET {}", keys.join(" ")));
        assert_eq!(values, format!("[{}]", vec![format!("\"{round}\""); 3].join(", ")));
    }
    for core in 0..cores {
        assert!(server.engine(core, |engine| engine.claims_are_idle() && engine.mesh_is_idle()));
    }
}

#[test]
fn writes_wait_while_they_are_held_and_reads_do_not() {
    for cores in [1, 3] {
        let server = TestCore::new(cores);
        let client = server.client_on(cores - 1);
        client.send("SET a 1");
        server.engine(0, |engine| engine.begin_cut(7, SaveForm::Rdb, true));
        server.settle();
        let mut held = None;
        for core in 0..cores {
            for request in server.engine(core, Engine::take_host_requests) {
                match request {
                    HostRequest::SavingBegun { cut: 7, .. } => {}
                    HostRequest::WritesHeld { asker, .. } if core == 0 => held = Some(asker),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(client.send("GET a"), "\"1\"");
        assert!(client.pipeline(&["SET a 2"]).is_empty(), "it waits");
        let other = server.client();
        assert!(other.pipeline(&["MULTI", "INCR a", "INCR b", "EXEC"]).len() < 4, "and so do these");
        file_of(&server, cores);
        server.engine(0, |engine| engine.on_host_answer(held.expect("they are held"), HostReply::Done));
        server.settle();
        assert_eq!(client.poll(), ["+OK"]);
        assert_eq!(other.poll(), ["[:3, :1]"]);
        for core in 0..cores {
            server.engine(core, |engine| assert!(engine.claims_are_idle() && engine.mesh_is_idle()));
        }
        assert!(!client.send("CLIENT LIST").contains("id=0"), "the host's own client is gone");
    }
}

#[test]
fn save_and_bgsave_wait_for_the_host() {
    let server = TestCore::new(2);
    let client = server.client();
    let asker = client.connection();
    let asked = || server.engine(0, Engine::take_host_requests);
    let answer = |reply| {
        server.engine(0, |engine| engine.on_host_answer(asker, reply));
        server.settle();
        client.poll()
    };
    let early = |is_answered_early| SaveHow::Background { is_answered_early };
    let lines = [
        ("SAVE", SaveHow::Awaited, HostReply::Done, "+OK"),
        ("SAVE", SaveHow::Awaited, HostReply::Failed, "-ERR"),
        ("BGSAVE", early(false), HostReply::Done, "+Background saving started"),
        ("BGSAVE", early(false), HostReply::Failed, "-ERR"),
        (
            "BGSAVE Cancel",
            SaveHow::Cancel,
            HostReply::Says("Background saving cancelled"),
            "+Background saving cancelled",
        ),
        (
            "BGSAVE schedule",
            SaveHow::Scheduled { is_answered_early: false },
            HostReply::Says("Background saving scheduled"),
            "+Background saving scheduled",
        ),
    ];
    for (line, how, reply, text) in lines {
        assert!(client.pipeline(&[line]).is_empty(), "{line}");
        assert_eq!(asked(), [HostRequest::Save { how, asker }]);
        assert_eq!(answer(reply), [text], "{line}");
    }
    client.check(&[("BGSAVE NOW", "-ERR syntax error"), ("BGSAVE SCHEDULE x", "-ERR syntax error")]);
    client.check(&[("MULTI", "+OK"), ("SAVE", "-ERR Command not allowed inside a transaction"), ("DISCARD", "+OK")]);
    client.check(&[("MULTI", "+OK"), ("SET a 1", "+QUEUED"), ("BGSAVE", "+QUEUED")]);
    assert!(client.pipeline(&["EXEC"]).is_empty());
    assert_eq!(asked(), [HostRequest::Save { how: early(true), asker }], "the cut would wait for the transaction");
    assert_eq!(answer(HostReply::Done), ["[+OK, +Background saving started]"]);
    assert_eq!(asked(), []);
}

#[test]
fn what_was_saved_is_no_unsaved_change() {
    let server = TestCore::new(2);
    let client = server.client();
    let changes = || {
        let text = client.send("INFO persistence");
        let at = text.find("rdb_changes_since_last_save:").expect("it is shown") + 28;
        text[at..].split("\\r\\n").next().expect("a line").to_owned()
    };
    client.send("MSET a 1 b 2 c 3 d 4");
    assert_eq!(changes(), "4");
    cut(&server, 2, 1);
    client.send("SET e 5");
    file_of(&server, 2);
    assert_eq!(changes(), "5", "it is not known to be on disk");
    (0..2).for_each(|core| server.engine(core, |engine| engine.note_saved(1)));
    assert_eq!(changes(), "1");
    cut(&server, 2, 2);
    (0..2).for_each(|core| server.engine(core, |engine| engine.note_saved(1)));
    assert_eq!(changes(), "1", "that was about another cut");
    file_of(&server, 2);
}

#[test]
fn what_a_file_keeps_of_uses_follows_from_the_policy() {
    for (policy, command, expected) in [
        (MaxmemoryPolicy::AllkeysLru, "OBJECT IDLETIME a", ":50"),
        (MaxmemoryPolicy::AllkeysLfu, "OBJECT FREQ a", ":20"),
    ] {
        let configure = |config: &mut Config| {
            config.eviction.policy = policy;
            config.eviction.lfu_decay_time_minutes = 0;
        };
        let (server, other) = (TestCore::with_config(1, configure), TestCore::with_config(1, configure));
        let client = server.client();
        client.send("SET b 1");
        let dump = client.raw(&common::encode(&["DUMP", "b"]));
        let payload = &dump[dump.iter().position(|&byte| byte == b'\n').expect("a head") + 1..dump.len() - 2];
        let uses = if policy.is_lfu() { ["FREQ", "20"] } else { ["IDLETIME", "50"] };
        let words: [&[u8]; 6] = [b"RESTORE", b"a", b"0", payload, uses[0].as_bytes(), uses[1].as_bytes()];
        assert_eq!(client.call(&words), "+OK");
        cut(&server, 1, 1);
        let file = file_of(&server, 1);
        load(&other, 1, &file).expect("all of it is taken");
        assert_eq!(other.client().send(command), expected);
    }
}

#[test]
fn expired_keys_and_fields_stay_behind() {
    let server = TestCore::new(1);
    let client = server.client();
    client.send("SET a 1 PX 100");
    client.send("SET b 1 PX 10000");
    client.send("HSET h f v g v");
    client.send("HPEXPIRE h 100 FIELDS 2 f g");
    client.send("HSET i f v g v");
    client.send("HPEXPIRE i 10000 FIELDS 1 f");
    server.advance_ms(1_000);
    cut(&server, 1, 1);
    let file = file_of(&server, 1);
    assert_eq!(&file[..9], b"REDIS0012", "only Redis 7.4 knows fields that expire");
    let other = TestCore::new(1);
    other.advance_ms(1_000);
    assert_eq!(load(&other, 1, &file), Ok(Loaded { keys: 2, expired_keys: 0, empty_keys: 0 }));
    other.client().check(&[
        ("EXISTS a", ":0"),
        ("EXISTS h", ":0"),
        ("HLEN i", ":2"),
        ("HPTTL i FIELDS 1 f", "[:9000]"),
    ]);
    let late = TestCore::new(1);
    late.advance_ms(60_000);
    assert_eq!(load(&late, 1, &file), Ok(Loaded { keys: 1, expired_keys: 1, empty_keys: 0 }));
}

#[test]
fn a_fixed_version_that_cannot_hold_a_value_is_an_error() {
    let server = TestCore::with_config(1, |config| config.rdb_version = RdbVersion::V11);
    let client = server.client();
    client.send("HSET h f v");
    client.send("HPEXPIRE h 1000 FIELDS 1 f");
    cut(&server, 1, 1);
    server.engine(0, |engine| while engine.save_slice(1000).is_continue() {});
    let part = server.engine(0, |engine| engine.take_part(Vec::new()));
    let text = part.problem.expect("version 11 cannot").to_string();
    assert!(text.contains("expiring fields") && text.contains("11"), "{text}");
}

#[test]
fn while_loading_only_commands_that_do_without_the_data_run() {
    const LOADING: &str = "-LOADING Redis is loading the dataset in memory";
    let server = TestCore::new(2);
    let client = server.client();
    let tell =
        |persistence: Persistence| (0..2).for_each(|core| server.engine(core, |e| e.set_persistence(persistence)));
    client.check(&[("MULTI", "+OK"), ("GET a", "+QUEUED")]);
    let loading = Loading { began_s: 1_000, passed_ms: 2_000, bytes: 400, read_bytes: 100 };
    tell(Persistence { loading: Some(loading), ..Persistence::default() });
    client.check(&[("EXEC", &format!("-EXECABORT Transaction discarded because of: {}", &LOADING[1..]))]);
    client.check(&[
        ("GET a", LOADING),
        ("SET a 1", LOADING),
        ("PING", LOADING),
        ("SAVE", LOADING),
        ("DBSIZE", LOADING),
    ]);
    client.check(&[("SELECT 1", "+OK"), ("SELECT 0", "+OK"), ("LASTSAVE", ":0")]);
    let shown = client.send("INFO persistence");
    for line in ["loading:1", "loading_loaded_perc:25.00", "loading_eta_seconds:6", "loading_start_time:1000"] {
        assert!(shown.contains(&format!("{line}\\r\\n")), "{line}: {shown}");
    }
    tell(Persistence::default());
    client.check(&[("SET a 1", "+OK"), ("PING", "+PONG")]);
}

#[test]
fn writes_are_refused_when_the_data_could_not_be_saved() {
    let server = TestCore::new(2);
    let client = server.client();
    let tell = |has_failed| {
        let persistence = Persistence { saves: Saves { has_failed, ..Saves::default() }, ..Persistence::default() };
        (0..2).for_each(|core| server.engine(core, |engine| engine.set_persistence(persistence)));
    };
    tell(true);
    for line in ["SET a 1", "PING", "FLUSHALL"] {
        let reply = client.send(line);
        assert!(reply.starts_with("-MISCONF Redis is configured to save RDB snapshots, but"), "{line}: {reply}");
    }
    client.check(&[("GET a", "nil"), ("MULTI", "+OK")]);
    assert!(client.send("SET a 1").starts_with("-MISCONF"));
    assert!(client.send("EXEC").starts_with("-EXECABORT"));
    client.check(&[("CONFIG SET stop-writes-on-bgsave-error no", "+OK"), ("SET a 1", "+OK")]);
    client.check(&[
        ("CONFIG SET stop-writes-on-bgsave-error yes", "+OK"),
        ("CONFIG SET save \"\"", "+OK"),
        ("SET a 1", "+OK"),
    ]);
    client.check(&[("CONFIG SET save \"100 1 200 2\"", "+OK"), ("CONFIG GET save", "[\"save\", \"100 1 200 2\"]")]);
    assert!(client.send("SET a 1").starts_with("-MISCONF"));
    tell(false);
    client.check(&[("SET a 1", "+OK")]);
}

#[test]
fn where_files_are_changes_only_for_those_who_may() {
    const REFUSED: &str = "-ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config";
    let server = TestCore::new(1);
    let client = server.client();
    client.check(&[
        ("CONFIG SET maxclients 50 dir /tmp", REFUSED),
        ("CONFIG GET maxclients", "[\"maxclients\", \"10000\"]"),
    ]);
    let open = TestCore::with_config(1, |config| {
        config.enable_protected_configs = torc_engine::config::DebugAccess::Yes;
        config.dir = "/data".to_owned();
    });
    let client = open.client();
    client.check(&[("CONFIG SET dbfilename a/b", "-ERR CONFIG SET failed (possibly related to argument 'dbfilename') - dbfilename can't be a path, just a filename")]);
    client.check(&[
        ("CONFIG SET dbfilename other.rdb", "+OK"),
        ("CONFIG GET dbfilename", "[\"dbfilename\", \"other.rdb\"]"),
    ]);
    open.engine(0, Engine::take_host_requests);
    assert!(client.pipeline(&["CONFIG SET dir sub"]).is_empty(), "the host looks whether it is there");
    let asked = open.engine(0, Engine::take_host_requests);
    let change = |directory: Option<&str>, appends, is_answered_early| {
        let change = FileChange {
            directory: directory.map(str::to_owned),
            appends,
            listeners: None,
            tls: None,
            clears_history: false,
            is_answered_early,
        };
        [HostRequest::ChangeFiles { change, asker: client.connection() }]
    };
    assert_eq!(asked, change(Some("/data/sub"), None, false));
    open.engine(0, |engine| engine.on_host_answer(client.connection(), HostReply::Done));
    open.settle();
    assert_eq!(client.poll(), ["+OK"]);
    client.check(&[("CONFIG GET dir", "[\"dir\", \"/data/sub\"]")]);
    // The log goes on, unless it cannot.
    open.engine(0, Engine::take_host_requests);
    assert!(client.pipeline(&["CONFIG SET appendonly yes dir /other"]).is_empty(), "the host begins it");
    assert_eq!(open.engine(0, Engine::take_host_requests), change(Some("/other"), Some(true), false));
    open.engine(0, |engine| engine.on_host_answer(client.connection(), HostReply::Failed));
    open.settle();
    assert!(client.poll()[0].starts_with("-ERR CONFIG SET failed"));
    client.check(&[("CONFIG GET appendonly", "[\"appendonly\", \"no\"]"), ("CONFIG SET appendonly no", "+OK")]);
    // A transaction cannot wait for it.
    client.check(&[("MULTI", "+OK"), ("CONFIG SET appendonly yes", "+QUEUED")]);
    open.engine(0, Engine::take_host_requests);
    assert!(client.pipeline(&["EXEC"]).is_empty());
    assert_eq!(open.engine(0, Engine::take_host_requests), change(None, Some(true), true));
    open.engine(0, |engine| engine.on_host_answer(client.connection(), HostReply::Done));
    open.settle();
    assert_eq!(client.poll(), ["[+OK]"]);
    // The configuration says so, and the host has not: it is asked again.
    open.engine(0, Engine::take_host_requests);
    assert!(client.pipeline(&["CONFIG SET appendonly yes"]).is_empty());
    assert_eq!(open.engine(0, Engine::take_host_requests), change(None, Some(true), false));
}

/// DEBUG RELOAD while there is a log, which is written anew behind it.
#[test]
fn nobody_is_told_of_what_is_loaded() {
    let server = TestCore::new(1);
    server.engine(0, Engine::begin_stream);
    let client = server.client();
    client.check(&[("HSET h a 1 b 2", ":2"), ("HPEXPIRE h 100 FIELDS 1 a", "[:1]"), ("SET k v", "+OK")]);
    cut(&server, 1, 1);
    let file = file_of(&server, 1);
    let told = || match server.engine(0, |engine| engine.take_units()) {
        Taken::Units(units) => units.into_effects(),
        Taken::Lost => panic!("they are taken in time"),
    };
    told();
    server.engine(0, Engine::empty);
    load(&server, 1, &file).expect("all of it is taken");
    assert_eq!(client.send("GET k"), "\"v\"");
    assert_eq!(told(), []);
    server.advance_ms(200);
    assert_eq!(client.send("HGET h a"), "nil");
    let told = told();
    assert!(matches!(told[..], [Effect::Propagated(_)]), "the field has expired: {told:?}");
}
