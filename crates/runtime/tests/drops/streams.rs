//! Streams and listeners.

use super::{Random, assert_bytes, bytes, drops_wanted, ended, polled, run};
use futures_util::future::try_join4;
use overlapped_runtime::net::{ReadHalf, TcpListener, TcpStream, WriteHalf};
use overlapped_runtime::spawn;

/// Sends until so many futures were dropped; how many bytes that were.
async fn write(mut stream: WriteHalf, drops: u64, seed: u64) -> u64 {
    let (mut random, mut sent, mut dropped) = (Random(seed), 0, 0);
    while dropped < drops {
        let length = random.below(3_000);
        // Some are awaited, or the bytes that are not sent yet would become ever more.
        let times = random.polls(4);
        match polled(stream.send(bytes(sent, length)), times).await {
            Some((result, _)) => result.expect("the connection stands"),
            None => dropped += 1,
        }
        // Once it was polled it goes out whole.
        sent += if times > 0 { length } else { 0 };
    }
    stream.end_sending().expect("the connection stands");
    sent
}

/// Receives until the end, by futures most of which are dropped; how many bytes came, and how many futures
/// were dropped.
async fn read(mut stream: ReadHalf, seed: u64) -> (u64, u64) {
    let (mut random, mut received, mut dropped) = (Random(seed), 0, 0);
    loop {
        let times = random.polls(8);
        match polled(stream.receive(), times).await {
            None => dropped += 1,
            Some(result) => match result.expect("the connection stands") {
                None => return (received, dropped),
                Some(buffer) => {
                    assert_bytes(received, &buffer);
                    received += buffer.len() as u64;
                }
            },
        }
    }
}

type Halves = (ReadHalf, WriteHalf);

/// Both ends send and receive at the same time.
async fn exchange(one: Halves, other: Halves) {
    let drops = drops_wanted() / 4;
    let there = (spawn(write(one.1, drops, 1)), spawn(read(other.0, 2)));
    let back = (spawn(write(other.1, drops, 3)), spawn(read(one.0, 4)));
    // The first panic of any ends the test.
    let all = try_join4(there.0, there.1, back.0, back.1).await.expect("no panic");
    let (sent_there, received_there, sent_back, received_back) = all;
    assert_eq!((received_there.0, received_back.0), (sent_there, sent_back));
    let dropped = 2 * drops + received_there.1 + received_back.1;
    eprintln!("{dropped} futures of streams were dropped");
}

#[test]
fn no_byte_is_lost_or_doubled_by_futures_that_are_dropped() {
    run(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let client = spawn(async move { TcpStream::connect(address).await });
        let (server, _) = listener.accept().await.expect("a client comes");
        let client = ended(client).await.expect("it is accepted");
        exchange(client.into_split(), server.into_split()).await;
    });
}

#[test]
#[cfg(target_os = "linux")]
fn no_byte_of_a_unix_socket_is_lost_or_doubled() {
    run(async {
        let (one, other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let halves = |stream| {
            let stream = overlapped_runtime::net::UnixStream::from_std(stream);
            stream.expect("it is connected").into_split()
        };
        exchange(halves(one), halves(other)).await;
    });
}

#[test]
fn no_client_is_lost_by_accepts_that_are_dropped() {
    const CLIENTS: usize = 200;
    run(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let clients = spawn(async move {
            let mut clients = Vec::new();
            let mut random = Random(5);
            while clients.len() < CLIENTS {
                // A connect that is dropped may have reached the listener, or not.
                drop(polled(TcpStream::connect(address), random.below(3)).await);
                let mut client = TcpStream::connect(address).await.expect("it is accepted");
                let (result, _) = client.send(vec![clients.len() as u8]).await;
                result.expect("the connection stands");
                clients.push(client);
            }
            clients
        });
        let mut random = Random(6);
        let mut seen = Vec::new();
        while seen.len() < CLIENTS {
            let Some(accepted) = polled(listener.accept(), random.polls(8)).await else { continue };
            let Ok((mut stream, _)) = accepted else { continue };
            // Those that were given up end without a byte.
            if let Ok(Some(buffer)) = stream.receive().await {
                seen.push(buffer[0]);
            }
        }
        let expected = (0..CLIENTS).map(|number| number as u8);
        assert!(seen.into_iter().eq(expected), "each of them once, in their order");
        drop(ended(clients).await);
    });
}
