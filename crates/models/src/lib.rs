//! Server models: different ways to serve many connections with the same handler.
//!
//! A *model* decides which thread does what: who accepts, who waits for data, who calls the
//! handler, who sends. All of them serve the same [`Handler`] under the same [`Limits`], report
//! the same [`Status`] and stop in the same way, so that they can be compared.
//!
//! | name | how it learns what to do | threads | its main disadvantage |
//! |---|---|---|---|
//! | `blocking` | waits in the call | one per connection | a stack and a thread for every connection |
//! | `nonblocking` | tries every socket in turn | one | a system call for each connection, busy or not |
//! | `select` | asks which sockets are ready | one, or one for so many connections | each call looks at all sockets |
//! | `async-select` | messages to a window | one | one thread, one message at a time |
//! | `event-select` | an event object for each socket | one for 63 connections | the threads |
//! | `overlapped-event` | an event object for each operation | one for 63 connections | the threads |
//! | `overlapped-routine` | routines of its thread | one, and one that accepts | one thread |
//! | `completion-port` | packets of one port | a few workers | the most machinery |
//!
//! Where one thread serves several connections, a handler that blocks holds them up; so it is for
//! all but `blocking` and `completion-port`. The repository's `docs/choosing.md` says which model is
//! for whom, and `docs/models` has a page for each.
//!
//! - [`model`](mod@model) is what a model is, and what all of them take and report;
//!   [`handler`](mod@handler) what they serve. These know no model.
//! - Each model has a file or a folder of its name. They do not know each other.
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
pub use model::{
    Accepting, Departure, Errors, Limits, Model, Observer, Server, Status, Stopped, Threads,
};
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
