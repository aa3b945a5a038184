//! A file of keys while it is written: magic, head, what the cores send, end mark.
//!
//! The version in the magic is the lowest that holds what was written, so it is known only at the end, and set right then.
//! Where the file stands, and when it counts, is for who writes it: [`super::save`] or [`super::base`].

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use torc_engine::saving::Part;
use torc_engine::version::REDIS_VERSION;
use torc_rdb::file::{Assembly, FileHead, MAGIC_BYTES, write_head};

use super::{Keeper, system_text, unix_s};

/// A file of keys that is being written.
pub(super) struct DumpFile {
    pub file: File,
    assembly: Assembly,
    /// The magic that stands in the file.
    magic: [u8; MAGIC_BYTES],
}

impl DumpFile {
    /// Adds what a core has sent, or tells why that cannot be.
    pub fn add_part(&mut self, part: &Part) -> Result<(), String> {
        if part.version > 0 {
            self.assembly.require(part.version);
        }
        match &part.problem {
            Some(problem) => Err(problem.to_string()),
            None => self.add(&part.bytes).map_err(|error| system_text(&error)),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.assembly.add(bytes);
        Ok(())
    }

    /// Writes the end; the length of the file in bytes. Nothing is synced.
    pub fn finish(&mut self) -> io::Result<u64> {
        let mut end = Vec::new();
        let bytes = self.assembly.len();
        let magic = self.assembly.clone().finish(&mut end);
        self.file.write_all(&end)?;
        if magic != self.magic {
            self.file.write_all_at(&magic, 0)?;
        }
        Ok(bytes + end.len() as u64)
    }
}

impl Keeper {
    /// Begins a file of keys at this path, in the place of what is there.
    pub(super) fn create_dump(&self, path: &Path, is_aof_base: bool) -> io::Result<DumpFile> {
        let assembly = Assembly::new(self.config.rdb_version.rule(), self.config.rdbchecksum);
        let magic = assembly.magic();
        let mut head = Vec::new();
        let about = FileHead {
            server_version: REDIS_VERSION,
            created_at_s: unix_s() as u64,
            used_memory: self.metrics.iter().map(|metrics| metrics.memory_bytes()).sum(),
            replication: None,
            is_aof_base,
        };
        write_head(&mut head, &about);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let mut dump = DumpFile { file, assembly, magic };
        dump.file.write_all(&magic)?;
        dump.add(&head)?;
        Ok(dump)
    }
}
