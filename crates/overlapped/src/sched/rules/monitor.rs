//! The blocked-thread monitor: whether the holders of the slots are to be looked at, and what follows
//! from what was seen.
//!
//! The monitor is a thread of its own that never takes work. It watches while every slot is taken and
//! a thread is to spare: only then does it matter whether a holder sleeps. It dozes, without a timer,
//! after that has not been so for a while, and is woken by the change after which it is so again.

use super::Rules;
use super::steps::{Suspect, Wakes};
use super::threads::Standing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Monitor {
    Off,
    /// It sleeps until somebody wakes it.
    Dozing,
    /// It comes back by its own timer; so many times in a row there was nothing to watch.
    Watching {
        quiet: u32,
    },
}

impl Monitor {
    pub(super) fn new(is_on: bool) -> Self {
        if is_on { Self::Dozing } else { Self::Off }
    }
}

/// What the monitor does in this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Sleep until woken.
    Doze,
    /// Nothing to look at; come back after a while.
    Pass,
    /// Look at the holders, if work waits: it does when `work_waits`, or when the backend has events.
    Look { work_waits: bool },
}

impl<T, E, K: Clone> Rules<T, E, K> {
    pub(crate) fn has_monitor(&self) -> bool {
        self.monitor != Monitor::Off
    }

    /// The monitor begins a round.
    pub(crate) fn watch(&mut self) -> Watch {
        if self.is_full_with_a_thread_to_spare() {
            self.monitor = Monitor::Watching { quiet: 0 };
            return Watch::Look { work_waits: self.work_waits() || self.own_work_waits() };
        }
        match self.monitor {
            Monitor::Watching { quiet } if quiet < self.quiet_rounds => {
                self.monitor = Monitor::Watching { quiet: quiet + 1 };
                Watch::Pass
            }
            Monitor::Off => Watch::Doze,
            _ => {
                self.monitor = Monitor::Dozing;
                Watch::Doze
            }
        }
    }

    /// Wakes the monitor if it dozes and there is something to watch after this change.
    #[inline]
    pub(super) fn mind_monitor(&mut self, wakes: &mut Wakes<K>) {
        if self.monitor == Monitor::Dozing && self.is_full_with_a_thread_to_spare() {
            self.monitor = Monitor::Watching { quiet: 0 };
            wakes.monitor = true;
        }
    }

    /// Whether it matters if a holder of a slot sleeps.
    fn is_full_with_a_thread_to_spare(&self) -> bool {
        !self.closed && self.active >= self.concurrency && self.somebody_waits()
    }

    /// Who has a slot, and of `all` also who has lost it since it was seen asleep.
    pub(crate) fn suspects(&self, all: bool) -> Vec<Suspect<K>> {
        let is_one = |standing| match standing {
            Standing::Released => true,
            Standing::Presumed => all,
            _ => false,
        };
        let suspects = self.members.iter().enumerate().filter_map(|(member, slot)| {
            let slot = slot.as_ref()?;
            is_one(slot.standing).then(|| Suspect {
                member,
                last_move: slot.last_move,
                own_moves: slot.state.moves(),
                parker: slot.parker.clone(),
                asleep: false,
            })
        });
        suspects.collect()
    }

    /// The monitor has looked: those who sleep are paused (P72, T9), those who run count again. Says
    /// whether a thread was found asleep with a slot.
    pub(crate) fn looked(&mut self, suspects: Vec<Suspect<K>>, wakes: &mut Wakes<K>) -> bool {
        self.counts.monitor_looks += 1;
        if self.closed {
            return false;
        }
        let mut found_sleeper = false;
        for suspect in suspects {
            found_sleeper |= self.judge(&suspect);
        }
        if found_sleeper {
            self.counts.released_on_block += 1;
        }
        self.settle(wakes);
        found_sleeper
    }

    /// True when the thread is found asleep with a slot, which it loses.
    fn judge(&mut self, suspect: &Suspect<K>) -> bool {
        let id = suspect.member;
        let Some(member) = self.members[id].as_mut() else { return false };
        if member.last_move != suspect.last_move || member.state.moves() != suspect.own_moves {
            return false;
        }
        match (member.standing, suspect.asleep) {
            (Standing::Released, true) => {
                member.standing = Standing::Presumed;
                member.state.set_holds_slot(false);
                member.state.saw_asleep();
                self.active -= 1;
                self.paused += 1;
                self.reclaim(id);
                true
            }
            (Standing::Presumed, true) => {
                // It may have put something there just before it was seen.
                self.reclaim(id);
                false
            }
            (Standing::Presumed, false) => {
                member.standing = Standing::Released;
                member.state.set_holds_slot(true);
                self.paused -= 1;
                self.count_active();
                false
            }
            _ => false,
        }
    }
}
