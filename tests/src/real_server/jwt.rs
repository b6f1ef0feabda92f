//! Decentralised authentication made for one test: an operator, its accounts, their users.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use super::ServerConfig;

/// An operator with a system account and the accounts made by it; [`configure`](Self::configure) sets up a server.
///
/// ```
/// use nats_conn_tests::real_server::{Operator, ServerConfig};
///
/// let mut operator = Operator::new();
/// let account = operator.account("orders");
/// let config = operator.configure(ServerConfig::new());
/// let user = account.user("anna");
/// assert!(user.creds().contains(user.jwt()));
/// ```
pub struct Operator {
    key: KeyPair,
    system: Account,
    /// Public key and JWT of every account but the system's.
    accounts: Vec<(String, String)>,
}

impl Operator {
    /// A new operator whose only account is the system's.
    pub fn new() -> Self {
        let key = KeyPair::new_operator();
        let system = Account::new("SYS", &key);
        Self {
            key,
            system,
            accounts: Vec::new(),
        }
    }

    /// A new account without limits. Make it before [`configure`](Self::configure).
    pub fn account(&mut self, name: &str) -> Account {
        let account = Account::new(name, &self.key);
        self.accounts
            .push((account.key.public_key(), account.jwt.clone()));
        account
    }

    /// The system account, whose users see `$SYS.>`.
    pub fn system_account(&self) -> &Account {
        &self.system
    }

    /// Puts the operator and all accounts made so far into a configuration (`resolver: MEMORY`).
    pub fn configure(&self, config: ServerConfig) -> ServerConfig {
        let public_key = self.key.public_key();
        let claims = json!({ "system_account": self.system.key.public_key() });
        let jwt = sign(&self.key, &public_key, "operator", "operator", claims, None);
        let system = self.system.key.public_key();
        let config = config
            .operator(&jwt)
            .system_account(&system)
            .account_jwt(&system, &self.system.jwt);
        self.accounts
            .iter()
            .fold(config, |config, (key, jwt)| config.account_jwt(key, jwt))
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("key", &self.key.public_key())
            .finish_non_exhaustive()
    }
}

/// An account: it makes users, and a server needs to know nothing of them.
pub struct Account {
    key: KeyPair,
    jwt: String,
}

impl Account {
    /// A user that may do everything in the account, for good.
    pub fn user(&self, name: &str) -> AccountUser {
        self.user_with(name, json!({}), None)
    }

    /// A user whose JWT expires at this second since 1970: the server refuses it from then on, and closes a connection
    /// that it has with `User Authentication Expired`.
    pub fn user_until(&self, name: &str, expires: u64) -> AccountUser {
        self.user_with(name, json!({}), Some(expires))
    }

    /// A user with claims of its own, such as `{"pub": {"allow": ["a.>"]}, "sub": {"deny": ["b"]}}`.
    pub fn user_with(&self, name: &str, claims: Value, expires: Option<u64>) -> AccountUser {
        let key = KeyPair::new_user();
        let mut nats = json!({ "subs": -1, "data": -1, "payload": -1 });
        if let (Some(all), Value::Object(own)) = (nats.as_object_mut(), claims) {
            all.extend(own);
        }
        let jwt = sign(&self.key, &key.public_key(), name, "user", nats, expires);
        AccountUser { key, jwt }
    }

    fn new(name: &str, operator: &KeyPair) -> Self {
        let key = KeyPair::new_account();
        let unlimited = ["subs", "data", "payload", "imports", "exports", "conn", "leaf"];
        let mut limits: serde_json::Map<String, Value> = unlimited
            .iter()
            .map(|&limit| (limit.to_owned(), Value::from(-1)))
            .collect();
        limits.insert("wildcards".to_owned(), Value::Bool(true));
        let jwt = sign(
            operator,
            &key.public_key(),
            name,
            "account",
            json!({ "limits": limits }),
            None,
        );
        Self { key, jwt }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("key", &self.key.public_key())
            .finish_non_exhaustive()
    }
}

/// A user of an account, or one known by its NKEY alone: what it shows, and what it signs with.
pub struct AccountUser {
    key: KeyPair,
    jwt: String,
}

impl AccountUser {
    /// A user without an account or a JWT, for [`User::with_nkey`](super::User::with_nkey).
    pub fn nkey_only() -> Self {
        Self {
            key: KeyPair::new_user(),
            jwt: String::new(),
        }
    }

    /// The public NKEY (`U…`).
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// The seed (`SU…`).
    ///
    /// # Panics
    /// Never for a key made here.
    pub fn seed(&self) -> String {
        self.key
            .seed()
            .unwrap_or_else(|error| panic!("a new key has a seed: {error}"))
    }

    /// The JWT; empty for [`nkey_only`](Self::nkey_only).
    pub fn jwt(&self) -> &str {
        &self.jwt
    }

    /// What a `.creds` file holds: the JWT and the seed between their markers.
    pub fn creds(&self) -> String {
        let (jwt, seed) = (&self.jwt, self.seed());
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }

    /// The nonce's signature as CONNECT's `sig` has it: base64url without padding.
    ///
    /// # Panics
    /// Never for a key made here.
    pub fn sign(&self, nonce: &str) -> String {
        signature(&self.key, nonce)
    }
}

impl fmt::Debug for AccountUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountUser")
            .field("key", &self.key.public_key())
            .finish_non_exhaustive()
    }
}

/// A JWT as nats-io/jwt v2 writes it, but for the hash in `jti`, which servers do not check.
fn sign(
    issuer: &KeyPair,
    subject: &str,
    name: &str,
    kind: &str,
    mut nats: Value,
    expires: Option<u64>,
) -> String {
    nats["type"] = Value::from(kind);
    nats["version"] = Value::from(2);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut claims = json!({
        "jti": subject, "iat": now, "iss": issuer.public_key(), "sub": subject, "name": name, "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = Value::from(expires);
    }
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = signature(issuer, &signed);
    format!("{signed}.{signature}")
}

fn signature(key: &KeyPair, text: &str) -> String {
    let signature = key
        .sign(text.as_bytes())
        .unwrap_or_else(|error| panic!("a new key signs: {error}"));
    BASE64URL_NOPAD.encode(&signature)
}
