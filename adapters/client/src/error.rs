//! What can go wrong, one type for each verb, and [`Error`](umbrella::Error) for all of them.
//!
//! The machine has small enums of its own, which know what it knows; these are what an application meets. They are
//! flat, and name what the machine does not: the subject.

pub(crate) mod confirm;
pub(crate) mod connect;
pub(crate) mod next;
pub(crate) mod publish;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod servers;
pub(crate) mod start;
pub(crate) mod subscribe;
#[cfg(feature = "rustls")]
pub(crate) mod tls;
pub(crate) mod umbrella;

/// `Debug` prints the line of `Display`: `fn main() -> Result<_, _>` prints errors so.
macro_rules! debug_as_display {
    ($($error:ty),*) => { $(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )* };
}
use debug_as_display;
