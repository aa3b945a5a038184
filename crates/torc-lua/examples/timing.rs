//! What a script costs beside its commands: nanoseconds per run, with replies that are always the same.
//!
//! `cargo run --release -p torc-lua --example timing`

use std::hint::black_box;
use std::time::Instant;

use torc_lua::{Answer, Budget, Interpreter, Options, Start, Step};
use torc_resp::Protocol;

const RUNS: u32 = 400_000;
const ROUNDS: u32 = 5;

const SCRIPTS: [(&str, &str); 6] = [
    ("return 1", "return 1"),
    ("get", "return redis.call('get', KEYS[1])"),
    (
        "get, incr, pexpire",
        "redis.call('get', KEYS[1]) redis.call('incr', KEYS[1]) return redis.call('pexpire', KEYS[1], ARGV[1])",
    ),
    ("ten gets", "for i = 1, 10 do redis.call('get', KEYS[1]) end return 1"),
    ("a table of five", "return {1, 2, 3, 'four', 'five'}"),
    ("an error caught", "return pcall(redis.call, 'fail')"),
];

fn main() {
    let mut interpreter = Interpreter::new(Options {
        budget: Budget::new(usize::MAX),
        version: "7.4.0",
        version_num: 0x0007_0400,
        server_name: "torc",
        seed: 1,
        has_deprecated: true,
    })
    .expect("an interpreter");
    let wanted = std::env::args().nth(1);
    for (name, source) in SCRIPTS.into_iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name)) {
        let chunk = interpreter.compile("@user_script", source.as_bytes()).expect("a script");
        let best = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                for _ in 0..RUNS {
                    let start =
                        Start { keys: &[b"key:123"], args: &[b"60000"], sha: &[b'a'; 40], protocol: Protocol::Resp2 };
                    let mut run = interpreter.begin(chunk, start);
                    let mut answer = Answer::Begin;
                    loop {
                        match run.resume(&mut interpreter, answer) {
                            Step::Call { .. } => answer = reply(run.call_args().name()),
                            Step::Done => break,
                            _ => answer = Answer::GoOn,
                        }
                    }
                    black_box(run.reply());
                }
                began.elapsed() / RUNS
            })
            .min()
            .expect("rounds");
        println!("{name:20} {:>6} ns a run, {} bytes of Lua", best.as_nanos(), interpreter.used_bytes());
    }
}

/// The reply of a command by its name alone.
fn reply(name: &[u8]) -> Answer<'static> {
    Answer::Reply(match name {
        b"get" => b"$5\r\nvalue\r\n",
        b"fail" => b"-ERR no\r\n",
        _ => b":1\r\n",
    })
}
