//! Messages that can be told apart, and that show it if a byte of them is wrong.

/// One message: the life that sent it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    /// The life, from 1.
    pub life: u32,
    /// The number: publishes and requests have numbers of their own, from 0.
    pub number: u32,
}

/// The numbers of requests begin here, those of publishes with 0.
const ASKED: u32 = 1 << 31;
/// Life and number.
const HEAD: usize = 8;

impl Note {
    /// The note of a request of this number.
    pub const fn of_request(life: u32, number: u32) -> Self {
        Self {
            life,
            number: ASKED | number,
        }
    }

    /// A payload of this size, at least that of life and number.
    pub fn payload(self, size: usize) -> Vec<u8> {
        let mut payload = Vec::with_capacity(size.max(HEAD));
        payload.extend(self.life.to_le_bytes());
        payload.extend(self.number.to_le_bytes());
        payload.extend((HEAD..size).map(|place| self.filler(place)));
        payload
    }

    /// The note of a payload.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        let word = |at: usize| payload.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let (Some(life), Some(number)) = (word(0), word(4)) else {
            return Err(format!("a payload of {} bytes is no note", payload.len()));
        };
        let note = Self { life, number };
        let wrong = (HEAD..)
            .zip(&payload[HEAD..])
            .find(|(place, byte)| **byte != note.filler(*place));
        match wrong {
            None => Ok(note),
            Some((place, _)) => Err(format!("byte {place} of {} of {note:?} is wrong", payload.len())),
        }
    }

    /// Line ends occur in it, too.
    fn filler(self, place: usize) -> u8 {
        let mixed = (self.life.wrapping_mul(31) ^ self.number.wrapping_mul(7)) as usize;
        (mixed.wrapping_add(place) & 0xff) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_a_wrong_byte_is_found() {
        let note = Note {
            life: 3,
            number: 70_000,
        };
        for size in [0, 8, 9, 3000] {
            assert_eq!(Note::read(&note.payload(size)), Ok(note));
        }
        let mut payload = note.payload(300);
        payload[299] ^= 1;
        assert!(Note::read(&payload).is_err());
        assert!(Note::read(&payload[..7]).is_err());
    }
}
