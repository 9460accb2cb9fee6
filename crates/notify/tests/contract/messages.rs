//! What message windows promise beyond what `network_events` shows of both forms.

use crate::plain_sockets::{QUIET, client, drain, echo_of_itself, listener, pair};
use crate::world::{PATIENCE, may_have_descriptors, on_wine};
use overlapped_notify::{
    EventObject, Message, MessageWindow, NetworkEvents, Socket, SocketId, wait_any,
};
use std::io::{ErrorKind, Write};
use std::time::Duration;

const READ: NetworkEvents = NetworkEvents::READ;
const WRITE: NetworkEvents = NetworkEvents::WRITE;
const ACCEPT: NetworkEvents = NetworkEvents::ACCEPT;

fn window() -> MessageWindow {
    MessageWindow::new().expect("a window can be made")
}

fn next(window: &MessageWindow) -> Message {
    window.next(Some(PATIENCE)).expect("one can wait").expect("a message is owed")
}

#[track_caller]
fn expect_network(window: &MessageWindow, number: u32, of: SocketId, what: NetworkEvents) {
    match next(window) {
        Message::Network { message, socket, event, error: None }
            if (message, socket, event) == (number, of, what) => {}
        other => panic!("{what:?} of {of:?} is owed under {number}, not {other:?}"),
    }
}

#[track_caller]
fn expect_nothing(window: &MessageWindow) {
    let came = window.next(Some(QUIET)).expect("one can wait");
    assert!(came.is_none(), "nothing is owed, and there came {came:?}");
}

#[test]
fn m51_a_later_selecting_replaces_number_mask_and_window() {
    let (first, second) = (window(), window());
    let (socket, mut peer) = pair();
    socket.select_messages(&first, 1, READ | WRITE).expect("it can be selected");
    expect_network(&first, 1, socket.id(), WRITE);
    socket.select_messages(&first, 2, READ).expect("it can be selected");
    peer.write_all(b"x").expect("it is connected");
    expect_network(&first, 2, socket.id(), READ);
    socket.select_messages(&second, 3, READ).expect("it can be selected");
    expect_network(&second, 3, socket.id(), READ);
    // An event object replaces the window, and the other way round.
    let event = EventObject::manual_reset().expect("an event can be made");
    socket.select_events(&event, READ).expect("it can be selected");
    drain(&socket);
    peer.write_all(b"y").expect("it is connected");
    wait_any(&[&event], None, false).expect("one can wait");
    expect_nothing(&first);
    expect_nothing(&second);
    socket.select_messages(&first, 4, READ).expect("it can be selected");
    expect_network(&first, 4, socket.id(), READ);
    socket.enumerate_network_events(Some(&event)).expect("there is a record");
    drain(&socket);
    peer.write_all(b"z").expect("it is connected");
    expect_network(&first, 4, socket.id(), READ);
    assert!(!event.is_set());
}

#[test]
fn m52_l13_a_dropped_socket_sends_no_message_and_its_name_is_not_used_again() {
    let window = window();
    let mut ids = Vec::new();
    for _ in 0..50 {
        let (socket, mut peer) = pair();
        socket.select_messages(&window, 1, READ | WRITE).expect("it can be selected");
        peer.write_all(b"x").expect("it is connected");
        assert!(!ids.contains(&socket.id()));
        ids.push(socket.id());
        drop(socket);
    }
    expect_nothing(&window);
}

#[test]
fn m52_after_selecting_nothing_nothing_more_is_queued() {
    let window = window();
    let (socket, mut peer) = pair();
    socket.select_messages(&window, 1, READ | WRITE).expect("it can be selected");
    expect_network(&window, 1, socket.id(), WRITE);
    socket.select_nothing().expect("it can be selected");
    peer.write_all(b"x").expect("it is connected");
    expect_nothing(&window);
}

#[test]
fn m53_one_message_carries_one_event_of_one_socket() {
    let window = window();
    let (first, mut first_peer) = pair();
    let (second, _second_peer) = pair();
    first.select_messages(&window, 7, READ).expect("it can be selected");
    second.select_messages(&window, u32::MAX, WRITE).expect("it can be selected");
    expect_network(&window, u32::MAX, second.id(), WRITE);
    first_peer.write_all(b"x").expect("it is connected");
    expect_network(&window, 7, first.id(), READ);
    expect_nothing(&window);
}

#[test]
fn m66_of_one_moment_the_order_is_read_write_close() {
    let test = "m66_of_one_moment_the_order_is_read_write_close";
    let tells_close = !on_wine(test, "a close is told after the data was received");
    let all = if tells_close { READ | WRITE | NetworkEvents::CLOSE } else { READ | WRITE };
    let (socket, mut peer) = pair();
    peer.write_all(b"x").expect("it is connected");
    drop(peer);
    // So that all is there when it is selected.
    let last = if tells_close { NetworkEvents::CLOSE } else { READ };
    let probe = window();
    socket.select_messages(&probe, 0, last).expect("it can be selected");
    expect_network(&probe, 0, socket.id(), last);
    let window = window();
    socket.select_messages(&window, 1, all).expect("it can be selected");
    all.iter().for_each(|event| expect_network(&window, 1, socket.id(), event));
}

#[test]
fn m68_posts_of_other_threads_come_in_their_order_and_wake_the_window() {
    const POSTS: u64 = 1000;
    let window = window();
    let posters = [window.poster(), window.poster().clone()];
    std::thread::scope(|threads| {
        for (number, poster) in posters.iter().enumerate() {
            threads.spawn(move || {
                for parameter in 0..POSTS {
                    poster.post(number as u32, parameter << 33).expect("the window is there");
                }
            });
        }
        let mut expected = [0; 2];
        for _ in 0..2 * POSTS {
            match next(&window) {
                Message::Posted { message, parameter } => {
                    assert_eq!(parameter, expected[message as usize] << 33);
                    expected[message as usize] += 1;
                }
                other => panic!("only posts are owed, not {other:?}"),
            }
        }
    });
    expect_nothing(&window);
}

#[test]
fn m68_a_post_to_a_window_that_is_gone_is_an_error() {
    let window = window();
    let poster = window.poster();
    poster.post(1, 1).expect("the window is there");
    let (socket, mut peer) = pair();
    socket.select_messages(&window, 1, READ).expect("it can be selected");
    drop(window);
    assert_eq!(poster.post(1, 1).expect_err("it is gone").kind(), ErrorKind::BrokenPipe);
    // The socket goes on.
    peer.write_all(b"x").expect("it is connected");
    socket.select_nothing().expect("it can be selected");
    while drain(&socket).0.is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn m69_between_sockets_the_order_is_that_of_the_first_notice() {
    let window = window();
    let (first, second) = (echo_of_itself(), echo_of_itself());
    for socket in [&first, &second] {
        socket.select_messages(&window, 1, READ).expect("it can be selected");
    }
    second.send(b"1").expect("there is room");
    expect_network(&window, 1, second.id(), READ);
    // Its second datagram is queued by the receive, and so before that of the other.
    second.send(b"2").expect("there is room");
    assert_eq!(second.receive(&mut [0; 8]).expect("it is there"), 1);
    first.send(b"3").expect("there is room");
    expect_network(&window, 1, second.id(), READ);
    expect_network(&window, 1, first.id(), READ);
}

#[test]
fn m70_none_of_many_messages_is_lost() {
    // Windows has room for 10,000.
    const MESSAGES: u64 = if cfg!(windows) { 5_000 } else { 30_000 };
    let window = window();
    let poster = window.poster();
    for parameter in 0..MESSAGES {
        poster.post(1, parameter).expect("the window is there");
    }
    for expected in 0..MESSAGES {
        let came = next(&window);
        assert!(matches!(came, Message::Posted { parameter, .. } if parameter == expected));
    }
}

#[test]
fn posts_that_follow_each_other_for_ever_do_not_starve_a_socket() {
    let window = window();
    let poster = window.poster();
    let (socket, mut peer) = pair();
    socket.select_messages(&window, 1, READ).expect("it can be selected");
    peer.write_all(b"x").expect("it is connected");
    poster.post(0, 0).expect("the window is there");
    for posts in 0.. {
        assert!(posts < 1_000_000, "the socket was never told of");
        match next(&window) {
            Message::Posted { .. } => poster.post(0, 0).expect("the window is there"),
            Message::Network { socket: of, event: READ, .. } if of == socket.id() => break,
            other => panic!("{other:?} was not owed"),
        }
    }
}

#[test]
fn a_window_waits_as_long_as_it_was_told_to() {
    let window = window();
    for time in [Duration::ZERO, QUIET] {
        let start = std::time::Instant::now();
        assert!(window.next(Some(time)).expect("one can wait").is_none());
        assert!((time / 2..PATIENCE).contains(&start.elapsed()));
    }
}

#[test]
fn f52_e62_one_window_serves_more_than_a_thousand_sockets() {
    const COUNT: usize = 1025;
    let name = "f52_e62_one_window_serves_more_than_a_thousand_sockets";
    if !may_have_descriptors(name, 2 * COUNT as u64) {
        return;
    }
    let window = window();
    let (listener, address) = listener();
    listener.select_messages(&window, 1, ACCEPT | READ).expect("it can be selected");
    let mut served: Vec<Socket> = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..COUNT {
        let mut peer = client(address);
        peer.write_all(b"x").expect("it is connected");
        peers.push(peer);
        let mut is_told = false;
        while !is_told {
            match next(&window) {
                Message::Network { event: ACCEPT, socket, .. } if socket == listener.id() => {
                    match listener.accept() {
                        Ok((accepted, _)) => served.push(accepted),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
                Message::Network { event: READ, socket, .. } => {
                    let last = served.last().expect("one was accepted");
                    assert_eq!(socket, last.id());
                    assert_eq!(drain(last).0, b"x");
                    is_told = true;
                }
                other => panic!("{other:?} was not owed"),
            }
        }
    }
    assert_eq!(served.len(), COUNT);
}
