//! Chunks do not matter; what was encoded is read again; every way in which a file can end.

use super::*;
use crate::encode::Encoder;
use proptest::prelude::*;

/// Records as (offset, end, is a transaction, requests).
type Records = Vec<(u64, u64, bool, Vec<Vec<Vec<u8>>>)>;

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    torc_resp::write_request(&mut out, words);
    out
}

fn read(bytes: &[u8], chunk: usize) -> (Records, Vec<u64>, End) {
    read_with(Reader::new(0), bytes, chunk)
}

fn read_with(mut reader: Reader, bytes: &[u8], chunk: usize) -> (Records, Vec<u64>, End) {
    let (mut records, mut times) = (Records::new(), Vec::new());
    for chunk in bytes.chunks(chunk.max(1)) {
        reader.feed(chunk);
        while let Some(passage) = reader.next() {
            match passage {
                Passage::Timestamp { seconds, .. } => times.push(seconds),
                Passage::Record(record) => {
                    let requests = record.requests().map(|it| it.arguments.iter().map(<[u8]>::to_vec).collect());
                    records.push((record.offset, record.end, record.is_transaction, requests.collect()));
                }
                Passage::Request { .. } => panic!("nobody asked for requests one by one"),
            }
        }
    }
    (records, times, reader.finish())
}

/// The records that requests given out one by one make; nobody says where each ends.
fn read_one_by_one(bytes: &[u8], chunk: usize) -> (Records, Vec<u64>, End) {
    let mut reader = Reader::new(0).one_by_one();
    let (mut records, mut times, mut open) = (Records::new(), Vec::new(), None);
    for chunk in bytes.chunks(chunk.max(1)) {
        reader.feed(chunk);
        while let Some(passage) = reader.next() {
            let (request, role) = match passage {
                Passage::Timestamp { seconds, .. } => {
                    times.push(seconds);
                    continue;
                }
                Passage::Request { request, role } => (request, role),
                Passage::Record(_) => panic!("requests were asked for"),
            };
            let words: Vec<Vec<u8>> = request.arguments.iter().map(<[u8]>::to_vec).collect();
            match role {
                Role::Alone | Role::Unpaired => records.push((request.offset, 0, false, vec![words])),
                Role::Begins => open = Some((request.offset, 0, true, Vec::new())),
                Role::Within | Role::Nested => open.as_mut().expect("it has begun").3.push(words),
                Role::Ends => records.extend(open.take()),
            }
        }
    }
    (records, times, reader.finish())
}

#[test]
fn annotations_are_passed_over() {
    let set = request(&[b"SET", b"k", b"v"]);
    let bytes = [b"#TS:17\r\n".as_slice(), &set, b"#anything\n", &set, b"#TS:x\r\n"].concat();
    let (records, times, end) = read(&bytes, 3);
    assert_eq!((records.len(), times, end), (2, vec![17], End::Whole));
    assert_eq!((records[0].0, records[1].0), (8, 8 + set.len() as u64 + 10));
}

#[test]
fn a_transaction_comes_whole_or_not_at_all() {
    let (multi, exec, set) = (request(&[b"multi"]), request(&[b"EXEC"]), request(&[b"SET", b"MULTI", b"v"]));
    let open = [&set[..], &multi, &set, b"#x\n", &set].concat();
    let whole = [&open[..], &exec].concat();
    let (records, _, end) = read(&whole, 1000);
    assert_eq!((records.len(), records[1].2, records[1].3.len(), end), (2, true, 2, End::Whole));
    assert_eq!(records[1].1, whole.len() as u64);
    for cut in set.len() + 1..whole.len() {
        let (records, _, end) = read(&whole[..cut], 7);
        assert_eq!((records.len(), end), (1, End::Torn { at: set.len() as u64 }), "{cut}");
    }
}

#[test]
fn the_end_of_a_file_is_told() {
    let set = request(&[b"SET", b"k", b"value"]);
    let at = set.len() as u64;
    let end = |tail: &[u8]| {
        let bytes = [&set[..], tail].concat();
        let ends: Vec<End> = [1, 2, 5, 1000].iter().map(|chunk| read(&bytes, *chunk).2).collect();
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
        ends[0]
    };
    assert_eq!(end(b""), End::Whole);
    assert_eq!(end(b"*1\r\n$4"), End::Torn { at });
    assert_eq!(end(&[0; 9]), End::Zeros { at, bytes: 9 });
    assert_eq!(end(b"*1\r\n$4\r\nPI\0\0\0\0"), End::Zeros { at, bytes: 14 });
    assert_eq!(end(b"*1\r\n$\0\0"), End::Zeros { at, bytes: 7 });
    assert_eq!(end(b"#TS\0\0"), End::Zeros { at, bytes: 5 });
    for bad in
        [&b"PING\r\n"[..], b"\0\0*", b"*0\r\n", b"*x\r\n", b"*1\r\n:1\r\n", b"*1\r\n$1\r\nabc", b"*1\n", b"*-1\r\n"]
    {
        assert!(matches!(end(bad), End::Corrupt { at: found, .. } if found == at), "{bad:?}");
    }
    assert!(matches!(end(&[b"#".as_slice(), &[b'x'; 1024]].concat()), End::Corrupt { .. }));
}

#[test]
fn rdb_files_are_told_from_requests() {
    assert!(begins_with_rdb(b"REDIS0011") && begins_with_rdb(b"VALKEY080"));
    assert!(!begins_with_rdb(b"*1\r\n$4") && !begins_with_rdb(b"REDI") && !begins_with_rdb(b""));
}

/// What files may be made of.
const PIECES: &[&[u8]] = &[
    b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n",
    b"*1\r\n$5\r\nMULTI\r\n",
    b"*1\r\n$4\r\nexec\r\n",
    b"#TS:17\r\n",
    b"# a note\n",
    b"*1\r\n$30\r\nshort\r\n",
    b"\0\0\0",
    b"*1\r\n$1\r\nabc\r\n",
];

#[test]
fn a_length_beyond_the_end_of_the_file_keeps_nothing() {
    let mut reader = Reader::new(0).of_length(10_000);
    reader.feed(b"*1\r\n$20000\r\n");
    assert!(reader.next().is_none());
    for _ in 0..9 {
        reader.feed(&[b'x'; 1000]);
        assert!(reader.next().is_none());
    }
    assert_eq!((reader.buffer.capacity(), reader.finish()), (0, End::Torn { at: 0 }));
}

#[test]
fn an_open_transaction_is_not_kept_by_who_wants_requests() {
    let set = request(&[b"SET", b"k", b"v"]);
    let mut reader = Reader::new(0).one_by_one();
    reader.feed(&request(&[b"MULTI"]));
    for _ in 0..1000 {
        while reader.next().is_some() {}
        reader.feed(&set);
    }
    assert!(reader.buffer.len() <= 2 * set.len(), "{}", reader.buffer.len());
    while reader.next().is_some() {}
    assert_eq!(reader.finish(), End::Torn { at: 0 });
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 1..4)
        .prop_filter("these begin and end transactions", |words| {
            !(words.len() == 1 && [&b"MULTI"[..], b"EXEC"].iter().any(|word| words[0].eq_ignore_ascii_case(word)))
        })
}

proptest! {
    #[test]
    fn what_was_encoded_is_read_again(
        records in proptest::collection::vec(proptest::collection::vec((0..3_u16, words()), 1..4), 0..6),
        chunk in 1_usize..40,
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut encoder = Encoder::default();
        for record in &records {
            let encoded: Vec<(u16, Vec<u8>)> = record
                .iter()
                .map(|(db, words)| (*db, request(&words.iter().map(Vec::as_slice).collect::<Vec<_>>())))
                .collect();
            encoder.record(encoded.iter().map(|(db, bytes)| (*db, &bytes[..])));
        }
        let content = encoder.take();
        let (read_records, _, end) = read(content.bytes(), chunk);
        prop_assert_eq!(end, End::Whole);
        let mut db = content.databases().map_or(0, |(first, _)| first);
        let mut found = Vec::new();
        for (_, _, _, requests) in &read_records {
            let mut record = Vec::new();
            for words in requests {
                match &words[..] {
                    [name, number] if &name[..] == b"SELECT" => db = String::from_utf8_lossy(number).parse().unwrap(),
                    _ => record.push((db, words.clone())),
                }
            }
            found.extend((!record.is_empty()).then_some(record));
        }
        prop_assert_eq!(found, records);
        // A prefix gives the records that are whole in it, and says where the last one ends.
        let cut = if content.bytes().is_empty() { 0 } else { cut.index(content.len()) };
        let (prefix, _, end) = read(&content.bytes()[..cut], chunk);
        let whole = read_records.iter().take_while(|record| record.1 <= cut as u64).count();
        prop_assert_eq!(&prefix[..], &read_records[..whole]);
        let at = prefix.last().map_or(0, |record| record.1);
        prop_assert_eq!(end, if at == cut as u64 { End::Whole } else { End::Torn { at } });
    }

    #[test]
    fn chunks_do_not_matter(
        bytes in proptest::collection::vec(proptest::sample::select(&b"*$#123\r\nMULTIEXEC\0"[..]), 0..60),
        chunk in 1_usize..10,
    ) {
        prop_assert_eq!(read(&bytes, chunk), read(&bytes, 1000));
    }

    #[test]
    fn every_way_of_reading_finds_the_same(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..12),
        chunk in 1_usize..40,
        cut in any::<proptest::sample::Index>(),
    ) {
        let whole = pieces.concat();
        let bytes = if whole.is_empty() { &whole[..] } else { &whole[..cut.index(whole.len()) + 1] };
        let (records, times, end) = read(bytes, chunk);
        let of_length = Reader::new(0).of_length(bytes.len() as u64);
        prop_assert_eq!(&read_with(of_length, bytes, chunk), &(records.clone(), times.clone(), end));
        let records = records.into_iter().map(|(offset, _, is_transaction, it)| (offset, 0, is_transaction, it)).collect();
        prop_assert_eq!(read_one_by_one(bytes, chunk), (records, times, end));
    }
}
