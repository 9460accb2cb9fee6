//! A thread that takes packets and hands each to its connection, and the timers of a run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use overlapped::{OrPacket, Packet};

use super::connection::Steps;
use super::turns;
use super::{Load, Order, Phase, Shared, Step};
use crate::failure::Failures;
use crate::histogram::Latencies;
use crate::schedule::{Pace, Stretches};

/// How often deadlines are looked at, and so how far a timeout may overrun.
pub(super) const SWEEP_PERIOD: Duration = Duration::from_millis(100);

/// The shortest wait between two batches of connects.
const RAMP_STEP: Duration = Duration::from_millis(1);

/// Connects started in one batch at most, so that one thread is not held by them for long.
const RAMP_BATCH: u32 = 256;

/// What one thread has seen.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) latencies: Latencies,
    /// Those of hot connections.
    pub(crate) hot_latencies: Latencies,
    /// How late the timers of messages were.
    pub(crate) lateness: Latencies,
    pub(crate) failures: Failures,
    pub(crate) messages: u64,
}

/// Takes packets until the port closes.
pub(super) fn work(shared: &Shared) -> Recording {
    let mut recording = Recording::default();
    while let Ok(packet) = shared.port.take() {
        handle(shared, &mut recording, packet);
    }
    recording
}

fn handle(shared: &Shared, recording: &mut Recording, packet: Packet<Load>) {
    match packet {
        Packet::Connected { stream, result, .. } => {
            steps(shared, recording, *stream.key()).connected(result);
        }
        Packet::Sent { stream, result, .. } => {
            steps(shared, recording, *stream.key()).sent(result);
        }
        Packet::Received { stream, buffer, result, .. } => {
            steps(shared, recording, *stream.key()).received(&buffer, result);
        }
        Packet::Timer { operation, result: Ok(()) } => {
            on_timer(shared, recording, operation);
        }
        Packet::Posted(Order::Begin) => begin(shared, recording),
        Packet::Posted(Order::Close) => close(shared, recording),
        Packet::Posted(Order::Stop) => {
            // The run is not closing meanwhile, or a connection whose echo comes now would count as complete.
            for index in 0..shared.config.share.count {
                steps(shared, recording, index).interrupt();
            }
        }
        // A timer that was cancelled; the load starts nothing else.
        _ => {}
    }
}

pub(super) fn steps<'a>(shared: &'a Shared, recording: &'a mut Recording, index: u32) -> Steps<'a> {
    Steps { shared, recording, index }
}

fn on_timer(shared: &Shared, recording: &mut Recording, step: Step) {
    match step {
        Step::Due(index) => steps(shared, recording, index).due(),
        Step::Ramp => ramp(shared, recording),
        Step::Turns => turns::take(shared, recording),
        Step::Sweep => sweep(shared, recording),
        Step::PhaseEnd => phase_end(shared, recording),
        Step::Connect | Step::Send | Step::Receive => {}
    }
}

/// Opens the connections whose time has come and comes back for the others.
fn ramp(shared: &Shared, recording: &mut Recording) {
    let count = shared.config.share.count;
    let mut next = shared.next_to_open.load(Ordering::Relaxed);
    let batch_end = count.min(next.saturating_add(RAMP_BATCH));
    let now = shared.started.elapsed();
    while next < batch_end && shared.schedule.open_at(next) <= now {
        steps(shared, recording, next).open();
        next += 1;
    }
    shared.next_to_open.store(next, Ordering::Relaxed);
    if next < count && !shared.progress.is_closing() {
        let wait = shared.schedule.open_at(next).saturating_sub(shared.started.elapsed());
        restart(shared, wait.max(RAMP_STEP), Step::Ramp);
    }
}

fn sweep(shared: &Shared, recording: &mut Recording) {
    let now = shared.started.elapsed();
    for index in 0..shared.config.share.count {
        steps(shared, recording, index).look_at_deadline(now);
    }
    restart(shared, SWEEP_PERIOD, Step::Sweep);
}

fn begin(shared: &Shared, recording: &mut Recording) {
    let (first_phase, length) = match shared.config.pace.stretches() {
        None => (Phase::Recording, None),
        Some(Stretches { warm_up, duration, .. }) if warm_up.is_zero() => {
            (Phase::Recording, Some(duration))
        }
        Some(Stretches { warm_up, .. }) => (Phase::WarmUp, Some(warm_up)),
    };
    if !shared.enter(first_phase) {
        return;
    }
    if let Some(length) = length {
        restart(shared, length, Step::PhaseEnd);
    }
    if matches!(shared.config.pace, Pace::Turns { .. }) {
        turns::take(shared, recording);
        return;
    }
    for index in 0..shared.config.share.count {
        steps(shared, recording, index).next_message();
    }
}

/// The stretch of the run that was under way is over.
fn phase_end(shared: &Shared, recording: &mut Recording) {
    let Some(Stretches { duration, cool_down, .. }) = shared.config.pace.stretches() else {
        return;
    };
    if shared.progress.is_recording() {
        if cool_down.is_zero() {
            close(shared, recording);
        } else if shared.enter(Phase::CoolDown) {
            restart(shared, cool_down, Step::PhaseEnd);
        }
    } else if shared.enter(Phase::Recording) {
        restart(shared, duration, Step::PhaseEnd);
    } else {
        close(shared, recording);
    }
}

/// Ends the run in good order: connections that wait for their next time close now, the others
/// when their echo is complete.
fn close(shared: &Shared, recording: &mut Recording) {
    if shared.enter(Phase::Closing) {
        for index in 0..shared.config.share.count {
            steps(shared, recording, index).close_if_idle();
        }
    }
}

/// Starts a timer of the run. The port refuses it only once it is closed, when the run is over.
pub(super) fn restart(shared: &Shared, after: Duration, step: Step) {
    shared.port.timer(after, step).or_packet();
}
