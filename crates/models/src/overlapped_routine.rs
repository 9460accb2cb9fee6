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
//! As long as routines make others due the sleep does not return (M133), so nothing is left to be
//! done after it but what can wait. A connection is handed over by a queued routine, so it waits for
//! no period (M134), and since routines run in the order in which they became due, connections that
//! are always ready do not keep it waiting. The stop comes in the same way.
//!
//! On Linux the thread performs the operations itself, in its alertable sleep, and the system tells
//! it edge by edge which sockets are ready: the sleep costs one system call for many of them.

use crate::handler::Handler;
use crate::model::{Limits, Model, Server};
use crate::parts::Common;
use crate::parts::conversation::Desk;
use crate::parts::doorkeeper::Doorkeeper;
use crate::parts::exchange::{Exchange, Then};
use crate::parts::patience::Rounds;
use crate::parts::running::{Running, Staff};
use crate::parts::stay::Share;
use crate::parts::tally::OnDuty;
use overlapped_notify::{RoutineThread, Stream, sleep_alertable};
use overlapped_serving::Failure;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

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
        // The rest of a start that fails ends it again.
        let staff = OneThread { thread: start_thread(&common)?, doorkeeper: None };
        let mut running = Running::new(Arc::clone(&common), staff);
        let (thread, serving) = (running.staff.thread.clone(), Arc::clone(&common));
        running.staff.doorkeeper = Some(Doorkeeper::start(listener, &common, move |stream| {
            match Stream::try_from(stream) {
                Ok(stream) => {
                    let exchange = Exchange::new(&serving, stream);
                    // A connection that finds no thread is dropped, and counted as that.
                    let _ = thread.queue(move || in_room(|room| room.welcome(exchange)));
                }
                Err(error) => serving.connections.failed(Failure::of(&error)),
            }
        })?);
        Ok(Box::new(running))
    }
}

/// The thread for all connections, and the one that accepts.
struct OneThread {
    thread: RoutineThread,
    doorkeeper: Option<Doorkeeper>,
}

impl Staff for OneThread {
    fn close_door(&mut self) {
        self.doorkeeper.iter_mut().for_each(Doorkeeper::dismiss);
    }

    fn hurry(&self) {
        // Refused only when the thread has ended.
        let _ = self.thread.queue(|| in_room(Room::finish));
    }

    fn describe(&self) -> String {
        "overlapped operations with completion routines, all on one thread".into()
    }
}

/// Starts the thread, and gives its name as soon as routines can be queued to it.
fn start_thread(common: &Arc<Common<Share<Stream>>>) -> io::Result<RoutineThread> {
    let (tell, told) = sync_channel(1);
    let (common, on_duty) = (Arc::clone(common), common.tally.enlist());
    std::thread::Builder::new().name("routines".into()).spawn(move || {
        let room = Room::new(&common, &on_duty);
        ROOM.with(|place| place.replace(Some(Rc::clone(&room))));
        let _ = tell.send(RoutineThread::current());
        while !room.is_done() {
            let until_round = room.rounds.borrow().wait();
            sleep_alertable(until_round);
            room.look_after();
        }
        // The routines that are left are dropped with the thread.
        ROOM.with(RefCell::take);
    })?;
    told.recv().map_err(|_| io::Error::other("a thread ended while it began"))?
}

thread_local! {
    /// Where queued routines find the connections of their thread.
    static ROOM: RefCell<Option<Rc<Room>>> = const { RefCell::new(None) };
}

/// What a queued routine does.
fn in_room(act: impl FnOnce(&Rc<Room>)) {
    let room = ROOM.with(|place| place.borrow().clone());
    if let Some(room) = room {
        act(&room);
    }
}

/// What the routines of the thread share.
struct Room {
    desk: Desk,
    buffer_size: usize,
    rounds: RefCell<Rounds>,
    connections: RefCell<HashMap<u64, Rc<Connection>>>,
    next: Cell<u64>,
    is_stopping: Cell<bool>,
}

struct Connection {
    number: u64,
    exchange: RefCell<Exchange>,
    is_sending: Cell<bool>,
}

impl Room {
    fn new(common: &Common<Share<Stream>>, on_duty: &OnDuty) -> Rc<Self> {
        let desk = Desk::new(common, on_duty.meter());
        Rc::new(Self {
            rounds: RefCell::new(desk.terms.rounds()),
            desk,
            buffer_size: common.limits.buffer_size.max(1),
            connections: RefCell::default(),
            next: Cell::new(0),
            is_stopping: Cell::new(false),
        })
    }

    fn is_done(&self) -> bool {
        self.is_stopping.get() && self.connections.borrow().is_empty()
    }

    /// Starts the first receive of a connection.
    fn welcome(self: &Rc<Self>, exchange: Exchange) {
        let number = self.next.get();
        self.next.set(number + 1);
        let exchange = RefCell::new(exchange);
        let connection = Rc::new(Connection { number, exchange, is_sending: Cell::new(false) });
        self.connections.borrow_mut().insert(number, Rc::clone(&connection));
        self.advance(connection, Then::Receive(Vec::with_capacity(self.buffer_size)));
    }

    /// Starts what is next; its routine goes on from there.
    fn advance(self: &Rc<Self>, connection: Rc<Connection>, then: Then) {
        self.look_after();
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
        self.connections.borrow_mut().remove(&connection.number);
    }

    /// Ends who has been silent for too long, when that is to be looked at.
    fn look_after(&self) {
        let due = self.rounds.borrow_mut().due();
        if let Some(now) = due {
            self.each(|connection| {
                let is_sending = connection.is_sending.get();
                connection.exchange.borrow_mut().expire(&self.desk, now, is_sending)
            });
        }
    }

    /// The server is being stopped: who is not being sent to has a last look.
    fn finish(self: &Rc<Self>) {
        self.is_stopping.set(true);
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
