//! The park and wake handshake under every interleaving: run with `RUSTFLAGS="--cfg torc_loom"`.
#![cfg(torc_loom)]

#[path = "../src/core/parker.rs"]
mod parker;

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
