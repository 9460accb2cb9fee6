//! Threads, locks and time of a simulation.
//!
//! Shuttle runs all threads of a simulation on one thread of the system, one at a time, and asks a scheduler
//! at each lock and atomic who goes on. Time is a number. It goes on when every thread waits, to the next
//! moment that one of them waits for; a little of it passes whenever somebody looks.

use crate::sync::Mutex;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

pub(crate) use shuttle::thread_local;

/// What is local to a thread is its alone, but not what the standard library's threads have.
pub(crate) const THREADS_HAVE_THEIR_OWN: bool = false;

/// How much time passes from one look at the clock to the next.
const LOOK_NS: u64 = 40;

pub(in crate::sync) mod imp {
    pub(crate) use super::Condvar;
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::Arc;
}

#[derive(Default)]
struct Time {
    now_ns: u64,
    last_number: u64,
    /// Who waits until when. Those of one moment in the order in which they came.
    waits: BTreeMap<(u64, u64), Arc<Waiting>>,
    /// Decides which of several waiting threads a notification wakes, and how calls on files go.
    random: u64,
    /// What the next calls on files fail with.
    failures: VecDeque<i32>,
}

std::thread_local! {
    static TIME: RefCell<Time> = RefCell::default();
}

fn with_time<R>(view: impl FnOnce(&mut Time) -> R) -> R {
    TIME.with(|time| view(&mut time.borrow_mut()))
}

impl Time {
    fn below(&mut self, bound: usize) -> usize {
        self.random =
            self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.random >> 33) as usize % bound
    }
}

/// One wait of one thread.
#[derive(Debug)]
struct Waiting {
    thread: shuttle::thread::Thread,
    woken: AtomicBool,
}

impl Waiting {
    fn begin() -> Arc<Self> {
        Arc::new(Self { thread: shuttle::thread::current(), woken: AtomicBool::new(false) })
    }

    fn wake(&self) {
        self.woken.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }

    /// Waits until it is woken, or for `timeout`.
    fn wait(self: &Arc<Self>, timeout: Option<Duration>) {
        let alarm = timeout.map(|timeout| {
            with_time(|time| {
                let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
                time.last_number += 1;
                let alarm = (time.now_ns.saturating_add(timeout_ns), time.last_number);
                time.waits.insert(alarm, Arc::clone(self));
                alarm
            })
        });
        while !self.woken.load(Ordering::Relaxed) {
            shuttle::thread::park();
        }
        if let Some(alarm) = alarm {
            with_time(|time| time.waits.remove(&alarm));
        }
    }
}

/// A condition variable whose waits end by the simulated time. None ends for no reason, so that a lost
/// notification is a standstill.
#[derive(Debug, Default)]
pub(crate) struct Condvar(std::sync::Mutex<VecDeque<Arc<Waiting>>>);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn waiting<R>(&self, view: impl FnOnce(&mut VecDeque<Arc<Waiting>>) -> R) -> R {
        view(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn notify_one(&self) {
        let one = self.waiting(|waiting| match waiting.len() {
            0 => None,
            count => waiting.remove(with_time(|time| time.below(count))),
        });
        if let Some(one) = one {
            one.wake();
        }
    }

    pub(crate) fn notify_all(&self) {
        for one in self.waiting(std::mem::take) {
            one.wake();
        }
    }

    fn wait_for<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: imp::MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> imp::MutexGuard<'a, T> {
        let own = Waiting::begin();
        self.waiting(|waiting| waiting.push_back(Arc::clone(&own)));
        drop(guard);
        own.wait(timeout);
        self.waiting(|waiting| waiting.retain(|other| !Arc::ptr_eq(other, &own)));
        mutex.lock()
    }
}

pub(in crate::sync) fn lock<T>(mutex: &imp::Mutex<T>) -> imp::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever has the lock has it for too long.
pub(in crate::sync) fn lock_within<T>(
    mutex: &imp::Mutex<T>,
    _patience: Duration,
) -> Option<imp::MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

pub(in crate::sync) fn wait<'a, T>(
    condvar: &imp::Condvar,
    mutex: &'a Mutex<T>,
    guard: imp::MutexGuard<'a, T>,
) -> imp::MutexGuard<'a, T> {
    condvar.wait_for(mutex, guard, None)
}

pub(in crate::sync) fn wait_timeout<'a, T>(
    condvar: &imp::Condvar,
    mutex: &'a Mutex<T>,
    guard: imp::MutexGuard<'a, T>,
    timeout: Duration,
) -> imp::MutexGuard<'a, T> {
    condvar.wait_for(mutex, guard, Some(timeout))
}

pub(in crate::sync) fn now() -> Instant {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    // Far enough from the beginning of the system's clock for any subtraction.
    let first = *FIRST.get_or_init(|| Instant::now() + Duration::from_secs(1 << 20));
    let now_ns = with_time(|time| {
        time.now_ns += LOOK_NS;
        time.now_ns
    });
    first + Duration::from_nanos(now_ns)
}

pub(in crate::sync) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    shuttle::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

thread_local! {
    /// Whether the thread sleeps, for those who look.
    static ASLEEP: Arc<AtomicBool> = Arc::new(AtomicBool::new(false));
}

/// What the program of a simulation does beside the library's own calls. It promises nothing to anybody else.
pub mod simulation {
    use super::{ASLEEP, Time, Waiting, with_time};
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// Begins anew, at the beginning of time. `seed` decides which of several waiting threads is woken.
    pub fn begin(seed: u64) {
        with_time(|time| *time = Time { random: seed, ..Time::default() });
    }

    /// The nanoseconds since the beginning.
    pub fn now_ns() -> u64 {
        with_time(|time| time.now_ns)
    }

    /// Lets time go on to the next moment that somebody waits for, and ends that wait. False when nobody
    /// waits for a time.
    pub fn advance() -> bool {
        let next = with_time(|time| {
            let ((at_ns, _), waiting) = time.waits.pop_first()?;
            time.now_ns = time.now_ns.max(at_ns);
            Some(waiting)
        });
        next.inspect(|waiting| waiting.wake()).is_some()
    }

    /// Lets time go on at once, as for a machine that was suspended.
    pub fn jump(by: Duration) {
        with_time(|time| time.now_ns += by.as_nanos() as u64);
    }

    /// Lets the next `times` calls on files fail with the system's error number `errno`, after those that
    /// were to fail before.
    pub fn fail_files(times: usize, errno: i32) {
        with_time(|time| time.failures.extend(std::iter::repeat_n(errno, times)));
    }

    /// The calling thread sleeps, as in a system call: the blocked-thread monitor can see it.
    pub fn sleep(duration: Duration) {
        ASLEEP.with(|asleep| asleep.store(true, Ordering::Relaxed));
        Waiting::begin().wait(Some(duration));
        ASLEEP.with(|asleep| asleep.store(false, Ordering::Relaxed));
    }

    /// A view of the calling thread that says whether it is in [`sleep`].
    pub(crate) fn sleep_of_this_thread() -> Arc<AtomicBool> {
        ASLEEP.with(Arc::clone)
    }

    /// A call on a file takes its time, and then may transfer so many bytes.
    pub(crate) fn disturb_call() -> io::Result<usize> {
        let (after_us, most, failure) = with_time(|time| {
            let most = if time.below(3) == 0 { 1 + time.below(64) } else { usize::MAX };
            (time.below(200) as u64, most, time.failures.pop_front())
        });
        Waiting::begin().wait(Some(Duration::from_micros(after_us)));
        failure.map_or(Ok(most), |number| Err(io::Error::from_raw_os_error(number)))
    }
}
