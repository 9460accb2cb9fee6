//! What belongs to tokio's runtime, in tasks of ours: the feature `tokio-compat`.

use overlapped_runtime::{Runtime, spawn};
use std::future::pending;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn runtime() -> Runtime {
    Runtime::builder().concurrency(1).thread_name("ours").build().expect("a runtime starts")
}

#[test]
fn what_belongs_to_tokio_works_in_a_task_that_our_threads_run() {
    let runtime = runtime();
    let task = runtime.spawn(async {
        let start = Instant::now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(start.elapsed() >= Duration::from_millis(20));

        let name = || thread::current().name().map(str::to_owned).unwrap_or_default();
        assert!(name().starts_with("ours-") && name() != "ours-tokio", "{}", name());
        let on_tokio = tokio::spawn(async move { name() }).await.expect("it does not panic");
        assert_eq!(on_tokio, "ours-tokio");
        let blocking = tokio::task::spawn_blocking(name).await.expect("it does not panic");
        assert_eq!(blocking, "ours-tokio-blocking");

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let client = spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(address).await?;
            stream.write_all(b"from our task to another").await?;
            stream.shutdown().await
        });
        let mut received = String::new();
        listener.accept().await?.0.read_to_string(&mut received).await?;
        client.await??;
        std::io::Result::Ok(received)
    });
    let received = runtime.block_on(task).expect("it does not panic").expect("nothing fails");
    assert_eq!(received, "from our task to another");
}

#[test]
fn the_caller_of_block_on_and_tasks_of_tokio_are_in_both_runtimes() {
    let runtime = runtime();
    let sum = runtime.block_on(async {
        let of_tokio = tokio::spawn(async { spawn(async { 1 }).await.expect("it ends") + 2 });
        of_tokio.await.expect("it does not panic") + 4
    });
    assert_eq!(sum, 7);
    assert!(tokio::runtime::Handle::try_current().is_err(), "the thread is in neither after it");
}

#[test]
fn tasks_of_tokio_are_dropped_with_the_runtime() {
    let runtime = runtime();
    let token = Arc::new(());
    let (starts, started) = mpsc::channel();
    let of_tokio = Arc::clone(&token);
    runtime.block_on(async {
        drop(tokio::spawn(async move {
            starts.send(()).expect("the test waits");
            pending::<()>().await;
            drop(of_tokio);
        }));
    });
    started.recv_timeout(PATIENCE).expect("it runs");
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.tasks.len(), report.threads), (0, 0), "{report:?}");
    assert_eq!(Arc::strong_count(&token), 1, "nobody keeps what the task had");
}

#[test]
fn a_task_of_tokio_that_does_not_come_back_is_left() {
    let runtime = runtime();
    let (release, wait) = mpsc::channel::<()>();
    let (starts, started) = mpsc::channel();
    runtime.block_on(async {
        drop(tokio::spawn(async move {
            starts.send(()).expect("the test waits");
            // Until the test lets it go.
            let _ = wait.recv_timeout(PATIENCE);
        }));
    });
    started.recv_timeout(PATIENCE).expect("it runs");
    let report = runtime.shutdown(Duration::from_millis(10));
    assert_eq!((report.tasks.len(), report.threads), (0, 1), "{report:?}");
    drop(release);
}

#[test]
fn a_runtime_may_be_dropped_by_a_task_of_tokio() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let (ends, ended) = mpsc::channel();
    handle.block_on(async {
        drop(tokio::spawn(async move {
            drop(runtime);
            ends.send(()).expect("the test waits");
        }));
    });
    ended.recv_timeout(PATIENCE).expect("the drop waits for nobody");
}
