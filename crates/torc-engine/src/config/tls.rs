//! What the configuration says of encrypted connections. What it means: docs/tls.md.

use super::values::{TlsAuthClients, TlsUserField};

/// The directives `tls-...`. Names of files are relative to the working directory at the start, or absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The encrypted port; 0 means none.
    pub port: u16,
    /// The certificate, and those between it and its authority.
    pub cert_file: String,
    /// The private key of the certificate.
    pub key_file: String,
    /// The password of the key; empty means that it is not encrypted.
    pub key_file_pass: String,
    /// Authorities that sign certificates of clients.
    pub ca_cert_file: String,
    /// A folder of such files.
    pub ca_cert_dir: String,
    /// Whether clients need a certificate.
    pub auth_clients: TlsAuthClients,
    /// What of it names a user.
    pub auth_clients_user: TlsUserField,
    /// Versions of the protocol, by Redis's names; empty means all that there are.
    pub protocols: String,
    /// Cipher suites of TLS 1.2, by OpenSSL's names; empty means all that there are.
    pub ciphers: String,
    /// Those of TLS 1.3.
    pub ciphersuites: String,
    /// Whether the server's order of cipher suites decides, and not the client's.
    pub prefer_server_ciphers: bool,
    /// Whether clients may resume sessions.
    pub session_caching: bool,
    /// Sessions that are kept at most; 0: as many as fit, which is what 20,480 are here.
    pub session_cache_size: u64,
    /// For how long they are.
    pub session_cache_timeout_seconds: u64,
    /// How often the files are looked at for changes; 0 means never.
    pub auto_reload_interval_seconds: u32,
    /// Whether the admin interface is encrypted too.
    pub is_for_admin: bool,
}

impl TlsConfig {
    /// Whether anything is encrypted.
    pub fn is_used(&self) -> bool {
        self.port != 0 || self.is_for_admin
    }
}

impl Default for TlsConfig {
    fn default() -> Self {
        TlsConfig {
            port: 0,
            cert_file: String::new(),
            key_file: String::new(),
            key_file_pass: String::new(),
            ca_cert_file: String::new(),
            ca_cert_dir: String::new(),
            auth_clients: TlsAuthClients::Yes,
            auth_clients_user: TlsUserField::Off,
            protocols: String::new(),
            ciphers: String::new(),
            ciphersuites: String::new(),
            prefer_server_ciphers: false,
            session_caching: true,
            session_cache_size: 20_480,
            session_cache_timeout_seconds: 300,
            auto_reload_interval_seconds: 0,
            is_for_admin: false,
        }
    }
}
