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
