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

use super::connections::Connections;
use super::delivery::{By, Delivery};
use super::handle::Handle;
use super::operation::{Direction, Operation, Pending};
use super::silent::{Held, Silent};
use crate::error::port_closed;
use crate::panics::{Panics, contained};
use crate::sync::unmodelled::AtomicUsize;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How many accepts a listener keeps posted, and which clients it accepts.
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
    pub(crate) first_data: Option<Duration>,
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

    /// Accepts no connection while `limit` accepted ones are open; with a limit of 0 it accepts
    /// none at all.
    pub fn connections(mut self, limit: usize) -> Self {
        self.connections = Some(limit);
        self
    }

    /// Completes an accept only with the first data of its connection. A client that sends nothing
    /// for `silence_limit` loses its connection, and the accept completes as aborted.
    ///
    /// While the first data of a connection is awaited, its accept no longer counts as posted. The
    /// window is filled again, so silent clients do not keep others waiting.
    pub fn first_data(mut self, silence_limit: Duration) -> Self {
        self.first_data = Some(silence_limit);
        self
    }

    /// With [`first_data`](Self::first_data): lets at most `limit` connections be silent at a time,
    /// at least one. When one more comes, the one that has been silent longest loses its
    /// connection, and its accept completes as aborted. The default is the limit of
    /// [`connections`](Self::connections), or 512 without one.
    ///
    /// The same happens when all [`connections`](Self::connections) are in use and some of them are
    /// silent: a new client takes the place of the one that has been silent longest.
    pub fn silent_connections(mut self, limit: usize) -> Self {
        self.silent_connections = Some(limit.max(1));
        self
    }

    pub(super) fn silent_limit(&self) -> usize {
        self.silent_connections.or(self.connections).unwrap_or(SILENT_CONNECTIONS)
    }
}

/// Makes the accept that is posted next. Asked with `true`, one that lets other events have their turn
/// before its first attempt.
pub(crate) type MakeAccept<O> = Arc<dyn Fn(bool) -> O + Send + Sync>;

/// The window of one listener.
pub(crate) struct Accepting<O: Operation> {
    pub(super) window: AcceptWindow,
    /// It holds the listener, which so goes on accepting when the user has dropped every handle.
    listener: Handle<O>,
    make: MakeAccept<O>,
    /// Accepts posted, silent, over the limit, or complete and not taken.
    outstanding: usize,
    /// Counted as outstanding and not posted yet.
    starting: usize,
    /// Somebody posts accepts, and looks again before that ends.
    refilling: bool,
    places: Arc<Places>,
    /// How many of the outstanding ones are silent.
    silent: Arc<AtomicUsize>,
    /// The silent ones that the library holds, oldest first, by their numbers. Where the kernel waits
    /// for first data, it holds them.
    held: BTreeMap<u64, Held>,
    next_hold: u64,
    /// Accepted beyond the limit on connections: they wait for a place as others do in the backlog.
    waiting: VecDeque<Pending<O>>,
}

impl<O: Operation> Accepting<O> {
    fn new(window: AcceptWindow, listener: Handle<O>, make: MakeAccept<O>) -> Box<Self> {
        let (connections, token) = (Arc::downgrade(listener.connections()), listener.token());
        let freed = Box::new(move || place_freed(&connections, token));
        let places = Places { open: AtomicUsize::new(0), freed };
        Box::new(Self {
            window,
            listener,
            make,
            outstanding: 0,
            starting: 0,
            refilling: false,
            places: Arc::new(places),
            silent: Arc::default(),
            held: BTreeMap::new(),
            next_hold: 0,
            waiting: VecDeque::new(),
        })
    }

    pub(super) fn listener(&self) -> Handle<O> {
        self.listener.clone()
    }

    /// The place under the limit that a connection just accepted takes.
    pub(crate) fn admit(&self) -> Option<Admission> {
        self.window.connections?;
        self.places.open.fetch_add(1, Ordering::Relaxed);
        Some(Admission(Arc::clone(&self.places)))
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
    pub(crate) fn is_full(&self) -> bool {
        let open = self.places.open.load(Ordering::Relaxed);
        self.window.connections.is_some_and(|limit| open >= limit)
    }

    /// Whether one more connection may be silent without another one's place.
    pub(super) fn has_room_for_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed) < self.window.silent_limit() && !self.is_full()
    }

    /// Keeps a connection that has come over the limit until there is a place.
    pub(crate) fn wait_for_place(&mut self, pending: Pending<O>) {
        self.waiting.push_back(pending);
    }

    /// The next of those, if there is a place.
    pub(super) fn next_with_place(&mut self) -> Option<Pending<O>> {
        if self.is_full() { None } else { self.waiting.pop_front() }
    }

    pub(super) fn take_waiting(&mut self) -> VecDeque<Pending<O>> {
        std::mem::take(&mut self.waiting)
    }

    /// How many connections are silent, and their first data is awaited.
    pub(crate) fn silent_count(&self) -> usize {
        self.silent.load(Ordering::Relaxed)
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

    pub(super) fn hold(&mut self, number: u64, held: Held) {
        self.held.insert(number, held);
    }

    pub(super) fn forget_held(&mut self, number: u64) -> Option<Held> {
        self.held.remove(&number)
    }

    /// The one that has been silent longest, or just was.
    pub(super) fn pop_oldest_held(&mut self) -> Option<Held> {
        self.held.pop_first().map(|(_, held)| held)
    }

    pub(super) fn silent_tokens(&self) -> Vec<u64> {
        self.held.values().map(|held| held.token).collect()
    }
}

/// The place that an accepted connection takes under its listener's limit; given back when dropped.
///
/// Every connection under a limit has one, so it is no larger than a reference.
pub(crate) struct Admission(Arc<Places>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        (self.0.freed)();
    }
}

/// The places under one listener's limit, whatever its protocol.
struct Places {
    /// Accepted connections that are open.
    open: AtomicUsize,
    /// Lets the listener know that there is a place.
    freed: Box<dyn Fn() + Send + Sync>,
}

/// A place under the limit of the listener that has this token is free.
fn place_freed<O: Operation>(connections: &Weak<Connections<O>>, listener: u64) {
    let Some(connections) = connections.upgrade() else { return };
    let listener = connections.find(listener);
    let listener =
        listener.and_then(|at| at.rare.accepting().map(|accepting| accepting.listener()));
    if let Some(listener) = listener {
        refill(&listener);
        contained(|| drop(listener));
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission")
    }
}

/// The packet of an accept that the window has not posted is on its way, and will be taken as one of
/// its own.
pub(crate) fn expect_one_more<O: Operation>(listener: &Handle<O>) {
    if let Some(accepting) = listener.lock().rare.accepting_mut() {
        accepting.outstanding += 1;
    }
}

/// An accept of the window was taken from the port.
pub(crate) fn taken<O: Operation>(listener: &Handle<O>) {
    let windowed = listener.lock().rare.accepting_mut().is_some_and(|accepting| {
        accepting.outstanding = accepting.outstanding.saturating_sub(1);
        true
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
pub(super) fn refill<O: Operation>(listener: &Handle<O>) {
    let mut panics = Panics::default();
    panics.run(|| go_on_with_waiting(listener));
    let mut attempt = 0;
    while post_next(listener, attempt, &mut panics) {
        attempt += 1;
    }
}

/// Goes on with connections that came over the limit, as far as there are places now.
fn go_on_with_waiting<O: Operation>(listener: &Handle<O>) {
    let mut delivery = Delivery::by(By::Other);
    let mut at = listener.lock();
    while let Some(pending) =
        at.rare.accepting_mut().and_then(|accepting| accepting.next_with_place())
    {
        at.deliver(pending, &mut delivery);
    }
    drop(at);
    delivery.finish();
}

/// Posts one accept; false when no more are to be posted now.
fn post_next<O: Operation>(listener: &Handle<O>, attempt: usize, panics: &mut Panics) -> bool {
    let Some(make) = next_to_post(listener, attempt) else { return false };
    let operation = panics.run(|| make(attempt == ATTEMPTS_IN_A_ROW));
    // It is the last share when the listener was closed meanwhile.
    panics.run(|| drop(make));
    let Some(operation) = operation else {
        let mut at = listener.lock();
        let Some(accepting) = at.rare.accepting_mut() else { return false };
        accepting.outstanding -= 1;
        accepting.starting -= 1;
        accepting.refilling = false;
        let owes_retry = at.owes_retry();
        drop(at);
        if owes_retry {
            listener.connections().defer(listener.token());
        }
        return false;
    };
    // It panics only where the closed port refuses what it yields, which is dropped then.
    let started =
        panics.run(|| listener.start(Direction::Receive, operation, |_, operation| operation));
    if let Some(accepting) = listener.lock().rare.accepting_mut() {
        accepting.starting -= 1;
    }
    match started {
        None => false,
        Some(Ok(_)) => true,
        Some(Err(operation)) => {
            let goes_on = !listener.is_closed();
            panics.run(|| match goes_on {
                // The window reports a failure at once as a packet, so that the accept is posted anew
                // when somebody has seen it.
                true => listener.report(operation),
                // Nothing is accepted any more.
                false => drop(operation),
            });
            goes_on
        }
    }
}

/// What makes the accept that is to be posted now, if one is.
fn next_to_post<O: Operation>(listener: &Handle<O>, attempt: usize) -> Option<MakeAccept<O>> {
    let mut at = listener.lock();
    let posted = at.posted();
    let is_paused = listener.connections().accepts_are_paused();
    let accepting = at.rare.accepting_mut()?;
    if std::mem::replace(&mut accepting.refilling, true) && attempt == 0 {
        return None;
    }
    if is_paused || !accepting.has_room(posted) {
        accepting.refilling = false;
        return None;
    }
    accepting.outstanding += 1;
    accepting.starting += 1;
    Some(Arc::clone(&accepting.make))
}

/// Keeps a window of accepts posted on `listener`.
pub(crate) fn open<O: Operation>(
    listener: &Handle<O>,
    window: AcceptWindow,
    make: MakeAccept<O>,
) -> io::Result<()> {
    // Made before, and dropped after the lock is free if it is not taken: its closure is the user's.
    let mut new = Some(Accepting::new(window, listener.clone(), make));
    let outcome = listener.admits_starts().and_then(|()| {
        let mut at = listener.lock();
        if at.rare.accepting().is_some() || at.posted() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "accepts are posted on this listener already; it takes one window and no others",
            ));
        }
        // Looked at under the lock: closing the port takes what is there after it said so.
        if listener.connections().is_closed() {
            return Err(port_closed());
        }
        at.rare.set_accepting(new.take());
        Ok(())
    });
    // A closure that was not taken goes before the error is returned: the compiler leaks a value
    // that is being returned when the destructor of a local one panics.
    drop(new);
    outcome?;
    refill(listener);
    listener.connections().watch_silent_accepts(listener.token());
    Ok(())
}
