//! What a client says about itself.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::secret::Secret;

/// What a client says about itself, in CONNECT, and how it proves who it is.
///
/// The default is a client without a name or credentials that wants neither `+OK` nor stricter checks, reads
/// its own messages, headers and INFO at any time. Only these fields are ever written (`client.go`); what is
/// `None` is left out.
///
/// ```
/// let mut connect = nats_proto::Connect::default();
/// connect.name = Some("billing".into());
/// connect.pass = Some("hunter2".into());
/// assert!(connect.to_json().contains(r#""name":"billing""#));
/// assert!(!format!("{connect:?}").contains("hunter2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect {
    /// Asks for `+OK` after every operation. Default: `false`; a server assumes `true` if the field is missing.
    pub verbose: bool,
    /// Asks for stricter checks of subjects. Default: `false`; a server assumes `true` if the field is missing.
    pub pedantic: bool,
    /// Says that the client insists on TLS. Default: `false`.
    pub tls_required: bool,
    /// The name of the connection, for monitoring. Default: none.
    pub name: Option<String>,
    /// The language of the client. Default: `rust`.
    pub lang: String,
    /// The version of the client. Default: the version of this crate.
    pub version: String,
    /// 1: the server may send INFO at any time. Default: 1. Servers refuse what is neither 0 nor 1.
    pub protocol: i64,
    /// Whether the connection receives what it publishes itself. Default: `true`.
    pub echo: bool,
    /// Whether the client reads headers: without it the server delivers none and refuses `HPUB`. Default: `true`.
    pub headers: bool,
    /// Whether to answer a request that nobody listens to with 503. Needs `headers`. Default: `true`.
    pub no_responders: bool,
    /// The user name.
    pub user: Option<Secret>,
    /// The password.
    pub pass: Option<Secret>,
    /// The token.
    pub auth_token: Option<Secret>,
    /// The user JWT.
    pub jwt: Option<Secret>,
    /// The public NKey.
    pub nkey: Option<String>,
    /// The signature over the nonce of INFO, in base64 for URLs without padding.
    pub sig: Option<Secret>,
}

/// Why a CONNECT cannot be read. Shows nothing of its content, which is secret.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("CONNECT with something that is not the JSON of its fields")]
pub struct ConnectError;

crate::debug_line::debug_line!(ConnectError);

impl ConnectError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        "connect_json"
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            verbose: false,
            pedantic: false,
            tls_required: false,
            name: None,
            lang: "rust".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: 1,
            echo: true,
            headers: true,
            no_responders: true,
            user: None,
            pass: None,
            auth_token: None,
            jwt: None,
            nkey: None,
            sig: None,
        }
    }
}

impl Connect {
    /// Reads the JSON of a CONNECT, as a server does: unknown fields are ignored, and what is missing is
    /// what the server assumes (`verbose`, `pedantic` and `echo` on, all else off or empty).
    ///
    /// # Errors
    /// [`ConnectError`] if it is not JSON or a field has another type.
    pub fn parse(json: &[u8]) -> Result<Self, ConnectError> {
        let fields: Fields<'_> = serde_json::from_slice(json).map_err(|_| ConnectError)?;
        let string = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let secret = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).map(Secret::from);
        Ok(Self {
            verbose: fields.verbose.unwrap_or(true),
            pedantic: fields.pedantic.unwrap_or(true),
            tls_required: fields.tls_required.unwrap_or_default(),
            name: string(fields.name),
            lang: string(fields.lang).unwrap_or_default(),
            version: string(fields.version).unwrap_or_default(),
            protocol: fields.protocol.unwrap_or_default(),
            echo: fields.echo.unwrap_or(true),
            headers: fields.headers.unwrap_or_default(),
            no_responders: fields.no_responders.unwrap_or_default(),
            user: secret(fields.user),
            pass: secret(fields.pass),
            auth_token: secret(fields.auth_token),
            jwt: secret(fields.jwt),
            nkey: string(fields.nkey),
            sig: secret(fields.sig),
        })
    }

    /// The JSON as it is written. It holds the secrets.
    pub fn to_json(&self) -> String {
        let fields = Fields {
            verbose: Some(self.verbose),
            pedantic: Some(self.pedantic),
            tls_required: Some(self.tls_required),
            name: self.name.as_deref().map(Cow::Borrowed),
            lang: Some(Cow::Borrowed(&self.lang)),
            version: Some(Cow::Borrowed(&self.version)),
            protocol: Some(self.protocol),
            echo: Some(self.echo),
            headers: Some(self.headers),
            no_responders: Some(self.no_responders),
            user: borrowed(&self.user),
            pass: borrowed(&self.pass),
            auth_token: borrowed(&self.auth_token),
            jwt: borrowed(&self.jwt),
            nkey: self.nkey.as_deref().map(Cow::Borrowed),
            sig: borrowed(&self.sig),
        };
        // Nothing in it can fail to be JSON: no maps with odd keys, no numbers that are not finite.
        serde_json::to_string(&fields).unwrap_or_default()
    }
}

/// The allow-list: what is written, in this order, and what is read. Secrets are borrowed, so that writing them
/// leaves no copy but the JSON.
#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    verbose: Option<bool>,
    pedantic: Option<bool>,
    tls_required: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    lang: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    protocol: Option<i64>,
    echo: Option<bool>,
    headers: Option<bool>,
    no_responders: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nkey: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<Cow<'a, str>>,
}

fn borrowed(secret: &Option<Secret>) -> Option<Cow<'_, str>> {
    secret.as_ref().map(|secret| Cow::Borrowed(secret.expose()))
}
