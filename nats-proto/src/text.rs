//! Immutable text that is cheap to clone: a literal, or shared.

use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

/// What the validated types hold. Compares, orders and hashes as the text it is.
#[derive(Clone)]
pub(crate) enum Text {
    Literal(&'static str),
    Shared(Arc<str>),
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Shared(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

/// The conversions and comparisons that `Subject`, `SubjectFilter`, `QueueGroup` and `HeaderName` have in
/// common, each over its own `check`; `refused` makes an error of the text and of what is wrong with it.
macro_rules! validated_text {
    ($type:ident, $error:ident, $check:path, $refused:expr) => {
        impl $type {
            /// Checks and takes a copy of the text.
            ///
            /// # Errors
            #[doc = concat!("[`", stringify!($error), "`] says what is wrong and where.")]
            pub fn new(text: &str) -> Result<Self, $error> {
                match $check(text.as_bytes()) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(reason) => Err($refused(text, reason)),
                }
            }

            /// From a literal: without a copy, checked when compiling if used in a `const`.
            ///
            /// # Panics
            /// If the literal is not valid. In a `const` that is an error of the compiler.
            pub const fn from_static(text: &'static str) -> Self {
                match $check(text.as_bytes()) {
                    Ok(()) => Self(Text::Literal(text)),
                    Err(_) => panic!(concat!("not a valid ", stringify!($type))),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The text as bytes, as they lie on the wire.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_str().as_bytes()
            }
        }

        impl TryFrom<&str> for $type {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl TryFrom<alloc::string::String> for $type {
            type Error = $error;

            fn try_from(text: alloc::string::String) -> Result<Self, $error> {
                match $check(text.as_bytes()) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(reason) => Err($refused(&text, reason)),
                }
            }
        }

        impl TryFrom<&alloc::string::String> for $type {
            type Error = $error;

            fn try_from(text: &alloc::string::String) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl TryFrom<&&str> for $type {
            type Error = $error;

            fn try_from(text: &&str) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl TryFrom<alloc::borrow::Cow<'_, str>> for $type {
            type Error = $error;

            fn try_from(text: alloc::borrow::Cow<'_, str>) -> Result<Self, $error> {
                match text {
                    alloc::borrow::Cow::Borrowed(text) => Self::new(text),
                    alloc::borrow::Cow::Owned(text) => text.try_into(),
                }
            }
        }

        impl TryFrom<&alloc::borrow::Cow<'_, str>> for $type {
            type Error = $error;

            fn try_from(text: &alloc::borrow::Cow<'_, str>) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl core::str::FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl core::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, text: &str) -> bool {
                self.as_str() == text
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, text: &&str) -> bool {
                self.as_str() == *text
            }
        }

        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

pub(crate) use validated_text;
