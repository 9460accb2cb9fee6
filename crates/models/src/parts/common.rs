//! What all threads of one server share: the handler, the list of connections with its limit, the
//! stop, and the figures. Most models have one in an `Arc`.
//!
//! Admission goes by the list, so its limit is kept exactly.

use super::observing::{Observing, OfList};
use super::tally::{self, Tally};
use crate::handler::Handler;
use crate::model::{Limits, Status};
use overlapped_serving::{Connections, Handle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long accepting is put off when descriptors or memory run short, if nothing changes.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(50);

/// What all threads of one server share. `H` is what its list holds of a connection.
pub(crate) struct Common<H> {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) limits: Limits,
    pub(crate) connections: Arc<Connections<H>>,
    pub(crate) tally: Arc<Tally>,
    stopping: AtomicBool,
    observing: Option<Arc<Observing>>,
    accept_deferrals: AtomicU64,
}

impl<H: Handle> Common<H> {
    pub(crate) fn new(handler: Arc<dyn Handler>, limits: &Limits) -> Self {
        let observing = limits.observer.clone().map(|it| Arc::new(Observing::new(it)));
        let connections = match &observing {
            Some(observing) => Connections::watched(Box::new(OfList(Arc::clone(observing)))),
            None => Connections::new(),
        };
        Self {
            handler,
            limits: limits.clone(),
            connections: Arc::new(connections),
            observing,
            tally: Arc::default(),
            stopping: AtomicBool::new(false),
            accept_deferrals: AtomicU64::new(0),
        }
    }

    /// From now on [`Common::is_stopping`], and nobody waits for room.
    pub(crate) fn announce_stop(&self) {
        self.observing.iter().for_each(|observing| observing.stop_begins());
        self.stopping.store(true, Ordering::SeqCst);
        self.connections.look_again();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether no further connection is allowed at this moment. For who accepts beside other work.
    pub(crate) fn is_full(&self) -> bool {
        self.connections.open() >= self.limits.connections as u64
    }

    /// Waits until one more connection is allowed. False when the server is being stopped.
    pub(crate) fn await_room(&self) -> bool {
        self.connections.wait_for_room(self.limits.connections, None, || self.is_stopping());
        !self.is_stopping()
    }

    /// Counts that accepting is put off for want of descriptors or memory. For who does not wait here.
    pub(crate) fn count_deferral(&self) {
        self.accept_deferrals.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, and waits until a connection has gone, whose descriptor is free then; at most for a
    /// while.
    pub(crate) fn defer(&self) {
        self.count_deferral();
        let deadline = Instant::now().checked_add(RETRY_AFTER);
        let limit = self.connections.open() as usize;
        self.connections.wait_for_room(limit, deadline, || self.is_stopping());
    }

    /// The status of the server.
    pub(crate) fn status(&self) -> Status {
        Status {
            // First, see there.
            connected: self.connections.open(),
            peak_connected: self.connections.peak(),
            accepted: self.connections.accepted(),
            errors: self.connections.errors(),
            accept_deferrals: self.accept_deferrals.load(Ordering::Relaxed),
            ..tally::counted(&self.tally)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Echo;
    use crate::parts::stay::{Member, Share, Stay};

    impl Member for () {
        fn cut(&self) {}

        fn client(&self) -> Option<std::net::SocketAddr> {
            None
        }
    }

    fn common(connections: usize) -> Arc<Common<Share<()>>> {
        Arc::new(Common::new(Arc::new(Echo), &Limits { connections, ..Limits::default() }))
    }

    #[test]
    fn the_limit_goes_by_those_that_are_open() {
        let common = common(2);
        let first = Stay::enter(&common, ());
        assert!(!common.is_full() && common.await_room());
        let _second = Stay::enter(&common, ());
        assert!(common.is_full());
        drop(first);
        assert!(!common.is_full() && common.await_room());
        let status = common.status();
        assert_eq!((status.accepted, status.connected, status.peak_connected), (2, 1, 2));
    }

    #[test]
    fn who_waits_for_room_is_woken_by_a_departure_and_by_the_stop() {
        let common = common(1);
        std::thread::scope(|scope| {
            let stay = Stay::enter(&common, ());
            let waits = scope.spawn(|| common.await_room());
            drop(stay);
            assert!(waits.join().expect("it waits without a panic"));
            let _stay = Stay::enter(&common, ());
            let waits = scope.spawn(|| common.await_room());
            common.announce_stop();
            assert!(!waits.join().expect("it waits without a panic"));
        });
    }

    #[test]
    fn accepting_is_put_off_until_a_connection_has_gone_or_for_a_while() {
        let common = common(usize::MAX);
        let begun = Instant::now();
        common.defer();
        assert!(begun.elapsed() >= RETRY_AFTER);
        assert_eq!(common.status().accept_deferrals, 1);
        common.announce_stop();
        assert!(!common.await_room());
    }
}
