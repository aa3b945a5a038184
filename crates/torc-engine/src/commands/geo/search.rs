//! GEOSEARCH and its relatives: finding the places, putting them in order, answering with them or storing them.
//!
//! Where source and destination of a store are on different cores, the owner of the source finds the places and sends them, with the
//! scores that they get, to the owner of the destination.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::pack::Packed;
use torc_store::sorted_set::{Located, SortedSetRef};

use super::super::sorted_set::collected::{Collected, begin_sending, receive, send, store_members};
use super::cover::Cover;
use super::grid::Position;
use super::request::{Grammar, Order, Request};
use super::shape::Shape;
use super::text::{write_distance, write_position};
use crate::command::{Begin, Fetched, KeySpec, Keys};
use crate::error::CommandResult;
use crate::extract::Extract;
use crate::shard::ShardContext;

/// For COMMAND DOCS, of the commands with a radius.
pub const RADIUS_COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.";
/// For COMMAND DOCS, of the searches.
pub const SEARCH_COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape";

/// The key behind STORE or STOREDIST, in a command whose options begin at this argument. Of several such words the last counts, which
/// the notation cannot say.
pub const fn destination(word: &'static str, from: usize) -> KeySpec {
    let exact: fn(Args<'_>) -> Keys = if word.len() == "STORE".len() {
        |args| destination_behind(b"STORE", args)
    } else {
        |args| destination_behind(b"STOREDIST", args)
    };
    KeySpec { begin: Begin::Keyword { word, from }, exact: Some(exact), ..KeySpec::at(1, "OW update") }
}

fn destination_behind(word: &[u8], args: Args<'_>) -> Keys {
    let index = destination_index(args).filter(|&index| args.get(index - 1).eq_ignore_ascii_case(word));
    index.map_or(Keys::NONE, Keys::at)
}

/// The key that gets what is found, in a request of which a part ran on another core: it names one.
pub fn destination_of(args: Args<'_>) -> &[u8] {
    args.get(destination_index(args).expect("a request with one key runs on one core"))
}

fn destination_index(args: Args<'_>) -> Option<usize> {
    const OPTIONS_AT: usize = 5;
    let (mut at, mut found) = (OPTIONS_AT, None);
    while at + 1 < args.len() {
        let option = args.get(at);
        if option.eq_ignore_ascii_case(b"store") || option.eq_ignore_ascii_case(b"storedist") {
            found = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    found
}

/// Searches the set at a key, and answers with what is found or stores it, all on this core.
pub fn run(
    grammar: Grammar,
    source: &[u8],
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let set = context.read_kind(source, Kind::SortedSet)?.map(SortedSetRef::of);
    let request = Request::parse(grammar, args, set)?;
    let places = find(&request, set);
    let Some(destination) = request.store else {
        answer(&request, &places, reply);
        return Ok(());
    };
    let mut members = Collected::with_capacity(places.len());
    for place in &places {
        place.member.with_bytes(|bytes| members.push(bytes, place.stored_score(&request)));
    }
    count_stored(context, members.len());
    members.store(context, destination, grammar.stored(), reply);
    Ok(())
}

/// Searches the set at a key, and writes what is found for another core to store.
pub fn fetch(
    grammar: Grammar,
    source: &[u8],
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    extract: &mut Extract,
) -> CommandResult {
    let set = context.read_kind(source, Kind::SortedSet)?.map(SortedSetRef::of);
    let request = Request::parse(grammar, args, set)?;
    let places = find(&request, set);
    begin_sending(places.len(), extract);
    places.iter().for_each(|place| send(place.member, place.stored_score(&request), extract));
    Ok(())
}

/// Stores what [`fetch`] wrote for the key with a number.
pub fn apply(
    grammar: Grammar,
    context: &mut ShardContext<'_>,
    destination: &[u8],
    fetched: Fetched<'_>,
    source_number: usize,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let mut members = receive(fetched.get(source_number));
    count_stored(context, members.len());
    store_members(context, destination, &mut members, grammar.stored(), reply);
    Ok(())
}

/// Each place that is stored is a change; that a destination goes, for there is none, is one as well.
fn count_stored(context: &mut ShardContext<'_>, places: usize) {
    if places > 0 {
        context.count_changes(places);
    }
}

/// A place that was found. The order is by distance, and of equal ones by when they were found.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    member: Packed<'a>,
    score: f64,
    /// From the center, meters; 0 if nobody asks for it.
    distance_m: f64,
    /// What it is ordered by: the distance, or its negative where the farthest come first.
    rank: f64,
    number: usize,
}

impl Place<'_> {
    fn stored_score(&self, request: &Request<'_>) -> f64 {
        if request.stores_distances { self.distance_m / request.unit.meters } else { self.score }
    }
}

impl Ord for Place<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.total_cmp(&other.rank).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Place<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place<'_> {}

/// The places that are wanted, in order.
fn find<'a>(request: &Request<'_>, set: Option<SortedSetRef<'a>>) -> Vec<Place<'a>> {
    let (Some(set), Some(shape)) = (set, &request.shape) else { return Vec::new() };
    let (needs_distances, order) = (request.needs_distances(), request.order);
    let mut number = 0;
    let mut place_of = |candidate: Located<'a>, position| {
        let distance_m = if needs_distances { shape.distance(position) } else { 0.0 };
        let rank = if order == Some(Order::Descending) { -distance_m } else { distance_m };
        number += 1;
        (rank, number, distance_m, candidate)
    };
    let place = |(rank, number, distance_m, candidate): (f64, usize, f64, Located<'a>)| Place {
        member: candidate.member(),
        score: candidate.score,
        distance_m,
        rank,
        number,
    };
    match request.count {
        Some(count) if !request.any => {
            let mut nearest: BinaryHeap<Place<'a>> = BinaryHeap::new();
            visit(set, shape, &mut |candidate, position| {
                let found = place_of(candidate, position);
                if nearest.len() < count {
                    nearest.push(place(found));
                } else if let Some(mut worst) = nearest.peek_mut()
                    && found.0 < worst.rank
                {
                    *worst = place(found);
                }
                ControlFlow::Continue(())
            });
            nearest.into_sorted_vec()
        }
        limit => {
            let mut places = Vec::new();
            visit(set, shape, &mut |candidate, position| {
                places.push(place(place_of(candidate, position)));
                if limit == Some(places.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if order.is_some() {
                places.sort_unstable();
            }
            places
        }
    }
}

/// Visits all places of a set that lie inside a shape, until `take` breaks off.
#[inline]
fn visit<'a>(set: SortedSetRef<'a>, shape: &Shape, take: &mut impl FnMut(Located<'a>, Position) -> ControlFlow<()>) {
    for cell in Cover::of(shape).cells() {
        let (min, max) = cell.scores();
        let flow = set.visit_scores(min, max, |candidate| {
            let position = Position::of_score(candidate.score);
            if shape.contains(position) { take(candidate, position) } else { ControlFlow::Continue(()) }
        });
        if flow.is_break() {
            return;
        }
    }
}

fn answer(request: &Request<'_>, places: &[Place<'_>], reply: &mut Reply<'_>) {
    let with = request.with;
    let extras = usize::from(with.distance) + usize::from(with.hash) + usize::from(with.coordinates);
    reply.array(places.len());
    for place in places {
        if extras > 0 {
            reply.array(1 + extras);
        }
        match place.member {
            Packed::Bytes(bytes) => reply.bulk(bytes),
            Packed::Integer(value) => reply.bulk_integer(value),
        }
        if with.distance {
            write_distance(place.distance_m / request.unit.meters, reply);
        }
        if with.hash {
            reply.integer(place.score as i64);
        }
        if with.coordinates {
            write_position(Position::of_score(place.score), reply);
        }
    }
}
