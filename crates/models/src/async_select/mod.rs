//! The async-select model: network events come as messages to a window, and its one thread takes
//! them and serves.
//!
//! ```text
//! next message -> ACCEPT: accept
//!      ^          READ:   receive, handler, send
//!      |          WRITE:  send the rest
//!      |          CLOSE:  receive to the end
//!      +---------------------+
//! ```
//!
//! One window serves any number of sockets (E62), so this is one thread without the 64 of the other
//! mechanisms. Its limits are the thread (a handler that blocks holds up everybody) and, on Windows,
//! the queue: 10,000 messages, beyond which notices are lost (M70).
//!
//! Each event is posted once, until the call that enables it again (M57). A receive does that for
//! `READ`, and data that is left is told of again at once. So there is exactly one receive for each
//! message: a second one would have a second message posted, and a client that floods the server
//! would fill the queue with them (M61), where it now has its turn like the others. `WRITE` comes when a connection
//! begins and then only after a send that found no room (M58, M59), so whether a connection waits
//! for room is its own state and not the message's. `CLOSE` may overtake data, which is received
//! first (M64). An error that comes with a message concerns its connection, and the next call on it
//! says the same (E13); what fails with "would block" is no error (E14).
//!
//! Accepted sockets report like their listener (M56), so a connection costs no further call. A
//! message of work costs the taking, a receive and a send.
//!
//! The handler is called between two messages, and never takes messages itself: nothing is served
//! within something else (M71, E11).
//!
//! On Windows the window is a message-only one, and the messages are the system's. On Linux it is a
//! queue over one `epoll` in which each socket is registered once.
//!
//! - [`thread`] is the window's thread; this file starts and stops it.

mod thread;

use crate::handler::Handler;
use crate::model::{Limits, Model, Server};
use crate::parts::Common;
use crate::parts::door::Door;
use crate::parts::running::{Running, Staff};
use crate::parts::socket::listening;
use overlapped_notify::{MessagePoster, Socket};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use thread::{LOOK_AROUND, WindowThread};

/// One thread with a window that is told of everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsyncSelect;

impl Model for AsyncSelect {
    fn name(&self) -> &'static str {
        "async-select"
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        let common = Arc::new(Common::new(handler, limits));
        let door = Arc::new(Door::new(listening(listener)?));
        let (tell, told) = sync_channel(1);
        let (serving, on_duty) = (Arc::clone(&common), common.tally.enlist());
        let own_door = Arc::clone(&door);
        // The window belongs to the thread that makes it (M68).
        std::thread::Builder::new().name("async-select".into()).spawn(move || {
            match WindowThread::new(&serving, own_door, on_duty) {
                Ok(thread) => {
                    let _ = tell.send(Ok(thread.poster()));
                    thread.run();
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            }
        })?;
        let began = told.recv();
        let poster = began.map_err(|_| io::Error::other("the thread ended while it began"))??;
        Ok(Box::new(Running::new(common, OneWindow { door, poster })))
    }
}

/// The window's thread, which accepts, too.
struct OneWindow {
    door: Arc<Door<Socket>>,
    poster: MessagePoster,
}

impl Staff for OneWindow {
    fn close_door(&mut self) {
        self.door.close();
    }

    fn hurry(&self) {
        // Refused only when the window is gone, and its thread with it.
        let _ = self.poster.post(LOOK_AROUND, 0);
    }

    fn describe(&self) -> String {
        "network events as messages to one window, and one thread".into()
    }
}
