//! What must not change anything.

use std::time::Duration;

use nats_conn_sm::{
    AttemptId, Credentials, LinkEnd, LinkId, Progress, Publish, ReceiveBuf, SendBuf, ServerId, State,
};
use nats_proto::Subject;

use super::driver::Stage;
use super::world::World;

impl World {
    /// What holds in every state: answers about links that are gone or were never there, steps that are not due, and
    /// looking, change nothing; and after the end nothing is accepted.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self) -> Result<(), String> {
        self.verify_form(&self.form())
    }

    /// The same, given its form.
    pub(super) fn verify_form(&self, form: &[u8]) -> Result<(), String> {
        let is_closed = self.connection.state() == State::Closed;
        let mut copy = self.clone();
        let (now, connection) = (copy.now, &mut copy.connection);
        let present = connection.link();
        let last = self.driver.as_ref().map_or(0, |driver| driver.link.as_u64());
        for number in [0, last.saturating_sub(1), last, last + 1] {
            let link = LinkId::from_u64(number);
            let stage = self.driver.as_ref().map(|driver| driver.stage);
            let is_present = Some(link) == present;
            if !is_present || stage != Some(Stage::Dialing) {
                connection.handle_connected(now, link);
            }
            if !is_present || stage != Some(Stage::Tls) {
                connection.handle_tls(now, link, 0);
            }
            if !is_present || !self.driver.as_ref().is_some_and(|driver| driver.is_asked) {
                connection.handle_credentials(now, link, Ok(Credentials::default()));
            }
            if !is_present {
                connection.handle_progress(now, link, Progress::Dialing);
                connection.handle_link_closed(now, link, LinkEnd::Eof, &mut SendBuf::new(link));
                connection.handle_written(now, &mut SendBuf::new(link));
                let mut rx = ReceiveBuf::new(link);
                rx.buffer_mut().extend_from_slice(b"PONG\r\nMSG a 1 1\r\nx\r\n");
                if connection.poll_event(now, &mut rx).is_some()
                    || connection.poll_transmit(now, &mut SendBuf::new(link))
                {
                    return Err(format!("something came of {link:?}, which is not there"));
                }
            }
        }
        if self.choice.is_none() {
            let (attempt, server) = (AttemptId::from_u64(1), ServerId::from_u64(1));
            connection.handle_server_choice(now, attempt, server, Duration::ZERO);
        }
        connection.handle_server_choice(now, AttemptId::from_u64(0), ServerId::from_u64(1), Duration::ZERO);
        if connection.poll_timeout().is_none_or(|at| at > now) {
            connection.handle_timeout(now);
        }
        let _ = (connection.why(now + Duration::from_secs(1)), connection.servers());
        if is_closed {
            let subject = Subject::from_static("p");
            let refused = connection.publish(Publish::new(&subject, "xy")).is_err()
                && connection.flush(now).is_err()
                && connection.drain(now).is_err()
                && connection.force_reconnect(now).is_err();
            if !refused {
                return Err(String::from("it is closed and accepts something"));
            }
            connection.close(now);
        }
        let (action, event) = (connection.poll_action(), connection.take_event());
        if action.is_some() || event.is_some() {
            return Err(format!("of what concerns nobody came {action:?} and {event:?}"));
        }
        if copy.form() != form {
            return Err(String::from("what concerns nobody has changed the state"));
        }
        Ok(())
    }
}
