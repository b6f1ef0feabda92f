//! tokio as the runtime of a connection.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Context;
use std::time::Instant;

use nats_conn_client::StartError;
use nats_conn_client::driver::{Connector, Runtime, Target, dial_all};
use nats_conn_client::machine::LinkEnd;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep, sleep_until};

use crate::io::Stream;

/// The runtime in which [`connect`](crate::connect) and its like are called. It has to be there, with I/O and time
/// enabled, when they are called, and as long as the connection lives.
#[derive(Clone, Default)]
pub struct Tokio {
    connector: Connector<Stream>,
}

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
            connector: Connector::new(connector),
        }
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokio{:?}", self.connector)
    }
}

impl Runtime for Tokio {
    type Io = Stream;
    type Sleep = Unconstrained<Sleep>;

    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let here = tokio::runtime::Handle::try_current().map_err(|error| StartError::NoDriver {
            detail: error.to_string(),
        })?;
        here.spawn(driver);
        Ok(())
    }

    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        // Otherwise, where its task has used up its budget, it is not armed and wakes that task at once instead.
        unconstrained(sleep_until(deadline.into()))
    }

    fn let_others_run(&self, cx: &mut Context<'_>) {
        // A task that wakes itself runs before the future of `block_on`, up to sixty times on a runtime of one thread.
        let yields = pin!(yield_now()).poll(cx);
        debug_assert!(yields.is_pending(), "it is woken by what has begun here");
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
    let (config, name) = target.tls().await?;
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, io.0).await;
    stream
        .map(Stream::new)
        .map_err(|error| nats_conn_client::driver::tls_error(&error))
}

#[cfg(not(feature = "rustls"))]
async fn upgrade(_: Stream, _: Target) -> Result<Stream, LinkEnd> {
    Err(nats_conn_client::driver::tls_not_built())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use tokio::task::coop::{consume_budget, has_budget_remaining};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_timer_is_armed_also_where_its_task_has_used_up_its_budget() {
        let begun = Instant::now();
        let moment = begun + Duration::from_millis(20);
        let mut timer = pin!(Tokio::default().sleep_until(moment));
        let mut armed = false;
        let went_off = poll_fn(|cx| {
            if !armed {
                armed = true;
                while has_budget_remaining() {
                    let _ = pin!(consume_budget()).poll(cx);
                }
                return timer.as_mut().poll(cx);
            }
            // A driver asks its timer only when it may have gone off.
            if Instant::now() < moment {
                return Poll::Pending;
            }
            timer.as_mut().poll(cx)
        });
        let late = Duration::from_secs(10);
        assert!(timeout(late, went_off).await.is_ok());
        assert!(begun.elapsed() < late);
    }
}
