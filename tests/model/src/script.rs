//! How a model server misbehaves, on purpose.

use serde_json::Value;

/// One thing that a server does when something happens on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub when: When,
    /// What, in this order.
    pub reactions: Vec<Reaction>,
    /// Whether the usual answer is left out.
    pub instead: bool,
}

impl Step {
    /// In addition to the usual answer, before it.
    pub fn also(when: When, reactions: impl Into<Vec<Reaction>>) -> Self {
        Self {
            when,
            reactions: reactions.into(),
            instead: false,
        }
    }

    /// Instead of the usual answer.
    pub fn instead(when: When, reactions: impl Into<Vec<Reaction>>) -> Self {
        Self {
            when,
            reactions: reactions.into(),
            instead: true,
        }
    }
}

/// A moment in the life of a link. Numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The link was opened; the usual answer is INFO.
    Accept,
    /// CONNECT came, and would be accepted.
    Connect,
    /// The n-th PING of the client came; the first is that of the handshake. The usual answer is PONG, and after
    /// the first of them the INFO about the connection.
    Ping(u64),
    /// The n-th PING came, or a later one.
    PingFrom(u64),
    /// The n-th publish came; the usual answer is to deliver it.
    Publish(u64),
    /// The n-th SUB came; the usual answer is to take it.
    Subscribe(u64),
    /// The n-th message was sent to the client. There is no usual answer to be left out.
    Message(u64),
    /// The link is so many nanoseconds old. There is no usual answer to be left out.
    Age(u64),
}

/// What a server does then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// These bytes are sent.
    Send(Vec<u8>),
    /// An `-ERR` with this text is sent; the link stays.
    Error(String),
    /// INFO as it would be now, is sent.
    Info,
    /// INFO as it would be now, with this field in place of its own, is sent.
    InfoWith(String, Value),
    /// PONG is sent.
    Pong,
    /// PING is sent.
    Ping,
    /// What was sent is still delivered, then the link is closed.
    Close,
    /// The link is torn down; what was not delivered is lost.
    Reset,
    /// Nothing is sent any more, nothing is executed any more, and the link stays open.
    Silence,
    /// The reaction comes so many nanoseconds later, if the link is still there.
    Later(u64, Box<Reaction>),
}

impl Reaction {
    /// Text to send.
    pub fn send(text: &str) -> Self {
        Self::Send(text.as_bytes().to_vec())
    }

    /// An `-ERR` text to send.
    pub fn error(text: &str) -> Self {
        Self::Error(text.to_owned())
    }

    /// The reaction, later by these nanoseconds.
    pub fn later(nanos: u64, reaction: Reaction) -> Self {
        Self::Later(nanos, Box::new(reaction))
    }
}
