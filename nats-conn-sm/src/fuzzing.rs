//! What the fuzz targets run: each takes any bytes and panics where something that is promised does not hold.
#![allow(missing_docs)]

use crate::input::{Input, Piece};
use crate::recorder::Recording;
use crate::replay::Replayer;

/// Any bytes as a recording: read to the end or to a typed error, and replayed as far as that goes.
pub fn replay(data: &[u8]) {
    let Ok(recording) = Recording::read(data.to_vec()) else {
        return;
    };
    let mut claimed = 0_u64;
    for entry in recording.clone().flatten() {
        let pieces = match &entry.input {
            Input::Event(received) => received.pieces.as_slice(),
            Input::Publish(message) | Input::Request(message, _) | Input::RequestMany(message, _) => {
                core::slice::from_ref(&message.payload)
            }
            _ => &[],
        };
        claimed = pieces.iter().map(Piece::len).fold(claimed, u64::saturating_add);
    }
    // What is claimed has to be made up; a fuzzer has no time for that.
    if claimed <= 1 << 20 {
        let _ = Replayer::run(recording);
    }
}
