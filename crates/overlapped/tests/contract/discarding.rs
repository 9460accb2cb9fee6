//! What a closed port owes to nobody is given to the hook of its builder (P122): all of it, once each, and
//! with what it owns.

use crate::crew::until;
use crate::on_every_driver;
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{Buffer, OrPacket, Packet, Port, is_aborted};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// What the hook was called with.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Discarded {
    Message(u64),
    /// An operation by its number, with how many bytes it brought.
    Done(u64, usize),
    Aborted(u64),
    /// It was started when the port was closed.
    Late(u64),
}

type Seen = Arc<Mutex<Vec<Discarded>>>;

fn kind_of(packet: Packet<Numbers>) -> Discarded {
    fn of<T>(operation: u64, result: io::Result<T>, length: usize) -> Discarded {
        match result {
            Ok(_) => Discarded::Done(operation, length),
            Err(error) if is_aborted(&error) => Discarded::Aborted(operation),
            Err(_) => Discarded::Late(operation),
        }
    }
    match packet {
        Packet::Posted(message) => Discarded::Message(message),
        Packet::Timer { operation, result } => of(operation, result, 0),
        Packet::Received { operation, result, buffer, .. } => of(operation, result, buffer.len()),
        Packet::Sent { operation, result, transferred, .. } => of(operation, result, transferred),
        Packet::Accepted { operation, result, .. } => of(operation, result, 0),
        Packet::Read { operation, result, buffer, .. } => of(operation, result, buffer.len()),
        other => panic!("nothing of the kind was started: {other:?}"),
    }
}

fn hook(seen: &Seen) -> impl Fn(Packet<Numbers>) + Send + Sync + 'static {
    let seen = Arc::clone(seen);
    move |packet| {
        let kind = kind_of(packet);
        seen.lock().expect("no other holder panics").push(kind);
    }
}

fn hooked(world: &World) -> (Port<Numbers>, Seen) {
    let seen = Seen::default();
    let port = world.port(|builder| {
        builder.concurrency(1).blocked_thread_monitor(false).on_discard(hook(&seen))
    });
    (port, seen)
}

/// What was seen, once there are so many.
fn sorted(seen: &Seen, count: usize) -> Vec<Discarded> {
    let has = || seen.lock().expect("no holder panics").len();
    until(|| has() >= count, || format!("{count} were to be discarded, and {} were", has()));
    let mut seen = std::mem::take(&mut *seen.lock().expect("no holder panics"));
    seen.sort();
    seen
}

fn p122_the_hook_gets_what_was_queued_and_what_was_in_flight(world: &World) {
    let (port, seen) = hooked(world);
    let (listener, _) = world.listen(&port, 0);
    let (stream, _peer) = world.stream(&port, 1);
    listener.accept(1).expect("an accept is started");
    stream.receive(Buffer::with_capacity(10), 2).expect("a receive is started");
    port.timer(PATIENCE * 2, 3).expect("a timer is started");
    port.post(4).expect("the port is open");
    port.defer(5).expect("the port is open");
    // What is there is taken, and put back by its batch.
    drop(port.take_many(2, Some(PATIENCE)).expect("something is there"));
    port.close();
    let expected = [4, 5].map(Discarded::Message).into_iter();
    let expected: Vec<_> = expected.chain([1, 2, 3].map(Discarded::Aborted)).collect();
    assert_eq!(sorted(&seen, expected.len()), expected);
}

fn p122_the_hook_gets_what_is_started_as_a_packet_after_the_close(world: &World) {
    let (port, seen) = hooked(world);
    let (stream, _peer) = world.stream(&port, 1);
    let timer = port.timer(PATIENCE * 2, 4).expect("a timer is started");
    port.close();
    assert_eq!(sorted(&seen, 1), [Discarded::Aborted(4)]);
    stream.receive(Buffer::with_capacity(10), 7).or_packet();
    let given = std::mem::take(&mut *seen.lock().expect("no holder panics"));
    assert_eq!(given, [Discarded::Late(7)], "it is given at once");
    let refused = stream.receive(Buffer::with_capacity(10), 8).expect_err("the port is closed");
    assert_eq!(refused.returned.1, 8, "what is refused goes to who started it");
    assert!(port.cancel_timer(timer).is_err(), "it is gone");
    assert_eq!(*seen.lock().expect("no holder panics"), []);
}

fn p122_a_hook_that_panics_loses_no_other_packet_and_the_closer_sees_it(world: &World) {
    let seen = Seen::default();
    let hook = {
        let seen = Arc::clone(&seen);
        move |packet| {
            let kind = kind_of(packet);
            let panics = kind == Discarded::Message(2);
            seen.lock().expect("it panics with the lock free").push(kind);
            assert!(!panics, "a hook that panics, as it should");
        }
    };
    let port = world.port(|builder| builder.concurrency(1).on_discard(hook));
    (1..=3).for_each(|message| port.post(message).expect("the port is open"));
    port.timer(PATIENCE * 2, 4).expect("a timer is started");
    catch_unwind(AssertUnwindSafe(|| port.close())).expect_err("the panic goes to the closer");
    let expected = [1, 2, 3].map(Discarded::Message);
    let seen_all = sorted(&seen, 4);
    assert_eq!(seen_all[..3], expected);
    assert_eq!(seen_all[3], Discarded::Aborted(4));
}

on_every_driver! {
    p122_the_hook_gets_what_was_queued_and_what_was_in_flight,
    p122_the_hook_gets_what_is_started_as_a_packet_after_the_close,
    p122_a_hook_that_panics_loses_no_other_packet_and_the_closer_sees_it,
}

mod of_files {
    use super::{Discarded, Seen, hook, kind_of, sorted};
    use crate::files_world::{Backend, Scratch};
    use crate::world::{PATIENCE, SYSTEM};
    use overlapped::{Buffer, Port};

    fn p122_each_read_of_a_file_is_taken_or_given_to_the_hook(backend: Backend) {
        const READS: u64 = 64;
        const EACH: usize = 16 << 10;
        let seen = Seen::default();
        let builder = Port::builder().driver(SYSTEM).files(backend.choice());
        let port = builder.on_discard(hook(&seen)).build().expect("a port can be made");
        let scratch = Scratch::holding(&vec![7; EACH * READS as usize]);
        let file = scratch.file(&port, 0);
        for number in 0..READS {
            let offset = number * EACH as u64;
            file.read_at(Buffer::with_capacity(EACH), offset, number).expect("a read is started");
        }
        let taken = port.take_many(8, Some(PATIENCE)).expect("a read ends");
        let mut all: Vec<_> = taken.map(kind_of).collect();
        port.close();
        drop(file);
        all.extend(sorted(&seen, READS as usize - all.len()));
        let mut numbers: Vec<_> = all
            .iter()
            .map(|kind| match kind {
                Discarded::Done(number, _) | Discarded::Aborted(number) => *number,
                other => panic!("only reads were started, not {other:?}"),
            })
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..READS), "each of them once: {all:?}");
    }

    crate::on_every_backend! {
        p122_each_read_of_a_file_is_taken_or_given_to_the_hook,
    }
}
