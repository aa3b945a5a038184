//! The kinds of values that `big_values` and `big_moves` measure, and how one of them is built.

/// A kind of value and how the element with a number is added to `big`.
pub struct Type {
    pub name: &'static str,
    /// Elements in a value, of a million asked for.
    pub per_million: u64,
    pub add: fn(u64) -> Vec<Vec<u8>>,
    /// Commands on the whole that leave it as it is, or cut all of the copy `victim` off.
    #[allow(dead_code, reason = "`saving` has others")]
    pub whole: &'static [&'static str],
    #[allow(dead_code, reason = "`saving` has others")]
    pub cut: &'static [&'static str],
}

/// All kinds.
pub const TYPES: [Type; 12] = [
    Type {
        name: "list",
        per_million: 1_000_000,
        add: |n| request("RPUSH big", &[&name(n)]),
        whole: &["LLEN big"],
        cut: &["LTRIM victim 1 0"],
    },
    Type {
        name: "set",
        per_million: 1_000_000,
        add: |n| request("SADD big", &[&name(n)]),
        whole: &["SCARD big", "SRANDMEMBER big", "SPOP big"],
        cut: &[],
    },
    Type {
        name: "set of integers",
        per_million: 1_000_000,
        add: |n| request("SADD big", &[&scatter(n).to_string()]),
        whole: &["SCARD big"],
        cut: &[],
    },
    Type {
        name: "hash",
        per_million: 1_000_000,
        add: |n| request("HSET big", &[&name(n), "12345678"]),
        whole: &["HLEN big", "HRANDFIELD big"],
        cut: &[],
    },
    Type {
        name: "hash with field TTLs",
        per_million: 1_000_000,
        add: |n| {
            request(
                "HSETEX big EX",
                &[&(1_000_000 + scatter(n) % 1_000_000).to_string(), "FIELDS", "1", &name(n), "12345678"],
            )
        },
        whole: &["HLEN big", "HRANDFIELD big"],
        cut: &[],
    },
    Type {
        name: "sorted set of rising scores",
        per_million: 1_000_000,
        add: |n| request("ZADD big", &[&n.to_string(), &name(n)]),
        whole: &["ZCARD big", "ZRANDMEMBER big", "ZCOUNT big 5 5000000", "ZPOPMIN big", "ZPOPMAX big"],
        cut: &["ZREMRANGEBYRANK victim 0 -1"],
    },
    Type {
        name: "sorted set of random scores",
        per_million: 1_000_000,
        add: |n| request("ZADD big", &[&scatter(n).to_string(), &name(n)]),
        whole: &["ZCARD big"],
        cut: &["ZREMRANGEBYSCORE victim -inf +inf"],
    },
    Type {
        name: "stream",
        per_million: 1_000_000,
        add: |n| request("XADD big", &[&format!("{}-1", n + 1), "field", &name(n)]),
        whole: &["XLEN big", "XINFO STREAM big", "XTRIM big MAXLEN ~ 5000000000"],
        cut: &[
            "XTRIM victim MAXLEN 0",
            "XTRIM victim MAXLEN 50",
            "XTRIM victim MINID 18446744073709551615",
            "XTRIM victim MAXLEN ~ 3210 LIMIT 0",
            "XTRIM victim MAXLEN 0 DELREF",
            "XTRIM victim MAXLEN 0 ACKED",
            "XADD victim MAXLEN 0 * f v",
        ],
    },
    Type {
        name: "string by APPEND of 64 KiB",
        per_million: 819,
        add: |_| request("APPEND big", &[&"x".repeat(65_536)]),
        whole: &["STRLEN big", "GETRANGE big 5 10"],
        cut: &[],
    },
    Type {
        name: "string by SETRANGE far out",
        per_million: 1,
        add: |n| request("SETRANGE big", &[&((n + 1) * 53_687_091).to_string(), "x"]),
        whole: &["STRLEN big"],
        cut: &[],
    },
    Type {
        name: "list of 1 MiB elements",
        per_million: 51,
        add: |_| request("RPUSH big", &[&"x".repeat(1 << 20)]),
        whole: &[],
        cut: &[],
    },
    Type {
        name: "hash of 1 MiB values",
        per_million: 51,
        add: |n| request("HSET big", &[&name(n), &"x".repeat(1 << 20)]),
        whole: &[],
        cut: &[],
    },
];

/// Beginnings of names; nothing: all.
pub struct Selection(pub Option<String>);

impl Selection {
    /// Whether a name is selected.
    pub fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|list| list.split(',').any(|word| name.starts_with(word)))
    }
}

/// The words of `line` and more.
pub fn request(line: &str, more: &[&str]) -> Vec<Vec<u8>> {
    line.split(' ').chain(more.iter().copied()).map(|word| word.as_bytes().to_vec()).collect()
}

fn name(number: u64) -> String {
    format!("el-{number:013}")
}

/// A number that looks random, another one for each.
fn scatter(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}

/// CPU time of this thread.
pub fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes to the timespec, which lives across the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "Linux has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
