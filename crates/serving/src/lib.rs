//! What servers share, most of all those on one completion port.
//!
//! - [`Connections`] is the list of all that are open, so that a sweep and a stop reach those on
//!   which nothing happens, and counts how they come and how they end. It holds a [`Handle`] of
//!   each, whose key is [`Listed`] and keeps its place.
//! - [`workers`] starts the threads of a server, which are the library's, has the list know of what a
//!   panic ended, and stops them with the connections. It calls the list.
//! - [`Meters`] adds up what the threads count, each for itself. It knows nobody.
//! - [`Addresses`] counts connections by the address of the client, so that none has all of them.
//!   It knows nobody.
//! - [`CoarseClock`] counts in ticks what limits of time are measured in, and says which part of the
//!   list is to be looked at next.
//! - [`Errors`], [`Threads`] and [`Count`] are what is counted, and [`Failure`] is why a connection
//!   ended before its time. They know nobody.
//! - [`Notice`] tells a thread that waits to look again. The list and the meters call it.
//!
//! The completion port of `overlapped-models` and the servers of `overlapped-http-files` and
//! `overlapped-file-transfer` are made of it; the models without a port have the list and the
//! figures. It is no framework: the port, the protocol, what a packet means, how long a client may take
//! and how a stop begins stay with each server, which calls these and is never called, but for the
//! closures that it hands over.
#![forbid(unsafe_code)]

mod addresses;
mod clock;
mod connections;
mod failure;
mod figures;
mod meters;
mod notice;
pub mod workers;

pub use addresses::{Addresses, Place};
pub use clock::{CoarseClock, EXPIRED, IN_HAND, round_of};
pub use connections::{Connections, Handle, InHand, Listed, SHARDS, Watcher};
pub use failure::Failure;
pub use figures::{Count, Errors, Threads};
pub use meters::{Meter, Meters, OnDuty};
pub use notice::Notice;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what nobody panics with; one that was poisoned all the same is used on.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
