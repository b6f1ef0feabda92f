//! What the events have said of the next attempt, and whether the client says the same when it is asked.

use nats_conn_sm::{AttemptStage, ConnectionEvent, Event, NextAttempt, ServerId, Timestamp, WaitReason};

/// What the last event about attempts has said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Planned {
    /// There is a session, or the end.
    #[default]
    Nothing,
    /// The last link is gone, or is being left.
    Undecided,
    Waits {
        server: ServerId,
        attempt: u32,
        until: Timestamp,
        reason: WaitReason,
    },
    UnderWay {
        server: ServerId,
        attempt: u32,
        /// It was called off since.
        cut: bool,
    },
}

impl Planned {
    pub(crate) fn event(&mut self, event: &Event) {
        let Event::Connection(event) = event else { return };
        *self = match event {
            ConnectionEvent::Connecting { server, attempt, .. } => Self::UnderWay {
                server: server.id(),
                attempt: *attempt,
                cut: false,
            },
            ConnectionEvent::BackoffWait {
                server,
                attempt,
                until,
                reason,
                ..
            } => Self::Waits {
                server: server.id(),
                attempt: *attempt,
                until: *until,
                reason: *reason,
            },
            ConnectionEvent::ConnectFailed { .. } | ConnectionEvent::Disconnected { .. } => Self::Undecided,
            ConnectionEvent::Connected(_)
            | ConnectionEvent::Reconnected(_)
            | ConnectionEvent::Closed { .. } => Self::Nothing,
            _ => return,
        };
    }

    /// A forced reconnect or a new pool was asked for.
    pub(crate) fn may_be_cut_short(&mut self) {
        match self {
            Self::UnderWay { cut, .. } => *cut = true,
            Self::Waits { .. } => *self = Self::Undecided,
            Self::Nothing | Self::Undecided => {}
        }
    }

    /// Whether this is what may be said now.
    pub(crate) fn agrees(&self, next: Option<&NextAttempt>, now: Timestamp) -> bool {
        let Some(next) = next else {
            return matches!(
                self,
                Self::Nothing | Self::Undecided | Self::UnderWay { cut: true, .. }
            );
        };
        let said = (next.server.id(), next.attempt);
        match (*self, next.stage) {
            (
                Self::Waits {
                    server,
                    attempt,
                    until,
                    reason,
                },
                AttemptStage::Waiting { reason: why, left },
            ) => said == (server, attempt) && why == reason && now + left == until.max(now),
            (Self::UnderWay { server, attempt, .. }, AttemptStage::UnderWay { .. }) => {
                said == (server, attempt)
            }
            // Before the first attempt nothing has been said.
            (Self::Nothing | Self::Undecided | Self::UnderWay { cut: true, .. }, AttemptStage::Choosing) => {
                true
            }
            _ => false,
        }
    }
}
