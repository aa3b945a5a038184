//! The libraries that a core has, and their functions by name.
//!
//! ```text
//!   FUNCTION LOAD, RESTORE, a file --library::load--> Libraries of what is new --join--> those of the core
//!   FCALL name --function--> Callable: the callback in this core's interpreter, and what it may do
//! ```
//! All cores have the same ones: each loads them by itself, in the same transaction, and loading gives the same everywhere
//! (see [`super::library`]).
//!
//! **Invariant**: a callback that leaves this registry is given back to whoever took it out, who has the interpreter forget it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ahash::RandomState;
use torc_lua::{Callback, Flags, Function};

use crate::error::CommandError;

/// A library.
pub struct Library {
    /// The `name=` of its first line.
    pub name: Arc<[u8]>,
    /// Its text, the first line included.
    pub source: Arc<[u8]>,
    /// What it has registered, by name.
    pub functions: Vec<Function>,
    /// By how much the interpreter grew when it was loaded.
    pub interpreter_bytes: usize,
}

/// A function, to be run.
pub struct Callable {
    /// As its library spells it.
    pub name: Arc<[u8]>,
    /// What runs.
    pub callback: Callback,
    /// What it may do.
    pub flags: Flags,
}

/// What libraries take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LibraryFigures {
    /// How many there are.
    pub libraries: usize,
    /// How many functions they have.
    pub functions: usize,
    /// Bytes of their texts and names.
    pub source_bytes: usize,
    /// Bytes by which the interpreter grew for them.
    pub interpreter_bytes: usize,
}

/// The libraries of a core, or some that are to be.
#[derive(Default)]
pub struct Libraries {
    libraries: BTreeMap<Arc<[u8]>, Library>,
    /// By name in lower case: whoever calls need not spell it as the library does.
    functions: HashMap<Box<[u8]>, Callable, RandomState>,
}

impl Libraries {
    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Library> {
        self.libraries.values()
    }

    /// Whether there is one with this name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.libraries.contains_key(name)
    }

    /// The function that a caller names.
    pub fn function(&self, name: &[u8]) -> Option<&Callable> {
        match name.iter().any(u8::is_ascii_uppercase) {
            true => self.functions.get(&*name.to_ascii_lowercase()),
            false => self.functions.get(name),
        }
    }

    /// What they take.
    pub fn figures(&self) -> LibraryFigures {
        let mut figures = LibraryFigures { libraries: self.libraries.len(), ..LibraryFigures::default() };
        for library in self.iter() {
            let names = library.functions.iter().map(|function| function.name.len()).sum::<usize>();
            figures.functions += library.functions.len();
            figures.source_bytes += library.source.len() + library.name.len() + names;
            figures.interpreter_bytes += library.interpreter_bytes;
        }
        figures
    }

    /// Adds a library. `replaces`: one of its name goes.
    ///
    /// # Errors
    /// As [`Libraries::join`]; the callbacks of the library are given back with it.
    pub fn add(&mut self, library: Library, replaces: bool) -> Result<Vec<Callback>, (CommandError, Vec<Callback>)> {
        let mut own = Libraries::default();
        own.put(library);
        self.join(own, replaces)
    }

    /// Adds all of these, or none. `replaces`: those go that have their names. Gives the callbacks of what has gone.
    ///
    /// # Errors
    /// A library of this name is there, or a function of another one; the callbacks of all that were to be added are given back with it.
    pub fn join(&mut self, others: Libraries, replaces: bool) -> Result<Vec<Callback>, (CommandError, Vec<Callback>)> {
        if let Err(error) = self.check(&others, replaces) {
            return Err((error, others.into_callbacks()));
        }
        let mut gone = Vec::new();
        for name in others.libraries.keys() {
            gone.extend(self.remove(name).into_iter().flatten());
        }
        others.libraries.into_values().for_each(|library| self.put(library));
        Ok(gone)
    }

    fn check(&self, others: &Libraries, replaces: bool) -> Result<(), CommandError> {
        if !replaces && let Some(library) = others.iter().find(|library| self.contains(&library.name)) {
            return Err(CommandError::quoting("ERR Library {} already exists", &[&library.name]));
        }
        let stays = |library: &&Library| !others.contains(&library.name);
        let own = self.iter().filter(stays).flat_map(|library| &library.functions);
        for function in own {
            if let Some(other) = others.function(&function.name) {
                return Err(CommandError::quoting("ERR Function {} already exists", &[&other.name]));
            }
        }
        Ok(())
    }

    fn put(&mut self, library: Library) {
        for Function { name, callback, flags, .. } in &library.functions {
            let callable = Callable { name: name.as_slice().into(), callback: *callback, flags: *flags };
            // Of two that differ only in case the first is called.
            self.functions.entry(name.to_ascii_lowercase().into()).or_insert(callable);
        }
        self.libraries.insert(library.name.clone(), library);
    }

    /// Removes a library, if it is there; gives its callbacks.
    pub fn remove(&mut self, name: &[u8]) -> Option<Vec<Callback>> {
        let library = self.libraries.remove(name)?;
        for function in &library.functions {
            self.functions.remove(&*function.name.to_ascii_lowercase());
        }
        Some(library.functions.into_iter().map(|function| function.callback).collect())
    }

    /// Takes all of them apart.
    pub fn into_callbacks(self) -> Vec<Callback> {
        self.libraries.into_values().flat_map(|library| library.functions).map(|function| function.callback).collect()
    }
}
