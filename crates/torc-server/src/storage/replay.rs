//! Loading the log: its base, then the commands of its increments, in their order.
//!
//! ```text
//!   manifest --> base: an RDB file, loaded by all cores at once (`load`)
//!            --> increments: Reader --records--> chunks of requests --ToCore::Replay--> a connection of core 0, which nobody holds;
//!                            commands for different cores run side by side, what concerns several waits for all before it
//! ```
//! Nothing expires before all of it has run: the clock of the cores stands still, since the log says itself what has expired.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use torc_engine::command::registry;
use torc_engine::persistence::Loaded;
use torc_log::{
    FoundFile, LoadPolicy, Manifest, Names, Passage, Reader, Start, StartContent, Tail, Verdict, begins_with_rdb, judge,
};

use super::load::Stopped;
use super::lock::LogLock;
use super::{Keeper, ToCore, ToStorage, system_text};

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes of requests that a core is given at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that it has not read to their end, at most.
const CHUNKS_OUT_MAX: usize = 2;

/// While the log is being opened the time is told at least so often.
const OPEN_PAUSE: Duration = Duration::from_millis(100);

/// Requests on their way to the cores.
#[derive(Default)]
struct Replay {
    chunk: Vec<u8>,
    out: usize,
    commands: u64,
}

impl Keeper {
    /// Loads the log, and begins to write it if it `goes_on`; else it is left as it is.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub(super) fn load_log(&mut self, goes_on: bool) -> Result<Loaded, Stopped> {
        let cores = self.mesh.cores();
        (0..cores).for_each(|core| self.tell(core, ToCore::Obey));
        let names = Names::new(&self.config.log.appendfilename).map_err(|error| Stopped::Failed(error.to_string()))?;
        let directory = self.log_directory();
        fs::create_dir_all(&directory).map_err(|error| failed(&directory, &error))?;
        let lock = self.lock_log(&directory).map_err(Stopped::Failed)?;
        let (start, loaded) = self.load_files(names, &directory)?;
        (0..cores).for_each(|core| self.tell(core, ToCore::EndReplay));
        self.await_all(|message| matches!(message, ToStorage::ReplayEnded))?;
        if goes_on {
            self.go_on_with_log(start, directory, lock)?;
        } else {
            if start.tail.is_some() {
                tracing::warn!("Nothing is cut off that file, since appendonly is no");
            }
            (0..cores).for_each(|core| self.tell(core, ToCore::HasObeyed));
        }
        Ok(loaded)
    }

    /// Begins to write the log that has been loaded.
    fn go_on_with_log(&mut self, start: Start, directory: PathBuf, lock: LogLock) -> Result<(), Stopped> {
        let cores = self.mesh.cores();
        (0..cores).for_each(|core| self.tell(core, ToCore::BeginStream { is_loaded: true }));
        self.await_all(|message| matches!(message, ToStorage::StreamBegun))?;
        self.switching.streaming = cores;
        self.open_log(start, directory, lock).map_err(Stopped::Failed)?;
        while !self.is_log_open() {
            let wait = self.log_wakes_in().unwrap_or(OPEN_PAUSE).min(OPEN_PAUSE);
            match self.receiver.recv_timeout(wait) {
                Ok(ToStorage::Shutdown(..) | ToStorage::Signal | ToStorage::CoresEnded) => return Err(Stopped::Ending),
                Ok(message) => self.take(message),
                Err(_) => {}
            }
            self.serve_log();
        }
        Ok(())
    }

    /// Whether there are files of a log that is off.
    ///
    /// # Errors
    /// There are none, or the manifest cannot be read.
    pub(super) fn find_log_files(&self) -> Result<(), String> {
        let names = Names::new(&self.config.log.appendfilename).map_err(|error| error.to_string())?;
        let manifest = read_manifest(&names, &self.log_directory())?;
        let is_there = manifest.loaded().next().is_some() || self.single_file(&names).is_some();
        is_there.then_some(()).ok_or_else(|| format!("there is none in {}", self.log_directory().display()))
    }

    /// The one file of an older server, and its length.
    fn single_file(&self, names: &Names) -> Option<(PathBuf, u64)> {
        let path = PathBuf::from(&self.config.dir).join(names.single_file());
        let found = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some((path, found.len()))
    }

    fn load_files(&mut self, names: Names, directory: &Path) -> Result<(Start, Loaded), Stopped> {
        let manifest = read_manifest(&names, directory).map_err(Stopped::Failed)?;
        let is_moved = directory.join(names.single_file()).exists();
        let single_file = self.single_file(&names).filter(|_| manifest.must_take_over(&names, is_moved));
        let paths: Vec<PathBuf> = match &single_file {
            Some((outside, _)) => vec![outside.clone()],
            None => manifest.loaded().map(|listed| directory.join(&*listed.file)).collect(),
        };
        let bytes = paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|found| found.len()).sum();
        self.loading_begins(&self.config.log.appendfilename.clone(), bytes);
        let (mut replay, mut loaded, mut tail) = (Replay::default(), Loaded::default(), None);
        let last = paths.len().saturating_sub(1);
        for (index, path) in paths.iter().enumerate() {
            let of_file = self.load_one(path, index == last, &mut replay, &mut tail)?;
            loaded.keys += of_file.keys;
            loaded.expired_keys += of_file.expired_keys;
        }
        self.finish_replay(&mut replay)?;
        let start = Start {
            names,
            manifest,
            files: files_of(directory).map_err(|error| failed(directory, &error))?,
            content: StartContent::InFiles,
            tail,
            empty_base: self.empty_base(),
            single_file_bytes: single_file.map(|(_, bytes)| bytes),
            number: self.mesh.stream.last(),
        };
        Ok((start, loaded))
    }

    /// Loads one file: an RDB file, commands, or both.
    fn load_one(
        &mut self,
        path: &Path,
        is_last: bool,
        replay: &mut Replay,
        tail: &mut Option<Tail>,
    ) -> Result<Loaded, Stopped> {
        let mut file = File::open(path).map_err(|error| cannot_open(path, &error))?;
        let bytes = file.metadata().map_err(|error| failed(path, &error))?.len();
        let mut head = [0; 6];
        let len = file.read(&mut head).map_err(|error| failed(path, &error))?;
        io::Seek::rewind(&mut file).map_err(|error| failed(path, &error))?;
        let (loaded, rest) = match begins_with_rdb(&head[..len]) {
            true => self.load_keys(&mut file, false).map_err(|stopped| stopped.of(path))?,
            false => (Loaded::default(), Vec::new()),
        };
        let begins_at = match begins_with_rdb(&head[..len]) {
            true => io::Seek::stream_position(&mut file).map_err(|error| failed(path, &error))? - rest.len() as u64,
            false => 0,
        };
        let mut reader = Reader::new(begins_at).of_length(bytes);
        reader.feed(&rest);
        self.take_records(&mut reader, replay, path)?;
        let mut chunk = vec![0; READ_BYTES];
        loop {
            let read = file.read(&mut chunk).map_err(|error| failed(path, &error))?;
            if read == 0 {
                break;
            }
            reader.feed(&chunk[..read]);
            self.take_records(&mut reader, replay, path)?;
            self.note_read(read as u64);
        }
        let policy = LoadPolicy {
            load_truncated: self.config.log.aof_load_truncated,
            corrupt_tail_bytes_max: self.config.log.aof_load_corrupt_tail_max_size,
        };
        match judge(&path.display().to_string(), reader.finish(), bytes, is_last, &policy) {
            Verdict::Whole => {}
            Verdict::CutAt { offset, lines } => {
                lines.iter().for_each(|line| tracing::warn!("{line}"));
                *tail = Some(Tail { offset });
            }
            Verdict::Refused { lines } => return Err(Stopped::Failed(lines.join(" "))),
        }
        Ok(loaded)
    }

    fn take_records(&mut self, reader: &mut Reader, replay: &mut Replay, path: &Path) -> Result<(), Stopped> {
        while let Some(passage) = reader.next() {
            // A record is whole, and nobody reads a key before all of them have run: what a transaction did need not be done as one, for
            // which cores would wait for each other.
            let Passage::Record(record) = passage else { continue };
            for request in record.requests() {
                let name = request.arguments.name();
                if registry().find_name(name).is_none() {
                    let (path, name) = (path.display(), name.escape_ascii());
                    let at = request.offset;
                    return Err(Stopped::Failed(format!(
                        "{path}: at byte {at}: Unknown command '{name}' reading the append only file"
                    )));
                }
                let words: Vec<&[u8]> = request.arguments.iter().collect();
                torc_resp::write_request(&mut replay.chunk, &words);
                replay.commands += 1;
            }
            if replay.chunk.len() >= CHUNK_BYTES {
                self.send_chunk(replay)?;
            }
        }
        Ok(())
    }

    fn send_chunk(&mut self, replay: &mut Replay) -> Result<(), Stopped> {
        while replay.out >= CHUNKS_OUT_MAX {
            self.await_replayed(replay)?;
        }
        replay.out += 1;
        self.tell(0, ToCore::Replay(std::mem::take(&mut replay.chunk)));
        Ok(())
    }

    fn finish_replay(&mut self, replay: &mut Replay) -> Result<(), Stopped> {
        if !replay.chunk.is_empty() {
            self.send_chunk(replay)?;
        }
        while replay.out > 0 {
            self.await_replayed(replay)?;
        }
        tracing::info!("Commands of the append only file: {}", replay.commands);
        Ok(())
    }

    fn await_replayed(&mut self, replay: &mut Replay) -> Result<(), Stopped> {
        self.await_one(&mut |message| matches!(message, ToStorage::Replayed))?;
        replay.out -= 1;
        Ok(())
    }

    /// Waits until all cores have said this.
    fn await_all(&mut self, mut is_it: impl FnMut(&ToStorage) -> bool) -> Result<(), Stopped> {
        (0..self.mesh.cores()).try_for_each(|_| self.await_one(&mut is_it))
    }

    fn await_one(&mut self, is_it: &mut dyn FnMut(&ToStorage) -> bool) -> Result<(), Stopped> {
        loop {
            match self.receiver.recv() {
                Ok(message) if is_it(&message) => return Ok(()),
                Ok(ToStorage::Shutdown(..) | ToStorage::Signal | ToStorage::CoresEnded) | Err(_) => {
                    return Err(Stopped::Ending);
                }
                Ok(other) => self.take(other),
            }
        }
    }
}

/// The manifest of a log; the empty one if it has none.
///
/// # Errors
/// It cannot be read: one line that says so.
pub(super) fn read_manifest(names: &Names, directory: &Path) -> Result<Manifest, String> {
    let path = directory.join(names.manifest());
    match fs::read(&path) {
        Ok(bytes) => Manifest::parse(&bytes).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Manifest::default()),
        Err(error) => Err(format!("{}: {}", path.display(), system_text(&error))),
    }
}

/// The files of a directory.
pub(super) fn files_of(directory: &Path) -> io::Result<Vec<FoundFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let (Ok(name), metadata) = (entry.file_name().into_string(), entry.metadata()?)
            && metadata.is_file()
        {
            files.push(FoundFile { file: name.into(), bytes: metadata.len() });
        }
    }
    Ok(files)
}

/// In Redis's words.
fn cannot_open(path: &Path, error: &io::Error) -> Stopped {
    let why = system_text(error);
    Stopped::Failed(format!("can't open the append log file {} for reading: {why}", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> Stopped {
    Stopped::Failed(format!("{}: {}", path.display(), system_text(error)))
}
