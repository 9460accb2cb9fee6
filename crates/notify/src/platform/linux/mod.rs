//! The models on Linux, without hidden threads.
//!
//! Events, operations and routines:
//! - [`event`]: the flag, who waits for it, and what proceeds when somebody looks at it.
//! - [`wait`]: how a thread waits for several events, or for its routines alone.
//! - [`handle`]: one socket and its two operation queues, and who performs the operations.
//! - [`attempt`]: what performing one means; [`started`]: how it is notified and its result taken.
//! - [`routine_sockets`]: the set of sockets that a thread with routines looks after.
//! - [`this_thread`]: what belongs to the calling thread, made when it is first used.
//!
//! Readiness:
//! - [`record`]: when a network event is recorded; knows no system call.
//! - [`socket`]: one socket and the calls on it; [`reporting`]: to whom it reports.
//! - [`window`]: the queue of messages and who fills it.
//! - [`select`]: what `poll` says, in the words of a select.
//!
//! Locks are taken in this order: the operation queues of a handle, or a listener and the socket it
//! accepted; then an event, the routines that a thread has due, the sockets of a thread or window, or
//! the messages of a window. None of the latter is held while anything else is called.

mod attempt;
mod event;
mod handle;
mod record;
mod reporting;
mod routine_sockets;
mod select;
mod socket;
mod started;
mod this_thread;
mod wait;
mod window;

pub(crate) use event::Event;
pub(crate) use handle::Handle;
pub(crate) use routine_sockets::look;
pub(crate) use select::select;
pub(crate) use socket::Socket;
pub(crate) use started::Pending;
pub(crate) use this_thread::Waker;
pub(crate) use wait::{sleep_alertable, wait_all, wait_any};
pub(crate) use window::Window;
