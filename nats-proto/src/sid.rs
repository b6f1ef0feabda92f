//! The number by which a client names a subscription.

use core::fmt;

/// The number by which a client names one of its subscriptions on one link.
///
/// A server takes any text without blanks as a subscription identifier and repeats it in every `MSG`
/// (`parser.go`). Clients use decimal numbers, and this crate reads nothing else in the client role.
///
/// ```
/// let sid = nats_proto::Sid::new(42);
/// assert_eq!((sid.get(), sid.to_string()), (42, "42".into()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(u64);

impl Sid {
    /// A subscription identifier with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({})", self.0)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
