//! What to do about an attempt that failed.

use nats_proto::{DecodeError, ServerErrorKind};

use super::{AttemptError, LinkEnd, Phase};

impl AttemptError {
    /// What a person could do about it, where its text does not say so, for an attempt that failed in this phase.
    pub fn advice(&self, phase: Phase) -> Option<&'static str> {
        Some(match (phase, self) {
            (
                _,
                Self::Link(LinkEnd::Dial {
                    kind: "connection_refused",
                    ..
                }),
            ) => "is a server running there, and is the port right?",
            (_, Self::Link(LinkEnd::Resolve { .. })) => "is the name spelled right?",
            (Phase::Resolve | Phase::Dial, Self::TimedOut) => {
                "nothing answers there: check the address and the firewall, or raise connect_timeout"
            }
            (Phase::Info, Self::TimedOut) => {
                "something accepts connections there but does not greet as a NATS server does: check the port, \
                 and whether the server wants TLS first"
            }
            (_, Self::Link(LinkEnd::Eof)) if phase == Phase::Info => {
                "something accepts connections there and closes them without greeting: is it a NATS server?"
            }
            // Its text says so.
            (_, Self::Protocol(DecodeError::UnknownOperation(_))) => return None,
            (_, Self::Protocol(_) | Self::ExpectedInfo) => "check host and port",
            (_, Self::Server(error)) if *error.kind() == ServerErrorKind::MaximumControlLineExceeded => {
                "CONNECT is longer than this server takes, which happens with large JWTs: raise max_control_line there"
            }
            (_, Self::AuthenticationTimeout { .. }) => {
                "servers wait some 2 s for CONNECT: answer faster, or raise the timeout of its authorization"
            }
            (_, Self::Server(error)) if error.is_authentication() => {
                "check user, password, token or credentials"
            }
            _ => return None,
        })
    }
}
