//! One suite over all adapters: every scenario is written once and runs on every [`Adapter`](adapter::Adapter), over
//! the model server or over every real server.
//!
//! # Writing a scenario
//! ```ignore
//! use crate::scene::*;
//!
//! scenarios! {
//!     /// What is special about it, if anything is.
//!     async fn a_crash_is_survived(adapter) {
//!         let cluster = Model::start(2);
//!         let (client, mut watch) = adapter.start(options(&cluster.urls()));
//!         watch.until("connected").await;
//!         cluster.server(0).crash();
//!         watch.until("reconnected").await;
//!         soon(client.flush()).await.expect("a session");
//!     }
//!
//!     async fn a_password_is_checked(adapter, version) {
//!         let server = real_server(version, ServerConfig::new().user(User::with_password("ann", "s3cret")));
//!         let options = options(&server.url()).user_password("ann", "s3cret");
//!         let client = soon(adapter.connect(options)).await.expect("she is let in");
//!         client.close().await;
//!     }
//! }
//! ```
//! `(adapter)` makes one test for each adapter, `(adapter, version)` one for each adapter and server, named
//! `theme::scenario::adapter[::version]`. A new theme is a module here.
//!
//! * The handles are those of `nats-conn-client`, whatever the adapter: scenarios are not generic.
//! * [`scene`] has what scenarios share. `soon(..)` is around everything that could hang. Nothing sleeps:
//!   `watch.until(..)` waits for an event, `adapter.spawn(..)` runs beside the scenario, and what blocks, such as
//!   killing or restarting a real server, runs on its own thread with `elsewhere(..)`, so that a runtime with one
//!   thread is not blocked.
//! * `Watch` checks every event with the grammar of the life of a connection, and `Model` every byte with what a
//!   client may write: nothing has to be called for that.
//! * Scenarios that need much time or many resources are in `heavy`: `.config/nextest.toml` runs few of them at a time.
#![cfg(unix)]

#[macro_use]
mod adapter;
pub(crate) use nats_conn_tests::clock;
mod process;
mod raw;
mod scene;
mod traffic;
mod watch;

mod addresses;
mod callbacks;
mod cancel;
mod captured;
mod chaos;
mod confirmed;
mod drain;
mod durations;
mod ending;
mod events;
mod failover;
mod handshake;
mod heavy;
mod identity;
mod lame_duck;
mod life;
mod links;
mod liveness;
#[cfg(target_os = "linux")]
mod memory;
mod messages;
mod monitoring;
mod permissions;
mod reconnect;
mod recordings;
mod requests;
mod resolving;
mod secrets;
mod tls;
mod verbs;
mod waiters;
mod waiting;
