//! Sockets for datagrams, and what becomes of them when their futures are dropped.

mod world;

use futures_util::future::poll_immediate;
use overlapped_runtime::net::UdpSocket;
use overlapped_runtime::time::sleep;
use overlapped_runtime::{DatagramInfo, Datagrams, spawn, yield_now};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use world::run;

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("an address is free");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

#[test]
fn a_datagram_comes_whole_and_says_who_sent_it() {
    run(async {
        let (mut one, here) = bound();
        let (two, there) = bound();
        let parts = vec![overlapped_runtime::Buffer::copy_of(b"in "), "two parts".into()];
        let (result, buffers) = two.send_to(parts, here).await;
        result.expect("it goes out");
        assert_eq!(buffers.byte_len(), 12, "the buffers come back");
        two.send_to("", here).await.0.expect("an empty one goes out");
        let (datagram, sender) = one.receive_from().await.expect("one comes");
        assert_eq!((&datagram[..], sender), (&b"in two parts"[..], there));
        let (datagram, sender) = one.receive_from().await.expect("one comes");
        assert_eq!((datagram.len(), sender), (0, there));
    });
}

#[test]
fn a_connected_socket_has_one_peer() {
    run(async {
        let (mut one, here) = bound();
        let (mut two, there) = bound();
        let (stranger, _) = bound();
        assert!(two.send("to nobody").await.0.is_err(), "it is not connected");
        one.connect(there).expect("it asks nobody");
        two.connect(here).expect("it asks nobody");
        stranger.send_to("not for you", here).await.0.expect("it goes out");
        two.send("for you").await.0.expect("it goes out");
        assert_eq!(&one.receive().await.expect("one comes")[..], b"for you");
        one.send("thanks").await.0.expect("it goes out");
        assert_eq!(&two.receive().await.expect("one comes")[..], b"thanks");
    });
}

#[test]
fn a_receive_that_is_dropped_loses_nothing() {
    run(async {
        let (mut one, here) = bound();
        let (two, _) = bound();
        for round in 0..200 {
            let text = format!("datagram {round}");
            assert!(poll_immediate(pin!(one.receive_from())).await.is_none(), "none was sent");
            two.send_to(text.clone(), here).await.0.expect("it goes out");
            for _ in 0..round % 7 {
                yield_now().await;
            }
            // This one is dropped again, unless the datagram is there.
            let received = poll_immediate(pin!(one.receive_from())).await;
            let (datagram, _) = match received {
                Some(received) => received.expect("one comes"),
                None => one.receive_from().await.expect("one comes"),
            };
            assert_eq!(datagram[..], *text.as_bytes());
        }
    });
}

#[test]
fn a_send_that_is_dropped_goes_out() {
    run(async {
        let (mut one, here) = bound();
        let (two, _) = bound();
        for round in 0..100 {
            let text = format!("datagram {round}");
            // Polled once, or not at all: then nothing was started.
            let send = two.send_to(text.clone(), here);
            if round % 10 == 0 {
                drop(send);
                continue;
            }
            drop(poll_immediate(pin!(send)).await);
            let (datagram, _) = one.receive_from().await.expect("one comes");
            assert_eq!(datagram[..], *text.as_bytes());
        }
    });
}

#[test]
fn batches_bring_every_datagram_in_order() {
    const COUNT: usize = 300;
    run(async {
        let (mut one, here) = bound();
        let (two, there) = bound();
        let (mut batch, mut came) = (Datagrams::with_room(16, 100), 0);
        for first in (0..COUNT).step_by(10) {
            let mut datagrams = Datagrams::new();
            for number in first..first + 10 {
                datagrams.push(here, format!("datagram {number}").as_bytes());
            }
            let (result, left) = two.send_batch(datagrams).await;
            result.expect("they go out");
            assert!(left.is_empty(), "what went out is removed");
            while came < first + 10 {
                let result;
                (result, batch) = one.receive_batch(batch).await;
                result.expect("some come");
                for datagram in batch.iter() {
                    assert_eq!(datagram.bytes, format!("datagram {came}").as_bytes());
                    assert_eq!(datagram.info.peer, Some(there));
                    came += 1;
                }
            }
        }
        assert_eq!(came, COUNT);
    });
}

#[test]
fn a_batch_that_was_dropped_is_found_by_any_receive() {
    run(async {
        let (mut one, here) = bound();
        let (two, _) = bound();
        for _ in 0..50 {
            let room = Datagrams::with_room(8, 100);
            assert!(poll_immediate(pin!(one.receive_batch(room))).await.is_none(), "none was sent");
            let mut datagrams = Datagrams::new();
            for number in 0..5_u8 {
                datagrams.push(here, &[number]);
            }
            two.send_batch(datagrams).await.0.expect("they go out");
            // The first ones by single receives, the others by batches.
            for number in 0..3_u8 {
                let (datagram, _) = one.receive_from().await.expect("one comes");
                assert_eq!(datagram[..], [number]);
            }
            let mut next = 3;
            while next < 5 {
                let (result, batch) = one.receive_batch(Datagrams::with_room(8, 100)).await;
                result.expect("some come");
                for datagram in batch.iter() {
                    assert_eq!(datagram.bytes, [next]);
                    next += 1;
                }
            }
            // A single receive that is dropped is found by a batch.
            assert!(poll_immediate(pin!(one.receive_from())).await.is_none(), "none was sent");
            two.send_to("last", here).await.0.expect("it goes out");
            let (result, batch) = one.receive_batch(Datagrams::with_room(8, 100)).await;
            result.expect("one comes");
            let bytes: Vec<_> = batch.iter().map(|datagram| datagram.bytes.to_vec()).collect();
            assert_eq!(bytes, [b"last"]);
        }
    });
}

#[test]
fn a_batch_stops_at_what_is_refused_and_gives_the_rest_back() {
    run(async {
        let (mut one, here) = bound();
        let (two, _) = bound();
        let mut datagrams = Datagrams::new();
        datagrams.push(here, b"first");
        datagrams.push(here, &vec![0; 70_000]);
        datagrams.push(DatagramInfo::from(here), b"last");
        let (result, mut left) = two.send_batch(datagrams).await;
        assert!(result.is_err(), "no datagram has 70,000 bytes");
        assert_eq!(left.len(), 2, "the first went out");
        left.remove_first(1);
        two.send_batch(left).await.0.expect("the last goes out");
        assert_eq!(&one.receive().await.expect("one comes")[..], b"first");
        assert_eq!(&one.receive().await.expect("one comes")[..], b"last");
        assert!(one.receive_batch(Datagrams::new()).await.0.is_err(), "there is no room in it");
        assert!(two.send_batch(Datagrams::new()).await.0.is_err(), "there is none to send");
    });
}

#[test]
fn a_datagram_that_is_too_long_is_an_error_and_the_next_one_comes() {
    run(async {
        let (mut one, here) = bound();
        let (two, _) = bound();
        for bytes in [20_000, 7] {
            two.send_to(vec![1; bytes], here).await.0.expect("it goes out");
        }
        assert!(one.receive_from().await.is_err(), "a buffer of the pool is shorter");
        assert_eq!(one.receive().await.expect("one comes").len(), 7);
        one.set_datagram_max(30_000);
        two.send_to(vec![1; 20_000], here).await.0.expect("it goes out");
        assert_eq!(one.receive().await.expect("one comes").len(), 20_000);
    });
}

#[test]
fn many_tasks_send_by_one_socket() {
    const TASKS: u8 = 8;
    // So few that the socket has room for all of them.
    const EACH: u8 = 15;
    run(async {
        let (mut one, here) = bound();
        let (two, there) = bound();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let sender = two.sender();
                spawn(async move {
                    for number in 0..EACH {
                        sender.send_to(vec![task, number], here).await.0?;
                    }
                    std::io::Result::Ok(())
                })
            })
            .collect();
        // The socket stays open for those who send.
        drop(two);
        let mut next = [0; TASKS as usize];
        for _ in 0..u32::from(TASKS) * u32::from(EACH) {
            let (datagram, sender) = one.receive_from().await.expect("one comes");
            let next = &mut next[usize::from(datagram[0])];
            assert_eq!((datagram[1], sender), (*next, there), "each task's are in order");
            *next += 1;
        }
        for task in tasks {
            task.await.expect("it ends").expect("they go out");
        }
    });
}

#[test]
fn a_socket_that_is_dropped_while_it_receives_is_closed() {
    run(async {
        let (mut one, here) = bound();
        assert!(poll_immediate(pin!(one.receive_from())).await.is_none(), "none was sent");
        drop(one);
        // Its address is free again, when the receive has been cancelled.
        while std::net::UdpSocket::bind(here).is_err() {
            sleep(Duration::from_millis(1)).await;
        }
        let again = std::net::UdpSocket::bind("127.0.0.1:0").expect("an address is free");
        let mut again = UdpSocket::from_std(again).expect("it is not connected");
        assert!(
            poll_immediate(pin!(again.receive_batch(Datagrams::with_room(2, 9)))).await.is_none()
        );
    });
}
