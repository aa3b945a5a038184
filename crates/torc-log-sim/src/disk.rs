//! A disk that keeps what was synced, and of the rest what chance says.
//!
//! ```text
//!   write, truncate --> unsynced changes of the file --Sync--> durable content
//!   create, rename, unlink --> unsynced changes of the directory --SyncDirectory--> durable names
//!
//!   crash of the machine: of each list of unsynced changes some survive, whatever their order; of writes some pages
//! ```
//! A page that has not survived is what it was, or zeros where the file was shorter. An fsync that fails makes some changes
//! durable and forgets the others for good: a later one that succeeds does not bring them back (as Linux does). Files are read
//! as they are on the disk, not as a cache has them: the loader is expected to read with direct I/O.

use std::collections::BTreeMap;

use crate::random::Random;

/// Number of a file, whatever it is called.
type Inode = usize;

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

impl File {
    /// As the system shows it.
    fn content(&self) -> Vec<u8> {
        let mut content = self.durable.clone();
        self.unsynced.iter().for_each(|change| change.apply(&mut content));
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Truncate { len } => content.truncate(*len),
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

/// What is on the disk when so much has happened and nobody has waited for it: some first changes, and over them some whole
/// pages of what came later. If one of these pages lies behind the end of the first part, the page with that end is among
/// them: a hole is made of whole pages. (Else it could lie within one argument, and nobody could tell.)
fn in_part(durable: &[u8], changes: &[Change], page: usize, random: &mut Random) -> Vec<u8> {
    let (mut first, mut last) = (durable.to_vec(), durable.to_vec());
    let kept = random.below(changes.len() as u64 + 1) as usize;
    changes[..kept].iter().for_each(|change| change.apply(&mut first));
    changes.iter().for_each(|change| change.apply(&mut last));
    let permille = random.pick(&[0, 0, 300, 700, 1000]);
    let mut chosen: Vec<bool> = (0..last.len().div_ceil(page)).map(|_| random.permille(permille)).collect();
    let boundary = first.len() / page;
    let is_behind = chosen.iter().skip(boundary + 1).any(|is_chosen| *is_chosen);
    if let Some(at_boundary) = chosen.get_mut(boundary) {
        *at_boundary |= is_behind;
    }
    let is_torn = !is_behind && random.permille(300);
    for place in (0..chosen.len()).filter(|place| chosen[*place]) {
        let start = place * page;
        let mut end = last.len().min(start + page);
        if is_torn && place == boundary && end > first.len() {
            end = first.len() + random.below((end - first.len()) as u64) as usize;
        }
        Change::Write { offset: start, bytes: last[start..end].to_vec() }.apply(&mut first);
    }
    // The new length may have come to the disk, and the bytes not.
    if random.permille(200) {
        first.resize(first.len().max(last.len()), 0);
    }
    first
}

#[derive(Debug, Clone)]
enum Naming {
    Link { name: String, inode: Inode },
    Rename { from: String, to: String, inode: Inode },
    Unlink { name: String },
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Naming::Link { name, inode } => _ = names.insert(name.clone(), *inode),
            Naming::Unlink { name } => _ = names.remove(name),
            Naming::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }
}

/// See the head of this file. Operations here always succeed but for a name that is not there.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, Inode>,
    durable_names: BTreeMap<String, Inode>,
    namings: Vec<Naming>,
    page: usize,
}

/// An fsync that has begun: it covers what had happened by then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncPoint {
    inode: Inode,
    changes: usize,
}

impl Disk {
    pub fn new(page: usize) -> Disk {
        Disk { page, ..Disk::default() }
    }

    pub fn list(&self) -> Vec<(String, u64)> {
        self.names.iter().map(|(name, inode)| (name.clone(), self.files[*inode].content().len() as u64)).collect()
    }

    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.names.get(name).map(|inode| self.files[*inode].content())
    }

    pub fn create(&mut self, name: &str) {
        if let Some(inode) = self.names.get(name) {
            self.files[*inode].unsynced.push(Change::Truncate { len: 0 });
            return;
        }
        self.files.push(File::default());
        self.name(Naming::Link { name: name.to_owned(), inode: self.files.len() - 1 });
    }

    #[must_use]
    pub fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> bool {
        let Some(inode) = self.names.get(name) else { return false };
        if !bytes.is_empty() {
            let change = Change::Write { offset: offset as usize, bytes: bytes.to_vec() };
            self.files[*inode].unsynced.push(change);
        }
        true
    }

    #[must_use]
    pub fn truncate(&mut self, name: &str, len: u64) -> bool {
        let Some(inode) = self.names.get(name) else { return false };
        self.files[*inode].unsynced.push(Change::Truncate { len: len as usize });
        true
    }

    #[must_use]
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(&inode) = self.names.get(from) else { return false };
        self.name(Naming::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        true
    }

    #[must_use]
    pub fn unlink(&mut self, name: &str) -> bool {
        let is_there = self.names.contains_key(name);
        if is_there {
            self.name(Naming::Unlink { name: name.to_owned() });
        }
        is_there
    }

    /// An fsync of a file begins.
    pub fn begin_sync(&self, name: &str) -> Option<SyncPoint> {
        let &inode = self.names.get(name)?;
        Some(SyncPoint { inode, changes: self.files[inode].unsynced.len() })
    }

    /// It ends well.
    pub fn end_sync(&mut self, point: SyncPoint) {
        let file = &mut self.files[point.inode];
        let covered: Vec<Change> = file.unsynced.drain(..point.changes).collect();
        covered.iter().for_each(|change| change.apply(&mut file.durable));
    }

    /// It fails: what it covered is forgotten, as far as it had not come to the disk.
    pub fn fail_sync(&mut self, point: SyncPoint, random: &mut Random) {
        let file = &mut self.files[point.inode];
        let covered: Vec<Change> = file.unsynced.drain(..point.changes).collect();
        file.durable = in_part(&file.durable, &covered, self.page, random);
    }

    pub fn sync_directory(&mut self) {
        self.namings.clear();
        self.durable_names = self.names.clone();
    }

    /// What a server has left before the run.
    pub fn put_durable(&mut self, name: &str, bytes: &[u8]) {
        self.files.push(File { durable: bytes.to_vec(), unsynced: Vec::new() });
        self.names.insert(name.to_owned(), self.files.len() - 1);
        self.sync_directory();
    }

    /// The machine stops, and starts again.
    pub fn crash(&mut self, random: &mut Random) {
        for file in &mut self.files {
            if !file.unsynced.is_empty() {
                file.durable = in_part(&file.durable, &std::mem::take(&mut file.unsynced), self.page, random);
            }
        }
        let permille = random.pick(&[0, 300, 700, 1000]);
        for naming in std::mem::take(&mut self.namings) {
            if random.permille(permille) {
                naming.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.namings.push(naming);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_synced_survives_and_nothing_else_must() {
        let (mut lost, mut torn) = (0, 0);
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut disk = Disk::new(4);
            disk.create("a");
            disk.sync_directory();
            assert!(disk.write("a", 0, b"12345678"));
            let point = disk.begin_sync("a").unwrap();
            assert!(disk.write("a", 8, b"abcdefgh"));
            disk.end_sync(point);
            disk.create("b");
            disk.crash(&mut random);
            let content = disk.read("a").unwrap();
            assert!(content.starts_with(b"12345678"));
            lost += usize::from(disk.read("b").is_none());
            torn += usize::from(content.len() > 8 && &content[8..] != b"abcdefgh");
        }
        assert!(lost > 20 && torn > 10, "{lost} {torn}");
    }

    #[test]
    fn what_a_failed_fsync_forgot_does_not_come_back() {
        let forgotten = (0..100).filter(|seed| {
            let mut random = Random::new(*seed);
            let mut disk = Disk::new(4);
            disk.create("a");
            disk.sync_directory();
            assert!(disk.write("a", 0, b"1234"));
            let point = disk.begin_sync("a").unwrap();
            disk.fail_sync(point, &mut random);
            let point = disk.begin_sync("a").unwrap();
            disk.end_sync(point);
            disk.read("a").unwrap() != b"1234"
        });
        assert!(forgotten.count() > 20);
    }
}
