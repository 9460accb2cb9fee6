//! The discipline of the completion port as a pure data structure.
//!
//! Packets leave in the order they were queued; waiting threads are released newest first; at
//! most `concurrency` of them are released at a time; a thread that blocks gives its slot away.
//! The rules know no lock, no clock and no I/O: the [gate](super::gate) calls them under its lock
//! and carries out what they answer.
//!
//! A waiting thread is in one of two places: *parked* with us, or *polling*, that is, standing in
//! the driver's wait for events. A parked thread can be given a packet by name; which of several
//! polling threads the kernel wakes is the kernel's business, so work for "a polling thread" lies
//! in one queue from which whoever comes back takes first.

use super::seat::Seat;
use crate::port::counters::TurnstileCounters;
use std::collections::VecDeque;
use std::time::Duration;

/// After so many packets from the queue in a row, the driver is looked at without waiting.
const GLANCE_EVERY: u32 = 16;
/// How many events a thread takes from the driver when every other slot is busy.
const BATCH_MAX: usize = 16;
/// How long the doorman steps back after a look that found every holder running.
const STEP_BACK_MIN: Duration = Duration::from_micros(200);
const STEP_BACK_MAX: Duration = Duration::from_millis(1);

/// A bound thread's number in its turnstile.
pub(crate) type MemberId = usize;

/// What a thread is given to do.
#[derive(Debug)]
pub(crate) enum Work<T, E> {
    /// A packet, oldest first.
    Packet(T),
    /// An event of the driver, to be performed by this thread. What it yields goes through
    /// [`Rules::exchange`].
    Event(E),
}

/// What the calling thread does next.
#[derive(Debug)]
pub(crate) enum Step<T, E, S> {
    /// Return with this work; the thread is released.
    Work(Work<T, E>),
    /// Stand in the driver's wait for up to `batch` events, then call [`Rules::returned`].
    Poll { batch: usize },
    /// Look at the driver without waiting, then call [`Rules::glanced`].
    Glance { batch: usize },
    /// Park until rung, at most for `look_after`, then call [`Rules::woken`].
    Park { look_after: Option<Duration> },
    /// See which of these holders of slots sleep, then call [`Rules::looked`].
    Look(Vec<Suspect<S>>),
    /// Nothing came in time; the thread is released without a packet.
    TimedOut,
    /// The port was closed while the thread waited.
    Abandoned,
}

/// A holder of a slot that the doorman looks at.
#[derive(Debug)]
pub(crate) struct Suspect<S> {
    member: MemberId,
    moves: u64,
    pub(crate) seat: S,
    pub(crate) asleep: bool,
}

/// The threads to wake once the lock is released.
#[derive(Debug)]
pub(crate) struct Wakes<S> {
    pub(crate) seats: Vec<S>,
    pub(crate) kick: bool,
    /// Make a thread come back from the driver's wait after this time, to look at the holders.
    pub(crate) look_after: Option<Duration>,
}

impl<S> Wakes<S> {
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && !self.kick && self.look_after.is_none()
    }
}

impl<S> Default for Wakes<S> {
    fn default() -> Self {
        Self { seats: Vec::new(), kick: false, look_after: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Not bound: never asked, left, or the port was closed.
    Outside,
    /// Holds a slot.
    Released,
    /// Said that it blocks; holds no slot until it resumes.
    Blocking,
    /// Seen asleep by the doorman; holds no slot until it is seen running or comes back.
    Presumed,
    /// Waits with us.
    Parked,
    /// Waits in the driver, or looks around on behalf of the port.
    Polling,
}

#[derive(Debug)]
enum Handed<T, E> {
    Work(Work<T, E>),
    /// Go and stand in the driver's wait.
    Door,
}

#[derive(Debug)]
struct Member<T, E, S> {
    seat: S,
    standing: Standing,
    handed: Option<Handed<T, E>>,
    /// Counts the thread's own moves, so that what the doorman saw can be told from what is.
    moves: u64,
}

/// The sizes of the structures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) queued: usize,
    pub(crate) waiting: usize,
    pub(crate) released: usize,
    pub(crate) paused: usize,
}

/// The state of one port's turnstile: `T` packets, `E` driver events, `S` seats of threads.
#[derive(Debug)]
pub(crate) struct Rules<T, E, S> {
    concurrency: usize,
    doorman: bool,
    /// Threads that hold a slot, including those that were handed work and have not woken yet.
    active: usize,
    paused: usize,
    queue: VecDeque<T>,
    /// Events taken from the driver and not performed yet: not packets, and not in the snapshot.
    ready: VecDeque<E>,
    members: Vec<Option<Member<T, E, S>>>,
    /// The waiting stack, newest last.
    parked: Vec<MemberId>,
    polling: usize,
    /// Work whose slot is already counted, for the next threads back from the driver's wait.
    for_pollers: VecDeque<Work<T, E>>,
    /// The doorman that has stepped back; it is parked, with a time after which it looks again.
    away: Option<MemberId>,
    step_back: Duration,
    /// The driver has been asked to bring a thread back for a look.
    look_armed: bool,
    looking: usize,
    /// Those of them that look at the driver on their way to a packet: a slot is kept for each, or
    /// a packet queued meanwhile would wake another thread for what this one came for (P57, P58).
    glancing: usize,
    since_glance: u32,
    closed: bool,
    counters: TurnstileCounters,
}

impl<T, E, S: Seat + Clone> Rules<T, E, S> {
    pub(crate) fn new(concurrency: usize, doorman: bool) -> Self {
        assert!(concurrency > 0, "a port that lets nobody run delivers nothing");
        Self {
            concurrency,
            doorman,
            active: 0,
            paused: 0,
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            members: Vec::new(),
            parked: Vec::new(),
            polling: 0,
            for_pollers: VecDeque::new(),
            away: None,
            step_back: STEP_BACK_MIN,
            look_armed: false,
            looking: 0,
            glancing: 0,
            since_glance: 0,
            closed: false,
            counters: TurnstileCounters::default(),
        }
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(crate) fn counters(&self) -> &TurnstileCounters {
        &self.counters
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            queued: self.queue.len(),
            waiting: self.parked.len() + self.standing_pollers() + self.looking,
            released: self.active,
            paused: self.paused,
        }
    }

    /// Gives a thread a number. It is bound, and counted, from its first [`Rules::arrive`].
    pub(crate) fn enrol(&mut self, seat: S) -> MemberId {
        let member = Member { seat, standing: Standing::Outside, handed: None, moves: 0 };
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
    pub(crate) fn dismiss(&mut self, id: MemberId, wakes: &mut Wakes<S>) {
        self.give_back(id);
        self.members[id] = None;
        self.settle(wakes);
    }

    /// A thread asks for work: its slot is given back first (P57).
    pub(crate) fn arrive(
        &mut self,
        id: MemberId,
        poll_only: bool,
        wakes: &mut Wakes<S>,
    ) -> Step<T, E, S> {
        self.give_back(id);
        self.admit(id, poll_only, true, wakes)
    }

    /// The thread is back from the driver's wait with `events`; `look` says that the look which was
    /// asked for is due.
    pub(crate) fn returned(
        &mut self,
        id: MemberId,
        events: &mut Vec<E>,
        look: bool,
        expired: bool,
        wakes: &mut Wakes<S>,
    ) -> Step<T, E, S> {
        self.polling -= 1;
        self.look_armed &= !look;
        let found = !events.is_empty();
        self.ready.extend(events.drain(..));
        if let Some(work) = self.for_pollers.pop_front() {
            // The wake-ups of several posts may have merged into ours.
            wakes.kick |= !self.for_pollers.is_empty() || (self.closed && self.polling > 0);
            self.set(id, Standing::Released);
            self.settle(wakes);
            return Step::Work(work);
        }
        if self.closed {
            wakes.kick |= self.polling > 0;
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if (found || look) && self.doorman && self.is_withheld() {
            return self.look(id);
        }
        if expired && !(found && self.active < self.concurrency) {
            return self.time_out(id, wakes);
        }
        self.admit(id, expired, false, wakes)
    }

    /// The thread has looked at the driver without waiting.
    pub(crate) fn glanced(
        &mut self,
        id: MemberId,
        events: &mut Vec<E>,
        look: bool,
        poll_only: bool,
        wakes: &mut Wakes<S>,
    ) -> Step<T, E, S> {
        self.looking -= 1;
        self.glancing -= 1;
        self.look_armed &= !look;
        self.since_glance = 0;
        self.ready.extend(events.drain(..));
        // The look may have taken the wake-up that was meant for a thread in the driver's wait.
        wakes.kick |= !self.for_pollers.is_empty() || (self.closed && self.polling > 0);
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if self.active < self.concurrency
            && let Some(event) = self.ready.pop_front()
        {
            return self.release(id, Work::Event(event), wakes);
        }
        self.admit(id, poll_only, false, wakes)
    }

    /// The parked thread woke, was rung, or its time is over.
    pub(crate) fn woken(
        &mut self,
        id: MemberId,
        expired: bool,
        look_due: bool,
        wakes: &mut Wakes<S>,
    ) -> Step<T, E, S> {
        match self.member(id).handed.take() {
            Some(Handed::Work(work)) => {
                self.settle(wakes);
                return Step::Work(work);
            }
            Some(Handed::Door) if self.closed => {
                self.polling -= 1;
                if let Some(work) = self.for_pollers.pop_front() {
                    self.set(id, Standing::Released);
                    return Step::Work(work);
                }
                self.set(id, Standing::Outside);
                return Step::Abandoned;
            }
            Some(Handed::Door) => {
                return Step::Poll { batch: self.batch() };
            }
            None => {}
        }
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if expired {
            self.unpark_self(id);
            return self.time_out(id, wakes);
        }
        if look_due && self.away == Some(id) {
            self.unpark_self(id);
            if self.is_withheld() {
                return self.look(id);
            }
            return self.admit(id, false, false, wakes);
        }
        Step::Park { look_after: (self.away == Some(id)).then_some(self.step_back) }
    }

    /// The doorman has looked: those who sleep are paused (P72, T9), those who run count again.
    pub(crate) fn looked(
        &mut self,
        id: MemberId,
        suspects: Vec<Suspect<S>>,
        expired: bool,
        wakes: &mut Wakes<S>,
    ) -> Step<T, E, S> {
        self.looking -= 1;
        self.counters.doorman_looks += 1;
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        let mut found_sleeper = false;
        for suspect in suspects {
            let Some(member) = self.members[suspect.member].as_mut() else {
                continue;
            };
            if member.moves != suspect.moves {
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
            self.counters.released_on_block += 1;
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

    /// Queues a packet at the tail, or hands it to the newest waiter (P24, P50, P55).
    ///
    /// # Errors
    /// The packet, when the port is closed.
    pub(crate) fn insert(&mut self, packet: T, wakes: &mut Wakes<S>) -> Result<(), T> {
        if self.closed {
            return Err(packet);
        }
        self.counters.queued += 1;
        self.queue.push_back(packet);
        self.settle(wakes);
        Ok(())
    }

    /// Queues the packet of an operation that completed while the calling thread started it.
    ///
    /// A released thread comes back for it soon, so nobody is woken for it: waking another thread
    /// for each would cost more than the operation. Should the thread not come back, somebody looks
    /// after a millisecond; when it says that it blocks, or ends, the packet is handed out at once.
    ///
    /// # Errors
    /// The packet, when the port is closed.
    pub(crate) fn insert_own(
        &mut self,
        id: MemberId,
        packet: T,
        wakes: &mut Wakes<S>,
    ) -> Result<(), T> {
        if self.closed || self.member(id).standing != Standing::Released {
            return self.insert(packet, wakes);
        }
        self.counters.queued += 1;
        self.queue.push_back(packet);
        if self.active >= self.concurrency {
            self.settle(wakes);
        } else if !self.look_armed && self.standing_pollers() > 0 {
            self.look_armed = true;
            wakes.look_after = Some(STEP_BACK_MAX);
        }
        Ok(())
    }

    /// Queues the packet of an operation that a released thread has just performed, and gives the
    /// thread the oldest packet: its own, unless others were queued before it.
    pub(crate) fn exchange(&mut self, packet: T) -> T {
        self.counters.queued += 1;
        self.counters.taken += 1;
        match self.queue.pop_front() {
            Some(older) => {
                self.queue.push_back(packet);
                older
            }
            None => packet,
        }
    }

    /// Takes one more piece of work for a thread that is already released with some (P110).
    pub(crate) fn more(&mut self) -> Option<Work<T, E>> {
        if let Some(packet) = self.queue.pop_front() {
            self.counters.taken += 1;
            return Some(Work::Packet(packet));
        }
        let event = self.ready.pop_front()?;
        Some(Work::Event(event))
    }

    /// Puts packets that were taken and not used back at the head, in their order.
    ///
    /// # Errors
    /// The packets, when the port is closed.
    pub(crate) fn put_back(
        &mut self,
        packets: VecDeque<T>,
        wakes: &mut Wakes<S>,
    ) -> Result<(), VecDeque<T>> {
        if self.closed {
            return Err(packets);
        }
        self.counters.taken -= packets.len() as u64;
        for packet in packets.into_iter().rev() {
            self.queue.push_front(packet);
        }
        self.settle(wakes);
        Ok(())
    }

    /// The thread says that it is about to block (T9). True when it held a slot or was presumed
    /// paused, so that [`Rules::resume`] is owed.
    pub(crate) fn block(&mut self, id: MemberId, wakes: &mut Wakes<S>) -> bool {
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
            self.counters.released_on_block += 1;
        }
        true
    }

    /// The thread runs again, whatever the count (P70, T10).
    pub(crate) fn resume(&mut self, id: MemberId) {
        if self.member(id).standing == Standing::Blocking {
            self.paused -= 1;
            self.set(id, Standing::Released);
            self.count_active();
        }
    }

    /// Closes the port: every waiter is woken (P120); what was queued is returned, to be dropped
    /// without the lock (P122).
    pub(crate) fn close(&mut self, wakes: &mut Wakes<S>) -> VecDeque<T> {
        if !self.closed {
            self.closed = true;
            self.away = None;
            for id in std::mem::take(&mut self.parked) {
                let member = self.members[id].as_ref().expect("a parked thread is enrolled");
                wakes.seats.push(member.seat.clone());
            }
            wakes.kick |= self.polling > 0;
            self.ready.clear();
        }
        std::mem::take(&mut self.queue)
    }

    // ---------------------------------------------------------------- the rules in themselves

    /// Decides for a thread that holds no slot and stands nowhere (T1-T4).
    fn admit(
        &mut self,
        id: MemberId,
        poll_only: bool,
        may_glance: bool,
        wakes: &mut Wakes<S>,
    ) -> Step<T, E, S> {
        if self.closed {
            self.set(id, Standing::Outside);
            return Step::Abandoned;
        }
        if self.active < self.concurrency {
            let glance_due = self.since_glance >= GLANCE_EVERY;
            if glance_due && let Some(event) = self.ready.pop_front() {
                self.since_glance = 0;
                return self.release(id, Work::Event(event), wakes);
            }
            if !(glance_due && may_glance)
                && let Some(packet) = self.queue.pop_front()
            {
                self.since_glance += 1;
                return self.release(id, Work::Packet(packet), wakes);
            }
            if let Some(event) = self.ready.pop_front() {
                return self.release(id, Work::Event(event), wakes);
            }
            if may_glance && (poll_only || glance_due) {
                self.set(id, Standing::Polling);
                self.looking += 1;
                self.glancing += 1;
                return Step::Glance { batch: self.batch() };
            }
        }
        if poll_only {
            return self.time_out(id, wakes);
        }
        let free = self.concurrency.saturating_sub(self.active);
        let door = usize::from(self.doorman && self.away.is_none());
        if self.standing_pollers() < free + door {
            self.set(id, Standing::Polling);
            self.polling += 1;
            self.settle(wakes);
            return Step::Poll { batch: self.batch() };
        }
        self.set(id, Standing::Parked);
        self.parked.push(id);
        self.settle(wakes);
        Step::Park { look_after: None }
    }

    /// Restores the invariants of P84 after any change: while a slot is free and work waits, the
    /// newest waiter gets the oldest work; and somebody stands at the door.
    #[inline]
    fn settle(&mut self, wakes: &mut Wakes<S>) {
        let work_waits = !self.queue.is_empty() || !self.ready.is_empty();
        let door_is_kept = self.standing_pollers() > 0 || self.parked.is_empty();
        if !self.closed && (work_waits || !door_is_kept) {
            self.hand_out(wakes);
        }
    }

    #[inline(never)]
    fn hand_out(&mut self, wakes: &mut Wakes<S>) {
        while self.active + self.glancing < self.concurrency
            && (!self.queue.is_empty() || !self.ready.is_empty())
        {
            if self.parked.is_empty() && self.standing_pollers() == 0 {
                break;
            }
            let work = match self.queue.pop_front() {
                Some(packet) => {
                    self.counters.taken += 1;
                    Work::Packet(packet)
                }
                None => match self.ready.pop_front() {
                    Some(event) => Work::Event(event),
                    None => break,
                },
            };
            self.count_active();
            match self.parked.pop() {
                Some(id) => {
                    self.forget_away(id);
                    self.set(id, Standing::Released);
                    let seat = self.hand(id, Handed::Work(work));
                    wakes.seats.push(seat);
                }
                None => {
                    self.for_pollers.push_back(work);
                    wakes.kick = true;
                }
            }
        }
        let door_wanted = self.active < self.concurrency || (self.doorman && self.away.is_none());
        if door_wanted
            && self.standing_pollers() == 0
            && let Some(id) = self.parked.pop()
        {
            self.forget_away(id);
            self.set(id, Standing::Polling);
            self.polling += 1;
            let seat = self.hand(id, Handed::Door);
            wakes.seats.push(seat);
        }
        // Work that was put away while the doorman stands in the driver's wait would not be seen
        // by it, should the holders of the slots fall asleep: it is brought back for a look.
        if self.doorman
            && self.away.is_none()
            && !self.look_armed
            && self.is_withheld()
            && self.standing_pollers() > 0
        {
            self.look_armed = true;
            wakes.look_after = Some(self.step_back);
        }
    }

    /// Whether work waits only because every slot is taken.
    fn is_withheld(&self) -> bool {
        self.active >= self.concurrency && !(self.queue.is_empty() && self.ready.is_empty())
    }

    fn release(&mut self, id: MemberId, work: Work<T, E>, wakes: &mut Wakes<S>) -> Step<T, E, S> {
        self.set(id, Standing::Released);
        self.count_active();
        match work {
            Work::Packet(_) => self.counters.taken += 1,
            Work::Event(_) => self.since_glance = 0,
        }
        self.settle(wakes);
        Step::Work(work)
    }

    /// The thread runs on without a packet, bound and counted (P62, P63, T7, T14).
    fn time_out(&mut self, id: MemberId, wakes: &mut Wakes<S>) -> Step<T, E, S> {
        self.set(id, Standing::Released);
        self.count_active();
        self.settle(wakes);
        Step::TimedOut
    }

    fn look(&mut self, id: MemberId) -> Step<T, E, S> {
        self.set(id, Standing::Polling);
        self.looking += 1;
        let suspects = self.members.iter().enumerate().filter_map(|(member, slot)| {
            let slot = slot.as_ref()?;
            matches!(slot.standing, Standing::Released | Standing::Presumed).then(|| Suspect {
                member,
                moves: slot.moves,
                seat: slot.seat.clone(),
                asleep: false,
            })
        });
        Step::Look(suspects.collect())
    }

    fn give_back(&mut self, id: MemberId) {
        match self.member(id).standing {
            Standing::Released => self.active -= 1,
            Standing::Presumed | Standing::Blocking => self.paused -= 1,
            Standing::Outside | Standing::Parked | Standing::Polling => {}
        }
        self.set(id, Standing::Outside);
    }

    fn count_active(&mut self) {
        self.active += 1;
        if self.active > self.concurrency {
            self.counters.over_limit_moments += 1;
        }
    }

    fn unpark_self(&mut self, id: MemberId) {
        self.forget_away(id);
        self.parked.retain(|parked| *parked != id);
    }

    fn forget_away(&mut self, id: MemberId) {
        if self.away == Some(id) {
            self.away = None;
        }
    }

    fn standing_pollers(&self) -> usize {
        self.polling - self.for_pollers.len()
    }

    /// One event while others could take the rest; many when this thread fills the last slot.
    fn batch(&self) -> usize {
        if self.active + 1 >= self.concurrency { BATCH_MAX } else { 1 }
    }

    fn hand(&mut self, id: MemberId, handed: Handed<T, E>) -> S {
        let member = self.member(id);
        member.handed = Some(handed);
        member.seat.clone()
    }

    fn set(&mut self, id: MemberId, standing: Standing) {
        let member = self.member(id);
        member.standing = standing;
        member.moves += 1;
    }

    fn member(&mut self, id: MemberId) -> &mut Member<T, E, S> {
        self.members[id].as_mut().expect("a thread uses its number until it is dismissed")
    }
}
