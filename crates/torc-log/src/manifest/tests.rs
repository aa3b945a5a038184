//! Manifests as servers write them, and what servers refuse.

use super::*;

const NAME: &str = "appendonly.aof";

fn names() -> Names {
    Names::new(NAME).unwrap()
}

fn parse(text: &str) -> Result<Manifest, (usize, &'static str)> {
    Manifest::parse(text.as_bytes()).map_err(|error| (error.line, error.what))
}

fn text(manifest: &Manifest) -> String {
    String::from_utf8(manifest.render()).unwrap()
}

#[test]
fn what_a_server_has_written_is_written_again() {
    let written = "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.1.base.rdb seq 1 type h\nfile \
                   appendonly.aof.1.incr.aof seq 1 type h\nfile appendonly.aof.2.incr.aof seq 2 type i startoffset 17 \
                   endoffset 99\nfile appendonly.aof.4.incr.aof seq 4 type i startoffset 99\n";
    let manifest = parse(written).unwrap();
    assert_eq!(text(&manifest), written);
    assert_eq!(manifest.loaded().map(|listed| listed.seq).collect::<Vec<_>>(), [2, 2, 4]);
    assert_eq!((manifest.base_seq_next(0), manifest.increment_seq_next(0), manifest.increment_seq_next(9)), (3, 5, 10));
    assert!(manifest.names("appendonly.aof.1.base.rdb") && !manifest.names("x"));
}

#[test]
fn names_may_need_quotes() {
    let manifest = parse("# comment\nfile \"a b'.1.incr.aof\" seq 1 type i\n").unwrap();
    assert_eq!(&*manifest.increments()[0].file, "a b'.1.incr.aof");
    assert_eq!(text(&manifest), "file \"a b'.1.incr.aof\" seq 1 type i\n");
    assert_eq!(parse(&text(&manifest)), Ok(manifest));
}

#[test]
fn every_rule_has_its_error_and_line() {
    let good = "file a seq 1 type i\n";
    let long = format!("file a seq 1 type i x {}\n", "y".repeat(1100));
    let format = "Invalid AOF manifest file format";
    for (bad, line, what) in [
        ("", 0, "Found an empty AOF manifest"),
        ("\n", 1, format),
        ("file a seq 1\n", 1, format),
        ("file a seq 1 type i x\n", 1, format),
        ("file a seq 0 type i\n", 1, format),
        ("seq 1 type i x y\n", 1, format),
        ("file \"a seq 1 type i\n", 1, format),
        ("file a seq 1 type i", 1, "The AOF manifest file contains too long line"),
        ("file a seq 1\0 type i\n", 1, "The AOF manifest file contains too long line"),
        (&long, 1, "The AOF manifest file contains too long line"),
        ("file ../a seq 1 type i\n", 1, "File can't be a path, just a filename"),
        ("file a seq 1 type x\n", 1, "Unknown AOF file type"),
        ("file a seq 1 type b\n# x\nfile b seq 2 type b\n", 3, "Found duplicate base file information"),
        (&format!("{good}{good}"), 2, "Found a non-monotonic sequence number"),
    ] {
        assert_eq!(parse(bad), Err((line, what)), "{bad:?}");
    }
    let error = Manifest::parse(b"file a seq 0 type i\n").unwrap_err();
    assert_eq!(error.to_string(), format!("reading the manifest file, at line 1: 'file a seq 0 type i': {format}"));
}

#[test]
fn the_longest_line_has_1024_bytes_with_its_end() {
    let line = |len: usize| {
        let head = "file a seq 1 type i x ";
        format!("{head}{}\n", "y".repeat(len - head.len() - 1))
    };
    assert!(parse(&line(1024)).is_ok());
    assert!(parse(&line(1025)).is_err());
}

#[test]
fn a_rewrite_makes_history() {
    let first = Manifest::default().with_increment(&names(), 1);
    let begun = first.with_planned_base(&names(), 1, BaseFormat::Rdb).with_increment(&names(), 2);
    assert_eq!(
        text(&begun),
        "file appendonly.aof.1.base.rdb seq 1 type h\nfile appendonly.aof.1.incr.aof seq 1 type i\nfile \
         appendonly.aof.2.incr.aof seq 2 type i\n"
    );
    let done = begun.with_base(&names(), 1, BaseFormat::Rdb, 2);
    assert_eq!(
        text(&done),
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\nfile \
         appendonly.aof.2.incr.aof seq 2 type i\n"
    );
    let cleared = done.without_history(|_| true);
    assert!(cleared.history().is_empty() && cleared.increments().len() == 1);
}

#[test]
fn history_has_what_was_replaced_last_in_front() {
    let older = "file a.3.base.rdb seq 3 type b\nfile x seq 1 type h\nfile a.4.incr.aof seq 4 type i x y\nfile a.5.incr.aof seq 5 \
                 type i\n";
    let names = Names::new("a").unwrap();
    let done = parse(older).unwrap().with_base_alone(&names, 4, BaseFormat::Commands);
    assert_eq!(
        text(&done),
        "file a.4.base.aof seq 4 type b\nfile a.4.incr.aof seq 4 type h\nfile a.5.incr.aof seq 5 type h\nfile a.3.base.rdb seq 3 \
         type h\nfile x seq 1 type h\n"
    );
    assert_eq!((done.seq_beside_history(4, |seq| names.increment(seq)), done.increment_seq_next(0)), (6, 1));
}

#[test]
fn a_planned_increment_counts_with_its_base() {
    let old = Manifest::default().with_increment(&names(), 1);
    let begun = old.with_planned_increment(&names(), 2).with_planned_base(&names(), 1, BaseFormat::Rdb);
    assert_eq!(begun.loaded().count(), 1);
    let done = begun.with_base(&names(), 1, BaseFormat::Rdb, 2);
    assert_eq!(
        done.loaded().map(|listed| &*listed.file).collect::<Vec<_>>(),
        ["appendonly.aof.1.base.rdb", "appendonly.aof.2.incr.aof"]
    );
    assert_eq!(done.history().len(), 1);
}

#[test]
fn an_empty_manifest_can_be_read_again() {
    assert_eq!(parse(&text(&Manifest::default())), Ok(Manifest::default()));
}

#[test]
fn a_single_file_is_taken_over_once() {
    let empty = Manifest::default();
    let taken = Manifest::taking_over(&names());
    assert_eq!(text(&taken), "file appendonly.aof seq 1 type b\n");
    assert!(empty.must_take_over(&names(), false) && taken.must_take_over(&names(), false));
    assert!(!taken.must_take_over(&names(), true));
    assert!(!taken.with_increment(&names(), 1).must_take_over(&names(), false));
}

#[test]
fn an_end_offset_goes_when_the_increment_grows() {
    let manifest = parse("file a seq 1 type i startoffset 1 endoffset 2\n").unwrap().reopened();
    assert_eq!(text(&manifest), "file a seq 1 type i startoffset 1\n");
}
