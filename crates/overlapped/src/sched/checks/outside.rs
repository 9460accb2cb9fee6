//! What is told to somebody who waits for the port together with others of their own.

use super::{NoParker, enroll};
use crate::sched::rules::Rules;
use crate::sched::rules::steps::{Step, Wakes, Work};

#[test]
fn outside_is_told_of_work_that_nobody_here_takes_and_only_while_a_slot_is_free() {
    let mut rules = Rules::<u32, u32, NoParker>::new(1, None);
    let (runs, waits) = (enroll(&mut rules), enroll(&mut rules));
    let mut wakes = Wakes::default();
    rules.insert(1, &mut wakes).expect("the port is open");
    assert!(!wakes.kick, "nobody waits outside");
    rules.watch_from_outside(&mut wakes);
    assert!(wakes.kick, "there is a packet");
    assert!(matches!(
        rules.arrive(runs, false, &mut Wakes::default()),
        Step::Work(Work::Packet(1))
    ));
    assert!(matches!(rules.arrive(waits, false, &mut Wakes::default()), Step::Park));
    for packet in [2, 3] {
        let mut wakes = Wakes::default();
        rules.insert(packet, &mut wakes).expect("the port is open");
        assert!(wakes.kick, "a packet has come");
    }

    // The second is for who waits here, and has the slot then: nobody outside may take the third.
    let mut wakes = Wakes::default();
    assert!(rules.block(runs, &mut wakes));
    assert_eq!((wakes.parkers.len(), wakes.kick), (1, false));
    let step = rules.woken(waits, false, &mut Wakes::default());
    assert!(matches!(step, Step::Work(Work::Packet(2))));
    // The slot is free again, and nobody waits here.
    let mut wakes = Wakes::default();
    assert!(rules.block(waits, &mut wakes));
    assert_eq!((wakes.parkers.len(), wakes.kick), (0, true));
}
