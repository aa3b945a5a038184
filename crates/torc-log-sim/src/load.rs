//! What a server would load from the disk after a crash.

use torc_log::{End, LoadPolicy, Manifest, Names, Passage, Reader, Tail, Verdict, judge};

use crate::disk::Disk;
use crate::model::{State, number};
use crate::random::Random;

/// What was found.
pub(crate) struct Loaded {
    pub manifest: Manifest,
    /// `None`: no file says anything.
    pub state: Option<State>,
    pub tail: Option<Tail>,
    /// The single file is loaded from outside the directory.
    pub single_file_bytes: Option<u64>,
}

/// Where the single file of an older server is before it is moved.
pub(crate) fn outside(names: &Names) -> String {
    format!("../{}", names.single_file())
}

/// Loads everything; whatever a server would refuse is a failure of the run.
pub(crate) fn load(disk: &Disk, names: &Names, random: &mut Random) -> Loaded {
    let manifest = match disk.read(&names.manifest()) {
        Some(bytes) => Manifest::parse(&bytes).unwrap_or_else(|error| panic!("the manifest cannot be read: {error}")),
        None => Manifest::default(),
    };
    let old = disk.read(&outside(names));
    let is_moved = disk.read(names.single_file()).is_some();
    if let Some(bytes) = old.filter(|_| manifest.must_take_over(names, is_moved)) {
        let mut state = State::default();
        let tail = load_file(names.single_file(), &bytes, true, &mut state, random);
        return Loaded { manifest, state: Some(state), tail, single_file_bytes: Some(bytes.len() as u64) };
    }
    let files: Vec<String> = manifest.loaded().map(|listed| listed.file.to_string()).collect();
    let mut state = (!files.is_empty()).then(State::default);
    let mut tail = None;
    for (place, file) in files.iter().enumerate() {
        let bytes = disk.read(file).unwrap_or_else(|| panic!("{file} is in the manifest and not on the disk"));
        let state = state.as_mut().expect("there are files");
        tail = load_file(file, &bytes, place + 1 == files.len(), state, random);
    }
    Loaded { manifest, state, tail, single_file_bytes: None }
}

fn load_file(file: &str, bytes: &[u8], is_last: bool, state: &mut State, random: &mut Random) -> Option<Tail> {
    let mut reader = Reader::new(0);
    let mut db = 0;
    for chunk in bytes.chunks(random.among(1..500) as usize) {
        reader.feed(chunk);
        while let Some(passage) = reader.next() {
            let Passage::Record(record) = passage else { continue };
            for request in record.requests() {
                let arguments: Vec<&[u8]> = request.arguments.iter().collect();
                match &arguments[..] {
                    [b"SELECT", selected] => db = number(selected) as u16,
                    // A reader that gives these out by themselves may give out half a transaction, which the judge sees.
                    [b"MULTI" | b"EXEC"] => {}
                    other => state.apply(db, other),
                }
            }
        }
    }
    let end = reader.finish();
    // The operator allows everything that concerns a tail.
    let policy = LoadPolicy { load_truncated: true, corrupt_tail_bytes_max: u64::MAX };
    match judge(file, end, bytes.len() as u64, is_last, &policy) {
        Verdict::Whole => None,
        Verdict::CutAt { offset, .. } => Some(Tail { offset }),
        Verdict::Refused { lines } => {
            assert_ne!(end, End::Whole);
            panic!("a server would not start: {end:?}: {}", lines.join(" "))
        }
    }
}
