//! INFO's sections about the process: server, clients, memory, CPU.

use super::report::Report;
use super::sections::Lines;
use crate::pause::Paused;
use crate::state::Facts;
use crate::tls_facts::CertificateFacts;
use crate::version::{REDIS_VERSION, TORC_VERSION};

pub(super) fn server(facts: &Facts<'_>, _report: &Report, lines: &mut Lines) {
    let identity = facts.identity;
    let uptime_seconds = (facts.now_ms - identity.started_ms).max(0) / 1000;
    lines.add("redis_version", REDIS_VERSION);
    // What a Redis shows that was not built from a repository.
    lines.add("redis_git_sha1", "00000000");
    lines.add("redis_git_dirty", 0);
    lines.add("torc_version", TORC_VERSION);
    lines.add("torc_cores", facts.cores);
    lines.add("torc_ring_mode", &identity.ring_mode);
    lines.add("redis_mode", if identity.core_ports.is_empty() { "standalone" } else { "cluster" });
    lines.add("os", &identity.os);
    lines.add("arch_bits", usize::BITS);
    lines.add("multiplexing_api", identity.multiplexing_api);
    lines.add("process_id", identity.process_id);
    lines.add("run_id", &identity.run_id);
    lines.add("tcp_port", facts.config.port);
    lines.add("server_time_usec", facts.now_us);
    lines.add("uptime_in_seconds", uptime_seconds);
    lines.add("uptime_in_days", uptime_seconds / 86_400);
    lines.add("hz", facts.config.hz);
    lines.add("configured_hz", facts.config.hz);
    // Redis's clock for idle times: seconds in 24 bits.
    lines.add("lru_clock", (facts.now_ms / 1000) & 0xff_ffff);
    lines.add("executable", &identity.executable);
    lines.add("config_file", &identity.config_file);
}

pub(super) fn clients(facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    lines.add("connected_clients", report.figures.clients);
    lines.add("cluster_connections", 0);
    lines.add("maxclients", facts.config.maxclients);
    lines.add("blocked_clients", report.figures.blocked_clients);
    lines.add("tracking_clients", report.figures.tracking_clients);
    lines.add("pubsub_clients", report.figures.pubsub_clients);
    lines.add("watching_clients", report.figures.watching_clients);
    lines.add("total_blocking_keys", report.figures.awaited_keys);
    lines.add("total_blocking_keys_on_nokey", report.figures.awaited_keys_on_nokey);
    let actions = facts.pause.map(|pause| match pause.what {
        Paused::Writes => "write",
        Paused::All => "all",
    });
    lines.add("paused_reason", actions.map_or("none", |_| "client_pause"));
    lines.add("paused_actions", actions.unwrap_or("none"));
    lines.add("paused_timeout_milliseconds", facts.pause.map_or(0, |pause| (pause.end_ms - facts.now_ms).max(0)));
}

pub(super) fn memory(facts: &Facts<'_>, report: &Report, lines: &mut Lines) {
    let figures = &report.figures;
    let script_bytes = figures.script_bytes + figures.library_bytes;
    // One interpreter has both, and what libraries leave is that of scripts.
    let of_libraries = figures.library_interpreter_bytes.min(figures.interpreter_bytes);
    let (used, resident) = (figures.used_bytes, facts.process.resident_bytes);
    let held = used + figures.wasted_bytes;
    lines.add_bytes("used_memory", used);
    lines.add_bytes("used_memory_rss", resident);
    lines.add_bytes("used_memory_peak", figures.peak_bytes);
    lines.add("used_memory_peak_perc", percent(used, figures.peak_bytes));
    lines.add("used_memory_overhead", used.saturating_sub(figures.dataset_bytes));
    // Nothing is counted before there are keys and connections.
    lines.add("used_memory_startup", 0);
    lines.add("used_memory_dataset", figures.dataset_bytes);
    lines.add("used_memory_dataset_perc", percent(figures.dataset_bytes, used));
    lines.add_bytes("total_system_memory", facts.identity.memory_limit_bytes);
    lines.add_bytes("used_memory_lua", figures.interpreter_bytes);
    lines.add("used_memory_vm_eval", figures.interpreter_bytes - of_libraries);
    lines.add("used_memory_scripts_eval", figures.script_bytes);
    lines.add("number_of_cached_scripts", figures.scripts);
    lines.add("number_of_functions", figures.functions);
    lines.add("number_of_libraries", figures.libraries);
    lines.add("used_memory_vm_functions", of_libraries);
    lines.add_bytes("used_memory_vm_total", figures.interpreter_bytes);
    lines.add("used_memory_functions", figures.library_bytes);
    lines.add_bytes("used_memory_scripts", script_bytes);
    lines.add_bytes("maxmemory", facts.memory.max_bytes);
    lines.add("maxmemory_policy", facts.config.eviction.policy.name());
    lines.add("mem_fragmentation_ratio", ratio(resident, used));
    lines.add("mem_fragmentation_bytes", resident as i64 - used as i64);
    lines.add("allocator_allocated", used);
    lines.add("allocator_active", held);
    lines.add("allocator_resident", resident);
    lines.add("allocator_frag_ratio", ratio(held, used));
    lines.add("allocator_frag_bytes", figures.wasted_bytes);
    lines.add("mem_not_counted_for_evict", 0);
    lines.add("mem_clients_slaves", 0);
    lines.add("mem_clients_normal", figures.clients_bytes);
    // For what does not lie in the heaps of the shards.
    lines.add("mem_allocator", "mimalloc");
    lines.add("active_defrag_running", 0);
    lines.add("lazyfree_pending_objects", figures.lazyfree_pending_objects);
    lines.add("lazyfreed_objects", figures.lazyfreed_objects);
}

pub(super) fn cpu(facts: &Facts<'_>, _report: &Report, lines: &mut Lines) {
    lines.add("used_cpu_sys", format!("{:.6}", facts.process.system_seconds));
    lines.add("used_cpu_user", format!("{:.6}", facts.process.user_seconds));
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", part as f64 * 100.0 / whole.max(1) as f64)
}

fn ratio(part: u64, whole: u64) -> String {
    format!("{:.2}", part as f64 / whole.max(1) as f64)
}

/// The names of Valkey, and after them Torc's own.
pub(super) fn tls(facts: &Facts<'_>, _report: &Report, lines: &mut Lines) {
    let mut certificate = |whose: &str, certificate: Option<&CertificateFacts>| {
        let left_s = |facts_of: &CertificateFacts| (facts_of.expires_s - facts.now_ms / 1000).max(0);
        lines.add(&format!("tls_{whose}_cert_serial"), certificate.map_or("none", |known| &known.serial));
        lines.add(&format!("tls_{whose}_cert_expires_in_seconds"), certificate.map_or(0, left_s));
    };
    certificate("server", facts.tls.server.as_ref());
    // Torc opens no connections.
    certificate("client", None);
    certificate("ca", facts.tls.authority.as_ref());
    lines.add("tls_ca_cert_count", facts.tls.authorities);
    lines.add("torc_tls_handshakes", facts.process.handshakes.done);
    lines.add("torc_tls_handshakes_failed", facts.process.handshakes.failed);
}
