//! What tests of sockets and files run in.

use overlapped_runtime::time::{sleep, timeout};
use overlapped_runtime::{Builder, Runtime};
use std::time::Duration;

/// No test waits for longer.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test on a runtime, and fails it when it takes too long or leaves a task, a socket or a file.
pub fn run(test: impl Future<Output = ()>) {
    run_with(Runtime::builder(), PATIENCE, test);
}

/// The same, on a runtime with these settings and within this time.
pub fn run_with(settings: Builder, patience: Duration, test: impl Future<Output = ()>) {
    let runtime = settings.concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
        timeout(patience, test).await.expect("it ends");
        let gone = async {
            while runtime.handle().metrics().port.devices > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let left = timeout(PATIENCE, gone).await;
        assert!(left.is_ok(), "{:?}", runtime.handle().metrics());
    });
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.tasks.len(), report.threads), (0, 0), "{report:?}");
}
