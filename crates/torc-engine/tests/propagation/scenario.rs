//! Scenarios as text, see `scenarios.txt`; and how what is expected is compared with what was propagated.

use std::ops::RangeInclusive;

use crate::common::{key_of_each_core, words};

/// What FUNCTION DUMP gives of a library.
fn libraries() -> Vec<u8> {
    let source = b"#!lua name=restored\nredis.register_function('r', function() return 1 end)";
    torc_rdb::file::dump_libraries([&source[..]].into_iter(), true)
}

/// A request or a propagated command.
pub type Words = Vec<Vec<u8>>;

/// How many cores have a key of their own in the text.
pub const CORES: u16 = 3;

/// One thing that is done before or while propagated commands are looked at.
#[derive(Debug, Clone)]
pub enum Step {
    /// A request.
    Request(String),
    /// Another client's request, which waits.
    Wait(String),
    /// Milliseconds pass.
    After(u64),
}

/// What redis-server appends instead.
#[derive(Debug, Default)]
pub struct Difference {
    /// The only version in which it does.
    pub version: Option<u8>,
    pub appends: Vec<String>,
}

/// A block of the text.
#[derive(Debug, Default)]
pub struct Scenario {
    /// Line number of its end, for messages.
    pub line: usize,
    pub given: Vec<Step>,
    pub run: Vec<Step>,
    pub tells: Vec<String>,
    pub tells_on_three: Vec<String>,
    /// redis-server 7.0 does not know it.
    pub is_new: bool,
    /// No redis-server does.
    pub is_alone: bool,
    pub differs: Vec<Difference>,
    /// Replayed, the keys are not quite the same.
    pub forgets: bool,
}

impl Scenario {
    /// All blocks.
    pub fn all() -> Vec<Scenario> {
        let (mut all, mut current) = (Vec::new(), Scenario::default());
        for (number, line) in include_str!("scenarios.txt").lines().chain([""]).enumerate() {
            let line = line.trim();
            if line.is_empty() && !current.run.is_empty() {
                all.push(Scenario { line: number, ..std::mem::take(&mut current) });
            } else if !line.is_empty() && !line.starts_with('#') {
                current.read(line);
            }
        }
        all
    }

    fn read(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("a word and what it means: {line}"));
        let rest = rest.trim().to_owned();
        match word {
            "given" => self.given.push(Step::Request(rest)),
            "wait" => self.given.push(Step::Wait(rest)),
            "after" => self.given.push(Step::After(rest.parse().expect("milliseconds"))),
            "run" => self.run.push(Step::Request(rest)),
            "tells" => self.tells.push(rest),
            "three" => self.tells_on_three.push(rest),
            "since" => self.is_new = true,
            "alone" => self.is_alone = true,
            "forgets" => self.forgets = true,
            "differs" => self.differs.push(Difference::default()),
            "differs7" => self.differs.push(Difference { version: Some(7), ..Difference::default() }),
            "differs8" => self.differs.push(Difference { version: Some(8), ..Difference::default() }),
            "appends" => self.differs.last_mut().expect("a reason comes first").appends.push(rest),
            _ => panic!("{line}"),
        }
    }

    /// What is propagated on so many cores.
    pub fn tells_on(&self, cores: u16) -> &[String] {
        if cores > 1 && !self.tells_on_three.is_empty() { &self.tells_on_three } else { &self.tells }
    }

    /// What a version of redis-server appends, and whether that differs.
    pub fn appended_by(&self, version: u8) -> (&[String], bool) {
        let known = self.differs.iter().find(|known| known.version.is_none_or(|only| only == version));
        known.map_or((&self.tells[..], false), |known| (&known.appends, true))
    }
}

/// The payload that stands for `<payload>`: a string of one byte, in a version that every server reads.
pub fn payload() -> Vec<u8> {
    let mut payload = vec![0, 1, b'x'];
    torc_rdb::payload::seal(&mut payload, 0, 9);
    payload
}

/// The arguments of a line.
pub fn request(line: &str) -> Words {
    let keys = key_of_each_core(CORES, "key");
    let line =
        (0..CORES).fold(line.to_owned(), |line, core| line.replace(&format!("@{core}"), &keys[usize::from(core)]));
    let mut request = words(&line);
    for word in &mut request {
        match &word[..] {
            b"<payload>" => *word = payload(),
            b"<libraries>" => *word = libraries(),
            _ => {}
        }
    }
    request
}

/// Whether commands are the expected ones, when the time was in this range. Letters of either case are alike.
pub fn fits(expected: &[String], found: &[Words], now_ms: &RangeInclusive<i64>) -> bool {
    expected.len() == found.len()
        && expected.iter().zip(found).all(|(line, found)| {
            let expected = request(line);
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| word_fits(expected, found, now_ms))
        })
}

fn word_fits(expected: &[u8], found: &[u8], now_ms: &RangeInclusive<i64>) -> bool {
    let expected_text = String::from_utf8_lossy(expected);
    if expected_text == "<any>" {
        return true;
    }
    let Some((span, tail)) = expected_text.strip_prefix("<+").and_then(|rest| rest.split_once('>')) else {
        return expected.eq_ignore_ascii_case(found);
    };
    let span: i64 = span.parse().expect("milliseconds");
    let found = String::from_utf8_lossy(found);
    let time = found.strip_suffix(tail).and_then(|time| time.parse::<i64>().ok());
    time.is_some_and(|time| now_ms.contains(&(time - span)))
}

/// Commands for a message.
pub fn shown(commands: &[Words]) -> String {
    let line = |words: &Words| words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
    commands.iter().map(|words| format!("\n    {}", line(words))).collect()
}
