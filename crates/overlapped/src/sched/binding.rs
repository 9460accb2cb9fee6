//! Which scheduler the calling thread is bound to, and how the thread waits there.
//!
//! A thread is bound to one scheduler at a time (P76): by its first take, until it ends, leaves, or
//! takes from another one (P77, P78). The binding does not keep the scheduler alive.

use super::allowance::Allowance;
use super::dispatcher::Member;
use super::metrics::Queued;
use super::parker::{Park, Parker};
use super::platform::OnDriver;
use super::rules::steps::{MemberId, Wakes, Work};
use super::{Deadline, Job, Scheduler, TakeError};
use crate::sync::{shared, thread_local};
use crate::sys::Event;
use crate::sys::sleep::SleepProbe;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;

thread_local! {
    static BOUND: RefCell<Option<Binding>> = const { RefCell::new(None) };
}

/// A scheduler, whatever it queues.
pub(super) trait Bound: Send + Sync {
    fn dismiss(&self, id: MemberId);
    fn block(&self, id: MemberId) -> bool;
    fn resume(&self, id: MemberId);
    fn owner(&self) -> &OwnerSlot;
}

/// Whose the scheduler is, for the threads that are bound to it. It is told once, and does not keep it.
#[derive(Debug, Default)]
pub(crate) struct OwnerSlot(OnceLock<Weak<dyn Any + Send + Sync>>);

/// Whose the scheduler is that the calling thread is bound to, if it is bound and that still exists.
pub(crate) fn owner() -> Option<Arc<dyn Any + Send + Sync>> {
    let scheduler = with_binding(|binding| Some(binding.scheduler.clone()))?.upgrade()?;
    scheduler.owner().0.get()?.upgrade()
}

/// A bound thread's part of a scheduler.
pub(super) type BoundMember = Member<Event, Arc<BoundThread>>;

/// A thread's tie to one scheduler.
struct Binding {
    scheduler: Weak<dyn Bound>,
    /// Where it lies: compared with that of others, and never followed. Nothing else lies there as
    /// long as there is the weak reference.
    address: usize,
    member: BoundMember,
    /// What the thread may have in place before it takes again.
    allowance: Allowance,
    /// The thread is in [`blocking`].
    is_blocking: Cell<bool>,
}

impl Binding {
    fn new<T: Send + 'static>(scheduler: &Arc<Scheduler<T>>) -> Self {
        let member = scheduler.enroll(Arc::new(BoundThread::calling()));
        let scheduler: Weak<dyn Bound> = Arc::downgrade(scheduler) as Weak<dyn Bound>;
        let (address, allowance) = (scheduler.as_ptr().addr(), Allowance::new());
        Self { scheduler, address, member, allowance, is_blocking: Cell::new(false) }
    }

    #[inline]
    fn is_to<T>(&self, scheduler: &Arc<Scheduler<T>>) -> bool {
        self.address == Arc::as_ptr(scheduler).addr()
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        if let Some(scheduler) = self.scheduler.upgrade() {
            scheduler.dismiss(self.member.id);
        }
    }
}

/// Who is to be woken since a packet was queued. It does so when it is dropped, which is a call of the
/// system's, so it is to be dropped where no lock is held.
#[must_use]
pub(crate) struct Wakeups<T: 'static> {
    scheduler: Arc<Scheduler<T>>,
    wakes: Option<Wakes<Arc<BoundThread>>>,
}

impl<T: 'static> Drop for Wakeups<T> {
    fn drop(&mut self) {
        self.scheduler.wake(self.wakes.take());
    }
}

impl<T: Send + 'static> Scheduler<T> {
    /// Takes something to do as the calling thread, which is bound if need be, waiting for it until
    /// `deadline`.
    #[inline]
    pub(crate) fn take_bound(self: &Arc<Self>, deadline: Deadline) -> Result<Job<T>, TakeError> {
        let own = BOUND.try_with(|bound| {
            let bound = bound.try_borrow().ok()?;
            let binding = bound.as_ref().filter(|binding| binding.is_to(self))?;
            binding.allowance.renew();
            self.take_own(&binding.member)
        });
        match own {
            Ok(Some(job)) => Ok(job),
            _ => self.take_bound_shared(deadline),
        }
    }

    /// The same when the thread has nothing in its own queue, or has to look around first.
    #[inline(never)]
    fn take_bound_shared(self: &Arc<Self>, deadline: Deadline) -> Result<Job<T>, TakeError> {
        let taken = BOUND.try_with(|bound| {
            let mut bound = bound.try_borrow_mut().ok()?;
            if !bound.as_ref().is_some_and(|binding| binding.is_to(self)) {
                // The slot in the other scheduler is given back before one is asked for here.
                *bound = None;
                *bound = Some(Binding::new(self));
            }
            Some(self.take(&mut bound.as_mut()?.member, deadline))
        });
        match taken {
            Ok(Some(result)) => result,
            // The thread is ending, and its bindings are gone: it is bound for this one take.
            _ => self.take(&mut Binding::new(self).member, deadline),
        }
    }

    /// Whether the calling thread may have one more completion in place: it is bound here, runs, and
    /// has not had all that its last take allows. Its number, then.
    #[inline]
    pub(crate) fn allow_in_place(self: &Arc<Self>) -> Option<MemberId> {
        with_binding(|binding| {
            let runs_here = binding.is_to(self) && !binding.is_blocking.get();
            let allowed = runs_here
                && binding.allowance.allows_one_more(|| self.has_work_to_hand_out(&binding.member));
            allowed.then_some(binding.member.id)
        })
    }

    /// Queues a packet, or gives it back when the scheduler is closed. It must then be dropped where
    /// no lock is held, and so must what is returned, which wakes others.
    pub(crate) fn queue(self: &Arc<Self>, packet: T) -> Result<Option<Wakeups<T>>, T> {
        self.insert(packet).map(|wakes| self.wakeups(wakes))
    }

    /// The same for the packet of an operation that completed while the calling thread started it.
    #[inline(always)]
    pub(crate) fn queue_own(self: &Arc<Self>, packet: T) -> Result<Option<Wakeups<T>>, T> {
        let mut packet = Some(packet);
        let wakes = with_binding(|binding| {
            if binding.is_to(self) { self.insert_own(&binding.member, &mut packet) } else { None }
        });
        match packet {
            None => Ok(self.wakeups(wakes)),
            Some(packet) => self.queue(packet),
        }
    }

    /// Whether the calling thread may take a packet that it has just performed at once, since no other
    /// lies in the shared queue. If not, it is to [exchange](Self::exchange_own) it.
    ///
    /// To be called under the lock of the packet's connection: looked at before, the queue could get
    /// an older packet of it meanwhile.
    #[inline(always)]
    pub(crate) fn passes_own(self: &Arc<Self>) -> bool {
        let passes = with_binding(|binding| {
            (binding.is_to(self) && self.pass(&binding.member)).then_some(())
        });
        passes.is_some()
    }

    /// Queues a packet that the calling thread has just performed and that does not pass, and returns
    /// the oldest one; none if that lies in the thread's own queue, behind the event that was performed (P50).
    /// What is returned besides is to be dropped where no lock is held.
    #[inline(never)]
    pub(crate) fn exchange_own(self: &Arc<Self>, packet: T) -> (Option<T>, Option<Wakeups<T>>) {
        let keeps_older = with_binding(|binding| {
            (binding.is_to(self) && self.keeps_older(&binding.member)).then_some(())
        });
        if keeps_older.is_some() {
            return match self.queue(packet) {
                Ok(wakeups) => (None, wakeups),
                // Closed meanwhile: nothing is queued any more.
                Err(packet) => (Some(packet), None),
            };
        }
        let (oldest, wakes) = self.exchange(packet);
        (Some(oldest), self.wakeups(wakes))
    }

    #[inline]
    fn wakeups(self: &Arc<Self>, wakes: Option<Wakes<Arc<BoundThread>>>) -> Option<Wakeups<T>> {
        wakes.map(|wakes| Wakeups { scheduler: shared(self), wakes: Some(wakes) })
    }

    /// Puts packets that the calling thread has taken back to the head of the queue, or gives them
    /// back when the scheduler is closed.
    pub(crate) fn put_back_own(
        self: &Arc<Self>,
        packets: VecDeque<T>,
    ) -> Result<(), VecDeque<Queued<T>>> {
        let member = with_binding(|binding| binding.is_to(self).then_some(binding.member.id));
        self.put_back(member, packets)
    }

    /// Gives the calling thread, which has taken a packet from `ours`, what it may have besides, without
    /// waiting. `carry_out` is called with each piece of work and answers how many more packets are
    /// wanted; `wanted` of them at first.
    pub(super) fn take_more_of(
        self: &Arc<Self>,
        ours: &OnDriver<T>,
        mut wanted: usize,
        mut carry_out: impl FnMut(Work<T, Event>) -> usize,
    ) {
        let take_own = |binding: &Binding| {
            if binding.is_to(self) { ours.take_own(&binding.member) } else { None }
        };
        // It may have to ask before it gets what lies there, and everything in the shared queue is later.
        let has_own = |binding: &Binding| {
            (binding.is_to(self) && ours.has_own(&binding.member)).then_some(())
        };
        let more = || if with_binding(has_own).is_some() { None } else { ours.more() };
        while wanted > 0
            && let Some(work) = with_binding(take_own).or_else(more)
        {
            wanted = carry_out(work);
        }
    }

    /// Says whose the scheduler is; see [`owner`].
    pub(crate) fn belongs_to(&self, owner: Weak<dyn Any + Send + Sync>) {
        self.owner().0.set(owner).expect("a scheduler belongs to one port");
    }

    /// Unbinds the calling thread, if it is bound.
    pub(crate) fn leave(self: &Arc<Self>) {
        let binding =
            BOUND.try_with(|bound| bound.borrow_mut().take_if(|binding| binding.is_to(self)));
        drop(binding);
    }
}

/// Gives the calling thread's slot away while `work` runs, so that its port lets another thread in
/// at once. Afterwards the thread counts as running again, even if more threads run then than the
/// port's concurrency.
///
/// On a thread that is bound to no port it just runs `work`.
///
/// # Platform
/// On Windows the system itself gives the slot away when the thread blocks in the kernel, and not
/// before. Code that computes keeps its slot; this call only shows in
/// [`Snapshot::paused`](crate::Snapshot::paused).
///
/// ```
/// # let path = "/dev/null";
/// let text = overlapped::blocking(|| std::fs::read_to_string(path));
/// ```
pub fn blocking<R>(work: impl FnOnce() -> R) -> R {
    /// Resumes also when `work` panics.
    struct Pause(Option<(Weak<dyn Bound>, MemberId)>);

    impl Drop for Pause {
        fn drop(&mut self) {
            let Some((scheduler, id)) = self.0.take() else {
                return;
            };
            // The work may have bound the thread to another port; then nothing is owed here.
            let still_bound = with_binding(|now| {
                let same = std::ptr::addr_eq(now.scheduler.as_ptr(), scheduler.as_ptr());
                let still_bound = same && now.member.id == id;
                now.is_blocking.set(now.is_blocking.get() && !still_bound);
                still_bound.then(|| scheduler.upgrade())?
            });
            if let Some(scheduler) = still_bound {
                scheduler.resume(id);
            }
        }
    }

    let paused = with_binding(|binding| Some((binding.scheduler.clone(), binding.member.id)))
        .filter(|(scheduler, id)| {
            scheduler.upgrade().is_some_and(|scheduler| scheduler.block(*id))
        });
    if paused.is_some() {
        with_binding(|binding| Some(binding.is_blocking.replace(true)));
    }
    let _pause = Pause(paused);
    work()
}

/// Whether the calling thread was seen asleep by the blocked-thread monitor of its port, which has let
/// another thread in for it, since the last such call on this thread.
///
/// Who asks after each piece of work learns which kinds of work block without saying so, and can do the
/// next ones of the kind in [`blocking`], which lets another thread in at once. A sleep in which nothing
/// waited for a thread is not looked for, and so it is not seen.
///
/// # Platform
/// On Windows the system sees who blocks, and tells nobody: this is always false.
///
/// ```
/// fn report() { /* code that may block */ }
///
/// let mut says_that_it_blocks = false;
/// for _ in 0..2 {
///     if says_that_it_blocks { overlapped::blocking(report) } else { report() }
///     says_that_it_blocks |= overlapped::was_seen_asleep();
/// }
/// ```
#[inline]
#[must_use]
pub fn was_seen_asleep() -> bool {
    with_binding(|binding| Some(binding.member.state.take_seen_asleep())).unwrap_or(false)
}

/// The number of the calling thread in the scheduler that it is bound to.
pub(super) fn calling_member() -> Option<MemberId> {
    with_binding(|binding| Some(binding.member.id))
}

/// What `view` sees of the calling thread's binding, if it has one.
#[inline]
fn with_binding<R>(view: impl FnOnce(&Binding) -> Option<R>) -> Option<R> {
    BOUND.try_with(|bound| view(bound.try_borrow().ok()?.as_ref()?)).ok().flatten()
}

/// How others wake a bound thread, and see whether it sleeps.
#[derive(Debug)]
pub(crate) struct BoundThread {
    thread: Thread,
    parker: Parker,
    probe: Option<SleepProbe>,
}

impl BoundThread {
    fn calling() -> Self {
        let probe = SleepProbe::of_this_thread().ok();
        Self { thread: std::thread::current(), parker: Parker::default(), probe }
    }
}

impl Park for Arc<BoundThread> {
    fn parker(&self) -> &Parker {
        &self.parker
    }

    fn asleep(&self) -> Option<bool> {
        self.probe.as_ref()?.asleep()
    }

    fn name(&self) -> Option<String> {
        self.thread.name().map(str::to_owned)
    }
}
