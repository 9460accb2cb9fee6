//! Datagrams: each that was sent comes once, in its order, whoever drops the futures.

use super::{Random, assert_bytes, bytes, drops_wanted, polled, run};
use futures_util::future::try_join;
use overlapped_runtime::net::UdpSocket;
use overlapped_runtime::{Datagrams, spawn, yield_now};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many datagrams are on their way at most: the system drops what does not fit into the inbox of a socket.
const ON_THEIR_WAY: u64 = 16;

/// Its number, and bytes that tell it as well.
fn datagram(number: u64, length: u64) -> Vec<u8> {
    let mut datagram = number.to_le_bytes().to_vec();
    datagram.extend(bytes(number, length));
    datagram
}

fn number(datagram: &[u8]) -> u64 {
    let (number, rest) = datagram.split_first_chunk().expect("it has its number");
    let number = u64::from_le_bytes(*number);
    assert_bytes(number, rest);
    number
}

/// Sends until so many futures were dropped, one datagram or two at a time; how many datagrams that were. An
/// empty one is the last.
async fn send(socket: UdpSocket, to: SocketAddr, drops: u64, received: Arc<AtomicU64>) -> u64 {
    let (mut random, mut sent, mut dropped) = (Random(1), 0, 0);
    while dropped < drops {
        while sent - received.load(Ordering::Relaxed) >= ON_THEIR_WAY {
            yield_now().await;
        }
        let (length, times) = (random.below(1_000), random.polls(4));
        let (count, result) = if random.below(2) == 0 {
            let result = polled(socket.send_to(datagram(sent, length), to), times).await;
            (1, result.map(|(result, _)| result))
        } else {
            let mut batch = Datagrams::new();
            for number in [sent, sent + 1] {
                batch.push(to, &datagram(number, length));
            }
            let result = polled(socket.send_batch(batch), times).await;
            (2, result.map(|(result, _)| result))
        };
        match result {
            Some(result) => result.expect("it goes out"),
            None => dropped += 1,
        }
        // Once it was polled it goes out.
        sent += if times > 0 { count } else { 0 };
    }
    socket.send_to("", to).await.0.expect("it goes out");
    sent
}

/// Receives until the empty datagram, one or some at a time; how many came, and how many futures were dropped.
async fn receive(mut socket: UdpSocket, received: Arc<AtomicU64>) -> (u64, u64) {
    let (mut random, mut next, mut dropped) = (Random(2), 0, 0);
    loop {
        let times = random.polls(8);
        let came = if random.below(2) == 0 {
            let came = polled(socket.receive_from(), times).await;
            came.map(|came| vec![came.expect("it comes").0.to_vec()])
        } else {
            let room = Datagrams::with_room(3, 2_000);
            let came = polled(socket.receive_batch(room), times).await;
            came.map(|(result, datagrams)| {
                result.expect("they come");
                datagrams.iter().map(|datagram| datagram.bytes.to_vec()).collect()
            })
        };
        let Some(came) = came else {
            dropped += 1;
            continue;
        };
        for datagram in came {
            if datagram.is_empty() {
                let more = polled(socket.receive_from(), 3).await;
                assert!(more.is_none(), "nothing comes twice");
                return (next, dropped);
            }
            assert_eq!(number(&datagram), next);
            next += 1;
        }
        received.store(next, Ordering::Relaxed);
    }
}

#[test]
fn no_datagram_is_lost_or_doubled_by_futures_that_are_dropped() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("an address is free");
        let address = socket.local_addr().expect("it is bound");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("an address is free");
        let drops = drops_wanted() / 2;
        let received = Arc::new(AtomicU64::new(0));
        let sent = spawn(send(sender, address, drops, Arc::clone(&received)));
        let came = spawn(receive(socket, received));
        let both = try_join(sent, came).await;
        let (sent, (came, dropped)) = both.expect("no panic");
        assert_eq!(came, sent);
        eprintln!("{} futures of datagrams were dropped", drops + dropped);
    });
}
