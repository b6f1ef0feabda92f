//! What applications hold of a connection: everything that is called, awaited or dropped.

pub(crate) mod client;
pub(crate) mod confirmation;
pub(crate) mod connecting;
pub(crate) mod events;
pub(crate) mod handle;
pub(crate) mod looking;
pub(crate) mod publishing;
pub(crate) mod replies;
pub(crate) mod request;
pub(crate) mod subscription;
