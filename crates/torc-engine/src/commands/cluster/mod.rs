//! CLUSTER and its companions: the cores presented as the nodes of a cluster (`core-ports`).
//!
//! Each core is a master that owns its range of slots and listens on its own port, so a cluster client
//! computes which core a key lives on and asks that core directly. There is nothing to configure and no
//! bus between the nodes, hence only the subcommands that report exist.

mod asking;
mod bumpepoch;
mod count_failure_reports;
mod countkeysinslot;
mod getkeysinslot;
mod help;
mod info;
mod keyslot;
mod links;
mod myid;
mod myshardid;
mod node;
mod nodes;
mod readonly;
mod readwrite;
mod replicas;
mod saveconfig;
mod shards;
mod slot;
mod slots;

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row};
use crate::error::CommandResult;
use crate::session::SessionContext;

/// The rows of this family.
pub static ROWS: &[&Row] = &[&asking::ROW, &CLUSTER, &readonly::ROW, &readwrite::ROW];

static CLUSTER: Row = Row {
    name: "cluster",
    arity: -2,
    since: "3.0.0",
    group: "cluster",
    summary: "A container for Redis Cluster commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &bumpepoch::ROW,
        &count_failure_reports::ROW,
        &countkeysinslot::ROW,
        &getkeysinslot::ROW,
        &help::ROW,
        &info::ROW,
        &keyslot::ROW,
        &links::ROW,
        &myid::ROW,
        &myshardid::ROW,
        &nodes::ROW,
        &replicas::ROW,
        &saveconfig::ROW,
        &shards::ROW,
        &replicas::SLAVES,
        &slots::ROW,
    ],
    ..Row::DEFAULT
};

/// What the subcommands start from.
const ROW_DEFAULT: Row = Row { arity: 2, flags: Flags::STALE, since: "3.0.0", group: "cluster", ..Row::DEFAULT };

/// Flags of the subcommands that are about a node, or would change one.
const ADMIN: Flags = Flags::ADMIN.and(Flags::STALE);

/// The function of the commands that set a connection's mode in a cluster of replicas and moving slots. Here
/// are neither, so there is nothing to set, nor to save.
fn accept(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    reply.ok();
    Ok(())
}
