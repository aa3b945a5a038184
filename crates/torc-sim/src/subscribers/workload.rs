//! What clients ask for: drawn anew for each run, with names of every home.

use std::collections::BTreeSet;

use torc_engine::random::Random;
use torc_engine::route::SlotMap;

use super::history::{Kind, Topic};
use crate::swarm::{pick, weighted};

/// Lists whose events are judged.
const LISTS: [&str; 3] = ["l0", "l1", "l2"];

/// The writes that make a list longer by one, each with its event. LINSERT finds nothing to insert at in a list that is not there.
const WRITES: [(&str, &str); 3] = [("RPUSH", "rpush"), ("LPUSH", "lpush"), ("LINSERT", "linsert")];

/// A wish of a client, before it is put into words.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// `topics`: none are all of the kind.
    Change {
        added: bool,
        kind: Kind,
        topics: Vec<Topic>,
    },
    Publish {
        is_shard: bool,
        channel: String,
    },
    /// It sets its own key, and says so.
    Announce {
        channel: String,
    },
    Write {
        key: &'static str,
        command: &'static str,
        event: &'static str,
    },
    /// It reads these keys, or has them in its cache.
    Look {
        keys: Vec<String>,
    },
    Track(Mode),
    Untrack,
    Multi(Vec<Wish>),
    Reset,
    Hello,
}

/// CLIENT TRACKING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    pub kind: ModeKind,
    pub no_loop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModeKind {
    Default,
    OptIn,
    OptOut,
    /// Of the lists, which share a prefix.
    Broadcast,
}

/// One kind of wish.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Subscribe,
    Unsubscribe,
    Publish,
    Announce,
    Write,
    Look,
    Track,
    Multi,
    Reset,
    Hello,
}

/// The make-up of a run.
pub(crate) struct Workload {
    names: [Vec<String>; 3],
    choices: Vec<(Choice, u64)>,
}

impl Workload {
    pub fn new(cores: u16, random: &mut Random) -> Self {
        let slots = SlotMap::even(cores);
        let owned =
            |core: u16| (0..).map(|number| format!("c{number}")).find(|name| slots.owner(name.as_bytes()) == core);
        let mut channels: Vec<String> = (0..cores).filter_map(owned).collect();
        let shard = channels.clone();
        channels.push("__keyevent@0__:x".into());
        channels.push(format!("__keyspace@0__:{}", LISTS[0]));
        channels.push(format!("__keyspace@0__:{}", LISTS[1]));
        channels.push("__keyevent@0__:rpush".into());
        let patterns = ["c*", "*", "__keyspace@0__:*", "__keyevent@0__:*", "__key*", "c1*"].map(str::to_owned).to_vec();
        let choices = vec![
            (Choice::Subscribe, 2 + random.below(8)),
            (Choice::Unsubscribe, 1 + random.below(6)),
            (Choice::Publish, 2 + random.below(12)),
            (Choice::Announce, random.below(8)),
            (Choice::Write, random.below(10)),
            (Choice::Look, random.below(45)),
            (Choice::Track, 1 + random.below(6)),
            (Choice::Multi, random.below(10)),
            (Choice::Reset, random.below(2)),
            (Choice::Hello, 1),
        ];
        Workload { names: [channels, patterns, shard], choices }
    }

    /// Channels and shard channels that clients publish on.
    pub fn published(&self) -> impl Iterator<Item = (bool, &str)> {
        let is_event = |name: &&String| !name.starts_with("__keyspace") && !name.ends_with(":rpush");
        let channels = self.names[0].iter().filter(is_event).map(|name| (false, &name[..]));
        channels.chain(self.names[2].iter().map(|name| (true, &name[..])))
    }

    /// What a client wishes for that has subscribed to `topics`. Under RESP2 that leaves it little.
    pub fn next(&self, topics: &BTreeSet<Topic>, resp3: bool, random: &mut Random) -> Wish {
        loop {
            let choice = weighted(random, &self.choices);
            let is_fit = match choice {
                Choice::Subscribe | Choice::Unsubscribe | Choice::Reset => true,
                Choice::Hello => !resp3 && topics.is_empty(),
                _ => resp3 || topics.is_empty(),
            };
            // Who has come to so little ends most of its subscriptions some time.
            if !is_fit {
                continue;
            }
            return match choice {
                Choice::Subscribe => self.change(true, random),
                Choice::Unsubscribe => self.change(false, random),
                Choice::Multi => Wish::Multi((0..1 + random.below(4)).map(|_| self.queued(resp3, random)).collect()),
                Choice::Reset => Wish::Reset,
                Choice::Hello => Wish::Hello,
                Choice::Track if !resp3 => continue,
                Choice::Track if random.below(5) == 0 => Wish::Untrack,
                Choice::Track => Wish::Track(any_mode(random)),
                choice => self.plain(choice, random),
            };
        }
    }

    fn queued(&self, resp3: bool, random: &mut Random) -> Wish {
        match random.below(if resp3 { 14 } else { 7 }) {
            0 | 1 => self.plain(Choice::Publish, random),
            2 => self.plain(Choice::Announce, random),
            3 | 4 => self.plain(Choice::Write, random),
            5 | 6 => self.plain(Choice::Look, random),
            added => loop {
                // How many ends of all there are is not known before it runs.
                let change = self.change(added % 2 == 1, random);
                if !matches!(&change, Wish::Change { topics, .. } if topics.is_empty()) {
                    return change;
                }
            },
        }
    }

    fn plain(&self, choice: Choice, random: &mut Random) -> Wish {
        let published: Vec<(bool, &str)> = self.published().collect();
        let (is_shard, channel) = published[random.below(published.len() as u64) as usize];
        match choice {
            Choice::Announce => {
                let channel = if is_shard { &self.names[0][0] } else { channel };
                Wish::Announce { channel: channel.to_owned() }
            }
            Choice::Write => {
                let (command, event) = WRITES[random.below(3) as usize];
                Wish::Write { key: LISTS[random.below(3) as usize], command, event }
            }
            Choice::Look if random.below(2) == 0 => Wish::Look { keys: vec![LISTS[random.below(3) as usize].into()] },
            // Those that clients announce, or would.
            Choice::Look => {
                Wish::Look { keys: (0..1 + random.below(4)).map(|_| format!("n{}", random.below(8))).collect() }
            }
            _ => Wish::Publish { is_shard, channel: channel.to_owned() },
        }
    }

    fn change(&self, added: bool, random: &mut Random) -> Wish {
        let kind = [Kind::Channel, Kind::Channel, Kind::Pattern, Kind::Shard][random.below(4) as usize];
        let names = &self.names[kind as usize];
        let number = if !added && random.below(4) == 0 { 0 } else { pick(random, &[1, 1, 2, 3]) };
        let any = |_| Topic::new(kind, &names[random.below(names.len() as u64) as usize]);
        Wish::Change { added, kind, topics: (0..number).map(any).collect() }
    }
}

fn any_mode(random: &mut Random) -> Mode {
    let kinds = [ModeKind::Default, ModeKind::Default, ModeKind::OptIn, ModeKind::OptOut, ModeKind::Broadcast];
    Mode { kind: kinds[random.below(5) as usize], no_loop: random.below(3) == 0 }
}
