//! Requests as a line of text, and keys for them.

use torc_engine::route::SlotMap;

/// One key for each core, in core order: `prefix` and a number.
pub fn key_of_each_core(cores: u16, prefix: &str) -> Vec<String> {
    let key_of = |core| {
        let keys = (0..).map(|number| format!("{prefix}{number}"));
        keys.into_iter().find(|key| SlotMap::even(cores).owner(key.as_bytes()) == core)
    };
    (0..cores).map(|core| key_of(core).expect("numbers do not end")).collect()
}

/// Splits a line at spaces; double quotes keep spaces and know `\n \r \t \\ \" \xff`.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut rest = line.bytes().peekable();
    loop {
        while rest.next_if_eq(&b' ').is_some() {}
        if rest.peek().is_none() {
            return words;
        }
        let mut word = Vec::new();
        if rest.next_if_eq(&b'"').is_some() {
            loop {
                match rest.next().expect("a quote is closed") {
                    b'"' => break,
                    b'\\' => word.push(escaped(&mut rest)),
                    byte => word.push(byte),
                }
            }
        } else {
            word.extend(std::iter::from_fn(|| rest.next_if(|&byte| byte != b' ')));
        }
        words.push(word);
    }
}

fn escaped(rest: &mut impl Iterator<Item = u8>) -> u8 {
    let mut next = || rest.next().expect("something follows a backslash");
    match next() {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'x' => {
            let digits = [next(), next()];
            u8::from_str_radix(str::from_utf8(&digits).expect("ASCII"), 16).expect("two hexadecimal digits")
        }
        byte => byte,
    }
}
