//! What an asynchronous runtime brings: a way to run a driver, timers, streams, TLS.

use std::future::Future;
use std::task::Context;
use std::time::Instant;

use nats_conn_sm::LinkEnd;

use crate::driver::io::Io;
use crate::driver::target::Target;
use crate::error::start::StartError;

/// An asynchronous runtime. Handles are not generic over it; only the driver is.
pub trait Runtime: Send + Sync + Sized + 'static {
    /// A connected byte stream, plain or TLS.
    type Io: Io;
    /// A timer. Whatever it gives when it is done is not looked at.
    type Sleep: Future + Send + 'static;

    /// Runs the driver until it ends.
    ///
    /// # Errors
    /// [`StartError::NoDriver`] if it cannot be run.
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError>;

    /// Done at this moment. A poll that finds it pending arms it in any case: it is asked again only at that moment, or for
    /// another waker, however often its task is woken before.
    ///
    /// # Cancel safety
    /// It is dropped and made anew when there is an earlier moment to wait for.
    fn sleep_until(&self, deadline: Instant) -> Self::Sleep;

    /// Has the task of this context polled again when everything else that is ready has run. By default it is woken at once,
    /// which is enough for a runtime that runs what is ready in order.
    fn let_others_run(&self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Connects a stream to the host and port of the target. Dropped when the attempt is given up.
    ///
    /// The future must not block the thread. It has no deadline of its own: the machine gives an attempt up when
    /// its deadline has passed.
    ///
    /// # Cancel safety
    /// It is dropped when the attempt is given up: no socket may stay open then.
    fn dial(&self, target: Target) -> impl Future<Output = Result<Self::Io, LinkEnd>> + Send + 'static;

    /// Makes a TLS handshake over the stream; its certificate must be for [`Server::tls_name`](nats_conn_sm::Server::tls_name) of the target.
    /// A runtime without TLS leaves this out: where a server asks for TLS, the attempt fails and says so.
    ///
    /// # Cancel safety
    /// It is dropped when the attempt is given up, and the stream with it.
    fn upgrade(
        &self,
        io: Self::Io,
        target: Target,
    ) -> impl Future<Output = Result<Self::Io, LinkEnd>> + Send + 'static {
        drop((io, target));
        async { Err(LinkEnd::tls("it is wanted, and this runtime makes none")) }
    }
}
