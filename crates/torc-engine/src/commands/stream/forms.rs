//! What commands that give entries to consumers are propagated as: nobody else can tell what they have found, or when.
//!
//! ```text
//!   an entry is given to a consumer    XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n FORCE JUSTID LASTID id
//!   the group has got further          XGROUP SETID key group id ENTRIESREAD n
//!   a consumer has asked               XGROUP CREATECONSUMER key group consumer
//!   a reference to nothing goes        XACK key group id ..
//! ```

use torc_resp::number::I64Text;
use torc_store::{IdText, Pending, Stream, StreamId};

use crate::commands::forms;
use crate::shard::ShardContext;

/// A group of a stream, by their names.
#[derive(Clone, Copy)]
pub struct GroupName<'a> {
    /// The key of the stream.
    pub key: &'a [u8],
    /// The group.
    pub group: &'a [u8],
}

/// What is to be told of a group once the stream is out of the hand.
#[derive(Default)]
pub struct Given {
    /// Entries that were given, as the group knows them now, each with how far the group was then.
    pub entries: Vec<(StreamId, Pending, StreamId)>,
    /// How far it is now and how many entries it has read, if it has got further.
    pub position: Option<(StreamId, Option<u64>)>,
    /// Entries that are not there, to which it has referred.
    pub gone: Vec<StreamId>,
}

impl Given {
    /// Notes entries that were given; the group was this far, or has got as far as each of them in turn.
    pub fn note(
        &mut self,
        stream: &Stream,
        group: usize,
        ids: impl Iterator<Item = StreamId>,
        last_id: Option<StreamId>,
    ) {
        let group = stream.groups().get(group);
        self.entries
            .extend(ids.filter_map(|id| group.pending(id).map(|pending| (id, *pending, last_id.unwrap_or(id)))));
    }

    /// Notes how far the group is.
    pub fn note_position(&mut self, stream: &Stream, group: usize) {
        let group = stream.groups().get(group);
        self.position = Some((group.last_id(), group.entries_read()));
    }
}

impl GroupName<'_> {
    /// A consumer was made.
    pub fn made(self, context: &mut ShardContext<'_>, consumer: &[u8]) {
        context.propagate(&[b"XGROUP", b"CREATECONSUMER", self.key, self.group, consumer]);
    }

    /// This was given to a consumer, or nothing was.
    pub fn given(self, context: &mut ShardContext<'_>, consumer: &[u8], given: &Given) {
        context.propagate_nothing();
        if !context.propagates() {
            return;
        }
        for &(id, pending, last_id) in &given.entries {
            self.claimed(context, consumer, (id, pending), last_id);
        }
        if let Some((last_id, read)) = given.position {
            let read = I64Text::new(read.map_or(-1, |read| read as i64));
            let last_id = IdText::new(last_id);
            let words = [self.key, self.group, last_id.as_bytes(), b"ENTRIESREAD", read.as_bytes()];
            context.propagate(&[&[&b"XGROUP"[..], b"SETID"], &words[..]].concat());
        }
        if !given.gone.is_empty() {
            let ids: Vec<IdText> = given.gone.iter().map(|&id| IdText::new(id)).collect();
            let ids: Vec<&[u8]> = ids.iter().map(IdText::as_bytes).collect();
            forms::with_elements(context, &[b"XACK", self.key, self.group], &ids);
        }
    }

    fn claimed(
        self,
        context: &mut ShardContext<'_>,
        consumer: &[u8],
        (id, pending): (StreamId, Pending),
        last_id: StreamId,
    ) {
        let (id, last_id) = (IdText::new(id), IdText::new(last_id));
        let (time, count) = (I64Text::new(pending.delivered_at), I64Text::new(pending.deliveries as i64));
        let head = [b"XCLAIM", self.key, self.group, consumer, b"0", id.as_bytes()];
        let times = [b"TIME", time.as_bytes(), b"RETRYCOUNT", count.as_bytes()];
        let words = [&b"FORCE"[..], b"JUSTID", b"LASTID", last_id.as_bytes()];
        context.propagate(&[&head[..], &times[..], &words[..]].concat());
    }
}
