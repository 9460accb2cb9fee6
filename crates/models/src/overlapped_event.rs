//! The overlapped model with events: each connection has one operation in flight and an event that
//! its end sets, and threads wait for up to 64 events at once.
//!
//! A thread's first event is its own: it says that a connection was handed over, or that the server
//! stops (M98). So a thread has at most 63 connections, and n connections take n / 63 threads
//! (M115); a client that finds all full gets a new thread (F53). Which of several connections is
//! served first goes by the order of the events (M92); the thread begins each wait with the
//! connection after the one that it served last, so that a busy one does not hide the others (M95).
//!
//! Its limit is those threads, and that every wait names all events of its thread. A handler that
//! blocks holds up the 62 other connections of its thread.
//!
//! An operation that succeeds at once is answered at once, up to a few times in a row, and its event
//! is not waited for (R82): the next start resets it (M110).
//!
//! On Windows the system performs the operations and sets the events. On Linux the waiting thread
//! performs what is ready, all of its connections in one look.

use crate::handler::Handler;
use crate::model::{Limits, Model, Server};
use crate::parts::Common;
use crate::parts::conversation::Desk;
use crate::parts::crew::{Crew, Duty, ThisThread, Wake};
use crate::parts::crewed::Crewed;
use crate::parts::exchange::{Exchange, Then};
use crate::parts::running::Running;
use crate::parts::stay::Share;
use overlapped_notify::{EventObject, Overlapped, Received, Stream, WAIT_MAX, Waited, wait_any};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// How many connections one thread has: as many as a wait takes events, less its own.
const PLACES: usize = WAIT_MAX - 1;

/// How many operations of one connection are answered in a row before others have their turn.
const TURN: usize = 8;

/// One thread per 63 connections, each with an event.
#[derive(Debug, Clone, Copy, Default)]
pub struct OverlappedEvent;

impl Model for OverlappedEvent {
    fn name(&self) -> &'static str {
        "overlapped-event"
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        let common = Arc::new(Common::new(handler, limits));
        let waits = Waits { common: Arc::clone(&common) };
        let crew = Crew::new(waits, PLACES, "events", &common.tally);
        let welcome = |common: &Arc<Common<Share<Stream>>>, stream| {
            Ok(Exchange::new(common, Stream::try_from(stream)?))
        };
        let words = |threads| {
            format!(
                "overlapped operations with an event each; a thread waits for {PLACES} connections, \
                 {threads} now"
            )
        };
        let staff = Crewed::start(listener, &common, crew, welcome, words)?;
        Ok(Box::new(Running::new(common, staff)))
    }
}

/// What the threads do.
struct Waits {
    common: Arc<Common<Share<Stream>>>,
}

/// A thread's own event.
struct Control(EventObject);

impl Wake for Control {
    fn wake(&self) {
        self.0.set();
    }
}

impl Duty for Waits {
    type Connection = Exchange;
    type Waker = Control;
    type Own = EventObject;

    fn begin(&self) -> io::Result<(EventObject, Control)> {
        let control = EventObject::auto_reset()?;
        Ok((control.clone(), Control(control)))
    }

    fn serve(&self, control: EventObject, thread: &ThisThread<Self>) {
        let desk = Desk::new(&self.common, thread.meter());
        let mut rounds = desk.terms.rounds();
        let mut connections: Vec<Connection> = Vec::new();
        let mut first = 0;
        loop {
            let before = connections.len();
            first = first.min(before);
            match wait(&control, &connections, first, rounds.wait()) {
                Some(Waited::Signaled(0)) => {
                    let mut gone = 0;
                    for exchange in thread.arrivals() {
                        match Connection::begin(exchange, &self.common.limits, &desk) {
                            Some(connection) => connections.push(connection),
                            None => gone += 1,
                        }
                    }
                    if self.common.is_stopping() {
                        // What has come is answered; a receive that finds nothing ends it.
                        gone += retain(&mut connections, |connection| connection.finish(&desk));
                    }
                    thread.vacate(gone);
                    if connections.is_empty() && thread.may_end() {
                        return;
                    }
                    continue;
                }
                Some(Waited::Signaled(index)) => {
                    let at = (first + index - 1) % before;
                    first = at + 1;
                    if !connections[at].go_on(&desk) {
                        connections.swap_remove(at);
                    }
                }
                Some(Waited::TimedOut | Waited::RoutinesRan) => {}
                // Descriptors or memory are short: they may not be in a while.
                None => std::thread::sleep(Duration::from_millis(5)),
            }
            if let Some(now) = rounds.due() {
                retain(&mut connections, |connection| {
                    !connection.exchange.expire(&desk, now, connection.is_sending())
                        || connection.conclude(&desk)
                });
            }
            if connections.len() < before {
                thread.vacate(before - connections.len());
                if connections.is_empty() && thread.may_end() {
                    return;
                }
            }
        }
    }
}

/// Waits for the thread's own event and for those of its connections, beginning with the one at
/// `first`. `None` is an error.
fn wait(
    control: &EventObject,
    connections: &[Connection],
    first: usize,
    timeout: Option<Duration>,
) -> Option<Waited> {
    let mut events = [control; WAIT_MAX];
    let (behind, ahead) = connections.split_at(first);
    for (event, connection) in events[1..].iter_mut().zip(ahead.iter().chain(behind)) {
        *event = &connection.event;
    }
    wait_any(&events[..=connections.len()], timeout, false).ok()
}

/// Keeps the connections that are to stay; gives how many went.
fn retain(connections: &mut Vec<Connection>, stays: impl FnMut(&mut Connection) -> bool) -> usize {
    let before = connections.len();
    connections.retain_mut(stays);
    before - connections.len()
}

/// A connection, its event and what it has in flight.
struct Connection {
    in_flight: Option<InFlight>,
    exchange: Exchange,
    event: EventObject,
}

enum InFlight {
    Receive(Overlapped<Vec<u8>, Received>),
    Send(Overlapped<Vec<u8>, ()>),
}

impl Connection {
    /// Starts the first receive; `None` when the connection has ended already.
    fn begin(exchange: Exchange, limits: &Limits, desk: &Desk) -> Option<Self> {
        let mut exchange = exchange;
        let event = match EventObject::manual_reset() {
            Ok(event) => event,
            Err(error) => {
                exchange.failed(&error);
                return None;
            }
        };
        let mut connection = Self { in_flight: None, exchange, event };
        let buffer = Vec::with_capacity(limits.buffer_size.max(1));
        connection.advance(Then::Receive(buffer), desk).then_some(connection)
    }

    fn is_sending(&self) -> bool {
        matches!(self.in_flight, Some(InFlight::Send(_)))
    }

    /// Its event was set. False when the connection has ended.
    fn go_on(&mut self, desk: &Desk) -> bool {
        let then = match self.in_flight.take() {
            Some(InFlight::Receive(receive)) => match receive.try_result() {
                Ok(done) => self.exchange.received(done, desk),
                Err(receive) => return self.keep(InFlight::Receive(receive)),
            },
            Some(InFlight::Send(send)) => match send.try_result() {
                Ok(done) => self.exchange.sent(done, desk),
                Err(send) => return self.keep(InFlight::Send(send)),
            },
            None => return false,
        };
        self.advance(then, desk)
    }

    /// Starts operations until one does not succeed at once, or it is the turn of others.
    fn advance(&mut self, then: Then, desk: &Desk) -> bool {
        let mut then = then;
        for turn in 0.. {
            let may_go_on = turn < TURN;
            then = match then {
                Then::Ended => return false,
                Then::Receive(buffer) => {
                    let started = self.exchange.stream().receive(buffer, &self.event);
                    match started.map_err(io::Error::from) {
                        Err(error) => self.exchange.failed(&error),
                        Ok(receive) => {
                            if self.exchange.is_finishing() {
                                // The last look: it ends with what is there, or as aborted.
                                receive.cancel();
                                self.exchange.received(receive.result(), desk)
                            } else if may_go_on {
                                match receive.try_result() {
                                    Ok(done) => self.exchange.received(done, desk),
                                    Err(receive) => return self.keep(InFlight::Receive(receive)),
                                }
                            } else {
                                return self.keep(InFlight::Receive(receive));
                            }
                        }
                    }
                }
                Then::Send(buffer) => {
                    let started = self.exchange.stream().send(buffer, &self.event);
                    match started.map_err(io::Error::from) {
                        Err(error) => self.exchange.failed(&error),
                        Ok(send) => match send.try_result() {
                            Ok(done) => self.exchange.sent(done, desk),
                            Err(send) => return self.keep(InFlight::Send(send)),
                        },
                    }
                }
            };
        }
        unreachable!("the turns end with an operation in flight, or with the connection")
    }

    /// The server is being stopped. False when nothing is left to answer.
    fn finish(&mut self, desk: &Desk) -> bool {
        self.exchange.finish();
        match &self.in_flight {
            Some(InFlight::Receive(_)) => self.conclude(desk),
            _ => true,
        }
    }

    /// Cancels what is in flight and goes on with what came of it.
    fn conclude(&mut self, desk: &Desk) -> bool {
        let then = match self.in_flight.take() {
            Some(InFlight::Receive(receive)) => {
                receive.cancel();
                self.exchange.received(receive.result(), desk)
            }
            Some(InFlight::Send(send)) => {
                send.cancel();
                self.exchange.sent(send.result(), desk)
            }
            None => Then::Ended,
        };
        self.advance(then, desk)
    }

    fn keep(&mut self, in_flight: InFlight) -> bool {
        self.in_flight = Some(in_flight);
        true
    }
}
