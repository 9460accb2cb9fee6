//! The threads of a server: how many there are, what they do with each packet, and how they end.
//!
//! - [`Workers`] is what users set; it starts the [`pool`].
//! - [`pool`] is what its threads share. Each of them takes a packet, sees to it that another thread
//!   waits in the port, and calls the handler. So a thread is started before it is needed, and by the
//!   thread that takes the last one's place: nobody has to look for that by a timer.
//! - [`sight`] is all of them, as the supervisor sees them.
//! - [`supervisor`] is the thread that sees when even the most threads are blocked. It sleeps while a
//!   thread waits in the port.
//! - [`running`] is what users hold: figures, and the stop in phases.
//! - [`snapshot`] is a pool at one moment, and [`event`] is what users are told.

pub(crate) mod event;
mod pool;
pub(crate) mod running;
mod sight;
pub(crate) mod snapshot;
mod supervisor;

use crate::op::packet::Packet;
use crate::port::Port;
use crate::protocol::Protocol;
use event::WorkersEvent;
use pool::Pool;
use running::{RunningWorkers, StopReport};
use std::any::type_name;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// After this time a handler is a stall, if nothing else is said. One of 50 ms is seen, whenever the looks are.
const STALL_AFTER: Duration = Duration::from_millis(25);

/// Takes a packet in the place of the handler.
type Shed<P> = Box<dyn Fn(&Port<P>, Packet<P>) + Send + Sync>;

/// Takes the packets of one thread.
type ThreadHandler<P> = Box<dyn FnMut(&Port<P>, Packet<P>)>;

/// Makes the handler of a thread, on that thread.
type Make<P> = Box<dyn Fn() -> ThreadHandler<P> + Send + Sync>;

/// Is told what happens.
type Tell<P> = Box<dyn Fn(&WorkersEvent<P>) + Send + Sync>;

/// The threads of a server: a pool that takes the packets of one port and hands each to a handler.
///
/// The pool has as many threads as it needs, between a least and a most number. Whenever a thread takes
/// a packet and no other waits in the port, one more is started. So as many run as the port allows, one
/// more waits for each that [blocks](crate::blocking), and nobody has to say how many may block. A
/// thread that was not needed for a while ends.
///
/// A handler that panics loses the connection of its packet, which is reset, and nothing else.
///
/// ```
/// # struct Echo;
/// # impl overlapped::Protocol for Echo { type Key = (); type Operation = (); type Message = u32; }
/// use overlapped::{Packet, Port, Workers};
/// use std::time::Duration;
///
/// let port = Port::<Echo>::new()?;
/// let workers = Workers::new(&port).name("sums").most(8).start(|port, packet| {
///     if let Packet::Posted(number) = packet
///         && number > 0
///     {
///         // A port that is closed meanwhile needs no further numbers.
///         let _ = port.post(number - 1);
///     }
/// })?;
/// port.post(3).map_err(|refused| refused.error)?;
/// let report = workers.stop(Duration::from_secs(10));
/// assert_eq!((report.in_handler, report.discarded), (0, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Workers<P: Protocol> {
    port: Port<P>,
    name: String,
    least: Option<usize>,
    most: usize,
    idle: Duration,
    stack_size: Option<usize>,
    stop_within: Duration,
    when_exhausted: WhenExhausted<P>,
    stall_after: Option<Duration>,
    handler_name: Option<String>,
    tell: Option<Tell<P>>,
}

/// What happens while even the most threads are blocked.
pub(crate) enum WhenExhausted<P: Protocol> {
    Wait,
    PauseAccepts,
    Shed { after: Duration, shed: Shed<P> },
}

impl<P: Protocol> Workers<P> {
    /// Settings for the threads of `port`; each has a default.
    pub fn new(port: &Port<P>) -> Self {
        Self {
            port: port.clone(),
            name: "worker".to_owned(),
            least: None,
            most: 256,
            idle: Duration::from_secs(10),
            stack_size: None,
            stop_within: Duration::from_secs(10),
            when_exhausted: WhenExhausted::Wait,
            stall_after: Some(STALL_AFTER),
            handler_name: None,
            tell: None,
        }
    }

    /// The threads are called `name-1`, `name-2` and so on (default `worker`). A NUL in it is left out.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.replace('\0', "");
        self
    }

    /// How many threads there are at least, 1 or more (default: the port's concurrency).
    #[must_use]
    pub fn least(mut self, threads: usize) -> Self {
        self.least = Some(threads.max(1));
        self
    }

    /// How many threads there are at most, 1 or more (default 256). It also limits
    /// [`least`](Self::least).
    ///
    /// Where more handlers than this block at once, packets wait: see
    /// [`shed_when_exhausted`](Self::shed_when_exhausted).
    #[must_use]
    pub fn most(mut self, threads: usize) -> Self {
        self.most = threads.max(1);
        self
    }

    /// A thread above the least ends when it has waited for so long without a packet (default 10 s).
    #[must_use]
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// The stack of each thread, in bytes (default: that of the standard library).
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// How long [`run`](Self::run) takes for its stop at most (default 10 s).
    #[must_use]
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// While all of the most threads are blocked and work waits, the accept windows of the port post no
    /// accepts: new clients wait in the backlog, or are turned away by the system when that is full.
    /// Accepts that are posted already may complete. It lasts until a thread waits for work again.
    ///
    /// The default is that packets wait, and nothing else.
    #[must_use]
    pub fn pause_accepts_when_exhausted(mut self) -> Self {
        self.when_exhausted = WhenExhausted::PauseAccepts;
        self
    }

    /// While all of the most threads are blocked and none has come back for `after`, each packet that
    /// waits goes to `shed`, on a thread of its own, until one of them comes back. A packet that is
    /// just dropped there closes its connection, if nothing else has a handle of it.
    ///
    /// So a packet waits at most for about `after`. `shed` must not block: nobody else takes packets
    /// meanwhile. If it panics, the connection of its packet is reset. Handlers that compute do not
    /// count as blocked: the port lets nobody run beside them.
    #[must_use]
    pub fn shed_when_exhausted(
        mut self,
        after: Duration,
        shed: impl Fn(&Port<P>, Packet<P>) + Send + Sync + 'static,
    ) -> Self {
        self.when_exhausted = WhenExhausted::Shed { after, shed: Box::new(shed) };
        self
    }

    /// How long a handler may hold its thread until that is a stall (default 25 ms), or `None`: nobody looks.
    ///
    /// Stalls are counted by the name of the handler ([`RunningWorkers::stalls`]), each with what the thread does
    /// meanwhile, and told of ([`WorkersEvent::HandlerStalled`]). A handler says by [`doing`](crate::doing) what it
    /// works on. They are looked for three times in this time, and not at all while no packet comes.
    #[must_use]
    pub fn stall_after(mut self, limit: Option<Duration>) -> Self {
        self.stall_after = limit;
        self
    }

    /// What the handler is called where stalls are told of (default: what the compiler calls it).
    #[must_use]
    pub fn handler_name(mut self, name: &str) -> Self {
        self.handler_name = Some(name.to_owned());
        self
    }

    /// `tell` is called with what happens to the pool, on the thread that meets it. If it panics, that
    /// ends there.
    #[must_use]
    pub fn on_event(mut self, tell: impl Fn(&WorkersEvent<P>) + Send + Sync + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Starts the least number of threads, each of which hands packets to `handler`.
    ///
    /// The pool keeps a handle of the packet's until the handler returns, so a connection whose last
    /// handle the handler drops is closed then. To close it at once, say so ([`TcpStream::close`](crate::TcpStream::close)).
    ///
    /// # Errors
    /// Not even one thread can be started. With fewer than the least it goes on, and says so
    /// ([`WorkersEvent::ThreadNotStarted`]).
    pub fn start(
        self,
        handler: impl Fn(&Port<P>, Packet<P>) + Send + Sync + 'static,
    ) -> io::Result<RunningWorkers<P>> {
        self.named_like(&handler).begin(shared(handler), false)
    }

    /// Starts the pool like [`start`](Self::start), with a handler for each thread: `make` is called on
    /// each thread when it begins, and what it makes takes the packets of that thread alone. So it may
    /// keep what threads do not share, such as a connection to a database, or figures. It is dropped when
    /// its thread ends, and kept when it panics.
    ///
    /// If `make` panics, its thread ends.
    ///
    /// ```
    /// # struct Jobs;
    /// # impl overlapped::Protocol for Jobs { type Key = (); type Operation = (); type Message = String; }
    /// use overlapped::{Packet, Port, Workers};
    /// use std::time::Duration;
    ///
    /// let port = Port::<Jobs>::new()?;
    /// let workers = Workers::new(&port).start_with(|| {
    ///     // Each thread has a buffer of its own.
    ///     let mut line = String::new();
    ///     move |_, packet| {
    ///         if let Packet::Posted(word) = packet {
    ///             line.clear();
    ///             line.push_str(&word);
    ///         }
    ///     }
    /// })?;
    /// port.post("word".to_owned()).map_err(|refused| refused.error)?;
    /// workers.stop(Duration::from_secs(10));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_with<H>(
        mut self,
        make: impl Fn() -> H + Send + Sync + 'static,
    ) -> io::Result<RunningWorkers<P>>
    where
        H: FnMut(&Port<P>, Packet<P>) + 'static,
    {
        self.handler_name.get_or_insert_with(|| type_name::<H>().to_owned());
        self.begin(Box::new(move || Box::new(make()) as ThreadHandler<P>), false)
    }

    /// Runs the pool until the port is closed or a signal comes, and then stops it within
    /// [`stop_within`](Self::stop_within). A second signal ends the wait for handlers.
    ///
    /// Signals come on a port that watches them (`Port::watch_signals`, with the feature `signals`):
    /// Ctrl-C and the request to terminate. The pool takes them, so the handler sees none.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn run(
        self,
        handler: impl Fn(&Port<P>, Packet<P>) + Send + Sync + 'static,
    ) -> io::Result<StopReport> {
        let limit = self.stop_within;
        let running = self.named_like(&handler).begin(shared(handler), true)?;
        running.wait_for_end();
        Ok(running.stop(limit))
    }

    fn begin(self, make: Make<P>, takes_signals: bool) -> io::Result<RunningWorkers<P>> {
        Pool::start(self, make, takes_signals).map(RunningWorkers::new)
    }

    /// The handler has the compiler's name, if it has none.
    fn named_like<H>(mut self, _: &H) -> Self {
        self.handler_name.get_or_insert_with(|| type_name::<H>().to_owned());
        self
    }

    fn least_threads(&self) -> usize {
        self.least.unwrap_or_else(|| self.port.concurrency()).min(self.most)
    }
}

impl<P: Protocol> std::fmt::Debug for Workers<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers")
            .field("name", &self.name)
            .field("least", &self.least_threads())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// The same handler for every thread.
fn shared<P: Protocol>(handler: impl Fn(&Port<P>, Packet<P>) + Send + Sync + 'static) -> Make<P> {
    let handler = Arc::new(handler);
    Box::new(move || {
        let handler = Arc::clone(&handler);
        Box::new(move |port, packet| handler(port, packet))
    })
}

/// The pool, as its threads and its user share it.
type Shared<P> = Arc<Pool<P>>;
