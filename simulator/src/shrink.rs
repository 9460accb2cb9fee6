//! Makes a life that fails smaller: leaves out what it fails without.

use crate::life::{self, Failure};
use crate::plan::Plan;
use std::time::{Duration, Instant};

/// A smaller life need not fail under the same schedule, so some others are tried.
const SCHEDULES: u64 = 12;

/// The smallest life that was found within `limit` and fails like `failure`, and how it fails.
pub fn shrink(plan: &Plan, failure: &Failure, limit: Duration) -> (Plan, Failure) {
    let end = Instant::now() + limit;
    let mut best = (plan.clone(), failure.clone());
    loop {
        let steps = best.0.steps();
        for change in settings() {
            let mut plan = best.0.clone();
            change(&mut plan);
            keep_if_it_fails(plan, &mut best, end);
        }
        leave_out(&mut best, end, |plan| plan.starters.iter_mut().map(Lists::Starter).collect());
        leave_out(&mut best, end, |plan| plan.peers.iter_mut().map(Lists::Peer).collect());
        best.0.starters.retain(|actions| !actions.is_empty());
        best.0.peers.retain(|actions| !actions.is_empty());
        if best.0.steps() == steps || Instant::now() >= end {
            return best;
        }
    }
}

type Change = fn(&mut Plan);

fn settings() -> [Change; 10] {
    [
        |plan| plan.operations = 0,
        |plan| plan.takers = plan.takers.saturating_sub(1).max(1),
        |plan| plan.takers = 1,
        |plan| plan.concurrency = 1,
        |plan| plan.monitor = false,
        |plan| plan.blocks = false,
        |plan| plan.put_backs = false,
        |plan| (plan.window, plan.first_data) = (None, false),
        |plan| plan.network_seed = 0,
        |plan| plan.capacity = 65_536,
    ]
}

fn keep_if_it_fails(mut plan: Plan, best: &mut (Plan, Failure), end: Instant) -> bool {
    let schedule = plan.schedule;
    for other in 0..SCHEDULES {
        if Instant::now() >= end {
            return false;
        }
        plan.schedule = schedule.wrapping_add(other * 1_000_003);
        if let Err(failure) = life::run_one(&plan)
            && failure.is_like(&best.1)
        {
            *best = (plan, failure);
            return true;
        }
    }
    false
}

/// The steps of one thread, of whichever kind.
enum Lists<'a> {
    Starter(&'a mut Vec<crate::plan::Action>),
    Peer(&'a mut Vec<crate::plan::Outside>),
}

impl Lists<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Starter(list) => list.len(),
            Self::Peer(list) => list.len(),
        }
    }

    fn remove(&mut self, from: usize, count: usize) {
        match self {
            Self::Starter(list) => drop(list.drain(from..from + count)),
            Self::Peer(list) => drop(list.drain(from..from + count)),
        }
    }
}

/// Leaves out stretches of steps, long ones first.
fn leave_out(
    best: &mut (Plan, Failure),
    end: Instant,
    lists: impl Fn(&mut Plan) -> Vec<Lists<'_>>,
) {
    for thread in 0..lists(&mut best.0).len() {
        let mut size = lists(&mut best.0)[thread].len();
        while size > 0 {
            let mut from = 0;
            while from < lists(&mut best.0)[thread].len() {
                let mut plan = best.0.clone();
                {
                    let list = &mut lists(&mut plan)[thread];
                    let count = size.min(list.len() - from);
                    list.remove(from, count);
                }
                if !keep_if_it_fails(plan, best, end) {
                    from += size;
                }
                if Instant::now() >= end {
                    return;
                }
            }
            size /= 2;
        }
    }
}
