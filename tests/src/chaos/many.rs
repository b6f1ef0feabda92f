//! Requests for several replies, and those who reply.

use std::time::Duration;

use nats_conn_client::{Headers, Message, RepliesEnd, RequestError, RequestMany};

use super::account::{Answer, Many, Reply};
use super::dice::Dice;
use super::note::Note;
use super::subjects::MANY;

/// So many replies has each request that wants several, of each who replies, and an empty one after them.
const REPLIES: u32 = 3;
const WHICH: &str = "Chaos-Reply";

/// Answers a request, as often as it wants. What cannot be sent ends it: the error is given.
pub(super) fn answer<E>(
    life: u32,
    request: &Message,
    mut respond: impl FnMut(Option<&Headers>, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    if !request.subject_bytes().starts_with(MANY.as_bytes()) {
        return respond(None, request.payload());
    }
    for place in 0..REPLIES {
        let headers = Headers::try_from([(WHICH, format!("{life}.{place}"))]).expect("a header");
        respond(Some(&headers), request.payload())?;
    }
    respond(None, b"")
}

/// How many replies are asked for, and for how long.
pub(super) fn draw(dice: &mut Dice) -> RequestMany {
    let mut many = RequestMany::new(dice.millis(200, 1500));
    if dice.one_in(2) {
        many = many.max(dice.between(1, 6) as u32);
    }
    if dice.one_in(2) {
        many = many.sentinel();
    }
    if dice.one_in(2) {
        many = many.stall(dice.millis(20, 300));
    }
    many
}

/// What comes of one of them.
pub(super) struct Collected {
    note: Note,
    many: RequestMany,
    replies: Vec<Reply>,
}

impl Collected {
    pub(super) fn new(note: Note, many: RequestMany) -> Self {
        Self {
            note,
            many,
            replies: Vec::new(),
        }
    }

    /// One more reply.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn take(&mut self, reply: &Message) -> Result<(), String> {
        let is_end = self.many.sentinel && reply.payload().is_empty();
        let note = match Note::read(reply.payload()) {
            // Where nobody asked for an end at it, it is a reply.
            Err(_) if reply.payload().is_empty() && !is_end => {
                return self.count(Reply {
                    by: 0,
                    place: REPLIES,
                });
            }
            note => note?,
        };
        if note != self.note {
            return Err(format!("{:?} has the reply {note:?}", self.note));
        }
        let headers = reply.headers().map_err(|error| error.to_string())?;
        let which = headers.as_ref().and_then(|headers| headers.get_str(WHICH));
        let parts = which.and_then(|which| which.split_once('.'));
        let (by, place) = parts.ok_or("a reply of no number")?;
        let number = |text: &str| text.parse().map_err(|_| format!("the number {text}"));
        self.count(Reply {
            by: number(by)?,
            place: number(place)?,
        })
    }

    fn count(&mut self, reply: Reply) -> Result<(), String> {
        self.replies.push(reply);
        let most = self.many.max.map_or(usize::MAX, |most| most as usize);
        if self.replies.len() > most {
            return Err(format!("{} replies of {most}", self.replies.len()));
        }
        Ok(())
    }

    /// It has ended so. `None`: it was given up.
    ///
    /// # Errors
    /// It must not have ended so.
    pub(super) fn end(
        self,
        ended: Option<Result<RepliesEnd, RequestError>>,
        dropped: u64,
    ) -> Result<(Answer, Many), String> {
        let Self { many, replies, .. } = self;
        if dropped > 0 {
            return Err(format!("{dropped} replies were dropped"));
        }
        let allowed = match &ended {
            Some(Ok(RepliesEnd::MaxReached)) => many.max == u32::try_from(replies.len()).ok(),
            Some(Ok(RepliesEnd::Sentinel)) => many.sentinel,
            Some(Ok(RepliesEnd::Stalled)) => many.stall.is_some() && !replies.is_empty(),
            _ => true,
        };
        if !allowed {
            return Err(format!("{} replies to {many:?} ended {ended:?}", replies.len()));
        }
        let answer = match &ended {
            _ if !replies.is_empty() => Answer::Came,
            Some(Err(error)) if !error.written() => Answer::NeverLeft,
            _ => Answer::MayBeSeen,
        };
        let many = Many {
            replies: replies.into_iter().filter(|reply| reply.by > 0).collect(),
            end: ended.and_then(Result::ok),
        };
        Ok((answer, many))
    }

    /// How long all of it may take.
    pub(super) fn timeout(&self) -> Duration {
        self.many.timeout
    }
}
