//! TCP ports that no other test takes meanwhile.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// Below the range Linux, macOS and the BSDs give to outgoing connections. A port inside it could, while its server is
/// down, become the source of another connection, which keeps the server from coming back; or of a client's own
/// attempt to reach that very port, which then connects to itself.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A free TCP port on 127.0.0.1, kept for one test while this value lives, whether or not a server listens on it.
///
/// The claim is a UDP socket bound to the same number: servers here speak TCP only, so it disturbs nobody, every other
/// test process sees it, and the kernel ends it with the process.
#[derive(Debug)]
pub struct ClaimedPort {
    number: u16,
    _claim: UdpSocket,
}

impl ClaimedPort {
    /// Claims a port nobody listens on.
    ///
    /// # Errors
    /// What the operating system said last when no port could be claimed.
    pub fn claim() -> io::Result<Self> {
        let mut last = io::Error::other("no port was tried");
        let random = RandomState::new().build_hasher().finish();
        let start = u16::try_from(random % u64::from(COUNT)).unwrap_or(0);
        for step in 0..COUNT {
            match Self::claim_number(FIRST + (start + step) % COUNT) {
                Ok(port) => return Ok(port),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    fn claim_number(number: u16) -> io::Result<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))?;
        drop(TcpListener::bind((Ipv4Addr::LOCALHOST, number))?);
        Ok(Self {
            number,
            _claim: claim,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_free_for_a_server_and_for_no_other_claim() -> io::Result<()> {
        let port = ClaimedPort::claim()?;
        assert!(ClaimedPort::claim_number(port.number()).is_err());
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()))?;
        let number = port.number();
        drop(port);
        assert!(
            ClaimedPort::claim_number(number).is_err(),
            "a server still listens"
        );
        drop(server);
        assert!(ClaimedPort::claim_number(number).is_ok());
        Ok(())
    }
}
