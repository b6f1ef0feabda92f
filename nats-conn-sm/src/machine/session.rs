//! What a server sends in a session, from the PONG of the handshake on.

use alloc::sync::Arc;
use core::time::Duration;

use nats_proto::{Message, ServerError, ServerErrorKind};

use super::Machine;
use crate::buffers::ReceiveBuf;
use crate::error::{AttemptError, Phase, RequestError};
use crate::event::{ConnectionEvent, EndReason, Event, RepliesEnd};
use crate::interest::{Arrival, Denied};
use crate::link::{InfoChange, Need};
use crate::outbound::{Pong, Takes};
use crate::pings::PingKind;

/// PONG.
impl Machine {
    /// A PONG: of the handshake, or in a session.
    pub(super) fn pong(&mut self) {
        let Some(pong) = self.outbound.pong() else { return };
        let has_session = self.link.as_ref().is_some_and(|link| link.has_session());
        match pong.kind() {
            PingKind::Handshake if !has_session => self.session_begins(),
            _ if has_session => self.pong_in_session(pong),
            _ => {}
        }
    }

    fn session_begins(&mut self) {
        let Some(link) = &mut self.link else { return };
        let has_interest = self.interest.begin_session(link.id(), self.life.is_draining());
        let (server, info, max_payload) =
            (link.server().clone(), Arc::clone(link.info()), link.max_payload());
        let is_first = self.dialer.succeeded(server.id(), info.ldm, max_payload);
        let session = link.open(is_first, &self.env);
        self.info = Some(Arc::clone(&info));
        self.output.emit(if is_first {
            Event::Connection(ConnectionEvent::Connected(session))
        } else {
            Event::Connection(ConnectionEvent::Reconnected(session))
        });
        self.report_discovered();
        if info.ldm {
            self.lame_duck();
        }
        if !has_interest && !is_first {
            self.output.emit(Event::Connection(ConnectionEvent::Resubscribed {
                server,
                subscriptions: 0,
                refused: 0,
            }));
        }
        self.adapt();
    }

    fn pong_in_session(&mut self, pong: Pong) {
        self.interest.proven(pong.subs());
        self.outbound.proven(pong);
        self.check_writable();
        let round_trip = pong.round_trip(self.env.now());
        self.note_round_trip(round_trip);
        match pong.kind() {
            PingKind::Handshake | PingKind::KeepAlive | PingKind::Volume => {}
            PingKind::Flush(flush) => self.output.emit(Event::Flushed {
                flush,
                result: Ok(()),
            }),
            PingKind::RoundTrip(id) => self.output.emit(Event::RoundTrip {
                round_trip: id,
                result: Ok(round_trip),
            }),
            PingKind::DrainSubscription(sid) => self.subscriptions_drained(Some(sid)),
            PingKind::DrainAll => self.subscriptions_drained(None),
            PingKind::DrainWrites => self.end_drained(self.is_drain_complete()),
            PingKind::Restore => self.restored(),
            PingKind::Confirm if self.session_link().is_some() => self.outbound.confirmation_came(&self.env),
            PingKind::Confirm => {}
            PingKind::LameDuck => self.departure_is_confirmed(),
        }
    }

    fn note_round_trip(&mut self, sample: Duration) {
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
        let Some((subscriptions, refused)) = self.interest.restored() else {
            return;
        };
        let Some(link) = &self.link else { return };
        if !link.is_first() || self.env.config().retry_initial {
            self.output.emit(Event::Connection(ConnectionEvent::Resubscribed {
                server: link.server().clone(),
                subscriptions,
                refused,
            }));
        }
    }
}

/// INFO.
impl Machine {
    /// The first INFO has arrived.
    pub(super) fn first_info(&mut self, change: InfoChange, rx: &mut ReceiveBuf) {
        self.learn(&change);
        let Some(link) = &mut self.link else { return };
        match link.first_info_taken(rx, &self.env) {
            Need::Fail(phase, error) => self.attempt_failed(phase, error),
            need => self.provide(need),
        }
    }

    /// Another INFO than the first.
    pub(super) fn info(&mut self, change: InfoChange) {
        self.learn(&change);
        let Some(link) = &self.link else { return };
        if !link.has_session() {
            if self.lacks_tls() {
                self.fail_attempt(Phase::Tls, AttemptError::TlsRaised);
            }
            return;
        }
        let info = Arc::clone(link.info());
        self.dialer.note_limit(link.server().id(), link.max_payload());
        self.info = Some(Arc::clone(&info));
        self.output
            .emit(Event::Connection(ConnectionEvent::ServerInfoChanged { info }));
        self.report_discovered();
        if change.lame_duck {
            self.lame_duck();
        }
        self.adapt();
    }

    /// Reports what INFOs announced about other servers, once there is a session.
    fn report_discovered(&mut self) {
        if let Some((added, removed)) = self.dialer.take_discovered() {
            self.output
                .emit(Event::Connection(ConnectionEvent::DiscoveredServers {
                    added,
                    removed,
                }));
        }
    }

    /// Drops queued messages that this server would not take.
    fn adapt(&mut self) {
        let Some(link) = &self.link else { return };
        let takes = Takes {
            max_payload: link.max_payload(),
            headers: link.info().headers,
        };
        for (dropped, reason) in self.outbound.adapt(takes).into_iter().flatten() {
            self.report_dropped(dropped, reason);
        }
        self.check_writable();
        self.drain_step();
    }
}

/// Messages.
impl Machine {
    /// A message: the event that it is, if somebody waits for it.
    #[inline]
    pub(super) fn message(&mut self, message: Message) -> Option<Event> {
        self.counters.messages = self.counters.messages.saturating_add(1);
        let subscription = message.sid();
        match self.interest.route(&message, &self.env) {
            Arrival::Deliver => Some(Event::Message {
                subscription,
                message,
            }),
            Arrival::Unknown => None,
            arrival => self.special_message(arrival, message),
        }
    }

    fn special_message(&mut self, arrival: Arrival, message: Message) -> Option<Event> {
        match arrival {
            Arrival::Unknown => None,
            Arrival::Deliver | Arrival::DeliverLast => {
                let subscription = message.sid();
                self.subscription_ended(subscription, EndReason::MaxReached);
                self.drain_step();
                Some(Event::Message {
                    subscription,
                    message,
                })
            }
            Arrival::Response { ended, no_responders } => {
                self.request_answered(ended);
                let request = ended.request;
                let result = if no_responders {
                    Err(RequestError::NoResponders)
                } else {
                    Ok(message)
                };
                Some(Event::Response { request, result })
            }
            Arrival::Reply { request, ended } => {
                if let Some(ended) = ended {
                    // Queued before anything reacts to it.
                    let result = Ok(RepliesEnd::MaxReached);
                    self.output.emit(Event::RepliesEnded { request, result });
                    self.request_answered(ended);
                }
                Some(Event::Reply { request, message })
            }
            Arrival::RepliesEnded { ended, end } => {
                self.request_answered(ended);
                let request = ended.request;
                let result = end.ok_or(RequestError::NoResponders);
                Some(Event::RepliesEnded { request, result })
            }
        }
    }
}

/// Errors.
impl Machine {
    /// An error that the server sent.
    pub(super) fn server_error(&mut self, error: ServerError) {
        self.output.emit(Event::Connection(ConnectionEvent::ServerError {
            error: error.clone(),
        }));
        if let Some(link) = self.link.as_ref().filter(|_| error.is_authentication()) {
            // The row begins here; the strike that ends it is an attempt's.
            self.dialer.strike(link.server().id(), error.code(), &self.env);
        }
        if *error.kind() == ServerErrorKind::StaleConnection {
            return;
        }
        let Some(violation) = error.permission() else {
            return;
        };
        let denied = self.interest.denied(violation, self.session_link(), &self.env);
        self.output
            .emit(Event::Connection(ConnectionEvent::PermissionDenied {
                operation: violation.operation,
                subject: violation.subject.clone(),
                queue: violation.queue.clone(),
                subscription: match denied {
                    Denied::Subscription(sid) => Some(sid),
                    _ => None,
                },
            }));
        match denied {
            Denied::Subscription(sid) => {
                self.subscription_ended(sid, EndReason::Refused);
                self.drain_step();
            }
            Denied::Inbox(requests) | Denied::Publish(requests) => self.refuse_requests(requests),
            Denied::Other => {}
        }
    }
}
