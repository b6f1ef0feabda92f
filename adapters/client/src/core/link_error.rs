//! What an error of the system, or of TLS, is to the machine.

use std::io;

use nats_conn_sm::LinkEnd;

/// What a failure to dial is to the machine.
pub fn dial_error(error: &io::Error) -> LinkEnd {
    LinkEnd::Dial {
        kind: kind(error),
        detail: detail(error),
    }
}

/// What a failure to resolve is to the machine.
pub fn resolve_error(error: &io::Error) -> LinkEnd {
    LinkEnd::Resolve {
        detail: detail(error),
    }
}

/// What a failure to read or write is to the machine. An end without the goodbye of TLS is an end: frames have lengths
/// of their own. So is the alert by which a peer says, after a handshake, that it wants a client certificate: whether it
/// arrives before the end does is a matter of luck, and must not change what people read.
pub fn io_error(error: &io::Error) -> LinkEnd {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return LinkEnd::Eof;
    }
    #[cfg(feature = "rustls")]
    if let Some(error) = rustls_error(error) {
        return match error {
            rustls::Error::AlertReceived(alert) if wants_certificate(*alert) => LinkEnd::Eof,
            error => LinkEnd::Tls {
                detail: detail(error),
            },
        };
    }
    LinkEnd::Io {
        kind: kind(error),
        detail: detail(error),
    }
}

/// What a failed TLS handshake is to the machine.
pub fn tls_error(error: &io::Error) -> LinkEnd {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        // The machine knows that this was in a handshake.
        return LinkEnd::Eof;
    }
    #[cfg(feature = "rustls")]
    if let Some(error) = rustls_error(error)
        && let Some(hint) = hint(error)
    {
        return LinkEnd::Tls {
            detail: format!("{}: {hint}", detail(error)).into(),
        };
    }
    LinkEnd::Tls {
        detail: detail(error),
    }
}

/// What to do about an error whose name in the library does not say it.
#[cfg(feature = "rustls")]
fn hint(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::AlertReceived(alert) if wants_certificate(*alert) => {
            Some("does the peer want a client certificate?")
        }
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => Some(
            "no authority that is trusted has signed it; name the one that has with TlsOptions::with_ca_file",
        ),
        _ => None,
    }
}

#[cfg(feature = "rustls")]
fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What servers say who were shown no client certificate: the first with TLS 1.3, the second with TLS 1.2 or an older
/// Go.
#[cfg(feature = "rustls")]
fn wants_certificate(alert: rustls::AlertDescription) -> bool {
    matches!(
        alert,
        rustls::AlertDescription::CertificateRequired | rustls::AlertDescription::BadCertificate
    )
}

/// The text of an error, for people who may not know that there is a library, and without the addresses of its pages.
fn detail(error: &impl std::fmt::Display) -> Box<str> {
    let text = error.to_string();
    let is_page = |word: &str| word.contains("://");
    if !text.contains("://") {
        return text.into();
    }
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_page(word)).collect();
    words.join(" ").trim_end_matches([':', ' ', '(', ',']).into()
}

fn kind(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection_refused",
        io::ErrorKind::ConnectionReset => "connection_reset",
        io::ErrorKind::ConnectionAborted => "connection_aborted",
        io::ErrorKind::HostUnreachable => "host_unreachable",
        io::ErrorKind::NetworkUnreachable => "network_unreachable",
        io::ErrorKind::NetworkDown => "network_down",
        io::ErrorKind::NotConnected => "not_connected",
        io::ErrorKind::AddrInUse => "address_in_use",
        io::ErrorKind::AddrNotAvailable => "address_not_available",
        io::ErrorKind::PermissionDenied => "permission_denied",
        io::ErrorKind::BrokenPipe => "broken_pipe",
        io::ErrorKind::TimedOut => "timed_out",
        io::ErrorKind::UnexpectedEof => "unexpected_eof",
        io::ErrorKind::InvalidData => "invalid_data",
        _ => "io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_the_address_of_a_page() {
        for (text, expected) in [
            ("broken pipe", "broken pipe"),
            ("peer closed: https://docs.rs/rustls/x.html#y", "peer closed"),
            ("see https://a.example for more", "see for more"),
        ] {
            for end in
                [dial_error, resolve_error, io_error, tls_error].map(|end| end(&io::Error::other(text)))
            {
                assert!(end.to_string().ends_with(expected), "{end}");
            }
        }
    }

    #[test]
    fn each_kind_of_error_has_a_name() {
        for (kind, expected) in [
            (io::ErrorKind::ConnectionRefused, "connection_refused"),
            (io::ErrorKind::ConnectionReset, "connection_reset"),
            (io::ErrorKind::ConnectionAborted, "connection_aborted"),
            (io::ErrorKind::HostUnreachable, "host_unreachable"),
            (io::ErrorKind::NetworkUnreachable, "network_unreachable"),
            (io::ErrorKind::NetworkDown, "network_down"),
            (io::ErrorKind::NotConnected, "not_connected"),
            (io::ErrorKind::AddrInUse, "address_in_use"),
            (io::ErrorKind::AddrNotAvailable, "address_not_available"),
            (io::ErrorKind::PermissionDenied, "permission_denied"),
            (io::ErrorKind::BrokenPipe, "broken_pipe"),
            (io::ErrorKind::TimedOut, "timed_out"),
            (io::ErrorKind::UnexpectedEof, "unexpected_eof"),
            (io::ErrorKind::InvalidData, "invalid_data"),
            (io::ErrorKind::Unsupported, "io"),
        ] {
            assert_eq!(dial_error(&kind.into()).code(), expected);
        }
    }

    #[test]
    fn an_end_without_the_goodbye_of_tls_is_an_end() {
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, "no close_notify");
        assert_eq!(
            (io_error(&error), tls_error(&error)),
            (LinkEnd::Eof, LinkEnd::Eof)
        );
    }

    #[cfg(feature = "rustls")]
    #[test]
    fn a_demand_for_a_certificate_is_told_apart_from_other_alerts() {
        use rustls::AlertDescription::{BadCertificate, CertificateRequired, UnknownCA};
        let alert = |alert| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
        let other = tls_error(&alert(UnknownCA)).to_string();
        assert!(!other.contains("client certificate"), "{other}");
        for wanted in [CertificateRequired, BadCertificate].map(alert) {
            assert_eq!(io_error(&wanted), LinkEnd::Eof);
            let text = tls_error(&wanted).to_string();
            assert!(
                text.ends_with("does the peer want a client certificate?"),
                "{text}"
            );
        }
        let text = io_error(&alert(UnknownCA)).to_string();
        assert!(text.contains("UnknownCA"), "{text}");
    }

    #[cfg(feature = "rustls")]
    #[test]
    fn a_certificate_of_an_authority_that_is_not_trusted_says_how_to_trust_it() {
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let text = tls_error(&io::Error::new(io::ErrorKind::InvalidData, unknown)).to_string();
        assert!(
            text.ends_with("name the one that has with TlsOptions::with_ca_file"),
            "{text}"
        );
    }
}
