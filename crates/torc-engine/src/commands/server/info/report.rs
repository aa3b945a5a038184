//! What one core reports, and the sum of all reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use torc_resp::Reply;
use torc_resp::reader::{self, Elements};

use super::selection::Selection;
use crate::acl::Lacking;
use crate::pubsub::{Home, TopicKind};
use crate::script::{ScriptRuns, Sha};
use crate::session::CoreContext;
use crate::state::Facts;
use crate::stats::CommandCalls;

/// Scripts that INFO shows.
const SCRIPTS_SHOWN_MAX: usize = 128;

/// Declares figures that are added up over the cores, with their way into a reply and back.
macro_rules! figures {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        /// Figures that are added up over the cores.
        #[derive(Default)]
        pub(in crate::commands::server) struct Figures {
            $($(#[$meta])* pub $name: u64),+
        }

        impl Figures {
            fn write(&self, reply: &mut Reply<'_>) {
                let all = [$(self.$name),+];
                reply.array(all.len());
                all.into_iter().for_each(|figure| reply.integer(figure as i64));
            }

            fn add(&mut self, part: &[u8]) {
                let mut figures = integers(part);
                $(self.$name += figures.next().expect("every figure is reported") as u64;)+
            }
        }
    };
}

figures! {
    /// Connections.
    clients,
    /// Connections whose request waits for a key.
    blocked_clients,
    /// Connections that have subscribed to something.
    pubsub_clients,
    /// Channels and shard channels with subscribers.
    pubsub_channels,
    pubsubshard_channels,
    /// Connections with CLIENT TRACKING.
    tracking_clients,
    /// Keys that clients may have cached, and how many have read each of them, together.
    tracked_keys,
    tracked_reads,
    /// Connections that watch keys.
    watching_clients,
    /// Keys for which somebody waits.
    awaited_keys,
    /// Those of them whose removal ends a wait.
    awaited_keys_on_nokey,
    /// Bytes that connections hold.
    clients_bytes,
    /// Bytes of keys, values and tables.
    keyspace_bytes,
    /// Bytes of the heaps' pages that hold nothing.
    wasted_bytes,
    /// All bytes that are counted.
    used_bytes,
    /// Bytes of tables.
    table_bytes,
    /// Bytes that wait to be sent of values that are gone, and that saving takes.
    passing_bytes,
    /// Bytes of keys and values alone.
    dataset_bytes,
    /// The most bytes that were ever seen in use.
    peak_bytes,
    /// Big values that are waiting to be freed.
    lazyfree_pending_objects,
    /// Big values that were freed piece by piece.
    lazyfreed_objects,
    /// Connections accepted.
    connections_received,
    /// Connections refused.
    rejected_connections,
    /// Commands run.
    commands_processed,
    /// Commands that were sent to another core.
    hops,
    /// Batches in which they were sent.
    batches,
    /// Transactions that had the claims of the one before them.
    claims_passed_on,
    /// Times that the engine of a core that slept answered on the thread of another.
    lent_turns,
    /// Bytes of what keys hold that commands have carried from core to core.
    relayed_bytes,
    /// Attempts of cuts that were withdrawn.
    cuts_withdrawn,
    /// The longest time for which a cut has held writers, microseconds. One core makes all cuts.
    cut_held_us_max,
    /// Changes by commands that are in no file.
    changes,
    /// Commands a second, lately.
    operations_per_second,
    /// Bytes a second from clients, lately.
    input_bytes_per_second,
    /// Bytes a second to clients, lately.
    output_bytes_per_second,
    /// Bytes from clients.
    net_input_bytes,
    /// Bytes to clients.
    net_output_bytes,
    /// Keys whose time was over.
    expired_keys,
    /// Fields of hashes whose time was over.
    expired_fields,
    /// Keys removed since memory was short.
    evicted_keys,
    /// Reads that found their key.
    keyspace_hits,
    /// Reads that did not.
    keyspace_misses,
    /// Error replies.
    total_error_replies,
    /// Logins that were denied, and requests, by what was lacking.
    denied_auth,
    denied_commands,
    denied_keys,
    denied_channels,
    denied_databases,
    denied_certificates,
    /// Connections closed for too long requests.
    query_limit_disconnections,
    /// Connections closed for too many untaken replies.
    output_limit_disconnections,
    /// Connections closed since all clients together took too much.
    evicted_clients,
    /// Bytes that the interpreters of scripts take.
    interpreter_bytes,
    /// Bytes of the texts of scripts.
    script_bytes,
    /// Scripts that are known, and that had to go. All cores know the same, but for what was used where: one reports.
    scripts,
    evicted_scripts,
    /// Libraries and functions, of which all cores have the same: one reports.
    libraries,
    functions,
    /// Bytes of the texts of libraries.
    library_bytes,
    /// Bytes by which interpreters grew for libraries.
    library_interpreter_bytes,
    /// Turns of the cores.
    turns,
    /// Time that they took, nanoseconds.
    turns_ns,
    /// Turns a second, lately.
    turns_per_second,
    /// Nanoseconds a second that they take, lately.
    turn_ns_per_second,
    /// Time of all commands, microseconds, estimated.
    commands_us,
}

/// The keys of one database.
#[derive(Default, Clone, Copy)]
pub(in crate::commands::server) struct Database {
    /// Keys.
    pub keys: i64,
    /// Keys with a time to live.
    pub expires: i64,
    /// Sum of the estimated times to live, in milliseconds.
    pub ttl_sum_ms: i128,
    /// Hashes with fields that have a time to live.
    pub expiring_hashes: i64,
}

/// The report of one core, or of all together.
pub(in crate::commands::server) struct Report {
    /// Figures.
    pub figures: Figures,
    /// By database number.
    pub databases: Vec<Database>,
    /// By command id.
    pub calls: Vec<CommandCalls>,
    /// Error replies by code.
    pub errors: BTreeMap<String, u64>,
    /// How often scripts have run, by sha: of each core those that have run there most.
    pub scripts: BTreeMap<String, ScriptRuns>,
    /// Patterns that somebody has subscribed to, which every core knows.
    pub patterns: usize,
    /// Prefixes of which keys clients are told.
    pub prefixes: usize,
}

impl Report {
    /// Nothing yet.
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        Report {
            figures: Figures::default(),
            databases: vec![Database::default(); usize::from(facts.databases)],
            calls: vec![CommandCalls::default(); facts.registry.id_count()],
            errors: BTreeMap::new(),
            scripts: BTreeMap::new(),
            patterns: 0,
            prefixes: 0,
        }
    }

    /// What this core reports; lists that no selected section shows stay empty.
    pub(super) fn of_core(context: &CoreContext<'_>, selection: &Selection) -> Self {
        let mut report = Report::new(&context.facts());
        report.figures = figures(context);
        for (db, database) in report.databases.iter_mut().enumerate() {
            *database = of_database(context, db as u16);
        }
        if selection.has("commandstats") {
            report.calls.clone_from(&context.stats().calls);
        }
        if selection.has("errorstats") {
            report.errors.clone_from(&context.stats().errors);
        }
        if selection.has("scripts") {
            let sha = |sha: &Sha| String::from_utf8_lossy(sha).into_owned();
            let runs = context.script_runs().map(|(name, runs)| (sha(name), runs)).collect();
            report.scripts = most_run(&runs).map(|(sha, runs)| (sha.clone(), *runs)).collect();
        }
        report
    }

    /// Writes it as an array of five arrays.
    pub(super) fn write(&self, reply: &mut Reply<'_>) {
        reply.array(5);
        self.figures.write(reply);
        let databases: Vec<_> = self.databases.iter().enumerate().filter(|(_, database)| database.keys > 0).collect();
        reply.array(databases.len() * 5);
        for (db, database) in databases {
            let ttl_average_ms = (database.ttl_sum_ms / i128::from(database.expires.max(1))) as i64;
            [db as i64, database.keys, database.expires, ttl_average_ms, database.expiring_hashes]
                .into_iter()
                .for_each(|number| reply.integer(number));
        }
        let calls: Vec<_> = self.calls.iter().enumerate().filter(|(_, calls)| is_worth_showing(calls)).collect();
        reply.array(calls.len() * 6);
        for (id, calls) in calls {
            let timed = [calls.timed_calls, calls.timed_ns];
            let numbers = [id as u64, calls.calls, calls.rejected_calls, calls.failed_calls, timed[0], timed[1]];
            numbers.into_iter().for_each(|number| reply.integer(number as i64));
        }
        reply.array(self.errors.len() * 2);
        for (code, &count) in &self.errors {
            reply.bulk(code.as_bytes());
            reply.integer(count as i64);
        }
        reply.array(self.scripts.len() * 4);
        for (sha, runs) in &self.scripts {
            reply.bulk(sha.as_bytes());
            [runs.all, runs.several_cores, runs.all_cores].into_iter().for_each(|count| reply.integer(count as i64));
        }
    }

    /// Adds a report that was written.
    pub(super) fn add(&mut self, part: &[u8]) {
        let mut lists = Elements::new(part).expect("a report is an array");
        let mut next = || lists.next().expect("a report has five parts");
        self.figures.add(next());
        let mut numbers = integers(next());
        while let Some(db) = numbers.next() {
            let mut number = || numbers.next().expect("five numbers a database");
            let (keys, expires, ttl_average_ms) = (number(), number(), number());
            let database = &mut self.databases[db as usize];
            database.keys += keys;
            database.expires += expires;
            database.ttl_sum_ms += i128::from(ttl_average_ms) * i128::from(expires);
            database.expiring_hashes += number();
        }
        let mut numbers = integers(next());
        while let Some(id) = numbers.next() {
            let mut number = || numbers.next().expect("four numbers a command") as u64;
            let calls = &mut self.calls[id as usize];
            calls.calls += number();
            calls.rejected_calls += number();
            calls.failed_calls += number();
            calls.timed_calls += number();
            calls.timed_ns += number();
        }
        let mut errors = Elements::new(next()).expect("errors are an array");
        while let (Some(code), Some(count)) = (errors.next(), errors.next()) {
            let code = String::from_utf8_lossy(reader::bulk(code).expect("a code is a string")).into_owned();
            *self.errors.entry(code).or_insert(0) += reader::integer(count).expect("a count is a number") as u64;
        }
        let mut scripts = Elements::new(next()).expect("scripts are an array");
        while let Some(sha) = scripts.next() {
            let mut number =
                || reader::integer(scripts.next().expect("three numbers a script")).expect("a count is a number") as u64;
            let sha = String::from_utf8_lossy(reader::bulk(sha).expect("a sha is a string")).into_owned();
            let runs = self.scripts.entry(sha).or_default();
            runs.all += number();
            runs.several_cores += number();
            runs.all_cores += number();
        }
    }
}

/// The scripts that have run most.
pub(super) fn most_run(scripts: &BTreeMap<String, ScriptRuns>) -> impl Iterator<Item = (&String, &ScriptRuns)> {
    let mut scripts: Vec<_> = scripts.iter().filter(|(_, runs)| runs.all > 0).collect();
    scripts.sort_by_key(|(_, runs)| std::cmp::Reverse(runs.all));
    scripts.into_iter().take(SCRIPTS_SHOWN_MAX)
}

/// Whether a command has been called or refused at all.
pub(super) fn is_worth_showing(calls: &CommandCalls) -> bool {
    calls.calls > 0 || calls.rejected_calls > 0 || calls.failed_calls > 0
}

/// Of channels that every core knows one core counts.
fn channels_published_here(context: &CoreContext<'_>, kind: TopicKind) -> u64 {
    let facts = context.facts();
    let is_here = |name: &&Arc<[u8]>| Home::publisher(kind, name, facts.slots) == facts.core;
    context.routes().names(kind).filter(is_here).count() as u64
}

fn figures(context: &CoreContext<'_>) -> Figures {
    let (stats, keyspace, memory) = (context.stats(), context.keyspace_stats(), context.memory());
    let clients_bytes = context.sessions.iter().map(|session| session.memory_bytes() as u64).sum();
    let (keyspace_bytes, used_bytes) = (memory.used_bytes as u64, context.used_bytes() as u64);
    let rates = stats.samples.rates();
    let denied = |lacking: Lacking| context.denials().denied[lacking as usize];
    Figures {
        clients: context.sessions.len() as u64,
        blocked_clients: context.sessions.iter().filter(|session| session.shows_blocked()).count() as u64,
        pubsub_clients: context.sessions.iter().filter(|session| session.is_subscriber).count() as u64,
        pubsub_channels: channels_published_here(context, TopicKind::Channel),
        pubsubshard_channels: channels_published_here(context, TopicKind::Shard),
        tracking_clients: context.sessions.iter().filter(|session| session.tracking.is_some()).count() as u64,
        tracked_keys: context.read_table().len() as u64,
        tracked_reads: context.read_table().readers() as u64,
        watching_clients: context.sessions.iter().filter(|session| !session.watches.is_empty()).count() as u64,
        awaited_keys: context.awaited_keys(),
        awaited_keys_on_nokey: context.awaited_keys_on_nokey(),
        clients_bytes,
        keyspace_bytes,
        wasted_bytes: memory.entries_wasted_bytes as u64,
        used_bytes,
        table_bytes: memory.table_bytes as u64,
        passing_bytes: (memory.lent_bytes + memory.saving_bytes) as u64,
        dataset_bytes: (memory.entries_bytes + memory.large_bytes) as u64,
        peak_bytes: stats.samples.memory_bytes_max().max(used_bytes),
        lazyfree_pending_objects: keyspace.lazyfree_pending_objects,
        lazyfreed_objects: keyspace.lazyfreed_objects,
        connections_received: stats.connections_received,
        rejected_connections: stats.rejected_connections,
        commands_processed: stats.commands_processed,
        hops: stats.hops,
        batches: stats.batches,
        claims_passed_on: stats.claims_passed_on,
        lent_turns: stats.lent_turns,
        relayed_bytes: stats.relayed_bytes,
        cuts_withdrawn: stats.cuts_withdrawn,
        cut_held_us_max: stats.cut_held_us_max,
        changes: context.unsaved_changes(),
        operations_per_second: rates.commands,
        input_bytes_per_second: rates.input_bytes,
        output_bytes_per_second: rates.output_bytes,
        net_input_bytes: stats.net_input_bytes,
        net_output_bytes: stats.net_output_bytes,
        expired_keys: keyspace.expired_keys,
        expired_fields: keyspace.expired_fields,
        evicted_keys: stats.evicted_keys,
        keyspace_hits: stats.keyspace_hits,
        keyspace_misses: stats.keyspace_misses,
        total_error_replies: stats.total_error_replies,
        denied_auth: context.denials().denied_auth,
        denied_commands: denied(Lacking::Command),
        denied_keys: denied(Lacking::Key),
        denied_channels: denied(Lacking::Channel),
        denied_databases: denied(Lacking::Database),
        denied_certificates: context.denials().denied_certificates,
        query_limit_disconnections: stats.query_limit_disconnections,
        output_limit_disconnections: stats.output_limit_disconnections,
        evicted_clients: stats.evicted_clients,
        turns: stats.turns,
        turns_ns: stats.turns_ns,
        turns_per_second: rates.turns,
        turn_ns_per_second: rates.turns_ns,
        commands_us: stats.calls.iter().map(CommandCalls::estimated_us).sum(),
        ..figures_of_scripts(context)
    }
}

/// All cores have the same scripts and libraries: one of them counts.
fn figures_of_scripts(context: &CoreContext<'_>) -> Figures {
    let scripts = context.script_figures();
    let of_one_core = |figure| if context.facts().core == 0 { figure } else { 0 };
    Figures {
        interpreter_bytes: scripts.interpreter_bytes as u64,
        script_bytes: scripts.source_bytes as u64,
        scripts: of_one_core(scripts.known as u64),
        evicted_scripts: of_one_core(scripts.evicted),
        libraries: of_one_core(scripts.libraries.libraries as u64),
        functions: of_one_core(scripts.libraries.functions as u64),
        library_bytes: scripts.libraries.source_bytes as u64,
        library_interpreter_bytes: scripts.libraries.interpreter_bytes as u64,
        ..Figures::default()
    }
}

fn of_database(context: &CoreContext<'_>, db: u16) -> Database {
    let figures = context.database_figures(db);
    Database {
        keys: figures.keys as i64,
        expires: figures.expires as i64,
        ttl_sum_ms: i128::from(figures.ttl_average_ms) * figures.expires as i128,
        expiring_hashes: figures.expiring_hashes as i64,
    }
}

/// The numbers of an encoded array of integers.
fn integers(part: &[u8]) -> impl Iterator<Item = i64> + '_ {
    let elements = Elements::new(part).expect("numbers are reported as an array");
    elements.map(|number| reader::integer(number).expect("an array of integers"))
}
