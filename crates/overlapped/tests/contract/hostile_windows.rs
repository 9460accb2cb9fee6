//! Accept windows whose closure, or what it holds or makes, calls the library or panics: the window
//! keeps its places, and no client is lost.

use crate::crew::until;
use crate::hostile::anew;
use crate::hostile_world::{Destructor, Hostile, Place, Scene, in_every_place};
use crate::on_every_driver;
use crate::packets::accepted;
use crate::world::{Peer, World};
use overlapped::{AcceptWindow, Packet, Port, TcpListener};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

/// Keeps a window on `listener` whose closure holds a value and makes harmless ones.
fn keep_window(scene: &Scene, listener: &TcpListener<Hostile>) -> io::Result<()> {
    let (held, make) = (scene.value(), scene.maker_of_harmless());
    listener.accept_window(AcceptWindow::new(2), move || {
        let _ = &held;
        make()
    })
}

/// A listener with such a window, which the destructors reach.
fn with_window(scene: &Scene) -> TcpListener<Hostile> {
    let listener = scene.listener(scene.harmless());
    scene.reaches_listener(&listener);
    keep_window(scene, &listener).expect("it is the first");
    listener
}

/// A listener whose window waits for first data, and a client that sends none.
fn with_silent_client(scene: &Scene, limit: Duration) -> (TcpListener<Hostile>, Peer) {
    let listener = scene.listener(scene.harmless());
    scene.reaches_listener(&listener);
    let window = AcceptWindow::new(2).first_data(limit).connections(10);
    listener.accept_window(window, scene.maker()).expect("it is the first");
    let silent = scene.world.connect(listener.local_addr().expect("it listens"));
    (listener, silent)
}

/// The same with a client whose time is never over. Its connection is taken from the backlog, where
/// that is ours to do.
fn with_held_client(scene: &Scene) -> (TcpListener<Hostile>, Peer) {
    let listener_and_client = with_silent_client(scene, NEVER_IN_THIS_TEST);
    assert!(matches!(scene.port.try_take(), Ok(None)), "the client sends nothing");
    listener_and_client
}

const PLACES: &[Place] = &[
    ("the closure of a second window, which is refused", |scene| {
        let listener = scene.listener(scene.harmless());
        scene.reaches_listener(&listener);
        let make = scene.maker_of_harmless();
        listener.accept_window(AcceptWindow::new(2), make).expect("it is the first");
        let refused = scene.drops(|| keep_window(scene, &listener));
        let is_refused = refused.is_none_or(|refused| refused.is_err());
        assert!(is_refused, "the listener keeps one already");
        scene.still_works();
    }),
    ("the closure of a window beside single accepts, which is refused", |scene| {
        let listener = scene.listener(scene.harmless());
        scene.reaches_listener(&listener);
        listener.accept(scene.harmless()).expect("it is posted");
        let refused = scene.drops(|| keep_window(scene, &listener));
        assert!(refused.is_none_or(|refused| refused.is_err()));
        scene.still_works();
    }),
    ("the closure of a window on a closed listener", |scene| {
        let listener = scene.listener(scene.harmless());
        listener.close();
        let refused = scene.drops(|| keep_window(scene, &listener));
        assert!(refused.is_none_or(|refused| refused.is_err()));
        scene.still_works();
    }),
    ("the closure of a window on a closed port", |scene| {
        let listener = scene.listener(scene.harmless());
        scene.port.close();
        let refused = scene.drops(|| keep_window(scene, &listener));
        assert!(refused.is_none_or(|refused| refused.is_err()));
    }),
    ("the closure of a listener that closes", |scene| {
        let listener = with_window(scene);
        scene.drops(|| listener.close());
        scene.still_works();
    }),
    ("the closure of a listener whose port closes", |scene| {
        let _listener = with_window(scene);
        scene.drops(|| scene.port.close());
    }),
    ("what closures have made when the port closes", |scene| {
        let listener = scene.listener(scene.harmless());
        listener.accept_window(AcceptWindow::new(3), scene.maker()).expect("it is the first");
        scene.drops(|| scene.port.close());
    }),
    ("what closures have made of a listener that was closed, and the port after it", |scene| {
        let listener = scene.listener(scene.harmless());
        listener.accept_window(AcceptWindow::new(3), scene.maker()).expect("it is the first");
        listener.close();
        scene.drops(|| scene.port.close());
    }),
    ("a silent client's when the port closes", |scene| {
        let (_listener, _silent) = with_held_client(scene);
        scene.drops(|| scene.port.close());
    }),
    ("a silent client's when the listener closes, and the port after it", |scene| {
        let (listener, _silent) = with_held_client(scene);
        scene.drops(|| listener.close());
        scene.drops(|| scene.port.close());
    }),
    ("a silent client's when its time is over", |scene| {
        let (_listener, _silent) = with_silent_client(scene, Duration::from_millis(1));
        let packet = scene.take();
        assert!(matches!(packet, Packet::Accepted { result: Err(_), .. }));
        scene.drops(|| drop(packet));
        scene.drops(|| scene.port.close());
    }),
];

fn destructors_in_windows_that_call_the_library_hang_nowhere(world: &World) {
    in_every_place(PLACES, || Scene::new(&anew(world), Destructor::Calls, |builder| builder));
}

fn destructors_in_windows_that_panic_take_nothing_along(world: &World) {
    in_every_place(PLACES, || Scene::new(&anew(world), Destructor::Panics, |builder| builder));
}

/// The number in the packet of the next connection, which is served and gone then.
fn serve_one(
    world: &World,
    port: &Port<crate::world::Numbers>,
    address: std::net::SocketAddr,
) -> u64 {
    let client = world.connect(address);
    let packet = accepted(port);
    let socket = packet.result.expect("a client has come").socket;
    let stream = port.associate(socket, 1).expect("it is open");
    stream.send(b"served", 0).expect("it is connected");
    let sent = crate::packets::sent(port);
    sent.result.expect("it is connected");
    assert_eq!(client.receive_exact(6), b"served");
    packet.operation
}

fn a_closure_that_panics_costs_the_window_no_place_and_no_client(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 0);
    let calls = AtomicU64::new(0);
    let every_third_panics = move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        assert!(call % 3 != 1, "call {call} of the closure panics, as it is to");
        call
    };
    // The second call of the first fill is the first that panics.
    listener.accept_window(AcceptWindow::new(3), every_third_panics).expect("it is the first");
    let mut numbers: Vec<u64> = (0..12).map(|_| serve_one(world, &port, address)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 12, "each client has a value of its own: {numbers:?}");
    // The last place comes back by the port's timer, which a thread of the port has to serve.
    until(
        || {
            let _ = port.take_timeout(Duration::from_millis(1));
            listener.posted() == 3
        },
        || format!("{} accepts are posted", listener.posted()),
    );
    assert!(port.counters().accept_deferrals > 0);
}

fn a_closure_that_always_panics_is_tried_again_until_it_does_not(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 0);
    let works = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&works);
    let panics_first = move || {
        assert!(seen.load(Ordering::SeqCst), "the closure panics, as it is to");
        7
    };
    listener.accept_window(AcceptWindow::new(2), panics_first).expect("it is the first");
    assert_eq!(listener.posted(), 0);
    port.post(1).expect("it is open");
    assert_eq!(crate::crew::poll_number(&port), 1, "the port takes no harm");
    let before = port.counters().accept_deferrals;
    until(
        || {
            let _ = port.take_timeout(Duration::from_millis(1));
            port.counters().accept_deferrals > before
        },
        || "it is not tried again".to_owned(),
    );
    works.store(true, Ordering::SeqCst);
    assert_eq!(serve_one(world, &port, address), 7);
}

/// The place is free when the connection goes, and its destructor is no place for a panic.
fn a_closure_that_panics_where_a_connection_goes_does_not_panic_there(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 0);
    let calls = AtomicU64::new(0);
    let second_panics = move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        assert!(call != 1, "the closure panics, as it is to");
        call
    };
    let window = AcceptWindow::new(1).connections(1);
    listener.accept_window(window, second_panics).expect("it is the first");
    let _first = world.connect(address);
    let connection = accepted(&port).result.expect("a client has come");
    assert_eq!(listener.posted(), 0, "one is open, and no more may be");
    drop(connection);
    assert_eq!(listener.posted(), 0, "the closure has panicked");
    assert_eq!(serve_one(world, &port, address), 2);
}

fn a_closure_may_call_its_listener_and_its_port(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 0);
    let (of_closure, port_of_closure) = (listener.clone(), port.clone());
    let calls = AtomicU64::new(0);
    let make = move || {
        let _ = (of_closure.posted(), of_closure.local_addr(), of_closure.key());
        assert!(of_closure.accept(0).is_err(), "a window is kept");
        assert!(of_closure.accept_window(AcceptWindow::new(1), || 0).is_err());
        let _ = (port_of_closure.snapshot(), port_of_closure.counters());
        calls.fetch_add(1, Ordering::SeqCst)
    };
    listener.accept_window(AcceptWindow::new(2), make).expect("it is the first");
    for number in 0..3 {
        assert_eq!(serve_one(world, &port, address), number);
    }
    port.close();
}

on_every_driver! {
    a_closure_may_call_its_listener_and_its_port,
    a_closure_that_always_panics_is_tried_again_until_it_does_not,
    a_closure_that_panics_costs_the_window_no_place_and_no_client,
    a_closure_that_panics_where_a_connection_goes_does_not_panic_there,
    destructors_in_windows_that_call_the_library_hang_nowhere,
    destructors_in_windows_that_panic_take_nothing_along,
}
