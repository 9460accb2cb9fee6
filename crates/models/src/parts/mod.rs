//! What several models share, each piece one idea. A model takes what it needs and adds who waits
//! for what, and how.
//!
//! - [`common`] is what all threads of a server share: the list of connections and its limit, the
//!   stop, the status. [`stay`] is a connection's time on the list.
//! - [`tally`] is what the threads count, and how many there are.
//! - [`doorkeeper`] is a thread that accepts; [`crew`] are threads that each serve a bounded number
//!   of connections; [`crewed`] has the one hand over to the others.
//! - [`door`] is for a model whose only thread accepts beside its other work.
//! - [`conversation`] is one connection on a socket that does not block; [`patience`] its deadlines;
//!   [`guest`] such a connection with its stay on the list.
//! - [`socket`] has the library's plain socket do what these ask of one.
//! - [`exchange`] is one connection with overlapped operations.
//! - [`observing`] is what an observer is told of connections that come and go.
//! - [`running`] is the server as whoever started it has it, and its stop in phases.
//!
//! The list itself, and what is counted with it, is that of `overlapped-serving`. `completion_port`
//! takes [`common`], [`tally`] and the doorkeeper; its threads are those that servers on one port
//! share.
//!
//! A message costs no lock and no allocation here, unless its echo does not fit into the system's
//! buffer. A connection costs the lock of a shard of the list twice.

pub(crate) mod common;
pub(crate) mod conversation;
pub(crate) mod crew;
pub(crate) mod crewed;
pub(crate) mod door;
pub(crate) mod doorkeeper;
pub(crate) mod exchange;
pub(crate) mod guest;
pub(crate) mod observing;
pub(crate) mod patience;
pub(crate) mod running;
pub(crate) mod socket;
pub(crate) mod stay;
pub(crate) mod tally;

pub(crate) use common::Common;
