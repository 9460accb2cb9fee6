//! What becomes of the packets that a closed port owes to nobody any more.

use crate::panics::Panics;
use std::fmt;
use std::sync::Arc;

/// Takes each of them, if the user has given something that does; else they are dropped. It runs code of
/// the user's either way, so no lock is held.
pub(crate) struct Discard<T>(Option<Arc<dyn Fn(T) + Send + Sync>>);

impl<T> Discard<T> {
    pub(crate) fn to(hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn take(&self, packet: T) {
        match &self.0 {
            Some(hook) => hook(packet),
            None => drop(packet),
        }
    }

    /// Takes what a closed port has refused to queue, if it has.
    pub(crate) fn take_refused(&self, queued: Result<(), T>) {
        if let Err(packet) = queued {
            self.take(packet);
        }
    }

    pub(crate) fn take_each(&self, panics: &mut Panics, packets: impl IntoIterator<Item = T>) {
        for packet in packets {
            panics.run(|| self.take(packet));
        }
    }
}

impl<T> Default for Discard<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Discard<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Discard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discard").field("is_hooked", &self.0.is_some()).finish()
    }
}
