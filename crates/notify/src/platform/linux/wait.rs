//! How a thread waits for several events: it enters the list of each, looks at them, and sleeps on
//! its wake-up descriptor and on the descriptors of what would set them, until a look finds what it waits for.

use super::event::{Event, Purpose, progress};
use super::this_thread;
use crate::sys::Wakeup;
use crate::{EventObject, Waited, routine};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn wait_any(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    let take = || events.iter().position(|event| event.0.take());
    wait(events, timeout, alertable, Purpose::Any, take)
}

pub(crate) fn wait_all(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    let mut in_order: Vec<&Event> = events.iter().map(|event| &*event.0).collect();
    // Two threads that take several locks take them in the same order.
    in_order.sort_unstable_by_key(|event| std::ptr::from_ref(*event).addr());
    wait(events, timeout, alertable, Purpose::All, || take_together(&in_order))
}

/// Takes all, or nothing.
fn take_together(events: &[&Event]) -> Option<usize> {
    let mut states = Vec::with_capacity(events.len());
    for event in events {
        let state = event.lock();
        if !state.is_set() {
            return None;
        }
        states.push(state);
    }
    for (event, state) in events.iter().zip(&mut states) {
        event.take_locked(state);
    }
    Some(0)
}

fn wait(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
    purpose: Purpose,
    take: impl Fn() -> Option<usize>,
) -> io::Result<Waited> {
    let mut must_look = !this_thread::may_end_without_a_look();
    if !must_look && let Some(index) = take() {
        return Ok(Waited::Signaled(index));
    }
    this_thread::has_looked();
    // Only this thread makes its queue, so one that is not there will not be.
    let routines = if alertable { routine::queue_if_used() } else { None };
    let sockets = if alertable { this_thread::routine_sockets_if_any() } else { None };
    let deadline = Deadline::after(timeout);
    let entries = Entries::enter(events, this_thread::wakeup()?, purpose);
    let mut sources = Vec::new();
    let mut is_last_look = false;
    loop {
        if !must_look {
            // An event that is set wins over routines that are due (M123).
            if let Some(index) = take() {
                return Ok(Waited::Signaled(index));
            }
            if let Some(queue) = routines.as_deref().filter(|queue| !queue.is_empty()) {
                drop(entries);
                routine::run_all(queue);
                return Ok(Waited::RoutinesRan);
            }
        }
        if is_last_look {
            return Ok(Waited::TimedOut);
        }
        let left = if must_look { Some(Duration::ZERO) } else { deadline.left() };
        is_last_look = !must_look && left == Some(Duration::ZERO);
        must_look = false;
        sources.clear();
        events.iter().for_each(|event| event.0.collect_sources(&mut sources));
        let wakeup = entries.wakeup.as_fd();
        let readable = match &sockets {
            None => progress(&sources, &[wakeup], left)?,
            Some(sockets) => progress(&sources, &[wakeup, sockets.as_fd()], left)?,
        };
        entries.wakeup.clear(readable & 1 != 0);
        if let Some(sockets) = sockets.as_ref().filter(|_| readable & 2 != 0) {
            sockets.look(Some(Duration::ZERO));
        }
    }
}

pub(crate) fn sleep_alertable(timeout: Option<Duration>) -> bool {
    let deadline = Deadline::after(timeout);
    let Ok(queue) = routine::queue() else {
        // Nobody can have queued anything to a thread without a queue.
        match timeout {
            Some(timeout) => thread::sleep(timeout),
            None => thread::park(),
        }
        return false;
    };
    let mut is_last_look = false;
    loop {
        if !queue.is_empty() {
            routine::run_all(&queue);
            return true;
        }
        if is_last_look {
            return false;
        }
        let left = deadline.left();
        is_last_look = left == Some(Duration::ZERO);
        match this_thread::routine_sockets_if_any() {
            Some(sockets) => sockets.look(left),
            None => queue.waker.sleep(left),
        }
    }
}

/// The end of a wait; none is for ever.
struct Deadline(Option<Instant>);

impl Deadline {
    /// A time that lies beyond what can be told is for ever.
    fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn left(&self) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(Instant::now()))
    }
}

/// The calling thread's entries in the lists of the events that it waits for.
pub(super) struct Entries<'a> {
    events: &'a [&'a EventObject],
    pub(super) wakeup: Arc<Wakeup>,
}

impl<'a> Entries<'a> {
    pub(super) fn enter(
        events: &'a [&'a EventObject],
        wakeup: Arc<Wakeup>,
        purpose: Purpose,
    ) -> Self {
        events.iter().for_each(|event| event.0.enter(&wakeup, purpose));
        Self { events, wakeup }
    }
}

impl Drop for Entries<'_> {
    fn drop(&mut self) {
        self.events.iter().for_each(|event| event.0.leave(&self.wakeup));
    }
}
