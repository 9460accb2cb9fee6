//! What belongs to the calling thread.

use crate::driver::descriptors::Bell;
use std::cell::{Cell, OnceCell};
use std::io;
use std::sync::Arc;

thread_local! {
    static HERE: Here = const { Here { bell: OnceCell::new(), hasty_waits: Cell::new(0) } };
}

struct Here {
    bell: OnceCell<Arc<Bell>>,
    hasty_waits: Cell<u32>,
}

/// So many waits in a row may end without a look at what could proceed.
const HASTY_WAITS_MAX: u32 = 8;

/// The bell of this thread; one for this call alone in a thread that is ending.
pub(super) fn bell() -> io::Result<Arc<Bell>> {
    HERE.try_with(|here| {
        if let Some(bell) = here.bell.get() {
            return Ok(Arc::clone(bell));
        }
        let bell = Arc::new(Bell::new()?);
        Ok(Arc::clone(here.bell.get_or_init(|| bell)))
    })
    .unwrap_or_else(|_| Bell::new().map(Arc::new))
}

/// Whether a wait that finds an event set may end at once. Each so many it may not, so that what
/// proceeds only when somebody looks is not left waiting by an event that is always set.
pub(super) fn may_be_hasty() -> bool {
    HERE.try_with(|here| {
        let waits = here.hasty_waits.get();
        here.hasty_waits.set((waits + 1) % HASTY_WAITS_MAX);
        waits + 1 < HASTY_WAITS_MAX
    })
    .unwrap_or(false)
}

/// A look at what could proceed was taken.
pub(super) fn has_looked() {
    let _ = HERE.try_with(|here| here.hasty_waits.set(0));
}
