//! async-std as the home of a connection. Only `spawn` is its own: with that of smol in its place this is a home on
//! smol.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_io::Timer;
use nats_conn_client::machine::LinkEnd;
use nats_conn_client::{Driver, Runtime, StartError, Target, dial_all, dial_error};

use crate::io::Stream;
use crate::tcp;

/// The executor of async-std, which is there as soon as somebody needs it: connections can be started anywhere.
#[derive(Clone, Default)]
pub struct AsyncStd {
    connector: Option<Connector>,
}

type Connector = Arc<dyn Fn(Target) -> Connecting + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

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
            connector: Some(Arc::new(move |target| Box::pin(connector(target)))),
        }
    }
}

impl fmt::Debug for AsyncStd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.connector.is_some() {
            "AsyncStd(with a connector)"
        } else {
            "AsyncStd"
        })
    }
}

/// A timer.
#[derive(Debug)]
pub struct Sleep(Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(())
    }
}

fn sleep(duration: Duration) -> Sleep {
    Sleep(Timer::after(duration))
}

impl Runtime for AsyncStd {
    type Io = Stream;
    type Sleep = Sleep;

    fn spawn(&self, driver: Driver<Self>) -> Result<(), StartError> {
        async_std::task::spawn(driver);
        Ok(())
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep(Timer::at(deadline))
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
    dial_all(&target, |address| tcp::dial(address, local), sleep)
        .await
        .map(Stream::new)
}

#[cfg(feature = "rustls")]
async fn upgrade(io: Stream, target: Target) -> Result<Stream, LinkEnd> {
    use nats_conn_client::{blocking, server_name, tls_error};

    let (setup, server) = (target.setup.clone(), target.server.clone());
    // Files, and a keychain perhaps: not on a thread that polls.
    let config = blocking::elsewhere(move || setup.tls.client_config_for(&server))
        .await
        .map_err(|error| tls_error(&error))??;
    let name = server_name(target.server.tls_name())?;
    let stream = futures_rustls::TlsConnector::from(config)
        .connect(name, io.0)
        .await;
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
