//! The laboratory: a strict model server, simulated links, real servers, one suite for every adapter.

#[cfg(unix)]
pub mod real_server;
