//! Short digests of what came of a call, so that a replay can be compared with the life that was recorded.

use super::codec::Writer;
use super::outputs::{Encode, Outputs};
use super::redactor::{self, Redactor};
use crate::action::Action;
use crate::event::Event;
use crate::input::Piece;
use crate::time::Timestamp;

/// FNV-1a with 64 bits: small, and good enough to notice a difference. It is no secret and hides nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}

/// The digest of what came of one call, over the same replacements that the recording makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest {
    hash: Fnv,
    payloads: bool,
}

impl Digest {
    pub(crate) fn new(payloads: bool) -> Self {
        Self {
            hash: Fnv::new(),
            payloads,
        }
    }

    /// 32 bits of it.
    pub(crate) fn value(self) -> u32 {
        let hash = self.hash.value();
        let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
        u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h])
    }

    pub(crate) fn answer(self, answer: &dyn Encode) -> Self {
        self.encoded(|_, to| answer.encode(to))
    }

    pub(crate) fn timeout(self, timeout: Option<Timestamp>) -> Self {
        self.answer(&timeout)
    }

    pub(crate) fn action(self, action: Option<&Action>) -> Self {
        self.encoded(|_, to| to.option(action, |to, action| action.encode(to)))
    }

    pub(crate) fn event(self, event: Option<&Event>) -> Self {
        self.encoded(|outputs, to| to.option(event, |to, event| outputs.event(event, to)))
    }

    fn encoded(mut self, encode: impl FnOnce(&Outputs, &mut Writer)) -> Self {
        let mut writer = Writer::default();
        let outputs = Outputs {
            payloads: self.payloads,
        };
        encode(&outputs, &mut writer);
        self.hash.update(&writer.0);
        self
    }

    /// The bytes of a block.
    pub(crate) fn bytes<'a>(mut self, chunks: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut redactor = Redactor::new(self.payloads);
        for chunk in chunks {
            for piece in redactor.redact(chunk) {
                match piece {
                    Piece::Bytes(bytes) => self.hash.update(&bytes),
                    Piece::Elided { len, .. } => self = self.elided(len),
                }
            }
        }
        self
    }

    fn elided(mut self, len: u64) -> Self {
        for _ in 0..len {
            self.hash.update(&[redactor::FILLER]);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use nats_proto::{DecodeError, InfoError, ServerInfo};

    use super::*;
    use crate::error::SubscribeError;
    use crate::event::ConnectionEvent;

    #[test]
    fn the_hash_is_fnv_1a() {
        for (text, expected) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            let mut hash = Fnv::new();
            hash.update(text.as_bytes());
            assert_eq!(hash.value(), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_that_differ_in_one_number_have_different_digests() {
        let subscribe = |size| SubscribeError::ControlLineTooLong { size, max: 4096 };
        let line = |limit| DecodeError::LineTooLong { limit };
        let json = |at| DecodeError::Info(InfoError::Json { at });
        let digest = |answer: &dyn Fn(Digest) -> Digest| answer(Digest::new(false)).value();
        assert_ne!(
            digest(&|to| to.answer(&subscribe(4097))),
            digest(&|to| to.answer(&subscribe(4098)))
        );
        assert_ne!(
            digest(&|to| to.answer(&line(1))),
            digest(&|to| to.answer(&line(2)))
        );
        assert_ne!(
            digest(&|to| to.answer(&json(1))),
            digest(&|to| to.answer(&json(2)))
        );
    }

    #[test]
    fn a_digest_is_that_of_the_answer() {
        let digest = |answer: bool| Digest::new(false).answer(&answer).value();
        assert_eq!(digest(true), digest(true));
        assert_ne!(digest(true), digest(false));
    }

    #[test]
    fn of_what_a_server_says_of_itself_only_the_nonce_makes_no_difference() {
        let digest = |name: &str, nonce: &str| {
            let mut info = ServerInfo::default();
            info.server_name = Some(name.into());
            info.nonce = Some(nonce.into());
            let info = Arc::new(info);
            Digest::new(false)
                .event(Some(&Event::Connection(ConnectionEvent::ServerInfoChanged {
                    info,
                })))
                .value()
        };
        assert_eq!(digest("a", "1"), digest("a", "2"));
        assert_ne!(digest("a", "1"), digest("b", "1"));
    }

    #[test]
    fn the_value_is_both_halves_of_the_hash() {
        assert_eq!(Digest::new(false).value(), 0xcbf2_9ce4 ^ 0x8422_2325);
    }
}
