//! The window of posted accepts that a listener keeps, and admission before accept.
//!
//! The window posts an accept for each one that was *taken*, so no more connections are accepted
//! than somebody is ready to handle. With a limit on connections it posts none that could exceed
//! it; the clients meanwhile wait in the backlog. It never decays: an accept that fails is posted
//! anew like one that succeeds (F29).
//!
//! With first data, a connection that waits for it is *silent*. Silent ones are no posted accepts any
//! more, or a few clients that send nothing would keep all others out. They have a limit of their
//! own, and make room for newcomers: the one that has been silent longest goes first.

use super::TcpListener;
use super::core::{Handle, WeakHandle};
use super::refusals::port_closed;
use super::state::{Direction, Pending};
use crate::error::Refused;
use crate::operation::accept::Accept;
use crate::operation::timer::TimerId;
use crate::panics::{Panics, contained};
use crate::port::Protocol;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many accepts a listener keeps posted, and for whom.
///
/// ```
/// use overlapped::AcceptWindow;
/// use std::time::Duration;
///
/// let window = AcceptWindow::new(10).connections(1_000).first_data(Duration::from_secs(2));
/// ```
#[derive(Debug, Clone)]
pub struct AcceptWindow {
    count: usize,
    connections: Option<usize>,
    first_data: Option<Duration>,
    silent_connections: Option<usize>,
}

/// Silent connections of a window that sets no limit: half of the descriptors that a process has by
/// default on Linux.
const SILENT_CONNECTIONS: usize = 512;

/// Accepts that one call posts and attempts in a row. Beyond them it lets other events have their
/// turn, since clients may come faster than they can be accepted.
const ATTEMPTS_IN_A_ROW: usize = 64;

impl AcceptWindow {
    /// Keeps `count` accepts posted, at least one.
    pub fn new(count: usize) -> Self {
        Self { count: count.max(1), connections: None, first_data: None, silent_connections: None }
    }

    /// Accepts no connection while `limit` accepted ones are open (none may be, for a limit of 0).
    pub fn connections(mut self, limit: usize) -> Self {
        self.connections = Some(limit);
        self
    }

    /// Completes an accept only with the first data of its connection (X14). A client that sends
    /// nothing for `silence_limit` loses its connection, and the accept completes as aborted (X27).
    ///
    /// While its data is awaited, a connection is none of the accepts that are kept posted: the
    /// window is filled again, and clients that stay silent keep nobody else waiting.
    pub fn first_data(mut self, silence_limit: Duration) -> Self {
        self.first_data = Some(silence_limit);
        self
    }

    /// With [`first_data`](Self::first_data): lets at most `limit` connections be silent at a time,
    /// at least one. When one more comes, the one that has been silent longest loses its
    /// connection, and its accept completes as aborted (X27). By itself it is the limit of
    /// [`connections`](Self::connections), or 512 without one.
    ///
    /// The same happens when all [`connections`](Self::connections) are in use and some of them are
    /// silent: a newcomer takes the place of the one that has been silent longest.
    pub fn silent_connections(mut self, limit: usize) -> Self {
        self.silent_connections = Some(limit.max(1));
        self
    }

    fn silent_limit(&self) -> usize {
        self.silent_connections.or(self.connections).unwrap_or(SILENT_CONNECTIONS)
    }
}

pub(crate) struct Accepting<P: Protocol> {
    window: AcceptWindow,
    operation: Arc<dyn Fn() -> P::Operation + Send + Sync>,
    /// Accepts posted, silent, over the limit, or complete and not taken.
    outstanding: usize,
    /// Counted as outstanding and not posted yet.
    starting: usize,
    /// Somebody posts accepts, and looks again before that ends.
    refilling: bool,
    places: Arc<Places<P>>,
    /// How many of the outstanding ones are silent.
    silent: Arc<AtomicUsize>,
    /// The silent ones that the library holds, oldest first. On a completion driver the kernel does.
    held: BTreeMap<u64, Held<P>>,
    next_hold: u64,
    /// Accepted beyond the limit on connections: they wait for a place as others do in the backlog.
    waiting: VecDeque<Pending<P>>,
}

/// An accepted socket that waits for its first data, and the timer that ends its silence.
pub(super) struct Held<P: Protocol> {
    pub(super) handle: Handle<P>,
    pub(super) silence: Option<TimerId>,
}

/// Counts one silent connection until its packet is made, and names it.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(super) number: u64,
    count: Arc<AtomicUsize>,
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<P: Protocol> Accepting<P> {
    /// The place under the limit that a connection just accepted takes.
    pub(super) fn admit(&self) -> Option<Admission> {
        self.window.connections?;
        self.places.open.fetch_add(1, Ordering::Relaxed);
        Some(Admission(Arc::clone(&self.places) as Arc<dyn GiveBack>))
    }

    /// Whether one more accept may be posted, `posted` of them being so.
    fn has_room(&self, posted: usize) -> bool {
        let silent = self.silent.load(Ordering::Relaxed);
        if self.outstanding.saturating_sub(silent) >= self.window.count {
            return false;
        }
        let arriving = posted + self.starting + self.waiting.len();
        // One newcomer may come in beyond the limit, for the place of a silent one.
        let takes_over = silent > 0 && arriving == 0;
        let taken = self.places.open.load(Ordering::Relaxed) + arriving;
        takes_over || self.window.connections.is_none_or(|limit| taken < limit)
    }

    /// Whether the limit on connections is reached.
    pub(super) fn is_full(&self) -> bool {
        let open = self.places.open.load(Ordering::Relaxed);
        self.window.connections.is_some_and(|limit| open >= limit)
    }

    /// Whether one more connection may be silent without another one's place.
    pub(super) fn has_room_for_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed) < self.window.silent_limit() && !self.is_full()
    }

    /// Keeps a connection that has come over the limit until there is a place.
    pub(super) fn wait_for_place(&mut self, pending: Pending<P>) {
        self.waiting.push_back(pending);
    }

    /// The next of those, if there is a place.
    pub(super) fn next_with_place(&mut self) -> Option<Pending<P>> {
        if self.is_full() { None } else { self.waiting.pop_front() }
    }

    pub(super) fn take_waiting(&mut self) -> VecDeque<Pending<P>> {
        std::mem::take(&mut self.waiting)
    }

    /// How long a client may be silent, if its first data is waited for.
    #[cfg(windows)]
    pub(super) fn first_data_limit(&self) -> Option<Duration> {
        self.window.first_data
    }

    #[cfg(windows)]
    pub(super) fn silent_limit(&self) -> usize {
        self.window.silent_limit()
    }

    pub(super) fn silence_limit(&self) -> Duration {
        self.window.first_data.unwrap_or(Duration::MAX)
    }

    /// Counts one more silent connection.
    pub(super) fn count_silent(&mut self) -> Silent {
        self.silent.fetch_add(1, Ordering::Relaxed);
        self.next_hold += 1;
        Silent { number: self.next_hold, count: Arc::clone(&self.silent) }
    }

    pub(super) fn hold(&mut self, silent: &Silent, held: Held<P>) {
        self.held.insert(silent.number, held);
    }

    pub(super) fn forget_held(&mut self, number: u64) -> Option<Held<P>> {
        self.held.remove(&number)
    }

    /// The one that has been silent longest, or just was.
    pub(super) fn pop_oldest_held(&mut self) -> Option<Held<P>> {
        self.held.pop_first().map(|(_, held)| held)
    }

    pub(super) fn held(&self) -> Vec<Handle<P>> {
        self.held.values().map(|held| held.handle.clone()).collect()
    }
}

/// The place that an accepted connection takes under its listener's limit; given back when dropped.
pub(crate) struct Admission(Arc<dyn GiveBack>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// The places under one listener's limit, whatever its protocol.
trait GiveBack: Send + Sync {
    fn give_back(&self);
}

struct Places<P: Protocol> {
    /// Accepted connections that are open.
    open: AtomicUsize,
    listener: WeakHandle<P>,
}

impl<P: Protocol> GiveBack for Places<P> {
    fn give_back(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(listener) = Handle::upgrade(&self.listener) {
            refill(&listener);
            contained(|| drop(listener));
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission")
    }
}

/// An accept of the window was taken from the port.
pub(crate) fn taken<P: Protocol>(listener: &Handle<P>) {
    let windowed = listener.with_accepting(|accepting, _| match accepting {
        Some(accepting) => {
            accepting.outstanding = accepting.outstanding.saturating_sub(1);
            true
        }
        None => false,
    });
    if windowed {
        refill(listener);
    }
}

/// Posts accepts until the window is full or the limit on connections is reached. A call that finds
/// another one under way leaves it to that: an accept that is complete at once calls again.
///
/// It runs wherever a place becomes free: on a thread that takes a packet, and on one that drops a
/// connection, which may be unwinding. Neither has a part in a panic of the user's closure, so it
/// ends here; the place is tried again after a while, as after a shortage.
pub(super) fn refill<P: Protocol>(listener: &Handle<P>) {
    let mut panics = Panics::default();
    panics.run(|| listener.go_on_with_waiting());
    let mut attempt = 0;
    while post_next(listener, attempt, &mut panics) {
        attempt += 1;
    }
}

/// Posts one accept; false when no more are to be posted now.
fn post_next<P: Protocol>(listener: &Handle<P>, attempt: usize, panics: &mut Panics) -> bool {
    let next = listener.with_accepting(|accepting, posted| {
        let accepting = accepting.as_mut()?;
        if std::mem::replace(&mut accepting.refilling, true) && attempt == 0 {
            return None;
        }
        if !accepting.has_room(posted) {
            accepting.refilling = false;
            return None;
        }
        accepting.outstanding += 1;
        accepting.starting += 1;
        Some((Arc::clone(&accepting.operation), accepting.window.first_data.is_some()))
    });
    let Some((make_operation, with_first_data)) = next else { return false };
    let operation = panics.run(|| make_operation());
    // It is the last share when the listener was closed meanwhile.
    panics.run(|| drop(make_operation));
    let Some(operation) = operation else {
        let is_kept = listener.with_accepting(|accepting, _| {
            accepting.as_mut().is_some_and(|accepting| {
                accepting.outstanding -= 1;
                accepting.starting -= 1;
                accepting.refilling = false;
                true
            })
        });
        if is_kept {
            listener.retry_later();
        }
        return false;
    };
    let task = Accept::of_window(with_first_data, attempt == ATTEMPTS_IN_A_ROW);
    // It panics only where the closed port refuses what it yields, which is dropped then.
    let started = panics.run(|| listener.start(Direction::Receive, task, operation));
    listener.with_accepting(|accepting, _| {
        if let Some(accepting) = accepting {
            accepting.starting -= 1;
        }
    });
    match started {
        None => false,
        Some(Ok(_)) => true,
        Some(Err(Refused { returned: (task, operation), .. })) => {
            let goes_on = !listener.is_closed();
            panics.run(|| match goes_on {
                // The window reports a failure at once as a packet, so that the accept is posted anew
                // when somebody has seen it.
                true => listener.report(task, operation),
                // Nothing is accepted any more.
                false => drop(operation),
            });
            goes_on
        }
    }
}

impl<P: Protocol> TcpListener<P> {
    /// Keeps a window of accepts posted until the listener is closed. `operation` makes the
    /// per-operation data of each.
    ///
    /// Each accept completes as [`accept`](Self::accept) says. The window is filled again as its
    /// packets are taken, after failures too, and as connections under its limit close.
    ///
    /// The window holds the listener: it accepts until [`close`](Self::close), or until the port
    /// is closed, even if every handle is dropped.
    ///
    /// `operation` is called on whichever thread makes room: this one at first, then one that takes
    /// a packet of the window or drops a connection under its limit. No lock is held then, and it
    /// may call the library. A panic of it ends there, after the panic hook has told of it; no
    /// client and no packet is lost by it. The accept is posted after a while (50 ms) instead, for
    /// which `operation` is called anew, and counts as
    /// [put off](crate::Counters::accept_deferrals).
    ///
    /// # Errors
    /// A window is kept already, single accepts are posted, or the listener or the port is closed.
    pub fn accept_window(
        &self,
        window: AcceptWindow,
        operation: impl Fn() -> P::Operation + Send + Sync + 'static,
    ) -> io::Result<()> {
        let places = Places { open: AtomicUsize::new(0), listener: self.0.downgrade() };
        // Made before, and dropped after the lock is free if it is not taken: its closure is the
        // user's.
        let mut new = Some(Box::new(Accepting {
            window,
            operation: Arc::new(operation),
            outstanding: 0,
            starting: 0,
            refilling: false,
            places: Arc::new(places),
            silent: Arc::default(),
            held: BTreeMap::new(),
            next_hold: 0,
            waiting: VecDeque::new(),
        }));
        let port = self.0.port();
        let outcome = self.0.admits_starts().and_then(|()| {
            self.0.with_accepting(|accepting, posted| {
                if accepting.is_some() || posted > 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "accepts are posted on this listener already; it takes one window and no others",
                    ));
                }
                // Looked at under the lock: closing the port takes what is there after it said so.
                if port.is_closed() {
                    return Err(port_closed());
                }
                *accepting = new.take();
                Ok(())
            })
        });
        // A closure that was not taken goes before the error is returned: the compiler leaks a value
        // that is being returned when the destructor of a local one panics.
        drop(new);
        outcome?;
        refill(&self.0);
        #[cfg(windows)]
        self.0.watch_silent_accepts();
        Ok(())
    }

    /// How many accepts are posted and wait for a connection.
    pub fn posted(&self) -> usize {
        self.0.with_accepting(|_, posted| posted)
    }

    /// How many connections are silent: accepted, and their first data is awaited
    /// ([`AcceptWindow::first_data`]). Where the kernel accepts with first data, on Windows, it is as
    /// the library saw it last, less than a tenth of a second ago.
    pub fn silent(&self) -> usize {
        self.0.with_accepting(|accepting, _| {
            accepting.as_ref().map_or(0, |accepting| accepting.silent.load(Ordering::Relaxed))
        })
    }
}
