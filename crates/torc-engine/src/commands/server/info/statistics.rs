//! INFO's sections about what the server did and holds.

use super::report::{Database, Report, is_worth_showing, most_run};
use super::sections::Lines;
use crate::persistence::Persistence;
use crate::script::ScriptRuns;
use crate::state::Facts;

pub(super) fn persistence(facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    let Persistence { loading, saves, loaded, log } = facts.persistence;
    let status = |has_failed: bool| if has_failed { "err" } else { "ok" };
    lines.add("loading", u8::from(loading.is_some()));
    lines.add("async_loading", 0);
    // Nothing is copied on write: what changes is written before it does.
    lines.add("current_cow_peak", 0);
    lines.add("current_cow_size", 0);
    lines.add("current_cow_size_age", 0);
    let seconds = |time: Option<u64>| time.map_or(-1, |seconds| seconds as i64);
    let is_saving = saves.began_s.is_some() || log.rewriting_s.is_some();
    let percent = if is_saving { saves.keys_saved as f64 / saves.keys.max(1) as f64 * 100.0 } else { 0.0 };
    lines.add("current_fork_perc", format!("{percent:.2}"));
    lines.add("current_save_keys_processed", if is_saving { saves.keys_saved } else { 0 });
    lines.add("current_save_keys_total", if is_saving { saves.keys } else { 0 });
    lines.add("rdb_changes_since_last_save", report.figures.changes);
    lines.add("rdb_bgsave_in_progress", u8::from(saves.began_s.is_some()));
    lines.add("rdb_last_save_time", saves.last_s);
    lines.add("rdb_last_bgsave_status", status(saves.has_failed));
    lines.add("rdb_last_bgsave_time_sec", seconds(saves.took_s));
    lines.add("rdb_current_bgsave_time_sec", saves.began_s.map_or(-1, |_| saves.passed_s as i64));
    lines.add("rdb_saves", saves.count);
    lines.add("rdb_last_cow_size", 0);
    lines.add("rdb_last_load_keys_expired", loaded.expired_keys);
    lines.add("rdb_last_load_keys_loaded", loaded.keys);
    lines.add("aof_enabled", u8::from(log.is_on));
    lines.add("aof_rewrite_in_progress", u8::from(log.is_rewriting));
    lines.add("aof_rewrite_scheduled", u8::from(log.is_scheduled));
    lines.add("aof_last_rewrite_time_sec", seconds(log.rewrite_took_s));
    lines.add("aof_current_rewrite_time_sec", seconds(log.rewriting_s));
    lines.add("aof_last_bgrewrite_status", status(log.rewrite_failures_in_a_row > 0));
    lines.add("aof_rewrites", log.rewrites);
    lines.add("aof_rewrites_consecutive_failures", log.rewrite_failures_in_a_row);
    lines.add("aof_last_write_status", status(log.has_failed));
    lines.add("aof_last_cow_size", 0);
    if log.is_on {
        lines.add("aof_current_size", log.bytes);
        lines.add("aof_base_size", log.baseline_bytes);
        // Whether one is to be, which is "scheduled" above; Redis 7.2 has both.
        lines.add("aof_pending_rewrite", 0);
        lines.add("aof_buffer_length", log.pending_bytes);
        lines.add("aof_pending_bio_fsync", log.syncs_pending);
        lines.add("aof_delayed_fsync", log.syncs_delayed);
        lines.add("torc_aof_fsyncs", log.syncs);
        lines.add("torc_aof_commands_synced", log.commands_synced);
    }
    lines.add("module_fork_in_progress", 0);
    lines.add("module_fork_last_cow_size", 0);
    if let Some(loading) = loading {
        lines.add("loading_start_time", loading.began_s);
        lines.add("loading_total_bytes", loading.bytes);
        lines.add("loading_rdb_used_mem", 0);
        lines.add("loading_loaded_bytes", loading.read_bytes);
        lines.add("loading_loaded_perc", format!("{:.2}", loading.percent()));
        lines.add("loading_eta_seconds", loading.left_s());
    }
}

pub(super) fn stats(facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
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
    lines.add("evicted_keys", figures.evicted_keys);
    lines.add("evicted_scripts", report.figures.evicted_scripts);
    lines.add("evicted_clients", figures.evicted_clients);
    // In milliseconds, as in Redis.
    lines.add("total_eviction_exceeded_time", facts.memory.exceeded_us / 1000);
    lines.add("current_eviction_exceeded_time", facts.memory.exceeded_now_us / 1000);
    lines.add("keyspace_hits", figures.keyspace_hits);
    lines.add("keyspace_misses", figures.keyspace_misses);
    lines.add("pubsub_channels", figures.pubsub_channels);
    lines.add("pubsub_patterns", report.patterns);
    lines.add("pubsubshard_channels", figures.pubsubshard_channels);
    lines.add("latest_fork_usec", 0);
    lines.add("total_forks", 0);
    lines.add("tracking_total_keys", figures.tracked_keys);
    lines.add("tracking_total_items", figures.tracked_reads);
    lines.add("tracking_total_prefixes", report.prefixes);
    lines.add("total_error_replies", figures.total_error_replies);
    lines.add("client_query_buffer_limit_disconnections", figures.query_limit_disconnections);
    lines.add("client_output_buffer_limit_disconnections", figures.output_limit_disconnections);
    for (name, denied) in [
        ("auth", figures.denied_auth),
        ("cmd", figures.denied_commands),
        ("key", figures.denied_keys),
        ("channel", figures.denied_channels),
        ("db", figures.denied_databases),
        ("tls_cert", figures.denied_certificates),
    ] {
        lines.add(&format!("acl_access_denied_{name}"), denied);
    }
    lines.add("eventloop_cycles", figures.turns);
    lines.add("eventloop_duration_sum", figures.turns_ns / 1000);
    lines.add("eventloop_duration_cmd_sum", figures.commands_us);
    lines.add("instantaneous_eventloop_cycles_per_sec", figures.turns_per_second);
    lines.add("instantaneous_eventloop_duration_usec", figures.turn_ns_per_second / figures.turns_per_second.max(1) / 1000);
    lines.add("torc_hops", figures.hops);
    lines.add("torc_batches", figures.batches);
    lines.add("torc_claims_passed_on", figures.claims_passed_on);
    lines.add("torc_lent_turns", figures.lent_turns);
    lines.add("torc_relayed_bytes", figures.relayed_bytes);
    lines.add("torc_cuts_withdrawn", figures.cuts_withdrawn);
    lines.add("torc_cut_held_usec_max", figures.cut_held_us_max);
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

/// The scripts that have run most, and on how many cores.
pub(super) fn scripts(_facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    for (sha, runs) in most_run(&report.scripts) {
        let ScriptRuns { all, several_cores, all_cores } = runs;
        let one_core = all - several_cores - all_cores;
        let value = format!("runs={all},one_core={one_core},several_cores={several_cores},all_cores={all_cores}");
        lines.add(&format!("script_{sha}"), value);
    }
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
