//! Subjects that nobody else has.

use std::fmt;
use std::sync::Mutex;

use nats_proto::Subject;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::core::lock::lock;

/// How many letters and digits an inbox has: 131 bits.
const LENGTH: usize = 22;

/// Where inboxes come from: a cryptographic generator with a key of its own. That of the machine would not do: it is written
/// into recordings, and tests choose it.
pub(crate) struct Inboxes {
    prefix: Subject,
    generator: Mutex<ChaCha20Rng>,
}

impl Inboxes {
    /// With this key, which nobody else knows.
    pub(crate) fn new(prefix: Subject, key: [u8; 32]) -> Self {
        Self {
            prefix,
            generator: Mutex::new(ChaCha20Rng::from_seed(key)),
        }
    }

    /// One that nobody has, nor can guess.
    pub(crate) fn draw(&self) -> Subject {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut token = String::with_capacity(LENGTH);
        while token.len() < LENGTH {
            let mut bytes = [0; 32];
            lock(&self.generator).fill_bytes(&mut bytes);
            for byte in bytes {
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

/// Without the generator: what it gives next is a secret.
impl fmt::Debug for Inboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inboxes")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectOptions;

    fn of_key(key: u8) -> Inboxes {
        Inboxes::new(Subject::from_static("_INBOX.mine"), [key; 32])
    }

    #[test]
    fn no_two_inboxes_are_the_same_and_all_are_below_the_prefix() {
        let inboxes = of_key(1);
        let (one, other) = (inboxes.draw(), inboxes.draw());
        assert_ne!(one, other);
        let token = one
            .as_str()
            .strip_prefix("_INBOX.mine.")
            .expect("below the prefix");
        assert_eq!(token.len(), LENGTH);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    }
    #[test]
    fn inboxes_follow_from_the_key_and_another_key_gives_others() {
        assert_eq!(of_key(1).draw(), of_key(1).draw());
        assert_ne!(of_key(1).draw(), of_key(2).draw());
    }

    #[test]
    fn two_connections_with_one_seed_have_keys_of_their_own() {
        let drawn = || {
            let options = ConnectOptions::<()>::default().seed([7; 32]);
            options.prepare().expect("usable").client.new_inbox()
        };
        assert_ne!(drawn(), drawn());
    }

    #[test]
    fn each_letter_and_digit_is_as_likely_as_any_other() {
        let inboxes = of_key(3);
        let (draws, mut found) = (2000, std::collections::BTreeMap::new());
        for _ in 0..draws {
            let inbox = inboxes.draw();
            for byte in inbox.as_str().bytes().rev().take(LENGTH) {
                *found.entry(byte).or_insert(0) += 1;
            }
        }
        assert_eq!(found.len(), 62);
        let each = draws * LENGTH / 62;
        for (byte, count) in found {
            // Seven times the deviation that is to be expected.
            let likely = each * 3 / 4..each * 5 / 4;
            assert!(likely.contains(&count), "{count} times {}", char::from(byte));
        }
    }

    #[test]
    fn what_prints_of_it_is_the_prefix_and_not_what_comes_next() {
        let printed = format!("{:?}", of_key(1));
        assert!(
            printed.starts_with("Inboxes") && printed.contains("_INBOX.mine"),
            "{printed}"
        );
        assert!(
            !printed.contains("enerator") && !printed.contains("[1, 1"),
            "{printed}"
        );
    }
}
