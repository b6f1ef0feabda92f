//! How links are made.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use nats_conn_sm::{LinkEnd, ServerId, ServerStatus};

use crate::core::panics::{caught, panicked};
use crate::options::identity::Identity;
use crate::options::resolver::Resolver;
use crate::options::selector::{Selector, ServerChoice};
use crate::options::tls::TlsOptions;

/// How links are made.
#[derive(Clone)]
#[non_exhaustive]
pub struct LinkSetup {
    /// Who we are.
    pub identity: Identity,
    /// How to make TLS.
    pub tls: TlsOptions,
    /// Who finds the addresses of a name.
    pub resolver: Resolver,
    /// The local address to dial from.
    pub local_address: Option<SocketAddr>,
    /// Who chooses the next server.
    pub selector: Option<Selector>,
}

impl LinkSetup {
    /// The server of the next attempt and how long to wait for it, as the application's selector says; the defaults
    /// where there is none.
    ///
    /// # Errors
    /// The selector panicked: the attempt that it was asked about ends so.
    pub fn choose(
        &self,
        servers: &[ServerStatus],
        default: ServerId,
        delay: Duration,
    ) -> Result<(ServerId, Duration), LinkEnd> {
        let Some(select) = &self.selector else {
            return Ok((default, delay));
        };
        caught(|| select(&ServerChoice::new(servers, default, delay)))
            .map_err(|text| panicked("the server selector", &text))
    }
}

impl fmt::Debug for LinkSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSetup")
            .field("identity", &self.identity)
            .field("tls", &self.tls)
            .field("resolver", &self.resolver)
            .field("local_address", &self.local_address)
            .finish_non_exhaustive()
    }
}
