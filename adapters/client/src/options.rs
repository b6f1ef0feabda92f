//! Everything about a connection that can be set.

pub(crate) mod connect;
pub(crate) mod identity;
pub(crate) mod into_servers;
#[cfg(feature = "nkeys")]
pub(crate) mod nkey;
mod page;
pub(crate) mod resolver;
#[cfg(feature = "rustls")]
pub(crate) mod rustls_config;
pub(crate) mod security;
pub(crate) mod selector;
pub(crate) mod tls;
#[cfg(feature = "rustls")]
pub(crate) mod tls_cache;
