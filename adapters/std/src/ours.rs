//! Which threads are a connection's own.

use std::cell::Cell;
use std::sync::Arc;

use nats_conn_client::driver::Shared;

thread_local! {
    /// The connection that this thread belongs to.
    static HERE: Cell<Option<Ours>> = const { Cell::new(None) };
}

/// A connection, as its threads know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ours(usize);

impl Ours {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::as_ptr(shared).addr())
    }

    /// From now on this thread is one of the connection: it must not wait for the connection's end.
    pub(crate) fn enter(self) {
        HERE.set(Some(self));
    }

    pub(crate) fn is_here(shared: &Arc<Shared>) -> bool {
        HERE.get() == Some(Self::new(shared))
    }
}
