//! What several models share, each piece one idea. A model takes what it needs and adds who waits
//! for what, and how.
//!
//! - [`register`] is the list of open connections: admission, the figures that change with a
//!   connection, and how the rest is ended by force.
//! - [`tally`] is what the threads count, and how many there are.
//! - [`doorkeeper`] is a thread that accepts; [`crew`] are threads that each serve a bounded number
//!   of connections; [`crewed`] has the one hand over to the others.
//! - [`door`] is for a model whose only thread accepts beside its other work.
//! - [`conversation`] is one connection on a socket that does not block; [`patience`] its deadlines;
//!   [`guest`] such a connection with its place in the register.
//! - [`socket`] has the library's plain socket do what these ask of one.
//! - [`exchange`] is one connection with overlapped operations.
//! - [`running`] is the server as whoever started it has it, and its stop in phases.
//!
//! [`Common`] is what all threads of one server share: most models have one in an `Arc`.
//! `completion_port` takes the doorkeeper; its list, threads and figures are those that servers on
//! one port share, in `overlapped-serving`. From there all models have the kinds of errors.
//!
//! A message costs no lock and no allocation here, unless its echo does not fit into the system's
//! buffer. A connection costs the register's lock twice.

pub(crate) mod conversation;
pub(crate) mod crew;
pub(crate) mod crewed;
pub(crate) mod door;
pub(crate) mod doorkeeper;
pub(crate) mod exchange;
pub(crate) mod guest;
pub(crate) mod patience;
pub(crate) mod register;
pub(crate) mod running;
pub(crate) mod socket;
pub(crate) mod tally;

use crate::handler::Handler;
use crate::model::{Limits, Status};
use register::{Member, Register};
use std::sync::Arc;
use tally::Tally;

/// What all threads of one server share.
pub(crate) struct Common<M> {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) limits: Limits,
    pub(crate) register: Register<M>,
    pub(crate) tally: Arc<Tally>,
}

impl<M: Member> Common<M> {
    pub(crate) fn new(handler: Arc<dyn Handler>, limits: &Limits) -> Self {
        Self {
            handler,
            limits: limits.clone(),
            register: Register::new(limits.connections),
            tally: Arc::default(),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.register.is_stopping()
    }

    /// The status of the server.
    pub(crate) fn status(&self) -> Status {
        let counted = self.tally.counted();
        Status {
            messages: counted.messages,
            bytes: counted.bytes,
            threads: counted.threads,
            ..self.register.figures()
        }
    }
}
