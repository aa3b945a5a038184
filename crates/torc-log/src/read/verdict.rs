//! What is done with a file that does not end in a whole record: loaded as far as it is whole, or refused.
//!
//! | end | last file | any other |
//! |---|---|---|
//! | whole | loaded | loaded |
//! | torn | loaded and cut with `aof-load-truncated yes` | refused |
//! | zeros, or corrupt | loaded and cut if the rest is shorter than `aof-load-corrupt-tail-max-size` | refused |
//!
//! The rules are those of Redis 7.2 and, for the last row, 8.4. So are the texts, but for those of a corrupt tail that is
//! cut: they follow the ones of 7.2. Unlike Redis, which truncates the file in place, nothing is lost: the verdict only
//! says where to cut, and the log sets aside what it cuts off.

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a whole record.
    Whole,
    /// In the middle of a record or of a transaction.
    Torn {
        /// The last whole record ends here.
        at: u64,
    },
    /// With zeros, as filesystems leave them where a machine has stopped.
    Zeros {
        /// The last whole record ends here.
        at: u64,
        /// From there to the end of the file. The first of them may be of a torn record.
        bytes: u64,
    },
    /// With something else.
    Corrupt {
        /// The last whole record ends here.
        at: u64,
        /// What is wrong behind it.
        what: &'static str,
    },
}

/// What an operator allows to be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadPolicy {
    /// `aof-load-truncated`.
    pub load_truncated: bool,
    /// `aof-load-corrupt-tail-max-size` in bytes; 0: none.
    pub corrupt_tail_bytes_max: u64,
}

impl Default for LoadPolicy {
    fn default() -> Self {
        LoadPolicy { load_truncated: true, corrupt_tail_bytes_max: 0 }
    }
}

/// What is to be done with the file. The lines are for the log of the server, as warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All of it has been loaded.
    Whole,
    /// It counts up to this offset, and is to be cut there before anything is appended.
    CutAt {
        /// Bytes that count.
        offset: u64,
        /// What is to be said.
        lines: Vec<String>,
    },
    /// The server must not start.
    Refused {
        /// What is to be said.
        lines: Vec<String>,
    },
}

/// Decides what becomes of a file that ends so.
///
/// `bytes` is its length; `is_last`: no other file of the manifest is loaded after it.
pub fn judge(file: &str, end: End, bytes: u64, is_last: bool, policy: &LoadPolicy) -> Verdict {
    let (at, is_torn) = match end {
        End::Whole => return Verdict::Whole,
        End::Torn { at } => (at, true),
        End::Zeros { at, .. } | End::Corrupt { at, .. } => (at, false),
    };
    assert!(at <= bytes, "a record does not end behind its file");
    let is_short = bytes - at < policy.corrupt_tail_bytes_max;
    let may_cut = if is_torn { policy.load_truncated } else { is_short };
    if !may_cut {
        return Verdict::Refused { lines: vec![refusal(file, is_torn)] };
    }
    let (what, setting) = match is_torn {
        true => ("short read", "aof-load-truncated"),
        false => ("bad file format", "aof-load-corrupt-tail-max-size"),
    };
    let mut lines = vec![
        format!("!!! Warning: {what} while loading the AOF file {file}!!!"),
        format!("!!! Truncating the AOF {file} at offset {at} !!!"),
    ];
    if !is_last {
        lines.truncate(1);
        lines.push("Fatal error: the truncated file is not the last file".to_owned());
        return Verdict::Refused { lines };
    }
    lines.push(format!("AOF {file} loaded anyway because {setting} is enabled"));
    Verdict::CutAt { offset: at, lines }
}

fn refusal(file: &str, is_torn: bool) -> String {
    if is_torn {
        format!(
            "Unexpected end of file reading the append only file {file}. You can: 1) Make a backup of your AOF file, \
             then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the \
             'aof-load-truncated' configuration option to yes and restart the server."
        )
    } else {
        format!(
            "Bad file format reading the append only file {file}: make a backup of your AOF file, then use \
             ./redis-check-aof --fix <filename.manifest>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_decide_as_in_redis() {
        let torn = End::Torn { at: 10 };
        let zeros = End::Zeros { at: 10, bytes: 5 };
        let corrupt = End::Corrupt { at: 10, what: "x" };
        let policy = |load_truncated, corrupt_tail_bytes_max| LoadPolicy { load_truncated, corrupt_tail_bytes_max };
        let outcome = |end, is_last, policy: LoadPolicy| match judge("a", end, 15, is_last, &policy) {
            Verdict::Whole => "whole".to_owned(),
            Verdict::CutAt { offset, lines } => format!("cut at {offset}: {}", lines[2]),
            Verdict::Refused { lines } => lines.last().unwrap().split(['.', ':']).next().unwrap().to_owned(),
        };
        let unexpected = "Unexpected end of file reading the append only file a";
        let bad = "Bad file format reading the append only file a";
        assert_eq!(outcome(End::Whole, false, policy(false, 0)), "whole");
        let loaded = "cut at 10: AOF a loaded anyway because aof-load-truncated is enabled";
        assert_eq!(outcome(torn, true, policy(true, 0)), loaded);
        assert_eq!(outcome(torn, true, policy(false, 99)), unexpected);
        let fatal = judge("a", torn, 15, false, &policy(true, 0));
        let Verdict::Refused { lines } = fatal else { panic!("{fatal:?}") };
        assert_eq!(lines[1], "Fatal error: the truncated file is not the last file");
        for end in [zeros, corrupt] {
            assert_eq!(outcome(end, true, policy(true, 5)), bad);
            let loaded = "cut at 10: AOF a loaded anyway because aof-load-corrupt-tail-max-size is enabled";
            assert_eq!(outcome(end, true, policy(false, 6)), loaded);
        }
    }
}
