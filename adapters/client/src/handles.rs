//! What applications hold of a connection: everything that is called, awaited or dropped.

pub(crate) mod accepting;
pub(crate) mod alarm;
pub(crate) mod client;
pub(crate) mod confirmation;
pub(crate) mod confirmed_publish;
pub(crate) mod confirmed_subscription;
pub(crate) mod connecting;
pub(crate) mod events;
pub(crate) mod handle;
pub(crate) mod inboxes;
pub(crate) mod looking;
pub(crate) mod outgoing;
pub(crate) mod publishing;
pub(crate) mod reconnecting;
pub(crate) mod replies;
pub(crate) mod request;
pub(crate) mod request_for_many;
pub(crate) mod room;
pub(crate) mod subscription;
