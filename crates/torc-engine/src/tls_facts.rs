//! What the host says of its certificates, for INFO.

/// Certificates that are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// That of the server.
    pub server: Option<CertificateFacts>,
    /// Of those that sign certificates of clients: the one that expires first.
    pub authority: Option<CertificateFacts>,
    /// How many of these there are.
    pub authorities: usize,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its serial number, hexadecimal digits in upper case.
    pub serial: String,
    /// When it expires, Unix seconds.
    pub expires_s: i64,
}

/// Handshakes of the encrypted port since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TlsHandshakes {
    /// Those that have ended with a connection.
    pub done: u64,
    /// Those that have not: refused, broken off, too slow, or given up for newer ones.
    pub failed: u64,
}
