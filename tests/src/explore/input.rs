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
    /// The application drains its subscription.
    DrainSubscription,
    /// The application asks.
    Request,
    /// The application asks what several may answer: two replies at most, and none later than a second after the one before.
    RequestMany,
    /// The application forgets its request.
    Cancel,
    /// The application wants confirmation.
    Flush,
    /// The application measures the round trip.
    RoundTrip,
    /// The application begins to drain.
    Drain,
    /// Everything delivered was consumed.
    FinishDrain,
    /// The application closes.
    Close,
    /// The application closes without writing what is queued.
    Abort,
    /// The application wants another link.
    ForceReconnect,
    /// The application replaces the pool by the servers of its settings.
    NewPool,
    /// The driver takes the server that comes next by itself, after the wait that is usual.
    ChooseDefault,
    /// The driver takes another server, and waits for nothing.
    ChooseOther,
    /// The driver takes a server that is not there.
    ChooseNone,
    /// The driver has the credentials.
    Credentials,
    /// The driver has no credentials.
    NoCredentials,
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
    /// The link ends, and the driver does not know how much of the block was taken: nothing more was.
    EndUncertain,
    /// The link ends, and the driver does not know how much of the block was taken: all of it was.
    EndTaken,
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
    /// INFO that names a server that nobody has heard of.
    InfoServers,
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
    /// The subscription of the inbox is refused.
    Inbox,
    /// The publishes are refused.
    Publish,
    /// A message was too large.
    TooLarge,
    /// An error that nobody knows.
    Other,
}

impl Fault {
    /// One of each.
    pub const ALL: [Self; 8] = [
        Self::Authorization,
        Self::Expired,
        Self::Stale,
        Self::Subscription,
        Self::Inbox,
        Self::Publish,
        Self::TooLarge,
        Self::Other,
    ];

    /// The text of the error, but for the name of the inbox.
    pub fn text(self) -> &'static str {
        match self {
            Self::Authorization => "Authorization Violation",
            Self::Expired => "User Authentication Expired",
            Self::Stale => "Stale Connection",
            Self::Subscription => "Permissions Violation for Subscription to \"a\"",
            Self::Inbox => "Permissions Violation for Subscription to \"_INBOX.*\"",
            Self::Publish => "Permissions Violation for Publish to \"p\"",
            Self::TooLarge => "Maximum Payload Violation",
            Self::Other => "something new",
        }
    }
}

impl Op {
    /// As a story tells it.
    fn words(self) -> String {
        let words = match self {
            Self::Info => "INFO",
            Self::InfoTls => "INFO with tls_required",
            Self::InfoSmall => "INFO with a max_payload of 1",
            Self::InfoLameDuck => "INFO with ldm",
            Self::InfoServers => "INFO with connect_urls",
            Self::Pong => "PONG",
            Self::Ping => "PING",
            Self::Message => "a message",
            Self::Reply => "the reply",
            Self::NoResponders => "no_responders",
            Self::Rubbish => "rubbish",
            Self::Err(fault) => return format!("-ERR '{}'", fault.text()),
        };
        words.to_owned()
    }
}

/// As a story tells it.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "the application publishes",
            Self::Subscribe => "the application subscribes",
            Self::Limit => "the application wants two messages in all",
            Self::Unsubscribe => "the application unsubscribes",
            Self::DrainSubscription => "the application drains its subscription",
            Self::Request => "the application sends a request",
            Self::RequestMany => "the application sends a request that several may answer",
            Self::Cancel => "the application forgets its request",
            Self::Flush => "the application flushes",
            Self::RoundTrip => "the application measures the round trip",
            Self::Drain => "the application drains the connection",
            Self::FinishDrain => "the application has consumed everything",
            Self::Close => "the application closes",
            Self::Abort => "the application aborts",
            Self::ForceReconnect => "the application forces a reconnect",
            Self::NewPool => "the application replaces the pool",
            Self::ChooseDefault => "the driver takes the server that comes next",
            Self::ChooseOther => "the driver takes another server, and at once",
            Self::ChooseNone => "the driver takes a server that is not in the pool",
            Self::Credentials => "the driver has the credentials",
            Self::NoCredentials => "the driver has no credentials",
            Self::Timeout => "time passes until the next deadline",
            Self::Connected => "the dial succeeds",
            Self::DialFails => "the dial fails",
            Self::TlsDone => "the TLS handshake succeeds",
            Self::TlsFails => "the TLS handshake fails",
            Self::WriteAll => "the transport takes the block",
            Self::WriteOne => "the transport takes one byte of the block",
            Self::WriteMost => "the transport takes all but one byte of the block",
            Self::LastAnswer => "the driver gives its last answer about the link",
            Self::Rest => "the server sends the rest",
            Self::Eof => "the server ends the link",
            Self::EndUncertain => {
                "the link ends, the driver does not know what was taken, and nothing more was"
            }
            Self::EndTaken => "the link ends, the driver does not know what was taken, and all of it was",
            Self::Say(op) => return write!(f, "the server sends {}", op.words()),
            Self::Begin(op) => return write!(f, "the server sends the first half of {}", op.words()),
            Self::SayAndEnd(op) => {
                return write!(f, "the server sends {} and ends the link at once", op.words());
            }
        })
    }
}
