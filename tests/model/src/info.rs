//! What a model server announces about itself.

use serde_json::{Value, json};

use super::settings::{Auth, Tls, Urls};
use super::{Cluster, PeerId};

/// At which point INFO is sent; some fields are sent at one of them only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first on a link.
    First,
    /// The one after the first PONG, about this connection (2.12 and later).
    Connection,
    /// Any later one.
    Update,
}

impl Cluster {
    /// `INFO {json} \r\n`, with the blank that real servers write (`util.go`).
    pub(super) fn info_line(&self, peer: PeerId, kind: Kind) -> Vec<u8> {
        format!("INFO {} \r\n", self.info(peer, kind)).into_bytes()
    }

    fn info(&self, peer: PeerId, kind: Kind) -> Value {
        let index = self.links[peer.0].log.server;
        let server = &self.servers[index];
        let settings = &server.settings;
        let mut info = json!({
            "server_id": format!("ID{}", settings.name.to_uppercase()),
            "server_name": settings.name,
            "version": settings.version,
            "proto": 1,
            "git_commit": "0000000",
            "go": "go1.25",
            "host": "0.0.0.0",
            "port": settings.port,
            "headers": settings.headers,
            "max_payload": settings.max_payload,
            "client_id": peer.0 + 1,
            "client_ip": "127.0.0.1",
        });
        let mut set = |field: &str, value: Value| {
            info[field] = value;
        };
        if settings.auth != Auth::Open {
            set("auth_required", json!(true));
        }
        match settings.tls {
            Tls::None => {}
            Tls::Available => set("tls_available", json!(true)),
            Tls::Required | Tls::First => set("tls_required", json!(true)),
        }
        if let (Some(nonce), Kind::First) = (&settings.nonce, kind) {
            set("nonce", json!(nonce));
        }
        if server.lame_duck {
            set("ldm", json!(true));
        }
        if kind == Kind::Connection {
            set("connect_info", json!(true));
            set("remote_account", json!("$G"));
        }
        if let (Some(limit), false) = (settings.account_max_payload, kind == Kind::First) {
            set("max_payload", json!(limit));
        }
        let urls = self.announced(index);
        if !urls.is_empty() {
            set("connect_urls", json!(urls));
        }
        for (field, value) in &settings.info {
            set(field, value.clone());
        }
        info
    }

    /// Itself first, as real servers do; a lame duck names the others only.
    fn announced(&self, index: usize) -> Vec<String> {
        let own = &self.servers[index];
        match &own.settings.urls {
            Urls::None => Vec::new(),
            Urls::Fixed(urls) => urls.clone(),
            Urls::Gossip => {
                let others = self
                    .servers
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != index);
                let up = others.map(|(_, server)| server).filter(|server| server.listening);
                let own = (!own.lame_duck).then_some(own);
                own.into_iter()
                    .chain(up)
                    .map(|server| server.settings.address())
                    .collect()
            }
        }
    }
}
