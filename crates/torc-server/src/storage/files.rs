//! Who does what the log wants: a thread for what is quick, and one for what waits for the disk.
//!
//! ```text
//!   keeper --Operation--> torc-log-write   create, write, rename, truncate ...  --+--> ToStorage::LogDone
//!                    \--> torc-log-sync    fdatasync, fsync of the directory    --+
//! ```
//! So records are written while an fsync runs.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use torc_log::{Action, Failure, FileName, Operation, Outcome};

use super::ToStorage;
use super::append::{LogFile, Window};

/// Files that a thread keeps open.
const OPEN_MAX: usize = 4;

/// How long every write waits before it is begun, for tests that want a slow disk; usually not at all.
#[derive(Clone, Default)]
pub(super) struct WritePause {
    micros: Arc<AtomicU64>,
}

impl WritePause {
    /// Writes that are begun from now on wait so long.
    pub fn set(&self, pause: Duration) {
        self.micros.store(pause.as_micros() as u64, Ordering::Relaxed);
    }

    fn wait(&self) {
        let micros = self.micros.load(Ordering::Relaxed);
        if micros > 0 {
            std::thread::sleep(Duration::from_micros(micros));
        }
    }
}

/// The two threads.
pub(super) struct Files {
    writes: Sender<Operation>,
    syncs: Sender<Operation>,
    threads: Vec<JoinHandle<()>>,
}

impl Files {
    /// For the files of `directory`, whose old single file is in `outside`.
    pub fn start(
        directory: PathBuf,
        outside: PathBuf,
        pause: &WritePause,
        done: &Sender<ToStorage>,
    ) -> io::Result<Files> {
        let mut threads = Vec::new();
        let mut start = |name: &str| -> io::Result<Sender<Operation>> {
            let (sender, receiver) = mpsc::channel::<Operation>();
            let (directory, outside, done) = (directory.clone(), outside.clone(), done.clone());
            let pause = pause.clone();
            let body = move || {
                let mut worker = Worker { directory, outside, pause, open: HashMap::new(), window: Window::default() };
                for Operation { id, action } in receiver {
                    // Without a receiver the process ends.
                    let _ = done.send(ToStorage::LogDone(id, worker.run(action)));
                }
            };
            threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(body)?);
            Ok(sender)
        };
        let (writes, syncs) = (start("torc-log-write")?, start("torc-log-sync")?);
        Ok(Files { writes, syncs, threads })
    }

    /// Has an operation done.
    pub fn begin(&self, operation: Operation) {
        let queue = match operation.action {
            Action::Sync { .. } | Action::SyncDirectory => &self.syncs,
            _ => &self.writes,
        };
        queue.send(operation).expect("the threads of the log live as long as it");
    }

    /// Ends the threads, when they have done what they were asked.
    pub fn stop(self) {
        let Files { writes, syncs, threads } = self;
        drop((writes, syncs));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the log has failed");
            }
        }
    }
}

struct Worker {
    directory: PathBuf,
    outside: PathBuf,
    pause: WritePause,
    open: HashMap<FileName, LogFile>,
    window: Window,
}

impl Worker {
    fn run(&mut self, action: Action) -> Outcome {
        let result = match action {
            Action::Write { file, offset, chunks } => self.write(&file, offset, &chunks),
            Action::Create { file } => self.create(file),
            Action::Sync { file } => self.opened(&file).and_then(|file| file.sync_data()),
            Action::SyncDirectory => File::open(&self.directory).and_then(|directory| directory.sync_all()),
            Action::Rename { from, to } => std::fs::rename(self.path(&from), self.path(&to)),
            Action::Unlink { file } => {
                self.open.remove(&file);
                std::fs::remove_file(self.path(&file))
            }
            Action::Truncate { file, bytes } => self.opened(&file).and_then(|file| file.set_len(bytes)),
            Action::SetAside { file, offset, to } => self.set_aside(&file, offset, &to),
            Action::MoveIn { file } => self.move_in(&file),
        };
        result.map_or_else(|error| Outcome::Failed(failure(&error)), |()| Outcome::Done)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    fn open(&mut self, file: &FileName) -> io::Result<()> {
        if !self.open.contains_key(file) {
            let opened = OpenOptions::new().read(true).write(true).open(self.path(file))?;
            self.keep_open(file.clone(), opened);
        }
        Ok(())
    }

    /// Few are needed at a time: those that are not any more are closed.
    fn keep_open(&mut self, file: FileName, opened: File) {
        if self.open.len() >= OPEN_MAX {
            self.open.clear();
        }
        self.open.insert(file, LogFile::new(opened));
    }

    fn opened(&mut self, file: &FileName) -> io::Result<&File> {
        self.open(file)?;
        Ok(self.open[file].file())
    }

    fn create(&mut self, file: FileName) -> io::Result<()> {
        let path = self.path(&file);
        let created = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        self.keep_open(file, created);
        Ok(())
    }

    /// Some bytes may be written although it fails.
    fn write(&mut self, file: &FileName, offset: u64, chunks: &[bytes::Bytes]) -> io::Result<()> {
        self.pause.wait();
        let path = self.path(file);
        self.open(file)?;
        let opened = self.open.get_mut(file).expect("it was opened just now");
        opened.append(&path, offset, chunks, &mut self.window)
    }

    fn set_aside(&mut self, file: &FileName, offset: u64, to: &FileName) -> io::Result<()> {
        copy_tail(&mut File::open(self.path(file))?, offset, &mut File::create(self.path(to))?)
    }

    fn move_in(&mut self, file: &FileName) -> io::Result<()> {
        match std::fs::rename(self.outside.join(&**file), self.path(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.path(file).exists() => Ok(()),
            moved => {
                moved?;
                File::open(&self.outside)?.sync_all()
            }
        }
    }
}

/// Copies what a file has from this offset on into another one, which is on disk afterwards.
pub(crate) fn copy_tail(from: &mut File, offset: u64, into: &mut File) -> io::Result<()> {
    from.seek(SeekFrom::Start(offset))?;
    io::copy(from, into)?;
    into.sync_all()
}

/// What the log calls an error of the system.
fn failure(error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => Failure::NoSpace,
        Some(libc::EIO) | None => Failure::Io,
        Some(libc::ENOENT) => Failure::NotFound,
        Some(other) => Failure::Other(other),
    }
}
