//! The overlapped model with completion routines: one thread starts every operation, and the system
//! queues the routine of each that has ended to it. The thread does nothing but sleep alertably, and
//! its routines start the next operations.
//!
//! ```text
//! sleep alertably -> receive's routine -> handler -> send -> send's routine -> receive -> ...
//! ```
//!
//! There is no bound of 64, and no list of what is waited for. Its limit is that only the thread
//! that started an operation can be given its end (M130): one thread serves everybody, and a handler
//! that blocks holds up everybody. A second thread would help only with connections of its own.
//!
//! A connection that is handed over comes with a queued routine, so it waits for no period (M134);
//! and since routines run in the order in which they became due, a connection that is always ready
//! does not keep it waiting (M133).
//!
//! On Linux the thread performs the operations itself, in its alertable sleep, and the system tells
//! it edge by edge which sockets are ready: the sleep costs one system call for many of them.

use crate::failure::Failure;
use crate::handler::Handler;
use crate::model::{Limits, Model, Server, Status, Stopped};
use crate::parts::Common;
use crate::parts::conversation::Desk;
use crate::parts::crew::{Crew, Duty, Seat, Wake};
use crate::parts::doorkeeper::Doorkeeper;
use crate::parts::exchange::{Exchange, Then};
use crate::parts::stop::stop;
use overlapped::Buffer;
use overlapped::notify::{RoutineThread, Stream, sleep_alertable};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One thread for all connections, to which routines are queued.
#[derive(Debug, Clone, Copy, Default)]
pub struct OverlappedRoutine;

impl Model for OverlappedRoutine {
    fn name(&self) -> &'static str {
        "overlapped-routine"
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        let common = Arc::new(Common::new(handler, limits));
        let sleeps = Sleeps { common: Arc::clone(&common) };
        // A thread has room for all.
        let crew = Crew::new(sleeps, usize::MAX, "routines", &common.tally);
        // The rest of a start that fails ends it again.
        let mut running = Running { common, crew, doorkeeper: None, ended: false };
        running.crew.start_first()?;
        let (crew, serving) = (Arc::clone(&running.crew), Arc::clone(&running.common));
        running.doorkeeper = Some(Doorkeeper::start(
            listener,
            &running.common.tally,
            &running.common,
            |common| &common.register,
            move |stream| match Stream::try_from(stream) {
                // A connection that finds no thread is dropped, and counted as that.
                Ok(stream) => drop(crew.hand_over(Exchange::new(&serving, stream))),
                Err(error) => serving.register.failed(Failure::of(&error)),
            },
        )?);
        Ok(Box::new(running))
    }
}

struct Running {
    common: Arc<Common<Stream>>,
    crew: Arc<Crew<Sleeps>>,
    doorkeeper: Option<Doorkeeper>,
    ended: bool,
}

impl Running {
    fn end(&mut self, deadline: Duration) -> Stopped {
        self.ended = true;
        let Self { common, crew, doorkeeper, .. } = self;
        stop(
            common,
            deadline,
            || doorkeeper.iter_mut().for_each(Doorkeeper::dismiss),
            || crew.close(),
        )
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
        "overlapped operations with completion routines, all on one thread".into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Duration::ZERO);
        }
    }
}

/// What the thread does.
struct Sleeps {
    common: Arc<Common<Stream>>,
}

impl Wake for RoutineThread {
    fn wake(&self) {
        // A thread that has ended looks no more, and nothing is handed to it.
        let _ = self.queue(|| ());
    }
}

impl Duty for Sleeps {
    type Connection = Exchange;
    type Waker = RoutineThread;
    type Own = ();

    fn begin(&self) -> io::Result<((), RoutineThread)> {
        RoutineThread::current().map(|thread| ((), thread))
    }

    fn serve(&self, (): (), seat: &Seat<Self>) {
        let desk = Desk::new(&self.common, seat.meter());
        let mut rounds = desk.terms.rounds();
        let room = Rc::new(Room {
            desk,
            connections: RefCell::default(),
            next: Cell::new(0),
            gone: Cell::new(0),
        });
        loop {
            sleep_alertable(rounds.wait());
            for exchange in seat.arrivals() {
                let buffer = Buffer::with_capacity(self.common.limits.buffer_size.max(1));
                room.welcome(exchange, buffer);
            }
            if self.common.is_stopping() {
                room.finish();
            }
            if let Some(now) = rounds.due() {
                room.each(|connection| {
                    let is_sending = connection.is_sending.get();
                    connection.exchange.borrow_mut().expire(&room.desk, now, is_sending)
                });
            }
            let gone = room.gone.take();
            if gone > 0 {
                seat.vacate(gone);
            }
            if room.connections.borrow().is_empty() && seat.may_end() {
                return;
            }
        }
    }
}

/// What the routines of the thread share.
struct Room {
    desk: Desk,
    connections: RefCell<HashMap<u64, Rc<Connection>>>,
    next: Cell<u64>,
    /// How many connections have ended since that was last asked.
    gone: Cell<usize>,
}

struct Connection {
    number: u64,
    exchange: RefCell<Exchange>,
    is_sending: Cell<bool>,
}

impl Room {
    /// Starts the first receive of a connection.
    fn welcome(self: &Rc<Self>, exchange: Exchange, buffer: Buffer) {
        let number = self.next.get();
        self.next.set(number + 1);
        let exchange = RefCell::new(exchange);
        let connection = Rc::new(Connection { number, exchange, is_sending: Cell::new(false) });
        self.connections.borrow_mut().insert(number, Rc::clone(&connection));
        self.advance(connection, Then::Receive(buffer));
    }

    /// Starts what is next; its routine goes on from there.
    fn advance(self: &Rc<Self>, connection: Rc<Connection>, then: Then) {
        let stream = connection.exchange.borrow().stream().clone();
        let is_finishing = connection.exchange.borrow().is_finishing();
        connection.is_sending.set(matches!(then, Then::Send(_)));
        let (room, its) = (Rc::clone(self), Rc::clone(&connection));
        let started = match then {
            Then::Ended => return self.forget(&connection),
            Then::Receive(buffer) => stream.receive_then(buffer, move |done| {
                let then = its.exchange.borrow_mut().received(done, &room.desk);
                room.advance(its, then);
            }),
            Then::Send(buffer) => stream.send_then(buffer, move |done| {
                let then = its.exchange.borrow_mut().sent(done, &room.desk);
                room.advance(its, then);
            }),
        };
        match started.map_err(io::Error::from) {
            Err(error) => {
                connection.exchange.borrow_mut().failed(&error);
                self.forget(&connection);
            }
            // The last look: it ends with what is there, or as aborted.
            Ok(()) if is_finishing && !connection.is_sending.get() => stream.cancel_all(),
            Ok(()) => {}
        }
    }

    fn forget(&self, connection: &Connection) {
        if self.connections.borrow_mut().remove(&connection.number).is_some() {
            self.gone.set(self.gone.get() + 1);
        }
    }

    /// The server is being stopped: who is not being sent to has a last look.
    fn finish(&self) {
        self.each(|connection| {
            connection.exchange.borrow_mut().finish();
            !connection.is_sending.get()
        });
    }

    /// Cancels what is in flight of the connections for which that is asked; their routines say how
    /// they go on.
    fn each(&self, cancels: impl Fn(&Connection) -> bool) {
        for connection in self.connections.borrow().values() {
            if cancels(connection) {
                let stream = connection.exchange.borrow().stream().clone();
                stream.cancel_all();
            }
        }
    }
}
