//! What may happen next.

use std::fmt;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// The application publishes.
    Publish,
    /// The application subscribes.
    Subscribe,
    /// The application gives its subscription a maximum of two messages.
    Limit,
    /// The application ends its subscription.
    Unsubscribe,
    /// The application asks.
    Request,
    /// The application wants confirmation.
    Flush,
    /// The application begins to drain.
    Drain,
    /// Everything delivered was consumed.
    FinishDrain,
    /// The application closes.
    Close,
    /// The application wants another link.
    ForceReconnect,
    /// The next deadline comes.
    Timeout,
    /// The dial succeeds.
    Connected,
    /// The dial fails.
    DialFails,
    /// The TLS handshake succeeds.
    TlsDone,
    /// The TLS handshake fails.
    TlsFails,
    /// The transport takes all that is left of the block.
    WriteAll,
    /// The transport takes one byte of the block.
    WriteOne,
    /// The transport takes all but one byte of the block.
    WriteMost,
    /// The driver gives its last answer about the link.
    LastAnswer,
    /// The server sends this.
    Say(Op),
    /// The server sends the first half of this.
    Begin(Op),
    /// The server sends what it left out.
    Rest,
    /// The server sends this and ends the link before the machine looks.
    SayAndEnd(Op),
    /// The server ends the link.
    Eof,
    /// The link ends, and the driver does not know how much of the block was taken.
    EndUncertain,
}

/// What a server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// INFO.
    Info,
    /// INFO that demands TLS.
    InfoTls,
    /// INFO with a limit that no publish keeps.
    InfoSmall,
    /// INFO that announces the end of the server.
    InfoLameDuck,
    /// PONG.
    Pong,
    /// PING.
    Ping,
    /// A message for the subscription.
    Message,
    /// A reply to the request.
    Reply,
    /// The answer that nobody listens to the request.
    NoResponders,
    /// -ERR.
    Err(Fault),
    /// What is not the protocol.
    Rubbish,
}

/// The errors that a server may send: one of each kind that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Who we are is not accepted.
    Authorization,
    /// Who we are is not accepted any more.
    Expired,
    /// The server heard nothing for too long.
    Stale,
    /// The subscription is refused.
    Subscription,
    /// The publishes are refused.
    Publish,
    /// A message was too large.
    TooLarge,
    /// An error that nobody knows.
    Other,
}

impl Fault {
    /// One of each.
    pub const ALL: [Self; 7] = [
        Self::Authorization,
        Self::Expired,
        Self::Stale,
        Self::Subscription,
        Self::Publish,
        Self::TooLarge,
        Self::Other,
    ];

    /// The text of the error.
    pub fn text(self) -> &'static str {
        match self {
            Self::Authorization => "Authorization Violation",
            Self::Expired => "User Authentication Expired",
            Self::Stale => "Stale Connection",
            Self::Subscription => "Permissions Violation for Subscription to \"a\"",
            Self::Publish => "Permissions Violation for Publish to \"p\"",
            Self::TooLarge => "Maximum Payload Violation",
            Self::Other => "something new",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
