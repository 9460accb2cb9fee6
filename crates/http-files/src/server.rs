//! A running server: how it starts, and how it ends in phases.

use crate::access_log::Logger;
use crate::answer::Site;
use crate::cache::Files;
use crate::connection::{Connection, Connections, Phase, Serving, Stream, Work};
use crate::counters::Own;
use crate::deadline::Deadlines;
use crate::folder::Folder;
use crate::worker::Worker;
use crate::{Settings, Status};
use overlapped::{
    AcceptWindow, ListenSocket, PoolSnapshot, Port, Recorder, RunningWorkers, TcpListener,
};
use overlapped_serving::{Addresses, Meters, workers};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The size of the buffer that a piece of a request is received into; most heads fit.
const BUFFER_BYTES: usize = 4 * 1024;

/// What the workers of one server share. Written rarely, read for each packet.
pub(crate) struct Shared {
    pub(crate) port: Port<Serving>,
    pub(crate) site: Site,
    pub(crate) log: Option<Logger>,
    stopping: AtomicBool,
    retires: AtomicBool,
    pub(crate) deadlines: Deadlines,
    pub(crate) connections: Arc<Connections>,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) counters: Arc<Meters<Own>>,
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether the next response on each connection is its last.
    pub(crate) fn retires(&self) -> bool {
        self.retires.load(Ordering::SeqCst)
    }

    /// The counts, without the threads.
    fn figures(&self) -> Status {
        let mut status = Status {
            connected: self.connections.open(),
            peak_connected: self.connections.peak(),
            accepted: self.connections.accepted(),
            errors: self.connections.errors(),
            log_lines_lost: self.log.as_ref().map_or(0, Logger::lost),
            accept_deferrals: self.port.counters().accept_deferrals,
            ..Status::default()
        };
        self.counters.read(|present, ended| {
            ended.add_to(&mut status);
            present.iter().for_each(|own| own.add_to(&mut status));
        });
        status
    }
}

/// A running server. Dropping it stops it without a deadline: whatever is open is ended by force.
pub struct Server {
    shared: Arc<Shared>,
    listener: TcpListener<Serving>,
    /// None when it has ended.
    workers: Option<RunningWorkers<Serving>>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// The final figures.
    pub status: Status,
    /// How many connections were ended by force at the deadline.
    pub left: u64,
}

impl Server {
    /// Serves the files in `folder` to the clients of `listener` until the server is stopped.
    ///
    /// Everything in the folder is served, also names that begin with a dot. Links are followed as
    /// long as they stay in the folder.
    ///
    /// # Errors
    /// The folder is none or cannot be opened, the access log cannot be opened, or descriptors or
    /// threads are short. Nothing is left running then.
    ///
    /// # Platform
    /// On Linux the kernel keeps every path in the folder (`openat2`), and a link is refused also
    /// when it names its target by an absolute path. On Windows, and where Linux refuses that call,
    /// paths are resolved and compared: that holds as long as nobody who is not trusted can change
    /// links in the folder.
    pub fn start(
        listener: std::net::TcpListener,
        folder: &Path,
        settings: &Settings,
    ) -> io::Result<Self> {
        let folder = Folder::open(folder)?;
        let tell = settings.on_log_trouble;
        let log = settings.access_log.as_ref().map(|log| Logger::start(log, tell)).transpose()?;
        // Accepted connections inherit it on Linux, so it costs no call for each.
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let port = Port::<Serving>::builder()
            .concurrency(settings.concurrency)
            .driver(settings.driver)
            .blocked_thread_monitor(settings.blocked_thread_monitor)
            .buffer_size(BUFFER_BYTES)
            .build()?;
        let listener =
            port.associate(ListenSocket::try_from(listener)?, Connection::new(None, None))?;
        let shared = Arc::new(Shared {
            port,
            site: Site {
                files: Files::new(folder, settings.open_files),
                settings: settings.clone(),
            },
            log,
            stopping: AtomicBool::new(false),
            retires: AtomicBool::new(false),
            deadlines: Deadlines::new(settings),
            connections: Arc::default(),
            addresses: Addresses::new(settings.connections_per_client),
            counters: Arc::default(),
        });
        let serving = Arc::clone(&shared);
        let make = move || {
            let worker = Worker::new(&serving);
            move |_: &Port<Serving>, packet| worker.serve(packet)
        };
        let workers =
            workers::start(&shared.port, "files", settings.threads, &shared.connections, make)?;
        // From here on, dropping it on an error ends what was started.
        let server = Self { shared, listener, workers: Some(workers) };
        server.shared.port.timer(server.shared.deadlines.tick(), Work::Other)?;
        let mut window = AcceptWindow::new(settings.posted_accepts);
        if settings.connections < usize::MAX {
            window = window.connections(settings.connections);
        }
        server.listener.accept_window(window, || Work::Other)?;
        Ok(server)
    }

    /// What the server has counted so far; cheap enough to be asked several times a second.
    pub fn status(&self) -> Status {
        Status { threads: self.shared.port.snapshot().into(), ..self.shared.figures() }
    }

    /// The port and the threads at this moment.
    pub fn snapshot(&self) -> Option<PoolSnapshot> {
        self.workers.as_ref().map(RunningWorkers::snapshot)
    }

    /// Begins to record the moves of the port.
    ///
    /// # Errors
    /// Those of [`Port::record`].
    pub fn record(&self, limit: usize) -> io::Result<Recorder> {
        self.shared.port.record(limit)
    }

    /// Lets new clients wait in the backlog, or takes them again; see [`Port::pause_accepts`].
    pub fn pause_accepts(&self, is_paused: bool) {
        match is_paused {
            true => self.shared.port.pause_accepts(),
            false => self.shared.port.resume_accepts(),
        }
    }

    /// How connections are carried and how the folder is kept, in a sentence.
    pub fn describe(&self) -> String {
        let carried = self.workers.as_ref().map(workers::describe).unwrap_or_default();
        format!("files on {carried}; paths are {}", self.shared.site.files.folder.describe())
    }

    /// Accepts nothing more, and serves on who is connected until they have gone, or for so long: the next
    /// response on each connection is its last and says so (`Connection: close`). So no request that a client
    /// sends meanwhile is lost. For a server in whose place another one accepts; [`Server::stop`] is its end.
    ///
    /// The listening socket is closed here. Clients in its backlog are left to others that have it, or else
    /// reset.
    pub fn retire(&mut self, at_most: Duration) {
        self.shared.retires.store(true, Ordering::SeqCst);
        self.listener.close();
        // Whoever was accepted just before is queued, and not counted yet.
        if let Some(workers) = &self.workers {
            workers.drain(at_most, || self.shared.connections.open() == 0);
        }
    }

    /// Ends the server in phases: nothing is accepted any more; connections without a request are
    /// closed; requests that have come, also in part, are answered, and their connections closed.
    /// What is still open after `deadline` is ended by force.
    pub fn stop(mut self, deadline: Duration) -> Stopped {
        self.end(deadline)
    }

    fn end(&mut self, deadline: Duration) -> Stopped {
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now().checked_add(deadline);
        shared.stopping.store(true, Ordering::SeqCst);
        shared.retires.store(true, Ordering::SeqCst);
        self.listener.close();
        let waits = |connection: &Connection| connection.phase() == Phase::Request;
        let cancel = |stream: &Stream| {
            stream.cancel_all();
        };
        shared.connections.for_each(waits, cancel);
        let workers = self.workers.take();
        let left =
            workers.map_or(0, |workers| workers::stop(workers, &shared.connections, deadline));
        if let Some(log) = &shared.log {
            log.finish();
        }
        Stopped { status: Status { connected: 0, ..shared.figures() }, left }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.workers.is_some() {
            self.end(Duration::ZERO);
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("status", &self.status()).finish_non_exhaustive()
    }
}
