//! Certificates made for one test.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::TestFolder;

/// A certificate authority, a server's certificate and a client's, as PEM files that are removed with the last clone.
///
/// Every call of a constructor makes an authority of its own, so two values do not trust each other.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority's certificate: what clients trust, and what the server verifies clients by.
    pub ca: PathBuf,
    /// The server's certificate.
    pub cert: PathBuf,
    /// The server's private key (PKCS#8).
    pub key: PathBuf,
    /// The client's certificate: common name `client`, e-mail name `client@localhost`.
    pub client_cert: PathBuf,
    /// The client's private key (PKCS#8).
    pub client_key: PathBuf,
    _folder: Arc<TestFolder>,
}

impl TlsFiles {
    /// The names the usual server certificate is good for.
    pub const LOOPBACK: [&'static str; 3] = ["localhost", "127.0.0.1", "::1"];

    /// Certificates for [`LOOPBACK`](Self::LOOPBACK), valid today.
    ///
    /// # Panics
    /// When they cannot be made or written.
    pub fn new() -> Self {
        Self::for_hosts(&Self::LOOPBACK)
    }

    /// As [`new`](Self::new), with a server certificate that is good for other names or addresses only.
    ///
    /// # Panics
    /// As `new`.
    pub fn for_hosts(hosts: &[&str]) -> Self {
        Self::make(hosts, 4096).unwrap_or_else(|error| panic!("certificates for {hosts:?}: {error}"))
    }

    /// As [`new`](Self::new), with a server certificate that expired at the end of 2020.
    ///
    /// # Panics
    /// As `new`.
    pub fn expired() -> Self {
        Self::make(&Self::LOOPBACK, 2020).unwrap_or_else(|error| panic!("an expired certificate: {error}"))
    }

    fn make(hosts: &[&str], last_year: i32) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = TestFolder::new("tls")?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "nats-conn test authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let mut server =
            CertificateParams::new(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>())?;
        server.distinguished_name.push(DnType::CommonName, "server");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.not_before = date_time_ymd(2020, 1, 1);
        server.not_after = date_time_ymd(last_year, 12, 31);
        let server_key = KeyPair::generate()?;
        let server = server.signed_by(&server_key, &authority)?;

        let mut client = CertificateParams::new(Vec::new())?;
        client
            .subject_alt_names
            .push(rcgen::SanType::Rfc822Name("client@localhost".try_into()?));
        client.distinguished_name.push(DnType::CommonName, "client");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = KeyPair::generate()?;
        let client = client.signed_by(&client_key, &authority)?;

        Ok(Self {
            ca: folder.write("ca.pem", authority.pem())?,
            cert: folder.write("server.pem", server.pem())?,
            key: folder.write("server.key", server_key.serialize_pem())?,
            client_cert: folder.write("client.pem", client.pem())?,
            client_key: folder.write("client.key", client_key.serialize_pem())?,
            _folder: Arc::new(folder),
        })
    }
}

impl Default for TlsFiles {
    fn default() -> Self {
        Self::new()
    }
}
