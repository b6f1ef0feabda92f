//! Makes a plan that fails shorter: fewer steps, fewer clients.

use super::plan::Plan;

/// The shortest plan that was found to fail, and how many were tried. The plan itself, if it does not fail.
pub fn shrink(plan: Plan, mut fails: impl FnMut(&Plan) -> bool) -> (Plan, usize) {
    let mut tried = 0;
    let mut best = plan;
    loop {
        let before = (best.clients.len(), best.steps.len());
        let (clients, count) = fewer(&best.clients, |clients| {
            fails(&best.clone().keeping(clients.to_vec(), best.steps.clone()))
        });
        let steps = best.steps.clone();
        best = best.keeping(clients, steps);
        let (steps, more) = fewer(&best.steps, |steps| {
            fails(&best.clone().keeping(best.clients.clone(), steps.to_vec()))
        });
        let clients = best.clients.clone();
        best = best.keeping(clients, steps);
        tried += count + more;
        if (best.clients.len(), best.steps.len()) == before {
            return (best, tried);
        }
    }
}

/// Leaves out ever smaller parts of a list for as long as that fails too (delta debugging).
fn fewer(all: &[usize], mut fails: impl FnMut(&[usize]) -> bool) -> (Vec<usize>, usize) {
    let (mut kept, mut tried) = (all.to_vec(), 0);
    let mut part = kept.len().div_ceil(2);
    while part > 0 && !kept.is_empty() {
        let mut place = 0;
        while place < kept.len() {
            let end = (place + part).min(kept.len());
            let rest = [&kept[..place], &kept[end..]].concat();
            tried += 1;
            if fails(&rest) {
                kept = rest;
            } else {
                place = end;
            }
        }
        part /= 2;
    }
    (kept, tried)
}
