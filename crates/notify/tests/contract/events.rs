//! Event objects and the waits for them (M80, M91-M98, F53).

use super::world::{LONG, NONE, auto, manual};
use overlapped_notify::{EventObject, WAIT_MAX, Waited, wait_all, wait_any};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn any(events: &[&EventObject], timeout: Option<Duration>) -> Waited {
    wait_any(events, timeout, false).expect("a wait")
}

fn all(events: &[&EventObject], timeout: Option<Duration>) -> Waited {
    wait_all(events, timeout, false).expect("a wait")
}

#[test]
fn m80_an_event_is_made_not_set_and_a_manual_one_stays_set_until_it_is_reset() {
    let event = manual();
    assert!(!event.is_set());
    assert_eq!(any(&[&event], NONE), Waited::TimedOut);
    event.set();
    for _ in 0..3 {
        assert!(event.is_set());
        assert_eq!(any(&[&event], NONE), Waited::Signaled(0));
    }
    event.reset();
    assert!(!event.is_set());
    assert_eq!(any(&[&event], NONE), Waited::TimedOut);
}

#[test]
fn m80_an_auto_reset_event_ends_one_wait_and_looking_at_it_changes_nothing() {
    let event = auto();
    event.set();
    event.set();
    for _ in 0..3 {
        assert!(event.is_set());
    }
    assert_eq!(any(&[&event], NONE), Waited::Signaled(0));
    assert!(!event.is_set());
    assert_eq!(any(&[&event], NONE), Waited::TimedOut);
}

#[test]
fn m91_a_wait_takes_one_to_sixty_four_events_and_says_so() {
    let event = manual();
    event.set();
    let events = [&event; WAIT_MAX + 1];
    assert_eq!(any(&events[..WAIT_MAX], NONE), Waited::Signaled(0));
    for (count, told) in [(0, "none"), (WAIT_MAX + 1, "at most 64 events and was given 65")] {
        for wait in [wait_any, wait_all] {
            let error = wait(&events[..count], NONE, false).expect_err("a wrong number");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}

#[test]
fn m92_the_lowest_index_that_is_set_ends_the_wait() {
    let events: Vec<EventObject> = (0..WAIT_MAX).map(|_| manual()).collect();
    let events: Vec<&EventObject> = events.iter().collect();
    for (first, second) in [(63, 1), (40, 3), (2, 0)] {
        events[first].set();
        events[second].set();
        assert_eq!(any(&events, NONE), Waited::Signaled(second.min(first)));
        events[first].reset();
        events[second].reset();
    }
}

#[test]
fn m93_a_wait_for_any_changes_only_the_event_that_ended_it() {
    let (first, second) = (auto(), auto());
    first.set();
    second.set();
    assert_eq!(any(&[&first, &second], NONE), Waited::Signaled(0));
    assert!(!first.is_set());
    assert!(second.is_set());
}

#[test]
fn m93_a_wait_for_all_changes_nothing_until_it_takes_all() {
    let (first, second, third) = (auto(), manual(), auto());
    first.set();
    second.set();
    assert_eq!(all(&[&first, &second, &third], NONE), Waited::TimedOut);
    assert!(first.is_set() && second.is_set());
    third.set();
    assert_eq!(all(&[&first, &second, &third], NONE), Waited::Signaled(0));
    assert!(!first.is_set() && second.is_set() && !third.is_set());
}

#[test]
fn m93_a_wait_for_all_that_sleeps_leaves_a_set_event_to_others() {
    let (shared, never) = (auto(), auto());
    thread::scope(|threads| {
        let waits = threads.spawn(|| all(&[&shared, &never], LONG));
        shared.set();
        // Whether or not the other thread has come to sleep, the event is there for this one.
        assert_eq!(any(&[&shared], LONG), Waited::Signaled(0));
        never.set();
        shared.set();
        assert_eq!(waits.join().expect("no panic"), Waited::Signaled(0));
    });
    assert!(!shared.is_set() && !never.is_set());
}

#[test]
fn m94_a_wait_for_all_with_an_event_twice_is_refused() {
    let (first, second) = (manual(), manual());
    let error = wait_all(&[&first, &second, &first.clone()], NONE, false).expect_err("twice");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("events 0 and 2"), "{error}");
    first.set();
    assert_eq!(any(&[&second, &first, &first], NONE), Waited::Signaled(1));
}

#[test]
fn m95_a_busy_low_index_hides_the_others_and_a_look_at_each_finds_them() {
    let events: Vec<EventObject> = (0..WAIT_MAX).map(|_| manual()).collect();
    let events: Vec<&EventObject> = events.iter().collect();
    events[0].set();
    events[63].set();
    for _ in 0..20 {
        assert_eq!(any(&events, NONE), Waited::Signaled(0));
    }
    let set: Vec<usize> = (0..WAIT_MAX)
        .filter(|index| any(&events[*index..=*index], NONE) == Waited::Signaled(0))
        .collect();
    assert_eq!(set, [0, 63]);
}

#[test]
fn m96_a_wait_whose_time_is_over_says_so_and_not_before() {
    let event = manual();
    let time = Duration::from_millis(30);
    let from = Instant::now();
    assert_eq!(any(&[&event], Some(time)), Waited::TimedOut);
    assert!(from.elapsed() >= time);
    let from = Instant::now();
    assert_eq!(all(&[&event], Some(time)), Waited::TimedOut);
    assert!(from.elapsed() >= time);
}

#[test]
fn m97_f53_the_sixty_fifth_event_waits_on_a_second_thread() {
    let events: Vec<EventObject> = (0..WAIT_MAX + 1).map(|_| auto()).collect();
    let (seen, served) = (AtomicUsize::new(0), auto());
    let rounds = 50;
    thread::scope(|threads| {
        for part in events.chunks(WAIT_MAX) {
            let (seen, served) = (&seen, &served);
            threads.spawn(move || {
                let part: Vec<&EventObject> = part.iter().collect();
                for _ in 0..part.len() * rounds {
                    assert!(matches!(any(&part, LONG), Waited::Signaled(_)));
                    seen.fetch_add(1, Ordering::Relaxed);
                    served.set();
                }
            });
        }
        for _ in 0..rounds {
            for event in &events {
                event.set();
                assert_eq!(any(&[&served], LONG), Waited::Signaled(0));
            }
        }
    });
    assert_eq!(seen.into_inner(), (WAIT_MAX + 1) * rounds);
}

#[test]
fn m98_a_wait_is_for_the_events_of_its_call_and_an_event_among_them_tells_of_more() {
    let (wake, added) = (auto(), manual());
    added.set();
    thread::scope(|threads| {
        let waits = threads.spawn(|| any(&[&wake], LONG));
        wake.set();
        assert_eq!(waits.join().expect("no panic"), Waited::Signaled(0));
    });
    assert_eq!(any(&[&wake, &added], NONE), Waited::Signaled(1));
}

#[test]
fn m99_an_event_lives_as_long_as_somebody_waits_for_it() {
    let event = manual();
    let other = event.clone();
    let waits = thread::spawn(move || any(&[&other], LONG));
    event.set();
    drop(event);
    assert_eq!(waits.join().expect("no panic"), Waited::Signaled(0));
}

/// Each set of an auto-reset event ends exactly one wait, however many threads wait and in whatever
/// company of other events, and none is lost.
#[test]
fn m93_many_waiters_of_one_auto_reset_event_take_each_set_once() {
    let (work, taken, stop) = (auto(), auto(), manual());
    let (each, sets) = (AtomicUsize::new(0), 3000);
    let decoys: Vec<EventObject> = (0..4).map(|_| auto()).collect();
    thread::scope(|threads| {
        for decoy in &decoys {
            threads.spawn(|| {
                // A thread that is told of the work may find its decoy set and take that.
                loop {
                    match any(&[decoy, &work, &stop], LONG) {
                        Waited::Signaled(0) => {}
                        Waited::Signaled(1) => {
                            each.fetch_add(1, Ordering::Relaxed);
                            taken.set();
                        }
                        _ => return,
                    }
                }
            });
        }
        for round in 0..sets {
            decoys[round % decoys.len()].set();
            work.set();
            decoys[(round + 1) % decoys.len()].set();
            assert_eq!(any(&[&taken], LONG), Waited::Signaled(0), "set {round} was lost");
        }
        stop.set();
    });
    assert_eq!(each.into_inner(), sets);
}

/// A thread that is told of an auto-reset event may end its wait by another one.
#[test]
fn m93_a_waiter_that_was_told_and_takes_another_event_leaves_none_behind_asleep() {
    for round in 0..100 {
        let (decoy, work) = (auto(), auto());
        thread::scope(|threads| {
            let first = threads.spawn(|| any(&[&decoy, &work], LONG));
            (0..50).for_each(|_| thread::yield_now());
            let second = threads.spawn(|| any(&[&work], LONG));
            (0..50).for_each(|_| thread::yield_now());
            decoy.set();
            work.set();
            assert_eq!(first.join().expect("no panic"), Waited::Signaled(0));
            assert_eq!(second.join().expect("no panic"), Waited::Signaled(0), "round {round}");
        });
    }
}

#[test]
fn a_set_of_a_manual_reset_event_lets_every_waiter_go_on() {
    let event = manual();
    let ready = AtomicUsize::new(0);
    thread::scope(|threads| {
        let waits: Vec<_> = (0..8)
            .map(|_| {
                threads.spawn(|| {
                    ready.fetch_add(1, Ordering::Release);
                    any(&[&event], LONG)
                })
            })
            .collect();
        while ready.load(Ordering::Acquire) < 8 {
            thread::yield_now();
        }
        event.set();
        for wait in waits {
            assert_eq!(wait.join().expect("no panic"), Waited::Signaled(0));
        }
    });
}
