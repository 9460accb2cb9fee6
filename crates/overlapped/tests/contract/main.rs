//! The contract of the completion port, one test a statement, on every driver.
//!
//! Tests are named by the number of the statement that they hold the library to (P.., X.., F..; see
//! `docs/contract.md`). [`world`] is what they are run in; [`threads`] how they hold threads in
//! known places without sleeping.

mod accept_window;
mod accepting;
mod association;
mod batches;
mod cancelling;
mod closing;
mod closing_handles;
mod concurrency;
mod connecting;
mod contents;
mod crew;
#[cfg(target_os = "linux")]
mod doorman;
mod endurance;
mod errno;
mod idle;
mod outcomes;
mod ownership;
mod packets;
mod queue;
mod receiving;
mod sending;
mod threads;
mod timers;
mod transitions;
mod world;
