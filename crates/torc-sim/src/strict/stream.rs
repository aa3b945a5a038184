//! The ordered stream: what the engines propagate, in the order of the numbers that a host gives. See docs/durability.md, "The stream".
//!
//! ```text
//!   core 0:  units of a turn --a message or a reply is about to leave--> group 1 --+
//!   core 1:  units of a turn --...-------------------------------------> group 2 --+--> replayed on an engine of one core: the same keys
//! ```
//! In half of the runs the engines are told that their units are put in order, and then this order alone must explain the keys at the end.

use torc_engine::Engine;
use torc_engine::effect::{Effect, Propagated, UnitEffects};
use torc_engine::route::CoreId;

/// What has been propagated so far.
pub(crate) struct Stream {
    is_ordered: bool,
    /// What of each core has no number.
    open: Vec<Vec<Propagated>>,
    /// What has one, in order, each with its core.
    numbered: Vec<(CoreId, Propagated)>,
}

impl Stream {
    /// Nothing yet, of these engines.
    pub fn new(engines: &mut [Engine], is_ordered: bool) -> Self {
        engines.iter_mut().for_each(|engine| engine.order_records(is_ordered));
        Stream { is_ordered, open: engines.iter().map(|_| Vec::new()).collect(), numbered: Vec::new() }
    }

    /// Units of a core have ended.
    pub fn add(&mut self, core: CoreId, units: Vec<UnitEffects>) {
        let propagated = |effect| if let Effect::Propagated(told) = effect { Some(told) } else { None };
        let effects = units.into_iter().flat_map(|unit| unit.effects);
        self.open[usize::from(core)].extend(effects.filter_map(propagated));
    }

    /// Something is about to leave a core: what it has changed gets a number.
    pub fn number(&mut self, core: CoreId) {
        self.numbered.extend(self.open[usize::from(core)].drain(..).map(|told| (core, told)));
    }

    /// All of it in the order of the numbers; `None`: no order was asked for.
    pub fn all(&mut self) -> Option<&[(CoreId, Propagated)]> {
        (0..self.open.len() as CoreId).for_each(|core| self.number(core));
        self.is_ordered.then_some(&self.numbered)
    }
}
