//! `cargo xtask attack`: clients that mean harm, and what the server must still be able to do.
//!
//! ```text
//!   for each attack (attack/*.rs: a row with bounds, and a function)
//!     a fresh server ---- victims: PING every 2 ms on every core
//!         |               guard: resident memory          observer: CLIENT LIST, INFO
//!     harm over sockets, then close or reset
//!     leftovers: no client, no descriptor, no memory, an idle CPU; SIGTERM ends it
//!   one line each: ok | not ok NAME: which bound was exceeded --> `N passed, N failed`
//! ```
//! The short form does each attack once, at its smallest size, with bounds of time for a busy machine; `--minutes`
//! repeats them in random order, at random sizes, on 1 to 3 cores, with strict ones. The server is one process, the
//! attackers and victims are threads of this one. [`scene`] is the harness that all attacks share.

mod commands;
mod connection;
mod connections;
mod hosts;
mod keyspace;
mod order;
mod outputs;
mod pipelines;
mod process;
mod programs;
mod random;
mod relays;
mod report;
mod scene;
mod server;
mod slow;
mod victim;
mod waiting;

use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::tools::{Outcome, command};
use random::Random;
use report::Row;
use scene::{Attack, Ending, Figures, Form};
use server::Contender;

/// Descriptors that the largest attacks need.
const DESCRIPTORS_WANTED: &str = "--nofile=20000";
const CORES_DEFAULT: u16 = 2;

/// What to attack, and for how long.
#[derive(Args)]
pub struct Options {
    /// Only attacks whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// The long form: random order and sizes, strict bounds of time, until so many minutes are over.
    #[arg(long)]
    minutes: Option<u64>,
    /// Cores of Torc; in the long form by default 1 to 3 at random.
    #[arg(long)]
    cores: Option<u16>,
    /// A Torc to attack instead of TORC_BIN, or one built here.
    #[arg(long, value_name = "PATH")]
    torc: Option<PathBuf>,
    /// Attack a Torc built with the address sanitizer; bounds of memory and time do not hold for it.
    #[arg(long)]
    sanitize: bool,
    /// Attack redis-server, a newer one, and Valkey as well, for comparison.
    #[arg(long)]
    beside: bool,
    /// Write the figures to docs/hardening.md.
    #[arg(long)]
    write: bool,
    /// The seed that a failed attack has named: repeats its sizes and contents (with --only and its --cores).
    #[arg(long)]
    seed: Option<u64>,
    /// Name all attacks and stop.
    #[arg(long)]
    list: bool,
}

/// Attacks.
///
/// # Errors
/// A server cannot be built or started, or a bound was exceeded.
pub fn run(options: &Options) -> Outcome<()> {
    let attacks = chosen(options.only.as_deref())?;
    if options.list {
        attacks.iter().for_each(|it| println!("{:<26} {}", it.name, it.harm));
        return Ok(());
    }
    raise_descriptors();
    let torc = programs::torc(options.torc.clone(), options.sanitize)?;
    let others = if options.beside { programs::others()? } else { Vec::new() };
    let mut random = Random::new(now_ns());
    let mut rows: Vec<Row> = attacks.iter().map(|attack| Row::new(attack)).collect();
    if let Some(minutes) = options.minutes {
        repeat(&mut rows, &torc, options, minutes, &mut random);
    } else {
        for row in &mut rows {
            let cores = options.cores.unwrap_or(CORES_DEFAULT);
            strike(row, &torc, cores, Form::Short, options.seed.unwrap_or_else(|| random.next()));
            for other in &others {
                strike_other(row, other, &mut random);
            }
        }
    }
    let contenders: Vec<&Contender> = std::iter::once(&torc).chain(&others).collect();
    println!("\n{}", report::table(&rows, &contenders));
    if options.write {
        report::write(&rows, &contenders)?;
    }
    let (made, failed) = rows.iter().fold((0, 0), |(made, failed), row| {
        (made + usize::from(row.was_made()), failed + usize::from(row.has_failed()))
    });
    println!("{} passed, {failed} failed", made - failed);
    if made == 0 {
        return Err("no attack was made in that time".into());
    }
    if failed == 0 { Ok(()) } else { Err("an attack has succeeded; see above".into()) }
}

fn all() -> Vec<&'static Attack> {
    let groups = [
        outputs::ATTACKS,
        slow::ATTACKS,
        connections::ATTACKS,
        relays::ATTACKS,
        pipelines::ATTACKS,
        waiting::ATTACKS,
        hosts::ATTACKS,
        commands::ATTACKS,
        keyspace::ATTACKS,
        order::ATTACKS,
    ];
    groups.concat()
}

fn chosen(only: Option<&str>) -> Outcome<Vec<&'static Attack>> {
    let mut attacks = all();
    attacks.retain(|attack| only.is_none_or(|part| attack.name.contains(part)));
    if attacks.is_empty() { Err("no attack has such a name; see --list".into()) } else { Ok(attacks) }
}

/// The long form.
fn repeat(rows: &mut [Row], torc: &Contender, options: &Options, minutes: u64, random: &mut Random) {
    let deadline = Instant::now() + Duration::from_secs(minutes * 60);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    while Instant::now() < deadline {
        random.shuffle(&mut order);
        for &index in &order {
            let cores = options.cores.unwrap_or_else(|| random.between(1, 3) as u16);
            strike(&mut rows[index], torc, cores, Form::Long, options.seed.unwrap_or_else(|| random.next()));
            if Instant::now() > deadline {
                return;
            }
        }
    }
}

fn strike(row: &mut Row, torc: &Contender, cores: u16, form: Form, seed: u64) {
    let figures = scene::play(row.attack, torc, cores, form, Random::new(seed));
    let verdict = if figures.problems.is_empty() { "ok" } else { "not ok" };
    println!("{verdict} {:<26} {}", row.attack.name, report::line(&figures));
    figures.problems.iter().for_each(|problem| println!("    {cores} cores, seed {seed}: {problem}"));
    row.add(torc, figures);
}

/// Others are not judged: their figures and what they do differently are shown.
fn strike_other(row: &mut Row, other: &Contender, random: &mut Random) {
    let figures: Figures = scene::play(row.attack, other, 1, Form::Short, Random::new(random.next()));
    if figures.ending != Ending::LeftOut {
        println!("   {:<26} {}: {}", row.attack.name, other.name, report::line(&figures));
        figures.problems.iter().for_each(|problem| println!("      {problem}"));
    }
    row.add(other, figures);
}

/// Some attacks open thousands of connections, and a shell grants 1,024 descriptors.
fn raise_descriptors() {
    let pid = std::process::id().to_string();
    let is_raised = command(&["prlimit", "--pid", &pid, DESCRIPTORS_WANTED]).status().is_ok_and(|it| it.success());
    if !is_raised {
        println!("the limit of open files stays: attacks with many connections have fewer");
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attack_has_a_name_of_its_own() {
        let mut names: Vec<&str> = all().iter().map(|attack| attack.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| name.len() <= 26), "the table has no room for it");
    }

    #[test]
    fn attacks_are_chosen_by_a_part_of_their_name() {
        assert_eq!(chosen(None).unwrap().len(), all().len());
        assert!(chosen(Some("relay")).unwrap().iter().all(|attack| attack.name.contains("relay")));
        assert!(chosen(Some("no such attack")).is_err());
    }
}
