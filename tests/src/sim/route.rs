//! What the route to one server is like.

use std::collections::VecDeque;
use std::time::Duration;

use nats_conn_sm::LinkEnd;

/// The route to one server. Changes hold for links to come, but for `latency`, `rate` and the sizes, which hold at once.
#[derive(Clone, Debug)]
pub struct Route {
    /// How dialling ends.
    pub dial: Dial,
    /// How long dialling takes, however it ends.
    pub dial_time: Duration,
    /// How long a byte is in transit, in either direction.
    pub latency: Duration,
    /// How many bytes of the client leave in a second. Default: all at once.
    pub rate: Option<u64>,
    /// How many bytes the transport takes that the server has not read yet.
    pub send_room: usize,
    /// How many bytes one write takes at most.
    pub write_max: usize,
    /// How many bytes one read gives at most.
    pub read_max: usize,
    /// How a TLS handshake ends, and after which time.
    pub tls: (Duration, Result<(), String>),
    /// What happens to the links to come, one entry a link; when it is empty, nothing.
    pub cuts: VecDeque<Cut>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            dial: Dial::Connects,
            dial_time: Duration::from_millis(1),
            latency: Duration::from_millis(1),
            rate: None,
            send_room: 256 * 1024,
            write_max: usize::MAX,
            read_max: usize::MAX,
            tls: (Duration::from_millis(2), Ok(())),
            cuts: VecDeque::new(),
        }
    }
}

/// How dialling ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dial {
    /// With a stream, if the server listens; else it is refused.
    Connects,
    /// With this.
    Fails(LinkEnd),
    /// Not at all.
    Hangs,
}

/// How a link is cut, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Not at all.
    Never,
    /// The transport takes so many bytes of the client and then fails. What it took arrives.
    AfterTaking(u64),
    /// The server gets so many bytes of the client; what the transport took beyond is lost, and the link is reset.
    AfterArriving(u64),
    /// The client reads so many bytes of the server, then the end of the stream.
    AfterReading(u64),
}
