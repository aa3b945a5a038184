//! `cargo xtask sim --faults`: breaks the engine and the log in ways that their simulators must find.
//!
//! ```text
//!   crates/torc-{sim,log-sim}/faults/ --+
//!   crates/, Cargo.toml, .lock ---------+--> target/faults/src, all faults in it --one build--> both simulators
//!                                        TORC_FAULT=3 torc-sim: the third is in force --> a failure within 2,000 runs (of the log: 10,000)
//! ```
//! The folder of a fault says which simulator must find it, and in which world. So the product has no branch for a fault. The price is a second build of the engine. A fault whose fragment is no longer in the source is an
//! error, here and in the tests of this program: it would be found no more. What a fault looks like is at the head of `faults/patch.rs`.

mod patch;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::tools::{Outcome, absolute, command, run, target_folder};
use patch::{Change, Fault, Numbered};

/// The simulators.
const SIMULATORS: &[Simulator] = &[
    Simulator {
        program: "torc-sim",
        folder: "torc-sim/faults",
        arguments: &["--worker", "--world", "shared"],
        runs: 2000,
    },
    Simulator {
        program: "torc-sim",
        folder: "torc-sim/faults/subscribers",
        arguments: &["--worker", "--world", "subscribers"],
        runs: 2000,
    },
    Simulator { program: "torc-log-sim", folder: "torc-log-sim/faults", arguments: &[], runs: 10_000 },
];
/// What is copied besides the manifest.
const CRATES: &str = "crates";
/// Runs of the same build in which nothing may be found while no fault is in force.
const RUNS_WITHOUT_FAULT: u64 = 200;
/// The variable that puts a fault in force, by its number.
const SWITCH: &str = "TORC_FAULT";

/// The module that each crate with faults gets; VARIABLE is [`SWITCH`].
const SWITCH_MODULE: &str = "//! Which fault is in force in this process.

/// Whether it is this one.
pub fn is(number: usize) -> bool {
    static IN_FORCE: std::sync::LazyLock<Option<usize>> =
        std::sync::LazyLock::new(|| std::env::var(\"VARIABLE\").ok().and_then(|text| text.parse().ok()));
    *IN_FORCE == Some(number)
}
";

/// A program that makes seeded runs of one kind.
#[derive(Clone, Copy)]
struct Simulator {
    program: &'static str,
    /// Where its faults are, below the folder of the crates; those in folders below it are of other kinds of run.
    folder: &'static str,
    /// What makes one process look for a failure, and not make it small.
    arguments: &'static [&'static str],
    /// Runs within which each fault must be found.
    runs: u64,
}

/// The simulators with all faults in them.
pub struct Build {
    faults: Vec<(Simulator, Fault)>,
    folder: PathBuf,
}

impl Build {
    /// Makes the copy, with every fault in it, and builds it.
    ///
    /// # Errors
    /// A fault does not fit the source, or the copy cannot be made or built.
    pub fn new() -> Outcome<Build> {
        let faults = read_faults()?;
        let folder = target_folder().join("faults");
        let patches: Vec<Fault> = faults.iter().map(|(_, fault)| fault.clone()).collect();
        synchronise(&folder.join("src"), &patched_sources(&patches)?)?;
        let manifest = absolute(folder.join("src/Cargo.toml"));
        let mut build = command(&["cargo", "build", "--quiet", "--profile", "quick"]);
        SIMULATORS.iter().for_each(|simulator| _ = build.args(["-p", simulator.program]));
        build.arg("--manifest-path").arg(manifest).env("CARGO_TARGET_DIR", absolute(folder.join("build")));
        // The runs take seconds and the build minutes: what makes the build longer is left out.
        build.env("CARGO_PROFILE_QUICK_OPT_LEVEL", "1").env("CARGO_PROFILE_QUICK_DEBUG", "0");
        // What a fault leaves unused is nobody's mistake.
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        run(build.env("RUSTFLAGS", format!("{flags} -Awarnings").trim()))?;
        Ok(Build { faults, folder: folder.join("build/quick") })
    }

    /// The simulator that must find this fault, with the fault in force.
    ///
    /// # Errors
    /// No fault has this name.
    pub fn simulator(&self, name: &str) -> Outcome<Command> {
        let number = self.faults.iter().position(|(_, fault)| fault.name == name);
        let names: Vec<&str> = self.faults.iter().map(|(_, fault)| fault.name.as_str()).collect();
        let number = number.ok_or(format!("no fault is named {name}; there are {}", names.join(", ")))?;
        let mut program = Command::new(self.folder.join(self.faults[number].0.program));
        program.env(SWITCH, number.to_string());
        Ok(program)
    }

    /// The world in which the simulator must find this fault, if it has several.
    pub fn world(&self, name: &str) -> Option<&'static str> {
        let (simulator, _) = self.faults.iter().find(|(_, fault)| fault.name == name)?;
        let place = simulator.arguments.iter().position(|word| *word == "--world")?;
        simulator.arguments.get(place + 1).copied()
    }

    /// Looks for every fault.
    ///
    /// # Errors
    /// One was not found, or something was found without any.
    pub fn find_all(&self) -> Outcome<()> {
        let started = Instant::now();
        for simulator in SIMULATORS {
            let mut program = Command::new(self.folder.join(simulator.program));
            if let Some((seed, what)) = first_failure(&mut program, *simulator, RUNS_WITHOUT_FAULT)? {
                return Err(format!("{} without any fault, seed {seed} fails: {what}", simulator.program));
            }
        }
        let waiting: Mutex<VecDeque<&(Simulator, Fault)>> = Mutex::new(self.faults.iter().collect());
        let survivors = Mutex::new(Vec::new());
        let next = || waiting.lock().expect("nobody panics with it").pop_front();
        let work = || -> Outcome<()> {
            while let Some((simulator, fault)) = next() {
                if !self.find(*simulator, fault)? {
                    survivors.lock().expect("nobody panics with it").push(fault.name.clone());
                }
            }
            Ok(())
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let outcomes: Vec<Outcome<()>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
        });
        outcomes.into_iter().collect::<Outcome<()>>()?;
        let survivors = survivors.into_inner().expect("nobody panicked with it");
        println!(
            "{} faults, {} not found, in {:.0} s",
            self.faults.len(),
            survivors.len(),
            started.elapsed().as_secs_f64()
        );
        if survivors.is_empty() { Ok(()) } else { Err(format!("not found: {}", survivors.join(", "))) }
    }

    /// Whether a fault is found.
    fn find(&self, simulator: Simulator, fault: &Fault) -> Outcome<bool> {
        let found = first_failure(&mut self.simulator(&fault.name)?, simulator, simulator.runs)?;
        match &found {
            Some((seed, what)) => println!("{}: found after {} runs: {what}", fault.name, seed + 1),
            None => println!("{}: NOT FOUND in {} runs. {}", fault.name, simulator.runs, fault.sentence),
        }
        Ok(found.is_some())
    }
}

/// The seed of the first run that fails, and what is wrong.
fn first_failure(program: &mut Command, simulator: Simulator, runs: u64) -> Outcome<Option<(u64, String)>> {
    program.args(simulator.arguments).args(["--runs", &runs.to_string()]).env("RUST_BACKTRACE", "0");
    let output = program.output().map_err(|error| format!("{}: {error}", simulator.program))?;
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let seed = text.split("seed ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|seed| seed.parse().ok());
    let seed = seed.ok_or_else(|| format!("{} ended without the seed of a failure: {text}", simulator.program))?;
    let what = text.lines().skip_while(|line| !line.contains("panicked at")).nth(1).unwrap_or_default();
    Ok(Some((seed, what[..what.floor_char_boundary(100)].to_owned())))
}

/// All faults, for each simulator in the order of their names.
fn read_faults() -> Outcome<Vec<(Simulator, Fault)>> {
    let mut faults = Vec::new();
    for simulator in SIMULATORS {
        let folder = Path::new(CRATES).join(simulator.folder);
        let is_its_own = |(path, _): &(PathBuf, Vec<u8>)| path.parent() == Some(&folder);
        for (path, text) in files_below(&folder)?.into_iter().filter(is_its_own) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            faults.push((*simulator, Fault::parse(&name, &String::from_utf8_lossy(&text))?));
        }
    }
    Ok(faults)
}

/// The workspace that the simulator needs, with all faults in it: contents by path.
fn patched_sources(faults: &[Fault]) -> Outcome<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = files_below(Path::new(CRATES))?;
    files.insert("Cargo.lock".into(), read(Path::new("Cargo.lock"))?);
    files.insert("Cargo.toml".into(), manifest_of_copy(&String::from_utf8_lossy(&read(Path::new("Cargo.toml"))?)));
    let mut by_path: BTreeMap<&str, Vec<Numbered<'_>>> = BTreeMap::new();
    for (number, fault) in faults.iter().enumerate() {
        fault.changes.iter().for_each(|change| by_path.entry(&change.path).or_default().push((number, change)));
    }
    let mut problems = Vec::new();
    for (path, changes) in &by_path {
        let Some(source) = files.get(Path::new(path)) else {
            problems.push(format!("{}: there is no {path}", names(changes, faults)));
            continue;
        };
        match patch::apply(&String::from_utf8_lossy(source), changes) {
            Ok(patched) => _ = files.insert(path.into(), patched.into_bytes()),
            Err(_) => problems.extend(stale(&String::from_utf8_lossy(source), changes, faults)),
        }
    }
    if !problems.is_empty() {
        return Err(format!("faults do not fit the source:\n  {}", problems.join("\n  ")));
    }
    for folder in
        by_path.keys().filter_map(|path| Some(path.split_once("/src/")?.0)).collect::<std::collections::BTreeSet<_>>()
    {
        let library = Path::new(folder).join("src/lib.rs");
        let text = files.get_mut(&library).ok_or(format!("{folder} has no library"))?;
        text.extend_from_slice(b"\nmod fault_switch;\n");
        files.insert(Path::new(folder).join("src/fault_switch.rs"), SWITCH_MODULE.replace("VARIABLE", SWITCH).into());
    }
    Ok(files)
}

/// Every change of these that does not fit, with its fault; else why they do not fit together.
fn stale(source: &str, changes: &[Numbered<'_>], faults: &[Fault]) -> Vec<String> {
    let problem = |&(number, change): &(usize, &Change)| {
        change.find(source).err().map(|problem| format!("{}: {problem}", faults[number].name))
    };
    let mut problems: Vec<String> = changes.iter().filter_map(problem).collect();
    if problems.is_empty() {
        problems.extend(patch::apply(source, changes).err());
    }
    problems
}

fn names(changes: &[Numbered<'_>], faults: &[Fault]) -> String {
    changes.iter().map(|(number, _)| faults[*number].name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The workspace's manifest without the members that are not copied.
fn manifest_of_copy(text: &str) -> Vec<u8> {
    let line =
        |line: &str| if line.starts_with("members = ") { "members = [\"crates/*\"]".into() } else { line.to_owned() };
    (text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n").into_bytes()
}

/// Makes a folder hold these files and no others. What is the same is left alone, so that it is not built again.
fn synchronise(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) -> Outcome<()> {
    let known = if folder.exists() { files_below(folder)? } else { BTreeMap::new() };
    for (path, content) in files {
        let target = folder.join(path);
        if known.get(&target) == Some(content) {
            continue;
        }
        let parent = target.parent().expect("a file is in a folder");
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&target, content));
        written.map_err(|error| format!("{}: {error}", target.display()))?;
    }
    for path in known.keys().filter(|path| path.strip_prefix(folder).is_ok_and(|path| !files.contains_key(path))) {
        fs::remove_file(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// All files below a folder with their contents, but for what cargo has built.
fn files_below(folder: &Path) -> Outcome<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            if !path.is_dir() {
                files.insert(path.clone(), read(&path)?);
            } else if path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            }
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Here already, since a fault that does not fit the source any more is put right in a minute by whoever has changed that line.
    #[test]
    fn every_fault_fits_the_source() {
        crate::tools::enter_repository_top().unwrap();
        let faults: Vec<Fault> = read_faults().unwrap().into_iter().map(|(_, fault)| fault).collect();
        assert!(!faults.is_empty());
        patched_sources(&faults).unwrap();
    }

    #[test]
    fn a_stale_fault_is_named() {
        crate::tools::enter_repository_top().unwrap();
        let text = "It breaks.\n\nin crates/torc-sim/src/lib.rs\nfrom\n    no such text\nto\n";
        let gone = text.replace("lib.rs", "gone.rs");
        let faults = [Fault::parse("one", text).unwrap(), Fault::parse("other", &gone).unwrap()];
        let problem = patched_sources(&faults).unwrap_err();
        assert!(problem.contains("one: crates/torc-sim/src/lib.rs has no `no such text` any more"), "{problem}");
        assert!(problem.contains("other: there is no crates/torc-sim/src/gone.rs"), "{problem}");
    }

    #[test]
    fn a_folder_is_made_to_hold_just_the_files() {
        let folder = std::env::temp_dir().join(format!("torc-faults-{}", std::process::id()));
        let files = |text: &str| BTreeMap::from([(PathBuf::from("a/b"), text.as_bytes().to_vec())]);
        synchronise(&folder, &files("1")).unwrap();
        fs::write(folder.join("a/c"), "2").unwrap();
        synchronise(&folder, &files("3")).unwrap();
        assert_eq!(files_below(&folder).unwrap(), BTreeMap::from([(folder.join("a/b"), b"3".to_vec())]));
        fs::remove_dir_all(folder).unwrap();
    }
}
