//! Values that belong to a task; and futures that stay on a thread.

use futures_util::stream::{FuturesUnordered, StreamExt};
use overlapped_runtime::{JoinSet, Runtime, blocking, spawn, task_local, yield_now};
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

task_local! {
    /// Two at once, the last one without a semicolon.
    static NUMBER: u32;
    pub(crate) static NAME: String
}

fn runtime() -> Runtime {
    Runtime::builder().concurrency(2).build().expect("a runtime starts")
}

#[test]
fn a_value_goes_with_its_task_from_thread_to_thread() {
    runtime().block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..100 {
            tasks.spawn(NUMBER.scope(number, async move {
                for _ in 0..50 {
                    assert_eq!(NUMBER.get(), number);
                    yield_now().await;
                }
            }));
        }
        tasks.join_all().await.expect("each has its own");
        assert!(NUMBER.try_with(|_| ()).is_err(), "it is not in a scope");
    });
}

#[test]
fn others_that_run_while_a_task_blocks_have_their_own() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    let barrier = Arc::new(Barrier::new(8));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let barrier = Arc::clone(&barrier);
            tasks.spawn(NUMBER.scope(number, async move {
                blocking(|| barrier.wait());
                assert_eq!(NUMBER.get(), number);
            }));
        }
        tasks.join_all().await.expect("each has its own");
    });
}

#[test]
fn an_inner_scope_hides_the_outer_one_and_spawned_tasks_have_none() {
    runtime().block_on(NAME.scope("outer".to_owned(), async {
        let inner = NAME.scope("inner".to_owned(), async {
            yield_now().await;
            NAME.get()
        });
        assert_eq!(inner.await, "inner");
        assert_eq!(NAME.get(), "outer");
        assert_eq!(NAME.sync_scope("sync".to_owned(), || NAME.get()), "sync");
        assert_eq!(NAME.with(String::len), 5);
        let spawned = spawn(async { NAME.try_with(String::clone) });
        let error = spawned.await.expect("it ends").expect_err("it is another task");
        assert!(error.to_string().contains("`scope`"), "{error}");
    }));
}

/// Tells the value that is there when it is dropped.
struct Tells(mpsc::Sender<Option<u32>>);

impl Drop for Tells {
    fn drop(&mut self) {
        // The test may have failed, and its receiver be gone.
        let _ = self.0.send(NUMBER.try_with(|number| *number).ok());
    }
}

#[test]
fn the_value_is_there_while_a_task_is_dropped_or_panics() {
    let runtime = runtime();
    let (sender, told) = mpsc::channel();
    runtime.block_on(async {
        let tells = Tells(sender.clone());
        let aborted = spawn(NUMBER.scope(1, async move {
            let _tells = tells;
            pending::<()>().await;
        }));
        aborted.abort();
        assert!(aborted.await.is_err());
        let tells = Tells(sender);
        let text: Option<&str> = std::hint::black_box(None);
        let panicked = spawn(NUMBER.scope(2, async move {
            let _tells = tells;
            text.expect("it panics").to_owned()
        }));
        assert!(panicked.await.expect_err("it panics").is_panic());
        // The same thread has none after that.
        for _ in 0..20 {
            assert!(spawn(async { NUMBER.try_with(|_| ()) }).await.expect("it ends").is_err());
        }
    });
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Some(1)));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Some(2)));
}

#[test]
fn a_scope_that_begins_while_the_value_is_read_says_so() {
    let begin = || NUMBER.sync_scope(1, || NUMBER.with(|_| NUMBER.sync_scope(2, || ())));
    let panic = std::panic::catch_unwind(begin).expect_err("it is read");
    let message = panic.downcast_ref::<String>().expect("it says something");
    assert!(message.contains("cannot change while it is read"), "{message}");
    assert!(NUMBER.try_with(|_| ()).is_err(), "all of it is undone");
}

/// What the pages say to do with futures that cannot move to another thread.
#[test]
fn futures_that_stay_on_a_thread_run_on_one_of_their_own() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let thread = std::thread::spawn(move || {
        handle.block_on(async {
            let sum = Rc::new(Cell::new(0));
            let mut futures: FuturesUnordered<_> = (1..=10)
                .map(|number| {
                    let sum = Rc::clone(&sum);
                    async move {
                        let square = spawn(async move { number * number });
                        let square = square.await.expect("it ends");
                        sum.set(sum.get() + square);
                    }
                })
                .collect();
            while futures.next().await.is_some() {}
            sum.get()
        })
    });
    assert_eq!(thread.join().expect("it does not panic"), 385);
}
