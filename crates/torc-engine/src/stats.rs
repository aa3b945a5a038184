//! What one core counts, for INFO and for the metrics of the service plane.

use std::collections::BTreeMap;

/// Distinct error codes that are counted one by one; later ones are counted together.
const ERROR_CODES_MAX: usize = 128;

/// Counters of one command.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommandCalls {
    /// Times it ran.
    pub calls: u64,
    /// Times it was refused before it ran (arity, login, inside MULTI).
    pub rejected_calls: u64,
    /// Times it ran and answered an error.
    pub failed_calls: u64,
}

/// Counters of one core since its start or since CONFIG RESETSTAT.
#[derive(Debug, Default)]
pub struct CoreStats {
    /// Commands run on this core's shard or for its sessions.
    pub commands_processed: u64,
    /// Commands that this core's connections sent to another core.
    pub hops: u64,
    /// Request batches sent to other cores.
    pub batches: u64,
    /// Reads that found their key.
    pub keyspace_hits: u64,
    /// Reads that did not.
    pub keyspace_misses: u64,
    /// Error replies.
    pub total_error_replies: u64,
    /// Connections accepted.
    pub connections_received: u64,
    /// Connections refused because of `maxclients` or protected mode.
    pub rejected_connections: u64,
    /// Bytes received from clients.
    pub net_input_bytes: u64,
    /// Bytes sent to clients.
    pub net_output_bytes: u64,
    /// By command id.
    pub calls: Vec<CommandCalls>,
    /// Error replies by their first word.
    pub errors: BTreeMap<String, u64>,
}

impl CoreStats {
    /// Counters for this many command ids.
    pub fn new(commands: usize) -> Self {
        CoreStats { calls: vec![CommandCalls::default(); commands], ..CoreStats::default() }
    }

    /// Counts an error reply under its code.
    pub fn count_error(&mut self, code: &str) {
        self.total_error_replies += 1;
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.to_owned(), 1);
        } else {
            *self.errors.entry("ERRORSTATS_OVERFLOW".to_owned()).or_insert(0) += 1;
        }
    }

    /// CONFIG RESETSTAT: everything back to zero.
    pub fn reset(&mut self) {
        *self = CoreStats::new(self.calls.len());
    }
}
