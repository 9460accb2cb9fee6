//! To see what a runtime does: its figures, its tasks, and who holds a thread for long.

use overlapped_runtime::{
    Handle, JoinSet, Runtime, Stall, StallKind, blocking, named, spawn, yield_now,
};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What counts as long here.
const LONG: Duration = Duration::from_millis(20);

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// A runtime that tells of stalls.
fn told() -> (Runtime, mpsc::Receiver<Stall>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let runtime = Runtime::builder().concurrency(1).on_stall(LONG, move |stall| {
        // The test may have ended.
        let _ = tell.lock().expect("nobody panics").send(stall.clone());
    });
    (runtime.build().expect("a runtime starts"), told)
}

#[test]
fn a_task_that_blocks_for_long_is_named_while_it_does() {
    let (runtime, told) = told();
    let (release, wait) = mpsc::channel::<()>();
    let line = line!() + 1;
    let task = runtime.spawn(async move {
        let _ = wait.recv_timeout(PATIENCE);
    });
    let stall = told.recv_timeout(PATIENCE).expect("it is told");
    assert_eq!((stall.task.spawned_at.file(), stall.task.spawned_at.line()), (file!(), line));
    assert!(stall.lasted >= LONG, "{stall:?}");
    // Where the system does not say what a thread does, it is unknown.
    assert_ne!(stall.kind, StallKind::Computes);
    assert!(!cfg!(target_os = "linux") || stall.kind == StallKind::Blocks, "{stall:?}");
    let tasks = runtime.handle().tasks();
    assert!(tasks[0].is_running && tasks[0].number == stall.task.number, "{tasks:?}");
    drop(release);
    runtime.block_on(task).expect("it ends");
    let stalls = runtime.handle().metrics().stalls;
    assert_eq!((stalls.blocked + stalls.unknown, stalls.computed), (1, 0), "{stalls:?}");
}

#[test]
fn a_task_that_blocks_goes_by_its_name_and_by_the_call_in_which_it_sleeps() {
    let (runtime, told) = told();
    let (release, wait) = mpsc::channel::<()>();
    let task = runtime.spawn(named("the report", async move {
        yield_now().await;
        let _ = wait.recv_timeout(PATIENCE);
    }));
    let stall = told.recv_timeout(PATIENCE).expect("it is told");
    assert_eq!(stall.name, "the report");
    assert!(!cfg!(target_os = "linux") || stall.asleep_in.as_deref() == Some("futex"), "{stall:?}");
    until("it is listed", || runtime.handle().stalled().len() == 1);
    drop(release);
    runtime.block_on(task).expect("it ends");
    until("it is over", || runtime.handle().stalled().is_empty());
    let stalls = runtime.handle().stalls();
    assert_eq!((stalls.len(), stalls[0].count), (1, 1), "{stalls:?}");
    assert_eq!(stalls[0].name, "the report");
}

/// The system knows late that a thread has waited for a processor. So one of several tries is enough.
#[test]
#[cfg(target_os = "linux")]
fn a_task_that_computes_for_long_is_told_from_one_that_blocks() {
    let (runtime, told) = told();
    let goes_on = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let start = Instant::now();
    loop {
        goes_on.store(true, Ordering::Relaxed);
        let seen = Arc::clone(&goes_on);
        let task = runtime.spawn(async move {
            while seen.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let stall = told.recv_timeout(PATIENCE).expect("it is told");
        goes_on.store(false, Ordering::Relaxed);
        runtime.block_on(task).expect("it ends");
        if stall.kind == StallKind::Computes {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{stall:?}");
    }
    assert_eq!(runtime.handle().metrics().stalls.computed, 1);
}

#[test]
fn a_panic_of_who_is_told_ends_nothing() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let runtime = Runtime::builder().concurrency(1).on_stall(LONG, move |_| {
        assert_ne!(counted.fetch_add(1, Ordering::SeqCst), 0, "the first one panics");
    });
    let runtime = runtime.build().expect("a runtime starts");
    for expected in 1..=2 {
        let seen = Arc::clone(&count);
        let task = runtime.spawn(async move {
            blocking(|| until("it is told", || seen.load(Ordering::SeqCst) == expected));
        });
        runtime.block_on(task).expect("it was told of");
    }
}

#[test]
fn stalls_are_counted_when_nobody_asks() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    // The watch sleeps by now, or soon. It is roused by what is polled.
    let task = runtime.spawn(async {
        let handle = Handle::current();
        blocking(|| {
            until("it is counted", || {
                let stalls = handle.metrics().stalls;
                stalls.blocked + stalls.unknown + stalls.computed > 0
            });
        });
    });
    runtime.block_on(task).expect("it was counted");
}

#[test]
fn every_poll_is_counted() {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
        let tasks: JoinSet<()> = (0..100)
            .map(|_| async {
                for _ in 0..10 {
                    yield_now().await;
                }
            })
            .collect();
        tasks.join_all().await.expect("none panics");
    });
    let handle = runtime.handle().clone();
    assert_eq!(handle.metrics().polls, 1_100);
    until("none is polled any more", || handle.metrics().running == 0);
    drop(runtime);
    assert_eq!(handle.metrics().polls, 1_100, "also those of threads that have ended");
}

#[test]
fn tasks_that_wait_behind_one_that_blocks_are_seen_and_robbed() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    let handle = runtime.handle().clone();
    let spawns_and_blocks = |handle: Handle| async move {
        let (tell, told) = mpsc::channel();
        let tasks: JoinSet<()> = (0..10)
            .map(|_| {
                let tell = tell.clone();
                async move { tell.send(()).expect("the test waits") }
            })
            .collect();
        let waiting = handle.metrics().in_run_queues;
        blocking(|| {
            for _ in 0..10 {
                told.recv_timeout(PATIENCE).expect("another thread takes it");
            }
        });
        tasks.join_all().await.expect("none panics");
        waiting
    };
    // This thread may be held up before it looks, and others take them. Mostly it is not.
    let start = Instant::now();
    while runtime
        .block_on(runtime.spawn(spawns_and_blocks(handle.clone())))
        .expect("it does not panic")
        < 10
    {
        assert!(start.elapsed() < PATIENCE, "they were woken by a task, and lie where that runs");
    }
    assert!(runtime.handle().metrics().robbed > 0);
    until("all of them have run", || runtime.handle().metrics().in_run_queues == 0);
}

#[test]
fn a_task_that_waits_is_not_running() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    runtime.block_on(async {
        let (polls, polled) = mpsc::channel();
        let waits = spawn(async move {
            polls.send(()).expect("the test waits");
            pending::<()>().await;
        });
        blocking(|| polled.recv_timeout(PATIENCE)).expect("it runs");
        let (release, wait) = mpsc::channel::<()>();
        let (starts, started) = mpsc::channel();
        let blocks = spawn(async move {
            starts.send(()).expect("the test waits");
            let _ = blocking(|| wait.recv_timeout(PATIENCE));
        });
        blocking(|| started.recv_timeout(PATIENCE)).expect("it runs");
        until("the other one was polled already", || Handle::current().metrics().running == 1);
        let running: Vec<_> =
            Handle::current().tasks().iter().map(|task| task.is_running).collect();
        assert_eq!(running, [false, true]);
        waits.abort();
        drop(release);
        blocks.await.expect("it ends");
    });
}
