//! CLUSTER and its companions: the cores as the nodes of a cluster.

mod common;

use common::{Client, START_MS, TestCore, key_of_each_core};
use torc_engine::ConnectionInfo;

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
    for number in 0..cores {
        core.engine(number, |engine| {
            let identity = engine.inspect_mut().identity_mut();
            identity.core_ports = (7000..7000 + cores).collect();
            identity.run_id = RUN_ID.to_owned();
        });
    }
    core
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
    assert!(help.contains("Subcommands are:, +COUNTKEYSINSLOT slot"), "{help}");
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
