//! The task that a packet wakes is run by the thread that took the packet, without a queue.

use super::{Executor, Runnable, address};
use crate::packets::Message;
use std::cell::Cell;

thread_local! {
    /// For which executor this thread delivers a packet, by its address; 0 for none.
    static DELIVERS_FOR: Cell<usize> = const { Cell::new(0) };
    static WOKEN: Cell<Option<Runnable>> = const { Cell::new(None) };
}

/// Keeps a task for this thread, if it delivers a packet and the task is the first that was woken by
/// that; otherwise gives it back.
pub(super) fn keep(executor: &Executor, runnable: Runnable) -> Option<Runnable> {
    if DELIVERS_FOR.get() != address(executor) {
        return Some(runnable);
    }
    match WOKEN.take() {
        None => {
            WOKEN.set(Some(runnable));
            None
        }
        first => {
            WOKEN.set(first);
            Some(runnable)
        }
    }
}

/// Delivers a packet, and gives the first task that was woken by it.
pub(super) fn woken_by(executor: &Executor, deliver: impl FnOnce()) -> Option<Runnable> {
    /// Ends the delivery also when a waker panics. The task that was kept is then queued.
    struct Delivery<'a>(&'a Executor);

    impl Drop for Delivery<'_> {
        fn drop(&mut self) {
            DELIVERS_FOR.set(0);
            if std::thread::panicking()
                && let Some(runnable) = WOKEN.take()
            {
                drop(self.0.port.post(Message::Task(runnable)));
            }
        }
    }

    DELIVERS_FOR.set(address(executor));
    let delivery = Delivery(executor);
    deliver();
    drop(delivery);
    WOKEN.take()
}
