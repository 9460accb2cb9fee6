//! Tasks that are awaited together.

use overlapped_runtime::time::{sleep, timeout};
use overlapped_runtime::{Handle, JoinSet, Runtime, blocking, yield_now};
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn runtime() -> Runtime {
    Runtime::builder().concurrency(2).build().expect("a runtime starts")
}

async fn until_tasks_are(count: usize) {
    let start = Instant::now();
    while Handle::current().metrics().tasks > count {
        assert!(start.elapsed() < PATIENCE, "tasks are left");
        yield_now().await;
    }
}

#[test]
fn results_come_in_the_order_in_which_tasks_end() {
    runtime().block_on(async {
        let mut tasks = JoinSet::new();
        // Each ends when the one that was spawned after it has told so.
        let mut before: Option<tokio::sync::oneshot::Sender<()>> = None;
        for number in 0..10 {
            let (tell, told) = tokio::sync::oneshot::channel();
            let tell_before = before.replace(tell);
            tasks.spawn(async move {
                // The last one is told by the test.
                let _ = told.await;
                (number, tell_before)
            });
        }
        assert_eq!(tasks.len(), 10);
        drop(before);
        for expected in (0..10).rev() {
            let (number, tell_before) =
                tasks.join_next().await.expect("it is there").expect("it ends");
            assert_eq!(number, expected);
            // The next one ends by that.
            drop(tell_before);
        }
        assert!(tasks.is_empty() && tasks.join_next().await.is_none());
    });
}

#[test]
fn a_join_that_is_dropped_loses_no_result() {
    runtime().block_on(async {
        let mut tasks: JoinSet<u32> = (0..200)
            .map(|number| async move {
                for _ in 0..number % 7 {
                    yield_now().await;
                }
                number
            })
            .collect();
        let mut results = BTreeSet::new();
        while !tasks.is_empty() {
            // Its future is dropped at once, whether it is ready or not.
            let next = futures_util::future::FutureExt::now_or_never(tasks.join_next());
            if let Some(Some(result)) = next {
                assert!(results.insert(result.expect("it ends")));
            }
            yield_now().await;
        }
        assert_eq!(results, (0..200).collect());
    });
}

#[test]
fn a_panic_and_an_abort_are_results_as_others() {
    runtime().block_on(async {
        let mut tasks = JoinSet::new();
        let text: Option<&str> = std::hint::black_box(None);
        tasks.spawn(async move {
            let _ = text.expect("this one panics");
        });
        let panicked = tasks.join_next().await.expect("it is there").expect_err("it panics");
        assert!(panicked.is_panic(), "{panicked}");
        let abort = tasks.spawn(pending());
        abort.abort();
        let aborted = tasks.join_next().await.expect("it is there").expect_err("it is aborted");
        assert!(aborted.is_aborted(), "{aborted}");
    });
}

#[test]
fn a_set_that_is_dropped_aborts_its_tasks_and_no_others() {
    let runtime = runtime();
    let token = Arc::new(());
    runtime.block_on(async {
        let of_another = overlapped_runtime::spawn(pending::<()>());
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let token = Arc::clone(&token);
            tasks.spawn(async move {
                pending::<()>().await;
                drop(token);
            });
        }
        drop(tasks);
        until_tasks_are(1).await;
        assert!(!of_another.is_finished());
        of_another.abort();
    });
    assert_eq!(Arc::strong_count(&token), 1, "nobody keeps what the tasks had");
}

#[test]
fn a_shutdown_waits_for_what_it_aborts() {
    let runtime = runtime();
    let (release, wait) = mpsc::channel::<()>();
    let (starts, started) = mpsc::channel();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        tasks.spawn_blocking(move || {
            starts.send(()).expect("the test waits");
            wait.recv_timeout(PATIENCE).expect_err("nobody sends")
        });
        tasks.spawn(async {
            sleep(PATIENCE).await;
            mpsc::RecvTimeoutError::Timeout
        });
        blocking(|| started.recv_timeout(PATIENCE)).expect("it runs");
        let mut shutdown = Box::pin(tasks.shutdown());
        for _ in 0..100 {
            let ended = futures_util::future::FutureExt::now_or_never(&mut shutdown);
            assert!(ended.is_none(), "one of them blocks");
            yield_now().await;
        }
        drop(release);
        shutdown.await;
        assert!(tasks.is_empty());
    });
    assert_eq!(runtime.handle().metrics().tasks, 0);
}

#[test]
fn all_results_or_the_first_error() {
    let runtime = runtime();
    runtime.block_on(async {
        let tasks: JoinSet<u32> = (0..50).map(|number| async move { number }).collect();
        let ended = timeout(PATIENCE, tasks.join_all()).await;
        let mut results = ended.expect("all end").expect("none panics");
        results.sort_unstable();
        assert_eq!(results, (0..50).collect::<Vec<_>>());

        let mut tasks = JoinSet::new();
        tasks.spawn(pending::<()>());
        tasks.spawn(pending()).abort();
        let ended = timeout(PATIENCE, tasks.join_all()).await;
        let error = ended.expect("it waits for no other").expect_err("one is aborted");
        assert!(error.is_aborted(), "{error}");
        until_tasks_are(0).await;
    });
}

#[test]
fn tasks_that_are_detached_go_on() {
    let runtime = runtime();
    let (sender, receiver) = mpsc::channel();
    let (release, wait) = tokio::sync::oneshot::channel::<()>();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            wait.await.expect("it is told");
            sender.send(1).expect("the test waits");
        });
        tasks.detach_all();
        assert!(tasks.is_empty());
    });
    release.send(()).expect("it waits");
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(1));
}
