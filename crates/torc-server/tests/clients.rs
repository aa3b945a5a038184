//! A client library in everyday use against the real binary: types, pipelines, transactions, RESP3, many threads.

mod common;

use common::{LIMIT, Launch, Server};
use redis::{Commands, Connection, ConnectionLike, ErrorKind, ServerErrorKind, Value};

fn connect_with(server: &Server, suffix: &str) -> Connection {
    let url = format!("redis://127.0.0.1:{}/{suffix}", server.port());
    let client = redis::Client::open(url).expect("the address is valid");
    let connection = client.get_connection_with_timeout(LIMIT).expect("the server accepts");
    connection.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
    connection.set_write_timeout(Some(LIMIT)).expect("a limit can be set");
    connection
}

fn connect(server: &Server) -> Connection {
    connect_with(server, "")
}

#[test]
fn strings_keys_and_expiry() {
    let server = Launch::cores(2).start();
    let mut connection = connect(&server);
    let () = connection.set("text", "value").unwrap();
    assert_eq!(connection.get::<_, String>("text").unwrap(), "value");
    assert_eq!(connection.get::<_, Option<String>>("absent").unwrap(), None);
    let binary: Vec<u8> = (0..=255).collect();
    let () = connection.set(&binary, &binary).unwrap();
    assert_eq!(connection.get::<_, Vec<u8>>(&binary).unwrap(), binary);
    assert_eq!(connection.incr::<_, _, i64>("counter", 41).unwrap(), 41);
    assert_eq!(connection.incr::<_, _, i64>("counter", 1).unwrap(), 42);
    assert_eq!(connection.append::<_, _, usize>("text", "+more").unwrap(), 10);
    assert_eq!(connection.getrange::<_, String>("text", -4, -1).unwrap(), "more");
    let () = connection.set_ex("fleeting", 1, 100).unwrap();
    let seconds: i64 = connection.ttl("fleeting").unwrap();
    assert!((95..=100).contains(&seconds), "{seconds}");
    assert!(connection.expire::<_, bool>("text", 50).unwrap());
    assert!(connection.persist::<_, bool>("text").unwrap());
    assert_eq!(connection.exists::<_, usize>(&["text", "counter", "absent", "text"]).unwrap(), 3);
    let () = connection.mset(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]).unwrap();
    let values: Vec<Option<i64>> = connection.mget(&["d", "absent", "a", "b", "c"]).unwrap();
    assert_eq!(values, [Some(4), None, Some(1), Some(2), Some(3)]);
    let mut keys: Vec<Vec<u8>> = connection.scan().unwrap().collect::<Result<_, _>>().unwrap();
    keys.sort();
    assert_eq!(keys.len(), 8);
    assert_eq!(connection.del::<_, usize>(&["a", "b", "c", "d", "absent"]).unwrap(), 4);
    let error = connection.incr::<_, _, i64>("text", 1).unwrap_err();
    assert_eq!(error.to_string(), "ResponseError: value is not an integer or out of range");
}

#[test]
fn pipelines_of_ten_thousand() {
    const COUNT: usize = 10_000;
    for cores in [1, 3] {
        let server = Launch::cores(cores).start();
        let mut connection = connect(&server);
        let (mut writes, mut reads) = (redis::pipe(), redis::pipe());
        for number in 0..COUNT {
            writes.set(format!("key:{number}"), format!("value {number}"));
            reads.get(format!("key:{number}"));
        }
        let written: Vec<String> = writes.query(&mut connection).unwrap();
        assert!(written.len() == COUNT && written.iter().all(|reply| reply == "OK"));
        let read: Vec<String> = reads.query(&mut connection).unwrap();
        assert!(read.iter().enumerate().all(|(number, value)| *value == format!("value {number}")));
        assert_eq!(read.len(), COUNT);
        assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut connection).unwrap(), COUNT);
    }
}

#[test]
fn transactions() {
    let server = Launch::cores(3).start();
    let mut connection = connect(&server);
    let mut pipe = redis::pipe();
    pipe.atomic().set("{user}a", 1).ignore().incr("{user}a", 5).get("{user}b").set("{user}b", "x").get("{user}b");
    let replies: (i64, Option<String>, String, String) = pipe.query(&mut connection).unwrap();
    assert_eq!(replies, (6, None, "OK".to_owned(), "x".to_owned()));

    // An error while it runs leaves the other commands in force.
    let mut pipe = redis::pipe();
    pipe.atomic().incr("{user}b", 1).incr("{user}a", 1);
    assert!(pipe.query::<Vec<Value>>(&mut connection).is_err());
    assert_eq!(connection.get::<_, i64>("{user}a").unwrap(), 7);

    // An error while it is queued discards it.
    assert_eq!(redis::cmd("MULTI").query::<String>(&mut connection).unwrap(), "OK");
    assert_eq!(redis::cmd("SET").arg("{user}a").arg(0).query::<String>(&mut connection).unwrap(), "QUEUED");
    assert!(redis::cmd("GET").query::<Value>(&mut connection).is_err());
    let error = redis::cmd("EXEC").query::<Value>(&mut connection).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ExecAbort));
    assert_eq!(connection.get::<_, i64>("{user}a").unwrap(), 7);
}

#[test]
fn transactions_of_many_clients_do_not_mix() {
    const CLIENTS: usize = 16;
    const ROUNDS: usize = 200;
    let server = Launch::cores(3).start();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = connect(&server);
                for _ in 0..ROUNDS {
                    let mut pipe = redis::pipe();
                    pipe.atomic().incr("{shared}first", 1).incr("{shared}second", 1);
                    let (first, second): (u64, u64) = pipe.query(&mut connection).unwrap();
                    assert_eq!(first, second, "both keys change together");
                }
            });
        }
    });
    let total: usize = connect(&server).get("{shared}second").unwrap();
    assert_eq!(total, CLIENTS * ROUNDS);
}

#[test]
fn resp3() {
    let server = Launch::cores(2).start();
    let mut connection = connect_with(&server, "?protocol=resp3");
    let greeting = redis::cmd("HELLO").arg(3).query::<Value>(&mut connection).unwrap();
    let Value::Map(fields) = &greeting else { panic!("{greeting:?}") };
    assert!(fields.iter().any(|(name, value)| {
        matches!(name, Value::BulkString(name) if name == b"proto") && *value == Value::Int(3)
    }));
    assert_eq!(redis::cmd("GET").arg("absent").query::<Value>(&mut connection).unwrap(), Value::Nil);
    let () = connection.set("key", "value").unwrap();
    assert_eq!(connection.get::<_, String>("key").unwrap(), "value");
    let config = redis::cmd("CONFIG").arg("GET").arg("port").query::<Value>(&mut connection).unwrap();
    assert!(matches!(config, Value::Map(_)), "{config:?}");
    let values: Vec<Option<String>> = connection.mget(&["key", "absent"]).unwrap();
    assert_eq!(values, [Some("value".to_owned()), None]);
    let info: String = redis::cmd("INFO").query(&mut connection).unwrap();
    assert!(info.contains("# Server"), "{info}");
}

#[test]
fn databases_names_and_passwords() {
    let server = Launch::cores(2).with("--requirepass", "secret").start();
    let url = format!("redis://127.0.0.1:{}/", server.port());
    let stranger = redis::Client::open(url).unwrap().get_connection_with_timeout(LIMIT);
    assert!(stranger.is_err() || stranger.unwrap().get::<_, Option<String>>("key").is_err());
    let login = |db: u8| {
        let url = format!("redis://:secret@127.0.0.1:{}/{db}", server.port());
        redis::Client::open(url).unwrap().get_connection_with_timeout(LIMIT).expect("the password is right")
    };
    let (mut zero, mut five) = (login(0), login(5));
    let () = zero.set("key", "in zero").unwrap();
    assert_eq!(five.get::<_, Option<String>>("key").unwrap(), None);
    let () = five.set("key", "in five").unwrap();
    assert_eq!(zero.get::<_, String>("key").unwrap(), "in zero");
    assert_eq!(five.get_db(), 5);
    let () = redis::cmd("CLIENT").arg("SETNAME").arg("worker").query(&mut five).unwrap();
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut zero).unwrap();
    assert!(list.lines().any(|line| line.contains("name=worker") && line.contains("db=5")), "{list}");
    let () = redis::cmd("FLUSHDB").query(&mut five).unwrap();
    assert_eq!(zero.get::<_, String>("key").unwrap(), "in zero");
    assert!(zero.check_connection());
}
