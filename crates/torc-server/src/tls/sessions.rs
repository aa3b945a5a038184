//! Sessions that clients may resume: a bounded number of them, for a bounded time.
//!
//! rustls puts a session here at the end of a handshake, under a name that it gives to the client, and takes it when a client
//! comes with that name. What is stored holds the session's secret, so it stays in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustls::server::StoresServerSessions;

/// The sessions of all encrypted connections.
#[derive(Debug)]
pub struct Sessions {
    kept: Mutex<Kept>,
    count_max: usize,
    time_max: Duration,
}

#[derive(Debug, Default)]
struct Kept {
    by_name: HashMap<Vec<u8>, (Vec<u8>, Instant)>,
    /// Names in the order in which they came. A name whose session was taken is passed over.
    order: VecDeque<(Vec<u8>, Instant)>,
}

impl Sessions {
    /// Keeps so many, each for so long.
    pub fn new(count_max: usize, time_max: Duration) -> Self {
        Sessions { kept: Mutex::default(), count_max, time_max }
    }
}

impl Kept {
    /// The oldest go while they are too old, or too many.
    fn make_room(&mut self, now: Instant, count_max: usize, time_max: Duration) {
        while let Some((_, at)) = self.order.front() {
            if self.order.len() < count_max && now.duration_since(*at) < time_max {
                break;
            }
            let Some((name, at)) = self.order.pop_front() else { break };
            // Under the same name there may be a newer one.
            if self.by_name.get(&name).is_some_and(|(_, since)| *since == at) {
                self.by_name.remove(&name);
            }
        }
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, name: Vec<u8>, session: Vec<u8>) -> bool {
        let now = Instant::now();
        let mut kept = self.kept.lock().expect("nobody panics with it");
        kept.make_room(now, self.count_max, self.time_max);
        kept.order.push_back((name.clone(), now));
        kept.by_name.insert(name, (session, now));
        true
    }

    fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        let kept = self.kept.lock().expect("nobody panics with it");
        let (session, at) = kept.by_name.get(name)?;
        (at.elapsed() < self.time_max).then(|| session.clone())
    }

    fn take(&self, name: &[u8]) -> Option<Vec<u8>> {
        let (session, at) = self.kept.lock().expect("nobody panics with it").by_name.remove(name)?;
        (at.elapsed() < self.time_max).then_some(session)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way() {
        let sessions = Sessions::new(2, Duration::from_secs(60));
        for name in [b"a", b"b", b"c"] {
            assert!(sessions.put(name.to_vec(), name.to_vec()));
        }
        assert_eq!(sessions.get(b"a"), None);
        assert_eq!(sessions.get(b"c"), Some(b"c".to_vec()));
        assert_eq!(sessions.take(b"b"), Some(b"b".to_vec()));
        assert_eq!(sessions.take(b"b"), None, "a ticket is good once");
        let kept = sessions.kept.lock().expect("nobody panics with it");
        assert!(kept.order.len() <= 2 && kept.by_name.len() == 1);
    }

    #[test]
    fn a_session_ends() {
        let sessions = Sessions::new(2, Duration::ZERO);
        sessions.put(b"a".to_vec(), b"1".to_vec());
        assert_eq!((sessions.get(b"a"), sessions.take(b"a")), (None, None));
    }

    #[test]
    fn a_name_that_comes_again_keeps_the_newer() {
        let sessions = Sessions::new(2, Duration::from_secs(60));
        sessions.put(b"a".to_vec(), b"1".to_vec());
        std::thread::sleep(Duration::from_millis(1));
        sessions.put(b"a".to_vec(), b"2".to_vec());
        sessions.put(b"b".to_vec(), b"3".to_vec());
        assert_eq!(sessions.get(b"a"), Some(b"2".to_vec()));
    }
}
