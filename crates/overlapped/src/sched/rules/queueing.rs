//! What comes into the queue, and who gets it.

use super::Rules;
use super::steps::{MemberId, Wakes, Work};
use super::threads::{Handed, Standing};
use std::collections::VecDeque;
use std::time::Duration;

/// After this time a thread that is to spare looks for what another has left in its own queue.
pub(super) const LOOK_AFTER: Duration = Duration::from_millis(1);

impl<T, E, K: Clone> Rules<T, E, K> {
    /// Queues a packet at the tail, or hands it to the newest waiter (P24, P50, P55).
    ///
    /// # Errors
    /// The packet, when the port is closed.
    pub(crate) fn insert(&mut self, packet: T, wakes: &mut Wakes<K>) -> Result<(), T> {
        if self.closed {
            return Err(packet);
        }
        self.counts.queued += 1;
        self.queue.push_back(packet);
        self.settle(wakes);
        wakes.kick |= self.watched;
        Ok(())
    }

    /// Queues the packet of an operation that a released thread has just performed, and gives the
    /// thread the oldest packet: its own, unless others were queued before it.
    pub(crate) fn exchange(&mut self, packet: T) -> T {
        self.counts.queued += 1;
        self.counts.count_taken();
        self.note_take(None);
        match self.queue.pop_front() {
            Some(older) => {
                self.queue.push_back(packet);
                older
            }
            None => packet,
        }
    }

    /// The oldest piece of work, for the calling thread, which holds a slot already (P110).
    pub(crate) fn more(&mut self) -> Option<Work<T, E>> {
        let work = self.oldest()?;
        if let Work::Packet(_) = work {
            self.note_take(None);
        }
        Some(work)
    }

    /// The oldest piece of work, for a thread that is given a slot.
    fn oldest(&mut self) -> Option<Work<T, E>> {
        let work = self.oldest_shared()?;
        if let Work::Packet(_) = work {
            self.counts.count_taken();
        }
        Some(work)
    }

    /// The oldest that lies in the shared queue. It is not counted.
    pub(super) fn oldest_shared(&mut self) -> Option<Work<T, E>> {
        let packet = self.queue.pop_front().map(Work::Packet);
        packet.or_else(|| self.ready.pop_front().map(Work::Event))
    }

    /// Puts packets that were taken and not used back at the head, in their order, and behind them
    /// what the thread has in its own queue, since it took that later.
    ///
    /// # Errors
    /// The packets, when the port is closed.
    pub(crate) fn put_back(
        &mut self,
        id: Option<MemberId>,
        packets: VecDeque<T>,
        wakes: &mut Wakes<K>,
    ) -> Result<(), VecDeque<T>> {
        if self.closed {
            return Err(packets);
        }
        if let Some(id) = id {
            self.reclaim(id);
        }
        self.counts.taken = self.counts.taken.wrapping_sub(packets.len() as u64);
        for packet in packets.into_iter().rev() {
            self.queue.push_front(packet);
        }
        self.settle(wakes);
        wakes.kick |= self.watched;
        Ok(())
    }

    /// Closes the port: every waiter is woken (P120); what was queued is returned, to be dropped
    /// without the lock (P122).
    pub(crate) fn close(&mut self, wakes: &mut Wakes<K>) -> VecDeque<T> {
        if !self.closed {
            self.closed = true;
            for id in std::mem::take(&mut self.parked) {
                let member = self.members[id].as_ref().expect("a parked thread is enrolled");
                wakes.parkers.push(member.parker.clone());
            }
            wakes.kick |= self.polling > 0 || self.watched;
        }
        self.reclaim_all();
        self.ready.clear();
        std::mem::take(&mut self.queue)
    }

    /// Restores the invariants of P84 after any change: while a slot is free and work waits, the
    /// newest waiter gets the oldest work; and somebody polls the backend.
    #[inline]
    pub(super) fn settle(&mut self, wakes: &mut Wakes<K>) {
        let is_polled = self.standing_pollers() > 0 || self.parked.is_empty();
        if self.active < self.concurrency && !self.closed && (self.work_waits() || !is_polled) {
            self.hand_out(wakes);
            // For what is left a slot is free, and nobody here to take it.
            wakes.kick |= self.watched && self.work_waits() && self.active < self.concurrency;
        }
        self.mind_monitor(wakes);
    }

    /// From now on a take that would find something is an event of the backend, too.
    pub(crate) fn watch_from_outside(&mut self, wakes: &mut Wakes<K>) {
        if !std::mem::replace(&mut self.watched, true) {
            self.reclaim_all();
            self.settle(wakes);
            wakes.kick = true;
        }
    }

    #[inline(never)]
    pub(super) fn hand_out(&mut self, wakes: &mut Wakes<K>) {
        while self.has_spare()
            && let Some(work) = self.oldest()
        {
            self.count_active();
            match self.parked.pop() {
                Some(id) => {
                    self.set(id, Standing::Released);
                    if let Work::Packet(_) = work {
                        self.note_take(Some(id));
                    }
                    let parker = self.hand(id, Handed::Work(work));
                    wakes.parkers.push(parker);
                }
                None => {
                    self.for_pollers.push_back(work);
                    wakes.kick = true;
                }
            }
        }
        if self.active < self.concurrency
            && self.standing_pollers() == 0
            && let Some(id) = self.parked.pop()
        {
            self.set(id, Standing::Polling);
            self.polling += 1;
            let parker = self.hand(id, Handed::Poll);
            wakes.parkers.push(parker);
        }
    }

    /// Whether a slot is free for a thread that waits.
    pub(super) fn has_spare(&self) -> bool {
        self.active + self.glancing < self.concurrency && self.somebody_waits()
    }

    /// Whether a thread waits, parked or in the backend, for which there is no work yet.
    pub(super) fn somebody_waits(&self) -> bool {
        !(self.parked.is_empty() && self.standing_pollers() == 0)
    }

    /// Whether there is work that nobody has been given.
    pub(crate) fn work_waits(&self) -> bool {
        !(self.queue.is_empty() && self.ready.is_empty())
    }

    pub(super) fn standing_pollers(&self) -> usize {
        self.polling - self.for_pollers.len()
    }
}
