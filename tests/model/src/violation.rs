//! What a well-behaved client never does.

use std::fmt;

use super::PeerId;

/// Something that a client did and must not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The link on which it was seen.
    pub peer: PeerId,
    /// What it was.
    pub fault: Fault,
}

/// The faults that are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first operation of a link is not CONNECT.
    ConnectNotFirst(&'static str),
    /// CONNECT came a second time.
    ConnectAgain,
    /// The operation after CONNECT is not PING.
    PingNotSecond(&'static str),
    /// Something other than PONG came before the PING of the handshake was answered.
    BeforePong(&'static str),
    /// Bytes came before INFO was sent, or in clear text where TLS was demanded.
    TooEarly,
    /// A PONG for which there was no PING.
    UnaskedPong,
    /// Not an operation: the link ends.
    Malformed(String),
    /// An operation that servers accept, but not in the one spelling of a well-behaved client.
    Spelling(String),
    /// The arguments of a line are longer than `max_control_line`.
    LineTooLong,
    /// A publish is larger than every `max_payload` that was announced on this link.
    PayloadTooLarge(u64),
    /// An HPUB although INFO announced no headers.
    HeadersUnsupported,
    /// A field of CONNECT that is not on the list of allowed fields, or that has a value it must not have.
    ConnectField(String),
    /// A sid was given out twice on one link.
    SidTwice(u64),
    /// A sid means something else than on an earlier link of this client.
    SidReused(u64),
    /// UNSUB of a sid for which this link has seen no SUB.
    UnsubWithoutSub(u64),
}

impl Fault {
    /// Whether a real server accepts it silently: other clients do it, and ours must not.
    pub fn is_tolerated(&self) -> bool {
        match self {
            Self::Spelling(_)
            | Self::ConnectNotFirst(_)
            | Self::ConnectAgain
            | Self::PingNotSecond(_)
            | Self::BeforePong(_)
            | Self::UnaskedPong
            | Self::ConnectField(_)
            | Self::SidTwice(_)
            | Self::SidReused(_)
            | Self::UnsubWithoutSub(_) => true,
            Self::TooEarly
            | Self::Malformed(_)
            | Self::LineTooLong
            | Self::PayloadTooLarge(_)
            | Self::HeadersUnsupported => false,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}: {:?}", self.peer.0, self.fault)
    }
}
