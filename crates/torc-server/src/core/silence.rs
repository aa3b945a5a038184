//! Connections from which nothing comes: whether somebody is still at their other end.
//!
//! The end of a connection comes as a completion of its receive, but for one window of the kernel (seen up to Linux 6.18). A multishot
//! receive that its poll wakes reads until the socket is empty and then waits for the next wake, without asking for the state of the
//! socket again. A reset sets that state and wakes once. If the data that was sent before it takes more than one round of reading (32
//! receives, or a buffer ring that ran empty and a receive that is armed anew), the wake is used up on the data, and none comes for the
//! reset: only a poll shows it.
//!
//! ```text
//!   a long burst has been read   --> the socket is looked at, at once
//!   silent since the last visit  --> looked at: every connection is visited about once a second (soon more seldom, if a receive is
//!                                    in flight)
//!
//!   looked at, and there is something:  a receive is in flight  --> cancelled, and armed anew: it reads what is left, and the end
//!                                       none is (no room)       --> no more comes, once nothing is left to be read
//! ```
//! A visit costs a system call for all silent connections together.

use std::time::{Duration, Instant};

use torc_engine::{Clients, ConnectionId, ConnectionInfo};

use super::Core;
use super::connection::Connection;

/// How often a connection is visited, about.
const VISIT_INTERVAL: Duration = Duration::from_secs(1);

/// Connections visited at a time. More connections on one core are visited less often when the core sleeps.
const VISITED_MAX: usize = 1024;

/// Visits in a row in which a silent connection is looked at. A receive misses an end only when it has just read something, so what
/// has not shown by then will not show later.
const LOOKS_OFTEN: u8 = 3;

/// After those, a connection whose receive is in flight is looked at in one of so many visits, in case that is not all.
const SELDOM: u8 = 16;

/// What a poll says of a socket at whose other end nobody is: it was reset, or both sides have ended it.
const IS_LOST: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;

/// Where the walk over the connections of a core is.
pub(super) struct Silence {
    position: usize,
    last: Instant,
    polls: Vec<libc::pollfd>,
    places: Vec<u32>,
}

impl Silence {
    pub(super) fn new() -> Self {
        Silence { position: 0, last: Instant::now(), polls: Vec::new(), places: Vec::new() }
    }
}

impl Core {
    /// Visits the next connections, so many that all are visited in a second. Those that have been silent since are looked at.
    pub(super) fn visit_silent(&mut self, now: Instant) {
        let Core { silence, connections, .. } = self;
        let places = connections.len();
        let passed = (now - silence.last).min(VISIT_INTERVAL);
        let count = (places as u128 * passed.as_micros() / VISIT_INTERVAL.as_micros()) as usize;
        if count == 0 {
            return;
        }
        silence.last = now;
        let (mut polls, mut visited) = (std::mem::take(&mut silence.polls), std::mem::take(&mut silence.places));
        for _ in 0..count.min(VISITED_MAX) {
            silence.position = (silence.position + 1) % places;
            let Some(connection) = connections[silence.position].as_mut().filter(|connection| !connection.closing)
            else {
                continue;
            };
            if is_due(connection) {
                polls.push(question(connection));
                visited.push(silence.position as u32);
            }
        }
        if poll(&mut polls) {
            for (&index, poll) in visited.iter().zip(&polls).filter(|(_, poll)| poll.revents != 0) {
                self.found(index, poll.revents);
            }
        }
        polls.clear();
        visited.clear();
        (self.silence.polls, self.silence.places) = (polls, visited);
    }

    /// Looks at one connection, whose receive may have missed its end.
    #[cold]
    pub(super) fn look_at(&mut self, index: u32) {
        let Some(connection) = &self.connections[index as usize] else { return };
        let mut polls = [libc::pollfd { events: libc::POLLRDHUP, ..question(connection) }];
        if !connection.closing && poll(&mut polls) {
            self.found(index, polls[0].revents);
        }
    }

    /// A poll has found something on a connection that the ring has not told yet.
    fn found(&mut self, index: u32, events: i16) {
        let connection = self.connections[index as usize].as_ref().expect("who is looked at is connected");
        let (id, descriptor) = (connection.id, connection.descriptor);
        if connection.receiving {
            // If its completion is only on its way, this costs a receive more, and nothing is lost.
            self.cancel_receive(index);
        } else if events & IS_LOST != 0 && (self.engine.is_blocked(id) || unread_bytes(descriptor) == 0) {
            // What is unread stays for the receive that is armed when there is room. Who is blocked has none before its wait ends.
            self.engine.on_end_of_input(id);
        }
    }
}

/// Counts a visit. Whether the connection is to be looked at in it.
fn is_due(connection: &mut Connection) -> bool {
    let visits = connection.silent_visits;
    connection.silent_visits = if visits + 1 < 2 * SELDOM { visits + 1 } else { SELDOM };
    // In the first visit something may have come just before it.
    visits > 0 && (visits <= LOOKS_OFTEN || visits.is_multiple_of(SELDOM) || !connection.receiving)
}

/// What is to be asked of a connection: whether there is anything to receive, if a receive is in flight; else only whether it is lost.
fn question(connection: &Connection) -> libc::pollfd {
    let events = if connection.receiving { libc::POLLIN | libc::POLLRDHUP } else { 0 };
    libc::pollfd { fd: connection.descriptor, events, revents: 0 }
}

/// Asks without waiting. Whether there is any answer.
fn poll(polls: &mut [libc::pollfd]) -> bool {
    // SAFETY: the pointer and the length describe the slice; the timeout is zero.
    !polls.is_empty() && unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 0) > 0 }
}

/// Bytes that have come and were not received.
fn unread_bytes(descriptor: i32) -> i32 {
    let mut bytes: i32 = 0;
    // SAFETY: the pointer is to a number of the type that the request fills.
    unsafe { libc::ioctl(descriptor, libc::FIONREAD, &raw mut bytes) };
    bytes
}

/// What the engine asks about the clients of its connections.
pub struct Sockets;

impl Clients for Sockets {
    fn has_left(&self, _connection: ConnectionId, info: &ConnectionInfo) -> bool {
        poll(&mut [libc::pollfd { fd: info.descriptor, events: libc::POLLRDHUP, revents: 0 }])
    }
}
