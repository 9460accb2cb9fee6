//! A thread that selects.

use super::wakeup::Wakeup;
use crate::parts::Common;
use crate::parts::conversation::{Desk, Next};
use crate::parts::crew::{Duty, ThisThread, Wake};
use crate::parts::door::{AT_ONCE, Door, Porter};
use crate::parts::guest::Guest;
use crate::parts::patience::Rounds;
use crate::parts::stay::Share;
use crate::parts::tally::{Meter, OnDuty};
use overlapped_notify::{Socket, SocketSet, select};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long a thread pauses that could not select, for want of memory.
const PAUSE: Duration = Duration::from_millis(10);

/// The connections of a thread, and what it serves them with.
struct Selector {
    // First, so that all are closed by the time that the thread counts as gone.
    guests: Vec<Guest<Socket>>,
    /// Where in `guests` those are that are ready; empty between two turns.
    ready: Vec<usize>,
    desk: Desk,
    rounds: Rounds,
    wakeup: Arc<Wakeup>,
    common: Arc<Common<Share<Socket>>>,
    /// It has seen that the server is being stopped.
    is_finishing: bool,
}

/// What a turn has brought, beside what it has done.
struct Turn {
    /// Somebody waits to be let in.
    at_the_door: bool,
    /// The wake-up socket was readable.
    is_woken: bool,
    /// So many connections have gone.
    gone: usize,
}

impl Selector {
    fn new(common: &Arc<Common<Share<Socket>>>, wakeup: Arc<Wakeup>, meter: Arc<Meter>) -> Self {
        let desk = Desk::new(common, meter);
        let rounds = desk.terms.rounds();
        let (guests, ready, common) = (Vec::new(), Vec::new(), Arc::clone(common));
        Self { guests, ready, desk, rounds, wakeup, common, is_finishing: false }
    }

    /// Serves those that are ready.
    fn serve(&mut self, turn: &mut Turn) {
        if turn.is_woken {
            self.wakeup.clear();
        }
        let before = self.guests.len();
        // From the last to the first, since whoever goes makes way for the last.
        while let Some(index) = self.ready.pop() {
            if !self.guests[index].go_on(&mut self.desk) {
                self.guests.remove(index);
            }
        }
        if self.common.is_stopping() && !self.is_finishing {
            self.is_finishing = true;
            self.guests.retain_mut(|guest| guest.finish(&mut self.desk));
        }
        if let Some(now) = self.rounds.due() {
            self.guests.retain_mut(|guest| guest.expire(&mut self.desk, now));
        }
        turn.gone = before - self.guests.len();
    }

    /// Selects, for at most `timeout`, and finds who is ready.
    fn await_ready(&mut self, listener: Option<&Socket>, timeout: Option<Duration>) -> Turn {
        let timeout = [timeout, self.rounds.wait()].into_iter().flatten().min();
        let mut turn = Turn { at_the_door: false, is_woken: false, gone: 0 };
        let capacity = self.guests.len() + 2;
        let (mut read, mut write) =
            (SocketSet::with_capacity(capacity), SocketSet::with_capacity(capacity));
        read.insert(self.wakeup.socket());
        if let Some(listener) = listener {
            read.insert(listener);
        }
        for guest in &self.guests {
            match guest.next() {
                Next::Room => write.insert(guest.line()),
                _ => read.insert(guest.line()),
            };
        }
        let writes = (!write.is_empty()).then_some(&mut write);
        if select(Some(&mut read), writes, None, timeout).is_err() {
            // Nobody knows who is ready: everybody has a try, and nobody is forgotten.
            self.ready.extend(0..self.guests.len());
            std::thread::sleep(PAUSE);
            return Turn { at_the_door: true, is_woken: true, gone: 0 };
        }
        // What is ready comes in the order in which it was inserted.
        let mut readable = read.iter().map(Socket::id).peekable();
        let mut writable = write.iter().map(Socket::id).peekable();
        turn.is_woken = readable.next_if_eq(&self.wakeup.socket().id()).is_some();
        turn.at_the_door =
            listener.is_some_and(|listener| readable.next_if_eq(&listener.id()).is_some());
        for (index, guest) in self.guests.iter().enumerate() {
            let id = guest.line().id();
            if readable.next_if_eq(&id).is_some() || writable.next_if_eq(&id).is_some() {
                self.ready.push(index);
            }
        }
        turn
    }

    /// Takes a connection up; how many have gone again at once.
    fn welcome(&mut self, mut guest: Guest<Socket>) -> usize {
        if self.is_finishing && !guest.finish(&mut self.desk) {
            return 1;
        }
        self.guests.push(guest);
        0
    }
}

/// The thread that does everything.
pub(super) struct OneThread {
    selector: Selector,
    door: Arc<Door<Socket>>,
    porter: Porter,
    _on_duty: OnDuty,
}

impl OneThread {
    pub(super) fn new(
        common: &Arc<Common<Share<Socket>>>,
        door: Arc<Door<Socket>>,
        wakeup: Arc<Wakeup>,
        on_duty: OnDuty,
    ) -> Self {
        let selector = Selector::new(common, wakeup, on_duty.meter());
        Self { selector, door, porter: Porter::default(), _on_duty: on_duty }
    }

    pub(super) fn run(mut self) {
        let common = Arc::clone(&self.selector.common);
        while !common.is_stopping() || !self.selector.guests.is_empty() {
            let wait = self.porter.wait();
            // The door is held as long as the select lasts, and no handler runs meanwhile.
            let mut turn = if self.porter.is_watching(&common) {
                let listener = self.door.listener();
                self.selector.await_ready(listener.as_ref(), wait)
            } else {
                self.selector.await_ready(None, wait)
            };
            self.selector.serve(&mut turn);
            if turn.gone > 0 {
                self.porter.somebody_has_gone();
            }
            if turn.at_the_door {
                let admit = || self.porter.admit(&self.door, &common);
                for guest in std::iter::from_fn(admit).take(AT_ONCE) {
                    self.selector.welcome(guest);
                }
            }
        }
    }
}

/// What each thread of a crew does.
pub(super) struct Selects(pub(super) Arc<Common<Share<Socket>>>);

impl Duty for Selects {
    type Connection = Guest<Socket>;
    type Waker = Arc<Wakeup>;
    type Own = Arc<Wakeup>;

    fn begin(&self) -> io::Result<(Self::Own, Self::Waker)> {
        let wakeup = Arc::new(Wakeup::new()?);
        Ok((Arc::clone(&wakeup), wakeup))
    }

    fn serve(&self, wakeup: Arc<Wakeup>, thread: &ThisThread<Self>) {
        let mut selector = Selector::new(&self.0, wakeup, thread.meter());
        loop {
            let mut turn = selector.await_ready(None, None);
            selector.serve(&mut turn);
            if turn.is_woken {
                for guest in thread.arrivals() {
                    turn.gone += selector.welcome(guest);
                }
            }
            if turn.gone > 0 {
                thread.vacate(turn.gone);
            }
            if selector.guests.is_empty() && thread.may_end() {
                return;
            }
        }
    }
}

impl Wake for Arc<Wakeup> {
    fn wake(&self) {
        self.set();
    }
}
