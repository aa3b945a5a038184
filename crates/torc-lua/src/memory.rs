//! The allocator of an interpreter: the process's own, with a count and a limit.
//!
//! At the limit Lua gets no memory, raises "not enough memory" in the script that asked, and goes on to be usable: a script that has
//! filled the memory holds it by its own values, which its end sets free.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use crate::interpreter::Shared;

/// What Lua's values may be cast to.
const ALIGNMENT: usize = 16;

/// How much memory Lua has, and how much it may have.
pub(crate) struct Memory {
    used: Cell<usize>,
    max: usize,
    /// That the limit does not apply, see [`Memory::without_limit`].
    is_unlimited: Cell<bool>,
    /// That Lua has been refused memory since this was last read.
    refused: Cell<bool>,
}

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: Cell::new(0), max, is_unlimited: Cell::new(false), refused: Cell::new(false) }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    /// Whether `bytes` more would go beyond the limit.
    fn is_beyond(&self, bytes: usize) -> bool {
        self.used.get().saturating_add(bytes) > self.max && !self.is_unlimited.get()
    }

    /// Does what frees memory in the end, and needs a little of it before.
    pub(crate) fn without_limit(&self, task: impl FnOnce()) {
        self.is_unlimited.set(true);
        task();
        self.is_unlimited.set(false);
    }

    pub(crate) fn is_half_full(&self) -> bool {
        self.used.get() > self.max / 2
    }

    /// Whether Lua has been refused memory since the last call.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }

    fn resize(&self, block: *mut u8, old: usize, new: usize) -> *mut u8 {
        if new > old && self.is_beyond(new - old) {
            self.refused.set(true);
            return ptr::null_mut();
        }
        let layout =
            |bytes| Layout::from_size_align(bytes, ALIGNMENT).expect("Lua asks for less than half the address space");
        // SAFETY: `block` was given out by this function for `old` bytes, unless it is null; `new` is not zero.
        let resized = unsafe { if block.is_null() { alloc(layout(new)) } else { realloc(block, layout(old), new) } };
        if resized.is_null() {
            self.refused.set(true);
        } else {
            self.used.set(self.used.get() - old + new);
        }
        resized
    }

    fn release(&self, block: *mut u8, old: usize) {
        if !block.is_null() {
            // SAFETY: `block` was given out by `resize` for `old` bytes.
            unsafe { dealloc(block, Layout::from_size_align_unchecked(old, ALIGNMENT)) };
            self.used.set(self.used.get() - old);
        }
    }
}

/// Lua's allocator: makes, resizes and releases blocks. `shared` is the [`Shared`] of the state.
///
/// # Safety
/// Called by Lua alone, with the pointer that was given to `lua_newstate`.
pub(crate) unsafe extern "C" fn allocate(
    shared: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the state was made with a pointer to its `Shared`, which outlives it.
    let memory = unsafe { &(*shared.cast::<Shared>()).memory };
    let old = if block.is_null() { 0 } else { old };
    if new == 0 {
        memory.release(block.cast(), old);
        return ptr::null_mut();
    }
    memory.resize(block.cast(), old, new).cast()
}
