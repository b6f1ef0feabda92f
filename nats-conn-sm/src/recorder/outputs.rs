//! What comes of a call, encoded: a byte for the kind, then its fields in order. It is part of the format of recordings,
//! and changes with the version of that alone: names of types and variants, and texts that people read, are not in it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nats_proto::{
    DecodeError, InfoError, Message, PermissionOperation, ServerError, ServerInfo, Sid, UrlError,
};

use super::codec::Writer;
use super::redactor;
use crate::action::Action;
use crate::error::{
    AttemptError, AuthError, DisconnectReason, FlushError, LinkEnd, PublishError, RequestError,
    RequestStartError, StateError, SubscribeError, SubscriptionError,
};
use crate::event::{ClosedReason, ConnectionEvent, Event, RepliesEnd, Session, WaitReason};
use crate::ids::{FlushId, PublishSeq, RequestId, RoundTripId};
use crate::ranges::SeqRanges;
use crate::servers::{AttemptFailure, Server, ServerStatus};
use crate::time::Timestamp;

/// Something that a recording can say came of a call.
pub(crate) trait Encode {
    fn encode(&self, to: &mut Writer);
}

/// Events and actions.
pub(super) struct Outputs {
    /// Payloads and the values of headers count as they are, and not as fillers.
    pub(super) payloads: bool,
}

impl Outputs {
    pub(super) fn event(&self, event: &Event, to: &mut Writer) {
        match event {
            Event::Message {
                subscription,
                message,
            } => {
                to.byte(1);
                subscription.encode(to);
                self.message(message, to);
            }
            Event::Response { request, result } => {
                to.byte(2);
                request.encode(to);
                match result {
                    Ok(message) => {
                        to.flag(true);
                        self.message(message, to);
                    }
                    Err(error) => {
                        to.flag(false);
                        error.encode(to);
                    }
                }
            }
            Event::Reply { request, message } => {
                to.byte(3);
                request.encode(to);
                self.message(message, to);
            }
            Event::Connection(event) => encode_connection(event, to),
            other => encode_end(other, to),
        }
    }

    fn message(&self, message: &Message, to: &mut Writer) {
        message.sid().encode(to);
        to.bytes(message.subject_bytes());
        to.option(message.reply_bytes(), Writer::bytes);
        let block = message.header_block();
        if self.payloads {
            to.option(block, Writer::bytes);
            to.bytes(message.payload());
        } else {
            to.option(block, |to, block| to.bytes(&redactor::header_block(block)));
            to.size(message.payload().len());
        }
    }
}

/// What happens to the connection.
fn encode_connection(event: &ConnectionEvent, to: &mut Writer) {
    match event {
        ConnectionEvent::Connecting {
            server,
            attempt,
            link,
        } => {
            to.byte(4);
            server.encode(to);
            to.number(u64::from(*attempt));
            to.number(link.as_u64());
        }
        ConnectionEvent::ConnectFailed { server, phase, error } => {
            to.byte(5);
            server.encode(to);
            to.text(phase.code());
            error.encode(to);
        }
        ConnectionEvent::Connected(session) => {
            to.byte(6);
            session.encode(to);
        }
        ConnectionEvent::Disconnected {
            server,
            link,
            reason,
            unconfirmed,
            queued,
        } => {
            to.byte(7);
            server.encode(to);
            to.number(link.as_u64());
            reason.encode(to);
            unconfirmed.encode(to);
            to.number(*queued);
        }
        ConnectionEvent::BackoffWait {
            server,
            attempt,
            delay,
            until,
            reason,
        } => {
            to.byte(8);
            server.encode(to);
            to.number(u64::from(*attempt));
            to.duration(*delay);
            until.encode(to);
            reason.encode(to);
        }
        ConnectionEvent::Reconnected(session) => {
            to.byte(9);
            session.encode(to);
        }
        ConnectionEvent::Resubscribed {
            server,
            subscriptions,
            refused,
        } => {
            to.byte(10);
            server.encode(to);
            to.number(*subscriptions);
            to.number(*refused);
        }
        other => encode_news(other, to),
    }
}

/// What a server says, and what is learned of servers.
fn encode_news(event: &ConnectionEvent, to: &mut Writer) {
    match event {
        ConnectionEvent::DiscoveredServers { added, removed } => {
            to.byte(11);
            added.encode(to);
            removed.encode(to);
        }
        ConnectionEvent::ServerRemoved { server, reason } => {
            to.byte(12);
            server.encode(to);
            to.text(reason.code());
        }
        ConnectionEvent::ServerSkipped { url, error } => {
            to.byte(13);
            to.text(url);
            error.encode(to);
        }
        ConnectionEvent::ServerChoiceRejected { server } => {
            to.byte(14);
            server.encode(to);
        }
        ConnectionEvent::LameDuck { server } => {
            to.byte(15);
            server.encode(to);
        }
        ConnectionEvent::ServerInfoChanged { info } => {
            to.byte(16);
            info.encode(to);
        }
        ConnectionEvent::ServerError { error } => {
            to.byte(17);
            error.encode(to);
        }
        ConnectionEvent::PermissionDenied {
            operation,
            subject,
            queue,
            subscription,
        } => {
            to.byte(18);
            operation.encode(to);
            to.text(subject);
            to.option(queue.as_deref(), Writer::text);
            subscription.encode(to);
        }
        ConnectionEvent::CleartextCredentials { server } => {
            to.byte(19);
            server.encode(to);
        }
        ConnectionEvent::ServerTlsRaised { server } => {
            to.byte(20);
            server.encode(to);
        }
        other => encode_losses(other, to),
    }
}

/// What is lost, and the end.
fn encode_losses(event: &ConnectionEvent, to: &mut Writer) {
    match event {
        ConnectionEvent::PublishDropped {
            publishes,
            bytes,
            reason,
        } => {
            to.byte(21);
            publishes.encode(to);
            to.number(*bytes);
            to.text(reason.code());
        }
        ConnectionEvent::Draining => to.byte(27),
        ConnectionEvent::Closed { reason } => {
            to.byte(28);
            reason.encode(to);
        }
        // The callers have encoded these.
        ConnectionEvent::Connecting { .. }
        | ConnectionEvent::ConnectFailed { .. }
        | ConnectionEvent::Connected(_)
        | ConnectionEvent::Disconnected { .. }
        | ConnectionEvent::BackoffWait { .. }
        | ConnectionEvent::Reconnected(_)
        | ConnectionEvent::Resubscribed { .. }
        | ConnectionEvent::DiscoveredServers { .. }
        | ConnectionEvent::ServerRemoved { .. }
        | ConnectionEvent::ServerSkipped { .. }
        | ConnectionEvent::ServerChoiceRejected { .. }
        | ConnectionEvent::LameDuck { .. }
        | ConnectionEvent::ServerInfoChanged { .. }
        | ConnectionEvent::ServerError { .. }
        | ConnectionEvent::PermissionDenied { .. }
        | ConnectionEvent::CleartextCredentials { .. }
        | ConnectionEvent::ServerTlsRaised { .. } => {}
    }
}

/// What ends without a message.
fn encode_end(event: &Event, to: &mut Writer) {
    match event {
        Event::RepliesEnded { request, result } => {
            to.byte(22);
            request.encode(to);
            result.encode(to);
        }
        Event::Flushed { flush, result } => {
            to.byte(23);
            flush.encode(to);
            result.encode(to);
        }
        Event::RoundTrip { round_trip, result } => {
            to.byte(24);
            round_trip.encode(to);
            result.encode(to);
        }
        Event::SubscriptionEnded { subscription, reason } => {
            to.byte(25);
            subscription.encode(to);
            to.text(reason.code());
        }
        Event::Writable => to.byte(26),
        // The caller has encoded these.
        Event::Connection(_) | Event::Message { .. } | Event::Response { .. } | Event::Reply { .. } => {}
    }
}

impl Encode for Action {
    fn encode(&self, to: &mut Writer) {
        match self {
            Self::Connect { link, server } => {
                to.byte(1);
                to.number(link.as_u64());
                server.encode(to);
            }
            Self::UpgradeTls { link, server } => {
                to.byte(2);
                to.number(link.as_u64());
                server.encode(to);
            }
            // A nonce is a secret: only that there is one is said.
            Self::Authenticate { link, server, nonce } => {
                to.byte(3);
                to.number(link.as_u64());
                server.encode(to);
                to.flag(nonce.is_some());
            }
            Self::ChooseServer {
                attempt,
                servers,
                default,
                default_delay,
            } => {
                to.byte(4);
                to.number(attempt.as_u64());
                servers.encode(to);
                to.number(default.as_u64());
                to.duration(*default_delay);
            }
            Self::Disconnect { link, abort } => {
                to.byte(5);
                to.number(link.as_u64());
                to.flag(*abort);
            }
        }
    }
}

/// Answers of calls.
macro_rules! encode {
    ($($type:ty: |$value:ident, $to:ident| $encode:expr;)+) => {
        $(impl Encode for $type {
            fn encode(&self, $to: &mut Writer) {
                let $value = self;
                $encode;
            }
        })+
    };
}

impl Encode for () {
    fn encode(&self, _to: &mut Writer) {}
}

encode! {
    bool: |flag, to| to.flag(*flag);
    Sid: |sid, to| to.number(sid.get());
    PublishSeq: |seq, to| to.number(seq.as_u64());
    RequestId: |id, to| to.number(id.as_u64());
    FlushId: |id, to| to.number(id.as_u64());
    RoundTripId: |id, to| to.number(id.as_u64());
    Timestamp: |at, to| to.number(at.as_nanos());
    core::time::Duration: |duration, to| to.duration(*duration);
    RepliesEnd: |end, to| to.text(end.code());
    SubscriptionError: |error, to| to.text(error.code());
    FlushError: |error, to| to.text(error.code());
    StateError: |error, to| to.text(error.code());
    ServerError: |error, to| to.text(error.text());
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, to: &mut Writer) {
        to.option(self.as_ref(), |to, value| value.encode(to));
    }
}

impl<T: Encode, E: Encode> Encode for Result<T, E> {
    fn encode(&self, to: &mut Writer) {
        to.flag(self.is_ok());
        match self {
            Ok(value) => value.encode(to),
            Err(error) => error.encode(to),
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, to: &mut Writer) {
        to.size(self.len());
        self.iter().for_each(|value| value.encode(to));
    }
}

impl Encode for PublishError {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::BufferFull { limit } => to.size(*limit),
            Self::TooLarge { size, max_payload } => {
                to.size(*size);
                to.number(*max_payload);
            }
            Self::ControlLineTooLong { size, max } => {
                to.size(*size);
                to.size(*max);
            }
            Self::Closed | Self::Draining | Self::NotConnected | Self::HeadersUnsupported => {}
        }
    }
}

impl Encode for SubscribeError {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        if let Self::ControlLineTooLong { size, max } = self {
            to.size(*size);
            to.size(*max);
        }
    }
}

impl Encode for RequestStartError {
    fn encode(&self, to: &mut Writer) {
        match self {
            Self::Publish(error) => error.encode(to),
            Self::Draining | Self::TooMany => to.text(self.code()),
        }
    }
}

impl Encode for RequestError {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        to.option(self.written(), Writer::flag);
    }
}

impl Encode for AttemptError {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::Link(end) => end.encode(to),
            Self::Server(error) => error.encode(to),
            Self::AuthenticationTimeout {
                error,
                answered,
                after,
            } => {
                error.encode(to);
                to.flag(*answered);
                to.duration(*after);
            }
            Self::Protocol(error) => error.encode(to),
            Self::Tls { detail } => to.text(detail),
            Self::Auth(error) => error.encode(to),
            Self::TimedOut
            | Self::ExpectedInfo
            | Self::TlsNotOffered
            | Self::TlsRaised
            | Self::PlaintextBeforeTls
            | Self::ClosedAfterTls
            | Self::CleartextCredentials => {}
        }
    }
}

impl Encode for AuthError {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::Unusable { detail } | Self::Panicked { detail } => to.text(detail),
            Self::NoNonce => {}
        }
    }
}

impl Encode for LinkEnd {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::Resolve { detail } | Self::Tls { detail } => to.text(detail),
            Self::Dial { kind, detail } | Self::Io { kind, detail } => {
                to.text(kind);
                to.text(detail);
            }
            Self::Eof | Self::Requested => {}
        }
    }
}

impl Encode for DisconnectReason {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::Io(end) => end.encode(to),
            Self::ServerError(error) => error.encode(to),
            Self::Protocol(error) => error.encode(to),
            Self::Eof | Self::Stale | Self::Forced | Self::LameDuck | Self::Closed => {}
        }
    }
}

impl Encode for DecodeError {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::LineTooLong { limit } => to.size(*limit),
            Self::PayloadTooLarge { size, limit } => {
                to.number(*size);
                to.size(*limit);
            }
            Self::Info(InfoError::Json { at }) => to.size(*at),
            _ => {}
        }
    }
}

impl Encode for UrlError {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
    }
}

impl Encode for PermissionOperation {
    fn encode(&self, to: &mut Writer) {
        to.byte(match self {
            Self::Publish => 0,
            Self::PublishReply => 1,
            Self::Subscribe => 2,
            _ => 3,
        });
    }
}

impl Encode for WaitReason {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::RoundFailed { rounds } | Self::Flapping { rounds } => to.number(u64::from(*rounds)),
            Self::Chosen => {}
        }
    }
}

impl Encode for ClosedReason {
    fn encode(&self, to: &mut Writer) {
        to.text(self.code());
        match self {
            Self::Drained { complete, unread } => {
                to.flag(*complete);
                to.number(*unread);
            }
            Self::ConnectFailed { failures } => failures.encode(to),
            Self::Requested | Self::PoolExhausted | Self::Auth | Self::NoReconnect | Self::DriverFailed => {}
        }
    }
}

impl Encode for AttemptFailure {
    fn encode(&self, to: &mut Writer) {
        to.text(&self.server);
        to.text(self.phase.code());
        self.error.encode(to);
    }
}

impl Encode for Server {
    fn encode(&self, to: &mut Writer) {
        to.number(self.id().as_u64());
        // Without user information.
        to.text(&alloc::format!("{self}"));
        to.text(self.tls_name());
    }
}

impl Encode for ServerStatus {
    fn encode(&self, to: &mut Writer) {
        self.server.encode(to);
        for flag in [self.discovered, self.current, self.next, self.lame_duck] {
            to.flag(flag);
        }
        to.number(u64::from(self.failures));
        to.option(self.last_error.as_deref(), |to, error| error.encode(to));
    }
}

impl Encode for Session {
    fn encode(&self, to: &mut Writer) {
        self.server.encode(to);
        to.number(self.link.as_u64());
        self.info.encode(to);
        to.number(self.max_payload);
    }
}

impl Encode for Arc<ServerInfo> {
    fn encode(&self, to: &mut Writer) {
        // The nonce is a secret.
        let mut info = ServerInfo::clone(self);
        info.nonce = None;
        to.text(&info.to_json());
    }
}

impl Encode for SeqRanges {
    fn encode(&self, to: &mut Writer) {
        to.size(self.runs().len());
        for range in self.iter() {
            to.number(*range.start());
            to.number(*range.end());
        }
    }
}
