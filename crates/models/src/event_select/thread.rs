//! A thread that waits for the events of its connections.

use super::PLACES;
use crate::parts::Common;
use crate::parts::conversation::{Desk, Next};
use crate::parts::crew::{Duty, ThisThread, Wake};
use crate::parts::guest::Guest;
use crate::parts::patience::Rounds;
use crate::parts::stay::Share;
use overlapped_notify::{EventObject, NetworkEvents, Socket, WAIT_MAX, Waited, wait_any};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long a thread pauses that could not wait, for want of memory or descriptors.
const PAUSE: Duration = Duration::from_millis(10);

/// What each thread of the crew does.
pub(super) struct Waits(pub(super) Arc<Common<Share<Socket>>>);

/// A connection and its event, which is closed after it (M99).
struct Place {
    guest: Guest<Socket>,
    event: EventObject,
}

struct Waiter<'a> {
    thread: &'a ThisThread<Waits>,
    common: &'a Common<Share<Socket>>,
    /// Set when somebody has come, and at the stop.
    control: EventObject,
    places: Vec<Place>,
    /// Where in `places` the next wait begins.
    first: usize,
    desk: Desk,
    rounds: Rounds,
    /// It has seen that the server is being stopped.
    is_finishing: bool,
}

impl Duty for Waits {
    type Connection = Guest<Socket>;
    type Waker = EventObject;
    type Own = EventObject;

    fn begin(&self) -> io::Result<(EventObject, EventObject)> {
        let control = EventObject::auto_reset()?;
        Ok((control.clone(), control))
    }

    fn serve(&self, control: EventObject, thread: &ThisThread<Self>) {
        let desk = Desk::new(&self.0, thread.meter());
        let rounds = desk.terms.rounds();
        let mut waiter = Waiter {
            thread,
            common: &self.0,
            control,
            places: Vec::with_capacity(PLACES),
            first: 0,
            desk,
            rounds,
            is_finishing: false,
        };
        while !waiter.turn() {}
    }
}

impl Wake for EventObject {
    fn wake(&self) {
        self.set();
    }
}

impl Waiter<'_> {
    /// Waits once and serves one connection; whether that was the thread's last turn.
    fn turn(&mut self) -> bool {
        let before = self.places.len();
        let mut arrived = 0;
        match self.wait() {
            Ok(Waited::Signaled(0)) => {
                let arrivals = self.thread.arrivals();
                arrived = arrivals.len();
                arrivals.into_iter().for_each(|guest| self.welcome(guest));
                if self.common.is_stopping() && !self.is_finishing {
                    self.is_finishing = true;
                    self.places.retain_mut(|place| place.guest.finish(&mut self.desk));
                }
            }
            Ok(Waited::Signaled(number)) => self.serve((self.first + number - 1) % before),
            Ok(_) => {}
            Err(_) => {
                // Nobody knows what has happened: everybody has a try, and nobody is forgotten.
                self.control.set();
                (0..before).rev().for_each(|index| self.go_on(index, NetworkEvents::READ));
                std::thread::sleep(PAUSE);
            }
        }
        if let Some(now) = self.rounds.due() {
            self.places.retain_mut(|place| place.guest.expire(&mut self.desk, now));
        }
        let gone = before + arrived - self.places.len();
        if gone > 0 {
            self.thread.vacate(gone);
        }
        self.places.is_empty() && self.thread.may_end()
    }

    /// Waits for the control event, and then for the places in turn, beginning with the one behind
    /// the last that was served: a busy one hides nobody (M95).
    fn wait(&mut self) -> io::Result<Waited> {
        let mut events = [&self.control; WAIT_MAX];
        let count = self.places.len();
        if self.first >= count {
            self.first = 0;
        }
        let in_turn = self.places[self.first..].iter().chain(&self.places[..self.first]);
        for (event, place) in events[1..].iter_mut().zip(in_turn) {
            *event = &place.event;
        }
        wait_any(&events[..=count], self.rounds.wait(), false)
    }

    /// Something has happened to a connection.
    fn serve(&mut self, index: usize) {
        let Place { guest, event } = &self.places[index];
        // The event is given along: reset apart, something could be lost between the two (M85).
        let happened = match guest.line().enumerate_network_events(Some(event)) {
            Ok(record) => record.events(),
            // A receive will say what has become of it.
            Err(_) => NetworkEvents::CLOSE,
        };
        self.first = index + 1;
        self.go_on(index, happened);
    }

    /// Serves a connection to which `happened`. One clean-up for all of it, since its place is
    /// another's afterwards (E8).
    fn go_on(&mut self, index: usize, happened: NetworkEvents) {
        let guest = &mut self.places[index].guest;
        let stays = if happened.contains(NetworkEvents::CLOSE) {
            // There may be data yet, and it is not told of again (M64).
            guest.client_is_done(&mut self.desk)
        } else {
            let awaited = match guest.next() {
                Next::Room => NetworkEvents::WRITE,
                _ => NetworkEvents::READ,
            };
            !happened.contains(awaited) || guest.go_on(&mut self.desk)
        };
        if !stays {
            self.places.remove(index);
        }
    }

    /// Takes a connection up. What has come before is told of as well (M88).
    fn welcome(&mut self, mut guest: Guest<Socket>) {
        let events = NetworkEvents::READ | NetworkEvents::WRITE | NetworkEvents::CLOSE;
        let selected = EventObject::manual_reset().and_then(|event| {
            guest.line().select_events(&event, events)?;
            Ok(event)
        });
        // Without an event it could not be served: it is dropped, and counted.
        let Ok(event) = selected else { return };
        if !self.is_finishing || guest.finish(&mut self.desk) {
            self.places.push(Place { guest, event });
        }
    }
}
