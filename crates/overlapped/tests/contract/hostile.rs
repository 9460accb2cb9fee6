//! Values whose destructors call the library or panic, in each place that takes a value: nothing
//! hangs, and nothing but the value is lost.

use crate::crew::{Shape, number, poll_number, until_shape};
use crate::hostile_world::{Destructor, Place, Scene, in_every_place};
use crate::on_every_driver;
use crate::transmitting::readable;
use crate::world::{PATIENCE, World};
use overlapped::{Packet, Transmission};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

/// Each place several times over, so that one destructor's panic meets another's.
const TIMES: usize = 3;

const PLACES: &[Place] = &[
    ("messages in the queue of a port that closes", |scene| {
        for _ in 0..TIMES {
            scene.port.post(scene.value()).map_err(|refused| refused.error).expect("it is open");
        }
        scene.drops(|| scene.port.close());
    }),
    ("a message that a closed port refuses", |scene| {
        scene.port.close();
        scene.drops(|| drop(scene.port.post(scene.value())));
    }),
    ("what is left of a batch when the port is closed", |scene| {
        for _ in 0..TIMES {
            scene.port.post(scene.value()).map_err(|refused| refused.error).expect("it is open");
        }
        let batch = scene.port.take_many(TIMES, Some(PATIENCE)).expect("they are there");
        assert_eq!(batch.len(), TIMES);
        scene.port.close();
        scene.drops(|| drop(batch));
    }),
    ("timers of a port that closes", |scene| {
        for _ in 0..TIMES {
            scene.port.timer(NEVER_IN_THIS_TEST, scene.value()).expect("it is open");
        }
        scene.drops(|| scene.port.close());
    }),
    ("a timer that was cancelled and not taken", |scene| {
        let timer = scene.port.timer(NEVER_IN_THIS_TEST, scene.value()).expect("it is open");
        scene.port.cancel_timer(timer).expect("it has not run out");
        scene.drops(|| scene.port.close());
    }),
    ("a timer that a closed port refuses", |scene| {
        scene.port.close();
        scene.drops(|| drop(scene.port.timer(NEVER_IN_THIS_TEST, scene.value())));
    }),
    ("receives and sends in flight when the port closes", |scene| {
        let (stream, _peer) = scene.stream(scene.harmless());
        scene.reaches_stream(&stream);
        for _ in 0..TIMES {
            stream.receive_pooled(scene.value()).expect("it starts");
            stream.send(vec![1; scene.world.long_send()], scene.value()).expect("it starts");
        }
        scene.drops(|| scene.port.close());
    }),
    ("receives and sends of a stream that was closed, and the port after it", |scene| {
        let (stream, _peer) = scene.stream(scene.harmless());
        for _ in 0..TIMES {
            stream.receive_pooled(scene.value()).expect("it starts");
            stream.send(vec![1; scene.world.long_send()], scene.value()).expect("it starts");
        }
        stream.close();
        scene.drops(|| scene.port.close());
    }),
    ("an operation that a closed port refuses", |scene| {
        let (stream, _peer) = scene.stream(scene.harmless());
        scene.port.close();
        scene.drops(|| drop(stream.receive_pooled(scene.value())));
    }),
    ("a connect, a disconnect and a transmission when the port closes", |scene| {
        let outside = scene.world.peer_listener();
        let socket = scene.world.socket();
        let connects = scene.port.associate(socket, scene.harmless()).expect("it is open");
        connects.connect(outside.address(), (), scene.value()).expect("it starts");
        let (transmits, _peer) = scene.stream(scene.harmless());
        let transmission = Transmission::of(readable(&scene.file));
        transmits.transmit_file(transmission, scene.value()).expect("it starts");
        let (ends, _peer) = scene.stream(scene.harmless());
        ends.send(vec![1; scene.world.long_send()], scene.value()).expect("it starts");
        ends.disconnect(scene.value()).expect("it starts");
        scene.drops(|| scene.port.close());
    }),
    ("datagrams in flight when the port closes", |scene| {
        let socket = scene.socket(scene.harmless());
        let address = socket.local_addr().expect("it is bound");
        for _ in 0..TIMES {
            socket.receive_from_pooled(scene.value()).expect("it starts");
        }
        socket.send_to(b"x", address, scene.value()).expect("it starts");
        scene.drops(|| scene.port.close());
    }),
    ("single accepts when the port closes", |scene| {
        let listener = scene.listener(scene.harmless());
        for _ in 0..TIMES {
            listener.accept(scene.value()).expect("it is posted");
        }
        scene.drops(|| scene.port.close());
    }),
    ("accepts of a listener that was closed, and the port after it", |scene| {
        let listener = scene.listener(scene.harmless());
        for _ in 0..TIMES {
            listener.accept(scene.value()).expect("it is posted");
        }
        listener.close();
        scene.drops(|| scene.port.close());
    }),
    ("the key that goes with the last handle", |scene| {
        let (stream, _peer) = scene.stream(scene.value());
        scene.drops(|| drop(stream));
        scene.drops(|| drop(scene.listener(scene.value())));
        scene.drops(|| drop(scene.socket(scene.value())));
        scene.still_works();
    }),
    ("the keys of handles that only operations held when the port closes", |scene| {
        for _ in 0..TIMES {
            let (stream, _peer) = scene.stream(scene.value());
            stream.receive_pooled(scene.harmless()).expect("it starts");
            scene.listener(scene.value()).accept(scene.harmless()).expect("it is posted");
        }
        scene.drops(|| scene.port.close());
    }),
    ("the keys of handles that only packets held when the port closes", |scene| {
        for _ in 0..TIMES {
            let (stream, _peer) = scene.stream(scene.value());
            stream.receive_pooled(scene.harmless()).expect("it starts");
            stream.cancel_all();
        }
        scene.drops(|| scene.port.close());
    }),
];

fn destructors_that_call_the_library_hang_nowhere(world: &World) {
    in_every_place(PLACES, || Scene::new(&anew(world), Destructor::Calls, |builder| builder));
}

fn destructors_that_panic_take_nothing_along(world: &World) {
    in_every_place(PLACES, || Scene::new(&anew(world), Destructor::Panics, |builder| builder));
}

/// Each place has a network of its own, should one of them spoil it.
pub fn anew(world: &World) -> World {
    match world {
        World::System => World::System,
        World::Simulated(_) => World::simulated(),
    }
}

/// Its place among the running threads is free, and the packets that it had not looked at are there
/// for others, in their order.
fn p78_p107_a_thread_that_unwinds_gives_back_its_slot_and_the_rest_of_its_batch(world: &World) {
    let port = world.exact_port(1);
    for number in 1..=4 {
        port.post(number).expect("it is open");
    }
    let panics = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut batch = port.take_many(4, Some(PATIENCE)).expect("they are there");
            let first = batch.next().expect("there are four");
            panic!("the handler of {} panics", number(&first));
        });
        thread.join().expect_err("it panicked")
    });
    let text = panics.downcast_ref::<String>().expect("it is a text");
    assert_eq!(text, "the handler of 1 panics");
    until_shape(&port, Shape { queued: 3, ..Shape::EMPTY });
    // With a concurrency of 1, nobody could take them beside a thread that still counted.
    for expected in 2..=4 {
        assert_eq!(poll_number(&port), expected);
    }
}

/// A thread that catches the panic of a handler goes on as before.
fn a_thread_that_catches_a_panic_takes_the_next_packet(world: &World) {
    let port = world.exact_port(1);
    let (stream, peer) = world.stream(&port, 7);
    stream.receive_pooled(1).expect("it starts");
    drop(stream);
    peer.send(b"x");
    port.post(2).expect("it is open");
    let mut posted = Vec::new();
    let mut caught = 0;
    while posted.len() + caught < 2 {
        let packet = port.take_timeout(PATIENCE).expect("two are owed");
        let handled = catch_unwind(AssertUnwindSafe(|| match packet {
            Packet::Posted(number) => posted.push(number),
            packet => panic!("a handler panics with {packet:?} in its hands"),
        }));
        caught += usize::from(handled.is_err());
    }
    assert_eq!((posted, caught), (vec![2], 1));
    // The packet had the last handle of the connection.
    assert_eq!(peer.receive(&mut [0]).expect("a graceful end"), 0);
    assert_eq!(port.snapshot().devices, 0);
}

on_every_driver! {
    a_thread_that_catches_a_panic_takes_the_next_packet,
    destructors_that_call_the_library_hang_nowhere,
    destructors_that_panic_take_nothing_along,
    p78_p107_a_thread_that_unwinds_gives_back_its_slot_and_the_rest_of_its_batch,
}
