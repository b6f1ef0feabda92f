//! The names by which programs tell what happened: they do not change.

use nats_conn_sm::{
    AuthError, ClosedReason, DropReason, EndReason, FlushError, LinkEnd, Phase, RemovalReason, RequestError,
    State,
};

// behaviour: 2.1
#[test]
fn every_phase_and_every_end_of_a_link_has_its_name() {
    let phases = [
        Phase::Resolve,
        Phase::Dial,
        Phase::Info,
        Phase::Tls,
        Phase::Auth,
        Phase::Connect,
    ];
    assert_eq!(
        phases.map(Phase::code),
        ["resolve", "dial", "info", "tls", "auth", "connect"]
    );
    let detail = || Box::from("x");
    let ends = [
        LinkEnd::Eof,
        LinkEnd::Requested,
        LinkEnd::Resolve { detail: detail() },
        LinkEnd::Dial {
            kind: "timed_out",
            detail: detail(),
        },
        LinkEnd::Tls { detail: detail() },
        LinkEnd::Io {
            kind: "broken_pipe",
            detail: detail(),
        },
    ];
    assert_eq!(
        ends.map(|end| end.code()),
        [
            "eof",
            "requested",
            "resolve_failed",
            "timed_out",
            "tls_failed",
            "broken_pipe"
        ]
    );
    let unusable = AuthError::Unusable { detail: detail() };
    assert_eq!(
        [AuthError::NoNonce.code(), unusable.code()],
        ["no_nonce", "credentials_unusable"]
    );
}

// behaviour: 7.3, 6.3
#[test]
fn every_end_of_a_request_or_a_flush_has_its_name() {
    let written = true;
    let ends = [
        RequestError::NoResponders,
        RequestError::TimedOut { written },
        RequestError::Disconnected { written },
        RequestError::Closed,
        RequestError::Refused,
        RequestError::Dropped,
    ];
    assert_eq!(
        ends.map(|end| end.code()),
        [
            "no_responders",
            "timed_out",
            "disconnected",
            "closed",
            "refused",
            "dropped"
        ]
    );
    assert_eq!(
        ends.map(|end| end.written()),
        [None, Some(true), Some(true), None, None, None]
    );
    let flushes = [FlushError::Disconnected, FlushError::Closed];
    assert_eq!(flushes.map(|end| end.code()), ["disconnected", "closed"]);
}

// behaviour: 7.1, 6.2, 3.4
#[test]
fn every_state_and_every_reason_has_its_name() {
    let states = [
        State::Connecting,
        State::Connected,
        State::Reconnecting,
        State::Draining,
        State::Closed,
    ];
    assert_eq!(
        states.map(State::code),
        ["connecting", "connected", "reconnecting", "draining", "closed"]
    );
    let ends = [
        EndReason::Unsubscribed,
        EndReason::MaxReached,
        EndReason::Drained,
        EndReason::Refused,
        EndReason::Closed,
    ];
    assert_eq!(
        ends.map(EndReason::code),
        ["unsubscribed", "max_reached", "drained", "refused", "closed"]
    );
    let drops = [
        DropReason::Overflow,
        DropReason::TooLarge,
        DropReason::HeadersUnsupported,
        DropReason::Closed,
    ];
    assert_eq!(
        drops.map(DropReason::code),
        ["overflow", "too_large", "headers_unsupported", "closed"]
    );
    let removals = [
        RemovalReason::MaxReconnects,
        RemovalReason::Auth,
        RemovalReason::Pruned,
        RemovalReason::Replaced,
    ];
    assert_eq!(
        removals.map(RemovalReason::code),
        ["max_reconnects", "auth", "pruned", "replaced"]
    );
    let closes = [
        ClosedReason::Requested,
        ClosedReason::Drained { complete: true },
        ClosedReason::PoolExhausted,
        ClosedReason::Auth,
        ClosedReason::NoReconnect,
        ClosedReason::ConnectFailed { failures: Vec::new() },
    ];
    assert_eq!(
        closes.map(|reason| reason.code()),
        [
            "requested",
            "drained",
            "pool_exhausted",
            "auth",
            "no_reconnect",
            "connect_failed"
        ]
    );
}
