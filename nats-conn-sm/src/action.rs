//! What the machine asks its driver to do.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use nats_proto::Secret;

use crate::ids::{AttemptId, LinkId, ServerId};
use crate::servers::{Server, ServerStatus};

/// Something only the outside can do. Taken with [`Connection::poll_action`](crate::Connection::poll_action).
///
/// Exhaustive on purpose: a driver that ignores an action hangs, so a new one must break its build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a byte stream to a server and answer with
    /// [`handle_connected`](crate::Connection::handle_connected), or with
    /// [`handle_link_closed`](crate::Connection::handle_link_closed) if that fails. At most one link is asked
    /// for at a time; the one before has been given up.
    Connect {
        /// The link to be.
        link: LinkId,
        /// Where to: its host and port are to be dialled. A TLS handshake, also one before INFO, is asked for with
        /// [`Action::UpgradeTls`].
        server: Server,
    },
    /// Make a TLS handshake over the stream of this link, verify the certificate against
    /// [`Server::tls_name`], and answer with [`handle_tls`](crate::Connection::handle_tls) or
    /// [`handle_link_closed`](crate::Connection::handle_link_closed). What was read before and lies in the
    /// receive buffer is no part of TLS, and is reported with that call.
    UpgradeTls {
        /// The link.
        link: LinkId,
        /// Its server.
        server: Server,
    },
    /// Provide credentials, with [`handle_credentials`](crate::Connection::handle_credentials). The answer may take
    /// until the deadline of the attempt; servers wait about 2 s by default.
    Authenticate {
        /// The link.
        link: LinkId,
        /// Its server.
        server: Server,
        /// What an NKEY has to sign, if the server sent one.
        nonce: Option<String>,
    },
    /// Choose the server of the next attempt, with
    /// [`handle_server_choice`](crate::Connection::handle_server_choice). Only with
    /// [`Config::custom_selection`](crate::Config::custom_selection).
    ChooseServer {
        /// Which question this is.
        attempt: AttemptId,
        /// The pool as it is.
        servers: Vec<ServerStatus>,
        /// The server that would come next by itself.
        default: ServerId,
        /// How long would be waited for it.
        default_delay: Duration,
    },
    /// Give up this link: what remains in its [`SendBuf`](crate::SendBuf) goes back with
    /// [`handle_link_closed`](crate::Connection::handle_link_closed) at once, without waiting for the socket
    /// to close.
    Disconnect {
        /// The link.
        link: LinkId,
        /// Drop the socket without an orderly shutdown: its peer is gone, or the attempt has failed.
        abort: bool,
    },
}

/// The credentials of CONNECT. Built by a driver for one attempt, and not kept.
///
/// ```
/// use nats_conn_sm::Credentials;
///
/// let credentials = Credentials::user_password("ann", "s3cret");
/// assert!(!format!("{credentials:?}").contains("s3cret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// User name.
    pub user: Option<Secret>,
    /// Password.
    pub password: Option<Secret>,
    /// Token.
    pub token: Option<Secret>,
    /// User JWT.
    pub jwt: Option<Secret>,
    /// Public NKEY.
    pub nkey: Option<String>,
    /// Signature over the nonce, base64 (URL alphabet, no padding).
    pub signature: Option<Secret>,
}

impl Credentials {
    /// A user with a password.
    pub fn user_password(user: impl Into<Secret>, password: impl Into<Secret>) -> Self {
        Self {
            user: Some(user.into()),
            password: Some(password.into()),
            ..Self::default()
        }
    }

    /// A token.
    pub fn token(token: impl Into<Secret>) -> Self {
        Self {
            token: Some(token.into()),
            ..Self::default()
        }
    }

    /// A public NKEY and its signature over the nonce.
    pub fn nkey(public_key: impl Into<String>, signature: impl Into<Secret>) -> Self {
        Self {
            nkey: Some(public_key.into()),
            signature: Some(signature.into()),
            ..Self::default()
        }
    }

    /// A user JWT and the signature of its key over the nonce.
    pub fn jwt(jwt: impl Into<Secret>, signature: impl Into<Secret>) -> Self {
        Self {
            jwt: Some(jwt.into()),
            signature: Some(signature.into()),
            ..Self::default()
        }
    }

    /// Whether something in it must not be seen by others on the way: a password or a token.
    pub fn has_cleartext_secret(&self) -> bool {
        self.password.is_some() || self.token.is_some()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
            ("token", self.token.is_some()),
            ("jwt", self.jwt.is_some()),
            ("nkey", self.nkey.is_some()),
            ("signature", self.signature.is_some()),
        ];
        let mut map = f.debug_map();
        for (kind, present) in kinds {
            if present {
                map.entry(&kind, &format_args!("[redacted]"));
            }
        }
        map.finish()
    }
}
