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
    /// Calls that were timed: one in [`TIMED_CALLS_EVERY`] of all commands.
    pub timed_calls: u64,
    /// Time of the timed calls, nanoseconds.
    pub timed_ns: u64,
}

/// One command in this many is timed, since reading the clock costs as much as a small command.
pub const TIMED_CALLS_EVERY: u64 = 64;

impl CommandCalls {
    /// Time of all calls, microseconds, estimated from those that were timed; 0 when none was.
    pub fn estimated_us(&self) -> u64 {
        let total_ns = u128::from(self.timed_ns) * u128::from(self.calls) / u128::from(self.timed_calls.max(1));
        (total_ns / 1000) as u64
    }
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
    /// Attempts of this core's transactions that a participant refused.
    pub refused_transactions: u64,
    /// Transactions of this core that had the claims of the one before them ([a convoy](crate::engine)).
    pub claims_passed_on: u64,
    /// Times that this core slept, and its engine answered on the thread of another core.
    pub lent_turns: u64,
    /// Attempts of cuts that this core has withdrawn.
    pub cuts_withdrawn: u64,
    /// The longest time for which a cut of this core has held writers before it had run, microseconds.
    pub cut_held_us_max: u64,
    /// Bytes that relays of this core's connections have fetched, on whatever cores.
    pub relayed_bytes: u64,
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
    /// Connections that were closed since their requests exceeded `client-query-buffer-limit`.
    pub query_limit_disconnections: u64,
    /// Connections that were closed since they took too little of their replies.
    pub output_limit_disconnections: u64,
    /// Keys that were removed since memory was short.
    pub evicted_keys: u64,
    /// Connections that were closed since all clients together took too much.
    pub evicted_clients: u64,
    /// Turns of this core.
    pub turns: u64,
    /// Time that the turns took, nanoseconds, without what the core slept between them.
    pub turns_ns: u64,
    /// Bytes received from clients.
    pub net_input_bytes: u64,
    /// Bytes sent to clients.
    pub net_output_bytes: u64,
    /// By command id.
    pub calls: Vec<CommandCalls>,
    /// Error replies by their first word.
    pub errors: BTreeMap<String, u64>,
    /// Rates of the last seconds.
    pub samples: Samples,
}

/// What counters showed when CONFIG RESETSTAT set the others to zero; those here only ever grow.
#[derive(Debug, Default)]
pub struct StatsBase {
    /// [`torc_store::KeyspaceStats::expired_keys`].
    pub expired_keys: u64,
    /// [`torc_store::KeyspaceStats::expired_fields`].
    pub expired_fields: u64,
    /// [`torc_store::KeyspaceStats::lazyfreed_objects`].
    pub lazyfreed_objects: u64,
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

    /// Notes the rates since the last sample, if that is long enough ago.
    pub fn sample(&mut self, now_ms: i64, memory_bytes: impl FnOnce() -> u64) {
        let totals = Rates {
            commands: self.commands_processed,
            input_bytes: self.net_input_bytes,
            output_bytes: self.net_output_bytes,
            turns: self.turns,
            turns_ns: self.turns_ns,
        };
        self.samples.take(now_ms, totals, memory_bytes);
    }

    /// CONFIG RESETSTAT: everything back to zero.
    pub fn reset(&mut self) {
        let memory_bytes_max = self.samples.memory_bytes_max;
        *self = CoreStats::new(self.calls.len());
        self.samples.memory_bytes_max = memory_bytes_max;
    }
}

/// Samples whose mean is a rate: 16 of about 100 ms, as in Redis.
const SAMPLES: usize = 16;

/// Shortest time between samples.
const SAMPLE_MS_MIN: i64 = 100;

/// Totals, or what they grow by in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Commands.
    pub commands: u64,
    /// Bytes from clients.
    pub input_bytes: u64,
    /// Bytes to clients.
    pub output_bytes: u64,
    /// Turns.
    pub turns: u64,
    /// What they take, nanoseconds.
    pub turns_ns: u64,
}

/// The rates of the last seconds, and the peak of memory use.
#[derive(Debug, Default)]
pub struct Samples {
    rates: [Rates; SAMPLES],
    next: usize,
    taken_ms: i64,
    totals: Rates,
    memory_bytes_max: u64,
}

impl Samples {
    /// Mean rates, per second.
    pub fn rates(&self) -> Rates {
        let mean = |of: fn(&Rates) -> u64| self.rates.iter().map(of).sum::<u64>() / SAMPLES as u64;
        Rates {
            commands: mean(|rates| rates.commands),
            input_bytes: mean(|rates| rates.input_bytes),
            output_bytes: mean(|rates| rates.output_bytes),
            turns: mean(|rates| rates.turns),
            turns_ns: mean(|rates| rates.turns_ns),
        }
    }

    /// The most memory seen at a sample, in bytes.
    pub fn memory_bytes_max(&self) -> u64 {
        self.memory_bytes_max
    }

    fn take(&mut self, now_ms: i64, totals: Rates, memory_bytes: impl FnOnce() -> u64) {
        let elapsed_ms = now_ms - self.taken_ms;
        if elapsed_ms < SAMPLE_MS_MIN {
            return;
        }
        if self.taken_ms > 0 {
            let rate = |now: u64, before: u64| now.saturating_sub(before) * 1000 / elapsed_ms as u64;
            self.rates[self.next] = Rates {
                commands: rate(totals.commands, self.totals.commands),
                input_bytes: rate(totals.input_bytes, self.totals.input_bytes),
                output_bytes: rate(totals.output_bytes, self.totals.output_bytes),
                turns: rate(totals.turns, self.totals.turns),
                turns_ns: rate(totals.turns_ns, self.totals.turns_ns),
            };
            self.next = (self.next + 1) % SAMPLES;
        }
        self.taken_ms = now_ms;
        self.totals = totals;
        self.memory_bytes_max = self.memory_bytes_max.max(memory_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_what_the_samples_show() {
        let mut stats = CoreStats::new(1);
        for turn in 1..=400 {
            stats.commands_processed += 5;
            stats.net_input_bytes += 100;
            (stats.turns, stats.turns_ns) = (stats.turns + 1, stats.turns_ns + 7000);
            stats.sample(turn * 10, || turn as u64);
        }
        assert_eq!(
            stats.samples.rates(),
            Rates { commands: 500, input_bytes: 10_000, output_bytes: 0, turns: 100, turns_ns: 700_000 }
        );
        assert!(stats.samples.memory_bytes_max() > 390);
        stats.reset();
        assert_eq!(stats.samples.rates(), Rates::default());
        assert!(stats.samples.memory_bytes_max() > 390);
    }
}
