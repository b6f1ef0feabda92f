//! How the bytes of a server travel, for faults of the transport.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

/// How the bytes of a server travel, on links that are up and on those to come. By default as fast as they can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transport {
    /// How many bytes are written at once, at most. Default: no limit.
    pub write_most: Option<NonZeroUsize>,
    /// How long it rests after each of these writes. Default: zero.
    pub write_pause: Duration,
    /// How many bytes are read in a second, at most. Default: no limit.
    pub read_rate: Option<NonZeroU64>,
    /// Whether nothing is read, so that the client cannot write any more once the system's buffers are full. Default: `false`.
    pub stopped_reading: bool,
}

impl Transport {
    /// The pieces in which this is written.
    pub(super) fn pieces<'a>(&self, output: &'a [u8]) -> std::slice::Chunks<'a, u8> {
        let most = self.write_most.map_or(output.len().max(1), NonZeroUsize::get);
        output.chunks(most)
    }

    /// How many bytes a read has room for, of so many at most.
    pub(super) fn room(&self, most: usize) -> usize {
        // Ten reads a second, so that the pauses are short.
        self.read_rate.map_or(most, |rate| {
            usize::try_from(rate.get() / 10).unwrap_or(most).clamp(1, most)
        })
    }

    /// How long to rest after so many bytes were read.
    pub(super) fn rest(&self, read: usize) -> Duration {
        self.read_rate.map_or(Duration::ZERO, |rate| {
            Duration::from_millis((read as u64).saturating_mul(1000) / rate.get())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_in_ten_reads_a_second() {
        let transport = Transport {
            read_rate: NonZeroU64::new(1000),
            ..Transport::default()
        };
        assert_eq!(
            (transport.room(65536), transport.rest(100)),
            (100, Duration::from_millis(100))
        );
        assert_eq!(Transport::default().room(65536), 65536);
        assert_eq!(Transport::default().rest(65536), Duration::ZERO);
    }

    #[test]
    fn a_write_has_so_many_bytes_at_most() {
        let transport = Transport {
            write_most: NonZeroUsize::new(2),
            ..Transport::default()
        };
        let pieces: Vec<&[u8]> = transport.pieces(b"abcde").collect();
        assert_eq!(pieces, [b"ab".as_slice(), b"cd", b"e"]);
        assert_eq!(Transport::default().pieces(b"abcde").count(), 1);
        assert_eq!(Transport::default().pieces(b"").count(), 0);
    }
}
