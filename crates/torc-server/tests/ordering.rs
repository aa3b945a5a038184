//! Replies over several cores: never lost, reordered, doubled or another connection's.
//!
//! Every connection has keys of its own and a model of them (a map), so the right reply to each of its requests
//! is known when the request is written. Values are unique in the whole test: a reply that belongs
//! to another place cannot be taken for the right one.

mod common;

use std::collections::HashMap;
use std::io::Write;

use common::resp::{self, Reply, append_request};
use common::{Client, Launch, Random, Server};

/// Keys of one connection: few, so that each is written and read often.
const KEYS: u64 = 60;

/// What one connection has written, and a source of requests with the replies they must get.
struct Model {
    connection: u64,
    values: HashMap<u64, String>,
    counters: HashMap<u64, i64>,
    random: Random,
    serial: u64,
}

impl Model {
    fn new(connection: u64) -> Model {
        let random = Random::new(connection);
        Model { connection, values: HashMap::new(), counters: HashMap::new(), random, serial: 0 }
    }

    fn key(&self, number: u64) -> String {
        format!("c{}:k{number}", self.connection)
    }

    fn unique(&mut self) -> String {
        self.serial += 1;
        let padding = "x".repeat(self.random.below(120) as usize);
        format!("v{}:{}:{padding}", self.connection, self.serial)
    }

    fn any_key(&mut self) -> (u64, String) {
        let number = self.random.below(KEYS);
        (number, self.key(number))
    }

    fn stored(&self, number: u64) -> Reply {
        self.values.get(&number).map_or(Reply::Null, Reply::bulk)
    }

    /// Some keys, no two alike.
    fn some_keys(&mut self) -> Vec<u64> {
        let (first, count) = (self.random.below(KEYS), 2 + self.random.below(10));
        (0..count).map(|step| (first + step * 7) % KEYS).collect()
    }

    /// Appends a random request to the pipeline; returns the reply it must get.
    fn step(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        match self.random.below(20) {
            0..6 => self.set(pipeline),
            6..12 => self.get(pipeline),
            12..14 => self.increment(pipeline),
            14 => self.replace(pipeline),
            15 => self.echo(pipeline),
            16 => self.append(pipeline),
            17 => self.set_several(pipeline),
            18 => self.get_several(pipeline),
            _ => self.count_or_delete(pipeline),
        }
    }

    fn set(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let ((number, key), value) = (self.any_key(), self.unique());
        append_request(pipeline, &["SET", &key, &value]);
        self.values.insert(number, value);
        Reply::ok()
    }

    fn get(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let (number, key) = self.any_key();
        append_request(pipeline, &["GET", &key]);
        self.stored(number)
    }

    fn increment(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let (number, by) = (self.random.below(KEYS), self.random.below(1000) as i64);
        append_request(pipeline, &["INCRBY", &format!("c{}:n{number}", self.connection), &by.to_string()]);
        let counter = self.counters.entry(number).or_default();
        *counter += by;
        Reply::Integer(*counter)
    }

    fn replace(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let ((number, key), value) = (self.any_key(), self.unique());
        append_request(pipeline, &["SET", &key, &value, "GET"]);
        let earlier = self.stored(number);
        self.values.insert(number, value);
        earlier
    }

    fn echo(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let value = self.unique();
        append_request(pipeline, &["ECHO", &value]);
        Reply::bulk(value)
    }

    fn append(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let (number, key) = self.any_key();
        append_request(pipeline, &["APPEND", &key, "+"]);
        let value = self.values.entry(number).or_default();
        value.push('+');
        Reply::Integer(value.len() as i64)
    }

    fn set_several(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let mut words = vec!["MSET".to_owned()];
        for number in self.some_keys() {
            let value = self.unique();
            words.extend([self.key(number), value.clone()]);
            self.values.insert(number, value);
        }
        append_request(pipeline, &words);
        Reply::ok()
    }

    fn get_several(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let mut numbers = self.some_keys();
        // The same key twice is fine here.
        numbers.push(numbers[0]);
        let keys = numbers.iter().map(|number| self.key(*number));
        append_request(pipeline, &std::iter::once("MGET".to_owned()).chain(keys).collect::<Vec<_>>());
        Reply::Array(numbers.iter().map(|number| self.stored(*number)).collect())
    }

    fn count_or_delete(&mut self, pipeline: &mut Vec<u8>) -> Reply {
        let numbers = self.some_keys();
        let present = numbers.iter().filter(|number| self.values.contains_key(number)).count();
        let name = if self.random.below(2) == 0 { "EXISTS" } else { "DEL" };
        if name == "DEL" {
            numbers.iter().for_each(|number| {
                self.values.remove(number);
            });
        }
        let keys = numbers.iter().map(|number| self.key(*number));
        append_request(pipeline, &std::iter::once(name.to_owned()).chain(keys).collect::<Vec<_>>());
        Reply::Integer(present as i64)
    }
}

/// One connection: pipelines of random length, each checked reply by reply.
fn check_connection(server: &Server, connection: u64, requests: usize) {
    let (mut client, mut model) = (server.connect(), Model::new(connection));
    let mut done = 0;
    while done < requests {
        let scale = model.random.below(11);
        let depth = 1 + model.random.below(1 << scale) as usize;
        let mut pipeline = Vec::new();
        let wanted: Vec<Reply> = (0..depth).map(|_| model.step(&mut pipeline)).collect();
        client.send(&pipeline);
        for (place, wanted) in wanted.iter().enumerate() {
            let got = client.reply();
            assert_eq!(got, *wanted, "connection {connection}, reply {place} of {depth} after {done}");
        }
        done += depth;
    }
    assert_eq!(client.call(&["ECHO", "the end"]), Reply::bulk("the end"), "nothing is left over");
}

fn check_connections(cores: usize) {
    const CONNECTIONS: u64 = 40;
    const REQUESTS: usize = 2_500;
    let server = Launch::cores(cores).start();
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let server = &server;
            scope.spawn(move || check_connection(server, connection, REQUESTS));
        }
    });
}

#[test]
fn one_core_answers_every_connection_by_its_model() {
    check_connections(1);
}

#[test]
fn two_cores_answer_every_connection_by_its_model() {
    check_connections(2);
}

#[test]
fn three_cores_answer_every_connection_by_its_model() {
    check_connections(3);
}

/// Sends without end while another thread reads: the pipeline never runs empty, windows of both sides fill.
#[test]
fn a_stream_of_requests_is_answered_in_order() {
    const REQUESTS: usize = 40_000;
    let server = Launch::cores(3).start();
    std::thread::scope(|scope| {
        for connection in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let (mut client, mut model) = (server.connect(), Model::new(connection));
                let mut pipeline = Vec::new();
                let wanted: Vec<Reply> = (0..REQUESTS).map(|_| model.step(&mut pipeline)).collect();
                let mut sender = client.stream().try_clone().expect("the socket can be shared");
                let sending = std::thread::spawn(move || sender.write_all(&pipeline).expect("the server reads"));
                for (place, wanted) in wanted.iter().enumerate() {
                    assert_eq!(client.reply(), *wanted, "connection {connection}, reply {place}");
                }
                sending.join().expect("everything was sent");
            });
        }
    });
}

#[test]
fn counters_of_many_clients_add_up() {
    const CLIENTS: usize = 50;
    const INCREMENTS: usize = 2_000;
    const COUNTERS: usize = 7;
    let server = Launch::cores(3).start();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = server.connect();
                let mut pipeline = Vec::new();
                (0..INCREMENTS).for_each(|n| append_request(&mut pipeline, &["INCR", &format!("n:{}", n % COUNTERS)]));
                client.send(&pipeline);
                let mut latest = [0; COUNTERS];
                for number in 0..INCREMENTS {
                    let count = client.reply().integer();
                    let earlier = std::mem::replace(&mut latest[number % COUNTERS], count);
                    assert!(count > earlier, "a counter only grows: {earlier}, then {count}");
                }
            });
        }
    });
    let mut client = server.connect();
    let total: i64 = (0..COUNTERS).map(|n| client.command(&format!("INCRBY n:{n} 0")).integer()).sum();
    assert_eq!(total, (CLIENTS * INCREMENTS) as i64);
}

/// More requests, and far more replies, than all socket buffers hold: the server must take them all before the
/// first reply is read, as clients that send a whole pipeline first rely on it.
fn check_huge_pipeline(cores: usize) {
    const REQUESTS: usize = 200_000;
    const KEYS: usize = 1_000;
    let server = Launch::cores(cores).start();
    let mut client = server.connect();
    let value = |number: usize| format!("{number:0>100}");
    let mut pipeline = Vec::new();
    (0..KEYS).for_each(|n| append_request(&mut pipeline, &["SET", &format!("key:{n}"), &value(n)]));
    client.send(&pipeline);
    (0..KEYS).for_each(|_| assert_eq!(client.reply(), Reply::ok()));

    pipeline.clear();
    (0..REQUESTS).for_each(|n| append_request(&mut pipeline, &["GET", &format!("key:{}", n % KEYS)]));
    client.send(&pipeline);
    for number in 0..REQUESTS {
        let wanted = format!("$100\r\n{}\r\n", value(number % KEYS));
        assert_eq!(client.read_exactly(wanted.len()), wanted.as_bytes(), "reply {number}");
    }
    assert_eq!(client.command("DBSIZE"), Reply::Integer(KEYS as i64));
}

#[test]
fn a_pipeline_may_be_sent_whole_before_the_first_reply_is_read() {
    check_huge_pipeline(1);
    check_huge_pipeline(2);
}

#[test]
fn large_values_keep_their_place() {
    const KEYS: usize = 24;
    let server = Launch::cores(3).start();
    let value = |number: usize| [b'a' + number as u8].repeat(100_000 + number * 40_001);
    let mut client = server.connect();
    for number in 0..KEYS {
        let reply = client.call(&[b"SET", format!("large:{number}").as_bytes(), &value(number)]);
        assert_eq!(reply, Reply::ok());
    }
    std::thread::scope(|scope| {
        for start in 0..3 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                let mut pipeline = Vec::new();
                let numbers: Vec<usize> = (0..KEYS * 2).map(|step| (start + step * 5) % KEYS).collect();
                for number in &numbers {
                    append_request(&mut pipeline, &["GET", &format!("large:{number}")]);
                    append_request(&mut pipeline, &["STRLEN", &format!("large:{number}")]);
                }
                client.send(&pipeline);
                for &number in &numbers {
                    assert!(client.reply() == Reply::Bulk(value(number)), "large value {number}");
                    assert_eq!(client.reply(), Reply::Integer(value(number).len() as i64));
                }
            });
        }
    });
}

#[test]
fn connections_that_come_and_go_leave_no_reply_to_their_followers() {
    const ROUNDS: usize = 150;
    let server = Launch::cores(3).start();
    let mut seed = server.connect();
    let mut pipeline = Vec::new();
    (0..200).for_each(|n| append_request(&mut pipeline, &["SET", &format!("seed:{n}"), "of another connection"]));
    seed.send(&pipeline);
    (0..200).for_each(|_| assert_eq!(seed.reply(), Reply::ok()));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    // Leaves while replies from other cores are still owed to it.
                    let mut leaver = server.connect();
                    let gets: Vec<u8> = (0..200).flat_map(|n| resp::request(&["GET", &format!("seed:{n}")])).collect();
                    leaver.send(&gets);
                    if round % 2 == 0 {
                        leaver.reset()
                    } else {
                        drop(leaver)
                    }
                    let mut follower: Client = server.connect();
                    let own = format!("own:{thread}:{round}");
                    assert_eq!(follower.call(&["SET", &own, &own]), Reply::ok());
                    assert_eq!(follower.call(&["GET", &own]), Reply::bulk(&own));
                }
            });
        }
    });
}
