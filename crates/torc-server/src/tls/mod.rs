//! Encrypted connections, up to the moment at which a core has them. See docs/tls.md.
//!
//! ```text
//!   TlsConfig ──material.rs──> Material (rustls's configuration, facts) ──> Tls: what is in force for new connections
//!        suites.rs: names of ciphers     identity.rs: what certificates say     sessions.rs: what may be resumed
//!
//!   a core accepts ──> handshakes.rs: a thread of its own ──> the core that the connection is for (core/secure.rs)
//! ```

pub mod handshakes;
mod identity;
mod material;
mod sessions;
mod suites;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use torc_engine::config::{TlsConfig, TlsUserField};
use torc_engine::{TlsFacts, TlsHandshakes};

use material::{Material, Seen};

/// What new connections are encrypted with, and how many handshakes there were. All threads share it.
pub struct Tls {
    in_force: Mutex<InForce>,
    /// Grows with each change of what is in force, for those who keep a copy of the facts.
    version: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

struct InForce {
    config: TlsConfig,
    material: Arc<Material>,
    /// The files as they were when they were read.
    seen: Seen,
}

impl Tls {
    /// Reads what the configuration names. Names that begin with no slash are in this directory.
    ///
    /// # Errors
    /// What is wrong with which directive.
    pub fn load(config: &TlsConfig, directory: &str) -> Result<Tls, String> {
        Ok(Tls {
            in_force: Mutex::new(InForce::load(located(config, directory))?),
            version: AtomicU64::new(1),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Reads the files again, and follows this configuration from now on. Connections that there are keep what they have.
    ///
    /// # Errors
    /// As for [`Tls::load`]: everything stays as it was.
    pub fn reload(&self, config: &TlsConfig, directory: &str) -> Result<(), String> {
        self.put_in_force(InForce::load(located(config, directory))?);
        Ok(())
    }

    fn put_in_force(&self, loaded: InForce) {
        *self.in_force.lock().expect("nobody panics with it") = loaded;
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The same with the configuration that is in force. On SIGHUP.
    ///
    /// # Errors
    /// As for [`Tls::load`].
    pub fn renew(&self) -> Result<(), String> {
        let config = self.in_force.lock().expect("nobody panics with it").config.clone();
        self.put_in_force(InForce::load(config)?);
        Ok(())
    }

    /// Whether a file is another than the one that was read.
    pub fn has_changed(&self) -> bool {
        let in_force = self.in_force.lock().expect("nobody panics with it");
        in_force.seen != Seen::of(&in_force.config)
    }

    /// The certificates that are in force, if they are others than in that version; and their version.
    pub fn facts_since(&self, version: u64) -> Option<(u64, Arc<TlsFacts>)> {
        let now = self.version.load(Ordering::Acquire);
        (now != version).then(|| (now, self.facts()))
    }

    /// The certificates that are in force.
    pub fn facts(&self) -> Arc<TlsFacts> {
        Arc::clone(&self.material().facts)
    }

    /// Handshakes since the start.
    pub fn handshakes(&self) -> TlsHandshakes {
        TlsHandshakes { done: self.done.load(Ordering::Relaxed), failed: self.failed.load(Ordering::Relaxed) }
    }

    /// What a new connection gets.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.material().server)
    }

    fn user_field(&self) -> TlsUserField {
        self.in_force.lock().expect("nobody panics with it").config.auth_clients_user
    }

    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.in_force.lock().expect("nobody panics with it").material)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of keys and passwords.
        formatter.debug_struct("Tls").field("facts", &self.facts()).finish_non_exhaustive()
    }
}

impl InForce {
    /// Names in the configuration are absolute.
    fn load(config: TlsConfig) -> Result<Self, String> {
        // Looked at before: what changes meanwhile is read again.
        let seen = Seen::of(&config);
        let material = Arc::new(Material::load(&config)?);
        Ok(InForce { config, material, seen })
    }
}

/// The same with absolute names of files.
fn located(config: &TlsConfig, directory: &str) -> TlsConfig {
    let mut config = config.clone();
    for name in [&mut config.cert_file, &mut config.key_file, &mut config.ca_cert_file, &mut config.ca_cert_dir] {
        if !name.is_empty() {
            *name = Path::new(directory).join(&*name).to_string_lossy().into_owned();
        }
    }
    config
}

#[cfg(test)]
mod tests;
