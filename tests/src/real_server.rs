//! Real `nats-server` processes on loopback: started, signalled, reloaded, crashed, restarted and clustered by tests.
//!
//! `tests/run` puts the servers where this module looks for them. A test that needs one and cannot find it fails;
//! only `NATS_SERVER=none` (every version) or, say, `NATS_SERVER_2_9=none` (one version) switches such tests off.
//!
//! A test is written once and runs against every supported server:
//!
//! ```
//! use nats_conn_tests::on_every_server;
//! use nats_conn_tests::real_server::{RealServer, ServerConfig};
//!
//! on_every_server! {
//!     fn says_who_it_is(version) {
//!         let server = RealServer::start(version, ServerConfig::new());
//!         assert_eq!(server.info()["port"], server.port());
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Every wait in here is a bounded poll of something that can be observed (a line of the log, a figure of the
//! monitoring port), never a fixed pause.

mod cluster;
mod config;
mod folder;
mod jwt;
mod monitor;
mod port;
mod server;
mod start_error;
mod tls_files;
mod user;
mod version;
mod wait;

pub use cluster::Cluster;
pub use config::{ClusterSection, ServerConfig, ServerTls};
pub use folder::TestFolder;
pub use jwt::{Account, AccountUser, Operator};
pub use port::ClaimedPort;
pub use server::RealServer;
pub use start_error::StartError;
pub use tls_files::TlsFiles;
pub use user::User;
pub use version::{Version, for_each_version};
pub use wait::{try_wait_for, wait_for};

/// Makes one `#[test]` for each supported server out of a function of a [`Version`].
///
/// `fn reconnects(version) { .. }` becomes the tests `reconnects::v2_9` and `reconnects::v2_15`. A version that was
/// switched off by the environment (see [`Version::is_switched_off`]) says so and passes.
#[macro_export]
macro_rules! on_every_server {
    ($($(#[$meta:meta])* fn $name:ident($version:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn scenario($version: $crate::real_server::Version) $body

            $(#[$meta])*
            #[test]
            fn v2_9() {
                let version = $crate::real_server::Version::V2_9;
                if !version.is_switched_off() {
                    scenario(version);
                }
            }

            $(#[$meta])*
            #[test]
            fn v2_15() {
                let version = $crate::real_server::Version::V2_15;
                if !version.is_switched_off() {
                    scenario(version);
                }
            }
        }
    )+};
}
