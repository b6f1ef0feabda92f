//! Bytes as a source of choices: each is used once, and after the last everything is zero.

pub(crate) mod settings;

/// What is left of the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Choices<'a> {
    bytes: &'a [u8],
    twice: bool,
}

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, twice: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether this life is lived twice.
    pub(crate) fn is_twice(&self) -> bool {
        self.twice
    }

    pub(crate) fn live_twice(&mut self, twice: bool) {
        self.twice = twice;
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let wide = if end > 256 { 2 } else { 1 };
        let number = (0..wide).fold(0, |number, _| number << 8 | u64::from(self.byte()));
        if end > 1 << 16 {
            return number.wrapping_mul(end >> 16);
        }
        number % end
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len.max(1) as u64)).unwrap_or_default()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// True for the last of so many values, so that after the last byte it is false.
    pub(crate) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == of - 1
    }

    /// So many of the bytes as they are, at most.
    pub(crate) fn raw(&mut self, most: usize) -> Vec<u8> {
        let count = self.index(most + 1).min(self.bytes.len());
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        taken.to_vec()
    }
}
