//! What a change of users does to a connection.

use std::sync::Arc;

use super::{Closing, Session, Unblock};
use crate::acl::{Selector, User, Users};
use crate::pubsub::TopicKind;

/// What follows for a connection whose user has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserChange {
    /// It need not log in any more.
    LogsIn,
    /// It waits for a key to which it has no right any more: its wait has been ended.
    Unblock,
    /// Its user is gone, or may not hear any longer what it has subscribed to.
    Close,
}

/// The session has the rights that its user has now. What follows, if anything does.
pub(crate) fn follow_users(users: &Users, session: &mut Session) -> Option<UserChange> {
    if session.user().is_host() || session.closing >= Closing::Now {
        return None;
    }
    let Some(user) = users.by_id(session.user().id()) else { return Some(UserChange::Close) };
    if Arc::ptr_eq(user, session.user()) {
        return None;
    }
    let before = Arc::clone(session.user());
    session.set_user(Arc::clone(user));
    if loses_channels(&before, user) && hears_too_much(session) {
        return Some(UserChange::Close);
    }
    if !session.authenticated && user.is_open() {
        return Some(UserChange::LogsIn);
    }
    (session.activity.is_blocked_open() && !may_wait_on(session)).then(|| {
        session.activity.unblock(Unblock::NoPermission);
        UserChange::Unblock
    })
}

/// Whether a session may still run the request with which it waits for a key.
pub(crate) fn may_wait_on(session: &Session) -> bool {
    let Some(gather) = session.activity.gather() else { return true };
    let (command, args) = gather.queue.get(0);
    session.user().permit(command, args, session.db).is_ok()
}

/// Whether one of these is missing that were allowed before.
fn loses_channels(before: &User, now: &User) -> bool {
    let allows_all = |user: &User| user.selectors().iter().any(Selector::allows_all_channels);
    let channels =
        |user: &User| user.selectors().iter().flat_map(Selector::channels).map(<[u8]>::to_vec).collect::<Vec<_>>();
    if allows_all(now) {
        return false;
    }
    let kept = channels(now);
    allows_all(before) || channels(before).iter().any(|channel| !kept.contains(channel))
}

/// Whether it has subscribed to something that its user may not hear.
fn hears_too_much(session: &Session) -> bool {
    let may_hear = |kind: TopicKind, name: &[u8]| session.user().may_hear(name, kind == TopicKind::Pattern);
    session.topics().any(|(kind, name)| kind != TopicKind::Prefix && !may_hear(kind, name))
}
