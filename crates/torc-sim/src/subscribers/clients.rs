//! The clients of a run: they put wishes into words, send them in pieces, and take apart what comes back.
//!
//! ```text
//!   wish --words--> outbox --a fragment--> engine --output--> received --message, confirmation, reply--> history
//!     +--> asked: what is owed, in order ---------------------------^
//!                                              invalidation --> cache <--reply to a look
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use torc_engine::ConnectionId;
use torc_engine::route::CoreId;
use torc_resp::reader::{self, Elements};
use torc_resp::write_request;

use super::history::{At, History, Item, Kind, NEVER, Publish, Read, Set, Stream, Topic, Write, payload_of};
use super::workload::{Mode, ModeKind, Wish};
use crate::strict::reply_end;
use crate::trace::{note, shown};

/// A request, or one of those that a transaction has queued.
#[derive(Debug)]
pub(super) enum Ask {
    /// Its answer is known.
    Plain(&'static [u8]),
    /// So many confirmations are left.
    Change {
        added: bool,
        topics: Vec<Topic>,
        left: usize,
    },
    Publish(usize),
    Write(usize),
    Read(usize),
    Set(String, u64),
    /// `cache`: the cache that takes what it finds; caches are counted.
    Look {
        keys: Vec<String>,
        cache: Option<u64>,
    },
    Reset,
    Hello,
    Exec(Vec<Ask>),
}

/// A request that is not answered.
pub(super) struct Asked {
    ask: Ask,
    /// Where its bytes begin in all that the client has made.
    begin: usize,
    sent_at: At,
}

/// A client and its connection.
pub(super) struct Client {
    pub core: CoreId,
    pub id: ConnectionId,
    /// Its stream in the history.
    pub number: usize,
    pub outbox: Vec<u8>,
    /// Bytes made, and those of them that have arrived.
    made: usize,
    pub delivered: usize,
    pub asked: VecDeque<Asked>,
    pub received: Vec<u8>,
    /// What holds behind all that it has asked for.
    pub resp3: bool,
    pub topics: BTreeSet<Topic>,
    /// How it tracks what it has read.
    tracking: Option<Mode>,
    /// What it has read, and was not told of since; and how many caches it had before.
    pub cache: BTreeMap<String, u64>,
    caches: u64,
    /// What its own key holds.
    announced: u64,
    /// Announcements that it has received and is to verify: the key, and what it holds at least.
    pub to_read: Vec<(String, u64)>,
}

impl Client {
    pub fn new(core: CoreId, id: ConnectionId, resp3: bool, history: &mut History) -> Self {
        history.streams.push(Stream { items: Vec::new(), died_at: NEVER });
        Client {
            core,
            id,
            number: history.streams.len() - 1,
            outbox: Vec::new(),
            made: 0,
            delivered: 0,
            asked: VecDeque::new(),
            received: Vec::new(),
            resp3,
            topics: BTreeSet::new(),
            tracking: None,
            cache: BTreeMap::new(),
            caches: 0,
            announced: 0,
            to_read: Vec::new(),
        }
    }

    /// Whether it may ask for anything.
    pub fn is_free(&self) -> bool {
        self.resp3 || self.topics.is_empty()
    }

    /// Puts a wish into words.
    pub fn wish(&mut self, wish: Wish, history: &mut History) {
        if let Wish::Multi(wishes) = wish {
            let notes_reads = self.choose_caching(history.now);
            self.ask(Ask::Plain(b"+OK\r\n"), &["MULTI"]);
            let mut queued = Vec::new();
            for wish in wishes {
                for (ask, words) in self.words(wish, notes_reads, history) {
                    self.ask(Ask::Plain(b"+QUEUED\r\n"), &words);
                    queued.push(ask);
                }
            }
            return self.ask(Ask::Exec(queued), &["EXEC"]);
        }
        let looks = matches!(&wish, Wish::Look { keys } if keys.iter().any(|key| !self.cache.contains_key(key)));
        let notes_reads = looks && self.choose_caching(history.now);
        for (ask, words) in self.words(wish, notes_reads, history) {
            self.ask(ask, &words);
        }
    }

    /// Whether what it reads next is noted; where that is to be said, by CLIENT CACHING.
    fn choose_caching(&mut self, chance: u64) -> bool {
        let Some(mode) = self.tracking else { return false };
        let is_given = matches!(mode.kind, ModeKind::OptIn | ModeKind::OptOut) && !chance.is_multiple_of(3);
        if is_given {
            let word = if mode.kind == ModeKind::OptIn { "YES" } else { "NO" };
            self.ask(Ask::Plain(b"+OK\r\n"), &["CLIENT", "CACHING", word]);
        }
        match mode.kind {
            ModeKind::Default | ModeKind::Broadcast => true,
            ModeKind::OptIn => is_given,
            ModeKind::OptOut => !is_given,
        }
    }

    /// What it has cached is worth nothing any more, nor what is under way.
    fn forget_cache(&mut self) {
        self.cache.clear();
        self.caches += 1;
    }

    /// Reads a key that was announced, upon receipt.
    pub fn read(&mut self, key: String, at_least: u64, history: &mut History) {
        history.reads.push(Read { key: key.clone(), at_least, found: None });
        self.ask(Ask::Read(history.reads.len() - 1), &["GET", &key]);
    }

    pub fn ask<W: AsRef<[u8]>>(&mut self, ask: Ask, words: &[W]) {
        let begin = self.made;
        let before = self.outbox.len();
        write_request(&mut self.outbox, words);
        self.made += self.outbox.len() - before;
        self.asked.push_back(Asked { ask, begin, sent_at: NEVER });
    }

    /// `notes_reads`: what it reads may be cached.
    fn words(&mut self, wish: Wish, notes_reads: bool, history: &mut History) -> Vec<(Ask, Vec<String>)> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        match wish {
            Wish::Change { added, kind, topics } => vec![self.change(added, kind, topics)],
            Wish::Publish { is_shard, channel } => {
                let (ask, payload) = self.publish(is_shard, &channel, history);
                vec![(ask, words(&[if is_shard { "SPUBLISH" } else { "PUBLISH" }, &channel, &payload]))]
            }
            Wish::Announce { channel } => {
                self.announced += 1;
                let (key, value) = (format!("n{}", self.number), self.announced.to_string());
                let (ask, payload) = self.publish(false, &channel, history);
                let payload = format!("{payload} {key} {value}");
                vec![
                    (Ask::Set(key.clone(), self.announced), words(&["SET", &key, &value])),
                    (ask, words(&["PUBLISH", &channel, &payload])),
                ]
            }
            Wish::Write { key, command, event } => {
                let write = Write { key: key.into(), event, sent_at: NEVER, answered_at: NEVER, version: None };
                history.writes.push(write);
                let ask = Ask::Write(history.writes.len() - 1);
                vec![(
                    ask,
                    if event == "linsert" {
                        words(&[command, key, "BEFORE", "x", "x"])
                    } else {
                        words(&[command, key, "x"])
                    },
                )]
            }
            Wish::Look { keys } => self.look(keys, notes_reads, history),
            Wish::Track(mode) => self.track(mode),
            Wish::Untrack => {
                self.tracking = None;
                self.forget_cache();
                vec![(Ask::Plain(b"+OK\r\n"), words(&["CLIENT", "TRACKING", "OFF"]))]
            }
            Wish::Reset => {
                self.tracking = None;
                self.forget_cache();
                self.topics.clear();
                self.resp3 = false;
                vec![(Ask::Reset, words(&["RESET"]))]
            }
            Wish::Hello => {
                self.resp3 = true;
                vec![(Ask::Hello, words(&["HELLO", "3"]))]
            }
            Wish::Multi(_) => unreachable!("there is none in another"),
        }
    }

    /// Reads what is not in the cache: the length of a list, or keys that clients set.
    fn look(&self, keys: Vec<String>, notes_reads: bool, history: &mut History) -> Vec<(Ask, Vec<String>)> {
        let all = keys.len();
        let keys: Vec<String> = keys.into_iter().filter(|key| !self.cache.contains_key(key)).collect();
        history.cache_hits += (all - keys.len()) as u64;
        if keys.is_empty() {
            return Vec::new();
        }
        let is_told = |mode: Mode| mode.kind != ModeKind::Broadcast || keys[0].starts_with('l');
        let caches = notes_reads && self.tracking.is_some_and(is_told);
        let command = if keys[0].starts_with('l') { "LLEN" } else { "MGET" };
        let words = std::iter::once(command.to_owned()).chain(keys.iter().cloned()).collect();
        vec![(Ask::Look { keys, cache: caches.then_some(self.caches) }, words)]
    }

    /// Tracks anew, since a mode cannot follow any other.
    fn track(&mut self, mode: Mode) -> Vec<(Ask, Vec<String>)> {
        self.forget_cache();
        self.tracking = Some(mode);
        let kind = match mode.kind {
            ModeKind::Default => "",
            ModeKind::OptIn => " OPTIN",
            ModeKind::OptOut => " OPTOUT",
            ModeKind::Broadcast => " BCAST PREFIX l",
        };
        let on = format!("CLIENT TRACKING ON{kind}{}", if mode.no_loop { " NOLOOP" } else { "" });
        let ask = |line: &str| (Ask::Plain(b"+OK\r\n"), line.split(' ').map(str::to_owned).collect());
        vec![ask("CLIENT TRACKING OFF"), ask(&on)]
    }

    /// It was told of keys: null is all.
    fn drop_cached(&mut self, keys: Option<Vec<String>>) {
        match keys {
            Some(keys) => keys.iter().for_each(|key| _ = self.cache.remove(key)),
            None => self.cache.clear(),
        }
    }

    fn change(&mut self, added: bool, kind: Kind, topics: Vec<Topic>) -> (Ask, Vec<String>) {
        let verb = ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"][kind as usize];
        let verb = if added { verb.to_owned() } else { verb.replace("SUB", "UNSUB") };
        let mut words = vec![verb];
        words.extend(topics.iter().map(|topic| topic.name.clone()));
        let of_kind: Vec<Topic> = self.topics.iter().filter(|topic| topic.kind == kind).cloned().collect();
        let left = if topics.is_empty() { of_kind.len().max(1) } else { topics.len() };
        let topics = if topics.is_empty() { of_kind } else { topics };
        for topic in &topics {
            if added {
                self.topics.insert(topic.clone());
            } else {
                self.topics.remove(topic);
            }
        }
        (Ask::Change { added, topics, left }, words)
    }

    fn publish(&self, is_shard: bool, channel: &str, history: &mut History) -> (Ask, String) {
        let number = history.publishes.len();
        let (sent_at, answered_at) = (NEVER, NEVER);
        let connection = self.number;
        let channel = channel.to_owned();
        history.publishes.push(Publish { connection, is_shard, channel, sent_at, answered_at, count: None });
        (Ask::Publish(number), payload_of(number))
    }

    /// So many more bytes arrive; gives them.
    pub fn deliver(&mut self, len: usize, history: &mut History) -> Vec<u8> {
        let at = history.tick();
        self.delivered += len;
        for asked in self.asked.iter_mut().filter(|asked| asked.sent_at == NEVER && asked.begin < self.delivered) {
            asked.sent_at = at;
            asked.ask.note_sent(at, history);
        }
        self.outbox.drain(..len).collect()
    }

    /// Takes apart what was received, as far as it is complete.
    pub fn take(&mut self, history: &mut History) {
        while !self.received.is_empty() {
            let len = match self.asked.front().map(|asked| &asked.ask) {
                Some(Ask::Exec(_)) if self.received[0] == b'*' => self.take_exec(history),
                _ => self.take_one(history),
            };
            let Some(len) = len else { return };
            self.received.drain(..len);
        }
    }

    /// A message, a confirmation or a reply. Its length; none while it is not complete.
    fn take_one(&mut self, history: &mut History) -> Option<usize> {
        let len = reply_end(&self.received)?;
        let reply = self.received[..len].to_vec();
        let at = history.tick();
        note(format_args!("{at} connection {} gets {}", self.number, shown(&reply)));
        if let Some(keys) = invalidation_of(&reply) {
            history.invalidations += 1;
            self.drop_cached(keys);
            return Some(len);
        }
        if let Some(message) = message_of(&reply) {
            if let Item::Message { payload, .. } = &message {
                self.note_announcement(payload);
            }
            self.note(message, at, history);
            return Some(len);
        }
        let mut asked = self.asked.pop_front().unwrap_or_else(|| panic!("nothing is owed: {}", shown(&reply)));
        self.take_reply(&mut asked.ask, asked.sent_at, &reply, history);
        if matches!(&asked.ask, Ask::Change { left, .. } if *left > 0) {
            self.asked.push_front(asked);
        }
        Some(len)
    }

    /// The reply to EXEC: behind its head come the replies of all that was queued, several for a change of several topics.
    fn take_exec(&mut self, history: &mut History) -> Option<usize> {
        let asks = match &self.asked.front()?.ask {
            Ask::Exec(asks) => asks,
            _ => unreachable!("it was looked at"),
        };
        let replies = asks.iter().map(|ask| if let Ask::Change { left, .. } = ask { *left } else { 1 }).sum::<usize>();
        let head = self.received.iter().position(|&byte| byte == b'\n')? + 1;
        let mut ends = vec![head];
        for _ in 0..replies {
            let last = ends[ends.len() - 1];
            ends.push(last + reply_end(&self.received[last..])?);
        }
        note(format_args!("connection {} gets {}", self.number, shown(&self.received[..ends[replies]])));
        assert_eq!(self.received[..head], format!("*{}\r\n", asks.len()).into_bytes(), "the head of the reply to EXEC");
        let mut asked = self.asked.pop_front()?;
        let Ask::Exec(asks) = &mut asked.ask else { unreachable!("it was looked at") };
        let parts: Vec<Vec<u8>> = ends.windows(2).map(|pair| self.received[pair[0]..pair[1]].to_vec()).collect();
        let mut parts = parts.into_iter();
        for ask in asks {
            let number = if let Ask::Change { left, .. } = ask { *left } else { 1 };
            for _ in 0..number {
                let part = parts.next().expect("they were counted");
                self.take_reply(ask, asked.sent_at, &part, history);
            }
        }
        Some(ends[replies])
    }

    fn take_reply(&mut self, ask: &mut Ask, asked_at: At, reply: &[u8], history: &mut History) {
        let at = history.tick();
        let number = || reader::integer(reply).map(|number| number as u64);
        match ask {
            Ask::Plain(wanted) => {
                assert_eq!(reply, *wanted, "the answer of connection {}: {}", self.number, shown(reply))
            }
            Ask::Change { added, topics, left } => {
                let (word, topic, count) = confirmation_of(reply);
                assert_eq!(word, *added, "the confirmation of a change: {}", shown(reply));
                assert!(topic.as_ref().is_none_or(|topic| topics.contains(topic)), "{topic:?} instead of {topics:?}");
                *left -= 1;
                self.note(Item::Confirmed { added: *added, topic, count, asked_at }, at, history);
            }
            Ask::Publish(publish) => {
                let count = number();
                assert!(count.is_some(), "the answer to a publish: {}", shown(reply));
                (history.publishes[*publish].answered_at, history.publishes[*publish].count) = (at, count);
            }
            Ask::Write(write) => {
                let version = reader::integer(reply).map(|version| version.max(0) as u64);
                assert!(version.is_some(), "the answer to a write: {}", shown(reply));
                let known = &mut history.writes[*write];
                (known.answered_at, known.version) = (at, version);
                let key = known.key.clone();
                self.note_own_write(&key);
            }
            Ask::Read(read) => {
                let text = reader::bulk(reply).map(String::from_utf8_lossy);
                history.reads[*read].found = Some(text.and_then(|text| text.parse().ok()).unwrap_or(0));
            }
            Ask::Set(key, version) => {
                assert_eq!(reply, b"+OK\r\n", "the answer to SET: {}", shown(reply));
                history.sets.push(Set { key: key.clone(), version: *version, answered_at: at });
                self.note_own_write(key);
            }
            Ask::Look { keys, cache } => self.take_looked(keys, *cache, reply),
            Ask::Reset => {
                assert_eq!(reply, b"+RESET\r\n");
                self.note(Item::Reset { asked_at }, at, history);
            }
            Ask::Hello => assert_eq!(reply[0], b'%', "the answer to HELLO: {}", shown(reply)),
            Ask::Exec(_) => panic!("EXEC is answered with {}", shown(reply)),
        }
    }

    /// It is not told of what it has written itself, if it does not want to be.
    fn note_own_write(&mut self, key: &str) {
        if self.tracking.is_some_and(|mode| mode.no_loop) {
            self.cache.remove(key);
        }
    }

    /// What it has read goes into the cache for which it was read, if that is still there.
    fn take_looked(&mut self, keys: &[String], cache: Option<u64>, reply: &[u8]) {
        let found: Vec<u64> = match reader::integer(reply) {
            Some(len) => vec![len as u64],
            None => Elements::new(reply).into_iter().flatten().map(|one| text_of(one).parse().unwrap_or(0)).collect(),
        };
        assert_eq!(found.len(), keys.len(), "the answer to a look: {}", shown(reply));
        if cache == Some(self.caches) {
            self.cache.extend(keys.iter().cloned().zip(found));
        }
    }

    fn note_announcement(&mut self, payload: &str) {
        let mut words = payload.split(' ').skip(1);
        if let (Some(key), Some(value)) = (words.next(), words.next()) {
            self.to_read.push((key.to_owned(), value.parse().expect("a number is announced")));
        }
    }

    fn note(&self, item: Item, at: At, history: &mut History) {
        history.streams[self.number].items.push((at, item));
    }

    /// It dies: what it has asked, and was not told, may have happened.
    pub fn die(mut self, history: &mut History) {
        let at = history.tick();
        for asked in std::mem::take(&mut self.asked).into_iter().filter(|asked| asked.sent_at != NEVER) {
            self.leave_unanswered(asked.ask, asked.sent_at, at, history);
        }
        history.streams[self.number].died_at = at;
    }

    fn leave_unanswered(&self, ask: Ask, asked_at: At, at: At, history: &mut History) {
        match ask {
            Ask::Change { added, topics, .. } => {
                self.note(Item::Unanswered { added, topics, asked_at }, at, history);
            }
            Ask::Reset => self.note(Item::Reset { asked_at }, at, history),
            Ask::Exec(asks) => asks.into_iter().for_each(|ask| self.leave_unanswered(ask, asked_at, at, history)),
            _ => {}
        }
    }
}

impl Ask {
    fn note_sent(&self, at: At, history: &mut History) {
        match self {
            Ask::Publish(publish) => history.publishes[*publish].sent_at = at,
            Ask::Write(write) => history.writes[*write].sent_at = at,
            Ask::Exec(asks) => asks.iter().for_each(|ask| ask.note_sent(at, history)),
            _ => {}
        }
    }
}

/// The keys that a client is told of, if this tells of keys; none: of all.
fn invalidation_of(reply: &[u8]) -> Option<Option<Vec<String>>> {
    let elements: Vec<&[u8]> = Elements::new(reply).into_iter().flatten().collect();
    let [word, keys] = elements[..] else { return None };
    (reply[0] == b'>' && text_of(word) == "invalidate").then(|| Some(Elements::new(keys)?.map(text_of).collect()))
}

/// A message, if it is one.
fn message_of(reply: &[u8]) -> Option<Item> {
    let parts: Vec<String> = Elements::new(reply)?.map(text_of).collect();
    let part = |place: usize| parts.get(place).cloned();
    let (kind, first) = match &parts.first()?[..] {
        "message" => (Kind::Channel, 1),
        "smessage" => (Kind::Shard, 1),
        "pmessage" => (Kind::Pattern, 2),
        _ => return None,
    };
    let (name, channel, payload) = (part(1)?, part(first)?, part(first + 1)?);
    Some(Item::Message { topic: Topic { kind, name }, channel, payload })
}

/// Whether it confirms a beginning, of which topic, and how many subscriptions there are.
fn confirmation_of(reply: &[u8]) -> (bool, Option<Topic>, u64) {
    let elements: Vec<&[u8]> = Elements::new(reply).into_iter().flatten().collect();
    let [word, name, count] = elements[..] else { panic!("this confirms nothing: {}", shown(reply)) };
    let word = text_of(word);
    let kind = match word.as_bytes().first() {
        Some(b'p') => Kind::Pattern,
        Some(b's') if word != "subscribe" => Kind::Shard,
        _ => Kind::Channel,
    };
    let topic = (!reader::is_null(name)).then(|| Topic { kind, name: text_of(name) });
    let count = reader::integer(count).expect("a confirmation counts") as u64;
    (!word.contains("unsub"), topic, count)
}

fn text_of(element: &[u8]) -> String {
    String::from_utf8_lossy(reader::bulk(element).unwrap_or_default()).into_owned()
}
