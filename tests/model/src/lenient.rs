//! What servers accept although no careful client writes it (`parser.go`, `client.go`): names of
//! operations in any case, several blanks or tabs, an end of a line without CR, and fields that nobody looks at.
//!
//! Numbers of subscriptions are numbers here, where a real server takes any word.

use bytes::{Buf, BytesMut};

use super::frame::{Broken, FrameLimits, Op, malformed};

/// Cuts the next whole operation off the front, with the number of its bytes. `None`: more has to come.
pub(super) fn next(buffer: &mut BytesMut, limits: FrameLimits) -> Result<Option<(Op, usize)>, Broken> {
    let Some(end) = buffer.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let line = buffer[..end].strip_suffix(b"\r").unwrap_or(&buffer[..end]);
    let line = String::from_utf8_lossy(line).into_owned();
    let unreadable = || malformed(line.as_bytes());
    let (name, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
    if rest.len() > limits.line {
        return Err(Broken::LineTooLong);
    }
    let words: Vec<&str> = rest.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let mut length = end + 1;
    let op = match (name.to_ascii_uppercase().as_str(), words.as_slice()) {
        ("PING", _) => Op::Ping,
        ("PONG", _) => Op::Pong,
        ("CONNECT", _) => Op::Connect(serde_json::from_str(rest).map_err(|_| unreadable())?),
        ("SUB", [filter, sid]) => Op::Subscribe {
            filter: (*filter).to_owned(),
            queue: None,
            sid: sid.parse().map_err(|_| unreadable())?,
        },
        ("SUB", [filter, queue, sid]) => Op::Subscribe {
            filter: (*filter).to_owned(),
            queue: Some((*queue).to_owned()),
            sid: sid.parse().map_err(|_| unreadable())?,
        },
        ("UNSUB", [sid]) => Op::Unsubscribe {
            sid: sid.parse().map_err(|_| unreadable())?,
            max: None,
        },
        // What is not a number, and 0, is no limit.
        ("UNSUB", [sid, max]) => Op::Unsubscribe {
            sid: sid.parse().map_err(|_| unreadable())?,
            max: size(max).filter(|max| *max > 0),
        },
        (name @ ("PUB" | "HPUB"), [subjects @ .., last]) => {
            let total = size(last).ok_or_else(unreadable)?;
            let (subjects, headers) = match (name, subjects) {
                ("HPUB", [subjects @ .., headers]) => (subjects, Some(size(headers).ok_or_else(unreadable)?)),
                ("HPUB", []) => return Err(unreadable()),
                _ => (subjects, None),
            };
            let (subject, reply) = match subjects {
                [subject] => (*subject, None),
                [subject, reply] => (*subject, Some((*reply).to_owned())),
                _ => return Err(unreadable()),
            };
            if headers.is_some_and(|headers| headers > total) {
                return Err(unreadable());
            }
            if total > limits.payload {
                return Err(Broken::PayloadTooLarge(total));
            }
            let total = usize::try_from(total).map_err(|_| unreadable())?;
            let Some(content) = buffer.get(length..length + total + 2) else {
                return Ok(None);
            };
            let Some(content) = content.strip_suffix(b"\r\n") else {
                return Err(unreadable());
            };
            let split = headers.map_or(0, |headers| usize::try_from(headers).unwrap_or(0));
            length += total + 2;
            Op::Publish {
                subject: subject.to_owned(),
                reply,
                headers: headers.map(|_| content[..split].to_vec()),
                payload: content[split..].to_vec(),
            }
        }
        _ => return Err(unreadable()),
    };
    buffer.advance(length);
    Ok(Some((op, length)))
}

/// At most nine digits.
fn size(word: &str) -> Option<u64> {
    let digits = word.len() <= 9 && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| digits)
}
