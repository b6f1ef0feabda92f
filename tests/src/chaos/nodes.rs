//! The servers, and what is done to them.

use std::time::{Duration, Instant};

use super::dice::Dice;
use super::observer::Observer;
use crate::real_server::{Cluster, RealServer, ServerConfig, ServerTls, TlsFiles, Version, wait_for};

/// What observers look at.
const EVERYTHING: &str = "chaos.>";
const LIMIT: Duration = Duration::from_secs(60);

/// One server, or a cluster.
pub enum Servers {
    /// One, to which nothing is done.
    One(Box<RealServer>),
    /// Three, which come and go.
    Three(Cluster),
}

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGTERM, and a new start.
    Terminate,
    /// SIGUSR2, lame duck mode to its end, and a new start.
    LameDuck,
    /// SIGKILL, and a new start.
    Kill,
    /// SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
}

impl Blow {
    /// For summaries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::LameDuck => "SIGUSR2",
            Self::Kill => "SIGKILL",
            Self::Stop(_) => "SIGSTOP",
        }
    }

    fn draw(dice: &mut Dice) -> Self {
        match dice.between(0, 6) {
            0 | 1 => Self::Terminate,
            2 => Self::LameDuck,
            3 | 4 => Self::Kill,
            _ => Self::Stop(dice.millis(200, 5000)),
        }
    }
}

impl Servers {
    /// Starts them. They take connections with TLS and without.
    ///
    /// # Panics
    /// If they do not start.
    #[track_caller]
    pub fn start(version: Version, cluster: bool, files: &TlsFiles) -> Self {
        // The shortest lame duck mode that servers accept; lone clients go at once.
        let config = ServerConfig::new()
            .lame_duck(Duration::from_secs(30), Duration::from_millis(100))
            .tls(ServerTls::new(files).allow_plain());
        if cluster {
            Self::Three(Cluster::start(version, 3, config))
        } else {
            Self::One(Box::new(RealServer::start(version, config)))
        }
    }

    /// All of them.
    pub fn nodes(&self) -> &[RealServer] {
        match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Three(cluster) => cluster.nodes(),
        }
    }

    /// An observer of each, all of them up.
    ///
    /// # Panics
    /// If one does not come up.
    #[track_caller]
    pub fn observe(&self) -> Vec<Observer> {
        let observe = |node: &RealServer| Observer::start(node.address(), EVERYTHING);
        let observers: Vec<Observer> = self.nodes().iter().map(observe).collect();
        for observer in &observers {
            await_observer(observer);
        }
        observers
    }

    /// Does something to a node of a cluster, and waits until it is as before. Gives what it was, and between which
    /// times the node is not to be believed.
    ///
    /// # Panics
    /// If the node does not come back.
    pub fn strike(
        &self,
        dice: &mut Dice,
        observers: &[Observer],
    ) -> Option<(Blow, Option<(Instant, Instant)>)> {
        let Self::Three(cluster) = self else { return None };
        let place = dice.between(0, 2) as usize;
        let (node, observer) = (cluster.node(place), observers.get(place)?);
        let (blow, from) = (Blow::draw(dice), Instant::now());
        match blow {
            Blow::Stop(length) => {
                node.stop();
                std::thread::sleep(length);
                node.cont();
                cluster.wait_until_formed();
                return Some((blow, None));
            }
            Blow::Kill => node.kill(),
            Blow::Terminate => node.terminate(),
            Blow::LameDuck => {
                node.lame_duck();
                node.wait_until_gone(LIMIT);
            }
        }
        std::thread::sleep(dice.millis(0, 1500));
        // An observer that has not noticed yet would seem to be up.
        wait_for("the observer to notice", LIMIT, || {
            (!observer.is_up()).then_some(())
        });
        node.restart();
        cluster.wait_until_formed();
        await_observer(observer);
        Some((blow, Some((from, Instant::now()))))
    }

    /// Waits until nobody but the observers is connected, and these have seen everything.
    ///
    /// # Errors
    /// Who has not.
    pub fn settle(&self, observers: &[Observer]) -> Result<(), String> {
        for (node, observer) in self.nodes().iter().zip(observers) {
            let deadline = Instant::now() + LIMIT;
            while node.connections().ok() != Some(1) {
                if Instant::now() > deadline {
                    return Err(format!("{node} still has {:?} connections", node.connections()));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            if !observer.catch_up(LIMIT) {
                return Err(format!("the observer of {node} does not catch up"));
            }
        }
        Ok(())
    }
}

#[track_caller]
fn await_observer(observer: &Observer) {
    wait_for("an observer to be up", LIMIT, || observer.is_up().then_some(()));
}
