//! The non-blocking model: one thread tries every socket in turn, and the listener, again and again.
//!
//! Nobody tells it what is ready: a call that cannot go on says so at once (M21) and is tried again
//! in the next round. So a round over n connections costs n system calls, however few of them have
//! anything (M24), and with many connections the thread does little else: at 10,000 connections a
//! byte waits for some ten thousand failing receives. That is its limit, together with its one
//! thread: a handler that blocks holds up everybody.
//!
//! A thread that never rests would take a processor even from a server without clients. After a
//! round that brought nothing it sleeps, for a twentieth of a millisecond at first and twice as long
//! after each further round, up to a millisecond or four times what the round took. So an idle
//! server costs at most a fifth of a processor, and the first byte after a pause waits so long.
//!
//! The same on both systems: the calls differ only in the names of what they report (M25, M26).

use crate::handler::Handler;
use crate::model::{Limits, Model, Server};
use crate::parts::Common;
use crate::parts::conversation::Desk;
use crate::parts::door::{AT_ONCE, Door, Porter};
use crate::parts::guest::Guest;
use crate::parts::running::{Running, Staff};
use crate::parts::socket::listening;
use crate::parts::stay::Share;
use crate::parts::tally::OnDuty;
use overlapped_notify::Socket;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the first sleep is, and how long the longest after a round that took no time.
const FIRST_SLEEP: Duration = Duration::from_micros(50);
const LONGEST_SLEEP: Duration = Duration::from_millis(1);

/// One thread that tries every socket in turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nonblocking;

impl Model for Nonblocking {
    fn name(&self) -> &'static str {
        "nonblocking"
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        let shared = Arc::new(Shared {
            common: Arc::new(Common::new(handler, limits)),
            door: Door::new(listening(listener)?),
        });
        let (serving, on_duty) = (Arc::clone(&shared), shared.common.tally.enlist());
        std::thread::Builder::new()
            .name("nonblocking".into())
            .spawn(move || Round::new(serving, on_duty).go_on())?;
        Ok(Box::new(Running::new(Arc::clone(&shared.common), shared)))
    }
}

struct Shared {
    common: Arc<Common<Share<Socket>>>,
    door: Door<Socket>,
}

impl Staff for Arc<Shared> {
    fn close_door(&mut self) {
        self.door.close();
    }

    fn hurry(&self) {
        // The thread looks by itself soon enough.
    }

    fn describe(&self) -> String {
        "one thread that tries every socket in turn, and sleeps after a round that brought nothing"
            .into()
    }
}

/// The thread and what it has.
struct Round {
    // First, so that all are closed by the time that the thread counts as gone.
    guests: Vec<Guest<Socket>>,
    desk: Desk,
    porter: Porter,
    shared: Arc<Shared>,
    _on_duty: OnDuty,
}

impl Round {
    fn new(shared: Arc<Shared>, on_duty: OnDuty) -> Self {
        let desk = Desk::new(&shared.common, on_duty.meter());
        Self { guests: Vec::new(), desk, porter: Porter::default(), shared, _on_duty: on_duty }
    }

    fn go_on(mut self) {
        let mut rounds = self.desk.terms.rounds();
        let mut sleep = FIRST_SLEEP;
        loop {
            let begun = Instant::now();
            let is_stopping = self.shared.common.is_stopping();
            if is_stopping && self.guests.is_empty() {
                return;
            }
            let somebody_came = self.let_in();
            self.serve(|guest, desk| match is_stopping {
                true => guest.finish(desk),
                false => guest.go_on(desk),
            });
            if let Some(now) = rounds.due() {
                self.serve(|guest, desk| guest.expire(desk, now));
            }
            if self.desk.has_stirred() || somebody_came {
                sleep = FIRST_SLEEP;
            } else {
                let round = begun.elapsed();
                std::thread::sleep(sleep);
                sleep = (2 * sleep).min(LONGEST_SLEEP.max(4 * round));
            }
        }
    }

    /// Lets in who has come; whether anybody has.
    fn let_in(&mut self) -> bool {
        let before = self.guests.len();
        let Shared { door, common } = &*self.shared;
        let admit = || self.porter.admit(door, common);
        self.guests.extend(std::iter::from_fn(admit).take(AT_ONCE));
        self.guests.len() > before
    }

    /// Serves everybody once; who is to go goes.
    fn serve(&mut self, mut once: impl FnMut(&mut Guest<Socket>, &mut Desk) -> bool) {
        let before = self.guests.len();
        self.guests.retain_mut(|guest| once(guest, &mut self.desk));
        if self.guests.len() < before {
            self.porter.somebody_has_gone();
        }
    }
}
