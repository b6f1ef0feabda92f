//! The state machine's promises as stories in virtual time, against the model server. One binary, because linking
//! one is much faster than linking one a story.

mod at_least_once;
mod attempts;
mod auth_errors;
mod backoff;
mod blocks;
mod chunking;
mod coverage;
mod credentials;
mod documented_loop;
mod drain;
mod drain_handlers;
mod driver_contract;
mod errors;
mod forced;
mod golden;
mod handshake;
mod lame_duck;
mod last_fates;
mod liveness;
mod looking;
mod meeting;
mod names;
mod narrow;
mod pool;
mod publishing;
mod reconnect;
mod recording;
mod requests;
mod restore;
mod room;
mod secrets;
mod servers;
mod subscriptions;
mod tls;
mod tls_raised;
