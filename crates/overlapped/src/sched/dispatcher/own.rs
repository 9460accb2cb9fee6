//! What a thread takes and queues without the scheduler's lock: what is in its own queue, and what comes
//! while it has its slot and nobody else may run.

use super::{Dispatcher, Member, OWN_QUEUE_TYPE};
use crate::sched::metrics::Queued;
use crate::sched::own_queue::OwnQueue;
use crate::sched::parker::Park;
use crate::sched::rules::steps::{Wakes, Work};
use crate::sched::rules::{Rules, word};
use crate::sync::atomic::{Ordering, fence};
use crate::sys::{BATCH_MAX, EventSource, Met};
use std::time::Duration;

/// After so much from its own queue in a row, a thread looks at the backend without waiting.
const LOOK_AROUND_EVERY: u32 = 64;

/// While one of these holds, nothing goes into a thread's own queue.
const NOT_FOR_OWN: u32 = word::CLOSED | word::QUEUED | word::WATCHED | word::RECORDED | word::OVER;

/// While one of these holds, a thread has to ask for what lies in its own queue.
const NOT_FROM_OWN: u32 = word::CLOSED | word::RECORDED | word::OVER;

/// A thread that found so many events the last time mostly finds more at once. With fewer it goes to
/// wait without having looked: a look that finds nothing costs more than what it may save.
pub(in crate::sched) const HARVEST_AGAIN_FROM: usize = 4;

impl<T: 'static, E: 'static, K: Park + Clone, B: EventSource<E>> Dispatcher<T, E, K, B> {
    /// Puts the packet of an operation that completed while this bound thread started it into the
    /// thread's own queue, for which the thread mostly comes back soon. It stays in `packet` when it
    /// does not belong there: not behind packets in the shared queue, which come before it, and not
    /// when the scheduler is closed.
    #[inline(always)]
    pub(in crate::sched) fn insert_own(
        &self,
        member: &Member<E, K>,
        packet: &mut Option<T>,
    ) -> Option<Wakes<K>> {
        let own = own_queue::<T, E, K>(member);
        if self.word.load(Ordering::Acquire) & NOT_FOR_OWN != 0
            || !member.state.holds_slot()
            || !own.has_room()
        {
            return None;
        }
        let new = packet.take()?;
        own.push(Work::Packet(self.delays.measured_if(member.state.is_of_sample(), new)));
        member.keeps_packets.set(true);
        member.state.count_queued();
        fence(Ordering::SeqCst);
        let word = self.word.load(Ordering::Relaxed);
        if word & (word::CLOSED | word::SPARE) != 0 {
            return self.attend(own, word, packet);
        }
        None
    }

    /// The scheduler is closed, or a thread waits that could run, and may have looked before.
    #[inline(never)]
    fn attend(
        &self,
        own: &OwnQueue<Queued<T>, E>,
        word: u32,
        refused: &mut Option<T>,
    ) -> Option<Wakes<K>> {
        if word & word::CLOSED != 0 {
            // Either the one who closed it has found the packet there, or the caller drops it.
            while let Some(work) = own.pop() {
                if let Work::Packet(queued) = work {
                    *refused = Some(queued.into_packet());
                    break;
                }
            }
        } else if word & word::LOOK_ARMED == 0 {
            return self.change_only(Rules::attend).1;
        }
        None
    }

    /// Whether a packet that this thread has just performed may be taken by it at once, since no other
    /// lies in the shared queue. It is counted.
    #[inline]
    pub(in crate::sched) fn pass(&self, member: &Member<E, K>) -> bool {
        let passes = self.word.load(Ordering::Acquire) & (word::QUEUED | word::RECORDED) == 0;
        if passes {
            member.state.count_queued();
            member.state.count_taken();
        }
        passes
    }

    /// Whether what the thread has in its own queue may have come before all that lies in the shared one.
    pub(in crate::sched) fn keeps_older(&self, member: &Member<E, K>) -> bool {
        member.keeps_packets.get()
    }

    /// Whether anything lies in the thread's own queue.
    pub(in crate::sched) fn has_own(&self, member: &Member<E, K>) -> bool {
        !own_queue::<T, E, K>(member).is_empty()
    }

    /// What the thread may have without asking the rules.
    #[inline]
    pub(super) fn take_unasked(&self, member: &mut Member<E, K>) -> Option<Work<T, E>> {
        if member.streak.get() >= LOOK_AROUND_EVERY {
            self.look_around(member);
        }
        let own = self.take_own(member);
        if own.is_none() && member.found >= HARVEST_AGAIN_FROM {
            return self.harvest(member);
        }
        own
    }

    /// What the thread has in its own queue, unless it is to look around first. It keeps its slot
    /// meanwhile.
    #[inline(always)]
    pub(in crate::sched) fn take_own(&self, member: &Member<E, K>) -> Option<Work<T, E>> {
        if member.streak.get() >= LOOK_AROUND_EVERY
            || self.word.load(Ordering::Acquire) & NOT_FROM_OWN != 0
            || !member.state.holds_slot()
        {
            return None;
        }
        let Some(work) = own_queue::<T, E, K>(member).pop() else {
            member.keeps_packets.set(false);
            return None;
        };
        member.streak.set(member.streak.get() + 1);
        member.state.moved();
        if let Work::Packet(_) = work {
            member.state.count_taken();
        }
        Some(self.work(work))
    }

    /// A thread that always finds something in its own queue looks at the backend from time to time.
    /// Posted packets need no look: what completes goes behind them, and the own queue runs dry.
    #[inline(never)]
    fn look_around(&self, member: &mut Member<E, K>) {
        member.streak.set(0);
        if self.word.load(Ordering::Acquire) & word::QUEUED != 0
            || !member.state.holds_slot()
            || own_queue::<T, E, K>(member).is_empty()
        {
            return;
        }
        let batch = self.rules.lock().batch_of_holder();
        let met = self.backend.wait(&mut member.events, batch, Some(Duration::ZERO));
        let Member { events, own, .. } = member;
        let own = own.downcast_ref().expect(OWN_QUEUE_TYPE);
        self.change(|rules, wakes| {
            rules.looked_around(events, met.look, wakes);
            rules.fill(own);
        });
    }

    /// A thread that has run out takes what the backend has, without waiting and without the lock. It
    /// keeps its slot meanwhile, as while it takes from its own queue: nobody else may run, and nothing
    /// comes before these events. `None` when there is nothing, or one of that does not hold.
    #[inline(never)]
    fn harvest(&self, member: &mut Member<E, K>) -> Option<Work<T, E>> {
        const KIND: u32 = word::CLOSED | word::QUEUED | word::READY | word::FULL | word::RECORDED;
        let Member { events, own, state, streak, found, .. } = member;
        let own: &OwnQueue<Queued<T>, E> = own.downcast_ref().expect(OWN_QUEUE_TYPE);
        *found = 0;
        if self.word.load(Ordering::Acquire) & KIND != word::FULL
            || !state.holds_slot()
            || !own.has_room_for_batch()
        {
            return None;
        }
        let met = self.backend.wait(events, BATCH_MAX, Some(Duration::ZERO));
        *found = events.len();
        if met != Met::default() {
            self.change(|rules, wakes| rules.looked_around(&mut Vec::new(), met.look, wakes));
        }
        let mut events = events.drain(..);
        let first = events.next()?;
        streak.set(0);
        state.moved();
        if events.len() > 0 {
            own.extend(events);
            // As for a packet that is put there.
            fence(Ordering::SeqCst);
            let word = self.word.load(Ordering::Relaxed);
            if word & (word::CLOSED | word::SPARE) != 0 {
                // Closed, nobody performs events any more, and there are no packets.
                self.wake(self.attend(own, word, &mut None));
            }
        }
        Some(Work::Event(first))
    }
}

#[inline]
pub(in crate::sched) fn own_queue<T: 'static, E: 'static, K>(
    member: &Member<E, K>,
) -> &OwnQueue<Queued<T>, E> {
    member.own.downcast_ref().expect(OWN_QUEUE_TYPE)
}
