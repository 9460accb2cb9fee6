//! Futures that are dropped at any moment: no byte is lost or doubled, no client is lost, and nothing is left.
//!
//! `DROPS=1000000` drops as many futures; without it there are fewer, so that the tests take seconds.

use overlapped_runtime::net::{ReadHalf, TcpListener, TcpStream, WriteHalf};
use overlapped_runtime::time::{sleep, timeout};
use overlapped_runtime::{Runtime, spawn, yield_now};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(300);

fn drops_wanted() -> u64 {
    std::env::var("DROPS").map_or(20_000, |text| text.parse().expect("DROPS is a number"))
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Polls a future so often, and others in between, and then drops it.
async fn polled<F: Future>(future: F, times: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let poll = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(output) = poll {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// The byte at this place of a stream.
fn byte(place: u64) -> u8 {
    (place % 251) as u8
}

/// Sends until so many futures were dropped; how many bytes that were.
async fn write(mut stream: WriteHalf, drops: u64, seed: u64) -> u64 {
    let (mut random, mut sent, mut dropped) = (Random(seed), 0, 0);
    while dropped < drops {
        let length = random.below(3_000);
        let bytes: Vec<u8> = (sent..sent + length).map(byte).collect();
        // Some are awaited, or the bytes that are not sent yet would become ever more.
        let times = if random.below(4) == 0 { u64::MAX } else { random.below(3) };
        match polled(stream.send(bytes), times).await {
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
        let times = if random.below(8) == 0 { u64::MAX } else { random.below(3) };
        match polled(stream.receive(), times).await {
            None => dropped += 1,
            Some(result) => match result.expect("the connection stands") {
                None => return (received, dropped),
                Some(buffer) => {
                    for (place, found) in (received..).zip(&buffer[..]) {
                        assert_eq!(*found, byte(place), "the byte at {place}");
                    }
                    received += buffer.len() as u64;
                }
            },
        }
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it listens");
    let client = spawn(async move { TcpStream::connect(address).await });
    let (server, _) = listener.accept().await.expect("a client comes");
    (client.await.expect("no panic").expect("it is accepted"), server)
}

fn assert_nothing_is_left(runtime: Runtime) {
    let report = runtime.shutdown(PATIENCE);
    assert!(report.tasks.is_empty() && report.threads == 0, "{report:?}");
}

#[test]
fn no_byte_is_lost_or_doubled_by_futures_that_are_dropped() {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    let dropped = runtime.block_on(async {
        let (one, other) = pair().await;
        let (one, other) = (one.into_split(), other.into_split());
        let drops = drops_wanted() / 4;
        let there = (spawn(write(one.1, drops, 1)), spawn(read(other.0, 2)));
        let back = (spawn(write(other.1, drops, 3)), spawn(read(one.0, 4)));
        let mut all = 2 * drops;
        for (writer, reader) in [there, back] {
            let sent = timeout(PATIENCE, writer).await.expect("it ends").expect("no panic");
            let read = timeout(PATIENCE, reader).await.expect("it ends");
            let (received, dropped) = read.expect("no panic");
            assert_eq!(received, sent);
            all += dropped;
        }
        all
    });
    eprintln!("{dropped} futures were dropped");
    assert_nothing_is_left(runtime);
}

#[test]
fn no_client_is_lost_by_accepts_that_are_dropped() {
    const CLIENTS: usize = 200;
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
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
            let times = if random.below(8) == 0 { u64::MAX } else { random.below(3) };
            let Some(accepted) = polled(listener.accept(), times).await else { continue };
            let Ok((mut stream, _)) = accepted else { continue };
            // Those that were given up end without a byte.
            if let Ok(Some(buffer)) = stream.receive().await {
                seen.push(buffer[0]);
            }
        }
        let expected = (0..CLIENTS).map(|number| number as u8);
        assert!(seen.into_iter().eq(expected), "each of them once, in their order");
        drop(timeout(PATIENCE, clients).await.expect("it ends"));
    });
    assert_nothing_is_left(runtime);
}

#[test]
fn timers_that_are_dropped_at_any_moment_leave_nothing() {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
        let mut random = Random(7);
        for _ in 0..drops_wanted() / 4 {
            let after = Duration::from_micros(random.below(300));
            polled(sleep(after), random.below(4)).await;
            polled(timeout(after, sleep(after)), random.below(4)).await;
        }
    });
    assert_nothing_is_left(runtime);
}
