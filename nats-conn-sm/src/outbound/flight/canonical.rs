//! The canonical form of what one link was given.

use core::time::Duration;

use super::{Cadence, Flight, Hand};
use crate::canonical::Form;
use crate::frames::write_frame;
use crate::pings::PingKind;

impl Flight {
    pub(in crate::outbound) fn canonical(&self, form: &mut Form) {
        let Self {
            link,
            hello,
            hand,
            unanswered,
            pongs_due,
            // It counts on.
            blocks: _,
            urgent,
            handed_publish,
            handed_sub,
            unconfirmed,
            cadence,
        } = self;
        form.link(*link);
        form.option(hello.as_ref(), |form, hello| {
            form.list(hello.frames(), |form, frame| write_frame(form, hello, frame));
        });
        form.option(hand.as_ref(), |form, hand| hand.canonical(form));
        form.list(unanswered, |form, (ping, handed_out)| {
            ping.canonical(form);
            // How long another PING took is a statistic.
            if matches!(ping.kind(), PingKind::RoundTrip(_)) {
                form.since(*handed_out, Duration::MAX);
            }
        });
        form.number(u64::from(*pongs_due));
        form.list(urgent, |form, kind| kind.canonical(form));
        form.publishes_up_to(*handed_publish);
        form.sids_up_to(*handed_sub);
        unconfirmed.canonical(form);
        cadence.canonical(form);
    }
}

impl Hand {
    fn canonical(&self, form: &mut Form) {
        let Self {
            publishes,
            publish_bytes,
            len: _,
            largest,
            // By this the block in the driver's hand is known. It counts on.
            serial: _,
            is_hello,
            proven,
        } = self;
        form.publishes(publishes.runs());
        form.size(*publish_bytes);
        form.option(largest.as_ref(), |form, largest| largest.canonical(form));
        form.flag(*is_hello);
        form.publishes_up_to(*proven);
    }
}

impl Cadence {
    fn canonical(&self, form: &mut Form) {
        let Self {
            bytes,
            due,
            outstanding,
        } = self;
        form.size(*bytes);
        form.option(*due, Form::due);
        form.flag(*outstanding);
    }
}
