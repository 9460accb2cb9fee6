//! What travels through the port of a runtime, and who is told of each packet.

use crate::executor::Runnable;
use crate::executor::run_queue::RunQueue;
use crate::net::{listener, stream};
use crate::time::Slot;
use overlapped::{Packet, Protocol};
use std::sync::Arc;

/// The protocol of a runtime's port.
pub(crate) struct Packets;

impl Protocol for Packets {
    type Key = Key;
    type Operation = Operation;
    type Message = Message;
}

/// What is posted.
pub(crate) enum Message {
    /// A task that is ready, woken on a thread that has no run queue.
    Task(Runnable),
    /// There are tasks in this queue.
    Tasks(Arc<RunQueue>),
}

/// What waits for the operations of a handle lies in its key, so that an operation allocates nothing.
pub(crate) enum Key {
    Stream(stream::State),
    Listener(listener::State),
}

/// Who waits for an operation.
pub(crate) enum Operation {
    /// Whoever the key of its handle says.
    Plain,
    /// The send with this number, or nobody any more.
    Send(u64),
    /// A send of so many bytes that was copied, and for which nobody waits.
    Copied(usize),
    Timer(Arc<Slot>),
}

/// A packet reaches its place, and the task that waits there is woken.
pub(crate) fn deliver(packet: Packet<Packets>) {
    match packet {
        Packet::Received { stream, buffer, result, .. } => {
            if let Key::Stream(state) = stream.key() {
                state.received(buffer, result);
            }
        }
        Packet::Sent { stream, buffers, operation, result, .. } => {
            if let Key::Stream(state) = stream.key() {
                state.sent(operation, buffers, result);
            }
        }
        Packet::Connected { stream, result, .. } => {
            if let Key::Stream(state) = stream.key() {
                state.connected(result);
            }
        }
        Packet::Accepted { listener, result, .. } => {
            if let Key::Listener(state) = listener.key() {
                state.accepted(result);
            }
        }
        Packet::Timer { operation: Operation::Timer(slot), result: Ok(()) } => slot.ring(),
        // Nothing else is started here. A timer is stopped, and not cancelled.
        _ => {}
    }
}
