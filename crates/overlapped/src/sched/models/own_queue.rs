//! Models of what lies in a thread's own queue: nothing of it is lost, taken twice or left lying,
//! whoever robs it and however its thread goes on.

use super::{Member, Model, NEVER, Watching, check, check_up_to, soon};
use crate::sched::binding::Bound;
use crate::sched::{Deadline, TakeError};
use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use loom::thread;

/// Two threads that may run at once. Who gets the first packet completes a second one for itself and
/// then does as `after` says; the other takes whatever it can get.
fn one_completes(
    monitor: bool,
    after: impl Fn(&Model, &Member<'_>) + Send + Sync + Copy + 'static,
) {
    check_up_to(2, move || {
        let model = Model::new(1 + usize::from(!monitor), monitor);
        let watch = monitor.then(|| Watching::over(&model));
        let threads: Vec<_> = (0..2).map(|_| spawn(&model, after)).collect();
        model.insert(1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(model.all_taken(), [1, 2]);
        if let Some(watch) = watch {
            watch.end();
        }
    });
}

fn spawn(
    model: &Arc<Model>,
    after: impl Fn(&Model, &Member<'_>) + Send + Copy + 'static,
) -> thread::JoinHandle<()> {
    let model = model.clone();
    thread::spawn(move || {
        let member = model.member(false);
        if member.take(NEVER) == Ok(1) {
            member.complete(2).unwrap();
            after(&model, &member);
        }
        member.exit();
    })
}

#[test]
fn p55_a_thread_that_waits_robs_one_that_does_not_come_back() {
    one_completes(false, |model, _| model.wait_until_taken(2));
}

#[test]
fn p72_what_lies_there_is_handed_out_when_its_thread_says_that_it_blocks() {
    one_completes(false, |model, member| {
        assert!(model.scheduler.block(member.id()));
        model.wait_until_taken(2);
        model.scheduler.resume(member.id());
    });
}

#[test]
fn p72_what_lies_there_is_handed_out_when_its_thread_is_found_asleep() {
    one_completes(true, |model, member| {
        member.thread.asleep.store(true, Ordering::SeqCst);
        model.wait_until_taken(2);
    });
}

#[test]
fn p78_what_lies_there_is_handed_out_when_its_thread_ends() {
    check_up_to(2, || {
        let model = Model::new(1, false);
        let first = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                if member.take(NEVER) == Ok(1) {
                    member.complete(2).unwrap();
                }
                member.exit();
            }
        });
        model.insert(1);
        first.join().unwrap();
        let last = model.member(false);
        assert_eq!(last.take(NEVER), Ok(2));
    });
}

#[test]
fn p113_its_thread_and_one_that_robs_it_take_each_packet_once() {
    check_up_to(2, || {
        let model = Model::new(2, false);
        let owner = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                assert_eq!(member.take(NEVER), Ok(1));
                for packet in [2, 3] {
                    member.complete(packet).unwrap();
                }
                while member.take(Deadline::Now).is_ok() {}
                member.exit();
            }
        });
        model.insert(1);
        model.wait_until_taken(1);
        let robber = model.member(false);
        while robber.take(Deadline::Now).is_ok() {}
        robber.exit();
        owner.join().unwrap();
        let last = model.member(false);
        while last.take(Deadline::Now).is_ok() {}
        assert_eq!(model.all_taken(), [1, 2, 3]);
    });
}

#[test]
fn p120_what_is_put_there_while_the_port_closes_is_taken_or_given_out_once() {
    check(|| {
        let model = Model::new(1, false);
        model.insert(1);
        let owner = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                let mut refused = 0;
                if member.take(NEVER).is_ok() {
                    let queued = member.complete(2);
                    refused = usize::from(queued.is_err());
                    let _ = member.take(Deadline::Now);
                    let again = member.take(NEVER);
                    assert!(matches!(again, Err(TakeError::Closed | TakeError::Abandoned)));
                } else {
                    refused += 1;
                }
                member.exit();
                refused
            }
        });
        let discarded = model.scheduler.close().len();
        let refused = owner.join().unwrap();
        let taken = model.all_taken().len();
        assert_eq!(taken + discarded + refused, 2, "{taken} {discarded} {refused}");
    });
}

#[test]
fn p55_what_is_put_there_while_a_look_ends_is_looked_for_again() {
    check_up_to(2, || {
        let model = Model::new(2, false);
        let other = thread::spawn({
            let model = model.clone();
            move || model.member(false).serve()
        });
        let owner = model.member(false);
        model.insert(1);
        if owner.take(soon()).is_ok() {
            for (packet, taken) in [(2, 2), (3, 3)] {
                owner.complete(packet).unwrap();
                // It does not come back for it.
                model.wait_until_taken(taken);
            }
        }
        model.scheduler.close();
        owner.exit();
        other.join().unwrap();
    });
}

/// Both threads run. One harvests two events and does not come back for the second, while the other
/// begins to wait.
#[test]
fn p55_what_a_thread_harvests_while_another_begins_to_wait_is_taken_by_that_one() {
    check_up_to(2, || {
        let model = Model::new(2, false);
        let threads: Vec<_> = [true, false]
            .into_iter()
            .map(|harvests| {
                let model = model.clone();
                thread::spawn(move || {
                    let member = model.member(false);
                    let taken = member.take(Deadline::Now);
                    if harvests {
                        assert_eq!(taken, Err(TakeError::TimedOut), "nothing has happened yet");
                        model.scheduler.backend.happen(1);
                        model.scheduler.backend.happen(2);
                        if member.harvest().is_ok() {
                            model.wait_until_taken(2);
                        } else {
                            member.take(NEVER).unwrap();
                        }
                    } else if taken.is_err() {
                        member.take(NEVER).unwrap();
                    }
                    member.exit();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(model.all_taken(), [1, 2]);
    });
}

/// The thread that waits has been kicked for the packet. The one that harvests may meet the kick beside an
/// event, and does not come back after that.
#[test]
fn p66_a_harvest_does_not_swallow_the_kick_of_a_waiting_thread() {
    check_up_to(2, || {
        let model = Model::new(2, false);
        let waiter = thread::spawn({
            let model = model.clone();
            move || model.member(false).serve()
        });
        let harvester = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(false);
                let _ = member.take(Deadline::Now);
                model.scheduler.backend.happen(2);
                let _ = member.harvest();
                // It goes on running, and keeps its slot.
                model.wait_until_taken(2);
                member.exit();
            }
        });
        model.insert(1);
        harvester.join().unwrap();
        model.scheduler.close();
        waiter.join().unwrap();
        assert_eq!(model.all_taken(), [1, 2]);
    });
}
