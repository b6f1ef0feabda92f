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
    /// The configuration for these files: that of the last time, or a new one. Nothing is locked while one is built, which
    /// may read files and take long: two who ask at the same time may both build, and use the same afterwards if the files
    /// were the same.
    pub(crate) fn config(
        &self,
        files: Files,
        build: impl FnOnce(&Files) -> Result<ClientConfig, TlsError>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = of_files(lock(&self.0).as_ref(), &files) {
            return Ok(config);
        }
        let built = Arc::new(build(&files)?);
        let mut last = lock(&self.0);
        if let Some(config) = of_files(last.as_ref(), &files) {
            return Ok(config);
        }
        // Where it was built from contents that are older than those of another one, the next who asks finds that out.
        *last = Some((files, built.clone()));
        Ok(built)
    }
}

fn of_files(last: Option<&(Files, Arc<ClientConfig>)>, files: &Files) -> Option<Arc<ClientConfig>> {
    let (built_from, config) = last?;
    (built_from == files).then(|| config.clone())
}

#[cfg(all(test, feature = "ring"))]
mod tests {
    use super::*;

    fn files(authority: &str) -> Files {
        Files {
            authorities: vec![authority.into()],
            client: None,
        }
    }

    /// Any configuration. It is not the one that another call gives.
    fn config() -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    }

    #[test]
    fn nothing_is_locked_while_a_configuration_is_built_and_who_was_slower_uses_that_of_the_faster() {
        let cache = TlsCache::default();
        let mut faster = None;
        let slower = cache.config(files("one"), |_| {
            assert!(cache.0.try_lock().is_ok(), "others can ask");
            faster = cache.config(files("one"), |_| Ok(config())).ok();
            Ok(config())
        });
        let (faster, slower) = (faster.expect("built"), slower.expect("built"));
        assert!(Arc::ptr_eq(&faster, &slower));
        let again = cache.config(files("one"), |_| unreachable!("it is there"));
        assert!(Arc::ptr_eq(&faster, &again.expect("kept")));
    }

    #[test]
    fn other_contents_give_another_configuration_also_where_they_came_while_one_was_built() {
        let cache = TlsCache::default();
        let mut newer = None;
        let older = cache.config(files("old"), |_| {
            newer = cache.config(files("new"), |_| Ok(config())).ok();
            Ok(config())
        });
        let (newer, older) = (newer.expect("built"), older.expect("built"));
        assert!(!Arc::ptr_eq(&newer, &older));
        let now = cache.config(files("new"), |_| Ok(config())).expect("built");
        let again = cache.config(files("new"), |_| unreachable!("it is there"));
        assert!(!Arc::ptr_eq(&older, &now) && Arc::ptr_eq(&now, &again.expect("kept")));
    }
}
