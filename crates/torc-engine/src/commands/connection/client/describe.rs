//! One line about a connection, as CLIENT LIST and CLIENT INFO show it, in the fields and the order of Redis 7.2. What came later stands
//! behind them, also where other servers have it between them: who knows the old lines finds them as they were.

use torc_resp::{Args, Protocol};

use crate::pubsub::TopicKind;
use crate::session::{Closing, ConnectionInfo, Session};
use crate::state::Facts;
use crate::tracking::Mode;

/// The line, with its line end. Lengths are bytes, times are seconds.
///
/// A field that describes something Torc does not have shows what a connection without it shows in Redis. `request`: the
/// request that the session runs right now; it counts as input, since Redis still holds its bytes then.
pub(super) fn describe(session: &Session, facts: &Facts<'_>, request: Option<Args<'_>>) -> String {
    let now_ms = facts.now_ms;
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
    let in_request = |args: Args<'_>| args.iter().map(<[u8]>::len).sum::<usize>();
    let under_way = session.activity.gather().map_or(0, |gather| gather.queue.argument_bytes());
    let argument_bytes = request.map_or(under_way, in_request);
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
        format!("argv-mem={} multi-mem={}", argument_bytes, queued.map_or(0, |transaction| transaction.memory_bytes())),
        format!("rbs={} rbp={}", session.out.tail_capacity(), session.out.tail_capacity()),
        format!("obl={} oll={}", output_in_buffer, output_pieces),
        format!("omem={} tot-mem={}", omem, session.memory_bytes() + session.shared_bytes()),
        format!("events={} cmd={}", events(session), session.last_command),
        format!("user={} redir={}", text(session.user().name()), redirect(session)),
        format!("resp={}", if session.protocol == Protocol::Resp3 { 3 } else { 2 }),
        format!("lib-name={} lib-ver={}", text(&session.library_name), text(&session.library_version)),
        format!("watch={} io-thread={}", session.watches.len(), facts.core),
        format!("tot-net-in={} tot-net-out={}", session.input_bytes, session.output_bytes),
        // The one that asks has not ended.
        format!("tot-cmds={} capa={}\n", session.commands - u64::from(request.is_some()), capabilities(session)),
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

/// The peer without its port, or the path of the socket.
pub(super) fn ip(info: &ConnectionInfo) -> &str {
    if info.unix {
        return &info.address;
    }
    let host = info.address.rsplit_once(':').map_or(&*info.address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// All letters that `flags` may have in one server or another.
pub(super) const FLAGS: &str = "bcdeirtuxABEIMNOPRSTU";

/// What each connection does or is, a letter for each.
pub(super) fn flags(session: &Session) -> String {
    let shown = [
        (session.is_subscriber, 'P'),
        (session.shows_blocked(), 'b'),
        (session.transaction.is_some(), 'x'),
        (session.tracking.is_some(), 't'),
        (session.tracking.as_ref().is_some_and(|tracking| tracking.is_redirect_broken), 'R'),
        (session.tracking.as_ref().is_some_and(|tracking| tracking.mode == Mode::Broadcast), 'B'),
        (session.closing == Closing::AfterFlush, 'c'),
        (session.closing >= Closing::Now, 'A'),
        (session.info.unix, 'U'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let letters: String = shown.into_iter().filter_map(|(is_set, letter)| is_set.then_some(letter)).collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}

/// The client id of the connection that is told of keys that this one has cached; 0: itself, -1: none, since it does not track.
pub(super) fn redirect(session: &Session) -> i64 {
    session.tracking.as_ref().map_or(-1, |tracking| tracking.redirect.map_or(0, |redirect| redirect.client_id as i64))
}

/// All letters that `capa` may have.
pub(super) const CAPABILITIES: &str = "r";

/// What the client has said that it can do: CLIENT CAPA.
pub(super) fn capabilities(session: &Session) -> &'static str {
    if session.can_be_redirected { CAPABILITIES } else { "" }
}

fn events(session: &Session) -> &'static str {
    match (session.wants_input(), session.output_bytes_pending() > 0) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "",
    }
}
