//! A server in a few lines, for scripts to call: strings, and replies of every kind.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::collections::HashMap;

use torc_lua::{Answer, Budget, Interpreter, Options, REPL_ALL, Run, Start, Step};
use torc_resp::{Args, Protocol};

/// The digest that texts of errors name.
pub const SHA: &[u8; 40] = b"0123456789012345678901234567890123456789";

/// An interpreter and what its scripts call.
pub struct Server {
    pub interpreter: Interpreter,
    pub values: HashMap<Vec<u8>, Vec<u8>>,
    /// What has been logged.
    pub logged: Vec<(u8, String)>,
    /// How often a script has paused.
    pub pauses: usize,
    /// A script is killed when it has paused so often.
    pub pauses_max: usize,
    /// The protocol of the client.
    pub protocol: Protocol,
    /// What the last call was to propagate.
    pub replication: u8,
}

impl Server {
    pub fn new() -> Self {
        Self::with_memory(usize::MAX)
    }

    pub fn with_memory(memory_max_bytes: usize) -> Self {
        let interpreter = Interpreter::new(Options {
            budget: Budget::new(memory_max_bytes),
            version: "7.4.0",
            version_num: 0x0007_0400,
            server_name: "torc",
            seed: 1,
            has_deprecated: true,
        });
        Self {
            interpreter: interpreter.expect("there is memory for an interpreter"),
            values: HashMap::from([(b"str".to_vec(), b"abc".to_vec())]),
            logged: Vec::new(),
            pauses: 0,
            pauses_max: usize::MAX,
            protocol: Protocol::Resp2,
            replication: REPL_ALL,
        }
    }

    /// The reply of a script without keys, as text without its last line end.
    pub fn eval(&mut self, script: &str) -> String {
        self.eval_with(script, &[b"k1"], &[b"a1"])
    }

    pub fn eval_with(&mut self, script: &str, keys: &[&[u8]], args: &[&[u8]]) -> String {
        let chunk = match self.interpreter.compile("@user_script", script.as_bytes()) {
            Ok(chunk) => chunk,
            Err(message) => {
                return format!("-ERR Error compiling script (new function): {}", String::from_utf8_lossy(&message));
            }
        };
        let run = self.interpreter.begin(chunk, Start { keys, args, sha: SHA, protocol: self.protocol });
        self.interpreter.forget(chunk);
        self.drive(run)
    }

    /// Drives a run to its end.
    pub fn drive(&mut self, mut run: Run) -> String {
        self.drive_to_end(&mut run);
        let reply = String::from_utf8_lossy(run.reply()).into_owned();
        reply
            .strip_suffix("\r\n")
            .unwrap_or(&reply)
            .replace(std::str::from_utf8(SHA).unwrap(), "<sha>")
            .replace("\r\n", "|")
    }

    pub fn drive_to_end(&mut self, run: &mut Run) {
        let mut step = run.resume(&mut self.interpreter, Answer::Begin);
        while step != Step::Done {
            step = self.answer(run, step);
        }
    }

    /// Answers one step.
    pub fn answer(&mut self, run: &mut Run, step: Step) -> Step {
        let mut reply = Vec::new();
        let answer = match step {
            Step::Call { protocol, replication } => {
                self.replication = replication;
                self.run(run.call_args(), protocol, &mut reply);
                Answer::Reply(&reply)
            }
            Step::AclCheck => match run.call_args().name() {
                b"get" => Answer::Bool(true),
                b"set" => Answer::Bool(false),
                _ => Answer::UnknownCommand,
            },
            Step::Log { level } => {
                self.logged.push((level, String::from_utf8_lossy(run.message()).into_owned()));
                Answer::GoOn
            }
            Step::Pause => {
                self.pauses += 1;
                if self.pauses >= self.pauses_max { Answer::Kill } else { Answer::GoOn }
            }
            Step::Done => unreachable!(),
        };
        run.resume(&mut self.interpreter, answer)
    }

    /// Runs a command.
    fn run(&mut self, args: Args<'_>, protocol: Protocol, out: &mut Vec<u8>) {
        assert!(args.encoded().is_some(), "the words of a call are a request");
        let resp3 = protocol == Protocol::Resp3;
        let bulk = |out: &mut Vec<u8>, value: &[u8]| {
            out.extend(format!("${}\r\n", value.len()).as_bytes());
            out.extend(value);
            out.extend(b"\r\n");
        };
        match (args.name(), args.len()) {
            (b"ping", 1) => out.extend(b"+PONG\r\n"),
            (b"echo", 2) => bulk(out, args.get(1)),
            // The argument is the reply.
            (b"raw", 2) => out.extend(args.get(1)),
            (b"get", 2) => match self.values.get(args.get(1)) {
                Some(value) => bulk(out, value),
                None => out.extend(if resp3 { &b"_\r\n"[..] } else { b"$-1\r\n" }),
            },
            (b"set", 3) => {
                self.values.insert(args.get(1).to_vec(), args.get(2).to_vec());
                out.extend(b"+OK\r\n");
            }
            (b"incr", 2) => {
                let value = self.values.get(args.get(1)).map_or("0", |value| std::str::from_utf8(value).unwrap());
                match value.parse::<i64>() {
                    Ok(value) => {
                        self.values.insert(args.get(1).to_vec(), (value + 1).to_string().into_bytes());
                        out.extend(format!(":{}\r\n", value + 1).as_bytes());
                    }
                    Err(_) => out.extend(b"-ERR value is not an integer or out of range\r\n"),
                }
            }
            (b"lrange", _) => {
                out.extend(b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
            }
            (b"protocol", 1) => out.extend(if resp3 { b":3\r\n" } else { b":2\r\n" }),
            (b"get" | b"set" | b"incr", _) => {
                out.extend(b"-ERR Wrong number of args calling Redis command from script\r\n")
            }
            _ => out.extend(b"-ERR Unknown Redis command called from script\r\n"),
        }
    }

    /// Loads a library: the names of its functions, or the error.
    pub fn load(&mut self, source: &str) -> Result<Vec<torc_lua::Function>, String> {
        let start = Start { keys: &[], args: &[], sha: b"", protocol: Protocol::Resp2 };
        let mut run = self
            .interpreter
            .begin_load(source.as_bytes(), start)
            .map_err(|message| format!("Error compiling function: {}", String::from_utf8_lossy(&message)))?;
        self.drive_to_end(&mut run);
        run.functions().map_err(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// Calls a function.
    pub fn fcall(&mut self, function: &torc_lua::Function, keys: &[&[u8]], args: &[&[u8]]) -> String {
        let start = Start { keys, args, sha: &function.name, protocol: self.protocol };
        let run = self.interpreter.begin_function(function.callback, start);
        self.drive(run)
    }
}
