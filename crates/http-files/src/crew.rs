//! How many workers there are, for the thread that waits for their end.

use crate::connection::Notice;
use crate::server::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How many workers there are.
#[derive(Default)]
pub(crate) struct Crew {
    running: AtomicUsize,
    none: Notice,
}

impl Crew {
    /// Waits until every worker has ended; false when the deadline came first.
    pub(crate) fn wait_until_none(&self, deadline: Option<Instant>) -> bool {
        self.none.wait_for(deadline, || self.running.load(Ordering::SeqCst) == 0)
    }
}

/// A worker's presence in the crew; ends with its thread, however that ends.
pub(crate) struct OnDuty(Arc<Shared>);

impl OnDuty {
    pub(crate) fn begin(shared: &Arc<Shared>) -> Self {
        shared.crew.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        if self.0.crew.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.crew.none.give();
        }
    }
}
