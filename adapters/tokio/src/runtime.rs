//! tokio as the home of a connection.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use nats_conn_client::machine::LinkEnd;
use nats_conn_client::{Driver, Runtime, StartError, Target, dial_all, dial_error};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Sleep, sleep, sleep_until};

use crate::io::Stream;

/// The runtime in which [`connect`](crate::connect) and its like are called. It has to be there, with I/O and time
/// enabled, when they are called, and as long as the connection lives.
#[derive(Clone, Default)]
pub struct Tokio {
    connector: Option<Connector>,
}

type Connector = Arc<dyn Fn(Target) -> Connecting + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

impl Tokio {
    /// The same, but streams are made by the application: through a proxy, to a Unix socket, in memory. The future
    /// is dropped when the attempt is given up.
    ///
    /// A bare TCP stream writes at once, without Nagle's algorithm, whoever made it. Where something wraps one, that is
    /// for the connector to ask for, as here. [`dial_all`] dials as the adapter does without a connector: the resolver is
    /// that of the options, addresses that did not work come last, and no runtime waits for a resolver that hangs.
    ///
    /// ```
    /// use nats_conn_tokio::{ConnectOptions, Stream, Tokio, dial_all};
    /// use tokio::net::TcpStream;
    ///
    /// let adapter = Tokio::with_connector(|target| async move {
    ///     let dialled = dial_all(&target, TcpStream::connect, tokio::time::sleep).await;
    ///     let stream = dialled.map_err(std::io::Error::other)?;
    ///     stream.set_nodelay(true)?;
    ///     Ok(Stream::new(stream))
    /// });
    /// let options = ConnectOptions::from_url("nats://127.0.0.1:4222")?.adapter(adapter);
    /// # Ok::<(), nats_conn_tokio::proto::UrlError>(())
    /// ```
    pub fn with_connector<F, C>(connector: F) -> Self
    where
        F: Fn(Target) -> C + Send + Sync + 'static,
        C: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        Self {
            connector: Some(Arc::new(move |target| Box::pin(connector(target)))),
        }
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.connector.is_some() {
            "Tokio(with a connector)"
        } else {
            "Tokio"
        })
    }
}

impl Runtime for Tokio {
    type Io = Stream;
    type Sleep = Sleep;

    fn spawn(&self, driver: Driver<Self>) -> Result<(), StartError> {
        let here = tokio::runtime::Handle::try_current().map_err(|error| StartError::NoDriver {
            detail: error.to_string(),
        })?;
        here.spawn(driver);
        Ok(())
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        sleep_until(deadline.into())
    }

    fn dial(&self, target: Target) -> impl Future<Output = Result<Stream, LinkEnd>> + Send + 'static {
        let connector = self.connector.clone();
        async move {
            match connector {
                Some(connect) => connect(target).await.map_err(|error| dial_error(&error)),
                None => dial(target).await,
            }
        }
    }

    fn upgrade(
        &self,
        io: Stream,
        target: Target,
    ) -> impl Future<Output = Result<Stream, LinkEnd>> + Send + 'static {
        upgrade(io, target)
    }
}

async fn dial(target: Target) -> Result<Stream, LinkEnd> {
    let local = target.setup.local_address;
    dial_all(&target, |address| dial_one(address, local), sleep)
        .await
        .map(Stream::new)
}

async fn dial_one(address: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(local) = local {
        socket.bind(local)?;
    }
    socket.connect(address).await
}

#[cfg(feature = "rustls")]
async fn upgrade(io: Stream, target: Target) -> Result<Stream, LinkEnd> {
    use nats_conn_client::{blocking, server_name, tls_error};

    let (setup, server) = (target.setup.clone(), target.server.clone());
    // Files, and a keychain perhaps: not on a thread that polls, nor on one that the runtime waits for.
    let config = blocking::elsewhere(move || setup.tls.client_config_for(&server))
        .await
        .map_err(|error| tls_error(&error))??;
    let name = server_name(target.server.tls_name())?;
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, io.0).await;
    stream.map(Stream::new).map_err(|error| tls_error(&error))
}

#[cfg(not(feature = "rustls"))]
async fn upgrade(_: Stream, _: Target) -> Result<Stream, LinkEnd> {
    let detail =
        "TLS is wanted, but this program was built without: enable the feature `ring` or `aws-lc-rs`";
    Err(LinkEnd::Tls {
        detail: detail.into(),
    })
}
