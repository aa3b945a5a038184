//! From the command line, files and standard input to a configuration.
//!
//! ```text
//! torc [file.conf] [-] [--directive argument ...] ...
//! ```
//!
//! As in Redis, the file comes first, then standard input if a lone `-` asks for it, then the directives of the
//! command line: whatever comes later overrides. The word right after a directive's name is its argument even
//! if it starts with two dashes; only `--save` may stand without one, which means "never".

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use torc_engine::config::{Config, ConfigError, Loader, NotHonoured, Origin, Problem, parse_line};
use torc_engine::glob::{self, Case};

/// What the arguments ask for.
#[derive(Clone, Debug)]
pub enum Startup {
    /// To serve with these options.
    Serve(Box<Options>),
    /// To print this text to standard output and end with success.
    Print(String),
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Every setting.
    pub config: Config,
    /// The configuration file, as an absolute path; `None` if there is none.
    pub config_file: Option<PathBuf>,
    /// What the user should know, one line each, to be logged when logging is set up.
    pub warnings: Vec<String>,
}

/// Why the options cannot be used: one line for standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionsError(String);

impl fmt::Display for OptionsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for OptionsError {}

impl From<ConfigError> for OptionsError {
    fn from(error: ConfigError) -> Self {
        OptionsError(error.to_string())
    }
}

/// Reads the arguments of this process, and the files and the input that they name.
pub fn from_environment() -> Result<Startup, OptionsError> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    parse(arguments, &mut || {
        let mut content = Vec::new();
        io::stdin().lock().read_to_end(&mut content).map(|_| content)
    })
}

/// Reads arguments, without the program's name. `read_stdin` is called only if a lone `-` asks for it.
pub fn parse(
    arguments: Vec<OsString>,
    read_stdin: &mut dyn FnMut() -> io::Result<Vec<u8>>,
) -> Result<Startup, OptionsError> {
    let arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsString::into_vec).collect();
    match arguments.first().map(Vec::as_slice) {
        Some(b"--version" | b"-v") => return Ok(Startup::Print(version())),
        Some(b"--help" | b"-h") => return Ok(Startup::Print(HELP.to_owned())),
        _ => {}
    }
    let command_line = CommandLine::read(&arguments)?;
    let mut loader = Loader::default();
    let mut config_file = None;
    if let Some(file) = &command_line.file {
        let path = Path::new(file);
        let content = std::fs::read(path)
            .map_err(|error| OptionsError(format!("cannot read the configuration file '{file}': {error}")))?;
        loader.load(file, &content, &mut read_included)?;
        config_file = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    }
    if command_line.is_stdin_wanted {
        let content = read_stdin().map_err(|error| OptionsError(format!("cannot read standard input: {error}")))?;
        loader.load("(standard input)", &content, &mut read_included)?;
    }
    for directive in &command_line.directives {
        let origin = Origin::Argument { position: directive.position };
        loader.apply(&directive.words, &origin, &mut read_included)?;
    }
    loader.config.check().map_err(|why| OptionsError(why.to_owned()))?;
    let warnings = warnings(&loader.not_honoured);
    Ok(Startup::Serve(Box::new(Options { config: loader.config, config_file, warnings })))
}

/// One line: the program's name and version.
pub fn version() -> String {
    format!("Torc {}\n", env!("CARGO_PKG_VERSION"))
}

const HELP: &str = "\
Usage: torc [file.conf] [-] [--directive argument ...] ...
       torc check [--fix | --truncate-to-timestamp SECONDS] FILE ...

  file.conf              read directives from this file, in Redis's notation
  -                      read directives from standard input
  --directive argument   any directive, such as --port 7000 or --bind 127.0.0.1 ::1
  -v, --version          print the version
  -h, --help             print this text

Torc's own directives:
  --cores N              how many cores serve; 0, the default: one for each CPU that may be used
  --core-ports yes|no    whether each core also listens on a port of its own
  --admin-port N         the port of /metrics and /healthz; 0, the default: none
  --admin-bind ADDRESS   on which addresses; default 127.0.0.1 -::1
  --io-backend auto|uring|epoll  what cores wait in; default auto: io_uring, or epoll where that is denied
  --spin-us N            how long an idle core spins before it parks; default 0
  --lend-when-idle yes|no  whether a core that sleeps lends its engine; default yes

Examples:
  torc
  torc /etc/torc.conf --loglevel verbose
  torc --port 7000 --save \"\" --maxclients 100
  echo 'maxclients 128' | torc -
";

/// The command line, cut into its parts.
#[derive(Debug, Default)]
struct CommandLine {
    file: Option<String>,
    is_stdin_wanted: bool,
    directives: Vec<DirectiveWords>,
}

/// A directive of the command line.
#[derive(Debug)]
struct DirectiveWords {
    /// Number of the argument that names the directive, from 1.
    position: u32,
    /// The directive's name, without dashes, then its arguments.
    words: Vec<Vec<u8>>,
}

impl CommandLine {
    fn read(arguments: &[Vec<u8>]) -> Result<CommandLine, OptionsError> {
        let mut read = CommandLine::default();
        for (argument, position) in arguments.iter().zip(1..) {
            let is_option = argument.starts_with(b"--");
            if argument == b"-" && read.can_take_stdin(arguments.len() as u32, position) {
                read.is_stdin_wanted = true;
            } else if is_option && !read.is_argument_due() {
                let words = parse_line(&argument[2..]).map_err(|_| ConfigError {
                    origin: Origin::Argument { position },
                    problem: Problem::UnbalancedQuotes.into(),
                })?;
                let words = if words.is_empty() { vec![Vec::new()] } else { words };
                read.directives.push(DirectiveWords { position, words });
            } else if let Some(directive) = read.directives.last_mut() {
                directive.words.push(argument.clone());
            } else if position == 1 && !argument.starts_with(b"-") {
                read.file = Some(String::from_utf8_lossy(argument).into_owned());
            } else {
                let argument = String::from_utf8_lossy(argument);
                return Err(OptionsError(format!(
                    "argument {position}: expected a directive such as --port, got '{}'",
                    argument.escape_debug()
                )));
            }
        }
        for directive in &mut read.directives {
            if directive.is_bare_save() {
                directive.words.push(Vec::new());
            }
        }
        Ok(read)
    }

    /// A lone dash means standard input at the start and at the end; elsewhere it may be an argument.
    fn can_take_stdin(&self, count: u32, position: u32) -> bool {
        self.directives.is_empty() || position == count
    }

    /// Whether the last directive still needs an argument, so that the next word must be it.
    fn is_argument_due(&self) -> bool {
        self.directives.last().is_some_and(|directive| directive.words.len() == 1 && !directive.is_bare_save())
    }
}

impl DirectiveWords {
    fn is_bare_save(&self) -> bool {
        matches!(self.words.as_slice(), [name] if name.eq_ignore_ascii_case(b"save"))
    }
}

/// The files that an `include` names. Only the last part of the path may be a pattern; a pattern that matches
/// nothing is no mistake, a plain name that does not exist is.
fn read_included(path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let file_name = Path::new(path).file_name().unwrap_or_default().as_encoded_bytes();
    if !glob::has_wildcard(file_name) {
        let content = std::fs::read(path).map_err(|error| error.to_string())?;
        return Ok(vec![(path.to_owned(), content)]);
    }
    let directory = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if !is_hidden && glob::matches(file_name, name.as_encoded_bytes(), Case::Sensitive) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let read_one = |path: &PathBuf| match std::fs::read(path) {
        Ok(content) => Ok((path.display().to_string(), content)),
        Err(error) => Err(format!("{}: {error}", path.display())),
    };
    paths.iter().map(read_one).collect()
}

/// One line that names all directives without effect, and one more for each that is a risk to users who rely on it.
fn warnings(not_honoured: &[NotHonoured]) -> Vec<String> {
    if not_honoured.is_empty() {
        return Vec::new();
    }
    let mut names: Vec<String> = Vec::new();
    let mut risks: Vec<String> = Vec::new();
    for note in not_honoured {
        let name = format!("{} ({})", note.name, note.origin);
        if let Some(risk) = note.risk {
            let line = format!("{name} has no effect: {risk}");
            if !risks.contains(&line) {
                risks.push(line);
            }
        }
        names.push(name);
    }
    let mut lines = vec![format!("directives that this version of Torc does not honour yet: {}", names.join(", "))];
    lines.append(&mut risks);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], stdin: &str) -> Result<Startup, OptionsError> {
        parse(arguments.iter().map(OsString::from).collect(), &mut || Ok(stdin.as_bytes().to_vec()))
    }

    fn options(arguments: &[&str]) -> Options {
        match run(arguments, "") {
            Ok(Startup::Serve(options)) => *options,
            other => panic!("{arguments:?} gave {other:?}"),
        }
    }

    fn error(arguments: &[&str]) -> String {
        run(arguments, "").expect_err("bad arguments").to_string()
    }

    /// A directory of its own for a test's files, removed at the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Directory {
            let path = std::env::temp_dir().join(format!("torc-options-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a directory");
            Directory(path)
        }

        fn file(&self, name: &str, content: &str) -> String {
            let path = self.0.join(name);
            std::fs::write(&path, content).expect("a file");
            path.to_str().expect("a path that is text").to_owned()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn nothing_means_the_defaults() {
        let options = options(&[]);
        assert_eq!(options.config, Config::default());
        assert_eq!(options.config_file, None);
        assert!(options.warnings.is_empty());
    }

    #[test]
    fn directives_on_the_command_line() {
        let options = options(&[
            "--port",
            "7000",
            "--save",
            "",
            "--bind",
            "127.0.0.1",
            "-::1",
            "--MaxClients",
            "100",
            "--cores",
            "2",
        ]);
        assert_eq!(options.config.port, 7000);
        assert_eq!(options.config.bind, ["127.0.0.1", "-::1"]);
        assert_eq!((options.config.maxclients, options.config.cores), (100, 2));
        assert!(options.warnings.is_empty());
    }

    #[test]
    fn a_directive_and_its_argument_in_one_word() {
        let options = options(&["--port 7000", "--logfile \"a b\"", "--timeout", "3"]);
        assert_eq!((options.config.port, options.config.timeout_seconds), (7000, 3));
        assert_eq!(options.config.logfile, "a b");
        assert_eq!(error(&["--timeout \"5"]), "argument 1: unbalanced quotes");
    }

    #[test]
    fn dashes_in_arguments() {
        assert_eq!(options(&["--logfile", "--x", "--port", "1"]).config.logfile, "--x");
        let options = options(&["--port", "7000", "--save", "--timeout", "3", "--logfile", ""]);
        assert_eq!(options.config.timeout_seconds, 3);
        assert!(options.warnings.is_empty(), "a bare --save means never");
    }

    #[test]
    fn mistakes_name_their_argument() {
        assert_eq!(error(&["--port", "abc"]), "argument 1: port: expected an integer from 0 to 65535, got 'abc'");
        assert_eq!(error(&["--hz", "5", "--timeout"]), "argument 3: timeout: expected one argument, got ''");
        assert_eq!(error(&["--port", "7000", "bar"]), "argument 1: port: expected one argument, got '7000 bar'");
        assert_eq!(
            error(&["--maxclient", "1"]),
            "argument 1: unknown directive 'maxclient'; did you mean 'maxclients'?"
        );
        assert_eq!(error(&["-p", "1"]), "argument 1: expected a directive such as --port, got '-p'");
        assert_eq!(error(&["--", "1"]), "argument 1: unknown directive ''");
        let missing = error(&["/nonexistent/torc.conf"]);
        assert!(missing.starts_with("cannot read the configuration file '/nonexistent/torc.conf': "), "{missing}");
    }

    #[test]
    fn file_then_input_then_arguments() {
        let directory = Directory::new("order");
        let file = directory.file("torc.conf", "port 1\ntimeout 1\nhz 11\n");
        let Ok(Startup::Serve(options)) = run(&[&file, "-", "--port", "3"], "port 2\ntimeout 2") else {
            panic!("good options");
        };
        assert_eq!((options.config.port, options.config.timeout_seconds, options.config.hz), (3, 2, 11));
        assert_eq!(options.config_file.as_deref(), Some(Path::new(&file)));
        let error = run(&["--port", "3", "-"], "\nport x").expect_err("bad input").to_string();
        assert_eq!(error, "(standard input):2: port: expected an integer from 0 to 65535, got 'x'");
        let bad = directory.file("bad.conf", "# nothing\nport x\n");
        assert!(
            super::parse(vec![OsString::from(&bad)], &mut || Ok(Vec::new()))
                .expect_err("a bad file")
                .to_string()
                .starts_with(&format!("{bad}:2: port: "))
        );
    }

    #[test]
    fn includes_may_be_patterns() {
        let directory = Directory::new("include");
        directory.file("b.inc", "timeout 2\n");
        directory.file("a.inc", "timeout 1\nhz 20\n");
        directory.file("c.other", "timeout 3\n");
        let root = directory.0.display();
        let file = directory.file("torc.conf", &format!("include {root}/*.inc\ninclude {root}/*.none\n"));
        let options = options(&[&file]);
        assert_eq!((options.config.timeout_seconds, options.config.hz), (2, 20));
        let missing = directory.file("missing.conf", &format!("include {root}/nothing\n"));
        assert!(error(&[&missing]).contains("missing.conf:1: include: cannot read '"));
    }

    #[test]
    fn what_has_no_effect_is_one_warning_and_risks_are_more() {
        let options = options(&["--replicaof", "a 1", "--repl-timeout", "5", "--slaveof", "b 1"]);
        assert_eq!(
            options.warnings,
            [
                "directives that this version of Torc does not honour yet: replicaof (argument 1), \
                 repl-timeout (argument 3), slaveof (argument 5)",
                "replicaof (argument 1) has no effect: this server does NOT follow another",
                "slaveof (argument 5) has no effect: this server does NOT follow another",
            ]
        );
    }

    #[test]
    fn help_and_version() {
        for (argument, expected) in
            [("--help", "Usage: torc"), ("-h", "Usage: torc"), ("-v", "Torc 0."), ("--version", "Torc 0.")]
        {
            let Ok(Startup::Print(text)) = run(&[argument], "") else { panic!("{argument}") };
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
