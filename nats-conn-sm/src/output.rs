//! Events and actions that wait to be polled.

mod canonical;

use alloc::collections::VecDeque;

use crate::action::Action;
use crate::event::{ConnectionEvent, DropReason, Event};
use crate::ids::LinkId;
use crate::ranges::SeqRanges;

/// The two queues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    events: VecDeque<Event>,
    actions: VecDeque<Action>,
    /// How many there ever were.
    queued: u64,
}

/// Events.
impl Output {
    pub(crate) fn emit(&mut self, event: Event) {
        self.queued = self.queued.saturating_add(1);
        self.events.push_back(event);
    }

    /// Publishes were dropped. Under a steady overflow one event covers everything that was dropped since
    /// the last poll.
    pub(crate) fn emit_dropped(&mut self, publishes: SeqRanges, bytes: u64, reason: DropReason) {
        if let Some(Event::Connection(ConnectionEvent::PublishDropped {
            publishes: known,
            bytes: known_bytes,
            reason: same,
        })) = self.events.back_mut()
            && *same == reason
            && known.last() < publishes.first()
        {
            for &(first, last) in publishes.runs() {
                known.push_run(first, last);
            }
            *known_bytes = known_bytes.saturating_add(bytes);
            return;
        }
        self.emit(Event::Connection(ConnectionEvent::PublishDropped {
            publishes,
            bytes,
            reason,
        }));
    }

    #[inline]
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }
}

/// Actions.
impl Output {
    pub(crate) fn ask(&mut self, action: Action) {
        self.queued = self.queued.saturating_add(1);
        self.actions.push_back(action);
    }

    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether no driver has taken the request for this link.
    pub(crate) fn is_unheard(&self, link: LinkId) -> bool {
        self.connect(link).is_some()
    }

    fn connect(&self, id: LinkId) -> Option<usize> {
        let is_it = |action: &Action| matches!(action, Action::Connect { link, .. } if *link == id);
        self.actions.iter().position(is_it)
    }

    /// The link is given up: questions about it are withdrawn. Whether its driver is asked for a last answer: no
    /// driver knows of a link whose request is still here.
    #[must_use]
    pub(crate) fn leave(&mut self, link: LinkId, abort: bool) -> bool {
        if let Some(place) = self.connect(link) {
            self.actions.remove(place);
            return false;
        }
        self.withdraw_questions(link);
        self.ask(Action::Disconnect { link, abort });
        true
    }

    /// The last answer about a link has come: nothing more is asked about it.
    pub(crate) fn answered(&mut self, id: LinkId) {
        self.withdraw_questions(id);
        self.actions
            .retain(|action| !matches!(action, Action::Disconnect { link, .. } if *link == id));
    }

    fn withdraw_questions(&mut self, id: LinkId) {
        self.actions.retain(|action| {
            !matches!(action, Action::UpgradeTls { link, .. } | Action::Authenticate { link, .. } if *link == id)
        });
    }

    /// No answer to a question for the next server counts any more.
    pub(crate) fn withdraw_choice(&mut self) {
        self.actions
            .retain(|action| !matches!(action, Action::ChooseServer { .. }));
    }
}

/// Both.
impl Output {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.actions.is_empty()
    }

    /// How many events and actions there ever were: two looks that see the same number saw no output in between.
    pub(crate) fn count(&self) -> u64 {
        self.queued
    }
}
