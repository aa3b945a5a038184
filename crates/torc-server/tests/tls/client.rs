//! A client that speaks TLS, and the certificates it and the server have.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::common::resp::{self, Reply};
use super::common::{Directory, LIMIT, Launch};

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What clients and the server trust, as PEM.
    pub pem: String,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Pair {
    /// Text of the certificate.
    pub certificate: String,
    /// Text of the key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Authority {
        let key = KeyPair::generate().expect("there is entropy");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good");
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("it signs").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Signs a certificate for localhost that is somebody's, with these URIs.
    pub fn sign(&self, name: &str, uris: &[&str]) -> Pair {
        let key = KeyPair::generate().expect("there is entropy");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("a good name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.extend(uris.iter().map(|&uri| SanType::URI(uri.try_into().expect("a good name"))));
        let certificate = params.signed_by(&key, &self.issuer).expect("it signs").pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// An authority, a server's certificate by it as files, and a server that has them.
pub struct Site {
    /// Who signs.
    pub authority: Authority,
    /// Where the files are.
    pub folder: Directory,
}

impl Site {
    /// New files.
    pub fn new(name: &str) -> Site {
        let site = Site { authority: Authority::new(), folder: Directory::new(&format!("tls-{name}")) };
        site.write("ca.pem", &site.authority.pem);
        site.renew();
        site
    }

    /// Puts a new certificate of the server in the place of the old one.
    pub fn renew(&self) {
        let Pair { certificate, key } = self.authority.sign("server", &[]);
        self.write("key.pem", &key);
        self.write("cert.pem", &certificate);
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path(name), text).expect("it can be written");
    }

    /// A server with an encrypted port, which asks clients for certificates or not.
    pub fn launch(&self, cores: usize, auth_clients: &str) -> Launch {
        Launch::cores(cores)
            .with_tls_port()
            .with("--tls-cert-file", &self.folder.path("cert.pem"))
            .with("--tls-key-file", &self.folder.path("key.pem"))
            .with("--tls-ca-cert-file", &self.folder.path("ca.pem"))
            .with("--tls-auth-clients", auth_clients)
    }

    /// What clients know: the authority, and a certificate of their own.
    pub fn client_config(&self, own: Option<&Pair>) -> ClientConfig {
        self.client_config_of(own, rustls::ALL_VERSIONS)
    }

    /// The same with these versions of TLS.
    pub fn client_config_of(&self, own: Option<&Pair>, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).expect("a certificate")).expect("good");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("good");
        let builder = builder.with_root_certificates(roots);
        let Some(own) = own else { return builder.with_no_client_auth() };
        let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
        builder.with_client_auth_cert(chain, key).expect("they belong together")
    }

    /// A client without a certificate.
    pub fn connect(&self, port: u16) -> TlsClient {
        TlsClient::connect(port, &Arc::new(self.client_config(None))).expect("it is let in")
    }
}

/// One encrypted connection.
pub struct TlsClient {
    stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

impl TlsClient {
    /// Connects, and asks PING.
    ///
    /// # Errors
    /// The handshake failed. In TLS 1.3 a client hears only behind it that its certificate is refused.
    pub fn connect(port: u16, config: &Arc<ClientConfig>) -> std::io::Result<TlsClient> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.set_write_timeout(Some(LIMIT))?;
        let name = "localhost".try_into().expect("a good name");
        let session = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
        let mut client = TlsClient { stream: StreamOwned::new(session, socket), received: Vec::new() };
        client.stream.write_all(&resp::request(&["PING"]))?;
        match client.try_reply()? {
            Some(_) => Ok(client),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// How the session began.
    pub fn kind(&self) -> HandshakeKind {
        self.stream.conn.handshake_kind().expect("the handshake is over")
    }

    /// The server's certificate.
    pub fn server_certificate(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().expect("it has one")[0].to_vec()
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what is sent");
    }

    /// The next reply; `None` at the end of the connection, which the server has announced.
    pub fn try_reply(&mut self) -> std::io::Result<Option<Reply>> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            if let Some((reply, len)) = resp::parse(&self.received) {
                self.received.drain(..len);
                return Ok(Some(reply));
            }
            match self.stream.read(&mut chunk)? {
                0 => return Ok(None),
                read => self.received.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// The next reply.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        self.try_reply().expect("the connection is whole").expect("there is a reply")
    }

    /// Sends one request and reads its reply.
    #[track_caller]
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        self.send(&resp::request(words));
        self.reply()
    }

    /// The same for words with blanks between them.
    #[track_caller]
    pub fn command(&mut self, line: &str) -> Reply {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        &self.stream.sock
    }
}

/// No session is resumed.
pub fn without_resumption(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::disabled();
    Arc::new(config)
}
