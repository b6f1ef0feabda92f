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
    pub(crate) mail: HashMap<Sid, Arc<Mail>, Numbers>,
    pub(crate) requests: HashMap<RequestId, RequestRoute, Numbers>,
    pub(crate) flushes: HashMap<FlushId, Arc<Oneshot<Result<(), FlushError>>>, Numbers>,
    pub(crate) round_trips: HashMap<RoundTripId, Arc<Oneshot<Result<Duration, FlushError>>>, Numbers>,
}

impl Routes {
    /// Whether nobody waits for an answer.
    pub(crate) fn are_answered(&self) -> bool {
        self.requests.is_empty() && self.flushes.is_empty() && self.round_trips.is_empty()
    }
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

#[cfg(test)]
mod tests {

    use super::*;

    fn hash(write: impl FnOnce(&mut NumberHasher)) -> u64 {
        let mut hasher = NumberHasher::default();
        write(&mut hasher);
        hasher.finish()
    }

    /// Tables take the place of a key from the lower bits, and tell keys in one place apart by the highest seven.
    #[test]
    fn numbers_in_a_row_are_spread_evenly_over_a_table() {
        let hashes: Vec<u64> = (1..=4096)
            .map(|number| hash(|hasher| hasher.write_u64(number)))
            .collect();
        for (what, shift, places) in [("place", 0, 4096), ("tag", 57, 128)] {
            let mut found = vec![0; places];
            for hash in &hashes {
                found[(hash >> shift) as usize % places] += 1;
            }
            let empty = found.iter().filter(|count| **count == 0).count();
            let fullest = found.iter().max().copied().unwrap_or_default();
            assert!(empty < places / 2, "{what}: {empty} of {places} are empty");
            assert!(fullest <= 4096 / places * 8, "{what}: {fullest} in one");
        }
    }

    #[test]
    fn what_is_hashed_in_several_pieces_depends_on_each_of_them_and_their_order() {
        let of = |bytes: &[u8]| hash(|hasher| hasher.write(bytes));
        let hashes = [of(b""), of(b"a"), of(b"ab"), of(b"ba"), of(b"abc")];
        for (place, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..place].contains(hash), "{hashes:x?}");
        }
    }
}
