//! SORT and SORT_RO: what they sort, by what, and what they answer; keys on one core and on several.

mod common;

use common::{Client, TestCore};

/// Servers to run a test on: one core, and three.
fn each(test: impl Fn(&Client)) {
    for cores in [1, 3] {
        test(&TestCore::new(cores).client());
    }
}

#[test]
fn elements_of_any_collection_are_sorted() {
    each(|client| {
        client.send("RPUSH list 3 10 1 2 2.5 -inf");
        assert_eq!(client.send("SORT list"), r#"["-inf", "1", "2", "2.5", "3", "10"]"#);
        assert_eq!(client.send("SORT list DESC"), r#"["10", "3", "2.5", "2", "1", "-inf"]"#);
        assert_eq!(client.send("SORT list ALPHA"), r#"["-inf", "1", "10", "2", "2.5", "3"]"#);
        assert_eq!(client.send("SORT list LIMIT 1 2"), r#"["1", "2"]"#);
        assert_eq!(client.send("SORT list LIMIT 4 100"), r#"["3", "10"]"#);
        assert_eq!(client.send("SORT list LIMIT 2 -1"), r#"["2", "2.5", "3", "10"]"#);
        assert_eq!(client.send("SORT list LIMIT -5 1"), r#"["-inf"]"#);
        assert_eq!(client.send("SORT list LIMIT 10 1"), "[]");
        client.send("SADD set 3 1 2");
        assert_eq!(client.send("SORT_RO set DESC"), r#"["3", "2", "1"]"#);
        client.send("ZADD zset 1 c 2 a 3 b");
        assert_eq!(client.send("SORT zset ALPHA"), r#"["a", "b", "c"]"#);
        assert_eq!(client.send("SORT zset BY nosort"), r#"["c", "a", "b"]"#);
        assert_eq!(client.send("SORT zset BY nosort DESC LIMIT 0 2"), r#"["b", "a"]"#);
        assert_eq!(client.send("SORT list BY nosort LIMIT 0 2"), r#"["3", "10"]"#);
        client.send("RPUSH {l}ist 3 1 2 5 4");
        for (line, expected) in [
            ("SORT {l}ist BY nosort DESC", r#"["4", "5", "2", "1", "3"]"#),
            ("SORT_RO {l}ist BY nosort DESC LIMIT 1 2", r#"["5", "2"]"#),
            ("SORT {l}ist BY nosort DESC LIMIT 7 2", "[]"),
            ("SORT {l}ist BY nosort DESC GET # GET w_*", r#"["4", nil, "5", nil, "2", nil, "1", nil, "3", nil]"#),
            ("SORT {l}ist BY nosort DESC STORE {l}sorted", ":5"),
            ("LRANGE {l}sorted 0 -1", r#"["4", "5", "2", "1", "3"]"#),
        ] {
            assert_eq!(client.send(line), expected, "{line}");
        }
        assert_eq!(client.send("SORT none"), "[]");
    });
}

#[test]
fn weights_and_values_come_from_other_keys() {
    each(|client| {
        client.send("RPUSH list a b c d");
        for (name, weight) in [("a", 3), ("b", 1), ("c", 2)] {
            client.send(&format!("SET w_{name} {weight}"));
            client.send(&format!("HSET h_{name} weight {weight} name <{name}>"));
        }
        assert_eq!(client.send("SORT list BY w_*"), r#"["d", "b", "c", "a"]"#, "what has no weight weighs nothing");
        assert_eq!(client.send("SORT list BY h_*->weight DESC"), r#"["a", "c", "b", "d"]"#);
        assert_eq!(
            client.send("SORT list BY w_* GET # GET h_*->name GET w_* GET none LIMIT 1 2"),
            r#"["b", "<b>", "1", nil, "c", "<c>", "2", nil]"#
        );
        assert_eq!(client.send("SORT list BY w_* GET h_*"), "[nil, nil, nil, nil]", "a hash is no string");
        assert_eq!(client.send("SORT list BY w_*->x ALPHA"), r#"["a", "b", "c", "d"]"#);
        client.send("MSET t_a z t_b y t_c x t_d w");
        assert_eq!(client.send("SORT list BY t_* ALPHA"), r#"["d", "c", "b", "a"]"#);
        assert_eq!(client.send("SORT_RO list BY nosort GET w_*"), r#"["3", "1", "2", nil]"#);
        client.send("MULTI");
        client.send("SET w_d 9");
        client.send("SORT list BY w_* GET w_* STORE sorted");
        assert_eq!(client.send("EXEC"), "[+OK, :4]");
        assert_eq!(client.send("LRANGE sorted 0 -1"), r#"["1", "2", "3", "9"]"#);
    });
}

#[test]
fn a_result_is_stored_as_a_list() {
    each(|client| {
        client.send("RPUSH list 3 1 2");
        for destination in ["one", "two", "three", "four", "list"] {
            client.send(&format!("SET {destination}x text EX 100"));
            assert_eq!(client.send(&format!("SORT list STORE {destination}x")), ":3");
            assert_eq!(client.send(&format!("LRANGE {destination}x 0 -1")), r#"["1", "2", "3"]"#);
            assert_eq!(client.send(&format!("TTL {destination}x")), ":-1");
            assert_eq!(client.send(&format!("SORT list GET none_* STORE {destination}x")), ":3");
            assert_eq!(client.send(&format!("LRANGE {destination}x 0 -1")), r#"["", "", ""]"#);
            assert_eq!(client.send(&format!("SORT none STORE {destination}x")), ":0");
            assert_eq!(client.send(&format!("EXISTS {destination}x")), ":0");
        }
        assert_eq!(client.send("SORT list STORE list"), ":3");
        assert_eq!(client.send("LRANGE list 0 -1"), r#"["1", "2", "3"]"#);
        client.send("SADD set c b a");
        assert_eq!(client.send("SORT set BY nosort STORE sorted"), ":3");
        assert_eq!(client.send("LRANGE sorted 0 -1"), r#"["a", "b", "c"]"#, "a stored set has an order");
    });
}

#[test]
fn what_cannot_be_sorted_is_refused() {
    each(|client| {
        client.send("SET text x");
        client.send("RPUSH list a b");
        client.send("MSET w_a 1 w_b x");
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        let no_number = "-ERR One or more scores can't be converted into double";
        for (line, error) in [
            ("SORT text", wrong),
            ("SORT text BY w_*", wrong),
            ("SORT list", no_number),
            ("SORT list BY w_*", no_number),
            ("SORT list BY w_* STORE text", no_number),
            ("SORT list LIMIT 0", "-ERR syntax error"),
            ("SORT list LIMIT 0 x", "-ERR value is not an integer or out of range"),
            ("SORT list GET", "-ERR syntax error"),
            ("SORT list OTHER", "-ERR syntax error"),
            ("SORT_RO list ALPHA STORE text", "-ERR syntax error"),
            ("SORT", "-ERR wrong number of arguments for 'sort' command"),
        ] {
            assert_eq!(client.send(line), error, "{line}");
        }
        assert_eq!(client.send("GET text"), "\"x\"");
    });
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    each(|client| {
        assert_eq!(client.send("SORT list LIMIT x"), "-ERR syntax error");
        client.call(&["RPUSH", "list", " 2", "0x1", "", "3\0x", "\n-1"]);
        assert_eq!(client.send("SORT list ALPHA LIMIT 0 0"), "[]");
        assert_eq!(client.send("SORT list BY nothing* LIMIT 0 0"), "[]");
        assert_eq!(client.send("SORT list STORE sorted"), ":5");
        assert_eq!(client.send("LINDEX sorted 1"), r#""""#, "nothing is 0");
        assert_eq!(client.send("LINDEX sorted 2"), r#""0x1""#);
        assert_eq!(client.send("LINDEX sorted 3"), r#"" 2""#);
        for wrong in [" ", "1 ", "1e400", "nan", "x"] {
            client.call(&["DEL", "list"]);
            client.call(&["RPUSH", "list", wrong]);
            assert_eq!(client.send("SORT list"), "-ERR One or more scores can't be converted into double", "{wrong}");
        }
    });
}

#[test]
fn a_transaction_on_one_core_may_read_the_others() {
    each(|client| {
        client.send("MSET w_a 3 w_b 1 w_c 2");
        for key in ["one", "two", "three", "four"] {
            client.send(&format!("RPUSH {key} a b c"));
            client.send("MULTI");
            client.send(&format!("SORT {key} BY w_* GET # GET w_*"));
            assert_eq!(client.send("EXEC"), r#"[["b", "1", "c", "2", "a", "3"]]"#);
        }
    });
}
