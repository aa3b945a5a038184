//! What commands carry from core to core: each source once, in one extract for each owner, within `relay-max-bytes`; and the replies of one
//! core all the same.

mod common;

use common::{Client, TestCore, hits_and_misses, key_of_each_core};
use torc_store::BigFrom;

const TOO_LARGE: &str = "-ERR the command would carry more than relay-max-bytes from core to core";

/// Commands that read sources; `S` stands for them, `N` for their number, `D` for a destination, `W` for a weight of each.
const COMBINING: [&str; 26] = [
    "SUNION S",
    "SINTER S",
    "SDIFF S",
    "SINTERCARD N S",
    "SINTERCARD N S LIMIT 3",
    "SUNIONSTORE D S",
    "SINTERSTORE D S",
    "SDIFFSTORE D S",
    "ZUNION N S WEIGHTS W WITHSCORES",
    "ZUNION N S WEIGHTS W AGGREGATE MIN WITHSCORES",
    "ZUNION N S WEIGHTS W AGGREGATE MAX WITHSCORES",
    "ZINTER N S WEIGHTS W WITHSCORES",
    "ZINTER N S AGGREGATE MIN WITHSCORES",
    "ZDIFF N S WITHSCORES",
    "ZINTERCARD N S LIMIT 2",
    "ZUNIONSTORE D N S WEIGHTS W",
    "ZINTERSTORE D N S WEIGHTS W AGGREGATE MAX",
    "ZDIFFSTORE D N S",
    "BITOP AND D S",
    "BITOP OR D S",
    "BITOP XOR D S",
    "BITOP ONE D S",
    "BITOP DIFF D S",
    "BITOP ANDOR D S",
    "PFMERGE D S",
    "PFCOUNT S",
];

/// The request of a template.
fn request(template: &str, destination: &str, sources: &[&str]) -> Vec<String> {
    let mut words = Vec::new();
    for word in template.split(' ') {
        match word {
            "S" => words.extend(sources.iter().map(|source| (*source).to_owned())),
            "N" => words.push(sources.len().to_string()),
            "D" => words.push(destination.to_owned()),
            "W" => words.extend((0..sources.len()).map(|number| (0.1 * (1 + number % 7) as f64).to_string())),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Fills the keys that a command of this name reads; what they hold overlaps.
fn fill(client: &Client, name: &str, keys: &[String]) {
    for (number, key) in keys.iter().enumerate() {
        assert!(client.send(&format!("DEL {key}")).starts_with(':'));
        let members = (0..40).filter(|member| member % (number + 2) != 1);
        let words = match name.as_bytes()[0] {
            b'S' => members.fold(format!("SADD {key}"), |line, member| format!("{line} m{member}")),
            b'Z' => members.fold(format!("ZADD {key}"), |line, member| {
                format!("{line} {} m{member}", 0.1 * member as f64 + 1e15 * (member % 3) as f64)
            }),
            b'B' => format!("SET {key} {}", format!("{number}a").repeat(30 + number)),
            _ => members.fold(format!("PFADD {key}"), |line, member| format!("{line} m{member}")),
        };
        assert!(!client.send(&words).starts_with('-'), "{words}");
    }
}

fn relayed_bytes(core: &TestCore) -> u64 {
    core.engine(0, |engine| engine.inspect().stats().relayed_bytes)
}

/// How often keys were found and missed, on all cores.
fn lookups(core: &TestCore, cores: u16) -> (u64, u64) {
    let of_cores = (0..cores).map(|at| core.engine(at, |engine| hits_and_misses(engine)));
    of_cores.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
}

/// A reply whose elements may come in any order, in one that is the same everywhere.
fn in_order(name: &str, reply: String) -> String {
    if !name.starts_with('S') || !reply.starts_with('[') {
        return reply;
    }
    let mut elements: Vec<&str> = reply.trim_matches(['[', ']']).split(", ").collect();
    elements.sort_unstable();
    elements.join(", ")
}

#[test]
fn a_source_travels_once_however_often_it_is_named() {
    let core = TestCore::new(2);
    let client = core.client();
    let [home, away] = [0, 1].map(|at| key_of_each_core(2, "k")[at].clone());
    for template in COMBINING {
        let name = template.split(' ').next().expect("a command has a name");
        fill(&client, name, &[home.clone(), away.clone()]);
        let destination = format!("{{{home}}}d");
        let carried = [1, 1000].map(|times| {
            let sources: Vec<&str> = [&home[..]].into_iter().chain(std::iter::repeat_n(&away[..], times)).collect();
            client.send(&format!("DEL {destination}"));
            let before = relayed_bytes(&core);
            let reply = client.call(&request(template, &destination, &sources));
            assert!(!reply.starts_with('-'), "{template}: {reply}");
            relayed_bytes(&core) - before
        });
        // ONE has two accumulators, of which the second is empty for a single source.
        let most = if template.contains("ONE") { 2 * carried[0] } else { carried[0] };
        assert!(carried[0] > 0 && carried[1] <= most, "{template} carries {carried:?} bytes");
    }
}

#[test]
fn replies_and_lookups_are_those_of_one_core() {
    const CORES: u16 = 3;
    compare_with_one_core(&TestCore::new(1), &TestCore::new(CORES), CORES);
}

#[test]
fn so_they_are_where_big_sets_wait_for_candidates() {
    const CORES: u16 = 3;
    let [one, several] = [1, CORES].map(|cores| {
        let core = TestCore::with_config(cores, |config| {
            (config.set_max_listpack_entries, config.zset_max_listpack_entries) = (2, 2);
        });
        for at in 0..cores {
            // Some of the sets here are big then, and some are not.
            let big_from = BigFrom { len: 28, bytes: usize::MAX };
            core.engine(at, |engine| engine.inspect_mut().keyspace_mut().set_big_from(big_from));
        }
        core
    });
    compare_with_one_core(&one, &several, CORES);
}

fn compare_with_one_core(one: &TestCore, several: &TestCore, cores: u16) {
    let clients = [one.client(), several.client()];
    let mut keys = key_of_each_core(cores, "k");
    keys.extend(key_of_each_core(cores, "l"));
    for template in COMBINING {
        let name = template.split(' ').next().expect("a command has a name");
        for client in &clients {
            client.send("DEL new");
            fill(client, name, &keys);
        }
        let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|at| &keys[at][..]);
        let lists: [&[&str]; 8] = [
            &[a, b, c],
            &[b, e, b, c, e, b],
            &[c, f, a, d],
            &[a, b, a, c, a, f, b, d, e, c, a],
            &[b, b, a],
            &[e, "absent", a, b, "absent"],
            &["absent", c, f],
            &[f, c, f, c, b, b, b, f, f, c, e, e, f],
        ];
        for (sources, destination) in lists.into_iter().flat_map(|list| [(list, "new"), (list, c)]) {
            let words = request(template, destination, sources);
            let [alone, together] = [0, 1].map(|at| in_order(name, clients[at].call(&words)));
            assert_eq!(alone, together, "{words:?}");
            assert_eq!(lookups(one, 1), lookups(several, cores), "after {words:?}");
            let digests = [0, 1].map(|at| clients[at].send("DEBUG DIGEST"));
            assert_eq!(digests[0], digests[1], "what is stored by {words:?}");
        }
    }
}

#[test]
fn an_owner_sends_what_its_sources_come_to() {
    let core = TestCore::new(2);
    let client = core.client();
    let [home, away] = [0, 1].map(|at| key_of_each_core(2, "k")[at].clone());
    // Two sets on the other core have 500 members in common, and 500 more each.
    for side in ["x", "y"] {
        let members: Vec<String> =
            ["both", side].iter().flat_map(|name| (100..600).map(move |at| format!("{name}{at}"))).collect();
        let scored: Vec<String> = members.iter().flat_map(|member| ["1.5".to_owned(), member.clone()]).collect();
        client.call(&[&["SADD".to_owned(), format!("{{{away}}}{side}")], &members[..]].concat());
        client.call(&[&["ZADD".to_owned(), format!("{{{away}}}{side}z")], &scored[..]].concat());
        client.call(&[&["PFADD".to_owned(), format!("{{{away}}}{side}p")], &members[..]].concat());
        client.call(&["SET".to_owned(), format!("{{{away}}}{side}s"), side.repeat(4000)]);
    }
    client.send(&format!("SADD {home} both100 both101 x100"));
    client.send(&format!("ZADD {{{home}}}z 1 both100 2 both101 3 x100"));
    let of = |suffix: &str| format!("{{{away}}}x{suffix} {{{away}}}y{suffix}");
    // A member takes up to 13 bytes, one with its score 28.
    let table = [
        (format!("SINTER {home} {}", of("")), 500 * 13),
        (format!("SINTERCARD 3 {home} {}", of("")), 500 * 13),
        (format!("SUNION {home} {}", of("")), 1500 * 13),
        (format!("SDIFF {home} {}", of("")), 1500 * 13),
        (format!("SDIFFSTORE {{{home}}}d {}", of("")), 500 * 13),
        // Applied where both sets are: the other core sends its three members.
        (format!("SDIFF {} {home}", of("")), 50),
        (format!("ZINTER 3 {{{home}}}z {}", of("z")), 2 * 500 * 28),
        (format!("ZINTERCARD 3 {{{home}}}z {}", of("z")), 500 * 28),
        (format!("ZDIFFSTORE {{{home}}}d 2 {}", of("z")), 500 * 28),
        (format!("ZUNION 3 {{{home}}}z {}", of("z")), 2 * 1000 * 28),
        (format!("BITOP XOR {{{home}}}d {}", of("s")), 4000),
        (format!("PFCOUNT {{{home}}}p {}", of("p")), 12_288),
    ];
    for (line, most) in table {
        let before = relayed_bytes(&core);
        let reply = client.send(&line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        let carried = relayed_bytes(&core) - before;
        assert!(carried > 0 && carried <= most + 100, "{line} carries {carried} bytes");
    }
}

#[test]
fn a_big_set_sends_what_is_in_the_smallest_or_the_first() {
    let core = TestCore::new(3);
    let client = core.client();
    let [home, away, third] = [0, 1, 2].map(|at| key_of_each_core(3, "k")[at].clone());
    let add = |key: &str, numbers: std::ops::Range<usize>| {
        let members: Vec<String> = numbers.map(|number| format!("member{number}")).collect();
        let scored: Vec<String> = members.iter().flat_map(|member| ["2".to_owned(), member.clone()]).collect();
        client.call(&[&["SADD".to_owned(), format!("{{{key}}}")], &members[..]].concat());
        client.call(&[&["ZADD".to_owned(), format!("{{{key}}}z")], &scored[..]].concat());
    };
    // On each core but the first a big set, whose halves overlap.
    add(&away, 0..8000);
    add(&third, 4000..12_000);
    let small = |key: &str| {
        let key = format!("{{{key}}}small");
        client.call(&["SADD", &key, "member1", "member5000", "other"]);
        client.call(&["ZADD", &format!("{key}z"), "1", "member1", "2", "member5000", "3", "other"]);
        key
    };
    for small in [&home, &away, &third].map(|key| small(key)) {
        let (x, y) = (format!("{{{away}}}"), format!("{{{third}}}"));
        let table = [
            (format!("SINTERSTORE {{{home}}}d {x} {small} {y}"), ":1"),
            (format!("SINTER {small} {y} {x}"), "[\"member5000\"]"),
            (format!("SINTERCARD 3 {x} {y} {small} LIMIT 1"), ":1"),
            (format!("SDIFFSTORE {{{home}}}d {small} {x} {y} {y}"), ":1"),
            (format!("SDIFF {small} {y} {x}"), "[\"other\"]"),
            (format!("ZINTERSTORE {{{home}}}d 4 {x}z {small}z {y}z {x}z WEIGHTS 1 1 1 5"), ":1"),
            (format!("ZINTER 3 {small}z {y}z {x}z WITHSCORES"), "[\"member5000\", \"6\"]"),
            (format!("ZINTERCARD 3 {x}z {y}z {small}z"), ":1"),
            (format!("ZDIFFSTORE {{{home}}}d 3 {small}z {x}z {y}z"), ":1"),
        ];
        for (line, reply) in table {
            let before = relayed_bytes(&core);
            client.check(&[(&line, reply)]);
            let carried = relayed_bytes(&core) - before;
            assert!(carried < 1000, "{line} carries {carried} bytes");
        }
    }
    // Of two big ones one is sent; what the other has of it comes back.
    let before = relayed_bytes(&core);
    client.check(&[(&format!("SINTERSTORE {{{home}}}d {{{away}}} {{{third}}}"), ":4000")]);
    let carried = relayed_bytes(&core) - before;
    assert!(carried < (8000 + 8000 + 4000) * 17, "{carried} bytes");
}

#[test]
fn a_command_that_would_carry_too_much_fails_and_changes_nothing() {
    let core = TestCore::with_config(3, |config| config.relay_max_bytes = 1024);
    let client = core.client();
    let keys = key_of_each_core(3, "k");
    let (home, away) = (&keys[0], &keys[1]);
    let fill = |key: &str, members: usize| {
        let words = |words: &mut dyn Iterator<Item = String>| words.collect::<Vec<_>>();
        let names = || (0..members).map(|at| format!("member{at}"));
        client.call(&words(&mut ["SADD".to_owned(), format!("{{{key}}}set")].into_iter().chain(names())));
        client.call(&words(&mut ["RPUSH".to_owned(), format!("{{{key}}}list")].into_iter().chain(names())));
        let scored = names().flat_map(|name| ["1".to_owned(), name]);
        client.call(&words(&mut ["ZADD".to_owned(), format!("{{{key}}}zset")].into_iter().chain(scored)));
        client.call(&["SET".to_owned(), format!("{{{key}}}string"), "x".repeat(20 * members)]);
        client.call(&["GEOADD", &format!("{{{key}}}geo"), "1", "1", &"m".repeat(20 * members)]);
    };
    client.send(&format!("RPUSH {{{home}}}names ing"));
    fill(home, 1);
    fill(away, 120);
    let table = [
        "SUNIONSTORE Hset Aset",
        "SINTERSTORE Hset Aset",
        "SDIFFSTORE Hset Aset Hset",
        "SUNION Hset Aset",
        "ZUNIONSTORE Hzset 2 Hzset Azset",
        "ZINTERSTORE Hzset 1 Azset",
        "ZDIFFSTORE Hzset 1 Azset",
        "ZRANGESTORE Hzset Azset 0 -1",
        "GEOSEARCHSTORE Hset Ageo FROMLONLAT 1 1 BYRADIUS 1 km",
        "BITOP OR Hstring Astring Hstring",
        "COPY Astring Hstring REPLACE",
        "COPY Aset Hset REPLACE",
        "RENAME Astring Hstring",
        "RENAMENX Astring Hnew",
        "LCS Hstring Astring",
        "SORT Alist ALPHA STORE Hlist",
        // What the patterns lead to counts as well.
        "SORT Hnames ALPHA GET Astr* STORE Hlist",
    ];
    let before = client.send("DEBUG DIGEST");
    for template in table {
        let words = template.split(' ').map(|word| match word.split_at(1) {
            ("H", rest) if rest.starts_with(char::is_lowercase) => format!("{{{home}}}{rest}"),
            ("A", rest) if rest.starts_with(char::is_lowercase) => format!("{{{away}}}{rest}"),
            _ => word.to_owned(),
        });
        assert_eq!(client.call(&words.collect::<Vec<_>>()), TOO_LARGE, "{template}");
        assert_eq!(client.send("DEBUG DIGEST"), before, "after {template}");
    }
}

#[test]
fn what_all_owners_send_counts_together() {
    let core = TestCore::with_config(3, |config| config.relay_max_bytes = 1024);
    let client = core.client();
    let keys = key_of_each_core(3, "k");
    for (key, filler) in keys.iter().zip(["0", "1", "2"]) {
        client.call(&["SET", key, &filler.repeat(600)]);
    }
    let one = format!("BITOP OR {{{}}}d {}", keys[0], keys[1]);
    let both = format!("{one} {}", keys[2]);
    client.check(&[(&one, ":600"), (&both, TOO_LARGE)]);
    // In a MULTI it is the reply of that command, and the others run.
    let after = format!("SET {} short", keys[2]);
    client.check(&[("MULTI", "+OK"), (&both, "+QUEUED"), (&after, "+QUEUED"), (&both, "+QUEUED")]);
    client.check(&[("EXEC", &format!("[{TOO_LARGE}, +OK, :600]"))]);
    client.check(&[("CONFIG SET relay-max-bytes 2kb", "+OK"), (&format!("SET {} 1", keys[2]), "+OK"), (&both, ":600")]);
    client.check(&[("CONFIG SET relay-max-bytes 3gb", "-ERR CONFIG SET failed (possibly related to argument 'relay-max-bytes') - argument must be between 1024 and 2147483648 inclusive")]);
}

#[test]
fn the_first_source_with_an_error_decides() {
    let cores = [TestCore::new(1), TestCore::new(3)];
    let keys = key_of_each_core(3, "k");
    for core in &cores {
        let client = core.client();
        client.check(&[
            (&format!("RPUSH {} x", keys[1]), ":1"),
            (&format!("SET {} text", keys[2]), "+OK"),
            (&format!("PFADD {} x", keys[0]), ":1"),
        ]);
        let list = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        let text = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
        client.check(&[
            (&format!("PFCOUNT {} {} {}", keys[0], keys[1], keys[2]), list),
            (&format!("PFCOUNT {} {} {}", keys[0], keys[2], keys[1]), text),
            (&format!("PFMERGE {} {} {}", keys[2], keys[1], keys[0]), text),
            (&format!("PFMERGE new {} {} {}", keys[0], keys[2], keys[1]), text),
            (&format!("SINTERCARD 2 {} {} LIMIT x", keys[1], keys[2]), "-ERR LIMIT can't be negative"),
            (
                &format!("BITOP NOT new {} {}", keys[1], keys[2]),
                "-ERR BITOP NOT must be called with a single source key.",
            ),
        ]);
    }
}
