//! What drivers and adapters use, and what an adapter implements. Applications need nothing of it.
//!
//! The machine ([`Connection`](nats_conn_sm::Connection)) lies in [`Shared`], under one mutex, with the tables of who
//! waits for what. Handles call it directly; there is no queue of commands. A driver has turns ([`Shared::drive`]).
//!
//! * An asynchronous runtime implements [`Runtime`] and [`Io`], and is an [`Adapter`] thereby; the loop that carries a
//!   connection is here. [`dial_all`] resolves a name and dials its addresses, for any runtime.
//! * The blocking adapter implements [`Adapter`] itself, begins with
//!   [`ConnectOptions::prepare`](crate::ConnectOptions::prepare), runs its own threads around [`Shared::drive`], and
//!   waits with [`blocking`], which needs no executor. It dials in the order of a [`Race`], holds [`Backpressure`] in
//!   the thread that reads, and calls [`Shared::finish`] from a guard.
//! * A runtime with a thread per core, whose streams and timers are not [`Send`], does not implement [`Runtime`], whose
//!   driver may move between threads, but runs a loop of its own around [`Shared::drive`], where its streams are; it
//!   reads and writes as it likes, with buffers that it owns. [`dial_all`], [`Race`] and [`Target`] dial for it: none
//!   of them asks for `Send`. `thread_per_core.rs` among the tests of `nats-conn-tokio` is such a loop.

mod adapter;
pub mod blocking;
mod blocks;
mod connector;
mod dial;
mod farewell;
#[cfg(feature = "futures-io")]
mod futures_stream;
mod io;
mod link;
mod parked;
mod pieces;
mod prepare;
mod runtime;
mod setup;
mod target;
mod task;
mod timer;
mod tls;

pub use adapter::Adapter;
pub use blocks::{Appetite, Blocks};
pub use connector::{Connector, Dialling};
pub use dial::{Race, STAGGER, dial_all};
#[cfg(feature = "futures-io")]
pub use futures_stream::{ByteStream, FuturesStream, HalfClosing, Sockets};
pub use io::Io;
pub use parked::Listening;
pub use pieces::with_pieces;
pub use prepare::{DriverParts, Prepared};
pub use runtime::Runtime;
pub use setup::LinkSetup;
pub use target::Target;
pub use tls::tls_not_built;

pub use crate::core::delivery::{Backpressure, Delivered};
pub use crate::core::link_error::{dial_error, io_error, resolve_error, tls_error};
pub use crate::core::lock::lock;
pub use crate::core::panics::{caught, panicked};
pub use crate::core::shared::{Shared, Written};
pub use crate::core::turn::Turn;
pub use crate::handles::connecting::{first_outcome, outcome};
pub use crate::options::identity::Identity;
pub use crate::options::resolver::Resolver;
#[cfg(feature = "rustls")]
pub use crate::options::rustls_config::server_name;
