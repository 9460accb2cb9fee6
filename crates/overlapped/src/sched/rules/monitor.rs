//! The blocked-thread monitor: it looks whether the holders of the slots really run.

use super::Rules;
use super::steps::{MemberId, Step, Suspect, Wakes};
use super::threads::Standing;
use std::time::Duration;

/// How long the monitor steps back after a look that found every holder running: at first, and
/// after several such looks.
pub(super) const STEP_BACK_MIN: Duration = Duration::from_micros(200);
pub(super) const STEP_BACK_MAX: Duration = Duration::from_millis(1);

impl<T, E, K: Clone> Rules<T, E, K> {
    /// The monitor has looked: those who sleep are paused (P72, T9), those who run count again.
    pub(crate) fn looked(
        &mut self,
        id: MemberId,
        suspects: Vec<Suspect<K>>,
        expired: bool,
        wakes: &mut Wakes<K>,
    ) -> Step<T, E, K> {
        self.looking -= 1;
        self.counts.monitor_looks += 1;
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        let mut found_sleeper = false;
        for suspect in suspects {
            let Some(member) = self.members[suspect.member].as_mut() else {
                continue;
            };
            if member.last_move != suspect.last_move {
                continue;
            }
            match (member.standing, suspect.asleep) {
                (Standing::Released, true) => {
                    member.standing = Standing::Presumed;
                    self.active -= 1;
                    self.paused += 1;
                    found_sleeper = true;
                }
                (Standing::Presumed, false) => {
                    member.standing = Standing::Released;
                    self.paused -= 1;
                    self.count_active();
                }
                _ => {}
            }
        }
        if found_sleeper {
            self.step_back = STEP_BACK_MIN;
            self.counts.released_on_block += 1;
        }
        if self.active < self.concurrency {
            return self.admit(id, expired, false, wakes);
        }
        if expired {
            return self.time_out(id, wakes);
        }
        if self.away.is_some() || !self.is_withheld() {
            return self.admit(id, false, false, wakes);
        }
        let look_after = Some(self.step_back);
        self.step_back = (self.step_back * 2).min(STEP_BACK_MAX);
        self.away = Some(id);
        self.set(id, Standing::Parked);
        self.parked.push(id);
        self.settle(wakes);
        Step::Park { look_after }
    }

    pub(super) fn look(&mut self, id: MemberId) -> Step<T, E, K> {
        self.set(id, Standing::Polling);
        self.looking += 1;
        let suspects = self.members.iter().enumerate().filter_map(|(member, slot)| {
            let slot = slot.as_ref()?;
            matches!(slot.standing, Standing::Released | Standing::Presumed).then(|| Suspect {
                member,
                last_move: slot.last_move,
                parker: slot.parker.clone(),
                asleep: false,
            })
        });
        Step::Look(suspects.collect())
    }
}
