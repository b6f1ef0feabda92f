//! The laboratory: a strict model server, simulated links, real servers, one suite for every adapter.

pub mod model_server;
#[cfg(unix)]
pub mod real_server;
pub mod tcp_server;
