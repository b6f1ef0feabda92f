//! What arrives on a link, one operation at a time, by how far the link has come.

use alloc::sync::Arc;

use nats_proto::{DecodeError, ServerError, ServerErrorKind, ServerInfo, ServerOp};

use super::handshake::Handshake;
use super::{Cause, Decoded, End, Inbound, InfoChange, Link, Stage};
use crate::buffers::ReceiveBuf;
use crate::env::Env;
use crate::error::{AttemptError, DisconnectReason, Phase};

/// What a server takes if its INFO does not say (`MAX_PAYLOAD_SIZE`, const.go).
const DEFAULT_MAX_PAYLOAD: u64 = 1 << 20;

impl Link {
    /// Whether these bytes are of a session, so that there may be messages among them.
    #[inline]
    pub(crate) fn may_have_messages(&self, rx: &ReceiveBuf) -> bool {
        rx.link() == self.id && self.has_session() && !self.is_reported()
    }

    /// Parses one operation of a session. What is no message is for [`accept`](Self::accept).
    #[inline]
    pub(crate) fn decode(&mut self, rx: &mut ReceiveBuf, env: &Env) -> Decoded {
        if rx.unseen() > 0 {
            self.hear(env);
        }
        let decoded = self.decoder.decode(rx.buffer_mut());
        rx.mark_seen(rx.len());
        decoded
    }

    /// Parses one operation where there can be no message; once there is none left, what waited for that takes effect.
    pub(crate) fn read(&mut self, rx: &mut ReceiveBuf, env: &Env) -> Inbound {
        if rx.link() != self.id {
            return self.nothing();
        }
        if rx.unseen() > 0 {
            self.hear(env);
        }
        let decoded = match &self.stage {
            _ if self.is_reported() => Ok(None),
            Stage::Opening(Handshake::Dialing(_)) => Ok(None),
            Stage::Opening(Handshake::UpgradingTls(_)) => return self.read_before_tls(rx),
            _ => self.decoder.decode(rx.buffer_mut()),
        };
        rx.mark_seen(rx.len());
        self.accept(decoded, env)
    }

    /// Something has arrived.
    fn hear(&mut self, env: &Env) {
        self.heard_encrypted |= self.is_encrypted;
        if let Stage::Up(session) = &mut self.stage {
            session.liveness_mut().heard(env.now());
        }
    }

    /// What follows from an operation that is no message, or from the lack of one.
    pub(crate) fn accept(&mut self, decoded: Decoded, env: &Env) -> Inbound {
        let op = match decoded {
            Ok(Some(op)) => op,
            Ok(None) => return self.nothing(),
            Err(error) => return self.broken(error),
        };
        match &self.stage {
            Stage::Up(_) => self.accept_in_session(op, env),
            Stage::Opening(handshake) => {
                let handshake = *handshake;
                self.accept_in_handshake(handshake, op, env)
            }
        }
    }

    fn accept_in_session(&mut self, op: ServerOp, env: &Env) -> Inbound {
        match op {
            ServerOp::Pong => Inbound::Pong,
            ServerOp::Ping => Inbound::Ping,
            ServerOp::Info(info) => Inbound::Info(self.merge_info(*info, env)),
            ServerOp::Err(error) => {
                self.last_error = Some(error.clone());
                Inbound::Error(error)
            }
            _ => Inbound::Skipped,
        }
    }

    fn accept_in_handshake(&mut self, handshake: Handshake, op: ServerOp, env: &Env) -> Inbound {
        match (handshake, op) {
            (Handshake::AwaitingInfo, ServerOp::Info(info)) => {
                Inbound::FirstInfo(self.take_first_info(*info, env))
            }
            (Handshake::AwaitingInfo, ServerOp::Err(error)) => self.refused(Phase::Info, error, env),
            (Handshake::AwaitingInfo, _) => Inbound::Failed(Phase::Info, AttemptError::ExpectedInfo),
            (Handshake::AwaitingPong, ServerOp::Pong) => Inbound::Pong,
            (_, ServerOp::Ping) => Inbound::Ping,
            (_, ServerOp::Info(info)) => Inbound::Info(self.merge_info(*info, env)),
            (_, ServerOp::Err(error)) if error.is_authentication() => self.refused(Phase::Auth, error, env),
            (_, ServerOp::Err(error)) => self.refused(handshake.phase(), error, env),
            _ => Inbound::Skipped,
        }
    }

    fn refused(&self, phase: Phase, error: ServerError, env: &Env) -> Inbound {
        let error = match self.challenge.as_deref() {
            Some(challenge) if *error.kind() == ServerErrorKind::AuthenticationTimeout => {
                AttemptError::AuthenticationTimeout {
                    error,
                    answered: challenge.answer_took.is_some(),
                    after: challenge
                        .answer_took
                        .unwrap_or_else(|| env.now().since(challenge.since)),
                }
            }
            _ => AttemptError::Server(error),
        };
        Inbound::Failed(phase, error)
    }

    fn take_first_info(&mut self, info: ServerInfo, env: &Env) -> InfoChange {
        let change = InfoChange {
            urls: info.connect_urls.clone(),
            lame_duck: info.ldm,
        };
        let limit = info.max_payload.unwrap_or(DEFAULT_MAX_PAYLOAD);
        self.max_payload = self.max_payload.min(limit);
        self.info = Arc::new(info);
        self.adopt_limits(env);
        change
    }

    fn merge_info(&mut self, newer: ServerInfo, env: &Env) -> InfoChange {
        let change = InfoChange {
            urls: newer.connect_urls.clone(),
            lame_duck: newer.ldm && !self.info.ldm,
        };
        if let Some(limit) = newer.max_payload {
            self.max_payload = match self.stage {
                Stage::Up(_) => limit,
                Stage::Opening(_) => self.max_payload.min(limit),
            };
        }
        Arc::make_mut(&mut self.info).merge(newer);
        self.adopt_limits(env);
        change
    }

    /// A server may send more than it takes, by what it adds.
    fn adopt_limits(&mut self, env: &Env) {
        let limits = env.config().limits;
        let said = self.info.max_payload.unwrap_or_default();
        let inbound = usize::try_from(said.saturating_mul(8)).unwrap_or(usize::MAX);
        self.decoder
            .set_limits(limits.with_payload(limits.payload.max(inbound)));
    }

    fn read_before_tls(&mut self, rx: &mut ReceiveBuf) -> Inbound {
        rx.mark_seen(rx.len());
        if rx.is_empty() {
            return self.nothing();
        }
        Inbound::Failed(Phase::Tls, self.plaintext_before_tls(rx))
    }

    /// Clear text where TLS comes next: an error that the server sent is reported, all else is an error of its own.
    pub(super) fn plaintext_before_tls(&mut self, rx: &mut ReceiveBuf) -> AttemptError {
        let error = match self.decoder.decode(rx.buffer_mut()) {
            Ok(Some(ServerOp::Err(error))) => AttemptError::Server(error),
            _ => AttemptError::PlaintextBeforeTls,
        };
        rx.clear();
        error
    }

    /// No whole operation lies in the buffer: what ends the link may do so now.
    fn nothing(&self) -> Inbound {
        match &self.end {
            End::Answered { .. } => Inbound::Over,
            End::Awaited { .. } => Inbound::Nothing,
            End::None if self.is_suspect() => Inbound::Stale,
            End::None => Inbound::Nothing,
        }
    }

    fn broken(&mut self, error: DecodeError) -> Inbound {
        if let Stage::Opening(handshake) = &self.stage {
            return Inbound::Failed(handshake.phase(), AttemptError::Protocol(error));
        }
        match &mut self.end {
            End::None => return Inbound::Broken(error),
            End::Awaited { cause, .. } | End::Answered { cause, .. } => {
                if matches!(cause, Cause::Transport(_)) {
                    *cause = Cause::Decided(DisconnectReason::Protocol(error));
                }
            }
        }
        self.nothing()
    }

    fn is_reported(&self) -> bool {
        matches!(
            &self.end,
            End::Awaited {
                cause: Cause::Abandoned,
                ..
            } | End::Answered {
                cause: Cause::Abandoned,
                ..
            }
        )
    }

    fn is_suspect(&self) -> bool {
        self.session()
            .is_some_and(|session| session.liveness().is_suspect())
    }

    /// Whether the next look at its bytes, without further ones, has consequences.
    pub(crate) fn has_verdict(&self) -> bool {
        match &self.end {
            End::Answered { .. } => true,
            End::Awaited { .. } => false,
            End::None => self.is_suspect(),
        }
    }
}
