//! The connections of this client: real machines, and a driver that answers every PING at once.

use bytes::Buf;
use nats_conn_sm::{Action, Config, Connection, LinkEnd, LinkId, ReceiveBuf, SendBuf, Timestamp};

use super::{Fleet, SERVERS, Wish};
use crate::scenario::{seed_bytes, url};

const LAME_DUCK: &[u8] = b"INFO {\"server_id\":\"N\",\"proto\":1,\"ldm\":true} \r\n";

const NAMES: [&str; SERVERS] = ["n1", "n2", "n3"];

/// The machines.
pub(super) struct Machines {
    each: Vec<Connection>,
    /// What each server says first.
    infos: [Vec<u8>; SERVERS],
}

impl Machines {
    pub(super) fn new(clients: u32) -> Self {
        let urls = NAMES.map(|name| url(&format!("nats://{name}.test:4222")));
        let mut config = Config::new(urls.to_vec());
        config.retry_initial = true;
        let start = Timestamp::from_nanos(0);
        let machine = |client| {
            let machine = Connection::new(config.clone(), seed_bytes(client), start);
            machine.expect("usable settings")
        };
        Self {
            each: (0..u64::from(clients)).map(machine).collect(),
            infos: NAMES.map(|name| {
                let info = format!(
                    "INFO {{\"server_id\":\"{name}\",\"server_name\":\"{name}\",\"version\":\"2.12.0\",\"proto\":1,\
                     \"headers\":true,\"max_payload\":1048576,\"client_id\":1}} \r\n"
                );
                info.into_bytes()
            }),
        }
    }

    /// Does what its driver does until nothing is left to be done; what the server sent comes first.
    fn drive(&mut self, client: usize, now: u64, sent: &[u8], wishes: &mut Vec<Wish>) {
        let machine = &mut self.each[client];
        let now = Timestamp::from_nanos(now);
        let mut rx = ReceiveBuf::new(machine.link().unwrap_or(LinkId::from_u64(0)));
        rx.buffer_mut().extend_from_slice(sent);
        loop {
            let mut is_busy = false;
            if machine.poll_timeout().is_some_and(|at| at <= now) {
                machine.handle_timeout(now);
                is_busy = true;
            }
            while machine.poll_event(now, &mut rx).is_some() {
                is_busy = true;
            }
            while let Some(action) = machine.poll_action() {
                act(machine, action, now, wishes);
                is_busy = true;
            }
            is_busy |= write(machine, now, &mut rx);
            if !is_busy {
                break;
            }
        }
        wishes.extend(machine.poll_timeout().map(|at| Wish::WakeAt(at.as_nanos())));
    }

    fn end_link(&mut self, client: usize, now: u64, end: LinkEnd, wishes: &mut Vec<Wish>) {
        let machine = &mut self.each[client];
        if let Some(link) = machine.link() {
            let mut unsent = SendBuf::new(link);
            machine.handle_link_closed(Timestamp::from_nanos(now), link, end, &mut unsent);
        }
        self.drive(client, now, b"", wishes);
    }
}

fn act(machine: &mut Connection, action: Action, now: Timestamp, wishes: &mut Vec<Wish>) {
    match action {
        Action::Connect { server, .. } => {
            let place = NAMES.iter().position(|name| server.host().starts_with(name));
            wishes.push(Wish::Dial(place.unwrap_or_default()));
        }
        Action::Disconnect { link, .. } => {
            wishes.push(Wish::HangUp);
            let mut unsent = SendBuf::new(link);
            machine.handle_link_closed(now, link, LinkEnd::Requested, &mut unsent);
        }
        Action::UpgradeTls { .. } | Action::Authenticate { .. } | Action::ChooseServer { .. } => {}
    }
}

/// Takes what it writes, and answers each PING.
fn write(machine: &mut Connection, now: Timestamp, rx: &mut ReceiveBuf) -> bool {
    let Some(link) = machine
        .link()
        .filter(|link| *link == rx.link() && machine.wants_transmit())
    else {
        return false;
    };
    let mut tx = SendBuf::new(link);
    let mut is_busy = false;
    while machine.poll_transmit(now, &mut tx) {
        // Pieces end with frames: nothing is large here.
        let lines = tx.chunks().flat_map(|piece| piece.split(|byte| *byte == b'\n'));
        for _ping in lines.filter(|line| *line == b"PING\r") {
            rx.buffer_mut().extend_from_slice(b"PONG\r\n");
        }
        tx.advance(tx.remaining());
        machine.handle_written(now, &mut tx);
        is_busy = true;
    }
    is_busy
}

impl Fleet for Machines {
    fn begin(&mut self, client: usize, now: u64, wishes: &mut Vec<Wish>) {
        self.drive(client, now, b"", wishes);
    }

    fn accepted(&mut self, client: usize, server: usize, now: u64, wishes: &mut Vec<Wish>) {
        let machine = &mut self.each[client];
        if let Some(link) = machine.link() {
            machine.handle_connected(Timestamp::from_nanos(now), link);
        }
        let info = std::mem::take(&mut self.infos[server]);
        self.drive(client, now, &info, wishes);
        self.infos[server] = info;
    }

    fn refused(&mut self, client: usize, _server: usize, now: u64, wishes: &mut Vec<Wish>) {
        let refused = LinkEnd::Dial {
            kind: "connection_refused",
            detail: "connection refused".into(),
        };
        self.end_link(client, now, refused, wishes);
    }

    fn lost(&mut self, client: usize, _server: usize, now: u64, wishes: &mut Vec<Wish>) {
        self.end_link(client, now, LinkEnd::Eof, wishes);
    }

    fn warned(&mut self, client: usize, now: u64, wishes: &mut Vec<Wish>) {
        self.drive(client, now, LAME_DUCK, wishes);
    }

    fn woken(&mut self, client: usize, now: u64, wishes: &mut Vec<Wish>) {
        self.drive(client, now, b"", wishes);
    }
}
