//! The canonical form of the requests that wait.

use super::{Inbox, Many, Pending, Refusal, Requests};
use crate::canonical::Form;

impl Requests {
    pub(in crate::interest) fn canonical(&self, form: &mut Form) {
        let Self {
            inbox,
            refusal,
            places,
            // The next place is the lowest that is empty.
            free: _,
            // It counts on.
            issued: _,
            // It says of the requests what they say themselves.
            order: _,
            live: _,
            // Those that count are with their requests.
            deadlines: _,
        } = self;
        form.option(inbox.as_ref(), |form, inbox| inbox.canonical(form));
        form.option(*refusal, |form, Refusal { until, wait }| {
            form.due(until);
            form.duration(wait);
        });
        let taken = places.iter().enumerate();
        let taken = taken.filter_map(|(place, pending)| Some((place, pending.as_ref()?)));
        form.list(taken, |form, (place, pending)| {
            form.size(place);
            pending.canonical(form);
        });
    }
}

impl Inbox {
    fn canonical(&self, form: &mut Form) {
        let Self { sid, subject } = self;
        form.sid(*sid);
        form.text(subject.as_bytes());
    }
}

impl Pending {
    fn canonical(&self, form: &mut Form) {
        let Self {
            id,
            subject,
            seq,
            // This follows from the frame.
            len: _,
            many,
            deadline,
        } = self;
        form.request(*id);
        form.text(subject.as_bytes());
        form.publish(*seq);
        form.option(many.as_deref(), |form, many| {
            let Many {
                left,
                stall,
                sentinel,
                timeout,
            } = *many;
            form.option(left, |form, left| form.number(u64::from(left)));
            form.option(stall, Form::duration);
            form.flag(sentinel);
            form.moment(timeout);
        });
        form.moment(*deadline);
    }
}
