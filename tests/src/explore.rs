//! Every state that a small world can come to: one machine, its driver, and a server that may say anything, with all
//! interleavings of what each of them may do.
//!
//! A [`World`] is a machine with a driver that behaves, and a [`Scope`] says how often each thing may happen in a life. What
//! may happen next is a list of [`Input`]s. [`search()`] visits the states breadth first, each canonical form once, and checks in
//! every one of them what always has to hold; [`agreement()`] checks that the canonical form tells apart what has to be.
//! [`worlds()`] are those that are explored, [`tell()`] tells a life as a story, and with [`walk()`] a person lives one.
//!
//! Of ways two things are promised, and both are decided exactly, with a few bytes for each state:
//!
//! - Whoever is wished well comes to rest. From each state a world that cooperates takes one step ([`World::cooperate`]), and
//!   that leads to a state of the same world, so that all of these ways are one table. Each of them has to end, within three
//!   minutes, where the connection is closed, or is connected with nothing that waits to be settled. Of states that a cut
//!   search has no room for, just this way is followed.
//! - No circle takes no time: the steps that may be taken any number of times, and in which no time passes, have an order.
//!
//! Why this is no model of [stateright](https://docs.rs/stateright): its `eventually` holds on paths without cycles alone, and
//! ours have them, since a link may be lost and come back; time passes in ours; and a state is known by the hash of its
//! canonical form and by the way to it, while the machines of those alone are kept that wait for their turn.

mod agreement;
mod check;
mod cooperation;
mod driver;
mod expects;
mod input;
mod known;
mod life;
mod possible;
mod publishes;
mod scope;
mod search;
mod server;
mod tell;
mod verify;
mod walk;
mod watch;
mod world;
mod worlds;

pub use agreement::{Agreement, agreement};
pub use input::{Fault, Input, Op};
pub use scope::{Budget, Scope};
pub use search::{Found, Outcome, Progress, search, search_watched};
pub use tell::{consequences, tell, tell_cooperation, tell_hang};
pub use walk::walk;
pub use watch::{Attempt, Watch};
pub use world::World;
pub use worlds::worlds;
