//! How a thread waits for several events: it enters the list of each, looks at them, and sleeps on
//! its bell and on the descriptors of what would set them, until a look finds what it waits for.

use super::event::{Event, progress};
use super::here;
use crate::driver::descriptors::Bell;
use crate::notify::{EventObject, Waited};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) fn wait_any(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    let take = || events.iter().position(|event| event.0.take());
    wait(events, timeout, alertable, false, take)
}

pub(crate) fn wait_all(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    let mut in_order: Vec<&Event> = events.iter().map(|event| &*event.0).collect();
    // Two threads that take several locks take them in the same order.
    in_order.sort_unstable_by_key(|event| std::ptr::from_ref(*event).addr());
    wait(events, timeout, alertable, true, || take_together(&in_order))
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
    _alertable: bool,
    takes_all: bool,
    take: impl Fn() -> Option<usize>,
) -> io::Result<Waited> {
    let mut must_look = !here::may_be_hasty();
    if !must_look && let Some(index) = take() {
        return Ok(Waited::Signaled(index));
    }
    here::has_looked();
    // A time that lies beyond what can be told is for ever.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let place = Place::enter(events, here::bell()?, takes_all);
    let mut sources = Vec::new();
    let mut is_last_look = false;
    loop {
        if !must_look && let Some(index) = take() {
            return Ok(Waited::Signaled(index));
        }
        if is_last_look {
            return Ok(Waited::TimedOut);
        }
        let left = match (must_look, deadline) {
            (true, _) => Some(Duration::ZERO),
            (false, None) => None,
            (false, Some(deadline)) => Some(deadline.saturating_duration_since(Instant::now())),
        };
        is_last_look = !must_look && left == Some(Duration::ZERO);
        must_look = false;
        sources.clear();
        events.iter().for_each(|event| event.0.collect_sources(&mut sources));
        let rung = progress(&sources, &[place.bell.as_fd()], left)?;
        place.bell.hear(rung != 0);
    }
}

/// The calling thread's entries in the lists of the events that it waits for.
struct Place<'a> {
    events: &'a [&'a EventObject],
    bell: Arc<Bell>,
}

impl<'a> Place<'a> {
    fn enter(events: &'a [&'a EventObject], bell: Arc<Bell>, takes_all: bool) -> Self {
        events.iter().for_each(|event| event.0.enter(&bell, takes_all));
        Self { events, bell }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.events.iter().for_each(|event| event.0.leave(&self.bell));
    }
}
