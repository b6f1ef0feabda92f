//! The order of what leaves on one link: handshake, interest, everything else.

use std::collections::BTreeSet;

use crate::ledger::Ledger;
use crate::model_server::{Frame, LinkLog, Op};

/// What is known of a link on the side of the client.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// How many bytes had left, at least, when the PONG of the handshake was read. None before.
    pub handed_at_pong: Option<u64>,
    /// The subscriptions that there were then, at least.
    pub live_at_pong: &'a [u64],
    /// The client has ended it, and everything that it was to carry has arrived.
    pub is_whole: bool,
}

/// Checks a link as its server saw it, against what the client could know when.
///
/// # Errors
/// What occurs where it must not.
pub fn check(log: &LinkLog, facts: &Facts<'_>, ledger: &Ledger) -> Result<(), String> {
    handshake(log, facts)?;
    restored(log, facts, ledger)?;
    if facts.is_whole && !log.server_ended && !log.cut.is_empty() {
        return Err(format!(
            "everything was taken, and the last frame is cut: {:?}",
            log.cut
        ));
    }
    Ok(())
}

/// CONNECT, PING, and nothing but PONG before the client has read the first PONG.
fn handshake(log: &LinkLog, facts: &Facts<'_>) -> Result<(), String> {
    let names = log.names();
    let expected = ["CONNECT", "PING"];
    if names
        .iter()
        .zip(expected)
        .any(|(name, expected)| *name != expected)
    {
        return Err(format!("it begins with {:?}", &names[..names.len().min(3)]));
    }
    let before = facts.handed_at_pong.unwrap_or(u64::MAX);
    let early = log
        .frames
        .iter()
        .skip(2)
        .find(|frame| frame.start < before && frame.op != Op::Pong);
    match early {
        Some(frame) => Err(format!("{} left before PONG was read", frame.op.name())),
        None => Ok(()),
    }
}

/// The interest of earlier links comes first, then a PING, and no publish before it; and nothing that has ended.
fn restored(log: &LinkLog, facts: &Facts<'_>, ledger: &Ledger) -> Result<(), String> {
    let live: BTreeSet<u64> = facts.live_at_pong.iter().copied().collect();
    let frames: Vec<&Frame> = log
        .frames
        .iter()
        .skip(2)
        .filter(|frame| frame.op != Op::Pong)
        .collect();
    let is_restored = |frame: &Frame| matches!(&frame.op, Op::Subscribe { sid, .. } if live.contains(sid));
    let Some(last) = frames.iter().rposition(|frame| is_restored(frame)) else {
        return Ok(());
    };
    if let Some(early) = frames[..last]
        .iter()
        .find(|frame| matches!(frame.op, Op::Publish { .. }))
    {
        return Err(format!("{:?} left before the interest was restored", early.op));
    }
    let behind = frames[last + 1..]
        .iter()
        .find(|frame| matches!(frame.op, Op::Ping | Op::Publish { .. }));
    if let Some(Frame {
        op: Op::Publish { .. },
        ..
    }) = behind
    {
        return Err(String::from(
            "a publish left before the PING after the restored interest",
        ));
    }
    let ended = frames.iter().find_map(|frame| match &frame.op {
        Op::Subscribe { sid, .. } if ledger.knows(*sid) && !live.contains(sid) => frames[..last]
            .iter()
            .any(|other| std::ptr::eq(*other, *frame))
            .then_some(*sid),
        _ => None,
    });
    ended.map_or(Ok(()), |sid| {
        Err(format!(
            "subscription {sid} is restored, and had ended or did not exist"
        ))
    })
}
