//! What the libraries do, case by case, as servers did it.
//!
//! `library_harness/cases.txt` has chunks of Lua and what came of them on Redis 8.2 and Valkey 9.1, which agree in all of them. With
//! `TORC_LIBRARY_SERVER=127.0.0.1:6379` the cases and chunks made at random run on that server, too, and both must agree; with
//! `TORC_LIBRARY_BLESS=1` besides, the file is written anew from what the server says. Valkey traverses tables in another order:
//! `TORC_LIBRARY_ORDER=any` takes results that differ by nothing but the order of their bytes, or by which of several errors came first.

mod library_harness;

use library_harness::{Lua, SHOW};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::{env, fs};

const CASES: &str = include_str!("library_harness/cases.txt");
const CASES_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library_harness/cases.txt");
/// Chunks made at random for one comparison.
const RANDOM_CHUNKS: u64 = 20_000;

/// Chunks, each with its result on the line below.
fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut lines = CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    std::iter::from_fn(move || {
        let chunk = lines.next()?;
        let result = lines.next_if(|line| line.starts_with("  ")).unwrap_or_default();
        Some((chunk, result.trim_start()))
    })
}

#[test]
fn the_libraries_do_what_servers_do() {
    let mut wrong = String::new();
    let mut count = 0;
    for (chunk, expected) in cases() {
        count += 1;
        let result = Lua::new().show(chunk.as_bytes());
        if result != expected {
            let _ = writeln!(wrong, "{chunk}\n  is        {result}\n  should be {expected}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 300, "{count} cases");
}

/// A connection that runs chunks.
struct Server {
    stream: BufReader<TcpStream>,
}

impl Server {
    fn connect() -> Option<Self> {
        let address = env::var("TORC_LIBRARY_SERVER").ok()?;
        Some(Server { stream: BufReader::new(TcpStream::connect(address).expect("the server is there")) })
    }

    fn show(&mut self, chunk: &[u8]) -> String {
        let mut request = Vec::new();
        let words: [&[u8]; 4] = [b"EVAL", SHOW.as_bytes(), b"0", chunk];
        write!(request, "*{}\r\n", words.len()).unwrap();
        for word in words {
            write!(request, "${}\r\n", word.len()).unwrap();
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let Some(length) = line.strip_prefix('$') else {
            return line.trim_end().to_owned();
        };
        let mut text = vec![0; length.trim_end().parse::<usize>().unwrap() + 2];
        self.stream.read_exact(&mut text).unwrap();
        text.truncate(text.len() - 2);
        String::from_utf8(text).unwrap()
    }
}

#[test]
fn a_server_says_the_same() {
    let Some(mut server) = Server::connect() else {
        return;
    };
    if env::var_os("TORC_LIBRARY_BLESS").is_some() {
        let mut text = String::new();
        for line in CASES.lines().filter(|line| !line.starts_with("  ")) {
            let _ = writeln!(text, "{line}");
            if !line.is_empty() && !line.starts_with('#') {
                let _ = writeln!(text, "  {}", server.show(line.as_bytes()));
            }
        }
        fs::write(CASES_FILE, text).unwrap();
        return;
    }
    let mut wrong = String::new();
    for (chunk, expected) in cases() {
        let result = server.show(chunk.as_bytes());
        if result != expected {
            let _ = writeln!(wrong, "{chunk}\n  is        {expected}\n  server    {result}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let first = env::var("TORC_LIBRARY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let any_order = env::var_os("TORC_LIBRARY_ORDER").is_some();
    let lua = Lua::new();
    for seed in first..first + RANDOM_CHUNKS {
        let chunk = Chunks { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }.chunk();
        let result = lua.show(&chunk);
        let theirs = server.show(&chunk);
        if result != theirs && !(any_order && differ_in_order(&result, &theirs)) {
            let _ =
                writeln!(wrong, "seed {seed}: {}\n  is        {result}\n  server    {theirs}", chunk.escape_ascii());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn differ_in_order(one: &str, other: &str) -> bool {
    let refused = |text: &str| text.starts_with("false \"case:1: Cannot serialise");
    sorted(one) == sorted(other) || refused(one) && refused(other)
}

fn sorted(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes
}

/// Chunks made at random.
struct Chunks {
    state: u64,
}

impl Chunks {
    fn below(&mut self, end: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    fn chunk(&mut self) -> Vec<u8> {
        let chunk = match self.below(12) {
            0..=2 => {
                let mut text = self.json(4).into_bytes();
                self.damage(&mut text);
                format!("return cjson.decode({})", literal(&text))
            }
            3 | 4 => format!("return cjson.encode({})", self.value(4)),
            5 => {
                let text = self.json(3);
                format!("return cjson.encode(cjson.decode({}))", literal(text.as_bytes()))
            }
            6 => format!("return cmsgpack.pack({}, {})", self.value(4), self.value(2)),
            7 | 8 => {
                let mut bytes = self.messages();
                self.damage(&mut bytes);
                let text = literal(&bytes);
                match self.below(4) {
                    0 => format!("return cmsgpack.unpack_one({text}, {})", self.below(9)),
                    1 => {
                        format!("return cmsgpack.unpack_limit({text}, {}, {})", self.below(4), self.below(9) as i64 - 1)
                    }
                    _ => format!("return cmsgpack.unpack({text})"),
                }
            }
            9 => {
                let format = self.format();
                let values: Vec<_> = (0..self.below(5)).map(|_| self.scalar()).collect();
                format!("return struct.pack({})", [vec![literal(format.as_bytes())], values].concat().join(", "))
            }
            10 => {
                let format = literal(self.format().as_bytes());
                let bytes: Vec<_> = (0..self.below(40)).map(|_| self.byte()).collect();
                format!("return struct.unpack({format}, {}, {})", literal(&bytes), self.below(4))
            }
            _ => {
                let name = self.pick(&["band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "tohex"]);
                format!("return bit.{name}({}, {}), bit.bswap({})", self.scalar(), self.scalar(), self.number())
            }
        };
        chunk.into_bytes()
    }

    fn byte(&mut self) -> u8 {
        if self.below(3) == 0 { self.below(256) as u8 } else { self.below(6) as u8 }
    }

    /// Sometimes changes a byte, or cuts the end.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() as u64 + 1) as usize;
        match self.below(4) {
            0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
            1 => bytes.truncate(at),
            2 if at < bytes.len() => {
                bytes[at] = self.pick(&["[", "]", "{", "}", ",", ":", "\"", "\\", "0", "-", "e", "n"]).as_bytes()[0]
            }
            _ => (),
        }
    }

    fn number(&mut self) -> String {
        let bits = (self.below(1 << 32) << 32) | self.below(1 << 32);
        match self.below(8) {
            0 => self
                .pick(&["0", "-0", "1e15", "2^53", "2^31", "-2^31", "2^63", "-2^63", "2^64", "1e300", "5e-324"])
                .to_owned(),
            1 => format!("{:e}", f64::from_bits(bits)).replace("NaN", "0/0").replace("inf", "1/0"),
            2 => format!("{}", bits as i64),
            3 => format!("{}", bits as i16),
            4 => format!("{}.{:03}", self.below(2000), self.below(1000)),
            5 => format!("{}e{}", self.below(100_000), self.below(40) as i64 - 20),
            _ => format!("{}", self.below(300) as i64 - 100),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let length = match self.below(12) {
            0 => 31 + self.below(3),
            1 => 254 + self.below(4),
            _ => self.below(7),
        };
        (0..length)
            .map(|_| if self.below(4) == 0 { self.below(256) as u8 } else { b'a' + self.below(26) as u8 })
            .collect()
    }

    fn scalar(&mut self) -> String {
        match self.below(9) {
            0 => self.pick(&["nil", "true", "false", "cjson.null", "type", "'12'", "' 0x1F '", "{}"]).to_owned(),
            1..=3 => literal(&self.text()),
            _ => self.number(),
        }
    }

    /// An expression, whose tables have an order of entries that does not depend on addresses.
    fn value(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.scalar();
        }
        match self.below(7) {
            0 | 1 => {
                let values: Vec<_> = (0..self.below(20)).map(|_| self.value(depth - 1)).collect();
                format!("{{{}}}", values.join(", "))
            }
            2 | 3 => {
                let entries: Vec<_> = (0..self.below(6))
                    .map(|_| {
                        let key = match self.below(6) {
                            0 => format!("{}", self.below(30)),
                            1 => "1.5".to_owned(),
                            2 => self.pick(&["true", "2^33", "-1", "100"]).to_owned(),
                            _ => {
                                // Servers hash strings of 32 bytes and more in another way, so they traverse these in another order.
                                let mut text = self.text();
                                text.truncate(31);
                                literal(&text)
                            }
                        };
                        format!("[{key}] = {}", self.value(depth - 1))
                    })
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            _ => self.scalar(),
        }
    }

    fn json(&mut self, depth: u32) -> String {
        let space = self.pick(&["", "", "", " ", "\n\t", "\r"]);
        if depth > 0 && self.below(2) == 0 {
            let count = self.below(5);
            if self.below(2) == 0 {
                let values: Vec<_> = (0..count).map(|_| self.json(depth - 1)).collect();
                return format!("{space}[{}]", values.join(","));
            }
            let entries: Vec<_> =
                (0..count).map(|_| format!("{}{space}:{}", self.quoted(), self.json(depth - 1))).collect();
            return format!("{{{}{space}}}", entries.join(", "));
        }
        match self.below(6) {
            0 => self.quoted(),
            1 => self
                .pick(&[
                    "true",
                    "false",
                    "null",
                    "nul",
                    "NaN",
                    "-Infinity",
                    "+1",
                    "0x1F",
                    "-0x.8p3",
                    "01",
                    "1.",
                    "-.5",
                    "1e",
                    "1e+",
                    "tru",
                ])
                .to_owned(),
            2 => format!("{:e}", f64::from_bits((self.below(1 << 32) << 32) | self.below(1 << 32))),
            _ => format!("{space}{}", self.number().replace("2^", "1e").replace('/', "")),
        }
    }

    fn quoted(&mut self) -> String {
        let mut text = String::from("\"");
        for _ in 0..self.below(5) {
            match self.below(8) {
                0 => text.push_str(
                    self.pick(&["\\n", "\\/", "\\\\", "\\\"", "\\b", "\\f", "\\r", "\\t", "\\x", "\\u12", "\\'"]),
                ),
                1 => {
                    let _ = write!(text, "\\u{:04x}", self.below(0x1_0000));
                }
                2 => {
                    let _ = write!(text, "\\u{:04X}\\u{:04x}", 0xd800 + self.below(0x400), 0xdb80 + self.below(0x500));
                }
                3 => text.push_str(self.pick(&["\u{e9}", "\u{20ac}", "\u{1f600}", "\u{7f}", "\u{1}"])),
                _ => text.push(char::from(b'a' + self.below(26) as u8)),
            }
        }
        text.push('"');
        text
    }

    /// MessagePack, more or less.
    fn messages(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..1 + self.below(12) {
            match self.below(10) {
                0 => bytes.extend([0x80 | self.below(4) as u8]),
                1 => bytes.extend([0x90 | self.below(4) as u8]),
                2 => {
                    let length = self.below(4) as u8;
                    bytes.push(0xa0 | length);
                    bytes.extend((0..length).map(|_| b'a'));
                }
                3 => bytes.extend([0xd9, 1, b'x']),
                4 => bytes.extend([0xda, 0, 2, b'x', b'y']),
                5 | 6 => {
                    let kind = 0xca + self.below(10) as u8;
                    bytes.push(kind);
                    let width = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8][usize::from(kind - 0xca)];
                    bytes.extend((0..width).map(|_| self.below(256) as u8));
                }
                7 => bytes.extend([0xdc + self.below(4) as u8, 0, self.below(3) as u8]),
                8 => bytes.push(self.below(256) as u8),
                _ => bytes.push(self.below(128) as u8),
            }
        }
        bytes
    }

    fn format(&mut self) -> String {
        let mut format = String::new();
        for _ in 0..1 + self.below(6) {
            let option = self.pick(&[
                ">", "<", "!", "!2", "!16", "b", "B", "h", "H", "l", "L", "T", "i", "I", "i3", "I7", "i8", "I9", "i11",
                "i16", "i32", "f", "d", "x", "c", "c0", "c3", "s", " ", "i33", "z", "!3", "Bc0", "f", "d",
            ]);
            format.push_str(option);
        }
        format
    }
}

/// The bytes as Lua writes them in quotes.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::from("'");
    for byte in bytes {
        match byte {
            b' '..=b'~' if !matches!(byte, b'\'' | b'\\') => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text.push('\'');
    text
}
