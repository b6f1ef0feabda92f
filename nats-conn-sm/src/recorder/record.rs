//! One record: an input, when it came, and the digest of what came of it.

use alloc::string::String;
use alloc::vec::Vec;

use nats_proto::{QueueGroup, Subject, SubjectFilter};

use super::codec::{Reader, Writer};
use super::format::RecordingError;
use crate::action::Credentials;
use crate::error::{AuthError, LinkEnd};
use crate::ids::{AttemptId, RequestId, ServerId};
use crate::input::{Input, Outgoing, Piece, Progress, Received, Unsent};
use crate::publish::RequestMany;

type Read<T> = Result<T, RecordingError>;

pub(crate) fn write(input: &Input, to: &mut Writer) {
    match input {
        Input::Stopped => to.byte(0),
        Input::Connected(link) => number(to, 1, link.as_u64()),
        Input::Tls(link, true) => number(to, 2, link.as_u64()),
        Input::Tls(link, false) => number(to, 29, link.as_u64()),
        Input::Credentials(link, answer) => {
            number(to, 3, link.as_u64());
            write_answer(answer, to);
        }
        Input::ServerChoice(attempt, server, delay) => {
            number(to, 4, attempt.as_u64());
            to.number(server.as_u64());
            to.duration(*delay);
        }
        Input::Progress(link, progress) => {
            number(to, 5, link.as_u64());
            to.flag(*progress == Progress::Dialing);
        }
        Input::LinkClosed(link, end, unsent) => {
            number(to, 6, link.as_u64());
            write_end(end, to);
            write_unsent(unsent, to);
        }
        Input::Timeout => to.byte(7),
        Input::Event(received) => {
            to.byte(8);
            write_received(received, to);
        }
        Input::Action => to.byte(9),
        Input::Transmit(buffer) => {
            to.byte(10);
            write_unsent(buffer, to);
        }
        Input::Written(buffer) => {
            to.byte(28);
            write_unsent(buffer, to);
        }
        call => write_call(call, to),
    }
}

/// What the application wanted.
fn write_call(call: &Input, to: &mut Writer) {
    match call {
        Input::Publish(message) => {
            to.byte(11);
            write_message(message, to);
        }
        Input::Subscribe(filter, queue) => {
            to.byte(12);
            to.text(filter.as_str());
            to.option(queue.as_ref(), |to, queue| to.text(queue.as_str()));
        }
        Input::Unsubscribe(sid) => number(to, 13, sid.get()),
        Input::UnsubscribeAfter(sid, max) => {
            number(to, 14, sid.get());
            to.number(*max);
        }
        Input::DrainSubscription(sid) => number(to, 15, sid.get()),
        Input::Request(message, timeout) => {
            to.byte(16);
            write_message(message, to);
            to.duration(*timeout);
        }
        Input::RequestMany(message, many) => {
            to.byte(17);
            write_message(message, to);
            write_many(many, to);
        }
        Input::CancelRequest(request) => number(to, 18, request.as_u64()),
        Input::Flush => to.byte(19),
        Input::RoundTrip => to.byte(20),
        Input::Drain => to.byte(21),
        Input::FinishDrain(unread) => number(to, 22, *unread),
        Input::Close => to.byte(23),
        Input::Abort => to.byte(24),
        Input::ForceReconnect => to.byte(25),
        Input::DriverFailed => to.byte(27),
        Input::SetServers(urls) => {
            to.byte(26);
            to.urls(urls);
        }
        // The caller has written these.
        Input::Stopped
        | Input::Connected(_)
        | Input::Tls(..)
        | Input::Credentials(..)
        | Input::ServerChoice(..)
        | Input::Progress(..)
        | Input::LinkClosed(..)
        | Input::Timeout
        | Input::Event(_)
        | Input::Action
        | Input::Written(_)
        | Input::Transmit(_) => {}
    }
}

fn write_received(received: &Received, to: &mut Writer) {
    to.option(received.buffer, |to, (link, seen)| {
        to.number(link.as_u64());
        to.number(seen);
    });
    to.size(received.pieces.len());
    received.pieces.iter().for_each(|piece| write_piece(piece, to));
}

fn write_many(many: &RequestMany, to: &mut Writer) {
    to.duration(many.timeout);
    to.option(many.max, |to, max| to.number(u64::from(max)));
    to.option(many.stall, Writer::duration);
    to.flag(many.sentinel);
}

fn number(to: &mut Writer, kind: u8, number: u64) {
    to.byte(kind);
    to.number(number);
}

pub(crate) fn read(from: &mut Reader) -> Read<Input> {
    Ok(match from.byte()? {
        0 => Input::Stopped,
        1 => Input::Connected(from.link()?),
        2 => Input::Tls(from.link()?, true),
        29 => Input::Tls(from.link()?, false),
        3 => Input::Credentials(from.link()?, read_answer(from)?),
        4 => Input::ServerChoice(
            AttemptId::from_u64(from.number()?),
            ServerId::from_u64(from.number()?),
            from.duration()?,
        ),
        5 => Input::Progress(
            from.link()?,
            if from.flag()? {
                Progress::Dialing
            } else {
                Progress::Resolving
            },
        ),
        6 => Input::LinkClosed(from.link()?, read_end(from)?, read_unsent(from)?),
        7 => Input::Timeout,
        8 => Input::Event(read_received(from)?),
        9 => Input::Action,
        10 => Input::Transmit(read_unsent(from)?),
        11 => Input::Publish(read_message(from)?),
        12 => Input::Subscribe(
            from.parsed("a filter", |text| SubjectFilter::new(&text))?,
            from.option(|from| from.parsed("a queue group", |text| QueueGroup::new(&text)))?,
        ),
        13 => Input::Unsubscribe(from.sid()?),
        14 => Input::UnsubscribeAfter(from.sid()?, from.number()?),
        15 => Input::DrainSubscription(from.sid()?),
        16 => Input::Request(read_message(from)?, from.duration()?),
        17 => Input::RequestMany(
            read_message(from)?,
            RequestMany {
                timeout: from.duration()?,
                max: from.option(Reader::small)?,
                stall: from.option(Reader::duration)?,
                sentinel: from.flag()?,
            },
        ),
        18 => Input::CancelRequest(RequestId::from_u64(from.number()?)),
        19 => Input::Flush,
        20 => Input::RoundTrip,
        21 => Input::Drain,
        22 => Input::FinishDrain(from.number()?),
        23 => Input::Close,
        24 => Input::Abort,
        25 => Input::ForceReconnect,
        26 => Input::SetServers(from.urls()?),
        27 => Input::DriverFailed,
        28 => Input::Written(read_unsent(from)?),
        _ => return from.invalid("a kind of input"),
    })
}

fn write_answer(answer: &Result<Credentials, AuthError>, to: &mut Writer) {
    match answer {
        Err(AuthError::NoNonce) => to.byte(0),
        Err(AuthError::Panicked { detail }) => {
            to.byte(3);
            to.text(detail);
        }
        Err(AuthError::Unusable { detail }) => {
            to.byte(1);
            to.text(detail);
        }
        Ok(credentials) => {
            to.byte(2);
            let Credentials {
                user,
                password,
                token,
                jwt,
                nkey,
                signature,
            } = credentials;
            for secret in [user, password, token, jwt, signature] {
                to.option(secret.as_ref(), Writer::secret);
            }
            to.option(nkey.as_deref(), Writer::text);
        }
    }
}

fn read_answer(from: &mut Reader) -> Read<Result<Credentials, AuthError>> {
    Ok(match from.byte()? {
        0 => Err(AuthError::NoNonce),
        1 => Err(AuthError::Unusable {
            detail: from.text()?.into(),
        }),
        2 => Ok(Credentials {
            user: from.option(Reader::secret)?,
            password: from.option(Reader::secret)?,
            token: from.option(Reader::secret)?,
            jwt: from.option(Reader::secret)?,
            signature: from.option(Reader::secret)?,
            nkey: from.option(Reader::text)?,
        }),
        3 => Err(AuthError::Panicked {
            detail: from.text()?.into(),
        }),
        _ => return from.invalid("an answer"),
    })
}

fn write_end(end: &LinkEnd, to: &mut Writer) {
    match end {
        LinkEnd::Eof => to.byte(0),
        LinkEnd::Requested => to.byte(1),
        LinkEnd::Resolve { detail } => {
            to.byte(2);
            to.text(detail);
        }
        LinkEnd::Dial { kind, detail } => {
            to.byte(3);
            to.text(kind);
            to.text(detail);
        }
        LinkEnd::Tls { detail } => {
            to.byte(4);
            to.text(detail);
        }
        LinkEnd::Io { kind, detail } => {
            to.byte(5);
            to.text(kind);
            to.text(detail);
        }
    }
}

fn read_end(from: &mut Reader) -> Read<LinkEnd> {
    let detail = |text: String| text.into();
    Ok(match from.byte()? {
        0 => LinkEnd::Eof,
        1 => LinkEnd::Requested,
        2 => LinkEnd::Resolve {
            detail: from.text().map(detail)?,
        },
        3 => LinkEnd::Dial {
            kind: from.text().map(kind)?,
            detail: from.text().map(detail)?,
        },
        4 => LinkEnd::Tls {
            detail: from.text().map(detail)?,
        },
        5 => LinkEnd::Io {
            kind: from.text().map(kind)?,
            detail: from.text().map(detail)?,
        },
        _ => return from.invalid("an end of a link"),
    })
}

/// Kinds of errors have names that live as long as the program: those that drivers use.
const KINDS: [&str; 19] = [
    "callback_panicked",
    "connection_refused",
    "connection_reset",
    "connection_aborted",
    "host_unreachable",
    "network_unreachable",
    "network_down",
    "not_connected",
    "address_in_use",
    "address_not_available",
    "permission_denied",
    "broken_pipe",
    "timed_out",
    "unexpected_eof",
    "invalid_data",
    "invalid_input",
    "interrupted",
    "would_block",
    "io",
];

/// The end of a link with a kind of error that can be written down.
pub(crate) fn canonical(end: LinkEnd) -> LinkEnd {
    match end {
        LinkEnd::Dial { kind: name, detail } => LinkEnd::Dial {
            kind: kind(name),
            detail,
        },
        LinkEnd::Io { kind: name, detail } => LinkEnd::Io {
            kind: kind(name),
            detail,
        },
        other => other,
    }
}

/// A name that no driver here uses is `io` in a recording.
fn kind(name: impl AsRef<str>) -> &'static str {
    let name = name.as_ref();
    KINDS.into_iter().find(|known| *known == name).unwrap_or("io")
}

fn write_unsent(unsent: &Unsent, to: &mut Writer) {
    to.number(unsent.link.as_u64());
    to.number(unsent.len);
    to.number(unsent.remaining);
    to.flag(unsent.uncertain);
}

fn read_unsent(from: &mut Reader) -> Read<Unsent> {
    Ok(Unsent {
        link: from.link()?,
        len: from.number()?,
        remaining: from.number()?,
        uncertain: from.flag()?,
    })
}

fn read_received(from: &mut Reader) -> Read<Received> {
    let buffer = from.option(|from| Ok((from.link()?, from.number()?)))?;
    let mut pieces = Vec::new();
    for _ in 0..from.number()? {
        pieces.push(read_piece(from)?);
    }
    Ok(Received { buffer, pieces })
}

fn write_piece(piece: &Piece, to: &mut Writer) {
    match piece {
        Piece::Bytes(bytes) => {
            to.byte(0);
            to.bytes(bytes);
        }
        Piece::Elided { len, hash } => {
            to.byte(1);
            to.number(*len);
            to.0.extend_from_slice(&hash.to_le_bytes());
        }
    }
}

fn read_piece(from: &mut Reader) -> Read<Piece> {
    Ok(match from.byte()? {
        0 => Piece::Bytes(from.bytes()?),
        1 => Piece::Elided {
            len: from.number()?,
            hash: {
                let mut hash = [0; 8];
                hash.copy_from_slice(&from.take(8)?);
                u64::from_le_bytes(hash)
            },
        },
        _ => return from.invalid("a piece"),
    })
}

fn write_message(message: &Outgoing, to: &mut Writer) {
    to.text(message.subject.as_str());
    to.option(message.reply.as_ref(), |to, reply| to.text(reply.as_str()));
    to.option(message.headers.as_deref(), Writer::bytes);
    write_piece(&message.payload, to);
    to.flag(message.shared);
}

fn read_message(from: &mut Reader) -> Read<Outgoing> {
    Ok(Outgoing {
        subject: from.parsed("a subject", |text| Subject::new(&text))?,
        reply: from.option(|from| from.parsed("a subject", |text| Subject::new(&text)))?,
        headers: from.option(Reader::bytes)?,
        payload: read_piece(from)?,
        shared: from.flag()?,
    })
}
