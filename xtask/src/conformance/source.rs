//! Where the suite comes from: Debian's source package of Redis, unpacked under the target folder.
//!
//! Only its `tests/` are kept (3 MB); nothing of it is compiled. It is put in its place in one step, so that a run that is
//! killed meanwhile leaves no half of it there. The package lists with source entries are this verb's own,
//! made from the machine's, so that the machine's package manager stays as it is and they need no root.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::{Outcome, absolute, command, install_packages, is_installed, run, target_folder};

/// Debian packages by the program that shows they are there.
const PACKAGES: &[(&str, &str)] =
    &[("tclsh", "tcl"), ("dpkg-source", "dpkg-dev"), ("redis-server", "redis-server"), ("redis-cli", "redis-tools")];
/// The folder that the package unpacks to, and that stays; of the version whose numbers stand beside ours.
pub const UNPACKED: &str = "redis-7.0.15";

/// The folder of everything that this verb leaves behind.
pub fn folder() -> PathBuf {
    absolute(target_folder().join("conformance"))
}

/// Installs what is missing, downloads and unpacks the suite if it is not there yet, and gives its top folder. `work` is
/// for what is of no use afterwards.
///
/// # Errors
/// A package cannot be had, or it is of another version.
pub fn prepare(work: &Path) -> Outcome<PathBuf> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    let suite = folder().join(UNPACKED);
    if !is_suite(&suite) {
        let download_folder = work.join("download");
        download(&download_folder)?;
        put_in_place(&download_folder.join(UNPACKED), &suite)?;
        // It goes with the workplace otherwise.
        let _ = fs::remove_dir_all(&download_folder);
    }
    Ok(suite)
}

/// Moves the tests of the unpacked package to where they stay.
fn put_in_place(unpacked: &Path, suite: &Path) -> Outcome<()> {
    if !is_suite(unpacked) {
        return Err(format!("the source package of redis has no {UNPACKED}/tests in it; that version is needed"));
    }
    let stage = unpacked.with_extension("stage");
    let moved = fs::create_dir(&stage).and_then(|()| fs::rename(unpacked.join("tests"), stage.join("tests")));
    moved.map_err(|error| format!("{}: {error}", stage.display()))?;
    match fs::rename(&stage, suite) {
        Ok(()) => Ok(()),
        // Another run was faster.
        Err(_) if is_suite(suite) => Ok(()),
        Err(error) => Err(format!("{}: {error}", suite.display())),
    }
}

fn is_suite(folder: &Path) -> bool {
    folder.join("tests/test_helper.tcl").exists()
}

fn download(folder: &Path) -> Outcome<()> {
    let apt = folder.join("apt");
    let (parts, lists, cache) = (apt.join("parts"), apt.join("lists"), apt.join("cache"));
    for path in [&parts, &lists.join("partial"), &cache.join("archives/partial")] {
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    write_source_lists(&parts)?;
    let options = [
        "-o".to_owned(),
        "Dir::Etc::SourceList=/dev/null".to_owned(),
        "-o".to_owned(),
        format!("Dir::Etc::SourceParts={}", parts.display()),
        "-o".to_owned(),
        format!("Dir::State::Lists={}", lists.display()),
        "-o".to_owned(),
        format!("Dir::Cache={}", cache.display()),
        // The user that apt would change to may have no access to a folder below a home.
        "-o".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
    ];
    // A repository that has no sources makes the update complain; the download is what counts.
    let _ = run(command(&["apt-get", "update", "-q"]).args(&options));
    run(command(&["apt-get", "source", "-q", "redis"]).args(&options).current_dir(folder))
}

/// Copies the machine's package lists with source entries in place of binary ones.
fn write_source_lists(parts: &Path) -> Outcome<()> {
    let entries = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.push(PathBuf::from("/etc/apt/sources.list"));
    for file in files {
        let (Ok(text), Some(name)) = (fs::read_to_string(&file), file.file_name()) else { continue };
        let extension = file.extension().and_then(|it| it.to_str());
        if !matches!(extension, Some("list" | "sources")) {
            continue;
        }
        let path = parts.join(name);
        fs::write(&path, with_sources(&text)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// A package list in either of Debian's two notations, for sources instead of binaries.
fn with_sources(text: &str) -> String {
    let line = |line: &str| match line.split_whitespace().next() {
        Some("deb") => line.replacen("deb", "deb-src", 1),
        Some("Types:") => "Types: deb-src".to_owned(),
        Some("deb-src") => String::new(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tests_are_put_in_place() {
        let top = std::env::temp_dir().join(format!("torc-source-{}", std::process::id()));
        let (unpacked, suite) = (top.join("work").join(UNPACKED), top.join(UNPACKED));
        assert!(put_in_place(&unpacked, &suite).is_err());
        fs::create_dir_all(unpacked.join("tests")).unwrap();
        fs::create_dir_all(unpacked.join("src")).unwrap();
        fs::write(unpacked.join("tests/test_helper.tcl"), "").unwrap();
        put_in_place(&unpacked, &suite).unwrap();
        assert!(is_suite(&suite) && !suite.join("src").exists());
        fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn package_lists_are_turned_into_source_lists() {
        let old =
            "# deb x\ndeb [signed-by=/k] http://a.example/debian bookworm main\ndeb-src http://a.example b main\n";
        assert_eq!(with_sources(old), "# deb x\ndeb-src [signed-by=/k] http://a.example/debian bookworm main\n\n");
        let new = "Types: deb deb-src\nURIs: http://a.example/debian\n";
        assert_eq!(with_sources(new), "Types: deb-src\nURIs: http://a.example/debian\n");
    }
}
