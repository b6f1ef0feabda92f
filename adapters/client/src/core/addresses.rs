//! Which addresses of a name did not work, for as long as a connection lives.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use nats_conn_sm::{ConnectionEvent, DisconnectReason, LinkId, Server};

/// So many addresses are remembered; of more the one that failed first is forgotten.
const REMEMBERED: usize = 256;

/// Which addresses failed: a connect failed, or what accepted it failed before the PONG of the handshake or went
/// stale. They come after the others of their name until a session comes about through them.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// The latest failure last.
    failed: VecDeque<Failed>,
    present: Option<Present>,
}

#[derive(Debug, PartialEq, Eq)]
struct Failed {
    /// The name, in lower case.
    host: String,
    address: SocketAddr,
}

/// The attempt or session that goes on.
#[derive(Debug)]
struct Present {
    link: LinkId,
    host: String,
    /// Begun, and not answered yet.
    dialling: Vec<SocketAddr>,
    connected: Option<SocketAddr>,
}

impl Addresses {
    /// These addresses of a host in the order in which to dial them: those that failed come last, the one that failed
    /// the longest time ago first of them. Says of each whether it failed.
    pub(crate) fn in_order(&self, host: &str, addresses: Vec<SocketAddr>) -> Vec<(SocketAddr, bool)> {
        let place = |address: &SocketAddr| {
            let same = |failed: &Failed| failed.address == *address && failed.host.eq_ignore_ascii_case(host);
            self.failed.iter().position(same)
        };
        let (mut failed, good): (Vec<_>, Vec<_>) = addresses
            .into_iter()
            .partition(|address| place(address).is_some());
        failed.sort_by_key(place);
        let good = interleaved(good).into_iter().map(|address| (address, false));
        good.chain(failed.into_iter().map(|address| (address, true)))
            .collect()
    }

    /// The link to be is dialling this address, too.
    pub(crate) fn dialling(&mut self, link: LinkId, address: SocketAddr) {
        if let Some(present) = self.present(link) {
            present.dialling.push(address);
        }
    }

    /// This address could not be connected to. Answers about attempts that are over count, too.
    pub(crate) fn refused(&mut self, server: &Server, link: LinkId, address: SocketAddr) {
        if let Some(present) = self.present(link) {
            present.dialling.retain(|begun| *begun != address);
        }
        self.note(server.host(), address);
    }

    /// The link is connected to this address.
    pub(crate) fn connected(&mut self, link: LinkId, address: SocketAddr) {
        if let Some(present) = self.present(link) {
            present.dialling.clear();
            present.connected = Some(address);
        }
    }

    /// What the machine says of the link.
    pub(crate) fn event(&mut self, event: &ConnectionEvent) {
        match event {
            ConnectionEvent::Connecting { server, link, .. } => {
                self.present = Some(Present {
                    link: *link,
                    host: server.host().to_owned(),
                    dialling: Vec::new(),
                    connected: None,
                });
            }
            ConnectionEvent::ConnectFailed { .. } => self.failed(),
            ConnectionEvent::Disconnected { reason, .. } if **reason == DisconnectReason::Stale => {
                self.failed()
            }
            ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_) => {
                if let Some(present) = &self.present
                    && let Some(address) = present.connected
                {
                    self.failed
                        .retain(|failed| failed.address != address || !failed.is_of(&present.host));
                }
            }
            _ => {}
        }
    }

    /// The present link has failed: through what it was connected to, or else while everything that was begun had not
    /// answered.
    fn failed(&mut self) {
        let Some(present) = self.present.take() else {
            return;
        };
        let connected = present.connected.into_iter();
        for address in connected.chain(present.dialling) {
            self.note(&present.host, address);
        }
    }

    fn note(&mut self, host: &str, address: SocketAddr) {
        // A host that is an address has no other.
        if host.parse::<IpAddr>().is_ok() {
            return;
        }
        self.failed
            .retain(|failed| failed.address != address || !failed.is_of(host));
        if self.failed.len() == REMEMBERED {
            self.failed.pop_front();
        }
        self.failed.push_back(Failed {
            host: host.to_ascii_lowercase(),
            address,
        });
    }

    fn present(&mut self, link: LinkId) -> Option<&mut Present> {
        self.present.as_mut().filter(|present| present.link == link)
    }
}

impl Failed {
    fn is_of(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }
}

/// Families take turns, beginning with that of the first.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let (same, other): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut ordered = Vec::with_capacity(addresses.len());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    loop {
        let pair = (same.next(), other.next());
        if pair == (None, None) {
            return ordered;
        }
        ordered.extend(pair.0.into_iter().chain(pair.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handles::puppet::Puppet;

    const HOST: &str = "name.test";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn of_loopback(ports: &[u16]) -> Vec<SocketAddr> {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        ports.iter().map(address).collect()
    }

    fn order(addresses: &Addresses, host: &str, ports: &[u16]) -> Vec<u16> {
        let ordered = addresses.in_order(host, of_loopback(ports));
        ordered.iter().map(|(address, _)| address.port()).collect()
    }

    fn failed(ports: &[u16]) -> Addresses {
        let mut addresses = Addresses::default();
        of_loopback(ports)
            .into_iter()
            .for_each(|address| addresses.note(HOST, address));
        addresses
    }

    #[test]
    fn families_take_turns() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"].map(address);
        let expected = ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"].map(address);
        assert_eq!(interleaved(addresses.to_vec()), expected);
        assert_eq!(interleaved(Vec::new()), []);
    }

    #[test]
    fn what_failed_comes_last_and_what_failed_first_is_tried_again_first() {
        assert_eq!(order(&failed(&[]), HOST, &[1, 2, 3]), [1, 2, 3]);
        assert_eq!(order(&failed(&[1]), HOST, &[1, 2, 3]), [2, 3, 1]);
        assert_eq!(order(&failed(&[2, 1]), HOST, &[1, 2, 3]), [3, 2, 1]);
        assert_eq!(
            order(&failed(&[1, 2, 1]), HOST, &[1, 2]),
            [2, 1],
            "they take turns"
        );
        let marked = failed(&[1]).in_order(HOST, of_loopback(&[1, 2]));
        assert_eq!(
            marked.iter().map(|(_, failed)| *failed).collect::<Vec<_>>(),
            [false, true]
        );
    }

    /// What a machine says of an attempt at `name.test` with this link.
    fn connecting(link: u64) -> ConnectionEvent {
        let options = crate::ConnectOptions::<()>::from_url(HOST).unwrap();
        let server = options.prepare().unwrap().client.servers()[0].server.clone();
        let link = LinkId::from_u64(link);
        ConnectionEvent::Connecting {
            server,
            attempt: 1,
            link,
        }
    }

    fn disconnected(reason: DisconnectReason) -> ConnectionEvent {
        let ConnectionEvent::Connecting { server, link, .. } = connecting(1) else {
            unreachable!()
        };
        ConnectionEvent::Disconnected {
            server,
            link,
            reason: Box::new(reason),
            unconfirmed: Default::default(),
            queued: 0,
        }
    }

    #[test]
    fn a_session_that_goes_stale_fails_its_address_and_other_ends_do_not() {
        for (reason, expected) in [
            (DisconnectReason::Stale, [2, 1]),
            (DisconnectReason::Eof, [1, 2]),
            (DisconnectReason::LameDuck, [1, 2]),
            (DisconnectReason::Forced, [1, 2]),
        ] {
            let mut addresses = Addresses::default();
            addresses.event(&connecting(1));
            addresses.connected(LinkId::from_u64(1), of_loopback(&[1])[0]);
            addresses.event(&disconnected(reason.clone()));
            assert_eq!(order(&addresses, HOST, &[1, 2]), expected, "{reason:?}");
        }
    }

    #[test]
    fn what_an_earlier_attempt_says_too_late_is_not_of_the_present_one() {
        let mut addresses = Addresses::default();
        addresses.event(&connecting(1));
        addresses.event(&connecting(2));
        addresses.connected(LinkId::from_u64(1), of_loopback(&[1])[0]);
        addresses.event(&disconnected(DisconnectReason::Stale));
        assert_eq!(order(&addresses, HOST, &[1, 2]), [1, 2]);
    }

    #[test]
    fn a_failure_is_one_of_its_name_in_whatever_case_and_of_no_other() {
        assert_eq!(order(&failed(&[1]), "NAME.Test", &[1, 2]), [2, 1]);
        assert_eq!(order(&failed(&[1]), "other.test", &[1, 2]), [1, 2]);
    }

    #[test]
    fn a_host_that_is_an_address_is_not_remembered_and_of_names_only_so_many() {
        let mut addresses = Addresses::default();
        addresses.note("127.0.0.1", address("127.0.0.1:1"));
        addresses.note("::1", address("[::1]:1"));
        assert!(addresses.failed.is_empty());
        for port in 0..1000 {
            addresses.note(HOST, address(&format!("127.0.0.1:{port}")));
        }
        assert_eq!(addresses.failed.len(), REMEMBERED);
        assert_eq!(addresses.failed[0].address.port(), 1000 - REMEMBERED as u16);
    }

    #[test]
    fn an_address_through_which_a_session_has_come_about_has_not_failed_any_more() {
        let server = r#"{"server_name":"n1"}"#;
        let mut puppet = Puppet::in_a_session(crate::ConnectOptions::default(), server);
        let connected = ConnectionEvent::Connected(puppet.session());
        let mut addresses = failed(&[1, 2]);
        addresses.note("other.test", of_loopback(&[1])[0]);
        addresses.event(&connecting(1));
        addresses.event(&connected);
        assert_eq!(
            order(&addresses, HOST, &[1, 2, 3]),
            [3, 1, 2],
            "it is not known which"
        );
        addresses.event(&connecting(2));
        addresses.connected(LinkId::from_u64(2), of_loopback(&[1])[0]);
        addresses.event(&connected);
        assert_eq!(order(&addresses, HOST, &[1, 2, 3]), [1, 3, 2]);
        assert_eq!(
            order(&addresses, "other.test", &[1, 2]),
            [2, 1],
            "of another name it is not known"
        );
    }

    #[test]
    fn an_attempt_fails_what_it_was_connected_to_or_else_all_that_had_not_answered() {
        let (link, all) = (LinkId::from_u64(1), of_loopback(&[1, 2, 3]));
        let ConnectionEvent::Connecting { server, .. } = connecting(1) else {
            unreachable!()
        };
        let failure = ConnectionEvent::ConnectFailed {
            server: server.clone(),
            phase: nats_conn_sm::Phase::Info,
            error: Box::new(nats_conn_sm::AttemptError::TlsNotOffered),
        };
        for (connects, expected) in [(true, [1, 3, 2]), (false, [3, 1, 2])] {
            let mut addresses = Addresses::default();
            addresses.event(&connecting(1));
            all.iter()
                .take(2)
                .for_each(|address| addresses.dialling(link, *address));
            if connects {
                addresses.connected(link, all[1]);
            }
            addresses.event(&failure);
            assert_eq!(order(&addresses, HOST, &[1, 2, 3]), expected);
            addresses.event(&failure);
            assert_eq!(order(&addresses, HOST, &[1, 2, 3]), expected, "once");
        }
        let mut addresses = Addresses::default();
        addresses.event(&connecting(1));
        all.iter()
            .take(2)
            .for_each(|address| addresses.dialling(link, *address));
        addresses.refused(&server, link, all[1]);
        assert_eq!(order(&addresses, HOST, &[1, 2, 3]), [1, 3, 2]);
        addresses.event(&failure);
        assert_eq!(order(&addresses, HOST, &[1, 2, 3]), [3, 2, 1], "it has answered");
    }
}
