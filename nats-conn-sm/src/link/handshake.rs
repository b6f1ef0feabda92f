//! How far a link has come: from dialling to the PONG that begins a session.
//!
//! ```text
//!                 connected              INFO                        PONG
//!   Dialing ------------------> AwaitingInfo --------> AwaitingPong ------> (the session)
//!      |                          ^     | |                ^  ^
//!      | connected (tls first)    |     | | INFO           |  | credentials
//!      v                   tls    |     | +--> Authenticating +
//!   UpgradingTls(First) ----------+     |                  ^
//!                                  INFO |                  | tls
//!                                       v       tls        |
//!                        UpgradingTls(AfterInfo) ----------+--> AwaitingPong
//! ```

use crate::error;
use crate::input::Progress;

/// What is awaited on this link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// A byte stream.
    Dialing(Option<Progress>),
    /// The end of the TLS handshake.
    UpgradingTls(Upgrade),
    /// The first line.
    AwaitingInfo,
    /// The credentials.
    Authenticating,
    /// The PONG that follows CONNECT and PING.
    AwaitingPong,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// Before INFO.
    First,
    /// After INFO.
    AfterInfo,
}

/// Something that takes a link to its next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The stream is there; `tls_first` as configured.
    Connected { tls_first: bool },
    /// TLS is established; whether credentials are to be asked for.
    TlsDone { ask: bool },
    /// INFO has arrived; whether TLS comes next, and whether credentials are to be asked for.
    Info { tls: bool, ask: bool },
    /// The credentials are known.
    Credentials,
}

impl Handshake {
    /// What follows this step; none if the step is not due.
    pub(super) fn step(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Dialing(_), Step::Connected { tls_first: true }) => {
                Some(Self::UpgradingTls(Upgrade::First))
            }
            (Self::Dialing(_), Step::Connected { tls_first: false }) => Some(Self::AwaitingInfo),
            (Self::UpgradingTls(Upgrade::First), Step::TlsDone { .. }) => Some(Self::AwaitingInfo),
            (Self::UpgradingTls(Upgrade::AfterInfo), Step::TlsDone { ask }) => Some(Self::identify(ask)),
            (Self::AwaitingInfo, Step::Info { tls: true, .. }) => {
                Some(Self::UpgradingTls(Upgrade::AfterInfo))
            }
            (Self::AwaitingInfo, Step::Info { tls: false, ask }) => Some(Self::identify(ask)),
            (Self::Authenticating, Step::Credentials) => Some(Self::AwaitingPong),
            _ => None,
        }
    }

    fn identify(ask: bool) -> Self {
        if ask {
            Self::Authenticating
        } else {
            Self::AwaitingPong
        }
    }

    /// What a failure here is called.
    pub(super) fn phase(self) -> error::Phase {
        match self {
            Self::Dialing(Some(Progress::Resolving)) => error::Phase::Resolve,
            Self::Dialing(_) => error::Phase::Dial,
            Self::UpgradingTls(_) => error::Phase::Tls,
            Self::AwaitingInfo => error::Phase::Info,
            Self::Authenticating => error::Phase::Auth,
            Self::AwaitingPong => error::Phase::Connect,
        }
    }

    /// Whether TLS, if it is wanted from now on, comes before anything is sent.
    pub(super) fn is_before_tls(self) -> bool {
        matches!(
            self,
            Self::Dialing(_) | Self::UpgradingTls(_) | Self::AwaitingInfo
        )
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;

    use super::*;

    fn name(handshake: Handshake) -> &'static str {
        match handshake {
            Handshake::Dialing(_) => "Dialing",
            Handshake::UpgradingTls(Upgrade::First) => "UpgradingTls(First)",
            Handshake::UpgradingTls(Upgrade::AfterInfo) => "UpgradingTls(AfterInfo)",
            Handshake::AwaitingInfo => "AwaitingInfo",
            Handshake::Authenticating => "Authenticating",
            Handshake::AwaitingPong => "AwaitingPong",
        }
    }

    /// The arrows of the diagram at the top of this file, but for the PONG, which begins a session.
    const ARROWS: [(&str, &str); 9] = [
        ("Dialing", "UpgradingTls(First)"),
        ("Dialing", "AwaitingInfo"),
        ("UpgradingTls(First)", "AwaitingInfo"),
        ("AwaitingInfo", "UpgradingTls(AfterInfo)"),
        ("AwaitingInfo", "Authenticating"),
        ("AwaitingInfo", "AwaitingPong"),
        ("UpgradingTls(AfterInfo)", "Authenticating"),
        ("UpgradingTls(AfterInfo)", "AwaitingPong"),
        ("Authenticating", "AwaitingPong"),
    ];

    const ALL: [Handshake; 6] = [
        Handshake::Dialing(None),
        Handshake::UpgradingTls(Upgrade::First),
        Handshake::UpgradingTls(Upgrade::AfterInfo),
        Handshake::AwaitingInfo,
        Handshake::Authenticating,
        Handshake::AwaitingPong,
    ];

    #[test]
    fn the_code_has_the_arrows_of_the_diagram_and_no_others() {
        let mut steps = vec![Step::Credentials];
        for one in [true, false] {
            steps.extend([Step::Connected { tls_first: one }, Step::TlsDone { ask: one }]);
            steps.extend([true, false].map(|other| Step::Info { tls: one, ask: other }));
        }
        let mut seen = BTreeSet::new();
        for step in steps {
            for from in ALL {
                if let Some(next) = from.step(step) {
                    seen.insert((name(from), name(next)));
                }
            }
        }
        assert_eq!(seen, ARROWS.into_iter().collect());
    }

    #[test]
    fn the_diagram_names_every_stage() {
        let source = include_str!("handshake.rs");
        let diagram = source.split("```").nth(1).unwrap();
        for stage in ALL {
            assert!(diagram.contains(name(stage)), "{} is not drawn", name(stage));
        }
    }
}
