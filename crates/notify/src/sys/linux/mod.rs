//! The calls of Linux: on one socket, and to wait for several descriptors.

mod loss;
mod poll;
mod ready_set;
mod socket;
mod wakeup;

pub(crate) use poll::{Ready, Wanted, look, poll, wait_for};
pub(crate) use ready_set::ReadySet;
pub(crate) use socket::Socket;
pub(crate) use wakeup::Wakeup;
