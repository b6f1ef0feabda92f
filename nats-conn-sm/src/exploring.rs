//! What the exploration of states needs and nobody else: no part of the public interface.

use alloc::vec::Vec;

use crate::buffers::{ReceiveBuf, SendBuf};
use crate::connection::Connection;

/// The canonical form of a connection's state: see `canonical.rs` for what it keeps and what it leaves out. Forms are to be
/// compared only between connections with equal settings. They are not to be shown: secrets are in them.
pub fn canonical(connection: &Connection) -> Vec<u8> {
    connection.form().finish()
}

/// The same with the two buffers of its driver, which are part of what will happen.
pub fn canonical_with(connection: &Connection, rx: &ReceiveBuf, tx: &SendBuf) -> Vec<u8> {
    let mut form = connection.form();
    rx.canonical(&mut form);
    tx.canonical(&mut form);
    form.finish()
}

/// A receive buffer as this one is: a driver that tries what would happen needs one for each try.
pub fn copy_received(rx: &ReceiveBuf) -> ReceiveBuf {
    rx.copy()
}

/// A send buffer as this one is.
pub fn copy_unsent(tx: &SendBuf) -> SendBuf {
    tx.copy()
}
