//! Under `always`: how long an fsync is put off, so that more commands share it.
//!
//! ```text
//!   fsync of n commands ends --> n clients are answered and send again --> n more commands have come, or half of an fsync's time is over --> fsync
//! ```
//! Without it there are two halves of the clients, of which one waits for the fsync while the other one sends, and each fsync is shared by
//! half as many. Who is alone waits for nobody: the next command that comes is the one that was awaited.

use std::time::{Duration, Instant};

/// No fsync is put off longer, however slow the disk is; and as long as clients need to send again, however fast.
const PUT_OFF_MAX: Duration = Duration::from_millis(2);
const PUT_OFF_MIN: Duration = Duration::from_micros(250);

/// What is awaited.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Commands that have come so far.
    commands: u64,
    /// Those that were synced when the last fsync ended.
    synced: u64,
    /// Since when the fsync in flight is.
    began: Option<Instant>,
    /// Until so many commands have come, or until then, no fsync begins.
    until: Option<(u64, Instant)>,
}

impl Gathering {
    /// Commands have come.
    pub fn add(&mut self, commands: u32) {
        self.commands += u64::from(commands);
    }

    /// An fsync begins.
    pub fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// It has ended, and so many commands are synced in all.
    pub fn end(&mut self, synced: u64, now: Instant) {
        let Some(began) = self.began.take() else { return };
        let answered = synced - std::mem::replace(&mut self.synced, synced);
        let put_off = (now.saturating_duration_since(began) / 2).clamp(PUT_OFF_MIN, PUT_OFF_MAX);
        self.until = (answered > 0).then(|| (self.commands + answered, now + put_off));
    }

    /// How long the next fsync waits yet; `None`: no longer.
    pub fn waits(&self, now: Instant) -> Option<Duration> {
        let (commands, until) = self.until?;
        (self.commands < commands && now < until).then(|| until - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_fsync_waits_for_as_many_as_were_answered_and_not_for_long() {
        let (mut gathering, start) = (Gathering::default(), Instant::now());
        let at = |us: u64| start + Duration::from_micros(us);
        assert_eq!(gathering.waits(at(0)), None, "at first nobody is awaited");
        gathering.add(3);
        gathering.begin(at(0));
        gathering.add(2);
        gathering.end(3, at(1000));
        assert_eq!(gathering.waits(at(1000)), Some(Duration::from_micros(500)));
        gathering.add(2);
        assert_eq!(gathering.waits(at(1100)), Some(Duration::from_micros(400)));
        gathering.add(1);
        assert_eq!(gathering.waits(at(1200)), None, "three were answered, and three have come");
        gathering.begin(at(1200));
        gathering.end(8, at(2200));
        assert_eq!(gathering.waits(at(2699)), Some(Duration::from_micros(1)));
        assert_eq!(gathering.waits(at(2700)), None, "they do not come");
    }

    #[test]
    fn a_slow_disk_is_not_waited_for_on_top() {
        let (mut gathering, start) = (Gathering::default(), Instant::now());
        gathering.add(1);
        gathering.begin(start);
        gathering.end(1, start + Duration::from_secs(5));
        assert_eq!(gathering.waits(start + Duration::from_secs(5)), Some(PUT_OFF_MAX));
    }
}
