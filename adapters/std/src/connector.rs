//! How streams are made: by the application, or by dialling.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use nats_conn_client::driver::{Target, dial_error};
use nats_conn_client::machine::LinkEnd;

use crate::attempt::Attempt;
use crate::dial::dial;
use crate::stream::Stream;

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
