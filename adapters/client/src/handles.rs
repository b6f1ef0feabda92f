//! What applications hold of a connection: everything that is called, awaited or dropped.
//!
//! Whatever is awaited acts once. Polled again after its end it does nothing, and says that the connection is closed, or
//! again why it could not begin.

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
#[cfg(test)]
mod led_by_hand;
pub(crate) mod looking;
pub(crate) mod outgoing;
#[cfg(test)]
mod polled_again;
pub(crate) mod publishing;
#[cfg(test)]
pub(crate) mod puppet;
pub(crate) mod reconnecting;
pub(crate) mod replies;
pub(crate) mod request;
pub(crate) mod request_for_many;
pub(crate) mod room;
pub(crate) mod subscription;
