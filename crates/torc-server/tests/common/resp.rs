//! Requests and RESP2 replies as the raw client writes and reads them: written for tests, apart from the
//! server's own parser, so that a mistake of that one is not repeated here.

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR ...`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// `$-1` or `*-1`
    Null,
    /// `*2`
    Array(Vec<Reply>),
}

impl Reply {
    /// `+OK`.
    pub fn ok() -> Reply {
        Reply::Simple("OK".to_owned())
    }

    /// A bulk string of this text.
    pub fn bulk(text: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(text.as_ref().to_vec())
    }

    /// The text of a bulk string, a simple string or an error.
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Reply::Simple(text) | Reply::Error(text) => text.clone(),
            Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// The elements of an array.
    #[track_caller]
    pub fn elements(&self) -> &[Reply] {
        match self {
            Reply::Array(elements) => elements,
            other => panic!("expected an array, got {other:?}"),
        }
    }

    /// An integer.
    #[track_caller]
    pub fn integer(&self) -> i64 {
        match self {
            Reply::Integer(number) => *number,
            other => panic!("expected an integer, got {other:?}"),
        }
    }
}

/// One request.
pub fn request<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_request(&mut bytes, words);
    bytes
}

/// Appends one request to a pipeline.
pub fn append_request<W: AsRef<[u8]>>(pipeline: &mut Vec<u8>, words: &[W]) {
    pipeline.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        pipeline.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        pipeline.extend_from_slice(word);
        pipeline.extend_from_slice(b"\r\n");
    }
}

/// The first reply in `bytes` and how long it is; `None` when it is not complete. Panics at what is no reply.
pub fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&bytes[1..line_end]).into_owned();
    let mut len = line_end + 2;
    let number = || line.parse::<i64>().unwrap_or_else(|_| panic!("no number: {line:?}"));
    let reply = match bytes[0] {
        b'+' => Reply::Simple(line),
        b'-' => Reply::Error(line),
        b':' => Reply::Integer(number()),
        b'$' | b'*' if line == "-1" => Reply::Null,
        b'$' => {
            let end = len + number() as usize;
            let text = bytes.get(len..end)?.to_vec();
            assert_eq!(bytes.get(end..end + 2)?, b"\r\n", "a bulk string ends with its line");
            len = end + 2;
            Reply::Bulk(text)
        }
        b'*' => {
            let mut elements = Vec::new();
            for _ in 0..number() {
                let (element, element_len) = parse(&bytes[len..])?;
                elements.push(element);
                len += element_len;
            }
            Reply::Array(elements)
        }
        other => panic!("no reply begins with {:?}: {line:?}", char::from(other)),
    };
    Some((reply, len))
}
