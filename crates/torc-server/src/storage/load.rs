//! Loading: a file is read and framed here, and its keys go to the cores that own them, which decode them all at once.
//!
//! ```text
//!   file --128 KiB--> Reader --a key--> the batch of its owner --64 KiB--> ToCore::Load --> ToStorage::Loaded
//!                                                     at most eight of a core are out
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use torc_engine::config::pause_of_keys;
use torc_engine::loading::{ExpectedKeys, LoadBatch};
use torc_engine::persistence::{Loaded, Loading};
use torc_engine::route::SlotMap;
use torc_rdb::file::{Frame, ReadOptions, Reader};

use super::{Keeper, LoadEnd, ToCore, ToStorage, system_text, unix_s};

/// Bytes read at a time.
const READ_BYTES: usize = 128 << 10;
/// Bytes of keys and values in a batch, about.
const BATCH_BYTES: usize = 64 << 10;
/// Room for those, since the last key of a batch goes beyond that.
const BATCH_ROOM: usize = BATCH_BYTES + (4 << 10);
/// Batches that a core has not taken yet, at most.
const BATCHES_OUT_MAX: usize = 8;
/// How often the log says how far it is.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// How often the figures are refreshed.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// Why loading has ended before the end of the file.
pub(super) enum Stopped {
    /// It cannot be loaded.
    Failed(String),
    /// The process is to end.
    Ending,
}

/// A file that is being loaded.
struct Load<'k> {
    keeper: &'k mut Keeper,
    replaces: bool,
    slots: SlotMap,
    /// By core: what is being gathered, and how many are out.
    batches: Vec<Option<LoadBatch>>,
    out: Vec<usize>,
    loaded: Loaded,
    expected: ExpectedKeys,
}

impl Keeper {
    /// Loads the data that there is.
    ///
    /// # Errors
    /// The file cannot be loaded.
    pub(super) fn load(&mut self) -> Result<LoadEnd, String> {
        let path = self.dump_path();
        let began = Instant::now();
        let result = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.loading_ended(Loaded::default());
                return Ok(LoadEnd::Loaded);
            }
            Err(error) => Err(Stopped::Failed(system_text(&error))),
            Ok(file) => self.load_file(file, false),
        };
        match result {
            Ok(loaded) => {
                let seconds = began.elapsed().as_secs_f64();
                let Loaded { keys, expired_keys, empty_keys } = loaded;
                let skipped =
                    if empty_keys > 0 { format!(", empty keys skipped: {empty_keys}") } else { String::new() };
                tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired_keys}{skipped}.");
                tracing::info!("DB loaded from disk: {seconds:.3} seconds");
                self.loading_ended(loaded);
                Ok(LoadEnd::Loaded)
            }
            Err(Stopped::Ending) => {
                self.tell(0, ToCore::Stop);
                Ok(LoadEnd::Stopped)
            }
            Err(Stopped::Failed(why)) => {
                tracing::error!("Fatal error loading the DB: {}: {why}", path.display());
                tracing::error!("Terminating server after rdb file reading failure.");
                self.tell(0, ToCore::Stop);
                Err(format!("{}: {why}", path.display()))
            }
        }
    }

    /// Loads the log, and begins to write it.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub(super) fn load_appended(&mut self) -> Result<LoadEnd, String> {
        match self.load_log(true) {
            Ok(loaded) => {
                let seconds = self.load_began.elapsed().as_secs_f64();
                tracing::info!("DB loaded from append only file: {seconds:.3} seconds");
                self.loading_ended(loaded);
                Ok(LoadEnd::Loaded)
            }
            Err(Stopped::Ending) => {
                self.tell(0, ToCore::Stop);
                Ok(LoadEnd::Stopped)
            }
            Err(Stopped::Failed(why)) => {
                tracing::error!("Fatal error loading the append only file: {why}");
                self.tell(0, ToCore::Stop);
                Err(why)
            }
        }
    }

    fn loading_ended(&mut self, loaded: Loaded) {
        self.persistence.loading = None;
        self.persistence.loaded = loaded;
        self.publish();
    }

    /// Files of so many bytes are about to be read, under this name.
    pub(super) fn loading_begins(&mut self, name: &str, bytes: u64) {
        self.persistence.loading = Some(Loading { began_s: unix_s(), bytes, ..Loading::default() });
        self.told = Instant::now();
        self.progress.begin(name, bytes);
        self.publish();
    }

    /// `replaces`: keys of the file replace those that are there.
    pub(super) fn load_file(&mut self, mut file: File, replaces: bool) -> Result<Loaded, Stopped> {
        let bytes = file.metadata().map_err(|error| Stopped::Failed(system_text(&error)))?.len();
        self.loading_begins(&self.config.dbfilename.clone(), bytes);
        self.load_keys(&mut file, replaces).map(|(loaded, _)| loaded)
    }

    /// Loads the keys and libraries of an RDB file; gives what was read of what follows them.
    pub(super) fn load_keys(&mut self, file: &mut File, replaces: bool) -> Result<(Loaded, Vec<u8>), Stopped> {
        self.loadings += 1;
        let options = ReadOptions { ignores_checksum: !self.config.rdbchecksum, ..ReadOptions::default() };
        let cores = self.mesh.cores();
        let mut load = Load {
            replaces,
            slots: SlotMap::even(cores as u16),
            batches: (0..cores).map(|_| None).collect(),
            out: vec![0; cores],
            loaded: Loaded::default(),
            expected: ExpectedKeys::new(cores as u16),
            keeper: self,
        };
        let mut reader = Reader::new(options);
        let mut chunk = vec![0; READ_BYTES];
        loop {
            let read = file.read(&mut chunk).map_err(|error| Stopped::Failed(system_text(&error)))?;
            reader.feed(&chunk[..read]);
            let is_through = load.take_frames(&mut reader)?;
            load.keeper.note_read(read as u64);
            load.receive_waiting()?;
            if read == 0 || is_through {
                break;
            }
        }
        reader.close().map_err(|error| Stopped::Failed(error.to_string()))?;
        let rest = reader.rest().to_vec();
        Ok((load.finish()?, rest))
    }

    /// So much more of the files has been read.
    pub(super) fn note_read(&mut self, read: u64) {
        let loading = self.persistence.loading.as_mut().expect("it is loading");
        loading.read_bytes += read;
        loading.passed_ms = self.load_began.elapsed().as_millis() as u64;
        self.progress.reach(loading.read_bytes);
        if self.told.elapsed() >= TELL_INTERVAL {
            self.told = Instant::now();
            let mib = |bytes: u64| bytes >> 20;
            let speed = mib(loading.read_bytes * 1000 / loading.passed_ms.max(1));
            tracing::info!("Loading: {:.0} % of {} MiB, {speed} MiB/s", loading.percent(), mib(loading.bytes));
        }
        if self.published.elapsed() >= PUBLISH_INTERVAL {
            self.published = Instant::now();
            self.publish();
        }
    }
}

impl Stopped {
    /// The same of this file.
    pub fn of(self, path: &Path) -> Stopped {
        match self {
            Stopped::Failed(why) => Stopped::Failed(format!("{}: {why}", path.display())),
            Stopped::Ending => Stopped::Ending,
        }
    }
}

impl Load<'_> {
    /// Takes what has been read; whether that was the end.
    fn take_frames(&mut self, reader: &mut Reader) -> Result<bool, Stopped> {
        let failed = |error: torc_rdb::file::FileError| Stopped::Failed(error.to_string());
        loop {
            let version = reader.version();
            let Some(frame) = reader.next_frame().map_err(failed)? else { return Ok(false) };
            let version = || version.expect("frames come behind the magic");
            let key = match frame {
                Frame::Key(key) => key,
                Frame::End(_) => return Ok(true),
                Frame::Function(source) => {
                    for batch in &mut self.batches {
                        batch.get_or_insert_with(|| LoadBatch::new(version(), self.replaces)).push_library(&source);
                    }
                    continue;
                }
                other => {
                    self.expected.note(&other);
                    continue;
                }
            };
            let owner = usize::from(self.slots.owner(&key.key));
            let batch = self.batches[owner]
                .get_or_insert_with(|| LoadBatch::new(version(), self.replaces).with_room(BATCH_ROOM));
            batch.push(&key, self.expected.of_core());
            if batch.bytes() >= BATCH_BYTES {
                self.send(owner)?;
            }
            self.pause()?;
        }
    }

    /// Pauses as `key-load-delay` says, which may change meanwhile.
    fn pause(&mut self) -> Result<(), Stopped> {
        if self.keeper.config.key_delays.load_us == 0 {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let pause = pause_of_keys(self.keeper.config.key_delays.load_us, 1).saturating_sub(began.elapsed());
            if pause.is_zero() {
                return Ok(());
            }
            if let Ok(message) = self.keeper.receiver.recv_timeout(pause) {
                self.take(message)?;
            }
        }
    }

    /// Sends the batch of a core, when it has taken enough of those before.
    fn send(&mut self, core: usize) -> Result<(), Stopped> {
        let Some(batch) = self.batches[core].take() else { return Ok(()) };
        while self.out[core] >= BATCHES_OUT_MAX {
            self.receive()?;
        }
        self.out[core] += 1;
        self.keeper.tell(core, ToCore::Load { loading: self.keeper.loadings, batch });
        Ok(())
    }

    /// Takes the next message of the cores, once there is one.
    fn receive(&mut self) -> Result<(), Stopped> {
        let message = self.keeper.receiver.recv().map_err(|_| Stopped::Ending)?;
        self.take(message)
    }

    /// Takes what has come: what is read may be for no core for long.
    fn receive_waiting(&mut self) -> Result<(), Stopped> {
        while let Ok(message) = self.keeper.receiver.try_recv() {
            self.take(message)?;
        }
        Ok(())
    }

    fn take(&mut self, message: ToStorage) -> Result<(), Stopped> {
        match message {
            ToStorage::Loaded { core, loading, result } if loading == self.keeper.loadings => {
                self.out[core] -= 1;
                let Loaded { keys, expired_keys, empty_keys } =
                    result.map_err(|error| Stopped::Failed(error.to_string()))?;
                self.loaded.keys += keys;
                self.loaded.expired_keys += expired_keys;
                self.loaded.empty_keys += empty_keys;
                Ok(())
            }
            ToStorage::Shutdown(..) | ToStorage::Signal | ToStorage::CoresEnded => Err(Stopped::Ending),
            other => {
                self.keeper.take(other);
                Ok(())
            }
        }
    }

    /// Sends what is left, and waits until all is taken.
    fn finish(mut self) -> Result<Loaded, Stopped> {
        (0..self.out.len()).try_for_each(|core| self.send(core))?;
        while self.out.iter().any(|&out| out > 0) {
            self.receive()?;
        }
        Ok(self.loaded)
    }
}
