//! A load generator on one thread: N connections, pipelines of P requests, every reply checked.
//!
//! A connection sends a batch of P requests with one `send`, and the next batch when the last reply of the one
//! before has arrived (a closed loop). A request's latency is the time from its batch's send to its own reply, so at
//! P > 1 it includes the requests ahead of it.
//!
//! ```text
//!   options --> plan (which request comes next) --+
//!                                                 v
//!   targets (one node, or a cluster's) --> driver: ring, connections --> tally --> one line of key=value pairs
//! ```
//! With `--measure-pid` the server's CPU time and resident memory are read by this program itself, at the very
//! start and end of the measured time, so that neither warm-up nor process start is counted.

mod driver;
mod idle;
mod plan;
mod tally;
mod targets;

use clap::Parser;
use std::process::ExitCode;
use torc_benches::cpu;

use driver::{Driver, Limit};
use plan::{Group, Mix, Plan, Workload};
use tally::Report;

/// A load generator for servers that speak RESP, on 127.0.0.1.
#[derive(Parser, Debug)]
pub struct Options {
    /// TCP port of the server.
    #[arg(long)]
    port: u16,
    /// CPU to run on; not pinned without it.
    #[arg(long)]
    cpu: Option<usize>,
    /// Connections, spread evenly over the nodes of a cluster.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Operations sent before the first reply is waited for: requests, or whole transactions.
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// SETs to GETs.
    #[arg(long, default_value = "1:10")]
    ratio: plan::Ratio,
    /// Bytes of each value.
    #[arg(long, default_value_t = 64)]
    data_size: usize,
    /// How many different keys there are.
    #[arg(long, default_value_t = 100_000)]
    keyspace: u32,
    /// What stands before the twelve digits of a key.
    #[arg(long, default_value = "key:")]
    key_prefix: String,
    /// Ends after this many measured operations.
    #[arg(long, conflicts_with = "seconds")]
    requests: Option<u64>,
    /// Ends after this many measured seconds; 0 measures the prefill alone.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of the same load before the measured time.
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
    /// Asks CLUSTER SLOTS and sends every key to the node that owns it.
    #[arg(long)]
    cluster: bool,
    /// Sends this command instead of SET and GET; `__key__`, `__data__`, `__num__`, `__shifted__`, `__scattered__`, `__lon__`
    /// and `__lat__` are replaced.
    #[arg(long, group = "operation")]
    command: Option<String>,
    /// First sends this command for every key once, in order; may be given several times.
    #[arg(long, conflicts_with = "prefill")]
    fill: Vec<String>,
    /// Sends MULTI, this many SETs, and EXEC as one operation instead of SET and GET.
    #[arg(long, group = "operation")]
    transaction: Option<u32>,
    /// Sends MSET of this many keys instead of SET and GET.
    #[arg(long, group = "operation")]
    mset: Option<u32>,
    /// Sends MGET of this many keys instead of SET and GET.
    #[arg(long, group = "operation")]
    mget: Option<u32>,
    /// First SETs every key once, in order; a GET without a value is an error from then on.
    #[arg(long)]
    prefill: bool,
    /// Requests a connection has in flight while it prefills.
    #[arg(long, default_value_t = 64)]
    prefill_pipeline: usize,
    /// Opens this many connections instead, uses each once, and holds them for `--seconds`.
    #[arg(long)]
    connections_idle: Option<usize>,
    /// Process whose CPU time and resident memory are measured.
    #[arg(long)]
    measure_pid: Option<u32>,
    /// Start of the sequence of random keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(report) => {
            println!("{report}");
            if report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        Err(problem) => {
            eprintln!("load: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Report, String> {
    if options.connections == 0 || options.pipeline == 0 || options.prefill_pipeline == 0 || options.keyspace == 0 {
        return Err("--connections, --pipeline, --prefill-pipeline and --keyspace must be at least 1".into());
    }
    if let Some(cpu) = options.cpu {
        cpu::pin_this_thread(cpu).map_err(|error| format!("cannot run on CPU {cpu}: {error}"))?;
    }
    cpu::raise_open_files().map_err(|error| format!("cannot raise the limit of open files: {error}"))?;
    if let Some(count) = options.connections_idle {
        return idle::hold(options, count).map_err(|error| format!("idle connections: {error}"));
    }
    drive(options)
}

fn plan_of(options: &Options) -> Result<Plan, String> {
    let group = (options.transaction.map(Group::Transaction))
        .or(options.mset.map(Group::SetAll))
        .or(options.mget.map(|keys| Group::GetAll { keys, expects_values: options.prefill }));
    match (group, &options.command) {
        (Some(group), _) if group.keys() == 0 => Err("--transaction, --mset and --mget must be at least 1".into()),
        (Some(group), _) => Ok(Plan::Group(group)),
        (None, Some(template)) => Ok(Plan::Template(plan::Template::parse(template)?)),
        (None, None) => Ok(Plan::Mix(Mix { ratio: options.ratio, expects_value: options.prefill })),
    }
}

fn drive(options: &Options) -> Result<Report, String> {
    let workload = Workload::new(&options.key_prefix, options.data_size, options.keyspace);
    let targets = targets::find(options.port, options.cluster, &workload, options.keyspace)?;
    let mut report = Report::begin(options.measure_pid)?;
    let mut driver = Driver::connect(&targets, options.connections, options.seed)
        .map_err(|error| format!("cannot connect: {error}"))?;
    let failed = |error: std::io::Error| format!("the run broke off: {error}");
    if options.prefill {
        let tally = driver
            .run(&workload, &Plan::Fill, options.prefill_pipeline, Limit::Operations(u64::from(options.keyspace)))
            .map_err(failed)?;
        report.add_prefill(&tally);
    }
    for fill in &options.fill {
        let plan = Plan::Sequence(plan::Template::parse(fill)?);
        let limit = Limit::Operations(u64::from(options.keyspace));
        let tally = driver.run(&workload, &plan, options.prefill_pipeline, limit).map_err(failed)?;
        report.add_prefill(&tally);
    }
    let plan = plan_of(options)?;
    let measures = options.requests.is_some() || options.seconds > 0.0;
    if measures && options.warmup > 0.0 {
        let tally = driver.run(&workload, &plan, options.pipeline, Limit::seconds(options.warmup)).map_err(failed)?;
        report.add_warmup(&tally);
    }
    if measures {
        let limit = options.requests.map_or(Limit::seconds(options.seconds), Limit::Operations);
        report.start_measuring()?;
        let tally = driver.run(&workload, &plan, options.pipeline, limit).map_err(failed)?;
        report.add_measured(&tally);
    }
    report.finish()?;
    Ok(report)
}
