//! Redis's glob patterns, as KEYS, SCAN, CONFIG GET and PSUBSCRIBE use them.
//!
//! A pattern is a row of items, each of which matches exactly one byte, with stars between them:
//!
//! ```text
//! ?        any byte
//! [abc]    one of these; [^abc] none of these; [a-z] a range, whichever way round
//! \x       the byte x, also inside a class
//! *        any run of bytes
//! ```
//!
//! Because an item always takes exactly one byte, only the last star ever needs to be retried: giving an
//! earlier star more cannot help once the items after it have matched as early as they can. So the matcher
//! keeps one place to go back to, and a hostile pattern costs at most pattern length times text length,
//! where a recursive matcher can be made to run for hours.
//!
//! Four habits of Redis's are kept on purpose: a text matches nothing that takes more than [`STARS_MAX`] stars; the empty text matches only the empty pattern (not `*`); a
//! class without its `]` ends with the pattern; and the upper end of a range may be `]`.

/// Whether bytes are compared as they are, or ASCII letters without regard to their case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `a` and `A` are different.
    Sensitive,
    /// `a` and `A` are the same.
    Insensitive,
}

/// As many runs of stars as a match may use before the last one. Redis recurses for each and has to stop somewhere.
const STARS_MAX: usize = 1000;

/// Whether the whole of `text` matches `pattern`. Takes at most pattern length times text length steps.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern_at, mut text_at) = (0, 0);
    // Where to resume after a mismatch: behind the last star, one byte further into the text.
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    while text_at < text.len() {
        if pattern.get(pattern_at) == Some(&b'*') {
            pattern_at += 1;
            if pattern_at == pattern.len() {
                return true;
            }
            // Stars in a row are one.
            stars += usize::from(pattern[pattern_at] != b'*');
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((pattern_at, text_at));
            continue;
        }
        if let Some(next_at) = item_end_if_match(pattern, pattern_at, text[text_at], case) {
            pattern_at = next_at;
            text_at += 1;
            continue;
        }
        let Some((star_end, star_text_at)) = retry else {
            return false;
        };
        retry = Some((star_end, star_text_at + 1));
        (pattern_at, text_at) = (star_end, star_text_at + 1);
    }
    pattern[pattern_at..].iter().all(|&byte| byte == b'*')
}

/// Whether `pattern` holds a character that makes it more than a plain name, by Redis's rule for CONFIG GET.
pub fn has_wildcard(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// If the item of `pattern` that starts at `at` matches `byte`: the place behind that item.
fn item_end_if_match(pattern: &[u8], at: usize, byte: u8, case: Case) -> Option<usize> {
    let (end, is_match) = match *pattern.get(at)? {
        b'?' => (at + 1, true),
        b'[' => class(pattern, at + 1, byte, case),
        b'\\' if at + 1 < pattern.len() => (at + 2, same(pattern[at + 1], byte, case)),
        literal => (at + 1, same(literal, byte, case)),
    };
    is_match.then_some(end)
}

/// Reads the class whose first byte after `[` is at `at`: where it ends, and whether `byte` belongs to it.
fn class(pattern: &[u8], mut at: usize, byte: u8, case: Case) -> (usize, bool) {
    let is_negated = pattern.get(at) == Some(&b'^');
    if is_negated {
        at += 1;
    }
    let mut found = false;
    loop {
        match &pattern[at..] {
            [] => return (at, found != is_negated),
            [b'\\', escaped, ..] => {
                found |= same(*escaped, byte, case);
                at += 2;
            }
            [b']', ..] => return (at + 1, found != is_negated),
            [start, b'-', end, ..] => {
                let (start, end) = (fold(*start, case), fold(*end, case));
                found |= (start.min(end)..=start.max(end)).contains(&fold(byte, case));
                at += 3;
            }
            [literal, ..] => {
                found |= same(*literal, byte, case);
                at += 1;
            }
        }
    }
}

fn same(left: u8, right: u8, case: Case) -> bool {
    fold(left, case) == fold(right, case)
}

fn fold(byte: u8, case: Case) -> u8 {
    match case {
        Case::Sensitive => byte,
        Case::Insensitive => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_uses_a_limited_number_of_stars() {
        let many = |count: usize| ("*a".repeat(count), "a".repeat(count));
        for (count, expected) in [(1000, true), (1001, false), (50_000, false)] {
            let (pattern, text) = many(count);
            assert_eq!(sensitive(&pattern, &text), expected, "{count}");
        }
        assert!(sensitive(&("*".repeat(5000) + "a"), "bba"), "stars in a row are one");
        assert!(sensitive(&("*a".repeat(1000) + "*"), &"a".repeat(1000)), "the last star takes all");
    }

    fn sensitive(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive)
    }

    #[test]
    fn literals_and_question_marks() {
        assert!(sensitive("abc", "abc"));
        assert!(!sensitive("abc", "abd"));
        assert!(!sensitive("abc", "ab"));
        assert!(!sensitive("ab", "abc"));
        assert!(sensitive("a?c", "abc"));
        assert!(!sensitive("a?c", "ac"));
        assert!(!sensitive("abc", "ABC"));
        assert!(matches(b"aBc", b"AbC", Case::Insensitive));
    }

    #[test]
    fn stars() {
        assert!(sensitive("*", "abc"));
        assert!(sensitive("a*", "a"));
        assert!(sensitive("a**", "a"));
        assert!(sensitive("*c", "abc"));
        assert!(sensitive("a*c*e", "abcde"));
        assert!(!sensitive("a*c*e", "abcdef"));
        assert!(sensitive("*ab", "aab"));
        assert!(sensitive("*a*ab*", "xaxaab"));
    }

    #[test]
    fn the_empty_text_matches_only_the_empty_pattern() {
        assert!(sensitive("", ""));
        assert!(!sensitive("*", ""));
        assert!(!sensitive("**", ""));
        assert!(!sensitive("", "a"));
    }

    #[test]
    fn classes() {
        assert!(sensitive("h[ae]llo", "hello"));
        assert!(!sensitive("h[ae]llo", "hillo"));
        assert!(sensitive("h[^e]llo", "hallo"));
        assert!(!sensitive("h[^e]llo", "hello"));
        assert!(sensitive("[a-c]", "b"));
        assert!(sensitive("[c-a]", "b"), "a range may be written backwards");
        assert!(!sensitive("[a-c]", "d"));
        assert!(matches(b"[A-C]", b"b", Case::Insensitive));
        assert!(!sensitive("[A-C]", "b"));
        assert!(sensitive("[\\]]", "]"));
        assert!(sensitive("[\\-]", "-"));
        assert!(!sensitive("[]", "a"), "an empty class matches nothing");
        assert!(sensitive("[^]", "a"), "an empty negated class matches anything");
    }

    #[test]
    fn classes_without_an_end() {
        assert!(!sensitive("[", "["));
        assert!(sensitive("[^", "x"));
        assert!(sensitive("[abc", "b"));
        assert!(sensitive("[a-", "-"));
        assert!(sensitive("[\\", "\\"));
        assert!(sensitive("[a-]", "_"), "']' may be the upper end of a range");
        assert!(sensitive("h[a-]", "h]"));
    }

    #[test]
    fn escapes() {
        assert!(sensitive("a\\*c", "a*c"));
        assert!(!sensitive("a\\*c", "abc"));
        assert!(sensitive("a\\\\c", "a\\c"));
        assert!(sensitive("a\\", "a\\"), "a last backslash stands for itself");
        assert!(sensitive("\\[a", "[a"));
    }

    #[test]
    fn bytes_that_are_no_text() {
        assert!(matches(b"\xff?\x00", b"\xff\xfe\x00", Case::Sensitive));
        assert!(matches(b"[\x80-\xff]", b"\xc3", Case::Sensitive));
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let text = vec![b'a'; 20_000];
        let mut pattern = b"a*".repeat(2_000);
        pattern.push(b'b');
        assert!(!matches(&pattern, &text, Case::Sensitive));
        let mut classes = b"*[a-b]".repeat(1_000);
        classes.push(b'c');
        assert!(!matches(&classes, &text, Case::Insensitive));
    }

    #[test]
    fn wildcards_are_recognised() {
        assert!(has_wildcard(b"max*"));
        assert!(has_wildcard(b"h[z"));
        assert!(!has_wildcard(b"maxclients"));
    }
}
