//! What the threads of a pool share, and what each of them does.

use super::event::{Counts, WorkersCounters, WorkersEvent};
use super::sight::Sight;
use super::supervisor::{self, Alarm};
use super::{Make, Shared, Tell, WhenExhausted, Workers};
use crate::op::packet::Packet;
use crate::op::packet_parts::{PacketHandle, PacketKind};
use crate::panics::contained;
use crate::port::Port;
use crate::protocol::Protocol;
use crate::sched::parker::Parker;
use crate::sched::{Deadline, TakeError};
use crate::stalls::Stall;
use crate::stalls::seat::StallSeat;
use crate::stalls::watch::StallWatch;
use crate::sync::Mutex;
use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) struct Pool<P: Protocol> {
    pub(super) port: Port<P>,
    make: Make<P>,
    pub(super) when_exhausted: WhenExhausted<P>,
    /// Missing if nobody is to look for handlers that hold their threads for long.
    pub(super) watch: Option<StallWatch>,
    tell: Option<Tell<P>>,
    name: String,
    least: usize,
    most: usize,
    idle: Duration,
    stack_size: Option<usize>,
    /// Signals that have come, if the pool is to take them.
    signals: Option<AtomicUsize>,
    staff: Mutex<Staff>,
    /// How many seats there are.
    threads: AtomicUsize,
    /// A thread was started that has not come back from its first take.
    newcomer: AtomicBool,
    is_supervised: AtomicBool,
    /// The last thread that was to be started could not be. The supervisor tries again.
    pub(super) is_short: AtomicBool,
    pub(super) alarm: Alarm,
    /// Where a thread waits for the pool to end, or for a signal.
    pub(super) end: Parker,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct Staff {
    seats: Vec<Arc<StallSeat>>,
    /// Those of threads that have not ended, and some others.
    handles: Vec<JoinHandle<()>>,
    /// How many threads were numbered.
    numbers: usize,
}

std::thread_local! {
    /// This thread is the newcomer of the pool at this address; 0: of none.
    static NEWCOMER_OF: Cell<usize> = const { Cell::new(0) };
}

impl<P: Protocol> Pool<P> {
    /// Starts the least number of threads, and the supervisor.
    pub(super) fn start(
        settings: Workers<P>,
        make: Make<P>,
        takes_signals: bool,
    ) -> io::Result<Shared<P>> {
        let least = settings.least_threads();
        let Workers { port, name, most, idle, stack_size, when_exhausted, tell, .. } = settings;
        let handler_name = settings.handler_name.unwrap_or_default();
        let pool = Arc::new_cyclic(|pool: &Weak<Self>| Self {
            watch: settings
                .stall_after
                .map(|after| watch(&name, handler_name, after, Weak::clone(pool))),
            port,
            make,
            when_exhausted,
            tell,
            name,
            least,
            most,
            idle,
            stack_size,
            signals: takes_signals.then(AtomicUsize::default),
            staff: Mutex::new(Staff::default()),
            threads: AtomicUsize::new(0),
            newcomer: AtomicBool::new(false),
            is_supervised: AtomicBool::new(false),
            is_short: AtomicBool::new(false),
            alarm: Alarm::default(),
            end: Parker::default(),
            counts: Counts::default(),
        });
        let of_port = Arc::downgrade(&pool);
        pool.port.inner().connections.tell_before_blocking(move || {
            of_port.upgrade().map(|pool| pool.will_block()).is_some()
        });
        let of_supervisor = Arc::clone(&pool);
        let supervisor = std::thread::Builder::new().name(format!("{}-watch", pool.name));
        match supervisor.spawn(move || supervisor::supervise(&of_supervisor)) {
            Ok(_) => pool.is_supervised.store(true, Ordering::SeqCst),
            // Nobody says then that the pool is exhausted; it works all the same.
            Err(error) => pool.could_not_start(error),
        }
        for number in 0..least {
            match pool.start_thread(false) {
                Ok(()) => {}
                Err(error) if number == 0 => return Err(error),
                Err(error) => {
                    pool.could_not_start(error);
                    break;
                }
            }
        }
        Ok(pool)
    }

    fn start_thread(self: &Arc<Self>, is_newcomer: bool) -> io::Result<()> {
        let (on_duty, number) = OnDuty::new(self, is_newcomer);
        let mut thread = std::thread::Builder::new().name(format!("{}-{number}", self.name));
        if let Some(bytes) = self.stack_size {
            thread = thread.stack_size(bytes);
        }
        // When it is not started, what it would have had is dropped, and so its seat is given up.
        let handle = thread.spawn(move || on_duty.work())?;
        let mut staff = self.staff.lock();
        staff.handles.retain(|handle| !handle.is_finished());
        staff.handles.push(handle);
        Ok(())
    }

    fn could_not_start(&self, error: io::Error) {
        // Without a supervisor the next thread that takes a packet tries again.
        self.is_short.store(self.is_supervised.load(Ordering::SeqCst), Ordering::SeqCst);
        Counts::add(&self.counts.not_started, 1);
        self.tell(|| WorkersEvent::ThreadNotStarted { threads: self.threads(), error });
        self.alarm.raise();
    }

    /// No thread waits in the port: starts one, unless one is on its way or there may be no more.
    #[cold]
    #[inline(never)]
    pub(super) fn add_one(self: &Arc<Self>) {
        if self.threads() >= self.most || self.is_short.load(Ordering::SeqCst) {
            return self.alarm.raise();
        }
        if self.newcomer.swap(true, Ordering::SeqCst) {
            return;
        }
        // Only who has set the mark adds threads, so that there are never more than the most.
        if self.threads() >= self.most {
            self.newcomer.store(false, Ordering::SeqCst);
            return self.alarm.raise();
        }
        if let Err(error) = self.start_thread(true) {
            self.could_not_start(error);
        }
    }

    /// A thread may be held up before it has a packet, and no other waits.
    fn will_block(self: &Arc<Self>) {
        // It has not come back from its first take, but it is on its way no longer.
        self.has_arrived();
        self.add_one();
    }

    /// If this thread is the newcomer, there may be another one.
    fn has_arrived(&self) {
        if NEWCOMER_OF.get() == self.address() {
            NEWCOMER_OF.set(0);
            self.newcomer.store(false, Ordering::SeqCst);
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// How long a thread waits for a packet: those above the least not for ever.
    fn patience(&self) -> Deadline {
        let above = self.threads.load(Ordering::Relaxed) > self.least;
        Deadline::after(above.then_some(self.idle.max(Duration::from_nanos(1))))
    }

    pub(super) fn threads(&self) -> usize {
        self.threads.load(Ordering::SeqCst)
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Whether a thread waits in the port, of this pool or another one.
    #[inline]
    pub(super) fn somebody_waits(&self) -> bool {
        self.port.inner().scheduler().somebody_waits()
    }

    pub(super) fn sight(&self) -> Sight {
        Sight::of(self.staff.lock().seats.iter().map(|seat| &**seat))
    }

    pub(super) fn counters(&self) -> WorkersCounters {
        let handled = self.staff.lock().seats.iter().map(|seat| seat.begun()).sum();
        self.counts.read(handled)
    }

    /// How many signals have come.
    pub(super) fn signals(&self) -> usize {
        self.signals.as_ref().map_or(0, |signals| signals.load(Ordering::SeqCst))
    }

    /// The threads that were started, to be waited for.
    pub(super) fn take_handles(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.staff.lock().handles)
    }

    /// Hands a packet to `handler`; what a panic there costs is the packet's connection.
    pub(super) fn hand_over(
        &self,
        packet: Packet<P>,
        handler: &mut dyn FnMut(&Port<P>, Packet<P>),
    ) {
        if let (Some(signals), Packet::Signal(_)) = (&self.signals, &packet) {
            signals.fetch_add(1, Ordering::SeqCst);
            return self.end.unpark();
        }
        let (kind, handle) = (packet.kind(), packet.share_of_handle());
        match catch_unwind(AssertUnwindSafe(|| handler(&self.port, packet))) {
            // It may be the last one, and drop the user's key.
            Ok(()) => drop(contained(|| drop(handle))),
            Err(payload) => self.panicked(kind, handle, payload),
        }
    }

    #[cold]
    fn panicked(&self, kind: PacketKind, handle: PacketHandle<P>, payload: Box<dyn Any + Send>) {
        Counts::add(&self.counts.panicked, 1);
        if let PacketHandle::Stream(stream) | PacketHandle::ListenerAndStream(_, stream) = &handle {
            contained(|| stream.abort());
        }
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        contained(|| drop(payload));
        let message = text.unwrap_or_else(|| "a panic without a text".to_owned());
        self.tell(|| WorkersEvent::HandlerPanicked { kind, handle, message });
    }

    /// Tells the user, who may panic.
    pub(super) fn tell(&self, event: impl FnOnce() -> WorkersEvent<P>) {
        contained(|| {
            let event = event();
            #[cfg(feature = "tracing")]
            event.trace();
            if let Some(tell) = &self.tell {
                tell(&event);
            }
        });
    }
}

/// Looks for handlers that hold their threads for long.
fn watch<P: Protocol>(
    pool_name: &str,
    handler_name: String,
    after: Duration,
    pool: Weak<Pool<P>>,
) -> StallWatch {
    let describe = move |label| {
        let kind = PacketKind::ALL.into_iter().find(|kind| *kind as u64 == label);
        Some(
            kind.map_or_else(|| handler_name.clone(), |kind| format!("{handler_name} ({kind:?})"))
                .into(),
        )
    };
    StallWatch::start(pool_name, after, describe, move |stall: &Stall| {
        if let Some(pool) = pool.upgrade() {
            pool.tell(|| WorkersEvent::HandlerStalled { stall: stall.clone() });
        }
    })
}

/// A thread's place in the pool, which it gives up at its end, however that comes.
struct OnDuty<P: Protocol> {
    pool: Shared<P>,
    seat: Arc<StallSeat>,
    /// It is to be started because no thread waited. Once it runs, [`NEWCOMER_OF`] says so.
    is_newcomer: bool,
    /// Its thread runs.
    has_begun: bool,
}

impl<P: Protocol> OnDuty<P> {
    /// Counted before its thread is started, so that nobody overlooks it; and the thread's number.
    fn new(pool: &Shared<P>, is_newcomer: bool) -> (Self, usize) {
        let seat = match &pool.watch {
            Some(watch) => watch.seat(),
            None => Arc::new(StallSeat::unwatched()),
        };
        let mut staff = pool.staff.lock();
        staff.seats.push(Arc::clone(&seat));
        staff.numbers += 1;
        pool.threads.store(staff.seats.len(), Ordering::SeqCst);
        let on_duty = Self { pool: Arc::clone(pool), seat, is_newcomer, has_begun: false };
        (on_duty, staff.numbers)
    }

    fn work(mut self) {
        self.has_begun = true;
        if std::mem::take(&mut self.is_newcomer) {
            NEWCOMER_OF.set(self.pool.address());
        }
        if self.pool.watch.is_some() {
            self.seat.sit();
        }
        Counts::add(&self.pool.counts.started, 1);
        let mut handler = (self.pool.make)();
        loop {
            let taken = self.pool.port.inner().take(self.pool.patience());
            self.pool.has_arrived();
            match taken {
                Ok(packet) => self.handle(packet, &mut *handler),
                Err(TakeError::TimedOut) if !self.may_go() => {}
                Err(TakeError::TimedOut | TakeError::Abandoned | TakeError::Closed) => return,
            }
        }
    }

    fn handle(&self, packet: Packet<P>, handler: &mut dyn FnMut(&Port<P>, Packet<P>)) {
        self.seat.begin(packet.kind() as u64);
        if !self.pool.somebody_waits() {
            self.pool.add_one();
        }
        self.pool.hand_over(packet, handler);
        self.seat.end();
    }

    /// Whether this thread is one too many: it gives up its seat then.
    fn may_go(&self) -> bool {
        if !self.pool.somebody_waits() {
            return false;
        }
        let mut staff = self.pool.staff.lock();
        let may = staff.seats.len() > self.pool.least;
        if may {
            self.give_up(&mut staff);
        }
        may
    }

    fn give_up(&self, staff: &mut Staff) {
        staff.seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        if let Some(watch) = &self.pool.watch {
            watch.leave(&self.seat);
        }
        self.pool.threads.store(staff.seats.len(), Ordering::SeqCst);
    }
}

impl<P: Protocol> Drop for OnDuty<P> {
    fn drop(&mut self) {
        if self.is_newcomer {
            // Its thread could not be started.
            self.pool.newcomer.store(false, Ordering::SeqCst);
        }
        self.pool.has_arrived();
        let pool = &self.pool;
        let left = {
            let mut staff = pool.staff.lock();
            self.give_up(&mut staff);
            staff.seats.len()
        };
        Counts::add(&pool.counts.handled, self.seat.begun());
        Counts::add(&pool.counts.ended, u64::from(self.has_begun));
        if left == 0 {
            pool.alarm.end();
            pool.end.unpark();
        }
    }
}
