//! The next request of a client: a command of the swarm, a transaction, a malformed one, or one on shared keys.

use torc_engine::command::{Command, Timeout};
use torc_engine::random::Random;
use torc_engine::session::ReplyMode;
use torc_resp::{Args, write_request};

use crate::compare::{Way, depends_on_open_order, way_of_command};
use crate::ledger::Judgement;
use crate::oracle::Oracle;
use crate::shared::Shared;
use crate::strict::flat;
use crate::swarm::{Swarm, pick, weighted};
use crate::values::Scope;

/// A request that is to be sent.
pub(crate) struct Made {
    pub bytes: Vec<u8>,
    pub judgement: Judgement,
    /// The answer, where it is not the oracle's.
    pub known: Option<Vec<u8>>,
}

/// Makes a client's next request.
pub(crate) fn next_request(
    swarm: &Swarm,
    letter: u8,
    now_ms: i64,
    oracle: &mut Oracle,
    shared: &mut Shared,
    random: &mut Random,
) -> Made {
    let once_in = |random: &mut Random, odds: u64| odds > 0 && random.below(odds) == 0;
    if once_in(random, swarm.malformed_odds) {
        return exact(malformed(random));
    }
    let session = oracle.session();
    let (queueing, silent, db) = (session.is_in_multi(), session.reply_mode() == ReplyMode::Off, session.db());
    // After a swallowed beginning, the rest of a request is read as requests of its own.
    let alone = !queueing && session.input_len() == 0;
    if silent && random.below(3) == 0 {
        return exact(encode(&["CLIENT", "REPLY", "ON"], random));
    }
    if queueing {
        match random.below(12) {
            0 => return exact(encode(&["DISCARD"], random)),
            1..=3 => return exact(encode(&["EXEC"], random)),
            4 if random.below(3) == 0 => return exact(encode(&["MULTI"], random)),
            _ => {}
        }
    } else if once_in(random, swarm.transaction_odds) {
        let name = ["MULTI", "EXEC", "DISCARD"][pick(random, &[0, 0, 0, 0, 0, 0, 1, 2]) as usize];
        return exact(encode(&[name], random));
    }
    if db == 0 && oracle.is_plain() && once_in(random, swarm.shared_odds) {
        let (request, bytes) = shared.request(random, letter);
        return Made { bytes, judgement: Judgement::Shared(request), known: Some(Vec::new()) };
    }
    let scope = Scope { letter, now_ms, swarm };
    let (name, arguments) = loop {
        let template = weighted(random, &swarm.commands);
        let arguments = template.request(&scope, random);
        let name = template.command.full_name;
        // Nobody else would end a wait. Answers of a transaction are compared byte for byte.
        let is_answered = queueing || !waits(template.command, &arguments);
        let is_exact = alone || way_of_command(name, &arguments) == Way::Exact;
        let is_own = scope.owns_keys_of(template.command, &arguments);
        if is_own && is_answered && is_exact && !depends_on_open_order(name, &arguments) {
            break (name, arguments);
        }
    };
    let judgement = Judgement::As(way_of_command(name, &arguments));
    Made { bytes: encode(&arguments, random), judgement, known: None }
}

/// Whether a request waits if nothing is there.
pub(crate) fn waits(command: &Command, request: &[Vec<u8>]) -> bool {
    let (bytes, spans) = flat(request);
    let args = Args::new(&bytes, &spans);
    let waits = |timeout: Result<Timeout, _>| timeout.is_ok_and(|timeout| timeout != Timeout::NoWait);
    command.row.blocking.is_some_and(|blocking| command.row.arity_fits(args.len()) && waits((blocking.timeout)(args)))
}

fn exact(bytes: Vec<u8>) -> Made {
    Made { bytes, judgement: Judgement::As(Way::Exact), known: None }
}

/// As an array, or at times as a line where that can say it.
fn encode(arguments: &[impl AsRef<[u8]>], random: &mut Random) -> Vec<u8> {
    let is_bare = |argument: &[u8]| !argument.is_empty() && argument.iter().all(|byte| byte.is_ascii_alphanumeric());
    let mut bytes = Vec::new();
    if random.below(10) == 0 && arguments.iter().all(|argument| is_bare(argument.as_ref())) {
        for argument in arguments {
            bytes.extend_from_slice(argument.as_ref());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(b"\r\n");
    } else {
        write_request(&mut bytes, arguments);
    }
    bytes
}

/// Unknown commands, wrong numbers of arguments, empty requests; less often what ends the connection, or a request
/// that swallows the next ones.
fn malformed(random: &mut Random) -> Vec<u8> {
    let mild: [&[u8]; 9] = [
        b"*0\r\n",
        b"*-1\r\n",
        b"\r\n",
        b"*1\r\n$6\r\nNOSUCH\r\n",
        b"NOSUCH with some arguments\r\n",
        b"*1\r\n$3\r\nGET\r\n",
        b"*2\r\n$6\r\nCLIENT\r\n$6\r\nNOSUCH\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"PING \"a quoted \\x41 word\"\r\n",
    ];
    let fatal: [&[u8]; 7] = [
        b"*x\r\n",
        b"*2\r\n$3\r\nGET\r\n:5\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$99999999999\r\n",
        b"*99999999999\r\n",
        b"GET \"open\r\n",
        b"*2\r\n$3\r\nGET\r\n$300\r\n",
    ];
    let list: &[&[u8]] = if random.below(6) == 0 { &fatal } else { &mild };
    list[random.below(list.len() as u64) as usize].to_vec()
}
