//! The numbers by which a driver and an application name what they talk about.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The id with this number: for drivers and tests that store ids as numbers.
            pub const fn from_u64(number: u64) -> Self {
                Self(number)
            }

            /// The number of the id.
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// One transport to one server. Every attempt has a new one, and none is ever used again, so that an
    /// answer about a link that is gone can be distinguished from one about the present link.
    LinkId
}
id! {
    /// A server of the pool. A server that leaves the pool and comes back gets a new one.
    ServerId
}
id! {
    /// One question for the next server, asked by [`Action::ChooseServer`](crate::Action::ChooseServer).
    AttemptId
}
id! {
    /// A request, from [`Connection::request`](crate::Connection::request) to its one
    /// [`Event::Response`](crate::Event::Response).
    RequestId
}
id! {
    /// A flush, from [`Connection::flush`](crate::Connection::flush) to its one
    /// [`Event::Flushed`](crate::Event::Flushed).
    FlushId
}
id! {
    /// A measurement, from [`Connection::rtt`](crate::Connection::rtt) to its one
    /// [`Event::RoundTrip`](crate::Event::RoundTrip).
    RoundTripId
}
id! {
    /// The number of a publish that was accepted, counted from 1 in the order of acceptance.
    PublishSeq
}

impl PublishSeq {
    /// The number after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether it is the one after that.
    pub(crate) const fn follows(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) == 1
    }

    /// The number before this one; zero stays zero.
    pub(crate) const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}
