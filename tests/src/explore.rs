//! Every state that a small world can come to: one machine, its driver, and a server that may say anything, with all
//! interleavings of what each of them may do.
//!
//! A [`World`] is a machine with a driver that behaves, and a [`Scope`] says how often each thing may happen in a life. What
//! may happen next is a list of [`Input`]s. [`search()`] visits the states breadth first, each canonical form once, and checks in
//! every one of them what always has to hold; [`agreement()`] checks that the canonical form tells apart what has to be.

mod agreement;
mod check;
mod cooperation;
mod driver;
mod input;
mod known;
mod life;
mod possible;
mod publishes;
mod scope;
mod search;
mod server;
mod tell;
mod world;
mod worlds;

pub use agreement::{Agreement, agreement};
pub use input::{Fault, Input, Op};
pub use scope::{Budget, Scope};
pub use search::{Found, Outcome, Progress, search};
pub use tell::{consequences, tell, tell_cooperation};
pub use world::World;
pub use worlds::worlds;
