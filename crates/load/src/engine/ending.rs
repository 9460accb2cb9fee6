//! How a connection ends: in good order, by a failure, by its deadline, or because the run was stopped.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Phase;
use super::connection::{Stage, State, Steps};
use crate::failure::FailureKind;

impl Steps<'_> {
    pub(super) fn shut_down(&mut self, state: &mut State) {
        state.stage = Stage::Closing;
        self.set_deadline();
        let done = state.stream.as_ref().map(|stream| stream.shutdown(Shutdown::Write));
        if let Some(Err(error)) = done {
            self.fail_by(state, &error);
        }
    }

    pub(super) fn complete(&mut self, state: &mut State) {
        self.shared.progress.connection_completed();
        self.end(state);
    }

    /// Ends the connection if its deadline has passed.
    pub(crate) fn look_at_deadline(&mut self, now: Duration) {
        let deadlines = &self.shared.deadlines;
        if deadlines.has_passed(self.index, now) {
            let mut state = self.connection().state();
            if deadlines.has_passed(self.index, now) {
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

    pub(super) fn fail_by(&mut self, state: &mut State, error: &io::Error) {
        if state.stage != Stage::Ended {
            self.recording.failures.count_error(error);
            self.shared.progress.connection_failed();
            self.end(state);
        }
    }

    pub(super) fn fail(&mut self, state: &mut State, kind: FailureKind) {
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
        self.shared.deadlines.clear(self.index);
        state.under_way = None;
        if let Some(stream) = state.stream.take() {
            stream.close();
        }
        if before == Stage::Opening && state.message == 0 {
            self.shared.settle();
        } else {
            self.shared.progress.connection_closed();
        }
        if self.shared.living.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.enter(Phase::Finished);
        }
    }
}
