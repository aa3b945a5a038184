//! Lists: a row of nodes, each a listpack, or one element that is too large for that. For readers that know no listpacks, and
//! in pieces, element by element.

use super::Encoder;
use crate::listpack::ListpackBuilder;
use crate::output::{insert_number, write_number};
use crate::types;

const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;
/// The limit of a node that is limited by the number of its elements.
const SAFE_NODE_BYTES: usize = 8192;
/// What an element is taken to need besides its bytes.
const ELEMENT_OVERHEAD: usize = 8;

impl Encoder<'_> {
    /// A list, head first. At least one element.
    pub fn list<E: AsRef<[u8]>>(&mut self, elements: impl IntoIterator<Item = E>) {
        if !self.has_listpacks() {
            return self.plain_list(elements);
        }
        self.begin(types::LIST_QUICKLIST_2);
        let start = self.out.len();
        let (bytes_max, count_max) = node_limits(self.options.thresholds.list_max_listpack_size);
        let mut node = ListpackBuilder::new();
        let mut nodes = 0;
        for element in elements {
            let element = element.as_ref();
            let is_large = element.len() > bytes_max;
            let is_full = node.len() + element.len() + ELEMENT_OVERHEAD > bytes_max || node.count() >= count_max;
            if node.count() > 0 && (is_large || is_full) {
                nodes += 1;
                self.list_node(&mut node);
            }
            if is_large {
                nodes += 1;
                write_number(self.out, NODE_PLAIN);
                self.write_string(element);
            } else {
                node.push(element);
            }
        }
        if node.count() > 0 {
            nodes += 1;
            self.list_node(&mut node);
        }
        insert_number(self.out, start, nodes);
    }

    fn plain_list<E: AsRef<[u8]>>(&mut self, elements: impl IntoIterator<Item = E>) {
        self.begin(types::LIST);
        let (start, mut count) = (self.out.len(), 0);
        for element in elements {
            count += 1;
            self.write_string(element.as_ref());
        }
        insert_number(self.out, start, count);
    }

    fn list_node(&mut self, node: &mut ListpackBuilder) {
        write_number(self.out, NODE_PACKED);
        self.write_listpack(node);
        node.clear();
    }
}

/// Bytes and elements of a node, at most.
fn node_limits(list_max_listpack_size: i64) -> (usize, usize) {
    match list_max_listpack_size {
        size @ 0.. => (SAFE_NODE_BYTES, usize::try_from(size).unwrap_or(usize::MAX).max(1)),
        level => (4096 << (-level).min(5).saturating_sub(1), usize::MAX),
    }
}
