//! What travels through the port of a runtime, and who is told of each packet.

use crate::answer::Answer;
use crate::executor::Runnable;
use crate::executor::run_queue::RunQueue;
use crate::fs::Transferred;
use crate::net::{listener, stream, udp};
use crate::time::Slot;
use overlapped::{Buffers, Datagrams, Packet, Protocol};
use std::io;
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
    Udp(udp::State),
    File,
}

/// Who waits for an operation.
pub(crate) enum Operation {
    /// Whoever the key of its handle says.
    Plain,
    /// The send with this number, or nobody any more.
    Send(u64),
    /// A send of so many bytes that was copied, and for which nobody waits.
    Copied(usize),
    /// A connect or a flush.
    Done(Arc<Answer<io::Result<()>>>),
    SendTo(Arc<Answer<(io::Result<()>, Buffers)>>),
    SendBatch(Arc<Answer<(io::Result<()>, Datagrams)>>),
    /// A read or a write of a file.
    File(Arc<Answer<Transferred>>),
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
        Packet::Connected { operation: Operation::Done(answer), result, .. } => {
            answer.arrived(result);
        }
        Packet::Accepted { listener, result, .. } => {
            if let Key::Listener(state) = listener.key() {
                state.accepted(result);
            }
        }
        Packet::ReceivedFrom { socket, buffer, result, .. } => {
            if let Key::Udp(state) = socket.key() {
                state.received(buffer, result);
            }
        }
        Packet::ReceivedBatch { socket, datagrams, result, .. } => {
            if let Key::Udp(state) = socket.key() {
                state.received_batch(datagrams, result);
            }
        }
        Packet::SentTo { operation: Operation::SendTo(answer), buffers, result, .. } => {
            answer.arrived((result, buffers));
        }
        Packet::SentBatch {
            operation: Operation::SendBatch(answer),
            mut datagrams,
            sent,
            result,
            ..
        } => {
            datagrams.remove_first(sent);
            answer.arrived((result, datagrams));
        }
        Packet::Read { operation: Operation::File(answer), buffer, result, .. } => {
            answer.arrived(Transferred { count: buffer.len(), result: result.map(drop), buffer });
        }
        Packet::Written {
            operation: Operation::File(answer), buffer, transferred, result, ..
        } => {
            answer.arrived(Transferred { count: transferred, result, buffer });
        }
        Packet::Flushed { operation: Operation::Done(answer), result, .. } => {
            answer.arrived(result);
        }
        Packet::Timer { operation: Operation::Timer(slot), result: Ok(()) } => slot.ring(),
        #[cfg(feature = "signals")]
        Packet::Signal(signal) => crate::signal::arrived(signal),
        // Nothing else is started here. A timer is stopped, and not cancelled.
        _ => {}
    }
}
