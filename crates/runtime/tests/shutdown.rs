//! How a runtime ends, and what becomes of its tasks and connections.

use overlapped_runtime::net::TcpListener;
use overlapped_runtime::time::sleep;
use overlapped_runtime::{Handle, Runtime, blocking, spawn};
use std::future::pending;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn every_task_is_dropped_and_told_of() {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    let token = Arc::new(());
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let token = Arc::clone(&token);
            runtime.spawn(async move {
                match number % 3 {
                    0 => pending::<()>().await,
                    1 => sleep(PATIENCE).await,
                    _ => loop {
                        overlapped_runtime::yield_now().await;
                    },
                }
                drop(token);
            })
        })
        .collect();
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.tasks.len(), report.threads), (0, 0), "{report:?}");
    assert_eq!(Arc::strong_count(&token), 1, "nobody keeps what the tasks had");
    for task in tasks {
        assert!(
            futures_util::future::FutureExt::now_or_never(task).expect("it has ended").is_err()
        );
    }
}

#[test]
fn a_listener_and_its_connections_end_with_their_tasks() {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    let (sender, address) = mpsc::channel();
    drop(runtime.spawn(async move {
        let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        sender.send(listener.local_addr().expect("it listens")).expect("the test waits");
        loop {
            let (mut stream, _) = listener.accept().await.expect("it listens");
            drop(spawn(async move { stream.receive().await.map(drop) }));
        }
    }));
    let address = address.recv_timeout(PATIENCE).expect("it listens");
    let mut client = std::net::TcpStream::connect(address).expect("it is accepted");
    client.set_read_timeout(Some(PATIENCE)).expect("it is connected");
    while runtime.handle().metrics().tasks < 2 {
        std::thread::yield_now();
    }
    let report = runtime.shutdown(PATIENCE);
    assert_eq!(report.tasks, [], "they waited for packets, and nothing else kept them");
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "the connection is over");
    assert!(std::net::TcpStream::connect(address).is_err(), "and nobody listens");
}

#[test]
fn a_task_that_does_not_come_back_is_named_and_left() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    let (release, wait) = mpsc::channel::<()>();
    let (started, starts) = mpsc::channel();
    let line = line!() + 1;
    drop(runtime.spawn(async move {
        started.send(()).expect("the test waits");
        // Until the test lets it go.
        let _ = blocking(|| wait.recv_timeout(PATIENCE));
    }));
    starts.recv_timeout(PATIENCE).expect("it runs");
    let report = runtime.shutdown(Duration::from_millis(10));
    assert_eq!((report.tasks.len(), report.threads), (1, 1), "{report:?}");
    assert_eq!(report.tasks[0].spawned_at.line(), line);
    drop(release);
}

#[test]
fn a_task_that_was_spawned_too_late_is_dropped() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    let handle = runtime.handle().clone();
    drop(runtime);
    let task = handle.spawn(async { 1 });
    let error = handle.block_on(task).expect_err("there is nobody to run it");
    assert!(error.is_aborted(), "{error}");
    assert_eq!(handle.metrics().tasks, 0);
}

#[test]
fn a_runtime_may_be_dropped_within_itself() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    let handle = runtime.handle().clone();
    let (sender, ended) = mpsc::channel();
    let start = Instant::now();
    drop(handle.spawn(async move {
        drop(runtime);
        sender.send(()).expect("the test waits");
        pending::<()>().await;
    }));
    ended.recv_timeout(PATIENCE).expect("the drop waits for nobody");
    while handle.metrics().tasks > 0 {
        assert!(start.elapsed() < PATIENCE, "the task goes at its await");
        std::thread::yield_now();
    }
}

#[test]
fn runtimes_start_and_end_a_thousand_times() {
    for round in 0..1_000 {
        let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
        assert_eq!(
            runtime.block_on(async { spawn(async move { round }).await }).expect("it ends"),
            round
        );
    }
}

#[test]
fn a_runtime_in_a_runtime_is_its_own() {
    let outer = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    outer.block_on(async {
        let task = spawn(async {
            let inner = Runtime::builder().concurrency(1).build().expect("a runtime starts");
            let result = inner.block_on(async { spawn(async { 2 }).await });
            drop(inner);
            (result.expect("it ends"), Handle::current().metrics().spawned)
        });
        assert_eq!(task.await.expect("it ends"), (2, 1));
    });
}
