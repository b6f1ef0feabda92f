//! Settings of TLS, and of who we are.

use std::future::Future;
#[cfg(feature = "nkeys")]
use std::path::PathBuf;
use std::time::Duration;

use nats_conn_sm::{AuthError, CleartextPolicy, Credentials};
use nats_proto::Secret;

use crate::options::connect::ConnectOptions;
use crate::options::identity::Challenge;
#[cfg(feature = "nkeys")]
use crate::options::nkey::KeySource;
use crate::options::tls::TlsOptions;

impl<A> ConnectOptions<A> {
    /// How to make TLS. Default: what the operating system trusts is trusted, with the feature `system-roots`.
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// TLS whatever the URL says; an attempt without it fails. Default: `false`.
    pub fn tls_required(mut self, required: bool) -> Self {
        self.config.tls_required = required;
        self
    }

    /// Begin TLS before INFO with every server, as those with `handshake_first` expect. Default: `false`. For single
    /// servers, and for the name that a certificate must be for, see
    /// [`ServerUrl::with_tls_first`](nats_proto::ServerUrl::with_tls_first) and
    /// [`ServerUrl::with_tls_name`](nats_proto::ServerUrl::with_tls_name):
    ///
    /// ```
    /// use nats_conn_client::{ConnectOptions, ServerUrl};
    ///
    /// let first = ServerUrl::parse("tls://10.0.0.1:4222")?.with_tls_name("nats.example.com").with_tls_first(true);
    /// let options = ConnectOptions::<()>::new(vec![first, ServerUrl::parse("tls://backup.example.com")?]);
    /// # Ok::<(), nats_conn_client::proto::UrlError>(())
    /// ```
    pub fn tls_first(mut self, first: bool) -> Self {
        self.config.tls_first = first;
        self
    }

    /// A user with a password. User information in the URL of a server goes before it.
    ///
    /// Everything that is set of who we are goes into CONNECT: a user with a password, or a token, beside an NKEY or a
    /// JWT, as servers with an auth callout may want it. Two of the same kind, such as a token and a user, are
    /// [`StartError::Contradiction`](crate::StartError::Contradiction).
    pub fn user_password(mut self, user: impl Into<Secret>, password: impl Into<Secret>) -> Self {
        self.identity
            .set_user_password(Credentials::user_password(user, password));
        self.asking()
    }

    /// A token. User information in the URL of a server goes before it. It may stand beside an NKEY or a JWT: see
    /// [`user_password`](Self::user_password).
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.identity.set_token(Credentials::token(token));
        self.asking()
    }

    /// Credentials that stay as they are. What they leave open other options may say.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.identity.set_credentials(credentials);
        self.asking()
    }

    /// Asks for credentials at every attempt: all of them, so that no other option may say who we are. Servers wait some
    /// 2 s for the answer.
    ///
    /// ```
    /// # use nats_conn_client::{ConnectOptions, Credentials, AuthError, Challenge};
    /// # fn example<A>(options: ConnectOptions<A>) -> ConnectOptions<A> {
    /// options.credentials_callback(|challenge: Challenge| async move {
    ///     let token = "fetched from a vault for each attempt";
    ///     Ok::<_, AuthError>(Credentials::token(token))
    /// })
    /// # }
    /// ```
    pub fn credentials_callback<F, R>(mut self, callback: F) -> Self
    where
        F: Fn(Challenge) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Credentials, AuthError>> + Send + 'static,
    {
        self.identity.set_callback(callback);
        self.asking()
    }

    /// An NKEY, by its seed. It signs the nonce of the server; one that sends none fails the attempt
    /// ([`AuthError::NoNonce`]).
    #[cfg(feature = "nkeys")]
    pub fn nkey_seed(mut self, seed: impl Into<Secret>) -> Self {
        self.identity.set_keys("nkey_seed", KeySource::Seed(seed.into()));
        self.asking()
    }

    /// An NKEY, by a file with its seed, which is read again at every attempt; see [`nkey_seed`](Self::nkey_seed). UTF-8,
    /// with or without a byte order mark.
    #[cfg(feature = "nkeys")]
    pub fn nkey_seed_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity
            .set_keys("nkey_seed_file", KeySource::SeedFile(path.into()));
        self.asking()
    }

    /// A user JWT and its seed, as the text of a `.creds` file. The seed signs the nonce of the server; one that sends none,
    /// because it wants no credentials, gets a signature of nothing.
    #[cfg(feature = "nkeys")]
    pub fn creds(mut self, creds: impl Into<Secret>) -> Self {
        self.identity.set_keys("creds", KeySource::Creds(creds.into()));
        self.asking()
    }

    /// A user JWT and its seed, in a `.creds` file, which is read again at every attempt; see [`creds`](Self::creds).
    /// UTF-8, with or without a byte order mark.
    #[cfg(feature = "nkeys")]
    pub fn creds_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity
            .set_keys("creds_file", KeySource::CredsFile(path.into()));
        self.asking()
    }

    /// What to do with a password or token that would leave in clear text for another host. Default: warn.
    pub fn cleartext_credentials(mut self, policy: CleartextPolicy) -> Self {
        self.config.cleartext_credentials = policy;
        self
    }

    /// How far apart two equal authentication errors of a server must be for it to leave the pool. Default: 10 s.
    pub fn auth_strike_gap(mut self, gap: Duration) -> Self {
        self.config.auth_strike_gap = gap;
        self
    }

    /// Never remove a server for its authentication errors. Default: `false`.
    pub fn ignore_auth_strikes(mut self, ignore: bool) -> Self {
        self.config.ignore_auth_strikes = ignore;
        self
    }

    fn asking(mut self) -> Self {
        self.config.ask_credentials = true;
        self
    }
}
