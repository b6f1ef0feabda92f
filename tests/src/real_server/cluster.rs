//! Several servers that know each other.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ClusterSection, RealServer, ServerConfig, StartError, Version, wait_for};

/// Routes are there some 20 ms after the start; a server that found nobody tries again after 1 s.
const LIMIT: Duration = Duration::from_secs(60);

/// A full mesh of servers of one version on 127.0.0.1, named `node-0`, `node-1` and so on.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RealServer>,
}

impl Cluster {
    /// Starts `count` servers with the same configuration and waits until each knows all others.
    ///
    /// # Panics
    /// When a server does not start or the mesh does not come about.
    #[track_caller]
    pub fn start(version: Version, count: usize, config: ServerConfig) -> Self {
        Self::start_with(version, count, |_| config.clone())
    }

    /// As [`start`](Self::start), with a configuration for each index. A [`ClusterSection`] of its own is kept but for
    /// the routes.
    ///
    /// # Panics
    /// As `start`.
    #[track_caller]
    pub fn start_with(version: Version, count: usize, config: impl FnMut(usize) -> ServerConfig) -> Self {
        let cluster = Self::launch(version, count, config).unwrap_or_else(|error| panic!("{error}"));
        cluster.wait_until_formed();
        cluster
    }

    /// The node with this index.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn node(&self, index: usize) -> &RealServer {
        &self.nodes[index]
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> &[RealServer] {
        &self.nodes
    }

    /// `nats://127.0.0.1:<port>` of every node, in order.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RealServer::url).collect()
    }

    /// Which node a URL or `host:port` means, whatever its scheme, userinfo or name for loopback.
    pub fn index_of_url(&self, url: &str) -> Option<usize> {
        let port = url
            .trim_end_matches('/')
            .rsplit(':')
            .next()?
            .parse::<u16>()
            .ok()?;
        self.index_of_port(port)
    }

    /// Which node has this client port.
    pub fn index_of_port(&self, port: u16) -> Option<usize> {
        self.nodes.iter().position(|node| node.port() == port)
    }

    /// Waits until every running node has a route to every other running one, to no other, and announces to clients all
    /// of them. Call it after a node was killed or restarted; not while one is stopped, since that cannot answer.
    ///
    /// # Panics
    /// When that is not so within a minute.
    #[track_caller]
    pub fn wait_until_formed(&self) {
        let running: Vec<&RealServer> = self.nodes.iter().filter(|node| node.is_running()).collect();
        for node in &running {
            let what = format!("{node} to know {} other servers", running.len() - 1);
            wait_for(&what, LIMIT, || knows_others(node, running.len()).then_some(()));
        }
    }

    fn launch(
        version: Version,
        count: usize,
        mut config: impl FnMut(usize) -> ServerConfig,
    ) -> Result<Self, StartError> {
        let mut nodes = Vec::with_capacity(count);
        for index in 0..count {
            let config = config(index).server_name(&format!("node-{index}"));
            let section = config
                .cluster_section()
                .cloned()
                .unwrap_or_else(|| ClusterSection::new("laboratory"));
            nodes.push(RealServer::prepare(version, config.cluster(section))?);
        }
        let routes: Vec<u16> = nodes.iter().filter_map(RealServer::cluster_port).collect();
        let mut starts = Vec::with_capacity(count);
        for node in &nodes {
            let config = node.config();
            let section = config
                .cluster_section()
                .cloned()
                .map(|section| section.routes(&routes));
            node.set_config(section.into_iter().fold(config, ServerConfig::cluster));
            starts.push(node.launch()?);
        }
        for (node, log_start) in nodes.iter().zip(starts) {
            node.await_ready(log_start)?;
        }
        Ok(Self { nodes })
    }
}

/// Whether a node has routes to all `count` running nodes but itself, and gossips all of them. Since 2.10 there are
/// several routes to each, hence the set.
fn knows_others(node: &RealServer, count: usize) -> bool {
    let (Ok(routes), Ok(about)) = (node.monitor("/routez"), node.monitor("/varz")) else {
        return false;
    };
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let peers: BTreeSet<String> = list(&routes["routes"])
        .iter()
        .map(|route| route["remote_id"].to_string())
        .collect();
    let advertises = node
        .config()
        .cluster_section()
        .is_some_and(ClusterSection::advertises);
    // A server without peers gossips nothing, not even itself.
    let expected = if advertises && count > 1 { count } else { 0 };
    let gossiped = list(&about["connect_urls"]).len();
    peers.len() + 1 == count && (gossiped == expected || !advertises)
}
