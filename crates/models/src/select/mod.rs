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
//! the [`bell`], a socket that becomes readable when it is rung.
//!
//! On Windows a set is an array of sockets; on Linux the call is a `poll`, which has no limit on the
//! number of a descriptor either.
//!
//! - [`thread`] is a thread that selects; this file starts and stops it.

mod bell;
mod thread;

use crate::failure::Failure;
use crate::handler::Handler;
use crate::model::{Limits, Model, Server, Status, Stopped};
use crate::parts::Common;
use crate::parts::crew::Crew;
use crate::parts::door::Door;
use crate::parts::doorkeeper::Doorkeeper;
use crate::parts::guest::Guest;
use crate::parts::socket::{listening, set_options};
use crate::parts::stop::stop;
use bell::Bell;
use overlapped::readiness::Socket;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use thread::{OneThread, Selects};

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
        let staff = match limits.set_size {
            0 => Staff::one(&common, listener)?,
            size => Staff::several(&common, listener, size)?,
        };
        Ok(Box::new(Running { common, staff, ended: false }))
    }
}

struct Running {
    common: Arc<Common<Socket>>,
    staff: Staff,
    ended: bool,
}

/// Who does the work.
enum Staff {
    /// One thread, which accepts, too.
    One { door: Arc<Door<Socket>>, bell: Arc<Bell> },
    /// One thread that accepts, and one for so many connections.
    Several { doorkeeper: Doorkeeper, crew: Arc<Crew<Selects>> },
}

impl Staff {
    fn one(common: &Arc<Common<Socket>>, listener: TcpListener) -> io::Result<Self> {
        let (door, bell) = (Arc::new(Door::new(listening(listener)?)), Arc::new(Bell::new()?));
        let on_duty = common.tally.enlist();
        let thread = OneThread::new(common, Arc::clone(&door), Arc::clone(&bell), on_duty);
        std::thread::Builder::new().name("select".into()).spawn(move || thread.run())?;
        Ok(Self::One { door, bell })
    }

    fn several(
        common: &Arc<Common<Socket>>,
        listener: TcpListener,
        size: usize,
    ) -> io::Result<Self> {
        let duty = Selects(Arc::clone(common));
        let crew = Crew::new(duty, size, "select", &common.tally);
        crew.start_first()?;
        let (serving, hands_over_to) = (Arc::clone(common), Arc::clone(&crew));
        let doorkeeper = Doorkeeper::start(
            listener,
            &common.tally,
            common,
            |common| &common.register,
            move |stream| {
                let socket = match Socket::try_from(stream) {
                    Ok(socket) => socket,
                    Err(error) => return serving.register.failed(Failure::of(&error)),
                };
                set_options(&socket);
                // When there is no thread for it, it is dropped and counted, and the others are
                // served on.
                let _ = hands_over_to.hand_over(Guest::new(&serving, socket));
            },
        )
        .inspect_err(|_| crew.close())?;
        Ok(Self::Several { doorkeeper, crew })
    }
}

impl Running {
    fn end(&mut self, deadline: Duration) -> Stopped {
        self.ended = true;
        match &mut self.staff {
            Staff::One { door, bell } => {
                // Rung first, too: the thread holds the door open while it selects.
                let close = || {
                    bell.ring();
                    door.close();
                };
                stop(&self.common, deadline, close, || bell.ring())
            }
            Staff::Several { doorkeeper, crew } => {
                stop(&self.common, deadline, || doorkeeper.dismiss(), || crew.close())
            }
        }
    }
}

impl Server for Running {
    fn status(&self) -> Status {
        self.common.status()
    }

    fn stop(mut self: Box<Self>, deadline: Duration) -> Stopped {
        self.end(deadline)
    }

    fn describe(&self) -> String {
        match &self.staff {
            Staff::One { .. } => "select, one thread with sets as large as needed".into(),
            Staff::Several { crew, .. } => format!(
                "select, a thread for every {} connections (now {}) and one that accepts",
                self.common.limits.set_size,
                crew.threads()
            ),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Duration::ZERO);
        }
    }
}
