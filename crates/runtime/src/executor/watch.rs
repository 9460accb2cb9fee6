//! Who holds a thread for long: each thread says which task it polls, to the watch of the library.

use super::owned::{Owned, TaskInfo};
use overlapped::{StallKind, StallSeat, StallWatch};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A task has held its thread for long, and holds it still; see [`Builder::on_stall`](crate::Builder::on_stall).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// The task.
    pub task: TaskInfo,
    /// What it is called: by itself ([`doing`](overlapped::doing), [`named`](crate::named)), or where it was spawned.
    pub name: Cow<'static, str>,
    /// For how long it has held its thread so far, or somewhat longer.
    pub lasted: Duration,
    /// What its thread does.
    pub kind: StallKind,
    /// The system call in which its thread was asleep at this moment, if it was, with what it was called for if
    /// that is known. Linux alone tells it.
    pub asleep_in: Option<String>,
}

/// Who is told of a stall.
type Tell = Arc<dyn Fn(&Stall) + Send + Sync>;

/// When a poll counts as a stall, and who is told.
#[derive(Clone)]
pub(crate) struct OnStall {
    pub(crate) after: Duration,
    pub(crate) tell: Option<Tell>,
}

impl Default for OnStall {
    fn default() -> Self {
        Self { after: Duration::from_millis(25), tell: None }
    }
}

impl fmt::Debug for OnStall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnStall").field("after", &self.after).finish_non_exhaustive()
    }
}

/// The seat of the calling thread.
struct Own {
    watch: StallWatch,
    seat: Arc<StallSeat>,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.watch.leave(&self.seat);
    }
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// Starts the watch of a runtime whose tasks are in `owned`.
pub(crate) fn start(name: &str, on_stall: OnStall, owned: &Arc<Owned>) -> StallWatch {
    let info = |owned: &Owned, number| {
        owned.find(number).map(|task| TaskInfo { is_running: true, ..task })
    };
    let OnStall { after, tell } = on_stall;
    let (of_names, of_tell) = (Arc::clone(owned), Arc::clone(owned));
    let describe = move |number| {
        info(&of_names, number).map(|task| format!("task of {}", task.spawned_at).into())
    };
    StallWatch::start(name, after, describe, move |stall| {
        // It may have ended just now.
        let Some(task) = info(&of_tell, stall.label) else { return };
        let stall = Stall {
            task,
            name: stall.name.clone(),
            lasted: stall.lasted,
            kind: stall.kind,
            asleep_in: stall.asleep_in.clone(),
        };
        #[cfg(feature = "tracing")]
        trace(&stall);
        if let Some(tell) = &tell {
            tell(&stall);
        }
    })
}

#[cfg(feature = "tracing")]
fn trace(stall: &Stall) {
    let asleep_in = stall.asleep_in.as_deref();
    match stall.kind {
        StallKind::Blocks => tracing::debug!(
            task = stall.task.number, spawned_at = %stall.task.spawned_at, name = %stall.name,
            lasted = ?stall.lasted, asleep_in,
            "a task blocks its thread; another one was let in"
        ),
        _ => tracing::warn!(
            task = stall.task.number, spawned_at = %stall.task.spawned_at, name = %stall.name,
            lasted = ?stall.lasted, asleep_in,
            "a task holds its thread for long"
        ),
    }
}

/// Runs a poll of a task, seen by the watch.
pub(super) fn poll(watch: &StallWatch, task: u64, poll: impl FnOnce()) {
    /// The poll has ended, also by a panic.
    struct End;

    impl Drop for End {
        fn drop(&mut self) {
            OWN.with_borrow(|own| {
                if let Some(own) = own {
                    own.seat.end();
                }
            });
        }
    }

    begin(watch, task);
    let _end = End;
    poll();
}

fn begin(watch: &StallWatch, task: u64) {
    let is_seated = OWN.with_borrow(|own| {
        let own = own.as_ref().filter(|own| own.watch.is_same(watch));
        own.map(|own| own.seat.begin(task)).is_some()
    });
    if !is_seated {
        sit(watch);
        begin(watch, task);
    }
}

#[cold]
fn sit(watch: &StallWatch) {
    let seat = watch.seat();
    seat.sit();
    let other = OWN.replace(Some(Own { watch: watch.clone(), seat }));
    drop(other);
}
