//! What a server says: each operation, in the phase in which it comes.

use alloc::boxed::Box;
use alloc::sync::Arc;

use nats_proto::{
    DecodeError, Message, PermissionOperation, ServerError, ServerErrorKind, ServerInfo, ServerOp, Sid,
};

use crate::buffers::ReceiveBuf;
use crate::connection::{Connection, Parsed, Stage};
use crate::error::{ConnectError, DisconnectReason, Phase as PublicPhase};
use crate::event::{EndReason, Event, Session as SessionEvent};
use crate::link::{Cause, Link};
use crate::liveness::Liveness;
use crate::phase::Phase;
use crate::pings::{Ping, PingKind};
use crate::session::{Restore, Session};
use crate::subscriptions::Arrival;
use crate::time::Timestamp;

/// Parsing.
impl Connection {
    /// Parses one operation of the present link, or lets take effect what waited for there to be none.
    pub(crate) fn parse_one(&mut self, now: Timestamp, rx: &mut ReceiveBuf) -> Parsed {
        let Stage::Linked(link) = &mut self.stage else {
            return Parsed::Nothing;
        };
        if rx.link() != link.id {
            return self.nothing_to_parse(now);
        }
        let fresh = rx.len().saturating_sub(rx.seen);
        if fresh > 0 {
            self.counters.in_bytes = self.counters.in_bytes.saturating_add(fresh as u64);
            link.heard_encrypted |= link.encrypted;
            if let Some(session) = link.session_mut() {
                session.liveness.heard(now);
                session.looks_stale = false;
            }
        }
        let decoded = match &link.phase {
            _ if matches!(
                link.ending,
                Some(crate::link::Ending {
                    cause: Cause::Told,
                    ..
                })
            ) =>
            {
                Ok(None)
            }
            Phase::Dialing(_) => Ok(None),
            Phase::UpgradingTls(_) => return self.plaintext_before_tls(now, rx),
            _ => link.decoder.decode(rx.buffer_mut()),
        };
        rx.seen = rx.len();
        match decoded {
            Ok(Some(op)) => self.operation(now, op, rx),
            Ok(None) => self.nothing_to_parse(now),
            Err(error) => self.not_the_protocol(now, error),
        }
    }

    /// Clear text where TLS comes next: an error that the server told is told, all else fails the attempt.
    fn plaintext_before_tls(&mut self, now: Timestamp, rx: &mut ReceiveBuf) -> Parsed {
        rx.seen = rx.len();
        let Stage::Linked(link) = &mut self.stage else {
            return Parsed::Nothing;
        };
        if rx.is_empty() {
            return self.nothing_to_parse(now);
        }
        let error = match link.decoder.decode(rx.buffer_mut()) {
            Ok(Some(ServerOp::Err(error))) => ConnectError::Server(error),
            _ => ConnectError::PlaintextBeforeTls,
        };
        rx.buffer_mut().clear();
        rx.seen = 0;
        if link.ending.is_some() {
            self.fail_ended_attempt(now, Some((PublicPhase::Tls, error)));
        } else {
            self.fail_attempt(now, PublicPhase::Tls, error);
        }
        Parsed::Operation
    }

    /// No whole operation lies in the buffer: what ends the link may do so now.
    fn nothing_to_parse(&mut self, now: Timestamp) -> Parsed {
        let Stage::Linked(link) = &mut self.stage else {
            return Parsed::Nothing;
        };
        if let Some(ending) = &link.ending {
            if ending.answer_by.is_none() {
                self.finish_link(now);
                return Parsed::Operation;
            }
            return Parsed::Nothing;
        }
        if link.session().is_some_and(|session| session.looks_stale) {
            self.give_up(now, Cause::Decided(DisconnectReason::Stale), true);
            return Parsed::Operation;
        }
        Parsed::Nothing
    }

    fn not_the_protocol(&mut self, now: Timestamp, error: DecodeError) -> Parsed {
        let Stage::Linked(link) = &mut self.stage else {
            return Parsed::Nothing;
        };
        let phase = link.phase.public();
        match (&link.phase, &mut link.ending) {
            (Phase::Ready(_), None) => {
                self.give_up(now, Cause::Decided(DisconnectReason::Protocol(error)), true)
            }
            (Phase::Ready(_), Some(ending)) => {
                if matches!(ending.cause, Cause::Link(_)) {
                    ending.cause = Cause::Decided(DisconnectReason::Protocol(error));
                }
                return self.nothing_to_parse(now);
            }
            (_, None) => self.fail_attempt(now, phase, ConnectError::Protocol(error)),
            (_, Some(_)) => self.fail_ended_attempt(now, Some((phase, ConnectError::Protocol(error)))),
        }
        Parsed::Operation
    }

    fn operation(&mut self, now: Timestamp, op: ServerOp, rx: &mut ReceiveBuf) -> Parsed {
        let Stage::Linked(link) = &self.stage else {
            return Parsed::Nothing;
        };
        match (&link.phase, op) {
            (Phase::Ready(_), ServerOp::Message(message)) => match self.message(now, message) {
                Some(event) => return Parsed::Event(event),
                None => return Parsed::Operation,
            },
            (Phase::Ready(_), ServerOp::Info(info)) => self.info_in_session(now, *info),
            (Phase::Ready(_), ServerOp::Pong) => self.pong(now),
            (Phase::Ready(_), ServerOp::Err(error)) => self.error_in_session(now, error),
            (_, ServerOp::Ping) if !matches!(link.phase, Phase::AwaitingInfo) => self.owe_pong(),
            (Phase::AwaitingInfo, ServerOp::Info(info)) => self.first_info(now, *info, rx),
            (Phase::AwaitingInfo, ServerOp::Err(error)) => self.refused(now, PublicPhase::Info, error),
            (Phase::AwaitingInfo, _) => {
                self.attempt_is_over(now, PublicPhase::Info, ConnectError::ExpectedInfo)
            }
            (Phase::AwaitingPong, ServerOp::Pong) => self.pong_of_handshake(now),
            (_, ServerOp::Info(info)) => self.merge_info(now, *info),
            (_, ServerOp::Err(error)) => {
                let phase = if error.is_authentication() {
                    PublicPhase::Auth
                } else {
                    link.phase.public()
                };
                self.refused(now, phase, error);
            }
            _ => {}
        }
        Parsed::Operation
    }

    fn owe_pong(&mut self) {
        if let Stage::Linked(link) = &mut self.stage {
            link.pongs_due = link.pongs_due.saturating_add(1);
        }
    }

    fn refused(&mut self, now: Timestamp, phase: PublicPhase, error: ServerError) {
        let challenge = self.present_link().and_then(|link| link.challenge.as_deref());
        let error = match challenge {
            Some(challenge) if *error.kind() == ServerErrorKind::AuthenticationTimeout => {
                ConnectError::AuthenticationTimeout {
                    error,
                    answered: challenge.answer_took.is_some(),
                    after: challenge
                        .answer_took
                        .unwrap_or_else(|| now.since(challenge.since)),
                }
            }
            _ => ConnectError::Server(error),
        };
        self.attempt_is_over(now, phase, error);
    }

    /// The attempt failed, whether or not its link has ended by itself.
    pub(crate) fn attempt_is_over(&mut self, now: Timestamp, phase: PublicPhase, error: ConnectError) {
        if self.present_link().is_some_and(|link| link.ending.is_some()) {
            self.fail_ended_attempt(now, Some((phase, error)));
        } else {
            self.fail_attempt(now, phase, error);
        }
    }
}

/// The handshake.
impl Connection {
    fn first_info(&mut self, now: Timestamp, info: ServerInfo, rx: &mut ReceiveBuf) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let server = link.server.id();
        link.info = Arc::new(info);
        let info = Arc::clone(&link.info);
        let limit = self.limit_of(server, &info);
        if let Stage::Linked(link) = &mut self.stage {
            link.max_payload = limit;
        }
        self.note_info(now, false);
        self.learn_servers(&info.connect_urls);
        self.info_is_there(now);
        // What lies behind INFO is looked at before anything else happens.
        if self
            .present_link()
            .is_some_and(|link| matches!(link.phase, Phase::UpgradingTls(_)))
            && !rx.is_empty()
        {
            self.plaintext_before_tls(now, rx);
        }
    }

    /// What holds whatever becomes of the attempt: how large messages may be, and that the server goes.
    fn note_info(&mut self, now: Timestamp, known_to_go: bool) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let said = link.info.max_payload.unwrap_or_default();
        let inbound = usize::try_from(said.saturating_mul(8)).unwrap_or(usize::MAX);
        let limits = self.config.limits;
        link.decoder
            .set_limits(limits.with_payload(limits.payload.max(inbound)));
        if link.info.ldm && !known_to_go {
            let server = link.server.id();
            self.pool.mark_lame_duck(server, now);
        }
    }

    fn merge_info(&mut self, now: Timestamp, newer: ServerInfo) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let urls = newer.connect_urls.clone();
        let (said, known_to_go) = (newer.max_payload, link.info.ldm);
        Arc::make_mut(&mut link.info).merge(newer);
        if let Some(said) = said {
            link.max_payload = if link.session().is_some() {
                said
            } else {
                link.max_payload.min(said)
            };
        }
        self.learn_servers(&urls);
        self.note_info(now, known_to_go);
        if self.lacks_raised_tls() {
            self.fail_attempt(now, PublicPhase::Tls, ConnectError::TlsRaised);
        }
    }

    fn pong_of_handshake(&mut self, now: Timestamp) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        if link
            .unanswered
            .answer()
            .is_some_and(|(ping, _)| ping.kind == PingKind::Handshake)
        {
            self.session_is_up(now);
        }
    }

    /// What earlier links had: the subscriptions that exist now.
    fn interest_to_restore(&self, inbox_only: bool) -> Restore {
        let (none, last) = (Sid::new(0), self.subscriptions.last_sid());
        match self.subscriptions.next_to_restore(none, last, inbox_only) {
            None => Restore::Done,
            Some(_) => Restore::Writing {
                after: none,
                last,
                restored: 0,
                refused: 0,
            },
        }
    }

    /// The PONG of the handshake.
    fn session_is_up(&mut self, now: Timestamp) {
        self.requests.resume();
        let inbox_only = self.life.is_draining();
        if inbox_only && self.requests.is_empty() {
            self.leave_inbox();
        }
        let restore = self.interest_to_restore(inbox_only);
        let anything = restore != Restore::Done;
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let liveness = Liveness::new(now, self.config.ping_interval, self.config.max_pings_out);
        link.challenge = None;
        link.phase = Phase::Ready(Box::new(Session::new(now, liveness, restore)));
        let (server, id, info, max_payload) = (
            link.server.clone(),
            link.id,
            Arc::clone(&link.info),
            link.max_payload,
        );
        let first = self.is_initial();
        self.pool.succeed(server.id(), info.ldm);
        self.pool.set_max_payload(server.id(), Some(max_payload));
        self.counters.connects = self.counters.connects.saturating_add(1);
        self.counters.reconnects = self.counters.connects.saturating_sub(1);
        self.failures = alloc::vec::Vec::new();
        self.info = Some(Arc::clone(&info));
        self.max_payload = Some(max_payload);
        let session = SessionEvent {
            server: server.clone(),
            link: id,
            info: Arc::clone(&info),
            max_payload,
        };
        self.tell(if first {
            Event::Connected(session)
        } else {
            Event::Reconnected(session)
        });
        self.tell_discovery();
        if info.ldm {
            self.lame_duck(now);
        }
        if !anything && !first {
            self.tell(Event::Resubscribed {
                server,
                subscriptions: 0,
                refused: 0,
            });
        }
        self.drop_what_is_not_taken();
        self.go_on_draining();
    }
}

/// The session.
impl Connection {
    fn message(&mut self, now: Timestamp, message: Message) -> Option<Event> {
        self.counters.in_messages = self.counters.in_messages.saturating_add(1);
        let subscription = message.sid();
        match self.subscriptions.receive(subscription) {
            Arrival::Deliver => Some(Event::Message {
                subscription,
                message,
            }),
            Arrival::DeliverLast => {
                self.tell(Event::SubscriptionEnded {
                    subscription,
                    reason: EndReason::MaxReached,
                });
                self.go_on_draining();
                Some(Event::Message {
                    subscription,
                    message,
                })
            }
            Arrival::Reply => self.reply(now, message),
            Arrival::Unknown => None,
        }
    }

    fn info_in_session(&mut self, now: Timestamp, newer: ServerInfo) {
        let lame_duck = newer.ldm;
        self.merge_info(now, newer);
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let (server, info, max_payload) = (link.server.id(), Arc::clone(&link.info), link.max_payload);
        let known = self.info.replace(Arc::clone(&info)).is_some_and(|old| old.ldm);
        self.pool.set_max_payload(server, Some(max_payload));
        self.max_payload = Some(max_payload);
        self.tell(Event::ServerInfoChanged { info });
        self.tell_discovery();
        if lame_duck && !known {
            self.lame_duck(now);
        }
        self.drop_what_is_not_taken();
    }

    fn pong(&mut self, now: Timestamp) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let Some((ping, handed_out)) = link.unanswered.answer() else {
            return;
        };
        link.proven_subs = link.proven_subs.max(ping.subs);
        self.requests.prove(ping.subs);
        if let Some(session) = link.session_mut() {
            session.forget_largest(ping.covers);
        }
        self.confirm(ping);
        self.measure(now, handed_out);
        match ping.kind {
            PingKind::Handshake | PingKind::KeepAlive => {}
            PingKind::Flush(flush) => self.tell(Event::Flushed {
                flush,
                result: Ok(()),
            }),
            PingKind::RoundTrip(flush) => {
                self.tell(Event::RoundTrip {
                    flush,
                    result: Ok(now.since(handed_out)),
                });
            }
            PingKind::DrainSubscription(sid) => self.drained(Some(sid)),
            PingKind::DrainAll => self.drained(None),
            PingKind::DrainWrites => self.writes_are_drained(now),
            PingKind::Restore => self.restored(),
            PingKind::Volume => {}
            PingKind::Confirm => self.confirmed(now),
            PingKind::LameDuck => self.departure_is_confirmed(now),
        }
    }

    /// Everything written before this PING was processed.
    fn confirm(&mut self, ping: Ping) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        if let Some(handed) = &mut link.handed {
            let written = handed.unproven(Some(ping.covers));
            if !written.is_empty() {
                self.counters.out_messages = self.counters.out_messages.saturating_add(written.count());
                self.delivery.write(&written);
                handed.proven = Some(ping.covers);
            }
        }
        self.delivery.confirm(ping.covers);
        if !self.awaits_confirmation()
            && let Some(session) = self.up().and_then(Link::session_mut)
        {
            session.confirm.due = None;
        }
        self.told_writable();
    }

    fn measure(&mut self, now: Timestamp, handed_out: Timestamp) {
        let sample = now.since(handed_out);
        let smoothed = self.counters.smoothed_round_trip.map_or(sample, |old| {
            old.saturating_mul(7)
                .saturating_add(sample)
                .checked_div(8)
                .unwrap_or(sample)
        });
        self.counters.round_trip = Some(sample);
        self.counters.smoothed_round_trip = Some(smoothed);
    }

    fn restored(&mut self) {
        let wanted = self.counters.connects > 1 || self.config.retry_initial;
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let server = link.server.clone();
        let Some(session) = link.session_mut() else { return };
        let Restore::Awaiting {
            restored, refused, ..
        } = session.restore
        else {
            return;
        };
        session.restore = Restore::Done;
        if wanted {
            let subscriptions = restored.saturating_sub(refused);
            self.tell(Event::Resubscribed {
                server,
                subscriptions,
                refused,
            });
        }
    }

    fn error_in_session(&mut self, now: Timestamp, error: ServerError) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        link.last_error = Some(error.clone());
        let server = link.server.id();
        self.tell(Event::ServerError { error: error.clone() });
        if error.is_authentication() {
            // The row begins here; the strike that ends it is an attempt's.
            self.pool
                .strike(server, error.code(), now, self.config.auth_strike_gap);
        }
        if *error.kind() == ServerErrorKind::StaleConnection {
            return;
        }
        if let Some(violation) = error.permission() {
            self.permission_denied(now, violation.clone());
        }
    }

    fn permission_denied(&mut self, now: Timestamp, violation: nats_proto::PermissionViolation) {
        let denied = match violation.operation {
            PermissionOperation::Subscribe => self.denied_subscription(&violation),
            _ => None,
        };
        let inbox = self.requests.inbox.as_ref().map(|inbox| inbox.sid);
        let subscription = denied.filter(|&sid| Some(sid) != inbox);
        self.tell(Event::PermissionDenied {
            operation: violation.operation,
            subject: violation.subject.clone(),
            queue: violation.queue.clone(),
            subscription,
        });
        match denied {
            Some(sid) if Some(sid) == inbox => self.inbox_refused(now),
            Some(sid) => self.subscription_refused(sid),
            None if violation.operation != PermissionOperation::Subscribe => {
                self.requests_refused(now, violation.operation, &violation.subject);
            }
            None => {}
        }
    }

    fn denied_subscription(&mut self, violation: &nats_proto::PermissionViolation) -> Option<Sid> {
        if let Some(sid) = violation.sid {
            return self.subscriptions.get(sid).map(|_| sid);
        }
        let Stage::Linked(link) = &mut self.stage else {
            return None;
        };
        let queue = violation.queue.as_deref();
        let sid = self
            .subscriptions
            .find(link.proven_subs, &violation.subject, queue, link.id)?;
        // SUBs are processed in the order of their sids, so that those before this one were accepted.
        link.proven_subs = sid;
        Some(sid)
    }

    fn subscription_refused(&mut self, sid: Sid) {
        if let Some(session) = self.up().and_then(Link::session_mut) {
            session.restore.refuse(sid);
        }
        if self.subscriptions.remove(sid).is_some() {
            self.tell(Event::SubscriptionEnded {
                subscription: sid,
                reason: EndReason::Refused,
            });
        }
        self.go_on_draining();
    }

    /// Drops queued messages that this server would not take.
    fn drop_what_is_not_taken(&mut self) {
        let Stage::Linked(link) = &self.stage else { return };
        let (headers, max) = (
            link.info.headers,
            usize::try_from(link.max_payload).unwrap_or(usize::MAX),
        );
        let (largest, has_headers) = self.outbox.most_demanding();
        if has_headers && !headers {
            let dropped = self.outbox.drop_where(|_, has_headers| has_headers);
            self.tell_dropped(dropped, crate::event::DropReason::HeadersUnsupported);
        }
        if largest > max {
            let dropped = self.outbox.drop_where(|size, _| size > max);
            self.tell_dropped(dropped, crate::event::DropReason::TooLarge);
        }
        self.told_writable();
        self.go_on_draining();
    }
}
