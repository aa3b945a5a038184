//! One line about a connection, as CLIENT LIST and CLIENT INFO show it, in Redis's fields and order.

use torc_resp::{Args, Protocol};

use crate::commands::connection::password::DEFAULT_USER;
use crate::pubsub::TopicKind;
use crate::session::{Closing, ConnectionInfo, Session};

/// The line, with its line end. Lengths are bytes, times are seconds.
///
/// A field that describes something Torc does not have shows what a connection without it shows in Redis. `request`: the
/// request that the session runs right now; it counts as input, since Redis still holds its bytes then.
pub(super) fn describe(session: &Session, now_ms: i64, request: Option<Args<'_>>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seconds_since = |time_ms: i64| (now_ms - time_ms).max(0) / 1000;
    let queued = session.transaction.as_ref();
    // What lies in one buffer is in `obl`; longer output, and what waits behind it or behind replies that are owed, in the others.
    let in_buffer = session.out.as_slice().map(<[u8]>::len);
    let output_pieces = session.replies.len() + if in_buffer.is_some() { 0 } else { session.out.pieces().count() };
    // Of output that was cut only the length is left.
    let in_chunks = if in_buffer.is_some() || session.out.is_cut() { 0 } else { session.out.len() };
    let omem = in_chunks + session.replies.held_bytes() + session.activity.gathered_bytes();
    let output_in_buffer = in_buffer.unwrap_or_default();
    let parts = [
        format!("id={} addr={} laddr={}", session.id, address(&session.info), local_address(&session.info)),
        format!("fd={} name={}", session.info.descriptor, text(&session.name)),
        format!("age={} idle={}", seconds_since(session.created_ms), seconds_since(session.active_ms)),
        format!("flags={} db={}", flags(session), session.db),
        format!("sub={} psub={}", session.subscribed(TopicKind::Channel), session.subscribed(TopicKind::Pattern)),
        format!("ssub={}", session.subscribed(TopicKind::Shard)),
        format!("multi={}", queued.map_or(-1, |transaction| transaction.len() as i64)),
        format!(
            "qbuf={} qbuf-free={}",
            session.input.len() + request.map_or(0, encoded_len),
            session.input.bytes.capacity() - session.input.bytes.len()
        ),
        format!("argv-mem=0 multi-mem={}", queued.map_or(0, |transaction| transaction.memory_bytes())),
        format!("rbs={} rbp={}", session.out.tail_capacity(), session.out.tail_capacity()),
        format!("obl={} oll={}", output_in_buffer, output_pieces),
        format!("omem={} tot-mem={}", omem, session.memory_bytes() + session.shared_bytes()),
        format!("events={} cmd={} user={DEFAULT_USER} redir=-1", events(session), session.last_command),
        format!("resp={}", if session.protocol == Protocol::Resp3 { 3 } else { 2 }),
        format!("lib-name={} lib-ver={}\n", text(&session.library_name), text(&session.library_version)),
    ];
    parts.join(" ")
}

/// Bytes of a request as clients send it.
fn encoded_len(args: Args<'_>) -> usize {
    let header = |number: usize| "$\r\n".len() + number.to_string().len();
    header(args.len()) + args.iter().map(|arg| header(arg.len()) + arg.len() + "\r\n".len()).sum::<usize>()
}

/// The peer as CLIENT LIST and CLIENT KILL name it: `ip:port`, or the path of the socket and `:0`.
pub(super) fn address(info: &ConnectionInfo) -> String {
    with_port(&info.address, info.unix)
}

/// The server's side of the connection, written like [`address`].
pub(super) fn local_address(info: &ConnectionInfo) -> String {
    with_port(&info.local_address, info.unix)
}

fn with_port(address: &str, unix: bool) -> String {
    if unix { format!("{address}:0") } else { address.to_owned() }
}

fn flags(session: &Session) -> String {
    let shown = [
        (session.is_subscriber, 'P'),
        (session.is_blocked(), 'b'),
        (session.transaction.is_some(), 'x'),
        (session.closing == Closing::AfterFlush, 'c'),
        (session.closing >= Closing::Now, 'A'),
        (session.info.unix, 'U'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let letters: String = shown.into_iter().filter_map(|(is_set, letter)| is_set.then_some(letter)).collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}

fn events(session: &Session) -> &'static str {
    match (session.wants_input(), session.output_bytes_pending() > 0) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "",
    }
}
