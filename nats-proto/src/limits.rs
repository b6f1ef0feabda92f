//! How much a peer may send before it is refused.

/// How much a server may send at once before the [`Decoder`](crate::Decoder) refuses it. Nothing is allocated
/// ahead of what arrived, whatever a line announces.
///
/// ```
/// let limits = nats_proto::Limits::default().with_payload(1024);
/// assert_eq!((limits.line, limits.info, limits.payload), (65_536, 1_048_576, 1024));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// The longest control line but INFO, in bytes with its end. Default: 64 KiB. Less than 64 counts as 64.
    pub line: usize,
    /// The longest INFO line, in bytes with its end. Default: 1 MiB. Less than [`line`](Self::line) counts as
    /// that.
    pub info: usize,
    /// The largest message, in bytes of headers and payload. Default: 64 MiB. It should be far above the
    /// `max_payload` of the server one is connected to: others in its cluster may allow more.
    pub payload: usize,
}

/// Above this a frame could not be described with 32-bit offsets.
const LARGEST_LINE: usize = 1 << 29;
const LARGEST_PAYLOAD: usize = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 64 << 10,
            info: 1 << 20,
            payload: 64 << 20,
        }
    }
}

impl Limits {
    /// With another limit for control lines.
    #[must_use]
    pub const fn with_line(self, line: usize) -> Self {
        Self { line, ..self }
    }

    /// With another limit for INFO.
    #[must_use]
    pub const fn with_info(self, info: usize) -> Self {
        Self { info, ..self }
    }

    /// With another limit for headers and payload.
    #[must_use]
    pub const fn with_payload(self, payload: usize) -> Self {
        Self { payload, ..self }
    }

    /// What is enforced: no line limit so small that operations could not be distinguished, no frame above 2 GiB.
    pub(crate) fn in_range(self) -> Self {
        let line = self.line.clamp(64, LARGEST_LINE);
        Self {
            line,
            info: self.info.clamp(line, LARGEST_LINE),
            payload: self.payload.min(LARGEST_PAYLOAD),
        }
    }
}
