//! Events, operations and routines on Linux, without hidden threads.
//!
//! - [`event`]: the flag, who waits for it, and what proceeds when somebody looks at it.
//! - [`wait`]: how a thread waits for several events, or for its routines alone.
//! - [`operation`]: the operations of one socket, and who performs them.
//! - [`home`]: the set of sockets that a thread with routines looks after.
//! - [`here`]: what belongs to the calling thread, made when it is first used.
//!
//! Locks are taken in this order: the lanes of a socket, then an event, a thread's queue or the
//! sockets of a home.

pub(crate) mod event;
mod here;
mod home;
mod operation;
mod wait;

pub(crate) use event::Event;
pub(crate) use here::Waker;
pub(crate) use home::look;
pub(crate) use operation::{Handle, Pending};
pub(crate) use wait::{sleep_alertable, wait_all, wait_any};
