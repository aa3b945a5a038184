//! The scripts that a core knows, by sha and by text.
//!
//! ```text
//!   EVAL text ----by text----\
//!   EVALSHA sha --by sha------> Script: its text, what it may reach, how it is compiled
//! ```
//! Each core has its own, and all are told of a new one before it runs (docs/scripts.md). A script is compiled where it runs first.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use torc_lua::Chunk;

use super::analysis::{Analysis, analyse};
use super::header::{Header, lua_of, read_header};
use crate::command::Registry;
use crate::error::CommandError;

/// Scripts of EVAL that a core keeps; beyond these the one goes that has not been used for longest. Those of SCRIPT LOAD stay.
const EVALUATED_MAX: usize = 500;

/// A SHA-1 in 40 lower-case hexadecimal digits.
pub type Sha = [u8; 40];

/// A script.
pub struct Script {
    /// The SHA-1 of its text, by which EVALSHA names it.
    pub sha: Sha,
    /// The text as EVAL or SCRIPT LOAD brought it, the first line included.
    pub source: Arc<[u8]>,
    /// What its first line says.
    pub header: Header,
    /// What its text tells.
    pub analysis: Analysis,
    /// How often it has run, asked for by a client of this core, or by one of another core since its keys are here.
    pub runs: ScriptRuns,
    /// The log has been told that it runs on all cores.
    pub is_told_of: bool,
    /// It stays whatever comes: SCRIPT LOAD has brought it.
    is_loaded: bool,
    /// When it was used last, in uses of scripts.
    used_at: u64,
    /// Where the interpreter has it, once it has run.
    pub chunk: Option<Chunk>,
}

/// How often a script has run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScriptRuns {
    /// At all.
    pub all: u64,
    /// As a transaction over the cores of its keys.
    pub several_cores: u64,
    /// As a transaction over all cores, since its text does not tell what it reaches.
    pub all_cores: u64,
}

/// What a core knows of scripts.
#[derive(Default)]
pub struct Known {
    scripts: HashMap<Sha, Script, RandomState>,
    by_source: HashMap<Arc<[u8]>, Sha, RandomState>,
    /// Those that do not stay.
    evaluated: Vec<Sha>,
    uses: u64,
    source_bytes: usize,
    evicted: u64,
}

/// The sha of a script.
pub fn sha_of(source: &[u8]) -> Sha {
    let text = sha1_smol::Sha1::from(source).digest().to_string();
    text.into_bytes().try_into().expect("a SHA-1 has 40 digits")
}

/// A sha as a client names it, in any case.
pub fn named_sha(name: &[u8]) -> Option<Sha> {
    let mut sha: Sha = name.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

impl Known {
    /// The script with this sha.
    pub fn by_sha(&self, name: &[u8]) -> Option<&Script> {
        self.scripts.get(&named_sha(name)?)
    }

    /// The script with this text.
    pub fn by_source(&self, source: &[u8]) -> Option<&Script> {
        self.scripts.get(self.by_source.get(source)?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    /// How often each has run.
    pub fn runs(&self) -> impl Iterator<Item = (&Sha, ScriptRuns)> {
        self.scripts.iter().map(|(sha, script)| (sha, script.runs))
    }

    /// Bytes of their texts.
    pub fn source_bytes(&self) -> usize {
        self.source_bytes
    }

    /// Scripts that had to go so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Adds a script, if it is not known. `is_loaded`: it stays from now on. Gives what is to be forgotten of another one.
    ///
    /// # Errors
    /// Its first line is none that a script may have.
    pub fn add(
        &mut self,
        registry: &'static Registry,
        source: &[u8],
        is_loaded: bool,
    ) -> Result<(Sha, Option<Chunk>), CommandError> {
        let known = self.by_source.get(source).copied();
        let sha = match known {
            Some(sha) => sha,
            None => self.add_new(registry, source)?,
        };
        let script = self.scripts.get_mut(&sha).expect("it is there now");
        if is_loaded && !std::mem::replace(&mut script.is_loaded, true) {
            self.evaluated.retain(|of| *of != sha);
        }
        Ok((sha, self.evict()))
    }

    fn add_new(&mut self, registry: &'static Registry, source: &[u8]) -> Result<Sha, CommandError> {
        let header = read_header(source)?;
        let (sha, source): (Sha, Arc<[u8]>) = (sha_of(source), source.into());
        let analysis = analyse(registry, lua_of(&source));
        self.uses += 1;
        self.source_bytes += source.len();
        self.by_source.insert(source.clone(), sha);
        let script = Script {
            sha,
            source,
            header,
            analysis,
            runs: ScriptRuns::default(),
            is_told_of: false,
            is_loaded: false,
            used_at: self.uses,
            chunk: None,
        };
        self.scripts.insert(sha, script);
        self.evaluated.push(sha);
        Ok(sha)
    }

    /// If there are too many, one goes; gives what the interpreter is to forget.
    fn evict(&mut self) -> Option<Chunk> {
        if self.evaluated.len() <= EVALUATED_MAX {
            return None;
        }
        let oldest = self.evaluated.iter().min_by_key(|sha| self.scripts[*sha].used_at).copied();
        self.evicted += 1;
        self.remove(&oldest.expect("there are too many"))
    }

    fn remove(&mut self, sha: &Sha) -> Option<Chunk> {
        let script = self.scripts.remove(sha).expect("it is known");
        self.evaluated.retain(|of| of != sha);
        self.by_source.remove(&script.source);
        self.source_bytes -= script.source.len();
        script.chunk
    }

    /// A script is about to run, by its sha as a client names it.
    #[inline]
    pub fn use_sha(&mut self, name: &[u8]) -> Option<&mut Script> {
        self.use_script(&named_sha(name)?)
    }

    /// A script is about to run, by its text.
    pub fn use_source(&mut self, source: &[u8]) -> Option<&mut Script> {
        let sha = *self.by_source.get(source)?;
        self.use_script(&sha)
    }

    /// A script is about to run.
    #[inline]
    pub fn use_script(&mut self, sha: &Sha) -> Option<&mut Script> {
        self.uses += 1;
        let script = self.scripts.get_mut(sha)?;
        script.used_at = self.uses;
        Some(script)
    }

    /// A script is no Lua: it is not known any longer.
    pub fn forget(&mut self, sha: &Sha) {
        let chunk = self.remove(sha);
        assert!(chunk.is_none(), "it is not compiled");
    }

    /// A script is compiled.
    pub fn set_chunk(&mut self, sha: &Sha, chunk: Chunk) {
        self.scripts.get_mut(sha).expect("it is known").chunk = Some(chunk);
    }

    /// Forgets all scripts; gives what the interpreter is to forget.
    pub fn clear(&mut self) -> Vec<Chunk> {
        self.by_source.clear();
        self.evaluated.clear();
        self.source_bytes = 0;
        self.scripts.drain().filter_map(|(_, script)| script.chunk).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::registry;

    #[test]
    fn of_many_scripts_those_used_last_stay_and_those_that_were_loaded() {
        let mut known = Known::default();
        let source = |number: usize| format!("return {number}").into_bytes();
        let (first, _) = known.add(registry(), &source(0), true).unwrap();
        let (second, _) = known.add(registry(), &source(1), false).unwrap();
        for number in 2..=EVALUATED_MAX + 1 {
            known.use_script(&second);
            known.add(registry(), &source(number), false).unwrap();
        }
        assert_eq!((known.len(), known.evicted()), (EVALUATED_MAX + 1, 1));
        assert!(known.by_sha(&first).is_some() && known.by_source(&source(1)).is_some());
        assert!(known.by_source(&source(2)).is_none());
        let bytes: usize = known.scripts.values().map(|script| script.source.len()).sum();
        assert_eq!(known.source_bytes(), bytes);
        known.clear();
        assert_eq!((known.len(), known.source_bytes(), known.by_source.len()), (0, 0, 0));
    }

    #[test]
    fn a_sha_is_found_in_any_case() {
        let mut known = Known::default();
        let (sha, _) = known.add(registry(), b"return 1", false).unwrap();
        assert_eq!(&sha, b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert!(known.by_sha(&sha.to_ascii_uppercase()).is_some());
        assert!(known.by_sha(b"e0e1").is_none());
    }
}
