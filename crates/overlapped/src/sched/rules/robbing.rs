//! What lies in threads' own queues, and how it comes back into the shared queue.
//!
//! For the order it counts as taken in a batch (P113) while it lies there, and returns to the head.

use super::Rules;
use super::steps::{MemberId, Wakes, Work};
use crate::sched::own_queue::OwnQueue;
use std::collections::VecDeque;

impl<T, E, K: Clone> Rules<T, E, K> {
    /// Gives a thread that goes on with work the events that nobody else could take now.
    pub(crate) fn fill(&mut self, own: &OwnQueue<T, E>) {
        if self.ready.is_empty() || !self.queue.is_empty() || self.has_spare() || self.is_recorded()
        {
            return;
        }
        while own.has_room()
            && let Some(event) = self.ready.pop_front()
        {
            own.push(Work::Event(event));
        }
    }

    /// A thread that would wait, or that just waits, takes the older half of what another has in its
    /// own queue. False when nobody has anything.
    pub(crate) fn rob(&mut self) -> bool {
        let loot = &self.loot;
        let found = self.members.len() > 1
            && self.members.iter().flatten().any(|member| member.own.rob_half(loot));
        if found {
            self.share_loot();
        }
        found
    }

    /// A thread that waits gets something that another has in its own queue. False when a slot is
    /// not free, nobody waits, or nobody has anything.
    pub(crate) fn give_robbed(&mut self, wakes: &mut Wakes<K>) -> bool {
        let robs = self.has_spare() && self.rob();
        if robs {
            self.settle(wakes);
        }
        robs
    }

    /// All that lies in this thread's own queue goes back.
    pub(super) fn reclaim(&mut self, id: MemberId) {
        // Whoever has closed the port has taken out all, to be dropped without the lock.
        if !self.closed
            && let Some(member) = &self.members[id]
            && member.own.rob_all(&self.loot)
        {
            self.share_loot();
        }
    }

    /// Closed, the scheduler gives out what lies in own queues, too.
    pub(super) fn reclaim_all(&mut self) {
        while self.members.iter().flatten().any(|member| member.own.rob_all(&self.loot)) {
            self.share_loot();
        }
    }

    /// Whether there is work that would be lost to all but one thread, should that thread sleep.
    pub(crate) fn own_work_waits(&self) -> bool {
        self.members.iter().flatten().any(|member| !member.own.is_empty(&self.loot))
    }

    fn share_loot(&mut self) {
        let (mut packets, mut events) = (VecDeque::new(), VecDeque::new());
        while let Some(work) = self.loot.pop() {
            match work {
                Work::Packet(packet) => packets.push_front(packet),
                Work::Event(event) => events.push_front(event),
            }
        }
        packets.into_iter().for_each(|packet| self.queue.push_front(packet));
        events.into_iter().for_each(|event| self.ready.push_front(event));
    }

    /// A thread has put something into its own queue while another could run: one of those comes to
    /// look whether it still lies there after a while. Waking it at once would cost more than the
    /// operation did, since the thread itself mostly comes back before.
    pub(crate) fn attend(&mut self, wakes: &mut Wakes<K>) {
        if !self.look_armed && !self.closed && self.standing_pollers() > 0 {
            self.look_armed = true;
            wakes.look_after = Some(super::queueing::LOOK_AFTER);
        }
    }
}
