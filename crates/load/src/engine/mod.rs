//! The connections of one process, driven on the library's own completion port.
//!
//! [`Run::start`] opens all connections over the ramp and then holds, so that several processes
//! can wait for each other; [`Control::begin`] lets the schedule start; [`Run::next_phase`] tells the
//! caller how far it is; [`Run::finish`] gives the [`Outcome`]. `worker` takes packets from the
//! port, `turns` lets connections send in turn, `connection` is what one connection goes through, `opening` makes its socket,
//! `under_way` is what it keeps of messages, `ending` its end, and `deadlines` when patience with it is over; `progress` has the
//! counters that may be looked at while a run goes on, and `recent` the latencies since somebody looked last.

mod connection;
mod deadlines;
mod ending;
mod opening;
mod progress;
mod recent;
mod turns;
mod under_way;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use overlapped::{Port, Protocol};
use serde::{Deserialize, Serialize};

use crate::document::Outcome;
use crate::histogram::Latencies;
use crate::plan::{Share, Sources};
use crate::schedule::{Pace, Schedule};

use connection::Connection;
use deadlines::Deadlines;
pub use progress::Progress;
use recent::Recent;
use worker::Recording;

/// Buffers that are kept where memory matters most.
const SPARE_BUFFERS: usize = 256;

/// What one process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Where to connect to.
    pub target: SocketAddr,
    /// The connections of this process.
    pub share: Share,
    /// The source addresses.
    pub sources: Sources,
    /// Time over which the connections are opened.
    pub ramp: Duration,
    /// What they do once all are open.
    pub pace: Pace,
    /// Size of one message.
    pub message_bytes: usize,
    /// Messages that a connection has under way at once in a closed loop; 1 at any other pace.
    pub depth: u32,
    /// How many connections of the whole load, the first ones, are hot: at a fixed rate they send as in
    /// a closed loop. Their messages begin with `H` and those of the others with `L`, unless there are none.
    pub hot: u32,
    /// Longest time for connecting, for one echo, and for the good end of a connection.
    pub timeout: Duration,
    /// Threads that take packets; also the port's concurrency.
    pub threads: usize,
}

/// How far a run is. Phases come in this order; a run that is stopped skips to `Finished`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Connections are being opened.
    Connecting,
    /// All connections are open or have failed; the run waits for [`Control::begin`].
    Open,
    /// Messages flow and are not recorded yet.
    WarmUp,
    /// Messages flow and are recorded.
    Recording,
    /// Messages flow and are not recorded any more.
    CoolDown,
    /// The time is over; connections complete their echo and close.
    Closing,
    /// Every connection has ended.
    Finished,
}

/// What travels through the load's port.
#[derive(Debug)]
pub(crate) struct Load;

impl Protocol for Load {
    /// Index of the connection in the share.
    type Key = u32;
    type Operation = Step;
    type Message = Order;
}

/// What an operation is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Connect,
    Send,
    Receive,
    /// It is time for the next message of this connection.
    Due(u32),
    /// It is time to open more connections.
    Ramp,
    /// It is the turn of more connections.
    Turns,
    /// It is time to look for connections whose deadline has passed.
    Sweep,
    /// The warm-up, or the time to record, is over.
    PhaseEnd,
}

/// What the owner of a run tells its workers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Begin,
    Close,
    Stop,
}

/// Everything the workers share.
pub(crate) struct Shared {
    pub(crate) port: Port<Load>,
    pub(crate) config: Config,
    pub(crate) schedule: Schedule,
    pub(crate) connections: Vec<Connection>,
    pub(crate) deadlines: Deadlines,
    pub(crate) progress: Arc<Progress>,
    pub(crate) recent: Recent,
    /// Index of the next connection to open; only the ramp's chain of timers touches it.
    pub(crate) next_to_open: AtomicU32,
    /// Number of the next turn; only the chain of timers of the turns touches it.
    pub(crate) next_turn: AtomicU64,
    /// Connections whose connect has neither succeeded nor failed.
    pub(crate) unsettled: AtomicU32,
    /// Connections that have not ended.
    pub(crate) living: AtomicU32,
    pub(crate) started: Instant,
    clock: Mutex<PhaseClock>,
    phases: Sender<Phase>,
}

/// When the phases were entered.
#[derive(Clone, Copy, Debug, Default)]
struct PhaseClock {
    phase: Option<Phase>,
    open: Option<Instant>,
    begun: Option<Instant>,
    recording: Option<Instant>,
    recorded: Option<Instant>,
}

impl Shared {
    fn clock(&self) -> std::sync::MutexGuard<'_, PhaseClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters `phase` unless the run is there already or further; true when it was entered.
    pub(crate) fn enter(&self, phase: Phase) -> bool {
        let now = Instant::now();
        let mut clock = self.clock();
        if clock.phase.is_some_and(|current| current >= phase) {
            return false;
        }
        match phase {
            Phase::Connecting => {}
            Phase::Open => clock.open = Some(now),
            Phase::WarmUp => clock.begun = Some(now),
            Phase::Recording => {
                clock.begun.get_or_insert(now);
                clock.recording = Some(now);
            }
            Phase::CoolDown | Phase::Closing | Phase::Finished => {
                if clock.recording.is_some() {
                    clock.recorded.get_or_insert(now);
                }
            }
        }
        clock.phase = Some(phase);
        self.progress.set_recording(phase == Phase::Recording);
        self.progress.set_closing(phase >= Phase::Closing);
        // The owner may have gone; then nobody needs to know.
        let _ = self.phases.send(phase);
        true
    }

    /// One connect has succeeded or failed; the last one opens the next phase.
    pub(crate) fn settle(&self) {
        if self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.enter(Phase::Open);
        }
    }

    /// When the schedule began; None before.
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.clock().begun
    }
}

/// Begins or ends a run, from any thread.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    /// Lets the schedule start; for a run in phase [`Phase::Open`].
    pub fn begin(&self) {
        // A closed port means that the run has ended by itself.
        let _ = self.shared.port.post(Order::Begin);
    }

    /// Ends the cool-down, and with it the run, in good order; for a run in phase
    /// [`Phase::CoolDown`].
    pub fn close(&self) {
        let _ = self.shared.port.post(Order::Close);
    }

    /// Ends the run early; connections that have not kept their schedule count as interrupted.
    pub fn stop(&self) {
        let _ = self.shared.port.post(Order::Stop);
    }
}

/// A run of load in this process.
pub struct Run {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Recording>>,
    phases: Receiver<Phase>,
}

impl Run {
    /// Makes the port and its threads and begins to open connections.
    ///
    /// # Errors
    /// The port or a thread could not be made. A connection that cannot be made is no error of
    /// the run; it is counted.
    pub fn start(config: Config) -> io::Result<Self> {
        let threads = config.threads.max(1);
        let mut builder = Port::<Load>::builder().concurrency(threads);
        if matches!(config.pace, Pace::Turns { .. }) {
            // Where each byte of a connection counts, buffers are no larger than a message.
            builder = builder.buffer_size(config.message_bytes.max(64)).pool_limit(SPARE_BUFFERS);
        }
        let port = builder.build()?;
        let count = config.share.count;
        let hot = config.hot.saturating_sub(config.share.first).min(count);
        let (phases, receiver) = channel();
        let shared = Arc::new(Shared {
            port,
            schedule: Schedule {
                first: config.share.first,
                connections: count,
                hot,
                ramp: config.ramp,
                pace: config.pace,
            },
            connections: (0..count).map(|_| Connection::default()).collect(),
            deadlines: Deadlines::new(count),
            progress: Arc::new(Progress::default()),
            recent: Recent::default(),
            next_to_open: AtomicU32::new(0),
            next_turn: AtomicU64::new(0),
            unsettled: AtomicU32::new(count),
            living: AtomicU32::new(count),
            started: Instant::now(),
            clock: Mutex::new(PhaseClock::default()),
            phases,
            config,
        });
        shared.enter(Phase::Connecting);
        shared.port.timer(Duration::ZERO, Step::Ramp)?;
        shared.port.timer(worker::SWEEP_PERIOD, Step::Sweep)?;
        let mut run = Self { shared, workers: Vec::with_capacity(threads), phases: receiver };
        for number in 0..threads {
            let shared = run.shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(move || worker::work(&shared));
            match thread {
                Ok(handle) => run.workers.push(handle),
                Err(error) => {
                    run.shared.port.close();
                    return Err(error);
                }
            }
        }
        Ok(run)
    }

    /// The counters, which go on counting.
    pub fn progress(&self) -> Arc<Progress> {
        self.shared.progress.clone()
    }

    /// The recorded latencies since this was called last, for somebody who looks on. The first call gives none,
    /// and lets them be kept from then on.
    pub fn recent_latencies(&self) -> Latencies {
        self.shared.recent.take()
    }

    /// Waits for the next phase, at most `wait`; None when it did not come.
    pub fn next_phase(&self, wait: Duration) -> Option<Phase> {
        match self.phases.recv_timeout(wait) {
            Ok(phase) => Some(phase),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Phase::Finished),
        }
    }

    /// A handle that lets the run begin or ends it, from any thread.
    pub fn control(&self) -> Control {
        Control { shared: self.shared.clone() }
    }

    /// Ends the threads and adds up what they saw. Called after [`Phase::Finished`]; before, it
    /// cuts the run off where it stands.
    pub fn finish(self) -> Outcome {
        self.shared.port.close();
        let mut outcome = Outcome::default();
        for worker in self.workers {
            // A worker that panicked has nothing to add; the counts show that messages are missing.
            if let Ok(recording) = worker.join() {
                outcome.latencies.merge(&recording.latencies);
                outcome.hot_latencies.merge(&recording.hot_latencies);
                outcome.lateness.merge(&recording.lateness);
                outcome.failures.merge(&recording.failures);
                outcome.counts.messages_recorded += recording.messages;
            }
        }
        let recorded = outcome.counts.messages_recorded;
        outcome.counts = self.shared.progress.counts();
        outcome.counts.messages_recorded = recorded;
        let clock = *self.shared.clock();
        let now = Instant::now();
        outcome.connect_time = clock.open.unwrap_or(now) - self.shared.started;
        if let Some(recording) = clock.recording {
            outcome.recorded_time = clock.recorded.unwrap_or(now) - recording;
            outcome.recording_since = SystemTime::now().checked_sub(now - recording);
        }
        outcome
    }
}
