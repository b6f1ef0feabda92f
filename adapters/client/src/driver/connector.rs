//! Streams that the application makes, where it wants to.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use nats_conn_sm::LinkEnd;

use crate::core::link_error::dial_error;
use crate::driver::target::Target;

/// How streams are made: by the application, or by default as the adapter does. The future is dropped when the attempt
/// is given up.
pub struct Connector<S>(Option<Arc<Connect<S>>>);

type Connect<S> = dyn Fn(Target) -> Connecting<S> + Send + Sync;
/// A stream, to come.
pub type Dialling<S> = Pin<Box<dyn Future<Output = Result<S, LinkEnd>> + Send>>;
type Connecting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

impl<S> Connector<S> {
    /// By the application.
    pub fn new<F, C>(connect: F) -> Self
    where
        F: Fn(Target) -> C + Send + Sync + 'static,
        C: Future<Output = io::Result<S>> + Send + 'static,
    {
        Self(Some(Arc::new(move |target| Box::pin(connect(target)))))
    }

    /// Makes a stream; `dial` is what the adapter does.
    ///
    /// # Cancel safety
    /// Dropping it drops what the application, or the adapter, has begun.
    pub fn dial<D>(&self, target: Target, dial: impl FnOnce(Target) -> D + Send + 'static) -> Dialling<S>
    where
        S: 'static,
        D: Future<Output = Result<S, LinkEnd>> + Send + 'static,
    {
        match self.0.clone() {
            Some(connect) => {
                Box::pin(async move { connect(target).await.map_err(|error| dial_error(&error)) })
            }
            None => Box::pin(async move { dial(target).await }),
        }
    }
}

// By hand: of no stream is there a copy.
impl<S> Clone for Connector<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Default for Connector<S> {
    fn default() -> Self {
        Self(None)
    }
}

/// What the name of the adapter is followed by.
impl<S> fmt::Debug for Connector<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "(with a connector)"
        } else {
            ""
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;
    use crate::driver::blocking::wait;
    use crate::driver::prepare::Prepared;
    use crate::options::connect::ConnectOptions;
    use nats_conn_sm::LinkId;

    fn target() -> Target {
        let Prepared { client, parts, .. } = ConnectOptions::<()>::default().prepare().expect("usable");
        let server = client.servers()[0].server.clone();
        Target::new(server, LinkId::from_u64(1), parts.setup, parts.shared)
    }

    #[test]
    fn a_copy_dials_as_the_first_does_and_only_that_there_is_one_prints() {
        let own = Connector::new(|_| ready(Ok("mine")));
        for (connector, stream, printed) in [
            (own.clone(), "mine", "(with a connector)"),
            (own, "mine", "(with a connector)"),
            (Connector::default().clone(), "the adapter's", ""),
        ] {
            assert_eq!(format!("{connector:?}"), printed);
            let dialling = connector.dial(target(), |_| ready(Ok("the adapter's")));
            assert_eq!(wait(None, pin!(dialling)), Some(Ok(stream)));
        }
    }

    #[test]
    fn an_error_of_the_application_is_one_of_dialling() {
        let refuses = Connector::<()>::new(|_| ready(Err(io::ErrorKind::ConnectionRefused.into())));
        let dialling = refuses.dial(target(), |_| pending());
        let end = wait(None, pin!(dialling)).expect("no deadline");
        let refused = |end: &LinkEnd| end.code() == "connection_refused";
        assert!(end.as_ref().is_err_and(refused), "{end:?}");
    }
}
