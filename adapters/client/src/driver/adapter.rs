//! How a connection is started on a runtime, or on threads.

use std::sync::Arc;

use crate::driver::prepare::Prepared;
use crate::driver::runtime::Runtime;
use crate::driver::task::Driver;
use crate::error::start::StartError;
use crate::handles::client::Client;
use crate::handles::connecting::{Connecting, connecting};
use crate::handles::events::Events;
use crate::options::connect::ConnectOptions;

/// Where a connection lives: what [`ConnectOptions::start`] and [`ConnectOptions::connect`] give.
///
/// Everything that implements [`Runtime`] is one. The blocking adapter implements it directly, with handles of its
/// own around [`Client`] and [`Events`], and a driver of its own around [`Shared`](crate::driver::Shared); it begins with
/// [`ConnectOptions::prepare`].
pub trait Adapter: Sized {
    /// The handle of the application.
    type Client;
    /// The stream of events.
    type Events;
    /// What `connect` gives: a future, or the outcome itself.
    type Connecting;

    /// Starts the connection, before its first attempt.
    ///
    /// # Errors
    /// The options cannot be used.
    fn start(options: ConnectOptions<Self>) -> Result<(Self::Client, Self::Events), StartError>;

    /// Starts the connection and waits for the first outcome.
    ///
    /// # Cancel safety
    /// Where it is a future, dropping it has to give the connection up, and leave no link.
    fn connect(options: ConnectOptions<Self>) -> Self::Connecting;
}

impl<R: Runtime> Adapter for R {
    type Client = Client;
    type Events = Events;
    type Connecting = Connecting;

    fn start(options: ConnectOptions<Self>) -> Result<(Client, Events), StartError> {
        let Prepared {
            client,
            events,
            parts,
            adapter,
        } = options.prepare()?;
        let adapter = Arc::new(adapter);
        adapter.spawn(Driver::new(parts, adapter.clone()))?;
        Ok((client, events))
    }

    fn connect(options: ConnectOptions<Self>) -> Connecting {
        let retry_initial = options.config.retry_initial;
        connecting(Self::start(options), retry_initial)
    }
}

impl<A: Adapter> ConnectOptions<A> {
    /// Starts the connection and returns at once, before the first attempt: with the client, and with all events
    /// from the first `Connecting` on.
    ///
    /// # Errors
    /// The options cannot be used.
    pub fn start(self) -> Result<(A::Client, A::Events), StartError> {
        A::start(self)
    }

    /// Starts the connection and waits for the first outcome: a session, or that no server could be reached. With
    /// [`retry_initial`](Self::retry_initial) it returns after the first round without success, too, and goes on
    /// trying.
    ///
    /// # Cancel safety
    /// Dropping the future of an asynchronous adapter gives the connection up, whatever it was doing: no link stays. The
    /// first attempt has begun before the first poll.
    pub fn connect(self) -> A::Connecting {
        A::connect(self)
    }
}
