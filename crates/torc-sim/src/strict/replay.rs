//! The serial order on one engine of one core: every answer must be the same, byte for byte.

use std::collections::HashMap;

use torc_engine::{ConnectionId, Engine};
use torc_resp::reader::{self, Elements};
use torc_resp::write_request;

use super::history::{Action, History};
use super::order::line;
use crate::peers::{self, Dump};

/// Replays the actions; gives the keys that are there at the end, at the given time.
pub(crate) fn replay(history: &History, order: &[usize], resp3: &HashMap<usize, bool>, now_us: i64) -> Dump {
    let mut engine = peers::engine(0, 1, 1);
    let mut connections: HashMap<usize, ConnectionId> = HashMap::new();
    let (mut time_us, mut latest) = (0, 0);
    for &number in order {
        let action = &history.actions[number];
        if let Some(piece) = action.pieces.first() {
            assert!(
                action.pieces.iter().all(|other| other.now_us == piece.now_us),
                "one time: {}",
                line(number, action)
            );
            let before = || line(latest, &history.actions[latest]);
            assert!(piece.now_us >= time_us, "time goes back: {}\n  from {}", line(number, action), before());
            (time_us, latest) = (piece.now_us, number);
            engine.set_time(time_us);
        }
        let connection = *connections.entry(action.connection).or_insert_with(|| {
            let connection = engine.connect(peers::connection_info());
            if resp3.get(&action.connection) == Some(&true) {
                answer(&mut engine, connection, &[b"HELLO".to_vec(), b"3".to_vec()]);
            }
            connection
        });
        engine.sessions.get(connection).expect("it is connected").db = action.db;
        let replies: Vec<Vec<u8>> =
            action.requests.iter().map(|request| answer(&mut engine, connection, request)).collect();
        compare(number, action, &replies);
    }
    engine.set_time(now_us);
    let mut dump = Dump::new();
    peers::dump_into(&mut dump, &engine, |_| true);
    dump
}

fn compare(number: usize, action: &Action, replies: &[Vec<u8>]) {
    // The keys of several cores come in another order than those of one.
    let unordered = action.requests.iter().any(|request| request[0].eq_ignore_ascii_case(b"keys"));
    for (index, (expected, actual)) in replies.iter().zip(&action.replies).enumerate() {
        let equal = if unordered { sorted(expected) == sorted(actual) } else { expected == actual };
        assert!(
            equal,
            "request {index} of {}\n  oracle: {}\n  server: {}",
            line(number, action),
            expected.escape_ascii(),
            actual.escape_ascii()
        );
    }
}

fn answer(engine: &mut Engine, connection: ConnectionId, request: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_request(&mut bytes, request);
    engine.on_bytes(connection, &bytes);
    let mut out = Vec::new();
    loop {
        engine.take_dirty(&mut Vec::new());
        let session = engine.sessions.get(connection).expect("it is connected");
        out.append(&mut session.out);
        engine.on_output_sent(connection);
        if !engine.has_work() {
            return out;
        }
        engine.run_stalled();
    }
}

/// All arrays in it in the order of their elements' bytes.
fn sorted(reply: &[u8]) -> Vec<u8> {
    let Some(elements) = Elements::new(reply) else { return reply.to_vec() };
    let mut elements: Vec<Vec<u8>> = elements.map(sorted).collect();
    elements.sort_unstable();
    elements.concat()
}

/// Where the first reply in `bytes` ends.
pub(crate) fn reply_end(bytes: &[u8]) -> Option<usize> {
    match reader::reply_len(bytes) {
        Some(Ok(len)) => Some(len),
        Some(Err(())) => panic!("this is no reply: {}", bytes.escape_ascii()),
        None => None,
    }
}
