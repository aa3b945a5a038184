//! The recorder of a server: it notes nothing.

use std::marker::PhantomData;
use std::rc::Rc;

use torc_resp::{Args, Reply};

use super::ShardFunction;
use crate::asker::Asker;
use crate::effect::Effect;
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// Calls the function of a command that runs here.
#[inline(always)]
pub(crate) fn call(
    function: ShardFunction,
    context: &mut ShardContext<'_>,
    _asker: &Asker,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    function(context, args, reply)
}

/// See the simulator's recorder for what each note means.
#[derive(Debug, Default)]
pub struct Recorder {}

#[allow(missing_docs, reason = "the simulator's recorder documents each note")]
impl Recorder {
    #[inline]
    pub fn ran(&mut self, _asker: &Asker, _now_us: i64) {}
    #[inline]
    pub fn compared(&mut self, _asker: &Asker, _changed: bool, _now_us: i64) {}
    #[inline]
    pub fn served(&mut self, _waiter: &Asker, _by: Option<&Asker>, _now_us: i64) {}
    #[inline]
    pub fn declined(&mut self, _waiter: &Asker, _by: Option<&Asker>, _now_us: i64) {}
    #[inline]
    pub fn unblocked(&mut self, _waiter: &Asker, _now_us: i64) {}
    #[inline]
    pub fn ended(&mut self, _waiter: &Asker, _now_us: i64) {}
    #[inline]
    pub fn retried(&mut self, _waiter: &Asker, _now_us: i64) {}
    #[inline]
    pub fn forgotten(&mut self, _waiter: &Asker, _now_us: i64) {}
    #[inline]
    pub fn unit(&mut self, _by: Option<&Asker>, _effects: impl FnOnce() -> Vec<Effect>, _now_us: i64) {}
}

/// Waiters that a server need not remember.
pub struct Forgotten<Claim, Waiter>(PhantomData<(Claim, Waiter)>);

impl<Claim, Waiter> Default for Forgotten<Claim, Waiter> {
    fn default() -> Self {
        Forgotten(PhantomData)
    }
}

#[allow(missing_docs, reason = "the simulator's recorder documents each note")]
impl<Claim, Waiter> Forgotten<Claim, Waiter> {
    #[inline]
    pub fn add(
        &mut self,
        _waiter: Waiter,
        _claims: impl Iterator<Item = Claim>,
        _servings: impl Iterator<Item = Claim>,
    ) {
    }
    #[inline]
    pub fn serving_starts(&mut self, _id: Claim) {}
    #[inline]
    pub fn serving_ends(&mut self, _id: Claim) {}
    #[inline]
    pub fn under(&self, _id: Claim) -> impl Iterator<Item = Rc<Waiter>> + use<Claim, Waiter> {
        std::iter::empty()
    }
}
