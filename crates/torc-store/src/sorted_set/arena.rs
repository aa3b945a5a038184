//! Nodes of one size, found by number. Each is a box of its own, so that a small tree takes little and a tree that shrinks gives its memory
//! back; the list of boxes is in chunks, so that its growth never copies more than one chunk.

const CHUNK_BITS: u32 = 12;
const CHUNK_NODES: usize = 1 << CHUNK_BITS;

/// Owns the nodes; a freed number is given out again.
#[derive(Debug)]
pub(super) struct Arena<N> {
    chunks: Vec<Vec<Option<Box<N>>>>,
    free: Vec<u32>,
    live: usize,
    /// Bytes of the chunks.
    chunk_bytes: usize,
}

impl<N> Default for Arena<N> {
    fn default() -> Self {
        Arena { chunks: Vec::new(), free: Vec::new(), live: 0, chunk_bytes: 0 }
    }
}

impl<N> Arena<N> {
    /// Adds a node; returns its number.
    pub(super) fn add(&mut self, node: Box<N>) -> u32 {
        self.live += 1;
        if let Some(number) = self.free.pop() {
            *self.slot(number) = Some(node);
            return number;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_NODES) {
            self.chunks.push(Vec::new());
        }
        let index = self.chunks.len() - 1;
        let chunk = &mut self.chunks[index];
        let before = chunk.capacity();
        chunk.push(Some(node));
        self.chunk_bytes += (chunk.capacity() - before) * size_of::<Option<Box<N>>>();
        let number = index * CHUNK_NODES + chunk.len() - 1;
        u32::try_from(number).expect("2^32 nodes do not fit into memory")
    }

    /// The node with this number.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &N {
        let (chunk, at) = split(number);
        self.chunks[chunk][at].as_deref().expect("the tree holds numbers of live nodes")
    }

    /// The node with this number, for changing.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> &mut N {
        self.slot(number).as_deref_mut().expect("the tree holds numbers of live nodes")
    }

    /// Takes a node out while its number stays in use; [`Arena::put_back`] ends that.
    pub(super) fn take(&mut self, number: u32) -> Box<N> {
        self.slot(number).take().expect("the tree holds numbers of live nodes")
    }

    /// Puts a node back that was taken.
    pub(super) fn put_back(&mut self, number: u32, node: Box<N>) {
        *self.slot(number) = Some(node);
    }

    /// Frees a number whose node was taken, or its node with it.
    pub(super) fn remove(&mut self, number: u32) {
        *self.slot(number) = None;
        self.free.push(number);
        self.live -= 1;
    }

    /// All nodes, to be changed.
    pub(super) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut N> {
        self.chunks.iter_mut().flatten().flatten().map(|node| &mut **node)
    }

    /// Bytes of all memory it holds.
    pub(super) fn bytes(&self) -> usize {
        self.live * size_of::<N>() + self.chunk_bytes + self.free.capacity() * size_of::<u32>()
    }

    /// Frees up to `nodes` nodes, whatever they are, and returns whether none is left. Until then the arena cannot be used again.
    pub(super) fn dismantle(&mut self, mut nodes: usize) -> bool {
        while let Some(chunk) = self.chunks.last_mut() {
            while let Some(node) = chunk.pop() {
                self.live -= usize::from(node.is_some());
                nodes -= 1;
                if nodes == 0 {
                    return false;
                }
            }
            self.chunk_bytes -= chunk.capacity() * size_of::<Option<Box<N>>>();
            self.chunks.pop();
        }
        self.free = Vec::new();
        true
    }

    fn slot(&mut self, number: u32) -> &mut Option<Box<N>> {
        let (chunk, at) = split(number);
        &mut self.chunks[chunk][at]
    }
}

#[inline]
fn split(number: u32) -> (usize, usize) {
    ((number >> CHUNK_BITS) as usize, number as usize & (CHUNK_NODES - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_bytes_end_at_none() {
        let mut arena: Arena<[u64; 4]> = Arena::default();
        let numbers: Vec<u32> = (0..5000).map(|value| arena.add(Box::new([value; 4]))).collect();
        assert_eq!(arena.get(4999)[3], 4999);
        let full = arena.bytes();
        for &number in &numbers[..100] {
            arena.remove(number);
        }
        assert!(arena.bytes() < full);
        assert_eq!(arena.add(Box::new([7; 4])), 99);
        assert_eq!(arena.get(99)[0], 7);
        let mut calls = 1;
        while !arena.dismantle(64) {
            calls += 1;
        }
        assert!(calls >= 5000 / 64);
        assert_eq!(arena.bytes(), 0);
    }
}
