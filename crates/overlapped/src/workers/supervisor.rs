//! The thread that sees when even the most threads are blocked. It takes no packets but those that it
//! sheds, sleeps without a timer while a thread waits in the port, and looks by one while none does.

use super::event::{Counts, WorkersEvent};
use super::pool::Pool;
use super::sight::Sight;
use super::{Shared, WhenExhausted};
use crate::conn::standstill::WhyPaused;
use crate::protocol::Protocol;
use crate::sched::parker::Parker;
use crate::sched::{Deadline, TakeError};
use crate::sync;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long it waits from one look to the next.
const TICK: Duration = Duration::from_millis(5);
/// It goes to sleep after so many looks in a row at each of which a thread waited.
const QUIET_LOOKS: u32 = 10;
/// Without another time, threads that have not come back for so long are blocked.
const STALLED_AFTER: Duration = Duration::from_millis(20);
/// How long after a thread could not be started the next try is.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How the supervisor is told that no thread waits and none can be added.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    is_raised: AtomicBool,
    has_ended: AtomicBool,
    parker: Parker,
}

impl Alarm {
    #[inline]
    pub(super) fn raise(&self) {
        if !self.is_raised.load(Ordering::SeqCst) && !self.is_raised.swap(true, Ordering::SeqCst) {
            self.parker.unpark();
        }
    }

    /// The pool has no thread any more.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.parker.unpark();
    }
}

pub(super) fn supervise<P: Protocol>(pool: &Shared<P>) {
    let mut view = View { pool, quiet: 0, retry_at: None, stalled: None, is_exhausted: false };
    while !pool.alarm.has_ended.load(Ordering::SeqCst) {
        if pool.alarm.is_raised.load(Ordering::SeqCst) {
            view.look();
            pool.alarm.parker.park(Some(TICK));
        } else {
            pool.alarm.parker.park(None);
        }
    }
    view.recover();
}

/// What it remembers from look to look.
struct View<'a, P: Protocol> {
    pool: &'a Shared<P>,
    /// So many looks in a row a thread waited.
    quiet: u32,
    retry_at: Option<Instant>,
    /// Since when nothing moves, and how it looks since then.
    stalled: Option<(Instant, Sight)>,
    is_exhausted: bool,
}

impl<P: Protocol> View<'_, P> {
    fn look(&mut self) {
        if self.pool.somebody_waits() {
            self.recover();
            self.quiet += 1;
            if self.quiet > QUIET_LOOKS {
                self.doze();
            }
            return;
        }
        self.quiet = 0;
        self.try_again();
        let Some((since, sight)) = self.stall() else { return };
        let after = match &self.pool.when_exhausted {
            WhenExhausted::Shed { after, .. } => *after,
            _ => STALLED_AFTER,
        };
        if since.elapsed() >= after {
            self.exhausted(sight);
        }
    }

    /// Lets the alarm be raised anew. It is, if no thread waits any more.
    fn doze(&mut self) {
        let alarm = &self.pool.alarm;
        alarm.is_raised.store(false, Ordering::SeqCst);
        self.quiet = 0;
        // Nobody waits for a thread that could not be started, or the next take says so.
        self.pool.is_short.store(false, Ordering::SeqCst);
        self.retry_at = None;
        if !self.pool.somebody_waits() {
            alarm.is_raised.store(true, Ordering::SeqCst);
        }
    }

    /// After a thread could not be started, tries it again now and then.
    fn try_again(&mut self) {
        if !self.pool.is_short.load(Ordering::SeqCst) {
            return;
        }
        let now = sync::now();
        let at = *self.retry_at.get_or_insert(now + RETRY_AFTER);
        if now >= at {
            self.retry_at = None;
            self.pool.is_short.store(false, Ordering::SeqCst);
            self.pool.add_one();
        }
    }

    /// Since when all threads there may be are in their handlers, without one having come back, while
    /// work waits.
    fn stall(&mut self) -> Option<(Instant, Sight)> {
        let pool = self.pool;
        let sight = pool.sight();
        let may_grow = sight.threads < pool.most() && !pool.is_short.load(Ordering::SeqCst);
        let all_are_busy = sight.in_handler == sight.threads && sight.threads > 0;
        if may_grow || !all_are_busy || !pool.port.inner().work_waits() {
            self.stalled = None;
        } else if self.stalled.is_none_or(|(_, before)| before != sight) {
            self.stalled = Some((sync::now(), sight));
        }
        self.stalled
    }

    fn exhausted(&mut self, sight: Sight) {
        let pool = self.pool;
        if !std::mem::replace(&mut self.is_exhausted, true) {
            Counts::add(&pool.counts.exhausted, 1);
            if let WhenExhausted::PauseAccepts = pool.when_exhausted {
                pool.port.inner().connections.pause_accepts(WhyPaused::Exhausted);
            }
            pool.tell(|| WorkersEvent::Exhausted { threads: sight.threads });
        }
        if let WhenExhausted::Shed { shed, .. } = &pool.when_exhausted {
            shed_while(pool, shed, sight);
        }
    }

    /// A thread waits for work again.
    fn recover(&mut self) {
        self.stalled = None;
        if std::mem::take(&mut self.is_exhausted) {
            if let WhenExhausted::PauseAccepts = self.pool.when_exhausted {
                self.pool.port.inner().connections.resume_accepts(WhyPaused::Exhausted);
            }
            self.pool.tell(|| WorkersEvent::Recovered);
        }
    }
}

/// Takes what waits, as long as the threads look like this and there is something.
fn shed_while<P: Protocol>(pool: &Pool<P>, shed: &super::Shed<P>, sight: Sight) {
    while pool.sight() == sight {
        match pool.port.inner().take(Deadline::after(Some(TICK))) {
            Ok(packet) => {
                Counts::add(&pool.counts.shed, 1);
                pool.hand_over(packet, &mut |port, packet| shed(port, packet));
            }
            Err(TakeError::TimedOut | TakeError::Abandoned | TakeError::Closed) => break,
        }
    }
    pool.port.leave();
}
