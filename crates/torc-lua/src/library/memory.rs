//! Memory that Lua owns, for what the libraries write and for the levels they are in.
//!
//! Both kinds are userdata on the stack of the call: counted against the limit of the state, freed by its collector, and left behind by an
//! error without harm.

use core::ffi::c_int;
use core::mem::{MaybeUninit, needs_drop};
use core::slice;

use super::support::{Failure, Frame};

/// Bytes that one call may produce: no string of Redis is longer. It also ends the encoding of tables that contain one table many
/// times, which double with every level.
const OUTPUT_BYTES_MAX: usize = 512 * 1024 * 1024;
/// A buffer of up to this many bytes is kept for the next call.
const KEPT_BYTES_MAX: usize = 64 * 1024;
const BUFFER_BYTES_MIN: usize = 1024;
/// Containers within containers for which no memory is allocated.
const INLINE_LEVELS: usize = 32;
/// More than that Lua's stack of one C function (8,000 slots) does not hold.
const LEVELS_MAX: usize = 8192;

// An error may jump over both.
const _: () = assert!(!needs_drop::<Buffer>() && !needs_drop::<Levels<u64>>());

/// Bytes that grow, in memory that Lua owns: counted against the limit of the state, and freed by its collector.
///
/// A buffer has a slot of the stack. An upvalue may keep it for the next call of the same function; while a call has it the upvalue is
/// nil, so that a call within this one (from a finalizer, say) takes another.
pub struct Buffer {
    frame: Frame,
    slot: c_int,
    start: *mut u8,
    length: usize,
    capacity: usize,
}

impl Buffer {
    /// Pushes the buffer that an upvalue keeps, or a new one.
    pub fn take(frame: Frame, upvalue: c_int) -> Self {
        frame.push_copy(upvalue);
        let slot = frame.top();
        let mut start = frame.memory(slot);
        if start.is_null() {
            frame.pop(1);
            start = frame.new_memory(BUFFER_BYTES_MIN);
        } else {
            frame.push_nil();
            frame.replace(upvalue);
        }
        Buffer { frame, slot, start, length: 0, capacity: frame.length(slot) }
    }

    /// Leaves the buffer to the upvalue, unless it has become large. It is not used after that.
    pub fn keep(&self, upvalue: c_int) {
        if self.capacity <= KEPT_BYTES_MAX {
            self.frame.push_copy(self.slot);
            self.frame.replace(upvalue);
        }
    }

    /// What has been written.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes have been written, and the userdata is on the stack.
        unsafe { slice::from_raw_parts(self.start, self.length) }
    }

    /// Forgets what has been written.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Makes room for `more` bytes. A slot of the stack must be free.
    #[inline]
    pub fn reserve(&mut self, more: usize) -> Result<(), Failure> {
        if self.capacity - self.length >= more { Ok(()) } else { self.grow(more) }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Result<(), Failure> {
        let needed = self.length.saturating_add(more);
        if needed > OUTPUT_BYTES_MAX {
            return Err(self.frame.fail(format_args!("result is longer than {OUTPUT_BYTES_MAX} bytes")));
        }
        let capacity = needed.next_power_of_two();
        let start = self.frame.new_memory(capacity);
        // SAFETY: both are at least that long and distinct; the old userdata is still in its slot.
        unsafe { start.copy_from_nonoverlapping(self.start, self.length) };
        self.frame.replace(self.slot);
        self.start = start;
        self.capacity = capacity;
        Ok(())
    }

    /// Appends bytes.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.reserve(bytes.len())?;
        // SAFETY: there is room, and `bytes` cannot be the room: it is not borrowed out.
        unsafe { self.start.add(self.length).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.length += bytes.len();
        Ok(())
    }

    /// Appends a byte.
    #[inline]
    pub fn push(&mut self, byte: u8) -> Result<(), Failure> {
        self.reserve(1)?;
        // SAFETY: there is room.
        unsafe { self.start.add(self.length).write(byte) };
        self.length += 1;
        Ok(())
    }
}

/// The containers around a value that is being read or written: a stack, so that depth takes no frames of C.
pub struct Levels<T> {
    inline: [MaybeUninit<T>; INLINE_LEVELS],
    /// Where all levels are once there are more, in memory that Lua owns.
    spilled: *mut T,
    /// Where that memory comes to be on the stack.
    slot: c_int,
    length: usize,
}

impl<T: Copy> Levels<T> {
    /// No levels. Once there are many, all that has been pushed since then moves up by a slot.
    pub fn new(frame: Frame) -> Self {
        let slot = frame.top() + 1;
        Levels {
            inline: [const { MaybeUninit::uninit() }; INLINE_LEVELS],
            spilled: core::ptr::null_mut(),
            slot,
            length: 0,
        }
    }

    /// Adds a level, unless there are too many. A slot of the stack must be free.
    #[must_use]
    pub fn push(&mut self, frame: Frame, level: T) -> bool {
        if self.length == INLINE_LEVELS && self.spilled.is_null() {
            self.spill(frame);
        }
        if self.length == LEVELS_MAX {
            return false;
        }
        // SAFETY: there is room: fewer than `LEVELS_MAX` in what is spilled, else fewer than `INLINE_LEVELS`.
        unsafe { self.start().add(self.length).write(level) };
        self.length += 1;
        true
    }

    /// Removes the innermost level.
    pub fn pop(&mut self) -> Option<T> {
        self.length = self.length.checked_sub(1)?;
        // SAFETY: this many have been written.
        Some(unsafe { self.start().add(self.length).read() })
    }

    /// Slots of the stack that this has taken.
    pub fn slots(&self) -> c_int {
        c_int::from(!self.spilled.is_null())
    }

    fn start(&mut self) -> *mut T {
        if self.spilled.is_null() { self.inline.as_mut_ptr().cast() } else { self.spilled }
    }

    #[cold]
    fn spill(&mut self, frame: Frame) {
        const { assert!(align_of::<T>() <= 8) };
        let spilled: *mut T = frame.new_memory(LEVELS_MAX * size_of::<T>()).cast();
        // SAFETY: as many as are inline have been written, and there is room for more.
        unsafe { spilled.copy_from_nonoverlapping(self.start(), self.length) };
        frame.insert(self.slot);
        self.spilled = spilled;
    }
}
