//! What Windows has beside its completion port: event objects, waits for them, and overlapped
//! operations that are notified through events, through routines, or through their socket.
//!
//! - [`event`]: the event objects of the system.
//! - [`wait`]: its waits for several, and its alertable sleep.
//! - [`block`]: what the kernel owns while an operation is in flight.
//! - [`operation`]: the operations of one socket that belongs to no port.
//! - [`routine`]: the operations with routines that a thread has in flight.
//! - [`select`], [`network_events`], [`window`]: what `readiness` is made of there.

mod block;
pub(crate) mod event;
pub(crate) mod network_events;
mod operation;
mod routine;
pub(crate) mod select;
pub(crate) mod wait;
pub(crate) mod window;

pub(crate) use event::Event;
pub(crate) use operation::{Handle, Pending};
pub(crate) use routine::Waker;
pub(crate) use wait::{look, sleep_alertable, wait_all, wait_any};
