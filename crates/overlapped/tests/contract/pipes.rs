//! Named pipes of Windows: what is not as with TCP, and that the rest is.
#![cfg(windows)]

use crate::disconnecting::disconnected;
use crate::errno;
use crate::packets::{assert_nothing_comes, code, connected, next, received, sent};
use crate::world::{Numbers, World, wine_differs};
use overlapped::{
    Buffer, Buffers, FileOptions, OpenFile, Packet, Port, Received, Started, TcpSocket, TcpStream,
    Transmission, is_aborted, is_reset, is_timed_out,
};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TAKEN: &str = "a_name_is_taken_by_its_first_server_and_a_bad_one_is_told_in_one_line";

/// A name of this test alone.
fn name(test: &str) -> String {
    format!("overlapped-{}-{test}", std::process::id())
}

/// The first instance of a new pipe, which waits for nobody yet.
fn instance(port: &Port<Numbers>, name: &str, most: u8) -> TcpStream<Numbers> {
    let socket = TcpSocket::named_pipe(name, most).expect("the name is free");
    port.associate(socket, 7).expect("an instance is associated")
}

fn another(port: &Port<Numbers>, first: &TcpStream<Numbers>) -> TcpStream<Numbers> {
    let socket = first.another_named_pipe().expect("there may be more");
    port.associate(socket, 7).expect("an instance is associated")
}

/// A client of this port.
fn open(port: &Port<Numbers>, name: &str) -> TcpStream<Numbers> {
    let socket = TcpSocket::open_named_pipe(name).expect("an instance waits");
    port.associate(socket, 5).expect("a client's end is associated")
}

/// A client of the standard library, whose calls wait.
fn open_file(name: &str) -> File {
    let path = format!(r"\\.\pipe\{name}");
    OpenOptions::new().read(true).write(true).open(path).expect("an instance waits")
}

/// Both ends of the only instance of a new pipe, the server's first.
fn pair(port: &Port<Numbers>, test: &str) -> (TcpStream<Numbers>, TcpStream<Numbers>) {
    let name = name(test);
    let server = instance(port, &name, 2);
    let client = open(port, &name);
    server.connect_named_pipe((), 0).expect("nobody waits yet");
    assert!(connected(port).result.is_ok(), "the client has come before");
    (server, client)
}

#[track_caller]
fn send(port: &Port<Numbers>, stream: &TcpStream<Numbers>, bytes: &[u8]) {
    stream.send(bytes.to_vec(), 1).expect("it is connected");
    let packet = sent(port);
    packet.result.expect("it fits");
    assert_eq!(packet.transferred, bytes.len());
}

#[track_caller]
fn expect(port: &Port<Numbers>, stream: &TcpStream<Numbers>, bytes: &[u8]) {
    let mut got = Vec::new();
    while got.len() < bytes.len() {
        stream.receive(Buffer::with_capacity(bytes.len() - got.len()), 2).expect("it is connected");
        let packet = received(port);
        assert!(matches!(packet.result, Ok(Received::Data(_))), "{:?}", packet.result);
        got.extend_from_slice(&packet.buffer);
    }
    assert_eq!(got, bytes);
}

#[track_caller]
fn expect_end(port: &Port<Numbers>, stream: &TcpStream<Numbers>) {
    stream.receive_pooled(3).expect("it is connected");
    assert_eq!(received(port).result.expect("the end is no error"), Received::End);
}

/// The packet of what was started, which is not queued if it was complete at once.
fn complete(port: &Port<Numbers>, started: Started<Packet<Numbers>>) -> Packet<Numbers> {
    started.complete().unwrap_or_else(|| next(port))
}

fn refusal(name: &str) -> io::Error {
    TcpSocket::open_named_pipe(name).expect_err("nobody waits there")
}

#[test]
fn a_client_is_waited_for_and_both_ends_are_streams_as_of_tcp() {
    let port = World::System.exact_port(1);
    let name = name("both");
    let server = instance(&port, &name, 1);
    assert_eq!(code(&server.peer_addr()), Some(errno::NOT_CONNECTED));
    server.connect_named_pipe(b"greeting", 1).expect("nobody waits yet");
    assert_nothing_comes(&port);
    let again = server.connect_named_pipe(vec![1], 2).expect_err("one waits already");
    assert_eq!((again.returned.0.byte_len(), again.returned.1), (1, 2), "all is given back");
    let client = open(&port, &format!(r"\\.\pipe\{name}"));
    let packet = connected(&port);
    packet.result.expect("a client has come");
    assert_eq!((packet.operation, packet.transferred, packet.stream.key()), (1, 8, &7));
    expect(&port, &client, b"greeting");

    let none = "0.0.0.0:0".parse().expect("an address");
    for end in [&server, &client] {
        assert_eq!(end.peer_addr().expect("it is connected"), none);
        assert_eq!(end.local_addr().expect("it has none of the internet"), none);
        assert_eq!(end.named_pipe_peer_process().expect("it is connected"), std::process::id());
        assert!(end.connected_for().is_some());
    }

    server.receive_pooled(2).expect("it is connected");
    client.send(b"question", 3).expect("it is connected");
    let mut question = None;
    for _ in 0..2 {
        match next(&port) {
            Packet::Sent { operation, transferred, .. } => {
                assert_eq!((operation, transferred), (3, 8))
            }
            Packet::Received { buffer, operation, .. } => {
                assert_eq!((operation, &buffer[..]), (2, &b"question"[..]));
                question = Some(buffer);
            }
            other => panic!("nothing of the kind was started: {other:?}"),
        }
    }
    server.send(question.expect("it was received"), 4).expect("it is connected");
    assert_eq!(sent(&port).transferred, 8);
    expect(&port, &client, b"question");

    // Bytes have no bounds: what does not fit stays.
    send(&port, &server, b"123456789");
    expect(&port, &client, b"1234");
    expect(&port, &client, b"56789");
    client.close();
    expect_end(&port, &server);
    expect_end(&port, &server);
}

#[test]
fn many_instances_serve_as_many_clients_at_once_and_no_more() {
    const CLIENTS: u8 = 8;
    let port = World::System.exact_port(2);
    let name = name("many");
    assert_eq!(refusal(&name).kind(), ErrorKind::NotFound);
    let first = instance(&port, &name, CLIENTS);
    let mut servers = vec![first.clone()];
    servers.extend((1..CLIENTS).map(|_| another(&port, &first)));
    let error = first.another_named_pipe().expect_err("there are as many as there may be");
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("all 8 instances"), "{error}");
    for (number, server) in (0..).zip(&servers) {
        server.connect_named_pipe((), number).expect("nobody waits yet");
    }
    let clients: Vec<_> = (0..CLIENTS).map(|_| open(&port, &name)).collect();
    let error = refusal(&name);
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("every instance"), "{error}");
    let taken: BTreeSet<_> = servers.iter().map(|_| connected(&port).operation).collect();
    assert_eq!(taken.len(), servers.len(), "each has its own");

    for (number, client) in (0_u8..).zip(&clients) {
        client.send(vec![number; 3], 100).expect("it is connected");
        sent(&port).result.expect("it fits");
    }
    let mut told = BTreeSet::new();
    for server in &servers {
        server.receive_pooled(200).expect("it is connected");
        let packet = received(&port);
        assert!(packet.buffer.iter().all(|byte| *byte == packet.buffer[0]));
        told.insert(packet.buffer[0]);
        packet.stream.send(packet.buffer, 300).expect("it is connected");
        sent(&port).result.expect("it fits");
    }
    assert_eq!(told.len(), servers.len());
    for (number, client) in (0_u8..).zip(&clients) {
        expect(&port, client, &[number; 3]);
    }
}

#[test]
fn a_client_that_leaves_is_the_end_after_what_it_sent_and_a_reset_to_a_send() {
    let port = World::System.exact_port(1);
    let (server, client) = pair(&port, "leaves");
    server.receive_pooled(1).expect("it is connected");
    assert_nothing_comes(&port);
    drop(client);
    let packet = received(&port);
    assert_eq!((packet.operation, packet.result.expect("no error")), (1, Received::End));
    let lost = match server.send(b"late", 2) {
        Err(refused) => {
            assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 2));
            refused.error
        }
        Ok(_) => sent(&port).result.expect_err("nobody receives it"),
    };
    assert!(is_reset(&lost), "{lost}");
    let refused = server.receive_pooled(3).expect_err("the connection is lost from then on");
    assert!(is_reset(&refused.error));
    assert_nothing_comes(&port);
    // Unlike one of TCP the instance is whole.
    server.disconnect(4).expect("it may have another client");
    disconnected(&port).2.expect("the client has gone");
    server.connect_named_pipe((), 5).expect("it is connected to nobody");
    let client = open(&port, &name("leaves"));
    connected(&port).result.expect("a client has come");
    send(&port, &server, b"welcome");
    expect(&port, &client, b"welcome");

    let (server, client) = pair(&port, "sent-and-left");
    send(&port, &client, b"last words");
    client.close();
    expect(&port, &server, b"last words");
    expect_end(&port, &server);
}

#[test]
fn a_client_that_came_and_left_before_it_was_waited_for_is_not_lost() {
    let port = World::System.exact_port(1);
    let name = name("gone");
    let server = instance(&port, &name, 1);
    let client = open(&port, &name);
    send(&port, &client, b"bye");
    client.close();
    server.connect_named_pipe((), 1).expect("nobody waits yet");
    connected(&port).result.expect("there was a client");
    expect(&port, &server, b"bye");
    expect_end(&port, &server);
}

#[test]
fn a_write_of_nothing_is_no_end() {
    let port = World::System.exact_port(1);
    let name = name("nothing");
    let server = instance(&port, &name, 1);
    server.connect_named_pipe((), 1).expect("nobody waits yet");
    let mut client = open_file(&name);
    connected(&port).result.expect("a client has come");
    server.receive_pooled(2).expect("it is connected");
    assert_eq!(client.write(b"").expect("the system takes it"), 0);
    client.write_all(b"something").expect("the server is there");
    let packet = received(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (2, &b"something"[..]));

    // Nor does ours reach a peer, to which it would look like the end.
    server.send((), 3).expect("it is connected");
    let packet = sent(&port);
    assert_eq!((packet.operation, packet.transferred), (3, 0));
    send(&port, &server, b"more");
    let mut answer = [0; 4];
    client.read_exact(&mut answer).expect("the server has answered");
    assert_eq!(&answer, b"more");
}

#[test]
fn a_file_of_the_standard_library_is_a_client_and_gets_all_before_a_close() {
    let port = World::System.exact_port(1);
    let name = name("file");
    let server = instance(&port, &name, 1);
    server.connect_named_pipe((), 1).expect("nobody waits yet");
    let mut client = open_file(&name);
    connected(&port).result.expect("a client has come");
    client.write_all(b"ping").expect("the server is there");
    expect(&port, &server, b"ping");
    send(&port, &server, b"pong");
    send(&port, &server, b" and the rest");
    server.close();
    let mut all = Vec::new();
    // How the end of a pipe is told is the standard library's: as an end, or as a broken pipe.
    let ended = client.read_to_end(&mut all);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe));
    assert_eq!(all, b"pong and the rest");
}

#[test]
fn a_close_gives_back_once_what_was_in_flight() {
    let port = World::System.exact_port(1);
    let (server, client) = pair(&port, "close");
    server.receive(Buffer::with_capacity(100), 1).expect("it is connected");
    server.receive(Buffer::with_capacity(200), 2).expect("it waits behind the first");
    // More than the pipe keeps waits until it is received.
    server.send(vec![9; 1 << 20], 3).expect("it is connected");
    let waits = instance(&port, &name("close-waits"), 1);
    waits.connect_named_pipe(vec![4; 4], 4).expect("nobody waits yet");
    assert_nothing_comes(&port);
    server.close();
    waits.close();
    let mut back = BTreeSet::new();
    for _ in 0..4 {
        match next(&port) {
            Packet::Received { buffer, operation, result, .. } => {
                assert!(is_aborted(&result.expect_err("it was closed")), "{operation}");
                assert_eq!(buffer.capacity(), 100 * operation as usize);
                back.insert(operation);
            }
            Packet::Sent { buffers, operation, result, .. } => {
                assert!(is_aborted(&result.expect_err("nobody received it")));
                assert_eq!(buffers.byte_len(), 1 << 20);
                back.insert(operation);
            }
            Packet::Connected { buffers, operation, result, .. } => {
                assert!(is_aborted(&result.expect_err("nobody came")));
                assert_eq!(buffers.byte_len(), 4);
                back.insert(operation);
            }
            other => panic!("nothing of the kind was started: {other:?}"),
        }
    }
    assert_eq!(back, BTreeSet::from([1, 2, 3, 4]));
    assert_nothing_comes(&port);
    assert_eq!(code(&server.named_pipe_peer_process()), Some(errno::BAD_DESCRIPTOR));
    drop(client);
}

#[test]
fn a_closed_port_discards_what_is_in_flight_to_its_hook() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let hook = {
        let seen = Arc::clone(&seen);
        move |packet: Packet<Numbers>| {
            let parts = packet.into_parts().expect("nobody has posted");
            assert!(parts.result.is_err_and(|error| is_aborted(&error)));
            assert!(seen.lock().expect("nobody panics").insert(parts.operation), "once each");
        }
    };
    let port = World::System.port(|builder| builder.concurrency(1).on_discard(hook));
    let (server, client) = pair(&port, "port");
    let waits = instance(&port, &name("port-waits"), 1);
    waits.connect_named_pipe((), 1).expect("nobody waits yet");
    server.receive_pooled(2).expect("it is connected");
    client.receive(Buffer::with_capacity(10), 3).expect("it is connected");
    port.close();
    let has_all = || seen.lock().expect("nobody panics").len() == 3;
    crate::crew::until(has_all, || "three were in flight".to_owned());
    let late = server.receive_pooled(4).expect_err("the port is closed");
    assert_eq!(late.returned, 4);
}

#[test]
fn an_instance_is_disconnected_and_waits_for_the_next_client() {
    let port = World::System.exact_port(1);
    let name = name("again");
    // The only instance: it is used again itself, since its client has gone.
    let server = instance(&port, &name, 1);
    for round in 0..3 {
        server.connect_named_pipe((), round).expect("it is connected to nobody");
        let client = open(&port, &name);
        connected(&port).result.expect("a client has come");
        send(&port, &client, &[round as u8; 5]);
        expect(&port, &server, &[round as u8; 5]);
        client.close();
        expect_end(&port, &server);
        server.disconnect(round).expect("it is connected");
        disconnected(&port).2.expect("the client has gone");
        assert_eq!(code(&server.peer_addr()), Some(errno::NOT_CONNECTED));
    }
}

#[test]
fn a_disconnect_leaves_to_the_client_what_was_sent_and_needs_another_instance_for_that() {
    let port = World::System.exact_port(1);
    let name = name("leave");
    let server = instance(&port, &name, 2);
    server.connect_named_pipe((), 1).expect("nobody waits yet");
    let mut slow = open_file(&name);
    connected(&port).result.expect("a client has come");
    send(&port, &server, b"to be read later");
    server.receive_pooled(2).expect("it is connected");
    server.disconnect(3).expect("it is connected");
    let mut ends = BTreeSet::new();
    for _ in 0..2 {
        match next(&port) {
            Packet::Received { operation, result, .. } => {
                assert!(is_aborted(&result.expect_err("it was disconnected")));
                ends.insert(operation);
            }
            Packet::Disconnected { operation, result, .. } => {
                result.expect("there may be another instance");
                ends.insert(operation);
            }
            other => panic!("nothing of the kind was started: {other:?}"),
        }
    }
    assert_eq!(ends, BTreeSet::from([2, 3]));

    // The next client does not wait for the slow one.
    server.connect_named_pipe((), 4).expect("it is connected to nobody");
    let next_one = open(&port, &name);
    connected(&port).result.expect("a client has come");
    let mut all = Vec::new();
    let ended = slow.read_to_end(&mut all);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe));
    assert_eq!(all, b"to be read later");
    drop(slow);

    let spare = another(&port, &server);
    let refused = server.disconnect(5).expect_err("both instances are in use");
    assert_eq!((refused.error.kind(), refused.returned), (ErrorKind::ResourceBusy, 5));
    send(&port, &server, b"here still");
    expect(&port, &next_one, b"here still");
    spare.close();
    server.disconnect(6).expect("there may be another instance");
    disconnected(&port).2.expect("there may be another instance");
    expect_end(&port, &next_one);
    let refused = next_one.disconnect(7).expect_err("a client has no instances");
    assert_eq!((refused.error.kind(), refused.returned), (ErrorKind::Unsupported, 7));
}

#[test]
fn an_abort_discards_what_was_sent_and_resets_the_client() {
    let port = World::System.exact_port(1);
    let (server, client) = pair(&port, "abort");
    send(&port, &server, b"never read");
    server.abort();
    let lost = match client.receive_pooled(1) {
        Err(refused) => refused.error,
        Ok(_) => received(&port).result.expect_err("it was discarded"),
    };
    assert!(is_reset(&lost), "{lost}");
}

#[test]
fn limits_of_time_and_cancels_end_what_waits_and_the_pipe_goes_on() {
    let port = World::System.exact_port(1);
    let name = name("limits");
    let server = instance(&port, &name, 1);
    let id = server.connect_named_pipe((), 1).expect("nobody waits yet");
    server.set_limit(id, Some(Duration::from_millis(1))).expect("it is in flight");
    assert!(is_timed_out(&connected(&port).result.expect_err("nobody came")));
    let id = server.connect_named_pipe((), 2).expect("the system waits no more");
    server.cancel(id).expect("it is in flight");
    assert!(is_aborted(&connected(&port).result.expect_err("nobody came")));
    server.connect_named_pipe((), 3).expect("the system waits no more");
    let client = open(&port, &name);
    connected(&port).result.expect("a client has come");

    let id = server.receive_pooled(4).expect("it is connected");
    server.set_limit(id, Some(Duration::from_millis(1))).expect("it is in flight");
    assert!(is_timed_out(&received(&port).result.expect_err("nothing came")));
    let id = client.receive_pooled(5).expect("it is connected");
    client.cancel(id).expect("it is in flight");
    assert!(is_aborted(&received(&port).result.expect_err("it was cancelled")));
    send(&port, &client, b"on");
    expect(&port, &server, b"on");
}

#[test]
fn transfers_are_in_order_and_whole_also_those_of_several_buffers() {
    let port = World::System.exact_port(1);
    let (server, client) = pair(&port, "order");
    let parts = |from: u8| -> Buffers {
        (from..from + 3).map(|byte| Buffer::from(vec![byte; 50_000])).collect::<Vec<_>>().into()
    };
    server.send(parts(0), 100).expect("it is connected");
    server.send(parts(3), 101).expect("it waits behind the first");
    for byte in 0..6_u8 {
        client.receive_append(Buffer::with_capacity(50_000), byte.into()).expect("it is connected");
    }
    let (mut sends, mut bytes) = (Vec::new(), Vec::new());
    let mut receives = 0;
    while sends.len() < 2 || bytes.len() < 300_000 {
        match next(&port) {
            Packet::Sent { operation, transferred, result, .. } => {
                result.expect("somebody receives it");
                assert_eq!(transferred, 150_000);
                sends.push(operation);
            }
            Packet::Received { buffer, operation, result, .. } => {
                assert!(matches!(result, Ok(Received::Data(_))));
                assert!(operation >= 6 || operation == receives, "in the order of the starts");
                receives += 1;
                bytes.extend_from_slice(&buffer);
                if bytes.len() < 300_000 && receives >= 6 {
                    client.receive_pooled(1_000).expect("it is connected");
                }
            }
            other => panic!("nothing of the kind was started: {other:?}"),
        }
    }
    assert_eq!(sends, [100, 101]);
    let expected: Vec<u8> = (0..6).flat_map(|byte| [byte; 50_000]).collect();
    assert!(bytes == expected, "each byte once and in order");

    send(&port, &server, b"12345");
    let rooms: Buffers =
        (1..=2).map(|half| Buffer::with_capacity(2 * half)).collect::<Vec<_>>().into();
    client.receive_scattered(rooms, 7).expect("it is connected");
    match next(&port) {
        Packet::ReceivedScattered { buffers, result, .. } => {
            assert_eq!(result.expect("there was data"), Received::Data(2), "the first one alone");
            assert_eq!(&buffers.iter().next().expect("there are two")[..], b"12");
        }
        other => panic!("nothing of the kind was started: {other:?}"),
    }
    expect(&port, &client, b"345");
}

#[test]
fn a_name_is_taken_by_its_first_server_and_a_bad_one_is_told_in_one_line() {
    let port = World::System.exact_port(1);
    let name = name("taken");
    for most in [1, 5] {
        let first = instance(&port, &name, most);
        if most == 1 || !wine_differs(&World::System, TAKEN, "it takes each for the first") {
            let error = TcpSocket::named_pipe(&name, most).expect_err("another server has it");
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            let text = error.to_string();
            assert!(text.contains(&name) && text.contains("taken"), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
        first.close();
        assert_eq!(refusal(&name).kind(), ErrorKind::NotFound, "it ends with its last instance");
    }

    for bad in ["", r"\\server\pipe\name", "a\0b", &"x".repeat(300)] {
        for error in [
            TcpSocket::named_pipe(bad, 1).expect_err("it is no name"),
            TcpSocket::open_named_pipe(bad).expect_err("it is no name"),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("names no pipe"), "{error}");
        }
    }
    let none = TcpSocket::named_pipe(&name, 0).expect_err("somebody must be able to come");
    assert_eq!(none.kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_completes_in_place_is_not_queued_and_comes_once() {
    let port = World::System.exact_port(1);
    let (server, client) = pair(&port, "in-place");
    let started = server.send_in_place(b"ping", 1).expect("it is connected");
    let packet = complete(&port, started);
    assert!(matches!(packet, Packet::Sent { operation: 1, transferred: 4, result: Ok(()), .. }));
    let started = client.receive_pooled_in_place(2).expect("it is connected");
    match complete(&port, started) {
        Packet::Received { buffer, operation: 2, .. } => assert_eq!(&buffer[..], b"ping"),
        other => panic!("a receive was started, and there was {other:?}"),
    }
    client.close();
    // The system answers this one at once, and has no packet of it.
    let started = server.receive_pooled_in_place(3).expect("it is connected");
    let packet = complete(&port, started);
    assert!(matches!(packet, Packet::Received { operation: 3, result: Ok(Received::End), .. }));
    assert_nothing_comes(&port);
}

#[test]
fn what_only_sockets_have_is_refused_by_a_line_that_says_so() {
    let port = World::System.exact_port(1);
    let (server, client) = pair(&port, "refused");
    let errors = [
        server.set_nodelay(true).expect_err("it is of TCP"),
        server.set_keep_alive(None).expect_err("it is of TCP"),
        server.set_send_buffer_size(1).expect_err("it is of sockets"),
        server.descriptor().expect_err("it is of sockets"),
        server.shutdown(Shutdown::Write).expect_err("both directions end together"),
        server.receive(Buffer::empty(), 1).expect_err("data is not told of").error,
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("named pipe"), "{error}");
    }
    let program = std::env::current_exe().expect("the system knows it");
    let file = OpenFile::open(program, &FileOptions::new().read(true)).expect("it is there");
    let refused = server.transmit_file(Transmission::of(file), 6).expect_err("it is of sockets");
    assert_eq!((refused.error.kind(), refused.returned.1), (ErrorKind::Unsupported, 6));
    let address = "127.0.0.1:9".parse().expect("an address");
    let idle = instance(&port, &name("refused-idle"), 1);
    let refused = idle.connect(address, (), 2).expect_err("it is none of the internet");
    assert_eq!(refused.error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
    let refused = client.connect_named_pipe((), 3).expect_err("it is a client, and connected");
    assert_eq!(refused.error.raw_os_error(), Some(errno::IS_CONNECTED));
    let socket = port.associate(TcpSocket::v4().expect("a socket can be made"), 4);
    let socket = socket.expect("a fresh socket is associated");
    let refused = socket.connect_named_pipe((), 5).expect_err("it is no pipe");
    assert_eq!(refused.error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
    assert_eq!(socket.another_named_pipe().expect_err("no pipe").kind(), ErrorKind::Unsupported);
    send(&port, &server, b"as before");
    expect(&port, &client, b"as before");
}
