//! What a run is like: settings, how often what fails, how many crashes. All of it follows from the seed.

use torc_log::{BaseFormat, Fsync, Settings};

use crate::random::Random;

/// How the run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Nothing is there.
    Empty,
    /// Memory has keys that are in no file of the log.
    Snapshot,
    /// The single file of an older server is there; whether its end is torn.
    SingleFile { is_torn: bool },
}

/// See the head of this file. Frequencies are per thousand operations.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Nothing fails or stalls.
    pub is_calm: bool,
    pub beginning: Beginning,
    pub cores: usize,
    pub groups: u64,
    /// Microseconds between groups, at most.
    pub gap_us: u64,
    pub crashes: u64,
    pub page: usize,
    pub write_failures: u64,
    pub short_writes: u64,
    pub sync_failures: u64,
    pub directory_failures: u64,
    pub unlink_failures: u64,
    pub base_failures: u64,
    pub stalls: u64,
    /// BGREWRITEAOF, per thousand groups.
    pub rewrites: u64,
    /// The log is turned off and on, per thousand steps.
    pub switches: u64,
    pub settings: Settings,
    pub changes_settings: bool,
}

impl Plan {
    pub fn new(random: &mut Random) -> Plan {
        // Some runs are long bursts without rewrites, in which no operation ends before there is more to do.
        let is_burst = random.permille(60);
        let is_calm = is_burst || random.permille(250);
        let mut often = |choices: &[u64]| if is_calm { 0 } else { random.pick(choices) };
        let write_failures = often(&[0, 0, 20, 200]);
        let short_writes = often(&[0, 50, 300]);
        let sync_failures = often(&[0, 0, 10, 80]);
        let directory_failures = often(&[0, 0, 20, 100]);
        let unlink_failures = often(&[0, 0, 50, 500]);
        let base_failures = often(&[0, 0, 20, 100]);
        let stalls = often(&[0, 0, 20]);
        let mut settings = settings(random);
        if is_burst {
            (settings.rewrite_percentage, settings.buffer_bytes_max) = (0, 1 << 20);
        }
        let (groups, gap_us) = match is_burst {
            true => (800, 500),
            false => (random.among(20..250), random.pick(&[500, 3000, 20_000, 60_000])),
        };
        Plan {
            is_calm,
            beginning: match random.below(10) {
                0 => Beginning::Snapshot,
                1 => Beginning::SingleFile { is_torn: random.permille(300) },
                _ => Beginning::Empty,
            },
            cores: random.among(1..5) as usize,
            groups,
            gap_us,
            crashes: random.among(0..6),
            page: random.pick(&[64, 128, 512]),
            write_failures,
            short_writes,
            sync_failures,
            directory_failures,
            unlink_failures,
            base_failures,
            stalls,
            switches: if is_burst { 0 } else { random.pick(&[0, 0, 1, 5]) },
            settings,
            rewrites: if is_burst { 0 } else { 10 },
            changes_settings: random.permille(200),
        }
    }
}

/// What an operator might have set, in the small.
pub(crate) fn settings(random: &mut Random) -> Settings {
    Settings {
        fsync: random.pick(&[Fsync::Always, Fsync::Always, Fsync::EverySecond, Fsync::EverySecond, Fsync::Never]),
        no_fsync_on_rewrite: random.permille(150),
        rewrite_percentage: random.pick(&[0, 50, 100]),
        rewrite_bytes_min: random.among(200..4000),
        timestamps: random.permille(500),
        base_format: BaseFormat::Commands,
        keeps_history: random.permille(150),
        buffer_bytes_max: random.pick(&[500, 5000, 1 << 20]),
        gap_bytes_max: random.pick(&[200, 1 << 20]),
    }
}
