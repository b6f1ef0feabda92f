//! A rustls configuration built from TLS options.

use std::path::Path;
use std::sync::Arc;

use nats_conn_sm::{LinkEnd, Server};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::core::panics::caught;
use crate::error::tls::TlsError;
use crate::options::tls::TlsOptions;
use crate::options::tls_cache::Files;

impl TlsOptions {
    /// The configuration for a handshake with this server that is about to begin: what the
    /// [provider](Self::with_config_provider) gives, if there is one, else [`client_config`](Self::client_config). It may
    /// block.
    ///
    /// # Errors
    /// What is wrong with the files, what is missing, or what the provider says.
    pub fn client_config_for(&self, server: &Server) -> Result<Arc<ClientConfig>, TlsError> {
        let Some(provider) = &self.provider else {
            return self.client_config();
        };
        let provided = caught(|| provider(server))
            .unwrap_or_else(|text| Err(format!("the provider of the configuration panicked: {text}")));
        provided.map_err(|detail| TlsError::Provider { detail })
    }

    /// The configuration of these options, without a [provider](Self::with_config_provider) being asked. Files are read
    /// now, on this thread, and so are the roots of the system where they are trusted.
    ///
    /// The process-wide provider of rustls is neither used nor set: the feature `ring` or `aws-lc-rs` brings one,
    /// `aws-lc-rs` where both are on.
    ///
    /// # Errors
    /// What is wrong with the files, or what is missing.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        self.built
            .config(self.read_files()?, |files| self.build_from(files))
    }

    fn build_from(&self, files: &Files) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Library {
                detail: error.to_string(),
            })?
            .with_root_certificates(self.roots(files)?);
        let Some((chain, key)) = &files.client else {
            return Ok(builder.with_no_client_auth());
        };
        let wrong = |detail| TlsError::ClientCertificate { detail };
        let chain = certificates(chain).map_err(wrong)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| wrong(format!("its key is no PEM private key: {error}")))?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| wrong(error.to_string()))
    }

    fn read_files(&self) -> Result<Files, TlsError> {
        let authorities = self
            .ca_files
            .iter()
            .map(|path| read(path))
            .collect::<Result<_, _>>()?;
        let client = match &self.client_certificate {
            Some((chain, key)) => Some((read(chain)?, read(key)?)),
            None => None,
        };
        Ok(Files { authorities, client })
    }

    fn roots(&self, files: &Files) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for (path, pem) in self.ca_files.iter().zip(&files.authorities) {
            let wrong = |detail| TlsError::Authority {
                path: path.clone(),
                detail,
            };
            for certificate in certificates(pem).map_err(wrong)? {
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        if self.system_roots || self.ca_files.is_empty() {
            self.add_system_roots(&mut roots)?;
        }
        Ok(roots)
    }

    #[cfg(feature = "system-roots")]
    #[expect(clippy::unused_self, reason = "it needs them where the feature is off")]
    fn add_system_roots(&self, roots: &mut RootCertStore) -> Result<(), TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let why = found.errors.first().map(ToString::to_string);
        // Systems carry a few certificates that no library likes.
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let detail = why.unwrap_or_else(|| "none were found".into());
            return Err(TlsError::NoSystemRoots { detail });
        }
        Ok(())
    }

    #[cfg(not(feature = "system-roots"))]
    fn add_system_roots(&self, _: &mut RootCertStore) -> Result<(), TlsError> {
        Err(if self.system_roots {
            TlsError::SystemRootsNotBuilt
        } else {
            TlsError::NoAuthority
        })
    }
}

/// The name that a certificate must be for, as rustls takes it: a DNS name or an IP address.
///
/// # Errors
/// It is neither.
pub fn server_name(name: &str) -> Result<ServerName<'static>, LinkEnd> {
    ServerName::try_from(name.to_owned()).map_err(|error| LinkEnd::Tls {
        detail: format!("{name:?} cannot be in a certificate: {error}").into(),
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        Err("no PEM certificate in it".into())
    } else {
        Ok(certificates)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let wrong = |detail: String| TlsError::Unreadable {
        path: path.to_owned(),
        detail,
    };
    let mut pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    if pem.starts_with(&[0xff, 0xfe]) || pem.starts_with(&[0xfe, 0xff]) {
        return Err(wrong("it is UTF-16, save it as UTF-8".into()));
    }
    skip_byte_order_marks(&mut pem);
    Ok(pem)
}

/// Some editors put one at the head of a file, and files that were joined have them in the middle, too. None is a part
/// of PEM, and a line that begins with one would not be found.
fn skip_byte_order_marks(pem: &mut Vec<u8>) {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if !pem.windows(MARK.len()).any(|bytes| bytes == MARK) {
        return;
    }
    let mut rest = std::mem::take(pem);
    while let Some(place) = rest.windows(MARK.len()).position(|bytes| bytes == MARK) {
        pem.extend(rest.drain(..place + MARK.len()).take(place));
    }
    pem.append(&mut rest);
}

#[cfg(feature = "aws-lc-rs")]
fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

// The default, which a program that also names the other does not want any more.
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    Err(TlsError::NoCryptography)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_skipped_wherever_they_stand() {
        for (text, expected) in [
            ("", ""),
            ("\u{feff}", ""),
            ("-----BEGIN", "-----BEGIN"),
            ("\u{feff}-----BEGIN\n", "-----BEGIN\n"),
            ("a\n\u{feff}b\n\u{feff}\u{feff}c", "a\nb\nc"),
            ("a\u{fefe}b", "a\u{fefe}b"),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            skip_byte_order_marks(&mut bytes);
            assert_eq!(bytes, expected.as_bytes(), "{text:?}");
        }
    }

    /// As many as there are on this machine, which may be none.
    #[cfg(feature = "system-roots")]
    #[test]
    fn the_roots_of_the_system_are_trusted_where_no_authority_is_named_or_where_they_are_asked_for_too() {
        let options = TlsOptions::new();
        let none = Files {
            authorities: Vec::new(),
            client: None,
        };
        let mut expected = RootCertStore::empty();
        expected.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        match options.roots(&none) {
            Ok(roots) => {
                assert!(!roots.is_empty());
                assert_eq!(roots.len(), expected.len());
            }
            Err(error) => {
                assert!(matches!(error, TlsError::NoSystemRoots { .. }), "{error}");
                assert!(expected.is_empty());
            }
        }
        // A file that was named, and names nobody: it is not what is tried here.
        let named = TlsOptions::new().with_ca_file("mine.pem");
        assert_eq!(named.roots(&none).map(|roots| roots.len()).ok(), Some(0));
        let both = named.with_system_roots().roots(&none);
        assert_eq!(both.map_or(0, |roots| roots.len()), expected.len());
    }

    #[test]
    fn a_file_in_utf_16_is_told_whichever_byte_comes_first() {
        let path = std::env::temp_dir().join(format!("nats-conn-encoding-{}.pem", std::process::id()));
        for (bytes, is_read) in [
            (&[0xff, 0xfe, b'-', 0][..], false),
            (&[0xfe, 0xff, 0, b'-'], false),
            (&[0xef, 0xbb, 0xbf, b'-'], true),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let found = super::read(&path);
            assert_eq!(found.as_deref().ok(), is_read.then_some(&b"-"[..]), "{found:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(super::read(&path), Err(TlsError::Unreadable { .. })));
    }
}
