//! One transport to one server, as it is read: from dialling to its end.

mod canonical;
mod departure;
mod ending;
mod handshake;
mod liveness;
mod opening;
mod reading;
mod session;
mod tending;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{DecodeError, Decoder, ServerError, ServerInfo, ServerOp, TransmitBuf};

use self::departure::Departure;
use self::handshake::Handshake;
use self::session::Session;
use crate::error::{AttemptError, DisconnectReason, LinkEnd, Phase};
use crate::frames::{Gate, Tag};
use crate::ids::LinkId;
use crate::servers::Server;
use crate::time::Timestamp;

/// A link: how far it came, times whether it is on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    id: LinkId,
    server: Server,
    stage: Stage,
    end: End,
    /// When the attempt must have come to its PONG.
    deadline: Timestamp,
    /// The number of the attempt for this server since it last worked.
    attempt: u32,
    decoder: Decoder,
    info: Arc<ServerInfo>,
    /// The largest headers and payload together that this server takes; before INFO, what it named in its last
    /// session, if there was one.
    max_payload: u64,
    /// TLS is established.
    is_encrypted: bool,
    /// Something arrived since.
    heard_encrypted: bool,
    /// The driver was asked who we are, and there is no session yet.
    challenge: Option<Box<Challenge>>,
    last_error: Option<ServerError>,
}

/// How far it came.
#[derive(Clone, Debug)]
enum Stage {
    Opening(Handshake),
    Up(Box<Session>),
}

/// Whether it is going. Bytes that arrived before count all the same.
#[derive(Clone, Debug)]
enum End {
    None,
    /// The driver's last answer is awaited.
    Awaited {
        cause: Cause,
        at: Timestamp,
        until: Timestamp,
    },
    /// It has come, or is no longer awaited.
    Answered {
        cause: Cause,
        at: Timestamp,
    },
}

impl End {
    /// When it was ended.
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::None => None,
            Self::Awaited { at, .. } | Self::Answered { at, .. } => Some(*at),
        }
    }
}

/// Who ended a link.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// Its driver, or the peer.
    Transport(LinkEnd),
    /// We did, and this is why.
    Decided(DisconnectReason),
    /// We did, and nothing more is parsed or reported of it.
    Abandoned,
}

/// A question who we are.
#[derive(Clone, Copy, Debug)]
struct Challenge {
    since: Timestamp,
    /// How long the driver took to answer, if it did.
    answer_took: Option<Duration>,
}

/// Where a link is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    Opening,
    Up,
    OpeningEnded,
    UpEnded,
}

/// What a decoder makes of the bytes that arrived.
pub(crate) type Decoded = Result<Option<ServerOp>, DecodeError>;

/// What a look at the bytes that arrived came to, messages aside.
#[derive(Debug)]
#[must_use]
pub(crate) enum Inbound {
    /// There is no whole operation, and nothing follows from that.
    Nothing,
    /// An operation that changes nothing.
    Skipped,
    Ping,
    Pong,
    /// An error in a session.
    Error(ServerError),
    /// The first INFO: what it asks for is decided by [`Link::first_info_taken`].
    FirstInfo(InfoChange),
    /// Another INFO.
    Info(InfoChange),
    /// The attempt has failed.
    Failed(Phase, AttemptError),
    /// The session's bytes are not the protocol.
    Broken(DecodeError),
    /// The peer is gone.
    Stale,
    /// The link has ended, and all of it was parsed.
    Over,
}

/// What an INFO changed.
#[derive(Debug)]
pub(crate) struct InfoChange {
    pub urls: Vec<String>,
    /// The server announces that it will shut down, which it had not done on this link.
    pub lame_duck: bool,
}

/// What the handshake needs next.
#[derive(Debug)]
#[must_use]
pub(crate) enum Need {
    /// Nothing but bytes.
    Nothing,
    UpgradeTls,
    Authenticate {
        nonce: Option<String>,
    },
    /// CONNECT, without further credentials.
    Hello,
    /// The attempt has failed.
    Fail(Phase, AttemptError),
}

/// CONNECT and PING.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hello {
    pub frames: TransmitBuf<Tag>,
    /// A secret leaves in clear text, and the settings want a warning.
    pub warns: bool,
}

/// What a link left.
#[derive(Debug)]
#[must_use]
pub(crate) enum Finished {
    Attempt {
        server: Server,
        /// Of what it failed, unless that was reported.
        failure: Option<(Phase, AttemptError)>,
    },
    Session {
        server: Server,
        link: LinkId,
        reason: DisconnectReason,
        lived: Duration,
        /// The server ended it for the largest message that it was sent.
        is_poisoned: bool,
    },
}

/// Looking.
impl Link {
    #[inline]
    pub(crate) fn id(&self) -> LinkId {
        self.id
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The number of the attempt for its server since that last worked.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(crate) fn info(&self) -> &Arc<ServerInfo> {
        &self.info
    }

    /// Whether it has this number and has not ended.
    pub(crate) fn is_live(&self, id: LinkId) -> bool {
        self.id == id && !self.has_ended()
    }

    /// The largest headers and payload together that its server takes, in bytes.
    pub(crate) fn max_payload(&self) -> u64 {
        self.max_payload
    }

    #[inline]
    pub(crate) fn state(&self) -> LinkState {
        match (&self.stage, &self.end) {
            (Stage::Opening(_), End::None) => LinkState::Opening,
            (Stage::Up(_), End::None) => LinkState::Up,
            (Stage::Opening(_), _) => LinkState::OpeningEnded,
            (Stage::Up(_), _) => LinkState::UpEnded,
        }
    }

    #[inline]
    pub(crate) fn is_up(&self) -> bool {
        self.state() == LinkState::Up
    }

    #[inline]
    pub(crate) fn has_session(&self) -> bool {
        matches!(self.stage, Stage::Up(_))
    }

    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.end, End::None)
    }

    /// What may be written to it now.
    pub(crate) fn gate(&self) -> Gate {
        match &self.stage {
            _ if self.has_ended() => Gate::Shut,
            Stage::Opening(Handshake::AwaitingPong) => Gate::Hello,
            Stage::Opening(_) => Gate::Shut,
            Stage::Up(session) if session.departure().holds_publishes() => Gate::Control,
            Stage::Up(_) => Gate::All,
        }
    }

    /// Whether the session is the first of its connection.
    pub(crate) fn is_first(&self) -> bool {
        self.session().is_some_and(Session::is_first)
    }

    /// How many bytes an operation that has begun still needs.
    pub(crate) fn read_hint(&self) -> usize {
        self.decoder.need()
    }

    /// When something was heard last, if there is a session, which may be on its way out.
    pub(crate) fn heard_at(&self) -> Option<Timestamp> {
        self.session().map(|session| session.liveness().heard_at())
    }

    /// What a failure of the attempt is called now.
    pub(crate) fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Opening(handshake) => handshake.phase(),
            Stage::Up(_) => Phase::Connect,
        }
    }

    fn session(&self) -> Option<&Session> {
        match &self.stage {
            Stage::Up(session) => Some(session),
            Stage::Opening(_) => None,
        }
    }

    fn up(&self) -> Option<&Session> {
        self.session().filter(|_| !self.has_ended())
    }

    fn up_mut(&mut self) -> Option<&mut Session> {
        match (&mut self.stage, &self.end) {
            (Stage::Up(session), End::None) => Some(session),
            _ => None,
        }
    }
}

/// In words.
impl Link {
    /// What it is doing and what it waits for.
    pub(crate) fn explain(&self, is_restored: bool, now: Timestamp) -> String {
        let server = &self.server;
        if self.has_ended() {
            return format!("leaving {server}: waiting for the driver's last answer about the link");
        }
        let left = self.deadline.since(now).as_millis();
        let doing = match &self.stage {
            Stage::Up(session) => return explain_session(server, session, is_restored, now),
            Stage::Opening(Handshake::Dialing(_)) => format!("dialling {server}"),
            Stage::Opening(Handshake::UpgradingTls(_)) => format!("TLS handshake with {server}"),
            Stage::Opening(Handshake::AwaitingInfo) => format!("waiting for INFO of {server}"),
            Stage::Opening(Handshake::Authenticating) => format!("waiting for credentials for {server}"),
            Stage::Opening(Handshake::AwaitingPong) => format!("waiting for {server} to accept CONNECT"),
        };
        format!("{doing}, for {left} ms at most")
    }
}

fn explain_session(server: &Server, session: &Session, is_restored: bool, now: Timestamp) -> String {
    let extra = match session.departure() {
        Departure::Scheduled(at) => {
            let left = at.since(now).as_millis();
            format!("; it is in lame duck mode, and is left in {left} ms if a better server is known then")
        }
        Departure::Confirming { .. } | Departure::AwaitingReplies { .. } => {
            String::from("; it is in lame duck mode, and is being left")
        }
        Departure::None if is_restored => String::new(),
        Departure::None => String::from("; restoring subscriptions"),
    };
    format!("connected to {server}{extra}")
}
