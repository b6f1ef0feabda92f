//! How it is told that the server has confirmed something, or that it never will.

use std::sync::Arc;

use nats_conn_sm::{DropReason, EndReason};

use crate::core::oneshot::Oneshot;

/// Where the fate of one publish is put.
pub(crate) type PublishSlot = Arc<Oneshot<Result<(), Loss>>>;

/// Where it is put that the server has processed a SUB, or why it never will.
pub(crate) type SubscriptionSlot = Arc<Oneshot<Result<(), EndReason>>>;

/// Why a publish is not confirmed and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Unconfirmed,
    Dropped(DropReason),
}
