//! Step one of an operation on a socket, and the packet of one that was refused.

use super::packet::Packet;
use super::{InPlace, Kind, Op, Starting};
use crate::conn::handle::Handle;
use crate::conn::operation::Direction;
use crate::error::{OperationId, Refused, Way};
use crate::protocol::Protocol;
use std::any::Any;
use std::io;

/// Makes the packet of an operation that was refused, of its handle, what was given back, and the
/// error.
pub(super) trait Pack<P: Protocol, T>:
    FnOnce(Handle<Op<P>>, T, io::Error) -> Packet<P> + Send + Sync + 'static
{
}

impl<P: Protocol, T, F> Pack<P, T> for F where
    F: FnOnce(Handle<Op<P>>, T, io::Error) -> Packet<P> + Send + Sync + 'static
{
}

impl<P: Protocol> Op<P> {
    /// Starts `kind` on the connection. Refused, what was given is given back as `take` makes it, and
    /// `pack` makes a packet of that if it is asked for.
    #[inline]
    pub(super) fn start<K: Kind<P>, T>(
        handle: &Handle<Self>,
        direction: Direction,
        kind: K,
        operation: P::Operation,
        take: impl FnOnce(K, P::Operation) -> T,
        pack: impl Pack<P, T>,
    ) -> Result<OperationId, Refused<T>> {
        handle.start(direction, Starting { kind, operation }, |error, starting| {
            given_back(error, starting, handle, direction, take, pack)
        })
    }

    /// Starts `kind`, which is quiet. `None` if it succeeded at once.
    #[inline]
    pub(super) fn start_quiet<K: Kind<P>, T>(
        handle: &Handle<Self>,
        direction: Direction,
        kind: K,
        operation: P::Operation,
        take: impl FnOnce(K, P::Operation) -> T,
        pack: impl Pack<P, T>,
    ) -> Result<Option<OperationId>, Refused<T>> {
        handle.start_quiet(direction, Starting { kind, operation }, |error, starting| {
            given_back(error, starting, handle, direction, take, pack)
        })
    }

    /// Starts `kind` with leave to complete in place.
    #[inline]
    pub(super) fn start_in_place<K: Kind<P>, T>(
        handle: &Handle<Self>,
        direction: Direction,
        kind: K,
        operation: P::Operation,
        take: impl FnOnce(K, P::Operation) -> T,
        pack: impl Pack<P, T>,
    ) -> InPlace<P, T> {
        handle.start_in_place(direction, Starting { kind, operation }, |error, starting| {
            given_back(error, starting, handle, direction, take, pack)
        })
    }
}

/// What is given back of an operation that would have been one of `direction`.
pub(super) fn refused<P: Protocol, T>(
    error: io::Error,
    returned: T,
    handle: &Handle<Op<P>>,
    direction: Direction,
    pack: impl Pack<P, T>,
) -> Refused<T> {
    Refused::of_start(error, returned, ToPacket { handle: handle.clone(), direction, pack })
}

#[cold]
#[inline(never)]
fn given_back<P: Protocol, K, T>(
    error: io::Error,
    Starting { kind, operation }: Starting<P, K>,
    handle: &Handle<Op<P>>,
    direction: Direction,
    take: impl FnOnce(K, P::Operation) -> T,
    pack: impl Pack<P, T>,
) -> Refused<T> {
    refused(error, take(kind, operation), handle, direction, pack)
}

/// The way of a refused operation into its packet.
struct ToPacket<P: Protocol, F> {
    handle: Handle<Op<P>>,
    direction: Direction,
    pack: F,
}

impl<P: Protocol, T, F: Pack<P, T>> Way<T> for ToPacket<P, F> {
    fn deliver(self: Box<Self>, error: io::Error, returned: T, answer: Option<&mut dyn Any>) {
        let Self { handle, direction, pack } = *self;
        let answer = answer.and_then(|answer| answer.downcast_mut());
        let packet = pack(handle.clone(), returned, error);
        let started = handle.start_refused(direction, packet, answer.is_some());
        if let Some(answer) = answer {
            *answer = Some(started);
        }
    }
}
