//! The threads of a server on one port: how they begin, what a panic costs, and how they end with its
//! connections.

use crate::{Connections, Failure, Listed};
use overlapped::{
    Packet, PacketHandle, Port, Protocol, RunningWorkers, TcpStream, Workers, WorkersEvent,
};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Starts the threads of a server: as many as are needed, and at most `most`; 0 is the library's own limit. Where a handler
/// holds its thread for long, it is called `name`.
/// `make` makes what takes the packets of one thread, see [`Workers::start_with`].
///
/// When that panics, the panic hook tells of it, the packet's connection is reset and taken out of the list,
/// and the list counts it as [`Failure::Other`]. Nothing else is touched: the thread goes on.
///
/// # Errors
/// Not even one thread can be started.
pub fn start<P, H>(
    port: &Port<P>,
    name: &str,
    most: usize,
    connections: &Arc<Connections<TcpStream<P>>>,
    make: impl Fn() -> H + Send + Sync + 'static,
) -> io::Result<RunningWorkers<P>>
where
    P: Protocol<Key: Listed>,
    H: FnMut(&Port<P>, Packet<P>) + 'static,
{
    let connections = Arc::clone(connections);
    let mut workers =
        Workers::new(port).handler_name(name).on_event(move |event| contained(&connections, event));
    if most > 0 {
        workers = workers.most(most);
    }
    workers.start_with(make)
}

/// A panic was contained by the pool, which has reset the packet's connection.
fn contained<P: Protocol<Key: Listed>>(
    connections: &Connections<TcpStream<P>>,
    event: &WorkersEvent<P>,
) {
    let WorkersEvent::HandlerPanicked { handle, .. } = event else { return };
    if let PacketHandle::Stream(stream) | PacketHandle::ListenerAndStream(_, stream) = handle {
        connections.forget(stream);
    }
    connections.failed(Failure::Other);
}

/// Ends connections and threads, and closes the port. Before, accepting has to end, and so has whatever
/// keeps a connection without work open.
///
/// Threads serve until no connection is open and nothing is queued. What is still open at the deadline, if
/// there is one, is ended by force and counted as that; returns how many connections that were. A thread
/// that is busy then is left to itself.
pub fn stop<P: Protocol<Key: Listed>>(
    workers: RunningWorkers<P>,
    connections: &Connections<TcpStream<P>>,
    deadline: Option<Instant>,
) -> u64 {
    let rest = || match deadline {
        Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        None => Duration::MAX,
    };
    let in_time = workers.drain(rest(), || connections.open() == 0);
    let left = if in_time { 0 } else { connections.take_all(|stream| stream.abort()) };
    workers.stop(rest());
    left
}

/// The driver of a port, and how many threads it has and lets run, in part of a sentence.
pub fn describe<P: Protocol>(workers: &RunningWorkers<P>) -> String {
    let port = workers.port();
    let report = port.driver();
    format!(
        "{} ({}), {} threads now of which {} run, blocked-thread monitor {}",
        report.name,
        report.reason,
        workers.threads(),
        port.concurrency(),
        report.blocked_thread_monitor
    )
}
