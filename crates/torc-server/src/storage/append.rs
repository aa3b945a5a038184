//! Appending to a file of the log: large portions go past the page cache, which costs less than half of the CPU and leaves the memory to keys.
//!
//! ```text
//!   file     | block | block ab|        ab: what the last portion has left in an open block
//!   portion                   cdefgh ... xyz
//!   direct             |abcdef|gh ... |        from aligned memory: the open block again, then whole blocks
//!   buffered                          |xyz     the rest
//! ```
//! Whatever is in the file after the machine has failed is a beginning of what was written, but for the order in which a disk keeps what was
//! not synced: no later byte is handed to the disk before an earlier one. The kernel writes the open block before it lets the direct write at
//! it, so that both ways see the same file.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;

/// What direct writes begin and end at: a multiple of what every disk asks for.
const BLOCK_BYTES: usize = 4096;
/// Portions below that are buffered: they are synced at once, or there are few of them.
const DIRECT_BYTES_MIN: usize = 64 << 10;
/// Bytes of aligned memory: a huge page, if there are any. The disk is handed one stretch of memory, then, and not one for each page.
const WINDOW_BYTES: usize = 2 << 20;
/// Slices that a system call takes at most (IOV_MAX).
const SLICES_MAX: usize = 1024;

/// A file of the log that is open.
pub(super) struct LogFile {
    buffered: File,
    /// The same file, open for direct writes.
    direct: Option<File>,
    is_direct_tried: bool,
}

impl LogFile {
    /// Of a file that was opened.
    pub fn new(file: File) -> LogFile {
        LogFile { buffered: file, direct: None, is_direct_tried: false }
    }

    /// The file, for all but appending.
    pub fn file(&self) -> &File {
        &self.buffered
    }

    /// Appends chunks at this offset, which is the end of the file, or of what of it counts. `path`: where the file is.
    ///
    /// # Errors
    /// Some bytes may have been written.
    pub fn append(&mut self, path: &Path, offset: u64, chunks: &[Bytes], window: &mut Window) -> io::Result<()> {
        let bytes: usize = chunks.iter().map(Bytes::len).sum();
        if bytes >= DIRECT_BYTES_MIN && !std::mem::replace(&mut self.is_direct_tried, true) {
            self.direct = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok();
        }
        match self.direct.as_ref().filter(|_| bytes >= DIRECT_BYTES_MIN) {
            Some(direct) => append_direct(&self.buffered, direct, offset, chunks, window),
            None => append_buffered(&self.buffered, offset, chunks),
        }
    }
}

/// Aligned memory, in which portions are put together.
#[derive(Default)]
pub(super) struct Window {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Window {
    /// Empties it; its bytes begin at a multiple of the block's size.
    fn begin(&mut self) {
        if self.memory.is_empty() {
            // Of this only what is used is ever touched.
            self.memory = vec![0; 2 * WINDOW_BYTES];
            self.start = self.memory.as_ptr().align_offset(WINDOW_BYTES);
            let page = &mut self.memory[self.start..self.start + WINDOW_BYTES];
            // SAFETY: what is in the memory stays as it is, whatever the answer; without huge pages it is as it was.
            unsafe { libc::madvise(page.as_mut_ptr().cast(), page.len(), libc::MADV_HUGEPAGE) };
        }
        self.len = 0;
    }

    /// Takes as many of these bytes as there is room for; gives their number.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(WINDOW_BYTES - self.len);
        let at = self.start + self.len;
        self.memory[at..at + taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
        taken
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

fn append_direct(buffered: &File, direct: &File, offset: u64, chunks: &[Bytes], window: &mut Window) -> io::Result<()> {
    let mut at = offset - offset % BLOCK_BYTES as u64;
    let mut open_block = [0; BLOCK_BYTES];
    let open_block = &mut open_block[..(offset - at) as usize];
    buffered.read_exact_at(open_block, at)?;
    window.begin();
    window.fill(open_block);
    for chunk in chunks {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            rest = &rest[window.fill(rest)..];
            if window.len == WINDOW_BYTES {
                write_blocks(buffered, direct, window.bytes(), at)?;
                at += WINDOW_BYTES as u64;
                window.begin();
            }
        }
    }
    write_blocks(buffered, direct, window.bytes(), at)
}

/// Writes whole blocks directly and what is left buffered; all of it where the filesystem refuses.
fn write_blocks(buffered: &File, direct: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let whole = bytes.len() - bytes.len() % BLOCK_BYTES;
    let written = match direct.write_at(&bytes[..whole], at) {
        Ok(written) => written,
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => 0,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        Err(error) => return Err(error),
    };
    buffered.write_all_at(&bytes[written..], at + written as u64)
}

/// Many chunks with one system call.
fn append_buffered(mut file: &File, offset: u64, chunks: &[Bytes]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(&rest[..rest.len().min(SLICES_MAX)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether files of this folder can be written directly; a file of this name is made there and removed.
pub(super) fn has_direct_writes(directory: &Path) -> bool {
    let path = directory.join("temp-direct");
    let opened = OpenOptions::new().write(true).create(true).truncate(true).custom_flags(libc::O_DIRECT).open(&path);
    let mut window = Window::default();
    window.begin();
    window.fill(&[0; BLOCK_BYTES]);
    let is_direct = opened.is_ok_and(|file| file.write_at(window.bytes(), 0).is_ok());
    let _ = std::fs::remove_file(&path);
    is_direct
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Appends portions of these sizes, and gives what the file must hold and what it does.
    fn appended(name: &str, sizes: &[usize]) -> (Vec<u8>, Vec<u8>) {
        let path = std::env::temp_dir().join(format!("torc-append-{name}-{}", std::process::id()));
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        let (mut file, mut window, mut all) = (LogFile::new(opened), Window::default(), Vec::new());
        for &size in sizes {
            let portion: Vec<u8> = (0..size).map(|index| (index * 7 + size + all.len()) as u8).collect();
            let cut = size / 3;
            let chunks =
                [Bytes::copy_from_slice(&portion[..cut]), Bytes::new(), Bytes::copy_from_slice(&portion[cut..])];
            file.append(&path, all.len() as u64, &chunks, &mut window).unwrap();
            all.extend(portion);
        }
        let mut held = Vec::new();
        file.buffered.seek(SeekFrom::Start(0)).unwrap();
        file.buffered.read_to_end(&mut held).unwrap();
        std::fs::remove_file(path).unwrap();
        (all, held)
    }

    #[test]
    fn portions_of_any_size_follow_one_another() {
        let sizes = [10, 100_000, 1, 4095, 70_000, WINDOW_BYTES, 3, 2 * WINDOW_BYTES + 5, 65_536, 4096, 200_000];
        let (all, held) = appended("any", &sizes);
        assert!(all == held, "{} and {} bytes", all.len(), held.len());
    }

    #[test]
    fn whole_blocks_leave_nothing_open() {
        let (all, held) = appended("whole", &[WINDOW_BYTES, 65_536, 2 * WINDOW_BYTES, 5]);
        assert!(all == held, "{} and {} bytes", all.len(), held.len());
    }

    #[test]
    fn what_comes_again_at_the_same_place_replaces_what_was_there() {
        let path = std::env::temp_dir().join(format!("torc-append-again-{}", std::process::id()));
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        let (mut file, mut window) = (LogFile::new(opened), Window::default());
        let portion = Bytes::from(vec![b'x'; 100_000]);
        file.append(&path, 0, &[Bytes::from_static(b"head")], &mut window).unwrap();
        file.append(&path, 4, std::slice::from_ref(&portion), &mut window).unwrap();
        file.append(&path, 4, &[Bytes::from(vec![b'y'; 100_000])], &mut window).unwrap();
        let held = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(held[..4] == *b"head" && held.len() == 100_004 && held[4..].iter().all(|byte| *byte == b'y'));
    }
}
