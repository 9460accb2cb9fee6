use super::*;
use std::thread;

#[test]
fn data_then_the_end_then_the_end_again() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    assert_eq!(number(receive(&server)), code::WOULD_BLOCK);
    assert_eq!(number(server.peek()), code::WOULD_BLOCK);
    client.send(&[IoSlice::new(b"ab"), IoSlice::new(b"cde")]).unwrap();
    drop(client);
    assert!(server.peek().unwrap(), "a look takes nothing");
    assert_eq!(network.bytes_in_flight(), 5);
    assert_eq!(receive(&server).unwrap(), b"abcde");
    assert_eq!(network.bytes_in_flight(), 0);
    assert!(!server.peek().unwrap());
    assert_eq!(receive(&server).unwrap(), b"");
    assert_eq!(receive(&server).unwrap(), b"");
}

#[test]
fn a_reset_comes_after_the_data_and_is_told_by_every_call() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    send(&client, b"abc").unwrap();
    client.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(receive(&server).unwrap(), b"abc");
    for _ in 0..2 {
        assert_eq!(number(receive(&server)), code::RESET);
        assert_eq!(number(server.peek()), code::RESET);
        assert_eq!(number(send(&server, b"x")), code::RESET);
    }
    assert_eq!(number(server.peer_addr()), code::NOT_CONNECTED);
}

#[test]
fn closing_with_unread_data_resets() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    send(&client, b"never read").unwrap();
    drop(server);
    assert_eq!(number(send(&client, b"x")), code::RESET);
    assert_eq!(number(send(&client, b"x")), code::RESET);
}

#[test]
fn the_first_send_to_a_closed_end_succeeds_and_provokes_the_reset() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    network.register(&client, 1).unwrap();
    drop(server);
    assert_eq!(events(&network), event(1, "rwe"));
    assert_eq!(send(&client, b"lost").unwrap(), 4);
    assert_eq!(events(&network), event(1, "rwe"));
    assert_eq!(number(send(&client, b"x")), code::RESET);
    assert_eq!(number(receive(&client)), code::RESET, "the FIN hides no reset");
}

#[test]
fn a_shut_down_direction_ends_and_the_other_goes_on() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    network.register(&server, 1).unwrap();
    events(&network);
    client.end_sending().unwrap();
    assert_eq!(events(&network), event(1, "re"));
    assert_eq!(number(send(&client, b"x")), code::BROKEN_PIPE);
    send(&server, b"answer").unwrap();
    assert_eq!(receive(&client).unwrap(), b"answer");
    server.end_sending().unwrap();
    assert_eq!(events(&network), event(1, "rwe"));
    assert_eq!(receive(&client).unwrap(), b"");
    assert_eq!(number(client.end_sending()), code::NOT_CONNECTED);
}

#[test]
fn a_full_inbox_stops_the_sender_and_room_is_an_edge() {
    let network = Network::new(0);
    network.set_capacity(10);
    let (client, server) = pair(&network);
    network.register(&client, 1).unwrap();
    events(&network);

    assert_eq!(send(&client, &[1; 10]).unwrap(), 10);
    let mut byte = [0];
    server.receive(&mut byte).unwrap();
    assert_eq!(events(&network), [], "nobody was told that there was no room");

    assert_eq!(send(&client, &[2; 4]).unwrap(), 1, "what fits");
    assert_eq!(number(send(&client, &[2; 3])), code::WOULD_BLOCK);
    assert_eq!(events(&network), []);
    server.receive(&mut byte).unwrap();
    server.receive(&mut byte).unwrap();
    assert_eq!(events(&network), event(1, "w"));
    assert_eq!(send(&client, &[2; 3]).unwrap(), 2);
    assert_eq!(network.bytes_in_flight(), 10);
}

#[test]
fn a_receive_takes_all_there_is_up_to_its_length() {
    let network = Network::new(0);
    network.set_capacity(10);
    let (client, server) = pair(&network);
    send(&client, &[0; 3]).unwrap();
    for _ in 0..100 {
        assert_eq!(send(&client, &[0; 7]).unwrap(), 7);
        assert_eq!(server.receive(&mut [0; 7]).unwrap(), 7);
    }
    assert_eq!(server.receive(&mut [0; 7]).unwrap(), 3);
}

#[test]
fn a_peer_waits_for_room_and_for_data() {
    let network = &Network::new(0);
    network.set_capacity(100);
    let listener = network.listener(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let data: Vec<u8> = (0..10_000u32).map(|value| value as u8).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let sender = network.connect(address).unwrap();
            sender.send(&data).unwrap();
            sender.shutdown().unwrap();
            assert_eq!(sender.receive(&mut [0; 4]).unwrap(), 0);
        });
        let receiver = listener.accept().unwrap();
        let mut received = vec![0; data.len()];
        receiver.receive_exact(&mut received).unwrap();
        assert_eq!(received, data);
        let error = receiver.receive_exact(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_peer_resets_and_sees_resets() {
    let network = Network::new(0);
    let listener = network.listener(any_port()).unwrap();
    let client = network.connect(listener.local_addr().unwrap()).unwrap();
    listener.accept().unwrap().reset();
    let error = client.receive(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}
