//! Signals of the process. They come to all of it, so one test sends all of them.
#![cfg(target_os = "linux")]

use futures_util::future::poll_immediate;
use nix::sys::signal::{Signal as Sent, kill};
use nix::unistd::Pid;
use overlapped_runtime::signal::{self, Signal};
use overlapped_runtime::time::timeout;
use overlapped_runtime::{Runtime, spawn};
use std::pin::pin;
use std::time::Duration;

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn send(signal: Sent) {
    kill(Pid::this(), signal).expect("a process may send signals to itself");
}

#[test]
fn every_signal_comes_once_to_everybody_who_watches() {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    let all = async {
        let mut first = signal::watch().expect("signals can be watched");
        let mut second = signal::watch().expect("signals can be watched");
        let task = spawn(async move { (second.next().await, second) });
        assert!(poll_immediate(pin!(first.next())).await.is_none(), "none was sent");
        send(Sent::SIGINT);
        assert_eq!(first.next().await, Signal::Interrupt);
        let (signal, mut second) = task.await.expect("it ends");
        assert_eq!(signal, Signal::Interrupt);

        // What comes while nobody waits is given later, and to each once.
        send(Sent::SIGTERM);
        assert_eq!(first.next().await, Signal::Terminate);
        send(Sent::SIGTERM);
        assert_eq!(first.next().await, Signal::Terminate);
        assert_eq!(second.next().await, Signal::Terminate);
        assert_eq!(second.next().await, Signal::Terminate);
        for signals in [&mut first, &mut second] {
            assert!(poll_immediate(pin!(signals.next())).await.is_none(), "no other was sent");
        }

        // Each of the two waits for its own.
        let mut ctrl_c = pin!(signal::ctrl_c());
        let mut terminate = pin!(signal::terminate());
        assert!(poll_immediate(ctrl_c.as_mut()).await.is_none(), "none was sent since");
        assert!(poll_immediate(terminate.as_mut()).await.is_none(), "none was sent since");
        send(Sent::SIGTERM);
        terminate.await.expect("it was sent");
        assert!(poll_immediate(ctrl_c.as_mut()).await.is_none(), "this was not sent");
        send(Sent::SIGINT);
        ctrl_c.await.expect("it was sent");
        assert_eq!(first.next().await, Signal::Interrupt);
        assert_eq!(first.next().await, Signal::Terminate);
        // A task that waits for more is dropped at the shutdown.
        drop(spawn(async move { second.next().await }));
        drop(spawn(async { signal::ctrl_c().await }));
    };
    let all = runtime.spawn(async move { timeout(PATIENCE, all).await });
    runtime.block_on(all).expect("it does not panic").expect("every signal comes");
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.tasks.len(), report.threads), (0, 0), "{report:?}");
}
