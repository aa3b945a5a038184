//! Keys for tests that save and load.

use super::Client;
use super::resp::Reply;

/// Values of every type that RDB version 10 has, small and large, with and without expiry, in two databases.
pub fn fill_types(client: &mut Client) {
    let many = |word: &str| (0..600).map(|number| format!(" {word}:{number} {number}")).collect::<String>();
    for line in [
        "SET text some".to_owned(),
        format!("SET long {}", "long".repeat(20_000)),
        "SET number 123456 EX 100000".to_owned(),
        "SETRANGE zeros 70000 end".to_owned(),
        "RPUSH list a b 3".to_owned(),
        format!("RPUSH long-list{}", many("element")),
        "SADD numbers 1 2 3".to_owned(),
        "SADD set a b 3".to_owned(),
        format!("SADD long-set{}", many("member")),
        "ZADD sorted 1 a 2.5 b -inf c".to_owned(),
        "HSET hash f v g 7".to_owned(),
        format!("HSET long-hash{}", many("field")),
        "PFADD counted a b c d".to_owned(),
        "XADD stream 5-1 f v".to_owned(),
        "XADD stream 6-1 f w".to_owned(),
        "XGROUP CREATE stream group 0".to_owned(),
        "XREADGROUP GROUP group somebody COUNT 1 STREAMS stream >".to_owned(),
        "PEXPIREAT list 32503680000000".to_owned(),
        "SELECT 9".to_owned(),
        "SET text other".to_owned(),
        "SELECT 0".to_owned(),
    ] {
        let reply = client.command(&line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
    let sorted: Vec<String> = (0..600).flat_map(|number| [number.to_string(), format!("m{number}")]).collect();
    let request: Vec<&str> = ["ZADD", "long-sorted"].into_iter().chain(sorted.iter().map(String::as_str)).collect();
    assert_eq!(client.call(&request).integer(), 600);
}
