//! Material from files: what is taken, and what is refused how.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use torc_engine::config::{TlsAuthClients, TlsConfig, TlsUserField};

use super::material::Seen;
use super::{Tls, identity};

/// A folder of its own that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("torc-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("it can be made");
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("it can be written");
    }

    fn load(&self, config: &TlsConfig) -> Result<Tls, String> {
        Tls::load(config, &self.0.to_string_lossy())
    }

    fn problem(&self, config: &TlsConfig) -> String {
        self.load(config).expect_err("it is refused")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a good name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A certificate that signs itself, and its key, as `cert.pem` and `key.pem`.
fn self_signed(folder: &Folder) -> TlsConfig {
    let key = KeyPair::generate().expect("there is entropy");
    folder.write("cert.pem", &params("server").self_signed(&key).expect("it signs").pem());
    folder.write("key.pem", &key.serialize_pem());
    let (cert_file, key_file) = ("cert.pem".to_owned(), "key.pem".to_owned());
    TlsConfig { port: 1, cert_file, key_file, auth_clients: TlsAuthClients::No, ..TlsConfig::default() }
}

#[test]
fn good_files_are_taken() {
    let folder = Folder::new("good");
    let config = self_signed(&folder);
    let tls = folder.load(&config).expect("good files");
    let (version, facts) = tls.facts_since(0).expect("they are new");
    assert!(tls.facts_since(version).is_none());
    let server = facts.server.as_ref().expect("there is one");
    assert!(server.expires_s > 1_000_000_000 && !server.serial.is_empty(), "{server:?}");
    assert_eq!(facts.authorities, 0);
    assert!(!tls.has_changed());
}

#[test]
fn what_is_wrong_is_named() {
    let folder = Folder::new("wrong");
    let config = self_signed(&folder);
    let other = KeyPair::generate().expect("there is entropy");
    folder.write("other.pem", &other.serialize_pem());
    folder.write("empty.pem", "");
    folder.write(
        "old.pem",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    );
    let mut expired = params("expired");
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    folder.write("expired.pem", &expired.self_signed(&other).expect("it signs").pem());
    let mut early = params("early");
    early.not_before = rcgen::date_time_ymd(2100, 1, 1);
    folder.write("early.pem", &early.self_signed(&other).expect("it signs").pem());
    let with = |change: fn(&mut TlsConfig)| {
        let mut config = config.clone();
        change(&mut config);
        folder.problem(&config)
    };
    let table: &[(&str, &str)] = &[
        (&with(|config| config.cert_file.clear()), "tls-cert-file: an encrypted port needs a certificate"),
        (&with(|config| config.cert_file = "none.pem".into()), "tls-cert-file: '"),
        (&with(|config| config.cert_file = "empty.pem".into()), "tls-cert-file: there is no certificate in '"),
        (&with(|config| config.cert_file = "expired.pem".into()), "tls-cert-file: the certificate in '"),
        (&with(|config| config.key_file = "other.pem".into()), "tls-key-file: '"),
        (&with(|config| config.key_file = "empty.pem".into()), "tls-key-file: there is no key in '"),
        (&with(|config| config.key_file = "cert.pem".into()), "tls-key-file: there is no key in '"),
        (
            &with(|config| config.auth_clients = TlsAuthClients::Yes),
            "tls-ca-cert-file, tls-ca-cert-dir: certificates of clients",
        ),
        (&with(|config| config.ca_cert_file = "empty.pem".into()), "tls-ca-cert-file: there is no certificate in '"),
        (&with(|config| config.ca_cert_dir = "nowhere".into()), "tls-ca-cert-dir: '"),
    ];
    for (problem, beginning) in table {
        assert!(problem.starts_with(beginning), "{problem}");
    }
    assert!(with(|config| config.cert_file = "expired.pem".into()).ends_with("has expired"));
    assert!(with(|config| config.cert_file = "early.pem".into()).ends_with("is not valid yet"));
    assert!(with(|config| config.key_file = "old.pem".into()).contains("openssl pkcs8 -topk8"));
}

#[test]
fn what_cannot_be_loaded_changes_nothing() {
    let folder = Folder::new("reload");
    let config = self_signed(&folder);
    let tls = folder.load(&config).expect("good files");
    let before = tls.facts_since(0).expect("there are some").1;
    folder.write("cert.pem", "nonsense");
    assert!(tls.has_changed());
    assert!(tls.renew().is_err());
    assert_eq!(tls.facts_since(0).expect("there are some").1, before);
    self_signed(&folder);
    tls.renew().expect("good files");
    assert_ne!(tls.facts_since(0).expect("there are some").1.server, before.server);
    assert!(!tls.has_changed());
}

#[test]
fn encrypted_keys_are_opened() {
    use pkcs8::EncodePrivateKey as _;
    use pkcs8::der::Decode as _;
    let folder = Folder::new("encrypted");
    let mut config = self_signed(&folder);
    let key = KeyPair::generate().expect("there is entropy");
    folder.write("cert.pem", &params("server").self_signed(&key).expect("it signs").pem());
    struct Plain(Vec<u8>);
    impl pkcs8::EncodePrivateKey for Plain {
        fn to_pkcs8_der(&self) -> pkcs8::Result<pkcs8::SecretDocument> {
            pkcs8::SecretDocument::encode_msg(&pkcs8::PrivateKeyInfo::from_der(&self.0)?).map_err(Into::into)
        }
    }
    let parameters = pkcs8::pkcs5::pbes2::Parameters::pbkdf2_sha256_aes256cbc(1000, b"saltsalt", b"0123456789abcdef");
    let plain = Plain(key.serialize_der());
    let document = plain.to_pkcs8_der().expect("it is PKCS#8");
    let info = pkcs8::PrivateKeyInfo::from_der(document.as_bytes()).expect("it is PKCS#8");
    let encrypted = info.encrypt_with_params(parameters.expect("good"), "secret").expect("it encrypts");
    folder.write("key.pem", &encrypted.to_pem("ENCRYPTED PRIVATE KEY", pkcs8::LineEnding::LF).expect("it is text"));
    assert!(folder.problem(&config).starts_with("tls-key-file-pass: the key in '"));
    config.key_file_pass = "wrong".to_owned();
    assert!(folder.problem(&config).contains("cannot be decrypted"));
    config.key_file_pass = "secret".to_owned();
    folder.load(&config).expect("the password is right");
}

#[test]
fn folders_of_authorities_are_read() {
    let folder = Folder::new("folder");
    let mut config = self_signed(&folder);
    fs::create_dir(folder.0.join("ca")).expect("it can be made");
    let key = KeyPair::generate().expect("there is entropy");
    let mut authority = params("authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let text = authority.self_signed(&key).expect("it signs").pem();
    folder.write("ca/one.pem", &text);
    folder.write("ca/1a2b3c4d.0", &text);
    (config.ca_cert_dir, config.auth_clients) = ("ca".to_owned(), TlsAuthClients::Optional);
    let facts = folder.load(&config).expect("good files").facts_since(0).expect("they are new").1;
    assert_eq!(facts.authorities, 1, "the same under two names");
    let before = Seen::of(&super::located(&config, &folder.0.to_string_lossy()));
    folder.write("ca/two.pem", "");
    assert_ne!(Seen::of(&super::located(&config, &folder.0.to_string_lossy())), before);
}

#[test]
fn certificates_name_users() {
    let key = KeyPair::generate().expect("there is entropy");
    let mut authority = params("authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::from_params(&authority, &key);
    let mut client = params("bob");
    for uri in ["spiffe://a/b", "urn:alice"] {
        client.subject_alt_names.push(SanType::URI(uri.try_into().expect("a good name")));
    }
    let own = KeyPair::generate().expect("there is entropy");
    let certificate = client.signed_by(&own, &issuer).expect("it signs");
    let users = |field| identity::users(certificate.der(), field);
    assert_eq!(users(TlsUserField::Off), [] as [Vec<u8>; 0]);
    assert_eq!(users(TlsUserField::CommonName), [b"bob".to_vec()]);
    assert_eq!(users(TlsUserField::Uri), [b"spiffe://a/b".to_vec(), b"urn:alice".to_vec()]);
}
