//! What the console is told, one command a line.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use nats_proto::{
    HeaderError, Headers, InvalidSubject, QueueGroup, ServerUrl, Subject, SubjectFilter, UrlError,
};
use thiserror::Error;

use crate::escape::unescape;

/// A command.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// `sub NAME SUBJECT [QUEUE]`
    Subscribe {
        /// The caller's label.
        name: String,
        /// What to subscribe to.
        filter: SubjectFilter,
        /// As a member of which group.
        queue: Option<QueueGroup>,
    },
    /// `unsub NAME [MAX]`
    Unsubscribe {
        /// Which.
        name: String,
        /// After how many messages in all.
        max: Option<u64>,
    },
    /// `drain-sub NAME`
    DrainSubscription {
        /// Which.
        name: String,
    },
    /// `pause NAME`
    Pause {
        /// Which.
        name: String,
    },
    /// `resume NAME`
    Resume {
        /// Which.
        name: String,
    },
    /// `pub SUBJECT [reply=SUBJECT] [hdr=KEY:VALUE]... [-- PAYLOAD]`
    Publish {
        /// Where to.
        subject: Subject,
        /// Where replies go.
        reply: Option<Subject>,
        /// Headers.
        headers: Headers,
        /// What it says.
        payload: Vec<u8>,
    },
    /// `pubn SUBJECT COUNT SIZE`
    PublishMany {
        /// Where to.
        subject: Subject,
        /// How many.
        count: u64,
        /// How large each payload is, in bytes.
        size: usize,
    },
    /// `req ID SUBJECT TIMEOUT_MS [-- PAYLOAD]`
    Request {
        /// The caller's label.
        id: String,
        /// Where to.
        subject: Subject,
        /// How long to wait.
        timeout: Duration,
        /// What it says.
        payload: Vec<u8>,
    },
    /// `flush ID`
    Flush {
        /// The caller's label.
        id: String,
    },
    /// `rtt`
    RoundTrip,
    /// `state`
    State,
    /// `servers`
    Servers,
    /// `stats`
    Statistics,
    /// `info`
    Info,
    /// `set-servers URL...`
    SetServers {
        /// The new pool.
        servers: Vec<ServerUrl>,
    },
    /// `reconnect`
    Reconnect,
    /// `drain`
    Drain,
    /// `close`
    Close,
    /// `quit`
    Quit,
}

/// Why a line is no command.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The first word is not the name of a command.
    #[error("no such command")]
    Unknown,
    /// There are too few words, or too many, or some that are not understood.
    #[error("usage: {0}")]
    Usage(&'static str),
    /// The line is not UTF-8 before its payload.
    #[error("not UTF-8")]
    NotUtf8,
    /// A backslash with something else after it than `r`, `n`, `t`, `s`, `\` or `xNN`.
    #[error("an escape that is none: use \\r \\n \\t \\s \\\\ \\xNN")]
    Escape,
    /// A number is none, or too large.
    #[error("not a number: {0}")]
    Number(ParseIntError),
    /// A subject or a queue group cannot be used.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// A header cannot be used.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A header is not of the form `KEY:VALUE`.
    #[error("a header is written hdr=KEY:VALUE")]
    HeaderForm,
    /// A URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
}

/// The same line: `fn main() -> Result<_, _>` prints errors so.
impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// By hand: the text says what the source would say again.
impl From<ParseIntError> for CommandError {
    fn from(error: ParseIntError) -> Self {
        Self::Number(error)
    }
}

impl CommandError {
    /// A stable name in snake case, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown_command",
            Self::Usage(_) => "usage",
            Self::NotUtf8 => "not_utf8",
            Self::Escape => "invalid_escape",
            Self::Number(_) => "invalid_number",
            Self::Subject(_) => "invalid_subject",
            Self::Header(_) | Self::HeaderForm => "invalid_header",
            Self::Url(_) => "invalid_url",
        }
    }
}

impl Command {
    /// Reads a line, without its end.
    ///
    /// # Errors
    /// It is not a command.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let (head, payload) = split_payload(line);
        let head = std::str::from_utf8(head).map_err(|_| CommandError::NotUtf8)?;
        let words: Vec<&str> = head.split_ascii_whitespace().collect();
        let (name, words) = words.split_first().ok_or(CommandError::Unknown)?;
        match (*name, payload) {
            ("pub", payload) => publish(words, payload.unwrap_or_default()),
            ("req", payload) => request(words, payload.unwrap_or_default()),
            (name, payload) => match payload {
                None => Self::without_payload(name, words),
                Some(_) => Err(Self::without_payload(name, &[])
                    .err()
                    .unwrap_or(CommandError::Usage("no payload"))),
            },
        }
    }

    fn without_payload(name: &str, words: &[&str]) -> Result<Self, CommandError> {
        let usage = |text| Err(CommandError::Usage(text));
        Ok(match (name, words) {
            ("sub", [name, filter]) => subscribe(name, filter, None)?,
            ("sub", [name, filter, queue]) => subscribe(name, filter, Some(queue))?,
            ("sub", _) => return usage("sub NAME SUBJECT [QUEUE]"),
            ("unsub", [name]) => Self::Unsubscribe {
                name: (*name).into(),
                max: None,
            },
            ("unsub", [name, max]) => Self::Unsubscribe {
                name: (*name).into(),
                max: Some(max.parse()?),
            },
            ("unsub", _) => return usage("unsub NAME [MAX]"),
            ("drain-sub", [name]) => Self::DrainSubscription { name: (*name).into() },
            ("drain-sub", _) => return usage("drain-sub NAME"),
            ("pause", [name]) => Self::Pause { name: (*name).into() },
            ("pause", _) => return usage("pause NAME"),
            ("resume", [name]) => Self::Resume { name: (*name).into() },
            ("resume", _) => return usage("resume NAME"),
            ("pubn", [subject, count, size]) => Self::PublishMany {
                subject: checked(subject)?,
                count: count.parse()?,
                size: size.parse()?,
            },
            ("pubn", _) => return usage("pubn SUBJECT COUNT SIZE"),
            ("flush", [id]) => Self::Flush { id: (*id).into() },
            ("flush", _) => return usage("flush ID"),
            ("set-servers", [_, ..]) => {
                let mut servers = Vec::new();
                for urls in words {
                    servers.extend(ServerUrl::parse_list(urls)?);
                }
                Self::SetServers { servers }
            }
            ("set-servers", _) => return usage("set-servers URL..."),
            (name, words) => Self::bare(name, words.is_empty())?,
        })
    }

    fn bare(name: &str, alone: bool) -> Result<Self, CommandError> {
        let command = match name {
            "rtt" => Self::RoundTrip,
            "state" => Self::State,
            "servers" => Self::Servers,
            "stats" => Self::Statistics,
            "info" => Self::Info,
            "reconnect" => Self::Reconnect,
            "drain" => Self::Drain,
            "close" => Self::Close,
            "quit" => Self::Quit,
            _ => return Err(CommandError::Unknown),
        };
        if alone {
            Ok(command)
        } else {
            Err(CommandError::Usage("the command alone"))
        }
    }
}

/// What stands before ` -- `, and the payload after it.
fn split_payload(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    const MARK: &[u8] = b" -- ";
    match line.windows(MARK.len()).position(|window| window == MARK) {
        Some(at) => (&line[..at], Some(&line[at + MARK.len()..])),
        // A line that was trimmed: the payload is empty.
        None => match line.strip_suffix(b" --") {
            Some(head) => (head, Some(&[])),
            None => (line, None),
        },
    }
}

fn subscribe(name: &str, filter: &str, queue: Option<&str>) -> Result<Command, CommandError> {
    let queue = queue.map(checked::<QueueGroup>).transpose()?;
    Ok(Command::Subscribe {
        name: name.into(),
        filter: checked(filter)?,
        queue,
    })
}

fn publish(words: &[&str], payload: &[u8]) -> Result<Command, CommandError> {
    const USAGE: CommandError =
        CommandError::Usage("pub SUBJECT [reply=SUBJECT] [hdr=KEY:VALUE]... [-- PAYLOAD]");
    let (subject, options) = words.split_first().ok_or(USAGE)?;
    let subject = checked(subject)?;
    let (mut reply, mut headers) = (None, Headers::new());
    for option in options {
        if let Some(to) = option.strip_prefix("reply=") {
            reply = Some(checked(to)?);
        } else if let Some(header) = option.strip_prefix("hdr=") {
            let (key, value) = header.split_once(':').ok_or(CommandError::HeaderForm)?;
            let value = unescape(value.as_bytes()).ok_or(CommandError::Escape)?;
            headers.append(plain(key)?, value)?;
        } else {
            return Err(USAGE);
        }
    }
    let payload = unescape(payload).ok_or(CommandError::Escape)?;
    Ok(Command::Publish {
        subject,
        reply,
        headers,
        payload,
    })
}

fn request(words: &[&str], payload: &[u8]) -> Result<Command, CommandError> {
    let [id, subject, timeout] = words else {
        return Err(CommandError::Usage("req ID SUBJECT TIMEOUT_MS [-- PAYLOAD]"));
    };
    Ok(Command::Request {
        id: (*id).into(),
        subject: checked(subject)?,
        timeout: Duration::from_millis(timeout.parse()?),
        payload: unescape(payload).ok_or(CommandError::Escape)?,
    })
}

/// A word, its escapes replaced, as something that is checked when it is made.
fn checked<T: FromStr>(word: &str) -> Result<T, CommandError>
where
    CommandError: From<T::Err>,
{
    Ok(plain(word)?.parse()?)
}

fn plain(word: &str) -> Result<String, CommandError> {
    let bytes = unescape(word.as_bytes()).ok_or(CommandError::Escape)?;
    String::from_utf8(bytes).map_err(|_| CommandError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, CommandError> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn a_publish_has_reply_headers_and_a_payload_to_the_end_of_the_line() {
        let Ok(Command::Publish {
            subject,
            reply,
            headers,
            payload,
        }) = parse(r"pub a.b reply=c.d hdr=K:v\sw hdr=K:2 -- x  -- \x01\n ")
        else {
            panic!("a publish");
        };
        assert_eq!((subject.as_str(), reply.unwrap().as_str()), ("a.b", "c.d"));
        assert_eq!(headers.len(), 2);
        assert_eq!(payload, b"x  -- \x01\n ");
    }

    #[test]
    fn a_payload_may_be_missing_or_empty() {
        for line in ["pub a", "pub a -- ", "pub a --"] {
            let Ok(Command::Publish { payload, .. }) = parse(line) else {
                panic!("{line}")
            };
            assert!(payload.is_empty(), "{line}");
        }
    }

    #[test]
    fn a_payload_may_be_any_bytes() {
        let command = Command::parse(b"req r1 svc 250 -- \xff\xfe").unwrap();
        let Command::Request {
            id, timeout, payload, ..
        } = command
        else {
            panic!("a request")
        };
        assert_eq!(
            (id.as_str(), timeout, &payload[..]),
            ("r1", Duration::from_millis(250), &b"\xff\xfe"[..])
        );
    }

    #[test]
    fn every_command_is_understood() {
        for line in [
            "sub s a.>",
            "sub s a.* q",
            "unsub s",
            "unsub s 3",
            "drain-sub s",
            "pause s",
            "resume s",
            "pubn a 10 128",
            "req i a 100",
            "flush f",
            "rtt",
            "state",
            "servers",
            "stats",
            "info",
            "set-servers nats://a:1,nats://b:2 c",
            "reconnect",
            "drain",
            "close",
            "quit",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
    }

    #[test]
    fn what_is_unusable_says_why() {
        for (line, code) in [
            ("", "unknown_command"),
            ("publish a", "unknown_command"),
            ("rtt now", "usage"),
            ("rtt -- x", "usage"),
            ("sub s", "usage"),
            ("sub s a..b", "invalid_subject"),
            (r"sub s a\sb", "invalid_subject"),
            ("sub s a q\\sr", "invalid_subject"),
            ("pub a.*", "invalid_subject"),
            (r"pub a\r\nPING", "invalid_subject"),
            ("pub a -- \\q", "invalid_escape"),
            ("pub a to=b", "usage"),
            ("pub a hdr=K", "invalid_header"),
            (r"pub a hdr=K:v\r\nX:y", "invalid_header"),
            ("pubn a x 1", "invalid_number"),
            ("set-servers ws://a", "invalid_url"),
        ] {
            assert_eq!(parse(line).unwrap_err().code(), code, "{line}");
        }
    }
}
