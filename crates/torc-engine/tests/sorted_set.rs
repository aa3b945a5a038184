//! Sorted sets: every command, in both forms, on one core and on three.

mod common;

use common::{TestCore, key_of_each_core};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Runs a test with small sets packed, and with all sets as objects.
fn in_both_forms(test: impl Fn(&TestCore)) {
    for entries in [128, 0] {
        test(&TestCore::with_config(1, |config| config.zset_max_listpack_entries = entries));
    }
}

#[test]
fn members_are_added_changed_and_removed() {
    in_both_forms(|core| {
        core.client().check(&[
            ("ZADD z 1 a 2 b 1.5 c", ":3"),
            ("ZADD z 3 a 2 b 4 d", ":1"),
            ("ZRANGE z 0 -1 WITHSCORES", r#"["c", "1.5", "b", "2", "a", "3", "d", "4"]"#),
            ("ZADD z CH 3 a 5 b 6 e", ":2"),
            ("ZCARD z", ":5"),
            ("ZSCORE z b", "\"5\""),
            ("ZSCORE z nobody", "nil"),
            ("ZMSCORE z a nobody b", r#"["3", nil, "5"]"#),
            ("ZINCRBY z 0.25 a", "\"3.25\""),
            ("ZINCRBY z 10 new", "\"10\""),
            ("ZINCRBY z -10 new", "\"0\""),
            ("ZRANK z new", ":0"),
            ("ZREVRANK z new", ":5"),
            ("ZRANK z a WITHSCORE", r#"[:2, "3.25"]"#),
            ("ZREVRANK z a withscore", r#"[:3, "3.25"]"#),
            ("ZRANK z nobody", "nil"),
            ("ZRANK z nobody WITHSCORE", "nil"),
            ("ZREM z a nobody b", ":2"),
            ("ZRANGE z 0 -1", r#"["new", "c", "d", "e"]"#),
            ("ZREM z new c d e f", ":4"),
            ("EXISTS z", ":0"),
            ("ZCARD z", ":0"),
            ("ZSCORE z a", "nil"),
            ("ZMSCORE z a b", "[nil, nil]"),
            ("ZREM z a", ":0"),
            ("ZRANGE z 0 -1", "[]"),
            ("TYPE z", "+none"),
        ]);
    });
}

#[test]
fn encodings_follow_size() {
    let core = TestCore::with_config(1, |config| config.zset_max_listpack_entries = 3);
    core.client().check(&[
        ("ZADD z 1 a 2 b 3 c", ":3"),
        ("OBJECT ENCODING z", "\"listpack\""),
        ("ZADD z 4 d", ":1"),
        ("OBJECT ENCODING z", "\"skiplist\""),
        ("ZREM z a b", ":2"),
        ("OBJECT ENCODING z", "\"skiplist\""),
        ("ZRANGE z 0 -1", r#"["c", "d"]"#),
        ("ZUNIONSTORE z 1 z", ":2"),
        ("OBJECT ENCODING z", "\"listpack\""),
        ("TYPE z", "+zset"),
    ]);
    let long = "x".repeat(65);
    let client = core.client();
    assert_eq!(client.send(&format!("ZADD long 1 {long}")), ":1");
    assert_eq!(client.send("OBJECT ENCODING long"), "\"skiplist\"");
    assert_eq!(client.send("ZRANGE long 0 -1"), format!("[\"{long}\"]"));
}

#[test]
fn conditions_of_zadd() {
    in_both_forms(|core| {
        core.client().check(&[
            ("ZADD z XX 1 a", ":0"),
            ("EXISTS z", ":0"),
            ("ZADD z XX INCR 1 a", "nil"),
            ("EXISTS z", ":0"),
            ("ZADD z NX 5 a", ":1"),
            ("ZADD z NX 6 a 1 b", ":1"),
            ("ZSCORE z a", "\"5\""),
            ("ZADD z XX CH 6 a 9 c", ":1"),
            ("ZADD z GT CH 5 a 2 b 7 c", ":2"),
            ("ZMSCORE z a b c", r#"["6", "2", "7"]"#),
            ("ZADD z LT CH 5 a 3 b", ":1"),
            ("ZMSCORE z a b", r#"["5", "2"]"#),
            ("ZADD z XX GT CH 9 a 9 d", ":1"),
            ("ZADD z GT INCR -1 a", "nil"),
            ("ZADD z LT INCR 1 a", "nil"),
            ("ZADD z NX INCR 1 a", "nil"),
            ("ZADD z +inf f", ":1"),
            // With NX nothing is added to what is there, and so nothing is no number.
            ("ZADD z NX INCR -inf f", "nil"),
            ("ZADD z INCR -inf f", "-ERR resulting score is not a number (NaN)"),
            ("ZREM z f", ":1"),
            ("ZADD z INCR 1 a", "\"10\""),
            ("ZADD z INCR 0 a", "\"10\""),
            ("ZADD z GT INCR 0 a", "nil"),
            ("ZADD z INCR 2.5 e", "\"2.5\""),
            ("ZADD z XX NX 1 a", "-ERR XX and NX options at the same time are not compatible"),
            ("ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z GT NX 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z LT NX 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
            ("ZADD z 1", "-ERR wrong number of arguments for 'zadd' command"),
            ("ZADD z 1 a 2", "-ERR syntax error"),
            ("ZADD z NX XX CH", "-ERR syntax error"),
            ("ZADD z nan a", "-ERR value is not a valid float"),
            ("ZADD z 1 new 1x a", "-ERR value is not a valid float"),
            ("ZADD z INCR x a", "-ERR value is not a valid float"),
            ("ZINCRBY z nan a", "-ERR value is not a valid float"),
            ("ZSCORE z new", "nil"),
            ("ZCARD z", ":4"),
        ]);
    });
}

#[test]
fn scores_of_all_kinds() {
    in_both_forms(|core| {
        let client = core.client();
        client.check(&[
            ("ZADD z -inf low +inf high inf also 1e300 big 0.1 small -1.5 minus 4503599627370497 odd", ":7"),
            (
                "ZRANGE z 0 -1 WITHSCORES",
                r#"["low", "-inf", "minus", "-1.5", "small", "0.1", "odd", "4503599627370497", "big", "1e+300", "also", "inf", "high", "inf"]"#,
            ),
            ("ZINCRBY z -inf high", "-ERR resulting score is not a number (NaN)"),
            ("ZADD z INCR +inf low", "-ERR resulting score is not a number (NaN)"),
            ("ZADD z GT INCR +inf low", "-ERR resulting score is not a number (NaN)"),
            ("ZSCORE z high", "\"inf\""),
            ("ZINCRBY z inf high", "\"inf\""),
            ("ZADD z 0x10 hex 1e999 over", "-ERR value is not a valid float"),
            ("ZADD z 0x10 hex", ":1"),
            ("ZSCORE z hex", "\"16\""),
            ("ZADD z 12345678901234567890 many", ":1"),
            ("ZSCORE z many", "\"12345678901234567000\""),
            ("ZADD z 0.30000000000000004 sum", ":1"),
            ("ZSCORE z sum", "\"0.30000000000000004\""),
        ]);
        client.send("HELLO 3");
        client.check(&[
            ("ZSCORE z small", ",0.1"),
            ("ZSCORE z low", ",-inf"),
            ("ZSCORE z nobody", "nil"),
            ("ZINCRBY z 1 small", ",1.1"),
            ("ZMSCORE z small nobody", "[,1.1, nil]"),
            ("ZRANGE z 0 1 WITHSCORES", r#"[["low", ,-inf], ["minus", ,-1.5]]"#),
            ("ZRANK z minus WITHSCORE", "[:1, ,-1.5]"),
            ("ZPOPMIN z", r#"["low", ,-inf]"#),
            ("ZPOPMIN z 1", r#"[["minus", ,-1.5]]"#),
            ("ZUNION 1 z", r#"["sum", "small", "hex", "odd", "many", "big", "also", "high"]"#),
        ]);
    });
}

#[test]
fn ranges_by_index() {
    in_both_forms(|core| {
        core.client().check(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 5", ":5"),
            ("ZRANGE z 0 -1", r#"["a", "b", "c", "d", "5"]"#),
            ("ZRANGE z 1 2", r#"["b", "c"]"#),
            ("ZRANGE z -2 -1", r#"["d", "5"]"#),
            ("ZRANGE z -100 0", r#"["a"]"#),
            ("ZRANGE z 3 100", r#"["d", "5"]"#),
            ("ZRANGE z 5 100", "[]"),
            ("ZRANGE z 3 2", "[]"),
            ("ZRANGE z 0 -100", "[]"),
            ("ZRANGE z -9223372036854775808 9223372036854775807", r#"["a", "b", "c", "d", "5"]"#),
            ("ZRANGE z 9223372036854775807 -9223372036854775808", "[]"),
            ("ZRANGE z 0 1 REV", r#"["5", "d"]"#),
            ("ZREVRANGE z 0 1", r#"["5", "d"]"#),
            ("ZREVRANGE z -1 -1 WITHSCORES", r#"["a", "1"]"#),
            ("ZREVRANGE z 0 -1", r#"["5", "d", "c", "b", "a"]"#),
            ("ZREVRANGE z 7 9", "[]"),
            (
                "ZRANGE z 0 1 LIMIT 0 1",
                "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ),
            ("ZRANGE z 0 0 LIMIT 5 -1", r#"["a"]"#),
            ("ZRANGE z 0 x", "-ERR value is not an integer or out of range"),
            ("ZRANGE z 0 9223372036854775808", "-ERR value is not an integer or out of range"),
            ("ZRANGE z 0 -1 BYLEX WITHSCORES", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX"),
            ("ZRANGE z 0 -1 WHAT", "-ERR syntax error"),
            ("ZRANGE z 0 -1 BYSCORE LIMIT 1", "-ERR syntax error"),
            ("ZRANGE z 0 -1 BYSCORE LIMIT a 1", "-ERR value is not an integer or out of range"),
            ("ZRANGE z 0 -1 BYSCORE BYLEX", "-ERR syntax error"),
            ("ZREVRANGE z 0 -1 REV", "-ERR syntax error"),
            (
                "ZREVRANGE z 0 -1 LIMIT 0 1",
                "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ),
        ]);
    });
}

#[test]
fn ranges_by_score() {
    in_both_forms(|core| {
        core.client().check(&[
            ("ZADD z 1 a 2 b 2 c 3 d 4.5 e", ":5"),
            ("ZRANGEBYSCORE z 2 3", r#"["b", "c", "d"]"#),
            ("ZRANGEBYSCORE z (2 (4.5", r#"["d"]"#),
            ("ZRANGEBYSCORE z -inf +inf WITHSCORES LIMIT 1 2", r#"["b", "2", "c", "2"]"#),
            ("ZRANGEBYSCORE z -inf +inf LIMIT 3 -1", r#"["d", "e"]"#),
            ("ZRANGEBYSCORE z -inf +inf LIMIT 9 1", "[]"),
            ("ZRANGEBYSCORE z -inf +inf LIMIT -1 1", "[]"),
            ("ZRANGEBYSCORE z -inf +inf LIMIT 0 0", "[]"),
            ("ZRANGEBYSCORE z -inf +inf LIMIT 1 9223372036854775807", r#"["b", "c", "d", "e"]"#),
            ("ZRANGEBYSCORE z 3 2", "[]"),
            ("ZRANGEBYSCORE z (2 2", "[]"),
            ("ZREVRANGEBYSCORE z 3 (1", r#"["d", "c", "b"]"#),
            ("ZREVRANGEBYSCORE z +inf -inf LIMIT 1 2 WITHSCORES", r#"["d", "3", "c", "2"]"#),
            ("ZRANGE z 2 3 BYSCORE", r#"["b", "c", "d"]"#),
            ("ZRANGE z 3 2 BYSCORE REV LIMIT 0 2", r#"["d", "c"]"#),
            ("ZCOUNT z 2 3", ":3"),
            ("ZCOUNT z (2 inf", ":2"),
            ("ZCOUNT z 9 1", ":0"),
            ("ZCOUNT nokey 1 2", ":0"),
            ("ZCOUNT z a 2", "-ERR min or max is not a float"),
            ("ZCOUNT z 1 nan", "-ERR min or max is not a float"),
            ("ZCOUNT nokey 1 nan", "-ERR min or max is not a float"),
            ("ZRANGEBYSCORE z 1 (x", "-ERR min or max is not a float"),
            ("ZRANGEBYSCORE z 1 2 BYSCORE", "-ERR syntax error"),
            ("ZRANGEBYSCORE nokey 1 2", "[]"),
        ]);
    });
}

#[test]
fn ranges_by_member() {
    in_both_forms(|core| {
        core.client().check(&[
            ("ZADD z 0 a 0 b 0 c 0 10 0 d", ":5"),
            ("ZRANGEBYLEX z - +", r#"["10", "a", "b", "c", "d"]"#),
            ("ZRANGEBYLEX z [b (d", r#"["b", "c"]"#),
            ("ZRANGEBYLEX z (b + LIMIT 1 1", r#"["d"]"#),
            ("ZRANGEBYLEX z + -", "[]"),
            ("ZREVRANGEBYLEX z + [b", r#"["d", "c", "b"]"#),
            ("ZREVRANGEBYLEX z (d - LIMIT 1 2", r#"["b", "a"]"#),
            ("ZRANGE z [1 [b BYLEX", r#"["10", "a", "b"]"#),
            ("ZRANGE z [b - BYLEX REV", r#"["b", "a", "10"]"#),
            ("ZLEXCOUNT z - +", ":5"),
            ("ZLEXCOUNT z (a [c", ":2"),
            ("ZLEXCOUNT z [c [a", ":0"),
            ("ZLEXCOUNT nokey - +", ":0"),
            ("ZLEXCOUNT z a b", "-ERR min or max not valid string range item"),
            ("ZRANGEBYLEX z - 1", "-ERR min or max not valid string range item"),
            ("ZRANGEBYLEX z -- +", "-ERR min or max not valid string range item"),
            ("ZRANGEBYLEX z - + WITHSCORES", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX"),
            ("ZREMRANGEBYLEX z [b (d", ":2"),
            ("ZREMRANGEBYLEX z x y", "-ERR min or max not valid string range item"),
            ("ZRANGE z 0 -1", r#"["10", "a", "d"]"#),
            ("ZREMRANGEBYLEX z - +", ":3"),
            ("EXISTS z", ":0"),
            ("ZREMRANGEBYLEX z - +", ":0"),
        ]);
    });
}

#[test]
fn ranges_are_removed() {
    in_both_forms(|core| {
        core.client().check(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", ":6"),
            ("ZREMRANGEBYRANK z 1 -4", ":2"),
            ("ZRANGE z 0 -1", r#"["a", "d", "e", "f"]"#),
            ("ZREMRANGEBYRANK z 9 10", ":0"),
            ("ZREMRANGEBYRANK z x 10", "-ERR value is not an integer or out of range"),
            ("ZREMRANGEBYSCORE z (1 5", ":2"),
            ("ZREMRANGEBYSCORE z 1 x", "-ERR min or max is not a float"),
            ("ZRANGE z 0 -1", r#"["a", "f"]"#),
            ("ZREMRANGEBYSCORE z -inf inf", ":2"),
            ("EXISTS z", ":0"),
            ("ZREMRANGEBYSCORE z -inf inf", ":0"),
            ("ZREMRANGEBYRANK z 0 -1", ":0"),
        ]);
    });
}

#[test]
fn members_are_popped() {
    in_both_forms(|core| {
        core.client().check(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"),
            ("ZPOPMIN z", r#"["a", "1"]"#),
            ("ZPOPMAX z 2", r#"["e", "5", "d", "4"]"#),
            ("ZPOPMIN z 0", "[]"),
            ("ZPOPMIN z -1", "-ERR value is out of range, must be positive"),
            ("ZPOPMAX z x", "-ERR value is out of range, must be positive"),
            ("ZPOPMIN z 1 2", "-ERR syntax error"),
            ("ZPOPMIN z 9", r#"["b", "2", "c", "3"]"#),
            ("EXISTS z", ":0"),
            ("ZPOPMIN z", "[]"),
            ("ZPOPMAX z 3", "[]"),
        ]);
    });
}

#[test]
fn zmpop_takes_from_the_first_that_has_any() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let keys = key_of_each_core(3, "z");
        let [a, b, c] = [&keys[0], &keys[1], &keys[2]];
        let client = core.client_on(cores - 1);
        let send = |line: String| client.send(&line);
        send(format!("ZADD {b} 1 x 2 y 3 w"));
        send(format!("ZADD {c} 1 p"));
        assert_eq!(send(format!("ZMPOP 3 {a} {b} {c} MIN")), format!(r#"["{b}", [["x", "1"]]]"#));
        assert_eq!(send(format!("ZMPOP 3 {a} {b} {c} max count 5")), format!(r#"["{b}", [["w", "3"], ["y", "2"]]]"#));
        assert_eq!(send(format!("ZMPOP 3 {a} {b} {c} MAX")), format!(r#"["{c}", [["p", "1"]]]"#));
        assert_eq!(send(format!("ZMPOP 3 {a} {b} {c} MAX")), "nil");
        send(format!("SET {a} x"));
        assert_eq!(send(format!("ZMPOP 3 {a} {b} {c} MAX")), WRONG_TYPE);
        client.check(&[
            ("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0"),
            ("ZMPOP x z MIN", "-ERR numkeys should be greater than 0"),
            ("ZMPOP 2 z MIN", "-ERR syntax error"),
            ("ZMPOP 1 z WHAT", "-ERR syntax error"),
            ("ZMPOP 1 z MIN COUNT", "-ERR syntax error"),
            ("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0"),
            ("ZMPOP 1 z MIN COUNT x", "-ERR count should be greater than 0"),
            ("ZMPOP 1 z MIN COUNT 1 COUNT 2", "-ERR syntax error"),
        ]);
    }
}

#[test]
fn sets_are_combined() {
    for cores in [1, 3] {
        for entries in [128, 0] {
            let core = TestCore::with_config(cores, |config| config.zset_max_listpack_entries = entries);
            let client = core.client();
            let keys = key_of_each_core(3, "k");
            let [a, b, c] = [&keys[0], &keys[1], &keys[2]];
            let check = |line: &str, expected: &str| {
                let line = line.replace("$a", a).replace("$b", b).replace("$c", c);
                assert_eq!(client.send(&line), expected, "{line}");
            };
            check("ZADD $a 1 x 2 y 3 z", ":3");
            check("ZADD $b 10 y 20 z 30 w", ":3");
            check("SADD $c z 5 x", ":3");
            check("ZUNION 2 $a $b WITHSCORES", r#"["x", "1", "y", "12", "z", "23", "w", "30"]"#);
            check("ZUNION 3 $a $b $c WITHSCORES", r#"["5", "1", "x", "2", "y", "12", "z", "24", "w", "30"]"#);
            check("ZUNION 2 $a $b WEIGHTS 2 -1", r#"["w", "z", "y", "x"]"#);
            check("ZUNION 2 $a $b AGGREGATE MIN WITHSCORES", r#"["x", "1", "y", "2", "z", "3", "w", "30"]"#);
            check("ZUNION 2 $a $b AGGREGATE max WEIGHTS 100 1", r#"["w", "x", "y", "z"]"#);
            check("ZINTER 2 $a $b WITHSCORES", r#"["y", "12", "z", "23"]"#);
            check("ZINTER 3 $a $b $c WITHSCORES", r#"["z", "24"]"#);
            check("ZINTER 3 $a $b $c WEIGHTS 1 1 0.5 AGGREGATE SUM WITHSCORES", r#"["z", "23.5"]"#);
            check("ZINTER 2 $a nokey", "[]");
            check("ZDIFF 2 $a $c WITHSCORES", r#"["y", "2"]"#);
            check("ZDIFF 2 $c $a WITHSCORES", r#"["5", "1"]"#);
            check("ZDIFF 2 $a $a", "[]");
            check("ZDIFF 2 nokey $a", "[]");
            check("ZDIFF 2 $a nokey", r#"["x", "y", "z"]"#);
            check("ZINTERCARD 2 $a $b", ":2");
            check("ZINTERCARD 2 $a $b LIMIT 1", ":1");
            check("ZINTERCARD 2 $a $b LIMIT 0", ":2");
            check("ZUNIONSTORE dst 2 $a $b WEIGHTS 1 0.1", ":4");
            check("ZRANGE dst 0 -1 WITHSCORES", r#"["x", "1", "w", "3", "y", "3", "z", "5"]"#);
            check("ZINTERSTORE $a 2 $a $b", ":2");
            check("ZRANGE $a 0 -1 WITHSCORES", r#"["y", "12", "z", "23"]"#);
            check("ZDIFFSTORE dst 2 $b $a", ":1");
            check("ZRANGE dst 0 -1 WITHSCORES", r#"["w", "30"]"#);
            check("ZDIFFSTORE dst 2 $b $b", ":0");
            check("EXISTS dst", ":0");
            check("SET dst text", "+OK");
            check("ZUNIONSTORE dst 1 $b", ":3");
            check("TYPE dst", "+zset");
            check("SET dst text EX 100", "+OK");
            check("ZUNIONSTORE $c 2 $c nokey", ":3");
            check("TYPE $c", "+zset");
            check("ZUNION 2 $a dst", WRONG_TYPE);
            check("ZUNIONSTORE $a 2 $a dst", WRONG_TYPE);
            check("ZINTERCARD 2 nokey dst", WRONG_TYPE);
            check("ZRANGE $a 0 -1", r#"["y", "z"]"#);
        }
    }
}

#[test]
fn infinities_meet_in_a_combination() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.check(&[
            ("ZADD a inf m -inf n 0 o", ":3"),
            ("ZADD b -inf m -inf n 1 o", ":3"),
            ("ZUNION 2 a b WITHSCORES", r#"["n", "-inf", "m", "0", "o", "1"]"#),
            ("ZUNION 1 a WEIGHTS 0 WITHSCORES", r#"["m", "0", "n", "0", "o", "0"]"#),
            ("ZUNION 1 a WEIGHTS inf WITHSCORES", r#"["n", "-inf", "o", "0", "m", "inf"]"#),
            ("ZINTER 2 a b WITHSCORES", r#"["n", "-inf", "m", "0", "o", "1"]"#),
            ("ZINTERSTORE c 2 a b WEIGHTS 0 1 AGGREGATE MIN", ":3"),
            ("ZRANGE c 0 -1 WITHSCORES", r#"["m", "-inf", "n", "-inf", "o", "0"]"#),
            ("ZUNION 1 a WEIGHTS nan", "-ERR weight value is not a float"),
        ]);
    }
}

#[test]
fn requests_for_combinations_are_checked() {
    for cores in [1, 3] {
        TestCore::new(cores).client().check(&[
            ("ZADD z 1 a", ":1"),
            ("ZUNION 0 z", "-ERR at least 1 input key is needed for 'zunion' command"),
            ("ZINTERSTORE d -1 z", "-ERR at least 1 input key is needed for 'zinterstore' command"),
            ("ZINTERCARD 0 z", "-ERR at least 1 input key is needed for 'zintercard' command"),
            ("ZUNION x z", "-ERR value is not an integer or out of range"),
            ("ZUNIONSTORE d x z", "-ERR value is not an integer or out of range"),
            ("ZDIFF 9223372036854775807 z", "-ERR syntax error"),
            ("ZDIFF 2 z", "-ERR syntax error"),
            ("ZUNION 2 z y WEIGHTS 1", "-ERR syntax error"),
            ("ZUNION 2 z y WEIGHTS 1 x", "-ERR weight value is not a float"),
            ("ZUNION 1 z AGGREGATE avg", "-ERR syntax error"),
            ("ZUNION 1 z AGGREGATE", "-ERR syntax error"),
            ("ZUNIONSTORE d 1 z WITHSCORES", "-ERR syntax error"),
            ("ZDIFF 1 z WEIGHTS 1", "-ERR syntax error"),
            ("ZDIFFSTORE d 1 z AGGREGATE SUM", "-ERR syntax error"),
            ("ZINTERCARD 1 z WITHSCORES", "-ERR syntax error"),
            ("ZINTERCARD 1 z LIMIT -1", "-ERR LIMIT can't be negative"),
            ("ZINTERCARD 1 z LIMIT x", "-ERR LIMIT can't be negative"),
            ("ZINTERCARD 1 z LIMIT", "-ERR syntax error"),
            ("EXISTS d", ":0"),
        ]);
    }
}

#[test]
fn ranges_are_stored() {
    for cores in [1, 3] {
        for entries in [128, 0] {
            let core = TestCore::with_config(cores, |config| config.zset_max_listpack_entries = entries);
            let client = core.client();
            let keys = key_of_each_core(3, "k");
            let [src, dst] = [&keys[0], &keys[2]];
            let check = |line: &str, expected: &str| {
                let line = line.replace("$src", src).replace("$dst", dst);
                assert_eq!(client.send(&line), expected, "{line}");
            };
            check("ZADD $src 1 a 2 b 3 c 4 d", ":4");
            check("ZRANGESTORE $dst $src 1 2", ":2");
            check("ZRANGE $dst 0 -1 WITHSCORES", r#"["b", "2", "c", "3"]"#);
            check("ZRANGESTORE $dst $src 0 1 REV", ":2");
            check("ZRANGE $dst 0 -1", r#"["c", "d"]"#);
            check("ZRANGESTORE $dst $src (1 +inf BYSCORE LIMIT 0 1", ":1");
            check("ZRANGE $dst 0 -1", r#"["b"]"#);
            check("ZRANGESTORE $dst $src [c + BYLEX", ":2");
            check("ZRANGESTORE $src $src 0 1", ":2");
            check("ZRANGE $src 0 -1", r#"["a", "b"]"#);
            check("ZRANGESTORE $dst $src 5 6", ":0");
            check("EXISTS $dst", ":0");
            check("SET $dst text", "+OK");
            check("ZRANGESTORE $dst nokey 0 -1", ":0");
            check("EXISTS $dst", ":0");
            check("SET $dst text", "+OK");
            check("ZRANGESTORE $src $dst 0 -1", WRONG_TYPE);
            check("ZRANGESTORE $dst $src 0 -1 WITHSCORES", "-ERR syntax error");
            check("ZRANGESTORE $dst $src x -1", "-ERR value is not an integer or out of range");
            check(
                "ZRANGESTORE $dst $src 0 -1 LIMIT 0 1",
                "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            );
            check("TYPE $dst", "+string");
            check("ZCARD $src", ":2");
        }
    }
}

#[test]
fn random_members() {
    in_both_forms(|core| {
        let client = core.client();
        client.check(&[
            ("ZRANDMEMBER nokey", "nil"),
            ("ZRANDMEMBER nokey 3", "[]"),
            ("ZRANDMEMBER nokey -3 WITHSCORES", "[]"),
            ("ZADD z 1 a", ":1"),
            ("ZRANDMEMBER z", "\"a\""),
            ("ZRANDMEMBER z 5 WITHSCORES", r#"["a", "1"]"#),
            ("ZRANDMEMBER z -3", r#"["a", "a", "a"]"#),
            ("ZRANDMEMBER z -2 WITHSCORES", r#"["a", "1", "a", "1"]"#),
            ("ZRANDMEMBER z 0", "[]"),
            ("ZRANDMEMBER z x", "-ERR value is not an integer or out of range"),
            ("ZRANDMEMBER z 1 WHAT", "-ERR syntax error"),
            ("ZRANDMEMBER z 1 WITHSCORES more", "-ERR syntax error"),
            ("ZRANDMEMBER z -4611686018427387904 WITHSCORES", "-ERR value is out of range"),
            (
                "ZRANDMEMBER z -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
        ]);
        for number in 0..99 {
            client.send(&format!("ZADD z {number} m{number}"));
        }
        for count in [1, 5, 50, 99, 100] {
            let mut members =
                client.send(&format!("ZRANDMEMBER z {count}")).split(", ").map(str::to_owned).collect::<Vec<_>>();
            members.iter_mut().for_each(|member| *member = member.trim_matches(['[', ']']).to_owned());
            members.sort();
            members.dedup();
            assert_eq!(members.len(), count);
        }
        let drawn: std::collections::HashSet<String> = (0..2000).map(|_| client.send("ZRANDMEMBER z")).collect();
        assert_eq!(drawn.len(), 100);
    });
}

#[test]
fn a_scan_meets_every_member() {
    in_both_forms(|core| {
        let client = core.client();
        for number in 0..100 {
            client.send(&format!("ZADD z {number}.5 m{number}"));
        }
        let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeSet::new());
        loop {
            let reply = client.send(&format!("ZSCAN z {cursor} COUNT 7"));
            let (next, rest) = reply.trim_start_matches("[\"").split_once("\", [").expect("a cursor and members");
            let words: Vec<&str> = rest.trim_end_matches(']').split(", ").filter(|word| !word.is_empty()).collect();
            for pair in words.chunks(2) {
                assert_eq!(pair[0].replace('m', "").trim_matches('"'), pair[1].replace(".5", "").trim_matches('"'));
                seen.insert(pair[0].to_owned());
            }
            cursor = next.to_owned();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 100);
        client.check(&[
            ("ZADD s 1 one 0.5 half", ":2"),
            ("ZSCAN s 0 MATCH h*", r#"["0", ["half", "0.5"]]"#),
            ("ZSCAN s x", "-ERR invalid cursor"),
            ("ZSCAN s 0 COUNT 0", "-ERR syntax error"),
            ("ZSCAN s 0 COUNT x", "-ERR value is not an integer or out of range"),
            ("ZSCAN s 0 WHAT", "-ERR syntax error"),
            ("ZSCAN nokey 0 WHAT", r#"["0", []]"#),
        ]);
    });
}

#[test]
fn other_types_are_refused_and_stay() {
    for cores in [1, 3] {
        let client = TestCore::new(cores).client();
        client.send("SET s text");
        let lines = [
            "ZADD s 1 a",
            "ZADD s INCR 1 a",
            "ZINCRBY s 1 a",
            "ZREM s a",
            "ZCARD s",
            "ZSCORE s a",
            "ZMSCORE s a",
            "ZRANK s a",
            "ZREVRANK s a",
            "ZCOUNT s 1 2",
            "ZLEXCOUNT s - +",
            "ZRANGE s 0 -1",
            "ZREVRANGE s 0 -1",
            "ZRANGEBYSCORE s 1 2",
            "ZREVRANGEBYSCORE s 2 1",
            "ZRANGEBYLEX s - +",
            "ZREVRANGEBYLEX s + -",
            "ZRANGESTORE d s 0 -1",
            "ZREMRANGEBYRANK s 0 -1",
            "ZREMRANGEBYSCORE s 1 2",
            "ZREMRANGEBYLEX s - +",
            "ZPOPMIN s",
            "ZPOPMAX s 0",
            "ZMPOP 1 s MIN",
            "ZRANDMEMBER s",
            "ZSCAN s 0",
            "ZUNION 1 s",
            "ZINTER 1 s",
            "ZDIFF 1 s",
            "ZUNIONSTORE d 1 s",
            "ZINTERSTORE d 1 s",
            "ZDIFFSTORE d 1 s",
            "ZINTERCARD 1 s",
            "BZPOPMIN s 0",
            "BZPOPMAX s 0",
            "BZMPOP 0 1 s MIN",
        ];
        for line in lines {
            assert_eq!(client.send(line), WRONG_TYPE, "{line}");
        }
        client.check(&[("GET s", "\"text\""), ("EXISTS d", ":0"), ("ZADD z 1 a", ":1"), ("GET z", WRONG_TYPE)]);
    }
}

#[test]
fn waiting_for_members() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (waiter, other) = (core.client(), core.client_on(cores - 1));
        let keys = key_of_each_core(3, "z");
        let [a, b] = [&keys[0], &keys[1]];
        other.send(&format!("ZADD {b} 1 x 2 y 3 w"));
        assert_eq!(waiter.send(&format!("BZPOPMIN {a} {b} 0")), format!(r#"["{b}", "x", "1"]"#));
        assert_eq!(waiter.send(&format!("BZPOPMAX {a} {b} 1")), format!(r#"["{b}", "w", "3"]"#));
        assert_eq!(waiter.send(&format!("BZMPOP 1 2 {a} {b} MAX COUNT 4")), format!(r#"["{b}", [["y", "2"]]]"#));
        for (line, answer) in [
            (format!("BZPOPMIN {a} {b} 0"), format!(r#"["{a}", "p", "5"]"#)),
            (format!("BZPOPMAX {a} {b} 0"), format!(r#"["{a}", "q", "6"]"#)),
            (format!("BZMPOP 0 2 {a} {b} MIN COUNT 2"), format!(r#"["{a}", [["p", "5"], ["q", "6"]]]"#)),
        ] {
            assert!(waiter.pipeline(&[&line]).is_empty(), "{line}");
            assert_eq!(other.send(&format!("ZADD {a} 5 p 6 q")), ":2");
            assert_eq!(waiter.poll(), [answer], "{line}");
            other.send(&format!("DEL {a}"));
        }
        assert!(waiter.pipeline(&[&format!("BZPOPMIN {a} 0.5")]).is_empty());
        core.advance_ms(600);
        assert_eq!(waiter.poll(), ["nil"]);
        waiter.check(&[
            ("BZPOPMIN z x", "-ERR timeout is not a float or out of range"),
            ("BZPOPMIN z -1", "-ERR timeout is negative"),
            ("BZMPOP x 1 z MIN", "-ERR timeout is not a float or out of range"),
            ("BZMPOP 0 0 z MIN", "-ERR numkeys should be greater than 0"),
            ("BZMPOP 0 2 z MIN", "-ERR syntax error"),
            ("BZMPOP 0 1 z MIN COUNT 0", "-ERR count should be greater than 0"),
            ("MULTI", "+OK"),
            ("BZPOPMIN z 0", "+QUEUED"),
            ("BZMPOP 0 1 z MIN", "+QUEUED"),
            ("EXEC", "[nil, nil]"),
        ]);
    }
}

#[test]
fn what_stores_a_set_wakes_who_waits_for_it() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let (waiter, other) = (core.client(), core.client());
        other.send("ZADD src 1 a 2 b");
        assert!(waiter.pipeline(&["BZPOPMAX dst 0"]).is_empty());
        assert_eq!(other.send("ZUNIONSTORE dst 1 src"), ":2");
        assert_eq!(waiter.poll(), [r#"["dst", "b", "2"]"#]);
        other.send("DEL dst");
        assert!(waiter.pipeline(&["BZPOPMIN dst 0"]).is_empty());
        assert_eq!(other.send("ZINCRBY dst 7 m"), "\"7\"");
        assert_eq!(waiter.poll(), [r#"["dst", "m", "7"]"#]);
    }
}

#[test]
fn a_watch_sees_changes_only() {
    in_both_forms(|core| {
        let (client, other) = (core.client(), core.client());
        client.send("ZADD z 1 a 2 b");
        for (line, changes) in [
            ("ZADD z 1 a", false),
            ("ZADD z NX 5 a", false),
            ("ZADD z XX 5 new", false),
            ("ZREM z nobody", false),
            ("ZREMRANGEBYSCORE z 50 60", false),
            ("ZSCAN z 0", false),
            ("ZADD z 2 a", true),
            ("ZINCRBY z 1 a", true),
            ("ZREM z a", true),
            ("ZADD z 9 c", true),
            ("ZPOPMAX z", true),
        ] {
            client.check(&[("WATCH z", "+OK"), ("MULTI", "+OK"), ("PING", "+QUEUED")]);
            other.send(line);
            assert_eq!(client.send("EXEC"), if changes { "nil" } else { "[+PONG]" }, "{line}");
        }
    });
}

#[test]
fn large_sets_behave_as_small_ones() {
    for cores in [1, 3] {
        let core = TestCore::new(cores);
        let client = core.client();
        let keys = key_of_each_core(3, "big");
        let [a, b, c] = [&keys[0], &keys[1], &keys[2]];
        for number in 0..2000 {
            client.send(&format!("ZADD {a} {number} m{number}"));
            client.send(&format!("ZADD {b} {} m{}", number * 2, number + 1000));
        }
        assert_eq!(client.send(&format!("ZUNIONSTORE {c} 2 {a} {b}")), ":3000");
        assert_eq!(client.send(&format!("ZRANGE {c} 2998 -1 WITHSCORES")), r#"["m1999", "3997", "m2999", "3998"]"#);
        assert_eq!(client.send(&format!("ZSCORE {c} m1500")), "\"2500\"");
        assert_eq!(client.send(&format!("ZINTERCARD 2 {a} {b}")), ":1000");
        assert_eq!(client.send(&format!("ZDIFFSTORE {c} 2 {a} {b}")), ":1000");
        assert_eq!(client.send(&format!("ZREMRANGEBYRANK {c} 100 -101")), ":800");
        assert_eq!(client.send(&format!("ZRANGE {c} 99 100")), r#"["m99", "m900"]"#);
        assert_eq!(client.send(&format!("ZREVRANK {c} m0")), ":199");
        assert_eq!(client.send(&format!("ZCOUNT {a} (10 20")), ":10");
        assert_eq!(client.send(&format!("DEL {a} {b} {c}")), ":3");
        core.upkeep();
        assert_eq!(client.send("DBSIZE"), ":0");
    }
}

#[test]
fn a_random_members_count_is_read_before_what_stands_behind_it() {
    let core = TestCore::new(1);
    let client = core.client();
    client.send("ZADD z 1 a");
    assert_eq!(client.send("ZRANDMEMBER z abc 3"), "-ERR value is not an integer or out of range");
    assert_eq!(client.send("ZRANDMEMBER z 1 3"), "-ERR syntax error");
    assert_eq!(client.send("BZMPOP -1 1 z MIN COUNT 0"), "-ERR count should be greater than 0");
    assert_eq!(client.send("BZMPOP -1 1 z MIN COUNT 1"), "-ERR timeout is negative");
}
