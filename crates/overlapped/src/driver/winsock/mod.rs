//! What Windows has beside its completion port: event objects and waits for them.
//!
//! - [`event`]: the event objects of the system.
//! - [`wait`]: its waits for several.
//! - [`select`], [`network_events`], [`window`]: what `readiness` is made of there.

pub(crate) mod event;
pub(crate) mod network_events;
pub(crate) mod select;
pub(crate) mod wait;
pub(crate) mod window;

pub(crate) use event::Event;
pub(crate) use wait::{wait_all, wait_any};
