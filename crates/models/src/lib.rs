//! Server models: different ways to serve many connections with the same handler.
//!
//! A *model* decides which thread does what: who accepts, who waits for data, who calls the
//! handler, who sends. All of them serve the same [`Handler`] under the same [`Limits`], report
//! the same [`Status`] and stop in the same way, so that they can be compared.
//!
//! | name | threads | its main disadvantage |
//! |---|---|---|
//! | `completion-port` | a few workers on one completion port | the most machinery |
//! | `blocking` | one per connection | a stack and a thread for every connection |
//! | `overlapped-event` | one per 63 connections | a wait for every thread's few connections |
//! | `overlapped-routine` | one for all connections | one thread, whatever the processors |
//!
//! - [`model`](mod@model) is what a model is, and what all of them take and report;
//!   [`handler`](mod@handler) what they serve. These know no model.
//! - `completion_port` and `blocking` are one model each. They do not know each other. Six more
//!   (non-blocking, select, messages, event objects, overlapped with events, overlapped with
//!   routines) have their place beside them, each in a file of its own and in [`models`].
//! - `parts` is what several models share: who accepts, what is counted, how a connection goes on, how
//!   a server stops. They call it; it knows none.
//! - `platform` is what the models do differently on each system. They call it; it knows none.
//!
//! Programs call [`models`] or [`model()`] and go on with the traits.
#![forbid(unsafe_code)]

mod async_select;
mod blocking;
mod completion_port;
mod event_select;
mod failure;
pub mod handler;
pub mod model;
mod nonblocking;
mod overlapped_event;
mod overlapped_routine;
mod parts;
mod platform;
mod select;

pub use async_select::AsyncSelect;
pub use blocking::Blocking;
pub use completion_port::CompletionPort;
pub use event_select::EventSelect;
pub use handler::{Echo, Handler, ReceiveOnly, Reply};
pub use model::{Accepting, Errors, Limits, Model, Server, Status, Stopped, Threads};
pub use nonblocking::Nonblocking;
pub use overlapped_event::OverlappedEvent;
pub use overlapped_routine::OverlappedRoutine;
pub use select::Select;

/// Every model, from the oldest to the newest.
pub fn models() -> &'static [&'static dyn Model] {
    &[
        &Blocking,
        &Nonblocking,
        &Select,
        &AsyncSelect,
        &EventSelect,
        &OverlappedEvent,
        &OverlappedRoutine,
        &CompletionPort,
    ]
}

/// The model of this name, see [`Model::name`].
pub fn model(name: &str) -> Option<&'static dyn Model> {
    models().iter().copied().find(|model| model.name() == name)
}
