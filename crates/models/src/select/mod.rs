//! The select model: one thread asks the system which sockets are ready, and serves those.
//!
//! ```text
//! all sockets -> read set, write set -> select -> those that are ready -> receive, handler, send
//!      ^                                                                          |
//!      +--------------------------------------------------------------------------+
//! ```
//!
//! The sets are made anew for each call, since the call leaves in them only what is ready (M35), and
//! the system looks at every socket in them: a call costs as much as there are connections, however
//! few are ready. That is the limit of this model, together with its thread: a handler that blocks
//! holds up everybody whom the thread serves. What it does not cost is a call for each ready socket
//! that says so: one select tells of all, so it is at its best when most are busy.
//!
//! The 64 of `FD_SETSIZE` limit one set as it is declared by default, and neither the sockets nor
//! the call (M31, M32): the sets here are as large as needed. With [`Limits::set_size`] a thread
//! serves only so many, and the next ones go to another thread; a thread of its own accepts then.
//!
//! A set must hold a socket (M30), and another thread must be able to end the call. Both is done by
//! the [`wakeup`], a socket that becomes readable when it is set.
//!
//! On Windows a set is an array of sockets; on Linux the call is a `poll`, which has no limit on the
//! number of a descriptor either.
//!
//! - [`thread`] is a thread that selects; this file starts and stops it.

mod thread;
mod wakeup;

use crate::handler::Handler;
use crate::model::{Limits, Model, Server};
use crate::parts::Common;
use crate::parts::crew::Crew;
use crate::parts::crewed::Crewed;
use crate::parts::door::Door;
use crate::parts::guest::Guest;
use crate::parts::running::{Running, Staff};
use crate::parts::socket::{accepted, listening};
use crate::parts::stay::Share;
use overlapped_notify::Socket;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use thread::{OneThread, Selects};
use wakeup::Wakeup;

/// Threads that ask which sockets are ready; one, unless the limits say otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Select;

impl Model for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        let common = Arc::new(Common::new(handler, limits));
        Ok(match limits.set_size {
            0 => {
                let staff = One::start(&common, listener)?;
                Box::new(Running::new(common, staff))
            }
            size => {
                let staff = several(&common, listener, size)?;
                Box::new(Running::new(common, staff))
            }
        })
    }
}

/// One thread, which accepts, too.
struct One {
    door: Arc<Door<Socket>>,
    wakeup: Arc<Wakeup>,
}

impl One {
    fn start(common: &Arc<Common<Share<Socket>>>, listener: TcpListener) -> io::Result<Self> {
        let (door, wakeup) = (Arc::new(Door::new(listening(listener)?)), Arc::new(Wakeup::new()?));
        let on_duty = common.tally.enlist();
        let thread = OneThread::new(common, Arc::clone(&door), Arc::clone(&wakeup), on_duty);
        std::thread::Builder::new().name("select".into()).spawn(move || thread.run())?;
        Ok(Self { door, wakeup })
    }
}

impl Staff for One {
    fn close_door(&mut self) {
        // Set first, too: the thread holds the door open while it selects.
        self.wakeup.set();
        self.door.close();
    }

    fn hurry(&self) {
        self.wakeup.set();
    }

    fn describe(&self) -> String {
        "select, one thread with sets as large as needed".into()
    }
}

/// One thread that accepts, and one for `size` connections.
fn several(
    common: &Arc<Common<Share<Socket>>>,
    listener: TcpListener,
    size: usize,
) -> io::Result<Crewed<Selects>> {
    let crew = Crew::new(Selects(Arc::clone(common)), size, "select", &common.tally);
    let welcome =
        |common: &Arc<Common<Share<Socket>>>, stream| Ok(Guest::new(common, accepted(stream)?));
    let words = move |threads| {
        format!(
            "select, a thread for every {size} connections (now {threads}) and one that accepts"
        )
    };
    Crewed::start(listener, common, crew, welcome, words)
}
