//! Where a request ends: arrays of bulk strings, and nothing else but lines that begin with `#`.
//!
//! ```text
//!   *2\r\n  $3\r\nDEL\r\n  $1\r\nk\r\n        #TS:1700000000\r\n
//! ```
//! Redis's loader reads numbers with `atoi` and does not look at the end of a string. Here every byte must be what a
//! writer writes, since that is all there is to tell a record from what a crash has left.

/// First and last byte (exclusive) of an argument, from the record's first byte.
pub(super) type Span = (usize, usize);

/// A line that begins with `#` is no longer than this, its end included (`AOF_ANNOTATION_LINE_MAX_LEN`).
const ANNOTATION_BYTES_MAX: usize = 1024;
/// Arguments of a request: what a server takes, which reads the number into an `int`.
const ARGUMENTS_MAX: u64 = i32::MAX as u64;
/// Bytes of an argument: far more than any server takes, and no sum overflows.
const ARGUMENT_BYTES_MAX: u64 = 1 << 40;

/// What was found.
pub(super) enum Frame {
    /// There must be bytes up to here before more can be said.
    Incomplete {
        needed: usize,
    },
    Annotation(Line),
    /// A request up to `end` with so many arguments, which were added to the spans.
    Request {
        end: usize,
        arguments: usize,
    },
}

/// A line that begins with `#`.
pub(super) struct Line {
    pub end: usize,
    /// The time of `#TS:seconds`.
    pub seconds: Option<u64>,
}

/// What is wrong, and at which byte.
pub(super) struct Problem {
    pub at: usize,
    pub what: &'static str,
}

/// Reads what begins at `from`. Spans are added only for a request that is whole.
pub(super) fn read(bytes: &[u8], from: usize, spans: &mut Vec<Span>) -> Result<Frame, Problem> {
    match bytes.get(from) {
        None => Ok(Frame::Incomplete { needed: from + 1 }),
        Some(b'#') => read_annotation(bytes, from),
        Some(b'*') => {
            let known = spans.len();
            let extent = read_request(bytes, from, spans);
            if let Ok(Extent::Whole(end)) = extent {
                return Ok(Frame::Request { end, arguments: spans.len() - known });
            }
            spans.truncate(known);
            extent.map(|extent| match extent {
                Extent::Whole(needed) | Extent::Needs(needed) => Frame::Incomplete { needed },
            })
        }
        Some(_) => Err(Problem { at: from, what: "a request does not begin with '*'" }),
    }
}

/// How far a request goes.
enum Extent {
    /// To here.
    Whole(usize),
    /// At least to here, where there are no bytes yet.
    Needs(usize),
}

fn read_request(bytes: &[u8], from: usize, spans: &mut Vec<Span>) -> Result<Extent, Problem> {
    let next = Ok(Extent::Needs(bytes.len() + 1));
    let Some((count, mut at)) = read_number(bytes, from + 1)? else { return next };
    if count == 0 || count > ARGUMENTS_MAX {
        return Err(Problem { at: from, what: "a request has an impossible number of arguments" });
    }
    for _ in 0..count {
        match bytes.get(at) {
            None => return next,
            Some(b'$') => {}
            Some(_) => return Err(Problem { at, what: "an argument does not begin with '$'" }),
        }
        let Some((len, start)) = read_number(bytes, at + 1)? else { return next };
        if len > ARGUMENT_BYTES_MAX {
            return Err(Problem { at, what: "an argument has an impossible length" });
        }
        let end = start + len as usize;
        // The byte behind the argument shows already whether it ends there.
        let Some(after) = read_line_end(bytes, end)? else { return Ok(Extent::Needs(end.max(bytes.len()) + 1)) };
        spans.push((start, end));
        at = after;
    }
    Ok(Extent::Whole(at))
}

/// Digits and the end of the line; gives the number and what follows.
fn read_number(bytes: &[u8], from: usize) -> Result<Option<(u64, usize)>, Problem> {
    let mut number: u64 = 0;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' if at - from < 19 => number = number * 10 + u64::from(byte - b'0'),
            b'\r' if at > from => return Ok(read_line_end(bytes, at)?.map(|end| (number, end))),
            _ => return Err(Problem { at, what: "a number is not one" }),
        }
        at += 1;
    }
    Ok(None)
}

/// The two bytes that end a line, which stand at `at`.
fn read_line_end(bytes: &[u8], at: usize) -> Result<Option<usize>, Problem> {
    for (place, wanted) in [(at, b'\r'), (at + 1, b'\n')] {
        match bytes.get(place) {
            None => return Ok(None),
            Some(byte) if *byte == wanted => {}
            Some(_) => return Err(Problem { at: place, what: "a line or an argument does not end where it must" }),
        }
    }
    Ok(Some(at + 2))
}

fn read_annotation(bytes: &[u8], from: usize) -> Result<Frame, Problem> {
    let line = &bytes[from..bytes.len().min(from + ANNOTATION_BYTES_MAX)];
    if let Some(zero) = line.iter().take_while(|byte| **byte != b'\n').position(|byte| *byte == 0) {
        return Err(Problem { at: from + zero, what: "an annotation has a NUL byte" });
    }
    let Some(len) = line.iter().position(|byte| *byte == b'\n') else {
        let is_too_long = line.len() == ANNOTATION_BYTES_MAX;
        let problem = Problem { at: from, what: "an annotation is too long" };
        return if is_too_long { Err(problem) } else { Ok(Frame::Incomplete { needed: bytes.len() + 1 }) };
    };
    let seconds = line[..len].strip_prefix(b"#TS:").and_then(|text| std::str::from_utf8(text.trim_ascii()).ok());
    Ok(Frame::Annotation(Line { end: from + len + 1, seconds: seconds.and_then(|text| text.parse().ok()) }))
}
