//! Walking a list run by run, from any element to either end.

use super::node::End;
use super::run::Run;
use super::{List, Place};

/// The runs that hold some consecutive elements, from the first on.
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    list: Option<&'a List>,
    place: Option<Place>,
    /// The next run.
    run: Run<'a>,
    /// Elements from the start of `run` on.
    left: usize,
}

impl<'a> Runs<'a> {
    /// The elements `start..start + count` of one run.
    pub(super) fn of_run(run: Run<'a>, start: usize, count: usize) -> Runs<'a> {
        Runs { list: None, place: None, run: run.part(start..start + count), left: count }
    }

    /// The elements `start..start + count` of a list.
    pub(super) fn of_list(list: &'a List, start: usize, count: usize) -> Runs<'a> {
        if count == 0 {
            return Runs { list: None, place: None, run: Run::EMPTY, left: 0 };
        }
        let (place, index) = list.locate(start);
        let run = list.node(place).run();
        let end = run.len().min(index + count);
        Runs { list: Some(list), place: Some(place), run: run.part(index..end), left: count }
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        if self.left == 0 {
            return None;
        }
        let run = std::mem::replace(&mut self.run, Run::EMPTY);
        self.left -= run.len();
        if self.left > 0 {
            let list = self.list.expect("one run holds all that is wanted of it");
            let place = list.beside(self.place?, End::Back).expect("the list is longer than that");
            let next = list.node(place).run();
            self.place = Some(place);
            self.run = next.part(0..next.len().min(self.left));
        }
        Some(run)
    }
}

/// All runs of a list from its last on.
#[derive(Clone, Debug)]
pub(super) enum RunsBack<'a> {
    One(Option<Run<'a>>),
    Of(&'a List, Option<Place>),
}

impl<'a> Iterator for RunsBack<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        match self {
            RunsBack::One(run) => run.take(),
            RunsBack::Of(list, place) => {
                let here = (*place)?;
                *place = list.beside(here, End::Front);
                Some(list.node(here).run())
            }
        }
    }
}

impl<'a> RunsBack<'a> {
    pub(super) fn of_list(list: &'a List) -> RunsBack<'a> {
        RunsBack::Of(list, Some(Place::Last))
    }
}
