//! Where a server is, as people write it.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

use thiserror::Error;

use crate::one_line::OneLine;
use crate::secret::Secret;

/// Where a server is: scheme, host and port, and perhaps the credentials that stood in the URL; and, where it is
/// [set](Self::with_tls_name), how TLS is made with this server.
///
/// ```text
/// url = [ ( "nats" | "tls" ) "://" ] [ userinfo "@" ] host [ ":" [ port ] ] [ "/" ]
/// userinfo = token | user ":" password              (percent-encoded)
/// host = name | IPv4 address | "[" IPv6 address "]"
/// ```
///
/// Blanks around it are cut off; the port is 4222 if there is none. The host is kept in lower case. Neither
/// Display nor Debug shows the userinfo.
///
/// ```
/// use nats_proto::{Scheme, ServerUrl};
///
/// let url = ServerUrl::parse("tls://alice:hunter2@Example.com/")?;
/// assert_eq!((url.scheme(), url.host(), url.port()), (Scheme::Tls, "example.com", 4222));
/// assert_eq!(url.to_string(), "tls://example.com:4222");
/// assert_eq!(ServerUrl::parse_list("a, nats://[::1]:4333")?.len(), 2);
/// # Ok::<(), nats_proto::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    userinfo: Option<UserInfo>,
    /// Most servers are like all others.
    tls: Option<Box<TlsOfServer>>,
}

/// How TLS is made with one server.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct TlsOfServer {
    name: Option<String>,
    first: bool,
}

/// How a server is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `nats`: in clear text, unless the server wants TLS.
    Nats,
    /// `tls`: only with TLS.
    Tls,
}

/// The credentials of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserInfo {
    /// What stands before the `@` without a colon.
    Token(Secret),
    /// What stands before the `@` with a colon.
    Password {
        /// Before the colon.
        user: Secret,
        /// What follows the colon; it may be empty.
        password: Secret,
    },
}

/// Why a text is no URL of a server. Never shows userinfo.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no text, or nothing but commas and blanks.
    #[error("the server URL is empty; give for example `nats://localhost:4222`")]
    Empty,
    /// A WebSocket URL.
    #[error("`{}://` is not supported yet; use `nats://` or `tls://` and the port of plain clients", OneLine(.scheme))]
    WebSocket {
        /// `ws` or `wss`.
        scheme: String,
    },
    /// Another scheme.
    #[error("`{}://` is not a scheme of NATS; use `nats://` or `tls://`", OneLine(.scheme))]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// The URL begins with `://`.
    #[error("the server URL has nothing before `://`; use `nats://` or `tls://`")]
    EmptyScheme,
    /// What stands before the slashes is no scheme that is known, or there are slashes too many or too few, and it may
    /// be a user name or a token: an `@` follows.
    #[error(
        "the server URL does not begin as one; use `nats://` or `tls://`, once, and write `%2F` for `/` in userinfo"
    )]
    SchemeOrUserinfo,
    /// There is no host, or it has a character that none can have.
    #[error("the server URL has no usable host; give for example `nats://localhost:4222`")]
    Host,
    /// What stands in brackets is no IPv6 address, or one stands without brackets.
    #[error("the server URL has a bad IPv6 address; write it in brackets, as in `nats://[::1]:4222`")]
    Ipv6,
    /// The port is not a number from 1 to 65535.
    #[error("the server URL has a port that is not a number from 1 to 65535")]
    Port,
    /// The userinfo has a `%` that is not followed by two hexadecimal digits, or does not decode to UTF-8.
    #[error("the server URL has userinfo that is not percent-encoded UTF-8; write `%25` for `%`")]
    Userinfo,
    /// Something follows host and port.
    #[error("the server URL has something after host and port; remove it, or percent-encode the password")]
    Path,
}

impl UrlError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_url",
            Self::WebSocket { .. } => "websocket_unsupported",
            Self::Scheme { .. } => "unknown_scheme",
            Self::EmptyScheme => "empty_scheme",
            Self::SchemeOrUserinfo => "scheme_or_userinfo",
            Self::Host => "no_host",
            Self::Ipv6 => "bad_ipv6",
            Self::Port => "bad_port",
            Self::Userinfo => "bad_userinfo",
            Self::Path => "something_after_port",
        }
    }
}

crate::debug_line::debug_line!(UrlError);

const DEFAULT_PORT: u16 = 4222;

impl ServerUrl {
    /// Reads one URL.
    ///
    /// # Errors
    /// [`UrlError`] says what to change.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        let (scheme, rest) = split_scheme(text)?;
        let (userinfo, place) = match rest.rsplit_once('@') {
            Some((userinfo, _)) if is_misplaced_scheme(userinfo) => return Err(UrlError::SchemeOrUserinfo),
            Some((userinfo, place)) => (parse_userinfo(userinfo)?, place),
            None => (None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(UrlError::Path);
        }
        let (host, port) = split_port(place)?;
        Ok(Self {
            scheme,
            host,
            port: parse_port(port)?,
            userinfo,
            tls: None,
        })
    }

    /// Reads a list separated by commas. Empty pieces are skipped; a comma in userinfo is written `%2C`.
    ///
    /// # Errors
    /// [`UrlError`] of the first piece that is no URL; [`UrlError::Empty`] if there is none at all.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UrlError> {
        let pieces = text.split(',').filter(|piece| !piece.trim().is_empty());
        let urls = pieces.map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        if urls.is_empty() {
            Err(UrlError::Empty)
        } else {
            Ok(urls)
        }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The credentials, if there are any.
    pub fn userinfo(&self) -> Option<&UserInfo> {
        self.userinfo.as_ref()
    }

    /// Whether both name the same server: host and port are the same. Scheme and userinfo do not matter.
    pub fn has_identity_of(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }

    /// The same with other credentials, or without.
    #[must_use]
    pub fn with_userinfo(self, userinfo: Option<UserInfo>) -> Self {
        Self { userinfo, ..self }
    }

    /// The same with another scheme.
    #[must_use]
    pub fn with_scheme(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }

    /// Whether it is used with TLS only: its scheme says so, or that TLS comes first.
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::Tls || self.is_tls_first()
    }

    /// The name that the certificate of this server must be for, where that is not its host.
    pub fn tls_name(&self) -> Option<&str> {
        self.tls.as_ref()?.name.as_deref()
    }

    /// The same with another name that the certificate must be for: for a server that is dialled by an address, or
    /// through a tunnel. A DNS name or an IP address. It is also the name that is sent to the server (SNI).
    /// Whether TLS is used is not changed by it. Default: the host.
    ///
    /// ```
    /// use nats_proto::ServerUrl;
    ///
    /// let url = ServerUrl::parse("tls://10.0.0.1:4222")?.with_tls_name("nats.example.com");
    /// assert_eq!((url.host(), url.tls_name()), ("10.0.0.1", Some("nats.example.com")));
    /// # Ok::<(), nats_proto::UrlError>(())
    /// ```
    #[must_use]
    pub fn with_tls_name(self, name: impl Into<String>) -> Self {
        let first = self.is_tls_first();
        let name = Some(name.into());
        Self {
            tls: Some(Box::new(TlsOfServer { name, first })),
            ..self
        }
    }

    /// Whether TLS begins before INFO with this server.
    pub fn is_tls_first(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.first)
    }

    /// The same, with TLS that begins before INFO or after it: a server with `handshake_first` wants it before. `true`
    /// makes the scheme `tls`. Default: `false`.
    #[must_use]
    pub fn with_tls_first(self, first: bool) -> Self {
        let scheme = if first { Scheme::Tls } else { self.scheme };
        let name = self.tls.and_then(|tls| tls.name);
        // Nothing that is set and nothing that was never set are the same.
        let tls = (first || name.is_some()).then(|| Box::new(TlsOfServer { name, first }));
        Self { scheme, tls, ..self }
    }

    /// Whether the host is literally this machine: `localhost`, 127.0.0.0/8 or `::1`. No name is resolved.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// Whether the host is an address and no name.
    pub fn is_ip(&self) -> bool {
        self.address().is_some()
    }

    /// The host as an address; the zone of an IPv6 address is left out.
    fn address(&self) -> Option<IpAddr> {
        let host = self
            .host
            .split_once('%')
            .map_or(self.host.as_str(), |(address, _)| address);
        host.parse().ok()
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme, host, port, ..
        } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nats => "nats",
            Self::Tls => "tls",
        })
    }
}

/// Schemes that are written by mistake. Any other may as well be userinfo, and is not shown.
const FOREIGN_SCHEMES: [&str; 14] = [
    "amqp", "amqps", "ftp", "http", "https", "kafka", "mqtt", "mqtts", "redis", "rediss", "ssl", "stomp",
    "tcp", "udp",
];

/// The scheme and what follows it. What could not be a scheme is none: it may be a password with `://` in it.
fn split_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    if text.starts_with("://") {
        return Err(UrlError::EmptyScheme);
    }
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok((Scheme::Nats, text));
    };
    match scheme.to_ascii_lowercase() {
        scheme if scheme == "nats" => Ok((Scheme::Nats, rest)),
        scheme if scheme == "tls" => Ok((Scheme::Tls, rest)),
        scheme if scheme == "ws" || scheme == "wss" => Err(UrlError::WebSocket { scheme }),
        scheme if rest.contains('@') && !FOREIGN_SCHEMES.contains(&scheme.as_str()) => {
            Err(UrlError::SchemeOrUserinfo)
        }
        scheme => Err(UrlError::Scheme { scheme }),
    }
}

/// Whether what stands before an `@` is the rest of a scheme that was mistyped, or a second one.
fn is_misplaced_scheme(userinfo: &str) -> bool {
    if userinfo.starts_with('/') || userinfo.starts_with("://") {
        return true;
    }
    let word = userinfo
        .split_once(|character: char| !character.is_ascii_alphanumeric())
        .map_or(userinfo, |(word, _)| word);
    let behind = userinfo.get(word.len()..).unwrap_or_default();
    let is = |scheme: &str| word.eq_ignore_ascii_case(scheme);
    let is_ours = ["nats", "tls"].into_iter().any(is);
    let is_foreign = ["ws", "wss"].into_iter().chain(FOREIGN_SCHEMES).any(is);
    (is_ours && (behind.starts_with('/') || behind.starts_with(":/")))
        || (is_foreign && behind.starts_with("://"))
}

fn parse_userinfo(text: &str) -> Result<Option<UserInfo>, UrlError> {
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(match text.split_once(':') {
        None => UserInfo::Token(percent_decoded(text)?),
        Some((user, password)) => UserInfo::Password {
            user: percent_decoded(user)?,
            password: percent_decoded(password)?,
        },
    }))
}

fn percent_decoded(text: &str) -> Result<Secret, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = tail.split_at_checked(2).ok_or(UrlError::Userinfo)?;
        let digits = core::str::from_utf8(digits)
            .ok()
            .filter(|digits| !digits.starts_with('+'));
        let byte = digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or(UrlError::Userinfo)?;
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8(bytes)
        .map(Secret::from)
        .map_err(|_| UrlError::Userinfo)
}

/// The host, checked and in its usual form, and the text of the port.
fn split_port(place: &str) -> Result<(String, &str), UrlError> {
    if let Some(rest) = place.strip_prefix('[') {
        let (address, behind) = rest.split_once(']').ok_or(UrlError::Ipv6)?;
        let port = match behind.strip_prefix(':') {
            Some(port) => port,
            None if behind.is_empty() => "",
            None => return Err(UrlError::Path),
        };
        return Ok((parse_ipv6(address)?, port));
    }
    let (host, port) = place.split_once(':').unwrap_or((place, ""));
    if port.contains(':') {
        // More than one colon: an IPv6 address without brackets, whose port cannot be determined.
        return Err(UrlError::Ipv6);
    }
    let usable = |character: char| character.is_alphanumeric() || matches!(character, '-' | '.' | '_');
    if !host.contains(char::is_alphanumeric) || !host.chars().all(usable) {
        return Err(UrlError::Host);
    }
    Ok((host.to_ascii_lowercase(), port))
}

/// An address, with a zone (`%eth0`) kept as it is.
fn parse_ipv6(text: &str) -> Result<String, UrlError> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| UrlError::Ipv6)?;
    let mut host = address.to_string();
    if let Some(zone) = zone {
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        if zone.is_empty() || !zone.bytes().all(usable) {
            return Err(UrlError::Ipv6);
        }
        host.push('%');
        host.push_str(zone);
    }
    Ok(host)
}

fn parse_port(text: &str) -> Result<u16, UrlError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| only_digits && *port != 0)
        .ok_or(UrlError::Port)
}
