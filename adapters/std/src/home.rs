//! Threads as the home of a connection.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use nats_conn_client::machine::LinkEnd;
use nats_conn_client::{Adapter, ConnectFailure, Prepared, StartError, Target, dial_error, first_outcome};

use crate::attempt::Attempt;
use crate::client::{Client, wait};
use crate::dial::dial;
use crate::driver::Driver;
use crate::events::Events;
use crate::holders::Holders;
use crate::stream::Stream;
use crate::wire::Wire;

/// Threads of the connection's own.
#[derive(Clone, Default)]
pub struct Std {
    connector: Option<Connector>,
}

type Connector = Arc<dyn Fn(Target) -> io::Result<Stream> + Send + Sync>;

impl Std {
    /// The same, but streams are made by the application: through a proxy, to a Unix socket, in memory. It is called on
    /// a thread of its own and may wait; what it gives when the attempt has been given up meanwhile is dropped.
    ///
    /// A bare TCP stream writes at once, without Nagle's algorithm, whoever made it. Where something wraps one, that is
    /// for the connector to ask for, as here.
    ///
    /// ```
    /// use nats_conn_std::{ConnectOptions, Std, Stream};
    ///
    /// let adapter = Std::with_connector(|target| {
    ///     let address = (target.server.host(), target.server.port());
    ///     let stream = std::net::TcpStream::connect(address)?;
    ///     stream.set_nodelay(true)?;
    ///     Ok(Stream::new(stream))
    /// });
    /// let options = ConnectOptions::from_url("nats://127.0.0.1:4222")?.adapter(adapter);
    /// # Ok::<(), nats_conn_std::proto::UrlError>(())
    /// ```
    pub fn with_connector(connector: impl Fn(Target) -> io::Result<Stream> + Send + Sync + 'static) -> Self {
        Self {
            connector: Some(Arc::new(connector)),
        }
    }

    pub(crate) fn dial(
        &self,
        target: Target,
        attempt: &Attempt,
        deadline: Option<Instant>,
    ) -> Result<Stream, LinkEnd> {
        match &self.connector {
            Some(connect) => connect(target).map_err(|error| dial_error(&error)),
            None => dial(&target, attempt, deadline),
        }
    }
}

impl fmt::Debug for Std {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.connector.is_some() {
            "Std(with a connector)"
        } else {
            "Std"
        })
    }
}

impl Adapter for Std {
    type Client = Client;
    type Events = Events;
    type Connecting = Result<Client, ConnectFailure>;

    fn start(options: nats_conn_client::ConnectOptions<Self>) -> Result<(Client, Events), StartError> {
        let attempt = options.config().connect_timeout;
        let patience = options.config().close_timeout;
        let Prepared {
            client,
            events,
            parts,
            adapter,
        } = options.prepare()?;
        let holders = Holders::new(parts.shared.clone(), patience);
        let (wire, news) = Wire::new(parts.shared.clone());
        Driver::spawn(wire.clone(), news, parts, adapter, attempt)?;
        Ok((Client::new(client, wire, holders), Events::new(events)))
    }

    fn connect(options: nats_conn_client::ConnectOptions<Self>) -> Self::Connecting {
        let retry_initial = options.config().retry_initial;
        let (client, events) = Self::start(options)?;
        wait(pin!(first_outcome(
            client.inner(),
            events.into_inner(),
            retry_initial
        )))?;
        Ok(client)
    }
}
