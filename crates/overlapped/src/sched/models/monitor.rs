//! Models of threads that block without saying so. With the monitor they have four threads; more than
//! two preemptions would take minutes.

use super::{Model, NEVER, Watching, check, check_up_to};
use loom::sync::atomic::Ordering;
use loom::thread;

/// One thread holds the only slot while an event happens; the monitor sees it asleep or running.
fn monitor_model(holder_asleep: bool) {
    check_up_to(2, move || {
        let model = Model::new(1, true);
        model.insert(1);
        let holder = thread::spawn({
            let model = model.clone();
            move || model.member(holder_asleep).serve()
        });
        let other = thread::spawn({
            let model = model.clone();
            move || model.member(false).serve()
        });
        let watch = Watching::over(&model);
        model.scheduler.backend.happen(2);
        model.wait_until_taken(2);
        model.scheduler.close();
        holder.join().unwrap();
        other.join().unwrap();
        watch.end();
        assert_eq!(model.all_taken(), [1, 2]);
    });
}

#[test]
fn p72_another_goes_in_for_a_holder_that_sleeps() {
    monitor_model(true);
}

#[test]
fn p71_nobody_goes_in_for_a_holder_that_runs_and_nothing_is_left_lying() {
    monitor_model(false);
}

#[test]
fn p72_what_a_sleeping_holder_left_of_its_batch_is_found() {
    check_up_to(2, || {
        let model = Model::new(1, true);
        let watch = Watching::over(&model);
        model.scheduler.backend.happen(1);
        model.scheduler.backend.happen(2);
        let sleeper = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(true);
                member.take(NEVER).unwrap();
                // It sleeps until everything has been taken, and never says so.
                model.wait_until_taken(2);
                member.exit();
            }
        });
        let other = thread::spawn({
            let model = model.clone();
            move || {
                let member = model.member(true);
                let _ = member.take(NEVER);
                model.wait_until_taken(2);
                member.exit();
            }
        });
        sleeper.join().unwrap();
        other.join().unwrap();
        watch.end();
        assert_eq!(model.all_taken(), [1, 2]);
    });
}

#[test]
fn p72_a_holder_that_falls_asleep_after_the_monitor_has_looked_is_looked_at_again() {
    check_up_to(2, || {
        let model = Model::new(1, true);
        let watch = Watching::over(&model);
        model.insert(1);
        model.insert(2);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || {
                    let member = model.member(false);
                    member.take(NEVER).unwrap();
                    // Now it sleeps, and does not say so.
                    member.thread.asleep.store(true, Ordering::SeqCst);
                    model.wait_until_taken(2);
                    member.exit();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        watch.end();
        assert_eq!(model.all_taken(), [1, 2]);
    });
}

#[test]
fn p55_what_a_thread_completed_for_itself_is_taken_by_another_if_it_does_not_come_back() {
    check(|| {
        let model = Model::new(2, false);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || {
                    let member = model.member(false);
                    if member.take(NEVER) == Ok(1) {
                        member.complete(2).unwrap();
                        model.wait_until_taken(2);
                    }
                    member.exit();
                })
            })
            .collect();
        model.insert(1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(model.all_taken(), [1, 2]);
    });
}

#[test]
fn p72_one_goes_in_for_each_of_several_sleepers() {
    check_up_to(1, || {
        let model = Model::new(1, true);
        let watch = Watching::over(&model);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || {
                    let member = model.member(true);
                    member.take(NEVER).unwrap();
                    model.wait_until_taken(3);
                    member.exit();
                })
            })
            .collect();
        for event in 1..=3 {
            model.scheduler.backend.happen(event);
        }
        for thread in threads {
            thread.join().unwrap();
        }
        watch.end();
        assert_eq!(model.all_taken(), [1, 2, 3]);
    });
}
