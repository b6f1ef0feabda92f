//! What a client may write, and nothing else.
//!
//! It does not use the decoder for servers in `nats-proto`: an encoder and a decoder by one author can be wrong
//! in the same way. It knows the one spelling that a well-behaved client uses (upper case, single blanks, CRLF,
//! no leading zeros). What a real server accepts anyway ([`lenient`](super::lenient)) is executed, and marked.

use bytes::{Buf, BytesMut};
use serde_json::Value;

/// One whole operation of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `CONNECT`, with its JSON.
    Connect(Value),
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `PUB` or `HPUB`.
    Publish {
        /// The subject.
        subject: String,
        /// The reply subject.
        reply: Option<String>,
        /// The header block, where it is an `HPUB`.
        headers: Option<Vec<u8>>,
        /// The payload.
        payload: Vec<u8>,
    },
    /// `SUB`.
    Subscribe {
        /// The filter.
        filter: String,
        /// The queue group.
        queue: Option<String>,
        /// The number of the subscription.
        sid: u64,
    },
    /// `UNSUB`.
    Unsubscribe {
        /// The number of the subscription.
        sid: u64,
        /// After how many messages, counted from the SUB.
        max: Option<u64>,
    },
}

impl Op {
    /// Its name on the wire; `PUB` stands for `HPUB` too.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Publish { .. } => "PUB",
            Self::Subscribe { .. } => "SUB",
            Self::Unsubscribe { .. } => "UNSUB",
        }
    }
}

/// What a server cannot recover from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Not the one spelling that is allowed.
    Malformed(String),
    /// The arguments of a line are longer than allowed.
    LineTooLong,
    /// A publish is larger than `max_payload`.
    PayloadTooLarge(u64),
}

/// The limits that a server enforces while it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameLimits {
    pub(super) line: usize,
    pub(super) payload: u64,
}

/// A whole operation that was cut off.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) op: Op,
    /// How many bytes it was.
    pub(super) length: usize,
    /// What it looked like, where that is not the one spelling of a well-behaved client.
    pub(super) odd: Option<String>,
}

/// Cuts the next whole operation off the front. `None`: more has to come.
pub(super) fn next(buffer: &mut BytesMut, limits: FrameLimits) -> Result<Option<Taken>, Broken> {
    let line_end = buffer.iter().position(|byte| *byte == b'\n');
    let bare = line_end.is_some_and(|end| !buffer[..end].ends_with(b"\r"));
    let odd = match strict(buffer, limits) {
        Err(Broken::Malformed(text)) => text,
        Ok(None) if bare => String::from("a line that does not end with CR and LF"),
        taken => {
            let strictly = |(op, length)| Taken {
                op,
                length,
                odd: None,
            };
            return taken.map(|taken| taken.map(strictly));
        }
    };
    let taken = super::lenient::next(buffer, limits)?;
    Ok(taken.map(|(op, length)| Taken {
        op,
        length,
        odd: Some(odd),
    }))
}

/// The same in the one spelling of a well-behaved client, with the number of bytes.
fn strict(buffer: &mut BytesMut, limits: FrameLimits) -> Result<Option<(Op, usize)>, Broken> {
    let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") else {
        // The name of an operation and its blank come on top of the arguments.
        let longest = limits.line + "CONNECT \r".len();
        return if buffer.len() > longest {
            Err(Broken::LineTooLong)
        } else {
            Ok(None)
        };
    };
    let line = std::str::from_utf8(&buffer[..end]).map_err(|_| malformed(&buffer[..end]))?;
    let (name, rest) = line
        .split_once(' ')
        .map_or((line, None), |(name, rest)| (name, Some(rest)));
    if rest.is_some_and(|rest| rest.len() > limits.line) {
        return Err(Broken::LineTooLong);
    }
    let line_length = end + 2;
    let (op, length) = match (name, rest) {
        ("PUB" | "HPUB", Some(rest)) => match publish(name, rest, &buffer[line_length..], limits.payload)? {
            Some((op, body)) => (op, line_length + body),
            None => return Ok(None),
        },
        ("PING", None) => (Op::Ping, line_length),
        ("PONG", None) => (Op::Pong, line_length),
        ("CONNECT", Some(rest)) => (
            Op::Connect(serde_json::from_str(rest).map_err(|_| malformed(&buffer[..end]))?),
            line_length,
        ),
        ("SUB", Some(rest)) => (subscribe(rest)?, line_length),
        ("UNSUB", Some(rest)) => (unsubscribe(rest)?, line_length),
        _ => return Err(malformed(&buffer[..end])),
    };
    buffer.advance(length);
    Ok(Some((op, length)))
}

/// The publish and how many bytes follow its line.
fn publish(name: &str, rest: &str, body: &[u8], limit: u64) -> Result<Option<(Op, usize)>, Broken> {
    let words: Vec<&str> = rest.split(' ').collect();
    let (subjects, header_length, total) = match (name, words.as_slice()) {
        ("PUB", [subjects @ .., total]) => (subjects, None, number(total, rest)?),
        (_, [subjects @ .., headers, total]) => {
            (subjects, Some(number(headers, rest)?), number(total, rest)?)
        }
        _ => return Err(malformed(rest.as_bytes())),
    };
    let (subject, reply) = match subjects {
        [subject] => (*subject, None),
        [subject, reply] => (*subject, Some(*reply)),
        _ => return Err(malformed(rest.as_bytes())),
    };
    if !is_publishable(subject)
        || !reply.is_none_or(is_publishable)
        || header_length.is_some_and(|h| h > total)
    {
        return Err(malformed(rest.as_bytes()));
    }
    if total > limit {
        return Err(Broken::PayloadTooLarge(total));
    }
    let total = usize::try_from(total).map_err(|_| malformed(rest.as_bytes()))?;
    let Some(content) = body.get(..total + 2) else {
        return Ok(None);
    };
    if !content.ends_with(b"\r\n") {
        return Err(malformed(rest.as_bytes()));
    }
    let split = header_length.map_or(0, |length| usize::try_from(length).unwrap_or(0));
    let headers = header_length.map(|_| content[..split].to_vec());
    if headers.as_ref().is_some_and(|block| !is_header_block(block)) {
        return Err(malformed(rest.as_bytes()));
    }
    let (subject, reply) = (subject.to_owned(), reply.map(str::to_owned));
    Ok(Some((
        Op::Publish {
            subject,
            reply,
            headers,
            payload: content[split..total].to_vec(),
        },
        total + 2,
    )))
}

fn subscribe(rest: &str) -> Result<Op, Broken> {
    let words: Vec<&str> = rest.split(' ').collect();
    let (filter, queue, sid) = match words.as_slice() {
        [filter, sid] => (*filter, None, *sid),
        [filter, queue, sid] if !queue.is_empty() => (*filter, Some((*queue).to_owned()), *sid),
        _ => return Err(malformed(rest.as_bytes())),
    };
    if !super::routing::is_filter(filter) {
        return Err(malformed(rest.as_bytes()));
    }
    Ok(Op::Subscribe {
        filter: filter.to_owned(),
        queue,
        sid: number(sid, rest)?,
    })
}

fn unsubscribe(rest: &str) -> Result<Op, Broken> {
    let (sid, max) = rest
        .split_once(' ')
        .map_or((rest, None), |(sid, max)| (sid, Some(max)));
    let max = max.map(|max| number(max, rest)).transpose()?;
    if max == Some(0) {
        return Err(malformed(rest.as_bytes()));
    }
    Ok(Op::Unsubscribe {
        sid: number(sid, rest)?,
        max,
    })
}

/// Decimal, and without leading zeros.
fn number(word: &str, line: &str) -> Result<u64, Broken> {
    let canonical = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    match word.parse() {
        Ok(number) if canonical => Ok(number),
        _ => Err(malformed(line.as_bytes())),
    }
}

fn is_publishable(subject: &str) -> bool {
    super::routing::is_filter(subject) && !subject.split('.').any(|token| token == "*" || token == ">")
}

/// Enough to see that the length was right: version line, lines with a colon, empty line (ADR-4).
fn is_header_block(block: &[u8]) -> bool {
    let Some(text) = block
        .strip_prefix(b"NATS/1.0\r\n")
        .and_then(|rest| rest.strip_suffix(b"\r\n"))
    else {
        return false;
    };
    text.is_empty()
        || (text.ends_with(b"\r\n")
            && text[..text.len() - 2]
                .split(|b| *b == b'\n')
                .all(|l| l.contains(&b':')))
}

pub(super) fn malformed(bytes: &[u8]) -> Broken {
    Broken::Malformed(String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FrameLimits = FrameLimits {
        line: 64,
        payload: 20,
    };

    fn parse(text: &str) -> Result<Option<(Op, usize)>, Broken> {
        strict(&mut BytesMut::from(text), LIMITS)
    }

    #[test]
    fn each_operation_is_read_in_its_one_spelling() {
        let wire = "PING\r\n";
        assert_eq!(parse(wire), Ok(Some((Op::Ping, 6))));
        let wire = "HPUB a.b r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
        let op = Op::Publish {
            subject: "a.b".into(),
            reply: Some("r".into()),
            headers: Some(b"NATS/1.0\r\n\r\n".to_vec()),
            payload: b"hi".to_vec(),
        };
        assert_eq!(parse(wire), Ok(Some((op, wire.len()))));
        let op = Op::Subscribe {
            filter: "a.>".into(),
            queue: Some("q".into()),
            sid: 7,
        };
        assert_eq!(parse("SUB a.> q 7\r\n"), Ok(Some((op, 13))));
        assert_eq!(
            parse("UNSUB 7 3\r\n"),
            Ok(Some((Op::Unsubscribe { sid: 7, max: Some(3) }, 11)))
        );
    }

    #[test]
    fn every_other_spelling_is_not_that_of_a_well_behaved_client() {
        for line in [
            "ping\r\n",
            "PING \r\n",
            "PUB  a 0\r\n\r\n",
            "PUB a 00\r\n\r\n",
            "PUB a* 2\r\nhihi\r\n",
            "PUB a 2\r\nhi!\r",
            "PUB a.* 0\r\n\r\n",
            "PUB a..b 0\r\n\r\n",
            "SUB a b c 1\r\n",
            "SUB a.>.b 1\r\n",
            "SUB a x\r\n",
            "UNSUB 1 0\r\n",
            "UNSUB 1 \r\n",
            "HPUB a 12 4\r\n",
            "HPUB a 11 11\r\nNATS/1.0\r\n\n\r\n",
            "\r\n",
            "CONNECT {\r\n",
            "MSG a 1 0\r\n\r\n",
        ] {
            assert!(
                matches!(parse(line), Err(Broken::Malformed(_))),
                "{line:?} gave {:?}",
                parse(line)
            );
        }
    }

    #[test]
    fn no_operation_is_taken_before_its_last_byte() {
        let wire = "HPUB a.b r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
        for length in 0..wire.len() {
            assert_eq!(parse(&wire[..length]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_has_come() {
        assert_eq!(parse("PUB a 21\r\n"), Err(Broken::PayloadTooLarge(21)));
        assert_eq!(
            parse(&format!("SUB {} 1\r\n", "a".repeat(63))),
            Err(Broken::LineTooLong)
        );
        assert_eq!(
            parse(&format!("SUB {}", "a".repeat(90))),
            Err(Broken::LineTooLong)
        );
        assert!(parse(&format!("SUB {} 1\r\n", "a".repeat(62))).is_ok());
    }
}
