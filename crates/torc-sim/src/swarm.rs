//! What a run is made of: sizes, delays and weights, each drawn from the seed, so that runs differ in kind.

use torc_engine::command::Flags;
use torc_engine::random::Random;

use crate::grammar::{Template, chooses, names_keys, templates};
use crate::values::{kind_of_group, kinds};

/// One kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client makes requests.
    Request,
    /// Bytes of a client arrive.
    Bytes,
    /// A core resumes stalled sessions.
    Resume,
    /// A core hands out its messages.
    Flush,
    /// A message arrives.
    Message,
    /// A core sends the output of its sessions.
    Output,
    /// A client takes what its socket holds back.
    Take,
    /// A core does a slice of background work.
    Upkeep,
    /// A client closes its sending side.
    HalfClose,
    /// A client dies.
    Death,
}

/// The make-up of a run.
pub(crate) struct Swarm {
    pub cores: u16,
    pub clients: usize,
    pub phases: usize,
    pub steps_per_phase: usize,
    /// Requests that a client makes at once, at most.
    pub burst_max: u64,
    /// Bytes that arrive at once, at most.
    pub fragment_max: u64,
    pub value_len_max: u64,
    /// Hash tags of a client, and keys in each.
    pub tags: u64,
    pub keys: u64,
    /// Kinds of keys: what their names end with.
    pub kinds: Vec<&'static str>,
    /// Whether RESTORE may make keys that expire.
    pub expires: bool,
    /// Whether fields of hashes may expire within the run.
    pub fields_expire: bool,
    /// Each kind of step with its weight.
    pub steps: Vec<(Step, u64)>,
    /// Once in so many requests: an invalid one, a transaction, one on shared keys. 0: never.
    pub malformed_odds: u64,
    pub transaction_odds: u64,
    pub shared_odds: u64,
    /// Once in so many outputs the socket takes only a part.
    pub partial_odds: u64,
    /// The commands drawn, each with its weight.
    pub commands: Vec<(&'static Template, u64)>,
}

impl Swarm {
    /// Whether keys may be hashes, but for payloads of RESTORE.
    pub fn has_hashes(&self) -> bool {
        self.commands.iter().any(|(template, _)| ["hash", "generic"].contains(&template.command.row.group))
    }

    /// The make-up of the run of this seed.
    pub fn new(random: &mut Random) -> Self {
        // Deep pipelines of small requests, or few with large values; both at once would only be slow.
        let kind = random.below(100);
        let (burst_max, value_len_max) = match kind {
            0 => (20_000, 8),
            1..=4 => (6, 300_000),
            5..=20 => (8, 2000),
            _ => (pick(random, &[1, 3, 10, 60]), pick(random, &[4, 20, 64])),
        };
        let fragment_max = match kind {
            0 => 1_000_000,
            1..=4 => 100_000,
            _ => pick(random, &[3, 20, 200, 5000]),
        };
        // The deepest pipelines never wait for anything but what they are owed.
        let deep = kind == 0;
        let odds = |random: &mut Random, choices: &[u64]| if deep { 0 } else { pick(random, choices) };
        let kinds = if deep { vec![""] } else { kinds_drawn(random) };
        Swarm {
            cores: if deep { 4 } else { pick(random, &[1, 2, 2, 3, 3, 4, 5, 8, 16]) as u16 },
            clients: 1 + random.below(if deep { 2 } else { 8 }) as usize,
            phases: 1 + random.below(4) as usize,
            steps_per_phase: if deep { 60 } else { pick(random, &[40, 150, 500]) as usize },
            burst_max,
            fragment_max,
            value_len_max,
            tags: 1 + random.below(4),
            keys: 1 + random.below(4),
            steps: if deep { impatient_steps() } else { steps(random, fragment_max) },
            malformed_odds: odds(random, &[0, 20, 100]),
            transaction_odds: odds(random, &[0, 4, 12, 40]),
            shared_odds: odds(random, &[0, 3, 10]),
            partial_odds: pick(random, &[0, 3, 10]),
            commands: if deep { plain_commands() } else { commands(random, value_len_max, &kinds) },
            kinds,
            expires: true,
            fields_expire: true,
        }
    }
}

fn steps(random: &mut Random, fragment_max: u64) -> Vec<(Step, u64)> {
    let bytes_weight = if fragment_max < 100 { 60 } else { 20 };
    let rare = |random: &mut Random| u64::from(random.below(2) == 0);
    vec![
        (Step::Request, 1 + random.below(20)),
        (Step::Bytes, 10 + random.below(bytes_weight)),
        (Step::Resume, 1 + random.below(15)),
        (Step::Flush, 1 + random.below(40)),
        (Step::Message, 1 + random.below(60)),
        (Step::Output, 1 + random.below(20)),
        (Step::Take, 1 + random.below(10)),
        (Step::Upkeep, random.below(4)),
        (Step::HalfClose, rare(random)),
        (Step::Death, rare(random)),
    ]
}

/// Clients that go on sending while messages hardly move.
fn impatient_steps() -> Vec<(Step, u64)> {
    vec![
        (Step::Request, 20),
        (Step::Bytes, 20),
        (Step::Resume, 30),
        (Step::Flush, 2),
        (Step::Message, 1),
        (Step::Output, 10),
        (Step::Take, 2),
        (Step::Death, 1),
    ]
}

/// Kinds of keys for a run: few, so that commands meet, or all.
fn kinds_drawn(random: &mut Random) -> Vec<&'static str> {
    let all = kinds();
    let any = |random: &mut Random| all[random.below(all.len() as u64) as usize];
    match random.below(7) {
        0 | 1 => vec![""],
        2 | 3 => vec![any(random)],
        4 | 5 => vec![any(random), any(random)],
        _ => all,
    }
}

/// Whether a command works on one of these kinds of keys, or on all kinds.
pub(crate) fn suits(template: &Template, kinds: &[&str]) -> bool {
    kind_of_group(template.command.row.group).is_none_or(|kind| kinds.contains(&kind))
}

/// About two thirds of all commands, with weights that differ; never none that works on keys.
fn commands(random: &mut Random, value_len_max: u64, kinds: &[&str]) -> Vec<(&'static Template, u64)> {
    let mut drawn = Vec::new();
    let is_settled = |template: &&Template| suits(template, kinds) && !chooses(template.command);
    for template in templates().iter().filter(is_settled) {
        let name = template.command.full_name;
        let is_filler = template.command.row.flags.has(Flags::DENYOOM);
        // LCS is quadratic.
        let weight = match name {
            "lcs" if value_len_max > 64 => 0,
            "reset" | "quit" | "hello" | "auth" | "client|reply" | "select" => random.below(3),
            "set" | "get" | "mget" => 1 + random.below(40),
            _ if random.below(if is_filler { 6 } else { 3 }) == 0 => 0,
            _ if !names_keys(template.command) => 1 + random.below(3),
            _ if is_filler => 1 + random.below(40),
            _ => 1 + random.below(20),
        };
        if weight > 0 {
            drawn.push((template, weight));
        }
    }
    drawn
}

/// Commands on one key.
fn plain_commands() -> Vec<(&'static Template, u64)> {
    let plain =
        templates().iter().filter(|template| ["set", "get", "incr", "ttl"].contains(&template.command.full_name));
    plain.map(|template| (template, 1)).collect()
}

/// One of these numbers.
pub(crate) fn pick(random: &mut Random, choices: &[u64]) -> u64 {
    choices[random.below(choices.len() as u64) as usize]
}

/// One of these by weight; the sum of the weights must not be 0.
pub(crate) fn weighted<T: Copy>(random: &mut Random, choices: &[(T, u64)]) -> T {
    let total = choices.iter().map(|(_, weight)| weight).sum();
    let mut place = random.below(total);
    for &(choice, weight) in choices {
        if place < weight {
            return choice;
        }
        place -= weight;
    }
    unreachable!("the place is below the sum of the weights")
}
