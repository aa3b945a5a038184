//! INFO's sections about what the server did and holds.

use super::report::{Database, Report, is_worth_showing};
use super::sections::Lines;
use crate::state::Facts;

pub(super) fn persistence(facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    lines.add("loading", 0);
    lines.add("async_loading", 0);
    // There are no snapshots: all changes since the start are unsaved.
    lines.add("rdb_changes_since_last_save", report.figures.changes);
    lines.add("rdb_bgsave_in_progress", 0);
    lines.add("rdb_last_save_time", facts.identity.started_ms / 1000);
    lines.add("rdb_last_bgsave_status", "ok");
    lines.add("aof_enabled", 0);
    lines.add("aof_rewrite_in_progress", 0);
    lines.add("aof_rewrite_scheduled", 0);
}

pub(super) fn stats(_facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    let figures = &report.figures;
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    lines.add("total_connections_received", figures.connections_received);
    lines.add("total_commands_processed", figures.commands_processed);
    lines.add("instantaneous_ops_per_sec", figures.operations_per_second);
    lines.add("total_net_input_bytes", figures.net_input_bytes);
    lines.add("total_net_output_bytes", figures.net_output_bytes);
    lines.add("total_net_repl_input_bytes", 0);
    lines.add("total_net_repl_output_bytes", 0);
    lines.add("instantaneous_input_kbps", kilobytes(figures.input_bytes_per_second));
    lines.add("instantaneous_output_kbps", kilobytes(figures.output_bytes_per_second));
    lines.add("rejected_connections", figures.rejected_connections);
    lines.add("sync_full", 0);
    lines.add("sync_partial_ok", 0);
    lines.add("sync_partial_err", 0);
    lines.add("expired_subkeys", figures.expired_fields);
    lines.add("expired_keys", figures.expired_keys);
    lines.add("evicted_keys", 0);
    lines.add("evicted_clients", 0);
    lines.add("keyspace_hits", figures.keyspace_hits);
    lines.add("keyspace_misses", figures.keyspace_misses);
    lines.add("pubsub_channels", 0);
    lines.add("pubsub_patterns", 0);
    lines.add("latest_fork_usec", 0);
    lines.add("total_forks", 0);
    lines.add("total_error_replies", figures.total_error_replies);
    lines.add("client_query_buffer_limit_disconnections", figures.query_limit_disconnections);
    lines.add("client_output_buffer_limit_disconnections", figures.output_limit_disconnections);
    lines.add("eventloop_cycles", figures.turns);
    lines.add("eventloop_duration_sum", figures.turns_ns / 1000);
    lines.add("eventloop_duration_cmd_sum", figures.commands_us);
    lines.add("instantaneous_eventloop_cycles_per_sec", figures.turns_per_second);
    lines.add("instantaneous_eventloop_duration_usec", figures.turn_ns_per_second / figures.turns_per_second.max(1) / 1000);
    lines.add("torc_hops", figures.hops);
    lines.add("torc_batches", figures.batches);
    lines.add("torc_relayed_bytes", figures.relayed_bytes);
}

pub(super) fn replication(facts: &Facts<'_>, _report: &Report, lines: &mut Lines) {
    lines.add("role", "master");
    lines.add("connected_slaves", 0);
    lines.add("master_failover_state", "no-failover");
    lines.add("master_replid", &facts.identity.run_id);
    lines.add("master_replid2", "0".repeat(40));
    lines.add("master_repl_offset", 0);
    lines.add("second_repl_offset", -1);
    lines.add("repl_backlog_active", 0);
}

/// Commands that were called or refused. Their times are estimates: one command in 64 is timed.
pub(super) fn commands(facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    for command in facts.registry.all() {
        let calls = report.calls[usize::from(command.id)];
        if is_worth_showing(&calls) {
            let us = calls.estimated_us();
            let value = format!(
                "calls={},usec={us},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                calls.calls,
                us as f64 / calls.calls.max(1) as f64,
                calls.rejected_calls,
                calls.failed_calls
            );
            lines.add(&format!("cmdstat_{}", command.full_name), value);
        }
    }
}

pub(super) fn errors(_facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    for (code, count) in &report.errors {
        lines.add(&format!("errorstat_{code}"), format!("count={count}"));
    }
}

pub(super) fn cluster(facts: &Facts<'_>, _report: &Report, lines: &mut Lines) {
    lines.add("cluster_enabled", u8::from(!facts.identity.core_ports.is_empty()));
}

pub(super) fn keyspace(_facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    for (db, database) in report.databases.iter().enumerate().filter(|(_, database)| database.keys > 0) {
        let ttl_average_ms = database.ttl_sum_ms / i128::from(database.expires.max(1));
        let Database { keys, expires, expiring_hashes, .. } = database;
        let value = format!("keys={keys},expires={expires},avg_ttl={ttl_average_ms},subexpiry={expiring_hashes}");
        lines.add(&format!("db{db}"), value);
    }
}
