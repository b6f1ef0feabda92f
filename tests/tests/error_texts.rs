//! The text of every public error, in one table: each was read by a person, says what happened and what to do, and
//! says nothing twice, even if the errors below it are printed, too.

use std::any::type_name;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nats_conn_client::{ConnectFailure, PublishFailure, RequestFailure, RespondError, StartError, TlsError};
use nats_conn_console::{CommandError, FlagsError};
use nats_conn_sm::recording::{RecordingError, ReplayError};
use nats_conn_sm::{
    AttemptFailure, AuthError, ClosedReason, Config, ConfigError, ConnectError, Connection, DisconnectReason,
    FlushError, LinkEnd, Phase, PublishError, RequestError, RequestStartError, StateError, SubscribeError,
    SubscriptionError, Timestamp,
};
use nats_conn_std::NextError;
use nats_conn_tests::scenario::url;
use nats_proto::{
    DecodeError, Decoder, EncodeError, HeaderError, InfoError, ServerDecodeError, ServerError, SubjectError,
    UrlError,
};

/// An error, and its text.
struct Row {
    name: String,
    error: Box<dyn Error>,
    expected: &'static str,
}

fn row<E: Error + 'static>(error: E, expected: &'static str) -> Row {
    let kind = type_name::<E>().rsplit("::").next().unwrap_or_default();
    let printed = format!("{error:?}");
    let end = printed
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(printed.len());
    Row {
        name: format!("{kind}::{}", &printed[..end]),
        error: Box::new(error),
        expected,
    }
}

/// It prints as its text, as `fn main() -> Result<_, _>` prints it, and so does not name its variant.
fn said<E: Error + 'static>(variant: &str, error: E, expected: &'static str) -> Row {
    let printed = format!("{error:?}");
    assert_eq!(printed, error.to_string(), "what `main` prints is for people");
    let kind = type_name::<E>().rsplit("::").next().unwrap_or_default();
    Row {
        name: format!("{kind}::{variant}"),
        error: Box::new(error),
        expected,
    }
}

fn undecodable(bytes: &str) -> DecodeError {
    Decoder::new(Default::default())
        .decode(&mut bytes.into())
        .expect_err("it cannot be read")
}

fn failed(phase: Phase, error: ConnectError) -> AttemptFailure {
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

fn late(answered: bool) -> ConnectError {
    ConnectError::AuthenticationTimeout {
        error: server_error("'Authentication Timeout'"),
        answered,
        after: Duration::from_millis(2100),
    }
}

fn protocol() -> Vec<Row> {
    vec![
        said(
            "Empty",
            UrlError::Empty,
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        said(
            "WebSocket",
            UrlError::WebSocket { scheme: "ws".into() },
            "`ws://` is not supported yet; use `nats://` or `tls://` and the port of plain clients",
        ),
        said(
            "Scheme",
            UrlError::Scheme {
                scheme: "http".into(),
            },
            "`http://` is not a scheme of NATS; use `nats://` or `tls://`",
        ),
        said(
            "SchemeOrUserinfo",
            UrlError::SchemeOrUserinfo,
            "the server URL does not begin as one; use `nats://` or `tls://`, once, and write `%2F` for `/` in userinfo",
        ),
        said(
            "EmptyScheme",
            UrlError::EmptyScheme,
            "the server URL has nothing before `://`; use `nats://` or `tls://`",
        ),
        said(
            "Host",
            UrlError::Host,
            "the server URL has no usable host; give for example `nats://localhost:4222`",
        ),
        said(
            "Ipv6",
            UrlError::Ipv6,
            "the server URL has a bad IPv6 address; write it in brackets, as in `nats://[::1]:4222`",
        ),
        said(
            "Port",
            UrlError::Port,
            "the server URL has a port that is not a number from 1 to 65535",
        ),
        said(
            "Userinfo",
            UrlError::Userinfo,
            "the server URL has userinfo that is not percent-encoded UTF-8; write `%25` for `%`",
        ),
        said(
            "Path",
            UrlError::Path,
            "the server URL has something after host and port; remove it, or percent-encode the password",
        ),
        row(
            nats_proto::ConnectError,
            "CONNECT with something that is not the JSON of its fields",
        ),
        said("NameEmpty", HeaderError::NameEmpty, "the header name is empty"),
        said(
            "NameByte",
            HeaderError::NameByte { byte: b':', at: 3 },
            "the header name has the byte 0x3a at 3; use printable ASCII without a colon",
        ),
        said(
            "ValueByte",
            HeaderError::ValueByte { byte: b'\n', at: 3 },
            "the header value has the byte 0x0a at 3; CR and LF are not allowed",
        ),
        said(
            "ValueBlank",
            HeaderError::ValueBlank,
            "the header value begins or ends with a blank, which readers cut off; trim it",
        ),
        said(
            "TooLarge",
            HeaderError::TooLarge,
            "the header block would be larger than 1 GiB",
        ),
        said(
            "Version",
            HeaderError::Version,
            "the header block does not begin with `NATS/1.0`",
        ),
        said(
            "NoColon",
            HeaderError::NoColon { line: 2 },
            "line 2 of the header block has no colon",
        ),
        said(
            "Name",
            HeaderError::Name { line: 2 },
            "line 2 of the header block has a name with a byte that is not printable ASCII",
        ),
        row(
            undecodable("HTTP/1.1 400 Bad Request\r\n"),
            "`HTTP/1.1 400 Bad Request` is not an operation of a NATS server; check that the port is that of NATS clients",
        ),
        row(
            DecodeError::LineTooLong { limit: 65536 },
            "a control line is longer than 65536 bytes; raise the limit if that is to be expected",
        ),
        row(
            undecodable("MSG a 1\r\n"),
            "`MSG a 1` has the wrong number of fields",
        ),
        row(
            undecodable("MSG a x 1\r\n"),
            "`MSG a x 1` has a subscription identifier that is not a decimal number below 2^64",
        ),
        row(
            undecodable("MSG a 1 x\r\n"),
            "`MSG a 1 x` has a size that is not a decimal number",
        ),
        row(
            DecodeError::PayloadTooLarge { size: 99, limit: 64 },
            "a message of 99 bytes is above the limit of 64; raise the limit if that is to be expected",
        ),
        row(
            undecodable("HMSG a 1 9 8\r\n"),
            "`HMSG a 1 9 8` has a header size above its total size",
        ),
        row(DecodeError::PayloadEnd, "a payload is not followed by CRLF"),
        row(
            DecodeError::Info(InfoError::Empty),
            "INFO without anything after it",
        ),
        row(InfoError::Empty, "INFO without anything after it"),
        row(
            InfoError::Json { at: 7 },
            "INFO with something that is not JSON, at byte 7",
        ),
        row(InfoError::NotAnObject, "INFO with JSON that is not an object"),
        said(
            "Empty",
            SubjectError::Empty,
            "the subject or queue group is empty; give at least one token",
        ),
        said(
            "EmptyToken",
            SubjectError::EmptyToken { at: 2 },
            "the subject has an empty token at byte 2; remove the dot",
        ),
        said(
            "Byte",
            SubjectError::Byte { byte: b' ', at: 2 },
            "the subject or queue group has the byte 0x20 at 2; blanks and control characters are not allowed",
        ),
        said(
            "Wildcard",
            SubjectError::Wildcard { at: 2 },
            "the subject has a wildcard at byte 2; only subscriptions may use wildcards",
        ),
        said(
            "TailNotLast",
            SubjectError::TailNotLast { at: 2 },
            "the subject has a `>` at byte 2 that is not the last token; use `*` there",
        ),
        row(
            EncodeError::ControlLineTooLong {
                len: 5000,
                limit: 4096,
            },
            "the control line would have 5000 bytes of arguments, 4096 are allowed; use shorter subjects",
        ),
        row(
            EncodeError::MessageTooLarge { len: 1 << 30 },
            "headers and payload have 1073741824 bytes, at most 999999999 can be sent; send it in parts",
        ),
        row(
            EncodeError::Field { field: "subject" },
            "the subject would not be read as one field; remove what ends a field or a line",
        ),
        row(
            ServerDecodeError::UnknownOperation,
            "not an operation of a client",
        ),
        row(
            ServerDecodeError::ControlLineTooLong { limit: 4096 },
            "a control line has more than 4096 bytes of arguments",
        ),
        row(
            ServerDecodeError::PayloadTooLarge { limit: 1024 },
            "a message is larger than 1024 bytes",
        ),
        row(
            ServerDecodeError::ClientProtocol,
            "a CONNECT with a protocol that is neither 0 nor 1",
        ),
        row(ServerDecodeError::Arguments, "an operation with wrong fields"),
        row(ServerDecodeError::ConnectJson, "a CONNECT that is not JSON"),
        row(ServerDecodeError::InfoJson, "an INFO that is not JSON"),
        row(ServerDecodeError::ErrFromClient, "an -ERR from a client"),
        row(
            server_error("'Authorization Violation'"),
            "Authorization Violation",
        ),
    ]
}

fn machine() -> Vec<Row> {
    let (yes, no) = (true, false);
    vec![
        row(
            ConfigError::NoServers,
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            ConfigError::ZeroMaxReconnects,
            "max_reconnects is 0: use `reconnect = false` for no reconnecting, or at least 1 attempt a server",
        ),
        row(
            ConfigError::ZeroMaxPingsOut,
            "max_pings_out is 0: at least 1 PING must be allowed to be unanswered",
        ),
        row(
            ConfigError::ZeroDuration {
                setting: "ping_interval",
            },
            "ping_interval is zero: give it some time",
        ),
        row(
            ConfigError::DropOldestWithAtLeastOnce,
            "when_full = DropOldest contradicts delivery = AtLeastOnce: use Error or Off",
        ),
        row(PublishError::Closed, "the connection is closed: make another one"),
        row(
            PublishError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            PublishError::BufferFull { limit: 8388608 },
            "the send buffer is full (8388608 bytes): wait for room, or raise `send_buffer`",
        ),
        row(
            PublishError::NotConnected,
            "not connected, and nothing is taken during an outage: wait for `Reconnected`, or use when_full = Error",
        ),
        row(
            PublishError::TooLarge {
                size: 9,
                max_payload: 8,
            },
            "headers and payload are 9 bytes, the server takes 8: send it in parts, or raise max_payload there",
        ),
        row(
            PublishError::HeadersUnsupported,
            "the server does not support headers: publish without, or use a server of version 2.2 or newer",
        ),
        row(
            PublishError::ControlLineTooLong {
                size: 5000,
                max: 4096,
            },
            "the control line would be 5000 bytes long, a server takes 4096: shorten the subjects",
        ),
        row(
            SubscribeError::Closed,
            "the connection is closed: make another one",
        ),
        row(
            SubscribeError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            SubscribeError::ControlLineTooLong {
                size: 5000,
                max: 4096,
            },
            "the control line would be 5000 bytes long, a server takes 4096: shorten the subject",
        ),
        row(
            SubscriptionError::Unknown,
            "no such subscription: it has ended, make another one",
        ),
        row(
            RequestStartError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            RequestStartError::TooMany,
            "too many requests wait for their replies: wait for some, or give them a shorter timeout",
        ),
        row(
            RequestStartError::Publish(PublishError::Closed),
            "the connection is closed: make another one",
        ),
        row(
            RequestError::NoResponders,
            "no responders: nobody is subscribed to the subject, start what answers there",
        ),
        row(
            RequestError::TimedOut { written: yes },
            "timed out: no reply came, give it more time if the answer takes long",
        ),
        row(
            RequestError::TimedOut { written: no },
            "timed out before the request was written: there is no link, or the server does not read",
        ),
        row(
            RequestError::Disconnected { written: yes },
            "disconnected after the request was written, it may have been processed: ask again if it may be so twice",
        ),
        row(
            RequestError::Disconnected { written: no },
            "disconnected before the request was written: ask again",
        ),
        row(
            RequestError::Closed,
            "the connection was closed: make another one",
        ),
        row(
            RequestError::Refused,
            "refused by the permissions of the server: allow this user the subject, and the inbox of its replies",
        ),
        row(
            RequestError::Dropped,
            "the request was dropped before it was sent: the event `PublishDropped` says why",
        ),
        row(
            FlushError::Disconnected,
            "not connected, or disconnected before the server confirmed: flush again after `Reconnected`",
        ),
        row(FlushError::Closed, "the connection was closed: make another one"),
        row(StateError::Closed, "the connection is closed: make another one"),
        row(
            StateError::Draining,
            "the connection is draining: nothing new is taken, make another one",
        ),
        row(
            StateError::NoServers,
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(ConnectError::TimedOut, "timed out"),
        row(
            ConnectError::Link(refused()),
            "dialling failed: Connection refused (os error 111)",
        ),
        row(
            ConnectError::Server(server_error("'Authorization Violation'")),
            "the server answered: Authorization Violation",
        ),
        row(
            ConnectError::Protocol(undecodable("SSH-2.0-OpenSSH\r\n")),
            "this does not look like a NATS server: `SSH-2.0-OpenSSH` is not an operation of a NATS server; check that the port is that of NATS clients",
        ),
        row(
            ConnectError::ExpectedInfo,
            "this does not look like a NATS server: its first line is not INFO",
        ),
        row(
            ConnectError::TlsNotOffered,
            "TLS is required, but the server does not offer it: use nats:// or enable TLS on the server",
        ),
        row(
            ConnectError::TlsRaised,
            "the server was named with TLS while it was being spoken to without: the next attempt uses TLS",
        ),
        row(
            ConnectError::ClosedAfterTls,
            "the peer closed right after the TLS handshake: does it want a client certificate?",
        ),
        row(
            late(true),
            "the server answered: Authentication Timeout (our credentials took 2100 ms)",
        ),
        row(
            late(false),
            "the server answered: Authentication Timeout (our credentials had not come after 2100 ms)",
        ),
        row(
            ConnectError::PlaintextBeforeTls,
            "clear text arrived between INFO and the TLS handshake: somebody on the way may have put it there",
        ),
        row(
            ConnectError::Tls {
                detail: "unknown issuer".into(),
            },
            "TLS handshake failed: unknown issuer",
        ),
        row(
            ConnectError::Auth(AuthError::NoNonce),
            "the server sent no nonce to sign: it is not configured for NKEY authentication",
        ),
        row(
            ConnectError::CleartextCredentials,
            "refusing to send a password or token without TLS to a host that is not loopback: use tls://, or set cleartext_credentials to allow",
        ),
        row(
            AuthError::NoNonce,
            "the server sent no nonce to sign: it is not configured for NKEY authentication",
        ),
        row(
            AuthError::Unusable {
                detail: "no seed in the file".into(),
            },
            "credentials: no seed in the file",
        ),
        row(
            AuthError::Panicked {
                detail: "index out of bounds".into(),
            },
            "the credentials callback panicked: index out of bounds",
        ),
        row(LinkEnd::Eof, "the server closed the connection"),
        row(LinkEnd::Requested, "closed as asked"),
        row(
            LinkEnd::Resolve {
                detail: "no such name".into(),
            },
            "cannot resolve the name: no such name",
        ),
        row(refused(), "dialling failed: Connection refused (os error 111)"),
        row(
            LinkEnd::Tls {
                detail: "unknown issuer".into(),
            },
            "TLS: unknown issuer",
        ),
        row(
            LinkEnd::Io {
                kind: "broken_pipe",
                detail: "Broken pipe (os error 32)".into(),
            },
            "Broken pipe (os error 32)",
        ),
        row(DisconnectReason::Eof, "the server closed the connection"),
        row(
            DisconnectReason::Io(LinkEnd::Io {
                kind: "broken_pipe",
                detail: "Broken pipe".into(),
            }),
            "Broken pipe",
        ),
        row(DisconnectReason::Stale, "the server does not answer"),
        row(
            DisconnectReason::ServerError(server_error("'Stale Connection'")),
            "the server closed the connection: Stale Connection",
        ),
        row(
            DisconnectReason::Protocol(undecodable("MSG a 1\r\n")),
            "protocol: `MSG a 1` has the wrong number of fields",
        ),
        row(DisconnectReason::LameDuck, "the server is in lame duck mode"),
        row(DisconnectReason::Forced, "a reconnect was forced"),
        row(DisconnectReason::Closed, "closed"),
        row(
            RecordingError::NotARecording,
            "this is not a recording of a connection",
        ),
        row(
            RecordingError::Version { found: 99 },
            "the recording has version 99, this program reads version 2",
        ),
        row(
            RecordingError::Truncated { at: 12 },
            "the recording breaks off behind byte 12",
        ),
        row(
            RecordingError::Invalid {
                at: 12,
                what: "a link",
            },
            "byte 12 of the recording should be behind a link, and is not",
        ),
        row(
            ReplayError::Recording(RecordingError::NotARecording),
            "this is not a recording of a connection",
        ),
        row(
            ReplayError::Config(ConfigError::NoServers),
            "the settings of the recording: no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        row(
            ReplayError::TooLarge { record: 3, size: 99 },
            "record 3 claims 99 bytes, at once or beside what is held already",
        ),
        row(
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
    let eof = || failed(Phase::Info, ConnectError::Link(LinkEnd::Eof));
    let violation = ConnectError::Server(server_error("'Authorization Violation'"));
    vec![
        said(
            "Start",
            ConnectFailure::Start(StartError::Url(UrlError::Port)),
            "the server URL has a port that is not a number from 1 to 65535",
        ),
        said(
            "Unreachable",
            ConnectFailure::Unreachable {
                failures: vec![failed(Phase::Dial, ConnectError::Link(refused()))],
            },
            "cannot connect: nats://dial.test:4222: dialling failed: Connection refused (os error 111) (is a server running there, and is the port right?)",
        ),
        said(
            "Unreachable",
            ConnectFailure::Unreachable {
                failures: vec![eof(), failed(Phase::Auth, violation)],
            },
            "cannot connect: nats://info.test:4222: the server closed the connection (something accepts connections there and closes them without greeting: is it a NATS server?); nats://auth.test:4222: the server answered: Authorization Violation (check user, password, token or credentials)",
        ),
        said(
            "Unreachable",
            ConnectFailure::Unreachable {
                failures: vec![failed(Phase::Dial, ConnectError::TimedOut)],
            },
            "cannot connect: nats://dial.test:4222: timed out (nothing answers there: check the address and the firewall, or raise connect_timeout)",
        ),
        said(
            "Unreachable",
            ConnectFailure::Unreachable {
                failures: vec![failed(
                    Phase::Resolve,
                    ConnectError::Link(LinkEnd::Resolve {
                        detail: "no such name".into(),
                    }),
                )],
            },
            "cannot connect: nats://resolve.test:4222: cannot resolve the name: no such name (is the name spelled right?)",
        ),
        said(
            "Closed",
            ConnectFailure::Closed {
                reason: ClosedReason::Requested,
                failures: vec![eof()],
            },
            "the connection was closed before it was up: requested; nats://info.test:4222: the server closed the connection (something accepts connections there and closes them without greeting: is it a NATS server?)",
        ),
        said(
            "Url",
            StartError::Url(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        said(
            "Config",
            StartError::Config(ConfigError::NoServers),
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        said(
            "Contradiction",
            StartError::Contradiction {
                first: "token",
                second: "user_password",
            },
            "token contradicts user_password: set one of them",
        ),
        said(
            "NoRandomness",
            StartError::NoRandomness {
                detail: "no such device".into(),
            },
            "the operating system gives no random bytes (no such device): set a seed of your own that nobody can guess",
        ),
        said(
            "NoDriver",
            StartError::NoDriver {
                detail: "there is no runtime".into(),
            },
            "cannot run the connection: there is no runtime",
        ),
        said(
            "Refused",
            PublishFailure::Refused(PublishError::Closed),
            "the connection is closed: make another one",
        ),
        said(
            "TimedOut",
            PublishFailure::TimedOut(Duration::from_secs(5)),
            "no room in the send buffer for 5s: the server takes less than is published, or there is no link",
        ),
        said(
            "NotSent",
            RequestFailure::NotSent(RequestStartError::Draining),
            "the request was not sent: the connection is draining: nothing new is taken, make another one",
        ),
        said(
            "Failed",
            RequestFailure::Failed(RequestError::NoResponders),
            "no responders: nobody is subscribed to the subject, start what answers there",
        ),
        said(
            "NoReplySubject",
            RespondError::NoReplySubject,
            "the message has no reply subject that can be published to: its sender waits for no answer",
        ),
        said(
            "Publish",
            RespondError::Publish(PublishFailure::Refused(PublishError::Draining)),
            "the connection is draining: nothing new is taken, make another one",
        ),
        said("TimedOut", NextError::TimedOut, "nothing came in time: ask again"),
        said("Ended", NextError::Ended, "nothing follows: it has ended"),
    ]
}

fn tls() -> Vec<Row> {
    let detail = || String::from("no PEM certificate in it");
    let path = || PathBuf::from("/etc/nats/ca.pem");
    vec![
        said(
            "NoCryptography",
            TlsError::NoCryptography,
            "no cryptography was built in: enable the feature `ring` or `aws-lc-rs`, or give a ready configuration with TlsOptions::with_config",
        ),
        said(
            "NoAuthority",
            TlsError::NoAuthority,
            "no authority is trusted: name one with TlsOptions::with_ca_file, or enable the feature `system-roots` to trust those of the system",
        ),
        said(
            "SystemRootsNotBuilt",
            TlsError::SystemRootsNotBuilt,
            "the roots of the system were asked for: enable the feature `system-roots`",
        ),
        said(
            "NoSystemRoots",
            TlsError::NoSystemRoots {
                detail: "none were found".into(),
            },
            "the system has no root certificates (none were found): install them, set SSL_CERT_FILE, or name an authority with TlsOptions::with_ca_file",
        ),
        said(
            "Unreadable",
            TlsError::Unreadable {
                path: path(),
                detail: "No such file or directory (os error 2)".into(),
            },
            "cannot read /etc/nats/ca.pem: No such file or directory (os error 2)",
        ),
        said(
            "Authority",
            TlsError::Authority {
                path: path(),
                detail: detail(),
            },
            "/etc/nats/ca.pem: no PEM certificate in it",
        ),
        said(
            "ClientCertificate",
            TlsError::ClientCertificate { detail: detail() },
            "client certificate: no PEM certificate in it",
        ),
        said(
            "Provider",
            TlsError::Provider {
                detail: "the vault is sealed".into(),
            },
            "the vault is sealed",
        ),
        said(
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
        said("Unknown", CommandError::Unknown, "no such command"),
        said("Usage", CommandError::Usage("flush"), "usage: flush"),
        said("NotUtf8", CommandError::NotUtf8, "not UTF-8"),
        said(
            "Escape",
            CommandError::Escape,
            "an escape that is none: use \\r \\n \\t \\s \\\\ \\xNN",
        ),
        said(
            "Number",
            CommandError::Number("x".parse::<u8>().expect_err("no number")),
            "not a number: invalid digit found in string",
        ),
        said(
            "Subject",
            CommandError::Subject(SubjectError::Empty),
            "the subject or queue group is empty; give at least one token",
        ),
        said(
            "Header",
            CommandError::Header(HeaderError::NameEmpty),
            "the header name is empty",
        ),
        said(
            "HeaderForm",
            CommandError::HeaderForm,
            "a header is written hdr=KEY:VALUE",
        ),
        said(
            "Url",
            CommandError::Url(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        said(
            "Unknown",
            FlagsError::Unknown("--sever".into()),
            "no such flag: --sever",
        ),
        said(
            "Stray",
            FlagsError::Stray,
            "a word without a flag: a server is given with --server, and a value with blanks in quotes",
        ),
        said(
            "NoValue",
            FlagsError::NoValue("--server"),
            "--server needs a value",
        ),
        said(
            "Value",
            FlagsError::Value {
                flag: "--port",
                value: "x".into(),
                expected: "a number".into(),
            },
            "--port cannot be \"x\": a number",
        ),
        said("NotUtf8", FlagsError::NotUtf8, "an argument is not UTF-8"),
        said(
            "Contradiction",
            FlagsError::Contradiction("--user", "--token"),
            "--user contradicts --token",
        ),
        said(
            "Alone",
            FlagsError::Alone("--user", "--password"),
            "--user needs --password, too",
        ),
        said(
            "Url",
            FlagsError::Url(UrlError::Empty),
            "the server URL is empty; give for example `nats://localhost:4222`",
        ),
        said(
            "Setting",
            FlagsError::Setting(ConfigError::NoServers),
            "no servers: give at least one URL, such as nats://127.0.0.1:4222",
        ),
        said(
            "Start",
            FlagsError::Start(StartError::NoDriver {
                detail: "there is no runtime".into(),
            }),
            "cannot run the connection: there is no runtime",
        ),
    ]
}

fn table() -> Vec<Row> {
    [protocol(), machine(), handles(), tls(), console()]
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

/// The errors that return values of `main` are made of: what applications meet first.
#[test]
fn an_error_at_the_end_of_main_is_a_line_for_people_and_holds_no_secret() {
    let mut noise = Vec::new();
    for row in table() {
        let printed = format!("{:?}", row.error);
        assert!(!printed.contains("s3cret"), "{}", row.name);
        assert!(!printed.contains('\n'), "{}: {printed}", row.name);
        if printed != row.error.to_string() {
            noise.push(row.name.split("::").next().unwrap_or_default().to_owned());
        }
    }
    noise.dedup();
    assert_eq!(noise, NOISE, "what prints as its structure");
}

/// What prints as its structure: errors of the machine and of the inner parts of the codec, to distinguish them in logs.
const NOISE: &[&str] = &[
    "ConnectError",
    "DecodeError",
    "InfoError",
    "EncodeError",
    "ServerDecodeError",
    "ServerError",
    "ConfigError",
    "PublishError",
    "SubscribeError",
    "SubscriptionError",
    "RequestStartError",
    "RequestError",
    "FlushError",
    "StateError",
    "ConnectError",
    "AuthError",
    "LinkEnd",
    "DisconnectReason",
    "RecordingError",
    "ReplayError",
];

#[test]
fn every_public_error_of_the_crates_has_a_row() {
    let rows: BTreeSet<String> = table().into_iter().map(|row| row.name).collect();
    let mut declared = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for crate_ in [
        "nats-proto",
        "nats-conn-sm",
        "adapters/client",
        "adapters/console",
        "adapters/std",
        "adapters/tokio",
        "adapters/async-std",
    ] {
        for file in sources(&root.join(crate_).join("src")) {
            declared.extend(errors_in(&fs::read_to_string(file).expect("readable")));
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
