//! What certificates say: who somebody is, which number they have, when they expire.

use rustls::pki_types::CertificateDer;
use torc_engine::CertificateFacts;
use torc_engine::config::TlsUserField;
use x509_parser::prelude::*;

/// What INFO shows of a certificate; `None` for one that cannot be read.
pub fn facts(certificate: &CertificateDer<'_>) -> Option<CertificateFacts> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let serial = parsed.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect();
    Some(CertificateFacts { serial, expires_s: parsed.validity().not_after.timestamp() })
}

/// Why a certificate is not valid now, if it is not.
pub fn invalid_now(certificate: &CertificateDer<'_>) -> Option<&'static str> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Some("cannot be read") };
    let now = ASN1Time::now();
    match parsed.validity() {
        validity if now < validity.not_before => Some("is not valid yet"),
        validity if now > validity.not_after => Some("has expired"),
        _ => None,
    }
}

/// The users that a client's certificate names, in the order in which they are looked for.
pub fn users(certificate: &CertificateDer<'_>, field: TlsUserField) -> Vec<Vec<u8>> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    match field {
        TlsUserField::Off => Vec::new(),
        TlsUserField::CommonName => {
            let names = parsed.subject().iter_common_name();
            names.filter_map(|name| name.as_str().ok()).take(1).map(|name| name.as_bytes().to_vec()).collect()
        }
        TlsUserField::Uri => {
            let Ok(Some(alternative)) = parsed.subject_alternative_name() else { return Vec::new() };
            let names = alternative.value.general_names.iter();
            names
                .filter_map(|name| if let GeneralName::URI(uri) = name { Some(uri.as_bytes().to_vec()) } else { None })
                .collect()
        }
    }
}
