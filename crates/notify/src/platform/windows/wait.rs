//! The waits of Windows for several events, and for the routines of a thread.

use super::routine::{accepts_event, collect_accepts};
use crate::routine::{self, Queue};
use crate::sys::{self, Deadline, WaitEnd, Waitable};
use crate::{EventObject, WAIT_MAX, Waited};
use std::io;
use std::time::Duration;

pub(crate) fn wait_any(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    wait(events, false, timeout, alertable)
}

pub(crate) fn wait_all(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    wait(events, true, timeout, alertable)
}

/// For so long a wait sleeps at a time when it cannot wait for the accepts of its thread as well.
const PART_MS: u32 = 10;

fn wait(
    events: &[&EventObject],
    all: bool,
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    let objects: Vec<Waitable<'_>> = events.iter().map(|event| (&*event.0).into()).collect();
    let deadline = Deadline::after(timeout);
    let signaled = |index| Waited::Signaled(if all { 0 } else { index });
    // Only this thread makes its queue, so one that is not there will not be.
    let Some(queue) = routine::queue_if_used().filter(|_| alertable) else {
        loop {
            match sys::wait(&objects, all, deadline.left_ms(), alertable)? {
                WaitEnd::Signaled(index) => return Ok(signaled(index)),
                WaitEnd::TimedOut if deadline.is_over() => return Ok(Waited::TimedOut),
                // A routine of somebody else's is none of ours.
                WaitEnd::TimedOut | WaitEnd::RoutinesRan => {}
            }
        }
    };
    loop {
        // An event that is set wins over routines that are due (M123).
        if let WaitEnd::Signaled(index) = sys::wait(&objects, all, 0, false)? {
            return Ok(signaled(index));
        }
        look();
        if !queue.is_empty() {
            run(&queue);
            return Ok(Waited::RoutinesRan);
        }
        if deadline.is_over() {
            return Ok(Waited::TimedOut);
        }
        let accepts = accepts_event();
        let (mut waited_for, mut left_ms) = (objects.clone(), deadline.left_ms());
        match &accepts {
            Some(event) if !all && objects.len() < WAIT_MAX => waited_for.push((&**event).into()),
            Some(_) => left_ms = left_ms.min(PART_MS),
            None => {}
        }
        match sys::wait(&waited_for, all, left_ms, true)? {
            WaitEnd::Signaled(index) if all || index < events.len() => return Ok(signaled(index)),
            // An accept has ended.
            WaitEnd::Signaled(_) | WaitEnd::TimedOut | WaitEnd::RoutinesRan => {}
        }
    }
}

/// Runs what is due, until no routine of the system's makes more so (M122).
fn run(queue: &Queue) {
    while !queue.is_empty() {
        routine::run_all(queue);
        look();
    }
}

/// Lets the system's routines run that are due, and looks at the accepts of this thread.
pub(crate) fn look() {
    while sys::sleep_alertable(0) {}
    collect_accepts();
}

pub(crate) fn sleep_alertable(timeout: Option<Duration>) -> bool {
    let deadline = Deadline::after(timeout);
    let queue = routine::queue().ok();
    loop {
        look();
        if let Some(queue) = queue.as_deref().filter(|queue| !queue.is_empty()) {
            run(queue);
            return true;
        }
        if deadline.is_over() {
            return false;
        }
        match accepts_event() {
            Some(accepts) => {
                let accepts = [(&*accepts).into()];
                if sys::wait(&accepts, false, deadline.left_ms(), true).is_err() {
                    sys::sleep_alertable(PART_MS);
                }
            }
            None => {
                sys::sleep_alertable(deadline.left_ms());
            }
        }
    }
}
