//! The canonical form of events and actions that wait.

use nats_proto::Message;

use super::Output;
use crate::action::Action;
use crate::canonical::Form;
use crate::event::{ConnectionEvent, Event, Session};
use crate::servers::Server;

impl Output {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self {
            events,
            actions,
            // It counts on.
            queued: _,
        } = self;
        form.list(events, write_event);
        form.list(actions, write_action);
    }
}

fn write_event(form: &mut Form, event: &Event) {
    match event {
        Event::Connection(event) => write_connection(form, event),
        Event::Writable => form.variant(16),
        other => write_event_with_id(form, other),
    }
}

fn write_connection(form: &mut Form, event: &ConnectionEvent) {
    match event {
        ConnectionEvent::Connecting {
            server,
            attempt,
            link,
        } => {
            form.variant(0);
            server.canonical(form);
            form.number(u64::from(*attempt));
            form.link(*link);
        }
        ConnectionEvent::ConnectFailed { server, phase, error } => {
            form.variant(1);
            server.canonical(form);
            form.debug(phase);
            form.error(error.code(), error);
        }
        ConnectionEvent::Connected(session) => {
            form.variant(2);
            write_session(form, session);
        }
        ConnectionEvent::Disconnected {
            server,
            link,
            reason,
            unconfirmed,
            queued,
        } => {
            form.variant(3);
            server.canonical(form);
            form.link(*link);
            form.error(reason.code(), reason);
            form.publishes(unconfirmed.runs());
            form.number(*queued);
        }
        ConnectionEvent::BackoffWait {
            server,
            attempt,
            delay,
            until,
            reason,
        } => {
            form.variant(4);
            server.canonical(form);
            form.number(u64::from(*attempt));
            form.duration(*delay);
            form.moment(*until);
            form.debug(reason);
        }
        ConnectionEvent::Reconnected(session) => {
            form.variant(5);
            write_session(form, session);
        }
        ConnectionEvent::Resubscribed {
            server,
            subscriptions,
            refused,
        } => {
            form.variant(6);
            server.canonical(form);
            form.number(*subscriptions);
            form.number(*refused);
        }
        ConnectionEvent::DiscoveredServers { added, removed } => {
            form.variant(7);
            form.list(added, |form, server| server.canonical(form));
            form.list(removed, |form, server| server.canonical(form));
        }
        ConnectionEvent::ServerRemoved { server, reason } => {
            form.variant(8);
            server.canonical(form);
            form.debug(reason);
        }
        ConnectionEvent::ServerSkipped { url, error } => {
            form.variant(9);
            form.text(url.as_bytes());
            form.error(error.code(), error);
        }
        ConnectionEvent::ServerChoiceRejected { server } => write_about(form, 10, server),
        ConnectionEvent::LameDuck { server } => write_about(form, 11, server),
        ConnectionEvent::ServerInfoChanged { info } => {
            form.variant(12);
            form.debug(info);
        }
        ConnectionEvent::ServerError { error } => {
            form.variant(13);
            form.error(error.code(), error);
        }
        ConnectionEvent::CleartextCredentials { server } => write_about(form, 14, server),
        ConnectionEvent::ServerTlsRaised { server } => write_about(form, 15, server),
        ConnectionEvent::Draining => form.variant(17),
        ConnectionEvent::Closed { reason } => {
            form.variant(18);
            form.debug(reason);
        }
        ConnectionEvent::PermissionDenied {
            operation,
            subject,
            queue,
            subscription,
        } => {
            form.variant(20);
            form.debug(operation);
            form.text(subject.as_bytes());
            form.option(queue.as_deref(), |form, queue| form.text(queue.as_bytes()));
            form.option(*subscription, Form::sid);
        }
        ConnectionEvent::PublishDropped {
            publishes,
            bytes,
            reason,
        } => {
            form.variant(21);
            form.publishes(publishes.runs());
            form.number(*bytes);
            form.debug(reason);
        }
    }
}

/// Events that name a subscription, a request, a flush or a measurement.
fn write_event_with_id(form: &mut Form, event: &Event) {
    match event {
        Event::Message {
            subscription,
            message,
        } => {
            form.variant(22);
            form.sid(*subscription);
            write_message(form, message);
        }
        Event::Response { request, result } => {
            form.variant(23);
            form.request(*request);
            form.option(result.as_ref().ok(), write_message);
            form.option(result.as_ref().err(), |form, error| {
                form.error(error.code(), error)
            });
        }
        Event::Reply { request, message } => {
            form.variant(24);
            form.request(*request);
            write_message(form, message);
        }
        Event::RepliesEnded { request, result } => {
            form.variant(25);
            form.request(*request);
            form.debug(result);
        }
        Event::Flushed { flush, result } => {
            form.variant(26);
            form.flush(*flush);
            form.debug(result);
        }
        Event::RoundTrip { round_trip, result } => {
            form.variant(27);
            form.round_trip(*round_trip);
            form.debug(result);
        }
        Event::SubscriptionEnded { subscription, reason } => {
            form.variant(28);
            form.sid(*subscription);
            form.debug(reason);
        }
        // The others have no such names.
        _ => {}
    }
}

fn write_about(form: &mut Form, variant: u8, server: &Server) {
    form.variant(variant);
    server.canonical(form);
}

fn write_session(form: &mut Form, session: &Session) {
    let Session {
        server,
        link,
        info,
        max_payload,
    } = session;
    server.canonical(form);
    form.link(*link);
    form.debug(info);
    form.number(*max_payload);
}

fn write_message(form: &mut Form, message: &Message) {
    form.sid(message.sid());
    form.text(message.subject_bytes());
    form.option(message.reply_bytes(), Form::text);
    form.option(message.header_block(), Form::text);
    form.text(message.payload());
}

fn write_action(form: &mut Form, action: &Action) {
    match action {
        Action::Connect { link, server } => {
            form.variant(0);
            form.link(*link);
            server.canonical(form);
        }
        Action::UpgradeTls { link, server } => {
            form.variant(1);
            form.link(*link);
            server.canonical(form);
        }
        Action::Authenticate { link, server, nonce } => {
            form.variant(2);
            form.link(*link);
            server.canonical(form);
            form.option(nonce.as_deref(), |form, nonce| form.text(nonce.as_bytes()));
        }
        Action::ChooseServer {
            attempt,
            servers,
            default,
            default_delay,
        } => {
            form.variant(3);
            form.attempt(*attempt);
            form.list(servers, |form, status| status.canonical(form));
            form.server(*default);
            form.duration(*default_delay);
        }
        Action::Disconnect { link, abort } => {
            form.variant(4);
            form.link(*link);
            form.flag(*abort);
        }
    }
}
