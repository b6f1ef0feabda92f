//! A driver of your own against the model server and the contract of the machine, with what goes wrong taken from bytes.
//!
//! A [`Driver`] is what stands between a [`Connection`] and a [`Network`]: one turn of its loop. [`check`] gives it a life that
//! a string of bytes describes, in virtual time (calls of the application, short writes and reads, streams that end or fall
//! silent, dials that fail, servers that refuse), and says which promise was broken first. At the end everything works
//! again, and the client has to be connected, or closed, with nothing left open. `fuzz/README.md` shows how to put it under a
//! fuzzer, `tests/tests/try_driver.rs` drivers that are wrong in one place each. [`ByTheBook`] is one that is right:
//! with it, [`check`] tries a policy.

mod by_the_book;
mod calls;
mod life;
mod mishaps;
mod network;

use nats_conn_sm::{Config, Connection, Delivery, Event, PublishFates};

pub use by_the_book::ByTheBook;
pub use network::Network;

use self::life::Life;
use crate::choices::{Choices, settings};
use crate::grammar::Grammar;
use crate::ledger::Ledger;
use crate::model_server::{Cluster, Settings};
use crate::planned::Planned;
use crate::scenario::seed_bytes;

/// A driver that is tried.
pub trait Driver {
    /// Does everything that can be done now: takes events, passes the time on, carries out actions, writes and reads; waits
    /// for nothing. Events go to `events`, in their order.
    fn turn(&mut self, connection: &mut Connection, network: &mut Network, events: &mut Vec<Event>);
}

/// What there was in a life in which every promise was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lived {
    /// How often a server was dialled.
    pub attempts: usize,
    /// How many sessions there were.
    pub sessions: usize,
    /// What became of the publishes.
    pub fates: PublishFates,
    /// It had ended before it was asked to: the pool was empty, say.
    pub ended_early: bool,
}

/// Gives the driver the life that these bytes describe. The same bytes are the same life. There is one server, without
/// TLS, whatever `change` sets; and unless it does, no credentials are asked for and no server is to be chosen.
///
/// # Errors
/// The first promise that was broken, with the story until then.
///
/// # Panics
/// If `change` makes the settings unusable. What the driver panics with is passed on.
pub fn check(
    driver: &mut impl Driver,
    change: impl FnOnce(&mut Config),
    data: &[u8],
) -> Result<Lived, String> {
    let mut cluster = Cluster::new();
    cluster.add_server(Settings::new("n1"));
    let mut config = Config::new(vec![calls::url_of(1)]);
    config.retry_initial = true;
    change(&mut config);
    live(driver, cluster, config, false, Choices::new(data))
}

/// The same with all that there may be: up to three servers with and without TLS, settings of the client and of the servers
/// as the bytes say, and in one life of four servers that send anything at all. For drivers that can do whatever an
/// [`Action`](nats_conn_sm::Action) asks for.
///
/// # Errors
/// The first promise that was broken, with the story until then.
///
/// # Panics
/// What the driver panics with is passed on.
pub fn check_everything(driver: &mut impl Driver, data: &[u8]) -> Result<Lived, String> {
    let mut choices = Choices::new(data);
    let lies = choices.one_in(4);
    let servers = choices.index(3) + 1;
    let mut cluster = Cluster::new();
    for number in 1..=servers {
        let mut about = Settings::new(format!("n{number}"));
        settings::server(&mut about, &mut choices);
        cluster.add_server(about);
    }
    let mut config = Config::new((1..=servers).map(calls::url_of).collect());
    settings::client(&mut config, &mut choices);
    live(driver, cluster, config, lies, choices)
}

/// The body of the fuzz target `connection`: [`check_everything`] with the driver that the state machine brings.
///
/// # Panics
/// If a promise does not hold, with the story until then.
pub fn connection(data: &[u8]) -> Lived {
    check_everything(&mut ByTheBook::new(), data).unwrap_or_else(|fault| panic!("{fault}"))
}

fn live(
    driver: &mut impl Driver,
    cluster: Cluster,
    config: Config,
    lies: bool,
    choices: Choices<'_>,
) -> Result<Lived, String> {
    let network = Network::new(cluster);
    let (resends, drain_timeout) = (config.delivery == Delivery::AtLeastOnce, config.drain_timeout);
    let connection = Connection::new(config, seed_bytes(1), network.now()).expect("usable settings");
    let mut life = Life {
        network,
        connection,
        ledger: Ledger::default(),
        grammar: Grammar::default(),
        planned: Planned::default(),
        choices,
        lies,
        resends,
        drain_timeout,
        sids: Vec::new(),
        requests: Vec::new(),
        told: Vec::new(),
        events: Vec::new(),
        closed: false,
        draining: false,
    };
    let lived = life.live(driver);
    lived.map_err(|fault| format!("{fault}; the story:\n{}", life.story()))
}
