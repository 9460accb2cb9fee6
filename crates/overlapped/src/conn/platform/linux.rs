//! The kernel of Linux carries no operation of a socket: each is attempted when the socket is ready.

use super::Begun;
use crate::conn::connection::Connection;
use crate::conn::connections::Connections;
use crate::conn::delivery::Delivery;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Operation, Pending};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

/// What an operation must be able to do besides, for the kernel's sake: nothing.
pub(crate) trait InKernel {}

impl<T> InKernel for T {}

/// What the kernel has of one connection: nothing.
pub(crate) struct WithKernel<O>(PhantomData<O>);

impl<O> WithKernel<O> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<O: Operation> Connection<O> {
    /// Whether the kernel carries the operations of this connection.
    #[inline(always)]
    pub(crate) fn is_with_kernel(&self) -> bool {
        false
    }

    /// How many sends the end of the stream has to wait for.
    pub(crate) fn sends_to_come(&self) -> usize {
        self.send.as_ref().map_or(0, |sends| sends.len())
    }

    /// How many accepts wait for a connection.
    pub(crate) fn posted(&self) -> usize {
        self.receive.len()
    }

    pub(crate) fn tell_end_of_disconnect(&mut self) {}

    pub(crate) fn reset_with_kernel(&mut self, _on: bool) {}

    pub(crate) fn end_with_kernel(&mut self) {}

    pub(crate) fn settle_in_kernel(&mut self) {}

    pub(crate) fn cancel_one_in_kernel(&mut self, _id: u32) -> bool {
        false
    }

    /// What the kernel has of a direction, by the numbers of the operations.
    pub(crate) fn ids_in_kernel(&self, _direction: Direction) -> std::iter::Empty<u32> {
        std::iter::empty()
    }

    pub(crate) fn time_out_in_kernel(&mut self, _id: u32) {}

    pub(crate) fn cancel_accept_in_kernel(&mut self, _stream: u64) {}

    /// Cancels what the kernel has; how many operations that were.
    pub(crate) fn cancel_in_kernel(&mut self) -> usize {
        0
    }
}

impl<O: Operation> Locked<'_, O> {
    pub(crate) fn start_with_kernel(
        &mut self,
        _direction: Direction,
        pending: Pending<O>,
        _in_place: Option<impl FnOnce() -> bool>,
        _delivery: &mut Delivery<O>,
    ) -> Result<Begun<O>, (io::Error, Pending<O>)> {
        Err((io::ErrorKind::Unsupported.into(), pending))
    }

    pub(crate) fn issue_waiting(
        &mut self,
        _direction: Direction,
        _delivery: &mut Delivery<O>,
    ) -> bool {
        false
    }
}

impl<O: Operation> Connections<O> {
    /// Whether the kernel waits for the first data of this listener's connections.
    pub(crate) fn watch_silent_accepts(self: &Arc<Self>, _listener: u64) -> bool {
        false
    }
}
