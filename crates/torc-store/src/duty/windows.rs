//! A list that is saved in order while it changes: the elements of the cut that are not written yet, as windows of the list of now.
//!
//! ```text
//!   the list at the cut    | written | window | aside | window       | aside | window        |
//!                                    <---- before the last change ---->      <- behind it  -->
//!   where a window is        counted from the head                             counted from the tail
//! ```
//! A change names the indexes of the elements that it touches; those before keep their distance to the head, those behind to the tail. So
//! windows before the change are counted from the head, and the others from the tail, and a change moves only those between itself and
//! the change before from one side to the other. What is touched is set aside, in its place in the order, with a few neighbours: so
//! that a queue that is emptied, or a list whose elements are set one by one, does not become as many windows.
//!
//! Whole nodes that go at an end (LTRIM) are not copied: they come as a list of their own, and what is set aside is windows of that.
//!
//! Positions never descend from one window to the next, on each side and across; one that is set aside has the position of the change.

use std::collections::VecDeque;
use std::ops::Range;

use crate::list::List;
use crate::pack::{self, Packed};

/// Elements that a step writes, at most, and after how many bytes it ends.
const ELEMENTS_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 16 << 10;
/// Neighbours on each side that are set aside with an element, at most, and about how many bytes of them.
const NEIGHBOURS_MAX: usize = if cfg!(test) { 2 } else { 32 };
const NEIGHBOUR_BYTES_MAX: usize = 8 << 10;

/// What of a list is still to be written.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// Windows before the last change, in order.
    before: VecDeque<Window>,
    /// Windows behind it, the last one first.
    behind: Vec<Window>,
    /// Bytes that are set aside.
    aside_bytes: usize,
    /// Elements that have gone, of which some are set aside.
    gone: Vec<Gone>,
    /// How many have been in `gone`.
    gone_count: usize,
}

/// Consecutive elements of the cut that are not written.
#[derive(Debug)]
struct Window {
    /// Before the last change the index of its first element, behind it the number of elements from there to the tail.
    at: usize,
    /// Elements in the list; none if they are set aside.
    len: usize,
    aside: Aside,
}

/// Elements that are set aside.
#[derive(Debug)]
enum Aside {
    Packed(Vec<u8>),
    /// Elements of [`Gone`] with this number.
    Gone(usize, Range<usize>),
}

/// Elements that have left the list.
#[derive(Debug)]
struct Gone {
    number: usize,
    /// They come when they have gone.
    list: Option<List>,
    /// Elements in windows.
    left: usize,
}

impl Window {
    /// Elements of the list.
    fn of(indexes: Range<usize>) -> Window {
        Window { at: indexes.start, len: indexes.len(), aside: Aside::Packed(Vec::new()) }
    }

    /// Counted from the other end of a list of so many elements.
    fn turned(self, list_len: usize) -> Window {
        Window { at: list_len - self.at, ..self }
    }
}

impl Windows {
    /// All of a list.
    pub fn of(list: &List) -> Windows {
        Windows { before: VecDeque::from([Window::of(0..list.len())]), ..Windows::default() }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let gone = self.gone.iter().map(|gone| gone.list.as_ref().map_or(0, List::external_bytes));
        self.aside_bytes
            + (self.before.capacity() + self.behind.capacity()) * size_of::<Window>()
            + gone.sum::<usize>()
            + self.gone.capacity() * size_of::<Gone>()
    }

    /// Elements with these indexes are about to change, or something is about to be put in there.
    pub fn set_aside(&mut self, list: &List, indexes: Range<usize>) {
        let mut indexes = indexes;
        if !indexes.is_empty() {
            let mean_bytes = (list.external_bytes() / list.len()).max(1);
            let neighbours = (NEIGHBOUR_BYTES_MAX / mean_bytes).min(NEIGHBOURS_MAX);
            indexes = indexes.start.saturating_sub(neighbours)..(indexes.end + neighbours).min(list.len());
        }
        let end = indexes.end;
        self.set_aside_but(list, indexes, end..end);
    }

    /// Elements with these indexes are about to go. Those of `whole`, at an end of them, come as a list ([`Windows::take_gone`]).
    pub fn set_aside_but(&mut self, list: &List, indexes: Range<usize>, whole: Range<usize>) {
        let mut gone = Gone { number: self.gone_count, list: None, left: 0 };
        self.turn_at(indexes.start, list.len());
        while let Some(window) = self.behind.pop_if(|window| list.len() - window.at < indexes.end) {
            let start = list.len() - window.at;
            if window.len == 0 {
                self.before.push_back(Window { at: indexes.start, ..window });
                continue;
            }
            let end = indexes.end.min(start + window.len);
            // What is before those of `whole`, of them, and behind them.
            let [from, to] = [whole.start, whole.end].map(|border| border.clamp(start, end));
            for part in [start..from, from..to, to..end].into_iter().filter(|part| !part.is_empty()) {
                let aside = if part.start == from && whole.contains(&from) {
                    gone.left += part.len();
                    Aside::Gone(gone.number, part.start - whole.start..part.end - whole.start)
                } else {
                    self.packed(list, part)
                };
                self.before.push_back(Window { at: indexes.start, len: 0, aside });
            }
            if end < start + window.len {
                self.behind.push(Window::of(end..start + window.len).turned(list.len()));
            }
        }
        if gone.left > 0 {
            self.gone.push(gone);
            self.gone_count += 1;
        }
    }

    fn packed(&mut self, list: &List, indexes: Range<usize>) -> Aside {
        let mut aside = Vec::new();
        for element in list.runs(indexes.start, indexes.len()).flat_map(|run| run.iter()) {
            pack::push(&mut aside, element);
        }
        self.aside_bytes += aside.len();
        Aside::Packed(aside)
    }

    /// Elements have gone as was said; gives them back if they are not needed.
    pub fn take_gone(&mut self, list: List) -> Option<List> {
        match self.gone.last_mut().filter(|gone| gone.list.is_none()) {
            Some(gone) => {
                gone.list = Some(list);
                None
            }
            None => Some(list),
        }
    }

    /// The next list of elements that are no longer needed; `all`: none is.
    pub fn give_back(&mut self, all: bool) -> Option<List> {
        let at = self.gone.iter().position(|gone| gone.left == 0 || all)?;
        self.gone.remove(at).list
    }

    /// Has the windows that begin before an index counted from the head, and the others from the tail; one that it is within is divided.
    fn turn_at(&mut self, index: usize, list_len: usize) {
        while let Some(window) = self.before.pop_back_if(|window| window.at + window.len > index) {
            let indexes = window.at..window.at + window.len;
            if index <= indexes.start {
                self.behind.push(window.turned(list_len));
                continue;
            }
            self.behind.push(Window::of(index..indexes.end).turned(list_len));
            self.before.push_back(Window::of(indexes.start..index));
        }
        while let Some(window) = self.behind.pop_if(|window| list_len - window.at < index) {
            let window = window.turned(list_len);
            let indexes = window.at..window.at + window.len;
            if indexes.end <= index {
                self.before.push_back(window);
                continue;
            }
            self.before.push_back(Window::of(indexes.start..index));
            self.behind.push(Window::of(index..indexes.end).turned(list_len));
        }
    }

    /// Writes the next elements; gives how many those were, 0 at the end.
    pub fn step(&mut self, list: &List, write: impl FnMut(Packed<'_>)) -> usize {
        let (start, first) = match self.before.front_mut() {
            Some(window) => (window.at, window),
            None => match self.behind.last_mut() {
                Some(window) => (list.len() - window.at, window),
                None => return 0,
            },
        };
        let written = match (first.len, &mut first.aside) {
            (0, Aside::Packed(aside)) => {
                let aside = std::mem::take(aside);
                self.aside_bytes -= aside.len();
                write_packed(&aside, write)
            }
            (0, Aside::Gone(number, indexes)) => {
                let gone = self.gone.iter_mut().find(|gone| gone.number == *number);
                let gone = gone.expect("what is not written is kept");
                let list = gone.list.as_ref().expect("what was to go has gone");
                let written = write_some(list, indexes.clone(), write);
                gone.left -= written;
                indexes.start += written;
                if indexes.start < indexes.end {
                    return written;
                }
                written
            }
            (len, _) => {
                let written = write_some(list, start..start + len, write);
                self.drop_first(written);
                return written;
            }
        };
        self.drop_first(0);
        written
    }

    /// So many elements of the first window are written; it goes with the last of them.
    fn drop_first(&mut self, written: usize) {
        if let Some(window) = self.before.front_mut() {
            (window.at, window.len) = (window.at + written, window.len - written);
            if window.len == 0 {
                self.before.pop_front();
            }
        } else if let Some(window) = self.behind.last_mut() {
            (window.at, window.len) = (window.at - written, window.len - written);
            if window.len == 0 {
                self.behind.pop();
            }
        }
    }
}

/// Writes the first of these elements of a list; gives how many those were.
fn write_some(list: &List, indexes: Range<usize>, mut write: impl FnMut(Packed<'_>)) -> usize {
    let (mut written, mut bytes) = (0, 0);
    for element in list.runs(indexes.start, indexes.len().min(ELEMENTS_AT_ONCE)).flat_map(|run| run.iter()) {
        write(element);
        written += 1;
        bytes += element.byte_len();
        if bytes >= BYTES_AT_ONCE {
            break;
        }
    }
    written
}

/// Writes the elements of a run of bytes; gives how many those were.
fn write_packed(aside: &[u8], mut write: impl FnMut(Packed<'_>)) -> usize {
    let (mut written, mut offset) = (0, 0);
    while offset < aside.len() {
        let (element, next) = pack::read(aside, offset);
        write(element);
        (written, offset) = (written + 1, next);
    }
    written
}
