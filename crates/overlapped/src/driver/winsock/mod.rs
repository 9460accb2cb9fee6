//! What Windows has beside its completion port: event objects and waits for them.
//!
//! - [`event`]: the event objects of the system.
//! - [`wait`]: its waits for several.

pub(crate) mod event;
mod wait;

pub(crate) use event::Event;
pub(crate) use wait::{wait_all, wait_any};
