//! Events and waits on Linux, without hidden threads.
//!
//! - [`event`]: the flag, who waits for it, and what proceeds when somebody looks at it.
//! - [`wait`]: how a thread waits for several events.
//! - [`here`]: what a thread needs for that, made at its first wait.

pub(crate) mod event;
mod here;
mod wait;

pub(crate) use event::Event;
pub(crate) use wait::{wait_all, wait_any};
