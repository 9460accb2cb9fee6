//! What a model is: the two traits, what they are told and what they report.

use crate::handler::Handler;
use overlapped::{DriverChoice, PoolSnapshot, Recorder};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

pub use overlapped_serving::{Errors, Threads};

/// One way to serve many connections.
pub trait Model: Send + Sync {
    /// The name to choose it by, in lower case with hyphens.
    fn name(&self) -> &'static str;

    /// Whether each connection has a thread to itself, so that their number is limited by that of the
    /// machine's threads, and each costs a stack.
    fn has_a_thread_per_connection(&self) -> bool {
        false
    }

    /// Serves `listener` until the server is stopped.
    ///
    /// # Errors
    /// The limits ask for something that this system does not have, or descriptors or threads are
    /// short. Nothing is left running then.
    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>>;
}

/// A running server. Dropping it stops it without a deadline: whatever is open is ended by force.
pub trait Server: Send {
    /// What the server has counted so far; cheap enough to be asked several times a second.
    fn status(&self) -> Status;

    /// The port and the threads of the server at this moment, if it has a port.
    fn snapshot(&self) -> Option<PoolSnapshot> {
        None
    }

    /// Begins to record the moves of the server's port, if it has one; see [`Port::record`](overlapped::Port::record).
    fn record(&self, _limit: usize) -> Option<io::Result<Recorder>> {
        None
    }

    /// Lets new clients wait in the backlog, or takes them again. Says whether the server can do that; accepts that are
    /// posted already may complete.
    fn pause_accepts(&self, _is_paused: bool) -> bool {
        false
    }

    /// Accepts nothing more, and serves on who is connected until they have gone, or for so long. For a
    /// server in whose place another one accepts; [`Server::stop`] is its end.
    ///
    /// Only `completion-port` with [`Accepting::Posted`] does so, which closes its listening socket and
    /// leaves the clients in the backlog to others that have that socket. The other models do nothing.
    fn retire(&mut self, _at_most: Duration) {}

    /// Ends the server in phases: nothing is accepted any more; a connection is closed as soon as
    /// everything that came from it is answered; what is still open after `deadline` is ended by
    /// force, its unsent data lost.
    fn stop(self: Box<Self>, deadline: Duration) -> Stopped;

    /// How connections are carried, and why this way, in a sentence.
    fn describe(&self) -> String;
}

/// What a server is allowed. A model ignores what has no meaning for it; each field says for which
/// it has.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many threads the completion port lets run; 0 is one per processor. Only for
    /// `completion-port`.
    pub concurrency: usize,
    /// How many worker threads there are at most; 0 is the library's own limit. There are as many as
    /// run, one more that waits, and one for each that blocks. Only for `completion-port`: the other
    /// models have as many as their connections need.
    pub threads: usize,
    /// Who accepts. Only for `completion-port`.
    pub accepting: Accepting,
    /// How many accepts are kept posted. Only for `completion-port` with [`Accepting::Posted`].
    pub posted_accepts: usize,
    /// How many connections one thread of `select` serves; 0 is all of them, in sets as large as
    /// needed. The classic set holds 64 (`FD_SETSIZE`). Only for `select`.
    pub set_size: usize,
    /// When set, a client that connects and then sends nothing for this long loses its connection.
    /// With posted accepts the completion port accepts with first data then: a connection counts
    /// from its first byte.
    pub first_data: Option<Duration>,
    /// How many connections may be waited on for their first data at a time; a newcomer beyond them
    /// takes the place of the one that has been silent longest. By itself it is as many as may be
    /// open. Only for `completion-port` with [`Accepting::Posted`] and a limit on the first data.
    pub silent_connections: Option<usize>,
    /// When set, a connection on which nothing came in or went out for this long is closed, no
    /// earlier and not much later.
    pub idle_timeout: Option<Duration>,
    /// How many connections may be open. The limit is kept before accepting: more clients wait in
    /// the listener's backlog. `usize::MAX` is no limit.
    pub connections: usize,
    /// The size in bytes of the buffer that a message is received into; a longer message comes in
    /// several pieces.
    pub buffer_size: usize,
    /// Which driver the completion port runs on. Only for `completion-port`.
    pub driver: DriverChoice,
    /// Whether the completion port notices handlers that block. Only for `completion-port`.
    pub blocked_thread_monitor: bool,
    /// Who is told of each connection that comes and goes. Without one, that costs a branch for each of
    /// both, and nothing for a message.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Is told of the connections of a server.
///
/// It is called on the server's threads, which wait meanwhile. Where the completion port accepts with
/// first data, a client that sends none is no connection, and nobody is told.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A connection is served from now on. `client` is its address; there is none where it has gone
    /// already.
    fn came(&self, client: Option<SocketAddr>);

    /// The connection is served no more.
    fn left(&self, client: Option<SocketAddr>, why: Departure);
}

/// Why a connection is served no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The client ended it in order, or the handler wanted it closed.
    End,
    /// The client reset it.
    Reset,
    /// The client took too long.
    TimedOut,
    /// The server is being stopped.
    Stop,
    /// Anything else: an error of the system, a handler that panicked.
    Error,
}

/// Who accepts for a completion port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accepting {
    /// The workers: accepts are posted like any other operation, and their packets are taken like
    /// any other (M141).
    #[default]
    Posted,
    /// A thread of its own, which waits in accept, associates each connection and starts its first
    /// receive (M140).
    Thread,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 0,
            threads: 0,
            accepting: Accepting::Posted,
            posted_accepts: 10,
            set_size: 0,
            first_data: None,
            silent_connections: None,
            idle_timeout: None,
            connections: usize::MAX,
            buffer_size: 8 * 1024,
            driver: DriverChoice::Automatic,
            blocked_thread_monitor: true,
            observer: None,
        }
    }
}

/// What a server has counted since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Connections open now.
    pub connected: u64,
    /// The most connections that were open at once.
    pub peak_connected: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Pieces of data received, each of at most one buffer.
    pub messages: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Connections that ended otherwise than by a graceful end, by kind.
    pub errors: Errors,
    /// How often accepting was put off for want of descriptors or memory.
    pub accept_deferrals: u64,
    /// Connections closed at once, since their client had as many as it may. Servers of files have
    /// such a limit.
    pub refused: u64,
    /// Lines of an access log that were lost. Servers of files have one.
    pub log_lines_lost: u64,
    /// What the threads do now.
    pub threads: Threads,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// The final figures.
    pub status: Status,
    /// How many connections were ended by force at the deadline.
    pub left: u64,
}
