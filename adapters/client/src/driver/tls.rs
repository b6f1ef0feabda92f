//! What a TLS handshake needs, whatever library makes it.

use nats_conn_sm::LinkEnd;

/// Why there is no TLS in a program that was built without.
pub fn tls_not_built() -> LinkEnd {
    let detail =
        "TLS is wanted, but this program was built without: enable the feature `ring` or `aws-lc-rs`";
    LinkEnd::Tls {
        detail: detail.into(),
    }
}

#[cfg(feature = "rustls")]
mod handshake {
    use std::sync::Arc;

    use nats_conn_sm::LinkEnd;
    use rustls::ClientConfig;
    use rustls::pki_types::ServerName;

    use crate::core::link_error::tls_error;
    use crate::driver::blocking;
    use crate::driver::target::Target;
    use crate::options::rustls_config::server_name;

    impl Target {
        /// The configuration of a handshake with this server, and the name that its certificate must be for. Files, and
        /// a keychain perhaps, are read elsewhere: not on a thread that polls, nor on one that a runtime waits for.
        ///
        /// # Cancel safety
        /// Dropping it only stops the waiting: what is being read is read to its end.
        ///
        /// # Errors
        /// What is wrong with the options.
        pub async fn tls(&self) -> Result<(Arc<ClientConfig>, ServerName<'static>), LinkEnd> {
            let (setup, server) = (self.setup.clone(), self.server.clone());
            let config = blocking::elsewhere(move || setup.tls.client_config_for(&server))
                .await
                .map_err(|error| tls_error(&error))??;
            Ok((config, server_name(self.server.tls_name())?))
        }
    }
}
