//! Whole files of directives, with `include`.
//!
//! Directives apply in the order in which they stand, an included file at the place of its `include`; a later
//! one overrides an earlier one. The first mistake ends the loading.

use super::error::{ConfigError, Origin, Problem};
use super::parse::{is_blank, parse_line};
use super::{Applied, Config, NotHonoured};

/// How deep files may include one another: enough for any sane layout, and an end for a file that includes
/// itself.
const INCLUDE_DEPTH_MAX: u32 = 16;

/// Reads the files that an `include` names, a path whose last part may be a glob pattern: each with its name
/// and its content, in the order in which they apply. The error is the reason, for a person.
pub type ReadFiles<'a> = dyn FnMut(&str) -> Result<Vec<(String, Vec<u8>)>, String> + 'a;

/// A [`Config`] in the making, and the start options that had no effect on it.
#[derive(Clone, Debug, Default)]
pub struct Loader {
    /// The settings so far.
    pub config: Config,
    /// What has no effect, in the order in which it was met.
    pub not_honoured: Vec<NotHonoured>,
}

impl Loader {
    /// Applies the lines of the file called `name`, whose content is given.
    pub fn load(&mut self, name: &str, content: &[u8], read: &mut ReadFiles<'_>) -> Result<(), ConfigError> {
        self.load_nested(name, content, read, 0)
    }

    /// Applies one directive that is already cut into words, such as one from the command line.
    pub fn apply(&mut self, words: &[Vec<u8>], origin: &Origin, read: &mut ReadFiles<'_>) -> Result<(), ConfigError> {
        self.apply_nested(words, origin, read, 0)
    }

    fn load_nested(
        &mut self,
        name: &str,
        content: &[u8],
        read: &mut ReadFiles<'_>,
        depth: u32,
    ) -> Result<(), ConfigError> {
        for (line, number) in content.split(|byte| *byte == b'\n').zip(1..) {
            let first = line.iter().find(|byte| !is_blank(**byte));
            if matches!(first, None | Some(b'#')) {
                continue;
            }
            let origin = Origin::File { name: name.to_owned(), line: number };
            if line.contains(&0) {
                // C's strings end there; the rest of the line would be left out in silence.
                return Err(ConfigError { origin, problem: Problem::ZeroByte.into() });
            }
            let words = parse_line(line)
                .map_err(|_| ConfigError { origin: origin.clone(), problem: Problem::UnbalancedQuotes.into() })?;
            self.apply_nested(&words, &origin, read, depth)?;
        }
        Ok(())
    }

    fn apply_nested(
        &mut self,
        words: &[Vec<u8>],
        origin: &Origin,
        read: &mut ReadFiles<'_>,
        depth: u32,
    ) -> Result<(), ConfigError> {
        match words {
            [] => Ok(()),
            [name, path] if name.eq_ignore_ascii_case(b"include") => {
                self.include(&String::from_utf8_lossy(path), origin, read, depth)
            }
            [name, arguments @ ..] if name.eq_ignore_ascii_case(b"rename-command") => {
                self.config.rename_command(arguments, origin)
            }
            [name, arguments @ ..] if name.eq_ignore_ascii_case(b"user") => self.config.add_user(arguments, origin),
            [name, arguments @ ..] => {
                match self.config.apply_start(name, arguments, origin)? {
                    Applied::InForce => {}
                    Applied::NotHonoured(note) => self.not_honoured.push(note),
                }
                Ok(())
            }
        }
    }

    fn include(
        &mut self,
        path: &str,
        origin: &Origin,
        read: &mut ReadFiles<'_>,
        depth: u32,
    ) -> Result<(), ConfigError> {
        let fail = |problem| ConfigError { origin: origin.clone(), problem: Box::new(problem) };
        if depth == INCLUDE_DEPTH_MAX {
            return Err(fail(Problem::IncludeDepth));
        }
        let files = read(path).map_err(|reason| fail(Problem::Include { path: path.to_owned(), reason }))?;
        for (name, content) in files {
            self.load_nested(&name, &content, read, depth + 1)?;
        }
        Ok(())
    }
}
