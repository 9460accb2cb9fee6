//! What an observer of a server is told: how the list's word for the end of a connection is meant.

use crate::model::{Departure, Observer};
use overlapped_serving::{Failure, Handle, Watcher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct Observing {
    observer: Arc<dyn Observer>,
    is_stopping: AtomicBool,
}

impl Observing {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer, is_stopping: AtomicBool::new(false) }
    }

    /// What ends gracefully or by force from now on ends by the stop.
    pub(crate) fn stop_begins(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    fn why(&self, failure: Option<Failure>) -> Departure {
        match failure {
            Some(Failure::Reset) => Departure::Reset,
            Some(Failure::TimedOut) => Departure::TimedOut,
            None | Some(Failure::Aborted) if self.is_stopping.load(Ordering::SeqCst) => {
                Departure::Stop
            }
            None => Departure::End,
            Some(Failure::Aborted | Failure::Other) => Departure::Error,
        }
    }
}

/// The same, as the list calls it.
pub(crate) struct OfList(pub(crate) Arc<Observing>);

impl<H: Handle> Watcher<H> for OfList {
    fn came(&self, connection: &H) {
        self.0.observer.came(connection.client());
    }

    fn left(&self, connection: &H, failure: Option<Failure>) {
        self.0.observer.left(connection.client(), self.0.why(failure));
    }
}
