//! Models of the end of a runtime: no task is left, and each is dropped once, whoever spawns or wakes
//! meanwhile.

use super::{Counted, Drops, Model, check, check_up_to, result};
use crate::answer::Answer;
use loom::thread;
use std::future::pending;
use std::sync::Arc;

async fn never_ends(_dropped_with_it: Counted) {
    pending::<()>().await;
}

#[test]
fn every_task_is_dropped_also_one_that_is_spawned_meanwhile() {
    check_up_to(2, || {
        let (model, drops) = (Model::new(), Drops::default());
        let worker = model.worker();
        let before = model.spawn(never_ends(drops.counted()));
        let spawns = {
            let (model, counted) = (model.clone(), drops.counted());
            thread::spawn(move || model.spawn(never_ends(counted)))
        };
        model.owned.close();
        model.owned.wait_until_empty(None);
        model.port.close();
        worker.join().expect("it does not panic");
        let meanwhile = spawns.join().expect("it does not panic");
        assert_eq!((model.owned.count(), drops.count()), (0, 2));
        for task in [before, meanwhile] {
            assert!(result(task).expect_err("it never ends").is_aborted());
        }
    });
}

#[test]
fn a_task_that_is_woken_meanwhile_is_dropped_once() {
    check(|| {
        let (model, drops, answer) = (Model::new(), Drops::default(), Answer::new());
        let worker = model.worker();
        let waits = {
            let (answer, counted) = (Arc::clone(&answer), drops.counted());
            async move {
                let came: u32 = answer.wait().await;
                drop(counted);
                came
            }
        };
        let task = model.spawn(waits);
        let wakes = thread::spawn(move || answer.arrived(1));
        model.owned.close();
        model.end(worker);
        wakes.join().expect("it does not panic");
        assert_eq!(drops.count(), 1);
        // It may have got its answer first.
        assert!(result(task).map_or_else(|error| error.is_aborted(), |came| came == 1));
    });
}

/// It has nobody to run it.
#[test]
fn a_task_that_is_spawned_when_the_port_closes_is_dropped() {
    check(|| {
        let (model, drops) = (Model::new(), Drops::default());
        let spawns = {
            let (model, counted) = (model.clone(), drops.counted());
            thread::spawn(move || model.spawn(never_ends(counted)))
        };
        model.port.close();
        let task = spawns.join().expect("it does not panic");
        assert_eq!((model.owned.count(), drops.count()), (0, 1));
        assert!(result(task).expect_err("it never ends").is_aborted());
    });
}
