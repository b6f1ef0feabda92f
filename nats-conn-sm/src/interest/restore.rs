//! What one link knows of the interest: how far that of earlier links is restored, and which SUBs were processed. It
//! dies with the link.

use nats_proto::{ClientOp, Sid};

use super::subscriptions::{Purpose, Subscriptions};
use crate::canonical::Form;
use crate::frames::{BLOCK, Block};
use crate::ids::LinkId;

/// The interest on one link.
#[derive(Clone, Debug)]
pub(super) struct OnLink {
    link: LinkId,
    cursor: Cursor,
    /// The server has processed every SUB up to this sid.
    proven: Sid,
}

/// How far the interest of earlier links is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// SUBs are being written, in the order of their sids.
    Writing {
        after: Sid,
        last: Sid,
        restored: u64,
        refused: u64,
    },
    /// They are, and the PONG that follows them is awaited.
    Awaiting {
        last: Sid,
        restored: u64,
        refused: u64,
    },
    Done,
}

impl OnLink {
    /// A session begins: what exists now is to be restored.
    pub(super) fn new(link: LinkId, inbox_only: bool, subscriptions: &Subscriptions) -> Self {
        let (none, last) = (Sid::new(0), subscriptions.last_sid());
        let cursor = match subscriptions.next_to_restore(none, last, inbox_only) {
            None => Cursor::Done,
            Some(_) => Cursor::Writing {
                after: none,
                last,
                restored: 0,
                refused: 0,
            },
        };
        Self {
            link,
            cursor,
            proven: none,
        }
    }

    pub(super) fn link(&self) -> LinkId {
        self.link
    }

    pub(super) fn is_done(&self) -> bool {
        self.cursor == Cursor::Done
    }

    pub(super) fn is_writing(&self) -> bool {
        matches!(self.cursor, Cursor::Writing { .. })
    }

    /// Nothing more is restored.
    pub(super) fn stop(&mut self) {
        self.cursor = Cursor::Done;
    }

    pub(super) fn proven(&self) -> Sid {
        self.proven
    }

    /// The server has processed every SUB up to this sid.
    pub(super) fn prove(&mut self, sid: Sid) {
        self.proven = self.proven.max(sid);
    }

    /// A SUB was refused. It counts if it was restored.
    pub(super) fn refuse(&mut self, sid: Sid) {
        match &mut self.cursor {
            Cursor::Writing { last, refused, .. } | Cursor::Awaiting { last, refused, .. }
                if sid <= *last =>
            {
                *refused = refused.saturating_add(1);
            }
            _ => {}
        }
    }

    /// Fills a block with the next SUBs. The last sid once all are written: a PING is to follow.
    pub(super) fn write(
        &mut self,
        subscriptions: &mut Subscriptions,
        inbox_only: bool,
        block: &mut Block,
    ) -> Option<Sid> {
        let Cursor::Writing {
            mut after,
            last,
            mut restored,
            refused,
        } = self.cursor
        else {
            return None;
        };
        while let Some(sid) = subscriptions.next_to_restore(after, last, inbox_only) {
            let Some(counts) = write_interest(subscriptions, sid, self.link, block) else {
                self.cursor = Cursor::Writing {
                    after,
                    last,
                    restored,
                    refused,
                };
                return None;
            };
            restored = restored.saturating_add(u64::from(counts));
            after = sid;
        }
        self.cursor = Cursor::Awaiting {
            last,
            restored,
            refused,
        };
        Some(last)
    }

    /// The PONG that follows the last SUB: how many were restored and how many of them refused.
    pub(super) fn restored(&mut self) -> Option<(u64, u64)> {
        let Cursor::Awaiting {
            restored, refused, ..
        } = self.cursor
        else {
            return None;
        };
        self.cursor = Cursor::Done;
        Some((restored.saturating_sub(refused), refused))
    }
}

/// For exploration.
impl OnLink {
    pub(super) fn canonical(&self, form: &mut Form) {
        let Self { link, cursor, proven } = self;
        form.link(*link);
        match *cursor {
            Cursor::Writing {
                after,
                last,
                restored,
                refused,
            } => {
                form.variant(0);
                form.sids_up_to(after);
                form.sids_up_to(last);
                form.number(restored);
                form.number(refused);
            }
            Cursor::Awaiting {
                last,
                restored,
                refused,
            } => {
                form.variant(1);
                form.sids_up_to(last);
                form.number(restored);
                form.number(refused);
            }
            Cursor::Done => form.variant(2),
        }
        form.sids_up_to(*proven);
    }
}

/// Writes SUB, and UNSUB with what is left of a maximum. Whether it counts as restored; none if there was no room.
fn write_interest(
    subscriptions: &mut Subscriptions,
    sid: Sid,
    link: LinkId,
    block: &mut Block,
) -> Option<bool> {
    let subscription = subscriptions.get_mut(sid)?;
    let subscribe: ClientOp<'_> = subscription.subscribe(sid);
    let len = block.len().saturating_add(subscribe.encoded_len());
    // Room for an UNSUB and a PING is kept.
    if !block.is_empty() && len > BLOCK.saturating_sub(64) {
        return None;
    }
    block.push_control(subscribe);
    subscription.begin_on(link);
    if let Some(rest) = subscription.unsubscribe_rest(sid) {
        block.push_control(rest);
    }
    Some(subscription.purpose() != Purpose::Inbox)
}
