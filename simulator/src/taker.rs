//! The threads that take packets, and their handlers.

use crate::ledger::{Kind, Place, ledger};
use crate::protocol::{Life, Token};
use crate::streams::{from_connecting, from_listening};
use crate::trace::say;
use crate::world::World;
use overlapped::{Packet, TakeError, blocking, is_aborted, is_timed_out, simulation};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Takes until the port is closed.
pub fn serve(world: &Arc<World>, me: usize) {
    for turn in 0.. {
        ledger(|ledger| ledger.moved(me, Place::Elsewhere));
        let begin = ledger(|ledger| ledger.stamp());
        let choice = world.choice(10 + me as u64, turn, 24);
        let taken = match choice {
            0 => world.port.try_take(),
            1..4 => {
                let timeout = Duration::from_micros([1, 50, 2_000][choice as usize - 1]);
                world.port.take_timeout(timeout).map(Some)
            }
            4..8 => match world.port.take_many(1 + choice as usize * 2, None) {
                Ok(batch) => {
                    ledger(|ledger| ledger.moved(me, Place::Running));
                    let used = if world.plan.put_backs { turn as usize % 4 } else { usize::MAX };
                    for packet in batch.take(used) {
                        handle(world, me, packet, begin);
                    }
                    continue;
                }
                Err(error) => Err(error),
            },
            8 if turn % 8 == 0 => {
                world.port.leave();
                continue;
            }
            _ => world.port.take().map(Some),
        };
        match taken {
            Ok(Some(packet)) => {
                ledger(|ledger| ledger.moved(me, Place::Running));
                handle(world, me, packet, begin);
            }
            // Whoever finds nothing does something else, and does not keep a slot from others.
            Ok(None) | Err(TakeError::TimedOut) => {
                blocking(|| simulation::sleep(Duration::from_micros(20)));
            }
            Err(TakeError::Closed | TakeError::Abandoned) => break,
        }
    }
    ledger(|ledger| ledger.moved(me, Place::Elsewhere));
}

fn handle(world: &Arc<World>, me: usize, packet: Packet<Life>, begin: u64) {
    let take_of = |token: &Token, kind, in_order| {
        ledger(|ledger| ledger.taken(token.id(), kind, begin, in_order))
    };
    let take = |token: &Token, kind| take_of(token, kind, true);
    let is_in_order = |error: &io::Error| !is_aborted(error) && !is_timed_out(error);
    let id = match packet {
        Packet::Posted(token) => {
            // A value that was deferred is a value.
            let kind = ledger(|ledger| ledger.kind(token.id()));
            take(&token, kind);
            token.id()
        }
        Packet::Timer { operation, .. } => {
            take(&operation, Kind::Timer);
            operation.id()
        }
        Packet::Accepted { operation, result, listener } => {
            take(&operation, Kind::Accept);
            if let Ok(accepted) = result {
                let port = accepted.remote.port();
                let number = world.new_number();
                if let Ok(handle) = world.port.associate(accepted.socket, number) {
                    let (incoming, outgoing) = (from_connecting(port), from_listening(port));
                    let stream = world.add_stream(handle, incoming, outgoing);
                    if let Some(data) = &accepted.first_data {
                        stream.came_first(data);
                    }
                    stream.receive(number.is_multiple_of(2));
                }
            }
            drop(listener);
            operation.id()
        }
        Packet::Connected { stream, operation, result, .. } => {
            take(&operation, Kind::Connect);
            if result.is_ok()
                && let Ok(local) = stream.local_addr()
            {
                let port = local.port();
                let stream = world.add_stream(stream, from_listening(port), from_connecting(port));
                stream.receive(operation.id().is_multiple_of(2));
                stream.send(&world.sends, 40);
            }
            operation.id()
        }
        Packet::Received { stream, buffer, operation, result } => {
            let in_order = result.as_ref().err().is_none_or(is_in_order);
            let index = take_of(&operation, Kind::Receive, in_order);
            let of = world.stream(*stream.key()).expect("it was added before it received");
            say!("{} brought {result:?} {:?}", operation.id(), &buffer[..buffer.len().min(9)]);
            of.came(index, &buffer, &result);
            let id = operation.id();
            let goes_on = matches!(result, Ok(overlapped::Received::Data(_)));
            drop((stream, buffer, operation));
            if goes_on && world.may_follow_up() {
                if world.choice(20, id, 3) > 0 {
                    of.send(&world.sends, world.choice(21, id, 300) as usize);
                }
                of.receive(world.choice(22, id, 2) == 0);
            }
            id
        }
        Packet::Sent { operation, result, .. } => {
            take_of(&operation, Kind::Send, result.as_ref().err().is_none_or(is_in_order));
            world.sends.end(operation.id(), result.is_ok());
            operation.id()
        }
        Packet::ReceivedFrom { operation, .. } | Packet::SentTo { operation, .. } => {
            take(&operation, Kind::Datagram);
            operation.id()
        }
        Packet::Disconnected { operation, stream, .. } => {
            take(&operation, Kind::Disconnect);
            // It may be connected again, but not as the one that the ledger knows.
            if let Some(stream) = world.stream(*stream.key()) {
                stream.let_go();
            }
            operation.id()
        }
        Packet::Read { operation, .. }
        | Packet::Written { operation, .. }
        | Packet::Flushed { operation, .. } => {
            take(&operation, Kind::File);
            operation.id()
        }
        other => panic!("nobody started what gave a packet of kind {:?}", other.kind()),
    };
    work(world, me, id);
}

/// What the handler of this packet does besides.
fn work(world: &Arc<World>, me: usize, id: u64) {
    let pause =
        Duration::from_micros([1, 30, 400, 3_000, 20_000][world.choice(30, id, 5) as usize]);
    match world.choice(31, id, 16) {
        0 if world.plan.blocks => {
            ledger(|ledger| ledger.moved(me, Place::Paused));
            blocking(|| simulation::sleep(pause));
            ledger(|ledger| ledger.moved(me, Place::Back));
        }
        1 if world.plan.blocks && world.plan.monitor => {
            ledger(|ledger| ledger.moved(me, Place::Paused));
            simulation::sleep(pause);
            ledger(|ledger| ledger.moved(me, Place::Back));
        }
        // Nobody sees that: it keeps its slot.
        1 if world.plan.blocks => simulation::sleep(pause),
        2 => shuttle::thread::yield_now(),
        3 if world.may_follow_up() => world.post(),
        _ => {}
    }
}
