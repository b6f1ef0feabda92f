//! The laboratory: a strict model server, simulated links, real servers, one suite for every adapter.

pub mod any_order;
pub mod by_hand;
#[cfg(all(unix, feature = "real"))]
pub mod chaos;
mod choices;
pub mod explore;
pub mod golden;
pub mod grammar;
pub mod herd;
pub mod ledger;
mod planned;
#[cfg(all(unix, feature = "real"))]
pub mod real_server;
pub mod scenario;
pub mod sim;
pub mod simulate;
pub mod story;
pub mod structure;
pub mod try_driver;
pub mod wire;

/// The strict model, with a package of its own so that the tour needs nothing else of the laboratory.
pub use nats_conn_model_server as model_server;
pub use nats_conn_model_server::{clock, tcp_server};

/// The programs of the page about fuzzing are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../fuzz/README.md")]
mod fuzzing {}
