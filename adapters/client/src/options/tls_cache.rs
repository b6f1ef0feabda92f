//! The rustls configuration that was built last, and who else is asked for one.

use std::sync::{Arc, Mutex};

use nats_conn_sm::Server;
use rustls::ClientConfig;

use crate::core::lock::lock;
use crate::error::tls::TlsError;

/// Who is asked for a configuration.
pub(crate) type Provider = Arc<dyn Fn(&Server) -> Result<Arc<ClientConfig>, String> + Send + Sync>;

/// The contents of the files that a configuration is built from.
#[derive(PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) authorities: Vec<Vec<u8>>,
    /// The chain and its key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// A configuration, and what it was built from. While that stays the same it is used again, so that sessions can be
/// resumed.
#[derive(Default)]
pub(crate) struct TlsCache(Mutex<Option<(Files, Arc<ClientConfig>)>>);

impl TlsCache {
    /// The configuration for these files: that of the last time, or a new one.
    pub(crate) fn config(
        &self,
        files: Files,
        build: impl FnOnce(&Files) -> Result<ClientConfig, TlsError>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let mut last = lock(&self.0);
        if let Some((built_from, config)) = last.as_ref()
            && *built_from == files
        {
            return Ok(config.clone());
        }
        let config = Arc::new(build(&files)?);
        *last = Some((files, config.clone()));
        Ok(config)
    }
}
