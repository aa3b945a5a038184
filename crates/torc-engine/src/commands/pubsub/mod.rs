//! Publish and subscribe: docs/pubsub.md.

use torc_resp::{Args, Reply};

use super::family;
use crate::command::Flags;
use crate::pubsub::{TopicKind, write_confirmation};
use crate::session::SessionContext;

family!(psubscribe, publish, pubsub, punsubscribe, spublish, ssubscribe, subscribe, sunsubscribe, unsubscribe);

/// The flags of all of them.
const PLAIN: Flags = Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE);

/// The flags of those that begin or end subscriptions.
const SUBSCRIBES: Flags = PLAIN.and(Flags::NOSCRIPT).and(Flags::SUBSCRIBES).and(Flags::WHILE_SUBSCRIBED);

/// Subscribes to all that the arguments name, or to the next of very many; each is confirmed.
fn subscribe(context: &mut SessionContext<'_>, kind: TopicKind, args: Args<'_>, reply: &mut Reply<'_>) {
    let portion = context.session.portion.take(args.len() - 1);
    for name in args.from(1).range(portion).iter() {
        context.session.subscribe(kind, name);
        write_confirmation(reply, kind, true, Some(name), context.session.counted_subscriptions(kind));
    }
}

/// Ends the subscriptions that the arguments name, or all of this kind; each end is confirmed, also of what was none.
fn unsubscribe(context: &mut SessionContext<'_>, kind: TopicKind, args: Args<'_>, reply: &mut Reply<'_>) {
    let session = &mut *context.session;
    if args.len() > 1 {
        let portion = session.portion.take(args.len() - 1);
        for name in args.from(1).range(portion).iter() {
            session.unsubscribe(kind, name);
            write_confirmation(reply, kind, false, Some(name), session.counted_subscriptions(kind));
        }
        return;
    }
    // Those that are done are gone.
    let (done, left) = (session.portion.done, session.subscribed(kind));
    let portion = session.portion.take(done + left);
    let names = session.subscriptions.iter().flat_map(|topics| topics.names(kind).cloned());
    let all: Vec<_> = names.take(portion.len()).collect();
    if all.is_empty() {
        write_confirmation(reply, kind, false, None, session.counted_subscriptions(kind));
    }
    for name in all {
        session.unsubscribe(kind, &name);
        write_confirmation(reply, kind, false, Some(&name), session.counted_subscriptions(kind));
    }
}
