//! The calls of Linux: on one socket, and to wait for several descriptors.

mod bell;
mod fate;
mod poll;
mod ready_set;
mod socket;

pub(crate) use bell::Bell;
pub(crate) use poll::{Ready, Wanted, look, poll, wait_for};
pub(crate) use ready_set::ReadySet;
pub(crate) use socket::Socket;
