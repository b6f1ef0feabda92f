//! The state machine's promises as stories in virtual time, against the model server. One binary, because linking
//! one is much faster than linking one a story.

mod backoff;
mod chunking;
mod coverage;
mod drain;
mod driver_contract;
mod errors;
mod handshake;
mod lame_duck;
mod liveness;
mod looking;
mod names;
mod narrow;
mod pool;
mod publishing;
mod reconnect;
mod recording;
mod requests;
mod secrets;
mod send_buffer;
mod servers;
mod subscriptions;
