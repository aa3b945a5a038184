//! The ways in which what an engine holds is kept, and another engine gets it: each must come to the same.
//!
//! ```text
//!   given ------ cut 1 ------ run ------ cut 2
//!   the log ----------------------------->|      replayed from its beginning, by as many cores and by others
//!                | the base, saved from here on, while commands run
//!                | the increment -------->|      replayed on what is loaded of the base
//!                                         | the file, loaded by itself: in the version of Redis 7.0, and in the newest
//! ```

use std::collections::BTreeMap;

use torc_engine::persistence::Loaded;
use torc_rdb::VERSION_WRITTEN_MAX;

use super::contents::{Contents, Look, contents_of};
use super::log::replay;
use super::scenario::Step;
use super::told::{Setup, Told};
use crate::files::{cut, file_of, load};

/// An engine in the middle of its work, whose keys are caught.
pub struct Caught {
    increment_at: usize,
}

impl Caught {
    /// Catches the keys of an engine, and begins an increment of its log.
    pub fn now(told: &Told) -> Caught {
        cut(&told.core, told.setup.cores, 1);
        Caught { increment_at: told.log.begin_increment() }
    }

    /// Saves at least an element of a core.
    pub fn save_on(told: &Told, core: u16) {
        told.core.engine(core, |engine| engine.save_slice(engine.part_bytes() + 1).is_break());
    }

    /// Compares what an engine holds now with what others get of it; gives what differs. `given` configures it.
    pub fn compare(&self, told: &Told, given: &[Step], look: Look) -> Vec<String> {
        let base = file_of(&told.core, told.setup.cores);
        cut(&told.core, told.setup.cores, 2);
        let file = file_of(&told.core, told.setup.cores);
        assert_eq!(told.client.send(&format!("CONFIG SET rdb-version {VERSION_WRITTEN_MAX}")), "+OK");
        cut(&told.core, told.setup.cores, 3);
        let newest_file = file_of(&told.core, told.setup.cores);
        // The other look is not without effect on HyperLogLogs.
        let closely = contents_of(&told.client, Look::Closely);
        let ours = contents_of(&told.client, look);
        let log = told.log.bytes_from(0);
        let (same, other) = (told.setup, told.setup.with_other_cores());
        // Only what is packed has the same order of its members everywhere.
        let closest = if same.has_big_values { look } else { Look::Closely };
        let ways = [
            Way { name: "log", setup: same, file: None, log: &log, look },
            Way { name: "log by other cores", setup: other, file: None, log: &log, look },
            Way {
                name: "base and increment",
                setup: other,
                file: Some(&base),
                log: &told.log.bytes_from(self.increment_at),
                look,
            },
            Way { name: "file", setup: other, file: Some(&file), log: b"", look },
            Way { name: "newest file", setup: other, file: Some(&newest_file), log: b"", look: closest },
        ];
        let compare = |way: &Way| {
            let theirs = way.take(given, told.core.now_ms())?;
            let ours = if way.look == Look::Closely { &closely } else { &ours };
            if &theirs == ours { Ok(()) } else { Err(difference(ours, &theirs)) }
        };
        let differing = ways.iter().filter_map(|way| Some((way.name, compare(way).err()?)));
        differing.map(|(name, what)| format!("{name}: {what}")).collect()
    }
}

/// What another engine starts with.
struct Way<'a> {
    name: &'static str,
    setup: Setup,
    file: Option<&'a [u8]>,
    log: &'a [u8],
    look: Look,
}

impl Way<'_> {
    /// What an engine holds that has gone this way.
    fn take(&self, given: &[Step], now_ms: i64) -> Result<Contents, String> {
        let (core, cores) = (self.setup.engine(true), self.setup.cores);
        let client = core.client();
        for step in given {
            if let Step::Request(line) = step
                && line.starts_with("CONFIG")
            {
                client.send(line);
            }
        }
        if let Some(file) = self.file {
            let Loaded { expired_keys, empty_keys, .. } = load(&core, cores, file).expect("all of it is taken");
            assert_eq!((expired_keys, empty_keys), (0, 0), "time has not begun");
        }
        replay(&core, cores, self.log, now_ms)?;
        Ok(contents_of(&client, self.look))
    }
}

fn difference(ours: &Contents, theirs: &Contents) -> String {
    let keys: BTreeMap<&String, ()> = ours.keys().chain(theirs.keys()).map(|key| (key, ())).collect();
    let differs = keys.into_keys().filter(|key| ours.get(*key) != theirs.get(*key));
    let lines = differs.map(|key| format!("\n  {key}: {:?}\n    is there {:?}", ours.get(key), theirs.get(key)));
    lines.collect()
}
