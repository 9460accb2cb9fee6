//! Which port the calling thread is bound to, and the seat it waits on there.
//!
//! A thread is bound to one port at a time (P76): by its first take, until it ends, leaves, or
//! takes from another port (P77, P78). The binding does not keep the port alive.

use super::Protocol;
use super::inner::Inner;
use super::turnstile::rules::steps::MemberId;
use super::turnstile::seat::{Bell, Seat};
use crate::driver::Event;
use crate::driver::sleep::SleepProbe;
use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

thread_local! {
    static BOUND: RefCell<Option<Binding>> = const { RefCell::new(None) };
}

/// What a thread's binding needs of a port, whatever its protocol.
pub(crate) trait Bound: Send + Sync {
    fn dismiss(&self, member: MemberId);
    fn block(&self, member: MemberId) -> bool;
    fn resume(&self, member: MemberId);
}

/// A thread's tie to one port.
pub(crate) struct Binding {
    port: Weak<dyn Bound>,
    pub(crate) member: MemberId,
    pub(crate) seat: Arc<ThreadSeat>,
    /// Where the driver puts events for this thread.
    pub(crate) events: Vec<Event>,
}

impl Binding {
    fn new<P: Protocol>(port: &Arc<Inner<P>>) -> Self {
        let seat = Arc::new(ThreadSeat::of_this_thread());
        let member = port.engine.enrol(Arc::clone(&seat));
        let port: Weak<dyn Bound> = Arc::downgrade(port) as Weak<dyn Bound>;
        Self { port, member, seat, events: Vec::new() }
    }

    fn is_to<P: Protocol>(&self, port: &Inner<P>) -> bool {
        std::ptr::addr_eq(self.port.as_ptr(), port)
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        if let Some(port) = self.port.upgrade() {
            port.dismiss(self.member);
        }
    }
}

/// Calls `take` with the calling thread's binding to `port`, which is made if need be.
pub(crate) fn with_binding<P: Protocol, R>(
    port: &Arc<Inner<P>>,
    take: impl FnOnce(&mut Binding) -> R,
) -> R {
    let mut take = Some(take);
    let done = BOUND.try_with(|bound| {
        let mut bound = bound.try_borrow_mut().ok()?;
        if !bound.as_ref().is_some_and(|binding| binding.is_to(port)) {
            // The slot in the other port is given back before one is asked for here.
            *bound = None;
            *bound = Some(Binding::new(port));
        }
        Some(take.take()?(bound.as_mut()?))
    });
    match (done, take) {
        (Ok(Some(result)), _) => result,
        // The thread is ending, and its bindings are gone: it is bound for this one take.
        (_, Some(take)) => take(&mut Binding::new(port)),
        (_, None) => unreachable!("a take that was called has a result"),
    }
}

/// The calling thread's number in `port`, if it is bound to it.
pub(crate) fn member_of<P: Protocol>(port: &Inner<P>) -> Option<MemberId> {
    BOUND
        .try_with(|bound| {
            let bound = bound.try_borrow().ok()?;
            let binding = bound.as_ref()?;
            binding.is_to(port).then_some(binding.member)
        })
        .ok()
        .flatten()
}

/// Unbinds the calling thread from `port`, if it is bound to it.
pub(crate) fn leave<P: Protocol>(port: &Arc<Inner<P>>) {
    let binding = BOUND.try_with(|bound| {
        let mut bound = bound.borrow_mut();
        if bound.as_ref().is_some_and(|binding| binding.is_to(port)) { bound.take() } else { None }
    });
    drop(binding);
}

/// Gives the calling thread's slot away while `work` runs, so that its port lets another thread
/// in at once (P72, T9). Afterwards the thread counts as running again, even if that makes one
/// more than the port's concurrency (P70, T10).
///
/// On a thread that is bound to no port it just runs `work`.
///
/// # Platform
/// On Windows the system gives the slot away by itself when the thread blocks in the kernel, and not
/// before: code that computes keeps its slot, and this only shows in
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
            let Some((port, member)) = self.0.take() else {
                return;
            };
            // The work may have bound the thread to another port; then nothing is owed here.
            let still_bound = current().is_some_and(|(now, id)| {
                std::ptr::addr_eq(now.as_ptr(), port.as_ptr()) && id == member
            });
            if still_bound && let Some(port) = port.upgrade() {
                port.resume(member);
            }
        }
    }

    let paused =
        current().filter(|(port, member)| port.upgrade().is_some_and(|port| port.block(*member)));
    let _pause = Pause(paused);
    work()
}

fn current() -> Option<(Weak<dyn Bound>, MemberId)> {
    BOUND
        .try_with(|bound| {
            let bound = bound.try_borrow().ok()?;
            bound.as_ref().map(|binding| (binding.port.clone(), binding.member))
        })
        .ok()
        .flatten()
}

/// The seat of a real thread.
#[derive(Debug)]
pub(crate) struct ThreadSeat {
    bell: Bell,
    probe: Option<SleepProbe>,
}

impl ThreadSeat {
    fn of_this_thread() -> Self {
        Self { bell: Bell::new(), probe: SleepProbe::of_this_thread().ok() }
    }
}

impl Seat for Arc<ThreadSeat> {
    fn park(&self, timeout: Option<Duration>) {
        self.bell.wait(timeout);
    }

    fn unpark(&self) {
        self.bell.ring();
    }

    fn asleep(&self) -> Option<bool> {
        self.probe.as_ref()?.asleep()
    }
}
