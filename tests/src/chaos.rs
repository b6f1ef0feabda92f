//! Bad networks and dying servers for whole adapters: over real sockets, before real servers, from a seed.
//!
//! [`soak::run`] starts a server or a cluster of three, a [`proxy`] before each of them that harms every link as its seed
//! says, and connections that publish, subscribe, ask, answer, drain and begin anew meanwhile. Every message is a
//! [`note`] that nobody else sent. An [`observer`] that is connected to the servers themselves, with nothing of ours but
//! a socket, says what they processed, and [`judge`] compares that with what the connections say.
//!
//! Which links break where comes from the seed. When threads run does not: the same seed gives the same faults, not the
//! same run.

pub mod account;
mod crowd;
pub mod dice;
mod echo;
pub mod faults;
pub mod judge;
mod life;
mod many;
pub mod nodes;
pub mod note;
pub mod observer;
pub mod proxy;
mod roles;
pub mod soak;
mod subjects;
