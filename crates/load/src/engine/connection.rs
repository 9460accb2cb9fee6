//! What one connection goes through: open, wait for its time, echo, close.
//!
//! A receive is posted for as long as the connection is open, so that a server which closes early
//! is seen at once, also between two messages. Send and receive may be handled by two threads, so
//! the state is behind a lock, which nearly always is free.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use overlapped::{Buffer, Received, TcpSocket, TcpStream};

use super::worker::Recording;
use super::{Load, Phase, Shared, Step};
use crate::failure::FailureKind;
use crate::pattern::{MessageName, Verifier};
use crate::platform::source::bound_socket;

/// No deadline is set.
const NEVER: u64 = u64::MAX;

/// One connection of the share.
pub(crate) struct Connection {
    state: Mutex<State>,
    /// Milliseconds after the start of the run at which patience ends.
    deadline_ms: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not opened yet, or its connect is under way.
    Opening,
    /// Open, and not yet time for the next message.
    Idle,
    /// A message is under way.
    Echoing,
    /// The last message is done and our side is shut down.
    Closing,
    /// Nothing will happen any more.
    Ended,
}

struct State {
    stage: Stage,
    stream: Option<TcpStream<Load>>,
    message: u32,
    intended: Instant,
    verifier: Option<Verifier>,
}

impl Default for Connection {
    fn default() -> Self {
        let state = State {
            stage: Stage::Opening,
            stream: None,
            message: 0,
            intended: Instant::now(),
            verifier: None,
        };
        Self { state: Mutex::new(state), deadline_ms: AtomicU64::new(NEVER) }
    }
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection together with what its steps need.
pub(crate) struct Steps<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) recording: &'a mut Recording,
    pub(crate) index: u32,
}

impl<'a> Steps<'a> {
    fn connection(&self) -> &'a Connection {
        &self.shared.connections[self.index as usize]
    }

    fn set_deadline(&self, connection: &Connection) {
        let end = self.shared.started.elapsed() + self.shared.config.timeout;
        connection.deadline_ms.store(end.as_millis() as u64, Ordering::Relaxed);
    }

    /// Starts to connect.
    pub(crate) fn open(&mut self) {
        let shared = self.shared;
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage != Stage::Opening {
            return;
        }
        shared.progress.connection_tried();
        self.set_deadline(connection);
        match start_connect(shared, self.index) {
            Ok(stream) => state.stream = Some(stream),
            Err(error) => self.fail_by(&mut state, &error),
        }
    }

    /// The connect has ended.
    pub(crate) fn connected(&mut self, result: io::Result<()>) {
        let shared = self.shared;
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage != Stage::Opening {
            return;
        }
        if let Err(error) = result {
            self.fail_by(&mut state, &error);
            return;
        }
        connection.deadline_ms.store(NEVER, Ordering::Relaxed);
        state.stage = Stage::Idle;
        shared.progress.connection_established();
        if let Some(stream) = state.stream.as_ref() {
            let posted = stream
                .set_nodelay(true)
                .and_then(|()| stream.receive_pooled(Step::Receive).map_err(io::Error::from));
            if let Err(error) = posted {
                self.fail_by(&mut state, &error);
            }
        }
        drop(state);
        settle(shared);
    }

    /// The schedule begins for this connection, or goes on after an echo.
    pub(crate) fn next_message(&mut self) {
        let connection = self.connection();
        let mut state = connection.state();
        self.schedule_next(connection, &mut state);
    }

    fn schedule_next(&mut self, connection: &Connection, state: &mut State) {
        if state.stage != Stage::Idle {
            return;
        }
        let shared = self.shared;
        let over = match shared.schedule.messages() {
            Some(messages) => state.message >= messages,
            None => shared.progress.is_closing(),
        };
        if over {
            self.shut_down(connection, state);
            return;
        }
        let Some(begun) = shared.begun() else { return };
        match shared.schedule.send_at(self.index, state.message) {
            None => {
                state.intended = Instant::now();
                self.send(connection, state);
            }
            Some(after) => {
                state.intended = begun + after;
                let wait = state.intended.saturating_duration_since(Instant::now());
                if wait.is_zero() {
                    self.send(connection, state);
                } else if let Err(refused) = shared.port.timer(wait, Step::Due(self.index)) {
                    self.fail_by(state, &refused.error);
                }
            }
        }
    }

    /// The time of the next message has come.
    pub(crate) fn due(&mut self) {
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage == Stage::Idle {
            if self.shared.progress.is_recording() {
                self.recording.lateness.record(state.intended.elapsed());
            }
            self.send(connection, &mut state);
        }
    }

    /// The run is over: closes the connection unless a message is under way.
    pub(crate) fn close_if_idle(&mut self) {
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage == Stage::Idle {
            self.shut_down(connection, &mut state);
        }
    }

    fn send(&mut self, connection: &Connection, state: &mut State) {
        let shared = self.shared;
        let length = shared.config.message_bytes;
        let name = MessageName {
            connection: shared.config.share.first + self.index,
            message: state.message,
        };
        let mut buffer = shared.port.buffer();
        if buffer.capacity() < length {
            buffer = Buffer::with_capacity(length);
        }
        name.write(length, |piece| buffer.extend_from_slice(piece));
        state.verifier = Some(Verifier::new(name, length));
        state.stage = Stage::Echoing;
        self.set_deadline(connection);
        shared.progress.message_sent();
        let sent = state.stream.as_ref().map(|stream| stream.send(buffer, Step::Send));
        if let Some(Err(refused)) = sent {
            self.fail_by(state, &refused.error);
        }
    }

    /// The send has ended.
    pub(crate) fn sent(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            let mut state = self.connection().state();
            self.fail_by(&mut state, &error);
        }
    }

    /// A receive has ended.
    pub(crate) fn received(&mut self, buffer: &[u8], result: io::Result<Received>) {
        let connection = self.connection();
        let mut state = connection.state();
        if state.stage == Stage::Ended {
            return;
        }
        match result {
            Err(error) => self.fail_by(&mut state, &error),
            Ok(Received::End) if state.stage == Stage::Closing => self.complete(&mut state),
            Ok(Received::End) => self.fail(&mut state, FailureKind::ClosedEarly),
            Ok(Received::Readable) => self.receive_again(&mut state),
            Ok(Received::Data(length)) => {
                self.echoed(connection, &mut state, &buffer[..length]);
                self.receive_again(&mut state);
            }
        }
    }

    fn receive_again(&mut self, state: &mut State) {
        let posted = state.stream.as_ref().map(|stream| stream.receive_pooled(Step::Receive));
        if let Some(Err(refused)) = posted {
            self.fail_by(state, &refused.error);
        }
    }

    fn echoed(&mut self, connection: &Connection, state: &mut State, piece: &[u8]) {
        let Some(verifier) = state.verifier.as_mut() else {
            // Bytes that nobody asked for.
            self.fail(state, FailureKind::WrongBytes);
            return;
        };
        match verifier.check(piece) {
            Err(_) => self.fail(state, FailureKind::WrongBytes),
            Ok(false) => {}
            Ok(true) => {
                let shared = self.shared;
                shared.progress.message_echoed(shared.config.message_bytes);
                if shared.progress.is_recording() {
                    self.recording.latencies.record(state.intended.elapsed());
                    self.recording.messages += 1;
                }
                connection.deadline_ms.store(NEVER, Ordering::Relaxed);
                state.verifier = None;
                state.message += 1;
                state.stage = Stage::Idle;
                self.schedule_next(connection, state);
            }
        }
    }

    fn shut_down(&mut self, connection: &Connection, state: &mut State) {
        state.stage = Stage::Closing;
        self.set_deadline(connection);
        let done = state.stream.as_ref().map(|stream| stream.shutdown(Shutdown::Write));
        if let Some(Err(error)) = done {
            self.fail_by(state, &error);
        }
    }

    fn complete(&mut self, state: &mut State) {
        self.shared.progress.connection_completed();
        self.end(state);
    }

    /// Ends the connection if its deadline has passed.
    pub(crate) fn look_at_deadline(&mut self, now: Duration) {
        let connection = self.connection();
        let passed = |at: &AtomicU64| u128::from(at.load(Ordering::Relaxed)) <= now.as_millis();
        if passed(&connection.deadline_ms) {
            let mut state = connection.state();
            if passed(&connection.deadline_ms) {
                self.fail(&mut state, FailureKind::TimedOut);
            }
        }
    }

    /// Ends the connection because the run was stopped.
    pub(crate) fn interrupt(&mut self) {
        let mut state = self.connection().state();
        if state.stream.is_some() || state.stage != Stage::Opening {
            self.fail(&mut state, FailureKind::Interrupted);
        } else {
            // It was never tried, so nothing is counted.
            self.end(&mut state);
        }
    }

    fn fail_by(&mut self, state: &mut State, error: &io::Error) {
        if state.stage != Stage::Ended {
            self.recording.failures.count_error(error);
            self.shared.progress.connection_failed();
            self.end(state);
        }
    }

    fn fail(&mut self, state: &mut State, kind: FailureKind) {
        if state.stage != Stage::Ended {
            self.recording.failures.count(kind);
            self.shared.progress.connection_failed();
            self.end(state);
        }
    }

    /// Packets of operations that this aborts find the stage `Ended` and change nothing.
    fn end(&mut self, state: &mut State) {
        let before = std::mem::replace(&mut state.stage, Stage::Ended);
        if before == Stage::Ended {
            return;
        }
        self.connection().deadline_ms.store(NEVER, Ordering::Relaxed);
        if let Some(stream) = state.stream.take() {
            stream.close();
        }
        if before == Stage::Opening {
            settle(self.shared);
        } else {
            self.shared.progress.connection_closed();
        }
        if self.shared.living.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.enter(Phase::Finished);
        }
    }
}

/// One connect has succeeded or failed; the last one opens the next phase.
fn settle(shared: &Shared) {
    if shared.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
        shared.enter(Phase::Open);
    }
}

fn start_connect(shared: &Shared, index: u32) -> io::Result<TcpStream<Load>> {
    let target = shared.config.target;
    let sources = shared.config.sources;
    let number = shared.config.share.first + index;
    let socket = match sources.address(number) {
        Some(address) => {
            let socket = bound_socket(address, number % sources.connections_per_address)?;
            TcpSocket::try_from(std::net::TcpStream::from(socket))?
        }
        None if target.is_ipv4() => TcpSocket::v4()?,
        None => TcpSocket::v6()?,
    };
    let stream = shared.port.associate(socket, index).map_err(|refused| refused.error)?;
    stream.connect(target, (), Step::Connect).map_err(|refused| refused.error)?;
    Ok(stream)
}
