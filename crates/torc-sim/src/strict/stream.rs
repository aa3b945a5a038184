//! The ordered stream: what the engines propagate, in the order of the numbers that a host gives. See docs/durability.md, "The stream".
//!
//! ```text
//!   core 0:  units of a turn --a message or a reply is about to leave--> group 1 --+
//!   core 1:  units of a turn --...-------------------------------------> group 2 --+--> replayed on an engine of one core: the same keys
//! ```
//! In half of the runs the engines are told that their units are put in order, and then this order alone must explain the keys at the end.
//! In those of them in which the log stays on, it also becomes durable, at any time, and each answer is judged by what it shows of it (`shown`).

use torc_engine::Engine;
use torc_engine::effect::{Propagated, Units};
use torc_engine::random::Random;
use torc_engine::route::CoreId;

/// What has been propagated so far.
pub(crate) struct Stream {
    is_ordered: bool,
    /// What of each core has no number.
    open: Vec<Vec<Told>>,
    /// Units of each core so far.
    units: Vec<u64>,
    /// What has a number, in order.
    numbered: Vec<Told>,
    /// By unit of each core: the number of its group.
    numbers: Vec<Vec<u64>>,
    last: u64,
    durable: u64,
}

/// A command that was propagated.
pub(crate) struct Told {
    /// By which core.
    pub core: CoreId,
    /// In which of its units.
    pub unit: u64,
    /// The command.
    pub propagated: Propagated,
}

impl Stream {
    /// Nothing yet, of these engines.
    pub fn new(engines: &mut [Engine], is_ordered: bool) -> Self {
        engines.iter_mut().for_each(|engine| engine.order_records(is_ordered));
        let cores = engines.len();
        Stream {
            is_ordered,
            open: (0..cores).map(|_| Vec::new()).collect(),
            units: vec![0; cores],
            numbered: Vec::new(),
            numbers: vec![Vec::new(); cores],
            last: 0,
            durable: 0,
        }
    }

    /// Whether the engines put their units into an order.
    pub fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// Units of a core have ended.
    pub fn add(&mut self, core: CoreId, units: &Units) {
        let (open, count) = (&mut self.open[usize::from(core)], &mut self.units[usize::from(core)]);
        for effects in units.iter() {
            let unit = *count;
            *count += 1;
            let propagated = effects.propagated().map(|(db, request)| Propagated { db, request: request.into() });
            open.extend(propagated.map(|propagated| Told { core, unit, propagated }));
        }
    }

    /// How much has a number.
    pub fn len(&self) -> usize {
        self.numbered.len()
    }

    /// Something is about to leave a core: what it has changed gets a number, which is returned.
    pub fn number(&mut self, core: CoreId) -> Option<u64> {
        let core = usize::from(core);
        let number = (!self.open[core].is_empty()).then_some(self.last + 1);
        self.last = number.unwrap_or(self.last);
        self.numbers[core].resize(self.units[core] as usize, self.last);
        self.numbered.append(&mut self.open[core]);
        number
    }

    /// The last number.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The number of a unit of a core, once it has one.
    pub fn number_of(&self, core: CoreId, unit: u64) -> Option<u64> {
        self.numbers[usize::from(core)].get(unit as usize).copied()
    }

    /// Up to which number all is durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// More of it becomes durable; gives up to which number.
    pub fn sync(&mut self, random: &mut Random) -> u64 {
        self.durable += random.below(self.last - self.durable + 1);
        self.durable
    }

    /// All of it in the order of the numbers; `None`: no order was asked for.
    pub fn all(&mut self) -> Option<&[Told]> {
        (0..self.open.len() as CoreId).for_each(|core| _ = self.number(core));
        self.is_ordered.then_some(&self.numbered)
    }
}
