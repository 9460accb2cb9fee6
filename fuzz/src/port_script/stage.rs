//! Makes the calls of a script, and tells the model what came of them.

use super::ends::{Side, verify};
use super::model::{End, LISTENER, Model, Work};
use super::script::{Script, Step};
use super::world::World;
use overlapped::{
    OperationId, Packet, Port, Protocol, TakeError, TcpListener, TimerId, is_aborted,
};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// With this variable each call and packet of a script is told, to see what led to a finding.
static IS_TOLD: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("OVERLAPPED_FUZZ_TRACE").is_some());

/// More connections than that are not made.
const CLIENTS_MAX: usize = 6;

#[derive(Debug)]
pub struct Numbers;

impl Protocol for Numbers {
    type Key = End;
    type Operation = Ticket;
    type Message = Ticket;
}

/// What an operation or a message carries: its number. Each must be dropped once.
#[derive(Debug)]
pub struct Ticket {
    pub number: u32,
    alive: Arc<AtomicUsize>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the closed port gave to the hook: numbers, and how many bytes of a send went out.
type Discarded = Arc<Mutex<Vec<(u32, Option<usize>)>>>;

pub struct Stage<'a> {
    pub world: World,
    script: &'a Script,
    pub port: Port<Numbers>,
    pub model: Model,
    pub sides: Vec<Side>,
    pub listener: Option<TcpListener<Numbers>>,
    pub accepts: Vec<(OperationId, u32)>,
    timers: Vec<(TimerId, u32)>,
    discarded: Discarded,
    alive: Arc<AtomicUsize>,
    /// The clock of a network whose time stands still.
    now: Duration,
    begun: Instant,
    pub is_closed: bool,
}

impl<'a> Stage<'a> {
    pub fn new(world: World, script: &'a Script) -> Self {
        let discarded = Discarded::default();
        let to = Arc::clone(&discarded);
        let port = world.port(move |packet| {
            let (number, transferred) = numbered(&packet);
            to.lock().expect("nobody panicked").push((number, transferred));
        });
        let listener = port.associate(world.listener(), LISTENER).expect("it is associated");
        Self {
            world,
            script,
            port,
            model: Model::default(),
            sides: Vec::new(),
            listener: Some(listener),
            accepts: Vec::new(),
            timers: Vec::new(),
            discarded,
            alive: Arc::default(),
            now: Duration::ZERO,
            begun: Instant::now(),
            is_closed: false,
        }
    }

    pub fn play(mut self) {
        for step in &self.script.steps {
            self.step(*step);
            if self.is_closed {
                break;
            }
            let queued = self.port.snapshot().queued;
            assert!(queued >= self.model.queued_at_least(), "{queued} queued, {:?}", self.model);
        }
        self.finish();
    }

    pub fn ticket(&mut self) -> Ticket {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Ticket { number: self.model.number(), alive: Arc::clone(&self.alive) }
    }

    /// The clock of this world, in nanoseconds.
    fn clock(&self) -> u128 {
        match self.world {
            World::Simulated { .. } => self.now.as_nanos(),
            World::System => self.begun.elapsed().as_nanos(),
        }
    }

    fn step(&mut self, step: Step) {
        if *IS_TOLD {
            eprintln!("{step:?}, the next number is {}", self.model.last() + 1);
        }
        match step {
            Step::Post | Step::Defer => {
                let ticket = self.ticket();
                let number = ticket.number;
                let posted = match step {
                    Step::Post => self.port.post(ticket),
                    _ => self.port.defer(ticket),
                };
                posted.expect("the port is open");
                self.model.started(number, Work::Posted);
                self.model.queued(number);
            }
            Step::Take => drop(self.take()),
            Step::TakeMany { most, wanted } => self.take_many(most, wanted),
            Step::Timer { after_ms } => {
                let ticket = self.ticket();
                let (number, after) = (ticket.number, self.world.time(after_ms));
                let due = self.clock() + after.as_nanos();
                let id = self.port.timer(after, ticket).expect("the port is open");
                self.model.started(number, Work::Timer { due });
                self.timers.push((id, number));
            }
            Step::CancelTimer(which) => {
                if let Some((id, number)) = some_of(&self.timers, which) {
                    match self.port.cancel_timer(id) {
                        Ok(()) => self.model.cancelled(number),
                        Err(_) => self.not_found(number),
                    }
                }
            }
            Step::StopTimer(which) => {
                if let Some((id, number)) = some_of(&self.timers, which) {
                    match self.port.stop_timer(id) {
                        Ok(ticket) => {
                            assert_eq!(ticket.number, number);
                            self.model.given_back(number);
                        }
                        Err(_) => self.not_found(number),
                    }
                }
            }
            Step::ResetTimer { timer, after_ms } => {
                if let Some((id, number)) = some_of(&self.timers, timer) {
                    let after = self.world.time(after_ms);
                    let due = self.clock() + after.as_nanos();
                    match self.port.reset_timer(id, after) {
                        Ok(()) => self.model.set_due(number, due),
                        Err(_) => self.not_found(number),
                    }
                }
            }
            Step::Advance { ms } => {
                let by = Duration::from_millis(ms.into());
                self.now += by;
                self.world.advance(by);
            }
            Step::Accept => self.accept(),
            Step::Connect { first_bytes } => {
                if self.sides.iter().filter(|side| side.address.is_some()).count() < CLIENTS_MAX {
                    self.connect(first_bytes.into());
                }
            }
            Step::Receive { end, room, how } => {
                self.on_end(end, |it, end| it.receive(end, room, how))
            }
            Step::Send { end, bytes, how } => {
                self.on_end(end, |it, end| it.send(end, usize::from(bytes) * 8, how));
            }
            Step::Cancel(which) => self.cancel(which),
            Step::CancelAll { end } => self.on_end(end, |it, end| {
                let count = it.sides[end].stream.as_ref().map_or(0, |stream| stream.cancel_all());
                it.all_of(end, Some(count));
            }),
            Step::Shutdown { end, sends, receives } => {
                let how = match (sends, receives) {
                    (true, true) => Shutdown::Both,
                    (false, _) => Shutdown::Read,
                    (true, false) => Shutdown::Write,
                };
                self.on_end(end, |it, end| it.shut_down(end, how));
            }
            Step::Close { end } => self.on_end(end, |it, end| it.close(end, false)),
            Step::Abort { end } => self.on_end(end, |it, end| it.close(end, true)),
            Step::Drop { end } => self.on_end(end, |it, end| {
                it.sides[end].is_over = true;
                it.sides[end].stream = None;
            }),
            Step::CloseListener => self.close_listener(),
            Step::CancelAccepts => {
                if let Some(count) = self.listener.as_ref().map(TcpListener::cancel_all) {
                    self.all_of(LISTENER, Some(count));
                }
            }
            Step::Leave => self.port.leave(),
            Step::ClosePort => self.is_closed = true,
        }
    }

    /// Calls `step` with one of the ends that have a handle.
    fn on_end(&mut self, which: u8, step: impl FnOnce(&mut Self, End)) {
        let open = |(_, side): &(usize, &Side)| side.stream.is_some();
        let ends: Vec<End> =
            self.sides.iter().enumerate().filter(open).map(|(end, _)| end).collect();
        if let Some(end) = some_of(&ends, which) {
            step(self, end);
        }
    }

    /// A call says that there is no such operation in flight: so its packet comes or was taken.
    pub fn not_found(&mut self, number: u32) {
        if self.model.is_owed(number) {
            self.model.must_be_queued(number, false);
        }
    }

    /// Everything that is owed of this end was ended, so many of them by this call if that is known.
    pub fn all_of(&mut self, end: End, count: Option<usize>) {
        let numbers = self.model.of(end);
        let owed = numbers.len();
        assert!(count.is_none_or(|count| count <= owed), "{count:?} were ended of {owed}");
        for number in numbers {
            self.model.must_be_queued(number, true);
        }
    }

    /// Takes a packet, if there is one, without waiting.
    fn take(&mut self) -> bool {
        match self.port.try_take().expect("the port is open") {
            Some(packet) => self.taken(packet),
            None => {
                self.nothing_came();
                return false;
            }
        }
        true
    }

    fn take_many(&mut self, most: u8, wanted: u8) {
        let most = 1 + usize::from(most % 8);
        match self.port.take_many(most, Some(Duration::ZERO)) {
            Ok(mut batch) => {
                assert!(batch.len() <= most && !batch.is_empty(), "{} packets", batch.len());
                let wanted = 1 + usize::from(wanted % 8);
                // Handling one may start others, while the rest of the batch is neither taken nor queued.
                let packets: Vec<_> = batch.by_ref().take(wanted).collect();
                drop(batch);
                packets.into_iter().for_each(|packet| self.taken(packet));
            }
            Err(error) => {
                assert_eq!(error, TakeError::TimedOut);
                self.nothing_came();
            }
        }
    }

    fn nothing_came(&self) {
        self.model.nothing_came();
        let Some(_) = self.world.holds_exactly() else { return };
        let late = |due: u128| self.now.as_nanos() > due + 1_000_000;
        if let Some((number, due)) = self.model.timers().find(|(_, due)| late(*due)) {
            panic!("the timer {number} was due at {due} and has not come at {:?}", self.now);
        }
        self.nothing_can_be_done();
    }

    /// Looks at what was taken.
    pub fn taken(&mut self, packet: Packet<Numbers>) {
        let number = numbered(&packet).0;
        let owed = self.model.taken(number);
        if *IS_TOLD {
            eprintln!("  {number}: {:?}, {:?}", owed.work, packet.result());
        }
        if let Err(error) = packet.result() {
            let is_ours = is_aborted(error);
            assert!(!is_ours || owed.may_be_aborted, "{number} was aborted by nobody");
        }
        match (packet, owed.work) {
            (Packet::Posted(_), Work::Posted) => {}
            (Packet::Timer { result, .. }, Work::Timer { due }) => {
                if result.is_ok() {
                    assert!(self.clock() >= due, "a timer came too early");
                    let before = self.model.timers().find(|(_, other)| *other < due);
                    let is_exact = matches!(self.world, World::Simulated { .. });
                    assert!(!is_exact || before.is_none(), "{number} came before {before:?}");
                }
            }
            (Packet::Accepted { result, .. }, Work::Accept) => {
                if let Ok(accepted) = result {
                    self.accepted(*accepted);
                }
            }
            (
                Packet::Connected { stream, buffers, transferred, result, .. },
                Work::Connect { end },
            ) => {
                assert_eq!(*stream.key(), end, "P10");
                self.connected(end, number, (buffers, transferred), result);
            }
            (Packet::Received { stream, buffer, result, .. }, Work::Receive { end, room }) => {
                assert_eq!(*stream.key(), end, "P10");
                self.received(end, room, &buffer, result);
            }
            (
                Packet::Sent { stream, buffers, transferred, result, .. },
                Work::Send { end, bytes },
            ) => {
                assert_eq!(*stream.key(), end, "P10");
                self.sent((end, number, bytes), (&buffers, transferred), result);
            }
            (packet, work) => panic!("{number} was {work:?} and came as {packet:?}"),
        }
    }

    /// Ends everything, and sees that everything has come.
    fn finish(mut self) {
        if !self.is_closed {
            while self.take() {}
            self.close_listener();
            for end in 0..self.sides.len() {
                if self.sides[end].stream.is_some() {
                    self.close(end, false);
                }
            }
            for (id, number) in std::mem::take(&mut self.timers) {
                match self.port.cancel_timer(id) {
                    Ok(()) => self.model.cancelled(number),
                    Err(_) => self.not_found(number),
                }
            }
            while self.take() {}
            // What accepts brought meanwhile.
            for end in 0..self.sides.len() {
                if self.sides[end].stream.is_some() {
                    self.close(end, false);
                }
            }
            while self.take() {}
        }
        self.port.close();
        let ticket = self.ticket();
        let number = ticket.number;
        let refused = self.port.post(ticket).expect_err("the port is closed (P124)");
        assert_eq!(refused.returned.number, number);
        drop(refused);
        assert_eq!(self.port.try_take().err(), Some(TakeError::Closed), "P121");
        let discarded = std::mem::take(&mut *self.discarded.lock().expect("nobody panicked"));
        for (number, transferred) in &discarded {
            for side in &mut self.sides {
                let is_its = side.sends.iter().any(|send| send.number == *number);
                if let (true, Some(transferred)) = (is_its, *transferred) {
                    side.sent(*number, transferred);
                }
            }
        }
        self.model.discarded(discarded.into_iter().map(|(number, _)| number).collect());
        assert_eq!(self.model.owed(), 0);
        verify(&self.sides);
        let Self { world, alive, port, sides, listener, .. } = self;
        drop((sides, listener, port));
        assert_eq!(
            alive.load(Ordering::SeqCst),
            0,
            "operations were neither given back nor dropped"
        );
        world.assert_empty();
    }
}

pub fn some_of<T: Copy>(all: &[T], which: u8) -> Option<T> {
    let count = all.len();
    (count > 0).then(|| all[usize::from(which) % count])
}

/// The number in a packet, and how many bytes went out if it is of a send.
fn numbered(packet: &Packet<Numbers>) -> (u32, Option<usize>) {
    let transferred = match packet {
        Packet::Sent { transferred, .. } | Packet::Connected { transferred, .. } => {
            Some(*transferred)
        }
        _ => None,
    };
    match packet {
        Packet::Posted(ticket) => (ticket.number, None),
        other => (other.operation().expect("an operation").number, transferred),
    }
}
