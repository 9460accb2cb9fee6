//! The window of posted accepts: it refills itself, never decays, and silent clients do not starve
//! others (X14, X15, X27, X29-X31, F29).

use crate::crew::until;
use crate::errno;
use crate::on_every_driver_and_family;
use crate::packets::{accepted, assert_nothing_comes, code, next, outcome};
use crate::world::{Numbers, Peer, World};
use overlapped::simulated::{Call, Network};
use overlapped::{AcceptWindow, Packet, Port, TcpListener};
use std::time::Duration;

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

fn is_over(peer: &Peer) -> bool {
    match peer.receive(&mut [0]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn x14_with_first_data_an_accept_completes_only_with_it(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(2).first_data(NEVER_IN_THIS_TEST);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let silent = world.connect(address);
    assert_nothing_comes(&port);
    let talking = world.connect(address);
    talking.send(b"hello");
    let packet = accepted(&port);
    assert_eq!((*packet.listener.key(), packet.operation), (3, 1));
    let connection = packet.result.expect("data came");
    assert_eq!(&connection.first_data.expect("it was waited for")[..], b"hello");
    assert_nothing_comes(&port);

    silent.send(b"late");
    let connection = accepted(&port).result.expect("data came");
    assert_eq!(&connection.first_data.expect("it was waited for")[..], b"late");
    let stream = port.associate(connection.socket, 4).expect("a socket is associated");
    stream.send(b"answer", 2).expect("a send can be started");
    assert_eq!(silent.receive_exact(6), b"answer", "it is the same connection");
}

fn x15_a_client_that_ends_without_data_completes_the_accept_with_none(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(2).first_data(NEVER_IN_THIS_TEST);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    world.connect(address).shut_down_sending();
    let connection = accepted(&port).result.expect("it is no error");
    assert!(connection.first_data.expect("it was waited for").is_empty());
}

fn x27_silent_clients_are_thrown_out_and_do_not_starve_another_one(world: &World) {
    // Where the kernel accepts, the time of the one who speaks begins before it has spoken.
    let limit = Duration::from_millis(if world.is_kernel() { 3_000 } else { 300 });
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(10).first_data(limit);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let start = std::time::Instant::now();
    let silent: Vec<_> = (0..10).map(|_| world.connect(address)).collect();
    let eleventh = world.connect(address);
    eleventh.send(b"served?");

    let mut served = None;
    for _ in 0..11 {
        match accepted(&port).result {
            Ok(connection) => served = Some(connection),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(errno::CANCELED));
                assert!(start.elapsed() >= limit, "they had their time");
            }
        }
    }
    let connection = served.expect("the eleventh is served");
    assert_eq!(&connection.first_data.expect("it was waited for")[..], b"served?");
    assert!(silent.iter().all(is_over), "the silent ones see the end");
    assert_eq!(listener.posted(), 10, "and all ten accepts are posted again");
}

/// Waits until so many connections are silent; meanwhile nothing comes.
fn until_silent(port: &Port<Numbers>, listener: &TcpListener<Numbers>, count: usize) {
    let is_so = || {
        assert_nothing_comes(port);
        listener.silent() == count
    };
    until(is_so, || format!("{} are silent, not {count}", listener.silent()));
}

fn x27_silent_clients_do_not_use_up_the_posted_accepts(world: &World) {
    const SILENT: usize = 300;
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(10).first_data(NEVER_IN_THIS_TEST);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let silent: Vec<_> = (0..SILENT).map(|_| world.connect(address)).collect();
    let good = world.connect(address);
    good.send(b"served?");
    let connection = accepted(&port).result.expect("it has sent something");
    assert_eq!(&connection.first_data.expect("it was waited for")[..], b"served?");
    until_silent(&port, &listener, SILENT);
    assert_eq!(listener.posted(), 10);
    for peer in &silent {
        peer.send(b"at last");
        assert!(accepted(&port).result.is_ok(), "they had no limit to fear");
    }
    assert_eq!((listener.posted(), listener.silent()), (10, 0));
}

fn x27_beyond_their_limit_the_one_that_was_silent_longest_makes_room(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(2).first_data(NEVER_IN_THIS_TEST).silent_connections(3);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let mut silent = Vec::new();
    for count in 1..=3 {
        silent.push(world.connect(address));
        until_silent(&port, &listener, count);
    }
    let newcomer = world.connect(address);
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    assert!(is_over(&silent.remove(0)), "it was the first");
    until_silent(&port, &listener, 3);
    for peer in silent.iter().chain([&newcomer]) {
        peer.send(b"x");
        assert!(accepted(&port).result.is_ok(), "the others are still there");
    }
    assert_eq!((listener.posted(), listener.silent()), (2, 0));
}

/// Where the kernel holds the silent ones, on Windows, they take no place and need not make room. They
/// may have to all the same: a newcomer is among the silent ones until its packet is taken.
fn x27_silent_clients_do_not_use_up_the_connections(world: &World) {
    const LIMIT: usize = 3;
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(10).first_data(NEVER_IN_THIS_TEST).connections(LIMIT);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let _silent: Vec<_> = (0..LIMIT).map(|_| world.connect(address)).collect();
    until_silent(&port, &listener, LIMIT);
    let served = || loop {
        match accepted(&port).result {
            Ok(connection) => break connection,
            Err(error) => assert_eq!(error.raw_os_error(), Some(errno::CANCELED)),
        }
    };
    let mut open = Vec::new();
    let mut clients = Vec::new();
    while open.len() < LIMIT {
        clients.push(world.connect(address));
        clients[open.len()].send(b"x");
        open.push(served());
    }
    let waits = world.connect(address);
    waits.send(b"waits");
    for _ in 0..2 {
        match port.try_take() {
            Ok(None) => {}
            Ok(Some(Packet::Accepted { result: Err(error), .. })) => {
                assert_eq!(error.raw_os_error(), Some(errno::CANCELED));
            }
            other => panic!("there is no place for it, but {other:?} came"),
        }
    }
    open.pop();
    assert_eq!(&served().first_data.expect("it was waited for")[..], b"waits");
}

/// An accept is posted beyond the limit while a silent one could make room. If that one sends
/// something before a newcomer is there, it keeps its place.
fn x27_a_newcomer_that_finds_no_silent_one_waits_for_a_place(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(10).first_data(NEVER_IN_THIS_TEST).connections(1);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let first = world.connect(address);
    until_silent(&port, &listener, 1);
    assert_eq!(listener.posted(), 1, "for a newcomer");
    first.send(b"first");
    let connection = accepted(&port).result.expect("it has sent something");
    let newcomer = world.connect(address);
    newcomer.send(b"second");
    for _ in 0..2 {
        let polled = port.try_take();
        assert!(matches!(polled, Ok(None)), "there is no place for it, but {polled:?} came");
    }
    drop(connection);
    let connection = accepted(&port).result.expect("there is a place for it now");
    assert_eq!(&connection.first_data.expect("it was waited for")[..], b"second");

    let _third = world.connect(address);
    assert!(matches!(port.try_take(), Ok(None)));
    listener.close();
    let aborted = (1, Some(errno::CANCELED));
    while let Ok(Some(packet)) = port.try_take() {
        assert_eq!(outcome(packet), aborted);
    }
    assert_eq!(port.snapshot().devices, 0);
}

fn x29_closing_the_listener_aborts_waiting_accepts_and_those_held_for_data(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(5).first_data(NEVER_IN_THIS_TEST);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let silent = [world.connect(address), world.connect(address)];
    until_silent(&port, &listener, 2);
    assert_eq!(listener.posted(), 5);
    listener.close();
    for _ in 0..7 {
        assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    }
    assert_nothing_comes(&port);
    assert!(silent.iter().all(is_over));
    assert_eq!(port.snapshot().devices, 0);
}

fn x30_a_reset_while_first_data_is_awaited_is_an_error_of_that_accept_only(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    // With a limit on connections, the place of the failed one must come free again. A kernel may hear of a
    // reset when others have come already: so many may be silent that none has to make room.
    let window = AcceptWindow::new(1).first_data(NEVER_IN_THIS_TEST).connections(1);
    let window = window.silent_connections(21);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    for _ in 0..20 {
        world.connect(address).reset();
    }
    let good = world.connect(address);
    good.send(b"good");
    for _ in 0..21 {
        match accepted(&port).result {
            Ok(connection) => {
                assert_eq!(&connection.first_data.expect("it was waited for")[..], b"good");
                return;
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(errno::RESET)),
        }
    }
    panic!("the good client was not served");
}

fn x31_the_window_is_refilled_before_the_handler_has_finished(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept_window(AcceptWindow::new(1), || 1).expect("no accept is posted yet");
    let _clients = (world.connect(address), world.connect(address), world.connect(address));
    let handled: Vec<_> = (0..3).map(|_| accepted(&port)).collect();
    assert!(handled.iter().all(|packet| packet.result.is_ok()));
    assert_eq!(listener.posted(), 1);
}

fn a_limit_on_connections_admits_one_more_only_when_one_is_closed(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    let window = AcceptWindow::new(10).connections(2);
    listener.accept_window(window, || 1).expect("no accept is posted yet");
    let _clients: Vec<_> = (0..4).map(|_| world.connect(address)).collect();
    let mut open: Vec<_> = (0..2)
        .map(|_| {
            let connection = accepted(&port).result.expect("a client waits");
            port.associate(connection.socket, 4).expect("a socket is associated")
        })
        .collect();
    assert_nothing_comes(&port);
    assert_eq!(listener.posted(), 0);
    open.pop();
    let third = accepted(&port).result.expect("there is room for one again");
    assert_nothing_comes(&port);
    drop(third);
    assert!(accepted(&port).result.is_ok(), "also when it was never associated");
}

/// With the limit reached no accept is posted, and no handle of the user's is left.
fn a_window_holds_its_listener_also_while_no_accept_is_posted(world: &World) {
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept_window(AcceptWindow::new(1).connections(1), || 1).expect("none is posted yet");
    let _first = world.connect(address);
    let packet = accepted(&port);
    let connection = packet.result.expect("a client was there").socket;
    assert_eq!(listener.posted(), 0, "the limit is reached");
    drop((packet.listener, listener));
    let _second = world.connect(address);
    assert_nothing_comes(&port);
    drop(connection);
    let packet = accepted(&port);
    assert!(packet.result.is_ok(), "the place was given back");
    packet.listener.close();
    assert!(world.is_refused(address));
}

fn a_window_and_single_accepts_exclude_each_other(world: &World) {
    let port = world.exact_port(1);
    let (listener, _) = world.listen(&port, 3);
    listener.accept(1).expect("an accept can be posted");
    assert!(listener.accept_window(AcceptWindow::new(2), || 2).is_err());
    listener.cancel_all();
    assert_eq!(outcome(next(&port)), (1, Some(errno::CANCELED)));
    listener.accept_window(AcceptWindow::new(2), || 2).expect("no accept is posted any more");
    assert_eq!(listener.accept(3).expect_err("a window is kept").returned, 3);
    assert!(listener.accept_window(AcceptWindow::new(2), || 2).is_err());
    assert_eq!(listener.posted(), 2);
}

fn p123_a_closed_port_or_listener_takes_no_window(world: &World) {
    let port = world.exact_port(1);
    let (closed, _) = world.listen(&port, 3);
    closed.close();
    assert!(closed.accept_window(AcceptWindow::new(1), || 1).is_err());
    let (listener, _) = world.listen(&port, 3);
    port.close();
    assert!(listener.accept_window(AcceptWindow::new(1), || 1).is_err());
    assert_eq!(listener.posted(), 0);
}

/// Serves one client after each failure of the window's, and says how many packets failed.
fn serve(port: &Port<Numbers>, world: &World, address: std::net::SocketAddr, clients: u32) -> u32 {
    let mut failed = 0;
    let peers: Vec<_> = (0..clients).map(|_| world.connect(address)).collect();
    for peer in &peers {
        peer.send(b"x");
    }
    let mut served = 0;
    while served < clients {
        match next(port) {
            Packet::Accepted { result: Ok(_), .. } => served += 1,
            Packet::Accepted { .. } => failed += 1,
            other => panic!("only accepts were posted, not {other:?}"),
        }
    }
    failed
}

#[test]
fn f29_the_window_never_decays_whatever_fails() {
    const TARGET: usize = 4;
    let of_accept =
        errno::SHORTAGES.into_iter().chain(errno::FAILED_EARLY).chain([errno::PERMISSION]);
    let failures = of_accept.map(|error| (Call::Accept, error)).chain([
        (Call::Register, errno::NO_BUFFERS),
        (Call::Register, errno::PERMISSION),
        (Call::Receive, errno::RESET),
        (Call::Receive, errno::NO_BUFFERS),
    ]);
    for (call, error) in failures {
        for with_first_data in [false, true] {
            let network = Network::new(0);
            let world = World::Simulated(network.clone());
            let port = world.exact_port(1);
            let (listener, address) = world.listen(&port, 3);
            let mut window = AcceptWindow::new(TARGET);
            if with_first_data {
                window = window.first_data(NEVER_IN_THIS_TEST);
            }
            listener.accept_window(window, || 1).expect("no accept is posted yet");
            network.faults().fail_next(call, TARGET as u64, error);
            if call != Call::Accept {
                // Each failure costs its client; the accepts must be there for the next ones.
                let lost: Vec<_> = (0..TARGET).map(|_| world.connect(address)).collect();
                if with_first_data {
                    lost.iter().for_each(|peer| peer.send(b"x"));
                    for _ in 0..TARGET {
                        let result = accepted(&port).result;
                        assert_eq!(code(&result), Some(error), "{call:?} {error}");
                    }
                    assert!(lost.iter().all(is_over), "{call:?} {error}: nobody keeps them open");
                } else {
                    for _ in 0..TARGET {
                        assert!(accepted(&port).result.is_ok(), "nothing fails without data");
                    }
                    network.faults().clear();
                }
            }
            serve(&port, &world, address, TARGET as u32 + 1);
            assert_eq!(network.faults().pending(), 0, "{call:?} {error}: all of them came");
            assert_eq!(listener.posted(), TARGET, "{call:?} {error} {with_first_data}");
            listener.close();
            drop((listener, port));
        }
    }
}

/// A client that comes during the shortage must not add an attempt for ever after.
#[test]
fn f29_clients_that_come_during_a_shortage_do_not_multiply_the_attempts() {
    const CLIENTS: u64 = 200;
    let network = Network::new(0);
    let world = World::Simulated(network.clone());
    let port = world.exact_port(1);
    let (listener, address) = world.listen(&port, 3);
    listener.accept_window(AcceptWindow::new(4), || 1).expect("no accept is posted yet");
    let shortage = errno::SHORTAGES[0];
    network.faults().fail_next(Call::Accept, u64::MAX, shortage);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(world.connect(address));
        assert_nothing_comes(&port);
    }
    // Three rounds of attempts after the last client.
    let start = port.counters().accept_deferrals;
    let began = std::time::Instant::now();
    let timer = port.timer(Duration::from_millis(150), 7).expect("a timer can be started");
    assert_eq!(outcome(next(&port)), (7, None), "{timer:?}");
    let rounds = began.elapsed().as_millis() as u64 / 50 + 1;
    let attempts = port.counters().accept_deferrals - start;
    assert!(attempts <= 4 * rounds, "{attempts} attempts in {rounds} rounds");
    network.faults().clear();
    for _ in 0..CLIENTS {
        assert!(accepted(&port).result.is_ok());
    }
}

on_every_driver_and_family! {
    a_limit_on_connections_admits_one_more_only_when_one_is_closed,
    a_window_and_single_accepts_exclude_each_other,
    a_window_holds_its_listener_also_while_no_accept_is_posted,
    p123_a_closed_port_or_listener_takes_no_window,
    x14_with_first_data_an_accept_completes_only_with_it,
    x15_a_client_that_ends_without_data_completes_the_accept_with_none,
    x27_a_newcomer_that_finds_no_silent_one_waits_for_a_place,
    x27_beyond_their_limit_the_one_that_was_silent_longest_makes_room,
    x27_silent_clients_are_thrown_out_and_do_not_starve_another_one,
    x27_silent_clients_do_not_use_up_the_connections,
    x27_silent_clients_do_not_use_up_the_posted_accepts,
    x29_closing_the_listener_aborts_waiting_accepts_and_those_held_for_data,
    x30_a_reset_while_first_data_is_awaited_is_an_error_of_that_accept_only,
    x31_the_window_is_refilled_before_the_handler_has_finished,
}
