//! CONFIG SET parameter value [parameter value ...]: changes directives, all of them or none, on every core.

use torc_resp::{Args, Reply};

use crate::command::{Asking, Flags, HostStep, Merge, Route, Row, Run, Secrets};
use crate::config::{Config, SetError, ValueError};
use crate::host_request::{FileChange, HostRequest, ListenerChange, OomScore, TlsChange};
use crate::error::{CommandError, CommandResult};
use crate::session::{CoreContext, LOADING};
use crate::state::{Facts, access_clock};

pub(super) static ROW: Row = Row {
    name: "set",
    arity: -4,
    flags: super::ADMIN.and(Flags::CONFIGURES),
    route: Route::Every(Merge::Same),
    run: Run::Core(set),
    host_step: Some(&STEP),
    secrets: Secrets::Some(is_secret),
    since: "2.0.0",
    group: "server",
    summary: "Sets configuration parameters in-flight.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    syntax: "parameter value data:[parameter value ...]",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    history: &[
        ("7.0.0", "Added the ability to set multiple parameters in one call."),
    ],
    ..Row::DEFAULT
};

/// What may fail although the values are fine: then nothing of this CONFIG SET is in force.
static STEP: HostStep = HostStep {
    request,
    failed: CommandError::fixed(
        "ERR CONFIG SET failed (possibly related to argument 'oom-score-adj') - Failed to apply new oom-score-adj \
         configuration, check server logs.",
    ),
};

/// What is wrong with the request is for the command to say: then nothing is asked.
fn request(facts: Facts<'_>, args: Args<'_>, asking: Asking<'_>) -> Option<HostRequest> {
    let config = changed(facts, args).ok()?;
    let wanted = OomScore::of(&config);
    let asker = asking.session.connection;
    // It may be off although the configuration says that it is on: it could not be begun then.
    let pairs = pairs(args).ok()?;
    let names_log = pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"appendonly"));
    let is_on = facts.config.log.appendonly && facts.persistence.log.is_on;
    let tls = tls_change(&config, &pairs);
    let listeners = listener_change(&config, facts.config);
    let change = FileChange {
        directory: (config.dir != facts.config.dir).then_some(config.dir),
        appends: (names_log && config.log.appendonly != is_on).then_some(config.log.appendonly),
        listeners,
        tls,
        clears_history: facts.config.log.aof_disable_auto_gc && !config.log.aof_disable_auto_gc,
        is_answered_early: asking.in_transaction || facts.persistence.loading.is_some(),
    };
    if change.changes_something() {
        return Some(HostRequest::ChangeFiles { change, asker });
    }
    (wanted != OomScore::of(facts.config)).then_some(HostRequest::AdjustOomScore { wanted, asker: Some(asker) })
}

fn listener_change(config: &Config, before: &Config) -> Option<Box<ListenerChange>> {
    let changes = config.bind != before.bind || config.port != before.port;
    changes.then(|| Box::new(ListenerChange { bind: config.bind.clone(), port: config.port }))
}

/// Files are read again whenever a directive of encryption is named, whatever its value was: so they are renewed.
fn tls_change(config: &Config, pairs: &[Pair<'_>]) -> Option<Box<TlsChange>> {
    let directive = pairs.iter().map(|(name, _)| name.to_ascii_lowercase()).find(|name| name.starts_with(b"tls-"))?;
    let directive = String::from_utf8_lossy(&directive).into_owned();
    config.tls.is_used().then(|| Box::new(TlsChange { config: config.tls.clone(), directive }))
}

fn set(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let before = context.facts().config.clone();
    *context.config_mut() = changed(context.facts(), args)?;
    put_in_force(context, &before);
    reply.ok();
    Ok(())
}

/// Values of directives that hold a password.
fn is_secret(args: Args<'_>, index: usize) -> bool {
    const SECRET: [&[u8]; 4] = [b"requirepass", b"masterauth", b"primaryauth", b"tls-key-file-pass"];
    index >= 3 && index % 2 == 1 && SECRET.iter().any(|name| args.get(index - 1).eq_ignore_ascii_case(name))
}

/// The configuration as it would be.
fn changed(facts: Facts<'_>, args: Args<'_>) -> Result<Config, CommandError> {
    let mut config = facts.config.clone();
    config.set(&pairs(args)?).map_err(|error| CommandError::made(error.to_string()))?;
    if config.dir != facts.config.dir && facts.persistence.loading.is_some() {
        return Err(LOADING);
    }
    if config.core_ports && config.port != facts.config.port {
        // Cluster clients know the ports that follow it.
        let why = "core-ports is on: cluster clients know the ports that follow this one";
        let error = SetError::Value("port".to_owned(), ValueError::Other(why));
        return Err(CommandError::made(error.to_string()));
    }
    let possible = facts.identity.clients_possible;
    if possible > 0 && config.maxclients > possible && config.maxclients != facts.config.maxclients {
        let error = SetError::Value("maxclients".to_owned(), ValueError::TooManyClients { possible });
        return Err(CommandError::made(error.to_string()));
    }
    Ok(config)
}

/// A directive's name and value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Names and values in turn.
fn pairs(args: Args<'_>) -> Result<Vec<Pair<'_>>, CommandError> {
    let words: Vec<&[u8]> = args.from(2).iter().collect();
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(CommandError::Syntax);
    }
    Ok(pairs.iter().map(|&[name, value]| (name, value)).collect())
}

/// What follows from a change for things that keep a copy of a setting.
fn put_in_force(context: &mut CoreContext<'_>, before: &Config) {
    let now = context.facts().config;
    // Done already, but another CONFIG SET may have come between. Each core sees to it, and nobody waits for that.
    if OomScore::of(now) != OomScore::of(before) {
        let wanted = OomScore::of(now);
        context.ask_host(HostRequest::AdjustOomScore { wanted, asker: None });
    }
    context.ask_host(HostRequest::Configured);
    if context.facts().config.maxmemory != before.maxmemory {
        context.follow_memory_limit();
    }
    if access_clock(context.facts().config) != access_clock(before) {
        context.follow_access_clock();
    }
    context.follow_notified();
    context.follow_script_memory();
    context.follow_read_table();
    if context.facts().config.requirepass != before.requirepass {
        let mut users = context.users().clone();
        users.set_default_password(context.facts().config.requirepass.as_bytes());
        context.replace_users(users);
    }
}
