//! Models of a task: no wake and no abort is lost, and its future is dropped once, whoever comes first.

use super::{Counted, Drops, Model, check, result};
use crate::answer::Answer;
use crate::sync::Mutex;
use loom::thread;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Awaits an answer.
async fn answered(answer: Arc<Answer<u32>>, _dropped_with_it: Counted) -> u32 {
    answer.wait().await
}

#[test]
fn a_wake_while_a_task_is_polled_is_not_lost() {
    check(|| {
        let (model, drops, answer) = (Model::new(), Drops::default(), Answer::new());
        let worker = model.worker();
        let task = model.spawn(answered(Arc::clone(&answer), drops.counted()));
        answer.arrived(1);
        model.end(worker);
        assert_eq!(result(task).expect("it ends"), 1);
        assert_eq!(drops.count(), 1);
    });
}

/// An abort that comes when the task has looked for one, and is about to be polled, has it run again.
#[test]
fn an_abort_between_the_check_and_the_poll_is_not_lost() {
    check(|| {
        let (model, drops) = (Model::new(), Drops::default());
        let worker = model.worker();
        let counted = drops.counted();
        let task = model.spawn(async move {
            pending::<()>().await;
            drop(counted);
        });
        task.abort();
        model.end(worker);
        assert!(result(task).expect_err("it cannot end").is_aborted());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_abort_and_an_answer_at_the_same_time_end_it_once() {
    check(|| {
        let (model, drops, answer) = (Model::new(), Drops::default(), Answer::new());
        let worker = model.worker();
        let task = model.spawn(answered(Arc::clone(&answer), drops.counted()));
        let abort = task.abort_handle();
        let aborts = thread::spawn(move || abort.abort());
        answer.arrived(1);
        aborts.join().expect("it does not panic");
        model.end(worker);
        assert!(result(task).map_or_else(|error| error.is_aborted(), |came| came == 1));
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_task_goes_on_when_its_handle_is_dropped() {
    check(|| {
        let (model, drops, answer) = (Model::new(), Drops::default(), Answer::new());
        let worker = model.worker();
        let task = model.spawn(answered(Arc::clone(&answer), drops.counted()));
        let drops_it = thread::spawn(move || drop(task));
        answer.arrived(1);
        model.end(worker);
        drops_it.join().expect("it does not panic");
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_waker_may_outlive_its_task() {
    check(|| {
        let (model, drops) = (Model::new(), Drops::default());
        let worker = model.worker();
        let place: Arc<Mutex<Option<Waker>>> = Arc::default();
        let (leaves, counted) = (Arc::clone(&place), drops.counted());
        let mut has_ended = false;
        let task = model.spawn(async move {
            poll_fn(|context| {
                assert!(!has_ended, "nobody polls it after its end");
                has_ended = true;
                *leaves.lock() = Some(context.waker().clone());
                Poll::Ready(())
            })
            .await;
            drop(counted);
        });
        // While it is polled, while it ends, after that, or not at all.
        let waker = place.lock().take();
        if let Some(waker) = waker {
            crate::sync::wake(waker);
        }
        model.end(worker);
        let late = place.lock().take();
        if let Some(waker) = late {
            waker.wake();
        }
        result(task).expect("it ends");
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn who_awaits_a_task_is_woken_by_its_end() {
    check(|| {
        let model = Model::new();
        let worker = model.worker();
        let answer = Answer::new();
        let first = model.spawn(answered(Arc::clone(&answer), Drops::default().counted()));
        let second = model.spawn(async move { first.await.expect("it ends") + 1 });
        answer.arrived(1);
        model.end(worker);
        assert_eq!(result(second).expect("it ends"), 2);
    });
}
