//! What must hold for any bytes that stand where a log should: fuzz target and tests share it.

use torc_log::{End, LoadPolicy, Manifest, Passage, Reader, Verdict, judge};

/// Reads the bytes as a manifest and as an increment.
pub fn check(bytes: &[u8]) {
    check_manifest(bytes);
    let (chunk, rest) = bytes.split_first().map_or((1, bytes), |(first, rest)| (usize::from(*first) + 1, rest));
    check_increment(rest, chunk);
}

/// What is a manifest is one when it is written again, and names the same files.
fn check_manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(Manifest::parse(&manifest.render()).as_ref(), Ok(&manifest));
        for listed in manifest.loaded().chain(manifest.history()) {
            assert!(manifest.names(&listed.file) && !listed.file.contains('/'));
        }
    }
}

/// Records follow one another without a gap but for annotations, are the same in any chunks, and end where the end says.
fn check_increment(bytes: &[u8], chunk: usize) {
    let (found, end) = read(bytes, chunk);
    let len = bytes.len() as u64;
    for reader in
        [Reader::new(0).of_length(len), Reader::new(0).one_by_one(), Reader::new(0).of_length(len).one_by_one()]
    {
        assert_eq!(end_of(reader, bytes, chunk), end);
    }
    assert_eq!((&found, end), (&read(bytes, bytes.len()).0, read(bytes, bytes.len()).1));
    let mut at = 0;
    for (start, end, _) in &found {
        assert!(*start >= at && end > start, "{start} to {end} after {at}");
        at = *end;
    }
    let whole = match end {
        End::Whole => len,
        End::Torn { at } | End::Corrupt { at, .. } => at,
        End::Zeros { at, bytes } => {
            assert_eq!(at + bytes, len);
            at
        }
    };
    assert!(whole >= at && whole <= len);
    let policy = LoadPolicy { load_truncated: true, corrupt_tail_bytes_max: u64::MAX };
    match judge("file", end, len, true, &policy) {
        Verdict::Whole => assert_eq!(whole, len),
        Verdict::CutAt { offset, .. } => {
            assert_eq!(offset, whole);
            // What is left is the same, and whole.
            assert_eq!(read(&bytes[..offset as usize], chunk), (found, End::Whole));
        }
        Verdict::Refused { .. } => panic!("everything is allowed"),
    }
}

fn end_of(mut reader: Reader, bytes: &[u8], chunk: usize) -> End {
    for chunk in bytes.chunks(chunk.max(1)) {
        reader.feed(chunk);
        while reader.next().is_some() {}
    }
    reader.finish()
}

/// Records as (start, end, arguments of all requests).
type Found = Vec<(u64, u64, Vec<Vec<u8>>)>;

fn read(bytes: &[u8], chunk: usize) -> (Found, End) {
    let mut reader = Reader::new(0);
    let mut found = Vec::new();
    for chunk in bytes.chunks(chunk.max(1)) {
        reader.feed(chunk);
        while let Some(passage) = reader.next() {
            if let Passage::Record(record) = passage {
                let arguments = record.requests().flat_map(|request| request.arguments.iter().map(<[u8]>::to_vec));
                found.push((record.offset, record.end, arguments.collect()));
            }
        }
    }
    (found, reader.finish())
}
