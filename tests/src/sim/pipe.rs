//! One link: bytes in transit in both directions, and how it ends.

use std::collections::VecDeque;

use nats_conn_sm::{LinkEnd, LinkId};

use super::route::Cut;
use crate::model_server::PeerId;
use crate::wire::Facts;

/// A link as the world sees it.
#[derive(Clone, Debug)]
pub struct Pipe {
    /// Its number for the client.
    pub link: LinkId,
    /// The place of its server.
    pub server: usize,
    /// Its number for the server, once it is open.
    pub peer: Option<PeerId>,
    /// How far it is.
    pub stage: PipeStage,
    /// The server takes nothing out of it any more.
    pub deaf: bool,
    /// Nothing of the server arrives any more.
    pub mute: bool,
    pub(super) cut: Cut,
    /// Towards the server, each with its time of arrival. The error is the end of the stream.
    pub(super) up: VecDeque<(u64, Result<Vec<u8>, ()>)>,
    /// Towards the client, likewise.
    pub(super) down: VecDeque<(u64, Result<Vec<u8>, LinkEnd>)>,
    /// When the last byte of the client has left, where the rate is limited.
    pub(super) busy_until: u64,
    /// The end of the link by the server is already in transit to the client.
    pub(super) server_done: bool,
    /// Bytes that the transport took from the client.
    pub taken: u64,
    /// Bytes that arrived at the server.
    pub arrived: u64,
    /// Bytes that the client read.
    pub read: u64,
    /// Bytes that the machine handed out.
    pub handed: u64,
    /// How many it had handed out when the PONG of the handshake was read.
    pub handed_at_pong: Option<u64>,
    /// The subscriptions that existed then.
    pub live_at_pong: Vec<u64>,
    /// How the driver reported that it ended.
    pub end: Option<LinkEnd>,
}

/// How far a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipeStage {
    /// Being dialled, with the outcome and its time; no time: never.
    Dialling(Option<u64>, Option<LinkEnd>),
    /// In a TLS handshake.
    Securing(u64),
    /// Open.
    Open,
    /// Over for the client: the last answer was given.
    Over,
}

impl Pipe {
    pub(super) fn new(link: LinkId, server: usize, cut: Cut, stage: PipeStage) -> Self {
        Self {
            link,
            server,
            peer: None,
            stage,
            deaf: false,
            mute: false,
            cut,
            up: VecDeque::new(),
            down: VecDeque::new(),
            busy_until: 0,
            server_done: false,
            taken: 0,
            arrived: 0,
            read: 0,
            handed: 0,
            handed_at_pong: None,
            live_at_pong: Vec::new(),
            end: None,
        }
    }

    /// Bytes that the transport holds for the server.
    pub(super) fn in_flight(&self) -> u64 {
        self.taken - self.arrived
    }

    /// Whether the client may write to it.
    pub fn is_open(&self) -> bool {
        self.stage == PipeStage::Open
    }

    /// What its frames are compared with.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            handed_at_pong: self.handed_at_pong,
            live_at_pong: &self.live_at_pong,
            is_whole: !self.is_open() && self.taken == self.handed && self.arrived == self.handed,
        }
    }

    /// It is not cut any more.
    pub fn spare(&mut self) {
        self.cut = Cut::Never;
    }

    /// When something happens on it next.
    pub(super) fn next_wakeup(&self) -> Option<u64> {
        let stage = match &self.stage {
            PipeStage::Dialling(at, _) => *at,
            PipeStage::Securing(at) => Some(*at),
            PipeStage::Open | PipeStage::Over => None,
        };
        let up = self.up.front().filter(|_| !self.deaf).map(|(at, _)| *at);
        let open = matches!(self.stage, PipeStage::Open);
        let down = self
            .down
            .front()
            .filter(|_| !self.mute && open)
            .map(|(at, _)| *at);
        [stage, up, down].into_iter().flatten().min()
    }

    /// How many more bytes the transport takes of the client before it is cut.
    pub(super) fn may_take(&self) -> u64 {
        match self.cut {
            Cut::AfterTaking(bytes) => bytes.saturating_sub(self.taken),
            _ => u64::MAX,
        }
    }

    /// How many more bytes arrive at the server before it is cut.
    pub(super) fn may_arrive(&self) -> u64 {
        match self.cut {
            Cut::AfterArriving(bytes) => bytes.saturating_sub(self.arrived),
            _ => u64::MAX,
        }
    }

    /// How many more bytes the client reads before it is cut.
    pub(super) fn may_read(&self) -> u64 {
        match self.cut {
            Cut::AfterReading(bytes) => bytes.saturating_sub(self.read),
            _ => u64::MAX,
        }
    }
}
