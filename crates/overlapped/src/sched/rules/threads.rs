//! Where each thread stands, and how it comes, blocks and goes.

use super::Rules;
use super::steps::{MemberId, Wakes, Work};
use crate::sched::own_queue::{Robber, ThreadState};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not bound: never asked, left, or the port was closed.
    Outside,
    /// Holds a slot.
    Released,
    /// Said that it blocks; holds no slot until it resumes.
    Blocking,
    /// Seen asleep by the monitor; holds no slot until it is seen running or comes back.
    Presumed,
    /// Waits with us.
    Parked,
    /// Waits in the backend, or looks around on behalf of the port.
    Polling,
}

#[derive(Debug)]
pub(super) enum Handed<T, E> {
    Work(Work<T, E>),
    /// Go and wait in the backend.
    Poll,
}

#[derive(Debug)]
pub(super) struct Member<T, E, K> {
    pub(super) parker: K,
    pub(super) standing: Standing,
    pub(super) handed: Option<Handed<T, E>>,
    /// The number of its last move among those of all threads, so that what the monitor saw can be
    /// told from what is, also when the thread's own number has been given to another since.
    pub(super) last_move: u64,
    pub(super) own: Robber<T, E>,
    pub(super) state: Arc<ThreadState>,
}

impl<T, E, K: Clone> Rules<T, E, K> {
    /// Gives a thread a number. It is bound, and counted, from its first [`Rules::arrive`].
    pub(crate) fn enroll(
        &mut self,
        parker: K,
        own: Robber<T, E>,
        state: Arc<ThreadState>,
    ) -> MemberId {
        let last_move = self.next_move();
        let standing = Standing::Outside;
        let member = Member { parker, standing, handed: None, last_move, own, state };
        match self.members.iter().position(Option::is_none) {
            Some(free) => {
                self.members[free] = Some(member);
                free
            }
            None => {
                self.members.push(Some(member));
                self.members.len() - 1
            }
        }
    }

    /// The thread ends, leaves, or binds to another port: its slot is free (P76, P78, T11, T12).
    pub(crate) fn dismiss(&mut self, id: MemberId, wakes: &mut Wakes<K>) {
        self.give_back(id);
        if let Some(member) = self.members[id].take() {
            self.counts.add(member.state.counts());
        }
        self.settle(wakes);
    }

    /// The thread says that it is about to block (T9). True when it held a slot or was presumed
    /// paused, so that [`Rules::resume`] is owed.
    pub(crate) fn block(&mut self, id: MemberId, wakes: &mut Wakes<K>) -> bool {
        match self.member(id).standing {
            Standing::Released | Standing::Presumed => {}
            _ => return false,
        }
        self.give_back(id);
        self.paused += 1;
        self.set(id, Standing::Blocking);
        let before = self.active;
        self.settle(wakes);
        if self.active > before {
            self.counts.released_on_block += 1;
        }
        true
    }

    /// The thread runs again, whatever the count (P70, T10).
    pub(crate) fn resume(&mut self, id: MemberId, wakes: &mut Wakes<K>) {
        if self.member(id).standing == Standing::Blocking {
            self.paused -= 1;
            self.set(id, Standing::Released);
            self.count_active();
            self.mind_monitor(wakes);
        }
    }

    pub(super) fn give_back(&mut self, id: MemberId) {
        match self.member(id).standing {
            Standing::Released => self.active -= 1,
            Standing::Presumed | Standing::Blocking => self.paused -= 1,
            Standing::Outside | Standing::Parked | Standing::Polling => {}
        }
        self.reclaim(id);
        self.set(id, Standing::Outside);
    }

    pub(super) fn count_active(&mut self) {
        self.active += 1;
        if self.active > self.concurrency {
            self.counts.over_limit_moments += 1;
        }
    }

    pub(super) fn unpark_self(&mut self, id: MemberId) {
        self.parked.retain(|parked| *parked != id);
    }

    pub(super) fn hand(&mut self, id: MemberId, handed: Handed<T, E>) -> K {
        let member = self.member(id);
        member.handed = Some(handed);
        member.parker.clone()
    }

    pub(super) fn set(&mut self, id: MemberId, standing: Standing) {
        let last_move = self.next_move();
        let member = self.member(id);
        member.standing = standing;
        member.state.set_holds_slot(standing == Standing::Released);
        member.last_move = last_move;
    }

    fn next_move(&mut self) -> u64 {
        self.moves += 1;
        self.moves
    }

    pub(super) fn member(&mut self, id: MemberId) -> &mut Member<T, E, K> {
        self.members[id].as_mut().expect("a thread uses its number until it is dismissed")
    }
}
