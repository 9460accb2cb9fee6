//! A thread on its way to work: it asks, waits in the backend or parked, and comes back.

use super::Rules;
use super::steps::{MemberId, Step, Wakes, Work};
use super::threads::{Handed, Standing};
use crate::sched::own_queue::OwnQueue;
use crate::sys::BATCH_MAX;

/// After so many packets from the queue in a row, the backend is looked at without waiting.
const GLANCE_EVERY: u32 = 16;

impl<T, E, K: Clone> Rules<T, E, K> {
    /// A thread asks for work: its slot is given back first (P57).
    pub(crate) fn arrive(
        &mut self,
        id: MemberId,
        poll_only: bool,
        wakes: &mut Wakes<K>,
    ) -> Step<T, E> {
        if self.closed {
            return Step::Closed;
        }
        self.give_back(id);
        self.admit(id, poll_only, true, wakes)
    }

    /// The thread is back from the backend with `events`; `look` says that the look which was
    /// asked for is due.
    pub(crate) fn returned(
        &mut self,
        id: MemberId,
        (events, own): (&mut Vec<E>, &OwnQueue<T, E>),
        look: bool,
        expired: bool,
        wakes: &mut Wakes<K>,
    ) -> Step<T, E> {
        self.polling -= 1;
        self.look_armed &= !look;
        if self.nothing_comes_before_events()
            && let Some(step) = self.release_with_batch(id, events, own, wakes)
        {
            return step;
        }
        let found = !events.is_empty();
        self.ready.extend(events.drain(..));
        if let Some(work) = self.for_pollers.pop_front() {
            // The wake-ups of several posts may have merged into ours.
            wakes.kick |= !self.for_pollers.is_empty() || (self.closed && self.polling > 0);
            self.set(id, Standing::Released);
            if let Work::Packet(_) = work {
                self.note_take(Some(id));
            }
            self.settle(wakes);
            return Step::Work(work);
        }
        if self.closed {
            wakes.kick |= self.polling > 0;
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if expired && !(found && self.active < self.concurrency) {
            return self.time_out(id, wakes);
        }
        self.admit(id, expired, false, wakes)
    }

    /// Whether a thread that brings events from the backend may go on with the first of them.
    fn nothing_comes_before_events(&self) -> bool {
        self.active < self.concurrency
            && self.for_pollers.is_empty()
            && !self.work_waits()
            && !self.closed
    }

    /// The thread goes on with the first event. The others are for its own queue, unless somebody
    /// else could take them now.
    fn release_with_batch(
        &mut self,
        id: MemberId,
        events: &mut Vec<E>,
        own: &OwnQueue<T, E>,
        wakes: &mut Wakes<K>,
    ) -> Option<Step<T, E>> {
        let mut events = events.drain(..);
        let first = events.next()?;
        self.set(id, Standing::Released);
        self.count_active();
        self.since_glance = 0;
        if self.has_spare() || self.is_recorded() {
            self.ready.extend(events);
        } else {
            own.extend(events);
        }
        self.settle(wakes);
        Some(Step::Work(Work::Event(first)))
    }

    /// The thread has looked at the backend without waiting.
    pub(crate) fn glanced(
        &mut self,
        id: MemberId,
        events: &mut Vec<E>,
        look: bool,
        poll_only: bool,
        wakes: &mut Wakes<K>,
    ) -> Step<T, E> {
        self.glancing -= 1;
        self.look_armed &= !look;
        self.since_glance = 0;
        self.ready.extend(events.drain(..));
        // The look may have taken the wake-up that was meant for a thread in the backend's wait.
        wakes.kick |= !self.for_pollers.is_empty() || (self.closed && self.polling > 0);
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if self.active < self.concurrency
            && let Some(event) = self.ready.pop_front()
        {
            return self.release(id, Work::Event(event), wakes);
        }
        self.admit(id, poll_only, false, wakes)
    }

    /// The parked thread woke, was unparked, or its time is over.
    pub(crate) fn woken(
        &mut self,
        id: MemberId,
        expired: bool,
        wakes: &mut Wakes<K>,
    ) -> Step<T, E> {
        match self.member(id).handed.take() {
            Some(Handed::Work(work)) => {
                self.settle(wakes);
                return Step::Work(work);
            }
            Some(Handed::Poll) if self.closed => {
                self.polling -= 1;
                if let Some(work) = self.for_pollers.pop_front() {
                    self.set(id, Standing::Released);
                    return Step::Work(work);
                }
                self.set(id, Standing::Outside);
                return Step::Abandoned;
            }
            Some(Handed::Poll) => {
                return Step::Poll { batch: self.batch() };
            }
            None => {}
        }
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if expired {
            self.unpark_self(id);
            return self.time_out(id, wakes);
        }
        Step::Park
    }

    /// Decides for a thread that holds no slot and stands nowhere (T1-T4).
    pub(super) fn admit(
        &mut self,
        id: MemberId,
        poll_only: bool,
        may_glance: bool,
        wakes: &mut Wakes<K>,
    ) -> Step<T, E> {
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if self.active < self.concurrency {
            let glance_due = self.since_glance >= GLANCE_EVERY;
            if glance_due && let Some(event) = self.ready.pop_front() {
                self.since_glance = 0;
                return self.release(id, Work::Event(event), wakes);
            }
            if !(glance_due && may_glance)
                && let Some(packet) = self.queue.pop_front()
            {
                self.since_glance += 1;
                return self.release(id, Work::Packet(packet), wakes);
            }
            if let Some(event) = self.ready.pop_front() {
                return self.release(id, Work::Event(event), wakes);
            }
            if self.rob()
                && let Some(work) = self.oldest_shared()
            {
                return self.release(id, work, wakes);
            }
            if may_glance && (poll_only || glance_due) {
                self.set(id, Standing::Polling);
                self.glancing += 1;
                return Step::Glance { batch: self.batch() };
            }
        }
        if poll_only {
            return self.time_out(id, wakes);
        }
        let free = self.concurrency.saturating_sub(self.active);
        if self.standing_pollers() < free {
            self.set(id, Standing::Polling);
            self.polling += 1;
            self.settle(wakes);
            return Step::Poll { batch: self.batch() };
        }
        self.set(id, Standing::Parked);
        self.parked.push(id);
        self.settle(wakes);
        Step::Park
    }

    pub(super) fn release(
        &mut self,
        id: MemberId,
        work: Work<T, E>,
        wakes: &mut Wakes<K>,
    ) -> Step<T, E> {
        self.set(id, Standing::Released);
        self.count_active();
        match work {
            Work::Packet(_) => {
                self.counts.count_taken();
                self.note_take(Some(id));
            }
            Work::Event(_) => self.since_glance = 0,
        }
        self.settle(wakes);
        Step::Work(work)
    }

    /// A thread that goes on with what lies in its own queue has looked at the backend between.
    pub(crate) fn looked_around(&mut self, events: &mut Vec<E>, look: bool, wakes: &mut Wakes<K>) {
        self.look_armed &= !look;
        self.ready.extend(events.drain(..));
        // The look may have taken the wake-up that was meant for a thread in the backend's wait.
        wakes.kick |= !self.for_pollers.is_empty() || (self.closed && self.polling > 0);
        self.settle(wakes);
    }

    /// How many events a thread that holds a slot may take for itself.
    pub(crate) fn batch_of_holder(&self) -> usize {
        if self.active >= self.concurrency { BATCH_MAX } else { 1 }
    }

    /// The thread runs on without a packet, bound and counted (P62, P63, T7, T14).
    pub(super) fn time_out(&mut self, id: MemberId, wakes: &mut Wakes<K>) -> Step<T, E> {
        self.set(id, Standing::Released);
        self.count_active();
        self.settle(wakes);
        Step::TimedOut
    }

    /// One event while others could take the rest; many when this thread fills the last slot.
    pub(super) fn batch(&self) -> usize {
        if self.active + 1 >= self.concurrency { BATCH_MAX } else { 1 }
    }
}
