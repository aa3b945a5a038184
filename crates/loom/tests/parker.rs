//! The park and wake handshake under every interleaving: run by `cargo xtask loom`, or with `RUSTFLAGS="--cfg torc_loom"`.
#![cfg(torc_loom)]

#[expect(dead_code, reason = "the server's log and figures ask more of it")]
#[path = "../../torc-server/src/core/parker.rs"]
mod parker;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use parker::Parker;

struct World {
    parker: Parker,
    /// Messages in the mailbox.
    mail: AtomicU32,
    /// Wakes sent and not yet slept on, as completions in a ring.
    wakes: AtomicU32,
}

/// One sleeper and some senders: after every sender is done, either the mail was seen before sleeping or a
/// wake waits for the sleeper. Anything else is a core that sleeps over its mail.
fn check(senders: usize) {
    loom::model(move || {
        let world = Arc::new(World { parker: Parker::default(), mail: AtomicU32::new(0), wakes: AtomicU32::new(0) });
        let threads: Vec<_> = (0..senders)
            .map(|_| {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    world.mail.fetch_add(1, Ordering::Relaxed);
                    if world.parker.needs_wake() {
                        world.wakes.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let sleeps = world.parker.park(|| world.mail.load(Ordering::Relaxed) == 0);
        threads.into_iter().for_each(|thread| thread.join().expect("a sender ends"));
        let wakes = world.wakes.load(Ordering::Relaxed);
        if sleeps {
            assert_eq!(wakes, 1, "a sleeper that missed its mail gets exactly one wake");
        } else {
            assert!(world.mail.load(Ordering::Relaxed) > 0, "only mail keeps a core from sleeping");
            assert!(wakes <= 1, "one park is woken once");
        }
    });
}

#[test]
fn no_wake_is_lost_with_one_sender() {
    check(1);
}

#[test]
fn one_of_two_senders_wakes() {
    check(2);
}

/// What a core owns, and may lend: how many messages were answered. Loom fails if two threads hold it at once.
struct Lent {
    world: World,
    answered: UnsafeCell<u32>,
}

impl Lent {
    fn new() -> Self {
        let world = World { parker: Parker::default(), mail: AtomicU32::new(0), wakes: AtomicU32::new(0) };
        Lent { world, answered: UnsafeCell::new(0) }
    }

    /// Answers what is in the mailbox.
    fn answer(&self) {
        let found = self.world.mail.swap(0, Ordering::Relaxed);
        self.answered.with_mut(|answered| {
            // SAFETY: only who is awake, or has borrowed, answers. Loom checks it.
            unsafe { *answered += found };
        });
    }

    /// Sends a message, which is answered by the sender if the core sleeps.
    fn send(&self, is_wanted: bool) {
        self.world.mail.fetch_add(1, Ordering::Relaxed);
        let must_wake = if self.world.parker.borrow() {
            self.answer();
            self.world.parker.give_back(is_wanted)
        } else {
            self.world.parker.needs_wake()
        };
        if must_wake {
            self.world.wakes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// With every interleaving of so many unforced switches between threads: all of them would take hours.
fn explore(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// A core that goes to sleep and lends, and some senders that borrow; then it is awake again, by itself or woken. Nothing is answered by
/// two threads at once, and no message is left with neither a wake nor a core that is awake to see it.
fn check_lending(senders: usize, is_wanted: bool) {
    explore(move || {
        let lent = Arc::new(Lent::new());
        let threads: Vec<_> = (0..senders)
            .map(|_| {
                let lent = Arc::clone(&lent);
                thread::spawn(move || lent.send(is_wanted))
            })
            .collect();
        let sleeps = lent.world.parker.park(|| lent.world.mail.load(Ordering::Relaxed) == 0);
        if sleeps {
            // A connection has something for it.
            lent.world.parker.unpark();
        }
        lent.answer();
        threads.into_iter().for_each(|thread| thread.join().expect("a sender ends"));
        lent.answer();
        // SAFETY: all other threads have ended.
        lent.answered.with(|answered| assert_eq!(unsafe { *answered } as usize, senders, "each is answered once"));
    });
}

/// The same, but the core sleeps until it is woken: nothing may be left then, unless a wake is under way.
fn check_no_wake_lost(senders: usize) {
    explore(move || {
        let lent = Arc::new(Lent::new());
        let sleeps = lent.world.parker.park(|| true);
        assert!(sleeps, "there is no mail yet");
        let threads: Vec<_> = (0..senders)
            .map(|_| {
                let lent = Arc::clone(&lent);
                thread::spawn(move || lent.send(false))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("a sender ends"));
        let (mail, wakes) = (lent.world.mail.load(Ordering::Relaxed), lent.world.wakes.load(Ordering::Relaxed));
        assert!(mail == 0 || wakes > 0, "a core sleeps over its mail");
        assert!(wakes <= 1, "one park is woken once");
    });
}

#[test]
fn what_is_lent_is_with_one_thread() {
    check_lending(1, false);
    check_lending(1, true);
    check_lending(2, false);
}

#[test]
fn who_finds_it_lent_leaves_word() {
    check_no_wake_lost(2);
}
