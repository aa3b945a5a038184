//! From options to a running server, and to its end.

use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use torc_engine::acl::Users;
use torc_engine::config::Config;
use torc_engine::persistence::{Loading, Persistence};
use torc_engine::random::Random;
use torc_engine::state::{CoreState, HostFunctions, Identity};
use torc_engine::{ClientMemory, Engine, MemoryBudget, OomScore, ScriptMemory};
use torc_store::{Keyspace, KeyspaceOptions};

use crate::core::{Backend, Core, CoreListener, Setup, Sockets, client_descriptors_end, socket};
use crate::listening::{ByCore, Listening, core_port};
use crate::logging::{self, Logging};
use crate::mesh::Mesh;
use crate::oom_score;
use crate::options::Options;
use crate::probe::{self, IoMode};
use crate::service::metrics::{CoreMetrics, Sources};
use crate::service::{self, Admin, Service};
use crate::signals::Signals;
use crate::storage::{self, LoadEnd, Storage, ToStorage};
use crate::tls::Tls;
use crate::tls::handshakes::Handshakes;
use crate::topology::{self, Topology};

/// Most cores that cursors and client ids leave room for.
const CORES_MAX: usize = 1024;

/// Descriptors that are no client connections, for each core: ring, listeners, spare.
const DESCRIPTORS_PER_CORE: u64 = 16;

/// Descriptors of the process that are no client connections either.
const DESCRIPTORS_OTHER: u64 = 32;

/// Cores that are allowed on however small a machine.
const CORES_ALLOWED: usize = 16;
/// Cores for each CPU that are allowed on a bigger one.
const CORES_PER_CPU_MAX: usize = 4;

/// Runs the server until a signal or SHUTDOWN stops it. The error is one line for the user.
pub fn serve(options: Options) -> Result<(), String> {
    let logging = Logging::install(options.config.loglevel, &options.config.logfile).map_err(text)?;
    let ended = serve_logged(options, &logging);
    logging.drain();
    ended
}

fn serve_logged(mut options: Options, logging: &Logging) -> Result<(), String> {
    options.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    check_listening(&options.config)?;
    prepare_process(&options.config);
    let signals = Signals::install().map_err(text)?;
    let io_mode = probe::choose(options.config.wait.io_backend).map_err(|error| error.to_string())?;
    let topology = Topology::detect().map_err(|error| format!("cannot ask which CPUs may be used: {error}"))?;
    let cores = topology.core_count(options.config.cores);
    check_cores(cores, topology.cpus.len())?;
    let clients_possible = limit_clients(&mut options.config, cores);
    let (listening, listeners) = Listening::open(&options.config, cores)?;
    let metrics = CoreMetrics::for_cores(cores);
    let mut config = options.config.clone();
    config.dir = absolute_directory(&config.dir)?;
    let tls = config.tls.is_used().then(|| Tls::load(&config.tls, &config.dir)).transpose()?.map(Arc::new);
    let sources = Sources { cores: Arc::clone(&metrics), log: logging.counters(), tls: tls.clone() };
    let service = start_service(&config, sources, io_mode.backend())?;
    check_descriptors(cores, io_mode.backend())?;
    announce(&options.config, cores, &io_mode);
    announce_service(&config, service.as_ref());
    let users = users(&config)?;
    let identity = Identity { clients_possible, ..identity(&options, &topology, &io_mode, cores) };
    let mesh = Mesh::new(cores as u16).map_err(|error| format!("the cores get no doorbells: {error}"))?;
    let mesh = Arc::new(mesh);
    let handshakes = start_handshakes(&config, tls.as_ref(), &mesh)?;
    let storage = Storage::start(storage::Setup {
        config: config.clone(),
        mesh: Arc::clone(&mesh),
        metrics: Arc::clone(&metrics),
        started_ms: identity.started_ms,
        progress: logging.progress(),
        tls: tls.clone(),
        listening,
    })?;
    let mut random = Random::new(unforeseeable());
    let hash_seed = std::array::from_fn(|_| random.next_u64());
    let logging = logging.clone();
    let to_storage = storage.sender.clone();
    let budgets = Budgets::new(&config, cores as u16);
    let backend = io_mode.backend();
    let plan = Plan {
        backend,
        users,
        config,
        identity,
        topology,
        metrics,
        mesh,
        logging,
        hash_seed,
        budgets,
        tls,
        handshakes,
    };
    let threads = start_cores(plan, listeners, &signals, to_storage)?;
    let loaded = storage.wait_until_loaded();
    if loaded == Ok(LoadEnd::Loaded) {
        logging::log_ready();
    }
    let ended = wait_for_end(threads);
    let stored = storage.join();
    loaded?;
    stored?;
    tracing::info!("Torc is now ready to exit, bye bye...");
    Listening::remove_files(&options.config, cores);
    if let Some(service) = service {
        service.stop().map_err(text)?;
    }
    ended
}

/// Starts the threads that take clients of the encrypted port through their handshakes, if there is one.
fn start_handshakes(
    config: &Config,
    tls: Option<&Arc<Tls>>,
    mesh: &Arc<Mesh>,
) -> Result<Option<Arc<Handshakes>>, String> {
    let Some(tls) = tls.filter(|_| config.tls.port != 0) else { return Ok(None) };
    let started = Handshakes::start(tls, mesh).map(Arc::new);
    started.map(Some).map_err(|error| format!("the threads for handshakes cannot be started: {error}"))
}

/// What the process is told of itself before anything is opened. Nothing here ends the start.
fn prepare_process(config: &Config) {
    if config.disable_thp {
        disable_huge_pages();
    }
    if let Err(problem) = oom_score::adjust(&OomScore::of(config)) {
        tracing::warn!("oom-score-adj: {problem}");
    }
}

/// Those of the configuration, or of the file that it names.
fn users(config: &Config) -> Result<Users, String> {
    let users = Users::of_config(config)?;
    if config.acl.aclfile.is_empty() {
        return Ok(users);
    }
    let failed = |why: &str| format!("Aborting Torc startup because of ACL errors: {why}");
    let content = storage::read_users(&Path::new(&config.dir).join(&config.acl.aclfile)).map_err(|why| failed(&why))?;
    let users = users.of_file(&content, &config.acl.aclfile, config.acl.acl_pubsub_default.allows_all());
    users.map_err(|why| failed(&String::from_utf8_lossy(&why)))
}

/// The directory of all files, which must be there.
fn absolute_directory(dir: &str) -> Result<String, String> {
    let path = std::fs::canonicalize(dir).map_err(|error| format!("Can't chdir to '{dir}': {error}"))?;
    match path.is_dir() {
        true => Ok(path.to_string_lossy().into_owned()),
        false => Err(format!("Can't chdir to '{dir}': it is no directory")),
    }
}

/// A server that nobody can reach is a mistake.
fn check_listening(config: &Config) -> Result<(), String> {
    let why = match config {
        _ if config.core_ports && config.port == 0 => return Err("core-ports: they follow port, which is 0".to_owned()),
        _ if !config.unixsocket.is_empty() => return Ok(()),
        _ if config.tls.port != 0 && !config.bind.is_empty() => return Ok(()),
        _ if config.port == 0 => "port is 0",
        _ if config.bind.is_empty() => "bind is empty",
        _ => return Ok(()),
    };
    Err(format!("nothing to listen on: {why}, and there is no tls-port and no unixsocket"))
}

/// Cores that share CPUs are for tests: each waits while another runs, and every pair of them has mailboxes.
fn check_cores(cores: usize, cpus: usize) -> Result<(), String> {
    let allowed = (cpus * CORES_PER_CPU_MAX).clamp(CORES_ALLOWED, CORES_MAX);
    let mailboxes_mib = Mesh::bytes(cores).div_ceil(1 << 20);
    if cores > allowed {
        return Err(format!(
            "cores: expected at most {allowed} for {cpus} CPUs, got {cores}, whose mailboxes alone would take {mailboxes_mib} MiB"
        ));
    }
    if cores > cpus {
        tracing::warn!(
            "{cores} cores share {cpus} CPUs and wait for each other; their mailboxes take {mailboxes_mib} MiB"
        );
    }
    Ok(())
}

/// Opens the admin interface, if there is to be one.
fn start_service(config: &Config, sources: Sources, backend: Backend) -> Result<Option<Service>, String> {
    let addresses = service::admin_addresses(config).map_err(text)?;
    if addresses.is_empty() {
        return Ok(None);
    }
    let tls = sources.tls.clone().filter(|_| config.tls.is_for_admin);
    let admin = Admin { names: service::admin_names(config), tls };
    Service::start(&addresses, admin, sources, backend).map(Some).map_err(text)
}

/// A server whose limit of open files has no room for a client serves nobody.
fn check_descriptors(cores: usize, backend: Backend) -> Result<(), String> {
    // What each core will open: its ring (epoll and what wakes it), the doorbell of its inbox, and a spare to refuse clients with.
    let opened_by_core = if backend == Backend::Uring { 3 } else { 4 };
    let in_use = match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => Some(entries.count()),
        // There is none left, not even for looking.
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => None,
        // Without /proc there is nothing to count.
        Err(_) => Some(0),
    };
    let end = client_descriptors_end();
    if in_use.is_some_and(|in_use| usize::try_from(end).is_ok_and(|end| in_use + opened_by_core * cores < end)) {
        return Ok(());
    }
    let limit = socket::raise_file_limit(0);
    let wanted = DESCRIPTORS_PER_CORE * cores as u64 + DESCRIPTORS_OTHER + 1;
    Err(format!(
        "the limit of open files, {limit}, leaves none for clients; raise it with 'ulimit -n {wanted}' at least"
    ))
}

/// Small pages for memory that is touched from now on: a huge one is resident as a whole, however little of it is used.
fn disable_huge_pages() {
    // SAFETY: changes a flag of this process; no memory is concerned.
    let result = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    if result != 0 {
        tracing::warn!("Huge pages stay on (disable-thp): {}", io::Error::last_os_error());
    }
}

/// What all cores share of memory.
struct Budgets {
    clients: Arc<ClientMemory>,
    scripts: Arc<ScriptMemory>,
    process: Arc<MemoryBudget>,
}

impl Budgets {
    fn new(config: &Config, cores: u16) -> Self {
        Budgets {
            clients: ClientMemory::new(cores),
            scripts: ScriptMemory::new(config.script_memory_bytes(cores)),
            process: MemoryBudget::new(cores),
        }
    }
}

/// What every core is made from.
struct Plan {
    backend: Backend,
    config: Config,
    identity: Identity,
    topology: Topology,
    metrics: Arc<[CoreMetrics]>,
    mesh: Arc<Mesh>,
    logging: Logging,
    /// Shared by all cores, since tables move from one core to another without rehashing.
    hash_seed: [u64; 4],
    budgets: Budgets,
    tls: Option<Arc<Tls>>,
    handshakes: Option<Arc<Handshakes>>,
    /// Each core has its own users, so that none counts references for another.
    users: Users,
}

/// Starts the threads and returns when all of them run their loop, or one cannot.
fn start_cores(
    plan: Plan,
    listeners: ByCore,
    signals: &Signals,
    to_storage: mpsc::Sender<ToStorage>,
) -> Result<Vec<JoinHandle<()>>, String> {
    let (started, starts) = mpsc::channel();
    let mut threads = Vec::new();
    let plan = Arc::new(plan);
    for (core, listeners) in listeners.into_iter().enumerate() {
        let (plan, started, to_storage) = (Arc::clone(&plan), started.clone(), to_storage.clone());
        let stop_signal = (core == 0).then(|| signals.event_fd());
        let body = move || run_core(&plan, core, listeners, stop_signal, to_storage, &started);
        let thread = thread::Builder::new().name(format!("torc-core-{core}")).spawn(body).map_err(|error| {
            format!("cannot start the thread of core {core}: {error}; the limit of processes (ulimit -u) or memory is too low")
        });
        threads.push(thread?);
    }
    starts.iter().take(threads.len()).collect::<Result<Vec<()>, String>>()?;
    Ok(threads)
}

/// The body of a core's thread. What the core works on is made here, so that its memory is near its CPU.
fn run_core(
    plan: &Plan,
    core: usize,
    listeners: Vec<CoreListener>,
    stop_signal: Option<RawFd>,
    to_storage: mpsc::Sender<ToStorage>,
    started: &mpsc::Sender<Result<(), String>>,
) {
    let cpu = plan.topology.cpu_of_core(core);
    if let Err(error) = topology::pin_current_thread(cpu) {
        tracing::warn!("core {core} is not pinned to CPU {cpu}: {error}");
    }
    let result = Core::new(Setup {
        core,
        backend: plan.backend,
        engine: engine(plan, core),
        mesh: Arc::clone(&plan.mesh),
        metrics: Arc::clone(&plan.metrics),
        listeners,
        tls: plan.tls.clone(),
        handshakes: plan.handshakes.clone(),
        stop_signal,
        storage: to_storage,
        logging: plan.logging.clone(),
    });
    let report = result
        .as_ref()
        .map(|_| ())
        .map_err(|error| format!("core {core} cannot set up its ring and its receive buffers: {error}"));
    // Without a receiver the start was given up.
    if let (Ok(()), Ok(core)) = (started.send(report), result) {
        core.run();
    }
}

fn engine(plan: &Plan, core: usize) -> Engine {
    let mut random = Random::new(unforeseeable());
    let databases = plan.config.databases as u16;
    let keyspace = Keyspace::new(KeyspaceOptions { databases, hash_seed: plan.hash_seed });
    let (config, identity) = (plan.config.clone(), plan.identity.clone());
    let cores = plan.mesh.cores() as u16;
    let state = CoreState::new(core as u16, cores, config, keyspace, identity, random.next_u64());
    let host = HostFunctions {
        clock_ns: || crate::core::clock_ns(Instant::now()),
        unix_us: crate::core::unix_us,
        sleep: thread::sleep,
        secret: unforeseeable_bytes,
    };
    let state = state.with_client_memory(Arc::clone(&plan.budgets.clients)).with_users(plan.users.clone());
    let state = state.with_script_memory(Arc::clone(&plan.budgets.scripts));
    let state = state.with_memory_budget(Arc::clone(&plan.budgets.process));
    let mut engine = Engine::new(state.with_host_functions(host).with_clients(Box::new(Sockets)));
    // Until the storage plane says that all is loaded.
    engine.set_persistence(Persistence { loading: Some(Loading::default()), ..Persistence::default() });
    engine
}

fn wait_for_end(threads: Vec<JoinHandle<()>>) -> Result<(), String> {
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a core has failed".to_owned()))
}

/// Lowers `maxclients` when the limit of open files is too low for it, as Redis does. Returns how many clients there can be,
/// however `maxclients` is changed later: the limit is raised as far as it goes now.
fn limit_clients(config: &mut Config, cores: usize) -> u32 {
    let other = DESCRIPTORS_PER_CORE * cores as u64 + DESCRIPTORS_OTHER;
    let wanted = u64::from(config.maxclients) + other;
    let granted = socket::raise_file_limit(wanted.max(socket::hard_file_limit()));
    let possible = u32::try_from(granted.saturating_sub(other).max(1)).unwrap_or(u32::MAX);
    if possible < config.maxclients {
        tracing::warn!(
            "maxclients is {possible} instead of {}: the limit of open files is {granted}; raise it with 'ulimit -n {wanted}'",
            config.maxclients
        );
        config.maxclients = possible;
    }
    possible
}

/// The lines that say where the admin interface is.
fn announce_service(config: &Config, service: Option<&Service>) {
    let scheme = if config.tls.is_for_admin { "https" } else { "http" };
    for address in service.into_iter().flat_map(Service::addresses) {
        tracing::info!("Metrics and health on {scheme}://{address}/metrics and /healthz");
    }
}

/// The line that says what has started.
fn announce(config: &Config, cores: usize, io_mode: &IoMode) {
    tracing::info!(
        "Torc {} started: {cores} core{}, port {}{}, {io_mode}",
        env!("CARGO_PKG_VERSION"),
        if cores == 1 { "" } else { "s" },
        config.port,
        if config.tls.port == 0 { String::new() } else { format!(", encrypted port {}", config.tls.port) }
    );
    tracing::info!("Files are read and written through the page cache, by threads of their own");
    logging::log_initialised();
}

fn identity(options: &Options, topology: &Topology, io_mode: &IoMode, cores: usize) -> Identity {
    let mut random = Random::new(unforeseeable());
    let run_id = (0..3).map(|_| format!("{:016x}", random.next_u64())).collect::<String>()[..40].to_owned();
    let core_ports = match options.config.core_ports {
        true => (0..cores).filter_map(|core| core_port(&options.config, core).ok()).collect(),
        false => Vec::new(),
    };
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    Identity {
        process_id: std::process::id(),
        run_id,
        started_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64),
        executable: std::env::current_exe().map(path).unwrap_or_default(),
        config_file: options.config_file.clone().map(path).unwrap_or_default(),
        os: operating_system(),
        ring_mode: io_mode.to_string(),
        multiplexing_api: io_mode.api(),
        core_ports,
        memory_limit_bytes: topology.memory_usable_bytes(),
        clients_possible: 0,
    }
}

/// `Linux 6.1.0 x86_64`, as INFO shows it.
fn operating_system() -> String {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    format!("{} {} {}", read("ostype").trim(), read("osrelease").trim(), std::env::consts::ARCH)
}

/// An unpredictable number, from the kernel.
fn unforeseeable() -> u64 {
    u64::from_ne_bytes(unforeseeable_bytes())
}

fn unforeseeable_bytes<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0u8; LEN];
    // SAFETY: the pointer and the length describe `bytes`.
    let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), LEN, 0) };
    assert_eq!(filled, LEN as isize, "the kernel has random numbers since the process has started");
    bytes
}

fn text(error: io::Error) -> String {
    error.to_string()
}
