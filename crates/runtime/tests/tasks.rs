//! Tasks: spawning, awaiting, aborting, panicking, blocking.

use overlapped_runtime::time::sleep;
use overlapped_runtime::{Runtime, blocking, spawn, spawn_blocking, yield_now};
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, BarrierWaitResult, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn runtime(concurrency: usize) -> Runtime {
    Runtime::builder().concurrency(concurrency).build().expect("a runtime starts")
}

#[test]
fn a_task_gives_its_result() {
    let runtime = runtime(2);
    let sum = runtime.block_on(async {
        let tasks: Vec<_> = (0..1_000_u64).map(|number| spawn(async move { number })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("it does not panic");
        }
        sum
    });
    assert_eq!(sum, 499_500);
    assert_eq!(runtime.handle().metrics().spawned, 1_000);
}

#[test]
fn a_panic_is_told_to_who_awaits_and_to_nobody_else() {
    let runtime = runtime(1);
    runtime.block_on(async {
        let number = std::hint::black_box(7);
        let task = spawn(async move { assert_eq!(number, 8, "number {number}") });
        let error = task.await.expect_err("it panics");
        assert!(error.is_panic() && !error.is_aborted());
        assert!(error.to_string().contains("the task has panicked: "), "{error}");
        let panic = error.into_panic().expect("it is a panic");
        let message = panic.downcast_ref::<String>().expect("it was made of a format");
        assert!(message.contains("number 7"), "{message}");
        assert_eq!(spawn(async { 1 }).await.expect("the thread goes on"), 1);
    });
}

/// Says when it is dropped.
struct Dropped(mpsc::Sender<&'static str>, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        // The test may have failed, and its receiver be gone.
        let _ = self.0.send(self.1);
    }
}

#[test]
fn an_aborted_task_is_dropped_where_it_waits() {
    let runtime = runtime(1);
    let (sender, dropped) = mpsc::channel();
    runtime.block_on(async {
        let (started, starts) = mpsc::channel();
        let task = spawn(async move {
            let _dropped = Dropped(sender, "waiting");
            started.send(()).expect("the test waits");
            pending::<()>().await;
        });
        starts.recv_timeout(PATIENCE).expect("it runs");
        let abort = task.abort_handle();
        abort.abort();
        abort.abort();
        let error = task.await.expect_err("it never ends by itself");
        assert!(error.is_aborted(), "{error}");
    });
    assert_eq!(dropped.recv_timeout(PATIENCE), Ok("waiting"));
    assert_eq!(runtime.handle().metrics().tasks, 0);
}

/// Whenever it comes: before the first poll, as it begins, or later.
#[test]
fn no_abort_is_lost() {
    let runtime = runtime(2);
    runtime.block_on(async {
        for round in 0..30_000_u32 {
            let task = spawn(pending::<()>());
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            task.abort();
            let ended = overlapped_runtime::time::timeout(PATIENCE, task).await;
            let error = ended.expect("it is dropped").expect_err("it never ends by itself");
            assert!(error.is_aborted(), "round {round}: {error}");
        }
    });
}

#[test]
fn an_abort_names_its_own_task_and_no_later_one() {
    let runtime = runtime(1);
    runtime.block_on(async {
        let first = spawn(async {});
        let abort = first.abort_handle();
        first.await.expect("it ends");
        // They have the place that the first one had.
        let later: Vec<_> = (0..64)
            .map(|number| {
                spawn(async move {
                    yield_now().await;
                    number
                })
            })
            .collect();
        abort.abort();
        for (number, task) in later.into_iter().enumerate() {
            assert_eq!(task.await.expect("nobody aborted it"), number);
        }
    });
}

/// Runs sixteen tasks on one slot that cannot go on before all of them run at once. Each waits by `wait`.
fn sixteen_at_once(wait: fn(&Barrier) -> BarrierWaitResult) {
    let runtime = runtime(1);
    let barrier = Arc::new(Barrier::new(16));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                spawn(async move { wait(&barrier) })
            })
            .collect();
        for task in tasks {
            task.await.expect("it does not panic");
        }
    });
}

#[test]
fn a_task_that_blocks_holds_up_nobody() {
    sixteen_at_once(|barrier| blocking(|| barrier.wait()));
}

/// The same without a word in the code: the port sees it.
#[test]
#[cfg(target_os = "linux")]
fn a_task_that_blocks_unsaid_holds_up_nobody() {
    sixteen_at_once(Barrier::wait);
}

/// It says so beforehand in the next 15 polls, and then waits to be seen again.
#[test]
#[cfg(target_os = "linux")]
fn a_task_that_was_seen_to_block_is_expected_to_block_again() {
    /// The future is polled again at once.
    async fn once(mut poll: impl FnMut()) {
        let mut is_polled = false;
        poll_fn(|context| {
            if std::mem::replace(&mut is_polled, true) {
                return Poll::Ready(());
            }
            poll();
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    let runtime = runtime(1);
    let handle = runtime.handle().clone();
    let paused = move || handle.metrics().port.paused;
    runtime.block_on(async {
        let task = spawn(async move {
            let (told, is_told) = mpsc::channel();
            let other = spawn(async move { told.send(()).expect("it is awaited") });
            // The other one runs when the monitor has seen this one asleep.
            once(move || is_told.recv_timeout(PATIENCE).expect("the other one ran")).await;
            other.await.expect("it does not panic");
            // Of the 15 polls, the one that awaited the other may have been one, and the end of the sleep another.
            for poll in 0..13 {
                once(|| assert!(paused() >= 1, "poll {poll} did not say that it blocks")).await;
            }
            let (deadline, mut says) = (Instant::now() + PATIENCE, true);
            while says {
                assert!(Instant::now() < deadline, "a task that blocks no more says so still");
                once(|| says = paused() >= 1).await;
            }
        });
        task.await.expect("it does not panic");
    });
}

/// A task that is woken by another one, which then blocks until that has run.
#[test]
#[cfg(target_os = "linux")]
fn a_task_that_was_woken_does_not_wait_for_its_waker_who_blocks() {
    let runtime = runtime(1);
    let flag = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
    runtime.block_on(async {
        for _ in 0..20 {
            *flag.0.lock().expect("nobody panics") = false;
            let (of_woken, of_waker) = (Arc::clone(&flag), Arc::clone(&flag));
            let waker = spawn(async move {
                let woken = spawn(async move {
                    *of_woken.0.lock().expect("nobody panics") = true;
                    of_woken.1.notify_all();
                });
                let is_set = of_waker.0.lock().expect("nobody panics");
                let waited = of_waker.1.wait_timeout_while(is_set, PATIENCE, |is_set| !*is_set);
                assert!(!waited.expect("nobody panics").1.timed_out(), "it never ran");
                woken.await.expect("it does not panic");
            });
            waker.await.expect("it does not panic");
        }
    });
}

#[test]
fn a_task_that_is_always_ready_lets_others_go() {
    let runtime = runtime(1);
    runtime.block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let busy = spawn(async move {
            while !seen.load(Ordering::Relaxed) {
                yield_now().await;
            }
        });
        // A timer's packet comes from outside the queue that never runs dry.
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            stop.store(true, Ordering::Relaxed);
        })
        .await
        .expect("it does not panic");
        busy.await.expect("it does not panic");
    });
}

#[test]
fn work_that_blocks_runs_beside_the_caller() {
    let runtime = runtime(1);
    runtime.block_on(async {
        let (sender, receiver) = mpsc::channel();
        let waits = spawn_blocking(move || receiver.recv_timeout(PATIENCE));
        yield_now().await;
        sender.send(5).expect("it waits");
        assert_eq!(waits.await.expect("it does not panic"), Ok(5));
    });
}

#[test]
fn block_on_in_a_task_lets_others_go_on() {
    let runtime = runtime(1);
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let inner = spawn(async move { handle.block_on(async { spawn(async { 3 }).await }) });
        assert_eq!(inner.await.expect("it ends").expect("and what it waits for"), 3);
    });
}

#[test]
fn a_wake_from_any_thread_is_enough() {
    let runtime = runtime(2);
    let place: Arc<Mutex<Option<Waker>>> = Arc::default();
    let is_set = Arc::new(AtomicBool::new(false));
    let (waits, seen) = (Arc::clone(&place), Arc::clone(&is_set));
    let task = runtime.spawn(poll_fn(move |context| {
        *waits.lock().expect("nobody panics") = Some(context.waker().clone());
        if seen.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }));
    let waker = loop {
        if let Some(waker) = place.lock().expect("nobody panics").take() {
            break waker;
        }
        std::thread::yield_now();
    };
    is_set.store(true, Ordering::SeqCst);
    waker.wake();
    runtime.block_on(task).expect("it ends");
}

#[test]
fn dropping_the_handle_leaves_the_task_alone() {
    let runtime = runtime(1);
    let (sender, receiver) = mpsc::channel();
    drop(runtime.spawn(async move {
        yield_now().await;
        sender.send(1).expect("the test waits");
    }));
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(1));
}

#[test]
fn tasks_tell_where_they_were_spawned() {
    let runtime = runtime(1);
    runtime.block_on(async {
        let line = line!() + 1;
        let task = spawn(pending::<()>());
        let tasks = overlapped_runtime::Handle::current().tasks();
        let [info] = &tasks[..] else { panic!("one task: {tasks:?}") };
        assert_eq!((info.spawned_at.file(), info.spawned_at.line()), (file!(), line));
        task.abort();
        assert!(task.await.is_err());
    });
}

#[test]
fn outside_a_runtime_it_says_what_to_do() {
    let panic =
        std::thread::spawn(|| drop(spawn(async {}))).join().expect_err("there is no runtime");
    let message = panic.downcast_ref::<String>().expect("it says something");
    assert!(message.contains("`spawn` needs a runtime"), "{message}");
    assert!(message.contains("overlapped_runtime::run"), "{message}");
}

#[test]
fn an_entered_thread_spawns_into_its_runtime() {
    let (one, other) = (runtime(1), runtime(1));
    let entered = one.handle().enter();
    {
        let _inner = other.handle().enter();
        drop(spawn(async {}));
    }
    drop(spawn(async {}));
    drop(spawn(async {}));
    drop(entered);
    assert_eq!(one.handle().metrics().spawned, 2);
    assert_eq!(other.handle().metrics().spawned, 1);
    assert!(overlapped_runtime::Handle::try_current().is_none());
}

#[test]
fn many_tasks_wake_each_other_across_threads() {
    const RING: usize = 64;
    const ROUNDS: usize = 200;
    let runtime = runtime(4);
    let passed = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let places: Arc<Vec<_>> = Arc::new((0..RING).map(|_| tokio::sync::Notify::new()).collect());
        let tasks: Vec<_> = (0..RING)
            .map(|number| {
                let (places, passed) = (Arc::clone(&places), Arc::clone(&passed));
                spawn(async move {
                    for _ in 0..ROUNDS {
                        places[number].notified().await;
                        passed.fetch_add(1, Ordering::Relaxed);
                        places[(number + 1) % RING].notify_one();
                    }
                })
            })
            .collect();
        places[0].notify_one();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    assert_eq!(passed.load(Ordering::Relaxed), RING * ROUNDS);
}

#[test]
fn a_future_in_time_gives_what_it_has() {
    let start = Instant::now();
    let runtime = runtime(1);
    runtime.block_on(async {
        spawn(async { sleep(Duration::from_millis(20)).await }).await.expect("it ends");
    });
    assert!(start.elapsed() >= Duration::from_millis(20));
}
