//! One order of all actions that agrees with what every core did and with real time, or the cycle that forbids it.
//!
//! An edge says "before":
//! - between conflicting pieces of two actions, in the order in which their core ran them;
//! - from an action whose answer was complete to one that was sent after that;
//! - between the calls of a scan, and what they did on one core after another;
//! - between actions of one connection, unless both are for one core, do not conflict, and one of them only reads (or the
//!   engines keep no order of effects).

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use torc_engine::command::ProgramOrder;
use torc_engine::route::{CoreId, SlotMap};

use super::history::{Action, History, Item, text_of};

/// Who touched an item of a core, as far as the order of the next one depends on it.
#[derive(Default)]
struct Use {
    writer: Option<usize>,
    readers: Vec<usize>,
}

/// The graph; nodes behind the actions are moments of real time.
struct Graph {
    next: Vec<Vec<usize>>,
    incoming: Vec<usize>,
}

impl Graph {
    fn node(&mut self) -> usize {
        self.next.push(Vec::new());
        self.incoming.push(0);
        self.next.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize) {
        if from != to {
            self.next[from].push(to);
            self.incoming[to] += 1;
        }
    }
}

/// The actions that took effect, in a serial order. Panics with the cycle if there is none. Also those that are later in the
/// order than by their time, since they ran before they could know that a wait had ended.
pub(crate) fn serial_order(history: &History, cores: u16) -> (Vec<usize>, BTreeSet<usize>) {
    let actions = &history.actions;
    let mut graph = Graph { next: vec![Vec::new(); actions.len()], incoming: vec![0; actions.len()] };
    let took_effect = took_effect(actions);
    conflicts(&mut graph, actions, &took_effect, cores);
    real_time(&mut graph, actions, &took_effect);
    connections(&mut graph, actions, &took_effect);
    scans(&mut graph, history);
    let late = waits(&mut graph, history, cores);
    (sort(graph, actions, &took_effect), late)
}

/// The actions that are to be replayed: those that ran; and, of those that no core had to run, the ones that were answered
/// or stand before one of their connection that ran.
fn took_effect(actions: &[Action]) -> Vec<usize> {
    let mut last_run: HashMap<usize, usize> = HashMap::new();
    let ran = actions.iter().enumerate().filter(|(_, action)| !action.pieces.is_empty() && !action.is_part);
    ran.for_each(|(number, action)| _ = last_run.insert(action.connection, number));
    let counts = |&number: &usize| {
        let action = &actions[number];
        let read = last_run.get(&action.connection).is_some_and(|&last| number < last);
        !action.pieces.is_empty() || action.replied_at.is_some() || (read && needs_no_core(action))
    };
    (0..actions.len()).filter(counts).collect()
}

/// Whether an action concerns its session only.
fn needs_no_core(action: &Action) -> bool {
    action.touches.reads.is_empty() && action.touches.writes.is_empty()
        || action.requests.last().is_some_and(|request| request[0] == b"DISCARD")
}

fn conflicts(graph: &mut Graph, actions: &[Action], took_effect: &[usize], cores: u16) {
    let mut pieces: Vec<(CoreId, u64, usize)> = Vec::new();
    for &action in took_effect {
        let mut seen = Vec::new();
        for piece in &actions[action].pieces {
            if !seen.contains(&piece.core) {
                seen.push(piece.core);
                pieces.push((piece.core, piece.at, action));
            }
        }
    }
    pieces.sort_unstable();
    let mut uses: HashMap<(CoreId, Item), Use> = HashMap::new();
    let mut wholes: HashMap<CoreId, (Use, Use)> = HashMap::new();
    for (core, _, action) in pieces {
        let touches = &actions[action].touches;
        // (those about all keys, those about some) since the last that excluded them.
        let (about_all, about_some) = wholes.entry(core).or_default();
        let here = |item: &&Item| is_of(item, core, cores);
        let whole_write = touches.writes.contains(&Item::Whole);
        let whole_read = touches.reads.contains(&Item::Whole);
        for item in touches.reads.iter().filter(here).filter(|item| **item != Item::Whole) {
            let used = uses.entry((core, item.clone())).or_default();
            used.writer.into_iter().chain(about_all.writer).for_each(|writer| graph.edge(writer, action));
            used.readers.push(action);
            about_some.readers.push(action);
        }
        let written = touches.writes.union(&actions[action].moved);
        for item in written.filter(here).filter(|item| **item != Item::Whole) {
            let used = uses.entry((core, item.clone())).or_default();
            let before = used.writer.into_iter().chain(used.readers.drain(..));
            before.for_each(|other| graph.edge(other, action));
            about_all
                .writer
                .into_iter()
                .chain(about_all.readers.iter().copied())
                .for_each(|other| graph.edge(other, action));
            used.writer = Some(action);
            // Writers of some keys do not exclude each other: all of them count.
            about_some.readers.push(action);
        }
        if whole_write {
            let before =
                about_all.writer.into_iter().chain(about_all.readers.drain(..)).chain(about_some.readers.drain(..));
            before.for_each(|other| graph.edge(other, action));
            about_all.writer = Some(action);
        } else if whole_read {
            about_all.writer.into_iter().for_each(|writer| graph.edge(writer, action));
            let writers = about_some
                .readers
                .iter()
                .filter(|&&other| actions[other].touches.writes.iter().any(|item| *item != Item::Whole && here(&item)));
            writers.for_each(|&writer| graph.edge(writer, action));
            about_all.readers.push(action);
        }
    }
}

/// The calls of a scan, and the parts of a call, follow each other.
fn scans(graph: &mut Graph, history: &History) {
    for pair in history.scans.iter().flat_map(|scan| scan.calls.windows(2)) {
        graph.edge(pair[0], pair[1]);
    }
}

/// A wait begins before it ends, and ends before what made a key ready that it did not take.
fn waits(graph: &mut Graph, history: &History, cores: u16) -> BTreeSet<usize> {
    let mut late = BTreeSet::new();
    for (number, action) in history.actions.iter().enumerate() {
        action.ended_by.into_iter().for_each(|end| graph.edge(number, end));
    }
    for &(waiter, by) in &history.declined {
        let end = history.actions[waiter].ended_by.expect("who declines has ended its wait");
        graph.edge(end, by);
        late.insert(by);
    }
    for &(waiter, core, at) in &history.forgotten {
        let end = history.actions[waiter].ended_by.expect("who is forgotten has ended its wait");
        let touches = &history.actions[waiter].touches;
        for item in touches.writes.union(&touches.reads).filter(|item| is_of(item, core, cores)) {
            let writers = history.actions.iter().enumerate().filter(|(_, action)| {
                let written = [&action.touches.writes, &action.moved];
                written.iter().any(|written| written.contains(item) || written.contains(&Item::Whole))
            });
            let behind = writers.filter_map(|(number, action)| {
                let piece = action.pieces.iter().find(|piece| piece.core == core && piece.at > at);
                // What it moved on for others it may have written after that.
                let here = action.pieces.iter().any(|piece| piece.core == core);
                let moved = Some(action.moved_at).filter(|&moved| here && moved > at && action.moved.contains(item));
                piece.map(|piece| piece.at).or(moved).map(|at| (at, number))
            });
            let first = behind.min();
            if let Some((_, next)) = first.filter(|&(_, next)| next != end) {
                graph.edge(end, next);
                late.insert(next);
            }
        }
    }
    late
}

/// Whether an item belongs to a core.
fn is_of(item: &Item, core: CoreId, cores: u16) -> bool {
    match item {
        Item::Key(_, key) => SlotMap::even(cores).owner(key) == core,
        Item::Whole => true,
    }
}

fn real_time(graph: &mut Graph, actions: &[Action], took_effect: &[usize]) {
    let mut answers: Vec<(u64, usize)> = took_effect
        .iter()
        .filter_map(|&action| actions[action].replied_at.map(|at| (at, actions[action].ended_by.unwrap_or(action))))
        .collect();
    answers.sort_unstable();
    let mut sent: Vec<(u64, usize)> =
        took_effect.iter().filter_map(|&action| actions[action].sent_at.map(|at| (at, action))).collect();
    sent.sort_unstable();
    let (mut moment, mut answered) = (None, 0);
    for (at, action) in sent {
        while answered < answers.len() && answers[answered].0 < at {
            let node = graph.node();
            if let Some(moment) = moment {
                graph.edge(moment, node);
            }
            graph.edge(answers[answered].1, node);
            moment = Some(node);
            answered += 1;
        }
        if let Some(moment) = moment {
            graph.edge(moment, action);
        }
    }
}

fn connections(graph: &mut Graph, actions: &[Action], took_effect: &[usize]) {
    /// The last action that nothing overtakes, and those since.
    #[derive(Default)]
    struct Line {
        barrier: Option<usize>,
        plain: Vec<usize>,
        /// The last of them that has an effect.
        effect: Option<usize>,
        session: Option<usize>,
        /// What ended the wait of the barrier.
        end: Option<usize>,
    }
    let mut lines: HashMap<usize, Line> = HashMap::new();
    for &action in took_effect.iter().filter(|&&action| actions[action].ends.is_none() && !actions[action].is_part) {
        let line = lines.entry(actions[action].connection).or_default();
        line.end.into_iter().for_each(|before| graph.edge(before, action));
        let is_session = actions[action].pieces.is_empty();
        line.barrier.into_iter().for_each(|before| graph.edge(before, action));
        if is_session {
            // It runs when it is read, whatever the connection is owed.
            line.session.into_iter().for_each(|before| graph.edge(before, action));
            line.session = Some(action);
        } else if actions[action].is_plain {
            let conflicting = |&&other: &&usize| conflict(&actions[other], &actions[action]);
            line.plain.iter().filter(conflicting).for_each(|&before| graph.edge(before, action));
            if actions[action].order == ProgramOrder::Alone {
                line.plain.iter().for_each(|&before| graph.edge(before, action));
            }
            line.plain.push(action);
            if actions[action].order != ProgramOrder::Overlaps {
                line.effect.into_iter().for_each(|before| graph.edge(before, action));
                line.effect = Some(action);
            }
        } else {
            let before = line.plain.drain(..).chain(line.session.take());
            before.for_each(|before| graph.edge(before, action));
            line.barrier = Some(action);
            line.end = actions[action].ended_by;
        }
    }
}

/// Whether one writes what the other touches. Two that read the same may change places: who wants to write in between
/// waits for the claim of the first.
fn conflict(a: &Action, b: &Action) -> bool {
    let touches =
        |action: &Action, item: &Item| action.touches.reads.contains(item) || action.touches.writes.contains(item);
    a.touches.writes.iter().any(|item| touches(b, item)) || b.touches.writes.iter().any(|item| touches(a, item))
}

/// Topological; of several that could be next, the one that ran earliest.
fn sort(mut graph: Graph, actions: &[Action], took_effect: &[usize]) -> Vec<usize> {
    let nodes = graph.next.len();
    let mut counts = vec![false; nodes];
    took_effect.iter().for_each(|&action| counts[action] = true);
    counts[actions.len()..].iter_mut().for_each(|counts| *counts = true);
    // Moments of real time come before anything else that could, and actions by the time that they saw.
    // The end of a wait comes before what could not know of it, whatever time that saw.
    let first = |node: usize| actions.get(node).and_then(|action| action.pieces.first());
    let rank = |graph: &Graph, node: usize| match first(node) {
        Some(piece) if actions[node].ends.is_some() => {
            let behind = graph.next[node].iter().filter_map(|&next| first(next)).map(|next| next.now_us);
            (behind.min().unwrap_or(i64::MAX).min(piece.now_us), piece.at, node)
        }
        Some(piece) => (piece.now_us, piece.at, node),
        None => (0, 0, node),
    };
    let free = |graph: &Graph, node: usize| counts[node] && graph.incoming[node] == 0;
    let mut ready: BinaryHeap<Reverse<(i64, u64, usize)>> =
        (0..nodes).filter(|&node| free(&graph, node)).map(|node| Reverse(rank(&graph, node))).collect();
    let mut order = Vec::new();
    let mut done = vec![false; nodes];
    while let Some(Reverse((_, _, node))) = ready.pop() {
        done[node] = true;
        if node < actions.len() {
            order.push(node);
        }
        for next in std::mem::take(&mut graph.next[node]) {
            graph.incoming[next] -= 1;
            if graph.incoming[next] == 0 {
                ready.push(Reverse(rank(&graph, next)));
            }
        }
    }
    if order.len() < took_effect.len() {
        let lines: Vec<String> = cycle(&graph, &done)
            .into_iter()
            .filter_map(|node| actions.get(node).map(|action| line(node, action)))
            .collect();
        panic!(
            "no serial order: each of these is before the next, and the last before the first\n{}",
            lines.join("\n")
        );
    }
    order
}

/// A cycle among the nodes that are not done.
fn cycle(graph: &Graph, done: &[bool]) -> Vec<usize> {
    let mut before = vec![None; graph.next.len()];
    for node in (0..graph.next.len()).filter(|&node| !done[node]) {
        graph.next[node].iter().for_each(|&next| before[next] = Some(node));
    }
    let mut node = (0..before.len()).find(|&node| !done[node] && before[node].is_some()).expect("something is stuck");
    let mut path = vec![node];
    loop {
        node = before[node].expect("what is stuck waits for something that is");
        if let Some(start) = path.iter().position(|&known| known == node) {
            let mut cycle = path.split_off(start);
            cycle.reverse();
            return cycle;
        }
        path.push(node);
    }
}

/// One action as text.
pub(crate) fn line(number: usize, action: &Action) -> String {
    let requests: Vec<String> = action.requests.iter().map(|request| text_of(request)).collect();
    let replies: Vec<String> = action.replies.iter().map(|reply| reply.escape_ascii().to_string()).collect();
    let pieces: Vec<String> = action
        .pieces
        .iter()
        .map(|piece| format!("core {} at {} ({} us)", piece.core, piece.at, piece.now_us))
        .collect();
    format!(
        "#{number} connection {} db {}: {} | sent {:?} answered {:?} | {} | {}",
        action.connection,
        action.db,
        requests.join("; "),
        action.sent_at,
        action.replied_at,
        pieces.join(", "),
        replies.join(" ")
    )
}
