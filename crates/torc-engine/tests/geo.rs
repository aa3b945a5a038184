//! Places: every command of the family, sets in both forms, keys on one core and on three.

mod common;

use common::{Client, TestCore, key_of_each_core};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SICILY: &str = "GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 38.788135 edge2";

/// Runs a test with small sets packed and with all sets as objects, on one core and on three.
fn each(test: impl Fn(&Client)) {
    for (cores, entries) in [(1, 128), (1, 0), (3, 128), (3, 0)] {
        test(&TestCore::with_config(cores, |config| config.zset_max_listpack_entries = entries).client());
    }
}

/// [`each`] after the places of Sicily have been added.
fn in_sicily(test: impl Fn(&Client)) {
    each(|client| {
        assert_eq!(client.send(SICILY), ":4");
        test(client);
    });
}

#[test]
fn places_are_added_and_moved() {
    each(|client| {
        client.check(&[
            ("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2"),
            ("ZRANGE g 0 -1 WITHSCORES", r#"["Palermo", "3479099956230698", "Catania", "3479447370796909"]"#),
            ("GEOADD g 13.361389 38.115556 Palermo", ":0"),
            ("GEOADD g CH 13.4 38.1 Palermo 1 2 new", ":2"),
            ("GEOADD g NX CH 14 39 Palermo 1 3 newer", ":1"),
            ("GEOADD g xx ch 14 39 Palermo 1 3 newest", ":1"),
            ("ZCARD g", ":4"),
            ("GEOADD none XX 1 1 a", ":0"),
            ("EXISTS none", ":0"),
            ("GEOADD g 180 85.05112878 corner -180 -85.05112878 opposite", ":2"),
            ("ZSCORE g corner", "\"13510798882111488\""),
            ("ZSCORE g opposite", "\"0\""),
            ("TYPE g", "+zset"),
        ]);
        let many: Vec<String> = (0..20).map(|number| format!("{number} {number} m{number}")).collect();
        assert_eq!(client.send(&format!("GEOADD many {}", many.join(" "))), ":20");
        assert_eq!(client.send("GEOHASH many m3 m17"), r#"["s0d1h60s300", "s7h0dyg00t0"]"#);
    });
}

#[test]
fn unusable_places_change_nothing() {
    each(|client| {
        client.check(&[
            ("GEOADD g 1 1 a 200 100 b", "-ERR invalid longitude,latitude pair 200.000000,100.000000"),
            ("GEOADD g -180.1 0 a", "-ERR invalid longitude,latitude pair -180.100000,0.000000"),
            ("GEOADD g 0 85.06 a", "-ERR invalid longitude,latitude pair 0.000000,85.060000"),
            ("GEOADD g inf 0 a", "-ERR invalid longitude,latitude pair inf,0.000000"),
            ("GEOADD g nan 0 a", "-ERR value is not a valid float"),
            ("GEOADD g 0 x a", "-ERR value is not a valid float"),
            ("GEOADD g \"\" 0 a", "-ERR value is not a valid float"),
            ("GEOADD g 1 1 a 1", "-ERR syntax error"),
            ("GEOADD g NX XX 1 1 a", "-ERR syntax error"),
            ("GEOADD g NX CH CH", "-ERR syntax error"),
            ("GEOADD g 1 1", "-ERR wrong number of arguments for 'geoadd' command"),
            ("EXISTS g", ":0"),
        ]);
    });
}

#[test]
fn distances_come_in_units() {
    in_sicily(|client| {
        client.check(&[
            ("GEODIST sicily Palermo Catania", "\"166274.1516\""),
            ("GEODIST sicily Palermo Catania KM", "\"166.2742\""),
            ("GEODIST sicily Palermo Catania mi", "\"103.3182\""),
            ("GEODIST sicily Palermo Catania ft", "\"545518.8700\""),
            ("GEODIST sicily Palermo Palermo", "\"0.0000\""),
            ("GEODIST sicily Palermo nobody", "nil"),
            ("GEODIST none Palermo Catania", "nil"),
            ("GEODIST none Palermo Catania yd", "-ERR unsupported unit provided. please use M, KM, FT, MI"),
            ("GEODIST sicily Palermo Catania m more", "-ERR syntax error"),
        ]);
    });
}

#[test]
fn positions_and_texts_of_members() {
    in_sicily(|client| {
        client.check(&[
            (
                "GEOPOS sicily Palermo nobody Catania",
                r#"[["13.36138933897018433", "38.11555639549629859"], nil, ["15.08726745843887329", "37.50266842333162032"]]"#,
            ),
            ("GEOPOS sicily", "[]"),
            ("GEOPOS none a b", "[nil, nil]"),
            ("GEOHASH sicily Palermo Catania nobody", r#"["sqc8b49rny0", "sqdtr74hyu0", nil]"#),
            ("GEOHASH sicily", "[]"),
            ("GEOHASH none a", "[nil]"),
        ]);
        client.send("HELLO 3");
        client.check(&[
            ("GEOPOS sicily Palermo nobody", "[[,13.36138933897018433, ,38.11555639549629859], nil]"),
            ("GEODIST sicily Palermo Catania", "\"166274.1516\""),
            (
                "GEOSEARCH sicily FROMMEMBER Palermo BYRADIUS 1 km WITHDIST WITHCOORD WITHHASH",
                r#"[["Palermo", "0.0000", :3479099956230698, [,13.36138933897018433, ,38.11555639549629859]]]"#,
            ),
        ]);
    });
}

#[test]
fn scores_that_are_no_places_are_places_somewhere() {
    each(|client| {
        client.send("ZADD g 0 zero -1 negative inf high 0.5 half");
        client.check(&[
            ("GEOHASH g zero half", r#"["00bh0hbj200", "00bh0hbj200"]"#),
            ("GEOPOS g negative", r#"[["180", "85.0511287799999991"]]"#),
            ("GEOPOS g high", r#"[["-179.99999731779098511", "-85.05112751263942528"]]"#),
            ("GEOSEARCH g FROMLONLAT -180 -85.05112878 BYRADIUS 1 m", r#"["zero", "half"]"#),
        ]);
    });
}

#[test]
fn searches_find_what_lies_inside() {
    in_sicily(|client| {
        client.check(&[
            ("GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC", r#"["Catania", "Palermo"]"#),
            ("GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km DESC", r#"["Palermo", "Catania"]"#),
            (
                "geosearch sicily bybox 400 400 km asc withdist fromlonlat 15 37",
                r#"[["Catania", "56.4413"], ["Palermo", "190.4424"], ["edge2", "279.7403"], ["edge1", "279.7405"]]"#,
            ),
            ("GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 3", r#"["Catania", "Palermo", "edge2"]"#),
            ("GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 1", r#"["edge1"]"#),
            ("GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 390 390 km ASC", r#"["Catania", "Palermo"]"#),
            ("GEOSEARCH sicily FROMMEMBER Palermo BYRADIUS 0 m", r#"["Palermo"]"#),
            (
                "GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS inf m COUNT 9223372036854775807",
                r#"["Catania", "Palermo", "edge2", "edge1"]"#,
            ),
            ("GEOSEARCH sicily FROMLONLAT 100 -37 BYRADIUS 200 km", "[]"),
            ("GEOSEARCH none FROMLONLAT 15 37 BYRADIUS 200 km", "[]"),
            ("GEOSEARCH none FROMMEMBER nobody BYRADIUS 200 km", "[]"),
            (
                "GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHHASH WITHCOORD COUNT 1 ANY",
                r#"[["Palermo", :3479099956230698, ["13.36138933897018433", "38.11555639549629859"]]]"#,
            ),
        ]);
        let any = client.send("GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 2 ANY");
        assert_eq!(any.split(", ").count(), 2, "{any}");
    });
}

#[test]
fn polygons_need_no_center() {
    in_sicily(|client| {
        client.check(&[
            ("GEOSEARCH sicily BYPOLYGON 4 12 37 18 37 18 38.5 12 38.5 ASC", r#"["Catania", "Palermo"]"#),
            ("GEOSEARCH sicily ASC BYPOLYGON 3 12 38 14 38 13 39 WITHDIST", r#"[["Palermo", "39990.4967"]]"#),
            ("GEOSEARCH sicily BYPOLYGON 3 0 0 1 0 0 1", "[]"),
            ("GEOSEARCH none BYPOLYGON 3 0 0 1 0 0 1", "[]"),
            ("GEOSEARCH sicily BYPOLYGON 2 0 0 1 0 0 1", "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
            ("GEOSEARCH sicily BYPOLYGON 4 0 0 1 0 0 1", "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
            ("GEOSEARCH sicily BYPOLYGON -1 0 0 1 0 0 1", "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
            ("GEOSEARCH sicily BYPOLYGON x 0 0 1 0 0 1", "-ERR invalid number of vertices"),
            ("GEOSEARCH sicily BYPOLYGON 9223372036854775807 0 0 1 0 0 1", "-ERR invalid number of vertices"),
            ("GEOSEARCH sicily BYPOLYGON 3 0 0 1 0 0 99", "-ERR invalid longitude,latitude pair 0.000000,99.000000"),
            ("GEOSEARCH sicily FROMLONLAT 1 1 BYPOLYGON 3 0 0 1 0 0 1", "-ERR syntax error"),
            ("GEOSEARCH sicily BYPOLYGON 3 0 0 1 0 0 1 FROMMEMBER Palermo", "-ERR syntax error"),
            ("GEOSEARCH sicily BYPOLYGON 3 0 0 1 0 0 1 BYRADIUS 1 m", "-ERR syntax error"),
            ("GEOSEARCH sicily BYPOLYGON 3 0 0 1 0 0 1 COUNT -1", "-ERR COUNT must be > 0"),
            ("GEOSEARCHSTORE found sicily BYPOLYGON 4 12 37 18 37 18 38.5 12 38.5", ":2"),
            ("ZRANGE found 0 -1", r#"["Palermo", "Catania"]"#),
        ]);
    });
}

#[test]
fn searches_say_what_is_wrong_with_them() {
    in_sicily(|client| {
        let from = "GEOSEARCH sicily FROMLONLAT 15 37";
        let by = "GEOSEARCH sicily BYRADIUS 1 km";
        let cases = [
            (from, "BYRADIUS x km", "need numeric radius"),
            (from, "BYRADIUS -1 km", "radius cannot be negative"),
            (from, "BYRADIUS 1 parsec", "unsupported unit provided. please use M, KM, FT, MI"),
            (from, "BYBOX x 1 km", "need numeric width"),
            (from, "BYBOX 1 x km", "need numeric height"),
            (from, "BYBOX 1 -1 km", "height or width cannot be negative"),
            (from, "BYBOX -1 1 km", "height or width cannot be negative"),
            (from, "BYBOX 1 1 yd", "unsupported unit provided. please use M, KM, FT, MI"),
            (from, "BYRADIUS 1 km BYBOX 1 1 km", "syntax error"),
            (from, "BYBOX 1 1 km BYRADIUS 1 km", "syntax error"),
            (from, "BYRADIUS 1 km FROMMEMBER Palermo", "syntax error"),
            (from, "BYRADIUS 1 km STOREDIST", "syntax error"),
            (from, "BYRADIUS 1 km STORE key", "syntax error"),
            (from, "BYRADIUS 1 km COUNT", "syntax error"),
            (from, "BYRADIUS 1 km nonsense", "syntax error"),
            (from, "BYRADIUS 1 km COUNT 0", "COUNT must be > 0"),
            (from, "BYRADIUS 1 km COUNT -9223372036854775808", "COUNT must be > 0"),
            (from, "BYRADIUS 1 km COUNT 9223372036854775808", "value is not an integer or out of range"),
            (from, "BYRADIUS 1 km ANY", "the ANY argument requires COUNT argument"),
            (from, "ASC DESC", "exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH"),
            (by, "ASC DESC", "exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH"),
            (by, "FROMMEMBER nobody", "could not decode requested zset member"),
            (by, "FROMLONLAT 181 0", "invalid longitude,latitude pair 181.000000,0.000000"),
            (by, "FROMMEMBER Palermo FROMLONLAT 1 1", "syntax error"),
        ];
        for (start, rest, text) in cases {
            assert_eq!(client.send(&format!("{start} {rest}")), format!("-ERR {text}"), "{rest}");
        }
        let store = "GEOSEARCHSTORE to sicily FROMLONLAT 15 37";
        let refused = "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
        assert_eq!(client.send(&format!("{store} BYRADIUS 1 km WITHDIST")), refused);
        let name = "-ERR exactly one of BYRADIUS and BYBOX can be specified for GeoSearchStore";
        assert_eq!(client.send("GeoSearchStore to sicily FROMLONLAT 15 37 ASC DESC"), name);
        assert_eq!(client.send("EXISTS to"), ":0");
    });
}

#[test]
fn radius_commands_are_searches() {
    in_sicily(|client| {
        client.check(&[
            ("GEORADIUS sicily 15 37 200 km ASC", r#"["Catania", "Palermo"]"#),
            ("GEORADIUS_RO sicily 15 37 200 km WITHDIST COUNT 1", r#"[["Catania", "56.4413"]]"#),
            ("GEORADIUSBYMEMBER sicily Palermo 100 km ASC", r#"["Palermo", "edge1"]"#),
            ("GEORADIUSBYMEMBER_RO sicily Palermo 100 km DESC", r#"["edge1", "Palermo"]"#),
            ("GEORADIUS sicily 15 97 200 km", "-ERR invalid longitude,latitude pair 15.000000,97.000000"),
            ("GEORADIUS sicily 15 37 x km", "-ERR need numeric radius"),
            ("GEORADIUS sicily 15 37 1 km FROMMEMBER a", "-ERR syntax error"),
            ("GEORADIUS sicily 15 37 1 km STORE", "-ERR syntax error"),
            ("GEORADIUS_RO sicily 15 37 1 km STORE key", "-ERR syntax error"),
            ("GEORADIUSBYMEMBER_RO sicily Palermo 1 km STOREDIST key", "-ERR syntax error"),
            ("GEORADIUSBYMEMBER sicily nobody 1 km", "-ERR could not decode requested zset member"),
            ("GEORADIUSBYMEMBER none nobody x y", "[]"),
            ("GEORADIUS none 15 37 x y", "-ERR need numeric radius"),
            ("GEORADIUS sicily 15 37 1 km ANY", "-ERR the ANY argument requires COUNT argument"),
            (
                "GEORADIUS sicily 15 37 1 km STORE to WITHCOORD",
                "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            ),
            ("EXISTS to", ":0"),
        ]);
    });
}

#[test]
fn what_is_found_is_stored_on_any_core() {
    in_sicily(|client| {
        for to in key_of_each_core(3, "to") {
            let stored = |command: &str, count: &str, content: &str| {
                assert_eq!(client.send(&command.replace('@', &to)), count, "{command}");
                assert_eq!(client.send(&format!("ZRANGE {to} 0 -1 WITHSCORES")), content, "{command}");
            };
            let both = r#"["Palermo", "3479099956230698", "Catania", "3479447370796909"]"#;
            let distances = r#"["Catania", "56.4412578701582", "Palermo", "190.44242984775784"]"#;
            client.send(&format!("SET {to} string EX 100"));
            stored("GEOSEARCHSTORE @ sicily FROMLONLAT 15 37 BYRADIUS 200 km", ":2", both);
            assert_eq!(client.send(&format!("TTL {to}")), ":-1");
            stored("GEOSEARCHSTORE @ sicily FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST", ":2", distances);
            stored("GEORADIUS sicily 15 37 200 km STORE @", ":2", both);
            stored("GEORADIUS sicily 15 37 200 km STORE other STOREDIST @", ":2", distances);
            stored("GEORADIUSBYMEMBER sicily Palermo 1 km STOREDIST @", ":1", r#"["Palermo", "0"]"#);
            stored("GEORADIUS sicily 15 37 200 km COUNT 1 STORE @", ":1", r#"["Catania", "3479447370796909"]"#);
            stored("GEOSEARCHSTORE @ sicily FROMLONLAT 0 0 BYRADIUS 1 km", ":0", "[]");
            stored("GEORADIUS sicily 15 37 200 km STORE @", ":2", both);
            stored("GEORADIUSBYMEMBER none x y z STORE @", ":0", "[]");
            stored("GEORADIUS sicily 15 37 200 km STORE @", ":2", both);
            stored("GEOSEARCHSTORE @ none FROMMEMBER x BYRADIUS 1 km", ":0", "[]");
            assert_eq!(client.send("EXISTS other"), ":0");
            let refused = format!("GEOSEARCHSTORE {to} sicily FROMMEMBER nobody BYRADIUS 1 km");
            assert_eq!(client.send(&refused), "-ERR could not decode requested zset member");
        }
        assert_eq!(client.send("GEOSEARCHSTORE sicily sicily FROMMEMBER Palermo BYRADIUS 1 km"), ":1");
        assert_eq!(client.send("ZRANGE sicily 0 -1"), r#"["Palermo"]"#);
    });
}

#[test]
fn stores_name_their_keys() {
    in_sicily(|client| {
        client.check(&[
            ("COMMAND GETKEYS GEORADIUS a 1 1 1 m STORE b", r#"["a", "b"]"#),
            ("COMMAND GETKEYS GEORADIUS a 1 1 1 m STORE b STOREDIST c", r#"["a", "c"]"#),
            ("COMMAND GETKEYS GEORADIUSBYMEMBER a m 1 m ASC STORE store", r#"["a", "store"]"#),
            ("COMMAND GETKEYS GEORADIUS a 1 1 1 m", r#"["a"]"#),
            ("COMMAND GETKEYS GEOSEARCHSTORE a b FROMMEMBER m BYRADIUS 1 m", r#"["a", "b"]"#),
        ]);
    });
}

#[test]
fn other_types_are_refused() {
    each(|client| {
        client.send("SET string value");
        client.send(SICILY);
        for command in [
            "GEOADD string 1 1 a",
            "GEODIST string a b",
            "GEOHASH string a",
            "GEOPOS string a",
            "GEOSEARCH string FROMLONLAT 1 1 BYRADIUS 1 m",
            "GEOSEARCH string nonsense 1 1 BYRADIUS 1 m",
            "GEOSEARCHSTORE to string FROMLONLAT 1 1 BYRADIUS 1 m",
            "GEORADIUS string 1 1 1 m",
            "GEORADIUS string 1 1 1 m STORE sicily",
            "GEORADIUS_RO string 1 1 1 m",
            "GEORADIUSBYMEMBER string a 1 m",
            "GEORADIUSBYMEMBER_RO string a 1 m",
        ] {
            assert_eq!(client.send(command), WRONG_TYPE, "{command}");
        }
        assert_eq!(client.send("GET string"), "\"value\"");
        assert_eq!(client.send("ZCARD sicily"), ":4");
    });
}

#[test]
fn big_sets_are_searched_like_a_list() {
    let core = TestCore::new(1);
    let client = core.client();
    // Places on a spiral around the earth, at known positions.
    let place = |number: i32| (f64::from(number) * 7.3 % 360.0 - 180.0, f64::from(number) * 0.08 - 80.0);
    for number in 0..2000 {
        let (longitude, latitude) = place(number);
        client.send(&format!("GEOADD g {longitude} {latitude} {number}"));
    }
    let distance = |from: i32, to: i32| -> f64 {
        client.send(&format!("GEODIST g {from} {to} m")).trim_matches('"').parse().expect("a distance")
    };
    for center in [30, 700, 1000, 1500, 1950] {
        for radius_km in [1.0, 300.5, 2000.5, 9000.5] {
            let mut expected: Vec<(f64, i32)> = (0..2000).map(|number| (distance(center, number), number)).collect();
            expected.retain(|&(distance, _)| distance <= radius_km * 1000.0);
            expected.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
            let names = |count: usize| {
                let names: Vec<String> = expected.iter().take(count).map(|(_, name)| format!("\"{name}\"")).collect();
                format!("[{}]", names.join(", "))
            };
            let search = format!("GEOSEARCH g FROMMEMBER {center} BYRADIUS {radius_km} km");
            assert_eq!(client.send(&format!("{search} ASC")), names(usize::MAX), "{search}");
            assert_eq!(client.send(&format!("{search} COUNT 7")), names(7), "{search}");
        }
    }
}
