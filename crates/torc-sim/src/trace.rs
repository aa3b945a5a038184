//! The last events of the run on this thread, and a digest of all of them.
//!
//! Kept per thread, so that a panic deep inside an engine can still show what led to it.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;

/// Events that a failure shows, if no more are wanted.
const EVENTS_MAX: usize = 200;

/// Longest text of an event that is kept, in bytes.
const EVENT_BYTES_MAX: usize = 500;

#[derive(Default)]
struct Trace {
    seed: u64,
    number: u64,
    digest: u64,
    events: VecDeque<String>,
    events_max: usize,
}

thread_local! {
    static TRACE: RefCell<Trace> = RefCell::new(Trace::default());
}

/// Forgets everything: a run of this seed begins.
pub(crate) fn start(seed: u64) {
    TRACE.with_borrow_mut(|trace| *trace = Trace { seed, events_max: EVENTS_MAX, ..Trace::default() });
}

/// This run is judged at its end: a failure shows so many events.
pub(crate) fn keep(events_max: usize) {
    TRACE.with_borrow_mut(|trace| trace.events_max = events_max);
}

/// Notes an event.
pub(crate) fn note(event: std::fmt::Arguments<'_>) {
    TRACE.with_borrow_mut(|trace| {
        let is_full = trace.events.len() >= trace.events_max;
        let mut text = if is_full { trace.events.pop_front().unwrap_or_default() } else { String::new() };
        text.clear();
        trace.number += 1;
        write!(text, "{:>6} {event}", trace.number).expect("a string takes everything");
        trace.digest =
            text.bytes().fold(trace.digest, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        if text.len() > EVENT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(EVENT_BYTES_MAX));
        }
        trace.events.push_back(text);
    });
}

/// A number that depends on every event so far.
pub(crate) fn digest() -> u64 {
    TRACE.with_borrow(|trace| trace.digest)
}

/// The last events, one a line.
pub(crate) fn last_events() -> String {
    TRACE.with_borrow(|trace| trace.events.iter().map(|event| format!("{event}\n")).collect())
}

/// Bytes as text for an event: what cannot be printed is escaped, what is long is cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(EVENT_BYTES_MAX)].escape_ascii().to_string()
}

/// The text of a panic.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Has a panic show the seed and the last events: for programs that end with it.
pub fn install_panic_hook() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let seed = TRACE.with_borrow(|trace| trace.seed);
        eprintln!("{}\nseed {seed} failed:", last_events());
        usual(info);
    }));
}
