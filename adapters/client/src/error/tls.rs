//! Why there is no configuration for a TLS handshake.

use std::path::PathBuf;

use nats_conn_sm::LinkEnd;
use nats_proto::OneLine;
use thiserror::Error;

/// Why there is no configuration for a TLS handshake. The attempt fails with its text, in the phase `tls`.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Nothing that makes cryptography was built into the program.
    #[error(
        "no cryptography was built in: enable the feature `ring` or `aws-lc-rs`, or give a ready configuration with TlsOptions::with_config"
    )]
    NoCryptography,
    /// No authority was named, and the roots of the system cannot be had.
    #[error(
        "no authority is trusted: name one with TlsOptions::with_ca_file, or enable the feature `system-roots` to trust those of the system"
    )]
    NoAuthority,
    /// The roots of the system were asked for, and the program was built without them.
    #[error("the roots of the system were asked for: enable the feature `system-roots`")]
    SystemRootsNotBuilt,
    /// The system has no roots.
    #[error(
        "the system has no root certificates ({}): install them, set SSL_CERT_FILE, or name an authority with TlsOptions::with_ca_file",
        OneLine(.detail)
    )]
    NoSystemRoots {
        /// Where they were looked for, or what went wrong there.
        detail: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {}", OneLine(.path.display()), OneLine(.detail))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        detail: String,
    },
    /// A file of authorities is not what it should be.
    #[error("{}: {}", OneLine(.path.display()), OneLine(.detail))]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The certificate to show to servers, or its key, cannot be used.
    #[error("client certificate: {}", OneLine(.detail))]
    ClientCertificate {
        /// What is wrong with them.
        detail: String,
    },
    /// The provider of [`TlsOptions::with_config_provider`](crate::TlsOptions::with_config_provider) failed.
    #[error("{}", OneLine(.detail))]
    Provider {
        /// What it said.
        detail: String,
    },
    /// The TLS library refuses the configuration.
    #[error("{}", OneLine(.detail))]
    Library {
        /// Its text.
        detail: String,
    },
}

impl TlsError {
    /// A stable name of what happened, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCryptography => "tls_no_cryptography",
            Self::NoAuthority => "tls_no_authority",
            Self::SystemRootsNotBuilt => "tls_system_roots_not_built",
            Self::NoSystemRoots { .. } => "tls_no_system_roots",
            Self::Unreadable { .. } => "tls_unreadable",
            Self::Authority { .. } => "tls_authority",
            Self::ClientCertificate { .. } => "tls_client_certificate",
            Self::Provider { .. } => "tls_provider",
            Self::Library { .. } => "tls_library",
        }
    }
}

super::debug_as_display!(TlsError);

impl From<TlsError> for LinkEnd {
    fn from(error: TlsError) -> Self {
        Self::Tls {
            detail: error.to_string().into(),
        }
    }
}
