//! Files of keys without files: all cores of an engine catch their keys and save them, and those of another load what they saved.
//!
//! ```text
//!   cut: begin_cut, on every core SavingBegun --> file_of: slices of all cores, one behind another --> load: each key on its owner
//! ```

use std::collections::BTreeMap;

use torc_engine::loading::{ExpectedKeys, LoadBatch, LoadError, LoadProblem};
use torc_engine::persistence::Loaded;
use torc_engine::route::SlotMap;
use torc_engine::saving::SaveForm;
use torc_engine::{Engine, HostRequest};
use torc_rdb::file::{Assembly, Frame, ReadOptions, Reader};

use crate::common::TestCore;

/// Has all cores catch their keys; each says so to its host.
pub fn cut(server: &TestCore, cores: u16, cut: u64) {
    cut_as(server, cores, cut, SaveForm::Rdb);
}

/// The same for a file of this form.
pub fn cut_as(server: &TestCore, cores: u16, cut: u64, form: SaveForm) {
    server.engine(cores - 1, |engine| engine.begin_cut(cut, form, false));
    server.settle();
    for core in 0..cores {
        let requests = server.engine(core, Engine::take_host_requests);
        let is_begun =
            |request: &HostRequest| matches!(request, HostRequest::SavingBegun { cut: begun, .. } if *begun == cut);
        assert_eq!(requests.iter().filter(|request| is_begun(request)).count(), 1, "core {core}: {requests:?}");
        assert!(server.engine(core, |engine| engine.is_saving()));
    }
}

/// Saves what is left, a few bytes at a time, and gives the file.
pub fn file_of(server: &TestCore, cores: u16) -> Vec<u8> {
    let rule = server.engine(0, |engine| engine.config().rdb_version.rule());
    let mut assembly = Assembly::new(rule, true);
    let mut rest = Vec::new();
    for core in 0..cores {
        loop {
            let is_done = server.engine(core, |engine| engine.save_slice(100)).is_break();
            let part = server.engine(core, |engine| engine.take_part(Vec::new()));
            assert_eq!(part.problem, None);
            if part.version > 0 {
                assembly.require(part.version);
            }
            assembly.add(&part.bytes);
            rest.extend(part.bytes);
            if is_done {
                break;
            }
        }
        server.engine(core, |engine| engine.end_saving());
    }
    let magic = assembly.finish(&mut rest);
    [&magic[..], &rest].concat()
}

/// Loads a file, each key on its owner and each library on all cores; gives the first error.
pub fn load(server: &TestCore, cores: u16, file: &[u8]) -> Result<Loaded, LoadProblem> {
    let mut reader = Reader::new(ReadOptions::default());
    reader.feed(file);
    let mut batches: BTreeMap<u16, LoadBatch> = BTreeMap::new();
    let mut expected = ExpectedKeys::new(cores);
    loop {
        let version = reader.version();
        let frame = reader.next_frame().expect("the file is sound");
        match frame {
            Some(Frame::Key(key)) => {
                let owner = SlotMap::even(cores).owner(&key.key);
                let batch = batches.entry(owner).or_insert_with(|| LoadBatch::new(version.expect("it is read"), false));
                batch.push(&key, expected.of_core());
            }
            Some(Frame::Function(source)) => {
                for core in 0..cores {
                    let batch =
                        batches.entry(core).or_insert_with(|| LoadBatch::new(version.expect("it is read"), false));
                    batch.push_library(&source);
                }
            }
            Some(other) => expected.note(&other),
            None => break,
        }
    }
    reader.close().expect("the file is whole");
    let mut all = Loaded::default();
    for (core, batch) in batches {
        let loaded = server.engine(core, |engine| engine.load(&batch)).map_err(|error| match error {
            LoadError::Key { problem, .. } => problem,
            LoadError::Library(error) => panic!("{error:?}"),
        })?;
        all.keys += loaded.keys;
        all.expired_keys += loaded.expired_keys;
    }
    Ok(all)
}
