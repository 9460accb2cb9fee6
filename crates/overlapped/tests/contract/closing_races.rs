//! What is started while the port closes: each kind either completes, is given back, or is dropped
//! with the port (P122). Port and handles stay, so that what they would keep is seen.

use crate::crew::until;
use crate::files_world::Scratch;
use crate::hostile_world::{Hostile, Value, counted};
use crate::on_every_driver;
use crate::world::{PATIENCE, World};
use overlapped::{AcceptWindow, Buffer, File, Port, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);
/// Each kind so often.
const ROUNDS: usize = 12;

/// What one round closes the port of.
struct Handles {
    port: Port<Hostile>,
    stream: TcpStream<Hostile>,
    listener: TcpListener<Hostile>,
    windows: TcpListener<Hostile>,
    socket: UdpSocket<Hostile>,
    file: File<Hostile>,
    alive: Arc<AtomicUsize>,
}

/// A kind of start; true when it was taken.
type Start = (&'static str, fn(&Handles, Value) -> bool);

const STARTS: &[Start] = &[
    ("post", |on, value| on.port.post(value).is_ok()),
    ("timer", |on, value| on.port.timer(NEVER_IN_THIS_TEST, value).is_ok()),
    ("receive", |on, value| on.stream.receive_pooled(value).is_ok()),
    ("send", |on, value| on.stream.send(vec![1; 10_000], value).is_ok()),
    ("accept", |on, value| on.listener.accept(value).is_ok()),
    ("datagram", |on, value| on.socket.receive_from_pooled(value).is_ok()),
    ("read", |on, value| on.file.read_at(Buffer::with_capacity(5_000), 0, value).is_ok()),
    ("write", |on, value| on.file.write_at(Buffer::from(vec![1; 5_000]), 0, value).is_ok()),
    ("window", |on, value| {
        let alive = Arc::clone(&on.alive);
        let make = move || {
            let _ = &value;
            counted(&alive)
        };
        on.windows.accept_window(AcceptWindow::new(2), make).is_ok()
    }),
];

fn p122_what_is_started_while_the_port_closes_does_not_stay(world: &World) {
    let scratch = Scratch::holding(&[7; 10_000]);
    for round in 0..ROUNDS * STARTS.len() {
        let (name, start) = STARTS[round % STARTS.len()];
        let alive = Arc::new(AtomicUsize::new(0));
        let value = || counted(&alive);
        let port: Port<Hostile> = world.port(|builder| builder.concurrency(2));
        let (socket, _peer) = world.connected_socket();
        let any = ([127, 0, 0, 1], 0).into();
        let datagrams = world.datagram_socket(any).expect("it can be bound");
        let on = Handles {
            stream: port.associate(socket, value()).expect("it is open"),
            listener: port.associate(world.listen_socket(), value()).expect("it is open"),
            windows: port.associate(world.listen_socket(), value()).expect("it is open"),
            socket: port.associate(datagrams, value()).expect("it is open"),
            file: scratch.file(&port, value()),
            alive: Arc::clone(&alive),
            port,
        };
        const KEYS: usize = 5;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| while start(&on, value()) {});
            }
            scope.spawn(|| {
                while on.port.take_timeout(PATIENCE).is_ok() {
                    std::thread::yield_now();
                }
            });
            // The close comes at a different moment each time.
            (0..round / STARTS.len()).for_each(|_| std::thread::yield_now());
            on.port.close();
        });
        let count = || alive.load(Ordering::SeqCst);
        // A system that holds operations gives them back a little later.
        until(|| count() == KEYS, || format!("{name}: {} of {KEYS} are alive", count()));
        drop(on);
        until(|| count() == 0, || format!("{name}: {} are alive", count()));
    }
}

on_every_driver! {
    p122_what_is_started_while_the_port_closes_does_not_stay,
}
