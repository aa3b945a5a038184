//! Names of protocols and cipher suites in the directives, and what rustls has of them.

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// OpenSSL's names of the suites of TLS 1.2 that rustls has.
const TLS12_NAMES: &[(&str, CipherSuite)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// RFC 8446's names of those of TLS 1.3.
const TLS13_NAMES: &[(&str, CipherSuite)] = &[
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// Words that stand for what is there anyway.
const ALL_WORDS: &[&str] = &["DEFAULT", "HIGH", "ALL"];

/// The versions that `tls-protocols` names.
pub fn versions(words: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut versions = Vec::new();
    for word in words.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1.3" => versions.push(&TLS13),
            "tlsv1" | "tlsv1.1" => {
                return Err(format!("tls-protocols: '{word}' is not safe any more, and is not there"));
            }
            _ => return Err(format!("tls-protocols: expected TLSv1.2 or TLSv1.3, got '{word}'")),
        }
    }
    Ok(if versions.is_empty() { vec![&TLS13, &TLS12] } else { versions })
}

/// What rustls has, with only the suites that `tls-ciphers` and `tls-ciphersuites` name, in their order.
pub fn provider(ciphers: &str, ciphersuites: &str) -> Result<CryptoProvider, String> {
    let mut provider = rustls::crypto::ring::default_provider();
    let is_of_13 = |suite: &&SupportedCipherSuite| suite.tls13().is_some();
    let all = std::mem::take(&mut provider.cipher_suites);
    let of_13: Vec<_> = all.iter().filter(is_of_13).copied().collect();
    let of_12: Vec<_> = all.iter().filter(|suite| !is_of_13(suite)).copied().collect();
    provider.cipher_suites = chosen("tls-ciphersuites", ciphersuites, TLS13_NAMES, of_13)?;
    provider.cipher_suites.extend(chosen("tls-ciphers", ciphers, TLS12_NAMES, of_12)?);
    Ok(provider)
}

/// Those of `there` that a list of names chooses; no list: all.
fn chosen(
    directive: &str,
    list: &str,
    names: &[(&str, CipherSuite)],
    there: Vec<SupportedCipherSuite>,
) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut suites = Vec::new();
    let words = list.split([':', ',', ' ']).filter(|word| !word.is_empty());
    for word in words {
        // What OpenSSL is told not to use is not there: suites without authentication, with MD5, and so on.
        if word.starts_with('!') || word.starts_with('-') || word.starts_with('@') {
            continue;
        }
        if ALL_WORDS.contains(&word) {
            return Ok(there);
        }
        let Some((_, suite)) = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) else {
            let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            return Err(format!("{directive}: expected some of {}, got '{word}'", known.join(" ")));
        };
        suites.extend(there.iter().find(|known| known.suite() == *suite));
    }
    Ok(if suites.is_empty() { there } else { suites })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ciphers: &str, ciphersuites: &str) -> Vec<CipherSuite> {
        let provider = provider(ciphers, ciphersuites).expect("good names");
        provider.cipher_suites.iter().map(SupportedCipherSuite::suite).collect()
    }

    #[test]
    fn every_name_is_there() {
        let all = names("", "");
        assert_eq!(all.len(), TLS12_NAMES.len() + TLS13_NAMES.len());
        for (name, suite) in TLS12_NAMES {
            assert!(names(name, "").ends_with(&[*suite]), "{name}");
        }
        for (name, suite) in TLS13_NAMES {
            assert_eq!(names("", name)[0], *suite, "{name}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_list() {
        let both = "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:!aNULL";
        let last = names(both, "").split_off(TLS13_NAMES.len());
        assert_eq!(last, [TLS12_NAMES[5].1, TLS12_NAMES[3].1]);
        assert_eq!(names("HIGH:!MD5", "").len(), TLS12_NAMES.len() + TLS13_NAMES.len());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = provider("AES128-SHA", "").expect_err("no forward secrecy");
        assert!(error.starts_with("tls-ciphers: expected some of ECDHE-ECDSA-AES128-GCM-SHA256 "), "{error}");
        assert!(error.ends_with("got 'AES128-SHA'"), "{error}");
        assert!(versions("TLSv1.1").expect_err("it is old").contains("not safe"));
        assert!(versions("SSLv3").expect_err("it is unknown").contains("got 'SSLv3'"));
        assert_eq!(versions("TLSv1.3").expect("good"), [&TLS13]);
        assert_eq!(versions("").expect("good").len(), 2);
    }
}
