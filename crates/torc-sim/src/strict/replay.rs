//! The serial order on one engine of one core: every answer must be the same, byte for byte.

use std::collections::{BTreeSet, HashMap, VecDeque};

use torc_engine::recorder::choice::Dictation;
use torc_engine::session::Session;
use torc_engine::{ConnectionId, Engine};
use torc_resp::reader::{self, Elements};
use torc_resp::write_request;

use super::choice::{act, answers_of};
use super::history::{Action, History, Item};
use super::order::line;
use super::scans::Watcher;
use super::scripts::{NO_SHA, runs_script};
use crate::compare::way_of;
use crate::peers::{self, Dump};

/// Replays the actions; gives the keys that are there at the end, at the given time.
pub(crate) fn replay(
    history: &History,
    (order, late): &(Vec<usize>, BTreeSet<usize>),
    resp3: &HashMap<usize, bool>,
    now_us: i64,
) -> Dump {
    let mut engine = peers::engine(0, 1, 1, history.small_packs);
    let mut watcher = Watcher::new(&history.scans, history.timeless);
    let mut names: BTreeSet<&[u8]> = BTreeSet::new();
    let mut connections: HashMap<usize, ConnectionId> = HashMap::new();
    let (mut time_us, mut latest) = (0, 0);
    let mut owed: HashMap<usize, Owed> = HashMap::new();
    for &number in order {
        let action = &history.actions[number];
        // That a wait ends is no command: it sees no time.
        if let Some(piece) = action.pieces.first().filter(|_| action.ends.is_none()) {
            assert_time(history, number, (time_us, latest), late);
            if piece.now_us > time_us {
                (time_us, latest) = (piece.now_us, number);
            }
            engine.set_time(time_us);
            engine.set_any_time(piece.now_us);
        }
        let connection = *connections.entry(action.connection).or_insert_with(|| {
            let connection = engine.connect(peers::connection_info());
            if resp3.get(&action.connection) == Some(&true) {
                feed(&mut engine, connection, &[b"HELLO".to_vec(), b"3".to_vec()]);
                take_output(&mut engine, connection);
            }
            connection
        });
        if action.ends.is_some() {
            engine.time_out(connection);
        } else {
            engine.select_db(connection, action.db);
        }
        names.extend(written_names(action));
        if is_answered_by_bounds(history, number, &mut engine, names.len()) {
            watcher.before(number, action, &mut engine);
            watcher.after(number, action, &mut engine);
            continue;
        }
        watcher.before(number, action, &mut engine);
        if is_refused_as_busy(action) {
            unwatch(&mut engine, connection, action);
            continue;
        }
        owed.entry(action.connection)
            .or_default()
            .replies
            .extend((0..action.requests.len()).map(|index| (number, index)));
        perform(&mut engine, connection, (history, number), &connections);
        watcher.after(number, action, &mut engine);
        for (&connection, &id) in &connections {
            let out = take_output(&mut engine, id);
            if !out.is_empty() {
                owed.entry(connection).or_default().receive(&out, history);
            }
        }
    }
    for (connection, owed) in owed {
        let unanswered = owed.replies.iter().find(|(number, index)| history.actions[*number].replies.len() > *index);
        let line = unanswered.map(|&(number, _)| line(number, &history.actions[number]));
        assert!(line.is_none(), "the oracle does not answer connection {connection}: {}", line.unwrap_or_default());
    }
    engine.set_time(now_us);
    let mut dump = Dump::new();
    peers::dump_into(&mut dump, &engine, |_| true);
    dump
}

/// What is left of an action that was refused: if it was a transaction, nothing is watched any longer.
fn unwatch(engine: &mut Engine, connection: ConnectionId, action: &Action) {
    if action.requests.len() == 1 {
        return;
    }
    feed(engine, connection, &[b"UNWATCH".to_vec()]);
    take_output(engine, connection);
}

/// The oracle runs an action.
fn perform(
    engine: &mut Engine,
    connection: ConnectionId,
    (history, number): (&History, usize),
    connections: &HashMap<usize, ConnectionId>,
) {
    let action = &history.actions[number];
    engine.dictate(Some(Dictation { answers: answers_of(action), act }));
    for (index, request) in action.requests.iter().enumerate() {
        let request = match runs_script(request) {
            Some(_) => script_in_the_oracle(action, index, history),
            None => in_the_oracle(request, history, connections, engine),
        };
        feed(engine, connection, &request);
    }
    let left = engine.dictate(None).map_or(0, |dictation| dictation.answers.len());
    // Of a script that ended early the oracle may run less.
    let is_less = is_killed(action, 0, history);
    assert!(is_less || left == 0, "the oracle does not choose where the server did: {}", line(number, action));
}

/// A piece of an action sees the same time as all its pieces, and no earlier one than what is before it in the order.
fn assert_time(history: &History, number: usize, (time_us, latest): (i64, usize), late: &BTreeSet<usize>) {
    let action = &history.actions[number];
    let now_us = action.pieces[0].now_us;
    assert!(action.pieces.iter().all(|other| other.now_us == now_us), "one time: {}", line(number, action));
    assert!(
        now_us >= time_us || late.contains(&number),
        "time goes back: {}\n  from {}",
        line(number, action),
        line(latest, &history.actions[latest])
    );
}

/// The keys that an action may have made.
fn written_names(action: &Action) -> impl Iterator<Item = &[u8]> {
    let written = action.touches.writes.iter().chain(&action.moved);
    written.filter_map(|item| if let Item::Key(_, name) = item { Some(&name[..]) } else { None })
}

/// Whether an action changes nothing and its answer depends on what no order says: it is not replayed, but judged here or where all calls
/// of a scan are.
fn is_answered_by_bounds(history: &History, number: usize, engine: &mut Engine, names: usize) -> bool {
    let action = &history.actions[number];
    let [request] = &action.requests[..] else { return false };
    match &request[0][..] {
        b"DBSIZE" if !history.timeless => {
            // Keys that have expired count until they are removed.
            let mut there = 0;
            engine.inspect().keyspace().for_each(action.db, engine.inspect().now_ms(), &mut |_| there += 1);
            if let Some(size) = action.replies.first().and_then(|reply| reader::integer(reply)) {
                let size = size as usize;
                assert!((there..=names).contains(&size), "{there} to {names} keys: {}", line(number, action));
            }
            true
        }
        b"SCRIPT" if request[1] == b"KILL" => true,
        // It has ended no wait: at its moment the client did not wait, or not yet on all cores.
        b"CLIENT"
            if request[1] == b"UNBLOCK" && !history.actions.iter().any(|waiter| waiter.ended_by == Some(number)) =>
        {
            let answer = action.replies.first();
            assert!(
                answer.is_none_or(|answer| answer == b":0\r\n" || is_busy(answer)),
                "nobody was unblocked: {}",
                line(number, action)
            );
            true
        }
        _ => action.scan.is_some(),
    }
}

/// A request with the oracle's client id in the place of the server's.
fn in_the_oracle(
    request: &[Vec<u8>],
    history: &History,
    connections: &HashMap<usize, ConnectionId>,
    engine: &mut Engine,
) -> Vec<Vec<u8>> {
    let mut request = request.to_vec();
    if request[0] == b"CLIENT" && request[1] == b"UNBLOCK" {
        let connection = history.connection_of(&request[2]).expect("it is the id of a client");
        let id = connections.get(&connection).and_then(|&id| engine.inspect_session(id)).map(Session::client_id);
        request[2] = id.unwrap_or_default().to_string().into_bytes();
    }
    request
}

/// A request that runs a script, as the oracle runs it: by its text, if the server knew it. One that was killed has only read, and its answer
/// is not compared; with it may only read all that it still would have done.
fn script_in_the_oracle(action: &Action, index: usize, history: &History) -> Vec<Vec<u8>> {
    let mut request = action.requests[index].clone();
    let Some(runs) = history.library.runs(&request) else { return request };
    if runs.by_sha && answer_to(action, index).is_some_and(is_unknown_script) {
        request[1] = NO_SHA.to_vec();
        return request;
    }
    let source = runs.script.source.clone();
    let only_reads = request[0].ends_with(b"_RO") || is_killed(action, index, history);
    request[0] = if only_reads { b"EVAL_RO".to_vec() } else { b"EVAL".to_vec() };
    request[1] = source;
    request
}

/// Whether a script was killed, or may have been, since it has changed nothing and nobody got its answer.
fn is_killed(action: &Action, index: usize, history: &History) -> bool {
    let [request] = &action.requests[..] else { return false };
    if !history.kills_scripts || runs_script(request).is_none() {
        return false;
    }
    match action.replies.get(index) {
        Some(answer) => says_killed(answer),
        None => action.changed.is_empty() && action.propagated.is_empty(),
    }
}

/// Whether an answer says that a script was killed.
pub(crate) fn says_killed(answer: &[u8]) -> bool {
    const KILLED: &[u8] = b"Script killed by user";
    answer.windows(KILLED.len()).any(|part| part == KILLED)
}

/// Whether nothing of an action was done, since a script had made its core busy.
fn is_refused_as_busy(action: &Action) -> bool {
    let is_refused = action
        .replies
        .iter()
        .any(|reply| is_busy(reply) || reply.starts_with(b"-EXECABORT Transaction discarded because of: BUSY"));
    if is_refused && action.requests[0][0] != b"SCRIPT" {
        assert!(
            action.pieces.is_empty() && action.propagated.is_empty(),
            "refused as busy, and done: {}",
            line(0, action)
        );
    }
    is_refused
}

/// Whether an answer says that a script has made a core busy.
pub(crate) fn is_busy(answer: &[u8]) -> bool {
    answer.starts_with(b"-BUSY ")
}

/// Whether an answer says that nobody knows a script.
pub(crate) fn is_unknown_script(answer: &[u8]) -> bool {
    answer.starts_with(b"-NOSCRIPT ")
}

/// What a request of an action was answered: in a transaction, by the element of EXEC's answer.
pub(crate) fn answer_to(action: &Action, index: usize) -> Option<&[u8]> {
    if action.requests.len() == 1 {
        return action.replies.get(index).map(Vec::as_slice);
    }
    if index == 0 || index + 1 >= action.requests.len() {
        return None;
    }
    let executed = action.replies.get(action.requests.len() - 1)?;
    let before = action.requests[1..index].iter().filter(|request| !is_refused(request)).count();
    Elements::new(executed)?.nth(before)
}

/// The answers that a connection of the oracle owes, in order: which request of which action.
#[derive(Default)]
struct Owed {
    replies: VecDeque<(usize, usize)>,
    received: Vec<u8>,
}

impl Owed {
    fn receive(&mut self, bytes: &[u8], history: &History) {
        self.received.extend_from_slice(bytes);
        while let Some(len) = reply_end(&self.received) {
            let reply: Vec<u8> = self.received.drain(..len).collect();
            let (number, index) = self.replies.pop_front().expect("every answer has a request");
            if !is_killed(&history.actions[number], index, history) {
                compare(number, index, &history.actions[number], &reply);
            }
        }
    }
}

fn compare(number: usize, index: usize, action: &Action, expected: &[u8]) {
    // Who died may not have got it.
    let Some(actual) = action.replies.get(index) else { return };
    let equal = are_equal(action, index, expected, actual);
    assert!(
        equal,
        "request {index} of {}\n  oracle: {}\n  server: {}",
        line(number, action),
        expected.escape_ascii(),
        actual.escape_ascii()
    );
}

fn feed(engine: &mut Engine, connection: ConnectionId, request: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    write_request(&mut bytes, request);
    engine.on_bytes(connection, &bytes);
    while engine.has_work() {
        engine.run_stalled();
    }
}

fn take_output(engine: &mut Engine, connection: ConnectionId) -> Vec<u8> {
    engine.take_host_requests();
    let out = engine.drain_output(connection);
    while engine.has_work() {
        engine.run_stalled();
    }
    out
}

/// Whether two answers to a request are equal; of an EXEC, each element in the way of its request.
fn are_equal(action: &Action, index: usize, expected: &[u8], actual: &[u8]) -> bool {
    let inside = &action.requests[1..];
    if index == 0 || index + 1 < action.requests.len() {
        // Inside of a transaction it is an acknowledgement or an error.
        return way_of(&action.requests[index]).holds(expected, actual);
    }
    let (Some(ours), Some(theirs)) = (Elements::new(expected), Elements::new(actual)) else {
        return expected == actual;
    };
    if ours.len() != theirs.len() {
        return false;
    }
    // Nothing was queued for what was refused, and then there is no answer of this kind.
    let queued = inside.iter().filter(|request| !is_refused(request));
    ours.len() + 1 == queued.clone().count()
        && queued.zip(ours.zip(theirs)).all(|(request, (one, other))| way_of(request).holds(one, other))
        || expected == actual
}

/// Whether a transaction goes on without this request, which was answered with an error that does not matter.
pub(crate) fn is_refused(request: &[Vec<u8>]) -> bool {
    [&b"MULTI"[..], b"WATCH"].iter().any(|name| request[0].eq_ignore_ascii_case(name))
}

/// Where the first reply in `bytes` ends.
pub(crate) fn reply_end(bytes: &[u8]) -> Option<usize> {
    match reader::reply_len(bytes) {
        Some(Ok(len)) => Some(len),
        Some(Err(())) => panic!("this is no reply: {}", bytes.escape_ascii()),
        None => None,
    }
}
