//! A blocking client that several threads use at the same time.
//!
//! Whoever waits with it may write to its socket, or read from it, on his own thread. So what the threads do is what
//! decides who does that: now one alone waits for one answer after the other, now many wait at once, and now what is
//! published comes in bursts.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nats_conn_client::Delivery;
use nats_conn_std::Client;

use super::account::{Account, Role};
use super::dice::Dice;
use super::life::{DRAIN, End, Life, SLACK, Setting, Starter};

mod asking;
mod common;
mod hand;
mod listening;
mod publishing;

use common::{Common, Part};
use hand::{Doing, Hand};

/// How often the threads are looked after.
const LOOK: Duration = Duration::from_millis(30);
/// Where keep-alives do not bring to light what is asleep.
const QUIET_PINGS: Duration = Duration::from_secs(60);

/// What one thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Publisher,
    Asker,
    Echo,
    Subscriber,
    Worker,
    Answerer,
    /// It reads the events.
    Witness,
}

/// Who takes part: one alone, or most of them.
fn cast(dice: &mut Dice) -> Vec<Kind> {
    use Kind::{Answerer, Asker, Echo, Publisher, Subscriber, Witness, Worker};
    if dice.one_in(3) {
        let alone = [Publisher, Publisher, Asker, Asker, Echo, Subscriber];
        return vec![alone[dice.between(0, alone.len() as u64 - 1) as usize]];
    }
    let all = [
        Publisher, Publisher, Asker, Asker, Echo, Subscriber, Worker, Answerer, Witness,
    ];
    all.into_iter().filter(|_| !dice.one_in(4)).collect()
}

/// Lives one life, if the starter has the blocking client.
pub(super) fn live(
    setting: &Setting,
    starter: &Starter,
    delivery: Delivery,
    dice: &mut Dice,
) -> Option<Account> {
    let start = starter.start_blocking.as_ref()?;
    let keeps_quiet = dice.one_in(2);
    let started = Life::start_with(setting, starter, Role::Crowd, delivery, |options| {
        let options = if keeps_quiet {
            options.ping_interval(QUIET_PINGS)
        } else {
            options
        };
        let (client, events) = start(options)?;
        Ok((client.inner().clone(), events.into_inner(), client))
    });
    let (life, client) = match started {
        Ok(started) => started,
        Err(account) => return Some(*account),
    };
    let (least, most) = setting.lifetime;
    let until = Instant::now() + dice.millis(least, most);
    let end = match dice.between(0, 5) {
        0 => End::Close,
        1 => End::Drop,
        _ => End::Drain,
    };
    let crowd = Crowd::begin(setting, life, client, end, dice);
    Some(crowd.live(until, dice))
}

struct Crowd<'a> {
    setting: &'a Setting,
    life: Life<'a>,
    client: Option<Client>,
    common: Arc<Common>,
    hands: Vec<(Kind, Arc<Doing>, Option<JoinHandle<Part>>)>,
    end: End,
}

impl<'a> Crowd<'a> {
    fn begin(setting: &'a Setting, mut life: Life<'a>, client: Client, end: End, dice: &mut Dice) -> Self {
        life.account.is_shared = life.account.life.is_multiple_of(2);
        let common = Arc::new(Common::new(setting, &life.account));
        let cast = cast(dice);
        life.ended(format!(
            "crowds of {}",
            if cast.len() == 1 { "one" } else { "several" }
        ));
        let hands = cast.into_iter().map(|kind| {
            let doing = Arc::<Doing>::default();
            let hand = Hand::new(
                common.clone(),
                client.clone(),
                doing.clone(),
                end,
                Dice::new(dice.roll(), 0),
            );
            let running = std::thread::Builder::new().name(format!("crowd {kind:?}"));
            (kind, doing, running.spawn(move || hand.work(kind)).ok())
        });
        Self {
            hands: hands.collect(),
            setting,
            life,
            client: Some(client),
            common,
            end,
        }
    }

    fn live(mut self, until: Instant, dice: &mut Dice) -> Account {
        while !self.setting.is_calm() && Instant::now() < until && self.life.account.closed.is_none() {
            std::thread::sleep(LOOK);
            self.look();
            if dice.one_in(150) {
                self.life.force_reconnect();
            }
        }
        if self.setting.is_calm() && self.end != End::Drop {
            self.end = End::Drain;
        }
        self.begin_end(dice);
        self.join();
        self.finish()
    }

    /// Events, fates, and whether somebody waits for too long.
    fn look(&mut self) {
        self.life.listen();
        self.common.settle(self.life.settled());
        for (kind, doing, running) in &mut self.hands {
            if let Some((what, since)) = doing.overdue() {
                let text = format!("{kind:?} has been in `{what}` for {:?}", since.elapsed());
                self.life.wrong(text);
            }
            if running.as_ref().is_some_and(JoinHandle::is_finished)
                && let Some(part) = running.take().map(JoinHandle::join)
            {
                match part {
                    Ok(part) => part.add_to(&mut self.life),
                    Err(_) => self.life.wrong(format!("{kind:?} has panicked")),
                }
            }
        }
    }

    /// Ends it: while everybody works on, or when they have been told to end.
    fn begin_end(&mut self, dice: &mut Dice) {
        if self.end == End::Drop {
            self.common.over.store(true, Ordering::Release);
            self.life.begin_end(End::Drop);
            self.life.let_go();
            // One of the threads may be the last to hold it.
            self.client = None;
            return;
        }
        if dice.one_in(2) {
            self.common.over.store(true, Ordering::Release);
            std::thread::sleep(dice.millis(0, 300));
        }
        self.common.ending.store(true, Ordering::Release);
        self.life.begin_end(self.end);
        std::thread::sleep(dice.millis(0, 200));
        self.common.over.store(true, Ordering::Release);
    }

    fn join(&mut self) {
        let limit = Instant::now() + DRAIN + 3 * SLACK;
        if let Some(client) = self.client.take() {
            let ended = match self.end {
                End::Drain => client.drain().wait_timeout(DRAIN + SLACK),
                _ => client.closed().wait_timeout(DRAIN + SLACK),
            };
            if ended.is_none() {
                self.life.wrong(format!("{:?} has not ended", self.end));
            }
        }
        while self.hands.iter().any(|(.., running)| running.is_some()) {
            self.look();
            if Instant::now() > limit {
                let left: Vec<Kind> = self
                    .hands
                    .iter()
                    .filter(|hand| hand.2.is_some())
                    .map(|hand| hand.0)
                    .collect();
                self.life
                    .wrong(format!("{left:?} have not ended after {:?}", self.end));
                return;
            }
            std::thread::sleep(LOOK / 10);
        }
    }

    fn finish(mut self) -> Account {
        self.life.account.published = self.common.published_so_far();
        self.life.finish(self.end)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
