//! Several runs at once: each keeps its place, its keys and its random numbers; and those that are dropped leave nothing behind.

mod common;

use common::{SHA, Server};
use torc_lua::{Answer, Run, Start, Step};
use torc_resp::Protocol;

fn begin(server: &mut Server, script: &str, key: &[u8]) -> Run {
    let chunk = server.interpreter.compile("@user_script", script.as_bytes()).expect("a script");
    let run =
        server.interpreter.begin(chunk, Start { keys: &[key], args: &[key], sha: SHA, protocol: Protocol::Resp2 });
    server.interpreter.forget(chunk);
    run
}

#[test]
fn runs_that_take_turns_do_not_see_each_other() {
    let mut server = Server::new();
    let script = "
        local seen = {}
        math.randomseed(KEYS[1]:byte())
        for i = 1, 20 do
            redis.call('ping')
            seen[#seen + 1] = KEYS[1] .. ARGV[1] .. math.random(1000)
            table.sort({2, 1}, function(a, b) redis.call('ping') seen[#seen + 1] = KEYS[1] return a < b end)
            string.gsub('x', 'x', function() redis.pcall('nosuch') seen[#seen + 1] = ARGV[1] end)
            coroutine.wrap(function() redis.call('ping') seen[#seen + 1] = KEYS[1] end)()
            pcall(function() redis.call('nosuch') end)
        end
        return table.concat(seen, ' ')";
    let alone: Vec<String> = (0..5).map(|n| server.eval_with(script, &[&[b'a' + n]], &[&[b'a' + n]])).collect();
    let mut runs: Vec<_> = (0..5).map(|n| begin(&mut server, script, &[b'a' + n])).collect();
    let mut steps: Vec<_> = runs.iter_mut().map(|run| run.resume(&mut server.interpreter, Answer::Begin)).collect();
    while steps.iter().any(|step| *step != Step::Done) {
        for (run, step) in runs.iter_mut().zip(&mut steps) {
            if *step != Step::Done {
                *step = server.answer(run, *step);
            }
        }
        server.interpreter.collect_step();
    }
    for (run, alone) in runs.iter().zip(alone) {
        assert_eq!(String::from_utf8_lossy(run.reply()).trim_end().replace("\r\n", "|"), alone);
    }
}

#[test]
fn a_run_that_is_dropped_leaves_its_stack_usable() {
    let mut server = Server::new();
    let scripts = [
        "while true do pcall(redis.call, 'ping') end",
        "table.sort({3, 2, 1}, function() redis.call('ping') end)",
        "coroutine.wrap(function() while true do pcall(redis.call, 'ping') end end)()",
        "while true do end",
        "redis.log(1, 'x')",
    ];
    for round in 0..50 {
        let mut runs: Vec<_> = scripts.iter().map(|script| begin(&mut server, script, b"k")).collect();
        for run in runs.iter_mut().skip(round % 3) {
            run.resume(&mut server.interpreter, Answer::Begin);
        }
        drop(runs);
        assert_eq!(server.eval("return {KEYS[1], redis.call('ping')}"), "*2|$2|k1|+PONG");
    }
}

/// CVE-2026-23631: the state is not taken away while a script waits.
#[test]
fn a_run_may_outlive_its_interpreter() {
    let mut server = Server::new();
    let mut run = begin(&mut server, "redis.call('ping') return KEYS", b"k");
    assert!(matches!(run.resume(&mut server.interpreter, Answer::Begin), Step::Call { .. }));
    let begun = begin(&mut server, "return 1", b"k");
    drop(server);
    drop(begun);
    drop(run);
}

#[test]
fn a_script_that_is_forgotten_runs_to_its_end() {
    let mut server = Server::new();
    let mut run = begin(&mut server, "redis.call('ping') return function_of_text and 1 or 2", b"k");
    let mut step = run.resume(&mut server.interpreter, Answer::Begin);
    for _ in 0..1000 {
        server.interpreter.collect_step();
    }
    while step != Step::Done {
        step = server.answer(&mut run, step);
    }
    assert!(run.is_failed(), "the name is unknown");
}

#[test]
fn a_run_may_be_killed_before_it_begins() {
    let mut server = Server::new();
    let mut run = begin(&mut server, "return 1", b"k");
    let mut step = run.resume(&mut server.interpreter, Answer::Kill);
    while step != Step::Done {
        step = run.resume(&mut server.interpreter, Answer::Kill);
    }
    assert!(run.reply().starts_with(b"-ERR Script killed by user"), "{}", run.reply().escape_ascii());
}

#[test]
fn memory_does_not_grow_with_runs() {
    let mut server = Server::new();
    let script = "local t = {} for i = 1, 100 do t[i] = redis.call('echo', KEYS[1] .. i) end return t";
    for _ in 0..200 {
        server.eval(script);
    }
    let before = server.interpreter.used_bytes();
    for _ in 0..2000 {
        server.eval(script);
    }
    let after = server.interpreter.used_bytes();
    // The collector lets a small heap grow to four times of what is in use.
    assert!(after < 1_000_000, "{before} then {after}");
}

#[test]
fn many_runs_wait_at_once() {
    let mut server = Server::new();
    let mut runs: Vec<_> = (0..300).map(|_| begin(&mut server, "return redis.call('ping')", b"k")).collect();
    for run in &mut runs {
        assert!(matches!(run.resume(&mut server.interpreter, Answer::Begin), Step::Call { .. }));
    }
    for run in &mut runs {
        assert_eq!(run.resume(&mut server.interpreter, Answer::Reply(b"+PONG\r\n")), Step::Done);
        assert_eq!(run.reply(), b"+PONG\r\n");
    }
}

/// KEYS, ARGV, and the reply that shows them.
type Round<'a> = (&'a [&'a [u8]], &'a [&'a [u8]], &'a str);

/// Scripts whose KEYS are used again, and others, on one worker and on several at once, with fewer and more keys from run to run.
#[test]
fn each_run_sees_its_own_keys() {
    let mut server = Server::new();
    let begin = |server: &mut Server, script: &str, keys: &[&[u8]], args: &[&[u8]]| {
        let chunk = server.interpreter.compile("@user_script", script.as_bytes()).unwrap();
        server.interpreter.begin(chunk, Start { keys, args, sha: SHA, protocol: Protocol::Resp2 })
    };
    let reused = "redis.call('get', 'x') return {#KEYS, KEYS[1], KEYS[2], #ARGV, ARGV[1], tostring(KEYS[3])}";
    let made =
        "redis.call('get', 'x') local k, r = KEYS, redis return {#k, k[1], k[2], #ARGV, ARGV[1], tostring(k[3])}";
    let proxied =
        "redis.call('get', 'x') local r = redis return {#KEYS, KEYS[1], KEYS[2], #ARGV, ARGV[1], tostring(KEYS[3])}";
    let rounds: [Round; 3] = [
        (&[b"a", b"b", b"c"], &[b"1"], "*6|:3|$1|a|$1|b|:1|$1|1|$1|c"),
        (&[b"d", b"e"], &[b"2", b"3"], "*6|:2|$1|d|$1|e|:2|$1|2|$3|nil"),
        (&[b"f", b"g"], &[b"4"], "*6|:2|$1|f|$1|g|:1|$1|4|$3|nil"),
    ];
    for scripts in [[reused; 3], [reused, made, proxied], [proxied, reused, made], [made, proxied, reused]] {
        let mut runs: Vec<Run> = Vec::new();
        for (script, (keys, args, _)) in scripts.into_iter().zip(rounds) {
            let mut run = begin(&mut server, script, keys, args);
            assert!(matches!(run.resume(&mut server.interpreter, Answer::Begin), Step::Call { .. }));
            runs.push(run);
        }
        for (mut run, (.., expected)) in runs.into_iter().zip(rounds) {
            assert_eq!(run.resume(&mut server.interpreter, Answer::Reply(b"$-1\r\n")), Step::Done);
            let reply = String::from_utf8_lossy(run.reply()).trim_end().replace("\r\n", "|");
            assert_eq!(reply, expected, "{scripts:?}");
        }
    }
}
