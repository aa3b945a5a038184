//! The mailboxes between cores: messages of an ordered pair of cores stay in order and arrive when chance says so.

use std::collections::VecDeque;

use torc_engine::Message;
use torc_engine::mesh::MAILBOX_MESSAGES_MAX;
use torc_engine::random::Random;
use torc_engine::route::CoreId;

/// A fault put into the world to show that it would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// At times a message overtakes the one before it.
    SwapMessages,
    /// At times a message with replies is lost.
    DropReplies,
    /// The clock of one core is ahead of the others.
    SkewClock,
    /// At times the server overlooks that a connection has output.
    ForgetOutput,
    /// At times bytes of a client arrive twice.
    RepeatBytes,
}

impl Mutation {
    /// All of them, with their names on the command line.
    pub const ALL: [(&'static str, Mutation); 5] = [
        ("swap-messages", Mutation::SwapMessages),
        ("drop-replies", Mutation::DropReplies),
        ("skew-clock", Mutation::SkewClock),
        ("forget-output", Mutation::ForgetOutput),
        ("repeat-bytes", Mutation::RepeatBytes),
    ];
}

/// A fault happens once in so many occasions.
pub(crate) const FAULT_ODDS: u64 = 8;

/// Messages under way.
pub(crate) struct Network {
    cores: usize,
    mailboxes: Vec<VecDeque<Message>>,
    /// Mailboxes that hold something, in no order.
    occupied: Vec<usize>,
    /// A core that is slow in this phase: what goes to it is usually left waiting.
    pub slow_core: Option<CoreId>,
    mutation: Option<Mutation>,
}

impl Network {
    pub fn new(cores: u16, mutation: Option<Mutation>) -> Self {
        let cores = usize::from(cores);
        let mailboxes = (0..cores * cores).map(|_| VecDeque::new()).collect();
        Network { cores, mailboxes, occupied: Vec::new(), slow_core: None, mutation }
    }

    /// Puts a message into the mailbox of its pair, which must have room for it; gives the number of messages in it.
    pub fn send(&mut self, from: CoreId, to: CoreId, message: Message, random: &mut Random) -> usize {
        assert_ne!(from, to, "a core sends nothing to itself");
        let place = usize::from(from) * self.cores + usize::from(to);
        let mailbox = &mut self.mailboxes[place];
        if mailbox.is_empty() {
            self.occupied.push(place);
        }
        mailbox.push_back(message);
        let len = mailbox.len();
        assert!(len <= MAILBOX_MESSAGES_MAX, "the mailbox from core {from} to core {to} overflows");
        if self.mutation == Some(Mutation::SwapMessages) && len > 1 && random.below(FAULT_ODDS) == 0 {
            mailbox.swap(len - 1, len - 2);
        }
        if self.mutation == Some(Mutation::DropReplies)
            && random.below(FAULT_ODDS) == 0
            && matches!(mailbox.back(), Some(Message::Replies(_)))
        {
            mailbox.pop_back();
            if mailbox.is_empty() {
                self.occupied.pop();
            }
        }
        len
    }

    /// Takes the first message of a mailbox chosen by chance.
    pub fn receive(&mut self, random: &mut Random) -> Option<(CoreId, CoreId, Message)> {
        if self.occupied.is_empty() {
            return None;
        }
        let choice = random.below(self.occupied.len() as u64) as usize;
        let place = self.occupied[choice];
        let (from, to) = ((place / self.cores) as CoreId, (place % self.cores) as CoreId);
        if self.slow_core == Some(to) && random.below(20) != 0 {
            return None;
        }
        let message = self.mailboxes[place].pop_front().expect("an occupied mailbox holds a message");
        if self.mailboxes[place].is_empty() {
            self.occupied.swap_remove(choice);
        }
        Some((from, to, message))
    }

    pub fn is_empty(&self) -> bool {
        self.occupied.is_empty()
    }
}
