//! The event-select model: each socket has an event object, and a thread waits for up to 63 of them.
//!
//! ```text
//! wait for control event + 63 sockets' events -> which one -> enumerate -> receive, handler, send
//!      ^                                                                               |
//!      +-------------------------------------------------------------------------------+
//! ```
//!
//! A wait takes 64 events at the most (M91), and one of them is the thread's own, by which it learns
//! of new connections and of the stop (M98). So n connections need n / 63 threads, rounded up (M97).
//! That is the limit of this model: at 10,000 connections it has 159 threads, and the system's
//! scheduler chooses among them. A handler that blocks holds up the 62 others of its thread.
//!
//! The event says that something has happened, and not what: that is in the socket's record.
//! Enumerating takes the record and resets the event in one step, so nothing is lost between the two
//! (M85). A wait tells of the lowest event that is set, so a busy client could hide those behind it:
//! the thread turns its array by what was served last (M95). What is told once is told again after
//! the call that enables it (M57): a receive, or a send that found no room.
//!
//! A message costs a wait, an enumeration, a receive and a send.
//!
//! On Windows each event is a handle of the system, and each of these is a system call. On Linux a
//! wait is one `poll` of what its sockets wait for, the record and the events are in memory, and
//! several that have become ready together cost one `poll`.
//!
//! - [`thread`] is a thread that waits; this file starts and stops it.

mod thread;

use crate::handler::Handler;
use crate::model::{Limits, Model, Server};
use crate::parts::Common;
use crate::parts::crew::Crew;
use crate::parts::crewed::Crewed;
use crate::parts::guest::Guest;
use crate::parts::running::Running;
use crate::parts::socket::accepted;
use crate::parts::stay::Share;
use overlapped_notify::{Socket, WAIT_MAX};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use thread::Waits;

/// How many connections a thread has: the others of the events that one wait takes is its own.
const PLACES: usize = WAIT_MAX - 1;

/// A thread for every 63 connections, each with an event object.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventSelect;

impl Model for EventSelect {
    fn name(&self) -> &'static str {
        "event-select"
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        let common = Arc::new(Common::new(handler, limits));
        let crew = Crew::new(Waits(Arc::clone(&common)), PLACES, "event-select", &common.tally);
        let welcome =
            |common: &Arc<Common<Share<Socket>>>, stream| Ok(Guest::new(common, accepted(stream)?));
        let words = |threads| {
            format!(
                "an event object for each connection, a thread for every {PLACES} of them (now \
                 {threads}) and one that accepts"
            )
        };
        let staff = Crewed::start(listener, &common, crew, welcome, words)?;
        Ok(Box::new(Running::new(common, staff)))
    }
}
