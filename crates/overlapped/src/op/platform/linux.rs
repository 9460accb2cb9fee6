//! The kernel of Linux carries no operation of a socket, so none has anything ready for it.

/// What an operation has to say for the kernel's sake: nothing.
pub(in crate::op) trait KindInKernel {}

impl<T> KindInKernel for T {}

/// How a send lies while it waits, which it rarely does.
pub(in crate::op) type WaitingSend<K> = Box<K>;

/// What a kernel accepts into.
#[derive(Default)]
pub(in crate::op) struct AcceptRoom(());

/// Where a kernel writes the sender's address.
#[derive(Default)]
pub(in crate::op) struct SenderRoom(());

/// Where a kernel has what goes with a datagram.
#[derive(Default)]
pub(in crate::op) struct MessageRoom(());

/// A datagram in one piece.
#[derive(Default)]
pub(in crate::op) struct Joined(());

/// Where a kernel is told what goes out before a file.
#[derive(Default)]
pub(in crate::op) struct TransmitRoom(());
