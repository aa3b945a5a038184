//! Walking over the entries of a stream, in either direction.
//!
//! Forwards, entries are decoded one by one. Backwards, the places of a node's entries are found first, since an entry does not
//! say where the one before it begins.

use super::Stream;
use super::id::StreamId;
use super::node::{Cursor, EntryRef, Node};
use super::nodes::Place;

/// The entries between two ids, first to last.
#[derive(Debug)]
pub struct Range<'a> {
    stream: &'a Stream,
    /// The node that the cursor is in; `None`: nothing is left.
    node: Option<(&'a Node, Cursor)>,
    /// The node after it; `None`: the cursor is in the tail.
    next: Option<Place>,
    end: StreamId,
    /// An entry that was read to find the start.
    ahead: Option<EntryRef<'a>>,
}

impl<'a> Range<'a> {
    pub(super) fn new(stream: &'a Stream, start: StreamId, end: StreamId) -> Range<'a> {
        let mut range = Range { stream, node: None, next: Some(stream.nodes.seek(start)), end, ahead: None };
        range.enter_next();
        range.ahead = std::iter::from_fn(|| range.step()).find(|entry| entry.id() >= start);
        range
    }

    fn enter_next(&mut self) {
        let stream = self.stream;
        let Some(place) = self.next else {
            self.node = None;
            return;
        };
        let node = match stream.nodes.get(place) {
            Some(node) => {
                self.next = Some(stream.nodes.after(place));
                node
            }
            None => {
                self.next = None;
                &stream.tail
            }
        };
        self.node = Some((node, node.start()));
    }

    #[inline]
    fn step(&mut self) -> Option<EntryRef<'a>> {
        loop {
            let (node, cursor) = self.node.as_mut()?;
            if let Some(entry) = node.advance_live(cursor) {
                return Some(entry);
            }
            self.enter_next();
        }
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = EntryRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        let entry = match self.ahead.take() {
            Some(entry) => entry,
            None => self.step()?,
        };
        if entry.id() > self.end {
            (self.node, self.next) = (None, None);
            return None;
        }
        Some(entry)
    }
}

/// The entries between two ids, last to first.
#[derive(Debug)]
pub struct RangeBack<'a> {
    stream: &'a Stream,
    /// The entries of the node at hand that are still to come, in order.
    entries: Vec<EntryRef<'a>>,
    /// The node that follows; `None`: nothing is left.
    next: Option<Place>,
    start: StreamId,
}

impl<'a> RangeBack<'a> {
    pub(super) fn new(stream: &'a Stream, start: StreamId, end: StreamId) -> RangeBack<'a> {
        let mut range = RangeBack { stream, entries: Vec::new(), next: None, start };
        // Nodes are full up to `seek(end)`, which may begin behind `end`.
        let place = stream.nodes.seek(end);
        match stream.nodes.get(place) {
            Some(node) => {
                range.next = stream.nodes.before(place);
                range.load(node, end);
            }
            None => {
                range.next = stream.nodes.last();
                range.load(&stream.tail, end);
            }
        }
        range
    }

    fn load(&mut self, node: &'a Node, end: StreamId) {
        let mut cursor = node.start();
        while let Some(entry) = node.advance_live(&mut cursor).filter(|entry| entry.id() <= end) {
            self.entries.push(entry);
        }
    }
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<EntryRef<'a>> {
        loop {
            if let Some(entry) = self.entries.pop() {
                if entry.id() < self.start {
                    (self.next, self.entries) = (None, Vec::new());
                    return None;
                }
                return Some(entry);
            }
            let place = self.next.take()?;
            self.next = self.stream.nodes.before(place);
            let node = self.stream.nodes.get(place).expect("places before the end have nodes");
            self.load(node, StreamId::MAX);
        }
    }
}
