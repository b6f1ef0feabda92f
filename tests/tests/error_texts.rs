//! The text of every public error, in one table: each was read by a person, says what happened and what to do, and
//! says nothing twice, even if the errors below it are printed, too.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as AnyError;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nats_conn_client::{
    self as client, ConnectError, Error, NextError, RespondError, ServersError, StartError, TlsError,
};
use nats_conn_console::{CommandError, FlagsError};
use nats_conn_sm::recording::{RecordingError, ReplayError};
use nats_conn_sm::{
    AttemptError, AttemptFailure, AuthError, ClosedReason, Config, ConfigError, Connection, DisconnectReason,
    DropReason, EndReason, FlushError, LinkEnd, Phase, PublishError, RequestError, RequestStartError,
    StateError, SubscribeError, SubscriptionError, Timestamp,
};
use nats_conn_tests::scenario::url;
use nats_proto::{
    DecodeError, Decoder, EncodeError, Excerpt, HeaderError, HeaderValue, InfoError, InvalidSubject, NotUtf8,
    ServerDecodeError, ServerError, Subject, SubjectError, UrlError,
};

/// An error, and its text.
struct Row {
    name: String,
    error: Box<dyn AnyError>,
    code: String,
    expected: &'static str,
}

/// An error with a stable name.
trait Coded {
    fn stable(&self) -> &str;
}

macro_rules! coded {
    ($($error:ty),* $(,)?) => { $(
        impl Coded for $error {
            fn stable(&self) -> &str {
                self.code()
            }
        }
    )* };
}

coded!(
    AttemptError,
    AuthError,
    CommandError,
    ConfigError,
    ConnectError,
    DecodeError,
    DisconnectReason,
    EncodeError,
    Error,
    FlagsError,
    FlushError,
    HeaderError,
    InfoError,
    InvalidSubject,
    LinkEnd,
    NextError,
    NotUtf8,
    PublishError,
    RecordingError,
    ReplayError,
    RequestError,
    RequestStartError,
    RespondError,
    ServerDecodeError,
    ServerError,
    ServersError,
    StartError,
    StateError,
    SubjectError,
    SubscribeError,
    SubscriptionError,
    TlsError,
    UrlError,
    client::ConfirmError,
    client::PublishError,
    client::RequestError,
    client::SubscribeError,
    nats_proto::ConnectError,
);

fn row<E: AnyError + Coded + 'static>(variant: &str, error: E, expected: &'static str) -> Row {
    let path = type_name::<E>();
    let of = path.split("::").next().unwrap_or_default();
    let kind = path.rsplit("::").next().unwrap_or_default();
    Row {
        name: format!("{of}::{kind}::{variant}"),
        code: error.stable().to_owned(),
        error: Box::new(error),
        expected,
    }
}

fn undecodable(bytes: &str) -> DecodeError {
    Decoder::new(Default::default())
        .decode(&mut bytes.into())
        .expect_err("it cannot be read")
}

fn not_text() -> NotUtf8 {
    let value = HeaderValue::try_from(&b"caf\xe9"[..]).expect("a value");
    value.to_str().expect_err("it is not text")
}

fn failed(phase: Phase, error: AttemptError) -> AttemptFailure {
    // One server for each phase.
    let config = Config::new(vec![url(&format!(
        "nats://ann:s3cret@{}.test:4222",
        phase.code()
    ))]);
    let connection = Connection::new(config, [0; 32], Timestamp::ZERO).expect("usable");
    AttemptFailure::new(&connection.servers()[0].server, phase, error)
}

fn refused() -> LinkEnd {
    LinkEnd::Dial {
        kind: "connection_refused",
        detail: "Connection refused (os error 111)".into(),
    }
}

fn server_error(text: &str) -> ServerError {
    ServerError::parse(text.as_bytes())
}

fn late(answered: bool) -> AttemptError {
    AttemptError::AuthenticationTimeout {
        error: server_error("'Authentication Timeout'"),
        answered,
        after: Duration::from_millis(2100),
    }
}

fn protocol() -> Vec<Row> {
    vec![
        row(
            "Empty",
            UrlError::Empty,
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        row(
            "WebSocket",
            UrlError::WebSocket { scheme: "ws".into() },
            "`ws://` is not supported yet; use `nats://` or `tls://` and the port of plain clients",
        ),
        row(
            "Scheme",
            UrlError::Scheme {
                scheme: "http".into(),
            },
            "`http://` is not a scheme of NATS; use `nats://` or `tls://`",
        ),
        row(
            "SchemeOrUserinfo",
            UrlError::SchemeOrUserinfo,
            "the server URL does not begin as one; use `nats://` or `tls://`, once, and write `%2F` for `/` in userinfo",
        ),
        row(
            "EmptyScheme",
            UrlError::EmptyScheme,
            "the server URL has nothing before `://`; use `nats://` or `tls://`",
        ),
        row(
            "Host",
            UrlError::Host,
            "the server URL has no usable host; give for example `nats://localhost:4222`",
        ),
        row(
            "Ipv6",
            UrlError::Ipv6,
            "the server URL has a bad IPv6 address; write it in brackets, as in `nats://[::1]:4222`",
        ),
        row(
            "Port",
            UrlError::Port,
            "the server URL has a port that is not a number from 1 to 65535",
        ),
        row(
            "Userinfo",
            UrlError::Userinfo,
            "the server URL has userinfo that is not percent-encoded UTF-8; write `%25` for `%`",
        ),
        row(
            "Path",
            UrlError::Path,
            "the server URL has something after host and port; remove it, or percent-encode the password",
        ),
        row(
            "ConnectError",
            nats_proto::ConnectError,
            "CONNECT with something that is not the JSON of its fields",
        ),
        row("NameEmpty", HeaderError::NameEmpty, "the header name is empty"),
        row(
            "NameByte",
            HeaderError::NameByte { byte: b':', at: 3 },
            "the header name has the byte 0x3a at 3; use printable ASCII without a colon",
        ),
        row(
            "ValueByte",
            HeaderError::ValueByte { byte: b'\n', at: 3 },
            "the header value has the byte 0x0a at 3; CR and LF are not allowed",
        ),
        row(
            "ValueBlank",
            HeaderError::ValueBlank,
            "the header value begins or ends with a blank, which readers cut off; trim it",
        ),
        row(
            "TooLarge",
            HeaderError::TooLarge,
            "the header block would be larger than 1 GiB",
        ),
        row(
            "Version",
            HeaderError::Version,
            "the header block does not begin with `NATS/1.0`",
        ),
        row(
            "NoColon",
            HeaderError::NoColon { line: 2 },
            "line 2 of the header block has no colon",
        ),
        row(
            "Name",
            HeaderError::Name { line: 2 },
            "line 2 of the header block has a name with a byte that is not printable ASCII",
        ),
        row(
            "UnknownOperation",
            undecodable("HTTP/1.1 400 Bad Request\r\n"),
            "`HTTP/1.1 400 Bad Request` is not an operation of a NATS server; check that the port is that of NATS clients",
        ),
        row(
            "LineTooLong",
            DecodeError::LineTooLong { limit: 65536 },
            "a control line is longer than 65536 bytes; raise the limit if that is to be expected",
        ),
        row(
            "FieldCount",
            undecodable("MSG a 1\r\n"),
            "`MSG a 1` has the wrong number of fields",
        ),
        row(
            "Sid",
            undecodable("MSG a x 1\r\n"),
            "`MSG a x 1` has a subscription identifier that is not a decimal number below 2^64",
        ),
        row(
            "Size",
            undecodable("MSG a 1 x\r\n"),
            "`MSG a 1 x` has a size that is not a decimal number",
        ),
        row(
            "PayloadTooLarge",
            DecodeError::PayloadTooLarge { size: 99, limit: 64 },
            "a message of 99 bytes is above the limit of 64; raise the limit if that is to be expected",
        ),
        row(
            "HeadersAboveTotal",
            undecodable("HMSG a 1 9 8\r\n"),
            "`HMSG a 1 9 8` has a header size above its total size",
        ),
        row(
            "PayloadEnd",
            DecodeError::PayloadEnd,
            "a payload is not followed by CRLF",
        ),
        row(
            "Info",
            DecodeError::Info(InfoError::Empty),
            "INFO without anything after it",
        ),
        row("Empty", InfoError::Empty, "INFO without anything after it"),
        row(
            "Json",
            InfoError::Json { at: 7 },
            "INFO with something that is not JSON, at byte 7",
        ),
        row(
            "NotAnObject",
            InfoError::NotAnObject,
            "INFO with JSON that is not an object",
        ),
        row(
            "Empty",
            SubjectError::Empty,
            "the subject or queue group is empty; give at least one token",
        ),
        row(
            "EmptyToken",
            SubjectError::EmptyToken { at: 2 },
            "the subject has an empty token at byte 2; remove the dot",
        ),
        row(
            "Byte",
            SubjectError::Byte { byte: b' ', at: 2 },
            "the subject or queue group has the byte 0x20 at 2; blanks and control characters are not allowed",
        ),
        row(
            "Wildcard",
            SubjectError::Wildcard { at: 2 },
            "the subject has a wildcard at byte 2; only subscriptions may use wildcards",
        ),
        row(
            "TailNotLast",
            SubjectError::TailNotLast { at: 2 },
            "the subject has a `>` at byte 2 that is not the last token; use `*` there",
        ),
        row(
            "NotUtf8",
            SubjectError::NotUtf8 { at: 2 },
            "the subject is not UTF-8 from byte 2 on: it cannot be published to",
        ),
        row(
            "InvalidSubject",
            InvalidSubject::new("orders..eu", SubjectError::EmptyToken { at: 7 }),
            "`orders..eu`: the subject has an empty token at byte 7; remove the dot",
        ),
        row(
            "NotUtf8",
            not_text(),
            "the header value is not UTF-8 from byte 3 on: read its bytes",
        ),
        row(
            "ControlLineTooLong",
            EncodeError::ControlLineTooLong {
                len: 5000,
                limit: 4096,
            },
            "the control line would have 5000 bytes of arguments, 4096 are allowed; use shorter subjects",
        ),
        row(
            "MessageTooLarge",
            EncodeError::MessageTooLarge { len: 1 << 30 },
            "headers and payload have 1073741824 bytes, at most 999999999 can be sent; send it in parts",
        ),
        row(
            "Field",
            EncodeError::Field { field: "subject" },
            "the subject would not be read as one field; remove what ends a field or a line",
        ),
        row(
            "UnknownOperation",
            ServerDecodeError::UnknownOperation,
            "not an operation of a client",
        ),
        row(
            "ControlLineTooLong",
            ServerDecodeError::ControlLineTooLong { limit: 4096 },
            "a control line has more than 4096 bytes of arguments",
        ),
        row(
            "PayloadTooLarge",
            ServerDecodeError::PayloadTooLarge { limit: 1024 },
            "a message is larger than 1024 bytes",
        ),
        row(
            "ClientProtocol",
            ServerDecodeError::ClientProtocol,
            "a CONNECT with a protocol that is neither 0 nor 1",
        ),
        row(
            "Arguments",
            ServerDecodeError::Arguments,
            "an operation with wrong fields",
        ),
        row(
            "ConnectJson",
            ServerDecodeError::ConnectJson,
            "a CONNECT that is not JSON",
        ),
        row(
            "InfoJson",
            ServerDecodeError::InfoJson,
            "an INFO that is not JSON",
        ),
        row(
            "ErrFromClient",
            ServerDecodeError::ErrFromClient,
            "an -ERR from a client",
        ),
        row(
            "ServerError",
            server_error("'Authorization Violation'"),
            "Authorization Violation",
        ),
    ]
}

fn machine() -> Vec<Row> {
    let (yes, no) = (true, false);
    vec![
        row(
            "NoServers",
            ConfigError::NoServers,
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            "ZeroMaxReconnects",
            ConfigError::ZeroMaxReconnects,
            "max_reconnects is 0: use `reconnect = false` for no reconnecting, or at least 1 attempt a server",
        ),
        row(
            "ZeroMaxPingsOut",
            ConfigError::ZeroMaxPingsOut,
            "max_pings_out is 0: at least 1 PING must be allowed to be unanswered",
        ),
        row(
            "ZeroDuration",
            ConfigError::ZeroDuration {
                setting: "ping_interval",
            },
            "ping_interval is zero: give it some time",
        ),
        row(
            "DropOldestWithAtLeastOnce",
            ConfigError::DropOldestWithAtLeastOnce,
            "when_full = DropOldest contradicts delivery = AtLeastOnce: use Error or Off",
        ),
        row(
            "Closed",
            PublishError::Closed,
            "the connection is closed: make another one",
        ),
        row(
            "Draining",
            PublishError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "BufferFull",
            PublishError::BufferFull { limit: 8388608 },
            "the send buffer is full (8388608 bytes): wait for room, or raise `send_buffer`",
        ),
        row(
            "NotConnected",
            PublishError::NotConnected,
            "not connected, and nothing is taken during an outage: wait for `Reconnected`, or use when_full = Error",
        ),
        row(
            "TooLarge",
            PublishError::TooLarge {
                size: 9,
                max_payload: 8,
            },
            "headers and payload are 9 bytes, the server takes 8: send it in parts, or raise max_payload there",
        ),
        row(
            "HeadersUnsupported",
            PublishError::HeadersUnsupported,
            "the server does not support headers: publish without, or use a server of version 2.2 or newer",
        ),
        row(
            "ControlLineTooLong",
            PublishError::ControlLineTooLong {
                size: 5000,
                max: 4096,
            },
            "the control line would be 5000 bytes long, a server takes 4096: shorten the subjects",
        ),
        row(
            "Closed",
            SubscribeError::Closed,
            "the connection is closed: make another one",
        ),
        row(
            "Draining",
            SubscribeError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "ControlLineTooLong",
            SubscribeError::ControlLineTooLong {
                size: 5000,
                max: 4096,
            },
            "the control line would be 5000 bytes long, a server takes 4096: shorten the subject",
        ),
        row(
            "Unknown",
            SubscriptionError::Unknown,
            "no such subscription: it has ended, make another one",
        ),
        row(
            "Draining",
            RequestStartError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "TooMany",
            RequestStartError::TooMany,
            "too many requests wait for their replies: wait for some, or give them a shorter timeout",
        ),
        row(
            "Publish",
            RequestStartError::Publish(PublishError::Closed),
            "the connection is closed: make another one",
        ),
        row(
            "NoResponders",
            RequestError::NoResponders,
            "no responders: nobody is subscribed to the subject, start what answers there",
        ),
        row(
            "TimedOut",
            RequestError::TimedOut { written: yes },
            "timed out: no reply came, give it more time if the answer takes long",
        ),
        row(
            "TimedOut",
            RequestError::TimedOut { written: no },
            "timed out before the request was written: there is no link, or the server does not read",
        ),
        row(
            "Disconnected",
            RequestError::Disconnected { written: yes },
            "disconnected after the request was written, it may have been processed: ask again if it may be so twice",
        ),
        row(
            "Disconnected",
            RequestError::Disconnected { written: no },
            "disconnected before the request was written: ask again",
        ),
        row(
            "Closed",
            RequestError::Closed,
            "the connection was closed: make another one",
        ),
        row(
            "Refused",
            RequestError::Refused,
            "refused by the permissions of the server: allow this user the subject, and the inbox of its replies",
        ),
        row(
            "Dropped",
            RequestError::Dropped,
            "the request was dropped before it was sent: the event `PublishDropped` says why",
        ),
        row(
            "Disconnected",
            FlushError::Disconnected,
            "not connected, or disconnected before the server confirmed: flush again after `Reconnected`",
        ),
        row(
            "Closed",
            FlushError::Closed,
            "the connection was closed: make another one",
        ),
        row(
            "Closed",
            StateError::Closed,
            "the connection is closed: make another one",
        ),
        row(
            "Draining",
            StateError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "NoServers",
            StateError::NoServers,
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row("TimedOut", AttemptError::TimedOut, "timed out"),
        row(
            "Link",
            AttemptError::Link(refused()),
            "dialling failed: Connection refused (os error 111)",
        ),
        row(
            "Server",
            AttemptError::Server(server_error("'Authorization Violation'")),
            "the server answered: Authorization Violation",
        ),
        row(
            "Protocol",
            AttemptError::Protocol(undecodable("SSH-2.0-OpenSSH\r\n")),
            "this does not look like a NATS server: `SSH-2.0-OpenSSH` is not an operation of a NATS server; check that the port is that of NATS clients",
        ),
        row(
            "ExpectedInfo",
            AttemptError::ExpectedInfo,
            "this does not look like a NATS server: its first line is not INFO",
        ),
        row(
            "TlsNotOffered",
            AttemptError::TlsNotOffered,
            "TLS is required, but the server does not offer it: use nats:// or enable TLS on the server",
        ),
        row(
            "TlsRaised",
            AttemptError::TlsRaised,
            "the server was named with TLS while it was being spoken to without: the next attempt uses TLS",
        ),
        row(
            "ClosedAfterTls",
            AttemptError::ClosedAfterTls,
            "the peer closed right after the TLS handshake: does it want a client certificate?",
        ),
        row(
            "AuthenticationTimeout",
            late(true),
            "the server answered: Authentication Timeout (our credentials took 2100 ms)",
        ),
        row(
            "AuthenticationTimeout",
            late(false),
            "the server answered: Authentication Timeout (our credentials had not come after 2100 ms)",
        ),
        row(
            "PlaintextBeforeTls",
            AttemptError::PlaintextBeforeTls,
            "clear text arrived between INFO and the TLS handshake: somebody on the way may have put it there",
        ),
        row(
            "Tls",
            AttemptError::Tls {
                detail: "unknown issuer".into(),
            },
            "TLS failed: unknown issuer",
        ),
        row(
            "Auth",
            AttemptError::Auth(AuthError::NoNonce),
            "the server sent no nonce to sign: it is not configured for NKEY authentication",
        ),
        row(
            "CleartextCredentials",
            AttemptError::CleartextCredentials,
            "refusing to send a password or token without TLS to a host that is not loopback: use tls://, or set cleartext_credentials to allow",
        ),
        row(
            "NoNonce",
            AuthError::NoNonce,
            "the server sent no nonce to sign: it is not configured for NKEY authentication",
        ),
        row(
            "Unusable",
            AuthError::Unusable {
                detail: "no seed in the file".into(),
            },
            "credentials: no seed in the file",
        ),
        row(
            "Panicked",
            AuthError::Panicked {
                detail: "index out of bounds".into(),
            },
            "the credentials callback panicked: index out of bounds",
        ),
        row("Eof", LinkEnd::Eof, "the server closed the connection"),
        row("Requested", LinkEnd::Requested, "closed as asked"),
        row(
            "Resolve",
            LinkEnd::Resolve {
                detail: "no such name".into(),
            },
            "cannot resolve the name: no such name",
        ),
        row(
            "Dial",
            refused(),
            "dialling failed: Connection refused (os error 111)",
        ),
        row(
            "Tls",
            LinkEnd::Tls {
                detail: "unknown issuer".into(),
            },
            "TLS: unknown issuer",
        ),
        row(
            "Io",
            LinkEnd::Io {
                kind: "broken_pipe",
                detail: "Broken pipe (os error 32)".into(),
            },
            "Broken pipe (os error 32)",
        ),
        row("Eof", DisconnectReason::Eof, "the server closed the connection"),
        row(
            "Io",
            DisconnectReason::Io(LinkEnd::Io {
                kind: "broken_pipe",
                detail: "Broken pipe".into(),
            }),
            "Broken pipe",
        ),
        row("Stale", DisconnectReason::Stale, "the server does not answer"),
        row(
            "ServerError",
            DisconnectReason::ServerError(server_error("'Stale Connection'")),
            "the server closed the connection: Stale Connection",
        ),
        row(
            "Protocol",
            DisconnectReason::Protocol(undecodable("MSG a 1\r\n")),
            "protocol: `MSG a 1` has the wrong number of fields",
        ),
        row(
            "LameDuck",
            DisconnectReason::LameDuck,
            "the server is in lame duck mode",
        ),
        row("Forced", DisconnectReason::Forced, "a reconnect was forced"),
        row("Closed", DisconnectReason::Closed, "closed"),
        row(
            "NotARecording",
            RecordingError::NotARecording,
            "this is not a recording of a connection",
        ),
        row(
            "Version",
            RecordingError::Version { found: 99 },
            "the recording has version 99, this program reads version 2",
        ),
        row(
            "Truncated",
            RecordingError::Truncated { at: 12 },
            "the recording breaks off behind byte 12",
        ),
        row(
            "Invalid",
            RecordingError::Invalid {
                at: 12,
                what: "a link",
            },
            "byte 12 of the recording should be behind a link, and is not",
        ),
        row(
            "Recording",
            ReplayError::Recording(RecordingError::NotARecording),
            "this is not a recording of a connection",
        ),
        row(
            "Config",
            ReplayError::Config(ConfigError::NoServers),
            "the settings of the recording: no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            "TooLarge",
            ReplayError::TooLarge { record: 3, size: 99 },
            "record 3 claims 99 bytes, at once or beside what is held already",
        ),
        row(
            "Diverged",
            ReplayError::Diverged {
                record: 3,
                at: Timestamp::from_millis(1500),
                version: "0.0.9".into(),
            },
            "record 3, at 1.5s: what came of it is not what was recorded (version 0.0.9 wrote it, this is 0.1.0)",
        ),
    ]
}

fn handles() -> Vec<Row> {
    let eof = || failed(Phase::Info, AttemptError::Link(LinkEnd::Eof));
    let violation = AttemptError::Server(server_error("'Authorization Violation'"));
    let subject = Excerpt::new("orders.eu");
    vec![
        row(
            "Start",
            ConnectError::Start(StartError::Url(UrlError::Port)),
            "the server URL has a port that is not a number from 1 to 65535",
        ),
        row(
            "Unreachable",
            ConnectError::Unreachable {
                failures: vec![failed(Phase::Dial, AttemptError::Link(refused()))],
            },
            "cannot connect: nats://dial.test:4222: dialling failed: Connection refused (os error 111) (is a server running there, and is the port right?)",
        ),
        row(
            "Unreachable",
            ConnectError::Unreachable {
                failures: vec![eof(), failed(Phase::Auth, violation)],
            },
            "cannot connect: nats://info.test:4222: the server closed the connection (something accepts connections there and closes them without greeting: is it a NATS server?); nats://auth.test:4222: the server answered: Authorization Violation (check user, password, token or credentials)",
        ),
        row(
            "Unreachable",
            ConnectError::Unreachable {
                failures: vec![failed(Phase::Dial, AttemptError::TimedOut)],
            },
            "cannot connect: nats://dial.test:4222: timed out (nothing answers there: check the address and the firewall, or raise connect_timeout)",
        ),
        row(
            "Unreachable",
            ConnectError::Unreachable {
                failures: vec![failed(
                    Phase::Resolve,
                    AttemptError::Link(LinkEnd::Resolve {
                        detail: "no such name".into(),
                    }),
                )],
            },
            "cannot connect: nats://resolve.test:4222: cannot resolve the name: no such name (is the name spelled right?)",
        ),
        row(
            "Closed",
            ConnectError::Closed {
                reason: ClosedReason::Requested,
                failures: vec![eof()],
            },
            "the connection was closed before it was up: requested; nats://info.test:4222: the server closed the connection (something accepts connections there and closes them without greeting: is it a NATS server?)",
        ),
        row(
            "Url",
            StartError::Url(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        row(
            "Config",
            StartError::Config(ConfigError::NoServers),
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            "Contradiction",
            StartError::Contradiction {
                first: "token",
                second: "user_password",
            },
            "token contradicts user_password: set one of them",
        ),
        row(
            "NoRandomness",
            StartError::NoRandomness {
                detail: "no such device".into(),
            },
            "the operating system gives no random bytes (no such device), without which inboxes can be guessed: let this process have some",
        ),
        row(
            "InboxPrefix",
            StartError::InboxPrefix {
                reason: InvalidSubject::new("a b", SubjectError::Byte { byte: b' ', at: 1 }),
            },
            "inbox_prefix: `a b`: the subject or queue group has the byte 0x20 at 1; blanks and control characters are not allowed",
        ),
        row(
            "Url",
            ServersError::from(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        row(
            "State",
            ServersError::from(StateError::Closed),
            "the connection is closed: make another one",
        ),
        row(
            "NoDriver",
            StartError::NoDriver {
                detail: "there is no runtime".into(),
            },
            "cannot run the connection: there is no runtime",
        ),
        row(
            "Subject",
            client::PublishError::Subject(InvalidSubject::new("a b", SubjectError::Byte { byte: 32, at: 1 })),
            "`a b`: the subject or queue group has the byte 0x20 at 1; blanks and control characters are not allowed",
        ),
        row(
            "Closed",
            client::PublishError::Closed,
            "the connection is closed: make another one",
        ),
        row(
            "Draining",
            client::PublishError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "BufferFull",
            client::PublishError::BufferFull { limit: 8388608 },
            "the send buffer is full (8388608 bytes): wait for room, or raise `send_buffer`",
        ),
        row(
            "TimedOut",
            client::PublishError::TimedOut {
                subject,
                after: Duration::from_secs(5),
            },
            "no room in the send buffer for `orders.eu` within 5s: the server takes less than is published, or there is no link",
        ),
        row(
            "NotConnected",
            client::PublishError::NotConnected,
            "not connected, and nothing is taken during an outage: wait for `Reconnected`, or use when_full = Error",
        ),
        row(
            "TooLarge",
            client::PublishError::TooLarge {
                subject,
                size: 1048577,
                max_payload: 1048576,
            },
            "headers and payload for `orders.eu` are 1048577 bytes, the server takes 1048576: send it in parts, or raise max_payload there",
        ),
        row(
            "HeadersUnsupported",
            client::PublishError::HeadersUnsupported,
            "the server does not support headers: publish without, or use a server of version 2.2 or newer",
        ),
        row(
            "ControlLineTooLong",
            client::PublishError::ControlLineTooLong {
                subject,
                size: 5000,
                max: 4096,
            },
            "the control line for `orders.eu` would be 5000 bytes long, a server takes 4096: shorten the subjects",
        ),
        row(
            "Other",
            client::PublishError::Other { code: "too_odd" },
            "refused for a reason that this version has no name for: too_odd",
        ),
        row(
            "NoResponders",
            client::RequestError::NoResponders { subject },
            "no responders: nobody is subscribed to `orders.eu`, start what answers there",
        ),
        row(
            "TimedOut",
            client::RequestError::TimedOut {
                subject,
                written: true,
            },
            "the request to `orders.eu` timed out: no reply came, give it more time if the answer takes long",
        ),
        row(
            "TimedOut",
            client::RequestError::TimedOut {
                subject,
                written: false,
            },
            "the request to `orders.eu` timed out before it was written: there is no link, or the server does not read",
        ),
        row(
            "Disconnected",
            client::RequestError::Disconnected {
                subject,
                written: true,
            },
            "disconnected after the request to `orders.eu` was written, it may have been processed: ask again if it may be so twice",
        ),
        row(
            "Disconnected",
            client::RequestError::Disconnected {
                subject,
                written: false,
            },
            "disconnected before the request to `orders.eu` was written: ask again",
        ),
        row(
            "Closed",
            client::RequestError::Closed { written: true },
            "the connection is closed: make another one",
        ),
        row(
            "Refused",
            client::RequestError::Refused { subject },
            "refused by the permissions of the server: allow this user `orders.eu`, and the inbox of its replies",
        ),
        row(
            "Dropped",
            client::RequestError::Dropped { subject },
            "the request to `orders.eu` was dropped before it was sent: the event `PublishDropped` says why",
        ),
        row(
            "Draining",
            client::RequestError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "TooMany",
            client::RequestError::TooMany,
            "too many requests wait for their replies: wait for some, or give them a shorter timeout",
        ),
        row(
            "Subject",
            client::RequestError::Subject(InvalidSubject::new("a b", SubjectError::Byte { byte: 32, at: 1 })),
            "`a b`: the subject or queue group has the byte 0x20 at 1; blanks and control characters are not allowed",
        ),
        row(
            "BufferFull",
            client::RequestError::BufferFull { limit: 8388608 },
            "the send buffer is full (8388608 bytes): wait for room, or raise `send_buffer`",
        ),
        row(
            "NotConnected",
            client::RequestError::NotConnected,
            "not connected, and nothing is taken during an outage: wait for `Reconnected`, or use when_full = Error",
        ),
        row(
            "TooLarge",
            client::RequestError::TooLarge {
                subject,
                size: 1048577,
                max_payload: 1048576,
            },
            "headers and payload for `orders.eu` are 1048577 bytes, the server takes 1048576: send it in parts, or raise max_payload there",
        ),
        row(
            "HeadersUnsupported",
            client::RequestError::HeadersUnsupported,
            "the server does not support headers: ask without, or use a server of version 2.2 or newer",
        ),
        row(
            "ControlLineTooLong",
            client::RequestError::ControlLineTooLong {
                subject,
                size: 5000,
                max: 4096,
            },
            "the control line for `orders.eu` would be 5000 bytes long, a server takes 4096: shorten the subject",
        ),
        row(
            "Other",
            client::RequestError::Other { code: "too_odd" },
            "refused for a reason that this version has no name for: too_odd",
        ),
        row(
            "Subject",
            client::SubscribeError::Subject(InvalidSubject::new(
                "a b",
                SubjectError::Byte { byte: 32, at: 1 },
            )),
            "`a b`: the subject or queue group has the byte 0x20 at 1; blanks and control characters are not allowed",
        ),
        row(
            "Closed",
            client::SubscribeError::Closed,
            "the connection is closed: make another one",
        ),
        row(
            "Draining",
            client::SubscribeError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "ControlLineTooLong",
            client::SubscribeError::ControlLineTooLong {
                filter: subject,
                size: 5000,
                max: 4096,
            },
            "the control line for `orders.eu` would be 5000 bytes long, a server takes 4096: shorten the subject",
        ),
        row(
            "Other",
            client::SubscribeError::Other { code: "too_odd" },
            "refused for a reason that this version has no name for: too_odd",
        ),
        row(
            "Refused",
            client::SubscribeError::Refused {
                words: "Permissions Violation for Subscription to \"secret.plan\"".into(),
            },
            "the server refused the subscription (Permissions Violation for Subscription to \"secret.plan\"): \
             have it allowed there, or subscribe as another user",
        ),
        row(
            "Ended",
            client::SubscribeError::Ended {
                reason: EndReason::Unsubscribed,
            },
            "the subscription ended before the server confirmed it (unsubscribed): subscribe again",
        ),
        row(
            "TimedOut",
            client::SubscribeError::TimedOut {
                after: Duration::from_secs(2),
            },
            "the server has not confirmed the subscription within 2s: there is no link, or it does not answer",
        ),
        row(
            "Publish",
            client::ConfirmError::Publish(client::PublishError::Draining),
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "Unconfirmed",
            client::ConfirmError::Unconfirmed { subject },
            "the link was lost before the server confirmed the publish to `orders.eu`: it may have been processed, \
             publish it again if it may be so twice",
        ),
        row(
            "Dropped",
            client::ConfirmError::Dropped {
                subject,
                reason: DropReason::Closed,
            },
            "the publish to `orders.eu` was dropped before it was sent: the connection was closed first",
        ),
        row(
            "TimedOut",
            client::ConfirmError::TimedOut {
                subject,
                after: Duration::from_secs(2),
            },
            "the publish to `orders.eu` was not confirmed within 2s: it may still be sent, there is no link \
             or the server does not answer",
        ),
        row(
            "NoReplySubject",
            RespondError::NoReplySubject,
            "the message has no reply subject that can be published to: its sender waits for no answer",
        ),
        row(
            "Publish",
            RespondError::Publish(client::PublishError::Draining),
            "the connection is draining: nothing new is taken, make another one",
        ),
        row("TimedOut", NextError::TimedOut, "nothing came in time: ask again"),
        row("Ended", NextError::Ended, "nothing follows: it has ended"),
    ]
}

/// The umbrella prints as what is under it.
fn umbrella() -> Vec<Row> {
    let subject = InvalidSubject::new("a b", SubjectError::Empty);
    vec![
        row(
            "Connect",
            Error::from(ConnectError::Start(StartError::Url(UrlError::Port))),
            "the server URL has a port that is not a number from 1 to 65535",
        ),
        row(
            "Start",
            Error::from(StartError::Config(ConfigError::NoServers)),
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            "Publish",
            Error::from(client::PublishError::Draining),
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "Confirm",
            Error::from(client::ConfirmError::Publish(client::PublishError::Draining)),
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            "Respond",
            Error::from(RespondError::NoReplySubject),
            "the message has no reply subject that can be published to: its sender waits for no answer",
        ),
        row(
            "Request",
            Error::from(client::RequestError::TooMany),
            "too many requests wait for their replies: wait for some, or give them a shorter timeout",
        ),
        row(
            "Subscribe",
            Error::from(client::SubscribeError::Closed),
            "the connection is closed: make another one",
        ),
        row(
            "Subscription",
            Error::from(SubscriptionError::Unknown),
            "no such subscription: it has ended, make another one",
        ),
        row(
            "Next",
            Error::from(NextError::Ended),
            "nothing follows: it has ended",
        ),
        row(
            "Flush",
            Error::from(FlushError::Closed),
            "the connection was closed: make another one",
        ),
        row(
            "State",
            Error::from(StateError::Closed),
            "the connection is closed: make another one",
        ),
        row(
            "Servers",
            Error::from(ServersError::from(StateError::NoServers)),
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            "Url",
            Error::from(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        row(
            "Subject",
            Error::from(subject),
            "`a b`: the subject or queue group is empty; give at least one token",
        ),
        row(
            "Token",
            Error::from(SubjectError::Empty),
            "the subject or queue group is empty; give at least one token",
        ),
        row(
            "Header",
            Error::from(HeaderError::NameEmpty),
            "the header name is empty",
        ),
        row(
            "Text",
            Error::from(not_text()),
            "the header value is not UTF-8 from byte 3 on: read its bytes",
        ),
        row(
            "Config",
            Error::from(ConfigError::NoServers),
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            "Auth",
            Error::from(AuthError::NoNonce),
            "the server sent no nonce to sign: it is not configured for NKEY authentication",
        ),
        row(
            "Tls",
            Error::from(TlsError::SystemRootsNotBuilt),
            "the roots of the system were asked for: enable the feature `system-roots`",
        ),
    ]
}

fn tls() -> Vec<Row> {
    let detail = || String::from("no PEM certificate in it");
    let path = || PathBuf::from("/etc/nats/ca.pem");
    vec![
        row(
            "NoCryptography",
            TlsError::NoCryptography,
            "no cryptography was built in: enable the feature `ring` or `aws-lc-rs`, or give a ready configuration with TlsOptions::with_config",
        ),
        row(
            "NoAuthority",
            TlsError::NoAuthority,
            "no authority is trusted: name one with TlsOptions::with_ca_file, or enable the feature `system-roots` to trust those of the system",
        ),
        row(
            "SystemRootsNotBuilt",
            TlsError::SystemRootsNotBuilt,
            "the roots of the system were asked for: enable the feature `system-roots`",
        ),
        row(
            "NoSystemRoots",
            TlsError::NoSystemRoots {
                detail: "none were found".into(),
            },
            "the system has no root certificates (none were found): install them, set SSL_CERT_FILE, or name an authority with TlsOptions::with_ca_file",
        ),
        row(
            "Unreadable",
            TlsError::Unreadable {
                path: path(),
                detail: "No such file or directory (os error 2)".into(),
            },
            "cannot read /etc/nats/ca.pem: No such file or directory (os error 2)",
        ),
        row(
            "Authority",
            TlsError::Authority {
                path: path(),
                detail: detail(),
            },
            "/etc/nats/ca.pem: no PEM certificate in it",
        ),
        row(
            "ClientCertificate",
            TlsError::ClientCertificate { detail: detail() },
            "client certificate: no PEM certificate in it",
        ),
        row(
            "Provider",
            TlsError::Provider {
                detail: "the vault is sealed".into(),
            },
            "the vault is sealed",
        ),
        row(
            "Library",
            TlsError::Library {
                detail: "no usable cipher suites".into(),
            },
            "no usable cipher suites",
        ),
    ]
}

fn console() -> Vec<Row> {
    vec![
        row("Unknown", CommandError::Unknown, "no such command"),
        row("Usage", CommandError::Usage("flush"), "usage: flush"),
        row("NotUtf8", CommandError::NotUtf8, "not UTF-8"),
        row(
            "Escape",
            CommandError::Escape,
            "an escape that is none: use \\r \\n \\t \\s \\\\ \\xNN",
        ),
        row(
            "Number",
            CommandError::Number("x".parse::<u8>().expect_err("no number")),
            "not a number: invalid digit found in string",
        ),
        row(
            "Subject",
            CommandError::Subject(Subject::new("").expect_err("no text")),
            "``: the subject or queue group is empty; give at least one token",
        ),
        row(
            "Header",
            CommandError::Header(HeaderError::NameEmpty),
            "the header name is empty",
        ),
        row(
            "HeaderForm",
            CommandError::HeaderForm,
            "a header is written hdr=KEY:VALUE",
        ),
        row(
            "Url",
            CommandError::Url(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        row(
            "Unknown",
            FlagsError::Unknown("--sever".into()),
            "no such flag: --sever",
        ),
        row(
            "Stray",
            FlagsError::Stray,
            "a word without a flag: a server is given with --server, and a value with blanks in quotes",
        ),
        row(
            "NoValue",
            FlagsError::NoValue("--server"),
            "--server needs a value",
        ),
        row(
            "Value",
            FlagsError::Value {
                flag: "--port",
                value: "x".into(),
                expected: "a number".into(),
            },
            "--port cannot be \"x\": a number",
        ),
        row("NotUtf8", FlagsError::NotUtf8, "an argument is not UTF-8"),
        row(
            "Contradiction",
            FlagsError::Contradiction("--user", "--token"),
            "--user contradicts --token",
        ),
        row(
            "Alone",
            FlagsError::Alone("--user", "--password"),
            "--user needs --password, too",
        ),
        row(
            "Url",
            FlagsError::Url(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        row(
            "Setting",
            FlagsError::Setting(ConfigError::NoServers),
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            "Start",
            FlagsError::Start(StartError::NoDriver {
                detail: "there is no runtime".into(),
            }),
            "cannot run the connection: there is no runtime",
        ),
    ]
}

fn table() -> Vec<Row> {
    [protocol(), machine(), handles(), umbrella(), tls(), console()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn every_error_prints_the_text_that_was_read() {
    let wrong: Vec<String> = table()
        .iter()
        .filter(|row| row.error.to_string() != row.expected)
        .map(|row| format!("{}: {:?}", row.name, row.error.to_string()))
        .collect();
    assert!(
        wrong.is_empty(),
        "the table does not say so:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_error_says_anything_twice_with_the_errors_below_it_or_without() {
    for row in table() {
        let mut said = row.error.to_string();
        let clauses: Vec<&str> = said
            .split([';', '('])
            .flat_map(|part| part.split(": "))
            .map(str::trim)
            .collect();
        let once: BTreeSet<&str> = clauses.iter().copied().collect();
        assert_eq!(clauses.len(), once.len(), "{}: {said}", row.name);
        let mut below = row.error.source();
        while let Some(error) = below {
            let text = error.to_string();
            assert!(!said.contains(&text), "{}: {said}: {text}", row.name);
            said = text;
            below = error.source();
        }
        assert!(!said.contains("s3cret"), "{}", row.name);
    }
}

#[test]
fn every_error_prints_the_same_line_for_main_and_holds_no_secret() {
    for row in table() {
        let printed = format!("{:?}", row.error);
        assert_eq!(printed, row.error.to_string(), "{}", row.name);
        assert!(!printed.contains("s3cret"), "{}", row.name);
        assert!(!printed.contains(char::is_control), "{}: {printed}", row.name);
    }
}

#[test]
fn what_somebody_else_wrote_stays_on_the_line_of_the_error() {
    const HOSTILE: &str = "a\r\nb\u{1b}[2Jc";
    let detail = || HOSTILE.into();
    let end = || LinkEnd::Io {
        kind: "io",
        detail: detail(),
    };
    let errors: Vec<Box<dyn AnyError>> = vec![
        Box::new(ServerError::parse(HOSTILE.as_bytes())),
        Box::new(LinkEnd::Resolve { detail: detail() }),
        Box::new(LinkEnd::Dial {
            kind: "io",
            detail: detail(),
        }),
        Box::new(LinkEnd::Tls { detail: detail() }),
        Box::new(end()),
        Box::new(DisconnectReason::Io(end())),
        Box::new(DisconnectReason::ServerError(server_error(HOSTILE))),
        Box::new(AttemptError::Link(end())),
        Box::new(AttemptError::Server(server_error(HOSTILE))),
        Box::new(AttemptError::Tls { detail: detail() }),
        Box::new(AuthError::Unusable { detail: detail() }),
        Box::new(AuthError::Panicked { detail: detail() }),
        Box::new(StartError::NoDriver {
            detail: HOSTILE.into(),
        }),
        Box::new(StartError::NoRandomness {
            detail: HOSTILE.into(),
        }),
        Box::new(InvalidSubject::new(
            HOSTILE,
            SubjectError::Byte { byte: 13, at: 1 },
        )),
        Box::new(TlsError::NoSystemRoots {
            detail: HOSTILE.into(),
        }),
        Box::new(TlsError::Unreadable {
            path: PathBuf::from("ca.pem"),
            detail: HOSTILE.into(),
        }),
        Box::new(TlsError::Unreadable {
            path: PathBuf::from(HOSTILE),
            detail: "gone".into(),
        }),
        Box::new(TlsError::Authority {
            path: PathBuf::from(HOSTILE),
            detail: "no PEM certificate in it".into(),
        }),
        Box::new(TlsError::Authority {
            path: PathBuf::from("ca.pem"),
            detail: HOSTILE.into(),
        }),
        Box::new(TlsError::ClientCertificate {
            detail: HOSTILE.into(),
        }),
        Box::new(TlsError::Provider {
            detail: HOSTILE.into(),
        }),
        Box::new(TlsError::Library {
            detail: HOSTILE.into(),
        }),
        Box::new(client::SubscribeError::Refused {
            words: HOSTILE.into(),
        }),
        Box::new(client::PublishError::TimedOut {
            subject: Excerpt::new(HOSTILE),
            after: Duration::ZERO,
        }),
    ];
    for error in errors {
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains(char::is_control), "{printed:?}");
        assert!(printed.contains("\\r\\nb\\u{1b}[2Jc"), "{printed:?}");
    }
}

#[test]
fn every_error_has_a_name_for_machines() {
    for row in table() {
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(
            !row.code.is_empty() && row.code.chars().all(snake),
            "{}: {:?}",
            row.name,
            row.code
        );
    }
}

#[test]
fn the_names_for_machines_tell_the_variants_of_an_error_apart() {
    let mut names = BTreeMap::<String, BTreeMap<String, BTreeSet<String>>>::new();
    for row in table() {
        let (error, variant) = row.name.rsplit_once("::").expect("a variant");
        let of_error = names.entry(error.to_owned()).or_default();
        of_error
            .entry(variant.to_owned())
            .or_default()
            .insert(row.code.to_owned());
    }
    for (error, variants) in names {
        // What stands for another error has the names of that one.
        let own: Vec<_> = variants.values().filter(|names| names.len() == 1).collect();
        let different: BTreeSet<_> = own.iter().copied().flatten().collect();
        assert!(own.len() < 2 || different.len() > 1, "{error}: {variants:?}");
    }
}

#[test]
fn the_errors_of_adapters_have_a_name_for_each_of_the_machine() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/client/src/error");
    let converted: String = sources(&folder)
        .iter()
        .map(|path| fs::read_to_string(path).expect("a source"))
        .collect();
    let verbs = [
        "PublishError",
        "SubscribeError",
        "RequestStartError",
        "RequestError",
    ];
    let names: Vec<String> = table().into_iter().map(|row| row.name).collect();
    for verb in verbs {
        let prefix = format!("nats_conn_sm::{verb}::");
        let variants: Vec<&str> = names
            .iter()
            .filter_map(|name| name.strip_prefix(&prefix))
            .collect();
        assert!(!variants.is_empty(), "{verb} has rows");
        for variant in variants {
            let name = format!("machine::{verb}::{variant}");
            assert!(converted.contains(&name), "{name} would become `Other`");
        }
    }
}

#[test]
fn every_public_error_of_the_crates_has_a_row() {
    let rows: BTreeSet<String> = table().into_iter().map(|row| row.name).collect();
    let mut declared = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (folder, name) in [
        ("nats-proto", "nats_proto"),
        ("nats-conn-sm", "nats_conn_sm"),
        ("adapters/client", "nats_conn_client"),
        ("adapters/console", "nats_conn_console"),
        ("adapters/std", "nats_conn_std"),
        ("adapters/tokio", "nats_conn_tokio"),
        ("adapters/async-std", "nats_conn_async_std"),
    ] {
        for file in sources(&root.join(folder).join("src")) {
            let found = errors_in(&fs::read_to_string(file).expect("readable"));
            declared.extend(found.into_iter().map(|error| format!("{name}::{error}")));
        }
    }
    assert!(declared.len() > 100, "errors are found: {declared:?}");
    let missing: Vec<_> = declared.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&declared).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "no row for {missing:?}, no error for {gone:?}"
    );
}

#[test]
fn every_public_enum_of_the_crates_may_grow_but_that_of_the_actions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut found, mut closed) = (0, Vec::new());
    for folder in [
        "nats-proto",
        "nats-conn-sm",
        "adapters/client",
        "adapters/console",
        "adapters/std",
        "adapters/tokio",
        "adapters/async-std",
    ] {
        for file in sources(&root.join(folder).join("src")) {
            let source = fs::read_to_string(&file).expect("readable");
            let mut may_grow = false;
            for line in source.lines().map(str::trim_start) {
                if let Some(name) = line.strip_prefix("pub enum ") {
                    found += 1;
                    if !may_grow {
                        closed.push(word(name).to_owned());
                    }
                }
                may_grow = line == "#[non_exhaustive]" || may_grow && line.starts_with("#[");
            }
        }
    }
    assert!(found > 50, "enums are found: {found}");
    assert_eq!(closed, ["Action"]);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files
}

/// `Type::Variant` for every public enum that is an error, and `Type::Type` for every structure.
fn errors_in(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut derived = false;
    let mut enumeration: Option<&str> = None;
    for line in source.lines() {
        if let Some(kind) = enumeration {
            if line == "}" {
                enumeration = None;
            } else if let Some(variant) = line
                .strip_prefix("    ")
                .filter(|rest| rest.starts_with(char::is_uppercase))
            {
                found.push(format!("{kind}::{}", word(variant)));
            }
        } else if line.starts_with("#[derive(") {
            derived = line.contains("Error)") || line.contains("Error,");
        } else if let Some(name) = line.strip_prefix("pub enum ").filter(|_| derived) {
            (enumeration, derived) = (Some(word(name)), false);
        } else if let Some(name) = line.strip_prefix("pub struct ").filter(|_| derived) {
            found.push(format!("{0}::{0}", word(name)));
            derived = false;
        } else if let Some((_, name)) = line
            .split_once("Error for ")
            .filter(|_| line.starts_with("impl "))
        {
            found.push(format!("{0}::{0}", word(name)));
        } else if !line.starts_with("#[") && !line.starts_with("    ") && !line.starts_with(")]") {
            derived = false;
        }
    }
    found
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
}
