//! Where encoded operations go.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

/// From how many bytes on a shared payload is kept by reference instead of being copied.
pub const SHARED_MIN: usize = 4096;

/// Where encoded operations go: a vector, a `BytesMut`, or a [`TransmitBuf`](crate::TransmitBuf), which keeps
/// large payloads without copying them.
pub trait WireSink {
    /// Says that so many bytes are about to come, so that room is made once. Does nothing by default.
    fn reserve(&mut self, _additional: usize) {}

    /// Appends `len` bytes and lends them, to be overwritten, all of them: what they hold is left from something else.
    /// For sinks whose memory is there already. Others say none, the default, and are given the bytes in pieces.
    fn room(&mut self, _len: usize) -> Option<&mut [u8]> {
        None
    }

    /// Takes a copy of the bytes.
    fn put_slice(&mut self, bytes: &[u8]);

    /// Takes bytes that are shared. Copies them by default; a sink may keep the reference instead.
    fn put_shared(&mut self, bytes: Bytes) {
        self.put_slice(&bytes);
    }
}

impl WireSink for Vec<u8> {
    #[inline]
    fn reserve(&mut self, additional: usize) {
        Vec::reserve(self, additional);
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl WireSink for BytesMut {
    #[inline]
    fn reserve(&mut self, additional: usize) {
        BytesMut::reserve(self, additional);
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A payload to be sent: borrowed and copied, or shared and, from 4 KiB, not copied by a
/// [`TransmitBuf`](crate::TransmitBuf).
#[derive(Clone)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// Will be copied.
    Borrowed(&'a [u8]),
    /// May be kept by reference.
    Shared(Bytes),
}

impl Payload<'_> {
    /// The number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// The number of bytes that a sink may keep without copying them: all of a shared payload of at least [`SHARED_MIN`]
    /// bytes, and 0 for any other, which is copied.
    #[inline]
    pub fn shared_len(&self) -> usize {
        match self {
            Self::Shared(bytes) if bytes.len() >= SHARED_MIN => bytes.len(),
            _ => 0,
        }
    }

    #[inline]
    pub(crate) fn put(&self, out: &mut impl WireSink) {
        match self {
            Self::Borrowed(bytes) => out.put_slice(bytes),
            Self::Shared(bytes) => out.put_shared(bytes.clone()),
        }
    }
}

/// Shows only the length.
impl core::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Borrowed(bytes)
    }
}

/// A copy of its own.
impl<const N: usize> From<[u8; N]> for Payload<'_> {
    fn from(bytes: [u8; N]) -> Self {
        Self::Shared(Bytes::copy_from_slice(&bytes))
    }
}

impl<'a> From<&&'a str> for Payload<'a> {
    fn from(text: &&'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<Cow<'a, [u8]>> for Payload<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => bytes.into(),
            Cow::Owned(bytes) => bytes.into(),
        }
    }
}

impl<'a> From<&'a Cow<'_, str>> for Payload<'a> {
    fn from(text: &'a Cow<'_, str>) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Borrowed(bytes)
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Shared(bytes)
    }
}

impl From<&Bytes> for Payload<'_> {
    fn from(bytes: &Bytes) -> Self {
        Self::Shared(bytes.clone())
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Shared(bytes.into())
    }
}

/// The text of a message that arrived, for example: `message.text()`.
impl<'a> From<Cow<'a, str>> for Payload<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl<'a> From<&'a alloc::string::String> for Payload<'a> {
    fn from(text: &'a alloc::string::String) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl From<alloc::string::String> for Payload<'_> {
    fn from(text: alloc::string::String) -> Self {
        Self::Shared(text.into())
    }
}
