//! How many changes a command counts, which INFO tells as `rdb_changes_since_last_save`; on one core and on three.

mod common;

use common::{Client, TestCore};

fn changes(client: &Client) -> u64 {
    let text = client.send("INFO persistence");
    let rest = text.split("rdb_changes_since_last_save:").nth(1).expect("the field is there");
    rest.split("\\r\\n").next().and_then(|digits| digits.parse().ok()).expect("it is a number")
}

/// Commands one after another, each with the number of changes it counts, as redis-server 7.0.15 counts them.
fn check(table: &[(&str, u64)]) {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        // Else FLUSHALL is saved at once, and nothing counts that was before.
        client.send("CONFIG SET save \"\"");
        for (command, count) in table {
            let before = changes(&client);
            let reply = client.send(command);
            assert_eq!(changes(&client) - before, *count, "{command} on {cores}: {reply}");
        }
    }
}

#[test]
fn strings_and_keys() {
    check(&[
        ("SET a 1", 1),
        ("SET a 2 NX", 0),
        ("GET a", 0),
        ("MSET a 1 b 2 c 3", 3),
        ("MSETNX a 1 z 2", 0),
        ("MSETNX d 1 e 2", 2),
        ("DEL a b nokey", 2),
        ("GETEX c", 0),
        ("GETEX c EX 100", 1),
        ("PERSIST c", 1),
        ("PERSIST c", 0),
        ("APPEND d x", 1),
        ("SETRANGE d 0 \"\"", 0),
        ("INCR e", 1),
        ("INCR d", 0),
        ("RENAME e f", 1),
        ("RENAMENX f d", 0),
        ("COPY f g", 1),
        ("MOVE g 1", 1),
        ("EXPIRE f 100", 1),
        ("EXPIRE f -1", 1),
        ("SWAPDB 0 1", 1),
        ("SWAPDB 0 0", 1),
        ("MSET k1 1 k2 2 k3 3", 3),
        ("FLUSHDB", 4),
        ("SET a 1", 1),
        ("FLUSHALL", 3),
        ("FLUSHALL", 0),
    ]);
}

#[test]
fn lists_hashes_and_sets() {
    check(&[
        ("RPUSH l 1 2 3 4 5", 5),
        ("LPUSHX nokey 1", 0),
        ("RPUSHX l 6 7", 2),
        ("LPOP l", 1),
        ("RPOP l 2", 2),
        ("LREM l 0 nothing", 0),
        ("LTRIM l 0 -1", 0),
        ("LTRIM l 1 1", 3),
        ("LINSERT l BEFORE nothing x", 0),
        ("LSET l 0 x", 1),
        ("LMOVE l m LEFT LEFT", 1),
        ("RPUSH m 2 3", 2),
        ("LMPOP 2 l m RIGHT COUNT 2", 2),
        ("BLPOP m 1", 1),
        ("HSET h a 1 b 2", 2),
        ("HSET h a 1", 1),
        ("HSETNX h a 2", 0),
        ("HDEL h a b c", 2),
        ("SADD s 1 2 3", 3),
        ("SADD s 1 4", 1),
        ("SREM s 1 9", 1),
        ("SPOP s 2", 2),
        ("SPOP s 0", 0),
        ("SADD s x", 1),
        ("SMOVE s t x", 2),
        ("SADD s x", 1),
        ("SMOVE s t x", 1),
        ("SMOVE s t y", 0),
        ("SUNIONSTORE u t s", 1),
        ("SDIFFSTORE u nokey", 1),
        ("SDIFFSTORE u nokey", 0),
        ("RPUSH q 3 1 2", 3),
        ("SORT q STORE r", 3),
        ("SORT nokey STORE r", 1),
        ("SORT q", 0),
    ]);
}

#[test]
fn sorted_sets_and_streams() {
    check(&[
        ("ZADD z 1 a 2 b", 2),
        ("ZADD z 1 a", 0),
        ("ZADD z 2 a 3 c", 2),
        ("ZINCRBY z 0 a", 0),
        ("ZADD z XX 5 d", 0),
        ("ZREM z a d", 1),
        ("ZADD z 4 d 5 e", 2),
        ("ZPOPMIN z 2", 2),
        ("ZREMRANGEBYSCORE z 90 99", 0),
        ("ZREMRANGEBYRANK z 0 0", 1),
        ("ZUNIONSTORE y 1 z", 1),
        ("ZINTERSTORE y 2 z nokey", 1),
        ("GEOADD g 1 1 a 2 2 b", 2),
        ("GEOSEARCHSTORE f g FROMLONLAT 1 1 BYRADIUS 1000 km", 2),
        ("GEOSEARCHSTORE f g FROMLONLAT 100 1 BYRADIUS 1 km", 1),
        ("XADD x 1-1 a 1", 1),
        ("XADD x MAXLEN 2 1-2 a 1", 1),
        ("XADD x 1-3 a 1", 1),
        ("XADD x 1-4 a 1", 1),
        ("XDEL x 1-1 9-9", 1),
        ("XTRIM x MAXLEN 2", 1),
        ("XTRIM x MAXLEN 2", 0),
        ("XGROUP CREATE x g 0", 1),
        ("XGROUP CREATECONSUMER x g c", 1),
        ("XGROUP CREATECONSUMER x g c", 0),
        ("XREADGROUP GROUP g c2 STREAMS x >", 2),
        ("XREADGROUP GROUP g c2 STREAMS x >", 0),
        ("XREADGROUP GROUP g c2 STREAMS x 0", 1),
        ("XCLAIM x g c 0 1-3 1-4", 2),
        ("XAUTOCLAIM x g c2 0 0 COUNT 1", 1),
        ("XACK x g 1-3 1-6", 1),
        ("XGROUP SETID x g 0", 1),
        ("XGROUP DELCONSUMER x g c", 1),
        ("XGROUP DELCONSUMER x g c", 0),
        ("XGROUP DESTROY x g", 1),
        ("XGROUP DESTROY x g", 0),
        ("XSETID x 9-9", 1),
    ]);
}

/// As redis-server 8.2.3 counts them.
#[test]
fn fields_that_expire_and_entries_that_are_acknowledged() {
    check(&[
        ("HSETEX h FIELDS 3 a 1 b 2 a 3", 3),
        ("HSETEX h FNX EX 100 FIELDS 2 a 1 b 2", 0),
        ("HSETEX h PXAT 1 FIELDS 2 a 1 nofield 2", 2),
        ("HSETEX nokey PXAT 1 FIELDS 2 a 1 b 2", 2),
        ("HSETEX h EX 100 FIELDS 4 a 1 b 2 c 3 d 4", 4),
        ("HPERSIST h FIELDS 3 a b nofield", 1),
        ("HPERSIST h FIELDS 2 a b", 0),
        ("HEXPIRE h 100 FIELDS 3 a b nofield", 2),
        ("HEXPIRE h 100 NX FIELDS 3 a b c", 0),
        ("HEXPIRE h 0 FIELDS 2 a nofield", 1),
        ("HGETEX h FIELDS 2 b c", 0),
        ("HGETEX h EX 100 FIELDS 3 b c nofield", 2),
        ("HGETEX h PERSIST FIELDS 3 b c nofield", 2),
        ("HGETEX h PERSIST FIELDS 3 b c nofield", 0),
        ("HGETEX h PXAT 1 FIELDS 1 b", 1),
        ("HGETDEL h FIELDS 3 c d nofield", 2),
        ("HGETDEL h FIELDS 1 d", 0),
        ("XADD s 1-1 a b", 1),
        ("XADD s 1-2 a b", 1),
        ("XADD s 1-3 a b", 1),
        ("XADD s 1-4 a b", 1),
        ("XGROUP CREATE s g 0", 1),
        ("XREADGROUP GROUP g c COUNT 3 STREAMS s >", 2),
        ("XACKDEL s g IDS 3 1-1 1-2 9-9", 2),
        ("XDELEX s ACKED IDS 2 1-3 1-4", 0),
        ("XDELEX s IDS 3 1-3 1-4 9-9", 2),
        ("XDELEX s DELREF IDS 1 1-3", 0),
    ]);
}

#[test]
fn bits_and_hyperloglogs() {
    check(&[
        ("SETBIT k 1 1", 1),
        ("SETBIT k 1 1", 0),
        ("SETBIT k 99 0", 1),
        ("BITFIELD k SET u8 0 1 INCRBY u8 0 1", 2),
        ("BITFIELD k SET u8 0 2", 0),
        ("BITFIELD n OVERFLOW FAIL SET u1 0 5", 0),
        ("BITOP AND k k n", 1),
        ("PFADD p a b", 3),
        ("PFADD p a", 0),
        ("PFCOUNT p", 1),
        ("PFCOUNT p", 0),
        ("PFMERGE o p", 1),
    ]);
}

/// What expires is no change, whoever finds it; nor is what failed; and each command of a transaction counts its own.
#[test]
fn what_is_no_change() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        client.send("SET a 1 PX 10");
        core.advance_ms(20);
        client.check(&[("DEL a", ":0")]);
        assert_eq!(changes(&client), 1, "on {cores}");
        client.check(&[("MULTI", "+OK"), ("RPUSH l 1 2", "+QUEUED"), ("INCR l", "+QUEUED"), ("SADD s 1", "+QUEUED")]);
        client.send("EXEC");
        assert_eq!(changes(&client), 4, "on {cores}");
        // Who waits takes an element, which is a change of its own.
        let waiter = core.client();
        assert_eq!(waiter.pipeline(&["BLPOP w 0"]), Vec::<String>::new());
        client.send("RPUSH w 1");
        assert_eq!(waiter.poll(), ["[\"w\", \"1\"]"]);
        assert_eq!(changes(&client), 6, "on {cores}");
    }
}
