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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_is_added_to_those_before_and_only_paths_print() {
        let options = TlsOptions::new()
            .with_ca_file("one.pem")
            .with_ca_file("two.pem")
            .with_client_certificate("chain.pem", "key.pem");
        assert_eq!(options.ca_files, ["one.pem", "two.pem"].map(PathBuf::from));
        let (chain, key) = ("chain.pem".into(), "key.pem".into());
        assert_eq!(options.client_certificate, Some((chain, key)));
        assert!(!options.system_roots);
        let options = options.with_system_roots();
        assert!(options.system_roots && options.ca_files.len() == 2);
        let printed = format!("{options:?}");
        for part in ["TlsOptions", "true", "two.pem", "key.pem"] {
            assert!(printed.contains(part), "{part} in {printed}");
        }
    }

    #[cfg(feature = "ring")]
    #[test]
    fn a_ready_configuration_is_used_unless_somebody_is_asked_for_one() {
        use std::sync::Arc;

        let ready = || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = rustls::ClientConfig::builder_with_provider(provider);
            let builder = builder.with_safe_default_protocol_versions().expect("versions");
            let roots = rustls::RootCertStore::empty();
            Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
        };
        let (config, provided) = (ready(), ready());
        let server = crate::ConnectOptions::<()>::default().prepare().expect("usable");
        let server = server.client.servers()[0].server.clone();
        let options = TlsOptions::new()
            .with_ca_file("nowhere.pem")
            .with_config(config.clone());
        let used = |options: &TlsOptions| options.client_config_for(&server).expect("a configuration");
        assert!(Arc::ptr_eq(&used(&options), &config));
        let given = provided.clone();
        let options = options.with_config_provider(move |_| Ok::<_, String>(given.clone()));
        assert!(Arc::ptr_eq(&used(&options), &provided));
        let refuses = options.with_config_provider(|_| Err("the vault is shut"));
        let detail = "the vault is shut".into();
        let refused = crate::TlsError::Provider { detail };
        assert_eq!(refuses.client_config_for(&server).err(), Some(refused));
    }
}
