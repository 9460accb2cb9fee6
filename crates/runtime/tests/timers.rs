//! Sleeping, time-outs and intervals.

use overlapped_runtime::time::{MissedTicks, interval, interval_at, sleep, sleep_until, timeout};
use overlapped_runtime::{Runtime, spawn};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn run<T>(future: impl Future<Output = T>) -> T {
    Runtime::builder().concurrency(1).build().expect("a runtime starts").block_on(future)
}

#[test]
fn sleeps_end_in_the_order_of_their_times_and_never_early() {
    run(async {
        let start = Instant::now();
        let tasks: Vec<_> = [30, 10, 20]
            .map(|after_ms| {
                spawn(async move {
                    sleep(Duration::from_millis(after_ms)).await;
                    (Instant::now(), after_ms)
                })
            })
            .into();
        let mut ends = Vec::new();
        for task in tasks {
            let (end, after_ms) = task.await.expect("it ends");
            assert!(end - start >= Duration::from_millis(after_ms));
            ends.push((end, after_ms));
        }
        ends.sort_unstable();
        assert_eq!(
            ends.into_iter().map(|(_, after_ms)| after_ms).collect::<Vec<_>>(),
            [10, 20, 30]
        );
    });
}

#[test]
fn a_time_out_ends_the_wait_and_not_before() {
    run(async {
        let start = Instant::now();
        let elapsed =
            timeout(Duration::from_millis(10), pending::<()>()).await.expect_err("it never ends");
        assert!(start.elapsed() >= Duration::from_millis(10));
        assert_eq!(std::io::Error::from(elapsed).kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1), "what is there is not lost");
    });
}

#[test]
fn a_sleep_that_is_reset_ends_at_its_new_time() {
    run(async {
        // Later, before it was over.
        let start = Instant::now();
        let mut late = sleep(Duration::from_millis(5));
        poll_fn(|context| Poll::Ready(Pin::new(&mut late).poll(context).is_pending())).await;
        late.reset(start + Duration::from_millis(30));
        late.await;
        assert!(start.elapsed() >= Duration::from_millis(30));

        // Earlier.
        let mut early = sleep(PATIENCE);
        assert!(
            poll_fn(|context| Poll::Ready(Pin::new(&mut early).poll(context).is_pending())).await
        );
        early.reset(Instant::now());
        early.await;

        // After it was over.
        let mut again = pin!(sleep(Duration::from_millis(1)));
        again.as_mut().await;
        let start = Instant::now();
        again.reset(start + Duration::from_millis(10));
        again.await;
        assert!(start.elapsed() >= Duration::from_millis(10));
    });
}

#[test]
fn sleeps_that_are_dropped_leave_nothing() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    runtime.block_on(async {
        let taken = runtime.handle().metrics().counters.taken;
        for _ in 0..1_000 {
            let mut sleep = sleep(PATIENCE);
            assert!(
                poll_fn(|context| Poll::Ready(Pin::new(&mut sleep).poll(context).is_pending()))
                    .await
            );
        }
        assert_eq!(runtime.handle().metrics().counters.taken, taken, "no packet came of them");
    });
}

#[test]
fn an_interval_ticks_at_once_and_then_every_period() {
    run(async {
        let start = Instant::now();
        let mut ticks = interval(Duration::from_millis(10));
        let first = ticks.tick().await;
        for number in 1..4 {
            assert_eq!(ticks.tick().await - first, Duration::from_millis(10 * number));
        }
        assert!(start.elapsed() >= Duration::from_millis(30));
    });
}

#[test]
fn missed_ticks_come_at_once_or_are_left_out() {
    run(async {
        // The clock of some systems began when they did, which may be not long ago.
        let period = Duration::from_secs(10);
        let start = Instant::now() - 5 * period / 2;
        let mut burst = interval_at(start, period);
        for number in 0..3 {
            assert_eq!(burst.tick().await, start + number * period);
        }
        let mut skip = interval_at(start, period);
        skip.set_missed_ticks(MissedTicks::Skip);
        assert_eq!(skip.tick().await, start);
        assert!(
            timeout(Duration::from_millis(1), skip.tick()).await.is_err(),
            "the next is to come"
        );
        let mut delay = interval_at(start, period);
        delay.set_missed_ticks(MissedTicks::Delay);
        assert_eq!(delay.tick().await, start);
        assert!(
            timeout(Duration::from_millis(1), delay.tick()).await.is_err(),
            "the next is to come"
        );
    });
}

#[test]
fn a_moment_that_has_passed_is_not_waited_for() {
    run(async {
        sleep_until(Instant::now()).await;
        sleep(Duration::ZERO).await;
    });
}
