//! The sender: one file for whoever connects.
//!
//! - `settings` is what it is allowed and what it tells.
//! - `served` opens the file, `checksum` reads it through once for those who want to verify.
//! - `connection` is what is kept per fetcher, with the limits of time.
//! - `worker` takes packets; nobody else starts operations.

mod checksum;
mod connection;
mod served;
pub(crate) mod settings;
mod worker;

use crate::name;
use connection::{Connection, Sending, Stream, Waits, Work};
use overlapped::{AcceptWindow, ListenSocket, Port, RunningWorkers, TcpListener};
use overlapped_serving::{Connections, Notice, lock, workers};
use served::Served;
use settings::{SendSettings, SendStatus, SendWatch};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use worker::Worker;

/// Accepts that are kept posted.
const POSTED_ACCEPTS: usize = 10;

/// How long a stop waits at least for workers to end. One that is held, by the file's disk or by whoever
/// looks on, is left to itself.
const FAREWELL: Duration = Duration::from_secs(1);

const STOPPING: u8 = 1;
const ENDING: u8 = 2;

/// What the sender's threads share.
pub(crate) struct Shared {
    port: Port<Sending>,
    served: Served,
    settings: SendSettings,
    watch: Box<dyn SendWatch>,
    connections: Arc<Connections<Stream>>,
    checksums: checksum::Checksums,
    /// 0, then `STOPPING`, then `ENDING`.
    phase: AtomicU8,
    counts: Mutex<SendStatus>,
    /// The counts have changed.
    changed: Notice,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= STOPPING
    }

    fn is_ending(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= ENDING
    }

    fn status(&self) -> SendStatus {
        let mut status = lock(&self.counts);
        self.connections.for_each(|_| true, |stream| status.bytes += stream.key().count());
        let mut status = SendStatus { connected: self.connections.open(), ..*status };
        // The list counts what was ended by force, and the worker what ended otherwise.
        status.errors.aborted = self.connections.errors().total();
        status
    }
}

/// A running sender. Dropping it ends what is open by force.
pub struct Sender {
    shared: Arc<Shared>,
    listener: TcpListener<Sending>,
    /// None when it has ended.
    workers: Option<RunningWorkers<Sending>>,
}

/// How a sender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The final figures.
    pub status: SendStatus,
    /// How many connections were ended by force at the deadline.
    pub left: u64,
}

impl Sender {
    /// Sends the file at `path` to whoever connects to `listener`, until it is stopped.
    ///
    /// The file is opened anew for each fetcher, so one that is changed or replaced is sent as it is
    /// then.
    ///
    /// # Errors
    /// The file cannot be opened or is none, its name is one that no fetcher takes (`InvalidInput`; then
    /// [`SendSettings::name`] helps), or descriptors or threads are short.
    ///
    /// # Platform
    /// Windows for clients runs two transmissions at a time and lets others wait (X80).
    pub fn start(
        listener: std::net::TcpListener,
        path: &Path,
        settings: &SendSettings,
        watch: impl SendWatch + 'static,
    ) -> io::Result<Self> {
        let mut served = Served { path: path.to_owned(), name: String::new() };
        // What is wrong with the file is told now, and not to the first fetcher.
        served.open()?;
        let name = match &settings.name {
            Some(name) => name.clone().into_bytes(),
            None => {
                path.file_name().unwrap_or_default().to_string_lossy().into_owned().into_bytes()
            }
        };
        let name = match name::check(&name) {
            Ok(name) if !name.contains(char::REPLACEMENT_CHARACTER) => name.to_owned(),
            Ok(_) => return Err(unfit(&name, "it is not UTF-8")),
            Err(why) => return Err(unfit(&name, why)),
        };
        served.name = name;
        let port = Port::<Sending>::builder().build()?;
        let key = Connection::new(None);
        let listener = port.associate(ListenSocket::try_from(listener)?, key)?;
        let shared = Arc::new(Shared {
            port,
            served,
            settings: settings.clone(),
            watch: Box::new(watch),
            connections: Arc::default(),
            checksums: checksum::Checksums::default(),
            phase: AtomicU8::new(0),
            counts: Mutex::default(),
            changed: Notice::default(),
        });
        let of_workers = Arc::clone(&shared);
        let make = move || {
            let shared = Arc::clone(&of_workers);
            move |_: &Port<Sending>, packet| Worker(&shared).serve(packet)
        };
        let workers = workers::start(&shared.port, "sender", 0, &shared.connections, make)?;
        // From here on, dropping it on an error ends what was started.
        let sender = Self { shared, listener, workers: Some(workers) };
        sender.shared.port.timer(settings.tick, Work::Other)?;
        let window = AcceptWindow::new(POSTED_ACCEPTS).connections(settings.connections);
        sender.listener.accept_window(window, || Work::Other)?;
        Ok(sender)
    }

    /// What it has done so far.
    pub fn status(&self) -> SendStatus {
        self.shared.status()
    }

    /// The name that fetchers are told.
    pub fn name(&self) -> &str {
        &self.shared.served.name
    }

    /// Waits until so many deliveries are done, or for `timeout`; true when they are.
    pub fn wait_for_deliveries(&self, count: u64, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let are_done = || lock(&self.shared.counts).deliveries >= count;
        self.shared.changed.wait_for(deadline, are_done)
    }

    /// Ends the sender in phases: nobody is accepted any more; who has asked for nothing is closed; who
    /// has asked gets the file. What is open after `deadline` is ended by force. A worker that is held
    /// then, by the file's disk or by [`SendWatch`], is left to itself.
    pub fn stop(mut self, deadline: Duration) -> Stopped {
        self.end(deadline)
    }

    fn end(&mut self, deadline: Duration) -> Stopped {
        let shared = &self.shared;
        shared.phase.store(STOPPING, Ordering::SeqCst);
        self.listener.close();
        let has_not_asked = |key: &Connection| key.waits_for() == Waits::Request;
        shared.connections.for_each(has_not_asked, |stream| stream.close());
        let Some(workers) = self.workers.take() else {
            return Stopped { status: shared.status(), left: 0 };
        };
        let begun = Instant::now();
        let in_time = workers.drain(deadline, || shared.connections.open() == 0);
        shared.phase.store(ENDING, Ordering::SeqCst);
        let mut left = 0;
        if !in_time {
            let mut counts = lock(&shared.counts);
            left = shared.connections.take_all(|stream| {
                counts.bytes += stream.key().count();
                stream.abort();
            });
        }
        workers.stop(deadline.saturating_sub(begun.elapsed()).max(FAREWELL));
        Stopped { status: shared.status(), left }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if self.workers.is_some() {
            self.end(Duration::ZERO);
        }
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("status", &self.status()).finish_non_exhaustive()
    }
}

fn unfit(name: &[u8], why: &str) -> io::Error {
    let name = String::from_utf8_lossy(name);
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("no fetcher takes the name {name:?}, since {why}: give another name"),
    )
}
