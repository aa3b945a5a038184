//! What was denied of late: ACL LOG. Each core has a list of its own; ACL LOG joins them.

use std::collections::VecDeque;

use super::check::Lacking;

/// Denials that are alike are one entry if the last of them was no longer ago, milliseconds.
pub(crate) const SAME_MS_MAX: i64 = 60_000;

/// As many entries are looked at for one that is alike.
const LOOKED_AT_MAX: usize = 10;

/// Bytes of what was denied, or of a user's name, that are kept.
const KEPT_BYTES_MAX: usize = 1024;

/// What was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A login.
    Auth,
    /// A login by a certificate.
    Certificate,
    /// A request, for lack of a right.
    Lacking(Lacking),
}

impl Reason {
    /// What ACL LOG calls it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::Certificate => "tls-cert",
            Reason::Lacking(lacking) => lacking.reason(),
        }
    }
}

/// Where it was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialContext {
    /// By itself.
    TopLevel,
    /// Between MULTI and EXEC, or by EXEC.
    Multi,
    /// In a script.
    Script,
}

impl DenialContext {
    /// What ACL LOG calls it.
    pub fn name(self) -> &'static str {
        match self {
            DenialContext::TopLevel => "toplevel",
            DenialContext::Multi => "multi",
            DenialContext::Script => "lua",
        }
    }
}

/// Denials that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// How many.
    pub count: u64,
    /// What was denied.
    pub reason: Reason,
    /// Where.
    pub context: DenialContext,
    /// The command, key or channel; of a login, the command that tried it.
    pub object: Vec<u8>,
    /// The name of the user.
    pub user: Vec<u8>,
    /// The client of the last of them, as CLIENT LIST shows it.
    pub client: String,
    /// Grows from entry to entry, on one core by one.
    pub id: u64,
    /// When the first of them was, Unix milliseconds.
    pub created_ms: i64,
    /// When the last of them was.
    pub updated_ms: i64,
}

impl LogEntry {
    fn is_like(&self, other: &LogEntry) -> bool {
        self.reason == other.reason
            && self.context == other.context
            && self.object == other.object
            && self.user == other.user
            && (self.updated_ms - other.updated_ms).abs() <= SAME_MS_MAX
    }
}

/// What one core has denied, the newest first; and how much since the counters were reset.
#[derive(Debug, Default)]
pub struct DenialLog {
    entries: VecDeque<LogEntry>,
    next_number: u64,
    /// Logins that were denied.
    pub denied_auth: u64,
    /// Logins by certificates that were denied.
    pub denied_certificates: u64,
    /// Requests, by what was lacking.
    pub denied: [u64; Lacking::ALL.len()],
}

impl DenialLog {
    /// Something was denied. `core`: that it was denied on; `len_max`: as many entries are kept.
    pub fn add(&mut self, mut entry: LogEntry, core: u16, len_max: usize) {
        match entry.reason {
            Reason::Auth => self.denied_auth += 1,
            Reason::Certificate => self.denied_certificates += 1,
            Reason::Lacking(lacking) => self.denied[lacking as usize] += 1,
        }
        entry.object.truncate(KEPT_BYTES_MAX);
        entry.user.truncate(KEPT_BYTES_MAX);
        let alike = self.entries.iter().take(LOOKED_AT_MAX).position(|known| known.is_like(&entry));
        if let Some(mut known) = alike.and_then(|at| self.entries.remove(at)) {
            (known.client, known.updated_ms, known.count) = (entry.client, entry.updated_ms, known.count + 1);
            self.entries.push_front(known);
            return;
        }
        // Numbers of cores have no end in common.
        entry.id = u64::from(core) << 40 | self.next_number;
        self.next_number += 1;
        self.entries.push_front(entry);
        self.entries.truncate(len_max);
    }

    /// The newest first.
    pub fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter()
    }

    /// ACL LOG RESET: no entry is left.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The counters start again at zero.
    pub fn reset_counters(&mut self) {
        (self.denied_auth, self.denied_certificates, self.denied) = (0, 0, [0; Lacking::ALL.len()]);
    }
}
