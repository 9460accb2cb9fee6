//! Connections: everything that one has between its socket and its packets, whatever the operations are.
//!
//! Read from the bottom up:
//!
//! - [`operation`] is what an operation has to be able to do, and how it is held while it is in
//!   flight. The operations themselves are in [`crate::op`].
//! - [`queue`] is one direction of a socket: its operations in the order of their starts.
//! - [`connection`] is what is known of one socket, under one lock; [`refusals`] says which call is
//!   refused in which state; [`table`] finds it by its token.
//! - [`connections`] are all those of a port, with what they share: the scheduler that takes their
//!   packets, timers, buffers.
//! - [`handle`] is a share in one connection: it starts operations. [`locked`] is a connection whose
//!   lock is held: it goes on with them. [`delivery`] is where their packets go.
//! - [`ending`] is cancel and close; [`reuse`] one connection after another behind one handle;
//!   [`accept_window`] the accepts that a listener keeps posted; [`silent`] the connections whose first
//!   data is awaited.
//! - [`limits`] are limits of time: of operations, of idleness, of a rate.
//! - [`facts`] are the peer and the age of a connection, in few bytes.
//! - [`in_place`] is which operations may give their result to the one who starts them.
//! - [`rare`] is what few connections have.
//! - [`standstill`] is what is asked of all connections together, by who runs the threads of a server.
//! - [`platform`] is what differs where the kernel carries the operations itself.
//! - [`sockets`] belong to no port yet or, by [`leaving`], no more; `simulated` makes those of a
//!   simulated network, [`standard`] those of the standard library.
//! - [`timers`] is what is due at a time, which lies in a [`wheel`].
//!
//! An operation in flight holds its handle and gives it back with its packet. When the last handle
//! is dropped, nothing can be in flight, and the socket is closed.

pub(crate) mod accept_window;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod delivery;
pub(crate) mod discard;
mod ending;
pub(crate) mod facts;
pub(crate) mod handle;
pub(crate) mod in_place;
mod leaving;
pub(crate) mod limits;
pub(crate) mod locked;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod operation;
pub(crate) mod platform;
mod queue;
pub(crate) mod rare;
mod refusals;
pub(crate) mod reuse;
pub(crate) mod silent;
#[cfg(feature = "simulated")]
mod simulated;
pub(crate) mod sockets;
mod standard;
pub(crate) mod standstill;
mod table;
pub(crate) mod timers;
mod wheel;
