//! Certificates and keys: from files to what rustls takes, or one line that says which directive is wrong.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::pem::PemLabel;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use torc_engine::TlsFacts;
use torc_engine::config::{TlsAuthClients, TlsConfig};

use super::identity;
use super::sessions::Sessions;
use super::suites;

/// The biggest file that is read; certificates of all authorities of the world take a quarter of it.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is in force for new connections.
pub struct Material {
    /// What rustls takes.
    pub server: Arc<ServerConfig>,
    /// What INFO shows.
    pub facts: Arc<TlsFacts>,
}

/// The files that a configuration names, as far as a look from outside tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen(Vec<(PathBuf, Option<FileStamp>)>);

/// Which file it is, when it was changed, how long it is.
type FileStamp = (u64, i64, i64, u64);

impl Seen {
    /// Looks at them now.
    pub fn of(config: &TlsConfig) -> Self {
        let mut paths: Vec<PathBuf> = [&config.cert_file, &config.key_file, &config.ca_cert_file]
            .into_iter()
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .collect();
        if !config.ca_cert_dir.is_empty() {
            paths.extend(files_in(&config.ca_cert_dir).unwrap_or_default());
        }
        let stamp = |path: &Path| {
            let known = fs::metadata(path).ok()?;
            Some((known.ino(), known.mtime(), known.mtime_nsec(), known.size()))
        };
        Seen(paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
    }
}

impl Material {
    /// Reads and checks all of it.
    ///
    /// # Errors
    /// What is wrong with which directive.
    pub fn load(config: &TlsConfig) -> Result<Self, String> {
        let provider = Arc::new(suites::provider(&config.ciphers, &config.ciphersuites)?);
        let versions = suites::versions(&config.protocols)?;
        let chain = server_chain(config)?;
        let key = server_key(config)?;
        let authorities = authorities(config)?;
        let facts = TlsFacts {
            server: chain.first().and_then(identity::facts),
            authority: authorities.iter().filter_map(identity::facts).min_by_key(|facts| facts.expires_s),
            authorities: authorities.len(),
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&versions).map_err(|error| format!("tls-protocols: {error}"))?;
        let builder = match client_verifier(config, authorities, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let server = builder.with_single_cert(chain, key);
        let mut server = server.map_err(|error| {
            format!(
                "tls-key-file: '{}' is no key for the certificate in '{}': {error}",
                config.key_file, config.cert_file
            )
        })?;
        server.ignore_client_order = config.prefer_server_ciphers;
        if config.session_caching {
            let count_max = usize::try_from(config.session_cache_size).unwrap_or(usize::MAX);
            let time_max = Duration::from_secs(config.session_cache_timeout_seconds);
            server.session_storage = Arc::new(Sessions::new(if count_max == 0 { 20_480 } else { count_max }, time_max));
            server.send_tls13_tickets = 1;
        } else {
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(Material { server: Arc::new(server), facts: Arc::new(facts) })
    }
}

/// The certificate of the server and those between it and its authority.
fn server_chain(config: &TlsConfig) -> Result<Vec<CertificateDer<'static>>, String> {
    const DIRECTIVE: &str = "tls-cert-file";
    if config.cert_file.is_empty() {
        return Err(format!("{DIRECTIVE}: an encrypted port needs a certificate, and none is named"));
    }
    let chain = certificates(DIRECTIVE, Path::new(&config.cert_file))?;
    match chain.first() {
        None => Err(format!("{DIRECTIVE}: there is no certificate in '{}'", config.cert_file)),
        Some(first) => valid(DIRECTIVE, &config.cert_file, first).map(|()| chain),
    }
}

/// A certificate whose time is not now is of no use.
fn valid(directive: &str, path: &str, certificate: &CertificateDer<'_>) -> Result<(), String> {
    match identity::invalid_now(certificate) {
        Some(why) => Err(format!("{directive}: the certificate in '{path}' {why}")),
        None => Ok(()),
    }
}

fn server_key(config: &TlsConfig) -> Result<PrivateKeyDer<'static>, String> {
    const DIRECTIVE: &str = "tls-key-file";
    let path = &config.key_file;
    if path.is_empty() {
        return Err(format!("{DIRECTIVE}: an encrypted port needs a key, and none is named"));
    }
    let text = read(DIRECTIVE, Path::new(path))?;
    let text = String::from_utf8_lossy(&text);
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(format!(
            "{DIRECTIVE}: '{path}' is encrypted in OpenSSL's old form; 'openssl pkcs8 -topk8 -v2 aes-256-cbc -in {path}' makes one that can be read"
        ));
    }
    if text.contains(EncryptedPrivateKeyInfo::PEM_LABEL) {
        return decrypted(&text, config);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| format!("{DIRECTIVE}: there is no key in '{path}' (PEM: PKCS#8, PKCS#1 or SEC1)"))
}

/// The key in an encrypted PKCS#8 file.
fn decrypted(text: &str, config: &TlsConfig) -> Result<PrivateKeyDer<'static>, String> {
    if config.key_file_pass.is_empty() {
        return Err(format!(
            "tls-key-file-pass: the key in '{}' is encrypted, and there is no password",
            config.key_file
        ));
    }
    let failed = |error: &dyn std::fmt::Display| {
        format!("tls-key-file-pass: the key in '{}' cannot be decrypted: {error}", config.key_file)
    };
    let (_, document) = pkcs8::SecretDocument::from_pem(text).map_err(|error| failed(&error))?;
    let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|error| failed(&error))?;
    let key = encrypted.decrypt(config.key_file_pass.as_bytes()).map_err(|error| failed(&error))?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec())))
}

/// The certificates of those who sign certificates of clients.
fn authorities(config: &TlsConfig) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut found = Vec::new();
    if !config.ca_cert_file.is_empty() {
        const DIRECTIVE: &str = "tls-ca-cert-file";
        let here = certificates(DIRECTIVE, Path::new(&config.ca_cert_file))?;
        if here.is_empty() {
            return Err(format!("{DIRECTIVE}: there is no certificate in '{}'", config.ca_cert_file));
        }
        here.iter().try_for_each(|one| valid(DIRECTIVE, &config.ca_cert_file, one))?;
        found.extend(here);
    }
    if !config.ca_cert_dir.is_empty() {
        const DIRECTIVE: &str = "tls-ca-cert-dir";
        let failed = |error| format!("{DIRECTIVE}: '{}': {error}", config.ca_cert_dir);
        for path in files_in(&config.ca_cert_dir).map_err(failed)? {
            for certificate in certificates(DIRECTIVE, &path)? {
                valid(DIRECTIVE, &path.to_string_lossy(), &certificate)?;
                // In folders made for OpenSSL each is there under two names.
                if !found.contains(&certificate) {
                    found.push(certificate);
                }
            }
        }
    }
    Ok(found)
}

/// What asks clients for certificates; `None`: nothing does.
fn client_verifier(
    config: &TlsConfig,
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    if config.auth_clients == TlsAuthClients::No {
        return Ok(None);
    }
    if authorities.is_empty() {
        return Err(
            "tls-ca-cert-file, tls-ca-cert-dir: certificates of clients are asked for (tls-auth-clients), and \
                    nobody is named who signs them"
                .to_owned(),
        );
    }
    let mut roots = RootCertStore::empty();
    for certificate in authorities {
        roots.add(certificate).map_err(|error| format!("tls-ca-cert-file, tls-ca-cert-dir: {error}"))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let verifier = match config.auth_clients {
        TlsAuthClients::Optional => verifier.allow_unauthenticated(),
        _ => verifier,
    };
    verifier.build().map(Some).map_err(|error| format!("tls-ca-cert-file, tls-ca-cert-dir: {error}"))
}

/// All certificates of a PEM file; what else is in it is passed over.
fn certificates(directive: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(directive, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found.map_err(|error| format!("{directive}: '{}' is damaged: {error}", path.display()))
}

fn read(directive: &str, path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error| format!("{directive}: '{}' cannot be read: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(format!("{directive}: '{}' is bigger than {} MiB", path.display(), FILE_BYTES_MAX >> 20)),
        false => Ok(text),
    }
}

/// The files of a folder, in the order of their names.
fn files_in(folder: &str) -> std::io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = entries.collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
