//! The ways to learn of input and output that are older than the completion port. Each one is a file
//! of its own:
//!
//! | model | what a program does | items |
//! |---|---|---|
//! | select | asks for the state of many sockets | [`select()`], [`SocketSet`], [`Socket`] |
//! | network events | has events of a socket recorded, and waits for an event object | [`Socket::select_events`], [`NetworkEvents`], [`NetworkRecord`] |
//! | messages | takes network events out of the queue of a window | [`Socket::select_messages`], [`MessageWindow`] |
//! | overlapped operations with events | starts operations, and waits for the events that their ends set | [`Stream`], [`Listener`], [`Overlapped`], [`EventObject`], [`wait_any`] |
//! | completion routines | starts operations, and has routines run in alertable waits | [`Stream::receive_then`], [`sleep_alertable`], [`RoutineThread`] |
//!
//! The first three tell what a socket is *ready* for, and the program makes the calls on it
//! ([`Socket`]). The last two tell that an operation has *ended*, which was started before and which
//! owns its buffer meanwhile ([`Stream`], [`Listener`]).
//!
//! None of these handles belongs to a port. For many connections on several processors the
//! completion port of the crate `overlapped` is better in every respect except one: these handles
//! need no port.
//!
//! ```
//! use overlapped_notify::{EventObject, Stream, Waited, wait_any};
//! use std::io::Write;
//!
//! # fn main() -> std::io::Result<()> {
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
//! let stream = Stream::try_from(listener.accept()?.0)?;
//! let event = EventObject::manual_reset()?;
//! let receive = stream.receive(Vec::with_capacity(64), &event)?;
//! peer.write_all(b"ping")?;
//! assert_eq!(wait_any(&[&event], None, false)?, Waited::Signaled(0));
//! assert_eq!(receive.result().buffer, b"ping");
//! # Ok(())
//! # }
//! ```
//!
//! # Buffers
//! A receive fills a `Vec<u8>` from its start, up to its capacity, and never makes it larger. A send
//! sends what the vector holds. Both give it back.
//!
//! # Platform
//! On Windows all of this is the system's own: `WSAEventSelect`, `WSAAsyncSelect` with a message-only
//! window, `select`, overlapped operations with events and routines. On Linux it is made of `poll`
//! and `epoll`, with one wake-up descriptor for each thread that waits, and without hidden threads.
//! What is notified through an event proceeds while somebody waits for that event or looks at it.
//!
//! In the repository, `docs/notification.md` and `docs/readiness.md` say how each is made on each
//! system and what it costs. `docs/contract.md` lists what the crate promises, and the test that
//! checks each promise.
#![deny(unsafe_code)]

mod completed;
mod event;
mod listener;
mod lock;
mod message_window;
mod network_events;
mod operation;
mod overlapped;
mod platform;
mod routine;
mod select;
mod socket;
mod socket_set;
mod stream;
mod sys;
mod wait;

pub use completed::{Accepted, Completed, Received, Refused};
pub use event::EventObject;
pub use listener::Listener;
pub use message_window::{Message, MessagePoster, MessageWindow};
pub use network_events::{NetworkEvents, NetworkRecord};
pub use overlapped::Overlapped;
pub use routine::{RoutineThread, sleep_alertable};
pub use select::select;
pub use socket::{Socket, SocketId};
pub use socket_set::SocketSet;
pub use stream::Stream;
pub use wait::{WAIT_MAX, Waited, wait_all, wait_any};

/// What may go to other threads, on every system.
const _: fn() = || {
    fn goes_anywhere<T: Send + Sync>() {}
    goes_anywhere::<EventObject>();
    goes_anywhere::<Stream>();
    goes_anywhere::<Listener>();
    goes_anywhere::<Socket>();
    goes_anywhere::<MessagePoster>();
    goes_anywhere::<RoutineThread>();
    goes_anywhere::<Overlapped<Vec<u8>, Received>>();
    goes_anywhere::<Overlapped<(), Accepted>>();
};
