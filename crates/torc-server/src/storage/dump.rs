//! A file of keys while it is written: what the cores send, one part behind another.
//!
//! ```text
//!   RDB        magic, head | parts | end mark; the magic once more, if the version has turned out to be another
//!   commands   #TS, if the log notes times | parts
//! ```
//! The version in the magic is the lowest that holds what was written, so it is known only at the end, and set right then.
//! Where the file stands, and when it counts, is for who writes it: [`super::save`] or [`super::base`].

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use torc_engine::saving::{Part, SaveForm};
use torc_engine::version::REDIS_VERSION;
use torc_rdb::file::{Assembly, FileHead, MAGIC_BYTES, write_head};

use super::{Keeper, system_text, unix_s};

/// A file of keys that is being written.
pub(super) struct DumpFile {
    pub file: File,
    /// `None`: it holds commands.
    rdb: Option<Rdb>,
    bytes: u64,
}

/// What is known of an RDB file before its end.
struct Rdb {
    assembly: Assembly,
    /// The magic that stands in the file.
    magic: [u8; MAGIC_BYTES],
}

impl DumpFile {
    fn create(path: &Path, rdb: Option<Rdb>) -> io::Result<DumpFile> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        Ok(DumpFile { file, rdb, bytes: 0 })
    }

    /// Adds what a core has sent, or tells why that cannot be.
    pub fn add_part(&mut self, part: &Part) -> Result<(), String> {
        if let Some(rdb) = self.rdb.as_mut().filter(|_| part.version > 0) {
            rdb.assembly.require(part.version);
        }
        match &part.problem {
            Some(problem) => Err(problem.to_string()),
            None => self.add(&part.bytes).map_err(|error| system_text(&error)),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        if let Some(rdb) = &mut self.rdb {
            rdb.assembly.add(bytes);
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Writes the end; the length of the file in bytes. Nothing is synced.
    pub fn finish(&mut self) -> io::Result<u64> {
        if let Some(Rdb { assembly, magic }) = &self.rdb {
            let (mut end, written) = (Vec::new(), *magic);
            let magic = assembly.clone().finish(&mut end);
            self.write(&end)?;
            if magic != written {
                self.file.write_all_at(&magic, 0)?;
            }
        }
        Ok(self.bytes)
    }
}

impl Keeper {
    /// Begins a file of keys at this path, in the place of what is there.
    pub(super) fn create_dump(&self, path: &Path) -> io::Result<DumpFile> {
        self.create_rdb(path, false)
    }

    /// Begins the base of a log at this path.
    pub(super) fn create_base(&self, path: &Path, form: SaveForm) -> io::Result<DumpFile> {
        if form == SaveForm::Rdb {
            return self.create_rdb(path, true);
        }
        let mut base = DumpFile::create(path, None)?;
        base.add(&self.head_of_commands())?;
        Ok(base)
    }

    /// What the base of a log holds where there are no keys.
    pub(super) fn empty_base(&self) -> Bytes {
        if !self.config.log.aof_use_rdb_preamble {
            return self.head_of_commands().into();
        }
        let (mut assembly, head) = self.begin_rdb(true);
        assembly.add(&head);
        let mut base = [&assembly.magic()[..], &head].concat();
        let magic = assembly.finish(&mut base);
        base[..MAGIC_BYTES].copy_from_slice(&magic);
        base.into()
    }

    /// The first line of a base of commands, if it has one.
    fn head_of_commands(&self) -> Vec<u8> {
        match self.config.log.aof_timestamp_enabled {
            true => format!("#TS:{}\r\n", unix_s()).into_bytes(),
            false => Vec::new(),
        }
    }

    fn create_rdb(&self, path: &Path, is_aof_base: bool) -> io::Result<DumpFile> {
        let (assembly, head) = self.begin_rdb(is_aof_base);
        let magic = assembly.magic();
        let mut dump = DumpFile::create(path, Some(Rdb { assembly, magic }))?;
        dump.write(&magic)?;
        dump.add(&head)?;
        Ok(dump)
    }

    /// An RDB file, and what follows its magic.
    fn begin_rdb(&self, is_aof_base: bool) -> (Assembly, Vec<u8>) {
        let mut head = Vec::new();
        let about = FileHead {
            server_version: REDIS_VERSION,
            created_at_s: unix_s() as u64,
            used_memory: self.metrics.iter().map(|metrics| metrics.memory_bytes()).sum(),
            replication: None,
            is_aof_base,
        };
        write_head(&mut head, &about);
        (Assembly::new(self.config.rdb_version.rule(), self.config.rdbchecksum), head)
    }
}
