//! The rounds of the blocked-thread monitor, what it makes of what it saw, and the word that threads look at.

use super::{NoParker, enroll};
use crate::sched::rules::monitor::Watch;
use crate::sched::rules::steps::{MemberId, Step, Wakes, Work};
use crate::sched::rules::{Rules, word};

type Numbers = Rules<u32, u32, NoParker>;

/// One slot: a thread runs, and another one waits.
fn one_runs_and_one_waits(quiet_rounds: u32) -> (Numbers, MemberId, MemberId) {
    let mut wakes = Wakes::default();
    let mut rules = Numbers::new(1, Some(quiet_rounds));
    let (runs, waits) = (enroll(&mut rules), enroll(&mut rules));
    rules.insert(1, &mut wakes).expect("the port is open");
    assert!(matches!(rules.arrive(runs, false, &mut wakes), Step::Work(Work::Packet(1))));
    assert!(!wakes.monitor, "nobody is to spare");
    assert!(matches!(rules.arrive(waits, false, &mut wakes), Step::Park));
    assert!(wakes.monitor, "the slot is taken, and a thread is to spare");
    (rules, runs, waits)
}

fn look(rules: &mut Numbers, is_asleep: bool) -> bool {
    let mut suspects = rules.suspects(true);
    suspects.iter_mut().for_each(|suspect| suspect.asleep = is_asleep);
    rules.looked(suspects, &mut Wakes::default())
}

#[test]
fn the_monitor_looks_while_it_matters_and_dozes_after_its_quiet_rounds() {
    let (mut rules, runs, waits) = one_runs_and_one_waits(3);
    let mut wakes = Wakes::default();
    for _ in 0..5 {
        assert_eq!(rules.watch(), Watch::Look { work_waits: false });
    }
    rules.insert(2, &mut wakes).expect("the port is open");
    assert_eq!(rules.watch(), Watch::Look { work_waits: true });

    // The slot is free, and the other one has it: nobody is to spare.
    rules.dismiss(runs, &mut wakes);
    assert!(matches!(rules.woken(waits, false, &mut wakes), Step::Work(Work::Packet(2))));
    let rounds = [(); 5].map(|()| rules.watch());
    assert_eq!(rounds, [Watch::Pass, Watch::Pass, Watch::Pass, Watch::Doze, Watch::Doze]);
    assert!(!wakes.monitor, "it dozes for nothing");

    let next = enroll(&mut rules);
    assert!(matches!(rules.arrive(next, false, &mut wakes), Step::Park));
    assert!(wakes.monitor, "a thread is to spare again");
    assert_eq!(rules.watch(), Watch::Look { work_waits: false });
    rules.close(&mut Wakes::default());
    let rounds = [(); 4].map(|()| rules.watch());
    assert_eq!(rounds, [Watch::Pass, Watch::Pass, Watch::Pass, Watch::Doze], "it is closed");
    assert!(!Numbers::new(1, None).has_monitor() && rules.has_monitor());
    assert_eq!(Numbers::new(1, None).watch(), Watch::Doze);
}

/// P72, T9, T10.
#[test]
fn who_is_seen_asleep_lets_the_newest_waiter_in_and_counts_again_when_seen_awake() {
    let (mut rules, runs, waits) = one_runs_and_one_waits(0);
    let mut wakes = Wakes::default();
    assert!(!look(&mut rules, false), "it runs");
    assert_eq!((rules.sizes().released, rules.sizes().paused), (1, 0));
    rules.insert(2, &mut wakes).expect("the port is open");
    assert!(look(&mut rules, true), "it sleeps");
    assert!(matches!(rules.woken(waits, false, &mut wakes), Step::Work(Work::Packet(2))));
    assert_eq!((rules.sizes().released, rules.sizes().paused), (1, 1));
    let counts = rules.counts();
    assert_eq!((counts.monitor_looks, counts.released_on_block), (2, 1));

    // Only a look at all sees who has no slot.
    assert_eq!(rules.suspects(false).len(), 1);
    assert_eq!(rules.suspects(true).len(), 2);
    assert!(!look(&mut rules, false), "both run");
    assert_eq!((rules.sizes().released, rules.sizes().paused), (2, 0), "P70");

    // What was seen before a thread moved says nothing.
    let mut before = rules.suspects(true);
    before.iter_mut().for_each(|suspect| suspect.asleep = true);
    assert!(rules.block(runs, &mut wakes));
    rules.resume(runs, &mut wakes);
    // The other one is paused: it has not moved.
    assert!(rules.looked(before, &mut wakes));
    assert_eq!((rules.sizes().released, rules.sizes().paused), (1, 1));
    assert!(!look(&mut rules, false), "both run");
    assert_eq!((rules.sizes().released, rules.sizes().paused), (2, 0));

    rules.close(&mut wakes);
    assert!(!look(&mut rules, true), "it is closed");
    assert_eq!((rules.sizes().released, rules.sizes().paused), (2, 0));
}

#[test]
fn the_word_says_what_threads_look_at() {
    let (mut rules, runs, waits) = one_runs_and_one_waits(0);
    let mut wakes = Wakes::default();
    assert_eq!(rules.word(), word::FULL | word::SOMEBODY_WAITS);
    rules.insert(2, &mut wakes).expect("the port is open");
    assert_eq!(rules.word(), word::FULL | word::SOMEBODY_WAITS | word::QUEUED);
    assert_eq!(rules.sizes().queued, 1);
    rules.watch_from_outside(&mut wakes);
    let watched = word::FULL | word::SOMEBODY_WAITS | word::QUEUED | word::WATCHED;
    assert_eq!(rules.word(), watched);

    // Who waits is handed the packet, and has the slot.
    rules.dismiss(runs, &mut wakes);
    assert!(matches!(rules.woken(waits, false, &mut wakes), Step::Work(Work::Packet(2))));
    assert_eq!(rules.word(), word::FULL | word::WATCHED);
    rules.dismiss(waits, &mut wakes);
    assert_eq!(rules.word(), word::WATCHED);
    rules.insert(3, &mut wakes).expect("the port is open");
    assert_eq!(rules.close(&mut wakes), [3]);
    assert_eq!(rules.word(), word::WATCHED | word::CLOSED);
    assert_eq!(rules.insert(4, &mut wakes), Err(4), "P124");
    assert_eq!(rules.sizes().queued, 0);
}
