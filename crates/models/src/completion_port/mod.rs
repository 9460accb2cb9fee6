//! The completion port: a few worker threads take packets of all connections from one port.
//!
//! ```text
//! accept window -> Accepted -> associate -> receive_pooled
//!                                               |   ^
//!                                   Received <--+   +--- Sent <- send <- handler's reply
//! ```
//!
//! Each connection has one operation in flight or is in one worker's hands, never both, so its
//! bytes stay in order without a lock (M145), and a client that does not read stops its own
//! connection and no other: nothing is received from it while its echo waits to be sent.
//!
//! Accepts are posted by default, and their packets are taken by the workers. With
//! [`Accepting::Thread`] a thread of its own accepts instead:
//!
//! ```text
//! accept -> associate -> receive_pooled          (the thread that accepts)
//!                            |   ^
//!                Received <--+   +--- Sent <- send <- handler's reply      (the workers)
//! ```
//!
//! - [`worker`] turns each packet into the next operation. It calls all others; this file starts
//!   and stops it.
//! - [`connection`] is what is kept per connection: its completion key.
//! - [`accepting`] is the thread that accepts, where there is one.
//! - [`sweep`] ends idle connections.
//! - The list of connections, the threads and their end are those of `overlapped-serving`; what the
//!   threads share and what they count is that of `parts`.
//!
//! An idle connection costs 8 bytes of key and 8 of list beside the library's handle. A message
//! costs no allocation, no lock and no clock of this folder's.

mod accepting;
mod connection;
mod sweep;
mod worker;

use crate::handler::Handler;
use crate::model::{Accepting, Limits, Model, Server, Status, Stopped, Threads};
use crate::parts::Common;
use crate::parts::doorkeeper::Doorkeeper;
use connection::{Connection, Receive, Serving, Stream};
use overlapped::{
    AcceptWindow, ListenSocket, PoolSnapshot, Port, Recorder, RunningWorkers, TcpListener,
};
use overlapped_serving::workers;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use sweep::Sweep;
use worker::Worker;

/// A few worker threads on one completion port.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompletionPort;

/// What the workers of one server share. Written rarely, read for each packet.
struct Shared {
    port: Port<Serving>,
    common: Arc<Common<Stream>>,
    sweep: Option<Sweep>,
    /// The listener was closed before the server is stopped.
    retires: AtomicBool,
}

struct Running {
    shared: Arc<Shared>,
    entrance: Entrance,
    /// None when it has ended.
    workers: Option<RunningWorkers<Serving>>,
}

/// How connections come in.
enum Entrance {
    Posted(TcpListener<Serving>),
    Thread(Doorkeeper),
    /// None do: the server has just begun.
    Shut,
}

impl Model for CompletionPort {
    fn name(&self) -> &'static str {
        "completion-port"
    }

    fn start(
        &self,
        listener: std::net::TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        // Accepted connections inherit it on Linux, so it costs no call for each.
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let port = Port::<Serving>::builder()
            .concurrency(limits.concurrency)
            .driver(limits.driver)
            .blocked_thread_monitor(limits.blocked_thread_monitor)
            .buffer_size(limits.buffer_size)
            .build()?;
        // Refused here where the driver cannot carry sockets, before anything runs.
        let entrance = match limits.accepting {
            Accepting::Posted => {
                let listener = ListenSocket::try_from(listener)?;
                Ok(port.associate(listener, Connection::default())?)
            }
            Accepting::Thread => Err(listener),
        };
        let awaits_first = limits.first_data.filter(|_| entrance.is_err());
        let shared = Arc::new(Shared {
            port,
            common: Arc::new(Common::new(handler, limits)),
            sweep: Sweep::new(limits.idle_timeout, awaits_first),
            retires: AtomicBool::new(false),
        });
        // From here on, dropping it on an error ends what was started.
        let serving = Arc::clone(&shared);
        let make = move || {
            let worker = Worker::new(&serving);
            move |_: &Port<Serving>, packet| worker.serve(packet)
        };
        let workers = workers::start(
            &shared.port,
            "handler",
            limits.threads,
            &shared.common.connections,
            make,
        )?;
        let mut running = Running { shared, entrance: Entrance::Shut, workers: Some(workers) };
        if let Some(sweep) = &running.shared.sweep {
            running.shared.port.timer(sweep.tick(), Receive::Waits)?;
        }
        running.entrance = match entrance {
            Ok(listener) => {
                listener.accept_window(window(limits), || Receive::Waits)?;
                Entrance::Posted(listener)
            }
            Err(listener) => Entrance::Thread(accepting::start(&running.shared, listener)?),
        };
        Ok(Box::new(running))
    }
}

fn window(limits: &Limits) -> AcceptWindow {
    let mut window = AcceptWindow::new(limits.posted_accepts);
    if limits.connections < usize::MAX {
        window = window.connections(limits.connections);
    }
    if let Some(limit) = limits.first_data {
        window = window.first_data(limit);
    }
    if let Some(limit) = limits.silent_connections {
        window = window.silent_connections(limit);
    }
    window
}

impl Server for Running {
    fn status(&self) -> Status {
        let mut status = self.shared.status();
        // The port knows its own threads; the one that accepts waits elsewhere.
        status.threads.waiting += usize::from(matches!(self.entrance, Entrance::Thread(_)));
        status
    }

    fn snapshot(&self) -> Option<PoolSnapshot> {
        self.workers.as_ref().map(RunningWorkers::snapshot)
    }

    fn record(&self, limit: usize) -> Option<io::Result<Recorder>> {
        Some(self.shared.port.record(limit))
    }

    fn pause_accepts(&self, is_paused: bool) -> bool {
        // A thread that accepts goes on.
        let can = matches!(self.entrance, Entrance::Posted(_));
        match is_paused {
            true if can => self.shared.port.pause_accepts(),
            false if can => self.shared.port.resume_accepts(),
            _ => {}
        }
        can
    }

    fn retire(&mut self, at_most: Duration) {
        let Entrance::Posted(listener) = &self.entrance else { return };
        self.shared.retires.store(true, Ordering::SeqCst);
        listener.close();
        let connections = &self.shared.common.connections;
        // Whoever was accepted just before is queued, and not counted yet.
        if let Some(workers) = &self.workers {
            workers.drain(at_most, || connections.open() == 0);
        }
    }

    fn stop(mut self: Box<Self>, deadline: Duration) -> Stopped {
        self.end(deadline)
    }

    fn describe(&self) -> String {
        let carried = self.workers.as_ref().map(workers::describe).unwrap_or_default();
        let accepts = match self.entrance {
            Entrance::Thread(_) => "a thread that accepts",
            _ => "accepts posted",
        };
        format!("completion port on {carried}, {accepts}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.workers.is_some() {
            self.end(Duration::ZERO);
        }
    }
}

impl Running {
    fn end(&mut self, deadline: Duration) -> Stopped {
        let shared = Arc::clone(&self.shared);
        let connections = &shared.common.connections;
        let deadline = Instant::now().checked_add(deadline);
        shared.common.announce_stop();
        match &mut self.entrance {
            Entrance::Posted(listener) => listener.close(),
            Entrance::Thread(doorkeeper) => doorkeeper.dismiss(),
            Entrance::Shut => {}
        }
        // Each operation in flight comes back to a worker: an idle connection is closed, an echo
        // that was under way is taken up again.
        let cancel = |stream: &Stream| {
            stream.cancel_all();
        };
        connections.for_each(|_| true, cancel);
        let workers = self.workers.take();
        let left = workers.map_or(0, |workers| workers::stop(workers, connections, deadline));
        let status = Status { connected: 0, threads: Threads::default(), ..shared.status() };
        Stopped { status, left }
    }
}

impl Shared {
    fn status(&self) -> Status {
        let mut status = self.common.status();
        status.accept_deferrals += self.port.counters().accept_deferrals;
        status.threads = self.port.snapshot().into();
        status
    }
}
