//! Streams: logs of entries, read by position or by groups of consumers.
//!
//! Beside the commands: `ids` reads ids and intervals, `reading` the requests of XREAD and XREADGROUP, `trimming` the options of XADD and XTRIM, `replies` writes entries, `lookup` finds
//! streams and groups, `claiming` is CLAIM of XREADGROUP, `deleting` reads what XDELEX and XACKDEL have in common, `forms`
//! is what is propagated of groups.

use super::family;
use crate::command::{Route, Row};

mod claiming;
mod deleting;
mod forms;
mod ids;
mod lookup;
mod reading;
mod replies;
mod trimming;

family!(
    xack, xackdel, xadd, xautoclaim, xcfgset, xclaim, xdel, xdelex, xgroup, xinfo, xlen, xpending, xrange, xread,
    xreadgroup, xrevrange, xsetid, xtrim,
);

/// What the rows start from.
const ROW_DEFAULT: Row = Row { route: Route::Owner, since: "5.0.0", group: "stream", ..Row::DEFAULT };
