//! Runs lives under shuttle, and catches what goes wrong in one.

use crate::ledger::Summary;
use crate::plan::Plan;
use crate::schedule::{self, Seeded};
use crate::world;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

/// How much stack a simulated thread has.
const STACK_BYTES: usize = 256 << 10;

/// A life that takes more steps than this is one in which something goes round and round.
const STEPS_MAX: usize = 20_000_000;

thread_local! {
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Prepares the process. To be called once, first.
pub fn prepare() {
    keep_panics();
    // What the library makes once in a process is made here, so that every life finds the same.
    let first = Plan { operations: 40, starters: Vec::new(), ..Plan::of(0, 40) };
    run_one(&first).expect("nothing happens in it");
}

/// Keeps what a panic says instead of printing it.
fn keep_panics() {
    panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let place = panic.location().map_or_else(String::new, |place| format!(" [{place}]"));
        SAID.with(|said| {
            said.borrow_mut().get_or_insert(format!("{}{place}", text.unwrap_or_default()));
        });
    }));
}

/// What went wrong in the life of a seed.
#[derive(Debug, Clone)]
pub struct Failure {
    pub seed: u64,
    pub what: String,
}

impl Failure {
    /// Whether both are of one kind: they say the same but for numbers.
    pub fn is_like(&self, other: &Self) -> bool {
        let words =
            |what: &str| what.chars().filter(|c| !c.is_ascii_digit()).take(60).collect::<String>();
        words(&self.what) == words(&other.what)
    }
}

/// Runs the lives of `seeds`, each by what `plan_of` makes of its seed, until one fails. `done` is told of each
/// that went well.
pub fn run(
    seeds: impl IntoIterator<Item = u64> + 'static,
    plan_of: impl Fn(u64) -> Plan + Send + Sync + 'static,
    done: impl Fn(u64, Summary) + Send + Sync + 'static,
) -> Result<(), Failure> {
    SAID.with(|said| said.take());
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.max_steps = shuttle::MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    let runner = shuttle::Runner::new(Seeded::new(seeds), config);
    let ran = panic::catch_unwind(AssertUnwindSafe(|| {
        runner.run(move || {
            let seed = schedule::seed();
            let summary = world::live(&plan_of(seed));
            done(seed, summary);
        })
    }));
    match ran {
        Ok(_) => Ok(()),
        Err(_) => {
            let what = SAID.with(|said| said.take()).unwrap_or_else(|| "it panicked".to_owned());
            Err(Failure { seed: schedule::seed(), what })
        }
    }
}

/// Runs one life, and says what it was about.
pub fn run_one(plan: &Plan) -> Result<Summary, Failure> {
    let summary = Arc::new(Mutex::new(Summary::default()));
    let (kept, plan) = (Arc::clone(&summary), plan.clone());
    let schedule = plan.schedule;
    run(
        [schedule],
        move |_| plan.clone(),
        move |_, of_it| *kept.lock().unwrap_or_else(PoisonError::into_inner) = of_it,
    )?;
    let summary = summary.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A failure is a seed only if the seed is the same life whatever was lived through before.
    #[test]
    fn a_seed_is_the_same_life_alone_and_among_others() {
        prepare();
        let lived = Arc::new(Mutex::new(BTreeMap::new()));
        let kept = Arc::clone(&lived);
        let plan_of = |seed| Plan::of(seed, 300);
        run(1..60, plan_of, move |seed, summary| {
            kept.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, summary);
        })
        .expect("nothing fails");
        let lived = lived.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(lived.len(), 59);
        for (seed, among_others) in lived.iter().rev() {
            let alone = run_one(&plan_of(*seed)).expect("nothing fails");
            assert_eq!(alone, *among_others, "seed {seed}");
        }
    }

    /// What is noted down of a failure lives on in a file.
    #[test]
    fn a_plan_is_the_same_life_when_it_was_written_and_read() {
        prepare();
        let plan = Plan::of(5, 300);
        let text = serde_json::to_string(&plan).expect("it is a document");
        let read: Plan = serde_json::from_str(&text).expect("it is one");
        let first = run_one(&plan).expect("nothing fails");
        assert_eq!(run_one(&read).expect("nothing fails"), first);
    }
}
