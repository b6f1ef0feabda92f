//! How to make TLS, as plain data that does not depend on any TLS library.

use std::fmt;
use std::path::PathBuf;

/// How to make TLS. Whether it is made depends on the URL, on the server, and on
/// [`ConnectOptions::tls_required`](crate::ConnectOptions::tls_required) and
/// [`ConnectOptions::tls_first`](crate::ConnectOptions::tls_first).
///
/// Where no authority is named, what the operating system trusts is trusted; where [`ca_files`](Self::ca_files) are,
/// nothing else is, unless [`system_roots`](Self::system_roots) says so. Files are read at every handshake, the roots of
/// the system at the first, on a thread for that; nothing is read for plain connections. `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` name other roots than those of the system, as with other programs.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// Trust what the operating system trusts beside [`ca_files`](Self::ca_files). Default: `false`: only where there are
    /// none of these. Needs the feature `system-roots`.
    pub system_roots: bool,
    /// PEM files of authorities to trust. Default: none.
    pub ca_files: Vec<PathBuf>,
    /// PEM files of the certificate chain and of the private key to show to the server. Default: none.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// A ready configuration, which is used instead of all the above. The name of the server is still that of
    /// [`Server::tls_name`](nats_conn_sm::Server::tls_name).
    #[cfg(feature = "rustls")]
    pub config: Option<std::sync::Arc<rustls::ClientConfig>>,
    /// Who is asked for a configuration at every handshake.
    #[cfg(feature = "rustls")]
    pub(crate) provider: Option<crate::options::tls_cache::Provider>,
    /// The configuration that was built last.
    #[cfg(feature = "rustls")]
    pub(crate) built: std::sync::Arc<crate::options::tls_cache::TlsCache>,
}

impl TlsOptions {
    /// What the operating system trusts is trusted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts what the operating system trusts, also beside the files of authorities.
    pub fn with_system_roots(mut self) -> Self {
        self.system_roots = true;
        self
    }

    /// Trusts the authorities in this PEM file: with those of other calls, and in place of those of the operating system.
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_files.push(path.into());
        self
    }

    /// Shows this certificate to servers that ask for one.
    pub fn with_client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.client_certificate = Some((chain.into(), key.into()));
        self
    }

    /// Uses this configuration, whatever else is set here.
    #[cfg(feature = "rustls")]
    pub fn with_config(mut self, config: std::sync::Arc<rustls::ClientConfig>) -> Self {
        self.config = Some(config);
        self
    }

    /// Asks for a configuration at every handshake, for the server with which it is made; whatever else is set here is
    /// not used. So certificates from a vault are rotated, and servers that need another one have it. An error, or a
    /// panic, fails the attempt in the phase `tls` with its text.
    ///
    /// It may block: it runs on a thread for that. It counts within the deadline of the attempt. Sessions are resumed
    /// where the same `Arc` is given again.
    ///
    /// ```
    /// # #[cfg(feature = "ring")]
    /// # fn example() -> nats_conn_client::TlsOptions {
    /// use nats_conn_client::TlsOptions;
    ///
    /// TlsOptions::new().with_config_provider(|server| {
    ///     let ca = format!("/etc/nats/{}.pem", server.host());
    ///     TlsOptions::new().with_ca_file(ca).client_config()
    /// })
    /// # }
    /// ```
    #[cfg(feature = "rustls")]
    pub fn with_config_provider<F, E>(mut self, provider: F) -> Self
    where
        F: Fn(&nats_conn_sm::Server) -> Result<std::sync::Arc<rustls::ClientConfig>, E>
            + Send
            + Sync
            + 'static,
        E: fmt::Display,
    {
        self.provider = Some(std::sync::Arc::new(move |server| {
            provider(server).map_err(|error| error.to_string())
        }));
        self
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("system_roots", &self.system_roots)
            .field("ca_files", &self.ca_files)
            .field("client_certificate", &self.client_certificate)
            .finish_non_exhaustive()
    }
}
