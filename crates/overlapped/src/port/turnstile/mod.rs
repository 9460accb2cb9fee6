//! The turnstile: who may run, who waits, and who gets which packet.
//!
//! - [`rules`] is the discipline itself, a pure data structure without locks, clocks or I/O. Each
//!   transition answers what the calling thread does next and which other threads to wake.
//! - [`gate`] puts the rules behind one lock and lets threads wait: parked with us, or in the
//!   driver's wait for events.
//! - [`seat`] is how one thread parks and is woken, and how the doorman sees that it sleeps.
//! - `models` are the loom models of all three; `checks` the tests of the rules alone.
//!
//! The port calls the gate; the gate calls the rules; the rules call nobody. A wake-up costs one
//! futex call (a parked thread) or one `eventfd` write (a thread in the driver's wait); the hot
//! path, in which a thread that comes back finds work, costs one lock and no wake-up.

pub(crate) mod gate;
pub(crate) mod rules;
pub(crate) mod seat;

#[cfg(all(test, not(loom)))]
mod checks;
#[cfg(all(test, loom))]
mod models;
