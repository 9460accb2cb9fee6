//! Ctrl-C, and the request to terminate.
//!
//! From the first use on, until the runtime ends, these no longer end the process: the program has to end
//! by itself. On Linux they are `SIGINT`, and `SIGTERM` or `SIGHUP`; on Windows Ctrl-C or Ctrl-Break, and
//! the closing of the console, logoff or shutdown.
//!
//! ```no_run
//! use overlapped_runtime::net::TcpListener;
//! use overlapped_runtime::signal;
//!
//! # async fn serve(listener: TcpListener) {}
//! overlapped_runtime::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:3000")?;
//!     let server = overlapped_runtime::spawn(serve(listener));
//!     let signal = signal::watch()?.next().await;
//!     eprintln!("ending after {signal:?}");
//!     server.abort();
//!     Ok::<(), std::io::Error>(())
//! })
//! # .unwrap();
//! ```

pub use overlapped::Signal;

use crate::arrival::{remember, wake};
use crate::executor::{Executor, current};
use crate::sync::Mutex;
use slab::Slab;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The signals that have come to a runtime, and who waits for the next.
#[derive(Default)]
pub(crate) struct Arrived(Mutex<State>);

#[derive(Default)]
struct State {
    counts: Counts,
    /// One place for each [`Signals`].
    waiting: Slab<Option<Waker>>,
}

/// How many of each there were.
#[derive(Default, Clone, Copy)]
struct Counts {
    interrupts: u64,
    terminations: u64,
}

impl Counts {
    fn of(&mut self, signal: Signal) -> &mut u64 {
        match signal {
            Signal::Interrupt => &mut self.interrupts,
            Signal::Terminate => &mut self.terminations,
        }
    }
}

/// A signal has come to the runtime whose packets this thread takes.
pub(crate) fn arrived(signal: Signal) {
    let Some(executor) = current::try_get() else { return };
    let wakers: Vec<_> = {
        let mut state = executor.signals.0.lock();
        *state.counts.of(signal) += 1;
        state.waiting.iter_mut().map(|(_, waker)| waker.take()).collect()
    };
    wakers.into_iter().for_each(wake);
}

/// The signals that come from now on.
///
/// # Errors
/// Descriptors or memory are short, or the runtime was shut down.
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn watch() -> io::Result<Signals> {
    let executor = current::get("a signal");
    executor.port.watch_signals()?;
    let mut state = executor.signals.0.lock();
    let (seen, place) = (state.counts, state.waiting.insert(None));
    drop(state);
    Ok(Signals { executor, seen, place })
}

/// Gives the signals that come to the process; see [`watch`]. Any number of them may be watched at the
/// same time, and each gives every signal.
pub struct Signals {
    executor: Arc<Executor>,
    seen: Counts,
    place: usize,
}

impl Signals {
    /// The next signal that came since [`watch`], each once. Of both kinds, interrupts are given first.
    ///
    /// Cancel safe: a signal that comes after the future was dropped is given by the next call.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, to be polled.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Signal> {
        let mut state = self.executor.signals.0.lock();
        for signal in [Signal::Interrupt, Signal::Terminate] {
            let seen = self.seen.of(signal);
            if *seen < *state.counts.of(signal) {
                *seen += 1;
                return Poll::Ready(signal);
            }
        }
        if let Some(waker) = state.waiting.get_mut(self.place) {
            remember(waker, context);
        }
        Poll::Pending
    }

    async fn next_of(&mut self, wanted: Signal) {
        while self.next().await != wanted {}
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let waker = self.executor.signals.0.lock().waiting.try_remove(self.place);
        // Where no lock is held.
        drop(waker);
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

/// Waits for Ctrl-C: for the first one after this is first polled. To miss none between two calls, use
/// [`watch`].
///
/// Dropping the future stops waiting; the process is then still not ended by Ctrl-C.
///
/// # Errors
/// Those of [`watch`].
///
/// # Panics
/// Outside a runtime.
pub async fn ctrl_c() -> io::Result<()> {
    watch()?.next_of(Signal::Interrupt).await;
    Ok(())
}

/// Waits for the request to terminate; otherwise as [`ctrl_c`].
///
/// # Errors
/// Those of [`watch`].
///
/// # Panics
/// Outside a runtime.
pub async fn terminate() -> io::Result<()> {
    watch()?.next_of(Signal::Terminate).await;
    Ok(())
}
