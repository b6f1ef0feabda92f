//! The states that are known, and how they are reached: a few dozen bytes for each.

use super::input::Input;

/// The number of a state, in the order in which they were found.
pub(super) type Id = u32;

/// No state.
pub(super) const NONE: Id = Id::MAX;

/// The states that are known.
#[derive(Default)]
pub(super) struct Known {
    /// Their hashes, by number.
    hashes: Vec<u128>,
    /// An open table of numbers, a power of two long.
    table: Vec<Id>,
    /// By number: the state before it, and the input that leads from there.
    ways: Vec<(Id, Option<Input>)>,
}

impl Known {
    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The number of this state, and whether it is new.
    pub(super) fn add(&mut self, hash: u128, before: Id, input: Option<Input>) -> (Id, bool) {
        if self.table.len() < (self.hashes.len() + 1) * 2 {
            self.grow();
        }
        let place = self.place(hash);
        let known = self.table[place];
        if known != NONE {
            return (known, false);
        }
        let id = Id::try_from(self.hashes.len()).expect("fewer states than that");
        self.table[place] = id;
        self.hashes.push(hash);
        self.ways.push((before, input));
        (id, true)
    }

    /// Whether it is known.
    pub(super) fn contains(&self, hash: u128) -> bool {
        !self.table.is_empty() && self.table[self.place(hash)] != NONE
    }

    /// Where it stands in the table, or would stand.
    fn place(&self, hash: u128) -> usize {
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        while self.table[place] != NONE && self.hashes[self.table[place] as usize] != hash {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(1 << 10);
        self.table = vec![NONE; len];
        for id in 0..self.hashes.len() {
            let place = self.place(self.hashes[id]);
            self.table[place] = id as Id;
        }
    }

    /// The inputs that lead to a state.
    pub(super) fn way(&self, state: Id) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut place = state;
        while let (before, Some(input)) = self.ways[place as usize] {
            inputs.push(input);
            place = before;
        }
        inputs.reverse();
        inputs
    }
}

/// 128 bits of these bytes: states are too few for two of them to share one by chance.
pub(super) fn hash(bytes: &[u8]) -> u128 {
    const ODD: [u64; 4] = [
        0x9e37_79b9_7f4a_7c15,
        0xd6e8_feb8_6659_fd93,
        0xa076_1d64_78bd_642f,
        0xe703_7ed1_a0b4_28db,
    ];
    let fold = |one: u64, other: u64| {
        let product = u128::from(one) * u128::from(other);
        (product >> 64) as u64 ^ product as u64
    };
    let (mut low, mut high) = (ODD[0] ^ bytes.len() as u64, ODD[1]);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        low = fold(low ^ word, ODD[2]);
        high = fold(high ^ word.rotate_left(29), ODD[3]) ^ low.rotate_left(17);
    }
    u128::from(fold(low, ODD[1])) << 64 | u128::from(fold(high, ODD[0]))
}
