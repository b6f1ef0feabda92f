//! How links are made.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use nats_conn_sm::{LinkEnd, ServerId, ServerStatus};

use crate::core::panics::{caught, panicked};
use crate::options::identity::Identity;
use crate::options::resolver::Resolver;
use crate::options::selector::{ReconnectDelay, Selector, ServerChoice};
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
    /// Who says how long to wait for it, where nobody chooses it.
    pub reconnect_delay: Option<ReconnectDelay>,
    /// For how many bytes a read makes room, at most.
    pub read_buffer: usize,
}

impl LinkSetup {
    /// The server of the next attempt and how long to wait for it, as the application's selector or delay says; the
    /// defaults where there is none.
    ///
    /// # Errors
    /// It panicked: the attempt that it was asked about ends so.
    pub fn choose(
        &self,
        servers: &[ServerStatus],
        default: ServerId,
        delay: Duration,
    ) -> Result<(ServerId, Duration), LinkEnd> {
        let Some(select) = &self.selector else {
            let delay = self.delay(servers, default, delay)?;
            return Ok((default, delay));
        };
        caught(|| select(&ServerChoice::new(servers, default, delay)))
            .map_err(|text| panicked("the server selector", &text))
    }

    fn delay(&self, servers: &[ServerStatus], next: ServerId, delay: Duration) -> Result<Duration, LinkEnd> {
        let next = servers.iter().find(|status| status.server.id() == next);
        let (Some(asked), Some(next)) = (&self.reconnect_delay, next) else {
            return Ok(delay);
        };
        caught(|| asked(next.failures.saturating_add(1), next))
            .map_err(|text| panicked("the reconnect delay", &text))
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

#[cfg(test)]
mod tests {
    use crate::ConnectOptions;

    #[test]
    fn what_prints_of_it_names_what_was_set_and_shows_no_secret() {
        let options = ConnectOptions::<()>::default().user_password("ann", "s3cret");
        let printed = format!("{options:?}");
        assert!(printed.starts_with("ConnectOptions"), "{printed}");
        let setup = options.prepare().expect("usable").parts.setup;
        let all = printed + &format!("{setup:?}");
        for part in [
            "LinkSetup",
            "user_password",
            "TlsOptions",
            "Resolver(of the system)",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
        assert!(!all.contains("s3cret") && !all.contains("ann"), "{all}");
    }
}
