//! Who holds a thread for long: each thread says which task it polls, and the watch looks at that now and then.
//!
//! So a poll costs three stores to a place of its thread, and no look at a clock. The watch is a thread that takes no
//! packets. It sleeps while nothing is polled.

use super::Executor;
use super::owned::TaskInfo;
use parking_lot::{Condvar, Mutex};
use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many looks there are in the time after which a poll counts as a stall.
const LOOKS: u32 = 4;

/// A task has held its thread for long, and holds it still; see [`Builder::on_stall`](crate::Builder::on_stall).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// The task.
    pub task: TaskInfo,
    /// For how long it has held its thread so far, or somewhat longer.
    pub lasted: Duration,
    /// What its thread does.
    pub kind: StallKind,
}

/// What a thread does that a task holds for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StallKind {
    /// It mostly sleeps, or waits for something. Another thread was let in for it.
    Blocks,
    /// It mostly computes, and others wait for a processor.
    Computes,
    /// The system does not say; so on Windows.
    Unknown,
}

/// How often a task held its thread for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stalls {
    /// While its thread slept or waited.
    pub blocked: u64,
    /// While its thread computed.
    pub computed: u64,
    /// While its thread did what the system does not say.
    pub unknown: u64,
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
        Self { after: Duration::from_millis(100), tell: None }
    }
}

impl fmt::Debug for OnStall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnStall").field("after", &self.after).finish_non_exhaustive()
    }
}

/// What a thread does. Only the thread itself writes here.
struct Seat {
    /// The number of the task that it polls, and 1; or 0.
    task: AtomicU64,
    /// How many polls it has begun.
    polls: AtomicU64,
    /// Where the system says for how long it has computed.
    clock: Option<PathBuf>,
}

impl Seat {
    fn new() -> Self {
        let thread = std::fs::read_link("/proc/thread-self").ok();
        let clock = thread.map(|thread| PathBuf::from("/proc").join(thread).join("schedstat"));
        Self { task: AtomicU64::new(0), polls: AtomicU64::new(0), clock }
    }

    /// The number of polls, and the task that is polled.
    fn look(&self) -> (u64, Option<u64>) {
        let polls = self.polls.load(Ordering::Acquire);
        (polls, self.task.load(Ordering::Relaxed).checked_sub(1))
    }

    /// For how long the thread has computed, or waited for a processor to do so.
    fn computed(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(self.clock.as_ref()?).ok()?;
        let mut nanoseconds = text.split_whitespace().map(str::parse);
        let (computed, waited): (u64, u64) = (nanoseconds.next()?.ok()?, nanoseconds.next()?.ok()?);
        Some(Duration::from_nanos(computed + waited))
    }
}

/// The seat of the calling thread.
struct Own {
    watch: Arc<Watch>,
    seat: Arc<Seat>,
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut seats = self.watch.seats.lock();
        seats.of_threads.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        seats.polls_of_ended += self.seat.polls.load(Ordering::Relaxed);
    }
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Seats {
    of_threads: Vec<Arc<Seat>>,
    polls_of_ended: u64,
}

/// The seats of all threads, and what the watch has counted.
#[derive(Default)]
pub(crate) struct Watch {
    seats: Mutex<Seats>,
    /// Nothing was polled for some time. Whoever polls rouses the watch.
    dozes: AtomicBool,
    is_over: Mutex<bool>,
    changed: Condvar,
    blocked: AtomicU64,
    computed: AtomicU64,
    unknown: AtomicU64,
}

impl Watch {
    /// Runs a poll of a task, seen by the watch.
    pub(super) fn poll(self: &Arc<Self>, task: u64, poll: impl FnOnce()) {
        /// The poll has ended, also by a panic.
        struct End;

        impl Drop for End {
            fn drop(&mut self) {
                OWN.with_borrow(|own| {
                    if let Some(own) = own {
                        own.seat.task.store(0, Ordering::Relaxed);
                    }
                });
            }
        }

        self.begin(task);
        let _end = End;
        poll();
    }

    fn begin(self: &Arc<Self>, task: u64) {
        let is_seated = OWN.with_borrow(|own| {
            let own = own.as_ref().filter(|own| Arc::ptr_eq(&own.watch, self));
            own.map(|own| {
                own.seat.task.store(task + 1, Ordering::Relaxed);
                let polls = own.seat.polls.load(Ordering::Relaxed);
                own.seat.polls.store(polls + 1, Ordering::Release);
            })
            .is_some()
        });
        if !is_seated {
            self.sit();
            return self.begin(task);
        }
        if self.dozes.load(Ordering::Relaxed) {
            self.rouse();
        }
    }

    #[cold]
    fn sit(self: &Arc<Self>) {
        let seat = Arc::new(Seat::new());
        self.seats.lock().of_threads.push(Arc::clone(&seat));
        let other = OWN.replace(Some(Own { watch: Arc::clone(self), seat }));
        drop(other);
    }

    #[cold]
    fn rouse(&self) {
        if self.dozes.swap(false, Ordering::Relaxed) {
            let _before_it_waits = self.is_over.lock();
            self.changed.notify_all();
        }
    }

    /// How many polls of tasks there were.
    pub(crate) fn polls(&self) -> u64 {
        let seats = self.seats.lock();
        let of_thread = |seat: &Arc<Seat>| seat.polls.load(Ordering::Relaxed);
        seats.of_threads.iter().map(of_thread).sum::<u64>() + seats.polls_of_ended
    }

    pub(crate) fn stalls(&self) -> Stalls {
        Stalls {
            blocked: self.blocked.load(Ordering::Relaxed),
            computed: self.computed.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }

    /// The tasks that are polled at this moment.
    pub(crate) fn running(&self) -> Vec<u64> {
        self.seats.lock().of_threads.iter().filter_map(|seat| seat.look().1).collect()
    }

    /// Ends the thread of the watch, which is not waited for.
    pub(crate) fn end(&self) {
        *self.is_over.lock() = true;
        self.changed.notify_all();
    }

    /// Waits for the next look, and says whether there is one.
    fn wait(&self, until_next: Duration) -> bool {
        let mut is_over = self.is_over.lock();
        if !*is_over {
            self.changed.wait_for(&mut is_over, until_next);
        }
        !*is_over
    }

    /// Waits until a task is polled, and says whether one may be.
    fn doze(&self) -> bool {
        let mut is_over = self.is_over.lock();
        while !*is_over && self.dozes.load(Ordering::Relaxed) {
            self.changed.wait(&mut is_over);
        }
        !*is_over
    }

    fn count(&self, kind: StallKind) {
        let counter = match kind {
            StallKind::Blocks => &self.blocked,
            StallKind::Computes => &self.computed,
            StallKind::Unknown => &self.unknown,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A seat at which a task is polled for longer than from one look to the next.
struct Long {
    seat: Arc<Seat>,
    /// The number of the poll.
    poll: u64,
    task: u64,
    /// When it was seen first.
    since: Instant,
    /// For how long the thread had computed when it was seen for the second time, and when that was.
    clock: Option<(Instant, Option<Duration>)>,
    is_told: bool,
}

impl Long {
    /// What the thread has done since the poll was seen for the second time.
    fn kind(&self, now: Instant) -> StallKind {
        let Some((then, Some(before))) = self.clock else { return StallKind::Unknown };
        match self.seat.computed() {
            None => StallKind::Unknown,
            Some(after) if after.saturating_sub(before) * 2 < now - then => StallKind::Blocks,
            Some(_) => StallKind::Computes,
        }
    }
}

/// Starts the thread of the watch. Where there is no thread to be had, nothing is watched.
pub(crate) fn start(executor: &Arc<Executor>, on_stall: OnStall, name: &str) {
    let executor = Arc::clone(executor);
    let thread = std::thread::Builder::new().name(format!("{name}-watch"));
    let _ = thread.spawn(move || watch(&executor, &on_stall));
}

fn watch(executor: &Executor, on_stall: &OnStall) {
    let watch = &executor.watch;
    let pause = (on_stall.after / LOOKS).max(Duration::from_millis(1));
    let (mut long, mut polls): (Vec<Long>, _) = (Vec::new(), 0);
    while watch.wait(pause) {
        let now = Instant::now();
        let seats = watch.seats.lock().of_threads.clone();
        long.retain(|long| long.seat.look() == (long.poll, Some(long.task)));
        for seat in seats {
            let (poll, Some(task)) = seat.look() else { continue };
            match long.iter_mut().find(|long| Arc::ptr_eq(&long.seat, &seat)) {
                None => {
                    let long_ = Long { seat, poll, task, since: now, clock: None, is_told: false };
                    long.push(long_);
                }
                Some(long) if long.clock.is_none() => long.clock = Some((now, seat.computed())),
                Some(long) if !long.is_told && now - long.since >= on_stall.after => {
                    long.is_told = true;
                    tell(executor, on_stall, long, now);
                }
                Some(_) => {}
            }
        }
        let before = std::mem::replace(&mut polls, watch.polls());
        if before != polls || !long.is_empty() {
            watch.dozes.store(false, Ordering::Relaxed);
        } else if watch.dozes.swap(true, Ordering::Relaxed) && !watch.doze() {
            // It said so one look ago: who had not seen that has shown its poll by now.
            return;
        }
    }
}

fn tell(executor: &Executor, on_stall: &OnStall, long: &Long, now: Instant) {
    // It may have ended just now.
    let Some(task) = executor.owned.find(long.task) else { return };
    let task = TaskInfo { is_running: true, ..task };
    let stall = Stall { task, lasted: now - long.since, kind: long.kind(now) };
    executor.watch.count(stall.kind);
    #[cfg(feature = "tracing")]
    match stall.kind {
        StallKind::Blocks => tracing::debug!(
            task = task.number, spawned_at = %task.spawned_at, lasted = ?stall.lasted,
            "a task blocks its thread; another one was let in"
        ),
        StallKind::Computes | StallKind::Unknown => tracing::warn!(
            task = task.number, spawned_at = %task.spawned_at, lasted = ?stall.lasted,
            "a task holds its thread for long"
        ),
    }
    if let Some(tell) = &on_stall.tell {
        // It is the user's, and its panic ends nothing.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tell(&stall)));
    }
}
