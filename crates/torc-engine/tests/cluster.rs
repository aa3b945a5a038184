//! CLUSTER and its companions: the cores as the nodes of a cluster.

mod common;

use std::sync::Arc;

use common::{Client, START_MS, TestCore, key_of_each_core};
use torc_engine::effect::{Effect, Reads};
use torc_engine::route::SlotMap;
use torc_engine::{ConnectionInfo, Engine, Taken};

const DISABLED: &str = "-ERR This instance has cluster support disabled";

const RUN_ID: &str = "0123456789abcdef0123456789abcdef01234567";
const ID: [&str; 3] = [
    "0123456789abcdef0123456789abcdef01230000",
    "0123456789abcdef0123456789abcdef01230001",
    "0123456789abcdef0123456789abcdef01230002",
];

/// A server whose cores have ports from 7000.
fn with_ports(cores: u16) -> TestCore {
    let core = TestCore::with_config(cores, |config| config.core_ports = true);
    name_nodes(&core, cores);
    core
}

/// Gives the cores their ports and the process its id.
fn name_nodes(core: &TestCore, cores: u16) {
    for number in 0..cores {
        core.engine(number, |engine| {
            let identity = engine.inspect_mut().identity_mut();
            identity.core_ports = (7000..7000 + cores).collect();
            identity.run_id = RUN_ID.to_owned();
        });
    }
}

#[test]
fn without_core_ports_all_is_refused() {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(&[
            ("CLUSTER HELP", DISABLED),
            ("CLUSTER INFO", DISABLED),
            ("CLUSTER NODES", DISABLED),
            ("CLUSTER SLOTS", DISABLED),
            ("CLUSTER SHARDS", DISABLED),
            ("CLUSTER LINKS", DISABLED),
            ("CLUSTER MYID", DISABLED),
            ("CLUSTER MYSHARDID", DISABLED),
            ("CLUSTER KEYSLOT foo", DISABLED),
            ("CLUSTER COUNTKEYSINSLOT 1", DISABLED),
            ("CLUSTER COUNTKEYSINSLOT abc", DISABLED),
            ("CLUSTER GETKEYSINSLOT 16383 1", DISABLED),
            ("CLUSTER REPLICAS x", DISABLED),
            ("CLUSTER SLAVES x", DISABLED),
            ("CLUSTER COUNT-FAILURE-REPORTS x", DISABLED),
            ("CLUSTER SAVECONFIG", DISABLED),
            ("CLUSTER BUMPEPOCH", DISABLED),
            ("READONLY", DISABLED),
            ("READWRITE", DISABLED),
            ("ASKING", DISABLED),
            ("CLUSTER", "-ERR wrong number of arguments for 'cluster' command"),
            ("CLUSTER KEYSLOT", "-ERR wrong number of arguments for 'cluster|keyslot' command"),
            ("CLUSTER FOO", "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP."),
        ]);
    }
}

#[test]
fn plain_replies() {
    for cores in [1, 3] {
        with_ports(cores).client().check(&[
            ("READONLY", "+OK"),
            ("READWRITE", "+OK"),
            ("ASKING", "+OK"),
            ("READONLY x", "-ERR wrong number of arguments for 'readonly' command"),
            ("CLUSTER LINKS", "[]"),
            ("CLUSTER KEYSLOT foo", ":12182"),
            ("CLUSTER KEYSLOT x{foo}y", ":12182"),
            ("CLUSTER KEYSLOT \"\"", ":0"),
            ("CLUSTER COUNTKEYSINSLOT 1", ":0"),
            ("CLUSTER COUNTKEYSINSLOT abc", "-ERR value is not an integer or out of range"),
            ("CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot"),
            ("CLUSTER COUNTKEYSINSLOT -1", "-ERR Invalid slot"),
            ("CLUSTER GETKEYSINSLOT 1 1", "[]"),
            ("CLUSTER GETKEYSINSLOT abc 1", "-ERR value is not an integer or out of range"),
            ("CLUSTER GETKEYSINSLOT 1 abc", "-ERR value is not an integer or out of range"),
            ("CLUSTER GETKEYSINSLOT 16384 1", "-ERR Invalid slot or number of keys"),
            ("CLUSTER GETKEYSINSLOT 12182 -1", "-ERR Invalid slot or number of keys"),
            ("CLUSTER GETKEYSINSLOT 1", "-ERR wrong number of arguments for 'cluster|getkeysinslot' command"),
            ("CLUSTER NODES x", "-ERR wrong number of arguments for 'cluster|nodes' command"),
            ("CLUSTER", "-ERR wrong number of arguments for 'cluster' command"),
            ("CLUSTER MEET 127.0.0.1 7001", "-ERR unknown subcommand 'MEET'. Try CLUSTER HELP."),
        ]);
    }
    let help = with_ports(1).client().send("CLUSTER HELP");
    assert!(help.contains("Subcommands are:, +BUMPEPOCH, "), "{help}");
}

#[test]
fn keys_of_a_slot_come_from_the_core_that_owns_it() {
    let core = with_ports(3);
    let client = core.client();
    for key in key_of_each_core(3, "k") {
        let slot = client.send(&format!("CLUSTER KEYSLOT {key}"))[1..].to_owned();
        for number in 0..5 {
            client.send(&format!("SET {{{key}}}{number} x"));
        }
        assert_eq!(client.send(&format!("CLUSTER COUNTKEYSINSLOT {slot}")), ":5");
        let some = client.send(&format!("CLUSTER GETKEYSINSLOT {slot} 3"));
        assert_eq!(some.matches(&format!("{{{key}}}")).count(), 3, "{some}");
        let all = client.send(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
        assert_eq!(all.matches(&format!("{{{key}}}")).count(), 5, "{all}");
        assert_eq!(client.send(&format!("CLUSTER GETKEYSINSLOT {slot} 0")), "[]");
    }
}

#[test]
fn slots_in_both_protocols() {
    let client = with_ports(3).client();
    let slots = |metadata: &str| {
        format!(
            "[[:0, :5461, [\"127.0.0.1\", :7000, \"{}\", {metadata}]], \
             [:5462, :10922, [\"127.0.0.1\", :7001, \"{}\", {metadata}]], \
             [:10923, :16383, [\"127.0.0.1\", :7002, \"{}\", {metadata}]]]",
            ID[0], ID[1], ID[2]
        )
    };
    assert_eq!(client.send("CLUSTER SLOTS"), slots("[]"));
    client.send("HELLO 3");
    assert_eq!(client.send("CLUSTER SLOTS"), slots("{}"));
}

#[test]
fn shards_in_both_protocols() {
    let client = with_ports(1).client();
    let node = format!(
        "\"id\", \"{}\", \"port\", :7000, \"ip\", \"127.0.0.1\", \"endpoint\", \"127.0.0.1\", \"role\", \"master\", \
         \"replication-offset\", :0, \"health\", \"online\"",
        ID[0]
    );
    assert_eq!(client.send("CLUSTER SHARDS"), format!("[[\"slots\", [:0, :16383], \"nodes\", [[{node}]]]]"));
    client.send("HELLO 3");
    let node = format!(
        "{{\"id\": \"{}\", \"port\": :7000, \"ip\": \"127.0.0.1\", \"endpoint\": \"127.0.0.1\", \"role\": \"master\", \
         \"replication-offset\": :0, \"health\": \"online\"}}",
        ID[0]
    );
    assert_eq!(client.send("CLUSTER SHARDS"), format!("[{{\"slots\": [:0, :16383], \"nodes\": [{node}]}}]"));
}

#[test]
fn nodes_and_ids_are_those_of_the_asking_core() {
    let core = with_ports(3);
    for (own, id) in (0..3).zip(ID) {
        let client = core.client_on(own);
        assert_eq!(client.send("CLUSTER MYID"), format!("\"{id}\""));
        let shard_id = client.send("CLUSTER MYSHARDID");
        assert_eq!(shard_id, format!("\"000{own}{}\"", &RUN_ID[..36]));
        let text = text_of(&client, b"CLUSTER NODES\r\n");
        let ranges = ["0-5461", "5462-10922", "10923-16383"];
        let line = |node: u16| {
            let (flags, pong_ms) = if node == own { ("myself,master", 0) } else { ("master", START_MS) };
            let (id, range, epoch) = (ID[usize::from(node)], ranges[usize::from(node)], node + 1);
            format!("{id} 127.0.0.1:{}@{} {flags} - 0 {pong_ms} {epoch} connected {range}\n", 7000 + node, 17000 + node)
        };
        assert_eq!(text, (0..3).map(line).collect::<String>());
    }
}

#[test]
fn nodes_have_no_replicas_and_no_failures_and_keep_their_epochs() {
    let core = with_ports(3);
    for own in 0..3 {
        let client = core.client_on(own);
        for id in ID {
            client.check(&[
                (&format!("CLUSTER REPLICAS {id}"), "[]"),
                (&format!("CLUSTER SLAVES {id}"), "[]"),
                (&format!("CLUSTER COUNT-FAILURE-REPORTS {id}"), ":0"),
            ]);
        }
        client.check(&[
            ("CLUSTER REPLICAS x", "-ERR Unknown node x"),
            ("CLUSTER SLAVES x", "-ERR Unknown node x"),
            ("CLUSTER COUNT-FAILURE-REPORTS 0123", "-ERR Unknown node 0123"),
            ("CLUSTER REPLICAS", "-ERR wrong number of arguments for 'cluster|replicas' command"),
            ("CLUSTER SAVECONFIG", "+OK"),
            ("CLUSTER BUMPEPOCH", &format!("+STILL {}", own + 1)),
            ("CLUSTER BUMPEPOCH", &format!("+STILL {}", own + 1)),
        ]);
    }
}

#[test]
fn info_counts_the_cores() {
    let text = text_of(&with_ports(3).client_on(1), b"CLUSTER INFO\r\n");
    assert!(
        text.starts_with("cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\ncluster_known_nodes:3\r\ncluster_size:3\r\n"), "{text}");
    assert!(text.contains("\r\ncluster_current_epoch:3\r\ncluster_my_epoch:2\r\n"), "{text}");
    assert!(text.ends_with("\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n"), "{text}");
}

#[test]
fn the_host_is_the_address_the_client_came_to() {
    let core = with_ports(1);
    for (local_address, unix, host) in [
        ("10.1.2.3:6379", false, "10.1.2.3"),
        ("[::1]:6379", false, "::1"),
        ("::1:6379", false, "::1"),
        ("/run/torc.sock", true, "127.0.0.1"),
    ] {
        let info = ConnectionInfo {
            local_address: local_address.to_owned(),
            unix,
            local_peer: true,
            ..ConnectionInfo::default()
        };
        let slots = core.client_with(0, info).send("CLUSTER SLOTS");
        assert!(slots.starts_with(&format!("[[:0, :16383, [\"{host}\", :7000, ")), "{slots}");
    }
}

#[test]
fn only_a_core_port_redirects() {
    let core = with_ports(3);
    let [_, key, _] = key_of_each_core(3, "k").try_into().expect("three keys");
    let slot = core.client().send(&format!("CLUSTER KEYSLOT {key}"))[1..].to_owned();
    let info = ConnectionInfo {
        local_address: "127.0.0.1:7000".to_owned(),
        local_peer: true,
        core_port: true,
        ..ConnectionInfo::default()
    };
    let strict = core.client_with(0, info);
    assert_eq!(strict.send(&format!("EXISTS {key}")), format!("-MOVED {slot} 127.0.0.1:7001"));
    assert_eq!(strict.send(&format!("CLUSTER COUNTKEYSINSLOT {slot}")), ":0");
    assert_eq!(core.client().send(&format!("EXISTS {key}")), ":0");
}

/// A client of core 0's own port.
fn strict_client(core: &TestCore) -> Client {
    let local_address = "127.0.0.1:7000".to_owned();
    core.client_with(
        0,
        ConnectionInfo { local_address, local_peer: true, core_port: true, ..ConnectionInfo::default() },
    )
}

/// `%0` to `%2` are keys of the three cores, which are hash tags too.
fn with(keys: &[String], line: &str) -> String {
    (0..keys.len()).fold(line.to_owned(), |line, core| line.replace(&format!("%{core}"), &keys[core]))
}

#[test]
fn one_slot_of_another_core_is_redirected_whatever_the_route() {
    let core = with_ports(3);
    let keys = key_of_each_core(3, "k");
    let (strict, free) = (strict_client(&core), core.client());
    let slot = free.send(&format!("CLUSTER KEYSLOT {}", keys[1]))[1..].to_owned();
    let moved = format!("-MOVED {slot} 127.0.0.1:7001");
    for request in [
        "GET %1",
        "SET %1 x",
        "DEL %1",
        "DEL a{%1} b{%1}",
        "MSET %1 x",
        "MGET a{%1} b{%1}",
        "MSETNX a{%1} x b{%1} y",
        "RENAME a{%1} b{%1}",
        "LMOVE a{%1} b{%1} LEFT LEFT",
        "SINTERSTORE a{%1} b{%1} c{%1}",
        "SORT %1",
        "BLPOP %1 0",
        "BLPOP a{%1} b{%1} 0",
        "BLMOVE a{%1} b{%1} LEFT LEFT 0",
        "XREAD BLOCK 0 STREAMS %1 $",
        "WATCH %1",
    ] {
        assert_eq!(strict.send(&with(&keys, request)), moved, "{request}");
    }
    assert_eq!(strict.pipeline(&[&with(&keys, "GET %1"), &with(&keys, "GET %0")]), [moved.as_str(), "nil"]);
    // Faults of the request itself come first, and what has no usable keys is for the command to refuse.
    assert_eq!(strict.send(&with(&keys, "GET %1 x")), "-ERR wrong number of arguments for 'get' command");
    assert_eq!(strict.send(&with(&keys, "LMPOP x %1 LEFT")), free.send(&with(&keys, "LMPOP x %1 LEFT")));
    assert!(free.send("KEYS *") == "[]" && core.engine(1, |engine| engine.nobody_waits()), "nothing has run");
}

#[test]
fn inside_multi_a_redirection_spoils_the_transaction() {
    let core = with_ports(3);
    let keys = key_of_each_core(3, "k");
    let strict = strict_client(&core);
    for request in ["GET %1", "DEL %1", "BLPOP %1 0", "LMOVE a{%1} b{%1} LEFT LEFT"] {
        strict.check(&[("MULTI", "+OK"), (&with(&keys, "SET %0 x"), "+QUEUED")]);
        assert!(strict.send(&with(&keys, request)).starts_with("-MOVED "), "{request}");
        strict.check(&[
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
            (&with(&keys, "EXISTS %0"), ":0"),
        ]);
    }
    strict.check(&[("MULTI", "+OK"), (&with(&keys, "SET %0 x"), "+QUEUED"), ("EXEC", "[+OK]")]);
}

#[test]
fn what_spans_slots_runs_from_any_core_port() {
    let core = with_ports(3);
    let keys = key_of_each_core(3, "k");
    let strict = strict_client(&core);
    for (request, reply) in [
        ("MSET %0 0 %1 1 %2 2", "+OK"),
        ("MGET %2 %1 %0", "[\"2\", \"1\", \"0\"]"),
        ("MSET %1 1 %2 2", "+OK"),
        ("DEL %1 %2", ":2"),
        ("RENAME %0 %1", "+OK"),
        ("LMOVE %0 %2 LEFT LEFT", "nil"),
        ("BLPOP %1 %2 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("MULTI", "+OK"),
        ("EXISTS %0 %1 %2", "+QUEUED"),
        ("EXEC", "[:1]"),
        ("DBSIZE", ":0"),
    ] {
        assert_eq!(strict.send(&with(&keys, request)), reply, "{request}");
    }
    assert_eq!(core.client().send("DBSIZE"), ":1");
}

/// A server of three cores with so many keys, a client of each core's own port, and one of the common port.
fn with_nodes(keys: usize) -> (TestCore, Vec<Client>, Client) {
    let core = with_ports(3);
    let nodes = (0..3).map(|number| {
        let local_address = format!("127.0.0.1:{}", 7000 + number);
        core.client_with(
            number,
            ConnectionInfo { local_address, local_peer: true, core_port: true, ..ConnectionInfo::default() },
        )
    });
    let (nodes, free) = (nodes.collect(), core.client());
    for number in 0..keys {
        free.send(&format!("SET key:{number} x"));
    }
    (core, nodes, free)
}

/// Keys on each core.
fn lens(core: &TestCore, db: u16) -> Vec<usize> {
    (0..3).map(|number| core.engine(number, |engine| engine.inspect().keyspace().len(db))).collect()
}

/// All keys that SCAN finds, in quotes, in the order in which they come.
fn scan_all(client: &Client, options: &str) -> Vec<String> {
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    for _ in 0..1000 {
        let reply = client.send(&format!("SCAN {cursor} {options}"));
        let words: Vec<&str> = reply.split('"').skip(1).step_by(2).collect();
        cursor = words[0].to_owned();
        found.extend(words[1..].iter().map(|&key| key.to_owned()));
        if cursor == "0" {
            return found;
        }
    }
    panic!("the scan never ends");
}

#[test]
fn on_a_core_port_keys_are_counted_and_listed_of_that_core() {
    let (core, nodes, free) = with_nodes(300);
    let lens = lens(&core, 0);
    assert!(lens.iter().all(|&len| len > 50), "{lens:?}");
    for (node, len) in nodes.iter().zip(&lens) {
        assert_eq!(node.send("DBSIZE"), format!(":{len}"));
        let keys = node.send("KEYS *");
        assert_eq!(keys.matches("key:").count(), *len);
        for options in ["", "COUNT 1000"] {
            let mut found = scan_all(node, options);
            assert!(found.iter().all(|key| keys.contains(&format!("\"{key}\""))), "keys of this core");
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.len(), *len, "each of them");
        }
        for _ in 0..50 {
            assert!(keys.contains(&node.send("RANDOMKEY")));
        }
        let info = text_of(node, b"INFO keyspace\r\n");
        assert!(info.contains(&format!("\r\ndb0:keys={len},")), "{info}");
    }
    assert_eq!(free.send("DBSIZE"), ":300");
    assert_eq!(scan_all(&free, "").len(), 300);
    let slot = free.send("CLUSTER KEYSLOT key:1")[1..].to_owned();
    let count = |client: &Client| client.send(&format!("CLUSTER COUNTKEYSINSLOT {slot}"));
    let list = |client: &Client| client.send(&format!("CLUSTER GETKEYSINSLOT {slot} 10"));
    let (mut counts, mut lists): (Vec<_>, Vec<_>) = nodes.iter().map(|node| (count(node), list(node))).unzip();
    counts.sort_unstable();
    lists.sort_unstable();
    assert_eq!((counts[2].as_str(), lists[0].as_str()), (count(&free).as_str(), list(&free).as_str()));
    assert_eq!(
        (&counts[..2], &lists[1..]),
        (&[":0", ":0"].map(str::to_owned)[..], &["[]", "[]"].map(str::to_owned)[..])
    );
}

#[test]
fn on_a_core_port_flushes_and_swaps_concern_that_core() {
    let (core, nodes, free) = with_nodes(60);
    let before = lens(&core, 0);
    nodes[1].check(&[("SWAPDB 0 1", "+OK")]);
    assert_eq!((lens(&core, 0), lens(&core, 1)), (vec![before[0], 0, before[2]], vec![0, before[1], 0]));
    nodes[1].check(&[("SWAPDB 0 1", "+OK"), ("FLUSHDB", "+OK")]);
    assert_eq!(lens(&core, 0), [before[0], 0, before[2]]);
    nodes[2].check(&[("FLUSHALL", "+OK")]);
    assert_eq!(lens(&core, 0), [before[0], 0, 0]);
    // Sent to each of them it concerns all.
    nodes.iter().for_each(|node| node.check(&[("FLUSHALL", "+OK")]));
    assert_eq!(free.send("DBSIZE"), ":0");
}

#[test]
fn on_a_core_port_a_transaction_is_about_that_core_too() {
    let (core, nodes, _) = with_nodes(60);
    let before = lens(&core, 0);
    let own: Vec<String> = scan_all(&nodes[1], "COUNT 1000");
    let listed = own.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ");
    let len = before[1];
    nodes[1].check(&[
        ("MULTI", "+OK"),
        ("DBSIZE", "+QUEUED"),
        ("SCAN 0 COUNT 1000", "+QUEUED"),
        ("FLUSHALL", "+QUEUED"),
        ("DBSIZE", "+QUEUED"),
        ("EXEC", &format!("[:{len}, [\"0\", [{listed}]], +OK, :0]")),
    ]);
    assert_eq!(lens(&core, 0), [before[0], 0, before[2]]);
    // A key of another core takes part, when several are named.
    let keys = key_of_each_core(3, "k");
    nodes[0].check(&[
        ("MULTI", "+OK"),
        (&with(&keys, "MSET %0 x %2 y"), "+QUEUED"),
        ("DBSIZE", "+QUEUED"),
        ("SCAN 0 COUNT 1000 MATCH k?", "+QUEUED"),
        ("EXEC", &with(&keys, &format!("[+OK, :{}, [\"0\", [\"%0\"]]]", before[0] + 1))),
    ]);
}

#[test]
fn on_a_core_port_clients_and_figures_are_those_of_that_core() {
    let (core, nodes, free) = with_nodes(0);
    let second = core.client_with(1, ConnectionInfo { local_peer: true, ..ConnectionInfo::default() });
    let lines = |client: &Client| client.send("CLIENT LIST").matches("id=").count();
    assert_eq!([lines(&free), lines(&nodes[0]), lines(&nodes[1]), lines(&nodes[2])], [5, 2, 2, 1]);
    let clients = nodes[2].send("INFO clients");
    assert!(clients.contains(r"\r\nconnected_clients:1\r\n"), "{clients}");
    let keys = key_of_each_core(3, "k");
    free.check(&[(&with(&keys, "MGET %0 %1 %1"), "[nil, nil, nil]")]);
    for (node, misses) in nodes.iter().zip([1, 2, 0]) {
        let stats = node.send("INFO stats");
        assert!(stats.contains(&format!(r"\r\nkeyspace_misses:{misses}\r\n")), "{stats}");
    }
    assert_eq!(nodes[0].send("CLIENT KILL TYPE normal"), ":1");
    assert!(free.is_closed() && !second.is_closed() && !nodes[1].is_closed());
    assert_eq!(nodes[1].send("CLIENT KILL TYPE normal"), ":1");
    assert!(second.is_closed());
    // What is set is set for the process.
    nodes[1].check(&[("CONFIG SET timeout 77", "+OK")]);
    assert_eq!(nodes[2].send("CONFIG GET timeout"), "[\"timeout\", \"77\"]");
}

/// All that follows from a map that is not even: the keys lie where it says, and clients are told so.
#[test]
fn slots_may_lie_anywhere() {
    let slots = Arc::new(SlotMap::new(3, |slot| match slot {
        12182 => 2,
        ..8000 => 1,
        _ => 0,
    }));
    let core = TestCore::with_slots(&slots, |config| config.core_ports = true);
    name_nodes(&core, 3);
    let client = core.client_on(1);
    // `foo` is in slot 12182, `bar` in 5061, `baz` in 4813, `qux` in 9995.
    client.check(&[("MSET foo 1 bar 2 baz 3 qux 4", "+OK"), ("MGET foo bar baz qux", "[\"1\", \"2\", \"3\", \"4\"]")]);
    let len = |number| core.engine(number, |engine| engine.inspect().keyspace().len(0));
    assert_eq!([len(0), len(1), len(2)], [1, 2, 1]);
    client.check(&[("CLUSTER COUNTKEYSINSLOT 12182", ":1"), ("CLUSTER GETKEYSINSLOT 12182 9", "[\"foo\"]")]);
    assert_eq!(strict_client(&core).send("GET foo"), "-MOVED 12182 127.0.0.1:7002");
    assert_eq!(strict_client(&core).send("GET qux"), "\"4\"");
    let node = |core: usize| format!("[\"127.0.0.1\", :{}, \"{}\", []]", 7000 + core, ID[core]);
    let entries = [(0, 7999, 1), (8000, 12181, 0), (12182, 12182, 2), (12183, 16383, 0)];
    let entries = entries.map(|(first, last, core)| format!("[:{first}, :{last}, {}]", node(core)));
    assert_eq!(client.send("CLUSTER SLOTS"), format!("[{}]", entries.join(", ")));
    let text = text_of(&client, b"CLUSTER NODES\r\n");
    for line_end in [" 1 connected 8000-12181 12183-16383\n", " 2 connected 0-7999\n", " 3 connected 12182\n"] {
        assert!(text.contains(line_end), "{text}");
    }
    let shards = client.send("CLUSTER SHARDS");
    assert!(shards.contains("[\"slots\", [:8000, :12181, :12183, :16383], \"nodes\""), "{shards}");
}

/// The text of a reply that is one bulk string, which is the same text in a verbatim string of RESP3.
fn text_of(client: &Client, request: &[u8]) -> String {
    let bulk = String::from_utf8(client.raw(request)).expect("text");
    let (head, text) = bulk.split_once("\r\n").expect("a head");
    let text = text.strip_suffix("\r\n").expect("a line end");
    assert_eq!(head, format!("${}", text.len()));
    client.send("HELLO 3");
    let verbatim = String::from_utf8(client.raw(request)).expect("text");
    assert_eq!(verbatim, format!("={}\r\ntxt:{text}\r\n", text.len() + 4));
    client.send("HELLO 2");
    text.to_owned()
}

/// What all cores have told since they were last asked, each in its database.
fn told(core: &TestCore) -> Vec<(u16, Vec<u8>)> {
    let of_core = |number| match core.engine(number, Engine::take_units) {
        Taken::Units(units) => units.into_effects(),
        Taken::Lost => panic!("little is told"),
    };
    let propagated = |effect| match effect {
        Effect::Propagated(propagated) => Some((propagated.db, propagated.request.to_vec())),
        _ => None,
    };
    (0..3).flat_map(of_core).filter_map(propagated).collect()
}

/// FLUSHALL through the port of a core is about that core, which no other server knows: it is told by result.
#[test]
fn what_one_core_removes_is_told_key_by_key() {
    let (core, nodes, free) = with_nodes(0);
    let copy = TestCore::new(2);
    let follower = copy.client();
    let follow = |told: &[(u16, Vec<u8>)]| {
        for (db, request) in told {
            follower.send(&format!("SELECT {db}"));
            follower.exchange(request);
        }
    };
    (0..3).for_each(|number| core.engine(number, |engine| engine.read_effects(Reads::Commands)));
    for number in 0..4000 {
        free.send(&format!("SET key:{number} x"));
    }
    free.send("SELECT 3");
    for number in 0..50 {
        free.send(&format!("HSET other:{number} f v"));
        // Some will have expired, and not be removed.
        free.send(&format!("SET short:{number} x PX 10"));
    }
    core.advance_ms(20);
    follow(&told(&core));
    let same_keys = || {
        let lens: Vec<usize> = [0, 3].map(|db| lens(&core, db).iter().sum()).into();
        let of_copy: Vec<usize> = [0, 3]
            .map(|db| (0..2).map(|at| copy.engine(at, |engine| engine.inspect().keyspace().len(db))).sum())
            .into();
        assert_eq!(of_copy, lens);
    };
    same_keys();
    let before = lens(&core, 0)[1];
    assert!(before > 1000, "they are more than one command has");
    assert_eq!(nodes[1].send("FLUSHALL"), "+OK");
    let commands = told(&core);
    let databases: Vec<u16> = commands.iter().map(|(db, _)| *db).collect();
    assert_eq!(databases, [0, 0, 3]);
    assert!(commands.iter().all(|(_, request)| String::from_utf8_lossy(request).contains("UNLINK")));
    follow(&commands);
    assert_eq!([lens(&core, 0)[1], lens(&core, 3)[1]], [0, 0]);
    same_keys();
    // In a transaction, of one database, and of nothing.
    let replies = nodes[2].pipeline(&["MULTI", "FLUSHDB", "EXEC", "FLUSHDB SYNC"]);
    assert_eq!(replies, ["+OK", "+QUEUED", "[+OK]", "+OK"]);
    let commands = told(&core);
    assert!(commands.len() > 1 && commands.iter().all(|(db, _)| *db == 0), "of the second there is nothing to tell");
    follow(&commands);
    same_keys();
    assert_eq!(nodes[1].send("FLUSHALL"), "+OK");
    assert!(told(&core).is_empty(), "nothing was there");
    // Of all cores it is told as it came, as by a server without ports of cores.
    assert_eq!(free.send("FLUSHALL"), "+OK");
    let commands = told(&core);
    assert_eq!(commands.len(), 1);
    follow(&commands);
    same_keys();
}

#[test]
fn what_cannot_be_told_by_result_is_refused_while_it_is_told() {
    let (core, nodes, free) = with_nodes(0);
    let [_, key, _] = key_of_each_core(3, "k").try_into().expect("three keys");
    let name = [format!("{{{key}}}").into_bytes(), vec![b'x'; 33 << 20]].concat();
    assert_eq!(free.call(&[&b"SET"[..], &name, b"v"]), "+OK");
    assert_eq!(nodes[1].send("SWAPDB 0 1"), "+OK");
    assert_eq!(nodes[1].send("SWAPDB 0 1"), "+OK");
    (0..3).for_each(|number| core.engine(number, |engine| engine.read_effects(Reads::Commands)));
    let too_many = |command: &str| {
        format!(
            "-ERR {command} through the port of a core: these are too many keys to be logged one by one while appendonly is yes"
        )
    };
    assert_eq!(nodes[1].send("FLUSHALL"), too_many("FLUSHALL"));
    assert_eq!(nodes[1].send("FLUSHDB ASYNC"), too_many("FLUSHDB"));
    let refused = "-ERR SWAPDB is not possible through the port of a core while appendonly is yes";
    assert_eq!(nodes[1].send("SWAPDB 0 1"), refused);
    assert_eq!(nodes[1].send("SWAPDB 0 99999"), "-ERR DB index is out of range");
    assert!(told(&core).is_empty());
    assert_eq!(lens(&core, 0), [0, 1, 0], "nothing has changed");
    for line in ["SWAPDB 0 1", "FLUSHALL"] {
        assert_eq!(free.send(line), "+OK", "of the whole server it is told as it came");
    }
    assert_eq!(nodes[1].send("FLUSHALL"), "+OK");
    // One core is the whole server.
    let alone = with_ports(1);
    alone.engine(0, |engine| engine.read_effects(Reads::Commands));
    let strict = strict_client(&alone);
    assert_eq!([strict.send("SWAPDB 0 1"), strict.send("FLUSHALL")], ["+OK", "+OK"]);
}
