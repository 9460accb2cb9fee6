//! A server as it is shown to who looks: its view, and its phase.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use overlapped::PoolSnapshot;
use overlapped_models::{Server, Stopped};
use overlapped_observe::recording::{MOVES_MAX, Recording};
use overlapped_observe::view::{
    BusyThread, Connections, Errors, FORMAT, Phase, PortView, StallLine, Traffic, Verdict, View,
};
use overlapped_observe::{Judge, Source};

use super::figures::Figures;
use super::service;
use super::settings::Settings;
use crate::recent;

/// What is shown of the server, while it runs and ends.
pub struct Showing {
    name: String,
    started: Instant,
    processes: u32,
    state: Mutex<State>,
}

struct State {
    /// Missing where several processes serve, and once it is told to end.
    server: Option<Box<dyn Server>>,
    phase: Phase,
    figures: Figures,
    pool: Option<PoolSnapshot>,
    judge: Judge,
}

impl Showing {
    /// Shows a server of this process.
    pub fn new(name: String, server: Box<dyn Server>) -> Arc<Self> {
        Self::of(name, 1, Some(server))
    }

    /// Shows a server of several processes, whose figures are [told](Self::tell).
    #[cfg_attr(windows, expect(dead_code, reason = "one process serves there"))]
    pub fn of_processes(name: String, processes: u32) -> Arc<Self> {
        Self::of(name, processes, None)
    }

    fn of(name: String, processes: u32, server: Option<Box<dyn Server>>) -> Arc<Self> {
        let (phase, figures, pool) = (Phase::Serving, Figures::default(), None);
        let judge = Judge::default();
        let state = Mutex::new(State { server, phase, figures, pool, judge });
        Arc::new(Self { name, started: Instant::now(), processes, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures of the server at this moment.
    pub fn figures(&self) -> Figures {
        let state = self.state();
        state.server.as_ref().map_or(state.figures, |server| Figures::of(&server.status()))
    }

    /// The figures of all processes.
    #[cfg_attr(windows, expect(dead_code, reason = "one process serves there"))]
    pub fn tell(&self, figures: Figures) {
        self.state().figures = figures;
    }

    /// The server ends from now on.
    pub fn drains(&self) {
        self.state().phase = Phase::Draining;
    }

    /// Ends the server; see [`service::end`]. What is shown meanwhile is how it was before. None if there is no server.
    pub fn stop(&self, settings: &Settings) -> Option<Stopped> {
        self.drains();
        let server = {
            let mut state = self.state();
            state.look();
            state.server.take()
        };
        server.map(|server| service::end(server, settings))
    }

    /// Lets new clients wait, or takes them again. Says whether the server can do that.
    pub fn pause(&self, is_paused: bool) -> bool {
        let mut state = self.state();
        let can = state.server.as_ref().is_some_and(|server| server.pause_accepts(is_paused));
        if can && state.phase != Phase::Draining {
            state.phase = if is_paused { Phase::Paused } else { Phase::Serving };
        }
        can
    }
}

impl State {
    fn look(&mut self) {
        if let Some(server) = &self.server {
            self.figures = Figures::of(&server.status());
            self.pool = server.snapshot();
        }
    }
}

impl Source for Showing {
    fn record(&self, length: Duration) -> Option<io::Result<Recording>> {
        let began = SystemTime::now();
        // Others look meanwhile.
        let recorder = self.state().server.as_ref()?.record(MOVES_MAX)?;
        Some(recorder.map(|recorder| {
            std::thread::sleep(length);
            Recording::new(&self.name, began, recorder.finish())
        }))
    }

    fn view(&self) -> View {
        let mut state = self.state();
        state.look();
        let (figures, pool, now) = (&state.figures, state.pool.as_ref(), Instant::now());
        let errors = figures.errors;
        let mut view = View {
            format: FORMAT.to_owned(),
            name: self.name.clone(),
            at_ms: recent::now_ms(),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            phase: state.phase,
            verdict: Verdict::default(),
            processes: self.processes,
            connections: Connections {
                open: figures.connected,
                peak: figures.peak_connected,
                accepted: figures.accepted,
                refused: figures.refused,
                accept_deferrals: figures.accept_deferrals,
            },
            traffic: Traffic { messages: figures.messages, bytes: figures.bytes },
            errors: Errors {
                reset: errors.reset,
                timed_out: errors.timed_out,
                aborted: errors.aborted,
                other: errors.other,
            },
            processor_seconds: figures.processor_time.as_secs_f64(),
            port: pool.map(PortView::from),
            stalls: pool.map_or_else(Vec::new, |pool| {
                pool.stalls.iter().map(|stall| StallLine::of(stall, now)).collect()
            }),
            busy: pool.map_or_else(Vec::new, |pool| {
                let mut busy: Vec<_> = pool.stalled.iter().map(BusyThread::from).collect();
                busy.sort_by_key(|thread| std::cmp::Reverse(thread.for_ms));
                busy
            }),
            log: recent::lines(),
        };
        state.judge.judge(&mut view);
        view
    }
}
