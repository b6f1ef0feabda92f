//! What a server says about itself.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::control_line::trim;

/// What a server says about itself, in INFO: first of all, and again whenever something changes.
///
/// Every field may be missing or null. One whose type or range is not what is expected counts as missing, and
/// unknown ones are ignored: a server may be newer than this crate, or no server but a proxy. The fields are
/// those of `server.go` that reach clients.
///
/// ```
/// let info = nats_proto::ServerInfo::parse(br#"{"version":"2.15.1","headers":true,"port":-1,"new":{}}"#)?;
/// assert_eq!((info.version.as_deref(), info.headers, info.port), (Some("2.15.1"), true, None));
/// # Ok::<(), nats_proto::InfoError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The identity of the server process, an NKey.
    pub server_id: Option<String>,
    /// The name of the server; its id if it was given none.
    pub server_name: Option<String>,
    /// The version, such as `2.15.1`, possibly with a suffix.
    pub version: Option<String>,
    /// The protocol: 1 and above may send INFO at any time and knows `echo`.
    pub proto: Option<i64>,
    /// The commit it was built from.
    pub git_commit: Option<String>,
    /// The version of Go it was built with.
    pub go: Option<String>,
    /// The address it listens on, often `0.0.0.0`; it may be a name. Never what to connect to.
    pub host: Option<String>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// Its address as routes see it.
    pub ip: Option<String>,
    /// Whether it takes and delivers headers.
    pub headers: bool,
    /// Whether it wants credentials. Absent where a `no_auth_user` is set.
    pub auth_required: bool,
    /// Whether it continues only with TLS.
    pub tls_required: bool,
    /// Whether it wants a certificate of the client.
    pub tls_verify: bool,
    /// Whether it can continue with TLS, or without.
    pub tls_available: bool,
    /// The largest message it takes, in bytes of headers and payload. The account may lower it in a later INFO.
    pub max_payload: Option<u64>,
    /// Whether JetStream is on.
    pub jetstream: bool,
    /// The number of this connection at the server.
    pub client_id: Option<u64>,
    /// The address the server sees the client at.
    pub client_ip: Option<String>,
    /// What to sign for NKey and JWT authentication. Only in the first INFO of a link.
    pub nonce: Option<String>,
    /// The name of the cluster.
    pub cluster: Option<String>,
    /// Whether the name of the cluster was made up by the server.
    pub cluster_dynamic: bool,
    /// The JetStream domain.
    pub domain: Option<String>,
    /// Where else the cluster can be reached: `host:port` without scheme, its own address first.
    pub connect_urls: Vec<String>,
    /// The same for WebSocket.
    pub ws_connect_urls: Vec<String>,
    /// Whether the server is in lame duck mode: about to shut down.
    pub ldm: bool,
    /// Whether this INFO answers CONNECT (2.12 and later, after the first PONG).
    pub connect_info: bool,
    /// The account of this connection; only with `connect_info`.
    pub remote_account: Option<String>,
    /// Whether that is the system account; only with `connect_info`.
    pub acc_is_sys: bool,
    /// The level of the JetStream API.
    pub api_lvl: Option<i64>,
    /// The curve key of the server.
    pub xkey: Option<String>,
}

/// Why an INFO cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InfoError {
    /// There is nothing after the word.
    #[error("INFO without anything after it")]
    Empty,
    /// What is there is not JSON.
    #[error("INFO with something that is not JSON, at byte {at}")]
    Json {
        /// Where, from the beginning of the JSON.
        at: usize,
    },
    /// What is there is JSON, but not an object.
    #[error("INFO with JSON that is not an object")]
    NotAnObject,
}

crate::debug_line::debug_line!(InfoError);

impl InfoError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_info",
            Self::Json { .. } => "info_json",
            Self::NotAnObject => "info_not_an_object",
        }
    }
}

impl ServerInfo {
    /// Reads the JSON of an INFO; blanks around it are ignored.
    ///
    /// Bytes that are not UTF-8 are replaced, as Go does it.
    ///
    /// # Errors
    /// [`InfoError`] if it is not a JSON object; wrong fields are none.
    pub fn parse(json: &[u8]) -> Result<Self, InfoError> {
        let json = trim(json);
        if json.is_empty() {
            return Err(InfoError::Empty);
        }
        let text = String::from_utf8_lossy(json);
        match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => Ok(Self::from_fields(fields)),
            Ok(_) => Err(InfoError::NotAnObject),
            Err(error) => Err(InfoError::Json { at: error.column() }),
        }
    }

    /// The JSON with the fields that are set.
    pub fn to_json(&self) -> String {
        Value::Object(self.to_fields()).to_string()
    }

    /// Takes over what a later INFO of the same link says.
    ///
    /// What it does not name stays as it is. So do the nonce, which only the first INFO has, and `headers`, which
    /// was negotiated with CONNECT. `ldm` stays once it was set: a server in lame duck mode does not come back.
    pub fn merge(&mut self, newer: Self) {
        let (nonce, headers, ldm) = (self.nonce.take(), self.headers, self.ldm);
        let acc_is_sys = if newer.remote_account.is_none() {
            self.acc_is_sys
        } else {
            newer.acc_is_sys
        };
        self.merge_fields(newer);
        self.nonce = nonce;
        self.headers = headers;
        self.acc_is_sys = acc_is_sys;
        self.ldm |= ldm;
    }
}

/// Lists the fields once for reading, writing and merging; each is called in JSON as it is here.
macro_rules! info_fields {
    ($($field:ident)+) => {
        impl ServerInfo {
            fn from_fields(mut fields: Map<String, Value>) -> Self {
                Self { $($field: fields.remove(stringify!($field)).map(Field::read).unwrap_or_default(),)+ }
            }

            fn to_fields(&self) -> Map<String, Value> {
                let mut fields = Map::new();
                $(if let Some(value) = self.$field.write() {
                    fields.insert(stringify!($field).to_owned(), value);
                })+
                fields
            }

            fn merge_fields(&mut self, newer: Self) {
                $(if newer.$field.replaces() {
                    self.$field = newer.$field;
                })+
            }
        }
    };
}

info_fields! {
    server_id server_name version proto git_commit go host port ip headers auth_required tls_required tls_verify
    tls_available max_payload jetstream client_id client_ip nonce cluster cluster_dynamic domain connect_urls
    ws_connect_urls ldm connect_info remote_account acc_is_sys api_lvl xkey
}

/// A type that a field of INFO can have.
trait Field: Default {
    /// From what stands in the JSON; the default if that is something else.
    fn read(value: Value) -> Self;
    /// What to write; nothing if it is not set.
    fn write(&self) -> Option<Value>;
    /// Whether it takes the place of what an earlier INFO said.
    fn replaces(&self) -> bool;
}

impl Field for bool {
    fn read(value: Value) -> Self {
        value.as_bool().unwrap_or_default()
    }

    fn write(&self) -> Option<Value> {
        self.then_some(Value::Bool(true))
    }

    fn replaces(&self) -> bool {
        // The server leaves out what is false.
        true
    }
}

impl Field for Vec<String> {
    fn read(value: Value) -> Self {
        match value {
            Value::Array(items) => items.into_iter().filter_map(Option::read).collect(),
            _ => Self::new(),
        }
    }

    fn write(&self) -> Option<Value> {
        (!self.is_empty()).then(|| self.iter().map(String::as_str).collect())
    }

    fn replaces(&self) -> bool {
        !self.is_empty()
    }
}

macro_rules! optional_field {
    ($type:ty, $read:expr) => {
        impl Field for Option<$type> {
            fn read(value: Value) -> Self {
                $read(value)
            }

            fn write(&self) -> Option<Value> {
                self.clone().map(Value::from)
            }

            fn replaces(&self) -> bool {
                self.is_some()
            }
        }
    };
}

optional_field!(String, |value| match value {
    Value::String(text) => Some(text),
    _ => None,
});
optional_field!(u64, |value: Value| value.as_u64());
optional_field!(i64, |value: Value| value.as_i64());
optional_field!(u16, |value: Value| value
    .as_u64()
    .and_then(|number| number.try_into().ok()));
