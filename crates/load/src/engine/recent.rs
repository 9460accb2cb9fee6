//! Latencies of a run that goes on. They are kept only once somebody has asked, since that takes a lock for each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::histogram::Latencies;

/// The latencies since somebody looked last.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    is_watched: AtomicBool,
    latencies: Mutex<Option<Latencies>>,
}

impl Recent {
    /// Keeps one, if anybody looks.
    pub(crate) fn record(&self, latency: Duration) {
        if self.is_watched.load(Ordering::Relaxed) {
            let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.get_or_insert_default().record(latency);
        }
    }

    /// What was kept since the last time.
    pub(crate) fn take(&self) -> Latencies {
        self.is_watched.store(true, Ordering::Relaxed);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_kept_from_the_first_look_to_the_next() {
        let recent = Recent::default();
        recent.record(Duration::from_millis(1));
        assert_eq!(recent.take().count(), 0, "nobody had looked yet");
        recent.record(Duration::from_millis(2));
        recent.record(Duration::from_millis(3));
        assert_eq!(recent.take().count(), 2);
        assert_eq!(recent.take().count(), 0, "they were given already");
    }
}
