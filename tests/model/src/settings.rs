//! How one model server is set up.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::script::Step;

/// The settings of one model server. They may change at any time; INFO changes for links to come.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, sent as `server_name`. The id is derived from it.
    pub name: String,
    /// The version that it claims to be.
    pub version: String,
    /// The host that it announces for others to dial.
    pub host: String,
    /// The port that it announces for others to dial.
    pub port: u16,
    /// Whether it knows headers (2.2 and later).
    pub headers: bool,
    /// The largest headers and payload together, in bytes.
    pub max_payload: u64,
    /// The lower limit that the account of every client has: sent in the INFO after the first PONG.
    pub account_max_payload: Option<u64>,
    /// The longest argument of a control line, in bytes (`max_control_line`, 4096).
    pub max_control_line: usize,
    /// Whether a second INFO follows the first PONG, as servers from 2.12 on send it.
    pub connect_info: bool,
    /// Which clients are accepted.
    pub auth: Auth,
    /// What is sent as `nonce`, and so asks for a signature.
    pub nonce: Option<String>,
    /// Which other servers are announced.
    pub urls: Urls,
    /// What is announced and done about TLS. The handshake itself is not modelled: see
    /// [`Cluster::tls_done`](super::Cluster::tls_done).
    pub tls: Tls,
    /// Filters of subjects that nobody may publish to.
    pub deny_publish: Vec<String>,
    /// Filters that nobody may subscribe to.
    pub deny_subscribe: Vec<String>,
    /// How many subscriptions one link may have.
    pub max_subscriptions: Option<usize>,
    /// The time between two PINGs of the server, in nanoseconds. `None`: it never asks.
    pub ping_interval: Option<u64>,
    /// How many of its PINGs may be unanswered when the next is due.
    pub max_pings_out: u32,
    /// Publishes to this subject are for whoever runs the server, who takes them with
    /// [`Cluster::take_orders`](super::Cluster::take_orders). Nobody gets them.
    pub orders: Option<String>,
    /// Whether [`LinkLog`](super::LinkLog) keeps every frame, and sids are compared with those of earlier links of a client of
    /// the same name. Without it memory does not grow with what clients send.
    pub remember: bool,
    /// Fields that replace or join those of INFO.
    pub info: Map<String, Value>,
    /// What it does in addition to, or instead of, what a good server does: on every link to come.
    pub script: Vec<Step>,
    /// The same for the next links only, one entry a link; it takes precedence over `script`.
    pub next_scripts: VecDeque<Vec<Step>>,
}

impl Settings {
    /// A server as a fresh installation has it, named after its place: `n1.test:4222`, `n2.test:4222`, …
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            host: format!("{name}.test"),
            name,
            version: String::from("2.12.0"),
            port: 4222,
            headers: true,
            max_payload: 1 << 20,
            account_max_payload: None,
            max_control_line: 4096,
            connect_info: true,
            auth: Auth::Open,
            nonce: None,
            urls: Urls::None,
            tls: Tls::None,
            deny_publish: Vec::new(),
            deny_subscribe: Vec::new(),
            max_subscriptions: None,
            ping_interval: None,
            max_pings_out: 2,
            orders: None,
            remember: true,
            info: Map::new(),
            script: Vec::new(),
            next_scripts: VecDeque::new(),
        }
    }

    /// `host:port`, as `connect_urls` name it.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The same with a field of INFO replaced; `null` is sent as such.
    pub fn with_info(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.info.insert(field.into(), value.into());
        self
    }

    /// The same with a further step of its script.
    pub fn with_step(mut self, step: Step) -> Self {
        self.script.push(step);
        self
    }
}

/// Which clients are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    Open,
    /// Clients with this name and password.
    Password {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// Clients with this token.
    Token(String),
    /// Clients that send this public key and any signature.
    Nkey(String),
    /// Nobody: every CONNECT is answered with this `-ERR` text.
    Refuse(String),
}

/// Which servers INFO announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urls {
    /// None: `connect_urls` is absent.
    None,
    /// Itself and every other server that is up, as a cluster does; changes are announced to all clients.
    Gossip,
    /// Exactly these.
    Fixed(Vec<String>),
}

/// What a server announces and does about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It has none.
    None,
    /// It offers TLS (`tls_available`) and takes clear text too.
    Available,
    /// It demands TLS after INFO; a CONNECT in clear text ends the link without an error.
    Required,
    /// It sends nothing before TLS (`handshake_first`).
    First,
}
