//! Event objects, as a user sees them on every system.

use crate::platform;
use std::io;
use std::sync::Arc;

/// An event object: a flag that is set or not, and that threads wait for.
///
/// A clone is the same event. A *manual-reset* event stays set, for every thread that waits, until
/// it is [reset](Self::reset). An *auto-reset* event is reset by the one wait that it ends.
///
/// ```
/// use overlapped_notify::{EventObject, Waited, wait_any};
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let (never, done) = (EventObject::manual_reset()?, EventObject::auto_reset()?);
/// let other = done.clone();
/// std::thread::spawn(move || other.set());
/// assert_eq!(wait_any(&[&never, &done], None, false)?, Waited::Signaled(1));
/// assert!(!done.is_set());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EventObject(pub(crate) Arc<platform::Event>);

impl EventObject {
    /// A manual-reset event, not set.
    ///
    /// # Errors
    /// The system's, for want of handles or memory.
    pub fn manual_reset() -> io::Result<Self> {
        platform::Event::new(true).map(|event| Self(Arc::new(event)))
    }

    /// An auto-reset event, not set.
    ///
    /// # Errors
    /// The system's, for want of handles or memory.
    pub fn auto_reset() -> io::Result<Self> {
        platform::Event::new(false).map(|event| Self(Arc::new(event)))
    }

    /// Sets it. Threads that wait for a manual-reset event all go on; of those that wait for an
    /// auto-reset event one does. Setting an event that is set has no effect.
    pub fn set(&self) {
        self.0.set();
    }

    /// Makes it not set.
    pub fn reset(&self) {
        self.0.reset();
    }

    /// Whether it is set. It stays as it is, also when it is an auto-reset event.
    ///
    /// # Platform
    /// On Linux what is notified through this event proceeds first, if it can.
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }
}
