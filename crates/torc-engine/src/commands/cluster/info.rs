//! CLUSTER INFO: the state of the cluster, which is always well: all slots are served by cores of one process.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::route::SLOTS;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "info",
    run: Run::Session(info),
    summary: "Returns information about the state of a node.",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn info(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    let (core, cores) = (context.facts().core, context.facts().cores);
    let my_epoch = node::config_epoch(core);
    let text = format!(
        "cluster_state:ok\r\n\
         cluster_slots_assigned:{SLOTS}\r\n\
         cluster_slots_ok:{SLOTS}\r\n\
         cluster_slots_pfail:0\r\n\
         cluster_slots_fail:0\r\n\
         cluster_known_nodes:{cores}\r\n\
         cluster_size:{cores}\r\n\
         cluster_current_epoch:{cores}\r\n\
         cluster_my_epoch:{my_epoch}\r\n\
         cluster_stats_messages_sent:0\r\n\
         cluster_stats_messages_received:0\r\n\
         total_cluster_links_buffer_limit_exceeded:0\r\n"
    );
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}
