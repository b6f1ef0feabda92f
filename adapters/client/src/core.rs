//! What handles and drivers share: the machine under its mutex, and the places where what it says is waited for.
//!
//! Nothing here knows a handle, an option or a runtime.

pub(crate) mod addresses;
pub(crate) mod clock;
pub(crate) mod closing;
pub(crate) mod confirmations;
pub(crate) mod delivery;
pub(crate) mod draining;
pub(crate) mod event;
pub(crate) mod hand;
pub(crate) mod hub;
pub(crate) mod link_error;
pub(crate) mod lock;
pub(crate) mod locked;
pub(crate) mod loss;
pub(crate) mod mail;
pub(crate) mod oneshot;
pub(crate) mod pace;
pub(crate) mod panics;
pub(crate) mod recording;
pub(crate) mod reply_slot;
pub(crate) mod routes;
pub(crate) mod shared;
pub(crate) mod sid_runs;
#[cfg(feature = "tracing")]
pub(crate) mod told;
#[cfg(feature = "tracing")]
pub(crate) mod trace;
pub(crate) mod turn;
pub(crate) mod waiting;
