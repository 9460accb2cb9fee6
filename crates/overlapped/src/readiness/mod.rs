//! Readiness, the older half of the socket interface: a plain socket, and three ways to learn what
//! it is ready for.
//!
//! - [`Socket`]: a socket whose calls do not block, and its name, [`SocketId`].
//! - [`select()`]: waits for [`SocketSet`]s by their state.
//! - [`Socket::select_events`]: network events, recorded for each socket, set an event object of
//!   [`notify`](crate::notify); [`Socket::enumerate_network_events`] takes the [`NetworkRecord`].
//! - [`Socket::select_messages`]: network events as [`Message`]s in the queue of a
//!   [`MessageWindow`].
//!
//! Which events there are, and when each is reported again, is said at [`NetworkEvents`].
//!
//! The repository's `docs/readiness.md` says how each is made on each system, and what it costs. This
//! folder calls `notify` and the driver; only programs call it.
//!
//! # Platform
//! On Windows these are the system's own: `select`, `WSAEventSelect`, `WSAAsyncSelect` with a
//! message-only window. On Linux they are made of `poll` and `epoll`, without hidden threads.

#[cfg(target_os = "linux")]
mod linux;
mod message_window;
mod network_events;
pub(crate) mod select;
mod socket;
mod socket_set;
#[cfg(windows)]
mod windows;

pub use message_window::{Message, MessagePoster, MessageWindow};
pub use network_events::{NetworkEvents, NetworkRecord};
pub use select::select;
pub use socket::{Socket, SocketId};
pub use socket_set::SocketSet;

/// What sockets, selects and windows are made of on this system.
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;
