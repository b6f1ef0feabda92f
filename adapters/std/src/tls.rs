//! A TLS session, without any socket: ciphertext goes in and comes out.
//!
//! The two threads of a connection share it under a lock that is never held while a socket is read or written.

#[cfg(feature = "rustls")]
pub(crate) use with_rustls::Session;
#[cfg(not(feature = "rustls"))]
pub(crate) use without::Session;

/// What decrypting came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decrypted {
    /// The handshake is done now.
    pub(crate) established: bool,
    /// There is something to write: a part of the handshake, an answer to new keys, an alert.
    pub(crate) to_write: bool,
    /// The peer has ended its direction with a close_notify.
    pub(crate) ended: bool,
}

#[cfg(feature = "rustls")]
mod with_rustls {
    use std::io::{self, BufRead, Write};

    use bytes::{Buf, BytesMut};
    use nats_conn_client::driver::{Target, io_error, server_name, tls_error};
    use nats_conn_client::machine::{LinkEnd, SendBuf};
    use nats_conn_client::rustls::ClientConnection;

    use super::Decrypted;

    /// The client's end of a session.
    pub(crate) struct Session {
        connection: Box<ClientConnection>,
        established: bool,
    }

    impl Session {
        /// A session that has not begun. Reads the files of the options.
        pub(crate) fn new(target: &Target) -> Result<Self, LinkEnd> {
            let config = target.setup.tls.client_config_for(&target.server)?;
            let name = server_name(target.server.tls_name())?;
            let connection =
                ClientConnection::new(config, name).map_err(|error| tls_error(&io::Error::other(error)))?;
            Ok(Self {
                connection: Box::new(connection),
                established: false,
            })
        }

        /// Takes everything out of `tx`, and appends to `cipher` what is to be written.
        pub(crate) fn encrypt(&mut self, tx: &mut SendBuf, cipher: &mut Vec<u8>) -> io::Result<()> {
            loop {
                while self.connection.wants_write() {
                    self.connection.write_tls(cipher)?;
                }
                if tx.is_empty() {
                    return Ok(());
                }
                let taken = self.connection.writer().write(tx.chunk())?;
                if taken == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                tx.advance(taken);
            }
        }

        /// Says goodbye.
        pub(crate) fn close(&mut self) {
            self.connection.send_close_notify();
        }

        /// Appends to `plain` what this ciphertext says. After an error there is still an alert to write.
        pub(crate) fn decrypt(
            &mut self,
            mut cipher: &[u8],
            plain: &mut BytesMut,
        ) -> Result<Decrypted, LinkEnd> {
            let mut decrypted = Decrypted::default();
            while !cipher.is_empty() && !decrypted.ended {
                decrypted.ended = self
                    .connection
                    .read_tls(&mut cipher)
                    .map_err(|error| io_error(&error))?
                    == 0;
                let processed = self.connection.process_new_packets();
                // Also before an error there may be whole records.
                self.take_plain(plain);
                let state = processed.map_err(|error| {
                    let error = io::Error::new(io::ErrorKind::InvalidData, error);
                    if self.established {
                        io_error(&error)
                    } else {
                        tls_error(&error)
                    }
                })?;
                decrypted.ended |= state.peer_has_closed();
            }
            decrypted.to_write = self.connection.wants_write();
            if !self.established && !self.connection.is_handshaking() {
                self.established = true;
                decrypted.established = true;
            }
            Ok(decrypted)
        }

        /// Moves what was decrypted. That there is no more shows as an error, or as nothing.
        fn take_plain(&mut self, plain: &mut BytesMut) {
            let mut reader = self.connection.reader();
            while let Ok(chunk @ [_, ..]) = reader.fill_buf() {
                let taken = chunk.len();
                plain.extend_from_slice(chunk);
                reader.consume(taken);
            }
        }
    }
}

#[cfg(not(feature = "rustls"))]
mod without {
    use std::io;

    use bytes::BytesMut;
    use nats_conn_client::driver::Target;
    use nats_conn_client::machine::{LinkEnd, SendBuf};

    use super::Decrypted;

    /// There is none.
    pub(crate) enum Session {}

    impl Session {
        pub(crate) fn new(_: &Target) -> Result<Self, LinkEnd> {
            Err(nats_conn_client::driver::tls_not_built())
        }

        pub(crate) fn encrypt(&mut self, _: &mut SendBuf, _: &mut Vec<u8>) -> io::Result<()> {
            match *self {}
        }

        pub(crate) fn close(&mut self) {
            match *self {}
        }

        pub(crate) fn decrypt(&mut self, _: &[u8], _: &mut BytesMut) -> Result<Decrypted, LinkEnd> {
            match *self {}
        }
    }
}
