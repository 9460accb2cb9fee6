//! Waits for several event objects: what holds on every system.

use crate::{EventObject, platform};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How many events one wait takes at the most.
pub const WAIT_MAX: usize = 64;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The event with this index was set, or, for [`wait_all`], all were (then it is 0).
    Signaled(usize),
    /// The time was over.
    TimedOut,
    /// Routines of this thread ran. No event is implied, and none was changed.
    RoutinesRan,
}

/// Waits until one of `events` is set, or the time is over.
///
/// If several are set, the wait reports the one with the lowest index. So an event that is always
/// set hides those after it: a program that serves many events should check the others, one by one,
/// before the next wait. If the event that ended the wait is an auto-reset one, it is reset; no
/// other event is. Without a `timeout` the call waits for ever; with a zero one it only looks.
///
/// An `alertable` wait also ends when routines of this thread are due: it runs all of them first.
/// If an event is set as well, the wait reports the event, and the routines stay due.
///
/// A wait cannot get more events while it lasts. To add one, use an event among them that ends the
/// wait. The events cannot be freed meanwhile.
///
/// # Errors
/// `InvalidInput` for no event at all and for more than [`WAIT_MAX`]. Otherwise the system's, for
/// want of descriptors or memory.
pub fn wait_any(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    check_count(events.len())?;
    platform::wait_any(events, timeout, alertable)
}

/// Waits until all of `events` are set at the same moment, or the time is over.
///
/// Until then it changes none of them; then it resets the auto-reset ones together, and is
/// [`Waited::Signaled`] with 0. In all else it is like [`wait_any`].
///
/// # Errors
/// As for [`wait_any`], and `InvalidInput` when an event is named twice.
pub fn wait_all(
    events: &[&EventObject],
    timeout: Option<Duration>,
    alertable: bool,
) -> io::Result<Waited> {
    check_count(events.len())?;
    for (index, event) in events.iter().enumerate() {
        if let Some(first) = events[..index].iter().position(|one| Arc::ptr_eq(&one.0, &event.0)) {
            return Err(invalid(format!(
                "events {first} and {index} of the wait for all are the same one: name it once"
            )));
        }
    }
    platform::wait_all(events, timeout, alertable)
}

fn check_count(count: usize) -> io::Result<()> {
    match count {
        1..=WAIT_MAX => Ok(()),
        0 => Err(invalid("a wait needs an event and was given none".into())),
        _ => Err(invalid(format!(
            "a wait takes at most {WAIT_MAX} events and was given {count}: \
             wait for the rest on another thread"
        ))),
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
