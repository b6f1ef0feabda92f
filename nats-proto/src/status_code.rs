//! The number in the first line of a header block.

use core::fmt;

/// The number in the status line of a header block, as in `NATS/1.0 503`.
///
/// The server itself sends only [`NO_RESPONDERS`](Self::NO_RESPONDERS) to plain clients; the others come from
/// JetStream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

impl StatusCode {
    /// `100`: a heartbeat or flow control message of a JetStream consumer.
    pub const IDLE_HEARTBEAT: Self = Self(100);
    /// `400`: the request was malformed.
    pub const BAD_REQUEST: Self = Self(400);
    /// `404`: there are no messages.
    pub const NO_MESSAGES: Self = Self(404);
    /// `408`: the request has timed out at the server.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// `409`: a limit was exceeded or the consumer has changed.
    pub const CONFLICT: Self = Self(409);
    /// `503`: nobody is subscribed to the subject of a request (ADR-4).
    pub const NO_RESPONDERS: Self = Self(503);

    /// A status with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
