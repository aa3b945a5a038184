//! Snapshots in the middle of everything: keys are caught by a cut, saved a few bytes at a time between the other steps, and judged at
//! the end: what was saved, and what the stream has above the cut, make the keys that are there.
//!
//! ```text
//!   stream by number   | below: units of each core before its part of the cut | above: all others |
//!                                                                              ^ one place, whatever core
//! ```

use torc_engine::effect::Propagated;
use torc_engine::loading::LoadBatch;
use torc_engine::random::Random;
use torc_engine::route::CoreId;
use torc_engine::saving::{Part, PartOrder, SaveForm};
use torc_engine::{ConnectionId, Engine, HostReply, HostRequest};
use torc_rdb::file::{Assembly, Frame, ReadOptions, Reader, VersionRule};
use torc_resp::reader;

use super::stream::Told;

/// Snapshots of a run, at most.
const SAVES_MAX: u64 = 4;

/// All snapshots of a run.
pub(crate) struct Saves {
    /// Apart from the run's own, so that runs without snapshots stay as they are.
    random: Random,
    is_wanted: bool,
    begun: u64,
    under_way: Option<Save>,
    pub done: Vec<Save>,
}

/// One snapshot.
pub(crate) struct Save {
    cut: u64,
    /// By core: how many of its units are below the cut, once its keys are caught.
    units_below: Vec<Option<u64>>,
    is_through: Vec<bool>,
    /// Parts in the order of the file, and those that wait for their place in it.
    parts: Vec<Vec<u8>>,
    order: PartOrder<()>,
    version: u16,
    /// It holds writes, and who is to be answered when it does.
    holds: bool,
    holder: Option<(CoreId, ConnectionId)>,
}

impl Saves {
    /// None yet.
    pub fn new(seed: u64, is_wanted: bool) -> Self {
        Saves { random: Random::new(seed ^ 0x5a7e), is_wanted, begun: 0, under_way: None, done: Vec::new() }
    }

    /// Whether one has begun and has not ended.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Takes what an engine asks of its host.
    pub fn take_request(&mut self, core: CoreId, request: &HostRequest) {
        match (request, &mut self.under_way) {
            (HostRequest::SavingBegun { cut, units_before }, Some(save)) => {
                assert_eq!(*cut, save.cut, "one cut at a time");
                let before = save.units_below[usize::from(core)].replace(*units_before);
                assert!(before.is_none(), "each core catches its keys once");
            }
            (HostRequest::WritesHeld { cut, asker }, Some(save)) if *cut == save.cut => {
                assert!(save.holds, "only if that was wanted");
                save.holder = Some((core, *asker));
            }
            _ => {}
        }
    }

    /// One small step, or none: a core, and what its engine is to do. `may_begin`: another snapshot may.
    pub fn step(&mut self, cores: u16, may_begin: bool) -> Option<(CoreId, Work)> {
        if !self.is_wanted {
            return None;
        }
        let core = self.random.below(cores.into()) as CoreId;
        let Some(save) = &mut self.under_way else {
            if !may_begin || self.begun == SAVES_MAX || self.random.below(30) > 0 {
                return None;
            }
            self.begun += 1;
            let holds = self.random.below(4) == 0;
            self.under_way = Some(Save::new(self.begun, cores, holds));
            return Some((core, Work::Begin { cut: self.begun, holds }));
        };
        if let Some((core, asker)) = save.holder
            && self.random.below(20) == 0
        {
            (save.holder, save.holds) = (None, false);
            return Some((core, Work::Answer(asker)));
        }
        let is_due = save.units_below[usize::from(core)].is_some() && !save.is_through[usize::from(core)];
        is_due.then(|| (core, Work::Slice(1 + self.random.below(120) as usize)))
    }

    /// What a slice has written.
    pub fn take_part(&mut self, core: CoreId, part: Written) {
        let save = self.under_way.as_mut().expect("a slice is of the one that is under way");
        save.version = save.version.max(part.part.version);
        save.is_through[usize::from(core)] |= part.is_last;
        save.order.push(usize::from(core), part.part, ());
        while let Some((_, part, ())) = save.order.pop() {
            save.parts.push(part.bytes);
        }
        self.end_if_through();
    }

    /// Puts a snapshot that is complete to those that are done.
    pub fn end_if_through(&mut self) {
        if let Some(save) = self.under_way.take_if(|save| !save.holds && save.is_through.iter().all(|&done| done)) {
            assert!(save.order.is_empty(), "no core is within a value");
            self.done.push(save);
        }
    }
}

/// What an engine is to do for a snapshot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Begin the cut.
    Begin {
        /// Which one.
        cut: u64,
        /// Writes are held.
        holds: bool,
    },
    /// Save on until so many bytes are written.
    Slice(usize),
    /// Let writes go.
    Answer(ConnectionId),
}

/// What a slice has written.
pub(crate) struct Written {
    part: Part,
    is_last: bool,
}

impl Work {
    /// Does it; gives what was written.
    pub fn run(self, engine: &mut Engine) -> Option<Written> {
        match self {
            Work::Begin { cut, holds } => engine.begin_cut(cut, SaveForm::Rdb, holds),
            Work::Answer(asker) => engine.on_host_answer(asker, HostReply::Done),
            Work::Slice(bytes) => {
                let is_last = engine.save_slice(bytes).is_break();
                let part = engine.take_part(Vec::new());
                assert_eq!(part.problem, None, "the lowest version holds everything");
                if is_last {
                    engine.end_saving();
                }
                return Some(Written { part, is_last });
            }
        }
        None
    }
}

impl Save {
    fn new(cut: u64, cores: u16, holds: bool) -> Self {
        let cores = usize::from(cores);
        Save {
            cut,
            units_below: vec![None; cores],
            is_through: vec![false; cores],
            parts: Vec::new(),
            order: PartOrder::default(),
            version: 0,
            holds,
            holder: None,
        }
    }

    /// Its keys, as a file has them.
    pub fn keys(&self) -> Option<LoadBatch> {
        let mut assembly = Assembly::new(VersionRule::Lowest, true);
        if self.version > 0 {
            assembly.require(self.version);
        }
        self.parts.iter().for_each(|part| assembly.add(part));
        let mut end = Vec::new();
        let magic = assembly.finish(&mut end);
        let mut reader = Reader::new(ReadOptions::default());
        reader.feed(&magic);
        self.parts.iter().for_each(|part| reader.feed(part));
        reader.feed(&end);
        let mut batch = None;
        loop {
            let version = reader.version();
            match reader.next_frame().expect("what was written can be read") {
                Some(Frame::Key(key)) => {
                    let version = version.expect("keys come behind the magic");
                    batch.get_or_insert_with(|| LoadBatch::new(version, false)).push(&key, None);
                }
                Some(_) => {}
                None => break,
            }
        }
        reader.close().expect("the file is whole");
        batch
    }

    /// What of the stream is above the cut.
    pub fn above<'a>(&self, stream: &'a [Told]) -> impl Iterator<Item = &'a Told> {
        let below = |told: &Told| {
            let units = self.units_below[usize::from(told.core)].expect("all cores have caught their keys");
            told.unit < units
        };
        let first_above = stream.iter().position(|told| !below(told)).unwrap_or(stream.len());
        // What expires on a core between its claim and its catch may get a number above the cut; replayed, it is removed twice.
        let behind = stream[first_above..].iter().find(|told| below(told) && !is_removal(&told.propagated));
        assert!(behind.is_none(), "cut {}: numbers below the cut come before those above", self.cut);
        stream[first_above..].iter()
    }
}

/// As which a key or field is told that has expired.
fn is_removal(propagated: &Propagated) -> bool {
    let words = reader::Elements::new(&propagated.request).and_then(|mut words| reader::bulk(words.next()?));
    words.is_some_and(|name| name == b"DEL" || name == b"HDEL")
}
