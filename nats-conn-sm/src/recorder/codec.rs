//! How numbers, texts and inputs are written and read. Reading is total.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use nats_proto::{Secret, ServerUrl, Sid, UserInfo};

use super::format::RecordingError;
use crate::ids::LinkId;

/// Writes to the end of a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    /// LEB128: 7 bits a byte, the lowest first.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.byte((number & 0x7f) as u8);
    }

    pub(crate) fn size(&mut self, size: usize) {
        self.number(size as u64);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(u64::from(duration.subsec_nanos()));
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn secret(&mut self, secret: &Secret) {
        self.text(secret.expose());
    }

    pub(crate) fn url(&mut self, url: &ServerUrl) {
        self.text(&alloc::format!("{url}"));
        match url.userinfo() {
            Some(UserInfo::Password { user, password }) => {
                self.byte(2);
                self.secret(user);
                self.secret(password);
            }
            Some(UserInfo::Token(token)) => {
                self.byte(1);
                self.secret(token);
            }
            _ => self.byte(0),
        }
        self.option(url.tls_name(), Self::text);
        self.flag(url.is_tls_first());
    }

    pub(crate) fn urls(&mut self, urls: &[ServerUrl]) {
        self.size(urls.len());
        urls.iter().for_each(|url| self.url(url));
    }
}

/// Reads from the front of a buffer.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    bytes: Bytes,
    /// How many bytes of the recording come before.
    at: u64,
}

type Read<T> = Result<T, RecordingError>;

impl Reader {
    pub(crate) fn new(bytes: Bytes, at: u64) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn invalid<T>(&self, what: &'static str) -> Read<T> {
        Err(RecordingError::Invalid { at: self.at, what })
    }

    pub(crate) fn take(&mut self, count: usize) -> Read<Bytes> {
        if count > self.bytes.len() {
            return Err(RecordingError::Truncated { at: self.at });
        }
        self.at = self.at.saturating_add(count as u64);
        Ok(self.bytes.split_to(count))
    }

    pub(crate) fn byte(&mut self) -> Read<u8> {
        let byte = self.take(1)?;
        byte.first()
            .copied()
            .ok_or(RecordingError::Truncated { at: self.at })
    }

    pub(crate) fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.invalid("a flag"),
        }
    }

    pub(crate) fn number(&mut self) -> Read<u64> {
        let mut number = 0_u64;
        for place in 0..10_u32 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shift = place.saturating_mul(7);
            let shifted = bits.checked_shl(shift).unwrap_or_default();
            if shifted.checked_shr(shift) != Some(bits) {
                break;
            }
            number |= shifted;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        self.invalid("a number")
    }

    pub(crate) fn size(&mut self) -> Read<usize> {
        match usize::try_from(self.number()?) {
            Ok(size) => Ok(size),
            Err(_) => self.invalid("a size"),
        }
    }

    pub(crate) fn small(&mut self) -> Read<u32> {
        match u32::try_from(self.number()?) {
            Ok(number) => Ok(number),
            Err(_) => self.invalid("a number"),
        }
    }

    pub(crate) fn bytes(&mut self) -> Read<Bytes> {
        let len = self.size()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Read<String> {
        let bytes = self.bytes()?;
        match core::str::from_utf8(&bytes) {
            Ok(text) => Ok(String::from(text)),
            Err(_) => self.invalid("a text"),
        }
    }

    pub(crate) fn duration(&mut self) -> Read<Duration> {
        let (seconds, nanos) = (self.number()?, self.small()?);
        if nanos >= 1_000_000_000 {
            return self.invalid("a time");
        }
        Ok(Duration::new(seconds, nanos))
    }

    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A text that is to be something in particular.
    pub(crate) fn parsed<T, E>(
        &mut self,
        what: &'static str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Read<T> {
        match parse(self.text()?) {
            Ok(value) => Ok(value),
            Err(_) => self.invalid(what),
        }
    }

    pub(crate) fn secret(&mut self) -> Read<Secret> {
        self.text().map(Secret::from)
    }

    pub(crate) fn link(&mut self) -> Read<LinkId> {
        self.number().map(LinkId::from_u64)
    }

    pub(crate) fn sid(&mut self) -> Read<Sid> {
        self.number().map(Sid::new)
    }

    pub(crate) fn url(&mut self) -> Read<ServerUrl> {
        let url = self.parsed("a URL", |text| ServerUrl::parse(&text))?;
        let userinfo = match self.byte()? {
            0 => None,
            1 => Some(UserInfo::Token(self.secret()?)),
            2 => Some(UserInfo::Password {
                user: self.secret()?,
                password: self.secret()?,
            }),
            _ => return self.invalid("user information"),
        };
        let url = url.with_userinfo(userinfo);
        let url = match self.option(Self::text)? {
            Some(name) => url.with_tls_name(name),
            None => url,
        };
        Ok(if self.flag()? {
            url.with_tls_first(true)
        } else {
            url
        })
    }

    pub(crate) fn urls(&mut self) -> Read<Vec<ServerUrl>> {
        let count = self.size()?;
        // Nothing is allocated ahead of what is there.
        let mut urls = Vec::new();
        for _ in 0..count {
            urls.push(self.url()?);
        }
        Ok(urls)
    }
}
