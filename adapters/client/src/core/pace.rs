//! Publishers that are ahead of the driver, and wait for it.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use nats_conn_sm::Timestamp;

/// So many bytes may wait for the driver, or about so many. It is a little less than what a block of the machine holds, so
/// that the driver finds one that is almost full, and no second one that is almost empty.
const AHEAD: usize = 60 << 10;
/// Where no more than this is left, those who wait go on.
const CLOSE: usize = AHEAD / 2;
/// After so many bytes, of whomever, a publisher who need not wait lets others run all the same: those who share its thread
/// want to publish, too. It is not less than how far one may be ahead: on one thread all wait in the row, and keep its order.
const TURN: usize = AHEAD;
/// What a driver takes at once.
const BLOCK: usize = 64 << 10;
/// For so long the system may not take what the driver has in hand. Then the link is stalled, and publishers fill the
/// send buffer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// How far publishers are ahead of the driver. Without waiting for it they would fill the whole send buffer whenever they
/// are faster, with memory that no cache holds; and of several the first to come would leave no room for the others.
#[derive(Debug)]
pub(crate) struct Pace {
    /// About how many bytes were published that the driver has not taken.
    ahead: usize,
    /// How many may be. Without end while nobody is to wait.
    most: usize,
    /// How many were published since somebody waited, or let others run.
    turn: usize,
    /// Whether they wait at all.
    on: bool,
    /// Until then the system has time to take what the driver has in hand.
    until: Timestamp,
    /// Those who wait, in ascending order. Who has left has no waker.
    waiting: VecDeque<Publisher>,
    /// The last number that was given.
    last: u64,
    /// The first of those who were woken, the last time that anybody was.
    first: Place,
}

#[derive(Debug)]
struct Publisher {
    place: Place,
    bytes: usize,
    waker: Option<Waker>,
}

/// The place of a publisher in the row of those who wait. Who was woken and finds that others were faster comes back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

impl Default for Pace {
    /// Nobody waits, until [`begin`](Self::begin).
    fn default() -> Self {
        Self {
            ahead: 0,
            turn: 0,
            most: usize::MAX,
            on: false,
            until: Timestamp::ZERO,
            waiting: VecDeque::new(),
            last: 0,
            first: Place(0),
        }
    }
}

impl Pace {
    /// Publishers wait from now on.
    pub(crate) fn begin(&mut self) {
        (self.on, self.most) = (true, AHEAD);
    }

    /// Whether whoever wants to publish has to look for something else than room.
    #[inline]
    pub(crate) fn pauses(&self) -> bool {
        self.ahead >= self.most || self.turn >= TURN
    }

    /// Whether publishers are so far ahead that they wait.
    pub(crate) fn is_ahead(&self) -> bool {
        self.ahead >= self.most
    }

    /// Whether a publisher that need not wait lets others run. Then it begins to count anew.
    pub(crate) fn ends_turn(&mut self) -> bool {
        let over = self.turn >= TURN;
        if over {
            self.turn = 0;
        }
        over
    }

    /// About so many bytes more wait for the driver.
    #[inline]
    pub(crate) fn published(&mut self, bytes: usize) {
        self.ahead = self.ahead.saturating_add(bytes);
        self.turn = self.turn.saturating_add(bytes);
    }

    /// Somebody waits who wants to publish so many bytes: after all others, or in the place that he had.
    pub(crate) fn wait(&mut self, place: Option<Place>, bytes: usize, waker: &Waker) -> Place {
        self.turn = 0;
        let place = place.unwrap_or_else(|| {
            self.last += 1;
            Place(self.last)
        });
        let publisher = Publisher {
            place,
            bytes,
            waker: Some(waker.clone()),
        };
        match self.find(place) {
            Ok(found) => self.waiting[found] = publisher,
            Err(between) => self.waiting.insert(between, publisher),
        }
        place
    }

    /// Whether who was woken lets others go first that were woken with it: all but the first do. Some runtimes begin with the
    /// last one that was woken, and nobody else would ever find room.
    pub(crate) fn gives_way(&self, place: Place) -> bool {
        place > self.first
    }

    /// Does not wait any more.
    pub(crate) fn leave(&mut self, place: Place) {
        if let Ok(found) = self.find(place) {
            self.waiting[found].waker = None;
            while self.waiting.front().is_some_and(|first| first.waker.is_none()) {
                self.waiting.pop_front();
            }
        }
    }

    fn find(&self, place: Place) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&place, |waiting| waiting.place)
    }

    /// The driver has come for a block, and has one in hand now or found none. As many go on as there is room for.
    #[inline]
    pub(crate) fn driver_came(&mut self, now: Timestamp, in_hand: bool, wakers: &mut Vec<Waker>) {
        if self.on {
            self.most = AHEAD;
        } else {
            // It is let run once there is another block for it.
            self.turn = 0;
        }
        if in_hand {
            self.until = now + PATIENCE;
            self.ahead = self.ahead.saturating_sub(BLOCK);
        } else {
            // Whatever is held back, there is nothing to wait for.
            self.ahead = 0;
        }
        if !self.waiting.is_empty() {
            self.let_on(in_hand, wakers);
        }
    }

    #[cold]
    fn let_on(&mut self, in_hand: bool, wakers: &mut Vec<Waker>) {
        if !in_hand {
            return self.wake_all(wakers);
        }
        if self.ahead > CLOSE {
            return;
        }
        self.note_first();
        let mut room = AHEAD - self.ahead;
        while room > 0
            && let Some(next) = self.waiting.pop_front()
        {
            if let Some(waker) = next.waker {
                room = room.saturating_sub(next.bytes);
                wakers.push(waker);
            }
        }
    }

    fn note_first(&mut self) {
        if let Some(first) = self.waiting.front() {
            self.first = first.place;
        }
    }

    /// When whoever waits has waited long enough for what the driver has in hand.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.on.then_some(self.until).filter(|_| self.most < usize::MAX)
    }

    /// The system has not taken what the driver has in hand for so long that nobody waits for that.
    pub(crate) fn expire(&mut self, now: Timestamp, wakers: &mut Vec<Waker>) {
        if self.until <= now {
            self.wake_all(wakers);
            self.most = usize::MAX;
        }
    }

    /// Nobody waits any more for what is ahead now.
    pub(crate) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        self.ahead = 0;
        self.note_first();
        wakers.extend(self.waiting.drain(..).filter_map(|waiting| waiting.waker));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    /// A waker that is told apart from others.
    #[derive(Default)]
    struct Known(#[expect(dead_code, reason = "so that each has a place of its own")] u8);

    impl Wake for Known {
        fn wake(self: Arc<Self>) {}
    }

    const NOW: Timestamp = Timestamp::from_millis(1);

    /// Publishers are as far ahead as they may be.
    fn ahead() -> Pace {
        let mut pace = Pace::default();
        pace.begin();
        pace.published(AHEAD);
        assert!(pace.is_ahead() && pace.pauses());
        pace
    }

    /// How many are woken when a driver comes.
    fn woken(pace: &mut Pace, in_hand: bool) -> usize {
        let mut wakers = Vec::new();
        pace.driver_came(NOW, in_hand, &mut wakers);
        wakers.len()
    }

    #[test]
    fn nobody_waits_before_there_is_a_driver_that_can_be_waited_for() {
        let mut pace = Pace::default();
        pace.published(1 << 40);
        assert!(!pace.is_ahead());
        assert_eq!(woken(&mut pace, true), 0);
        assert!(!pace.is_ahead());
        assert_eq!(pace.deadline(), None);
    }

    #[test]
    fn as_many_go_on_as_there_is_room_for_and_all_where_the_driver_finds_nothing() {
        let mut pace = ahead();
        for _ in 0..100 {
            pace.wait(None, 10_000, Waker::noop());
        }
        let many = AHEAD.div_ceil(10_000);
        assert_eq!(woken(&mut pace, true), many);
        assert!(!pace.is_ahead());
        // Large ones: the driver is far behind still when it has taken a block.
        pace.published(2 * BLOCK);
        assert_eq!(woken(&mut pace, true), 0);
        assert_eq!(woken(&mut pace, false), 100 - many);
        assert!(!pace.is_ahead());
    }

    #[test]
    fn who_was_woken_and_finds_that_another_was_faster_keeps_its_place() {
        let mut pace = ahead();
        let (first, second) = (Arc::<Known>::default(), Arc::<Known>::default());
        let place = pace.wait(None, BLOCK, &first.clone().into());
        pace.wait(None, BLOCK, &second.clone().into());
        let mut wakers = Vec::new();
        pace.driver_came(NOW, true, &mut wakers);
        assert!(wakers.len() == 1 && wakers[0].will_wake(&first.clone().into()));
        pace.published(AHEAD);
        assert_eq!(pace.wait(Some(place), BLOCK, &first.clone().into()), place);
        wakers.clear();
        pace.driver_came(NOW, true, &mut wakers);
        assert_eq!(wakers.len(), 1);
        pace.driver_came(NOW, true, &mut wakers);
        assert!(wakers[0].will_wake(&first.into()) && wakers[1].will_wake(&second.into()));
    }

    #[test]
    fn of_those_who_were_woken_together_all_but_the_first_let_others_go_first() {
        let mut pace = ahead();
        let places = [0; 3].map(|_| pace.wait(None, 10, Waker::noop()));
        assert_eq!(woken(&mut pace, true), 3);
        assert_eq!(places.map(|place| pace.gives_way(place)), [false, true, true]);
        pace.published(AHEAD);
        let alone = pace.wait(None, 10, Waker::noop());
        assert_eq!(woken(&mut pace, false), 1);
        assert!(!pace.gives_way(alone));
    }

    #[test]
    fn who_leaves_is_not_woken_wherever_he_stands() {
        let mut pace = ahead();
        let places = [0; 5].map(|_| pace.wait(None, 10, Waker::noop()));
        for gone in [places[2], places[0], places[2]] {
            pace.leave(gone);
        }
        assert_eq!(pace.waiting.len(), 4, "the one in the middle leaves a hole");
        pace.leave(places[1]);
        assert_eq!(pace.waiting.len(), 2);
        assert_eq!(woken(&mut pace, false), 2);
        pace.leave(places[3]);
        assert!(pace.waiting.is_empty());
    }

    #[test]
    fn nobody_waits_for_a_link_that_has_stalled_until_it_goes_on() {
        let mut pace = ahead();
        assert_eq!(woken(&mut pace, true), 0);
        pace.published(AHEAD);
        pace.wait(None, 10, Waker::noop());
        assert_eq!(pace.deadline(), Some(NOW + PATIENCE));
        let mut wakers = Vec::new();
        pace.expire(NOW, &mut wakers);
        assert!(wakers.is_empty() && pace.is_ahead());
        pace.expire(NOW + PATIENCE, &mut wakers);
        assert_eq!((wakers.len(), pace.deadline()), (1, None));
        pace.published(8 << 20);
        assert!(!pace.is_ahead());
        assert_eq!(woken(&mut pace, true), 0);
        assert!(pace.deadline().is_some());
        pace.published(AHEAD);
        assert!(pace.is_ahead());
    }

    #[test]
    fn a_driver_that_nobody_waits_for_is_let_run_whenever_there_is_a_block_for_it() {
        let mut pace = Pace::default();
        pace.published(TURN);
        assert!(pace.pauses() && !pace.is_ahead());
        assert_eq!(woken(&mut pace, true), 0);
        pace.published(TURN - 1);
        assert!(!pace.pauses());
        pace.published(1);
        assert!(pace.pauses() && !pace.is_ahead());
        assert!(pace.ends_turn() && !pace.pauses());
    }

    #[test]
    fn who_need_not_wait_lets_others_run_now_and_then() {
        let mut pace = Pace::default();
        pace.begin();
        let mut turns = 0;
        for _ in 0..100 {
            pace.published(AHEAD / 2);
            assert!(!pace.is_ahead());
            assert_eq!(woken(&mut pace, true), 0);
            turns += usize::from(pace.pauses() && pace.ends_turn());
        }
        assert_eq!(turns, 50);
    }
}
