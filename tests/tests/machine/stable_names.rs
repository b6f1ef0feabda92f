//! The stable names of errors, reasons and states, which programs rely on.

use nats_conn_sm::{
    AuthError, ClosedReason, ConfigError, DropReason, EndReason, FlushError, LinkEnd, Phase, PublishError,
    RemovalReason, RepliesEnd, RequestError, RequestStartError, State, StateError, SubscribeError,
    SubscriptionError, WaitReason,
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
        ClosedReason::Drained {
            complete: true,
            unread: 0,
        },
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

// behaviour: 6.1, 7.3
#[test]
fn every_refusal_of_a_call_has_its_name_and_a_text() {
    let (size, max) = (2, 1);
    let publish = [
        (PublishError::Closed, "closed"),
        (PublishError::Draining, "draining"),
        (PublishError::BufferFull { limit: 1 }, "buffer_full"),
        (PublishError::NotConnected, "not_connected"),
        (PublishError::TooLarge { size, max_payload: 1 }, "too_large"),
        (PublishError::HeadersUnsupported, "headers_unsupported"),
        (
            PublishError::ControlLineTooLong { size, max },
            "control_line_too_long",
        ),
    ];
    for (error, name) in publish {
        assert_eq!(
            (error.code(), RequestStartError::from(error.clone()).code()),
            (name, name)
        );
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(RequestStartError::Draining.code(), "draining");
    assert_eq!(RequestStartError::TooMany.code(), "too_many_requests");
    let subscribe = [
        SubscribeError::Closed,
        SubscribeError::Draining,
        SubscribeError::ControlLineTooLong { size, max },
    ];
    assert_eq!(
        subscribe.map(|error| error.code()),
        ["closed", "draining", "control_line_too_long"]
    );
    assert_eq!(SubscriptionError::Unknown.code(), "unknown");
    let state = [StateError::Closed, StateError::Draining, StateError::NoServers];
    assert_eq!(
        state.map(|error| error.code()),
        ["closed", "draining", "no_servers"]
    );
}

// behaviour: 4.1, 7.3
#[test]
fn settings_that_cannot_be_used_waits_and_ends_of_replies_have_their_names() {
    let settings = [
        ConfigError::NoServers,
        ConfigError::ZeroMaxReconnects,
        ConfigError::ZeroMaxPingsOut,
        ConfigError::ZeroDuration { setting: "x" },
        ConfigError::DropOldestWithAtLeastOnce,
    ];
    assert_eq!(
        settings.map(|error| error.code()),
        [
            "no_servers",
            "zero_max_reconnects",
            "zero_max_pings_out",
            "zero_duration",
            "drop_oldest_with_at_least_once"
        ]
    );
    let waits = [
        WaitReason::RoundFailed { rounds: 1 },
        WaitReason::Flapping { rounds: 1 },
        WaitReason::Chosen,
    ];
    assert_eq!(
        waits.map(|reason| reason.code()),
        ["round_failed", "flapping", "chosen"]
    );
    let ends = [
        RepliesEnd::MaxReached,
        RepliesEnd::Stalled,
        RepliesEnd::Sentinel,
        RepliesEnd::Deadline,
    ];
    assert_eq!(
        ends.map(|end| end.code()),
        ["max_reached", "stalled", "sentinel", "deadline"]
    );
}
