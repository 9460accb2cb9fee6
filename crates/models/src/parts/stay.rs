//! A connection's time on the list of its server.
//!
//! Whoever serves a connection has a share of it, and so has the list, since a stop must be able to
//! end by force what hangs in a handler.

use super::Common;
use overlapped_serving::{Failure, Listed};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the list and the end of a stay ask of a connection.
pub(crate) trait Member: Send + Sync + 'static {
    /// Ends the connection by force, whatever its thread is doing; unsent data is lost. Nobody is
    /// waited for.
    fn cut(&self);

    /// The client's address, as long as the system knows it.
    fn client(&self) -> Option<SocketAddr>;

    /// It is off the list and counted, and its thread is about to close it.
    fn has_left(&self, _failure: Option<Failure>) {}
}

/// A share of a connection.
pub(crate) type Share<M> = Arc<Entry<M>>;

/// A connection and its place in the list.
pub(crate) struct Entry<M> {
    connection: M,
    place: AtomicU32,
    /// Kept only where an observer is to be told of it, who may ask when the system has forgotten it.
    client: Option<Box<SocketAddr>>,
}

impl<M> Deref for Entry<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.connection
    }
}

impl<M> Listed for Entry<M> {
    fn place(&self) -> u32 {
        self.place.load(Ordering::Relaxed)
    }

    fn keep_place(&self, place: u32) {
        self.place.store(place, Ordering::Relaxed);
    }

    fn client(&self) -> Option<SocketAddr> {
        self.client.as_deref().copied()
    }
}

/// A connection in the hands of a thread. Dropping it takes it off the list and closes it.
pub(crate) struct Stay<M: Member> {
    common: Arc<Common<Share<M>>>,
    share: Share<M>,
    failure: Option<Failure>,
}

impl<M: Member> Stay<M> {
    /// Enters a connection that was accepted. Before its first operation, which may end it (E94).
    pub(crate) fn enter(common: &Arc<Common<Share<M>>>, connection: M) -> Self {
        let client = match common.connections.is_watched() {
            true => connection.client().map(Box::new),
            false => None,
        };
        let share = Arc::new(Entry { connection, place: AtomicU32::new(0), client });
        common.connections.add(&share);
        // Until something better is known: nobody serves it.
        Self { common: Arc::clone(common), share, failure: Some(Failure::Other) }
    }

    /// How it ends, unless this says something else later.
    pub(crate) fn set_failure(&mut self, failure: Option<Failure>) {
        self.failure = failure;
    }
}

impl<M: Member> Deref for Stay<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.share
    }
}

impl<M: Member> Drop for Stay<M> {
    fn drop(&mut self) {
        // First, so that whoever sees the end finds it counted. One that was ended by force is.
        self.common.connections.remove(&self.share, self.failure);
        self.share.has_left(self.failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Echo;
    use crate::model::{Errors, Limits};
    use std::sync::Mutex;

    #[derive(Debug, PartialEq)]
    enum Seen {
        Cut,
        Left { failure: Option<Failure>, open: u64 },
    }

    /// Keeps what it sees in a list of its own, and looks into that of the server.
    struct Looks(Arc<Mutex<Vec<Seen>>>, Arc<Common<Share<Looks>>>);

    impl Member for Looks {
        fn cut(&self) {
            self.0.lock().expect("no panic").push(Seen::Cut);
        }

        fn client(&self) -> Option<SocketAddr> {
            None
        }

        fn has_left(&self, failure: Option<Failure>) {
            let open = self.1.connections.open();
            self.0.lock().expect("no panic").push(Seen::Left { failure, open });
        }
    }

    #[test]
    fn a_connection_is_counted_once_and_before_it_is_closed_however_it_ends() {
        let common = Arc::new(Common::new(Arc::new(Echo), &Limits::default()));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let enter = || Stay::enter(&common, Looks(Arc::clone(&seen), Arc::clone(&common)));
        let (mut graceful, unknown, mut forced) = (enter(), enter(), enter());
        graceful.set_failure(None);
        drop(graceful);
        drop(unknown);
        assert_eq!(common.connections.take_all(|share| share.cut()), 1);
        // Its own thread comes to it only now.
        forced.set_failure(Some(Failure::Reset));
        drop(forced);
        let left = |failure, open| Seen::Left { failure, open };
        let expected = [
            left(None, 2),
            left(Some(Failure::Other), 1),
            Seen::Cut,
            left(Some(Failure::Reset), 0),
        ];
        assert_eq!(*seen.lock().expect("no panic"), expected);
        let errors = Errors { aborted: 1, other: 1, ..Errors::default() };
        assert_eq!(common.status().errors, errors);
        assert_eq!(Arc::strong_count(&seen), 1, "no share is left");
    }
}
