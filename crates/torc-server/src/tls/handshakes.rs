//! Handshakes: threads that take accepted sockets through them, away from the cores.
//!
//! ```text
//!   core accepts ─ Newcomer ─> queue, waker ─> thread: poll ─> read, rustls, write ─ done ──> mesh ─> the core it is for
//!                                                                                 └ failed, too slow, too many ─> closed
//! ```
//! Signatures are made here, so a flood of newcomers takes CPU time from no core but by the scheduler, which prefers the cores. A
//! connection counts for its core from the moment it is accepted.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::queue::SegQueue;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::ServerConnection;
use torc_engine::ConnectionInfo;

use super::{Tls, identity};
use crate::core::socket::Wire;
use crate::mesh::{Arrival, Mesh};

/// How long a handshake may take.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Handshakes that are under way on one thread; the oldest gives way to a new one.
const UNDER_WAY_MAX: usize = 1024;
/// One thread for so many cores.
const CORES_PER_THREAD: usize = 8;
/// How much the scheduler prefers cores to these threads.
const NICENESS: libc::c_int = 5;
/// How long a thread waits while a core has no place for a connection.
const PLACE_WAIT: Duration = Duration::from_millis(1);
/// The waker's token; no handshake has it.
const WAKER: Token = Token(usize::MAX);

/// A socket that was accepted on the encrypted port.
pub struct Newcomer {
    /// The socket.
    pub descriptor: RawFd,
    /// What is known of it.
    pub info: Box<ConnectionInfo>,
    /// The core that will have it, and counts it already.
    pub core: usize,
}

/// The way to the threads.
pub struct Handshakes {
    threads: Vec<Entrance>,
    next: AtomicUsize,
}

struct Entrance {
    /// At most `maxclients` are in all of them, since each counts as a connection.
    queue: Arc<SegQueue<Newcomer>>,
    waker: Waker,
}

impl Handshakes {
    /// Starts the threads. They end with the process.
    ///
    /// # Errors
    /// The process has no descriptors or threads left.
    pub fn start(tls: &Arc<Tls>, mesh: &Arc<Mesh>) -> io::Result<Handshakes> {
        let threads = (0..mesh.cores().div_ceil(CORES_PER_THREAD)).map(|index| start_thread(index, tls, mesh));
        Ok(Handshakes { threads: threads.collect::<io::Result<_>>()?, next: AtomicUsize::new(0) })
    }

    /// Hands a socket over.
    pub fn begin(&self, newcomer: Newcomer) {
        let thread = &self.threads[self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len()];
        thread.queue.push(newcomer);
        // It fails only for want of kernel memory; then the thread takes the newcomer when it next wakes.
        let _ = thread.waker.wake();
    }
}

fn start_thread(index: usize, tls: &Arc<Tls>, mesh: &Arc<Mesh>) -> io::Result<Entrance> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    let queue = Arc::new(SegQueue::new());
    let room = Room {
        poll,
        newcomers: Arc::clone(&queue),
        tls: Arc::clone(tls),
        mesh: Arc::clone(mesh),
        handshakes: Vec::new(),
        free: Vec::new(),
        ages: VecDeque::new(),
        next_number: 0,
        under_way: 0,
        ready: VecDeque::new(),
    };
    thread::Builder::new().name(format!("torc-tls-{index}")).spawn(move || room.run())?;
    Ok(Entrance { queue, waker })
}

/// All handshakes of one thread.
struct Room {
    poll: Poll,
    newcomers: Arc<SegQueue<Newcomer>>,
    tls: Arc<Tls>,
    mesh: Arc<Mesh>,
    /// By token.
    handshakes: Vec<Option<Handshake>>,
    /// Places without one.
    free: Vec<usize>,
    /// Place and number, in the order in which they began. Those that have ended are passed over.
    ages: VecDeque<(usize, u64)>,
    next_number: u64,
    under_way: usize,
    /// Done, and on their way to cores that have no place for them.
    ready: VecDeque<(usize, Arrival)>,
}

struct Handshake {
    number: u64,
    began: Instant,
    socket: OwnedFd,
    info: Box<ConnectionInfo>,
    core: usize,
    session: Box<ServerConnection>,
}

/// How far a handshake is.
enum Progress {
    /// The socket has nothing, or no room.
    Waits,
    Done,
    Failed(String),
}

impl Room {
    fn run(mut self) {
        prefer_cores();
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, self.patience()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => panic!("handshakes cannot be waited for: {error}"),
            }
            while let Some(newcomer) = self.newcomers.pop() {
                self.begin(newcomer);
            }
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.go_on(event.token().0);
            }
            self.hand_over();
            self.end_slow();
        }
    }

    /// How long there is nothing to do unless something comes.
    fn patience(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(PLACE_WAIT);
        }
        let oldest = self.ages.front().and_then(|(place, number)| self.find(*place, *number));
        match oldest {
            Some(handshake) => Some(TIME_MAX.saturating_sub(handshake.began.elapsed()) + PLACE_WAIT),
            None => (!self.ages.is_empty()).then_some(PLACE_WAIT),
        }
    }

    fn find(&self, place: usize, number: u64) -> Option<&Handshake> {
        self.handshakes[place].as_ref().filter(|handshake| handshake.number == number)
    }

    fn begin(&mut self, newcomer: Newcomer) {
        let Newcomer { descriptor, info, core } = newcomer;
        // SAFETY: whoever accepted it has given it up.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let session = match ServerConnection::new(self.tls.server_config()) {
            Ok(session) => Box::new(session),
            Err(error) => return self.lose(core, &info, &error.to_string()),
        };
        if self.under_way >= UNDER_WAY_MAX {
            self.end_oldest();
        }
        let place = self.free.pop().unwrap_or(self.handshakes.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&descriptor), Token(place), interest) {
            self.free.extend((place < self.handshakes.len()).then_some(place));
            return self.lose(core, &info, &error.to_string());
        }
        if place == self.handshakes.len() {
            self.handshakes.push(None);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.under_way += 1;
        self.ages.push_back((place, number));
        self.handshakes[place] = Some(Handshake { number, began: Instant::now(), socket, info, core, session });
        // What the client has sent already may have come before the registration.
        self.go_on(place);
    }

    fn go_on(&mut self, place: usize) {
        // An event may be of a handshake that has ended in this round.
        let Some(handshake) = &mut self.handshakes[place] else { return };
        match handshake.go_on() {
            Progress::Waits => {}
            Progress::Done => {
                let handshake = self.take(place);
                self.done(handshake);
            }
            Progress::Failed(why) => {
                let handshake = self.take(place);
                self.lose(handshake.core, &handshake.info, &why);
            }
        }
    }

    /// The handshake is not waited for any more.
    fn take(&mut self, place: usize) -> Handshake {
        let handshake = self.handshakes[place].take().expect("it is under way");
        self.free.push(place);
        self.under_way -= 1;
        // Of a socket that was registered nothing else can be wrong than that it is closed, which this one is not.
        let _ = self.poll.registry().deregister(&mut SourceFd(&handshake.socket.as_raw_fd()));
        while self.ages.front().is_some_and(|(place, number)| self.find(*place, *number).is_none()) {
            self.ages.pop_front();
        }
        handshake
    }

    fn done(&mut self, handshake: Handshake) {
        self.tls.done.fetch_add(1, Ordering::Relaxed);
        let Handshake { socket, mut info, core, session, .. } = handshake;
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        info.certificate_users = certificate.map_or(Vec::new(), |first| identity::users(first, self.tls.user_field()));
        self.ready.push_back((core, Arrival { descriptor: socket.into_raw_fd(), info, session: Some(session) }));
    }

    /// Gives to the cores what is ready.
    fn hand_over(&mut self) {
        for _ in 0..self.ready.len() {
            let Some((core, arrival)) = self.ready.pop_front() else { return };
            if let Err(arrival) = self.mesh.hand_over(core, arrival) {
                self.ready.push_back((core, arrival));
            }
        }
    }

    fn end_slow(&mut self) {
        while let Some(&(place, number)) = self.ages.front() {
            match self.find(place, number) {
                Some(handshake) if handshake.began.elapsed() < TIME_MAX => return,
                Some(_) => self.end_oldest(),
                None => drop(self.ages.pop_front()),
            }
        }
    }

    fn end_oldest(&mut self) {
        while let Some((place, number)) = self.ages.pop_front() {
            if self.find(place, number).is_some() {
                let handshake = self.take(place);
                return self.lose(handshake.core, &handshake.info, "it took too long");
            }
        }
    }

    /// Nothing comes of a connection. Its socket is closed by whoever calls.
    fn lose(&self, core: usize, info: &ConnectionInfo, why: &str) {
        self.tls.failed.fetch_add(1, Ordering::Relaxed);
        self.mesh.views[core].connections.fetch_sub(1, Ordering::Relaxed);
        tracing::debug!(
            "Error accepting a client connection: {why} (addr={} laddr={})",
            info.address,
            info.local_address
        );
    }
}

impl Handshake {
    fn go_on(&mut self) -> Progress {
        let mut wire = Wire(self.socket.as_raw_fd());
        loop {
            while self.session.wants_write() {
                match self.session.write_tls(&mut wire) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Waits,
                    Err(error) => return Progress::Failed(error.to_string()),
                }
            }
            if !self.session.is_handshaking() {
                return Progress::Done;
            }
            match self.session.read_tls(&mut wire) {
                Ok(0) => return Progress::Failed("the client has left".to_owned()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) => return Progress::Failed(error.to_string()),
            }
            if let Err(error) = self.session.process_new_packets() {
                // The alert that says why; a client that has no room for it has left.
                let _ = self.session.write_tls(&mut wire);
                return Progress::Failed(error.to_string());
            }
        }
    }
}

/// Lets the scheduler prefer cores to the calling thread.
fn prefer_cores() {
    // SAFETY: takes no pointers. 0 is the calling thread, and being preferred less needs no right.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}
