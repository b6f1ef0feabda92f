//! What is published where.

/// Below this half of the lives publish, each on a subject of its own.
pub(super) const NOTES: &str = "chaos.note";
/// And the others, for a queue group, too.
pub(super) const WORK: &str = "chaos.work";
/// All of it.
pub(super) const ALL: &str = "chaos.*.*";
/// Below this everything is asked.
pub(super) const ASKED: &str = "chaos.ask";
/// Below this, what wants several replies.
pub(super) const MANY: &str = "chaos.ask.many";
/// Below this a life publishes to itself.
pub(super) const ECHO: &str = "chaos.echo";

/// Where a life publishes.
pub(super) fn of_life(life: u32, is_shared: bool) -> String {
    format!("{}.{life}", if is_shared { WORK } else { NOTES })
}
