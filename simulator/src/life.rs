//! Runs lives under shuttle.

use crate::ledger::Summary;
use crate::plan::Plan;
use crate::schedule::{self, Seeded};
use crate::world;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};

/// How much stack a simulated thread has.
const STACK_BYTES: usize = 256 << 10;

/// A life that takes more steps than this is one in which something goes round and round.
const STEPS_MAX: usize = 20_000_000;

/// What went wrong in the life of a seed.
#[derive(Debug, Clone)]
pub struct Failure {
    pub seed: u64,
    pub what: String,
}

/// Prepares the process. To be called once, first.
///
/// A life that fails ends the process, after `tell`: threads of it stand anywhere, with values of the library's that
/// nobody could drop.
pub fn prepare(tell: impl Fn(&Failure) + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        let place = panic.location().map_or_else(String::new, |place| format!(" [{place}]"));
        tell(&Failure { seed: schedule::seed(), what: format!("{text}{place}") });
        std::process::exit(1);
    }));
    // What the library makes once in a process is made here, so that every life finds the same.
    run_one(&Plan { operations: 40, starters: Vec::new(), ..Plan::of(0, 40) });
}

/// Runs the lives of `seeds`, each by what `plan_of` makes of its seed. `done` is told of each.
pub fn run(
    seeds: impl IntoIterator<Item = u64> + 'static,
    plan_of: impl Fn(u64) -> Plan + Send + Sync + 'static,
    done: impl Fn(u64, Summary) + Send + Sync + 'static,
) {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.max_steps = shuttle::MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    shuttle::Runner::new(Seeded::new(seeds), config).run(move || {
        let seed = schedule::seed();
        let summary = world::live(&plan_of(seed));
        done(seed, summary);
    });
}

/// Runs one life, and says what it was about.
pub fn run_one(plan: &Plan) -> Summary {
    let summary = Arc::new(Mutex::new(Summary::default()));
    let (kept, plan) = (Arc::clone(&summary), plan.clone());
    run(
        [plan.schedule],
        move |_| plan.clone(),
        move |_, of_it| *kept.lock().unwrap_or_else(PoisonError::into_inner) = of_it,
    );
    summary.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A failure is a seed only if the seed is the same life whatever was lived through before.
    #[test]
    fn a_seed_is_the_same_life_alone_and_among_others() {
        prepare(|failure| eprintln!("{failure:?}"));
        let lived = Arc::new(Mutex::new(BTreeMap::new()));
        let kept = Arc::clone(&lived);
        let plan_of = |seed| Plan::of(seed, 300);
        run(1..60, plan_of, move |seed, summary| {
            kept.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, summary);
        });
        let lived = lived.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(lived.len(), 59);
        for (seed, among_others) in lived.iter().rev() {
            let alone = run_one(&plan_of(*seed));
            assert_eq!(alone, *among_others, "seed {seed}");
        }
    }

    /// What is noted down of a failure lives on in a file.
    #[test]
    fn a_plan_is_the_same_life_when_it_was_written_and_read() {
        prepare(|failure| eprintln!("{failure:?}"));
        let plan = Plan::of(5, 300);
        let text = serde_json::to_string(&plan).expect("it is a document");
        let read: Plan = serde_json::from_str(&text).expect("it is one");
        let first = run_one(&plan);
        assert_eq!(run_one(&read), first);
    }
}
