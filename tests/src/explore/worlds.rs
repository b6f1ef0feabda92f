//! The worlds that are explored: each is small, and together they hold every pair of things that may meet.

use nats_conn_sm::Delivery;

use super::scope::{Budget, Scope};

type Change = fn(&mut Budget);

/// What the worlds are called, and what may happen in them.
pub fn worlds() -> Vec<(String, Scope)> {
    let budgets: [(&str, Change); 18] = [
        ("links", |budget| (budget.forces, budget.infos) = (1, 1)),
        ("choose", |budget| {
            (budget.choices, budget.forces, budget.infos) = (1, 1, 1)
        }),
        ("login", |budget| {
            (budget.forces, budget.infos, budget.faults) = (1, 1, 2)
        }),
        ("publish", |budget| budget.publishes = 1),
        ("listen", |budget| {
            (budget.subscriptions, budget.messages) = (1, 2)
        }),
        ("ask", |budget| (budget.requests, budget.messages) = (1, 1)),
        ("many", |budget| (budget.many, budget.messages) = (1, 3)),
        ("inbox", |budget| {
            (budget.requests, budget.messages, budget.faults) = (2, 1, 2)
        }),
        ("confirm", |budget| {
            (budget.flushes, budget.round_trips, budget.pings) = (1, 1, 1)
        }),
        ("end", |budget| {
            (budget.publishes, budget.drains, budget.closes) = (1, 1, 1)
        }),
        ("pool", |budget| {
            (budget.forces, budget.pools, budget.publishes) = (1, 1, 1)
        }),
        ("publishes", |budget| {
            (budget.publishes, budget.flushes, budget.parts) = (2, 1, 1);
        }),
        ("subscription", |budget| {
            (budget.subscriptions, budget.messages, budget.parts) = (1, 3, 1);
        }),
        ("request", |budget| {
            (budget.requests, budget.messages, budget.forces) = (1, 2, 1);
        }),
        ("drain", |budget| {
            (budget.publishes, budget.subscriptions, budget.requests) = (1, 1, 1);
            (budget.messages, budget.drains) = (1, 1);
        }),
        ("close", |budget| {
            (budget.publishes, budget.subscriptions, budget.closes) = (1, 1, 1);
            (budget.drains, budget.pings) = (1, 1);
        }),
        ("force", |budget| {
            (budget.publishes, budget.requests, budget.forces, budget.closes) = (1, 1, 1, 1);
        }),
        ("everything", |budget| {
            *budget = Budget {
                publishes: 2,
                subscriptions: 1,
                requests: 1,
                many: 1,
                choices: 0,
                flushes: 1,
                round_trips: 1,
                drains: 1,
                closes: 1,
                forces: 1,
                pools: 1,
                messages: 2,
                pings: 1,
                infos: 1,
                parts: 1,
                faults: 1,
            };
        }),
    ];
    let mut worlds = Vec::new();
    for (delivery, short) in [(Delivery::AtMostOnce, "most"), (Delivery::AtLeastOnce, "least")] {
        for (name, budget) in budgets {
            let mut scope = Scope::new(delivery).with(budget);
            match name {
                "choose" => scope = scope.two_servers().choosing(),
                "login" => scope = scope.with_login(),
                _ => {}
            }
            worlds.push((format!("{name}-{short}"), scope.clone()));
            if name == "links" || name == "publish" {
                worlds.push((format!("{name}-{short}-two"), scope.two_servers()));
            }
        }
    }
    worlds
}
