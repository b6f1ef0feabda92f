//! Worlds to begin with: so many servers, these settings, this client.

use nats_conn_sm::{Config, Connection, LameDuckPolicy, RecordingOptions, Timestamp};
use nats_proto::ServerUrl;

use crate::model_server::{Cluster, Settings};
use crate::sim::{Route, World};

/// What a world begins with. Servers are `n1.test:4222`, `n2.test:4222`, …; the client knows them all, in this
/// order, and is called `ann`. All else is as it is by default.
pub struct Scenario {
    servers: Vec<Settings>,
    routes: Vec<Route>,
    config: Config,
    seed: u64,
    start: Timestamp,
    payloads: bool,
    recorded: bool,
}

impl Scenario {
    /// So many servers.
    pub fn new(servers: usize) -> Self {
        let names: Vec<String> = (1..=servers).map(|number| format!("n{number}")).collect();
        let urls = names.iter().map(|name| url(&format!("nats://{name}.test:4222")));
        let mut config = Config::new(urls.collect());
        config.name = Some(String::from("ann"));
        config.randomize = false;
        let servers: Vec<Settings> = names.into_iter().map(Settings::new).collect();
        let routes = vec![Route::default(); servers.len()];
        Self {
            servers,
            routes,
            config,
            seed: 1,
            start: Timestamp::from_millis(1_000),
            payloads: false,
            recorded: true,
        }
    }

    /// The same with other settings of the client.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The same with a client that knows these servers only: `n1` stands for `nats://n1.test:4222`.
    #[must_use]
    pub fn knowing(self, names: &[&str]) -> Self {
        let urls: Vec<ServerUrl> = names
            .iter()
            .map(|name| {
                if name.contains(':') {
                    url(name)
                } else {
                    url(&format!("nats://{name}.test:4222"))
                }
            })
            .collect();
        self.config(|config| config.servers = urls)
    }

    /// The same with a client that stays with a lame duck.
    #[must_use]
    pub fn notify_only(self) -> Self {
        self.config(|config| config.lame_duck = LameDuckPolicy::Notify)
    }

    /// The same with other settings of the server at this place.
    #[must_use]
    pub fn server(mut self, place: usize, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.servers[place]);
        self
    }

    /// The same with other settings of every server.
    #[must_use]
    pub fn every_server(mut self, change: impl Fn(&mut Settings)) -> Self {
        self.servers.iter_mut().for_each(change);
        self
    }

    /// The same with another route to the server at this place.
    #[must_use]
    pub fn route(mut self, place: usize, change: impl FnOnce(&mut Route)) -> Self {
        change(&mut self.routes[place]);
        self
    }

    /// The same with another route to every server.
    #[must_use]
    pub fn every_route(mut self, change: impl Fn(&mut Route)) -> Self {
        self.routes.iter_mut().for_each(change);
        self
    }

    /// The same with payloads in the recording of the client.
    #[must_use]
    pub fn record_payloads(mut self) -> Self {
        self.payloads = true;
        self
    }

    /// The same with a client that is not recorded, which is several times as fast.
    #[must_use]
    pub fn unrecorded(mut self) -> Self {
        self.recorded = false;
        self
    }

    /// The same with another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The world, before anything has happened.
    ///
    /// # Panics
    /// If the settings of the client are unusable.
    pub fn begin(self) -> World {
        let mut cluster = Cluster::new();
        for settings in self.servers {
            cluster.add_server(settings);
        }
        let resends = self.config.delivery == nats_conn_sm::Delivery::AtLeastOnce;
        let mut options = RecordingOptions::default();
        options.limit = usize::MAX;
        options.payloads = self.payloads;
        let seed = seed_bytes(self.seed);
        let client = if self.recorded {
            Connection::recorded(self.config, seed, self.start, options)
        } else {
            Connection::new(self.config, seed, self.start)
        };
        let client = client.expect("usable settings");
        let mut world = World::new(cluster, client, self.start);
        world.routes = self.routes;
        world.resends = resends;
        world
    }

    /// The world with the client connected.
    ///
    /// # Panics
    /// If it does not connect.
    pub fn connected(self) -> World {
        let mut world = self.begin();
        world.wait("connected");
        world
    }
}

/// A URL that is known to be good.
///
/// # Panics
/// If it is not.
pub fn url(text: &str) -> ServerUrl {
    ServerUrl::parse(text).expect("a URL")
}

/// The seed of a machine, spread over all of its bytes: small numbers are good seeds too.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut state = seed;
    let mut bytes = [0; 32];
    bytes
        .chunks_mut(8)
        .for_each(|chunk| chunk.copy_from_slice(&splitmix(&mut state).to_le_bytes()));
    bytes
}

/// The next of a row of numbers that look random (splitmix64).
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
