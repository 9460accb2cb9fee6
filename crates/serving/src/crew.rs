//! The worker threads of a server: how many, what they do, and how a stop ends them.

use crate::{Connections, Failure, Listed, Notice};
use overlapped::{Packet, Port, Protocol, TcpStream};
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a stop waits for workers to notice that the port is closed. One that is busy elsewhere,
/// in a handler or with a disk, is not waited for.
const FAREWELL: Duration = Duration::from_millis(100);

/// What is posted: the worker that takes it ends.
#[derive(Debug)]
pub struct End;

/// How many workers a server has that was given `threads`, on a port that lets `concurrency` run: 0
/// is two for each that may run, and one to stand at the door.
pub fn worker_threads(threads: usize, concurrency: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    match threads {
        0 => 2 * processors.max(concurrency) + 1,
        threads => threads,
    }
}

/// Takes packets and hands them to `serve`, until it takes the [`End`] or the port is closed.
///
/// A panic of `serve` ends with its packet, see [`contained`].
pub fn take_until_end<P>(
    port: &Port<P>,
    connections: &Connections<TcpStream<P>>,
    serve: impl Fn(Packet<P>),
) where
    P: Protocol<Message = End, Key: Listed>,
{
    loop {
        match port.take() {
            Ok(Packet::Posted(End)) | Err(_) => return,
            Ok(packet) => contained(connections, packet, &serve),
        }
    }
}

/// Hands a packet to `serve`. When that panics, the panic hook tells of it, the packet's connection
/// is taken out of the list and reset, and the list counts it as [`Failure::Other`]. Nothing else is
/// touched: the calling thread goes on with the next packet.
pub fn contained<P: Protocol<Key: Listed>>(
    connections: &Connections<TcpStream<P>>,
    packet: Packet<P>,
    serve: impl FnOnce(Packet<P>),
) {
    // What a server shares between its threads is locked without poison, or atomic.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _in_hand = stream_of(&packet).map(|stream| connections.in_hand(stream));
        serve(packet);
    }));
    if outcome.is_err() {
        connections.failed(Failure::Other);
    }
}

/// The connection that a packet is of.
fn stream_of<P: Protocol>(packet: &Packet<P>) -> Option<&TcpStream<P>> {
    match packet {
        Packet::AcceptedInto { stream, .. }
        | Packet::Connected { stream, .. }
        | Packet::Disconnected { stream, .. }
        | Packet::Received { stream, .. }
        | Packet::Sent { stream, .. }
        | Packet::Transmitted { stream, .. } => Some(stream),
        _ => None,
    }
}

/// The worker threads of a server. Dropping it ends none of them; [`Crew::stop`] does.
#[derive(Debug, Default)]
pub struct Crew {
    threads: Vec<JoinHandle<()>>,
    presence: Arc<Presence>,
}

/// How many of the threads have not ended.
#[derive(Debug, Default)]
struct Presence {
    count: AtomicUsize,
    none: Notice,
}

/// One thread's presence; ends with it, however that ends.
struct OnDuty(Arc<Presence>);

impl OnDuty {
    fn begin(presence: &Arc<Presence>) -> Self {
        presence.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(presence))
    }
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.give();
        }
    }
}

impl Crew {
    /// Starts `count` threads, each of which calls `work` with its number from 0 on and ends when
    /// that returns; [`take_until_end`] is what it is expected to do.
    ///
    /// # Errors
    /// Threads are short. Those that were started run, so that [`Crew::stop`] has to follow.
    pub fn start(
        &mut self,
        count: usize,
        work: impl Fn(usize) + Clone + Send + 'static,
    ) -> io::Result<()> {
        for number in 0..count {
            // Before the thread starts, so that no stop overlooks it.
            let (work, on_duty) = (work.clone(), OnDuty::begin(&self.presence));
            let thread =
                std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
                    let _on_duty = on_duty;
                    work(number);
                });
            self.threads.push(thread.map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("only {number} of {count} worker threads could be started: {error}"),
                )
            })?);
        }
        Ok(())
    }

    /// The driver of the port, and how many threads it has and lets run, in part of a sentence.
    pub fn describe<P: Protocol>(&self, port: &Port<P>) -> String {
        let report = port.driver();
        format!(
            "{} ({}), {} threads of which {} run, blocked-thread monitor {}",
            report.name,
            report.reason,
            self.threads.len(),
            port.concurrency(),
            report.blocked_thread_monitor
        )
    }

    /// Ends connections and workers, and closes the port. Before, accepting has to end, and so has
    /// whatever keeps a connection without work open.
    ///
    /// Workers serve until no connection is open, and then all that is queued; `serve` serves, on
    /// this thread, what a client that was accepted at the last moment brings after that. What is
    /// still open at the deadline, if there is one, is ended by force and counted as that; returns
    /// how many connections that were. A worker that is busy then is left to itself.
    pub fn stop<P>(
        &mut self,
        port: &Port<P>,
        connections: &Connections<TcpStream<P>>,
        deadline: Option<Instant>,
        serve: impl Fn(Packet<P>),
    ) -> u64
    where
        P: Protocol<Message = End, Key: Listed>,
    {
        let in_time = connections.wait_until_none(deadline)
            && self.dismiss(port, deadline)
            && serve_the_last(port, connections, deadline, serve);
        let left = if in_time { 0 } else { connections.take_all(|stream| stream.abort()) };
        port.close();
        if !in_time {
            self.join(Instant::now().checked_add(FAREWELL));
        }
        left
    }

    /// Ends the workers once they have taken all that is queued; false when the deadline came first.
    fn dismiss<P: Protocol<Message = End>>(
        &mut self,
        port: &Port<P>,
        deadline: Option<Instant>,
    ) -> bool {
        for _ in &self.threads {
            // The port is open, so it cannot refuse.
            let _ = port.post(End);
        }
        self.join(deadline)
    }

    /// How many threads were started.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Waits until every worker has ended; false when the deadline came first. It ends none: for a
    /// server that has told its workers to end by a message of its own.
    pub fn join(&mut self, deadline: Option<Instant>) -> bool {
        let presence = &self.presence;
        if !presence.none.wait_for(deadline, || presence.count.load(Ordering::SeqCst) == 0) {
            return false;
        }
        for thread in self.threads.drain(..) {
            // A worker's panic was reported by its thread, and there is nobody else to tell.
            let _ = thread.join();
        }
        true
    }
}

/// Serves what is queued after the workers have ended; false when the deadline came before the last
/// connection had gone.
fn serve_the_last<P>(
    port: &Port<P>,
    connections: &Connections<TcpStream<P>>,
    deadline: Option<Instant>,
    serve: impl Fn(Packet<P>),
) -> bool
where
    P: Protocol<Message = End, Key: Listed>,
{
    loop {
        let open = connections.open();
        let wait = match (open, deadline) {
            (0, _) => Duration::ZERO,
            (_, None) => Duration::MAX,
            (_, Some(end)) => end.saturating_duration_since(Instant::now()),
        };
        // Where a client never ends, neither do its packets.
        if open > 0 && wait.is_zero() {
            break;
        }
        match port.take_timeout(wait) {
            Ok(Packet::Posted(End)) => {}
            Ok(packet) => contained(connections, packet, &serve),
            Err(_) => break,
        }
    }
    port.leave();
    connections.open() == 0
}
