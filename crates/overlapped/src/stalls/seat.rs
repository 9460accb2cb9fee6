//! Where a thread says what it works on.

use crate::sched::parker::Parker;
use crate::sys::thread_view::ThreadView;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

thread_local! {
    /// The seat of the calling thread.
    static OWN: RefCell<Option<Arc<StallSeat>>> = const { RefCell::new(None) };
}

/// What rouses the watch, and ends it.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    pub(super) parker: Parker,
    /// Nothing was worked on for some time. Whoever begins rouses the watch.
    pub(super) dozes: AtomicBool,
    pub(super) is_over: AtomicBool,
}

impl Alarm {
    #[cold]
    #[inline(never)]
    fn rouse(&self) {
        if self.dozes.swap(false, Ordering::SeqCst) {
            self.parker.unpark();
        }
    }
}

/// The place of one thread in a [`StallWatch`](crate::StallWatch): it says there what it works on.
///
/// Others may hold it, and see. Only the thread itself writes.
pub struct StallSeat {
    /// How often work was begun and ended: odd within.
    steps: AtomicU64,
    label: AtomicU64,
    /// In which step the watch saw it in its last look. Only the watch writes here.
    seen: AtomicU64,
    /// How work was called, and in which step.
    named: Mutex<(u64, Cow<'static, str>)>,
    /// Missing until the thread has sat down.
    thread: OnceLock<Thread>,
    alarm: Arc<Alarm>,
}

/// The thread of a seat.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) name: String,
    /// Missing where a thread cannot be seen.
    pub(super) view: Option<ThreadView>,
}

impl StallSeat {
    pub(super) fn new(alarm: Arc<Alarm>) -> Self {
        Self {
            steps: AtomicU64::new(0),
            label: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            named: Mutex::new((0, Cow::Borrowed(""))),
            thread: OnceLock::new(),
            alarm,
        }
    }

    /// One that nobody watches.
    pub(crate) fn unwatched() -> Self {
        Self::new(Arc::default())
    }

    /// The calling thread takes this seat, and keeps it until it takes another one or ends. To be called before its
    /// first work; [`doing`] is about its last seat.
    pub fn sit(self: &Arc<Self>) {
        self.thread.get_or_init(|| Thread {
            name: std::thread::current().name().unwrap_or("a thread without a name").to_owned(),
            view: ThreadView::of_this_thread(),
        });
        // A thread that ends has no use for it.
        let _ = OWN.try_with(|own| own.replace(Some(Arc::clone(self))));
    }

    /// The thread begins work. `label` tells the watch what that is, and is for it to read.
    #[inline]
    pub fn begin(&self, label: u64) {
        self.label.store(label, Ordering::Relaxed);
        self.step();
        if self.alarm.dozes.load(Ordering::Relaxed) {
            self.alarm.rouse();
        }
    }

    /// The thread has done its work.
    #[inline]
    pub fn end(&self) {
        self.step();
    }

    #[inline]
    fn step(&self) {
        let steps = self.steps.load(Ordering::Relaxed);
        self.steps.store(steps.wrapping_add(1), Ordering::Release);
    }

    /// How often work was begun.
    pub fn begun(&self) -> u64 {
        self.steps().div_ceil(2)
    }

    /// Odd within work. Nobody else changes it.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Acquire)
    }

    /// What is worked on, and in which step that was begun.
    pub(super) fn look(&self) -> Option<(u64, u64)> {
        let steps = self.steps();
        let label = self.label.load(Ordering::Acquire);
        (steps % 2 == 1 && self.steps() == steps).then_some((steps, label))
    }

    /// The watch looks: how often work was begun, and in which step, if the same is worked on as at its last look.
    #[inline]
    pub(super) fn glance(&self) -> (u64, Option<u64>) {
        let steps = self.steps();
        let before = self.seen.load(Ordering::Relaxed);
        let lasts = steps % 2 == 1 && steps == before;
        if steps != before {
            self.seen.store(steps, Ordering::Relaxed);
        }
        (steps.div_ceil(2), lasts.then_some(steps))
    }

    /// The label of what is worked on at this moment.
    pub fn label(&self) -> Option<u64> {
        self.look().map(|(_, label)| label)
    }

    /// How the work of this step was called by itself.
    pub(super) fn name_in(&self, steps: u64) -> Option<Cow<'static, str>> {
        let named = self.named.lock();
        (named.0 == steps && !named.1.is_empty()).then(|| named.1.clone())
    }

    pub(super) fn thread(&self) -> Option<&Thread> {
        self.thread.get()
    }
}

impl fmt::Debug for StallSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallSeat").field("thread", &self.thread).finish_non_exhaustive()
    }
}

/// Says what the calling thread does from now on, until its work ends: it is told by this name if it holds its thread
/// for long. Its work is a packet, on threads of [`Workers`](crate::Workers), and one poll of a task on those of a
/// runtime.
///
/// On any other thread it does nothing. It costs a lock that nobody else wants, so it is for a request, not for a byte.
///
/// ```
/// fn answer(path: &str) {
///     overlapped::doing(if path == "/report" { "the report" } else { "another page" });
///     // What may block or compute.
/// }
/// # answer("/report");
/// ```
pub fn doing(name: impl Into<Cow<'static, str>>) {
    let _ = OWN.try_with(|own| {
        if let Some(seat) = own.borrow().as_ref() {
            let steps = seat.steps.load(Ordering::Relaxed);
            *seat.named.lock() = (steps, name.into());
        }
    });
}
