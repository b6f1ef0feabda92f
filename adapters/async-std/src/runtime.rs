//! async-std as the runtime of a connection. Only `spawn` is its own: with that of smol in its place this runs on
//! smol.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Instant;

use async_io::Timer;
use nats_conn_client::StartError;
use nats_conn_client::driver::{Connector, Runtime, Target, dial_all};
use nats_conn_client::machine::LinkEnd;

use crate::io::Stream;
use crate::tcp;

/// The executor of async-std, which is there as soon as somebody needs it: connections can be started anywhere.
#[derive(Clone, Default)]
pub struct AsyncStd {
    connector: Connector<Stream>,
}

impl AsyncStd {
    /// The same, but streams are made by the application: through a proxy, to a Unix socket, in memory. The future
    /// is dropped when the attempt is given up.
    ///
    /// A bare TCP stream writes at once, without Nagle's algorithm, whoever made it. Where something wraps one, that is
    /// for the connector to ask for, as here. [`dial_all`] dials as the adapter does without a connector: the resolver is
    /// that of the options, and addresses that did not work come last.
    ///
    /// ```
    /// use async_std::net::TcpStream;
    /// use async_std::task::sleep;
    /// use nats_conn_async_std::{AsyncStd, ConnectOptions, Stream, dial_all};
    ///
    /// let adapter = AsyncStd::with_connector(|target| async move {
    ///     let dialled = dial_all(&target, TcpStream::connect, sleep).await;
    ///     let stream = dialled.map_err(std::io::Error::other)?;
    ///     stream.set_nodelay(true)?;
    ///     Ok(Stream::new(stream))
    /// });
    /// let options = ConnectOptions::from_url("nats://127.0.0.1:4222")?.adapter(adapter);
    /// # Ok::<(), nats_conn_async_std::proto::UrlError>(())
    /// ```
    pub fn with_connector<F, C>(connector: F) -> Self
    where
        F: Fn(Target) -> C + Send + Sync + 'static,
        C: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        Self {
            connector: Connector::new(connector),
        }
    }
}

impl fmt::Debug for AsyncStd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncStd{:?}", self.connector)
    }
}

impl Runtime for AsyncStd {
    type Io = Stream;
    type Sleep = Timer;

    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        async_std::task::spawn(driver);
        Ok(())
    }

    fn sleep_until(&self, deadline: Instant) -> Timer {
        Timer::at(deadline)
    }

    fn dial(&self, target: Target) -> impl Future<Output = Result<Stream, LinkEnd>> + Send + 'static {
        self.connector.dial(target, dial)
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
    dial_all(&target, |address| tcp::dial(address, local), Timer::after)
        .await
        .map(Stream::new)
}

#[cfg(feature = "rustls")]
async fn upgrade(io: Stream, target: Target) -> Result<Stream, LinkEnd> {
    let (config, name) = target.tls().await?;
    let stream = futures_rustls::TlsConnector::from(config)
        .connect(name, io.into_inner())
        .await;
    stream
        .map(Stream::new)
        .map_err(|error| nats_conn_client::driver::tls_error(&error))
}

#[cfg(not(feature = "rustls"))]
async fn upgrade(_: Stream, _: Target) -> Result<Stream, LinkEnd> {
    Err(nats_conn_client::driver::tls_not_built())
}
