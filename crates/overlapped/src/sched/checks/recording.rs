//! What a recording of the rules alone says.

use super::{NoParker, enroll};
use crate::sched::moves::{Moved, RecordingEnd, ThreadPlace};
use crate::sched::own_queue::OwnQueue;
use crate::sched::rules::Rules;
use crate::sched::rules::steps::{Step, Wakes, Work};
use std::time::{Duration, Instant};

#[test]
fn a_recording_names_each_thread_and_ends_with_what_it_has() {
    use ThreadPlace::{Elsewhere, Released, Waiting};
    let mut rules = Rules::<u32, u32, NoParker>::new(1, None);
    let wakes = &mut Wakes::default();
    let began = Instant::now();
    assert!(rules.end_recording(began).is_none(), "there is none");
    let (runs, waits) = (enroll(&mut rules), enroll(&mut rules));
    rules.insert(1, wakes).expect("the port is open");
    assert!(matches!(rules.arrive(runs, false, wakes), Step::Work(Work::Packet(1))));
    assert!(!rules.is_recorded());
    assert!(rules.begin_recording(100, began, |_| None, wakes));
    assert!(!rules.begin_recording(100, began, |_| None, wakes), "there is one");
    assert!(rules.is_recorded());

    assert!(matches!(rules.arrive(waits, false, wakes), Step::Park));
    rules.note(began, Some(waits), |_| None);
    rules.insert(2, wakes).expect("the port is open");
    rules.note(began, None, |_| None);
    rules.dismiss(runs, wakes);
    rules.note(began, Some(runs), |_| None);
    assert!(matches!(rules.woken(waits, false, wakes), Step::Work(Work::Packet(2))));
    rules.note(began, Some(waits), |_| None);

    let recording = rules.end_recording(began + Duration::from_secs(1)).expect("one runs");
    assert_eq!(
        (recording.ended, recording.length),
        (RecordingEnd::Finished, Duration::from_secs(1))
    );
    let places: Vec<_> = recording.threads.iter().map(|thread| thread.place).collect();
    assert_eq!(places, [Released, Elsewhere]);
    let moves: Vec<_> = recording.moves.iter().map(|one| one.what).collect();
    let moved = |thread, from, to| Moved::Thread { thread, from, to };
    assert_eq!(
        moves,
        [
            moved(1, Elsewhere, Waiting),
            Moved::Queued { queued: 1 },
            moved(0, Released, Elsewhere),
            moved(1, Waiting, Released),
            Moved::Taken { thread: Some(1), queued: 0 },
        ]
    );
    assert!(!rules.is_recorded() && rules.end_recording(began).is_none(), "it was fetched");
}

#[test]
fn while_a_recording_runs_nothing_goes_into_an_own_queue() {
    for is_recorded in [false, true] {
        let mut rules = Rules::<u32, u32, NoParker>::new(1, None);
        let wakes = &mut Wakes::default();
        let own = OwnQueue::with_room(4);
        let id = enroll(&mut rules);
        assert!(!is_recorded || rules.begin_recording(100, Instant::now(), |_| None, wakes));
        assert!(matches!(rules.arrive(id, false, wakes), Step::Poll { .. }));
        let step = rules.returned(id, (&mut vec![1, 2], &own), false, false, wakes);
        assert!(matches!(step, Step::Work(Work::Event(1))));
        assert_eq!(rules.work_waits(), is_recorded, "where the second one is");
    }
}
