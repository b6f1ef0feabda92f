//! How far a link has come: from dialling to a session.
//!
//! ```text
//!                 connected              INFO                        PONG
//!   Dialing ------------------> AwaitingInfo --------> AwaitingPong ------> Ready
//!      |                          ^     | |                ^  ^
//!      | connected (tls first)    |     | | INFO           |  | credentials
//!      v                   tls    |     | +--> Authenticating +
//!   UpgradingTls(First) ----------+     |                  ^
//!                                  INFO |                  | tls
//!                                       v       tls        |
//!                        UpgradingTls(AfterInfo) ----------+--> AwaitingPong
//! ```
//!
//! Each step consumes the phase and returns the next, so that no state is told twice.

use alloc::boxed::Box;

use crate::connection::Progress;
use crate::error;
use crate::session::Session;

/// What is awaited on this link.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// A byte stream.
    Dialing(Option<Progress>),
    /// The end of the TLS handshake.
    UpgradingTls(Upgrade),
    /// The first line.
    AwaitingInfo,
    /// Who we are.
    Authenticating,
    /// The PONG behind CONNECT and PING.
    AwaitingPong,
    /// Nothing: the session is up.
    Ready(Box<Session>),
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// Before INFO.
    First,
    /// Behind INFO.
    AfterInfo,
}

/// Something that moves a link on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The stream is there; `tls_first` as configured.
    Connected { tls_first: bool },
    /// TLS is established; whether credentials are to be asked for.
    TlsDone { ask: bool },
    /// INFO has arrived; whether TLS comes next, and whether credentials are to be asked for.
    Info { tls: bool, ask: bool },
    /// Who we are is known.
    Credentials,
}

impl Phase {
    /// The phase behind this step, or this one again if the step is not due.
    pub(crate) fn step(self, step: Step) -> Result<Self, Self> {
        match (self, step) {
            (Self::Dialing(_), Step::Connected { tls_first: true }) => Ok(Self::UpgradingTls(Upgrade::First)),
            (Self::Dialing(_), Step::Connected { tls_first: false }) => Ok(Self::AwaitingInfo),
            (Self::UpgradingTls(Upgrade::First), Step::TlsDone { .. }) => Ok(Self::AwaitingInfo),
            (Self::UpgradingTls(Upgrade::AfterInfo), Step::TlsDone { ask }) => Ok(Self::identify(ask)),
            (Self::AwaitingInfo, Step::Info { tls: true, .. }) => Ok(Self::UpgradingTls(Upgrade::AfterInfo)),
            (Self::AwaitingInfo, Step::Info { tls: false, ask }) => Ok(Self::identify(ask)),
            (Self::Authenticating, Step::Credentials) => Ok(Self::AwaitingPong),
            (phase, _) => Err(phase),
        }
    }

    fn identify(ask: bool) -> Self {
        if ask {
            Self::Authenticating
        } else {
            Self::AwaitingPong
        }
    }

    /// How a failure here is told.
    pub(crate) fn public(&self) -> error::Phase {
        match self {
            Self::Dialing(Some(Progress::Resolving)) => error::Phase::Resolve,
            Self::Dialing(_) => error::Phase::Dial,
            Self::UpgradingTls(_) => error::Phase::Tls,
            Self::AwaitingInfo => error::Phase::Info,
            Self::Authenticating => error::Phase::Auth,
            Self::AwaitingPong | Self::Ready(_) => error::Phase::Connect,
        }
    }

    /// Whether CONNECT has been written or is about to be.
    pub(crate) fn may_write(&self) -> bool {
        matches!(self, Self::AwaitingPong | Self::Ready(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Dialing(_) => "Dialing",
            Phase::UpgradingTls(Upgrade::First) => "UpgradingTls(First)",
            Phase::UpgradingTls(Upgrade::AfterInfo) => "UpgradingTls(AfterInfo)",
            Phase::AwaitingInfo => "AwaitingInfo",
            Phase::Authenticating => "Authenticating",
            Phase::AwaitingPong => "AwaitingPong",
            Phase::Ready(_) => "Ready",
        }
    }

    /// The arrows of the diagram at the top of this file, but for the PONG, which needs a session.
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

    #[test]
    fn the_code_has_the_arrows_of_the_diagram_and_no_others() {
        let phases = || {
            [
                Phase::Dialing(None),
                Phase::UpgradingTls(Upgrade::First),
                Phase::UpgradingTls(Upgrade::AfterInfo),
                Phase::AwaitingInfo,
                Phase::Authenticating,
                Phase::AwaitingPong,
            ]
        };
        let mut steps = alloc::vec![Step::Credentials];
        for one in [true, false] {
            steps.extend([Step::Connected { tls_first: one }, Step::TlsDone { ask: one }]);
            steps.extend([true, false].map(|other| Step::Info { tls: one, ask: other }));
        }
        let mut seen = alloc::collections::BTreeSet::new();
        for step in steps {
            for phase in phases() {
                let from = name(&phase);
                match phase.step(step) {
                    Ok(next) => {
                        seen.insert((from, name(&next)));
                    }
                    Err(same) => assert_eq!(name(&same), from),
                }
            }
        }
        assert_eq!(seen, ARROWS.into_iter().collect());
    }

    #[test]
    fn the_diagram_names_every_phase() {
        let source = include_str!("phase.rs");
        let diagram = source.split("```").nth(1).unwrap();
        for (from, to) in ARROWS {
            assert!(
                diagram.contains(from) && diagram.contains(to),
                "{from} -> {to} is not drawn"
            );
        }
        assert!(diagram.contains("Ready"));
    }
}
