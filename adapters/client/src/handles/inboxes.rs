//! Subjects that nobody else has.

use nats_proto::Subject;

/// How many letters and digits an inbox has: 131 bits.
const LENGTH: usize = 22;

/// Where inboxes come from.
#[derive(Debug)]
pub(crate) struct Inboxes {
    prefix: Subject,
}

impl Inboxes {
    pub(crate) fn new(prefix: Subject) -> Self {
        Self { prefix }
    }

    /// One that nobody has, nor can guess.
    pub(crate) fn draw(&self) -> Subject {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut token = String::with_capacity(LENGTH);
        while token.len() < LENGTH {
            for byte in random() {
                // All that are left stand for as many bytes each, so that each is as likely as any other.
                if byte < 248 && token.len() < LENGTH {
                    token.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
                }
            }
        }
        match self.prefix.child(&token) {
            Ok(inbox) => inbox,
            Err(error) => unreachable!("letters and digits: {error}"),
        }
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    if getrandom::fill(&mut bytes).is_err() {
        // A system that had randomness when the connection was made has it now. If not, the standard library has some.
        use std::hash::{BuildHasher, Hasher, RandomState};
        for piece in bytes.chunks_mut(8) {
            let number = RandomState::new().build_hasher().finish().to_ne_bytes();
            piece.copy_from_slice(&number[..piece.len()]);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_inboxes_are_the_same_and_all_are_below_the_prefix() {
        let inboxes = Inboxes::new(Subject::from_static("_INBOX.mine"));
        let (one, other) = (inboxes.draw(), inboxes.draw());
        assert_ne!(one, other);
        let token = one
            .as_str()
            .strip_prefix("_INBOX.mine.")
            .expect("below the prefix");
        assert_eq!(token.len(), LENGTH);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    }
}
