//! What stories about the pool, and stories of a machine driven by hand, share.

use nats_conn_sm::{
    Action, Config, ConnectionEvent, Delivery, DropReason, Event, LinkEnd, Publish, Timestamp,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Reaction, Step, Urls, When};
use nats_conn_tests::sim::World;
use nats_proto::Subject;

pub(super) const INFO: &str = "{\"headers\":true,\"max_payload\":1048576}";
pub(super) const SUBJECT: Subject = Subject::from_static("a");

pub(super) fn hosts(world: &World) -> Vec<String> {
    let servers = world.client.servers().into_iter();
    servers
        .map(|status| status.server.host().trim_end_matches(".test").to_owned())
        .collect()
}

pub(super) fn dialled(world: &World) -> Vec<String> {
    let hosts = world.actions.iter().filter_map(|(_, action)| match action {
        Action::Connect { server, .. } => Some(server.host().trim_end_matches(".test").to_owned()),
        _ => None,
    });
    hosts.collect()
}

pub(super) fn gossip(names: &[&str]) -> Urls {
    Urls::Fixed(names.iter().map(|name| format!("{name}.test:4222")).collect())
}

pub(super) fn next(world: &World) -> Vec<String> {
    let servers = world.client.servers().into_iter();
    servers
        .filter(|status| status.next)
        .map(|status| status.server.host().to_owned())
        .collect()
}

pub(super) fn fails_once(reaction: Reaction) -> Vec<Step> {
    vec![Step::instead(When::Accept, [reaction])]
}

pub(super) fn connected(change: impl FnOnce(&mut Config)) -> ByHand {
    let mut config = ByHand::config();
    change(&mut config);
    ByHand::connected(config, INFO)
}

pub(super) fn publish(hand: &mut ByHand, size: usize) {
    let payload = vec![b'x'; size];
    hand.client
        .publish(Publish::new(&SUBJECT, &payload[..]))
        .expect("room");
}

/// The link ends with what `tx` still holds.
pub(super) fn end(hand: &mut ByHand) -> Vec<Event> {
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START)
}

pub(super) fn dropped(reported: &[Event]) -> Vec<(DropReason, Vec<std::ops::RangeInclusive<u64>>)> {
    reported
        .iter()
        .filter_map(|event| match event {
            Event::Connection(ConnectionEvent::PublishDropped {
                reason, publishes, ..
            }) => Some((*reason, publishes.iter().collect())),
            _ => None,
        })
        .collect()
}

pub(super) fn at_least_once() -> ByHand {
    let mut config = ByHand::config();
    config.delivery = Delivery::AtLeastOnce;
    ByHand::connected(config, INFO)
}

pub(super) fn text(hand: &ByHand) -> String {
    let bytes: Vec<u8> = hand.tx.chunks().flatten().copied().collect();
    String::from_utf8(bytes).expect("text")
}

/// Everything that leaves now.
pub(super) fn written(hand: &mut ByHand, now: Timestamp) -> String {
    let mut all = String::new();
    while hand.client.poll_transmit(now, &mut hand.tx) {
        all += &text(hand);
        hand.write_all();
    }
    all
}
