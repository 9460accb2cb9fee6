//! The thread of the window.

use crate::parts::Common;
use crate::parts::conversation::{Desk, Next};
use crate::parts::door::{AT_ONCE, Door, Porter};
use crate::parts::guest::Guest;
use crate::parts::patience::Rounds;
use crate::parts::stay::Share;
use crate::parts::tally::OnDuty;
use overlapped_notify::{Message, MessagePoster, MessageWindow, NetworkEvents, Socket, SocketId};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// The message that makes the thread see whether the server is being stopped.
pub(super) const LOOK_AROUND: u32 = 1;

/// The number of the messages of sockets.
const NETWORK: u32 = 2;

pub(super) struct WindowThread {
    // First, so that all are closed by the time that the thread counts as gone, and before the
    // window.
    places: HashMap<SocketId, Place>,
    window: MessageWindow,
    desk: Desk,
    rounds: Rounds,
    common: Arc<Common<Share<Socket>>>,
    door: Arc<Door<Socket>>,
    porter: Porter,
    /// Clients may wait of whom there will be no further message, since no accept was tried.
    owes_a_look: bool,
    /// It has seen that the server is being stopped.
    is_finishing: bool,
    _on_duty: OnDuty,
}

struct Place {
    guest: Guest<Socket>,
    /// A message told of data while the connection waited for room: there will be no other before
    /// it is received.
    was_told_of_data: bool,
}

impl WindowThread {
    pub(super) fn new(
        common: &Arc<Common<Share<Socket>>>,
        door: Arc<Door<Socket>>,
        on_duty: OnDuty,
    ) -> io::Result<Self> {
        let window = MessageWindow::new()?;
        if let Some(listener) = &*door.listener() {
            // Accepted sockets inherit all of it (M56); the listener itself reports ACCEPT only.
            let events = NetworkEvents::ACCEPT
                | NetworkEvents::READ
                | NetworkEvents::WRITE
                | NetworkEvents::CLOSE;
            listener.select_messages(&window, NETWORK, events)?;
        }
        let mut desk = Desk::new(common, on_duty.meter());
        // Each receive has the next message posted at once if data is left (M60). Two for one message
        // would be answered by two, those by four, and the queue would be the flooding client's.
        desk.turn = 1;
        let rounds = desk.terms.rounds();
        Ok(Self {
            places: HashMap::new(),
            window,
            desk,
            rounds,
            common: Arc::clone(common),
            door,
            porter: Porter::default(),
            owes_a_look: false,
            is_finishing: false,
            _on_duty: on_duty,
        })
    }

    pub(super) fn poster(&self) -> MessagePoster {
        self.window.poster()
    }

    pub(super) fn run(mut self) {
        while !self.is_finishing || !self.places.is_empty() {
            let deferral = self.porter.wait().filter(|_| self.owes_a_look);
            let wait = [deferral, self.rounds.wait()].into_iter().flatten().min();
            let before = self.places.len();
            match self.window.next(wait) {
                Ok(Some(Message::Network { event: NetworkEvents::ACCEPT, .. })) => self.let_in(),
                Ok(Some(Message::Network { socket, event, .. })) => self.serve(socket, event),
                Ok(Some(Message::Posted { .. })) => self.look_around(),
                Ok(None) => {}
                // The window cannot wait: there is nothing that the server could do without it.
                Err(_) => return,
            }
            if let Some(now) = self.rounds.due() {
                self.places.retain(|_, place| place.guest.expire(&mut self.desk, now));
            }
            if self.places.len() < before {
                self.porter.somebody_has_gone();
            }
            if self.owes_a_look {
                self.let_in();
            }
        }
    }

    /// Lets in who waits. An accept that was tried is told of again if there are more (M57); one
    /// that was not has to be made up for.
    fn let_in(&mut self) {
        self.owes_a_look = !self.porter.is_watching(&self.common);
        for _ in 0..AT_ONCE {
            let Some(guest) = self.porter.admit(&self.door, &self.common) else {
                // Nobody is there, or nobody is let in for now.
                self.owes_a_look = !self.porter.is_watching(&self.common);
                return;
            };
            let mut place = Place { guest, was_told_of_data: false };
            // On Windows what comes before the connection has a number of its own is told under its
            // listener's, and passed over; not every system tells of it again.
            if !cfg!(windows) || place.guest.go_on(&mut self.desk) {
                self.places.insert(place.guest.line().id(), place);
            }
        }
    }

    fn serve(&mut self, socket: SocketId, event: NetworkEvents) {
        // What was posted before a connection went may still come (M52).
        let Some(Place { guest, was_told_of_data }) = self.places.get_mut(&socket) else { return };
        let stays = match (event, guest.next()) {
            (NetworkEvents::CLOSE, _) => guest.client_is_done(&mut self.desk),
            (NetworkEvents::READ, Next::Data) => guest.go_on(&mut self.desk),
            (NetworkEvents::READ, _) => {
                *was_told_of_data = true;
                true
            }
            (NetworkEvents::WRITE, Next::Room) => {
                let stays = guest.send_on(&mut self.desk);
                let receives = guest.next() == Next::Data && std::mem::take(was_told_of_data);
                stays && (!receives || guest.go_on(&mut self.desk))
            }
            // Room for a connection that does not wait for any (M58).
            _ => true,
        };
        if !stays {
            self.places.remove(&socket);
        }
    }

    fn look_around(&mut self) {
        if self.common.is_stopping() && !self.is_finishing {
            self.is_finishing = true;
            self.places.retain(|_, place| place.guest.finish(&mut self.desk));
        }
    }
}
