//! Where what the machine says is delivered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use nats_conn_sm::{FlushError, FlushId, RequestError, RequestId, RoundTripId};
use nats_proto::{Message, Sid};

use crate::core::mail::Mail;
use crate::core::oneshot::Oneshot;
use crate::core::reply_slot::ReplySlot;

/// Who waits for what the machine says.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    pub(crate) mail: HashMap<Sid, MailRoute, Numbers>,
    pub(crate) requests: HashMap<RequestId, RequestRoute, Numbers>,
    pub(crate) flushes: HashMap<FlushId, Arc<Oneshot<Result<(), FlushError>>>, Numbers>,
    pub(crate) round_trips: HashMap<RoundTripId, Arc<Oneshot<Result<Duration, FlushError>>>, Numbers>,
}

#[derive(Debug)]
pub(crate) struct MailRoute {
    pub(crate) mail: Arc<Mail>,
    /// Where the messages for it are gathered in the batch with this number.
    pub(crate) group: (u64, usize),
}

#[derive(Debug)]
pub(crate) enum RequestRoute {
    One(Arc<Oneshot<Result<Message, RequestError>>>),
    Many(Arc<ReplySlot>),
}

/// Hashes the numbers that the machine counts up: one multiplication (Fibonacci hashing) is enough for them.
#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

pub(crate) type Numbers = BuildHasherDefault<NumberHasher>;

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
